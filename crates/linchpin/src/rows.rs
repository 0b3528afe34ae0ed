//! Records that stand one behind the other in a file or an answer, read as they come.

use serde::de::DeserializeOwned;

use crate::{
    Code, Error, Records, Result,
    file::{ByteStream, FileRef},
    flow::BoxFuture,
    json::{self, Misfit},
    line::one_line,
    records::Source,
};

/// The longest record that is read, in bytes: what goes on for ever is no list.
const LONGEST: usize = 16 << 20;

/// So many characters of a line that cannot be read are shown.
const SHOWN: usize = 100;

/// How records are written.
pub(crate) trait Format<T>: Send {
    /// Reads what is whole with these bytes, which come behind those before. Says what is wrong, and in which record.
    fn push(&mut self, bytes: &[u8], records: &mut Vec<T>) -> Result<()>;

    /// Reads what is left behind the last byte.
    fn end(&mut self, records: &mut Vec<T>) -> Result<()>;
}

/// All records of a text that is all there.
pub(crate) fn whole<T>(mut format: impl Format<T>, text: &[u8]) -> Result<Vec<T>> {
    let mut records = Vec::new();
    format.push(text, &mut records)?;
    format.end(&mut records)?;
    Ok(records)
}

/// The records of a file, of which no more are in memory than come with a piece of it.
pub(crate) fn streamed<T: Send + 'static>(
    file: BoxFuture<'static, Result<FileRef>>,
    format: impl Format<T> + 'static,
) -> Records<T> {
    Records::from_source(Streamed { at: At::File(file), format })
}

struct Streamed<F> {
    at: At,
    format: F,
}

enum At {
    File(BoxFuture<'static, Result<FileRef>>),
    Stream(String, ByteStream),
    Failed(Error),
    End,
}

/// An error with the name of what could not be read.
pub(crate) fn of(name: &str, error: &Error) -> Error {
    Error::coded(error.code(), format!("{name} cannot be read: {}", error.message()))
}

impl<T: Send, F: Format<T>> Source<T> for Streamed<F> {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Option<Vec<T>>>> {
        Box::pin(async {
            let mut records = Vec::new();
            let (name, mut stream) = match std::mem::replace(&mut self.at, At::End) {
                At::File(file) => {
                    let file = file.await?;
                    check_charset(&file)?;
                    (format!("the file `{}`", file.file_name()), file.open().await?)
                }
                At::Stream(name, stream) => (name, stream),
                At::Failed(error) => return Err(error),
                At::End => return Ok(None),
            };
            loop {
                let (pushed, more) = match stream.next().await? {
                    Some(bytes) => (self.format.push(&bytes, &mut records), true),
                    None => (self.format.end(&mut records), false),
                };
                let pushed = pushed.map_err(|error| of(&name, &error));
                match pushed {
                    Err(error) if records.is_empty() => return Err(error),
                    // What is whole before it is given out first.
                    Err(error) => self.at = At::Failed(error),
                    Ok(()) if !more => {}
                    Ok(()) if records.is_empty() => continue,
                    Ok(()) => self.at = At::Stream(name, stream),
                }
                return Ok(Some(records));
            }
        })
    }
}

/// A file is not read in another charset than UTF-8: of a stream nobody makes it that.
fn check_charset(file: &FileRef) -> Result<()> {
    let kind = file.media_type().unwrap_or_default().to_ascii_lowercase();
    match kind.split_once("charset=").map(|(_, charset)| charset.trim_matches('"')) {
        Some(charset) if !charset.starts_with("utf-8") && !charset.starts_with("us-ascii") => {
            let message = format!(
                "the records come as `{}`, and streams are read as UTF-8 only",
                one_line(&kind, SHOWN)
            );
            Err(Error::coded(Code::ResponseMalformed, message)
                .hint("send the request by `.send()` and read the whole answer, which is made UTF-8"))
        }
        _ => Ok(()),
    }
}

fn too_long(number: u64) -> Error {
    let message = format!("record {number} is longer than {LONGEST} bytes");
    Error::coded(Code::ResponseTooLarge, message)
}

/// JSON texts, one on each line.
#[derive(Default)]
pub(crate) struct JsonLines {
    /// The beginning of a line of which the end has not come.
    held: Vec<u8>,
    number: u64,
}

impl JsonLines {
    fn hold(&mut self, bytes: &[u8]) -> Result<()> {
        if self.held.len() + bytes.len() > LONGEST {
            return Err(too_long(self.number + 1));
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    fn read<T: DeserializeOwned>(&mut self, line: &[u8], records: &mut Vec<T>) -> Result<()> {
        self.number += 1;
        let line = if self.number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if !line.trim_ascii().is_empty() {
            records.push(json::read(line, &InLine(self.number))?);
        }
        Ok(())
    }
}

impl<T: DeserializeOwned> Format<T> for JsonLines {
    fn push(&mut self, bytes: &[u8], records: &mut Vec<T>) -> Result<()> {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = (&rest[..at], &rest[at + 1..]);
            rest = behind;
            if self.held.is_empty() {
                self.read(line, records)?;
            } else {
                self.hold(line)?;
                let mut held = std::mem::take(&mut self.held);
                self.read(&held, records)?;
                held.clear();
                self.held = held;
            }
        }
        self.hold(rest)
    }

    fn end(&mut self, records: &mut Vec<T>) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() { Ok(()) } else { self.read(&held, records) }
    }
}

/// The number of a line.
struct InLine(u64);

impl Misfit for InLine {
    fn misfit(&self, text: &[u8], error: serde_json::Error) -> Error {
        let (number, problem) = (self.0, json::without_place(&error));
        let message = if error.is_data() {
            let place = json::place(text, &error);
            let place = if place.is_empty() { "its root".to_owned() } else { format!("`{place}`") };
            format!("line {number} is not what the flow expects: {problem} at {place}")
        } else {
            let begin = &text[..text.len().min(4 * SHOWN)];
            let shown = one_line(&String::from_utf8_lossy(begin), SHOWN);
            format!("line {number} is not JSON: {problem} at column {}; it begins `{shown}`", error.column())
        };
        Error::coded(Code::ResponseMalformed, message)
    }
}

/// Comma-separated values (RFC 4180), of which the first record names the fields.
#[cfg(feature = "csv")]
pub(crate) struct Csv {
    reader: csv_core::Reader,
    fields: Vec<u8>,
    ends: Vec<usize>,
    /// How much of `fields` and of `ends` the record has that is being read.
    filled: (usize, usize),
    header: Option<csv::StringRecord>,
    number: u64,
}

#[cfg(feature = "csv")]
impl Csv {
    pub(crate) fn new(delimiter: u8) -> Csv {
        let reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        Csv { reader, fields: vec![0; 1 << 10], ends: vec![0; 64], filled: (0, 0), header: None, number: 0 }
    }

