//! What the mock keeps, and how it answers.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use linchpin::{
    DateTime,
    serde_json::{self, Value, json},
};
use wiremock::{Request, ResponseTemplate, http::Url};

use super::{
    APPS, EVENTS, Fault, GROUPS, USER, USERS,
    hook::Hook,
    oauth::{Caller, OAuth},
    payload,
};

pub(super) struct State {
    pub(super) oauth: OAuth,
    pub(super) faults: Vec<(String, Fault)>,
    pub(super) users: Vec<Value>,
    /// Pairs of group and user.
    pub(super) members: BTreeSet<(String, String)>,
    /// What was put down in the System Log, and when, behind what is there from the beginning.
    pub(super) logged: Vec<(DateTime, Value)>,
    pub(super) before_log: Option<Box<dyn FnOnce() + Send>>,
    pub(super) hooks: Vec<Hook>,
    /// Where the event hooks lead.
    pub(super) reach: Option<SocketAddr>,
    made: usize,
    groups: Vec<Value>,
    uri: String,
    asked: u64,
}

/// An error: its status, its code, its summary and its causes.
type Problem = (u16, &'static str, String, Vec<&'static str>);

/// What an answer is made of.
type Answer = Result<ResponseTemplate, Problem>;

/// What was asked.
struct Asked {
    path: String,
    query: HashMap<String, String>,
    /// The parameters in their order.
    pairs: Vec<(String, String)>,
    body: Value,
}

impl Asked {
    fn flag(&self, name: &str) -> Option<bool> {
        self.query.get(name).map(|value| value == "true")
    }
}

fn ok(body: &Value) -> Answer {
    Ok(ResponseTemplate::new(200).set_body_json(body))
}

fn done(status: u16) -> Answer {
    Ok(ResponseTemplate::new(status))
}

fn missing(id: &str) -> Problem {
    (404, "E0000007", format!("there is no {id}"), Vec::new())
}

fn invalid(what: &str, cause: &'static str) -> Problem {
    (400, "E0000001", format!("not valid: {what}"), vec![cause])
}

impl State {
    pub(super) fn new(uri: String) -> State {
        let mut users: Vec<Value> =
            (0..USERS).map(|number| payload::user(number, &payload::profile(number))).collect();
        for (number, status) in [(3, "DEPROVISIONED"), (4, "SUSPENDED"), (5, "LOCKED_OUT"), (6, "STAGED")] {
            users[number]["status"] = status.into();
        }
        let group = |number: usize| {
            let profile = json!({ "name": format!("Team {number}"), "description": null });
            payload::group(number, &profile)
        };
        let everybody = (0..USERS).map(|number| (payload::group_id(0), payload::user_id(number)));
        let everywhere = (0..GROUPS).map(|number| (payload::group_id(number), USER.to_owned()));
        State {
            oauth: OAuth::new(),
            faults: Vec::new(),
            users,
            members: everybody.chain(everywhere).collect(),
            logged: Vec::new(),
            before_log: None,
            hooks: Vec::new(),
            reach: None,
            made: 0,
            groups: (0..GROUPS).map(group).collect(),
            uri,
            asked: 0,
        }
    }

    pub(super) fn respond(&mut self, request: &Request) -> ResponseTemplate {
        self.asked += 1;
        let answer = self.answer(request).unwrap_or_else(|(status, code, summary, causes)| {
            ResponseTemplate::new(status).set_body_json(payload::problem(code, &summary, &causes))
        });
        answer.insert_header("x-okta-request-id", format!("req{:08}", self.asked))
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let path = request.url.path().to_owned();
        let name = format!("{} {path}", request.method);
        let fault = self.faults.iter().find(|(broken, _)| *broken == name).map(|(_, fault)| *fault);
        if let Some(fault) = fault {
            return broken(fault);
        }
        match name.as_str() {
            "POST /oauth2/v1/token" => return Ok(self.oauth.token(&form(&request.body))),
            "POST /oauth2/v1/revoke" => return Ok(self.oauth.revoke(&form(&request.body))),
            _ => {}
        }
        let header = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        let Some(caller) = header.and_then(|header| self.oauth.caller(header)) else {
            return broken(Fault::Unauthorized);
        };
        let pairs: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
        let asked = Asked {
            path: path.clone(),
            query: pairs.iter().cloned().collect(),
            pairs,
            body: serde_json::from_slice(&request.body).unwrap_or_default(),
        };
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let [_, _, rest @ ..] = segments.as_slice() else { return Err(missing(&path)) };
        let decoded: Vec<String> = rest.iter().map(|segment| segment.replace("%40", "@")).collect();
        let rest: Vec<&str> = decoded.iter().map(String::as_str).collect();
        self.api(caller, request.method.as_str(), &rest, &asked)
    }

