//! Where Stripe tells others of what happens.

use std::collections::BTreeMap;

use linchpin::prelude::*;

/// A webhook endpoint.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// Id
    pub id: String,
    /// URL
    pub url: String,
    /// Status
    ///
    /// `enabled` or `disabled`.
    pub status: String,
    /// Events
    ///
    /// What it is told of; `*` is nearly everything.
    pub enabled_events: Vec<String>,
    /// Description
    pub description: Option<String>,
    /// Version
    ///
    /// The version of Stripe's API in which it is told; that of the account where there is none.
    pub api_version: Option<String>,
    /// Metadata
    pub metadata: BTreeMap<String, String>,
    /// Live
    pub livemode: bool,
    /// Created
    pub created: Seconds,
}

/// A webhook endpoint that was made.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeEndpoint {
    /// Endpoint
    #[field(flatten)]
    pub endpoint: WebhookEndpoint,
    /// Secret
    ///
    /// The key that signs what is told; given now and never again.
    pub secret: String,
}

/// A webhook endpoint to be made.
#[fields]
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// URL
    #[field(placeholder = "https://acme.example/stripe", min_length = 1)]
    pub url: String,
    /// Events
    ///
    /// What it is told of, as in `invoice.paid`; `*` for nearly everything.
    #[field(min_length = 1)]
    pub enabled_events: Vec<String>,
    /// Description
    pub description: Option<String>,
    /// Connected accounts
    ///
    /// Whether it is told of what happens in connected accounts, in place of this one.
    pub connect: Option<bool>,
    /// Metadata
    ///
    /// Up to fifty values of your own, by name.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Create Webhook Endpoint
///
/// The result has the key by which deliveries are verified; Stripe does not show it again.
#[action(create, idempotency = "key")]
pub async fn create_webhook_endpoint(cx: Context, Input(new): Input<NewEndpoint>) -> Result<MadeEndpoint> {
    cx.post(path!("/v1/webhook_endpoints")).form_nested(&new).send().await?.json()
}

/// List Webhook Endpoints
///
/// The newest first.
#[action(read)]
pub async fn list_webhook_endpoints(cx: Context) -> Result<Records<WebhookEndpoint>> {
    Ok(cx.get(path!("/v1/webhook_endpoints")).records())
}

/// Which webhook endpoint.
#[fields]
#[derive(Debug, Clone)]
pub struct EndpointOf {
    /// Webhook endpoint
    #[field(placeholder = "we_1Mr5jULkdIwHu7ix1ibLTM0x", min_length = 1)]
    pub webhook_endpoint: String,
}

/// What is left of a webhook endpoint.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedEndpoint {
    /// Id
    pub id: String,
    /// Deleted
    pub deleted: bool,
}

/// Delete Webhook Endpoint
///
/// From then on it is told nothing more.
#[action(delete, idempotency = "natural")]
pub async fn delete_webhook_endpoint(cx: Context, Input(of): Input<EndpointOf>) -> Result<DeletedEndpoint> {
    cx.delete(path!("/v1/webhook_endpoints/{of.webhook_endpoint}")).send().await?.json()
}
