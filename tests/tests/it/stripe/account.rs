use linchpin::Code;
use linchpin_runtime::{Connection, Invocation};
use linchpin_stripe::mock::{ACCOUNT, SECRET_KEY};
use serde_json::json;

use super::{World, world::values};
use crate::edge;

#[tokio::test]
async fn authping_tells_whose_key_it_is_in_either_way_to_send_it() {
    for (method, header) in
        [("secret_key", format!("Bearer {SECRET_KEY}")), ("basic", "Basic c2tfdGVzdF9tb2NrOg==".to_owned())]
    {
        let world = World::new().await;
        let call = Invocation::named(&world.connection(values(method)), "authping").unwrap();
        let identity = edge::json(call).await.unwrap();
        assert_eq!((&identity["id"], &identity["label"]), (&json!(ACCOUNT), &json!("Acme")), "{method}");
        let seen = &world.received().await[0];
        assert_eq!(seen.headers["authorization"], header);
        assert_eq!(seen.headers["stripe-version"], "2022-11-15");
    }
}

#[tokio::test]
async fn a_balance_may_be_negative() {
    let world = World::new().await;
    let balance = world.run("get_balance", json!({})).await.unwrap();
    let expected = json!({
        "available": [{ "amount": 12_300, "currency": "usd" }],
        "pending": [{ "amount": -400, "currency": "usd" }],
        "livemode": false,
    });
    assert_eq!(balance, expected);
}

#[test]
fn a_key_that_browsers_may_know_is_refused_at_the_form() {
    for (key, good) in [("sk_test_1", true), ("rk_live_1", true), ("pk_live_1", false), ("", false)] {
        let mut values = values("secret_key");
        values.fields.insert("secret_key".to_owned(), key.to_owned().into());
        let made = Connection::new(&linchpin_stripe::connector(), values);
        assert_eq!(made.err().map(|error| error.code()), (!good).then_some(Code::ConnectionInvalid), "{key}");
    }
}
