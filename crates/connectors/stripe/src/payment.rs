//! Money that comes in: payment intents.

use std::collections::BTreeMap;

use linchpin::prelude::*;

use crate::{choice::customers, customer::Customer, expand::Expandable};

/// A payment on its way, from the first attempt to the money.
///
/// Its client secret is left out: whoever has it can pay in the customer's place.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentIntent {
    /// Id
    pub id: String,
    /// Status
    pub status: PaymentStatus,
    /// Amount
    ///
    /// In the currency's smallest unit.
    pub amount: i64,
    /// Amount to be captured
    ///
    /// In the currency's smallest unit.
    pub amount_capturable: Option<i64>,
    /// Amount received
    ///
    /// In the currency's smallest unit.
    pub amount_received: Option<i64>,
    /// Currency
    ///
    /// Three lower-case letters.
    pub currency: String,
    /// Customer
    pub customer: Option<Expandable<Customer>>,
    /// Description
    pub description: Option<String>,
    /// Payment method
    pub payment_method: Option<String>,
    /// Kinds of payment methods
    ///
    /// That may be used for it.
    pub payment_method_types: Vec<String>,
    /// Capture
    pub capture_method: CaptureMethod,
    /// Latest charge
    pub latest_charge: Option<Expandable<Charge>>,
    /// Last failure
    pub last_payment_error: Option<PaymentError>,
    /// Next step
    ///
    /// What the customer must do before it goes on.
    pub next_action: Option<NextAction>,
    /// Cancelled because
    pub cancellation_reason: Option<String>,
    /// Cancelled
    pub canceled_at: Option<Seconds>,
    /// Receipt to
    pub receipt_email: Option<String>,
    /// Metadata
    pub metadata: Option<BTreeMap<String, String>>,
    /// Live
    pub livemode: bool,
    /// Created
    pub created: Seconds,
}

/// How far a payment is.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentStatus {
    /// Needs a payment method
    RequiresPaymentMethod,
    /// Needs to be confirmed
    RequiresConfirmation,
    /// Waits for the customer
    RequiresAction,
    /// Processing
    Processing,
    /// Needs to be captured
    RequiresCapture,
    /// Cancelled
    Canceled,
    /// Succeeded
    Succeeded,
}

/// When the money is taken once a payment is allowed.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureMethod {
    /// At once
    Automatic,
    /// At once, told later
    AutomaticAsync,
    /// When asked for
    Manual,
}

/// Why a payment failed.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentError {
    /// Type
    #[field(rename = "type")]
    pub kind: String,
    /// Code
    pub code: Option<String>,
    /// Decline code
    ///
    /// Why the bank declined a card.
    pub decline_code: Option<String>,
    /// Message
    pub message: Option<String>,
}

/// What a customer must do before a payment goes on.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextAction {
    /// Type
    #[field(rename = "type")]
    pub kind: String,
    /// Redirect
    pub redirect_to_url: Option<Redirect>,
}

/// Where a customer proves that they are the one who pays.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// There
    pub url: Option<String>,
    /// And back
    pub return_url: Option<String>,
}

/// An attempt to take money.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Charge {
    /// Id
    pub id: String,
    /// Status
    ///
    /// `succeeded`, `pending` or `failed`.
    pub status: String,
    /// Amount
    ///
    /// In the currency's smallest unit.
    pub amount: i64,
    /// Amount captured
    ///
    /// In the currency's smallest unit.
    pub amount_captured: i64,
    /// Amount refunded
    ///
    /// In the currency's smallest unit.
    pub amount_refunded: i64,
    /// Currency
    ///
    /// Three lower-case letters.
    pub currency: String,
    /// Refunded
    ///
    /// Whether all of it.
    pub refunded: bool,
    /// Failure code
    pub failure_code: Option<String>,
    /// Failure
    pub failure_message: Option<String>,
    /// Receipt
    pub receipt_url: Option<String>,
    /// Created
    pub created: Seconds,
}

