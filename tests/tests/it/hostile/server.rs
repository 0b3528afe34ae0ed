//! A service that does what a case says, byte by byte.

use std::{
    borrow::Cow,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::tracker::TOKEN;

/// What the service does, in order, when a request has come. Then it waits for the next on the same connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    steps: Vec<Step>,
    /// Whether the request's body is left where it is.
    unread: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Say(Cow<'static, [u8]>),
    /// As fast as they are taken, until whoever asked has gone.
    Repeat(Vec<u8>),
    /// One more every few milliseconds, until whoever asked has gone.
    Drip(&'static [u8]),
    Hold,
    Close,
    Reset,
}

/// These bytes; `{here}` in a text is the origin of the service, `{elsewhere}` that of another, and `{length}` how much stands behind
/// the empty line.
pub(super) fn says(text: impl Into<Cow<'static, str>>) -> Answer {
    Answer::default().says(text)
}

/// These bytes, which are no text.
pub(super) fn bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Answer {
    Answer::default().bytes(bytes)
}

/// A whole answer: status with reason, further headers, body.
pub(super) fn whole(status: &str, headers: &str, body: &str) -> Answer {
    says(format!("HTTP/1.1 {status}\r\n{headers}content-length: {{length}}\r\n\r\n{body}"))
}

/// 200 with JSON, or what calls itself so.
pub(super) fn json(body: &str) -> Answer {
    whole("200 OK", "content-type: application/json\r\n", body)
}

/// 302 to there.
pub(super) fn to(location: &str) -> Answer {
    whole("302 Found", &format!("location: {location}\r\n"), "")
}

impl Answer {
    pub(super) fn says(self, text: impl Into<Cow<'static, str>>) -> Answer {
        self.bytes(match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }

    pub(super) fn bytes(self, bytes: impl Into<Cow<'static, [u8]>>) -> Answer {
        self.then(Step::Say(bytes.into()))
    }

    pub(super) fn repeats(self, text: &str) -> Answer {
        // Written in large pieces, else most of the time goes into writing.
        self.then(Step::Repeat(text.repeat((16 << 10) / text.len()).into_bytes()))
    }

    pub(super) fn drips(self, text: &'static str) -> Answer {
        self.then(Step::Drip(text.as_bytes()))
    }

    /// Nothing more, for ever.
    pub(super) fn holds(self) -> Answer {
        self.then(Step::Hold)
    }

    pub(super) fn closes(self) -> Answer {
        self.then(Step::Close)
    }

    /// Breaks the connection off with a TCP reset.
    pub(super) fn resets(self) -> Answer {
        self.then(Step::Reset)
    }

    /// Does all this without reading the request's body.
    pub(super) fn unread(self) -> Answer {
        Answer { unread: true, ..self }
    }

    fn then(mut self, step: Step) -> Answer {
        self.steps.push(step);
        self
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) line: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
}

impl Seen {
    pub(super) fn is_well(&self) -> bool {
        self.line.starts_with("GET /well ")
    }

    pub(super) fn is_for_a_token(&self) -> bool {
        self.line.starts_with("POST /token ")
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

pub(super) struct Server {
    pub(super) origin: String,
    shared: Arc<Shared>,
    _connections: JoinSet<()>,
}

struct Shared {
    here: String,
    elsewhere: String,
    greeting: Answer,
    answers: Vec<Answer>,
    seen: Mutex<Vec<Seen>>,
    /// Whether it no longer greets.
    well: AtomicBool,
    connections: AtomicU64,
    written: AtomicU64,
}

impl Server {
    /// Gives these answers in order and the last again and again; to whoever asks for `/well` one without fault.
    pub(super) async fn start(greeting: Answer, answers: Vec<Answer>, elsewhere: &str) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            here: origin.clone(),
            elsewhere: elsewhere.to_owned(),
            greeting,
            answers,
            seen: Mutex::default(),
            well: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            written: AtomicU64::new(0),
        });
        let mut connections = JoinSet::new();
        let all = shared.clone();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (wire, _) = listener.accept().await.unwrap();
                all.connections.fetch_add(1, Ordering::Relaxed);
                let shared = all.clone();
                open.spawn(async move {
                    // Whoever asked may go at any time.
                    drop(shared.serve(BufReader::new(wire)).await);
                });
            }
        });
        Server { origin, shared, _connections: connections }
    }

    /// The requests that came, with those for `/well`.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// From now on the service is without fault.
    pub(super) fn recovers(&self) {
        self.shared.well.store(true, Ordering::Relaxed);
    }

    /// How often somebody connected.
    pub(super) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many bytes could be written.
    pub(super) fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }
}

impl Shared {
    async fn serve(&self, mut wire: BufReader<TcpStream>) -> io::Result<()> {
        if !self.well.load(Ordering::Relaxed) {
            self.answer(&mut wire, &self.greeting).await?;
        }
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if wire.read_line(&mut head).await? == 0 {
                    return Ok(());
                }
            }
            let mut lines = head.lines();
            let line = lines.next().unwrap_or_default().to_owned();
            let headers = lines.filter_map(|line| line.split_once(": "));
            let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
            let request = Seen { line, headers };
            let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
            let answer = {
                let mut seen = self.seen.lock().unwrap();
                let count = seen.len();
                seen.push(request);
                match &seen[count] {
                    request if request.is_well() => json("{\"id\":1}"),
                    request if request.is_for_a_token() && self.well.load(Ordering::Relaxed) => {
                        json(&format!("{{\"access_token\":\"{TOKEN}\"}}"))
                    }
                    _ => self.answers.get(count).or(self.answers.last()).cloned().unwrap_or_default(),
                }
            };
            if !answer.unread {
                tokio::io::copy(&mut (&mut wire).take(length), &mut tokio::io::sink()).await?;
            }
            self.answer(&mut wire, &answer).await?;
            if answer.unread {
                return Ok(());
            }
        }
    }

    async fn answer(&self, wire: &mut BufReader<TcpStream>, answer: &Answer) -> io::Result<()> {
        let wire = wire.get_mut();
        for step in &answer.steps {
            match step {
                Step::Say(bytes) => self.say(wire, &self.filled_in(bytes)).await?,
                Step::Repeat(bytes) => loop {
                    self.say(wire, bytes).await?;
                },
                Step::Drip(bytes) => {
                    // In real time: what drips is slow, and must not be so slow that each wait alone were too long.
                    let mut drops = tokio::time::interval(Duration::from_millis(20));
                    loop {
                        drops.tick().await;
                        self.say(wire, bytes).await?;
                    }
                }
                Step::Hold => std::future::pending().await,
                Step::Close => {
                    wire.shutdown().await?;
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Step::Reset => {
                    wire.set_zero_linger()?;
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
            }
        }
        Ok(())
    }

    async fn say(&self, wire: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        wire.write_all(bytes).await?;
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn filled_in<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Ok(text) = std::str::from_utf8(bytes) else { return Cow::Borrowed(bytes) };
        let text = text.replace("{here}", &self.here).replace("{elsewhere}", &self.elsewhere);
        let length = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
        Cow::Owned(text.replacen("{length}", &length.to_string(), 1).into_bytes())
    }
}
