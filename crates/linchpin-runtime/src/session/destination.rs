//! Where requests go: URLs of paths, pages and redirects.

use http::{
    HeaderMap,
    header::{ACCEPT, LOCATION},
};
use linchpin::{
    Code, Error, Result,
    request::{Request, Target},
};
use url::Url;

use crate::{
    connection::Ready,
    egress::{Internal, Origin, Passage},
};

/// How long the URL may be that a redirect leads to, in bytes: one that grows each time would else become one that cannot be sent.
const LONGEST_LINK: usize = 32 << 10;

/// Where a request goes, and how it may go there.
pub(crate) fn destination(ready: &Ready, request: &Request, internal: &Internal) -> Result<(Url, Passage)> {
    match &request.target {
        Target::Path(path) => {
            // Set, not parsed with the base: a path can then lead nowhere else, and the host is not read again.
            let (path, own) =
                path.split_once('?').map_or((path.as_str(), None), |(path, own)| (path, Some(own)));
            let mut url = ready.base.clone();
            let base = url.path().trim_end_matches('/');
            let slash = if path.starts_with('/') || path.is_empty() { "" } else { "/" };
            let joined = [base, slash, path].concat();
            url.set_path(&joined);
            url.set_query(own);
            append(&mut url, request);
            let passage = ready.allowed.request(&url, internal)?;
            Ok((url, passage))
        }
        Target::Url(text) => {
            let mut url = Url::parse(text).map_err(|error| invalid(text, &error.to_string()))?;
            append(&mut url, request);
            let passage = ready.allowed.request(&url, internal)?;
            Ok((url, passage))
        }
        Target::Next { link, from } => {
            let mut url = next_page(from, link)?;
            append(&mut url, request);
            // The page itself may have come from elsewhere, by a redirect.
            let passage = ready.allowed.anywhere(&url, internal)?;
            Ok((url, passage))
        }
    }
}

fn append(url: &mut Url, request: &Request) {
    let query = request.encoded_query();
    if !query.is_empty() {
        let joined = match url.query() {
            Some(before) if !before.is_empty() => format!("{before}&{query}"),
            _ => query,
        };
        url.set_query(Some(&joined));
    }
}

/// The URL of the next page, which must be where this page came from.
pub(crate) fn next_page(from: &str, link: &str) -> Result<Url> {
    let page = Url::parse(from).map_err(|error| invalid(from, &error.to_string()))?;
    let mut url = page.join(link).map_err(|error| {
        let place = page.origin().ascii_serialization();
        let message = format!("`{place}` gives `{link}` as its next page, which is not a URL: {error}");
        Error::coded(Code::ResponseMalformed, message).position(link)
    })?;
    let stays = Origin::of(&page).is_some_and(|origin| origin.holds(&url));
    if !stays || !url.username().is_empty() || url.password().is_some() {
        let message = format!(
            "the list goes on at `{}`, which is not where `{}` came from",
            url.origin().ascii_serialization(),
            page.origin().ascii_serialization()
        );
        return Err(Error::coded(Code::PagingElsewhere, message).position(link));
    }
    url.set_fragment(None);
    Ok(url)
}

fn invalid(url: &str, problem: &str) -> Error {
    Error::coded(Code::RequestInvalid, format!("`{url}` is not a URL that can be requested: {problem}"))
}

/// Adds the query parameters that are credentials, unless a link of the service has them already.
pub(super) fn add_credentials(url: &mut Url, credentials: &[(String, String)]) {
    for (name, value) in credentials {
        if url.query_pairs().all(|(given, _)| given != name.as_str()) {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
}

pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads; none when it does not say.
pub(super) fn redirect_target(from: &str, headers: &HeaderMap) -> Result<Option<Url>> {
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let malformed = || {
        let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
        Error::coded(
            Code::ResponseMalformed,
            format!("`{from}` redirects to `{location}`, which is not a URL that can be requested"),
        )
    };
    let location = location.to_str().map_err(|_| malformed())?;
    let mut url = Url::parse(from).and_then(|from| from.join(location)).map_err(|_| malformed())?;
    url.set_fragment(None);
    match url.as_str().len() {
        ..=LONGEST_LINK => Ok(Some(url)),
        _ => Err(malformed()),
    }
}

/// The headers for a host that is not the connector's: whatever the flow put into headers of its own stays behind.
pub(super) fn elsewhere(ready: &Ready, request: &Request) -> HeaderMap {
    let mut headers = ready.open_headers.clone();
    if let Some(accept) = request.headers.get(ACCEPT) {
        headers.insert(ACCEPT, accept.clone());
    }
    headers
}

/// The origin of a URL, for messages.
pub(crate) fn origin(url: &str) -> String {
    Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method};
    use linchpin::{Connector, connector::SpecFile, extract::ConnectionValues};

    use super::*;
    use crate::connection::Connection;

    const SPEC: SpecFile = SpecFile {
        path: "specs/tracker.toml",
        text: r#"
            schema = 1
            key = "tracker"
            name = "Tracker"
            version = "0.1.0"
            http = { base_url = "https://tracker.example", headers = { X-Version = "3" } }
            auth.token = { kind = "bearer", fields.token = { label = "Token", secret = true } }
        "#,
    };

    #[test]
    fn elsewhere_neither_credentials_nor_the_flows_headers_go_along() {
        let connector = Connector::builder(SPEC).build().unwrap();
        let fields = [("token".to_owned(), "t0k3n".to_owned().into())].into();
        let connection = Connection::new(&connector, ConnectionValues { method: "token".into(), fields });
        let mut request = Request::new(Method::GET, Target::Path("/thing".into()));
        request.headers.insert("x-secret", HeaderValue::from_static("7"));
        request.headers.insert(ACCEPT, HeaderValue::from_static("image/png"));
        let headers = elsewhere(&connection.unwrap().0, &request);
        let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "accept-encoding", "user-agent", "x-version"]);
        assert_eq!(headers[ACCEPT], "image/png");
    }
}
