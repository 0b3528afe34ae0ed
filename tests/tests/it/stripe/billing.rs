use linchpin::Code;
use linchpin_stripe::mock::{CUSTOMER, INVOICE, PRICE, SUBSCRIPTION};
use serde_json::json;

use super::World;

#[tokio::test]
async fn an_invoice_is_a_draft_until_it_is_finalised() {
    let world = World::new().await;
    let new = json!({
        "customer": CUSTOMER,
        "collection_method": "send_invoice",
        "days_until_due": 30,
        "auto_advance": false,
        "pending_invoice_items_behavior": "include",
    });
    let draft = world.run("create_invoice", new).await.unwrap();
    assert_eq!(world.last_body()["auto_advance"], "false");
    assert_eq!((&draft["status"], &draft["collection_method"]), (&json!("draft"), &json!("send_invoice")));

    let of = json!({ "invoice": draft["id"], "auto_advance": true });
    let open = world.run("finalize_invoice", of.clone()).await.unwrap();
    assert_eq!((&open["status"], &open["number"]), (&json!("open"), &json!("MOCK-000251")));
    assert_eq!(world.last_form().await, "auto_advance=true");
    let error = world.run("finalize_invoice", of).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::Rejected, Some("invoice_not_editable")));

    let of = json!({ "invoice": open["id"], "expand": ["customer", "subscription", "payment_intent"] });
    let found = world.run("get_invoice", of).await.unwrap();
    assert_eq!((&found["customer"]["id"], &found["total"]), (&json!(CUSTOMER), &json!(1000)));
}

#[tokio::test]
async fn an_invoice_of_nobody_is_refused() {
    let world = World::new().await;
    let error = world.run("create_invoice", json!({ "customer": "cus_nobody" })).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let error = world.run("finalize_invoice", json!({ "invoice": "" })).await.unwrap_err();
    assert_eq!(error.code(), Code::InputInvalid);
    world.run("finalize_invoice", json!({ "invoice": INVOICE })).await.unwrap();
    assert_eq!(world.last_form().await, "");
}

#[tokio::test]
async fn a_subscription_has_numbered_items_and_ends_once() {
    let world = World::new().await;
    let new = json!({
        "customer": CUSTOMER,
        "items": [{ "price": PRICE, "quantity": 2 }, { "price": "price_000002" }],
        "payment_behavior": "error_if_incomplete",
        "trial_period_days": 14,
    });
    let subscription = world.run("create_subscription", new).await.unwrap();
    let expected = "customer=cus_000001&items[0][price]=price_000001&items[0][quantity]=2&items[1][price]=price_000002\
                    &payment_behavior=error_if_incomplete&trial_period_days=14";
    assert_eq!(world.last_form().await, expected);
    assert_eq!(subscription["status"], "trialing");
    assert_eq!(subscription["items"]["data"][0]["quantity"], 2);
    assert_eq!(subscription["items"]["data"][1]["price"]["id"], "price_000002");

    let cancel = json!({ "subscription": SUBSCRIPTION, "prorate": true, "comment": "Too dear" });
    let ended = world.run("cancel_subscription", cancel.clone()).await.unwrap();
    assert_eq!(world.last_form().await, "cancellation_details[comment]=Too%20dear&prorate=true");
    assert_eq!(ended["status"], "canceled");
    let error = world.run("cancel_subscription", cancel).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}
