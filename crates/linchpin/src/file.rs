//! Files that go from one flow to another without ever being whole in memory.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{self, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use percent_encoding::percent_decode_str;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _},
};

use crate::{
    Code, Error, Records, Result,
    digest::{Digest, Hash},
    flow::BoxFuture,
    line::unseen,
    rows::{self, JsonLines},
    shape::{FieldType, Shape},
};

/// The name of a file that has none.
const NAMELESS: &str = "download";

/// The longest name that is written to a disk, in bytes; most file systems take 255.
const LONGEST_NAME: usize = 200;

/// A file that is not in memory: what is known of it, and a way to its bytes.
///
/// [`RequestBuilder::download`](crate::RequestBuilder::download) gives one, and
/// [`upload`](crate::RequestBuilder::upload) and [`related`](crate::RequestBuilder::related) send one. In JSON it is an object with a
/// handle, `{"file": "..", "name": "..", "type": "..", "size": 7}`, of which only `file` must be there; the call that the JSON belongs to knows
/// the file by its handle. Cheap to clone; all clones are one file.
///
/// ```
/// # async fn example() -> linchpin::Result<()> {
/// let file = linchpin::FileRef::from_bytes("notes.txt", "some text").typed("text/plain");
/// let mut stream = file.open().await?;
/// while let Some(bytes) = stream.next().await? {
///     println!("{} bytes", bytes.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FileRef {
    handle: Arc<str>,
    name: Arc<str>,
    media_type: Option<Arc<str>>,
    size: Option<u64>,
    digest: Option<Digest>,
    source: Arc<dyn FileSource>,
}

/// Where a file's bytes come from.
pub trait FileSource: Send + Sync + 'static {
    /// Begins at the first byte.
    fn open(&self) -> BoxFuture<'_, Result<ByteStream>>;

    /// Whether it can be opened a second time, and gives the same bytes then.
    fn reopens(&self) -> bool;
}

/// Bytes that come piece by piece, each when it is asked for.
pub trait ByteSource: Send + 'static {
    /// The next piece; `None` behind the last.
    fn poll_next(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<Result<Bytes>>>;
}

/// The bytes of an open file.
pub struct ByteStream(Option<Box<dyn ByteSource>>);

impl ByteStream {
    /// A stream over pieces from anywhere.
    pub fn new(source: impl ByteSource) -> ByteStream {
        ByteStream(Some(Box::new(source)))
    }

    /// A stream that has a digest, or ends in an error.
    fn checked(self, digest: Digest, name: String) -> ByteStream {
        ByteStream::new(Checked { stream: self, held: None, hash: Hash::default(), digest, name })
    }

    /// The next piece; `None` behind the last, and after an error.
    ///
    /// # Errors
    ///
    /// What reading gives. Nothing comes after it, and what came before it is not the whole file.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_next(cx)).await.transpose()
    }

    /// As [`next`](ByteStream::next), for those who poll.
    pub fn poll_next(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let Some(source) = &mut self.0 else { return Poll::Ready(None) };
        let polled = source.poll_next(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        polled
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "ByteStream(open)" } else { "ByteStream(at its end)" })
    }
}

/// Pieces on their way to be compared with a digest. One is held back: of a file that is another nobody ever gets the last, and so no
/// service takes it for whole.
struct Checked {
    stream: ByteStream,
    held: Option<Bytes>,
    hash: Hash,
    digest: Digest,
    name: String,
}