/// A payment to be begun.
#[fields]
#[derive(Debug, Clone)]
pub struct NewPayment {
    /// Amount
    ///
    /// In the currency's smallest unit: 1000 for ten dollars or for a thousand yen.
    #[field(min = 1)]
    pub amount: u64,
    /// Currency
    ///
    /// Three lower-case letters (ISO 4217).
    #[field(placeholder = "usd", min_length = 3, max_length = 3)]
    pub currency: String,
    /// Customer
    #[field(choices = customers, placeholder = "cus_NffrFeUfNV2Hib")]
    pub customer: Option<String>,
    /// Description
    pub description: Option<String>,
    /// Payment method
    #[field(placeholder = "pm_1MqLiJLkdIwHu7ixUEgbFdYF")]
    pub payment_method: Option<String>,
    /// Kinds of payment methods
    ///
    /// Cards where nothing is said.
    pub payment_method_types: Option<Vec<String>>,
    /// Capture
    pub capture_method: Option<CaptureMethod>,
    /// Confirm
    ///
    /// Whether the customer is charged at once; needs a payment method.
    pub confirm: Option<bool>,
    /// Off session
    ///
    /// Whether the customer is not there to prove anything; with `confirm` only.
    pub off_session: Option<bool>,
    /// Return to
    ///
    /// Where the customer comes back to from a redirect; with `confirm` only.
    pub return_url: Option<String>,
    /// Receipt to
    pub receipt_email: Option<String>,
    /// On the statement
    #[field(max_length = 22)]
    pub statement_descriptor: Option<String>,
    /// Metadata
    ///
    /// Up to fifty values of your own, by name.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Create Payment Intent
///
/// Begins a payment. Nobody is charged before it is confirmed.
#[action(create, idempotency = "key")]
pub async fn create_payment_intent(cx: Context, Input(new): Input<NewPayment>) -> Result<PaymentIntent> {
    cx.post(path!("/v1/payment_intents")).form_nested(&new).send().await?.json()
}

/// Which payment to get, and with what.
#[fields]
#[derive(Debug, Clone)]
pub struct GetPayment {
    /// Payment intent
    #[field(placeholder = "pi_3MtwBwLkdIwHu7ix28a3tqPa", min_length = 1)]
    pub payment_intent: String,
    /// Expand
    ///
    /// What comes whole in place of its id.
    #[field(default)]
    pub expand: Vec<PaymentPart>,
}

/// What of a payment may come whole.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentPart {
    /// Customer
    Customer,
    /// Latest charge
    LatestCharge,
}

/// Get Payment Intent
#[action(read)]
pub async fn get_payment_intent(cx: Context, Input(of): Input<GetPayment>) -> Result<PaymentIntent> {
    let request = cx.get(path!("/v1/payment_intents/{of.payment_intent}"));
    request.query("expand[]", of.expand).send().await?.json()
}

/// How a payment is confirmed.
#[fields]
#[derive(Debug, Clone, Default)]
pub struct Confirmation {
    /// Payment method
    ///
    /// In place of the one that the payment has.
    #[field(placeholder = "pm_1MqLiJLkdIwHu7ixUEgbFdYF")]
    pub payment_method: Option<String>,
    /// Off session
    ///
    /// Whether the customer is not there to prove anything.
    pub off_session: Option<bool>,
    /// Return to
    ///
    /// Where the customer comes back to from a redirect.
    pub return_url: Option<String>,
    /// Receipt to
    pub receipt_email: Option<String>,
}

/// Which payment is confirmed, and how.
#[fields]
#[derive(Debug, Clone)]
pub struct ConfirmPayment {
    /// Payment intent
    #[field(placeholder = "pi_3MtwBwLkdIwHu7ix28a3tqPa", min_length = 1)]
    pub payment_intent: String,
    /// How.
    #[field(flatten)]
    pub confirmation: Confirmation,
}

/// Confirm Payment Intent
///
/// Charges the customer, or says what they must do first.
#[action(update, idempotency = "key")]
pub async fn confirm_payment_intent(
    cx: Context,
    Input(confirm): Input<ConfirmPayment>,
) -> Result<PaymentIntent> {
    let request = cx.post(path!("/v1/payment_intents/{confirm.payment_intent}/confirm"));
    request.form_nested(&confirm.confirmation).send().await?.json()
}

/// Which payment is cancelled, and why.
#[fields]
#[derive(Debug, Clone)]
pub struct CancelPayment {
    /// Payment intent
    #[field(placeholder = "pi_3MtwBwLkdIwHu7ix28a3tqPa", min_length = 1)]
    pub payment_intent: String,
    /// Reason
    pub cancellation_reason: Option<CancellationReason>,
}

/// Why a payment is cancelled.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancellationReason {
    /// Duplicate
    Duplicate,
    /// Fraudulent
    Fraudulent,
    /// Requested by the customer
    RequestedByCustomer,
    /// Abandoned
    Abandoned,
}

/// Cancel Payment Intent
///
/// Gives up a payment that has not succeeded, and what was reserved for it.
#[action(update, idempotency = "key")]
pub async fn cancel_payment_intent(
    cx: Context,
    Input(cancel): Input<CancelPayment>,
) -> Result<PaymentIntent> {
    let request = cx.post(path!("/v1/payment_intents/{cancel.payment_intent}/cancel"));
    let reason = cancel.cancellation_reason.map(|reason| ("cancellation_reason", reason));
    request.form(reason).send().await?.json()
}

/// Which payments to list.
#[fields]
#[derive(Debug, Clone, Default)]
pub struct ListPayments {
    /// Customer
    #[field(choices = customers, placeholder = "cus_NffrFeUfNV2Hib")]
    pub customer: Option<String>,
    /// Created since
    pub created_since: Option<Seconds>,
    /// Created before
    pub created_before: Option<Seconds>,
}

/// List Payment Intents
///
/// The newest first.
#[action(read)]
pub async fn list_payment_intents(
    cx: Context,
    Input(q): Input<ListPayments>,
) -> Result<Records<PaymentIntent>> {
    let request = cx.get(path!("/v1/payment_intents")).query("customer", q.customer);
    let request = request.query("created[gte]", q.created_since).query("created[lt]", q.created_before);
    Ok(request.records())
}
