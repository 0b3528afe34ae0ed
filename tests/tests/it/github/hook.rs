use linchpin::{Code, Result, Secret};
use linchpin_github::mock::Happening;
use serde_json::{Value, json};

use super::{HERE, World};

const SECRET: &str = "a secret of this registration";

async fn register(world: &World, event: &str) -> Result<Value> {
    let options = json!({ "repository": HERE, "event": event }).to_string();
    world
        .call("register", |call| {
            call.options = options;
            call.event_url = Some("https://hooks.example/in/1".into());
            call.signing_secret = Some(Secret::new(SECRET));
        })
        .await
}

async fn deregister(world: &World, hook: &Value) -> Result<Value> {
    world.call("deregister", |call| call.registered = Some(hook.to_string())).await
}

#[tokio::test]
async fn a_hook_is_registered_with_its_url_and_secret_and_deregistered() {
    let world = World::new().await;
    let hook = register(&world, "issue_commented").await.unwrap();
    assert_eq!(hook["repository"], HERE);
    let body = json!({
        "name": "web",
        "active": true,
        "events": ["issue_comment"],
        "config": {
            "url": "https://hooks.example/in/1",
            "content_type": "json",
            "insecure_ssl": "0",
            "secret": SECRET,
        },
    });
    assert_eq!(world.last_body(), body);
    assert_eq!(world.github.hooks(), [hook["id"].as_u64().unwrap()]);

    deregister(&world, &hook).await.unwrap();
    assert_eq!(world.github.hooks(), [0; 0]);
    deregister(&world, &hook).await.expect("one that is gone counts as deregistered");
}

#[tokio::test]
async fn a_hook_that_stands_is_not_registered_twice() {
    let world = World::new().await;
    register(&world, "pushed").await.unwrap();
    let error = register(&world, "pushed").await.unwrap_err();
    assert_eq!((error.code(), error.details().status), (Code::Rejected, Some(422)));
    register(&world, "issue_opened").await.unwrap();
}
