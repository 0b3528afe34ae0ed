//! Login, refresh and revocation, through a host and at an issuer that introspects.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use linchpin::{
    Code, FileRef, Secret,
    bytes::Bytes,
    extract::ConnectionValues,
    file::{ByteStream, FileSource},
    flow::BoxFuture,
};
use linchpin_google_drive::mock::{FOLDER_ID, GoogleDrive, TEXT};
use linchpin_host::{
    DEFAULT_TENANT, Host, HostBuilder,
    store::{Sqlite, TokenFate},
    vault::{KeySource, Vault},
};
use linchpin_runtime::{Invocation, OAuthClient};
use linchpin_testing::Issuer;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use wiremock::MockServer;

/// A Google Drive whose tokens an issuer gives and takes.
pub(super) struct Google {
    pub(super) server: MockServer,
    pub(super) issuer: Issuer,
    pub(super) drive: GoogleDrive,
    /// Where the store is.
    pub(super) folder: tempfile::TempDir,
}

/// One with a connection in the store, whose tokens have the time of the machine.
pub(super) async fn connected() -> Google {
    let google = Google::start().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    google.issuer.clock().advance(now.saturating_sub(Duration::from_secs(1_767_225_600)));
    connect(&google, &google.host().await).await;
    google
}

/// A way to the service on which every download breaks off in the middle.
pub(super) async fn breaking_off(google: &Google) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let service = *google.server.address();
    tokio::spawn(async move {
        while let Ok((mut wire, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(wire.read_u8().await.ok()?);
                }
                if head.windows(9).any(|part| part == b"alt=media") {
                    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it";
                    return wire.write_all(half).await.ok();
                }
                let mut there = TcpStream::connect(service).await.ok()?;
                // One request for each connection, so that the next is seen too.
                head.truncate(head.len() - 2);
                head.extend_from_slice(b"connection: close\r\n\r\n");
                there.write_all(&head).await.ok()?;
                let (mut down, mut up) = there.split();
                let (mut from, mut to) = wire.split();
                tokio::select! {
                    _ = tokio::io::copy(&mut down, &mut to) => {}
                    _ = tokio::io::copy(&mut from, &mut up) => {}
                }
                Some(())
            });
        }
    });
    uri
}

impl Google {
    pub(super) async fn start() -> Google {
        let server = MockServer::start().await;
        let issuer = Issuer::on(&server).await;
        let judge = issuer.clone();
        let drive = GoogleDrive::mount_for(&server, move |token| judge.is_active(token)).await;
        Google { server, issuer, drive, folder: tempfile::tempdir().unwrap() }
    }

    async fn host(&self) -> Host {
        host(self.folder.path(), &self.server.uri(), &self.issuer).await
    }
}

async fn host(folder: &Path, uri: &str, issuer: &Issuer) -> Host {
    builder(folder, uri, issuer).await.build().unwrap()
}

pub(super) async fn builder(folder: &Path, uri: &str, issuer: &Issuer) -> HostBuilder {
    let path = folder.join("store.db");
    let store = Sqlite::open(&path).unwrap();
    let vault = Vault::unlock(&store, KeySource::beside(&path)).await.unwrap();
    let client =
        OAuthClient { id: Issuer::CLIENT_ID.to_owned(), secret: Some(Secret::new(Issuer::CLIENT_SECRET)) };
    Host::builder(store, vault)
        .connector(linchpin_google_drive::connector())
        .base_url("google_drive", uri)
        .client("google_drive", client)
        .clock(Arc::new(issuer.clock()))
}

/// Connects by a browser; gives the URL that it was sent to.
pub(super) async fn connect(google: &Google, host: &Host) -> String {
    let values = ConnectionValues { method: "google".to_owned(), ..ConnectionValues::default() };
    let application = host.apply(crate::new_connection("google_drive", values)).await.unwrap();
    let login = application.login("http://127.0.0.1:7777/callback").unwrap();
    let url = login.url().to_string();
    let callback = google.issuer.consent(login.url());
    application.take(&login.finish(host.runtime(), &callback).await.unwrap()).await.unwrap();
    let connected = application.finish().await.unwrap();
    assert_eq!(connected.connection.identity.unwrap().label, "mona@example.com");
    url
}

