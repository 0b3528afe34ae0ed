//! Webhooks: registered, delivered, forged and deregistered.

use std::sync::atomic::{AtomicU64, Ordering};

use linchpin::{
    Delivery, Error, Result, Secret,
    flow::KindInfo,
    http::{HeaderName, HeaderValue, header::CONTENT_TYPE},
    manifest::spec::{Hook, Spec},
};
use linchpin_runtime::{
    Clock,
    webhook::{self, Fetcher, Guard, Judged},
};
use serde_json::Value;

use crate::Harness;

/// Where a harness lets services deliver.
const EVENT_URL: &str = "https://hooks.example/in/1";

/// How many deliveries were made: each has an id of its own.
static DELIVERIES: AtomicU64 = AtomicU64::new(1);

/// A webhook that a flow has registered.
///
/// ```
/// # use linchpin::{Connector, connector::SpecFile, prelude::*, serde_json::json};
/// # use linchpin_testing::{Harness, answer};
/// # #[fields]
/// # pub struct Project { pub project: String }
/// # #[fields]
/// # pub struct HookId { pub id: u64 }
/// # #[fields]
/// # pub struct Issue { pub title: String }
/// # #[webhook(register, hook = "project")]
/// # async fn register(cx: Context, url: EventUrl, SigningSecret(key): SigningSecret, Options(of): Options<Project>) -> Result<HookId> {
/// #     let hook = json!({ "url": *url, "secret": key.expose() });
/// #     cx.post(path!("/projects/{of.project}/hooks")).json(&hook).send().await?.json()
/// # }
/// # #[webhook(deregister, hook = "project")]
/// # async fn deregister(cx: Context, Registered(hook): Registered<register>) -> Result<()> {
/// #     cx.delete(path!("/hooks/{hook.id}")).send().await.map(drop)
/// # }
/// # #[webhook(event = "issue_opened")]
/// # async fn issue_opened(_cx: Context, Payload(issue): Payload<Issue>) -> Result<Issue> { Ok(issue) }
/// # const SPEC: SpecFile = SpecFile { path: "specs/tracker.toml", text: r#"
/// # schema = 1
/// # key = "tracker"
/// # name = "Tracker"
/// # version = "0.1.0"
/// # [http]
/// # base_url = "https://tracker.example/api"
/// # [hook.project]
/// # signature = { scheme = "hmac-sha256", header = "X-Signature", encoding = "hex", key = "registration" }
/// # [event.issue_opened]
/// # name = "Issue Opened"
/// # hook = "project"
/// # match = { header = { X-Event = "issue" } }
/// # "# };
/// # fn connector() -> Connector {
/// #     Connector::builder(SPEC).flow::<register>().flow::<deregister>().flow::<issue_opened>().build().unwrap()
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = Harness::new(connector()).await;
/// service.on("POST", "/projects/web/hooks", answer::json(201, json!({ "id": 7 }))).await;
/// service.on("DELETE", "/hooks/7", answer::no_content()).await;
///
/// let hook = service.register("register", json!({ "project": "web" })).await.unwrap();
///
/// let (event, issue) = ([("X-Event", "issue")], json!({ "title": "It is broken" }));
/// let sent = service.delivery("project", &hook.key, &event, &issue).unwrap();
/// assert_eq!(service.deliver("issue_opened", &hook.key, sent).await.unwrap(), issue);
///
/// let forged = service.delivery("project", &Secret::new("another key"), &event, &issue).unwrap();
/// let error = service.deliver("issue_opened", &hook.key, forged).await.unwrap_err();
/// assert_eq!(error.code(), Code::SignatureInvalid);
///
/// service.deregister("deregister", &hook).await.unwrap();
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Registration {
    /// What the registering flow gave, which the deregistering one gets.
    pub registered: Value,
    /// The key that the flow was given, with which the service signs.
    pub key: Secret,
}

impl Harness {
    /// Runs a flow that registers a webhook, with an event URL and a new key.
    ///
    /// # Errors
    ///
    /// As [`invoke`](Harness::invoke).
    pub async fn register(&self, flow: &str, options: Value) -> Result<Registration> {
        let key = webhook::signing_secret()?;
        let registered = self
            .invoke(flow, |invocation| {
                invocation.options(options.to_string()).event_url(EVENT_URL).signing_secret(key.clone())
            })
            .await?;
        Ok(Registration { registered, key })
    }

    /// Runs a flow that deregisters a webhook.
    ///
    /// # Errors
    ///
    /// As [`invoke`](Harness::invoke).
    pub async fn deregister(&self, flow: &str, hook: &Registration) -> Result<()> {
        self.invoke(flow, |invocation| invocation.registered(hook.registered.to_string())).await.map(drop)
    }

    /// A delivery of a hook as the service would send it, signed with a key as the spec says.
    ///
    /// # Errors
    ///
    /// When the spec has no such hook, or a header is none.
    pub fn delivery(
        &self,
        hook: &str,
        key: &Secret,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Delivery> {
        let mut unsigned =
            Delivery { url: EVENT_URL.to_owned(), body: body.to_string().into(), ..Delivery::default() };
        unsigned.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Error::new(format!("`{name}` is no header name")))?;
            let value = HeaderValue::from_str(value).map_err(|_| {
                Error::new(format!("the value of the header `{name}` has control characters"))
            })?;
            unsigned.headers.insert(name, value);
        }
        let id = DELIVERIES.fetch_add(1, Ordering::Relaxed).to_string();
        Guard::new(find(self.connector.spec()?, hook)?)?.sign(key, unsigned, &id, self.clock.now())
    }

    /// Does with a delivery what a host does: verifies it under the key, and gives it to the event's flow.
    ///
    /// # Errors
    ///
    /// [`Code::SignatureInvalid`](linchpin::Code::SignatureInvalid) when it was not signed with the key,
    /// [`Code::EventMismatch`](linchpin::Code::EventMismatch) when it is of another event, and what the flow gives.
    pub async fn deliver(&self, flow: &str, key: &Secret, delivery: Delivery) -> Result<Value> {
        let spec = self.connector.spec()?;
        let served = match self.connector.flow(flow).map(|flow| flow.kind) {
            Some(KindInfo::WebhookEvent { event }) => spec.events.iter().find(|known| known.key == event),
            _ => None,
        };
        let hook = served.and_then(|event| event.hook.as_deref());
        let hook =
            hook.ok_or_else(|| Error::new(format!("`{flow}` is no flow that serves an event of a hook")))?;
        let guard = Guard::new(find(spec, hook)?)?;
        let fetcher = Fetcher::at(&self.runtime, &self.uri())?;
        match guard.judge(&fetcher, &delivery, std::slice::from_ref(key), self.clock.now()).await? {
            Judged::Delivery => {}
            Judged::Handshake(_) => return Err(Error::new("the delivery is a handshake, and no event")),
        }
        self.invoke(flow, |invocation| invocation.delivery(delivery)).await
    }
}

fn find<'s>(spec: &'s Spec, hook: &str) -> Result<&'s Hook> {
    let found = spec.hooks.iter().find(|known| known.key == hook);
    found.ok_or_else(|| Error::new(format!("the spec has no hook `{hook}`")))
}