impl ByteSource for Checked {
    fn poll_next(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            match ready!(self.stream.poll_next(cx)) {
                Some(Ok(bytes)) => {
                    self.hash.add(&bytes);
                    if let Some(before) = self.held.replace(bytes) {
                        return Poll::Ready(Some(Ok(before)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    let (said, found) = (self.digest, self.hash.digest());
                    if said != found {
                        let message =
                            format!("`{}` has the SHA-256 {found}, and was said to have {said}", self.name);
                        return Poll::Ready(Some(Err(Error::coded(Code::ResponseMalformed, message))));
                    }
                    return Poll::Ready(self.held.take().map(Ok));
                }
            }
        }
    }
}

/// Bytes that are all there.
struct InMemory(Bytes);

impl FileSource for InMemory {
    fn open(&self) -> BoxFuture<'_, Result<ByteStream>> {
        let stream = ByteStream::new(Once(Some(self.0.clone())));
        Box::pin(std::future::ready(Ok(stream)))
    }

    fn reopens(&self) -> bool {
        true
    }
}

struct Once(Option<Bytes>);

impl ByteSource for Once {
    fn poll_next(&mut self, _cx: &mut task::Context<'_>) -> Poll<Option<Result<Bytes>>> {
        Poll::Ready(self.0.take().filter(|bytes| !bytes.is_empty()).map(Ok))
    }
}

impl FileRef {
    /// A file by its name and the way to its bytes. What the source and the others say of it is told by
    /// [`typed`](FileRef::typed) and [`sized`](FileRef::sized).
    pub fn new(name: impl AsRef<str>, source: impl FileSource) -> FileRef {
        FileRef {
            handle: random_hex().into(),
            name: name.as_ref().into(),
            media_type: None,
            size: None,
            digest: None,
            source: Arc::new(source),
        }
    }

    /// A file that is whole in memory already.
    pub fn from_bytes(name: impl AsRef<str>, bytes: impl Into<Bytes>) -> FileRef {
        let bytes = bytes.into();
        let size = bytes.len() as u64;
        FileRef::new(name, InMemory(bytes)).sized(size)
    }

    /// The same file under another name.
    #[must_use]
    pub fn named(mut self, name: impl AsRef<str>) -> FileRef {
        self.name = name.as_ref().into();
        self
    }

    /// The same file with another media type.
    #[must_use]
    pub fn typed(mut self, media_type: impl AsRef<str>) -> FileRef {
        self.media_type = Some(media_type.as_ref().into());
        self
    }

    /// The same file, of which the size is known.
    #[must_use]
    pub fn sized(mut self, size: u64) -> FileRef {
        self.size = Some(size);
        self
    }

    /// The same file, of which the digest is known. Whoever reads it to its end gets an error in place of its last piece where it has
    /// another.
    #[must_use]
    pub fn digested(mut self, digest: Digest) -> FileRef {
        self.digest = Some(digest);
        self
    }

    /// By what the call's JSON names it: random, never told by the service.
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// Its name, as whoever made the file wrote it: any text. Whoever writes to a disk takes [`file_name`](FileRef::file_name).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its media type, where it is known.
    pub fn media_type(&self) -> Option<&str> {
        self.media_type.as_deref()
    }

    /// How many bytes it has, where that is known before they are read.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Its digest, where it is known before it is read: from whoever made the file, or a service that says so (RFC 9530).
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Its name, made fit for one file in one folder, whatever it was.
    pub fn file_name(&self) -> String {
        file_name(&self.name)
    }

    /// Whether it can be opened a second time.
    pub fn reopens(&self) -> bool {
        self.source.reopens()
    }

    /// Opens it at its first byte.
    ///
    /// # Errors
    ///
    /// When its source does not give it, or gives it once only.
    pub async fn open(&self) -> Result<ByteStream> {
        let stream = self.source.open().await?;
        Ok(match self.digest {
            Some(digest) => stream.checked(digest, self.file_name()),
            None => stream,
        })
    }

    /// Its records, where it has a JSON text on each line (NDJSON), read as they come.
    pub fn json_lines<T: DeserializeOwned + Send + 'static>(&self) -> Records<T> {
        rows::streamed(Box::pin(std::future::ready(Ok(self.clone()))), JsonLines::default())
    }

