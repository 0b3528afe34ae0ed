//! `/events`: a stream of server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
};
use hyper::body::Frame;
use linchpin::http::{HeaderValue, StatusCode, header};
use subtle::ConstantTimeEq;
use tokio::{sync::mpsc, time::Interval};

use super::{Ingress, answer};
use crate::sink::Sent;

/// How often something is sent, so that nobody in between takes the connection for dead.
const ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn events(State(ingress): State<Ingress>, request: Request) -> Response {
    let Some((stream, token)) = &ingress.0.stream else { return answer::not_found() };
    let given = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let wanted = format!("Bearer {}", token.expose());
    // An empty token is one that everybody knows.
    if token.expose().is_empty() || !bool::from(given.ct_eq(wanted.as_bytes())) {
        return answer::text(StatusCode::UNAUTHORIZED, "give the token as `Authorization: Bearer TOKEN`\n");
    }
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
    let mut alive = tokio::time::interval(ALIVE);
    alive.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut response = Response::new(Body::new(Events { sent: stream.listen(last), alive }));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

struct Events {
    sent: mpsc::Receiver<Sent>,
    alive: Interval,
}

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let text = match self.sent.poll_recv(cx) {
            // JSON on one line.
            Poll::Ready(Some(Sent { id, json })) => format!("id: {id}\ndata: {json}\n\n"),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                ready!(self.alive.poll_tick(cx));
                ": alive\n\n".to_owned()
            }
        };
        Poll::Ready(Some(Ok(Frame::data(text.into()))))
    }
}
