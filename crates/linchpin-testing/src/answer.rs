//! Canned answers.

use std::io;

use serde_json::{Value, json};
use wiremock::{Request, Respond, ResponseTemplate};

/// A status with JSON.
pub fn json(status: u16, body: Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

/// 204: done, and nothing to say.
pub fn no_content() -> ResponseTemplate {
    ResponseTemplate::new(204)
}

/// 401, as most services say it.
pub fn unauthorized() -> ResponseTemplate {
    json(401, json!({ "message": "the token is not valid" }))
}

/// 403, as most services say it. Some say so of whoever asks too often, and tell it by a header:
///
/// ```
/// # use linchpin_testing::answer;
/// let used_up = answer::forbidden().insert_header("x-ratelimit-remaining", "0");
/// ```
pub fn forbidden() -> ResponseTemplate {
    json(403, json!({ "message": "the token may not do this" }))
}

/// 404, as most services say it.
pub fn not_found() -> ResponseTemplate {
    json(404, json!({ "message": "not found" }))
}

/// 429 with `Retry-After` in seconds (RFC 9110 §10.2.3).
pub fn rate_limited(seconds: u32) -> ResponseTemplate {
    json(429, json!({ "message": "too many requests" }))
        .insert_header("retry-after", seconds.to_string().as_str())
}

/// 500, as most services say it.
pub fn server_error() -> ResponseTemplate {
    json(500, json!({ "message": "something went wrong" }))
}

/// 200 with JSON that breaks off.
pub fn malformed_json() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw("{\"id\": 1, \"na", "application/json")
}

/// Closes the connection without an answer; for `Mock::respond_with_err`, as [`Harness::closes`](crate::Harness::closes) does.
pub fn closed_connection(_request: &Request) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "closed")
}

/// Answers in turn, the last for ever after.
#[derive(Debug)]
pub struct InTurn(std::sync::Mutex<(usize, Vec<ResponseTemplate>)>);

/// Answers in turn, the last for ever after: `Mock::given(..).respond_with(in_turn([rate_limited(1), json(200, ..)]))`.
///
/// # Panics
///
/// When there are none.
pub fn in_turn(answers: impl IntoIterator<Item = ResponseTemplate>) -> InTurn {
    let answers: Vec<_> = answers.into_iter().collect();
    assert!(!answers.is_empty(), "no answers to give");
    InTurn(std::sync::Mutex::new((0, answers)))
}

impl Respond for InTurn {
    fn respond(&self, _request: &Request) -> ResponseTemplate {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let at = state.0.min(state.1.len() - 1);
        state.0 += 1;
        state.1[at].clone()
    }
}
