//! A planted secret, looked for in everything that linchpin prints and writes.

use std::{fs, path::Path, process::Output};

use linchpin_github::mock::Github;
use linchpin_host::{DEFAULT_TENANT, store::Filter};
use linchpin_testing::TokenFault;

use super::{call, connect, host};
use crate::{command::linchpin, oauth::World};

/// Signs that every encoding writes in a way of its own.
const PLANTED: &str = "pl4nted/+s3cret~?&=!-0123456789";

/// The forms in which a secret could be found.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = secret
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let mut forms = vec![secret.to_owned(), hex.to_uppercase(), hex, percent.to_lowercase(), percent];
    // In base64 a text looks differently at each of three places in what was encoded.
    for place in 0..3 {
        let encoded = base64(&[&b"   "[..place], secret.as_bytes()].concat());
        let inner = encoded.trim_end_matches('=');
        let inner = &inner[(place * 4).div_ceil(3)..inner.len() - 2];
        forms.push(inner.to_owned());
        forms.push(inner.replace('+', "-").replace('/', "_"));
    }
    forms.into_iter().map(String::into_bytes).collect()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            match place <= group.len() {
                true => text.push(char::from(LETTERS[(bits >> (18 - 6 * place) & 63) as usize])),
                false => text.push('='),
            }
        }
    }
    text
}

fn assert_clean(what: &str, bytes: &[u8], secret: &str) {
    for form in forms(secret) {
        let found = bytes.windows(form.len()).any(|window| window == form);
        assert!(!found, "{what} holds the secret as {}", String::from_utf8_lossy(&form));
    }
}

fn assert_files_clean(folder: &Path, secret: &str) {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert_clean(&path.display().to_string(), &fs::read(&path).unwrap(), secret);
        files += 1;
    }
    assert!(files >= 2, "a store and its key");
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let percent = "x%2Fy";
    for text in ["a x/y b".to_owned(), percent.to_owned(), "782f79".to_owned()] {
        assert!(forms("x/y").iter().any(|form| text.contains(std::str::from_utf8(form).unwrap())), "{text}");
    }
    for before in ["", "u", "us", "use"] {
        let text = base64(format!("{before}{PLANTED}:rest").as_bytes());
        assert!(
            forms(PLANTED).iter().any(|form| text.contains(std::str::from_utf8(form).unwrap())),
            "{before}"
        );
    }
}

/// Neither what is printed nor what is written shows it, whatever goes wrong.
#[tokio::test(flavor = "multi_thread")]
async fn no_command_shows_a_planted_secret() {
    let (github, folder) = (Github::start().await, tempfile::tempdir().unwrap());
    let store = folder.path().join("store.db");
    let run = async |args: &[&str]| -> Output {
        let mut command = linchpin();
        command.args(args).args(["--base-url", &github.uri()]).env("LINCHPIN_STORE", &store);
        command.env("LINCHPIN_GITHUB_TOKEN", PLANTED);
        let out = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        for (what, bytes) in [("stdout", &out.stdout), ("stderr", &out.stderr)] {
            assert_clean(&format!("{what} of {args:?}"), bytes, PLANTED);
        }
        out
    };
    // The mock does not know the token: every request meets a 401.
    let code = |out: &Output| out.status.code();
    assert_eq!(code(&run(&["auth", "login", "github"]).await), Some(1));
    assert_eq!(code(&run(&["auth", "login", "github", "--unchecked"]).await), Some(0));
    for format in ["human", "json"] {
        for verb in
            [&["list"][..], &["show", "github"], &["ping", "github"], &["refresh", "github"], &["drain"]]
        {
            run(&[&["auth", "--format", format], verb].concat()).await;
        }
        let flow = ["run", "github.get_repository", "--set", "repository=octocat/hello-world", "--trace"];
        run(&[&flow[..], &["--format", format]].concat()).await;
        run(&[&flow[..], &["--connection", "github", "--format", format]].concat()).await;
    }
    run(&["run", "github.create_issue", "--set", "repository=o/r", "--set", "title=t", "--dry-run"]).await;
    assert_eq!(
        code(&run(&["auth", "login", "github", "--field", &format!("token={PLANTED}")]).await),
        Some(2)
    );
    assert_files_clean(folder.path(), PLANTED);
    assert_eq!(code(&run(&["auth", "rotate-key"]).await), Some(0));
    run(&["auth", "delete", "github"]).await;
    run(&["auth", "list", "--revocations", "--format", "json"]).await;
    assert_files_clean(folder.path(), PLANTED);
}

#[tokio::test]
async fn no_token_of_a_grant_reaches_the_disk_or_an_error() {
    let (world, folder) = (World::start().await, tempfile::tempdir().unwrap());
    let host = host(&world, folder.path()).await;
    connect(&world, &host, "work").await.unwrap();
    let connection = host.connection(DEFAULT_TENANT, "work").await.unwrap();
    let mut seen = String::new();
    for fault in [TokenFault::ServerError, TokenFault::LostAnswer] {
        world.issuer.break_next([fault]);
        seen.push_str(&format!("{:?}", connection.refresh(host.runtime()).await));
        seen.push_str(&format!("{:?}", call(&host, "work").await));
    }
    seen.push_str(&format!("{:?}", host.connections(Filter::default()).await));
    let grant = connection.grant().await.unwrap().unwrap().grant.unwrap();
    for token in grant.values.values() {
        assert_clean("what was said", seen.as_bytes(), token.expose());
        assert_files_clean(folder.path(), token.expose());
    }
    assert_files_clean(folder.path(), linchpin_testing::Issuer::CLIENT_SECRET);
}
