//! Requests as authors build them, and answers as they get them.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use linchpin_manifest::spec::PageStyle;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    Code, Context, Error, Result,
    file::{self, FileRef},
    form::{self, Content, ListNames, Multipart},
    json::{self, Misfit},
    line::one_line,
    link,
    records::{PageRequest, Records},
    rows::{self, Format, JsonLines},
    shape::{FieldType, Fields},
    value::{DateTime, Number},
};

#[cfg(feature = "csv")]
use crate::rows::Csv;

/// Everything but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path that `path!` built: every value in it encoded for its place. Holds the error where a value has no place.
#[derive(Debug, Clone)]
pub struct Path(Result<String, String>);

/// What is given where a path is wanted.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a path",
    note = "build it with `path!(\"/projects/{{id}}/issues\")`, which encodes every value for its place"
)]
pub trait IntoPath {
    /// The path.
    fn into_path(self) -> Path;
}

impl IntoPath for Path {
    fn into_path(self) -> Path {
        self
    }
}

impl Path {
    /// The path and query as text.
    ///
    /// # Errors
    ///
    /// [`Code::PathInvalid`] when a value in it was empty or made a segment `.` or `..`.
    pub fn as_str(&self) -> Result<&str> {
        match &self.0 {
            Ok(path) => Ok(path),
            Err(problem) => Err(Error::coded(Code::PathInvalid, problem.clone())),
        }
    }
}

/// A piece of what `path!` was given.
#[doc(hidden)]
#[derive(Debug)]
pub enum PathPiece<'a> {
    /// Text of the literal.
    Text(&'static str),
    /// A value within one segment, with the words by which the literal names it.
    Value(&'static str, Cow<'a, str>),
    /// A value that is several segments.
    Rest(&'static str, Cow<'a, str>),
    /// A value of the query.
    Query(Cow<'a, str>),
}

/// Joins what `path!` was given.
#[doc(hidden)]
pub fn build_path(pieces: &[PathPiece<'_>]) -> Path {
    Path(join(pieces))
}

fn join(pieces: &[PathPiece<'_>]) -> Result<String, String> {
    let mut path = String::with_capacity(64);
    // Which value stands in the segment being written, to name it when the segment turns out to be no segment.
    let mut value_here: Option<&str> = None;
    let mut in_query = false;
    for piece in pieces {
        match piece {
            PathPiece::Text(text) => {
                if let (Some(name), Some(at)) = (value_here, text.find(['/', '?'])) {
                    path.push_str(&text[..at]);
                    check_segment(&path, name)?;
                    value_here = None;
                    path.push_str(&text[at..]);
                } else {
                    path.push_str(text);
                }
                in_query |= text.contains('?');
            }
            PathPiece::Value(name, value) => {
                if value.is_empty() {
                    return Err(format!("`{name}` is empty, and a segment of a path cannot be"));
                }
                path.extend(utf8_percent_encode(value, ENCODED));
                value_here = Some(name);
            }
            PathPiece::Rest(name, value) => {
                for (index, segment) in value.split('/').enumerate() {
                    if segment.is_empty() {
                        return Err(format!("`{name}` is `{value}`, which has an empty segment"));
                    }
                    if index > 0 {
                        path.push('/');
                    }
                    path.extend(utf8_percent_encode(segment, ENCODED));
                    check_segment(&path, name)?;
                }
                value_here = Some(name);
            }
            PathPiece::Query(value) => path.extend(utf8_percent_encode(value, ENCODED)),
        }
    }
    match value_here {
        Some(name) if !in_query => check_segment(&path, name)?,
        _ => {}
    }
    Ok(path)
}

/// URL parsers resolve `.` and `..`, in any spelling, so a value must not make one.
fn check_segment(path: &str, name: &str) -> Result<(), String> {
    let segment = path.rsplit('/').next().unwrap_or_default();
    if matches!(segment, "." | "..") {
        return Err(format!("`{name}` makes the path segment `{segment}`, which would lead elsewhere"));
    }
    Ok(())
}

/// A value that `path!` and queries can hold: texts, whole numbers, `bool`, [`DateTime`], [`Number`], enums with `#[fields]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a path or query",
    label = "not a single text or number",
    note = "use a text, a whole number, `bool`, `DateTime`, `Number` or an enum with `#[fields]`; take an `Option` apart first, or give it to `.query(..)`, which leaves `None` out"
)]
pub trait PathValue {
    /// The value as text, not yet encoded.
    fn path_value(&self) -> Cow<'_, str>;
}

impl PathValue for str {
    fn path_value(&self) -> Cow<'_, str> {
        self.into()
    }
}

