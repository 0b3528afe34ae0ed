//! Answers that become large and files of any size need little memory. A binary of its own, so that nothing else is in what it measures.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

use flate2::{Compress, Compression, FlushCompress, write};
use linchpin::{Connector, FileRef, connector::SpecFile, extract::ConnectionValues, prelude::*};
use linchpin_runtime::{Connection, Runtime};

const SPEC: SpecFile = SpecFile {
    path: "specs/tracker.toml",
    text: "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\n[http]\nbase_url = \"https://tracker.example\"\nlimits = { body = \"1MiB\" }\n[auth.none]\nkind = \"none\"\n",
};

const SIZE: u64 = 64 << 20;

/// How many lines an answer has; together they are larger than what memory may grow by.
const LINES: u64 = 1_000_000;

/// The most that the process may grow by: the pieces on their way and the buffers under them, with room.
const GROWTH: u64 = 12 << 20;

/// How many bytes a file has.
#[action(read)]
async fn measure(cx: Context) -> Result<u64> {
    let mut stream = cx.get(path!("/file")).download().await?.open().await?;
    let mut count = 0;
    while let Some(bytes) = stream.next().await? {
        count += bytes.len() as u64;
    }
    Ok(count)
}

#[fields]
struct Wanted {
    coding: String,
}

/// A text that comes in a coding.
#[action(read)]
async fn get_text(cx: Context, Input(wanted): Input<Wanted>) -> Result<String> {
    cx.get(path!("/{wanted.coding}")).send().await?.text().map(str::to_owned)
}

#[fields]
struct Line {
    id: u64,
}

/// How many lines there are, and their sum.
#[action(read)]
async fn sum(cx: Context) -> Result<Vec<u64>> {
    let mut lines = cx.get(path!("/lines")).json_lines::<Line>();
    let (mut count, mut sum) = (0, 0);
    while let Some(line) = lines.next().await? {
        count += 1;
        sum += line.id;
    }
    Ok(vec![count, sum])
}

/// Takes a file down and up again.
#[action(create, idempotency = "none")]
async fn relay(cx: Context) -> Result<u64> {
    let file = cx.get(path!("/file")).download().await?;
    cx.post(path!("/files")).related("metadata", &file).send().await?.json()
}

/// The beginnings and the parts, each 1 MiB of zeros, of bodies that become 1 GiB.
fn bomb(coding: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let zeros = vec![0; 1 << 20];
    Some(match coding {
        "gzip" => {
            let mut member = write::GzEncoder::new(Vec::new(), Compression::best());
            member.write_all(&zeros).ok()?;
            (Vec::new(), member.finish().ok()?)
        }
        "deflate" => {
            let mut stream = Compress::new(Compression::best(), true);
            let mut parts = [vec![0; 8 << 10], vec![0; 8 << 10]];
            for part in &mut parts {
                let before = stream.total_out();
                stream.compress(&zeros, part, FlushCompress::Full).ok()?;
                part.truncate(usize::try_from(stream.total_out() - before).ok()?);
            }
            let [first, next] = parts;
            (first, next)
        }
        "br" => {
            // One stream, flushed after each part.
            let first = "f4ff1f004800c46381e4de07e8ff3f00900088c302d0bd0fd0ff7f002001108705a07b1fa0ffff004002200e0b40f73e40ffff018004401c1680ee7d80feff03000980382c00ddfb00fdff07001200715800baf701faff0f002400e2b00074ef030c";
            let next = "faff0f002400e2b00074ef03f4ff1f004800c46101e8de07e8ff3f00900088c302d0bd0fd0ff7f002001108705a07b1fa0ffff004002200e0b40f73e40ffff018004401c1680ee7d80feff03000980382c00ddfb00fdff07001200715800baf701";
            let bytes = |hex: &str| -> Option<Vec<u8>> {
                (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()).collect()
            };
            (bytes(first)?, bytes(next)?)
        }
        // The largest window, and blocks of 128 KiB that are one byte each.
        "zstd" => (vec![0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3], [2, 0, 0x10, 0].repeat(8)),
        _ => return None,
    })
}

