//! The `linchpin` binary as people and scripts use it.

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use linchpin_github::mock::{Fault, Github, TOKEN};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The built binary: cargo gives a test its own package's binaries only, so it is built here, once.
pub(crate) fn linchpin() -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let program = BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--offline", "--package", "linchpin-app", "--message-format=json"]);
        let out = build.current_dir(root()).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let lines = String::from_utf8(out.stdout).unwrap();
        let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut programs = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
        programs.next_back().unwrap()
    });
    let mut command = Command::new(program);
    command.env_clear();
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a flow against a mock, outside the executor that serves it.
async fn run(github: &Github, args: &[&str]) -> Output {
    let mut command = linchpin();
    command.args(["run", "--base-url", &github.uri()]).args(args).env("LINCHPIN_GITHUB_TOKEN", TOKEN);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[test]
fn the_tour_works_and_notices_a_broken_step() {
    let out = linchpin().arg("tour").output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stdout));
    assert!(text(&out.stdout).contains("Every step worked"), "{}", text(&out.stdout));
    for request in ["GET /user", "POST /credentials/revoke", "GET /repos/octocat/hello-world/issues"] {
        let out = linchpin().args(["tour", "--break", request]).output().unwrap();
        assert_eq!(out.status.code(), Some(1), "{request}: {}", text(&out.stdout));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_prints_its_result_on_stdout() {
    let github = Github::start().await;
    let input = ["--set", "repository=octocat/hello-world", "--set", "title=5"];
    let out = run(&github, &[&["github.create_issue"], &input[..]].concat()).await;
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let issue: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(issue["title"], "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_an_array_or_lines() {
    let github = Github::start().await;
    let list = ["github.list_issues", "--set", "repository=octocat/hello-world", "--set", "state=all"];
    let out = run(&github, &list).await;
    let array: Vec<Value> = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(array.len(), 200);
    assert!(text(&out.stderr).contains("there are more"), "{}", text(&out.stderr));
    let out = run(&github, &[&list[..], &["--stream", "--limit", "7", "--trace"]].concat()).await;
    assert_eq!(text(&out.stdout).lines().count(), 7);
    assert!(text(&out.stderr).contains("GET "), "{}", text(&out.stderr));
    assert!(!text(&out.stderr).contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_breaks_off_is_read_on() {
    let github = Github::start().await;
    let list = ["run", "github.list_issues", "--set", "repository=octocat/hello-world", "--stream"];
    let one = run(&github, &[&list[1..], &["--limit", "1"]].concat()).await;
    let issues = format!("[{}]", text(&one.stdout));

    let server = MockServer::start().await;
    let next = format!("<{}/next>; rel=\"next\"", server.uri());
    let page =
        |link: &str| ResponseTemplate::new(200).set_body_string(issues.clone()).insert_header("link", link);
    let refused = ResponseTemplate::new(403);
    Mock::given(matchers::path("/next")).respond_with(refused).up_to_n_times(1).mount(&server).await;
    Mock::given(matchers::path("/next")).respond_with(page("")).mount(&server).await;
    Mock::given(matchers::any()).respond_with(page(&next)).mount(&server).await;
    let uri = server.uri();
    let run = async |more: &[&str]| {
        let mut command = linchpin();
        command.args(list).args(["--base-url", &uri]).args(more).env("LINCHPIN_GITHUB_TOKEN", TOKEN);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let broken = run(&[]).await;
    assert_eq!(broken.status.code(), Some(1));
    assert_eq!(broken.stdout, one.stdout, "what came before is written");
    let told = text(&broken.stderr);
    let position = format!("{uri}/next");
    assert!(told.contains(&format!("`--resume-from '{position}'` reads on from there")), "{told}");
    let rest = run(&["--resume-from", &position]).await;
    assert_eq!((rest.status.code(), &rest.stdout), (Some(0), &one.stdout), "{}", text(&rest.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing() {
    let github = Github::start().await;
    let before = github.issue_titles().len();
    let write =
        ["github.create_issue", "--set", "repository=octocat/hello-world", "--set", "title=x", "--dry-run"];
    let out = run(&github, &write).await;
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(out.stdout.is_empty());
    let told = text(&out.stderr);
    assert!(told.contains("POST ") && told.contains("\"title\":\"x\"") && !told.contains(TOKEN), "{told}");
    assert_eq!(github.issue_titles().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_who_failed() {
    let github = Github::start().await;
    let code = |out: &Output| out.status.code().unwrap();
    let invalid = run(&github, &["github.create_issue", "--format", "json"]).await;
    assert_eq!(code(&invalid), 1);
    let error: Value = serde_json::from_slice(&invalid.stderr).unwrap();
    assert_eq!(error["error"]["code"], "LP501");
    assert_eq!(error["error"]["violations"].as_array().unwrap().len(), 2, "{error}");
    assert_eq!(code(&run(&github, &["github.nothing"]).await), 2);
    assert_eq!(code(&run(&github, &["github.authping", "--input", "/nowhere"]).await), 2);
    let missing = ["github.get_repository", "--set", "repository=octocat/nothing"];
    assert_eq!(code(&run(&github, &missing).await), 1);
    github.break_on("GET /user", Fault::ServerError);
    assert_eq!(code(&run(&github, &["github.authping"]).await), 3);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut unreachable = linchpin();
    unreachable.args(["run", "github.authping", "--base-url", &format!("http://{closed}")]);
    let out = unreachable.env("LINCHPIN_GITHUB_TOKEN", TOKEN).output().unwrap();
    assert_eq!(code(&out), 3, "{}", text(&out.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told() {
    let server = MockServer::start().await;
    let busy = ResponseTemplate::new(503).insert_header("retry-after", "1");
    Mock::given(matchers::any()).respond_with(busy).up_to_n_times(1).mount(&server).await;
    let user = ResponseTemplate::new(200).set_body_json(
        json!({ "id": 1, "login": "octocat", "type": "User", "html_url": "https://github.com/octocat" }),
    );
    Mock::given(matchers::any()).respond_with(user).mount(&server).await;
    let mut command = linchpin();
    command.args(["run", "github.authping", "--base-url", &server.uri()]).env("LINCHPIN_GITHUB_TOKEN", TOKEN);
    let out = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("the next request is sent in 2 s"), "{}", text(&out.stderr));
}

#[test]
fn every_code_is_listed_and_explained() {
    let out = linchpin().args(["explain", "--format", "json"]).output().unwrap();
    let codes: Vec<Value> = serde_json::from_slice(&out.stdout).unwrap();
    assert!(codes.len() > 100);
    for entry in [&codes[0], &codes[codes.len() - 1]] {
        assert!(entry["severity"].is_string() && entry["summary"].is_string());
        let out = linchpin().args(["explain", entry["code"].as_str().unwrap()]).output().unwrap();
        assert!(out.status.success() && text(&out.stdout).len() > 40);
    }
    assert_eq!(linchpin().args(["explain", "LP999"]).output().unwrap().status.code(), Some(2));
}

/// With `--format json` stdout holds one JSON value, or nothing after a failure, and every line of stderr is one.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_speaks_json() {
    let github = Github::start().await;
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("tracker");
    let made = made.to_str().unwrap();
    let here = ["--set", "repository=octocat/hello-world"];
    for (code, args) in [
        (0, &["describe"][..]),
        (0, &["describe", "github"]),
        (0, &["describe", "github.create_issue"]),
        (0, &["describe", "stripe"]),
        (2, &["describe", "gitub"]),
        (0, &["explain"]),
        (0, &["explain", "LP101"]),
        (2, &["explain", "LP999"]),
        (0, &["completions", "bash"]),
        (2, &["completions", "dos"]),
        (0, &["new", "tracker", "--dir", made]),
        (2, &["new", "tracker", "--dir", made]),
        (2, &["new", "Bad-Key"]),
        (2, &["run"]),
        (2, &["desribe"]),
        (0, &[&["run", "github.list_issues", "--limit", "3", "--trace"], &here[..]].concat()),
        (0, &[&["run", "github.create_issue", "--set", "title=x", "--dry-run"], &here[..]].concat()),
        (0, &["run", "github.deregister", "--registered", "-"]),
        (1, &["run", "github.create_issue"]),
        (2, &["run", "github.authping", "--deadline", "5"]),
    ] {
        let mut command = linchpin();
        command.args(args).args(["--format", "json"]).env("LINCHPIN_GITHUB_TOKEN", TOKEN);
        if args[0] == "run" && args.len() > 1 {
            command.args(["--base-url", &github.uri()]);
        }
        let out = tokio::task::spawn_blocking(move || {
            fed(command, br#"{"repository":"octocat/hello-world","id":7}"#)
        });
        let out = out.await.unwrap();
        assert_eq!(out.status.code(), Some(code), "{args:?}: {}", text(&out.stderr));
        match code {
            0 => {
                let read = serde_json::from_slice::<Value>(&out.stdout);
                assert!(read.is_ok(), "{args:?}: {}", text(&out.stdout));
            }
            _ => assert!(out.stdout.is_empty(), "{args:?}"),
        }
        for line in text(&out.stderr).lines() {
            let line: Value = serde_json::from_str(line).expect(line);
            assert_eq!(line["error"].is_object(), code != 0, "{args:?}: {line}");
        }
    }
}

/// Runs a command with something on stdin.
fn fed(mut command: Command, input: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that reads nothing may be gone already.
    drop(child.stdin.take().unwrap().write_all(input));
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_and_a_trace_are_json_where_that_is_asked_for() {
    let github = Github::start().await;
    let here = ["--set", "repository=octocat/hello-world", "--format", "json"];
    let out =
        run(&github, &[&["github.create_issue", "--set", "title=x", "--dry-run"], &here[..]].concat()).await;
    let planned: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(
        (&planned["planned"]["method"], &planned["planned"]["body"]),
        (&"POST".into(), &r#"{"title":"x"}"#.into())
    );
    assert_eq!(planned["planned"]["headers"]["authorization"], "***");
    let out = run(&github, &[&["github.get_repository", "--trace"], &here[..]].concat()).await;
    let line: Value = serde_json::from_slice(&out.stderr).unwrap();
    assert_eq!(
        (&line["request"]["method"], &line["request"]["status"]),
        (&"GET".into(), &200.into()),
        "{line}"
    );
}

#[test]
fn whoever_has_seen_enough_is_no_failure() {
    let mut command = linchpin();
    // More than a pipe holds.
    command.args(["describe", "github", "--format", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!((out.status.code(), text(&out.stderr)), (Some(0), String::new()));
}

#[test]
fn wrong_arguments_are_told_with_their_remedy() {
    let told = |args: &[&str]| {
        let out = linchpin().args(args).output().unwrap();
        assert_eq!(out.status.code(), Some(2), "{args:?}: {}", text(&out.stderr));
        text(&out.stderr)
    };
    assert!(told(&["run", "github.nothing_like_it"]).contains("`linchpin describe github` lists them all"));
    assert!(told(&["run", "github.list_isues"]).contains("did you mean `list_issues`?"));
    assert!(told(&["desribe"]).contains("'describe'"));
    let mut command = linchpin();
    command.args(["run", "github.authping", "--base-url", "nonsense"]).env("LINCHPIN_GITHUB_TOKEN", TOKEN);
    let out = command.output().unwrap();
    assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("write one such as `http://127.0.0.1:8080`"), "{}", text(&out.stderr));
}

#[test]
fn manifests_fit_their_published_schema() {
    let schema: Value = serde_json::from_str(&linchpin_manifest::schema::manifest()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let text = std::fs::read_to_string(root().join("specs/github.manifest.json")).unwrap();
    linchpin_manifest::manifest::verify_digest(&text).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let problems: Vec<String> = schema.iter_errors(&manifest).map(|problem| problem.to_string()).collect();
    assert_eq!(problems, [""; 0]);
}