    fn api(&mut self, caller: Caller, method: &str, path: &[&str], asked: &Asked) -> Answer {
        match (method, path) {
            ("GET", ["org"]) => ok(&payload::org()),
            ("DELETE", ["api-tokens", "current"]) if caller == Caller::Admin => {
                self.oauth.revoke_api_token();
                done(204)
            }
            ("DELETE", ["api-tokens", "current"]) => broken(Fault::Forbidden),
            ("GET", ["users", "me"]) if caller == Caller::App => Err(missing("user behind an app")),
            ("GET", ["users"]) => self.list_users(asked),
            ("POST", ["users"]) => self.create_user(asked),
            ("GET", ["users", id]) => ok(self.user(id)?),
            ("POST", ["users", id]) => {
                let user = self.user(id)?;
                merge(&mut user["profile"], &asked.body["profile"]);
                ok(user)
            }
            ("DELETE", ["users", id]) => {
                let user = self.user(id)?;
                // Whoever is not deactivated yet is deactivated, and no more.
                if user["status"] == "DEPROVISIONED" {
                    let id = user["id"].clone();
                    self.users.retain(|user| user["id"] != id);
                } else {
                    user["status"] = "DEPROVISIONED".into();
                }
                done(204)
            }
            ("GET", ["users", id, "groups"]) => {
                let id = self.user(id)?["id"].as_str().unwrap_or_default().to_owned();
                let fits =
                    |group: &&Value| self.members.contains(&(text(&group["id"]).to_owned(), id.clone()));
                // This one list has no pages.
                ok(&self.groups.iter().filter(fits).cloned().collect())
            }
            ("DELETE", ["users", id, "sessions"]) => self.user(id).and(done(204)),
            ("POST", ["users", id, "lifecycle", what]) => self.lifecycle(id, what, asked),
            ("GET", ["groups"]) => self.list_groups(asked),
            ("POST", ["groups"]) => {
                if text(&asked.body["profile"]["name"]).is_empty() {
                    return Err(invalid("name", "name: there is none"));
                }
                let group = payload::group(self.groups.len(), &asked.body["profile"]);
                self.groups.push(group.clone());
                ok(&group)
            }
            ("GET", ["groups", id]) => ok(self.group(id)?),
            ("PUT", ["groups", id]) => {
                let group = self.group(id)?;
                group["profile"] = asked.body["profile"].clone();
                ok(group)
            }
            ("DELETE", ["groups", id]) => {
                self.group(id)?;
                self.groups.retain(|group| group["id"] != *id);
                done(204)
            }
            ("GET", ["groups", id, "users"]) => {
                self.group(id)?;
                let fits =
                    |user: &&Value| self.members.contains(&((*id).to_owned(), text(&user["id"]).to_owned()));
                self.page(asked, self.users.iter().filter(fits), false)
            }
            ("PUT" | "DELETE", ["groups", group, "users", user]) => {
                self.group(group)?;
                let member = ((*group).to_owned(), text(&self.user(user)?["id"]).to_owned());
                match method {
                    "PUT" => self.members.insert(member),
                    _ => self.members.remove(&member),
                };
                done(204)
            }
            ("GET", ["apps"]) => {
                let begins = asked.query.get("q").map(String::as_str).unwrap_or_default();
                let apps: Vec<Value> = (0..APPS).map(payload::app).collect();
                let mut fitting = Vec::new();
                for app in &apps {
                    if text(&app["label"]).starts_with(begins) && fits(asked.query.get("filter"), app)? {
                        fitting.push(app);
                    }
                }
                self.page(asked, fitting.into_iter(), false)
            }
            ("GET", ["logs"]) => self.logs(asked),
            (method, ["eventHooks", rest @ ..]) => self.event_hooks(method, rest, asked),
            _ => Err((405, "E0000022", format!("{method} is not for {}", asked.path), Vec::new())),
        }
    }

