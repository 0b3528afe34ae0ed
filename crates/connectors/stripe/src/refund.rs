//! Money that goes back.

use std::collections::BTreeMap;

use linchpin::prelude::*;

use crate::{
    expand::Expandable,
    payment::{Charge, PaymentIntent},
};

/// A refund.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Refund {
    /// Id
    pub id: String,
    /// Status
    ///
    /// `pending`, `requires_action`, `succeeded`, `failed` or `canceled`.
    pub status: Option<String>,
    /// Amount
    ///
    /// In the currency's smallest unit.
    pub amount: i64,
    /// Currency
    ///
    /// Three lower-case letters.
    pub currency: String,
    /// Payment intent
    pub payment_intent: Option<Expandable<PaymentIntent>>,
    /// Charge
    pub charge: Option<Expandable<Charge>>,
    /// Reason
    pub reason: Option<String>,
    /// Failed because
    pub failure_reason: Option<String>,
    /// Metadata
    pub metadata: Option<BTreeMap<String, String>>,
    /// Created
    pub created: Seconds,
}

/// What is given back, and why.
#[fields]
#[derive(Debug, Clone)]
pub struct NewRefund {
    /// Payment intent
    #[field(placeholder = "pi_3MtwBwLkdIwHu7ix28a3tqPa", min_length = 1)]
    pub payment_intent: String,
    /// Amount
    ///
    /// In the currency's smallest unit; all that is left of the payment where nothing is said.
    #[field(min = 1)]
    pub amount: Option<u64>,
    /// Reason
    pub reason: Option<RefundReason>,
    /// Metadata
    ///
    /// Up to fifty values of your own, by name.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Why money goes back.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundReason {
    /// Duplicate
    Duplicate,
    /// Fraudulent
    ///
    /// The card and the address then count as fraudulent from now on.
    Fraudulent,
    /// Requested by the customer
    RequestedByCustomer,
}

/// Create Refund
///
/// Gives back a payment, or a part of it.
#[action(create, idempotency = "key")]
pub async fn create_refund(cx: Context, Input(new): Input<NewRefund>) -> Result<Refund> {
    cx.post(path!("/v1/refunds")).form_nested(&new).send().await?.json()
}
