//! Several processes on one store, some of which die.
//!
//! The others are this binary once more, with one of the tests below that are ignored otherwise.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use linchpin::DateTime;
use linchpin_host::{
    store::{ConnectionStore, Failure, Lease, Sqlite},
    vault::{KeySource, Vault},
};

use super::{
    home::Home,
    sample::{at, connection, grant},
};

const PLACE: &str = "LINCHPIN_TEST_STORE";

const HOUR: Duration = Duration::from_secs(3600);

/// What a process says begins with this; the rest is the test harness's.
const SAYS: &str = "says ";

struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(what: &str, place: &str) -> Process {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", &format!("process::{what}"), "--include-ignored", "--nocapture"])
            .env(PLACE, place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Process { child, lines }
    }

    /// What it says next; `None` when it has ended.
    fn next(&mut self) -> Option<String> {
        // The harness may have begun the line.
        self.lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| line.split_once(SAYS).map(|(_, said)| said.to_owned()))
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        assert!(!self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Also when the test has failed; one that has ended is no mistake.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(what: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{SAYS}{what}").unwrap();
    out.flush().unwrap();
}

/// Waits until the parent has gone or lets go.
fn wait() {
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn place() -> String {
    env::var(PLACE).expect("run by the tests of several processes only")
}

/// A clock that is an hour ahead.
fn later() -> DateTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + HOUR;
    DateTime::from_unix_millis(i64::try_from(since.as_millis()).unwrap()).unwrap()
}

#[tokio::test]
#[ignore = "a process of its own"]
async fn takes_a_lease() {
    let store = linchpin_host::store::open(&place()).await.unwrap();
    say(format!("{:?}", store.grant_lease("it", 1, "dies", HOUR).await.unwrap()));
    wait();
}

#[tokio::test]
#[ignore = "a process of its own"]
async fn swaps_for_ever() {
    let store = linchpin_host::store::open(&place()).await.unwrap();
    for generation in 1.. {
        assert!(store.grant_swap("it", generation, grant("it")).await.unwrap());
        say(generation + 1);
    }
}

#[tokio::test]
#[ignore = "a process of its own"]
async fn opens_a_fresh_store() {
    let place = place();
    say("ready");
    wait();
    let store = linchpin_host::store::open(&place).await.unwrap();
    let vault = Vault::unlock(&*store, KeySource::beside(Path::new(&place))).await.unwrap();
    say(if vault.made().is_some() { "made" } else { "found" });
}

#[tokio::test]
async fn the_lease_of_a_killed_process_is_taken_over() {
    let home = Home::sqlite();
    let store = home.open().await;
    store.connection_add(connection("it"), Some(grant("it"))).await.unwrap();
    let mut process = Process::start("takes_a_lease", &home.place());
    assert_eq!(process.next().as_deref(), Some("Taken { abandoned: false }"));
    assert!(matches!(store.grant_lease("it", 1, "heir", HOUR).await.unwrap(), Lease::Held(_)));
    process.kill();
    // Nobody can know yet that it is dead.
    assert!(matches!(store.grant_lease("it", 1, "heir", HOUR).await.unwrap(), Lease::Held(_)));
    let store = Sqlite::with_clock(home.place(), later).unwrap();
    let taken = store.grant_lease("it", 1, "heir", HOUR).await.unwrap();
    assert_eq!(taken, Lease::Taken { abandoned: true });
    assert!(!store.grant_fail("it", 1, "dies", Failure::RetryAt(at(9))).await.unwrap());
    assert!(store.grant_swap("it", 1, grant("it")).await.unwrap());
}

#[tokio::test]
async fn what_a_killed_process_was_told_to_be_done_is_there() {
    for last in [1, 7, 20] {
        let home = Home::sqlite();
        home.open().await.connection_add(connection("it"), Some(grant("it"))).await.unwrap();
        let mut process = Process::start("swaps_for_ever", &home.place());
        let mut told: u64 = 0;
        for _ in 0..last {
            told = process.next().unwrap().parse().unwrap();
        }
        process.kill();
        // More may have been said before it died; the last word may be cut.
        while let Some(said) = process.next() {
            told = said.parse().map_or(told, |said: u64| said.max(told));
        }
        let found = home.open().await.grant("it").await.unwrap().unwrap().generation;
        assert!(found == told || found == told + 1, "told {told}, found {found}");
    }
}

#[tokio::test]
async fn processes_that_open_a_fresh_store_at_once_agree_on_its_key() {
    let home = Home::sqlite();
    let mut processes: Vec<_> =
        (0..4).map(|_| Process::start("opens_a_fresh_store", &home.place())).collect();
    for process in &mut processes {
        assert_eq!(process.next().as_deref(), Some("ready"));
    }
    for process in &mut processes {
        drop(process.child.stdin.take());
    }
    let mut said: Vec<_> = processes.iter_mut().map(|process| process.next().unwrap()).collect();
    said.sort();
    assert_eq!(said, ["found", "found", "found", "made"]);
    for process in &mut processes {
        assert!(process.child.wait().unwrap().success());
    }
}
