//! Content codings (RFC 9110 §8.4.1): asked for, and undone a piece at a time, so that limits count what comes out.

use std::{
    error::Error as StdError,
    fmt,
    io::{self, BufRead, ErrorKind, Read},
    pin::Pin,
    task::{Context, Poll, ready},
};

use brotli_decompressor::{BrotliDecoderParameter, Decompressor};
use bytes::{Buf, Bytes, BytesMut};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH},
};
use http_body::{Body, Frame};
use linchpin::{Code, Error};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// What every request asks for, among the headers of its connection: added to each anew it would cost some percent of a call.
pub(crate) const CODINGS: HeaderValue = HeaderValue::from_static("gzip, br, zstd, deflate");

/// Asks for the bytes as they are.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// Headers with digests of what comes, with its codings (RFC 9530).
pub(crate) const DIGESTS: [&str; 2] = ["content-digest", "repr-digest"];

/// So many codings, one over the other, are undone; more are nobody's honest answer.
const MOST: usize = 3;

/// How much comes out at once.
const PIECE: usize = 16 << 10;

/// The largest window that zstd may have in HTTP (RFC 9659 §3), and so the most memory that it takes.
const WINDOW: u64 = 8 << 20;

/// The longest block of zstd (RFC 8878 §3.1.1.2.3).
const BLOCK: usize = 128 << 10;

/// Asks for the bytes as they are, unless the flow says what it takes: of a file, so that its size is known and a part of it is one.
pub(crate) fn ask_plain(headers: &mut HeaderMap) {
    if headers.get(ACCEPT_ENCODING) == Some(&CODINGS) {
        headers.insert(ACCEPT_ENCODING, IDENTITY);
    }
}

/// The answer with its codings undone, and without the headers that speak of them.
///
/// One with a coding that is not known stays as it is: some services say `utf-8` or `none` there.
pub(crate) fn undo(answer: reqwest::Response) -> reqwest::Response {
    // Of a few headers that is quicker than to look it up.
    if answer.headers().keys().all(|name| name != CONTENT_ENCODING) {
        return answer;
    }
    let Some(codings) = codings(answer.headers()) else { return answer };
    let (mut parts, mut body) = http::Response::<reqwest::Body>::from(answer).into_parts();
    // The last was put on last.
    for coding in codings.into_iter().rev() {
        body = reqwest::Body::wrap(Undone::new(body, coding));
    }
    parts.headers.remove(CONTENT_ENCODING);
    parts.headers.remove(CONTENT_LENGTH);
    for digest in DIGESTS {
        parts.headers.remove(digest);
    }
    http::Response::from_parts(parts, body).into()
}

fn codings(headers: &HeaderMap) -> Option<Vec<Coding>> {
    let mut codings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.to_str().ok()?.split(',').map(str::trim) {
            match name.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" => codings.push(Coding::Gzip),
                "deflate" => codings.push(Coding::Deflate),
                "br" => codings.push(Coding::Brotli),
                "zstd" => codings.push(Coding::Zstd),
                _ => return None,
            }
        }
    }
    (codings.len() <= MOST).then_some(codings)
}

#[derive(Debug, Clone, Copy)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }
}

/// An answer is not of the coding that it says, or not whole.
#[derive(Debug)]
pub(crate) struct Corrupt {
    coding: &'static str,
    problem: String,
}

impl Corrupt {
    pub(crate) fn error(&self, url: &str) -> Error {
        let place = url.split(['?', '#']).next().unwrap_or_default();
        Error::coded(Code::ResponseMalformed, format!("the answer from `{place}` cannot be read: {self}"))
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its `{}` coding cannot be undone: {}", self.coding, self.problem)
    }
}

impl StdError for Corrupt {}

/// A body with one coding undone.
struct Undone {
    body: reqwest::Body,
    coding: Coding,
    /// Made of the first bytes.
    decoder: Option<Decoder>,
    piece: BytesMut,
    /// Whether the decoder has come to its end.
    done: bool,
}

type Decoder = Box<dyn Pull>;

type BoxError = Box<dyn StdError + Send + Sync>;

impl Undone {
    fn new(body: reqwest::Body, coding: Coding) -> Undone {
        Undone { body, coding, decoder: None, piece: BytesMut::new(), done: false }
    }

