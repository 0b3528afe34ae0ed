use linchpin::Input;
use linchpin_stripe::{
    customer::{ListCustomers, list_customers},
    mock::{COUNT, CUSTOMER, PRODUCT},
};
use serde_json::json;

use super::World;

/// Every list over three pages: each record once, and no request beyond the third.
#[tokio::test]
async fn lists_go_over_three_pages() {
    for (flow, input, path) in [
        ("list_customers", json!({}), "customers"),
        ("list_products", json!({ "active": true }), "products"),
        ("list_prices", json!({ "product": PRODUCT, "type": "recurring", "currency": "usd" }), "prices"),
        ("list_payment_intents", json!({ "customer": CUSTOMER }), "payment_intents"),
        ("list_invoices", json!({ "customer": CUSTOMER, "status": "draft" }), "invoices"),
        ("list_events", json!({ "types": ["invoice.paid", "customer.created"] }), "events"),
        ("search_customers", json!({ "query": "name~\"customer\"" }), "customers/search"),
    ] {
        let world = World::new().await;
        let records = world.run(flow, input).await.unwrap();
        let records = records.as_array().unwrap();
        let mut ids: Vec<_> = records.iter().map(|record| record["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), records.len()), (COUNT, COUNT), "{flow}");
        assert_eq!(world.requests(), vec![format!("GET /v1/{path}"); 3], "{flow}");
    }
}

#[tokio::test]
async fn a_list_goes_on_after_its_last_item_and_a_search_by_its_page() {
    let world = World::new().await;
    world.run("list_customers", json!({})).await.unwrap();
    assert_eq!(world.last_query().await, ["limit=100", "starting_after=cus_000051"]);
    world.run("search_customers", json!({ "query": "name~\"customer\"" })).await.unwrap();
    assert_eq!(world.last_query().await, ["query=name~\"customer\"", "limit=100", "page=mock_200"]);
}

#[tokio::test]
async fn a_list_asks_for_no_more_pages_than_are_read() {
    let world = World::new().await;
    let newest = list_customers(world.context(), Input(ListCustomers::default())).await.unwrap();
    let newest = newest.take(2).await.unwrap();
    assert_eq!(newest.iter().map(|customer| &*customer.id).collect::<Vec<_>>(), ["cus_000250", "cus_000249"]);
    assert_eq!(world.requests().len(), 1);
}

#[tokio::test]
async fn times_are_asked_for_as_stripe_counts_them() {
    let world = World::new().await;
    let between =
        json!({ "created_since": "2026-01-01T00:10:00Z", "created_before": "2026-01-01T01:12:00+01:00" });
    for flow in ["list_customers", "list_payment_intents", "list_events"] {
        let records = world.run(flow, between.clone()).await.unwrap();
        let times: Vec<_> = records.as_array().unwrap().iter().map(|record| &record["created"]).collect();
        assert_eq!(times, ["2026-01-01T00:11:00Z", "2026-01-01T00:10:00Z"], "{flow}");
        assert_eq!(
            world.last_query().await,
            ["created[gte]=1767226200", "created[lt]=1767226320", "limit=100"],
            "{flow}"
        );
    }
    let since = json!({ "created_since": "2026-01-01T04:10:00Z" });
    assert_eq!(world.run("list_invoices", since).await.unwrap().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_event_has_the_object_as_it_was() {
    let world = World::new().await;
    let events = world.run("list_events", json!({ "types": ["invoice.paid"] })).await.unwrap();
    let events = events.as_array().unwrap();
    assert_eq!(events.len(), COUNT / 2);
    assert_eq!(events[0]["data"]["object"]["object"], "invoice");
    assert_eq!(world.last_query().await[0], "types[]=invoice.paid");
}
