//! What the mock holds, and how it answers.

use std::collections::HashSet;

use linchpin::serde_json::{self, Map, Value, json};
use wiremock::{Request, ResponseTemplate, http::Url};

use super::{
    BOT, CHANNEL, CHANNELS, Fault, MESSAGES, REPLIES, SCHEDULED, THREAD, USERS, oauth::OAuth, payload,
};

/// The mock's now, before which nothing can be scheduled.
const NOW: i64 = 1_500_010_000;

/// Everything that can change.
pub(super) struct State {
    pub(super) oauth: OAuth,
    /// Methods that fail.
    pub(super) faults: Vec<(String, Fault)>,
    channels: Vec<Value>,
    /// Of the one channel, the newest first.
    messages: Vec<Value>,
    /// Of the one thread, the oldest first.
    replies: Vec<Value>,
    scheduled: Vec<Value>,
    /// Timestamps with names of emojis: those of the bot.
    reactions: HashSet<(String, String)>,
    /// Requests so far.
    used: u64,
}

/// What a method says that failed: its code.
type Answer = Result<Value, &'static str>;

/// The arguments of a call, from wherever Slack takes them.
struct Arguments(Map<String, Value>);

impl Arguments {
    /// Those of the query and of a form or JSON body.
    fn of(request: &Request) -> Result<Arguments, &'static str> {
        let mut arguments: Map<String, Value> = texts(request.url.query().unwrap_or_default()).collect();
        let kind = request.headers.get("content-type").and_then(|kind| kind.to_str().ok());
        match kind {
            _ if request.body.is_empty() => {}
            Some(kind) if kind.starts_with("application/json") => {
                let body: Value = serde_json::from_slice(&request.body).map_err(|_| "invalid_json")?;
                let Value::Object(fields) = body else { return Err("json_not_object") };
                arguments.extend(fields);
            }
            Some("application/x-www-form-urlencoded") => {
                arguments.extend(texts(&String::from_utf8_lossy(&request.body)));
            }
            Some(_) => return Err("invalid_post_type"),
            None => return Err("missing_post_type"),
        }
        Ok(Arguments(arguments))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    fn need(&self, name: &str, missing: &'static str) -> Result<&str, &'static str> {
        self.text(name).ok_or(missing)
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Value::Bool(true))) || self.text(name) == Some("true")
    }

    fn number(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    }
}

