//! Sessions: values that some requests bring, as a login does.

use std::{collections::BTreeMap, sync::Arc};

use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_TYPE, SET_COOKIE},
};
use linchpin::{
    Code, DateTime, Error, Result, Secret,
    extract::ConnectionValues,
    flow::BoxFuture,
    manifest::spec::{AuthKind, Expires, ExpiresUnit, Extract, Session, Step, StepBody, TemplatePart},
};
use oauth2::HttpRequest;
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use crate::{
    clock,
    connection::{Applying, Signed, sensitive},
    grant::Grant,
    oauth::{Answer, Server, seconds, trouble},
    outcome::value_at,
    refresh::Exchange,
    runtime::Runtime,
    template,
};

/// Gets a session by the steps of the spec.
pub(crate) struct SessionExchange(pub(crate) Arc<Server>);

impl Exchange for SessionExchange {
    fn connector(&self) -> &str {
        &self.0.spec.key
    }

    fn can(&self, _old: Option<&Grant>) -> bool {
        true
    }

    fn exchange<'a>(&'a self, runtime: &'a Runtime, _old: Option<&'a Grant>) -> BoxFuture<'a, Result<Grant>> {
        Box::pin(async move {
            let mut gained = BTreeMap::new();
            let taken = self.take(runtime, &mut gained).await;
            taken.map_err(|error| {
                let hidden: Vec<String> = gained.values().map(|value| value.expose().to_owned()).collect();
                let scrubber = self.0.scrubber(None, &hidden);
                error.scrubbed(&|text| scrubber.scrub(text).into_owned())
            })
        })
    }

    fn sign(&self, grant: &Grant, generation: u64) -> Result<Signed> {
        let session = self.session()?;
        let mut signed = Signed { generation, ..Signed::open(self.0.open_headers.clone()) };
        signed.secrets = grant.values.values().map(|value| value.expose().to_owned()).collect();
        let mut values = self.0.values.clone();
        values.fields.extend(grant.values.clone());
        let applying = Applying { method: self.0.method(), values: &values, signed: &mut signed };
        applying.parameters(&session.headers, &session.query)?;
        Ok(signed)
    }
}

impl SessionExchange {
    fn session(&self) -> Result<&Session> {
        match &self.0.method().kind {
            AuthKind::Session(session) => Ok(session),
            _ => {
                let message = format!("the method `{}` has no session", self.0.method().key);
                Err(Error::coded(Code::NotCarriedOut, message))
            }
        }
    }

    /// Takes every step; what it gained stays behind where one fails.
    async fn take(&self, runtime: &Runtime, gained: &mut BTreeMap<String, Secret>) -> Result<Grant> {
        let session = self.session()?;
        let asked = self.0.clock.now();
        let mut known = self.0.values.clone();
        let mut expires = None;
        for (index, step) in session.steps.iter().enumerate() {
            let answer = self.0.send(runtime, self.request(step, &known)?, None).await?;
            let name = format!("step {} of the session, `{} {}`,", index + 1, step.method, step.url);
            self.judge(session, &name, &answer)?;
            for (key, place) in &step.extract {
                let Some(value) = extracted(place, &answer) else {
                    let message = format!("the answer to {name} has no {}", said(place));
                    return Err(Error::coded(Code::ExchangeRefused, message).status(answer.status.as_u16()));
                };
                let value = Secret::new(value);
                gained.insert(key.clone(), value.clone());
                known.fields.insert(key.clone(), value);
            }
            if let Some(told) = session.expires.as_ref().and_then(|told| told_end(told, &answer, asked)) {
                expires = Some(told);
            }
        }
        Ok(Grant {
            values: gained.clone(),
            scopes: None,
            issued: asked,
            expires: expires.or_else(|| session.lifetime.map(|life| clock::after(asked, life))),
        })
    }

