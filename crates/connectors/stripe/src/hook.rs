//! Webhooks, and the events that they deliver.

use linchpin::prelude::*;

use crate::{
    endpoint::WebhookEndpoint, invoice::Invoice, payment::PaymentIntent, subscription::Subscription,
};

/// Of what a webhook tells.
#[fields]
#[derive(Debug, Clone)]
pub struct EventHook {
    /// Events
    #[field(min_length = 1)]
    pub events: Vec<HookEvent>,
}

/// What a webhook tells of.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEvent {
    /// Payment succeeded
    PaymentSucceeded,
    /// Payment failed
    PaymentFailed,
    /// Invoice paid
    InvoicePaid,
    /// Invoice payment failed
    InvoicePaymentFailed,
    /// Subscription created
    SubscriptionCreated,
    /// Subscription updated
    SubscriptionUpdated,
    /// Subscription canceled
    SubscriptionCanceled,
}

impl HookEvent {
    /// Stripe's word for it.
    fn name(self) -> &'static str {
        match self {
            HookEvent::PaymentSucceeded => "payment_intent.succeeded",
            HookEvent::PaymentFailed => "payment_intent.payment_failed",
            HookEvent::InvoicePaid => "invoice.paid",
            HookEvent::InvoicePaymentFailed => "invoice.payment_failed",
            HookEvent::SubscriptionCreated => "customer.subscription.created",
            HookEvent::SubscriptionUpdated => "customer.subscription.updated",
            HookEvent::SubscriptionCanceled => "customer.subscription.deleted",
        }
    }
}

/// A webhook that stands, with the key that Stripe made for it.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookId {
    /// Id
    pub id: String,
    /// Secret
    #[field(secret)]
    pub secret: String,
}

/// What Stripe is asked for.
#[fields]
struct NewHook {
    url: String,
    enabled_events: Vec<String>,
}

/// What changes of a webhook.
#[fields]
struct HookChange {
    url: String,
    disabled: bool,
}

/// Register Webhook
///
/// Lets Stripe tell of events. Asked for again after its answer was lost, Stripe gives the same webhook, by its idempotency key.
#[webhook(register, hook = "endpoint")]
pub async fn register(
    cx: Context,
    url: EventUrl,
    Options(EventHook { events }): Options<EventHook>,
) -> Result<HookId> {
    let enabled_events = events.into_iter().map(|event| event.name().to_owned()).collect();
    let new = NewHook { url: url.0, enabled_events };
    cx.post(path!("/v1/webhook_endpoints")).form_nested(&new).send().await?.json()
}

/// Deregister Webhook
#[webhook(deregister, hook = "endpoint")]
pub async fn deregister(cx: Context, Registered(hook): Registered<register>) -> Result<()> {
    match cx.delete(path!("/v1/webhook_endpoints/{hook.id}")).send().await {
        Err(error) if error.code() != Code::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Check Webhook
///
/// Stripe turns a webhook off that has failed for days.
#[webhook(check, hook = "endpoint")]
pub async fn check(cx: Context, Registered(hook): Registered<register>, url: EventUrl) -> Result<HookState> {
    let path = path!("/v1/webhook_endpoints/{hook.id}");
    let found: WebhookEndpoint = cx.get(path).send().await?.json()?;
    Ok(match found.status.as_str() {
        "enabled" => HookState::at(&found.url, &url),
        _ => HookState::paused(),
    })
}

/// Renew Webhook
///
/// Turns it on again, with the URL of now; its key stays.
#[webhook(renew, hook = "endpoint")]
pub async fn renew(cx: Context, Registered(hook): Registered<register>, url: EventUrl) -> Result<HookId> {
    let change = HookChange { url: url.0, disabled: false };
    cx.post(path!("/v1/webhook_endpoints/{hook.id}")).form_nested(&change).send().await?;
    Ok(hook)
}

/// What Stripe delivers of a payment.
#[fields]
#[derive(Debug, Clone)]
pub struct PaymentDelivery {
    /// Data
    pub data: PaymentData,
}

/// The payment of a delivery.
#[fields]
#[derive(Debug, Clone)]
pub struct PaymentData {
    /// Payment
    pub object: PaymentIntent,
}

/// What Stripe delivers of an invoice.
#[fields]
#[derive(Debug, Clone)]
pub struct InvoiceDelivery {
    /// Data
    pub data: InvoiceData,
}

/// The invoice of a delivery.
#[fields]
#[derive(Debug, Clone)]
pub struct InvoiceData {
    /// Invoice
    pub object: Invoice,
}

/// What Stripe delivers of a subscription.
#[fields]
#[derive(Debug, Clone)]
pub struct SubscriptionDelivery {
    /// Data
    pub data: SubscriptionData,
}

/// The subscription of a delivery.
#[fields]
#[derive(Debug, Clone)]
pub struct SubscriptionData {
    /// Subscription
    pub object: Subscription,
}

/// Payment Succeeded
///
/// A payment went through.
#[webhook(event = "payment_succeeded")]
pub async fn payment_succeeded(_cx: Context, Payload(p): Payload<PaymentDelivery>) -> Result<PaymentIntent> {
    Ok(p.data.object)
}

/// Payment Failed
///
/// An attempt to pay failed; it may be tried again.
#[webhook(event = "payment_failed")]
pub async fn payment_failed(_cx: Context, Payload(p): Payload<PaymentDelivery>) -> Result<PaymentIntent> {
    Ok(p.data.object)
}

/// Invoice Paid
///
/// An invoice was paid, or marked as paid.
#[webhook(event = "invoice_paid")]
pub async fn invoice_paid(_cx: Context, Payload(p): Payload<InvoiceDelivery>) -> Result<Invoice> {
    Ok(p.data.object)
}

/// Invoice Payment Failed
///
/// An invoice could not be collected.
#[webhook(event = "invoice_payment_failed")]
pub async fn invoice_payment_failed(_cx: Context, Payload(p): Payload<InvoiceDelivery>) -> Result<Invoice> {
    Ok(p.data.object)
}

/// Subscription Created
///
/// A customer subscribed.
#[webhook(event = "subscription_created")]
pub async fn subscription_created(
    _cx: Context,
    Payload(p): Payload<SubscriptionDelivery>,
) -> Result<Subscription> {
    Ok(p.data.object)
}

/// Subscription Updated
///
/// Plan, quantity, status or period of a subscription changed.
#[webhook(event = "subscription_updated")]
pub async fn subscription_updated(
    _cx: Context,
    Payload(p): Payload<SubscriptionDelivery>,
) -> Result<Subscription> {
    Ok(p.data.object)
}

/// Subscription Canceled
///
/// A subscription has ended.
#[webhook(event = "subscription_canceled")]
pub async fn subscription_canceled(
    _cx: Context,
    Payload(p): Payload<SubscriptionDelivery>,
) -> Result<Subscription> {
    Ok(p.data.object)
}