/// Answers one connection: a file of zeros or a bomb to a GET, to a POST how many bytes came.
fn answer(mut wire: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(wire.try_clone().ok()?);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        let get = line.starts_with("GET");
        let what = line.split(['/', ' ']).nth(2).unwrap_or_default().to_owned();
        let mut length = 0u64;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            if header == "\r\n" {
                break;
            }
            if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        if let Some((first, part)) = bomb(&what) {
            write!(wire, "HTTP/1.1 200 OK\r\ncontent-encoding: {what}\r\n\r\n").ok()?;
            wire.write_all(&first).ok()?;
            for _ in 0..1 << 10 {
                wire.write_all(&part).ok()?;
            }
            return None;
        } else if what == "lines" {
            write!(wire, "HTTP/1.1 200 OK\r\n\r\n").ok()?;
            for thousand in 0..LINES / 1000 {
                let lines = (1000 * thousand..1000 * (thousand + 1)).map(|id| format!("{{\"id\":{id}}}\n"));
                wire.write_all(lines.collect::<String>().as_bytes()).ok()?;
            }
            return None;
        } else if get {
            write!(wire, "HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n").ok()?;
            for _ in 0..SIZE >> 16 {
                wire.write_all(&[0; 1 << 16]).ok()?;
            }
        } else {
            let read = std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink()).ok()?;
            let read = read.to_string();
            write!(wire, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{read}", read.len()).ok()?;
        }
    }
}

/// What the process held at the most so far, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn files_lines_and_bombs_need_little_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for wire in listener.incoming() {
            thread::spawn(|| answer(wire.unwrap()));
        }
    });
    let connector = Connector::builder(SPEC)
        .flow::<get_text>()
        .flow::<sum>()
        .flow::<measure>()
        .flow::<relay>()
        .build()
        .unwrap();
    let values = ConnectionValues { method: "none".into(), ..ConnectionValues::default() };
    let connection = Connection::with_base_url(&connector, values, &uri).unwrap();
    let runtime = Runtime::new();

    let before = peak();
    let (count, _) = runtime.call::<measure>(&connection, ()).await.unwrap();
    assert_eq!(count, SIZE);
    let down = peak() - before;
    let (count, trace) = runtime.call::<relay>(&connection, ()).await.unwrap();
    assert!(count > SIZE, "the parts around the file are counted too");
    let both = peak() - before;
    let entries = trace.entries();
    assert_eq!(entries.iter().map(|entry| entry.sent.max(entry.received)).max(), Some(count));
    eprintln!("grew by {} KiB down, {} KiB down and up", down >> 10, both >> 10);
    assert!(both < GROWTH, "grew by {both} bytes");

    let (counted, _) = runtime.call::<sum>(&connection, ()).await.unwrap();
    assert_eq!(counted, [LINES, LINES * (LINES - 1) / 2]);
    eprintln!("grew by {} KiB with the lines", (peak() - before) >> 10);
    assert!(peak() - before < GROWTH, "grew by {} bytes", peak() - before);

    for coding in ["gzip", "deflate", "br", "zstd"] {
        let failed =
            runtime.call::<get_text>(&connection, Wanted { coding: coding.to_owned() }).await.unwrap_err();
        assert_eq!(failed.error.code(), Code::ResponseTooLarge, "{coding}: {}", failed.error);
        eprintln!("{coding}: grew by {} KiB", peak().saturating_sub(before) >> 10);
    }
    // The window of zstd is half of it, and kept in a buffer of twice its size.
    assert!(peak() - before < 2 * GROWTH, "grew by {} bytes", peak() - before);

    // What is measured is measured: a file in memory is seen.
    let whole = FileRef::from_bytes("whole", vec![1; SIZE as usize]);
    assert_eq!(whole.size(), Some(SIZE));
    assert!(peak() - before > SIZE);
}
