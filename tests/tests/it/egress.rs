//! Where requests go out: names that lead inside, what an operator allows, proxies.

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use linchpin::{
    Code, Connector, Error, connector::SpecFile, extract::ConnectionValues, flow::BoxFuture, prelude::*,
};
use linchpin_runtime::{Connection, Invocation, Output, Resolver, Runtime, RuntimeBuilder};
use rcgen::ExtendedKeyUsagePurpose;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use super::auth::certificate::Authority;

const SPEC: SpecFile = SpecFile {
    path: "specs/tracker.toml",
    text: r#"
        schema = 1
        key = "tracker"
        name = "Tracker"
        version = "0.1.0"
        http = { base_url = "https://{host}/api", retry = { attempts = 1 } }
        auth.token = { kind = "bearer", fields.host = { type = "host" }, fields.token = { secret = true } }
    "#,
};

#[action(read)]
async fn get_me(cx: Context) -> Result<String> {
    cx.get(path!("/me")).send().await?.json()
}

/// Gives the answers that it was given, one after the other, the last for ever.
#[derive(Debug, Clone)]
struct Answers {
    answers: Arc<Mutex<VecDeque<Vec<IpAddr>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Answers {
    fn new(answers: &[&[&str]]) -> Answers {
        let parsed =
            answers.iter().map(|answer| answer.iter().map(|address| address.parse().unwrap()).collect());
        Answers { answers: Arc::new(Mutex::new(parsed.collect())), asked: Arc::default() }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Resolver for Answers {
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(std::future::ready(Ok(answer.unwrap_or_default())))
    }
}

/// A service over TLS on loopback, under a name that only a test's resolver knows.
struct Service {
    authority: Authority,
    port: u16,
    /// The heads of the requests, in lower case.
    seen: Arc<Mutex<Vec<String>>>,
}

const NAME: &str = "tracker.corp.example";

impl Service {
    /// Answers each request with these lines.
    async fn start(answer: &'static str) -> Service {
        let authority = Authority::new();
        let own = authority.issue(NAME, ExtendedKeyUsagePurpose::ServerAuth);
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![own.certificate.der().clone()],
                PrivateKeyDer::try_from(own.key.serialize_der()).unwrap(),
            );
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn({
            let seen = seen.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                    let head = head(&mut stream).await;
                    seen.lock().unwrap().push(head);
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.shutdown().await.unwrap();
                }
            }
        });
        Service { authority, port, seen }
    }

    /// A runtime that trusts the service's authority.
    fn runtime(&self) -> RuntimeBuilder {
        Runtime::builder().trust(&self.authority.certificate.pem()).unwrap()
    }

    fn host(&self) -> String {
        format!("{NAME}:{}", self.port)
    }
}

async fn head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

const ME: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\n\"me\"";

