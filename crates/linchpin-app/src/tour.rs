//! `linchpin tour`: the main job on one command, without a network.

use std::{
    future::{Future, ready},
    sync::Arc,
    time::Duration,
};

use clap::{Arg, ArgMatches, Command};
use linchpin::{
    Code, Connector, DateTime, Delivery, Error, Result, Secret,
    extract::ConnectionValues,
    flow::{BoxFuture, FlowDescriptor},
};
use linchpin_cli::{Exit, Failure, Format};
use linchpin_github::mock::{Fault, Github, Happening, OWNER, REPOSITORY, TOKEN};
use linchpin_runtime::{
    Clock, Connection, Invocation, Output, ResultCheck, Runtime, SystemClock,
    webhook::{self, Fetcher, Guard},
};
use serde_json::{Value, json};

/// Where GitHub would deliver.
const EVENT_URL: &str = "https://hooks.example/in/tour";

/// How to call it.
pub(crate) fn command() -> Command {
    Command::new("tour")
        .about("Show what linchpin does, against a GitHub on this machine; no network, no account")
        // For the test that proves that a broken step is noticed.
        .arg(Arg::new("break").long("break").value_name("REQUEST").hide(true))
}

/// Runs it; exits 1 when any step fails.
pub(crate) fn run(matches: &ArgMatches, format: Format) -> Result<Exit, Failure> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let executor = executor.map_err(|error| Failure::usage(format!("no executor can be had: {error}")))?;
    executor.block_on(async {
        let mut tour = Tour::start(matches.get_one::<String>("break"), format).await?;
        tour.walk().await;
        Ok(tour.end())
    })
}

/// The machine's clock, but that nobody waits for a GitHub of our own to recover.
#[derive(Debug)]
struct Hurried;

impl Clock for Hurried {
    fn now(&self) -> DateTime {
        SystemClock.now()
    }

    fn pause(&self, _time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}

struct Tour {
    github: Github,
    connector: Connector,
    connection: Connection,
    runtime: Runtime,
    format: Format,
    steps: u32,
    failed: u32,
}

impl Tour {
    async fn start(broken: Option<&String>, format: Format) -> Result<Tour, Failure> {
        let github = Github::start().await;
        if let Some(request) = broken {
            github.break_on(request, Fault::ServerError);
        }
        let connector = linchpin_github::connector();
        let values = ConnectionValues {
            method: "token".into(),
            fields: [("token".into(), Secret::new(TOKEN))].into(),
        };
        let connection = Connection::builder(&connector, values)
            .base_url(github.uri())
            .clock(Arc::new(Hurried))
            .build()?;
        let tour =
            Tour { github, connector, connection, runtime: Runtime::new(), format, steps: 0, failed: 0 };
        let flows = tour.connector.flows().len();
        tour.say(&format!(
            "A GitHub of our own listens at {}; its connector has {flows} flows.",
            tour.github.uri()
        ));
        Ok(tour)
    }

    async fn walk(&mut self) {
        let repository = format!("{OWNER}/{REPOSITORY}");
        let here = || json!({ "repository": repository });

        let ping = self.call("authping", |call| call).await;
        self.step("authping: does the connection work, and whose is it?", "authping", ping, |identity| {
            format!("{}, with {}", text(identity, "/label"), identity["scopes"])
        });

        let new =
            json!({ "repository": repository, "title": "The tour was here", "labels": ["bug"] }).to_string();
        let created = self.call("create_issue", |call| call.input(new)).await;
        self.step("an action: open an issue", "create_issue", created, |issue| {
            format!("#{} {:?}", issue["number"], text(issue, "/title"))
        });

        let listed = self.stream("list_issues", here(), 150).await;
        self.step("a streamed list: the first 150 issues, page by page", "list_issues", listed, |issues| {
            let newest = issues.pointer("/issues/0/title").and_then(Value::as_str).unwrap_or_default();
            format!("{} issues with {} requests, the newest {newest:?}", issues["count"], issues["requests"])
        });

        let hook = self.register(&repository).await;
        if let Some((hook, secret)) = hook {
            self.deliver(&hook, &secret).await;
            let gone = self.call("deregister", |call| call.registered(hook.to_string())).await;
            let left = self.github.hooks().len();
            self.step("deregister: GitHub shall deliver no more", "deregister", gone, |_| {
                format!("{left} hooks are left")
            });
        }

        let revoked = self.call("revoke", |call| call).await;
        self.step("revoke: kill the token at the service", "revoke", revoked, |outcome| {
            text(outcome, "/outcome").to_owned()
        });
        let after = match self.call("authping", |call| call).await {
            Err(error) if error.code() == Code::Unauthorized => Ok(json!(error.message())),
            Err(error) => Err(error),
            Ok(_) => Err(Error::new("the token still works after it was revoked")),
        };
        self.step("and after that the token is dead", "authping", after, |message| {
            format!("GitHub says {message}")
        });
    }

    /// Registers a webhook; gives what the registration gave, and the key that signs.
    async fn register(&mut self, repository: &str) -> Option<(Value, Secret)> {
        let secret = webhook::signing_secret();
        let options = json!({ "repository": repository, "event": "issue_opened" }).to_string();
        let (hook, secret) = match secret {
            Ok(secret) => {
                let given = secret.clone();
                let register =
                    |call: Invocation| call.options(options).event_url(EVENT_URL).signing_secret(given);
                (self.call("register", register).await, Some(secret))
            }
            Err(error) => (Err(error), None),
        };
        let kept = hook.as_ref().ok().cloned();
        self.step("register: GitHub shall tell of opened issues", "register", hook, |hook| {
            format!("hook {}", hook["id"])
        });
        kept.zip(secret)
    }

