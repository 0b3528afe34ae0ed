//! A list of any length through the `linchpin` binary, in little memory.

#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
    sync::{Arc, Mutex, OnceLock},
};

use serde_json::json;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers};

use crate::command::linchpin;

const PAGES: usize = 200;
const PER_PAGE: usize = 100;

/// The most memory that a process has had so far, in KiB.
fn peak(process: u32) -> usize {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
    peak.unwrap().parse().unwrap()
}

fn page(number: usize) -> serde_json::Value {
    (0..PER_PAGE)
        .map(|index| {
            json!({
                "id": number * PER_PAGE + index,
                "html_url": "https://github.example/1",
                "body": "x".repeat(1000),
                "created_at": "2026-01-01T00:00:00Z",
                "updated_at": "2026-01-01T00:00:00Z",
            })
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_number_of_records() {
    let server = MockServer::start().await;
    let (process, peaks) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(Vec::new())));
    let answer = {
        let (process, peaks, uri) = (process.clone(), peaks.clone(), server.uri());
        move |request: &Request| {
            // It waits for its answer, so that it is there to be looked at.
            peaks.lock().unwrap().push(peak(*process.wait()));
            let asked = request.url.query_pairs().find(|(name, _)| name == "page");
            let number: usize = asked.map_or(1, |(_, number)| number.parse().unwrap());
            let answer = ResponseTemplate::new(200).set_body_json(page(number));
            if number == PAGES {
                return answer;
            }
            answer.insert_header(
                "link",
                format!("<{uri}{}?page={}>; rel=\"next\"", request.url.path(), number + 1),
            )
        }
    };
    Mock::given(matchers::method("GET")).respond_with(answer).mount(&server).await;
    let mut command = linchpin();
    command.args(["run", "github.list_comments", "--set", "repository=o/r", "--set", "number=1", "--stream"]);
    command.args(["--base-url", &server.uri()]).env("LINCHPIN_GITHUB_TOKEN", "t0k3n");
    let count = tokio::task::spawn_blocking(move || {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        process.set(child.id()).unwrap();
        let count = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).count();
        assert!(child.wait().unwrap().success());
        count
    });
    assert_eq!(count.await.unwrap(), PAGES * PER_PAGE);
    let peaks = peaks.lock().unwrap();
    let grown = peaks[PAGES - 1] - peaks[PAGES / 10];
    assert!(grown < 4096, "{grown} KiB more for {} MB of records: {peaks:?}", PAGES * PER_PAGE / 1000);
}
