use linchpin::{Code, Delivery, Result, Secret};
use linchpin_github::mock::Happening;
use linchpin_runtime::{
    Clock as _, Runtime, SystemClock,
    webhook::{self, Fetcher, Guard, Judged},
};
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

#[tokio::test]
async fn a_signed_delivery_becomes_its_event_and_a_forged_one_is_refused() {
    let world = World::new().await;
    let hook = register(&world, "issue_opened").await.unwrap();
    let delivery = world.github.delivery(hook["id"].as_u64().unwrap(), Happening::IssueOpened).unwrap();
    let connector = linchpin_github::connector();
    let spec = connector.spec().unwrap();
    let declared = spec.hooks.iter().find(|hook| hook.key == "repository").unwrap();

    let (guard, fetcher) = (Guard::new(declared).unwrap(), Fetcher::new(&Runtime::new()));
    let judge = async |key: &str, delivery: &Delivery| {
        let keys = [Secret::new(key)];
        guard.judge(&fetcher, delivery, &keys, SystemClock.now()).await.map_err(|error| error.code())
    };
    assert!(matches!(judge(SECRET, &delivery).await, Ok(Judged::Delivery)));
    assert_eq!(judge("another", &delivery).await.unwrap_err(), Code::SignatureInvalid);
    let mut changed = delivery.clone();
    changed.body = [&delivery.body[..], b" "].concat().into();
    assert!(judge(SECRET, &changed).await.is_err());
    let mut bare = delivery.clone();
    bare.headers.remove("x-hub-signature-256");
    assert!(judge(SECRET, &bare).await.is_err());

    let events = webhook::events(spec, "repository", &delivery, &json!({}));
    assert_eq!(events.iter().map(|event| event.key.as_str()).collect::<Vec<_>>(), ["issue_opened"]);
    let event = world.call("issue_opened", |given| given.delivery = Some(delivery.clone())).await.unwrap();
    assert!(event["issue"]["title"].is_string(), "{event}");
    let error = world.call("pushed", |given| given.delivery = Some(delivery)).await.unwrap_err();
    assert_eq!(error.code(), Code::EventMismatch);
}

#[tokio::test]
async fn a_hook_is_checked_renewed_and_listed() {
    let world = World::new().await;
    let hook = register(&world, "pushed").await.unwrap();
    let other = register(&world, "issue_opened").await.unwrap();
    let check = async |url: &str| {
        world
            .call("check", |call| {
                (call.registered, call.event_url) = (Some(hook.to_string()), Some(url.to_owned()));
            })
            .await
    };
    assert_eq!(check("https://hooks.example/in/1").await.unwrap()["status"], "healthy");
    let moved = check("https://new.example/in/1").await.unwrap();
    assert_eq!(
        (&moved["status"], &moved["url"]),
        (&json!("elsewhere"), &json!("https://hooks.example/in/1"))
    );

    let renewed = world
        .call("renew", |call| {
            (call.registered, call.event_url) =
                (Some(hook.to_string()), Some("https://new.example/in/1".into()));
            call.signing_secret = Some(Secret::new("a newer secret"));
        })
        .await;
    assert_eq!(renewed.unwrap(), hook);
    assert_eq!(check("https://new.example/in/1").await.unwrap()["status"], "healthy");

    let listed = world
        .call("list", |call| {
            call.options = json!({ "repository": HERE, "event": "pushed" }).to_string();
            call.event_base = Some("https://new.example/in/".into());
        })
        .await
        .unwrap();
    let urls: Vec<&Value> = listed.as_array().unwrap().iter().map(|found| &found["url"]).collect();
    assert_eq!(urls, ["https://new.example/in/1", "https://hooks.example/in/1"]);
    assert_eq!(listed[1]["registered"], other);

    deregister(&world, &hook).await.unwrap();
    assert_eq!(check("https://new.example/in/1").await.unwrap_err().code(), Code::NotFound);
}
