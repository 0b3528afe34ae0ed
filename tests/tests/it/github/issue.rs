use linchpin::Code;
use linchpin_github::mock::ISSUES;
use serde_json::json;

use super::{HERE, World};

#[tokio::test]
async fn an_opened_issue_is_there_afterwards() {
    let world = World::new().await;
    let new = json!({
        "repository": HERE,
        "title": "Crash",
        "body": "Every time.",
        "labels": ["bug"],
        "assignees": ["hubot"],
    });
    let issue = world.run("create_issue", new).await.unwrap();
    assert_eq!((&issue["number"], &issue["state"]), (&json!(ISSUES + 1), &json!("open")));
    let body = json!({ "title": "Crash", "body": "Every time.", "labels": ["bug"], "assignees": ["hubot"] });
    assert_eq!(world.last_body(), body, "the repository stands in the path, not in the body");

    let found =
        world.run("get_issue", json!({ "repository": HERE, "number": issue["number"] })).await.unwrap();
    assert_eq!(found, issue);
    assert_eq!(found["assignees"][0]["login"], "hubot");
    let listed = world.run("list_issues", json!({ "repository": HERE })).await.unwrap();
    assert_eq!(listed[0], issue, "the newest comes first");
    assert_eq!(world.github.issue_titles()[ISSUES], "Crash");
}

#[tokio::test]
async fn an_issue_is_closed_with_a_reason_and_opened_again() {
    let world = World::new().await;
    let closed = json!({ "repository": HERE, "number": 3, "state": "closed", "state_reason": "not_planned" });
    let issue = world.run("update_issue", closed).await.unwrap();
    assert_eq!((&issue["state"], &issue["state_reason"]), (&json!("closed"), &json!("not_planned")));
    assert!(issue["closed_at"].is_string());
    assert_eq!(world.last_body(), json!({ "state": "closed", "state_reason": "not_planned" }));

    let open = json!({ "repository": HERE, "number": 3, "state": "open", "title": "Again" });
    let issue = world.run("update_issue", open).await.unwrap();
    assert_eq!((&issue["state"], &issue["title"]), (&json!("open"), &json!("Again")));
    assert!(issue.get("closed_at").is_none());
}

#[tokio::test]
async fn labels_are_added_once() {
    let world = World::new().await;
    let add = json!({ "repository": HERE, "number": 3, "labels": ["bug", "help wanted"] });
    for _ in 0..2 {
        let labels = world.run("add_labels", add.clone()).await.unwrap();
        let names: Vec<_> = labels.as_array().unwrap().iter().map(|label| &label["name"]).collect();
        assert_eq!(names, ["bug", "help wanted"]);
    }
}

#[tokio::test]
async fn an_author_that_is_gone_is_left_out() {
    let world = World::new().await;
    let issue = world.run("get_issue", json!({ "repository": HERE, "number": 12 })).await.unwrap();
    assert_eq!((issue.get("user"), &issue["state"]), (None, &json!("closed")));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new().await;
    for (flow, input) in [
        ("get_issue", json!({ "repository": HERE, "number": 9999 })),
        ("get_issue", json!({ "repository": "octocat/nothing", "number": 1 })),
        ("get_repository", json!({ "repository": "nobody/nothing" })),
        ("list_issues", json!({ "repository": "octocat/nothing" })),
    ] {
        let error = world.run(flow, input).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound, "{flow}");
        assert!(error.message().ends_with("404: Not Found"), "{flow}: {error}");
    }
}

#[tokio::test]
async fn a_repository_is_an_owner_and_a_name() {
    let world = World::new().await;
    for wrong in ["hello-world", "octocat/", "/hello-world", "octocat/hello-world/issues", ""] {
        let error = world.run("get_repository", json!({ "repository": wrong })).await.unwrap_err();
        assert_eq!(error.code(), Code::InputInvalid, "{wrong}");
        let told = format!("{error} {:?}", error.details().violations);
        assert!(wrong.is_empty() || told.contains("octocat/hello-world"), "{told}");
    }
    let error = world.run("get_repository", json!({ "repository": "../.." })).await.unwrap_err();
    assert_eq!(error.code(), Code::PathInvalid);
    assert_eq!(world.requests(), [""; 0]);
}
