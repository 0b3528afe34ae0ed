//! Requests of the operator's own: to a URL that they name, not a service.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use linchpin::{Code, DateTime, Error, Result};

use crate::{egress::Reach, outcome, runtime::Runtime};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    /// The status of the answer.
    pub status: u16,
    /// How long the other side wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl Runtime {
    /// Posts something to a URL of the operator's: it may be anywhere, is not sent through the proxy, and no redirect is followed.
    /// The body of the answer is not read.
    ///
    /// # Errors
    ///
    /// [`Code::Unreachable`] when the URL is none or there is no answer in time.
    pub async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
        timeout: Duration,
        now: DateTime,
    ) -> Result<Posted> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let client = self.clients().get(scheme, Reach::Anywhere, None)?;
        let request = client.post(url).headers(headers).body(body).timeout(timeout);
        let response = request.send().await.map_err(|error| {
            // The URL may hold a secret.
            let why = error.without_url();
            let cause = std::error::Error::source(&why).map(|cause| format!(": {cause}")).unwrap_or_default();
            Error::coded(
                Code::Unreachable,
                format!("the URL of the operator cannot be reached: {why}{cause}"),
            )
        })?;
        let retry_after = outcome::wait_of(response.headers(), None, now);
        Ok(Posted { status: response.status().as_u16(), retry_after })
    }
}
