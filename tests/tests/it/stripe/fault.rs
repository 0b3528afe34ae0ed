//! Every flow against every way in which Stripe fails.

use linchpin::{Actor, Code, Error};
use linchpin_stripe::mock::{
    CARD, CUSTOMER, ENDPOINT, Fault, INVOICE, PAID, PAYMENT, PRICE, PRODUCT, SUBSCRIPTION,
};
use linchpin_testing::answer;
use serde_json::{Value, json};
use wiremock::{Mock, matchers};

use super::World;

/// A call of a flow, and the request that it makes.
fn cases() -> Vec<(&'static str, String, Value)> {
    let case = |flow: &'static str, request: &str, input: Value| (flow, request.to_owned(), input);
    let (customer, payment) = (format!("/v1/customers/{CUSTOMER}"), format!("/v1/payment_intents/{PAYMENT}"));
    let money = json!({ "amount": 1, "currency": "usd" });
    let price = json!({ "product": PRODUCT, "unit_amount": 1, "currency": "usd" });
    let subscription = json!({ "customer": CUSTOMER, "items": [{ "price": PRICE }] });
    let endpoint = json!({ "url": "https://acme.example/stripe", "enabled_events": ["*"] });
    let hook = json!({ "id": ENDPOINT, "secret": "whsec_mock" });
    let confirm = json!({ "payment_intent": PAYMENT, "payment_method": CARD });
    vec![
        case("authping", "GET /v1/account", json!({})),
        case("get_balance", "GET /v1/balance", json!({})),
        case("create_customer", "POST /v1/customers", json!({})),
        case("get_customer", &format!("GET {customer}"), json!({ "customer": CUSTOMER })),
        case("update_customer", &format!("POST {customer}"), json!({ "customer": CUSTOMER })),
        case("delete_customer", &format!("DELETE {customer}"), json!({ "customer": CUSTOMER })),
        case("list_customers", "GET /v1/customers", json!({})),
        case("search_customers", "GET /v1/customers/search", json!({ "query": "name:'x'" })),
        case("create_product", "POST /v1/products", json!({ "name": "x" })),
        case("list_products", "GET /v1/products", json!({})),
        case("create_price", "POST /v1/prices", price),
        case("list_prices", "GET /v1/prices", json!({})),
        case("create_payment_intent", "POST /v1/payment_intents", money),
        case("get_payment_intent", &format!("GET {payment}"), json!({ "payment_intent": PAYMENT })),
        case("confirm_payment_intent", &format!("POST {payment}/confirm"), confirm),
        case(
            "cancel_payment_intent",
            &format!("POST {payment}/cancel"),
            json!({ "payment_intent": PAYMENT }),
        ),
        case("list_payment_intents", "GET /v1/payment_intents", json!({})),
        case("create_refund", "POST /v1/refunds", json!({ "payment_intent": PAID })),
        case("create_invoice", "POST /v1/invoices", json!({ "customer": CUSTOMER })),
        case(
            "finalize_invoice",
            &format!("POST /v1/invoices/{INVOICE}/finalize"),
            json!({ "invoice": INVOICE }),
        ),
        case("get_invoice", &format!("GET /v1/invoices/{INVOICE}"), json!({ "invoice": INVOICE })),
        case("list_invoices", "GET /v1/invoices", json!({})),
        case("create_subscription", "POST /v1/subscriptions", subscription),
        case(
            "cancel_subscription",
            &format!("DELETE /v1/subscriptions/{SUBSCRIPTION}"),
            json!({ "subscription": SUBSCRIPTION }),
        ),
        case("list_events", "GET /v1/events", json!({})),
        case("create_webhook_endpoint", "POST /v1/webhook_endpoints", endpoint),
        case("list_webhook_endpoints", "GET /v1/webhook_endpoints", json!({})),
        case(
            "delete_webhook_endpoint",
            &format!("DELETE /v1/webhook_endpoints/{ENDPOINT}"),
            json!({ "webhook_endpoint": ENDPOINT }),
        ),
        case("register", "POST /v1/webhook_endpoints", json!({ "events": ["invoice_paid"] })),
        case("check", &format!("GET /v1/webhook_endpoints/{ENDPOINT}"), hook.clone()),
        case("renew", &format!("POST /v1/webhook_endpoints/{ENDPOINT}"), hook),
        case("customers", "GET /v1/customers", json!({})),
        case("products", "GET /v1/products", json!({})),
        case("recurring_prices", "GET /v1/prices", json!({})),
    ]
}

