use linchpin::{Code, Error, Input, Records};
use linchpin_github::{
    issue::{IssueFilter, ListIssues, list_issues},
    mock::{CLOSED, COMMENTS, ISSUES, PULL_REQUESTS, RELEASES, REPOSITORIES},
};
use serde_json::{Value, json};
use wiremock::{Mock, ResponseTemplate, matchers};

use super::{HERE, World};

/// Every list over three pages: each record once, and no request beyond the third.
#[tokio::test]
async fn lists_go_over_three_pages() {
    for (flow, input, path, count) in [
        ("list_repositories", json!({}), "/user/repos", REPOSITORIES),
        (
            "list_issues",
            json!({ "repository": HERE, "state": "all", "pull_requests": true }),
            "/repos/octocat/hello-world/issues",
            ISSUES,
        ),
        (
            "list_comments",
            json!({ "repository": HERE, "number": 2 }),
            "/repos/octocat/hello-world/issues/2/comments",
            COMMENTS,
        ),
        ("list_releases", json!({ "repository": HERE }), "/repos/octocat/hello-world/releases", RELEASES),
        ("search_issues", json!({ "query": "is:issue bug" }), "/search/issues", ISSUES - PULL_REQUESTS),
        ("search_repositories", json!({ "query": "user:octocat" }), "/search/repositories", REPOSITORIES),
    ] {
        let world = World::new().await;
        let records = world.run(flow, input).await.unwrap();
        let mut ids: Vec<_> =
            records.as_array().unwrap().iter().map(|record| record["id"].as_u64().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "{flow}");
        assert_eq!(world.requests(), vec![format!("GET {path}"); 3], "{flow}");
    }
}

fn all_open() -> ListIssues {
    ListIssues {
        repository: HERE.parse().unwrap(),
        state: Some(IssueFilter::Open),
        labels: None,
        assignee: None,
        since: None,
        pull_requests: false,
        sort: None,
        direction: None,
    }
}

#[tokio::test]
async fn pull_requests_are_left_out_unless_asked_for() {
    let world = World::new().await;
    let open = world.run("list_issues", json!({ "repository": HERE })).await.unwrap();
    assert_eq!(open.as_array().unwrap().len(), ISSUES - CLOSED - PULL_REQUESTS);
    assert!(open.as_array().unwrap().iter().all(|issue| issue.get("pull_request").is_none()));
}

#[tokio::test]
async fn a_list_asks_for_no_more_pages_than_are_read() {
    let world = World::new().await;
    let issues: Records<_> = list_issues(world.context(), Input(all_open())).await.unwrap();
    let first = issues.take(3).await.unwrap();
    assert_eq!(first.iter().map(|issue| issue.number).collect::<Vec<_>>(), [239, 238, 237]);
    assert_eq!(world.requests().len(), 1);
}

#[tokio::test]
async fn filters_reach_github() {
    let world = World::new().await;
    let input = json!({
        "repository": HERE,
        "state": "closed",
        "labels": ["bug", "help wanted"],
        "assignee": "*",
        "since": "2026-03-01T10:00:00+01:00",
        "sort": "updated",
        "direction": "asc",
    });
    world.run("list_issues", input).await.unwrap();
    let seen = &world.server.received_requests().await.unwrap()[0];
    let mut query: Vec<_> = seen.url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect();
    query.sort();
    let expected = [
        "assignee=*",
        "direction=asc",
        "labels=bug,help wanted",
        "per_page=100",
        "since=2026-03-01T09:00:00Z",
        "sort=updated",
        "state=closed",
    ];
    assert_eq!(query, expected);
    let header = |name: &str| seen.headers[name].to_str().unwrap();
    assert_eq!(
        (header("accept"), header("x-github-api-version")),
        ("application/vnd.github+json", "2022-11-28")
    );
}

#[tokio::test]
async fn a_query_that_github_refuses_says_why() {
    let world = World::new().await;
    let error = world.run("search_issues", json!({ "query": "bug" })).await.unwrap_err();
    assert_eq!(error.code(), Code::Rejected);
    assert!(error.message().ends_with("Query must include 'is:issue' or 'is:pull-request'"), "{error}");
}

async fn failing_second_page(answer: ResponseTemplate, times: u64) -> (Vec<u64>, Error) {
    let world = World::new().await;
    let second = Mock::given(matchers::query_param("page", "2")).respond_with(answer).expect(times);
    second.with_priority(2).mount(&world.server).await;
    let mut issues = list_issues(world.context(), Input(all_open())).await.unwrap();
    let mut numbers = Vec::new();
    loop {
        match issues.next().await {
            Ok(issue) => numbers.push(issue.unwrap().number),
            Err(error) => return (numbers, error),
        }
    }
}

#[tokio::test]
async fn a_list_that_breaks_has_given_what_came_before() {
    let (numbers, error) = failing_second_page(ResponseTemplate::new(502), 4).await;
    assert_eq!(error.code(), Code::ServiceFailed);
    assert!(numbers.len() > 80 && numbers.windows(2).all(|pair| pair[0] > pair[1]));
}

#[tokio::test]
async fn a_page_with_a_wrong_record_says_where() {
    let page = json!([{ "id": "seven" }]);
    let (_, error) = failing_second_page(ResponseTemplate::new(200).set_body_json::<Value>(page), 1).await;
    assert_eq!(error.code(), Code::ResponseMalformed);
    assert!(error.message().contains("`/0/id`"), "{error}");
}
