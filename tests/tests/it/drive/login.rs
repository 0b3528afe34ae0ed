//! A login in a browser, by the binary.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStderr, Command, Output, Stdio},
    time::Duration,
};

use linchpin_testing::Issuer;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wiremock::http::Url;

use super::grant::Google;
use crate::command::linchpin;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

fn auth(google: &Google, args: &[&str]) -> Command {
    let mut command = linchpin();
    command.args(["auth", "--format", "json", "--store", "store.db", "--base-url", &google.server.uri()]);
    command.env("LINCHPIN_GOOGLE_DRIVE_CLIENT_ID", Issuer::CLIENT_ID);
    command.env("LINCHPIN_GOOGLE_DRIVE_CLIENT_SECRET", Issuer::CLIENT_SECRET);
    command.args(args).current_dir(google.folder.path());
    command
}

/// `linchpin auth login` while it waits for the browser.
struct Login {
    child: Option<Child>,
    stderr: BufReader<ChildStderr>,
    /// Where the person consents.
    url: String,
}

impl Login {
    async fn start(google: &Google) -> Login {
        let mut command = auth(google, &["login", "google_drive", "--name", "work", "--no-browser"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            let stderr = BufReader::new(child.stderr.take().unwrap());
            let mut login = Login { child: Some(child), stderr, url: String::new() };
            let mut said = String::new();
            while login.url.is_empty() {
                let mut line = String::new();
                assert!(login.stderr.read_line(&mut line).unwrap() > 0, "it ended with {said}");
                said.push_str(&line);
                if line.trim().starts_with("http") {
                    login.url = line.trim().to_owned();
                }
            }
            login
        });
        tokio::time::timeout(LIMIT, started).await.expect("an address in time").unwrap()
    }

    /// How it ended, with what it said after the address.
    async fn ended(mut self) -> Output {
        let ended = tokio::task::spawn_blocking(move || {
            let mut said = Vec::new();
            std::io::Read::read_to_end(&mut self.stderr, &mut said).unwrap();
            let out = self.child.take().unwrap().wait_with_output().unwrap();
            Output { stderr: said, ..out }
        });
        tokio::time::timeout(LIMIT, ended).await.expect("an end in time").unwrap()
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        // Left when a test has failed.
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Opens an address on loopback as a browser does, and gives the status of the answer.
async fn browse(address: &str) -> u16 {
    let url = Url::parse(address).unwrap();
    let mut wire = TcpStream::connect(("127.0.0.1", url.port().unwrap())).await.unwrap();
    let (path, query) = (url.path(), url.query().unwrap_or_default());
    let head = format!("GET {path}?{query} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    wire.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    wire.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The connections of the store.
fn listed(google: &Google) -> Value {
    let out = auth(google, &["list"]).output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_brings_another_state_is_turned_away_and_the_right_one_connects() {
    let google = Google::start().await;
    let login = Login::start(&google).await;
    let callback = google.issuer.consent(&login.url);
    let (before, state) = callback.split_once("state=").unwrap();
    for forged in [
        format!("{before}state=another"),
        format!("{before}state={state}x"),
        before.trim_end_matches('&').to_owned(),
    ] {
        assert_eq!(browse(&forged).await, 400, "{forged}");
    }
    assert_eq!(browse(&callback.replace("/callback", "/elsewhere")).await, 404);
    assert_eq!(listed(&google), Value::Array(Vec::new()), "it goes on waiting");

    assert_eq!(browse(&callback).await, 200);
    let out = login.ended().await;
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{said}");
    let code = before.split_once("code=").unwrap().1.trim_end_matches('&');
    assert!(!said.contains(code), "{said}");
    let listed = listed(&google);
    let connection = &listed[0];
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    for (key, wanted) in [("name", "work"), ("connector", "google_drive"), ("state", "active")] {
        assert_eq!(connection[key], wanted, "{connection}");
    }
    assert_eq!(connection["account"]["label"], "mona@example.com", "{connection}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_consent_is_not_connected() {
    let google = Google::start().await;
    let login = Login::start(&google).await;
    let callback = google.issuer.consent(&login.url);
    let (_, state) = callback.split_once("state=").unwrap();
    let denied = format!("{}?error=access_denied&state={state}", callback.split('?').next().unwrap());
    assert_eq!(browse(&denied).await, 200);
    let out = login.ended().await;
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("access was not granted"), "{said}");
    assert_eq!(listed(&google), Value::Array(Vec::new()));
}