    /// Gives the reader what comes, in the end nothing, and reads each record that is whole.
    fn feed<T: DeserializeOwned>(&mut self, mut bytes: &[u8], records: &mut Vec<T>) -> Result<()> {
        use csv_core::ReadRecordResult;
        loop {
            let (result, taken, written, ended) = self.reader.read_record(
                bytes,
                &mut self.fields[self.filled.0..],
                &mut self.ends[self.filled.1..],
            );
            bytes = &bytes[taken..];
            self.filled.0 += written;
            self.filled.1 += ended;
            match result {
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return Ok(()),
                ReadRecordResult::OutputFull if self.fields.len() >= LONGEST => {
                    return Err(too_long(self.number + 1));
                }
                ReadRecordResult::OutputFull => self.fields.resize(2 * self.fields.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::Record => {
                    self.record(records)?;
                    self.filled = (0, 0);
                    if bytes.is_empty() {
                        // What is given nothing takes it for the end.
                        return Ok(());
                    }
                }
            }
        }
    }

    fn record<T: DeserializeOwned>(&mut self, records: &mut Vec<T>) -> Result<()> {
        self.number += 1;
        let number = self.number;
        let wrong = |problem: String| {
            Error::coded(Code::ResponseMalformed, format!("record {number} of the CSV {problem}"))
        };
        let mut record = csv::StringRecord::with_capacity(self.filled.0, self.filled.1);
        let mut from = 0;
        for to in &self.ends[..self.filled.1] {
            let field = std::str::from_utf8(&self.fields[from..*to])
                .map_err(|_| wrong(format!("is not UTF-8 in field {}", record.len() + 1)))?;
            record.push_field(field);
            from = *to;
        }
        let Some(header) = &self.header else {
            let names = record.iter().map(|name| name.trim_start_matches('\u{feff}').trim());
            self.header = Some(names.collect());
            return Ok(());
        };
        if record.len() != header.len() {
            let (count, named) = (record.len(), header.len());
            return Err(wrong(format!("has {count} fields, where the first names {named}")));
        }
        let read = crate::value::number_from_text(|| record.deserialize(Some(header)));
        records.push(read.map_err(|error| {
            let csv::ErrorKind::Deserialize { err, .. } = error.kind() else {
                return wrong(error.to_string());
            };
            let field = err.field().and_then(|field| header.get(usize::try_from(field).ok()?));
            let place = field.map(|name| format!(" in `{}`", one_line(name, SHOWN))).unwrap_or_default();
            wrong(format!("is not what the flow expects: {}{place}", err.kind()))
        })?);
        Ok(())
    }
}

#[cfg(feature = "csv")]
impl<T: DeserializeOwned> Format<T> for Csv {
    fn push(&mut self, bytes: &[u8], records: &mut Vec<T>) -> Result<()> {
        if bytes.is_empty() { Ok(()) } else { self.feed(bytes, records) }
    }