    fn corrupt(&self, problem: impl Into<String>) -> BoxError {
        Box::new(Corrupt { coding: self.coding.name(), problem: problem.into() })
    }
}

impl Body for Undone {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if let Some(decoder) = &mut this.decoder {
                if this.done && !decoder.wire().bytes.is_empty() {
                    return Poll::Ready(Some(Err(this.corrupt("more comes behind its end"))));
                }
                this.piece.resize(PIECE, 0);
                match decoder.read(&mut this.piece) {
                    // What has ended says so twice, unless it still holds something.
                    Ok(0) if !this.done => {
                        this.done = true;
                        continue;
                    }
                    Ok(0) => {}
                    Ok(count) => {
                        let bytes = this.piece.split_to(count).freeze();
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Some(Err(this.corrupt(error.to_string())))),
                }
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailers say nothing of the body's bytes.
                    let Ok(bytes) = frame.into_data() else { continue };
                    match &mut this.decoder {
                        _ if bytes.is_empty() => {}
                        Some(decoder) => decoder.wire().bytes = bytes,
                        None => this.decoder = Some(decoder(this.coding, bytes)),
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => match &mut this.decoder {
                    Some(decoder) if !this.done => decoder.wire().ended = true,
                    // The end, or an answer without a body, as to HEAD.
                    _ => return Poll::Ready(None),
                },
            }
        }
    }
}

/// The bytes of a body that came and were not taken yet.
#[derive(Debug, Default)]
struct Wire {
    bytes: Bytes,
    /// Whether no more come.
    ended: bool,
}

impl BufRead for Wire {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.bytes.is_empty() && !self.ended {
            true => Err(ErrorKind::WouldBlock.into()),
            false => Ok(&self.bytes),
        }
    }

    fn consume(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

/// What undoes a coding: gives `WouldBlock` while it waits for more of its [`Wire`], from which it goes on.
trait Pull: Read + Send + Sync {
    fn wire(&mut self) -> &mut Wire;
}

macro_rules! pull {
    ($($decoder:ident)+) => {
        $(impl Pull for $decoder<Wire> {
            fn wire(&mut self) -> &mut Wire {
                self.get_mut()
            }
        })+
    };
}

pull! { MultiGzDecoder ZlibDecoder DeflateDecoder Decompressor }

/// The decoder for what begins with these bytes.
fn decoder(coding: Coding, bytes: Bytes) -> Decoder {
    // Some services send deflate without the frame that it should have (RFC 9110 §8.4.1.2), whose first byte tells.
    let framed = bytes.first().is_some_and(|first| first & 0xf == 8);
    let wire = Wire { bytes, ended: false };
    match coding {
        Coding::Gzip => Box::new(MultiGzDecoder::new(wire)),
        Coding::Deflate if framed => Box::new(ZlibDecoder::new(wire)),
        Coding::Deflate => Box::new(DeflateDecoder::new(wire)),
        Coding::Brotli => {
            let mut decoder = Decompressor::new(wire, 4096);
            // Windows of up to 1 GiB are no part of the coding `br`.
            decoder.set_parameter(BrotliDecoderParameter::BROTLI_DECODER_PARAM_LARGE_WINDOW, 0);
            Box::new(decoder)
        }
        Coding::Zstd => Box::new(Zstd::new(wire)),
    }
}

/// Undoes zstd (RFC 8878) block by block: of a whole body at once a few bytes could become any number.
struct Zstd {
    wire: Wire,
    /// The beginning of what is not all there yet: a header or a block.
    held: Vec<u8>,
    frame: FrameDecoder,
    at: At,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum At {
    Frame,
    /// A block of a frame that may have a checksum behind its last.
    Block {
        checksum: bool,
    },
    /// So many bytes of a frame that is to be skipped.
    Skipped(u32),
}

impl Zstd {
    fn new(wire: Wire) -> Zstd {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(WINDOW);
        Zstd { wire, held: Vec::new(), frame, at: At::Frame }
    }

    /// Holds the next so many bytes.
    fn hold(&mut self, count: usize) -> io::Result<()> {
        while self.held.len() < count {
            let bytes = self.wire.fill_buf()?;
            if bytes.is_empty() {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "it breaks off"));
            }
            let taken = bytes.len().min(count - self.held.len());
            self.held.extend_from_slice(&bytes[..taken]);
            self.wire.consume(taken);
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        self.hold(5)?;
        let magic = u32::from_le_bytes([self.held[0], self.held[1], self.held[2], self.held[3]]);
        if magic & 0xffff_fff0 == 0x184d_2a50 {
            self.hold(8)?;
            self.at =
                At::Skipped(u32::from_le_bytes([self.held[4], self.held[5], self.held[6], self.held[7]]));
        } else {
            let descriptor = self.held[4];
            let single = descriptor & 0x20 != 0;
            let size = match descriptor >> 6 {
                0 => usize::from(single),
                power => 1 << power,
            };
            let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
            self.hold(5 + usize::from(!single) + dictionary + size)?;
            self.frame.reset(&self.held[..]).map_err(io::Error::other)?;
            self.at = At::Block { checksum: descriptor & 4 != 0 };
        }
        self.held.clear();
        Ok(())
    }

    fn block(&mut self, checksum: bool) -> io::Result<()> {
        self.hold(3)?;
        let header = u32::from_le_bytes([self.held[0], self.held[1], self.held[2], 0]);
        let repeated = header >> 1 & 3 == 1;
        let size = if repeated { 1 } else { (header >> 3) as usize };
        if size > BLOCK {
            return Err(io::Error::other("a block is too large"));
        }
        let last = header & 1 == 1;
        self.hold(3 + size + if last && checksum { 4 } else { 0 })?;
        let strategy = BlockDecodingStrategy::UptoBlocks(1);
        self.frame.decode_blocks(&self.held[..], strategy).map_err(io::Error::other)?;
        self.held.clear();
        Ok(())
    }
}

impl Read for Zstd {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.at {
                At::Frame if self.held.is_empty() && self.wire.fill_buf()?.is_empty() => return Ok(0),
                At::Frame => self.begin()?,
                At::Skipped(0) => self.at = At::Frame,
                At::Skipped(left) => {
                    self.hold(1)?;
                    self.held.clear();
                    self.at = At::Skipped(left - 1);
                }
                At::Block { checksum } => {
                    let count = self.frame.read(out)?;
                    if count > 0 {
                        return Ok(count);
                    }
                    if !self.frame.is_finished() {
                        self.block(checksum)?;
                    } else if self
                        .frame
                        .get_checksum_from_data()
                        .is_some_and(|said| self.frame.get_calculated_checksum() != Some(said))
                    {
                        return Err(io::Error::other("its checksum is wrong"));
                    } else {
                        self.at = At::Frame;
                    }
                }
            }
        }
    }
}

