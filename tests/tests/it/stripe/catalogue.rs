use linchpin::Code;
use linchpin_stripe::mock::PRODUCT;
use serde_json::json;

use super::World;

#[tokio::test]
async fn a_product_gets_a_price_that_is_paid_again_and_again() {
    let world = World::new().await;
    let new =
        json!({ "name": "Gold plan", "images": ["https://acme.example/a.png"], "metadata": { "tier": "1" } });
    let product = world.run("create_product", new).await.unwrap();
    let form = "images[0]=https%3A%2F%2Facme.example%2Fa.png&metadata[tier]=1&name=Gold%20plan";
    let mut pairs: Vec<String> = world.last_form().await.split('&').map(str::to_owned).collect();
    pairs.sort_unstable();
    assert_eq!(pairs.join("&"), form);
    assert_eq!((&product["name"], &product["active"]), (&json!("Gold plan"), &json!(true)));

    let new = json!({
        "product": product["id"],
        "unit_amount": 2500,
        "currency": "eur",
        "recurring": { "interval": "month", "interval_count": 3 },
    });
    let price = world.run("create_price", new).await.unwrap();
    assert_eq!(world.last_body()["recurring"], json!({ "interval": "month", "interval_count": "3" }));
    assert_eq!((&price["type"], &price["unit_amount"]), (&json!("recurring"), &json!(2500)));
    assert_eq!(price["product"], product["id"]);
}

#[tokio::test]
async fn a_price_without_an_interval_is_paid_once() {
    let world = World::new().await;
    let new = json!({ "product": PRODUCT, "unit_amount": 0, "currency": "usd" });
    let price = world.run("create_price", new).await.unwrap();
    assert_eq!((&price["type"], &price["unit_amount"]), (&json!("one_time"), &json!(0)));
    let new = json!({ "product": "prod_nothing", "unit_amount": 1, "currency": "usd" });
    assert_eq!(world.run("create_price", new).await.unwrap_err().code(), Code::NotFound);
    let error =
        world.run("create_price", json!({ "product": PRODUCT, "unit_amount": -1, "currency": "usd" }));
    assert_eq!(error.await.unwrap_err().code(), Code::InputInvalid);
}