impl PathValue for String {
    fn path_value(&self) -> Cow<'_, str> {
        self.as_str().into()
    }
}

impl PathValue for Cow<'_, str> {
    fn path_value(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl<T: PathValue + ?Sized> PathValue for &T {
    fn path_value(&self) -> Cow<'_, str> {
        (**self).path_value()
    }
}

macro_rules! path_value {
    ($($type:ty)+) => {
        $(#[diagnostic::do_not_recommend]
        impl PathValue for $type {
            fn path_value(&self) -> Cow<'_, str> {
                self.to_string().into()
            }
        })+
    };
}

path_value! { bool u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize DateTime Number }

/// What `.query(name, value)` takes: a single value, an `Option` of one, or a list, which repeats the parameter.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a query parameter",
    note = "use a text, a whole number, `bool`, `DateTime`, `Number` or an enum with `#[fields]`, or an `Option` or `Vec` of one"
)]
pub trait QueryValue {
    /// Calls back with each text.
    fn each(&self, take: &mut dyn FnMut(Cow<'_, str>));
}

impl<T: PathValue> QueryValue for T {
    fn each(&self, take: &mut dyn FnMut(Cow<'_, str>)) {
        take(self.path_value());
    }
}

impl<T: PathValue> QueryValue for Option<T> {
    fn each(&self, take: &mut dyn FnMut(Cow<'_, str>)) {
        if let Some(value) = self {
            take(value.path_value());
        }
    }
}

impl<T: PathValue> QueryValue for Vec<T> {
    fn each(&self, take: &mut dyn FnMut(Cow<'_, str>)) {
        self.iter().for_each(|value| take(value.path_value()));
    }
}

/// A request, ready for the runtime.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where it goes.
    pub target: Target,
    /// Query parameters behind those of the target, names and values not yet encoded.
    pub query: Vec<(Cow<'static, str>, String)>,
    /// Headers beside those of the spec and the credentials.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<Body>,
    /// Whether the connection's credentials go with it.
    pub authenticated: bool,
    /// Whether an answer with an error status is the flow's own business.
    pub any_status: bool,
}

/// What a request sends.
#[derive(Debug, Clone)]
pub enum Body {
    /// Bytes that are all there.
    Bytes(Bytes),
    /// Pieces one behind the other, of which files come as streams.
    Parts(Vec<Part>),
}

/// A piece of a body.
#[derive(Debug, Clone)]
pub enum Part {
    /// Bytes that are all there.
    Bytes(Bytes),
    /// A file.
    File(FileRef),
}

impl Part {
    /// How many bytes pieces have together, where that is known before they are sent.
    pub fn size_of(parts: &[Part]) -> Option<u64> {
        parts.iter().try_fold(0u64, |sum, part| {
            sum.checked_add(match part {
                Part::Bytes(bytes) => bytes.len() as u64,
                Part::File(file) => file.size()?,
            })
        })
    }
}

impl Body {
    /// How many bytes it has, where that is known before they are sent.
    pub fn size(&self) -> Option<u64> {
        match self {
            Body::Bytes(bytes) => Some(bytes.len() as u64),
            Body::Parts(parts) => Part::size_of(parts),
        }
    }

    /// Whether it can be sent a second time.
    pub fn repeats(&self) -> bool {
        match self {
            Body::Bytes(_) => true,
            Body::Parts(parts) => parts.iter().all(|part| match part {
                Part::Bytes(_) => true,
                Part::File(file) => file.reopens(),
            }),
        }
    }
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub enum Target {
    /// A path under the spec's base URL, encoded.
    Path(String),
    /// A whole URL, which must be at a host of the spec.
    Url(String),
    /// A link to the next page, as the service gave it in the answer from a URL; must stay at that URL's origin.
    Next {
        /// The link, absolute or relative.
        link: String,
        /// The URL that was answered.
        from: Arc<str>,
    },
}

/// A request under construction.
#[must_use = "nothing is sent before `.send().await` or `.records()`"]
pub struct RequestBuilder {
    cx: Context,
    request: Result<Request>,
    page_size: Option<u64>,
}

impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.request {
            // The query and the body may hold what nobody should see.
            Ok(request) => write!(f, "RequestBuilder({} {:?})", request.method, request.target),
            Err(error) => write!(f, "RequestBuilder({error})"),
        }
    }
}

impl RequestBuilder {
    pub(crate) fn new(cx: Context, method: Method, path: Path) -> RequestBuilder {
        let request = path.as_str().map(|path| Request::new(method, Target::Path(path.to_owned())));
        RequestBuilder { cx, request, page_size: None }
    }

    fn with(mut self, change: impl FnOnce(&mut Request) -> Result<()>) -> RequestBuilder {
        if let Ok(request) = &mut self.request
            && let Err(error) = change(request)
        {
            self.request = Err(error);
        }
        self
    }

    /// Sends to a whole URL in place of a path; its host must be one of the spec's.
    pub fn url(self, url: impl Into<String>) -> RequestBuilder {
        self.with(|request| {
            request.target = Target::Url(url.into());
            Ok(())
        })
    }

    /// Adds a query parameter; `None` adds nothing, a list repeats it.
    pub fn query(self, name: impl Into<Cow<'static, str>>, value: impl QueryValue) -> RequestBuilder {
        self.with(|request| {
            let name = name.into();
            value.each(&mut |text| request.query.push((name.clone(), text.into_owned())));
            Ok(())
        })
    }

    /// Adds a header.
    pub fn header(self, name: &str, value: impl AsRef<str>) -> RequestBuilder {
        self.with(|request| {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Error::coded(Code::RequestInvalid, format!("`{name}` is not a header name")))?;
            let value = HeaderValue::from_str(value.as_ref()).map_err(|_| {
                Error::coded(
                    Code::RequestInvalid,
                    format!("the value of the header `{name}` has control characters"),
                )
            })?;
            request.headers.append(name, value);
            Ok(())
        })
    }

    /// Sends a value as JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> RequestBuilder {
        match self.request {
            Ok(_) => self.json_body(file::outside(|| json::to_vec(value))),
            Err(_) => self,
        }
    }

    fn json_body(self, body: serde_json::Result<Vec<u8>>) -> RequestBuilder {
        self.with(|request| {
            let body = body.map_err(|error| {
                Error::coded(Code::RequestInvalid, format!("the body cannot be JSON: {error}"))
            })?;
            request.set_body("application/json", body.into());
            Ok(())
        })
    }

    /// Sends a struct with `#[fields]` as JSON, without those of its fields that stand elsewhere in the request:
    /// `cx.post(path!("/projects/{new.project}/issues")).json_without(&new, &["project"])`.
    ///
    /// The names are those in JSON. One that is no field is a mistake, and the request is not sent.
    pub fn json_without<T: Fields>(self, value: &T, names: &[&str]) -> RequestBuilder {
        let whole = file::outside(|| json::to_string(value));
        self.json_members(whole, names, |name| T::index_of(name, 0).is_some())
    }

    fn json_members(
        self,
        whole: serde_json::Result<String>,
        left_out: &[&str],
        is_field: fn(&str) -> bool,
    ) -> RequestBuilder {
        if let Some(name) = left_out.iter().find(|name| !is_field(name)) {
            let message = format!("`json_without` names `{name}`, which is no field of the value");
            return self.with(|_| Err(Error::coded(Code::RequestInvalid, message)));
        }
        self.json_body(whole.and_then(|whole| {
            // As raw text, so that every number stays as it is written.
            let mut members: BTreeMap<&str, &RawValue> = serde_json::from_str(&whole)?;
            members.retain(|name, _| !left_out.contains(name));
            serde_json::to_vec(&members)
        }))
    }

    /// Sends pairs as `application/x-www-form-urlencoded`.
    pub fn form<N: AsRef<str>, V: PathValue>(
        self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> RequestBuilder {
        self.with(|request| {
            let mut body = String::new();
            for (name, value) in pairs {
                push_pair(&mut body, name.as_ref(), &value.path_value());
            }
            request.set_body(FORM, body.into());
            Ok(())
        })
    }

    /// Sends a struct or map as `application/x-www-form-urlencoded` with nested names: `items[0][price]=p1`.
    ///
    /// `None` is left out and an empty text is kept; a list without items has no form and is left out too. Numbers stay as they are written.
    pub fn form_nested<T: Serialize + ?Sized>(self, value: &T) -> RequestBuilder {
        self.form_nested_in(value, ListNames::Numbered)
    }

    /// As [`form_nested`](RequestBuilder::form_nested), where the service wants the items of lists named in another way.
    pub fn form_nested_in<T: Serialize + ?Sized>(self, value: &T, lists: ListNames) -> RequestBuilder {
        let json = file::outside(|| json::to_string(value));
        self.with(|request| {
            let body = json.and_then(|json| form::nested(&json, lists)).map_err(|error| {
                let problem = json::without_place(&error);
                Error::coded(Code::RequestInvalid, format!("the body cannot be a form: {problem}"))
            })?;
            request.set_body(FORM, body.into());
            Ok(())
        })
    }

    /// Sends bytes as they are.
    pub fn body(self, media_type: &'static str, bytes: impl Into<Bytes>) -> RequestBuilder {
        self.with(|request| {
            request.set_body(media_type, bytes.into());
            Ok(())
        })
    }

    /// Sends a file as a stream, with its media type, or `application/octet-stream` where it has none.
    pub fn upload(self, file: &FileRef) -> RequestBuilder {
        self.with(|request| {
            let media_type = media_type(file)?;
            request.headers.entry(header::CONTENT_TYPE).or_insert(media_type);
            request.body = Some(Body::Parts(vec![Part::File(file.clone())]));
            Ok(())
        })
    }

    /// Sends what is to be known of a file as JSON and then the file as a stream, as `multipart/related` (RFC 2387).
    ///
    /// The file's name stands in no header: where the service takes one, put it into the JSON.
    pub fn related<T: Serialize + ?Sized>(self, metadata: &T, file: &FileRef) -> RequestBuilder {
        self.with(|request| {
            let json = file::outside(|| serde_json::to_string(metadata)).map_err(|error| {
                Error::coded(Code::RequestInvalid, format!("the metadata cannot be JSON: {error}"))
            })?;
            let media_type = media_type(file)?;
            let media_type = media_type.to_str().unwrap_or(OCTETS);
            let parts = [
                ("Content-Type: application/json; charset=UTF-8".to_owned(), Content::Text(json)),
                (format!("Content-Type: {media_type}"), Content::File(file.clone())),
            ];
            request.set_parts("multipart/related", form::body(parts))
        })
    }

    /// Sends texts and files as `multipart/form-data` (RFC 7578), each file as a stream.
    pub fn multipart(self, parts: Multipart) -> RequestBuilder {
        self.with(|request| request.set_parts("multipart/form-data", parts.into_body()?))
    }

    /// Sends without the connection's credentials.
    pub fn unauthenticated(self) -> RequestBuilder {
        self.with(|request| {
            request.authenticated = false;
            Ok(())
        })
    }

    /// Gives the answer back whatever its status; the outcome rules and the errors for 4xx and 5xx are passed over.
    pub fn any_status(self) -> RequestBuilder {
        self.with(|request| {
            request.any_status = true;
            Ok(())
        })
    }

    /// Sends the request.
    ///
    /// # Errors
    ///
    /// When the request cannot be built, the service cannot be reached, or its answer is an error by the outcome rules of
    /// the spec; without a rule that matches, every status other than 2xx and 304 is.
    pub async fn send(self) -> Result<Response> {
        self.cx.driver().send(self.request?).await
    }

    /// Sends the request, and gives the body of its answer as a file that is read when somebody wants it.
    ///
    /// The answer is judged by its status and headers: what stands in a file that came with 2xx is the file's own business. An error's
    /// body is read and judged as [`send`](RequestBuilder::send) does. `http.timeout` then bounds each wait for more bytes in place of
    /// the whole answer, and `http.limits.file` how many there may be. The file's name, type and size are those of the headers; where
    /// the service says more elsewhere, [`FileRef::named`] and its neighbours tell it. The file's own bytes are asked for, not compressed ones;
    /// a service that compresses them all the same is undone.
    ///
    /// # Errors
    ///
    /// As [`send`](RequestBuilder::send).
    pub async fn download(self) -> Result<FileRef> {
        self.cx.shared_driver().download(self.request?).await
    }

    /// Asks for pages of another size than the spec does, for [`records`](RequestBuilder::records); of the spec's largest where that
    /// is less.
    pub fn page_size(mut self, items: u64) -> RequestBuilder {
        self.page_size = Some(items);
        self
    }

    /// The list that this request begins, page by page as the spec's `http.pagination` says.
    pub fn records<T: FieldType>(self) -> Records<T> {
        self.records_in(None, None)
    }

    /// As [`records`](RequestBuilder::records), with the items of a page at another JSON pointer than the spec says.
    pub fn records_at<T: FieldType>(self, items: &str) -> Records<T> {
        self.records_in(Some(items), None)
    }

    /// As [`records`](RequestBuilder::records), where this list goes on in another way than the service's others; its items and page
    /// size are as in the spec.
    pub fn records_by<T: FieldType>(self, style: PageStyle) -> Records<T> {
        self.records_in(None, Some(style))
    }

    /// The records of an answer that has a JSON text on each line (NDJSON), read as they come and however many they are: the answer is
    /// a [`download`](RequestBuilder::download) with its limits.
    pub fn json_lines<T: DeserializeOwned + Send + 'static>(self) -> Records<T> {
        rows::streamed(Box::pin(self.download()), JsonLines::default())
    }

    /// The records of an answer in CSV, of which the first names the fields, read as they come and however many they are: the answer is a
    /// [`download`](RequestBuilder::download) with its limits.
    #[cfg(feature = "csv")]
    pub fn csv<T: DeserializeOwned + Send + 'static>(self) -> Records<T> {
        self.csv_by(b',')
    }

    /// As [`csv`](RequestBuilder::csv), with another character between the fields than a comma.
    #[cfg(feature = "csv")]
    pub fn csv_by<T: DeserializeOwned + Send + 'static>(self, delimiter: u8) -> Records<T> {
        rows::streamed(Box::pin(self.download()), Csv::new(delimiter))
    }

