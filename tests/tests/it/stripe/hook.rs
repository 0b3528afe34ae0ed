use linchpin::{Delivery, Secret};
use linchpin_runtime::{
    Clock as _, Runtime, SystemClock,
    webhook::{Fetcher, Guard, Judged},
};
use linchpin_stripe::mock::ENDPOINT;
use serde_json::json;

use super::World;

const URL: &str = "https://hooks.example/in/1";

#[tokio::test]
async fn a_webhook_is_registered_checked_renewed_and_deregistered() {
    let world = World::new().await;
    let options = json!({ "events": ["payment_succeeded", "invoice_paid"] }).to_string();
    let register = || {
        let options = options.clone();
        world.call("register", json!({}), |call| call.options(options).event_url(URL).run_id("run-1"))
    };
    let hook = register().await.unwrap();
    assert_eq!(
        world.last_body(),
        json!({ "url": URL, "enabled_events": ["payment_intent.succeeded", "invoice.paid"] })
    );
    assert_eq!(register().await.unwrap(), hook, "asked again, Stripe makes no second one");

    let check = async |hook: &serde_json::Value, url: &str| {
        let call = world.call("check", json!({}), |call| call.registered(hook.to_string()).event_url(url));
        call.await.map(|state| state["status"].clone())
    };
    assert_eq!(check(&hook, URL).await.unwrap(), "healthy");
    assert_eq!(check(&hook, "https://new.example/in/1").await.unwrap(), "elsewhere");
    let renewed = world
        .call("renew", json!({}), |call| {
            call.registered(hook.to_string()).event_url("https://new.example/in/1")
        })
        .await;
    assert_eq!(renewed.unwrap(), hook);
    assert_eq!(check(&hook, "https://new.example/in/1").await.unwrap(), "healthy");
    let other = json!({ "id": ENDPOINT, "secret": "whsec_1" });
    assert_eq!(check(&other, URL).await.unwrap(), "elsewhere");

    for _ in 0..2 {
        world.call("deregister", json!({}), |call| call.registered(hook.to_string())).await.unwrap();
    }
    assert!(check(&hook, URL).await.is_err());
}

#[tokio::test]
async fn a_signed_delivery_becomes_its_event() {
    let world = World::new().await;
    let connector = linchpin_stripe::connector();
    let spec = connector.spec().unwrap();
    let guard = Guard::new(&spec.hooks[0]).unwrap();
    let listed = world.run("list_events", json!({ "types": ["invoice.paid"] })).await.unwrap();
    let event = listed.as_array().unwrap().iter().find(|event| event["type"] == "invoice.paid").unwrap();
    let unsigned = Delivery { body: event.to_string().into(), ..Delivery::default() };
    let (key, now) = (Secret::new("whsec_mock"), SystemClock.now());
    let sent = guard.sign(&key, unsigned, "unused", now).unwrap();
    assert_eq!(guard.identity(&sent), event["id"].as_str().unwrap());

    let fetcher = Fetcher::new(&Runtime::new());
    assert!(matches!(guard.judge(&fetcher, &sent, &[key], now).await, Ok(Judged::Delivery)));
    let events = linchpin_runtime::webhook::events(spec, "endpoint", &sent, &json!({}));
    assert_eq!(events.iter().map(|event| event.key.as_str()).collect::<Vec<_>>(), ["invoice_paid"]);
    let invoice = world.call("invoice_paid", json!({}), |call| call.delivery(sent)).await.unwrap();
    assert_eq!(invoice["id"], event["data"]["object"]["id"]);
}
