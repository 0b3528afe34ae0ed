//! Streams of records, page by page. From the second page on, the next one is under way while one is read.

use std::{fmt, future, hash::BuildHasher, mem, task::Poll, vec};

use linchpin_manifest::spec::{PageStyle, Pagination};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Code, Context, Error, Result,
    flow::BoxFuture,
    link,
    page::{self, Told, Wanted},
    paging::{self, Facts, Fault, Position, Walk},
    request::{Request, Response},
};

/// A stream of records, page by page.
///
/// A flow that gives `Result<Records<T>>` is a list: callers get the first record, the first two hundred or a stream from it,
/// and pages are fetched only as far as records are read, and one ahead from the second page on.
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
    /// Where `page` stands.
    at: Option<String>,
    source: Box<dyn Source<T>>,
}

/// Where the pages of a list come from.
pub trait Source<T>: Send {
    /// The next page, which may be empty; `None` behind the last.
    fn next_page(&mut self) -> BoxFuture<'_, Result<Option<Vec<T>>>>;

    /// From where a later call can read on, with the page that comes next; `None` for the first page, behind the last, and where
    /// pages have no positions.
    fn position(&self) -> Option<String> {
        None
    }

    /// Begins at the page of a position, in place of the first.
    ///
    /// # Errors
    ///
    /// [`Code::PositionInvalid`] where pages have no positions, or this is none.
    fn resume_from(&mut self, position: &str) -> Result<()> {
        let message = format!("the list has no positions, so that it cannot be read on from `{position}`");
        Err(Error::coded(Code::PositionInvalid, message))
    }
}

impl<T> fmt::Debug for Records<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records({} in memory)", self.page.len())
    }
}