    fn records_in<T: FieldType>(self, items: Option<&str>, style: Option<PageStyle>) -> Records<T> {
        Records::paged(PageRequest::new(self.cx, self.request, items, style, self.page_size))
    }
}

impl Request {
    /// A request with nothing in it.
    pub fn new(method: Method, target: Target) -> Request {
        Request {
            method,
            target,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: None,
            authenticated: true,
            any_status: false,
        }
    }

    pub(crate) fn set_body(&mut self, media_type: &'static str, body: Bytes) {
        self.headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(media_type));
        self.body = Some(Body::Bytes(body));
    }

    fn set_parts(&mut self, kind: &str, (boundary, parts): (String, Vec<Part>)) -> Result<()> {
        let whole = HeaderValue::try_from(format!("{kind}; boundary={boundary}")).map_err(|_| {
            Error::coded(Code::RequestInvalid, "the boundary of the parts is no header value")
        })?;
        self.headers.insert(header::CONTENT_TYPE, whole);
        self.body = Some(Body::Parts(parts));
        Ok(())
    }

    /// The query parameters beside those of the target, encoded; empty without any.
    pub fn encoded_query(&self) -> String {
        let mut query = String::new();
        for (name, value) in &self.query {
            push_pair(&mut query, name, value);
        }
        query
    }
}

