//! The life of event hooks, and what they deliver.

use std::{slice::from_ref, time::Duration};

use linchpin::{Code, Delivery, Secret, http::HeaderMap};
use linchpin_host::store::{HookFilter, Stage};
use linchpin_okta::{
    hook::HookEvent,
    mock::{Fault, GROUP, SMALL_GROUP},
};
use serde_json::{Value, json};

use super::{World, served::Served};

fn two() -> Value {
    json!({ "events": ["user_created", "sign_in_failed"] })
}

/// Everything of one thread: the mock calls the ingress while the registration waits for the mock.
#[tokio::test(flavor = "multi_thread")]
async fn okta_is_answered_while_it_registers_and_then_delivers() {
    let served = Served::new().await;
    served.hand_on();
    let hook = served.register(json!({ "events": ["user_created", "sign_in_failed", "user_created"] })).await;
    assert_eq!(hook.stage, Stage::Active);
    let okta = served.okta().hooks();
    let asked = served.world.requests();
    let made = [
        "POST /api/v1/eventHooks".to_owned(),
        format!("POST /api/v1/eventHooks/{}/lifecycle/verify", okta[0]),
    ];
    assert_eq!(asked[asked.len() - 2..], made);
    let seen = served.world.server.received_requests().await.unwrap();
    let body: Value = serde_json::from_slice(&seen[seen.len() - 2].body).unwrap();
    let (_, secret) = served.url(&hook).await;
    assert_eq!(body["events"]["items"], json!(["user.lifecycle.create", "user.session.start"]));
    assert_eq!(
        body["channel"]["config"]["authScheme"],
        json!({ "type": "HEADER", "key": "Authorization", "value": secret.expose() })
    );

    let (first, second) = (served.happen(HookEvent::UserCreated), served.happen(HookEvent::SignInFailed));
    let third = served.happen(HookEvent::UserCreated);
    let mut welcome = json!({ "uuid": "w", "eventType": "user.session.start", "published": served.now(), "severity": "INFO" });
    welcome["outcome"] = json!({ "result": "SUCCESS" });
    served.okta().put_down(welcome);
    // One request with three events and one that nobody wants, each by itself from here on.
    assert_eq!(served.deliver("d1", &[&first, "w", &second, &third]), 200);
    assert_eq!(served.deliver("d1", &[&first, "w", &second, &third]), 200, "its retry");
    assert_eq!(served.deliver("d2", &[&third, &second]), 200, "gathered in another way");
    assert_eq!(served.handed().await, [first.clone(), second.clone(), third.clone()]);
    {
        let taken = served.taken.lock().unwrap();
        let kinds: Vec<&str> = taken.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == "okta.user_created").count(), 2);
        assert_eq!(kinds.iter().filter(|kind| **kind == "okta.sign_in_failed").count(), 1);
        let ids: std::collections::BTreeSet<&str> = taken.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids.len(), 3, "each has an id of its own");
    }

    let off = served.host.hook_deregister(&hook.id).await.unwrap();
    assert!(off.hook.is_none());
    off.outcome.unwrap();
    assert_eq!(served.okta().hooks(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_know_the_secret_is_not_believed() {
    let served = Served::new().await;
    served.hand_on();
    let hook = served.register(two()).await;
    let (url, secret) = served.url(&hook).await;
    let post = async |url: &str, secret: Option<&str>, body: &str| {
        let mut headers = HeaderMap::new();
        if let Some(secret) = secret {
            headers.insert("authorization", secret.parse().unwrap());
        }
        let (body, limit) = (body.to_owned().into(), Duration::from_secs(10));
        let runtime = served.host.runtime();
        runtime.post(url, headers, body, limit, served.now()).await.unwrap().status
    };
    let event = json!({ "uuid": "1", "eventType": "user.lifecycle.create", "published": served.now(),
        "severity": "INFO", "outcome": { "result": "SUCCESS" } });
    let body = json!({ "eventId": "d", "data": { "events": [event] } }).to_string();
    for wrong in [None, Some(""), Some("another"), Some(&format!("{}0", secret.expose())[..])] {
        assert_eq!(post(&url, wrong, &body).await, 401, "{wrong:?}");
    }
    assert_eq!(post(&format!("{url}0"), Some(secret.expose()), &body).await, 404);
    for nothing in ["{}", r#"{"data":{"events":[]}}"#, r#"{"data":{"events":{"uuid":"1"}}}"#, "[", ""] {
        assert_eq!(post(&url, Some(secret.expose()), nothing).await, 200, "{nothing}");
    }
    assert_eq!(served.handed().await, [""; 0]);
    assert_eq!(post(&url, Some(secret.expose()), &body).await, 200);
    assert_eq!(served.handed().await, ["1"]);
    served.host.hook_deregister(&hook.id).await.unwrap();
    assert_eq!(post(&url, Some(secret.expose()), &body).await, 404, "it is off");
}

/// Nobody answers at the event URL, so that nothing may be left at Okta.
#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_okta_cannot_verify_is_not_left_there() {
    let served = Served::new().await;
    served.okta().reach(None);
    let error = served.host.hook_register(Served::new_hook(two())).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::Rejected, Some("E0000001")));
    assert!(error.message().contains("the URL did not give the challenge back"), "{error}");
    assert_eq!(served.okta().hooks(), [""; 0]);
    let asked = served.world.requests();
    assert!(asked.iter().any(|asked| asked.starts_with("DELETE /api/v1/eventHooks/")), "{asked:?}");
    // It is looked once more for what may have come about late, and then nothing is left here either.
    served.clock.advance(Duration::from_secs(180));
    served.host.round().await.unwrap();
    assert!(served.host.hooks(HookFilter::default()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_away_at_once_is_taken_away_later() {
    let served = Served::new().await;
    served.okta().reach(None);
    served.okta().break_on("DELETE /api/v1/eventHooks/who00000000000000000", Fault::ServerError);
    let flow = served
        .world
        .call("register", |call| {
            call.options(two().to_string())
                .event_url("https://hooks.example/in/1")
                .signing_secret(Secret::new("a secret of this hook"))
        })
        .await
        .unwrap_err();
    let hint = flow.details().hint.unwrap();
    assert!(hint.contains("who00000000000000000 may be left at Okta, unverified"), "{hint}");
    served.okta().mend();
    served
        .world
        .call("deregister", |call| call.registered(r#"{"id":"who00000000000000000"}"#))
        .await
        .unwrap();

    served.okta().break_on("DELETE /api/v1/eventHooks/who00000000000000001", Fault::ServerError);
    served.host.hook_register(Served::new_hook(two())).await.unwrap_err();
    assert_eq!(served.okta().hooks(), ["who00000000000000001"], "it is left, and known here");
    served.okta().mend();
    for _ in 0..2 {
        served.clock.advance(Duration::from_secs(3600));
        served.host.round().await.unwrap();
    }
    assert_eq!(served.okta().hooks(), [""; 0]);
    assert!(served.host.hooks(HookFilter::default()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_an_admin_deactivates_is_activated_and_verified_again() {
    let served = Served::new().await;
    served.hand_on();
    let hook = served.register(two()).await;
    let id = served.okta().hooks()[0].clone();
    served.okta().set_active(&id, false);
    let created = served.happen(HookEvent::UserCreated);
    served.host.hook_check(&hook.id).await.unwrap().outcome.unwrap();
    let asked = served.world.requests();
    let life = |what: &str| format!("POST /api/v1/eventHooks/{id}/lifecycle/{what}");
    let mended = [format!("PUT /api/v1/eventHooks/{id}"), life("activate"), life("verify")];
    assert!(asked.windows(3).any(|three| three == mended), "{asked:?}");
    assert_eq!(served.deliver("d1", &[&created]), 200);
    assert_eq!(served.handed().await, [created]);

    let before = served.url(&hook).await.1;
    served.host.hook_renew(&hook.id, true).await.unwrap().outcome.unwrap();
    let after = served.url(&hook).await.1;
    assert_ne!(before, after, "another secret");
    let deactivated = served.happen(HookEvent::SignInFailed);
    assert_eq!(served.deliver("d2", &[&deactivated]), 200, "under the new secret");
    assert_eq!(served.handed().await.len(), 2);
    assert_eq!(served.okta().hooks(), [id], "still the same hook");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_of_one_group_tells_of_its_members_only() {
    let served = Served::new().await;
    served.hand_on();
    let events = ["member_added", "member_removed", "user_created"];
    served.register(json!({ "events": events, "group": GROUP })).await;
    let member = served.happen(HookEvent::MemberAdded);
    let user = served.happen(HookEvent::UserCreated);
    // Of what Okta tells only the members of another group are nothing.
    assert_eq!(served.deliver("d1", &[&member, &user]), 200);
    assert_eq!(served.handed().await, [user]);
    served.register(json!({ "events": events, "group": SMALL_GROUP })).await;
    let hooks = served.okta().hooks();
    assert_eq!(served.okta().deliver(&hooks[1], "d2", &[&member]).unwrap(), 200);
    assert_eq!(served.handed().await.len(), 2);
}

#[tokio::test]
async fn hooks_are_checked_and_listed_as_okta_has_them() {
    let world = World::new().await;
    let made = world.server.received_requests().await.unwrap().len();
    assert_eq!(made, 0);
    let listed = world.call("list", |call| call.event_base("https://hooks.example/in/")).await.unwrap();
    assert_eq!(listed, json!([]));
    let check = async |id: &str| {
        let registered = json!({ "id": id }).to_string();
        world.call("check", |call| call.registered(registered).event_url("https://hooks.example/in/1")).await
    };
    assert_eq!(check("who0").await.unwrap_err().code(), Code::NotFound);
    world.call("deregister", |call| call.registered(r#"{"id":"who0"}"#)).await.expect("gone is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_elsewhere_or_unverified_is_no_healthy_one() {
    let served = Served::new().await;
    let hook = served.register(two()).await;
    let id = served.okta().hooks()[0].clone();
    let url = served.host.hook_live(&hook.id).await.unwrap().unwrap().url;
    let check = async |url: &str| {
        let (registered, url) = (json!({ "id": id }).to_string(), url.to_owned());
        let state =
            served.world.call("check", |call| call.registered(registered).event_url(url)).await.unwrap();
        state["status"].clone()
    };
    assert_eq!(check(&url).await, "healthy");
    assert_eq!(check("https://new.example/in/1").await, "elsewhere");
    served.okta().set_active(&id, false);
    assert_eq!(check(&url).await, "paused");
    let listed =
        served.world.call("list", |call| call.event_base("https://hooks.example/in/")).await.unwrap();
    assert_eq!(listed, json!([{ "registered": { "id": id }, "url": url, "paused": true }]));
    // It is verified anew where its URL changes, which fails where nobody is there.
    let renew = served
        .world
        .call("renew", |call| {
            call.registered(json!({ "id": id }).to_string())
                .event_url("https://hooks.example/in/nobody")
                .signing_secret(Secret::new("a secret of this hook"))
                .options(two().to_string())
        })
        .await;
    assert_eq!(renew.unwrap_err().code(), Code::Rejected);
    assert_eq!(served.okta().hooks(), from_ref(&id));
    served.okta().set_active(&id, true);
    assert_eq!(check("https://hooks.example/in/nobody").await, "paused", "active and unverified");
}

#[tokio::test]
async fn an_item_is_what_an_event_flow_takes() {
    let world = World::new().await;
    let event = json!({ "uuid": "1", "eventType": "user.lifecycle.create", "published": "2026-03-01T09:00:00.123Z",
        "severity": "INFO", "outcome": { "result": "SUCCESS" }, "target": [{ "id": "00u1", "type": "User" }] });
    let delivery = |body: &Value| Delivery { body: body.to_string().into(), ..Delivery::default() };
    let told = world.call("user_created", |call| call.delivery(delivery(&event))).await.unwrap();
    assert_eq!((&told["uuid"], &told["target"][0]["id"]), (&json!("1"), &json!("00u1")));
    let whole = json!({ "data": { "events": [event] } });
    let refused = world.call("user_created", |call| call.delivery(delivery(&whole))).await.unwrap_err();
    assert_eq!(refused.code(), Code::EventMismatch);
}
