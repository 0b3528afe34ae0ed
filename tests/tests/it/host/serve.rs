//! `linchpin serve` from the first delivery to the last signal, as an operator runs it.

use std::{
    io::{BufRead, BufReader, Lines},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use linchpin_github::mock::{Github, TOKEN};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::linchpin;

struct World {
    github: Github,
    folder: TempDir,
}

impl World {
    async fn new() -> World {
        let world = World { github: Github::start().await, folder: tempfile::tempdir().unwrap() };
        world.ok(&["auth", "login", "github", "--name", "work"]).await;
        world
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = linchpin();
        command.args(args).args(["--base-url", &self.github.uri()]).env("LINCHPIN_STORE", self.store());
        command.env("LINCHPIN_GITHUB_TOKEN", TOKEN).env("LINCHPIN_PUBLIC_URL", "https://hooks.example");
        command
    }

    async fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn ok(&self, args: &[&str]) -> Output {
        let out = self.run(args).await;
        assert_eq!(out.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        out
    }

    async fn json(&self, args: &[&str]) -> Value {
        let out = self.ok(&[args, &["--format", "json"]].concat()).await;
        serde_json::from_slice(&out.stdout).unwrap()
    }

    async fn serve(&self, args: &[&str]) -> Server {
        let mut command = self.command(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let told = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let via = tokio::task::spawn_blocking(move || {
            let via = said.by_ref().map(Result::unwrap).find_map(|line| {
                let (_, rest) = line.split_once("taking deliveries at ")?;
                Some(rest.split(';').next()?.to_owned())
            });
            // Somebody has to read the rest.
            std::thread::spawn(move || said.for_each(drop));
            via.unwrap()
        });
        Server { child, told: Some(told), via: via.await.unwrap() }
    }
}

struct Server {
    child: Child,
    told: Option<Lines<BufReader<ChildStdout>>>,
    via: String,
}

impl Server {
    /// The next event on stdout.
    async fn event(&mut self) -> Value {
        let mut told = self.told.take().unwrap();
        let (line, told) = tokio::task::spawn_blocking(move || {
            let line = told.next().unwrap().unwrap();
            (line, told)
        })
        .await
        .unwrap();
        self.told = Some(told);
        serde_json::from_str(&line).unwrap()
    }

    /// Asks it to stop, and gives what it still told.
    async fn stop(mut self) -> Vec<String> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let told = self.told.take().unwrap();
        let rest = tokio::task::spawn_blocking(move || told.map(Result::unwrap).collect());
        let rest = rest.await.unwrap();
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Also when the test has failed; one that has ended is no mistake.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_becomes_an_event_and_a_wrong_one_does_not() {
    let world = World::new().await;
    let set = ["--set", "repository=octocat/hello-world", "--set", "event=issue_opened"];
    let hook = world.json(&[&["hook", "register", "work"][..], &set].concat()).await;
    let id = hook["id"].as_str().unwrap();
    let mut server = world.serve(&["--stdout"]).await;

    let via = server.via.clone();
    let send = ["hook", "send", "github.issue_opened", "--hook", id, "--via", &via, "--id", "first"];
    world.ok(&send).await;
    let event = server.event().await;
    assert_eq!((&event["type"], &event["connection"]), (&json!("github.issue_opened"), &json!("work")));
    assert_eq!(event["source"], hook["id"]);
    assert!(event["id"].as_str().unwrap().starts_with("evt_"), "{event}");
    assert!(event["data"]["issue"].is_object(), "{event}");

    for wrong in ["unsigned", "key", "tampered"] {
        let out = world.run(&[&send[..], &["--wrong", wrong]].concat()).await;
        assert_eq!(out.status.code(), Some(3), "{wrong}");
        assert!(String::from_utf8_lossy(&out.stderr).contains("401"), "{out:?}");
    }
    world.ok(&send).await;
    world.ok(&["hook", "send", "github.pushed", "--hook", id, "--via", &via, "--id", "second"]).await;
    let event = server.event().await;
    assert_eq!(event["type"], "github.pushed", "the first was not told again");
    assert_eq!(server.stop().await, [""; 0]);

    let listed = world.json(&["hook", "deliveries", "--hook", id]).await;
    let of =
        |key: &str| listed.as_array().unwrap().iter().map(|entry| entry[key].clone()).collect::<Vec<_>>();
    assert_eq!(
        (of("identity"), of("state")),
        (vec![json!("second"), json!("first")], vec![json!("done"); 2])
    );

    let number = of("number")[1].to_string();
    let shown = world.ok(&["hook", "show", &number]).await;
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["body"]["action"], "opened");
    assert!(!shown.to_string().contains("x-hub-signature"), "{shown}");

    world.ok(&["hook", "replay", &number]).await;
    let mut server = world.serve(&["--stdout"]).await;
    assert_eq!(server.event().await["type"], "github.issue_opened", "again");
    server.stop().await;

    world.ok(&["hook", "deregister", id]).await;
    let server = world.serve(&["--stdout"]).await;
    let via = server.via.clone();
    let off = world.run(&["hook", "send", "github.issue_opened", "--hook", id, "--via", &via]).await;
    assert_eq!(off.status.code(), Some(2), "{off:?}");
    server.stop().await;
    assert_eq!(world.json(&["hook", "purge", "--state", "done"]).await, json!({ "purged": 2 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_is_said_at_once() {
    let world = World::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let out = world.run(&["serve", "--listen", &at]).await;
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("--listen"), "{out:?}");

    let short = world.folder.path().join("short.key");
    std::fs::write(&short, "short").unwrap();
    let short = short.display().to_string();
    let forward = ["--forward", "https://app.example/in", "--forward-key", &short];
    let out = world.run(&[&["serve", "--listen", "127.0.0.1:0"][..], &forward].concat()).await;
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("24 bytes"), "{out:?}");
}