/// The media type of a form without files.
const FORM: &str = "application/x-www-form-urlencoded";

/// So many characters of what cannot be read are shown.
const BEGINNING: usize = 100;

/// The media type of what is not known to be anything else.
const OCTETS: &str = "application/octet-stream";

/// A file's media type, which may have come from anywhere, as what a header can hold.
pub(crate) fn media_type(file: &FileRef) -> Result<HeaderValue> {
    let Some(text) = file.media_type() else { return Ok(HeaderValue::from_static(OCTETS)) };
    let visible = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.is_empty();
    HeaderValue::from_str(text).ok().filter(|_| visible).ok_or_else(|| {
        let message = format!("the file's media type {text:?} cannot stand in a header");
        Error::coded(Code::RequestInvalid, message)
    })
}

/// Adds a name and its value, encoded, to others.
pub(crate) fn push_pair(pairs: &mut String, name: &str, value: &str) {
    if !pairs.is_empty() {
        pairs.push('&');
    }
    pairs.extend(utf8_percent_encode(name, ENCODED));
    pairs.push('=');
    pairs.extend(utf8_percent_encode(value, ENCODED));
}

impl Misfit for Response {
    fn misfit(&self, _text: &[u8], error: serde_json::Error) -> Error {
        self.malformed(&error)
    }
}