/// Asks a host who the connection's account is.
async fn ask(runtime: &Runtime, host: &str) -> Result<String, Error> {
    let fields = [("host", host), ("token", "t0k3n")];
    let fields = fields.map(|(key, value)| (key.to_owned(), Secret::new(value))).into();
    let connector = Connector::builder(SPEC).flow::<get_me>().build().unwrap();
    let connection = Connection::new(&connector, ConnectionValues { method: "token".to_owned(), fields })?;
    match runtime.run(Invocation::named(&connection, "get_me")?).await?.output {
        Output::Value(json) => Ok(json),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_in_every_spelling() {
    let service = Service::start(ME).await;
    for inside in [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fd00:ec2::254",
        "fe80::1",
        "0.0.0.0",
        "100.100.100.200",
    ] {
        let answers = Answers::new(&[&[inside]]);
        let runtime = service.runtime().resolver(answers.clone()).build();
        let error = ask(&runtime, &service.host()).await.unwrap_err();
        assert_eq!(error.code(), Code::HostRefused, "{inside}: {error}");
        assert_eq!(answers.asked(), [NAME]);
    }
    for inside in ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"] {
        let error = ask(&service.runtime().build(), &format!("{inside}:{}", service.port)).await.unwrap_err();
        assert!(matches!(error.code(), Code::HostRefused | Code::ConnectionInvalid), "{inside}: {error}");
    }
    assert!(service.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_an_operator_allows_is_reached_at_the_address_that_was_looked_at() {
    let service = Service::start(ME).await;
    for place in ["127.0.0.0/8", "127.0.0.1", NAME] {
        // Whoever asked a second time would be led elsewhere.
        let answers = Answers::new(&[&["127.0.0.1"], &["192.0.2.1"]]);
        let runtime = service.runtime().allow(place).unwrap().resolver(answers.clone()).build();
        assert_eq!(ask(&runtime, &service.host()).await.unwrap(), "\"me\"", "{place}");
        assert_eq!(answers.asked(), [NAME], "{place}");
    }
    for place in ["10.0.0.0/8", "127.0.0.2", "other.example"] {
        let answers = Answers::new(&[&["127.0.0.1"]]);
        let runtime = service.runtime().allow(place).unwrap().resolver(answers).build();
        assert_eq!(ask(&runtime, &service.host()).await.unwrap_err().code(), Code::HostRefused, "{place}");
    }
}

#[tokio::test]
async fn a_service_inside_cannot_lead_to_others_inside() {
    let inside = Service::start(ME).await;
    let leads = format!("https://inside.example:{}/", inside.port);
    let away =
        format!("HTTP/1.1 302 Found\r\nlocation: {leads}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let service = Service::start(away.leak()).await;
    let answers = Answers::new(&[&["127.0.0.1"]]);
    let runtime = service.runtime().allow("127.0.0.0/8").unwrap().resolver(answers.clone()).build();
    let error = ask(&runtime, &service.host()).await.unwrap_err();
    assert_eq!(error.code(), Code::HostRefused, "{error}");
    assert_eq!(answers.asked(), [NAME, "inside.example"]);
    assert!(inside.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_proxy_is_told_the_name_and_nothing_is_looked_up() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = proxy.local_addr().unwrap().port();
    let service = Service::start(ME).await;
    let target = service.port;
    let heads = tokio::spawn(async move {
        let (mut stream, _) = proxy.accept().await.unwrap();
        let head = head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
        let mut there = tokio::net::TcpStream::connect(("127.0.0.1", target)).await.unwrap();
        // Whichever closes first ends both.
        drop(tokio::io::copy_bidirectional(&mut stream, &mut there).await);
        head
    });
    let answers = Answers::new(&[&["127.0.0.1"]]);
    let url = format!("http://user:pa55word@proxy.example:{port}");
    let runtime = service.runtime().proxy(&url, "").unwrap().resolver(answers.clone()).build();
    assert_eq!(ask(&runtime, &service.host()).await.unwrap(), "\"me\"");
    assert_eq!(answers.asked(), ["proxy.example"]);
    drop(runtime);
    let head = heads.await.unwrap();
    assert!(head.starts_with(&format!("connect {}", service.host())), "{head}");
    assert!(head.contains("proxy-authorization: basic dxnlcjpwytu1d29yza=="), "{head}");
    assert!(!head.contains("t0k3n"), "{head}");
    assert!(service.seen.lock().unwrap()[0].contains("authorization: bearer t0k3n"));
}

#[tokio::test]
async fn through_a_proxy_addresses_are_checked_and_exceptions_go_directly() {
    let service = Service::start(ME).await;
    let answers = Answers::new(&[&["127.0.0.1"]]);
    // Nobody listens there.
    let url = "http://user:pa55word@127.0.0.1:9";
    let runtime = service.runtime().proxy(url, NAME).unwrap().resolver(answers.clone()).build();
    assert_eq!(
        ask(&runtime, &service.host()).await.unwrap_err().code(),
        Code::HostRefused,
        "directly, inside"
    );
    assert_eq!(answers.asked(), [NAME]);
    let error = ask(&runtime, "10.1.2.3").await.unwrap_err();
    assert!(matches!(error.code(), Code::HostRefused | Code::ConnectionInvalid), "{error}");
    let error = ask(&runtime, "elsewhere.example").await.unwrap_err();
    assert_eq!(error.code(), Code::Unreachable);
    assert!(!error.to_string().contains("pa55word"), "{error}");
    let runtime = Runtime::builder();
    for wrong in ["proxy.example:3128", "socks5://proxy.example", "http://", ""] {
        let error = Runtime::builder().proxy(wrong, "").unwrap_err();
        assert_eq!(error.code(), Code::RequestInvalid, "{wrong}");
    }
    drop(runtime);
}