    /// Its records, where it is CSV of which the first record names the fields, read as they come.
    #[cfg(feature = "csv")]
    pub fn csv<T: DeserializeOwned + Send + 'static>(&self) -> Records<T> {
        self.csv_by(b',')
    }

    /// As [`csv`](FileRef::csv), with another character between the fields than a comma.
    #[cfg(feature = "csv")]
    pub fn csv_by<T: DeserializeOwned + Send + 'static>(&self, delimiter: u8) -> Records<T> {
        rows::streamed(Box::pin(std::future::ready(Ok(self.clone()))), rows::Csv::new(delimiter))
    }

    /// All of its bytes, for files that are small.
    ///
    /// # Errors
    ///
    /// What reading gives, and [`Code::ResponseTooLarge`] when there are more than `limit`.
    pub async fn bytes(&self, limit: usize) -> Result<Bytes> {
        let mut stream = self.open().await?;
        let mut all = BytesMut::new();
        while let Some(piece) = stream.next().await? {
            if piece.len() > limit - all.len() {
                let message = format!(
                    "`{}` has more than {limit} bytes, the most that the flow takes",
                    self.file_name()
                );
                return Err(Error::coded(Code::ResponseTooLarge, message));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

impl fmt::Debug for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileRef({:?}, {:?}, {:?} bytes)", self.name, self.media_type, self.size)
    }
}

/// A name made fit for one file in one folder: no separators of any system, no drive or stream, nothing hidden, nothing that a
/// terminal would obey, never a device of Windows.
fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut fit = String::new();
    for letter in last.chars() {
        let letter = match letter {
            letter if letter.is_control() || unseen(letter) => continue,
            ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            letter => letter,
        };
        if fit.len() + letter.len_utf8() > LONGEST_NAME {
            break;
        }
        fit.push(letter);
    }
    let fit = fit.trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']);
    let stem = fit.split('.').next().unwrap_or_default().trim_end();
    let device = ["con", "prn", "aux", "nul"].iter().any(|device| stem.eq_ignore_ascii_case(device))
        || stem.len() == 4
            && stem
                .get(..3)
                .is_some_and(|port| port.eq_ignore_ascii_case("com") || port.eq_ignore_ascii_case("lpt"))
            && stem.ends_with(|letter: char| letter.is_ascii_digit());
    match (fit.is_empty(), device) {
        (true, _) => NAMELESS.to_owned(),
        (_, true) => format!("_{fit}"),
        _ => fit.to_owned(),
    }
}

/// The file's name in a `Content-Disposition` header (RFC 6266), of which the extended form comes first (RFC 8187).
pub fn disposition_name(header: &str) -> Option<String> {
    let mut plain = None;
    let (_, mut rest) = header.split_once(';')?;
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_matches(|letter: char| letter == ';' || letter.is_whitespace());
        let (value, after) = crate::link::parameter_value(after.trim_start());
        rest = after;
        if name.eq_ignore_ascii_case("filename*") {
            let mut parts = value.splitn(3, '\'');
            let (charset, text) = (parts.next()?, parts.nth(1)?);
            if charset.eq_ignore_ascii_case("utf-8")
                && let Ok(text) = percent_decode_str(text).decode_utf8()
            {
                return Some(text.into_owned());
            }
        } else if name.eq_ignore_ascii_case("filename") {
            plain = Some(value);
        }
    }
    plain
}

/// 128 random bits. The keys of std's hasher come from the system, and what it makes of them tells nothing about them.
pub(crate) fn random_hex() -> String {
    let half = || RandomState::new().hash_one(0u8);
    format!("{:016x}{:016x}", half(), half())
}

/// A UUID of version 4 (RFC 9562 §5.4).
pub(crate) fn random_uuid() -> String {
    let bits = random_hex();
    // Two bits of the first digit of the fourth group are the variant.
    let variant = ['8', '9', 'a', 'b'][usize::from(bits.as_bytes()[16]) % 4];
    format!("{}-{}-4{}-{variant}{}-{}", &bits[..8], &bits[8..12], &bits[13..16], &bits[17..20], &bits[20..])
}

/// The files of one call: those that it was given, and those that its output names. A cheap handle.
#[derive(Clone, Default)]
pub struct Files(Arc<Mutex<Tables>>);

#[derive(Default)]
struct Tables {
    given: BTreeMap<String, FileRef>,
    named: BTreeMap<String, FileRef>,
}

thread_local! {
    /// The files of the call that is at work here, while its values are read and written.
    static AT_WORK: RefCell<Option<Files>> = const { RefCell::new(None) };
}

