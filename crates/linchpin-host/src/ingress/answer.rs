//! What senders are told: enough to come again or not, and nothing of what is here.

use std::time::Duration;

use axum::{body::Body, response::Response};
use linchpin::{
    Code, Error,
    http::{HeaderValue, StatusCode, header},
};
use linchpin_runtime::webhook::Reply;

/// How long a sender is asked to stay away when the store fails.
const STAY_AWAY: Duration = Duration::from_secs(30);

pub(super) fn text(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

pub(super) fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "there is nothing here\n")
}

pub(super) fn busy(wait: Duration) -> Response {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "come again later\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    response
}

/// What an error is to a sender.
pub(super) fn failed(error: &Error) -> Response {
    match error.code() {
        Code::SignatureInvalid => {
            text(StatusCode::UNAUTHORIZED, "the delivery does not prove where it comes from\n")
        }
        Code::ConnectionUnknown => not_found(),
        Code::InboxFull => {
            let mut response = busy(error.details().retry_after.unwrap_or(STAY_AWAY));
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response
        }
        _ => {
            tracing::error!(
                target: "linchpin::ingress", code = error.code().as_str(), "a delivery could not be taken: {error}"
            );
            busy(STAY_AWAY)
        }
    }
}

pub(super) fn reply(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}