/// The service's answer.
#[derive(Clone)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body, with its content codings undone. A text is UTF-8, if it was of the charset that it said.
    pub body: Bytes,
    /// The URL that was answered, after redirects.
    pub url: Arc<str>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.body.len())
    }
}

impl Response {
    /// An answer from its parts.
    pub fn new(status: StatusCode, headers: HeaderMap, body: Bytes, url: Arc<str>) -> Response {
        Response { status, headers, body, url }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// A header's value, if it has one that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Where the answer says that a list goes on, by a `Link` header with `rel="next"` (RFC 8288), as it is written. For who keeps the
    /// place, as a monitor does in its cursor, and asks there by [`url`](RequestBuilder::url); lists are better read by
    /// [`records`](RequestBuilder::records).
    ///
    /// ```
    /// # use linchpin::{http::{HeaderMap, StatusCode}, request::Response};
    /// let mut headers = HeaderMap::new();
    /// headers.append("link", "<https://a.example/log>; rel=\"self\"".parse()?);
    /// headers.append("link", "<https://a.example/log?after=7>; rel=\"next\"".parse()?);
    /// let response = Response::new(StatusCode::OK, headers, "[]".into(), "https://a.example/log".into());
    /// assert_eq!(response.next_link().as_deref(), Some("https://a.example/log?after=7"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_link(&self) -> Option<String> {
        self.headers.get_all(header::LINK).iter().find_map(|value| {
            // As bytes: a title in quotes may be in any encoding.
            let links = link::next_links(&String::from_utf8_lossy(value.as_bytes()));
            links.into_iter().find(|link| link.anchor.is_none()).map(|link| link.target)
        })
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// [`Code::ResponseMalformed`] when it is no JSON, or not of the type; the message says where.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        json::read(&self.body, self)
    }

