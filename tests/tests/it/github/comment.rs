use linchpin::Code;
use serde_json::{Value, json};

use super::{HERE, World};

#[tokio::test]
async fn a_comment_is_written_changed_and_deleted() {
    let world = World::new().await;
    let new = json!({ "repository": HERE, "number": 3, "body": "Me too" });
    let comment = world.run("create_comment", new).await.unwrap();
    assert_eq!((&comment["body"], &comment["user"]["login"]), (&json!("Me too"), &json!("octocat")));

    let change = json!({ "repository": HERE, "comment": comment["id"], "body": "Solved" });
    assert_eq!(world.run("update_comment", change).await.unwrap()["body"], "Solved");

    let on_issue = json!({ "repository": HERE, "number": 3 });
    let comments = world.run("list_comments", on_issue.clone()).await.unwrap();
    assert_eq!((comments.as_array().unwrap().len(), &comments[0]["body"]), (1, &json!("Solved")));

    let delete = json!({ "repository": HERE, "comment": comment["id"] });
    assert_eq!(world.run("delete_comment", delete.clone()).await.unwrap(), Value::Null);
    assert_eq!(world.run("list_comments", on_issue).await.unwrap(), json!([]));
    assert_eq!(world.run("delete_comment", delete).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_blank_comment_is_refused_in_githubs_words() {
    let world = World::new().await;
    let blank = json!({ "repository": HERE, "number": 3, "body": " " });
    let error = world.run("create_comment", blank).await.unwrap_err();
    assert_eq!(error.code(), Code::Rejected);
    assert!(error.message().ends_with("422: Validation Failed"), "{error}");
    assert_eq!((error.details().status, error.details().service_code), (Some(422), Some("missing_field")));
}
