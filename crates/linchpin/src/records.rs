//! Streams of records: one page in memory at a time, fetched when the last one has been read.

use std::{collections::HashSet, fmt, hash::BuildHasher, mem, vec};

use linchpin_manifest::spec::{PageStyle, Pagination};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Code, Context, Error, Result,
    flow::BoxFuture,
    page::{self, Wanted},
    request::{Request, Response, Target},
};

/// A stream of records, page by page.
///
/// A flow that gives `Result<Records<T>>` is a list: callers get the first record, the first two hundred or a stream from it,
/// and pages are fetched only as far as records are read.
///
/// ```
/// # async fn example() -> linchpin::Result<()> {
/// let mut even = linchpin::Records::from_list(vec![1u32, 2, 3, 4]).filter(|number| number % 2 == 0);
/// while let Some(number) = even.next().await? {
///     println!("{number}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Records<T> {
    page: vec::IntoIter<T>,
    source: Box<dyn Source<T>>,
}

/// Where the pages of a list come from.
pub trait Source<T>: Send {
    /// The next page, which may be empty; `None` behind the last.
    fn next_page(&mut self) -> BoxFuture<'_, Result<Option<Vec<T>>>>;
}

impl<T> fmt::Debug for Records<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records({} in memory)", self.page.len())
    }
}

impl<T: Send + 'static> Records<T> {
    /// A stream over pages that the author fetches.
    pub fn from_source(source: impl Source<T> + 'static) -> Records<T> {
        Records { page: Vec::new().into_iter(), source: Box::new(source) }
    }

    /// A stream over records that are all there.
    pub fn from_list(records: Vec<T>) -> Records<T> {
        Records { page: records.into_iter(), source: Box::new(NoMore) }
    }

    pub(crate) fn paged(request: PageRequest) -> Records<T>
    where
        T: DeserializeOwned,
    {
        Records::from_source(request)
    }

    /// The next record; `None` behind the last.
    ///
    /// # Errors
    ///
    /// What fetching the next page gives. The records before it have been given out.
    pub async fn next(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(record) = self.page.next() {
                return Ok(Some(record));
            }
            match self.source.next_page().await? {
                Some(page) => self.page = page.into_iter(),
                None => return Ok(None),
            }
        }
    }

    /// The first so many records, or all if there are fewer.
    ///
    /// # Errors
    ///
    /// As [`next`](Records::next).
    pub async fn take(mut self, limit: usize) -> Result<Vec<T>> {
        let mut records = Vec::new();
        while records.len() < limit
            && let Some(record) = self.next().await?
        {
            records.push(record);
        }
        Ok(records)
    }

    /// The stream with each record changed.
    pub fn map<U: Send + 'static>(self, mut change: impl FnMut(T) -> U + Send + 'static) -> Records<U> {
        self.filter_map(move |record| Some(change(record)))
    }

    /// The stream without the records that are not wanted.
    pub fn filter(self, mut wanted: impl FnMut(&T) -> bool + Send + 'static) -> Records<T> {
        self.filter_map(move |record| wanted(&record).then_some(record))
    }

    /// The stream with each record changed or left out.
    pub fn filter_map<U: Send + 'static>(
        self,
        change: impl FnMut(T) -> Option<U> + Send + 'static,
    ) -> Records<U> {
        let mut changed = Changed { source: self.source, change };
        let page: Vec<U> = self.page.filter_map(&mut changed.change).collect();
        Records { page: page.into_iter(), source: Box::new(changed) }
    }
}

struct NoMore;

impl<T: Send + 'static> Source<T> for NoMore {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Option<Vec<T>>>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

struct Changed<T, F> {
    source: Box<dyn Source<T>>,
    change: F,
}

impl<T: Send + 'static, U: Send + 'static, F: FnMut(T) -> Option<U> + Send> Source<U> for Changed<T, F> {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Option<Vec<U>>>> {
        Box::pin(async {
            let page = self.source.next_page().await?;
            Ok(page.map(|page| page.into_iter().filter_map(&mut self.change).collect()))
        })
    }
}

/// A stream whose records are written as JSON when they leave, so that nobody need know their type.
pub trait ErasedRecords: Send {
    /// Appends up to `max` records to `out` as JSON, each followed by a line break, fetching at most one page. Gives how many;
    /// `None` behind the last.
    fn write<'a>(&'a mut self, max: usize, out: &'a mut Vec<u8>) -> BoxFuture<'a, Result<Option<usize>>>;
}

impl<T: Serialize + Send + 'static> ErasedRecords for Records<T> {
    fn write<'a>(&'a mut self, max: usize, out: &'a mut Vec<u8>) -> BoxFuture<'a, Result<Option<usize>>> {
        Box::pin(async move {
            if self.page.len() == 0 {
                match self.source.next_page().await? {
                    Some(page) => self.page = page.into_iter(),
                    None => return Ok(None),
                }
            }
            let mut count = 0;
            for record in self.page.by_ref().take(max) {
                serde_json::to_writer(&mut *out, &record).map_err(crate::flow::not_json)?;
                out.push(b'\n');
                count += 1;
            }
            Ok(Some(count))
        })
    }
}

/// The requests of a paged list, one after the other.
#[derive(Debug)]
pub(crate) struct PageRequest {
    cx: Context,
    /// What is asked next; nothing behind the last page.
    next: Option<Result<Request>>,
    pagination: Option<Pagination>,
    items: String,
    /// Hashes of the positions visited and of pages that could be all the same, so that memory does not grow with long cursors.
    seen: HashSet<u64>,
    hasher: std::hash::RandomState,
    pages: u64,
    items_seen: u64,
}

