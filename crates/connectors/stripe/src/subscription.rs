//! What is owed again and again.

use std::collections::BTreeMap;

use linchpin::{prelude::*, serde_json::json};

use crate::{
    choice::{customers, recurring_prices},
    customer::Customer,
    expand::Expandable,
    invoice::Invoice,
    price::Price,
};

/// A subscription.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// Id
    pub id: String,
    /// Status
    pub status: SubscriptionStatus,
    /// Customer
    pub customer: Expandable<Customer>,
    /// Items
    ///
    /// What is subscribed to.
    pub items: Items,
    /// Description
    pub description: Option<String>,
    /// Currency
    ///
    /// Three lower-case letters.
    pub currency: String,
    /// Latest invoice
    pub latest_invoice: Option<Expandable<Invoice>>,
    /// Period began
    pub current_period_start: Seconds,
    /// Period ends
    ///
    /// When the next invoice is made.
    pub current_period_end: Seconds,
    /// Ends with the period
    pub cancel_at_period_end: bool,
    /// Will end
    pub cancel_at: Option<Seconds>,
    /// Cancelled
    ///
    /// When somebody did so, which may be long before it ends.
    pub canceled_at: Option<Seconds>,
    /// Ended
    pub ended_at: Option<Seconds>,
    /// Trial ends
    pub trial_end: Option<Seconds>,
    /// Metadata
    pub metadata: BTreeMap<String, String>,
    /// Live
    pub livemode: bool,
    /// Created
    pub created: Seconds,
}

/// How a subscription stands.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionStatus {
    /// Incomplete
    Incomplete,
    /// Incomplete for too long
    IncompleteExpired,
    /// On trial
    Trialing,
    /// Active
    Active,
    /// Past due
    PastDue,
    /// Cancelled
    Canceled,
    /// Unpaid
    Unpaid,
    /// Paused
    Paused,
}

/// What a subscription is made of.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Items {
    /// Items
    pub data: Vec<Item>,
}

/// Something that is subscribed to.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Id
    pub id: String,
    /// Price
    pub price: Price,
    /// How many
    ///
    /// Nothing where use is measured.
    pub quantity: Option<u64>,
}

/// A subscription to be begun.
#[fields]
#[derive(Debug, Clone)]
pub struct NewSubscription {
    /// Customer
    #[field(choices = customers, placeholder = "cus_NffrFeUfNV2Hib", min_length = 1)]
    pub customer: String,
    /// Items
    ///
    /// Up to twenty prices.
    #[field(min_length = 1, max_length = 20)]
    pub items: Vec<NewItem>,
    /// Description
    pub description: Option<String>,
    /// Payment method
    ///
    /// The customer's own where nothing is said.
    #[field(placeholder = "pm_1MqLiJLkdIwHu7ixUEgbFdYF")]
    pub default_payment_method: Option<String>,
    /// If the first payment fails
    pub payment_behavior: Option<PaymentBehavior>,
    /// Days of trial
    #[field(min = 1)]
    pub trial_period_days: Option<u64>,
    /// Ends with the period
    ///
    /// Whether it ends after the first period.
    pub cancel_at_period_end: Option<bool>,
    /// Metadata
    ///
    /// Up to fifty values of your own, by name.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Something to be subscribed to.
#[fields]
#[derive(Debug, Clone)]
pub struct NewItem {
    /// Price
    #[field(choices = recurring_prices, placeholder = "price_1MowQULkdIwHu7ixraBm864M", min_length = 1)]
    pub price: String,
    /// How many
    ///
    /// One where nothing is said.
    pub quantity: Option<u64>,
}

/// What becomes of a subscription whose first payment fails.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentBehavior {
    /// It is incomplete, for a day
    AllowIncomplete,
    /// It begins incomplete, before any payment
    DefaultIncomplete,
    /// It is not made
    ErrorIfIncomplete,
}

/// Create Subscription
#[action(create, idempotency = "key")]
pub async fn create_subscription(cx: Context, Input(new): Input<NewSubscription>) -> Result<Subscription> {
    cx.post(path!("/v1/subscriptions")).form_nested(&new).send().await?.json()
}

/// Which subscription ends, and how.
#[fields]
#[derive(Debug, Clone)]
pub struct CancelSubscription {
    /// Subscription
    #[field(placeholder = "sub_1MowQVLkdIwHu7ixeRlqHVzs", min_length = 1)]
    pub subscription: String,
    /// Invoice now
    ///
    /// Whether what is still owed is invoiced at once.
    pub invoice_now: Option<bool>,
    /// Prorate
    ///
    /// Whether the rest of the period is credited.
    pub prorate: Option<bool>,
    /// Comment
    pub comment: Option<String>,
}

/// Cancel Subscription
///
/// Ends a subscription at once and returns it.
#[action(delete, idempotency = "natural")]
pub async fn cancel_subscription(
    cx: Context,
    Input(cancel): Input<CancelSubscription>,
) -> Result<Subscription> {
    let request = cx.delete(path!("/v1/subscriptions/{cancel.subscription}"));
    let form = json!({
        "invoice_now": cancel.invoice_now,
        "prorate": cancel.prorate,
        "cancellation_details": { "comment": cancel.comment },
    });
    request.form_nested(&form).send().await?.json()
}
