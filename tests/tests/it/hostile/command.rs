//! The same through the `linchpin` binary: how it ends, what it says, and in how much memory.

#![cfg(target_os = "linux")]

use std::process::{Command, Output};

use super::server::{Answer, Server, json, says, to, whole};
use crate::command::linchpin;

const TOKEN: &str = "ghp_t0k3n";

const PING: &[&str] = &["github.authping"];
const LIST: &[&str] =
    &["github.list_comments", "--set", "repository=octocat/hello-world", "--set", "number=1", "--stream"];
const WRITE: &[&str] =
    &["github.create_issue", "--set", "repository=octocat/hello-world", "--set", "title=Hello"];

/// A command, what the service does, the exit code, and words of what is said on stderr.
struct Case {
    args: &'static [&'static str],
    answers: Vec<Answer>,
    code: i32,
    says: &'static [&'static str],
    /// How many lines there are on stdout.
    lines: usize,
}

fn case(
    args: &'static [&'static str],
    answers: Vec<Answer>,
    code: i32,
    says: &'static [&'static str],
) -> Case {
    Case { args, answers, code, says, lines: 0 }
}

fn cases() -> Vec<Case> {
    let page = |next: &str| {
        let comment = "{\"id\":1,\"html_url\":\"x\",\"created_at\":\"2026-01-01T00:00:00Z\",\"updated_at\":\"2026-01-01T00:00:00Z\"}";
        whole("200 OK", &format!("link: <{next}>; rel=\"next\"\r\n"), &format!("[{comment},{comment}]"))
    };
    vec![
        // Nothing of these is kept in memory beyond a limit.
        case(
            PING,
            vec![says("HTTP/1.1 200 OK\r\n\r\n").repeats("{\"id\":1}")],
            3,
            &["LP513", "`http.limits.body`"],
        ),
        case(
            PING,
            vec![says("HTTP/1.1 200 OK\r\n").repeats("x: y\r\n")],
            3,
            &["LP513", "the head of the answer"],
        ),
        case(
            PING,
            vec![says("HTTP/1.1 200 OK\r\nx: ").repeats("y")],
            3,
            &["LP513", "the head of the answer"],
        ),
        case(PING, vec![json(&"[".repeat(10_000_000))], 3, &["LP514", "is not what the flow expects"]),
        // Nor is the token told, or the terminal given orders.
        case(PING, vec![to("{elsewhere}/user")], 1, &["LP506", "not at a public address"]),
        case(PING, vec![to("http://[\u{9b}2J")], 3, &["LP514", "`http://[ 2J`"]),
        case(
            PING,
            vec![whole("400 Bad", "", "{\"message\":\"\\u001b]0;evil\\u0007 ghp_t0k3n\"}")],
            1,
            &["LP523", "0;evil ***"],
        ),
        case(
            PING,
            vec![json(&format!("\"\\u001b[2J{}\"", "x".repeat(1_000_000)))],
            3,
            &["LP514", "at the root"],
        ),
        case(PING, vec![says("SSH-2.0-OpenSSH_9.9\r\n")], 3, &["LP514", "is not HTTP", "a proxy"]),
        // What has come of a list is given, and that it is not all is told.
        Case {
            lines: 4,
            ..case(
                LIST,
                vec![page("/b"), page("/c"), json("{}")],
                3,
                &["LP514", "is not what the flow expects"],
            )
        },
        Case {
            lines: 4,
            ..case(LIST, vec![page("/b"), page("{elsewhere}/c")], 3, &["LP531", "position: http://"])
        },
        // Nobody knows what has come of a write.
        case(
            WRITE,
            vec![Answer::default().resets()],
            3,
            &["LP510", "look at the service whether it has happened"],
        ),
        case(
            WRITE,
            vec![says("HTTP/1.1 201 Created\r\ncontent-length: 99\r\n\r\n{").closes()],
            3,
            &["LP510", "it was not sent again"],
        ),
    ]
}

/// Runs the binary with so much memory as it needs for an answer of the usual limit, and not much more.
async fn run(uri: &str, args: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 500000; exec \"$0\" \"$@\""]).arg(linchpin().get_program());
    command.args(["run", "--base-url", uri]).args(args).env_clear().env("LINCHPIN_GITHUB_TOKEN", TOKEN);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_ends_with_an_error_that_says_what_to_do() {
    let elsewhere = Server::start(Answer::default(), Vec::new(), "").await;
    for case in cases() {
        let server = Server::start(Answer::default(), case.answers, &elsewhere.origin).await;
        let out = run(&server.origin, case.args).await;
        let (told, stdout) = (String::from_utf8(out.stderr).unwrap(), String::from_utf8(out.stdout).unwrap());
        assert_eq!(out.status.code(), Some(case.code), "{told}");
        assert!(case.says.iter().all(|words| told.contains(words)), "{:?}: {told}", case.says);
        assert!(!told.contains(TOKEN) && told.len() < 5000, "{told}");
        assert!(!told.chars().any(|letter| letter.is_control() && letter != '\n'), "{told:?}");
        assert_eq!(stdout.lines().count(), case.lines, "{stdout}");
    }
    assert_eq!(elsewhere.connections(), 0);
}