fn pairs(form: &str) -> Vec<(String, String)> {
    // The parser of queries is that of forms.
    let url = Url::parse(&format!("http://form/?{form}"));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

fn texts(form: &str) -> impl Iterator<Item = (String, Value)> {
    pairs(form).into_iter().map(|(name, value)| (name, Value::String(value)))
}

impl State {
    pub(super) fn new() -> State {
        let mut channels: Vec<Value> = (0..CHANNELS)
            .map(|number| payload::channel(&format!("C{number:09}"), &format!("team-{number}")))
            .collect();
        channels[0]["name"] = "general".into();
        channels[0]["is_member"] = true.into();
        channels[2]["is_archived"] = true.into();
        channels[3]["is_private"] = true.into();
        channels[3]["is_member"] = true.into();
        let ts = |number: usize| format!("{}.000100", 1_500_000_000 + number);
        let mut messages: Vec<Value> = (1..=MESSAGES)
            .rev()
            .map(|number| payload::message(&ts(number), BOT, &format!("Message\nnumber {number}")))
            .collect();
        let mut replies: Vec<Value> = (0..REPLIES)
            .map(|number| payload::message(&ts(5000 + number), "U000000001", &format!("Reply {number}")))
            .collect();
        if let Some(first) = messages.last_mut() {
            first["thread_ts"] = THREAD.into();
            first["reply_count"] = (REPLIES - 1).into();
            replies[0] = first.clone();
        }
        for reply in &mut replies {
            reply["thread_ts"] = THREAD.into();
        }
        let scheduled = (0..SCHEDULED as i64).map(|number| {
            let text = format!("Later {number}");
            payload::scheduled(&format!("Q{number:09}"), CHANNEL, NOW + 3600 + number, &text)
        });
        State {
            oauth: OAuth::new(),
            faults: Vec::new(),
            channels,
            messages,
            replies,
            scheduled: scheduled.collect(),
            reactions: HashSet::new(),
            used: 0,
        }
    }

    pub(super) fn text(&self, ts: &str) -> Option<String> {
        let message = self.messages.iter().find(|message| message["ts"] == ts)?;
        Some(message["text"].as_str().unwrap_or_default().to_owned())
    }

    pub(super) fn respond(&mut self, request: &Request) -> ResponseTemplate {
        self.used += 1;
        let answer = |status| {
            ResponseTemplate::new(status).insert_header("x-slack-req-id", format!("c0de{:08x}", self.used))
        };
        let Some(method) = request.url.path().strip_prefix("/api/").map(str::to_owned) else {
            return answer(404).set_body_string("<html>There is no page here.</html>");
        };
        let fault = self.faults.iter().find(|(broken, _)| *broken == method).map(|(_, fault)| *fault);
        match fault {
            Some(Fault::RateLimited) => {
                return answer(429)
                    .insert_header("retry-after", "30")
                    .set_body_json(payload::problem("ratelimited"));
            }
            Some(Fault::ServerError) => return answer(503).set_body_string("upstream connect error"),
            Some(Fault::Malformed) => {
                return answer(200).set_body_raw("{\"ok\": tr", "application/json; charset=utf-8");
            }
            Some(Fault::Says(code)) => return answer(200).set_body_json(payload::problem(code)),
            None => {}
        }
        let form = pairs(&String::from_utf8_lossy(&request.body));
        if method == "oauth.v2.access" {
            return answer(200).set_body_json(self.oauth.access(request, &form));
        }
        let answer = answer(200);
        let header = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        let field = form.iter().find(|(name, _)| name == "token").map(|(_, value)| value.as_str());
        let Some(token) = header.and_then(|value| value.strip_prefix("Bearer ")).or(field) else {
            return answer.set_body_json(payload::problem("not_authed"));
        };
        if method == "auth.revoke" {
            let revoked = self.oauth.revoke(token);
            return answer.set_body_json(match revoked {
                Ok(()) => json!({ "ok": true, "revoked": true }),
                Err(code) => payload::problem(code),
            });
        }
        if let Some(code) = self.oauth.refuses(token) {
            return answer.set_body_json(payload::problem(code));
        }
        let said = match method.as_str() {
            "auth.test" => Ok(payload::whose(token)),
            _ => Arguments::of(request).and_then(|arguments| self.method(&method, &arguments)),
        };
        answer.insert_header("x-oauth-scopes", payload::SCOPES).set_body_json(match said {
            Ok(mut said) => {
                said["ok"] = true.into();
                said
            }
            Err(code) => payload::problem(code),
        })
    }

    fn method(&mut self, method: &str, given: &Arguments) -> Answer {
        match method {
            "conversations.list" => {
                let private = given.text("types").is_some_and(|types| types.contains("private_channel"));
                let fits = |channel: &&Value| {
                    (private || channel["is_private"] == false)
                        && !(given.flag("exclude_archived") && channel["is_archived"] == true)
                };
                page(given, "channels", self.channels.iter().filter(fits))
            }
            "conversations.info" => {
                let mut channel = self.channel(given)?.clone();
                if given.flag("include_num_members") {
                    channel["num_members"] = USERS.into();
                }
                Ok(json!({ "channel": channel }))
            }
            "conversations.join" => {
                let channel = self.open(given)?;
                if channel["is_private"] == true {
                    return Err("method_not_supported_for_channel_type");
                }
                channel["is_member"] = true.into();
                Ok(json!({ "channel": channel }))
            }
            "conversations.setTopic" => {
                let topic = given.0.get("topic").cloned().ok_or("invalid_arguments")?;
                self.joined(given)?["topic"]["value"] = topic;
                Ok(json!({}))
            }
            "conversations.create" => {
                let name = given.need("name", "invalid_name_required")?;
                if self.channels.iter().any(|channel| channel["name"] == name) {
                    return Err("name_taken");
                }
                let mut channel = payload::channel(&format!("C{:09}", self.channels.len()), name);
                channel["is_private"] = given.flag("is_private").into();
                channel["is_member"] = true.into();
                self.channels.push(channel.clone());
                Ok(json!({ "channel": channel }))
            }
            "conversations.members" => {
                self.channel(given)?;
                let users: Vec<Value> =
                    (0..USERS).map(|number| payload::user(number)["id"].clone()).collect();
                page(given, "members", users.iter())
            }
            "conversations.history" => {
                self.joined(given)?;
                let after = |name: &str| given.text(name).and_then(|ts| ts.parse::<f64>().ok());
                let (oldest, latest) = (after("oldest"), after("latest"));
                let fits = |message: &&Value| {
                    let ts = message["ts"].as_str().and_then(|ts| ts.parse::<f64>().ok()).unwrap_or(0.0);
                    oldest.is_none_or(|oldest| ts > oldest) && latest.is_none_or(|latest| ts < latest)
                };
                page(given, "messages", self.messages.iter().filter(fits))
            }
            "conversations.replies" => {
                self.joined(given)?;
                match given.text("ts") {
                    Some(THREAD) => page(given, "messages", self.replies.iter()),
                    _ => Err("thread_not_found"),
                }
            }
            "chat.postMessage" => {
                let text = given.need("text", "no_text")?.to_owned();
                let channel = self.joined(given)?["id"].clone();
                let ts = format!("{}.000100", NOW + self.messages.len() as i64);
                let mut message = payload::message(&ts, BOT, &text);
                if let Some(thread) = given.text("thread_ts") {
                    message["thread_ts"] = thread.into();
                }
                self.messages.insert(0, message.clone());
                Ok(json!({ "channel": channel, "ts": ts, "message": message }))
            }
            "chat.update" => {
                let text = given.need("text", "no_text")?.to_owned();
                let channel = self.joined(given)?["id"].clone();
                let at = self.message(given, "ts")?;
                self.messages[at]["text"] = text.clone().into();
                let message = json!({ "text": text, "user": BOT });
                Ok(
                    json!({ "channel": channel, "ts": self.messages[at]["ts"], "text": text, "message": message }),
                )
            }
            "chat.delete" => {
                let channel = self.joined(given)?["id"].clone();
                let at = self.message(given, "ts")?;
                let gone = self.messages.remove(at);
                Ok(json!({ "channel": channel, "ts": gone["ts"] }))
            }
            "chat.scheduleMessage" => {
                let text = given.need("text", "no_text")?.to_owned();
                let channel = self.joined(given)?["id"].as_str().unwrap_or_default().to_owned();
                let post_at = given.number("post_at").ok_or("invalid_time")?;
                if post_at <= NOW {
                    return Err("time_in_past");
                }
                if post_at > NOW + 120 * 24 * 3600 {
                    return Err("time_too_far");
                }
                let id = format!("Q9{:08}", self.scheduled.len());
                self.scheduled.push(payload::scheduled(&id, &channel, post_at, &text));
                Ok(json!({
                    "channel": channel,
                    "scheduled_message_id": id,
                    "post_at": post_at.to_string(),
                    "message": { "text": text, "type": "delayed_message" },
                }))
            }
            "chat.scheduledMessages.list" => {
                let fits = |message: &&Value| {
                    given.text("channel").is_none_or(|channel| message["channel_id"] == channel)
                };
                page(given, "scheduled_messages", self.scheduled.iter().filter(fits))
            }
            "chat.deleteScheduledMessage" => {
                self.channel(given)?;
                let id = given.need("scheduled_message_id", "invalid_arguments")?;
                let at = self.scheduled.iter().position(|message| message["id"] == id);
                self.scheduled.remove(at.ok_or("invalid_scheduled_message_id")?);
                Ok(json!({}))
            }
            "reactions.add" | "reactions.remove" => {
                let name = given.need("name", "invalid_name")?.to_owned();
                self.joined(given)?;
                let at = self.message(given, "timestamp")?;
                let ts = self.messages[at]["ts"].as_str().unwrap_or_default().to_owned();
                let (changed, already) = match method {
                    "reactions.add" => (self.reactions.insert((ts, name)), "already_reacted"),
                    _ => (self.reactions.remove(&(ts, name)), "no_reaction"),
                };
                if changed { Ok(json!({})) } else { Err(already) }
            }
            "users.list" => {
                let users: Vec<Value> = (0..USERS).map(payload::user).collect();
                page(given, "members", users.iter())
            }
            "users.info" => found("user", given.text("user"), "user_not_found"),
            "users.lookupByEmail" => found("email", given.text("email"), "users_not_found"),
            _ => Err("unknown_method"),
        }
    }

    fn channel(&mut self, given: &Arguments) -> Result<&mut Value, &'static str> {
        let id = given.text("channel");
        let found = self.channels.iter_mut().find(|channel| channel["id"].as_str() == id);
        found.ok_or("channel_not_found")
    }

    /// A channel that is not archived.
    fn open(&mut self, given: &Arguments) -> Result<&mut Value, &'static str> {
        let channel = self.channel(given)?;
        if channel["is_archived"] == true { Err("is_archived") } else { Ok(channel) }
    }

    /// A channel that is not archived, with the bot in it.
    fn joined(&mut self, given: &Arguments) -> Result<&mut Value, &'static str> {
        let channel = self.open(given)?;
        if channel["is_member"] == true { Ok(channel) } else { Err("not_in_channel") }
    }

    fn message(&self, given: &Arguments, name: &str) -> Result<usize, &'static str> {
        let ts = given.text(name);
        let found = self.messages.iter().position(|message| message["ts"].as_str() == ts);
        found.ok_or("message_not_found")
    }
}

