//! Writes that come more than once.

use linchpin::Code;
use linchpin_stripe::mock::{COUNT, Fault};
use serde_json::json;

use super::World;

const CREATE: &str = "POST /v1/customers";

fn new() -> serde_json::Value {
    json!({ "name": "Jenny Rosen" })
}

async fn keys(world: &World) -> Vec<String> {
    let received = world.received().await;
    received.iter().map(|request| request.headers["idempotency-key"].to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_write_is_sent_again_with_the_same_key_where_it_may_help() {
    for fault in [Fault::ServerError, Fault::Conflict, Fault::Undecided, Fault::RateLimited] {
        let world = World::new().await;
        world.stripe.break_times(CREATE, fault, 2);
        world.run("create_customer", new()).await.unwrap();
        let keys = keys(&world).await;
        assert_eq!(keys.len(), 3, "{fault:?}");
        assert!(keys.iter().all(|key| *key == keys[0] && key.len() == 36), "{fault:?}: {keys:?}");
        assert_eq!(world.stripe.customers(), COUNT + 1, "{fault:?}");
    }
}

#[tokio::test]
async fn what_stripe_calls_hopeless_is_not_sent_again() {
    let world = World::new().await;
    for (flow, request) in [("create_customer", CREATE), ("list_customers", "GET /v1/customers")] {
        world.stripe.break_on(request, Fault::Hopeless);
        let error = world.run(flow, json!({})).await.unwrap_err();
        assert_eq!((error.code(), error.details().service_code), (Code::ServiceFailed, Some("api_error")));
    }
    assert_eq!(world.requests(), [CREATE, "GET /v1/customers"]);
}

#[tokio::test]
async fn a_run_that_is_made_again_does_nothing_twice() {
    let world = World::new().await;
    let first = world.call("create_customer", new(), |call| call.run_id("run-1")).await.unwrap();
    let again = world.call("create_customer", new(), |call| call.run_id("run-1")).await.unwrap();
    assert_eq!((&first, world.stripe.replays()), (&again, 1));
    assert_eq!(world.stripe.customers(), COUNT + 1);

    world.call("create_customer", new(), |call| call.run_id("run-2")).await.unwrap();
    world.run("create_customer", new()).await.unwrap();
    let mut keys = keys(&world).await;
    assert_eq!((keys.len(), &keys[0]), (4, &keys[1]));
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((keys.len(), world.stripe.customers()), (3, COUNT + 3));
}

#[tokio::test]
async fn a_deletion_needs_no_key() {
    let world = World::new().await;
    world.stripe.break_times("DELETE /v1/customers/cus_000007", Fault::ServerError, 1);
    world.run("delete_customer", json!({ "customer": "cus_000007" })).await.unwrap();
    let received = world.received().await;
    assert_eq!(received.len(), 2);
    assert!(received.iter().all(|request| !request.headers.contains_key("idempotency-key")));
}