    fn end(&mut self, records: &mut Vec<T>) -> Result<()> {
        self.feed(&[], records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields;

    #[fields(crate = "crate")]
    #[derive(Debug, PartialEq)]
    struct Row {
        id: u64,
        name: String,
        rate: Option<crate::Number>,
    }

    fn row(id: u64, name: &str, rate: Option<&str>) -> Row {
        Row { id, name: name.into(), rate: rate.map(|rate| rate.parse().unwrap()) }
    }

    /// What a format makes of a text, however it is cut.
    fn read<F: Format<Row>>(format: impl Fn() -> F, text: &[u8]) -> Result<Vec<Row>> {
        let all = whole(format(), text);
        for size in 1..9 {
            let (mut pieces, mut records) = (format(), Vec::new());
            let mut cut = || {
                text.chunks(size).try_for_each(|piece| pieces.push(piece, &mut records))?;
                pieces.end(&mut records)
            };
            match (cut(), &all) {
                (Ok(()), Ok(all)) => assert_eq!(records, *all),
                (Err(error), Err(all)) => assert_eq!(error.message(), all.message()),
                (cut, all) => panic!("{cut:?} by {size}, {all:?} at once"),
            }
        }
        all
    }

    fn json_lines(text: &str) -> Result<Vec<Row>> {
        read(JsonLines::default, text.as_bytes())
    }

    #[test]
    fn each_line_is_a_record_and_a_broken_one_is_named() {
        let text = "\u{feff}{\"id\":1,\"name\":\"a\",\"rate\":0.10}\r\n\n{\"id\":2,\"name\":\"b\"}";
        assert_eq!(json_lines(text).unwrap(), [row(1, "a", Some("0.10")), row(2, "b", None)]);
        assert_eq!(json_lines("").unwrap(), []);
        for (broken, problem) in [
            ("{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\n", "line 2 is not JSON: EOF while parsing"),
            (
                "\n\n{\"id\":\"x\",\"name\":\"a\"}\n",
                "line 3 is not what the flow expects: invalid type: string \"x\", expected u64 at `/id`",
            ),
            (
                "{\"id\":1,\"name\":\"a\"} x\n",
                "line 1 is not JSON: trailing characters at column 21; it begins `{\"id\":1,\"name\":\"a\"} x`",
            ),
        ] {
            let error = json_lines(broken).unwrap_err();
            assert_eq!(error.code(), Code::ResponseMalformed);
            assert!(error.message().starts_with(problem), "{error}");
        }
    }

    #[test]
    fn a_line_without_end_is_too_long() {
        let (mut lines, piece) = (JsonLines::default(), vec![b' '; LONGEST]);
        let mut records: Vec<Row> = Vec::new();
        lines.push(&piece, &mut records).unwrap();
        assert_eq!(lines.push(b" ", &mut records).unwrap_err().code(), Code::ResponseTooLarge);
    }

    #[cfg(feature = "csv")]
    #[test]
    fn the_first_record_of_a_csv_names_the_fields_of_the_others() {
        let csv = |text: &str| read(|| Csv::new(b','), text.as_bytes());
        let text = "\u{feff}name, rate,id,more\r\n\"a, \"\"b\"\"\nc\",0.10,1,x\r\n\r\nd,,2,\"y\"";
        assert_eq!(csv(text).unwrap(), [row(1, "a, \"b\"\nc", Some("0.10")), row(2, "d", None)]);
        assert_eq!(csv("id,name\n").unwrap(), []);
        assert_eq!(csv("").unwrap(), []);
        assert_eq!(read(|| Csv::new(b';'), b"id;name\n7;a,b\n").unwrap(), [row(7, "a,b", None)]);
        for (broken, problem) in [
            ("id,name\n1,a\n2\n", "record 3 of the CSV has 1 fields, where the first names 2"),
            ("id,name\nx,a\n", "record 2 of the CSV is not what the flow expects: "),
            ("id,name,rate\n1,a,many\n", "record 2 of the CSV is not what the flow expects: "),
            ("id\n1\n", "record 2 of the CSV is not what the flow expects: missing field"),
        ] {
            let error = csv(broken).unwrap_err();
            assert_eq!(error.code(), Code::ResponseMalformed);
            assert!(error.message().starts_with(problem), "{error}");
        }
        let error = read(|| Csv::new(b','), b"id,name\n1,na\xefve\n").unwrap_err();
        assert!(error.message().ends_with("is not UTF-8 in field 2"), "{error}");
        let wide: String = (0..500).map(|place| format!("f{place},")).collect();
        let text = format!("{wide}id,name\n{}7,{}\n", ",".repeat(500), "n".repeat(5000));
        assert_eq!(whole::<Row>(Csv::new(b','), text.as_bytes()).unwrap()[0].id, 7);
    }
}