    fn user(&mut self, id: &str) -> Result<&mut Value, Problem> {
        let id = if id == "me" { super::ADMIN } else { id };
        let found = self.users.iter_mut().find(|user| user["id"] == id || user["profile"]["login"] == id);
        found.ok_or_else(|| missing(id))
    }

    fn group(&mut self, id: &str) -> Result<&mut Value, Problem> {
        self.groups.iter_mut().find(|group| group["id"] == id).ok_or_else(|| missing(id))
    }

    fn list_users(&self, asked: &Asked) -> Answer {
        let (search, filter) = (asked.query.get("search"), asked.query.get("filter"));
        let begins = asked.query.get("q").map(|typed| typed.to_lowercase());
        let mut fitting = Vec::new();
        for user in &self.users {
            // Nobody sees who is deactivated but whoever says what they look for.
            let shown = search.is_some() || filter.is_some() || user["status"] != "DEPROVISIONED";
            let typed = begins.as_ref().is_none_or(|begins| {
                let of = |name: &str| text(&user["profile"][name]).to_lowercase().starts_with(begins);
                of("firstName") || of("lastName") || of("email")
            });
            if shown && typed && fits(search, user)? && fits(filter, user)? {
                fitting.push(user);
            }
        }
        if asked.query.get("sortOrder").is_some_and(|order| order == "desc") && search.is_some() {
            fitting.reverse();
        }
        // With `q` there are no further pages.
        match begins {
            Some(_) => self.first(asked, fitting),
            None => self.page(asked, fitting.into_iter(), false),
        }
    }

    fn list_groups(&self, asked: &Asked) -> Answer {
        let begins = asked.query.get("q").map(String::as_str);
        let mut fitting = Vec::new();
        for group in &self.groups {
            let typed = begins.is_none_or(|begins| text(&group["profile"]["name"]).starts_with(begins));
            if typed && fits(asked.query.get("search"), group)? && fits(asked.query.get("filter"), group)? {
                fitting.push(group);
            }
        }
        match begins {
            Some(_) => self.first(asked, fitting),
            None => self.page(asked, fitting.into_iter(), false),
        }
    }

    fn create_user(&mut self, asked: &Asked) -> Answer {
        let profile = &asked.body["profile"];
        for (name, cause) in [
            ("login", "login: there is none"),
            ("email", "email: there is none"),
            ("firstName", "firstName: there is none"),
            ("lastName", "lastName: there is none"),
        ] {
            if text(&profile[name]).is_empty() {
                return Err(invalid(name, cause));
            }
        }
        if self.users.iter().any(|user| user["profile"]["login"] == profile["login"]) {
            return Err(invalid("login", "login: somebody has it already"));
        }
        let mut user = payload::user(self.users.len(), profile);
        let password = asked.body["credentials"]["password"]["value"].is_string();
        user["status"] = match (asked.flag("activate"), password) {
            (Some(false), _) => "STAGED",
            (_, false) => "PROVISIONED",
            (_, true) if asked.query.contains_key("nextLogin") => "PASSWORD_EXPIRED",
            (_, true) => "ACTIVE",
        }
        .into();
        for group in asked.body["groupIds"].as_array().into_iter().flatten() {
            self.members.insert((text(group).to_owned(), text(&user["id"]).to_owned()));
        }
        self.users.push(user.clone());
        ok(&user)
    }

