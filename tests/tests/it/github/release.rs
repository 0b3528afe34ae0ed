use linchpin::Code;
use linchpin_github::mock::RELEASES;
use serde_json::{Value, json};

use super::{HERE, World};

#[tokio::test]
async fn a_release_is_made_published_and_deleted() {
    let world = World::new().await;
    let new = json!({ "repository": HERE, "tag_name": "v9.0.0", "body": "Notes", "draft": true });
    let release = world.run("create_release", new).await.unwrap();
    assert_eq!((&release["draft"], release.get("published_at")), (&json!(true), None));
    let body = json!({
        "tag_name": "v9.0.0",
        "body": "Notes",
        "draft": true,
        "prerelease": false,
        "generate_release_notes": false,
    });
    assert_eq!(world.last_body(), body);

    let latest = world.run("get_latest_release", json!({ "repository": HERE })).await.unwrap();
    assert_eq!(latest["tag_name"], format!("v0.{RELEASES}.0"), "a draft is not the latest");

    let publish = json!({ "repository": HERE, "release": release["id"], "draft": false, "name": "Nine" });
    let published = world.run("update_release", publish).await.unwrap();
    assert_eq!((&published["draft"], &published["name"]), (&json!(false), &json!("Nine")));
    let latest = world.run("get_latest_release", json!({ "repository": HERE })).await.unwrap();
    assert_eq!(latest, published);

    let delete = json!({ "repository": HERE, "release": release["id"] });
    assert_eq!(world.run("delete_release", delete.clone()).await.unwrap(), Value::Null);
    assert_eq!(world.run("delete_release", delete).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_tag_has_one_release() {
    let world = World::new().await;
    let again = json!({ "repository": HERE, "tag_name": "v0.1.0" });
    let error = world.run("create_release", again).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::Rejected, Some("already_exists")));
}