    /// The body as text. One in another charset, by its header or byte order mark, has become UTF-8 on its way here.
    ///
    /// # Errors
    ///
    /// [`Code::ResponseMalformed`] when it is not of the charset that it says, or says none and is not UTF-8; the message says where.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).map_err(|error| {
            let problem = format!("is not text ({}): byte {} is not UTF-8", self.came(), error.valid_up_to());
            self.unreadable(&problem)
        })
    }

    /// The body as a list of JSON texts, one on each line (NDJSON). What is too long for memory is read by
    /// [`RequestBuilder::json_lines`].
    ///
    /// # Errors
    ///
    /// [`Code::ResponseMalformed`] when a line is no JSON, or not of the type; the message says which.
    pub fn json_lines<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.rows(JsonLines::default())
    }

    /// The body as CSV (RFC 4180), of which the first record names the fields of the others.
    ///
    /// # Errors
    ///
    /// [`Code::ResponseMalformed`] when a record is not of the type; the message says which.
    #[cfg(feature = "csv")]
    pub fn csv<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.csv_by(b',')
    }

    /// As [`csv`](Response::csv), with another character between the fields than a comma.
    ///
    /// # Errors
    ///
    /// As [`csv`](Response::csv).
    #[cfg(feature = "csv")]
    pub fn csv_by<T: DeserializeOwned>(&self, delimiter: u8) -> Result<Vec<T>> {
        self.rows(Csv::new(delimiter))
    }

    /// The body as XML. An element's children are fields by their names, its attributes by `@` and theirs, its text by `$text`; a
    /// child that is there several times is a list. Entities beside the five of XML itself are refused.
    ///
    /// # Errors
    ///
    /// [`Code::ResponseMalformed`] when it is no XML, or not of the type.
    #[cfg(feature = "xml")]
    pub fn xml<T: DeserializeOwned>(&self) -> Result<T> {
        crate::xml::read(self.text()?).map_err(|problem| {
            self.unreadable(&format!("{problem} ({}); it begins `{}`", self.came(), self.beginning()))
        })
    }

    fn rows<T>(&self, format: impl Format<T>) -> Result<Vec<T>> {
        let read = rows::whole(format, &self.body);
        read.map_err(|error| {
            rows::of(&format!("the answer to {}", self.what()), &error).status(self.status())
        })
    }

    /// The path that was answered, for messages: queries may hold what nobody should see.
    pub(crate) fn what(&self) -> &str {
        self.url.split(['?', '#']).next().unwrap_or_default()
    }

    /// What came: its media type and size.
    fn came(&self) -> String {
        let media_type = self.header("content-type").unwrap_or("no content type");
        let coding = self.header("content-encoding").map(|coding| format!(" in the coding {coding}"));
        format!(
            "{}{}, {} bytes",
            one_line(media_type, BEGINNING),
            coding.unwrap_or_default(),
            self.body.len()
        )
    }

    /// How the body begins, for a person.
    fn beginning(&self) -> String {
        // A character has four bytes at the most.
        let begin = &self.body[..self.body.len().min(4 * BEGINNING)];
        one_line(&String::from_utf8_lossy(begin), BEGINNING)
    }

    /// The error for an answer that cannot be read; `problem` is the end of a sentence.
    pub(crate) fn unreadable(&self, problem: &str) -> Error {
        let message = format!("the answer to {} {problem}", self.what());
        Error::coded(Code::ResponseMalformed, message).status(self.status())
    }

    pub(crate) fn malformed(&self, error: &serde_json::Error) -> Error {
        if self.body.is_empty() {
            return self.unreadable("is empty, where JSON was expected");
        }
        let problem = json::without_place(error);
        if error.is_data() {
            let place = json::place(&self.body, error);
            let place = if place.is_empty() { "the root".to_owned() } else { format!("`{place}`") };
            return self.unreadable(&format!("is not what the flow expects: {problem} at {place}"));
        }
        let (line, column) = (error.line(), error.column());
        self.unreadable(&format!(
            "is not JSON ({}): {problem} at line {line} column {column}; it begins `{}`",
            self.came(),
            self.beginning()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(pieces: &[PathPiece<'_>]) -> Result<String, String> {
        build_path(pieces).0
    }

    #[test]
    fn values_are_encoded_for_their_place() {
        let pieces = [
            PathPiece::Text("/repos/"),
            PathPiece::Value("owner", "a/b?c#d%2e é".into()),
            PathPiece::Text("/contents/"),
            PathPiece::Rest("path", "docs/über uns.md".into()),
            PathPiece::Text("?ref="),
            PathPiece::Query("x&y=z".into()),
        ];
        let path = "/repos/a%2Fb%3Fc%23d%252e%20%C3%A9/contents/docs/%C3%BCber%20uns.md?ref=x%26y%3Dz";
        assert_eq!(built(&pieces).unwrap(), path);
    }

    #[test]
    fn a_value_never_changes_the_depth_of_the_path() {
        for bad in ["", ".", ".."] {
            assert!(built(&[PathPiece::Text("/a/"), PathPiece::Value("id", bad.into())]).is_err(), "{bad}");
            let middle =
                [PathPiece::Text("/a/"), PathPiece::Value("id", bad.into()), PathPiece::Text("/b?q=1")];
            assert!(built(&middle).is_err(), "{bad}");
        }
        for bad in ["", "/a", "a/", "a//b", "a/../b", "./a"] {
            assert!(built(&[PathPiece::Text("/a/"), PathPiece::Rest("path", bad.into())]).is_err(), "{bad}");
        }
        let glued =
            [PathPiece::Text("/a/"), PathPiece::Value("x", ".".into()), PathPiece::Value("y", ".".into())];
        assert!(built(&glued).is_err());
        let pieces = [PathPiece::Text("/a/"), PathPiece::Value("x", ".".into()), PathPiece::Text("b")];
        assert_eq!(built(&pieces).unwrap(), "/a/.b");
    }
}
