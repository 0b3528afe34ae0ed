//! One request and its answer, wherever redirects lead.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header::RANGE};
use linchpin::{Code, Error, Response, Result, request::Body};
use tracing::Instrument;
use url::Url;

use super::{
    Attempt, Session,
    destination::{add_credentials, elsewhere, is_redirect, origin, redirect_target},
    flight::Flight,
    seconds,
};
use crate::{
    body, charset,
    client::{self, NotPublic, deepest, garbled},
    coding,
    egress::{self, Passage},
    har::Exchange,
    outcome::{self, Verdict},
    signing, transfer,
};

/// How many redirects are followed for one request.
const REDIRECTS: usize = 5;

impl Session {
    /// Sends, follows redirects, and reads the answer. The body of a good one stays unread where that is asked for.
    pub(super) async fn exchange(
        &self,
        attempt: Attempt<'_>,
        mut url: Url,
        mut passage: Passage,
        mut headers: HeaderMap,
        flight: &mut Flight,
    ) -> Result<(Response, Option<reqwest::Body>)> {
        let ready = &*self.connection.0;
        let Attempt { request, safe, key, signed, resend, streams } = attempt;
        let mut redirects = 0;
        let mut body = body::carried(request, signed)?;
        loop {
            let shown: Arc<str> = Arc::from(url.as_str());
            flight.start(request, &shown, resend);
            let authenticated = passage.trusted && signed.is_some();
            let identity = ready.identity.as_ref().filter(|_| authenticated);
            let client = self.runtime.clients().get(url.scheme(), passage.reach, identity)?;
            if streams || request.headers.contains_key(RANGE) {
                coding::ask_plain(&mut headers);
            }
            if authenticated {
                signing::sign(&self.runtime, ready, &request.method, &mut url, &mut headers, body.as_ref())?;
            }
            let mut outgoing = reqwest::Request::new(request.method.clone(), url);
            *outgoing.headers_mut() = headers;
            *outgoing.body_mut() = match (&body, &flight.progress) {
                (None, _) => None,
                (Some(Body::Parts(parts)), Some(progress)) => Some(transfer::body(parts, progress).await?),
                (Some(Body::Parts(_)), None) => None,
                (Some(Body::Bytes(bytes)), _) => Some(bytes.clone().into()),
            };
            flight.unsent = false;
            if self.policy.record {
                flight.kept =
                    Some(Box::new(Exchange::new(ready.clock.now(), outgoing.headers(), body.as_ref())));
            }
            let answer = client.execute(outgoing).instrument(flight.span.clone()).await.map_err(|error| {
                flight.unsent = error.is_connect();
                unreachable(&shown, &error)
            })?;
            let mut answer = coding::undo(answer);
            let status = answer.status();
            flight.answered(status.as_u16(), answer.headers());
            for limiter in self.limiters().iter().filter(|_| passage.trusted) {
                let now = ready.clock.now();
                if let Some(wait) = limiter.used_up(answer.headers(), now) {
                    limiter.hold(now, wait).await;
                }
            }

            let next = match safe && is_redirect(status.as_u16()) {
                true => redirect_target(&shown, answer.headers())?,
                false => None,
            };
            let Some(next) = next else {
                let headers = std::mem::take(answer.headers_mut());
                let mut response = Response::new(status, headers, Bytes::new(), shown);
                let judged = || {
                    outcome::judge(
                        &ready.spec.http,
                        &ready.patterns,
                        &request.method,
                        &response,
                        &*ready.clock,
                    )
                };
                if streams && status.is_success() && matches!(judged(), Verdict::Good) {
                    return Ok((response, Some(answer.into())));
                }
                let limit = ready.spec.http.limits.body;
                response.body = read_body(&mut answer, limit, &response.url, flight).await?;
                charset::to_utf8(&mut response);
                if let Some(kept) = &mut flight.kept {
                    kept.read(&response.body);
                }
                return Ok((response, None));
            };
            redirects += 1;
            if redirects > REDIRECTS {
                let message =
                    format!("the service redirects more than {REDIRECTS} times; the last link was `{next}`");
                return Err(Error::coded(Code::Rejected, message).status(status.as_u16()));
            }
            passage = ready.allowed.anywhere(&next, self.runtime.clients().internal())?;
            url = next;
            headers = if passage.trusted {
                if let Some(signed) = signed {
                    add_credentials(&mut url, &signed.query);
                }
                self.headers(request, signed, key)
            } else {
                body.clone_from(&request.body);
                elsewhere(ready, request)
            };
            flight.land();
        }
    }
}

/// Reads the body, and stops where it is too large.
async fn read_body(
    answer: &mut reqwest::Response,
    limit: u64,
    url: &str,
    flight: &mut Flight,
) -> Result<Bytes> {
    let too_large = |flight: &Flight| {
        let place = url.split(['?', '#']).next().unwrap_or_default();
        let message = format!(
            "the answer from `{place}` is larger than {limit} bytes, the limit of `http.limits.body`"
        );
        Error::coded(Code::ResponseTooLarge, message).status(flight.status())
    };
    // A HEAD has the length of what it does not send.
    if flight.has_body() && answer.content_length().is_some_and(|length| length > limit) {
        return Err(too_large(flight));
    }
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    let mut count = 0;
    while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(url, &error))? {
        count += chunk.len() as u64;
        flight.received(count);
        if count > limit {
            return Err(too_large(flight));
        }
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&chunk),
            // Most answers come in one piece, which is then not copied.
            None if first.is_empty() => first = chunk,
            None => {
                let mut all = BytesMut::with_capacity(first.len() + chunk.len());
                all.extend_from_slice(&first);
                all.extend_from_slice(&chunk);
                rest = Some(all);
            }
        }
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}

/// The error for a request that got no complete answer.
pub(crate) fn unreachable(url: &str, error: &reqwest::Error) -> Error {
    let cause = deepest(error);
    if let Some(NotPublic(name)) = cause.downcast_ref() {
        return egress::not_public(name.as_str());
    }
    if let Some(corrupt) = cause.downcast_ref::<coding::Corrupt>() {
        return corrupt.error(url);
    }
    let place = origin(url);
    if let Some(garbled) = garbled(&place, error) {
        return garbled;
    }
    let message = if error.is_connect() && error.is_timeout() {
        format!("`{place}` took no connection within {}", seconds(client::CONNECT))
    } else if error.is_connect() {
        format!("`{place}` cannot be reached: {cause}")
    } else if error.is_builder() {
        return Error::coded(
            Code::RequestInvalid,
            format!("the request to `{place}` cannot be sent: {cause}"),
        );
    } else {
        format!("the exchange with `{place}` broke off: {cause}")
    };
    Error::coded(Code::Unreachable, message)
}
