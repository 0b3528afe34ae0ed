//! How Slack's methods are called.

use linchpin::{
    prelude::*,
    request::{Path, RequestBuilder},
};

/// A call that writes. Its arguments go as JSON, of which Slack wants the charset to be said.
pub(crate) fn write(cx: &Context, method: Path) -> RequestBuilder {
    cx.post(method).header("Content-Type", "application/json; charset=utf-8")
}

/// What Slack answers where there is nothing to tell.
#[fields]
pub(crate) struct Done {
    ok: bool,
}

/// Sends a call whose answer says only that it is done.
pub(crate) async fn done(request: RequestBuilder) -> Result<()> {
    let answer = request.send().await?;
    match answer.json::<Done>()? {
        Done { ok: true } => Ok(()),
        Done { ok: false } => {
            Err(Error::coded(Code::Rejected, "Slack says neither that it is done nor why not"))
        }
    }
}

/// As [`done`], where Slack's code for "it is so already" is as good.
pub(crate) async fn done_or(already: &str, request: RequestBuilder) -> Result<()> {
    match done(request).await {
        Err(error) if error.details().service_code == Some(already) => Ok(()),
        ended => ended,
    }
}