/// One page of a list. The last has an empty cursor.
fn page<'a>(given: &Arguments, key: &str, items: impl Iterator<Item = &'a Value>) -> Answer {
    let size = given.number("limit").unwrap_or(100).clamp(1, 1000);
    // Cursors of Slack are base64, which has signs that mean something in queries.
    let from = match given.text("cursor") {
        None => 0,
        Some(cursor) => {
            let number = cursor.strip_prefix("bmV4dDo+").and_then(|rest| rest.strip_suffix("=="));
            number.and_then(|number| number.parse::<usize>().ok()).ok_or("invalid_cursor")?
        }
    };
    let mut rest = items.skip(from);
    let found: Vec<&Value> = rest.by_ref().take(usize::try_from(size).unwrap_or(1)).collect();
    let next = match rest.next() {
        Some(_) => format!("bmV4dDo+{}==", from + found.len()),
        None => String::new(),
    };
    Ok(json!({ key: found, "response_metadata": { "next_cursor": next } }))
}

/// A user by id or address.
fn found(by: &str, value: Option<&str>, missing: &'static str) -> Answer {
    let fits = |user: &Value| {
        let has = if by == "email" { &user["profile"]["email"] } else { &user["id"] };
        has.as_str() == value
    };
    let user = (0..USERS).map(payload::user).find(fits).ok_or(missing)?;
    Ok(json!({ "user": user }))
}
