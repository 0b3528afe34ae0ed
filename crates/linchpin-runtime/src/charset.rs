//! Texts in other charsets than UTF-8.

use std::borrow::Cow;

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8};
use http::{HeaderValue, header::CONTENT_TYPE};
use linchpin::Response;

/// Makes a text UTF-8, and its `content-type` say so: outcome rules, errors and flows then read all alike.
///
/// A byte order mark comes before what the header says. What is no text, or not of the charset that it says, stays as it is;
/// whoever reads it as text is told.
pub(crate) fn to_utf8(answer: &mut Response) {
    // Of a few headers that is quicker than to look it up.
    let kind =
        answer.headers.iter().find_map(|(name, kind)| (name == CONTENT_TYPE).then_some(kind.as_bytes()));
    let kind = kind.unwrap_or_default();
    let marked = matches!(answer.body.first(), Some(0xef | 0xfe | 0xff | b'<'));
    if !marked && !kind.contains(&b';') {
        return;
    }
    let (media_type, charset) = parsed(std::str::from_utf8(kind).unwrap_or_default());
    let declared = || declared(&answer.body).filter(|_| media_type.contains("xml"));
    let charset = charset.or_else(declared);
    let mark = Encoding::for_bom(&answer.body).filter(|_| charset.is_some() || is_text(media_type));
    let (encoding, skip) = match (mark, charset.and_then(|label| Encoding::for_label(label.as_bytes()))) {
        (Some(mark), _) => mark,
        (None, Some(encoding)) if encoding != UTF_8 => (encoding, 0),
        _ => return,
    };
    let kind_now = charset.map(|_| format!("{media_type}; charset=utf-8"));
    let body = answer.body.slice(skip..);
    answer.body = if encoding == UTF_8 {
        body
    } else {
        match encoding.decode_without_bom_handling_and_without_replacement(&body) {
            Some(Cow::Borrowed(_)) => body,
            Some(Cow::Owned(text)) => Bytes::from(text),
            None => return,
        }
    };
    if let Some(Ok(kind)) = kind_now.map(HeaderValue::try_from) {
        answer.headers.insert(CONTENT_TYPE, kind);
    }
}

/// The media type and the charset of a `content-type`.
fn parsed(kind: &str) -> (&str, Option<&str>) {
    let mut parts = kind.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim_end().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    (media_type, charset)
}

/// The charset that an XML document says it has; one that says so in ASCII.
fn declared(body: &[u8]) -> Option<&str> {
    let begin =
        std::str::from_utf8(body.strip_prefix(b"<?xml ")?.split(|byte| *byte == b'>').next()?).ok()?;
    let value = begin.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value[1..].split(quote).next()
}

/// Whether a byte order mark at its beginning is one.
fn is_text(media_type: &str) -> bool {
    let kind = media_type.to_ascii_lowercase();
    kind.is_empty() || kind.starts_with("text/") || kind.contains("json") || kind.contains("xml")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn read(kind: &str, body: &[u8]) -> (String, Vec<u8>) {
        let mut headers = HeaderMap::new();
        if !kind.is_empty() {
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        }
        let body = Bytes::copy_from_slice(body);
        let mut answer = Response::new(StatusCode::OK, headers, body, "https://tracker.example".into());
        to_utf8(&mut answer);
        (answer.header("content-type").unwrap_or_default().to_owned(), answer.body.to_vec())
    }

    fn becomes(kind: &str, body: &[u8], text: &str) {
        let (now, read) = read(kind, body);
        assert_eq!(String::from_utf8(read).as_deref(), Ok(text), "{kind}");
        if kind.contains("charset") {
            assert!(now.ends_with("; charset=utf-8"), "{now}");
        }
    }

    fn stays(kind: &str, body: &[u8]) {
        assert_eq!(read(kind, body), (kind.to_owned(), body.to_vec()));
    }

    #[test]
    fn a_text_becomes_utf_8_from_whatever_it_says() {
        becomes("text/plain; charset=ISO-8859-1", b"na\xefve", "na\u{ef}ve");
        becomes("application/json;charset=\"windows-1252\"", b"\"\x80 5\"", "\"\u{20ac} 5\"");
        becomes("application/json; charset=utf-16", b"{\0}\0", "{}");
        becomes("text/csv; header=present; Charset = Shift_JIS", b"\x83\x8a", "\u{30ea}");
        becomes("text/plain; charset=latin1", b"plain", "plain");
        let xml = b"<?xml version='1.0' encoding='iso-8859-1'?><a>\xe9</a>";
        let text = "<?xml version='1.0' encoding='iso-8859-1'?><a>\u{e9}</a>";
        becomes("application/xml", xml, text);
        becomes("text/xml; charset=windows-1252", xml, text);
    }

    #[test]
    fn a_byte_order_mark_is_believed_first_and_taken_off() {
        becomes("application/json", b"\xef\xbb\xbf{}", "{}");
        becomes("application/problem+json; charset=iso-8859-1", b"\xef\xbb\xbf\"\xc3\xa9\"", "\"\u{e9}\"");
        becomes("text/plain", b"\xff\xfea\0", "a");
        becomes("", b"\xfe\xff\0a", "a");
    }

    #[test]
    fn what_is_no_text_or_another_than_it_says_stays_as_it_is() {
        stays("image/x-raw", b"\xff\xfea\0");
        stays("application/octet-stream", b"\xef\xbb\xbf");
        stays("text/plain; charset=utf-8", b"na\xefve");
        stays("text/plain; charset=x-none-such", b"na\xefve");
        stays("text/plain; charset=shift_jis", b"\x83");
        stays("text/plain; charset=utf-16le", b"a");
        stays("application/json", b"{}");
    }
}
