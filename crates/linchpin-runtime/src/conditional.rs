//! Answers that are asked for again only if they have changed (RFC 9110 §13.1.2).

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH, VARY},
};
use linchpin::{Response, request::Request};
use url::Url;

/// So many bytes of answers are kept for one connection, headers not counted.
const MOST: usize = 8 << 20;

/// And so many answers.
const ENTRIES: usize = 512;

/// The answers of one connection that have an `ETag`, those that were used last at the end.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<VecDeque<Arc<Entry>>>);

/// An answer, and what it answers.
#[derive(Debug)]
pub(crate) struct Entry {
    url: String,
    /// The headers of the flow's own, by which services choose what they show.
    asked: HeaderMap,
    etag: HeaderValue,
    answer: Response,
}

impl Known {
    /// The answer to a request that came before, where one is kept; the request then says which.
    pub(crate) fn ask(&self, request: &Request, url: &Url, headers: &mut HeaderMap) -> Option<Arc<Entry>> {
        if request.method != Method::GET || headers.contains_key(IF_NONE_MATCH) {
            return None;
        }
        let mut entries = self.entries();
        let at =
            entries.iter().position(|entry| entry.url == url.as_str() && entry.asked == request.headers)?;
        let entry = entries.remove(at)?;
        entries.push_back(entry.clone());
        headers.insert(IF_NONE_MATCH, entry.etag.clone());
        Some(entry)
    }

    /// What an answer is in full: the one that is kept, where the service says that it has not changed. Keeps it otherwise.
    pub(crate) fn complete(
        &self,
        request: &Request,
        url: &Url,
        before: Option<&Entry>,
        answer: Response,
    ) -> Response {
        match before {
            Some(before) if answer.status == StatusCode::NOT_MODIFIED => {
                let mut whole = before.answer.clone();
                // What the service says anew counts (RFC 9111 §3.2).
                whole.headers.extend(answer.headers);
                whole
            }
            _ => {
                self.keep(request, url, &answer);
                answer
            }
        }
    }

    fn keep(&self, request: &Request, url: &Url, answer: &Response) {
        let mut entries = self.entries();
        entries.retain(|entry| entry.url != url.as_str() || entry.asked != request.headers);
        let Some(etag) = answer.headers.get(ETAG).filter(|_| answer.status == StatusCode::OK) else { return };
        let forbidden = answer.header(CACHE_CONTROL.as_str()).is_some_and(|says| says.contains("no-store"))
            || answer.header(VARY.as_str()) == Some("*");
        // An answer that came by a redirect is another URL's.
        let own = request.method == Method::GET && *answer.url == *url.as_str();
        if forbidden || !own || answer.body.len() > MOST / 4 {
            return;
        }
        entries.push_back(Arc::new(Entry {
            url: url.as_str().to_owned(),
            asked: request.headers.clone(),
            etag: etag.clone(),
            answer: answer.clone(),
        }));
        let bytes = |entries: &VecDeque<Arc<Entry>>| {
            entries.iter().map(|entry| entry.answer.body.len()).sum::<usize>()
        };
        while entries.len() > ENTRIES || bytes(&entries) > MOST {
            entries.pop_front();
        }
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
