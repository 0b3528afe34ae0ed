//! Pages of lists: begun before they are asked for, and found where links lead.

use std::sync::Arc;

use linchpin::{Code, Error, Response, Result, context::Driver, flow::BoxFuture, request::Request};
use tokio::task::JoinSet;

use crate::session::{self, Session};

/// Sends a request in a task of its own, which ends with the future or when the call is taken back.
pub(crate) fn begin(session: Arc<Session>, request: Request) -> BoxFuture<'static, Result<Response>> {
    let mut task = JoinSet::new();
    task.spawn(async move {
        match &session.policy().cancel {
            None => session.send(request).await,
            Some(cancel) => tokio::select! {
                biased;
                () = cancel.cancelled() => Err(cancelled()),
                answer = session.send(request) => answer,
            },
        }
    });
    Box::pin(async move { task.join_next().await.and_then(Result::ok).unwrap_or_else(|| Err(cancelled())) })
}

fn cancelled() -> Error {
    Error::coded(Code::Cancelled, "the page was given up before it came")
}

/// The URL of the next page without the query parameters that are credentials: they are added anew when it is sent, and nobody
/// is told them by a position.
pub(crate) fn follow(session: &Session, link: &str, from: &str) -> Result<String> {
    let mut url = session::next_page(from, link)?;
    let signed = session.connection.signed_now();
    let credentials = signed.as_ref().map_or(&[][..], |signed| &signed.query);
    let is_open = |name: &str| credentials.iter().all(|(credential, _)| credential != name);
    if url.query_pairs().any(|(name, _)| !is_open(&name)) {
        let open: Vec<_> = url.query_pairs().into_owned().filter(|(name, _)| is_open(name)).collect();
        url.query_pairs_mut().clear().extend_pairs(open);
    }
    Ok(url.into())
}