impl Files {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the call a file, which its input names by its handle.
    pub fn give(&self, file: FileRef) {
        self.tables().given.insert(file.handle.to_string(), file);
    }

    /// A file that the output names.
    pub fn get(&self, handle: &str) -> Option<FileRef> {
        self.tables().named.get(handle).cloned()
    }

    /// Takes out every file that the output has named so far.
    pub fn take(&self) -> Vec<FileRef> {
        std::mem::take(&mut self.tables().named).into_values().collect()
    }

    /// Does something in which files are read from JSON and written to it; for runtimes, around each poll of a flow.
    ///
    /// Serde has no place for what a value needs beside its text, so that it is put beside the thread instead.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        scope(Some(self.clone()), work)
    }
}

/// Writes JSON that is no output: a file in it is named, and not handed on.
pub(crate) fn outside<T>(work: impl FnOnce() -> T) -> T {
    scope(None, work)
}

fn scope<T>(files: Option<Files>, work: impl FnOnce() -> T) -> T {
    struct Back(Option<Files>);
    impl Drop for Back {
        fn drop(&mut self) {
            AT_WORK.set(self.0.take());
        }
    }
    let _back = Back(AT_WORK.replace(files));
    work()
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.tables();
        f.debug_struct("Files")
            .field("given", &tables.given.len())
            .field("named", &tables.named.len())
            .finish()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnTheWire {
    file: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

impl Serialize for FileRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        AT_WORK.with_borrow(|files| {
            if let Some(files) = files {
                files.tables().named.insert(self.handle.to_string(), self.clone());
            }
        });
        let (file, name) = (self.handle.to_string(), Some(self.name.to_string()));
        let media_type = self.media_type.as_deref().map(str::to_owned);
        OnTheWire { file, name, media_type, size: self.size }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FileRef {
    /// The name and the type in the JSON come before the file's own; of its size only the file knows.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FileRef, D::Error> {
        let OnTheWire { file: handle, name, media_type, size: _ } = OnTheWire::deserialize(deserializer)?;
        let given = AT_WORK.with_borrow(|files| files.as_ref()?.tables().given.get(&handle).cloned());
        let mut file =
            given.ok_or_else(|| D::Error::custom(format!("the call was given no file `{handle}`")))?;
        if let Some(name) = name {
            file = file.named(name);
        }
        if let Some(media_type) = media_type {
            file = file.typed(media_type);
        }
        Ok(file)
    }
}

#[diagnostic::do_not_recommend]
impl FieldType for FileRef {
    fn shape() -> Shape {
        Shape::FileRef
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_folder() {
        for (name, fit) in [
            ("report.pdf", "report.pdf"),
            ("Übersicht 2026.tar.gz", "Übersicht 2026.tar.gz"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("/etc/shadow", "shadow"),
            ("C:evil.exe", "C_evil.exe"),
            ("a.txt:stream", "a.txt_stream"),
            (".bashrc", "bashrc"),
            ("..", NAMELESS),
            ("/", NAMELESS),
            ("", NAMELESS),
            (" . . ", NAMELESS),
            ("a\0b\r\nc\x1b[31m", "abc[31m"),
            ("gpj\u{202e}exe.jpg", "gpjexe.jpg"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("com1.log", "_com1.log"),
            ("comb", "comb"),
            ("name.", "name"),
        ] {
            assert_eq!(file_name(name), fit, "{name:?}");
        }
        let long = file_name(&"é".repeat(4000));
        assert_eq!((long.len(), long.chars().all(|letter| letter == 'é')), (LONGEST_NAME, true));
    }

    #[test]
    fn names_stand_in_content_disposition() {
        for (header, name) in [
            ("attachment; filename=\"a b.txt\"", Some("a b.txt")),
            ("attachment; filename=plain.txt; size=3", Some("plain.txt")),
            ("attachment; filename=\"x\"; filename*=UTF-8''na%C3%AFve%20plan.txt", Some("naïve plan.txt")),
            ("attachment; filename*=utf-8'en'a%2Fb", Some("a/b")),
            ("attachment; filename=\"kept\"; filename*=latin1''a%E9", Some("kept")),
            ("attachment; filename=\"a\\\"b\"", Some("a\"b")),
            ("attachment", None),
            ("inline; x", None),
            ("", None),
        ] {
            assert_eq!(disposition_name(header).as_deref(), name, "{header}");
        }
    }

    /// Everything that a stream gives, and whether it ended well.
    fn read(file: &FileRef) -> (Vec<u8>, Result<()>) {
        let mut cx = task::Context::from_waker(task::Waker::noop());
        let Poll::Ready(stream) = std::pin::pin!(file.open()).poll(&mut cx) else { panic!("it waits") };
        let (mut stream, mut all) = (stream.unwrap(), Vec::new());
        loop {
            match stream.poll_next(&mut cx) {
                Poll::Ready(Some(Ok(bytes))) => all.extend_from_slice(&bytes),
                Poll::Ready(Some(Err(error))) => return (all, Err(error)),
                Poll::Ready(None) => return (all, Ok(())),
                Poll::Pending => panic!("it waits"),
            }
        }
    }

    struct Twice;

    impl FileSource for Twice {
        fn open(&self) -> BoxFuture<'_, Result<ByteStream>> {
            struct Pieces(Vec<&'static str>);
            impl ByteSource for Pieces {
                fn poll_next(&mut self, _: &mut task::Context<'_>) -> Poll<Option<Result<Bytes>>> {
                    Poll::Ready(self.0.pop().map(|piece| Ok(piece.into())))
                }
            }
            Box::pin(async { Ok(ByteStream::new(Pieces(vec!["bc", "a"]))) })
        }

        fn reopens(&self) -> bool {
            true
        }
    }

    #[test]
    fn of_a_file_that_is_another_nobody_gets_the_last_piece() {
        for file in [FileRef::new("a", Twice), FileRef::from_bytes("a", "abc")] {
            assert_eq!(file.digest(), None);
            let right = file.clone().digested(Digest::of(b"abc"));
            let (bytes, ended) = read(&right.named("b"));
            assert!(bytes == b"abc" && ended.is_ok());
            let (bytes, ended) = read(&file.digested(Digest::of(b"abd")));
            let error = ended.unwrap_err();
            assert!(bytes.len() < 2, "{bytes:?}");
            assert_eq!(error.code(), Code::ResponseMalformed);
            assert!(error.message().starts_with("`a` has the SHA-256 ba7816bf"), "{error}");
        }
        assert!(read(&FileRef::from_bytes("a", "").digested(Digest::of(b""))).1.is_ok());
        assert!(read(&FileRef::from_bytes("a", "").digested(Digest::of(b"a"))).1.is_err());
    }

    #[test]
    fn a_file_crosses_json_within_its_call_only() {
        let file = FileRef::from_bytes("a.txt", "hello").typed("text/plain");
        let json = serde_json::to_string(&file).unwrap();
        let handle = file.handle();
        assert_eq!(json, format!(r#"{{"file":"{handle}","name":"a.txt","type":"text/plain","size":5}}"#));
        assert!(serde_json::from_str::<FileRef>(&json).unwrap_err().to_string().contains("given no file"));

        let files = Files::default();
        files.give(file.clone());
        let other = format!(r#"{{"file":"{handle}","name":"b.txt","size":99}}"#);
        let read: FileRef = files.within(|| serde_json::from_str(&other)).unwrap();
        assert_eq!((read.name(), read.media_type(), read.size()), ("b.txt", Some("text/plain"), Some(5)));
        assert!(files.get(handle).is_none(), "it was given, and no output names it");
        files.within(|| outside(|| serde_json::to_string(&read))).unwrap();
        assert!(files.get(handle).is_none(), "what was written there is no output");
        files.within(|| serde_json::to_string(&read)).unwrap();
        assert_eq!(files.get(handle).unwrap().name(), "b.txt");
        assert_eq!((files.take().len(), files.take().len()), (1, 0));
    }
}