impl PageRequest {
    pub(crate) fn new(
        cx: Context,
        request: Result<Request>,
        pagination: Option<Pagination>,
        items: Option<&str>,
    ) -> PageRequest {
        let items = match (items, &pagination) {
            (Some(items), _) => items.to_owned(),
            (None, Some(pagination)) => pagination.items.clone(),
            (None, None) => String::new(),
        };
        let page_size = pagination.as_ref().and_then(|pagination| pagination.page_size.clone());
        let request = request.map(|mut request| {
            if let Some((name, size)) = page_size
                && request.query.iter().all(|(given, _)| *given != name)
            {
                request.query.push((name.into(), size.to_string()));
            }
            request
        });
        let (seen, hasher) = Default::default();
        PageRequest { cx, next: Some(request), pagination, items, seen, hasher, pages: 0, items_seen: 0 }
    }

    /// Fetches the next page.
    async fn fetch(&mut self) -> Result<Option<(Request, Response)>> {
        let Some(request) = self.next.take() else { return Ok(None) };
        let request = request?;
        let limit = self.cx.driver().spec().http.limits.pages;
        if self.pages == limit {
            let message = format!("the list has more than {limit} pages, the limit of `http.limits.pages`");
            return Err(Error::coded(Code::PagingLimit, message).position(position(&request)));
        }
        let response = self.cx.driver().send(request.clone()).await?;
        self.pages += 1;
        Ok(Some((request, response)))
    }

    /// Where in a body the way to the next page stands, or what tells that there is none.
    fn pointer(&self) -> Option<&str> {
        match &self.pagination.as_ref()?.style {
            PageStyle::Cursor { cursor: pointer, .. } | PageStyle::NextUrl { next: pointer } => Some(pointer),
            PageStyle::PageNumber { total, .. } | PageStyle::Offset { total, .. } => total.as_deref(),
            _ => None,
        }
    }

    /// Settles what is asked after `request`, of which `response` was the answer with so many items, and with `found` at the
    /// [`pointer`](PageRequest::pointer).
    fn advance(
        &mut self,
        mut request: Request,
        response: &Response,
        count: usize,
        found: Option<String>,
    ) -> Result<()> {
        let Some(pagination) = &self.pagination else { return Ok(()) };
        let found = found.filter(|found| !found.is_empty());
        self.items_seen += count as u64;
        let next = match &pagination.style {
            PageStyle::LinkHeader => {
                let links = response.headers.get_all(http::header::LINK).iter();
                let next = links.filter_map(|value| value.to_str().ok()).find_map(page::next_link);
                next.map(|link| (None, link))
            }
            PageStyle::NextUrl { .. } => found.map(|url| (None, url)),
            PageStyle::Cursor { query, .. } => found.map(|cursor| (Some(query), cursor)),
            PageStyle::CursorHeader { header, query } => {
                let cursor = response.header(header).filter(|cursor| !cursor.is_empty());
                cursor.map(|cursor| (Some(query), cursor.to_owned()))
            }
            PageStyle::PageNumber { query, .. } | PageStyle::Offset { query, .. } => {
                let all =
                    found.and_then(|total| total.parse().ok()).is_some_and(|total| self.items_seen >= total);
                if count == 0 || all {
                    None
                } else if !self.seen.insert(self.hasher.hash_one(&response.body)) {
                    // What counts up never comes back to a position; a service that does not know the parameter gives one page for ever.
                    let message =
                        format!("the service gives the same page a second time; does it know `{query}`?");
                    return Err(Error::coded(Code::PagingStuck, message).position(position(&request)));
                } else {
                    let next = match &pagination.style {
                        PageStyle::PageNumber { first, .. } => first + self.pages,
                        _ => self.items_seen,
                    };
                    Some((Some(query), next.to_string()))
                }
            }
            other => {
                let message = format!("paging in the style {other:?} is not carried out by this version");
                return Err(Error::coded(Code::NotCarriedOut, message));
            }
        };
        let Some((query, place)) = next else { return Ok(()) };
        if !self.seen.insert(self.hasher.hash_one(&place)) {
            let message =
                format!("the service names the same next page a second time, after {} pages", self.pages);
            return Err(Error::coded(Code::PagingStuck, message).position(place));
        }
        match query {
            None => {
                request.query.clear();
                request.target = Target::Next { link: place, from: response.url.clone() };
            }
            Some(query) => {
                request.query.retain(|(name, _)| name != query);
                request.query.push((query.clone().into(), place));
            }
        }
        self.next = Some(Ok(request));
        Ok(())
    }
}

fn position(request: &Request) -> String {
    match &request.target {
        Target::Next { link, .. } => link.clone(),
        _ => request.query.last().map(|(_, value)| value.clone()).unwrap_or_default(),
    }
}

impl<T: DeserializeOwned + Send + 'static> Source<T> for PageRequest {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Option<Vec<T>>>> {
        Box::pin(async {
            let Some((request, response)) = self.fetch().await? else { return Ok(None) };
            // What an outcome rule ignores, and how some services write a list with nothing in it.
            if &*response.body == b"null" {
                return Ok(None);
            }
            let wanted = Wanted::new(&self.items, self.pointer());
            let mut read =
                page::read::<T>(&response.body, &wanted).map_err(|error| response.malformed(&error))?;
            let Some(records) = mem::take(&mut read.items) else {
                let at = if self.items.is_empty() { "the root" } else { &self.items };
                let message = format!("the page {} has no items at {at}", response.what());
                return Err(Error::coded(Code::ResponseMalformed, message).status(response.status()));
            };
            self.advance(request, &response, records.len(), read.cursor)?;
            Ok(Some(records))
        })
    }
}