impl Pull for Zstd {
    fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, io::Write};

    use flate2::{Compression, write};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    /// A body that comes in pieces of one size.
    struct Pieces(VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Ready(self.0.pop_front().map(|bytes| Ok(Frame::data(bytes))))
        }
    }

    fn read(codings: &str, body: &[u8], size: usize) -> Result<Vec<u8>, String> {
        let pieces = Pieces(body.chunks(size).map(Bytes::copy_from_slice).collect());
        let answer = http::Response::builder().header(CONTENT_ENCODING, codings);
        let answer = answer.body(reqwest::Body::wrap(pieces)).unwrap();
        let mut answer = undo(answer.into());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut all = Vec::new();
            while let Some(bytes) = answer.chunk().await.map_err(|error| deepest_of(&error))? {
                assert!(bytes.len() <= PIECE);
                all.extend_from_slice(&bytes);
            }
            Ok(all)
        })
    }

    fn deepest_of(error: &reqwest::Error) -> String {
        let corrupt = crate::client::deepest(error).downcast_ref::<Corrupt>();
        corrupt.expect("what is wrong is the coding").to_string()
    }

    fn text() -> Vec<u8> {
        format!("{{\"id\": 7, \"name\": \"{}\"}}", "linchpin ".repeat(200)).into_bytes()
    }

    fn finished(write: impl FnOnce() -> io::Result<Vec<u8>>) -> Vec<u8> {
        write().unwrap()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        finished(|| {
            let mut writer = write::GzEncoder::new(Vec::new(), Compression::best());
            writer.write_all(text)?;
            writer.finish()
        })
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        finished(|| {
            let mut writer = write::ZlibEncoder::new(Vec::new(), Compression::best());
            writer.write_all(text)?;
            writer.finish()
        })
    }

    fn raw_deflate(text: &[u8]) -> Vec<u8> {
        finished(|| {
            let mut writer = write::DeflateEncoder::new(Vec::new(), Compression::best());
            writer.write_all(text)?;
            writer.finish()
        })
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    /// [`text`] by another's brotli and zstd.
    const BROTLI: &str =
        "1b1c07f88dd448ad3d2ba8cda5fa5cb60bb6aac18785f5b170eb402411c84019800158d4c34329438cc995e3de6b251f";
    const ZSTD: &str = "28b52ffd641d06350100f07b226964223a20372c20226e616d65223a20226c696e636870696e20227d0100f0cbbf38017b9e553e";

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    fn every_coding() -> Vec<(&'static str, Vec<u8>)> {
        let skipped = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &bytes(ZSTD)].concat();
        vec![
            ("gzip", gzip(&text())),
            ("X-GZIP", [gzip(&text()[..9]), gzip(&text()[9..])].concat()),
            ("deflate", zlib(&text())),
            ("deflate", raw_deflate(&text())),
            ("br", bytes(BROTLI)),
            ("zstd", bytes(ZSTD)),
            ("zstd", [zstd(&text()[..9]), zstd(&text()[9..])].concat()),
            ("zstd", skipped),
            ("identity , br", bytes(BROTLI)),
            ("deflate, gzip", gzip(&zlib(&text()))),
        ]
    }

    #[test]
    fn every_coding_is_undone_however_it_comes() {
        for (coding, body) in every_coding() {
            for size in [1, 2, 7, body.len()] {
                assert_eq!(read(coding, &body, size), Ok(text()), "{coding} by {size}");
            }
        }
        for coding in ["gzip", "deflate", "br", "zstd"] {
            assert_eq!(read(coding, &[], 1), Ok(Vec::new()), "no body at all, as to HEAD");
        }
    }

    #[test]
    fn what_breaks_off_or_goes_on_is_never_taken_for_the_whole() {
        for (coding, body) in every_coding() {
            // Where a second member could begin there is an end as good as any.
            let members = ["X-GZIP", "zstd"].contains(&coding);
            for end in 1..body.len() {
                let outcome = read(coding, &body[..end], 100);
                let whole = outcome.as_ref().is_ok_and(|read| *read == text());
                assert!(outcome.is_err() || members && !whole, "{coding} up to {end}: {outcome:?}");
            }
            for size in [1, body.len() + 1] {
                let more = [&body[..], b"\0"].concat();
                assert!(read(coding, &more, size).is_err(), "{coding} and one byte more");
            }
        }
    }

    #[test]
    fn what_was_changed_is_noticed_where_the_coding_has_a_checksum() {
        for (coding, body) in every_coding() {
            for at in 0..body.len() {
                let mut body = body.clone();
                body[at] ^= 0x10;
                // Without a panic in any of them.
                let outcome = read(coding, &body, 100);
                if coding == "gzip" && at > 9 {
                    let error = outcome.unwrap_err();
                    assert!(error.starts_with("its `gzip` coding cannot be undone: "), "{error}");
                }
            }
        }
        let mut body = bytes(ZSTD);
        *body.last_mut().unwrap() ^= 1;
        assert_eq!(
            read("zstd", &body, 9),
            Err("its `zstd` coding cannot be undone: its checksum is wrong".into())
        );
    }

    #[test]
    fn windows_that_no_answer_needs_are_refused() {
        // A frame with a window of 16 MiB.
        let large = [0x28, 0xb5, 0x2f, 0xfd, 0, 14 << 3, 1, 0, 0];
        assert!(read("zstd", &large, 99).unwrap_err().contains("window"), "{:?}", read("zstd", &large, 99));
        let fits = [0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3, 1, 0, 0];
        assert_eq!(read("zstd", &fits, 99), Ok(Vec::new()));
        // Large windows of brotli begin so.
        assert!(read("br", &[0x11, 0x1e, 0x03], 99).is_err());
    }

    #[test]
    fn a_coding_that_nobody_knows_stays_as_it_is() {
        for coding in ["utf-8", "compress", "gzip, aws-chunked", "gzip, gzip, gzip, gzip"] {
            assert_eq!(read(coding, b"{}", 1), Ok(b"{}".to_vec()), "{coding}");
        }
    }
}
