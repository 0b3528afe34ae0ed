//! Files of any size need little memory. A binary of its own, so that nothing else is in what it measures.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

use linchpin::{Connector, FileRef, connector::SpecFile, extract::ConnectionValues, prelude::*};
use linchpin_runtime::{Connection, Runtime};

const SPEC: SpecFile = SpecFile {
    path: "specs/tracker.toml",
    text: "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\n[http]\nbase_url = \"https://tracker.example\"\n[auth.none]\nkind = \"none\"\n",
};

const SIZE: u64 = 64 << 20;

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

/// Takes a file down and up again.
#[action(create, idempotency = "none")]
async fn relay(cx: Context) -> Result<u64> {
    let file = cx.get(path!("/file")).download().await?;
    cx.post(path!("/files")).related("metadata", &file).send().await?.json()
}

/// Answers one connection: a file of zeros to a GET, to a POST how many bytes came.
fn answer(mut wire: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(wire.try_clone().ok()?);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        let get = line.starts_with("GET");
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
        if get {
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
async fn files_of_64_mib_go_down_and_up_in_little_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for wire in listener.incoming() {
            thread::spawn(|| answer(wire.unwrap()));
        }
    });
    let connector = Connector::builder(SPEC).flow::<measure>().flow::<relay>().build().unwrap();
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

    // What is measured is measured: a file in memory is seen.
    let whole = FileRef::from_bytes("whole", vec![1; SIZE as usize]);
    assert_eq!(whole.size(), Some(SIZE));
    assert!(peak() - before > SIZE);
}
