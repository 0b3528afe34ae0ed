use linchpin::Code;
use serde_json::json;

use super::World;

#[tokio::test]
async fn an_endpoint_is_made_with_its_secret_and_deleted_once() {
    let world = World::new().await;
    let new = json!({
        "url": "https://acme.example/paid",
        "enabled_events": ["invoice.paid", "charge.refunded"],
        "description": "Ours",
    });
    let made = world.run("create_webhook_endpoint", new).await.unwrap();
    assert_eq!(world.last_body()["enabled_events"], json!(["invoice.paid", "charge.refunded"]));
    assert_eq!((&made["secret"], &made["description"]), (&json!("whsec_mock"), &json!("Ours")));
    assert_eq!(made["enabled_events"], json!(["invoice.paid", "charge.refunded"]));

    let newest = world.run("list_webhook_endpoints", json!({})).await.unwrap();
    assert_eq!((&newest[0]["id"], newest[0].get("secret")), (&made["id"], None));

    let of = json!({ "webhook_endpoint": made["id"] });
    let left = world.run("delete_webhook_endpoint", of.clone()).await.unwrap();
    assert_eq!(left, json!({ "id": made["id"], "deleted": true }));
    assert_eq!(world.run("delete_webhook_endpoint", of).await.unwrap_err().code(), Code::NotFound);
    let nothing = json!({ "url": "https://acme.example", "enabled_events": [] });
    assert_eq!(world.run("create_webhook_endpoint", nothing).await.unwrap_err().code(), Code::InputInvalid);
}
