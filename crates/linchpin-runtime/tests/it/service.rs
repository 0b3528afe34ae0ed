//! A service by hand, for what no mock server does: answers that are late, break off or never end.
//!
//! It lives on the test's own runtime, so that a paused clock is its clock too.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, mpsc},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A service whose answers are written byte by byte.
pub(crate) struct Service {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _connections: JoinSet<()>,
}

/// The path and the head of a request.
type Seen = (String, String);

/// A request, and the wire on which its answer goes. The connection is closed when it goes.
pub(crate) struct Exchange {
    pub(crate) path: String,
    /// The request's line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    wire: TcpStream,
}

impl Service {
    /// Answers every request as `answer` does; each has a connection of its own.
    pub(crate) async fn start<F>(answer: impl Fn(Exchange) -> F + Send + Sync + 'static) -> Service
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut connections = JoinSet::new();
        connections.spawn({
            let seen = seen.clone();
            let answer = Arc::new(answer);
            async move {
                let mut answers = JoinSet::new();
                loop {
                    let (wire, _) = listener.accept().await.unwrap();
                    let (seen, answer) = (seen.clone(), answer.clone());
                    answers.spawn(async move {
                        let Some(exchange) = Exchange::read(wire).await else { return };
                        seen.lock().unwrap().push((exchange.path.clone(), exchange.head.clone()));
                        answer(exchange).await;
                    });
                }
            }
        });
        Service { address, seen, _connections: connections }
    }

    pub(crate) fn uri(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths that were asked for.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }

    /// What one header was in each request, in lower case.
    pub(crate) fn heads(&self, name: &str) -> Vec<String> {
        self.seen.lock().unwrap().iter().filter_map(|(_, head)| value(head, name)).collect()
    }
}

/// A header in a head, both in lower case.
fn value(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

impl Exchange {
    /// Reads a request.
    pub(crate) async fn read(mut wire: TcpStream) -> Option<Exchange> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(wire.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let path = lines.next()?.split(' ').nth(1)?.to_owned();
        let headers: HashMap<String, &str> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value))
            .collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        wire.read_exact(&mut body).await.ok()?;
        if headers.get("transfer-encoding").is_some_and(|encoding| *encoding == "chunked") {
            body = chunked(&mut wire).await?;
        }
        let head = head.to_lowercase();
        Some(Exchange { path, head, body, wire })
    }

    /// What a header of the request is, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        value(&self.head, name)
    }

    /// Sends bytes as they are.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        // Whoever asked may have gone.
        drop(self.wire.write_all(bytes.as_ref()).await);
    }

    /// Answers with JSON and closes the connection.
    pub(crate) async fn json(mut self, headers: &str, body: &str) {
        let length = body.len();
        self.say(&format!(
            "HTTP/1.1 200 OK\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;
    }

    /// Waits until whoever asked has closed the connection.
    pub(crate) async fn gone(mut self) {
        while self.wire.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
    }
}

/// A body in chunks (RFC 9112 §7.1), without trailers.
async fn chunked(wire: &mut TcpStream) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(wire.read_u8().await.ok()?);
        }
        let length = usize::from_str_radix(std::str::from_utf8(&line).ok()?.trim(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        wire.read_exact(&mut chunk).await.ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..length]);
    }
}

/// Keeps a paused clock still: without it time runs on whenever everybody waits, also for bytes that are on their way.
pub(crate) fn hold_the_clock() -> mpsc::Sender<()> {
    let (hold, released) = mpsc::channel::<()>();
    // The clock stands while a blocking task runs.
    tokio::task::spawn_blocking(move || released.recv().unwrap_or_default());
    hold
}
