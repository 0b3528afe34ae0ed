//! What the mock's account is made of.

use linchpin::serde_json::{Value, json};

use super::{ACCOUNT, CUSTOMER, PRICE, PRODUCT};

/// 2026-01-01T00:00:00Z; whatever has a number came into the world so many minutes later.
const BEGINNING: i64 = 1_767_225_600;

fn created(number: usize) -> i64 {
    BEGINNING + number as i64 * 60
}

pub(super) fn id(prefix: &str, number: usize) -> String {
    format!("{prefix}_{number:06}")
}

pub(super) fn account() -> Value {
    json!({
        "id": ACCOUNT,
        "object": "account",
        "email": "owner@acme.example",
        "business_profile": { "name": "Acme", "url": null },
        "country": "US",
    })
}

pub(super) fn balance() -> Value {
    let funds =
        |amount: i64| json!([{ "amount": amount, "currency": "usd", "source_types": { "card": amount } }]);
    json!({ "object": "balance", "available": funds(12_300), "pending": funds(-400), "livemode": false })
}

pub(super) fn customer(number: usize) -> Value {
    json!({
        "id": id("cus", number),
        "object": "customer",
        "address": null,
        "balance": 0,
        "created": created(number),
        "currency": null,
        "default_source": null,
        "delinquent": false,
        "description": null,
        "discount": null,
        "email": format!("customer{number}@acme.example"),
        "livemode": false,
        "metadata": {},
        "name": format!("Customer {number}"),
        "phone": null,
        "shipping": null,
    })
}

pub(super) fn product(number: usize) -> Value {
    json!({
        "id": id("prod", number),
        "object": "product",
        "active": true,
        "created": created(number),
        "default_price": null,
        "description": null,
        "images": [],
        "livemode": false,
        "metadata": {},
        "name": format!("Product {number}"),
        "unit_label": null,
        "updated": created(number),
        "url": null,
    })
}

pub(super) fn price(number: usize) -> Value {
    json!({
        "id": id("price", number),
        "object": "price",
        "active": true,
        "billing_scheme": "per_unit",
        "created": created(number),
        "currency": "usd",
        "livemode": false,
        "lookup_key": null,
        "metadata": {},
        "nickname": null,
        "product": PRODUCT,
        "recurring": { "interval": "month", "interval_count": 1, "aggregate_usage": null, "usage_type": "licensed" },
        "type": "recurring",
        "unit_amount": 1000,
        "unit_amount_decimal": "1000",
    })
}

pub(super) fn payment(number: usize) -> Value {
    json!({
        "id": id("pi", number),
        "object": "payment_intent",
        "amount": 2000,
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": null,
        "cancellation_reason": null,
        "capture_method": "automatic",
        "client_secret": format!("{}_secret_mock", id("pi", number)),
        "created": created(number),
        "currency": "usd",
        "customer": CUSTOMER,
        "description": null,
        "last_payment_error": null,
        "latest_charge": null,
        "livemode": false,
        "metadata": {},
        "next_action": null,
        "payment_method": null,
        "payment_method_types": ["card"],
        "receipt_email": null,
        "status": "requires_payment_method",
    })
}

pub(super) fn charge(number: usize, payment: &Value) -> Value {
    json!({
        "id": id("ch", number),
        "object": "charge",
        "amount": payment["amount"],
        "amount_captured": payment["amount"],
        "amount_refunded": 0,
        "created": created(number),
        "currency": payment["currency"],
        "failure_code": null,
        "failure_message": null,
        "payment_intent": payment["id"],
        "receipt_url": null,
        "refunded": false,
        "status": "succeeded",
    })
}

pub(super) fn refund(number: usize, payment: &Value, amount: i64) -> Value {
    json!({
        "id": id("re", number),
        "object": "refund",
        "amount": amount,
        "charge": payment["latest_charge"],
        "created": created(number),
        "currency": payment["currency"],
        "metadata": {},
        "payment_intent": payment["id"],
        "reason": null,
        "status": "succeeded",
    })
}

pub(super) fn invoice(number: usize) -> Value {
    json!({
        "id": id("in", number),
        "object": "invoice",
        "amount_due": 1000,
        "amount_paid": 0,
        "amount_remaining": 1000,
        "attempt_count": 0,
        "auto_advance": false,
        "collection_method": "charge_automatically",
        "created": created(number),
        "currency": "usd",
        "customer": CUSTOMER,
        "description": null,
        "due_date": null,
        "hosted_invoice_url": null,
        "invoice_pdf": null,
        "livemode": false,
        "metadata": {},
        "number": null,
        "payment_intent": null,
        "status": "draft",
        "subscription": null,
        "subtotal": 1000,
        "total": 1000,
    })
}

pub(super) fn subscription(number: usize, items: Vec<Value>) -> Value {
    json!({
        "id": id("sub", number),
        "object": "subscription",
        "cancel_at": null,
        "cancel_at_period_end": false,
        "canceled_at": null,
        "created": created(number),
        "currency": "usd",
        "current_period_end": created(number) + 2_678_400,
        "current_period_start": created(number),
        "customer": CUSTOMER,
        "description": null,
        "ended_at": null,
        "items": { "object": "list", "data": items, "has_more": false, "url": "/v1/subscription_items" },
        "latest_invoice": null,
        "livemode": false,
        "metadata": {},
        "status": "active",
        "trial_end": null,
    })
}

pub(super) fn item(number: usize, price: &Value, quantity: i64) -> Value {
    json!({
        "id": id("si", number),
        "object": "subscription_item",
        "created": created(number),
        "metadata": {},
        "price": price,
        "quantity": quantity,
    })
}

pub(super) fn event(number: usize) -> Value {
    let kind = if number.is_multiple_of(2) { "invoice.paid" } else { "customer.created" };
    let about = if number.is_multiple_of(2) { invoice(number) } else { customer(number) };
    json!({
        "id": id("evt", number),
        "object": "event",
        "api_version": "2022-11-15",
        "created": created(number),
        "data": { "object": about },
        "livemode": false,
        "pending_webhooks": 0,
        "request": { "id": null, "idempotency_key": null },
        "type": kind,
    })
}

pub(super) fn endpoint(number: usize) -> Value {
    json!({
        "id": id("we", number),
        "object": "webhook_endpoint",
        "api_version": null,
        "application": null,
        "created": created(number),
        "description": null,
        "enabled_events": ["*"],
        "livemode": false,
        "metadata": {},
        "status": "enabled",
        "url": format!("https://acme.example/stripe/{number}"),
    })
}

/// The price by which everything is subscribed to.
pub(super) fn first_item() -> Value {
    let mut price = price(1);
    price["id"] = PRICE.into();
    item(1, &price, 1)
}
