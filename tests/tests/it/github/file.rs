use linchpin::{Code, value::base64};
use linchpin_github::mock::{LARGE, README};
use serde_json::{Value, json};

use super::{HERE, World};

fn at(path: &str) -> Value {
    json!({ "repository": HERE, "path": path })
}

#[tokio::test]
async fn a_text_comes_as_bytes_and_as_text() {
    let world = World::new().await;
    let file = world.run("get_file", at(README)).await.unwrap();
    let text = "# Hello, world\n\nGrüße!\n";
    assert_eq!(file["text"], text);
    assert_eq!(file["file"], json!({ "name": "README.md", "content": base64::encode(text.as_bytes()) }));
    assert_eq!(file["size"], text.len());
}

#[tokio::test]
async fn bytes_that_are_no_text_come_as_bytes_only() {
    let world = World::new().await;
    let file = world.run("get_file", at("assets/pixel.bin")).await.unwrap();
    assert_eq!((&file["file"]["content"], file.get("text")), (&json!("//4AAQ=="), None));
}

#[tokio::test]
async fn a_large_file_comes_as_a_blob() {
    let world = World::new().await;
    let file = world.run("get_file", at(LARGE)).await.unwrap();
    let content = base64::decode(file["file"]["content"].as_str().unwrap()).unwrap();
    assert_eq!((content.len(), &file["size"]), (1_000_001, &json!(1_000_001)));
    assert_eq!(world.requests().len(), 2);
}

#[tokio::test]
async fn a_folder_is_no_file() {
    let world = World::new().await;
    let error = world.run("get_file", at("docs")).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Failed, "`docs` is not a file but a dir"));
}

#[tokio::test]
async fn a_file_is_made_replaced_and_deleted() {
    let world = World::new().await;
    let put = |text: &str| json!({ "repository": HERE, "path": "docs/über uns.md", "message": "Write", "text": text });
    let made = world.run("put_file", put("One")).await.unwrap();
    assert_eq!(
        (&made["content"]["path"], &made["commit"]["message"]),
        (&json!("docs/über uns.md"), &json!("Write"))
    );
    assert!(world.last_body().get("sha").is_none());

    let replaced = world.run("put_file", put("Two")).await.unwrap();
    assert_eq!(world.last_body()["sha"], made["content"]["sha"]);
    let file = world.run("get_file", at("docs/über uns.md")).await.unwrap();
    assert_eq!((&file["text"], &file["sha"]), (&json!("Two"), &replaced["content"]["sha"]));

    let mut delete = at("docs/über uns.md");
    delete["message"] = "Delete".into();
    let deleted = world.run("delete_file", delete.clone()).await.unwrap();
    assert!(deleted.get("content").is_none());
    assert_eq!(world.run("get_file", at("docs/über uns.md")).await.unwrap_err().code(), Code::NotFound);
    let error = world.run("delete_file", delete).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::NotFound, "there is no file `docs/über uns.md`"));
}

#[tokio::test]
async fn bytes_are_written_as_they_are() {
    let world = World::new().await;
    let bytes = json!({ "name": "x", "content": "//4AAQ==" });
    let put = json!({ "repository": HERE, "path": "x", "message": "Write", "file": bytes, "branch": "main" });
    world.run("put_file", put).await.unwrap();
    assert_eq!(world.last_body(), json!({ "message": "Write", "content": "//4AAQ==", "branch": "main" }));
}

#[tokio::test]
async fn a_file_that_somebody_changed_meanwhile_is_not_replaced() {
    let world = World::new().await;
    let old = "0123456789012345678901234567890123456789";
    let put = json!({ "repository": HERE, "path": README, "message": "Write", "text": "x", "sha": old });
    let error = world.run("put_file", put).await.unwrap_err();
    assert_eq!((error.code(), error.details().status), (Code::Rejected, Some(409)));
    assert_eq!(world.requests(), ["PUT /repos/octocat/hello-world/contents/README.md"]);
}

#[tokio::test]
async fn new_content_is_either_a_text_or_a_file() {
    let world = World::new().await;
    let neither = json!({ "repository": HERE, "path": "x", "message": "Write" });
    let mut both = neither.clone();
    both["text"] = "x".into();
    both["file"] = json!({ "name": "x", "content": "eA==" });
    for input in [neither, both] {
        let error = world.run("put_file", input).await.unwrap_err();
        assert_eq!(error.code(), Code::Failed);
    }
    assert_eq!(world.requests(), [""; 0]);
}

#[tokio::test]
async fn a_path_leads_nowhere_else() {
    let world = World::new().await;
    for path in ["../../../user", "docs//x", "/docs", ""] {
        let error = world.run("get_file", at(path)).await.unwrap_err();
        // What is empty is refused before the flow begins.
        let expected = if path.is_empty() { Code::InputInvalid } else { Code::PathInvalid };
        assert_eq!(error.code(), expected, "{path}");
    }
    assert_eq!(world.requests(), [""; 0]);
}