async fn call(host: &Host, flow: &str, input: Value, file: Option<FileRef>) -> linchpin::Result<()> {
    let connection = host.connection(DEFAULT_TENANT, "work").await?;
    let call = Invocation::named(&connection, flow)?.input(input.to_string());
    let call = file.into_iter().fold(call, Invocation::file);
    Ok(host.runtime().run(call).await.map(drop)?)
}

#[tokio::test]
async fn a_login_asks_for_a_refresh_token() {
    let google = Google::start().await;
    let url = connect(&google, &google.host().await).await;
    for part in ["access_type=offline", "prompt=consent", "code_challenge_method=S256", "auth%2Fdrive"] {
        assert!(url.contains(part), "{url}");
    }
}

#[tokio::test]
async fn a_401_is_answered_with_one_refresh_and_one_more_try() {
    let google = Google::start().await;
    let host = google.host().await;
    connect(&google, &host).await;
    let tokens = google.issuer.exchanges();
    // The issuer forgets the tokens earlier than it said.
    google.issuer.clock().advance(Duration::from_secs(3600));
    call(&host, "get_file", json!({ "file": TEXT }), None).await.unwrap();
    assert_eq!(google.issuer.exchanges(), tokens + 1);

    google.drive.break_on("GET /drive/v3/files/file-2", linchpin_google_drive::mock::Fault::Unauthorized);
    let error = call(&host, "get_file", json!({ "file": "file-2" }), None).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::Unauthorized, Some("authError")));
    assert_eq!(google.issuer.exchanges(), tokens + 2, "once and no more");
}

/// Bytes that can be had once.
struct OnlyOnce(Mutex<Option<Bytes>>);

impl FileSource for OnlyOnce {
    fn open(&self) -> BoxFuture<'_, linchpin::Result<ByteStream>> {
        let bytes = self.0.lock().unwrap().take().unwrap();
        Box::pin(async { FileRef::from_bytes("", bytes).open().await })
    }

    fn reopens(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn an_upload_is_repeated_only_where_its_file_can_be_opened_again() {
    let google = Google::start().await;
    let host = google.host().await;
    connect(&google, &host).await;
    google.drive.break_on("POST /upload/drive/v3/files", linchpin_google_drive::mock::Fault::Unauthorized);
    let uploads = async || {
        let requests = google.server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() == "/upload/drive/v3/files").count()
    };
    let sent = async |file: FileRef| {
        let input = json!({ "folder": FOLDER_ID, "content": { "file": file.handle() } });
        call(&host, "upload_file", input, Some(file)).await.unwrap_err()
    };
    let once = FileRef::new("once", OnlyOnce(Mutex::new(Some("bytes".into()))));
    let error = sent(once).await;
    assert!(error.details().hint.unwrap().contains("cannot be opened again"), "{error:?}");
    assert_eq!((error.code(), uploads().await), (Code::Unauthorized, 1));
    sent(FileRef::from_bytes("again", "bytes")).await;
    assert_eq!(uploads().await, 3, "and with fresh tokens once more");
}

#[tokio::test]
async fn a_revocation_kills_both_tokens() {
    let google = Google::start().await;
    let host = google.host().await;
    connect(&google, &host).await;
    assert_eq!(google.issuer.revoked(), [""; 0]);
    let report = host.revoke(DEFAULT_TENANT, "work").await.unwrap();
    assert!(report.attempt.tokens.iter().all(|(_, fate)| *fate == TokenFate::Revoked), "{report:?}");
    let revoked = google.issuer.revoked();
    assert_eq!(revoked.len(), 2, "{revoked:?}");
    assert!(revoked.iter().all(|token| !google.issuer.is_active(token)));
    assert!(call(&host, "get_file", json!({ "file": TEXT }), None).await.is_err());
}