    /// A delivery with a good signature, and one without.
    async fn deliver(&mut self, hook: &Value, secret: &Secret) {
        let delivery = self.delivery(hook);
        let shaped = match &delivery {
            Ok(delivery) => match self.verify(secret, delivery).await {
                Ok(()) => self.call("issue_opened", |call| call.delivery(delivery.clone())).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(Error::new(error.to_string())),
        };
        self.step(
            "a signed delivery: verified, then shaped by its event flow",
            "issue_opened",
            shaped,
            |event| format!("issue {:?} was opened", text(event, "/issue/title")),
        );

        let refused = match delivery {
            Ok(mut delivery) => {
                delivery.body = [&delivery.body[..], b" "].concat().into();
                match self.verify(secret, &delivery).await {
                    Err(error) if error.code() == Code::SignatureInvalid => Ok(json!(error.message())),
                    Err(error) => Err(error),
                    Ok(()) => Err(Error::new("a forged delivery was accepted")),
                }
            }
            Err(error) => Err(error),
        };
        self.step(
            "a forged delivery: refused before any of the connector's code",
            "issue_opened",
            refused,
            |message| message.as_str().unwrap_or_default().to_owned(),
        );
    }

    fn delivery(&self, hook: &Value) -> Result<Delivery> {
        let delivery = hook["id"].as_u64().and_then(|id| self.github.delivery(id, Happening::IssueOpened));
        delivery.ok_or_else(|| Error::new("the service has nothing to deliver"))
    }

    async fn verify(&self, secret: &Secret, delivery: &Delivery) -> Result<()> {
        let spec = self.connector.spec()?;
        let hook = spec.hooks.first().ok_or_else(|| Error::new("the spec has no hook"))?;
        let (guard, fetcher) = (Guard::new(hook)?, Fetcher::new(&self.runtime));
        guard.judge(&fetcher, delivery, std::slice::from_ref(secret), SystemClock.now()).await.map(drop)
    }

    fn invocation(&self, flow: &str) -> Result<Invocation> {
        Ok(Invocation::named(&self.connection, flow)?.check(ResultCheck::Strict))
    }

    /// Runs a flow that gives one value.
    async fn call(&self, flow: &str, fill: impl FnOnce(Invocation) -> Invocation) -> Result<Value> {
        match self.runtime.run(fill(self.invocation(flow)?)).await?.output {
            Output::Value(json) => serde_json::from_str(&json).map_err(|error| Error::new(error.to_string())),
            _ => Ok(Value::Null),
        }
    }

    /// Reads records of a list.
    fn stream(&self, flow: &str, input: Value, limit: usize) -> impl Future<Output = Result<Value>> {
        let invocation = self.invocation(flow).map(|invocation| invocation.input(input.to_string()));
        let runtime = self.runtime.clone();
        async move {
            let ran = runtime.run(invocation?).await?;
            let Output::Records(mut records) = ran.output else { return Err(Error::new("not a list")) };
            let mut issues: Vec<Value> = Vec::new();
            while issues.len() < limit
                && let Some(batch) = records.next_batch(limit - issues.len()).await?
            {
                let lines = batch.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                issues.extend(lines.filter_map(|line| serde_json::from_slice(line).ok()));
            }
            Ok(json!({ "count": issues.len(), "requests": ran.trace.requests(), "issues": issues }))
        }
    }

    fn step(&mut self, what: &str, flow: &str, outcome: Result<Value>, show: impl FnOnce(&Value) -> String) {
        self.steps += 1;
        let code = self.connector.flow(flow).map(place).unwrap_or_default();
        match (outcome, self.format) {
            (Ok(value), Format::Human) => {
                self.say(&format!(
                    "\n{}. {what}\n   {}\n   the author's code: {code}",
                    self.steps,
                    show(&value)
                ));
            }
            (Ok(value), _) => {
                self.say(&json!({ "step": self.steps, "flow": flow, "ok": true, "shown": show(&value), "code": code }).to_string());
            }
            (Err(error), format) => {
                self.failed += 1;
                let (number, message) = (error.code().as_str(), error.message());
                self.say(&match format {
                    Format::Human => {
                        format!("\n{}. {what}\n   FAILED [{number}]: {message}\n   the author's code: {code}", self.steps)
                    }
                    _ => json!({ "step": self.steps, "flow": flow, "ok": false, "code": code, "error": { "code": number, "message": message } }).to_string(),
                });
            }
        }
    }

    fn end(self) -> Exit {
        if self.failed > 0 {
            self.say(&format!("\n{} of {} steps failed.", self.failed, self.steps));
            return Exit::Failed;
        }
        self.say("\nEvery step worked. Next: `linchpin describe github`, and the README for a connector of your own.");
        Exit::Ok
    }

    #[allow(clippy::print_stdout, reason = "what the tour shows is its data")]
    fn say(&self, text: &str) {
        if self.format == Format::Human || text.starts_with('{') {
            println!("{text}");
        } else {
            eprintln!("{}", text.trim());
        }
    }
}

fn place(flow: &'static FlowDescriptor) -> String {
    format!("{}:{}", flow.place.0, flow.place.1)
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