    fn request(&self, step: &Step, known: &ConnectionValues) -> Result<HttpRequest> {
        let text = |template| template::text(template, known);
        let mut url = self.url(step, known)?;
        for (name, value) in &step.query {
            let value = text(value)?;
            url.query_pairs_mut().append_pair(name, &value);
        }
        let mut headers = HeaderMap::new();
        let (kind, body) = match &step.body {
            StepBody::Empty => (None, Vec::new()),
            StepBody::Json(texts) => {
                let mut body = Value::Object(Map::new());
                for (pointer, value) in texts {
                    put(&mut body, pointer, text(value)?);
                }
                (Some("application/json"), body.to_string().into_bytes())
            }
            StepBody::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, value) in fields {
                    form.append_pair(name, &text(value)?);
                }
                (Some("application/x-www-form-urlencoded"), form.finish().into_bytes())
            }
        };
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        for (name, value) in &step.headers {
            sensitive(&mut headers, name, &text(value)?)?;
        }
        let request = http::Request::builder().method(step.method.as_str()).uri(url.as_str()).body(body);
        let mut request = request.map_err(|error| {
            Error::coded(Code::RequestInvalid, format!("the step `{}` cannot be sent: {error}", step.url))
        })?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// A path is one under the connection's base URL.
    fn url(&self, step: &Step, known: &ConnectionValues) -> Result<Url> {
        let mut template = step.url.clone();
        if matches!(template.parts.first(), Some(TemplatePart::Text(text)) if text.starts_with('/')) {
            template.parts.insert(0, TemplatePart::Text(self.0.base.clone()));
            return template::url(&template, known, Some(self.0.method()));
        }
        self.0.placed(template::url(&template, known, Some(self.0.method()))?)
    }

    /// What an answer means: a refusal of the login is its owner's business, who alone can give other credentials.
    fn judge(&self, session: &Session, name: &str, answer: &Answer) -> Result<()> {
        let status = answer.status.as_u16();
        if let Some(outcome) = answer.failure(&session.failures, &self.0.patterns) {
            return Err(answer.error(outcome, &format!("{name} failed")));
        }
        if let Some(trouble) = trouble(answer, self.0.clock.now()) {
            return Err(trouble);
        }
        let code = match status {
            401 | 403 => Code::ReauthorizationNeeded,
            400.. => Code::ExchangeRefused,
            _ => return Ok(()),
        };
        Err(answer.error(code, &format!("{name} was refused with {status}")))
    }
}

/// Puts a text at a JSON pointer, whose steps are names of fields. The rules see to it that no pointer leads through a text.
fn put(body: &mut Value, pointer: &str, text: String) {
    let mut at = body;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[step];
    }
    *at = Value::String(text);
}

fn extracted(place: &Extract, answer: &Answer) -> Option<String> {
    let value = match place {
        Extract::Body(pointer) => match value_at(&answer.body, pointer)? {
            Value::Null => return None,
            Value::String(text) => text,
            other => other.to_string(),
        },
        Extract::Header(name) => answer.headers.get(name)?.to_str().ok()?.to_owned(),
        Extract::Cookie(name) => answer.headers.get_all(SET_COOKIE).iter().find_map(|cookie| {
            let (given, value) = cookie.to_str().ok()?.split(';').next()?.split_once('=')?;
            (given.trim() == name).then(|| value.trim().to_owned())
        })?,
    };
    Some(value).filter(|value| !value.is_empty())
}

fn said(place: &Extract) -> String {
    match place {
        Extract::Body(pointer) => format!("`{pointer}` in its body"),
        Extract::Header(name) => format!("header `{name}`"),
        Extract::Cookie(name) => format!("cookie `{name}`"),
    }
}

/// When a session ends, where the answer says.
fn told_end(told: &Expires, answer: &Answer, asked: DateTime) -> Option<DateTime> {
    let value = value_at(&answer.body, &told.body)?;
    match told.unit {
        ExpiresUnit::Seconds => Some(clock::after(asked, seconds(&value)?)),
        ExpiresUnit::Milliseconds => Some(clock::after(asked, seconds(&value)? / 1000)),
        ExpiresUnit::At => match value.as_str().and_then(|text| text.parse().ok()) {
            Some(time) => Some(time),
            None => DateTime::from_unix_millis(i64::try_from(seconds(&value)?.as_millis()).ok()?),
        },
    }
}
