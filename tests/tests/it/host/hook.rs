//! `linchpin hook` against a GitHub on loopback.

use std::process::Output;

use linchpin_github::mock::{Github, TOKEN};
use serde_json::{Value, json};

use crate::command::linchpin;

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_registered_listed_and_deregistered_by_command() {
    let (github, folder) = (Github::start().await, tempfile::tempdir().unwrap());
    let store = folder.path().join("store.db");
    let run = async |args: &[&str]| -> Output {
        let mut command = linchpin();
        command.args(args).args(["--base-url", &github.uri()]).env("LINCHPIN_STORE", &store);
        command.env("LINCHPIN_GITHUB_TOKEN", TOKEN);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let json = |out: &Output| -> Value {
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    };
    assert_eq!(run(&["auth", "login", "github", "--name", "work"]).await.status.code(), Some(0));

    let set = ["--set", "repository=octocat/hello-world", "--set", "event=issue_opened"];
    let register = [&["hook", "register", "work", "--format", "json"][..], &set].concat();
    let nowhere = run(&register).await;
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("LP567"), "{nowhere:?}");
    let made = json(&run(&[&register[..], &["--public-url", "https://hooks.example"]].concat()).await);
    assert_eq!(
        (&made["connection"], &made["hook"], &made["stage"]),
        (&json!("work"), &json!("repository"), &json!("active"))
    );
    assert_eq!(github.hooks().len(), 1);

    let listed = run(&["hook", "list", "--format", "json"]).await;
    assert_eq!(json(&listed), json!([made]));
    let table = run(&["hook", "list"]).await;
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("active") && table.contains("repository"), "{table}");
    for shown in [String::from_utf8_lossy(&listed.stdout).as_ref(), &table] {
        assert!(!shown.contains("hooks.example/in/"), "an event URL is a secret: {shown}");
    }

    let id = made["id"].as_str().unwrap();
    let unknown = run(&["hook", "check", "nothing", "--format", "json"]).await;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("LP565"), "{unknown:?}");
    let gone = json(&run(&["hook", "deregister", &id[..8], "--format", "json"]).await);
    assert_eq!(gone, json!({ "id": id, "stage": "gone" }));
    assert_eq!(github.hooks(), [0; 0]);
    assert_eq!(json(&run(&["hook", "list", "--format", "json"]).await), json!([]));
}