    fn lifecycle(&mut self, id: &str, what: &str, asked: &Asked) -> Answer {
        let uri = self.uri.clone();
        let user = self.user(id)?;
        let status = text(&user["status"]).to_owned();
        let mut becomes = |status: &str| user["status"] = status.into();
        match (what, status.as_str()) {
            ("activate", "STAGED" | "DEPROVISIONED") => {
                becomes("PROVISIONED");
                ok(&match asked.flag("sendEmail") {
                    Some(false) => {
                        json!({ "activationUrl": format!("{uri}/tokens/mock/verify"), "activationToken": "mock" })
                    }
                    _ => json!({}),
                })
            }
            ("activate", _) => Err((403, "E0000016", "the user is active already".to_owned(), Vec::new())),
            ("deactivate", _) => {
                becomes("DEPROVISIONED");
                done(200)
            }
            ("suspend", "ACTIVE") => {
                becomes("SUSPENDED");
                done(200)
            }
            ("suspend", _) => Err(invalid("suspendUser", "only active users can be suspended")),
            ("unsuspend", "SUSPENDED") => {
                becomes("ACTIVE");
                done(200)
            }
            ("unsuspend", _) => Err(invalid("unsuspendUser", "the user is not suspended")),
            ("unlock", "LOCKED_OUT") => {
                becomes("ACTIVE");
                done(200)
            }
            ("unlock", _) => Err((403, "E0000032", "the user is not locked out".to_owned(), Vec::new())),
            ("expire_password", _) => {
                becomes("PASSWORD_EXPIRED");
                ok(user)
            }
            ("reset_password", _) => {
                let Some(mail) = asked.flag("sendEmail") else {
                    return Err(invalid("sendEmail", "sendEmail: there is none"));
                };
                becomes("RECOVERY");
                ok(&match mail {
                    true => json!({}),
                    false => json!({ "resetPasswordUrl": format!("{uri}/signin/reset-password/mock") }),
                })
            }
            ("reset_factors", _) => done(200),
            _ => Err(missing(what)),
        }
    }

    fn event_hooks(&mut self, method: &str, path: &[&str], asked: &Asked) -> Answer {
        let wrong = |cause| invalid("eventHook", cause);
        let [id, rest @ ..] = path else {
            if method == "GET" {
                return ok(&self.hooks.iter().map(Hook::show).collect());
            }
            let hook = Hook::read(format!("who{:017}", self.made), &asked.body).map_err(wrong)?;
            if self.hooks.iter().any(|known| known.name == hook.name) {
                return Err(wrong("name: another has it"));
            }
            self.made += 1;
            self.hooks.push(hook);
            return ok(&self.hooks[self.hooks.len() - 1].show());
        };
        let reach = self.reach;
        let at = self.hooks.iter().position(|hook| hook.id == *id).ok_or_else(|| missing(id))?;
        let hook = &mut self.hooks[at];
        match (method, rest) {
            ("GET", []) => {}
            ("PUT", []) => {
                let changed = Hook::read(hook.id.clone(), &asked.body).map_err(wrong)?;
                // It stays active or not, and its channel has to be verified anew.
                let active = std::mem::replace(hook, changed).active;
                hook.active = active;
            }
            ("DELETE", []) if hook.active => return Err(wrong("status: it is active")),
            ("DELETE", []) => {
                self.hooks.remove(at);
                return done(204);
            }
            ("POST", ["lifecycle", "activate"]) => hook.active = true,
            ("POST", ["lifecycle", "deactivate"]) => hook.active = false,
            ("POST", ["lifecycle", "verify"]) => {
                if !hook.verify(reach) {
                    return Err(wrong("verification: the URL did not give the challenge back"));
                }
            }
            _ => return Err(missing(id)),
        }
        ok(&hook.show())
    }

    /// With an end or the newest first by the times of the events, otherwise by when they were put down, without an end.
    fn logs(&self, asked: &Asked) -> Answer {
        let time = |name: &str| asked.query.get(name).and_then(|time| time.parse::<DateTime>().ok());
        let (since, until) = (time("since"), time("until"));
        let keyword = asked.query.get("q").map(String::as_str).unwrap_or_default();
        let descending = asked.query.get("sortOrder").is_some_and(|order| order == "DESCENDING");
        let polled = until.is_none() && !descending;
        let old = (0..EVENTS).map(|number| (None, payload::event(number)));
        let new = self.logged.iter().map(|(persisted, event)| (Some(*persisted), event.clone()));
        let mut events = Vec::new();
        for (persisted, event) in old.chain(new) {
            let published = text(&event["published"]).parse::<DateTime>().ok();
            let when = persisted.filter(|_| polled).or(published);
            if since.is_none_or(|since| when >= Some(since))
                && until.is_none_or(|until| when <= Some(until))
                && text(&event["displayMessage"]).contains(keyword)
                && fits(asked.query.get("filter"), &event)?
            {
                events.push((published, event));
            }
        }
        if !polled {
            events.sort_by_key(|(published, _)| *published);
        }
        if descending {
            events.reverse();
        }
        self.page(asked, events.iter().map(|(_, event)| event), polled)
    }