impl<T: Send + 'static> Records<T> {
    /// A stream over pages that the author fetches.
    pub fn from_source(source: impl Source<T> + 'static) -> Records<T> {
        Records { page: Vec::new().into_iter(), at: None, source: Box::new(source) }
    }

    /// A stream over records that are all there.
    pub fn from_list(records: Vec<T>) -> Records<T> {
        Records { page: records.into_iter(), at: None, source: Box::new(NoMore) }
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
            if !self.turn().await? {
                return Ok(None);
            }
        }
    }

    /// Fetches the next page; whether there is one.
    async fn turn(&mut self) -> Result<bool> {
        let at = self.source.position();
        let Some(page) = self.source.next_page().await? else { return Ok(false) };
        (self.page, self.at) = (page.into_iter(), at);
        // Who was told to send for the page behind it gets a turn before this one is read; whoever gives up here has lost nothing.
        let mut turned = false;
        future::poll_fn(|cx| {
            if mem::replace(&mut turned, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        Ok(true)
    }

    /// From where a later call can [read on](Records::resume_from): the page with the next record, so that records of a page that has
    /// been read in part come again. `None` on the first page, at the end, and where pages have no positions.
    pub fn position(&self) -> Option<String> {
        match self.page.len() {
            0 => self.source.position(),
            _ => self.at.clone(),
        }
    }

    /// Begins at the page of a position, in place of the first. It is trusted as the input is: the request goes to whichever path of
    /// the spec's hosts it names.
    ///
    /// # Errors
    ///
    /// [`Code::PositionInvalid`] where pages have no positions, this is none, or reading has begun.
    pub fn resume_from(&mut self, position: &str) -> Result<()> {
        self.source.resume_from(position)
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
        Records { page: page.into_iter(), at: self.at, source: Box::new(changed) }
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

    fn position(&self) -> Option<String> {
        self.source.position()
    }

    fn resume_from(&mut self, position: &str) -> Result<()> {
        self.source.resume_from(position)
    }
}

/// A stream whose records are written as JSON when they leave, so that nobody need know their type.
pub trait ErasedRecords: Send {
    /// Appends up to `max` records to `out` as JSON, each followed by a line break, fetching at most one page. Gives how many;
    /// `None` behind the last.
    fn write<'a>(&'a mut self, max: usize, out: &'a mut Vec<u8>) -> BoxFuture<'a, Result<Option<usize>>>;

    /// As [`Records::position`].
    fn position(&self) -> Option<String>;

    /// As [`Records::resume_from`].
    ///
    /// # Errors
    ///
    /// As there.
    fn resume_from(&mut self, position: &str) -> Result<()>;
}

impl<T: Serialize + Send + 'static> ErasedRecords for Records<T> {
    fn write<'a>(&'a mut self, max: usize, out: &'a mut Vec<u8>) -> BoxFuture<'a, Result<Option<usize>>> {
        Box::pin(async move {
            if self.page.len() == 0 && !self.turn().await? {
                return Ok(None);
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

    fn position(&self) -> Option<String> {
        Records::position(self)
    }

    fn resume_from(&mut self, position: &str) -> Result<()> {
        Records::resume_from(self, position)
    }
}

/// The requests of a paged list, one after the other.
pub(crate) struct PageRequest {
    cx: Context,
    /// What is asked next; nothing behind the last page.
    next: Option<Result<Request>>,
    /// The answer to that, where it is under way.
    begun: Option<BoxFuture<'static, Result<Response>>>,
    /// Where that is, beside the first page.
    at: Option<Position>,
    pagination: Option<Pagination>,
    items: String,
    walk: Walk,
}

impl PageRequest {
    pub(crate) fn new(
        cx: Context,
        mut request: Result<Request>,
        items: Option<&str>,
        style: Option<PageStyle>,
        page_size: Option<u64>,
    ) -> PageRequest {
        let spec = cx.driver().spec().http.pagination.as_ref();
        let mut pagination = spec.map(|pagination| pagination.at(items));
        match (&mut pagination, style) {
            (Some(pagination), Some(style)) => pagination.style = style,
            (None, Some(_)) => {
                let message =
                    "a list goes on in another way than the spec's `http.pagination`, which is missing";
                request = Err(Error::coded(Code::RequestInvalid, message).actor(crate::Actor::Author));
            }
            (_, None) => {}
        }
        if let (Some(pagination), Ok(asked)) = (&pagination, &mut request)
            && let Err(error) = paging::ask_for_size(pagination, asked, page_size)
        {
            request = Err(error);
        }
        let items = match &pagination {
            Some(pagination) => pagination.items.clone(),
            None => items.unwrap_or_default().to_owned(),
        };
        PageRequest {
            cx,
            next: Some(request),
            begun: None,
            at: None,
            pagination,
            items,
            walk: Walk::from(None),
        }
    }

    /// Fetches the next page. Whoever gives up half-way may come again.
    async fn fetch(&mut self) -> Result<Option<(Request, Response)>> {
        let request = match &self.next {
            Some(Ok(request)) => request,
            // Nothing, or an error: then the list is over.
            _ => return self.next.take().transpose().map(|_| None),
        };
        let limit = self.limit();
        if self.walk.pages >= limit {
            self.next = None;
            let message = format!("the list has more than {limit} pages, the limit of `http.limits.pages`");
            return Err(Error::coded(Code::PagingLimit, message));
        }
        let response = match &mut self.begun {
            Some(begun) => begun.await,
            None => self.cx.driver().send(request.clone()).await,
        };
        self.begun = None;
        let request = self.next.take().transpose()?;
        Ok(request.zip(Some(response?)))
    }

    fn limit(&self) -> u64 {
        self.cx.driver().spec().http.limits.pages
    }

    /// Reads a page and settles what is asked behind it.
    fn read<T: DeserializeOwned>(&mut self, request: Request, response: &Response) -> Result<Option<Vec<T>>> {
        // What an outcome rule ignores, and how some services write a list with nothing in it.
        if &*response.body == b"null" {
            self.at = None;
            return Ok(None);
        }
        let style = self.pagination.as_ref().map(|pagination| &pagination.style);
        let told = style.map_or([None, None], |style| [style.told(), style.has_more()]);
        let wanted = Wanted::new(&self.items, told);
        let mut read =
            page::read::<T>(&response.body, &wanted).map_err(|error| response.malformed(&error))?;
        let Some(records) = mem::take(&mut read.items) else {
            let at = if self.items.is_empty() { "the root" } else { &self.items };
            let message = format!("the page {} has no items at {at}", response.what());
            return Err(Error::coded(Code::ResponseMalformed, message).status(response.status()));
        };
        self.advance(request, response, records.len(), read.told)?;
        Ok(Some(records))
    }

    /// Settles what is asked after `request`, of which `response` was the answer with so many items.
    fn advance(
        &mut self,
        mut request: Request,
        response: &Response,
        count: usize,
        told: [Option<Told>; 2],
    ) -> Result<()> {
        let Some(pagination) = &self.pagination else { return Ok(()) };
        let [mut told, more] = told;
        match &pagination.style {
            PageStyle::LinkHeader => told = self.linked(response).map(Told::Text),
            PageStyle::CursorHeader { header, .. } => {
                told = response.header(header).map(|cursor| Told::Text(cursor.to_owned()));
            }
            PageStyle::Keyset { id, .. } if count > 0 => {
                told = page::of_last_item(&response.body, &self.items, id)
                    .map_err(|error| response.malformed(&error))?;
            }
            _ => {}
        }
        if pagination.style.place().is_none()
            && let Some(Told::Text(link)) = &mut told
            && !link.is_empty()
        {
            match self.cx.driver().follow(link, &response.url) {
                Ok(url) => *link = url,
                Err(error) => {
                    // What has been read is given out first.
                    (self.next, self.at) = (Some(Err(error)), None);
                    return Ok(());
                }
            }
        }
        let print = match pagination.style {
            PageStyle::PageNumber { .. } | PageStyle::Offset { .. } => {
                self.walk.hasher.hash_one(&response.body)
            }
            _ => 0,
        };
        let next = match self.walk.advance(&pagination.style, Facts { count, told, more, print }) {
            Ok(next) => next,
            Err(Fault::Stuck(message, at)) => {
                let error = Error::coded(Code::PagingStuck, message);
                return Err(match at {
                    Some(at) => error.position(at.text(pagination)),
                    None => error,
                });
            }
            Err(Fault::Malformed(what)) => {
                let page = response.what();
                let message = format!("the page {page} has {what} where it says how the list goes on");
                return Err(Error::coded(Code::ResponseMalformed, message).status(response.status()));
            }
        };
        self.at.clone_from(&next);
        let Some(next) = next else { return Ok(()) };
        next.ask(pagination, &mut request, Some(&response.url))?;
        self.next = Some(Ok(request));
        Ok(())
    }

    /// The first link to the next page that leads from this one.
    fn linked(&self, response: &Response) -> Option<String> {
        let ours = |anchor: &str| {
            let resolved = self.cx.driver().follow(anchor, &response.url);
            let page = self.cx.driver().follow(&response.url, &response.url);
            resolved.is_ok() && resolved.ok() == page.ok()
        };
        response.headers.get_all(http::header::LINK).iter().find_map(|value| {
            // As bytes: a title in quotes may be in any encoding.
            let links = link::next_links(&String::from_utf8_lossy(value.as_bytes()));
            links.into_iter().find(|link| link.anchor.as_deref().is_none_or(ours)).map(|link| link.target)
        })
    }

    /// Begins to fetch the next page, where somebody is likely to read it: not before the second has been asked for.
    fn prefetch(&mut self) {
        if self.walk.pages < 2 || self.walk.pages >= self.limit() {
            return;
        }
        let Some(Ok(request)) = &self.next else { return };
        self.begun = Some(self.cx.shared_driver().begin(request.clone()));
    }

    fn text_of(&self, position: Option<&Position>) -> Option<String> {
        Some(position?.text(self.pagination.as_ref()?))
    }
}

impl<T: DeserializeOwned + Send + 'static> Source<T> for PageRequest {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Option<Vec<T>>>> {
        Box::pin(async {
            let at = self.at.clone();
            let read = match self.fetch().await {
                Ok(None) => return Ok(None),
                Ok(Some((request, response))) => self.read(request, &response),
                Err(error) => Err(error),
            };
            match read {
                Ok(records) => {
                    self.prefetch();
                    Ok(records)
                }
                Err(error) if error.details().position.is_some() => Err(error),
                Err(error) => Err(match self.text_of(at.as_ref()) {
                    Some(position) => error.position(position),
                    None => error,
                }),
            }
        })
    }

    fn position(&self) -> Option<String> {
        self.text_of(self.at.as_ref())
    }

    fn resume_from(&mut self, position: &str) -> Result<()> {
        let wrong = |problem: &str| {
            let message = format!("the list cannot be read on from `{position}`: {problem}");
            Error::coded(Code::PositionInvalid, message)
        };
        if self.walk.pages > 0 {
            return Err(wrong("it has been read from already"));
        }
        let Some(pagination) = &self.pagination else { return Err(wrong("it has one page only")) };
        let Some(at) = Position::read(pagination, position) else {
            return Err(wrong("this is no position of it"));
        };
        if let Some(Ok(request)) = &mut self.next {
            at.clone().ask(pagination, request, None)?;
        }
        self.walk = Walk::from(Some(at.clone()));
        self.at = Some(at);
        Ok(())
    }
}
