use linchpin::Code;
use linchpin_stripe::mock::{COUNT, CUSTOMER};
use serde_json::json;

use super::World;

#[tokio::test]
async fn a_customer_is_made_of_a_form_with_nested_names() {
    let world = World::new().await;
    let new = json!({
        "name": "Jenny Rosen",
        "email": "jenny@acme.example",
        "address": { "line1": "Korenmarkt 1", "city": "Ghent", "country": "BE" },
        "balance": -500,
        "metadata": { "order": "7", "a b": "c&d" },
    });
    let customer = world.run("create_customer", new).await.unwrap();
    let form = world.last_form().await;
    let mut pairs: Vec<&str> = form.split('&').collect();
    pairs.sort_unstable();
    let expected = [
        "address[city]=Ghent",
        "address[country]=BE",
        "address[line1]=Korenmarkt%201",
        "balance=-500",
        "email=jenny%40acme.example",
        "metadata[a%20b]=c%26d",
        "metadata[order]=7",
        "name=Jenny%20Rosen",
    ];
    assert_eq!(pairs, expected);
    assert_eq!((&customer["name"], &customer["balance"]), (&json!("Jenny Rosen"), &json!(-500)));
    assert_eq!(customer["metadata"], json!({ "order": "7", "a b": "c&d" }));
    assert_eq!(customer["address"]["city"], "Ghent");
    assert_eq!(world.stripe.customers(), COUNT + 1);
    let found = world.run("get_customer", json!({ "customer": customer["id"] })).await.unwrap();
    assert_eq!(found, customer);
}

#[tokio::test]
async fn what_is_not_named_stays_and_an_empty_text_takes_away() {
    let world = World::new().await;
    let change = json!({ "customer": CUSTOMER, "email": "", "description": "Regular" });
    let customer = world.run("update_customer", change).await.unwrap();
    assert_eq!(world.last_body(), json!({ "email": "", "description": "Regular" }));
    assert!(customer.get("email").is_none_or(|email| email.is_null()), "{customer}");
    assert_eq!((&customer["name"], &customer["description"]), (&json!("Customer 1"), &json!("Regular")));
    assert_eq!(customer["created"], "2026-01-01T00:01:00Z");
}

#[tokio::test]
async fn a_deleted_customer_is_there_without_anything_and_cannot_be_deleted_again() {
    let world = World::new().await;
    let of = || json!({ "customer": CUSTOMER });
    let deleted = world.run("delete_customer", of()).await.unwrap();
    assert_eq!(deleted, json!({ "id": CUSTOMER, "deleted": true }));
    let customer = world.run("get_customer", of()).await.unwrap();
    assert_eq!((&customer["id"], &customer["deleted"]), (&json!(CUSTOMER), &json!(true)));
    let error = world.run("delete_customer", of()).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::NotFound, Some("resource_missing")));
    assert_eq!(world.stripe.customers(), COUNT - 1);
}

#[tokio::test]
async fn a_customer_that_is_not_there_is_told_with_the_request_that_asked() {
    let world = World::new().await;
    let error = world.run("get_customer", json!({ "customer": "cus_nobody" })).await.unwrap_err();
    assert_eq!((error.code(), error.details().status), (Code::NotFound, Some(404)));
    assert_eq!(error.details().request_id, Some("req_00000001"));
    assert!(error.message().ends_with("No such object: 'cus_nobody'"), "{error}");
}