#[test]
fn every_flow_is_among_the_cases() {
    use linchpin::flow::FlowKind::{WebhookDeregister, WebhookEvent};
    let cases = cases();
    for flow in linchpin_stripe::connector().flows() {
        // Events ask for nothing, and what is gone need not be deregistered.
        if matches!(flow.kind.kind(), WebhookDeregister | WebhookEvent) {
            continue;
        }
        assert!(cases.iter().any(|(case, ..)| *case == flow.name), "{}", flow.name);
    }
}

/// A call of a case's flow: its input is the options of a registration, or what one gave.
async fn call(world: &World, flow: &str, input: Value) -> linchpin::Result<Value> {
    const URL: &str = "https://hooks.example/in/1";
    match flow {
        "register" => {
            world.call(flow, json!({}), |call| call.options(input.to_string()).event_url(URL)).await
        }
        "check" | "renew" => {
            world.call(flow, json!({}), |call| call.registered(input.to_string()).event_url(URL)).await
        }
        _ => world.run(flow, input).await,
    }
}

/// How each flow fails, at once and with what Stripe said.
async fn fails(fault: Fault, code: Code, actor: Actor, more: impl Fn(&Error)) {
    for (flow, request, input) in cases() {
        // Nobody reads what the service says of a renewal.
        if code == Code::ResponseMalformed && flow == "renew" {
            continue;
        }
        let world = World::new().await;
        world.stripe.break_on(&request, fault);
        let error = call(&world, flow, input).await.unwrap_err();
        assert_eq!((error.code(), error.who_must_act()), (code, actor), "{flow}: {error}");
        let may_pass = matches!(fault, Fault::ServerError | Fault::RateLimited);
        let times = crate::sent(&linchpin_stripe::connector(), flow, may_pass);
        assert_eq!(world.requests(), vec![request; times], "{flow}");
        more(&error);
    }
}

/// What Stripe says of an error reaches whoever called.
fn said(error: &Error, status: u16, code: &str, words: &str) {
    let details = error.details();
    assert_eq!((details.status, details.service_code), (Some(status), Some(code)));
    assert!(error.message().ends_with(&format!("answered {status}: {words}")), "{error}");
}

#[tokio::test]
async fn a_key_that_is_not_accepted() {
    fails(Fault::Unauthorized, Code::Unauthorized, Actor::Owner, |error| {
        said(error, 401, "invalid_request_error", "Invalid API Key provided: sk_test_****mock");
    })
    .await;
}

#[tokio::test]
async fn a_key_that_may_not() {
    fails(Fault::Forbidden, Code::Forbidden, Actor::Owner, |error| {
        said(error, 403, "more_permissions_required", "The key may not do this.");
    })
    .await;
}

#[tokio::test]
async fn something_that_is_not_there() {
    fails(Fault::NotFound, Code::NotFound, Actor::Caller, |error| {
        said(error, 404, "resource_missing", "No such object: 'such_thing'");
    })
    .await;
}

#[tokio::test]
async fn something_that_is_not_valid() {
    fails(Fault::Invalid, Code::Rejected, Actor::Caller, |error| {
        said(error, 400, "parameter_unknown", "Received unknown parameter: something");
    })
    .await;
}

#[tokio::test]
async fn too_many_requests() {
    fails(Fault::RateLimited, Code::RateLimited, Actor::Nobody, |error| {
        said(error, 429, "rate_limit", "Request rate limit exceeded.");
    })
    .await;
}

#[tokio::test]
async fn a_service_that_is_broken() {
    fails(Fault::ServerError, Code::ServiceFailed, Actor::Service, |error| {
        said(error, 500, "api_error", "An unknown error occurred.");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_breaks_off() {
    fails(Fault::Malformed, Code::ResponseMalformed, Actor::Service, |_| {}).await;
}

#[tokio::test]
async fn a_connection_that_is_closed() {
    for (flow, _, input) in cases() {
        let world = World::new().await;
        let closed = Mock::given(matchers::any()).respond_with_err(answer::closed_connection);
        closed.with_priority(2).mount(&world.server).await;
        let error = call(&world, flow, input).await.unwrap_err();
        assert_eq!(error.code(), Code::Unreachable, "{flow}: {error}");
    }
}