    /// As many records as were asked for, and no way to others.
    fn first(&self, asked: &Asked, records: Vec<&Value>) -> Answer {
        let limit = asked.query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10);
        ok(&records.into_iter().take(limit).cloned().collect())
    }

    /// One page of a list, with a link to the next where there are more records or the list is `endless`.
    fn page<'a>(&self, asked: &Asked, records: impl Iterator<Item = &'a Value>, endless: bool) -> Answer {
        let number = |name: &str| asked.query.get(name).and_then(|number| number.parse::<usize>().ok());
        let (from, limit) = (number("after").unwrap_or(0), number("limit").unwrap_or(200));
        let mut rest = records.skip(from);
        let found: Vec<&Value> = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        let link = |after: Option<usize>, rel: &str| {
            let others = asked.pairs.iter().filter(|(name, _)| name != "after");
            let mut url = Url::parse(&self.uri).ok()?;
            url.set_path(&asked.path);
            url.query_pairs_mut().extend_pairs(others);
            if let Some(after) = after {
                url.query_pairs_mut().append_pair("after", &after.to_string());
            }
            Some(format!("<{url}>; rel=\"{rel}\""))
        };
        let mut answer = ResponseTemplate::new(200).set_body_json(&found);
        let next = (more || endless).then(|| link(Some(from + found.len()), "next")).flatten();
        for link in link(number("after"), "self").into_iter().chain(next) {
            answer = answer.append_header("link", link.as_str());
        }
        Ok(answer)
    }
}

fn broken(fault: Fault) -> Answer {
    Err(match fault {
        Fault::Unauthorized => (401, "E0000011", "the token is not valid".to_owned(), Vec::new()),
        Fault::Forbidden => (403, "E0000006", "the token may not do this".to_owned(), Vec::new()),
        Fault::NotFound => missing("such thing"),
        Fault::Invalid => invalid("something", "something: it is too long"),
        Fault::ServerError => (500, "E0000009", "something went wrong".to_owned(), Vec::new()),
        Fault::RateLimited => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let answer = ResponseTemplate::new(429)
                .insert_header("x-rate-limit-limit", "600")
                .insert_header("x-rate-limit-remaining", "0")
                .insert_header("x-rate-limit-reset", (now.as_secs() + 30).to_string());
            return Ok(answer.set_body_json(payload::problem("E0000047", "too many requests", &[])));
        }
        Fault::Malformed => {
            return Ok(ResponseTemplate::new(200).set_body_raw("[{\"id\": \"00u", "application/json"));
        }
    })
}

/// Whether a value is what an expression looks for: `status eq "ACTIVE" and profile.lastName sw "Ho"`, or another behind `or`. Of a
/// list any item may be it.
fn fits(expression: Option<&String>, value: &Value) -> Result<bool, Problem> {
    let Some(expression) = expression else { return Ok(true) };
    let mut any = false;
    for way in expression.split(" or ") {
        let mut all = true;
        for part in way.split(" and ") {
            let words: Vec<&str> = part.splitn(3, ' ').collect();
            let bad = || (400, "E0000031", format!("no expression: {part}"), Vec::new());
            let [name, operator, wanted] = words[..] else { return Err(bad()) };
            let wanted = wanted.trim_matches('"');
            let is: fn(&str, &str) -> bool = match operator {
                "eq" => |found, wanted| found == wanted,
                "sw" => |found, wanted| found.starts_with(wanted),
                _ => return Err(bad()),
            };
            let found = name.split('.').fold(vec![value], |found, name| {
                found.into_iter().flat_map(|value| members(value, name)).collect()
            });
            all &= found.into_iter().any(|found| is(text(found), wanted));
        }
        any |= all;
    }
    Ok(any)
}

fn members<'v>(value: &'v Value, name: &str) -> Vec<&'v Value> {
    match value {
        Value::Array(items) => items.iter().map(|item| &item[name]).collect(),
        value => vec![&value[name]],
    }
}

fn form(body: &[u8]) -> HashMap<String, String> {
    // The parser of queries is that of forms.
    let url = Url::parse(&format!("http://form/?{}", String::from_utf8_lossy(body)));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

/// Puts what is named into an object; `null` takes it away.
fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().into_iter().flatten() {
        into[name.as_str()] = value.clone();
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
