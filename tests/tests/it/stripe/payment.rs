use linchpin::{Actor, Code};
use linchpin_stripe::mock::{CARD, CAREFUL_CARD, CUSTOMER, DECLINED_CARD, PAID, PAYMENT};
use serde_json::json;

use super::World;

#[tokio::test]
async fn a_payment_is_begun_confirmed_and_given_back_in_parts() {
    let world = World::new().await;
    let new =
        json!({ "amount": 1099, "currency": "eur", "customer": CUSTOMER, "metadata": { "order": "7" } });
    let payment = world.run("create_payment_intent", new).await.unwrap();
    assert_eq!((&payment["status"], &payment["amount"]), (&json!("requires_payment_method"), &json!(1099)));
    assert!(payment.get("client_secret").is_none(), "whoever has it can pay");
    let id = &payment["id"];
    let confirmed = json!({ "payment_intent": id, "payment_method": CARD });
    let paid = world.run("confirm_payment_intent", confirmed.clone()).await.unwrap();
    assert_eq!((&paid["status"], &paid["amount_received"]), (&json!("succeeded"), &json!(1099)));
    let error = world.run("confirm_payment_intent", confirmed).await.unwrap_err();
    assert_eq!(error.details().service_code, Some("payment_intent_unexpected_state"));

    let part = json!({ "payment_intent": id, "amount": 99, "reason": "requested_by_customer" });
    let refund = world.run("create_refund", part).await.unwrap();
    assert_eq!(
        world.last_body(),
        json!({ "payment_intent": id, "amount": "99", "reason": "requested_by_customer" })
    );
    assert_eq!((&refund["amount"], &refund["charge"]), (&json!(99), &paid["latest_charge"]));
    let rest = world.run("create_refund", json!({ "payment_intent": id })).await.unwrap();
    assert_eq!(rest["amount"], 1000);
    let error = world.run("create_refund", json!({ "payment_intent": id })).await.unwrap_err();
    assert_eq!(
        (error.code(), error.details().service_code),
        (Code::Rejected, Some("charge_already_refunded"))
    );
}

#[tokio::test]
async fn a_declined_card_says_why() {
    let world = World::new().await;
    for (flow, input) in [
        ("confirm_payment_intent", json!({ "payment_intent": PAYMENT, "payment_method": DECLINED_CARD })),
        (
            "create_payment_intent",
            json!({ "amount": 5, "currency": "usd", "payment_method": DECLINED_CARD, "confirm": true }),
        ),
    ] {
        let error = world.run(flow, input).await.unwrap_err();
        assert_eq!((error.code(), error.who_must_act()), (Code::Rejected, Actor::Caller), "{flow}");
        let details = error.details();
        assert_eq!((details.status, details.service_code), (Some(402), Some("insufficient_funds")));
        assert!(error.message().ends_with("Your card has insufficient funds."), "{error}");
    }
    assert_eq!(world.requests().len(), 2, "each is sent once");
    let payment = world.run("get_payment_intent", json!({ "payment_intent": PAYMENT })).await.unwrap();
    let failure = json!({
        "type": "card_error",
        "code": "card_declined",
        "decline_code": "insufficient_funds",
        "message": "Your card has insufficient funds.",
    });
    assert_eq!(payment["last_payment_error"], failure);
}

#[tokio::test]
async fn a_customer_who_must_prove_who_they_are_is_told_where() {
    let world = World::new().await;
    let input = json!({ "payment_intent": PAYMENT, "payment_method": CAREFUL_CARD });
    let payment = world.run("confirm_payment_intent", input).await.unwrap();
    assert_eq!(payment["status"], "requires_action");
    assert_eq!(payment["next_action"]["redirect_to_url"]["url"], "https://hooks.stripe.example/3ds");
}

#[tokio::test]
async fn a_payment_is_cancelled_once_and_not_after_it_succeeded() {
    let world = World::new().await;
    let cancel = json!({ "payment_intent": PAYMENT, "cancellation_reason": "abandoned" });
    let payment = world.run("cancel_payment_intent", cancel).await.unwrap();
    assert_eq!(
        (&payment["status"], &payment["cancellation_reason"]),
        (&json!("canceled"), &json!("abandoned"))
    );
    for id in [PAYMENT, PAID] {
        let error = world.run("cancel_payment_intent", json!({ "payment_intent": id })).await.unwrap_err();
        assert_eq!(error.code(), Code::Rejected, "{error}");
    }
}

#[tokio::test]
async fn what_is_asked_for_comes_whole_and_the_rest_by_its_id() {
    let world = World::new().await;
    let payment = world.run("get_payment_intent", json!({ "payment_intent": PAID })).await.unwrap();
    assert_eq!((&payment["customer"], &payment["latest_charge"]), (&json!(CUSTOMER), &json!("ch_000001")));
    assert_eq!(world.last_query().await, [""; 0]);

    let of = json!({ "payment_intent": PAID, "expand": ["customer", "latest_charge"] });
    let payment = world.run("get_payment_intent", of).await.unwrap();
    assert_eq!(world.last_query().await, ["expand[]=customer", "expand[]=latest_charge"]);
    assert_eq!(payment["customer"]["name"], "Customer 1");
    assert_eq!(payment["latest_charge"]["amount_captured"], 2000);

    world.run("delete_customer", json!({ "customer": CUSTOMER })).await.unwrap();
    let of = json!({ "payment_intent": PAID, "expand": ["customer"] });
    let payment = world.run("get_payment_intent", of).await.unwrap();
    assert_eq!(payment["customer"]["deleted"], true);
}
