//! What is owed.

use std::collections::BTreeMap;

use linchpin::prelude::*;

use crate::{
    choice::customers, customer::Customer, expand::Expandable, payment::PaymentIntent,
    subscription::Subscription,
};

/// An invoice.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Invoice {
    /// Id
    pub id: String,
    /// Number
    ///
    /// Once it is final.
    pub number: Option<String>,
    /// Status
    pub status: Option<InvoiceStatus>,
    /// Customer
    pub customer: Option<Expandable<Customer>>,
    /// Subscription
    ///
    /// The one that it is for.
    pub subscription: Option<Expandable<Subscription>>,
    /// Payment intent
    ///
    /// By which it is paid.
    pub payment_intent: Option<Expandable<PaymentIntent>>,
    /// Description
    pub description: Option<String>,
    /// Collection
    pub collection_method: Collection,
    /// Subtotal
    ///
    /// In the currency's smallest unit, without discounts and taxes that are not included.
    pub subtotal: i64,
    /// Total
    ///
    /// In the currency's smallest unit.
    pub total: i64,
    /// Amount due
    ///
    /// In the currency's smallest unit.
    pub amount_due: i64,
    /// Amount paid
    ///
    /// In the currency's smallest unit.
    pub amount_paid: i64,
    /// Amount remaining
    ///
    /// In the currency's smallest unit.
    pub amount_remaining: i64,
    /// Currency
    ///
    /// Three lower-case letters.
    pub currency: String,
    /// Attempts
    ///
    /// How often it was tried to collect it.
    pub attempt_count: u64,
    /// Due
    pub due_date: Option<Seconds>,
    /// Page
    ///
    /// On which the customer can pay it.
    pub hosted_invoice_url: Option<String>,
    /// PDF
    pub invoice_pdf: Option<String>,
    /// Metadata
    pub metadata: Option<BTreeMap<String, String>>,
    /// Live
    pub livemode: bool,
    /// Created
    pub created: Seconds,
}

/// How far an invoice is.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvoiceStatus {
    /// Draft
    Draft,
    /// Open
    Open,
    /// Paid
    Paid,
    /// Uncollectible
    Uncollectible,
    /// Void
    Void,
}

/// How an invoice is paid.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    /// Charged
    ///
    /// By the customer's default payment method.
    ChargeAutomatically,
    /// Sent
    ///
    /// With instructions for paying it.
    SendInvoice,
}

/// An invoice to be made.
#[fields]
#[derive(Debug, Clone)]
pub struct NewInvoice {
    /// Customer
    #[field(choices = customers, placeholder = "cus_NffrFeUfNV2Hib", min_length = 1)]
    pub customer: String,
    /// Description
    pub description: Option<String>,
    /// Collection
    ///
    /// Charged where nothing is chosen.
    pub collection_method: Option<Collection>,
    /// Days until due
    ///
    /// Needed of one that is sent, and of no other.
    pub days_until_due: Option<u64>,
    /// Finalise by itself
    ///
    /// Whether Stripe finalises and collects it about an hour later.
    pub auto_advance: Option<bool>,
    /// Currency
    ///
    /// Three lower-case letters; the customer's where nothing is said.
    #[field(placeholder = "usd")]
    pub currency: Option<String>,
    /// Pending items
    pub pending_invoice_items_behavior: Option<PendingItems>,
    /// Metadata
    ///
    /// Up to fifty values of your own, by name.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Whether what waits to be invoiced is on it.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingItems {
    /// Include
    Include,
    /// Leave out
    Exclude,
}

/// Create Invoice
///
/// Makes a draft, which can be changed until it is finalised.
#[action(create, idempotency = "key")]
pub async fn create_invoice(cx: Context, Input(new): Input<NewInvoice>) -> Result<Invoice> {
    cx.post(path!("/v1/invoices")).form_nested(&new).send().await?.json()
}

/// Which draft becomes final.
#[fields]
#[derive(Debug, Clone)]
pub struct FinalizeInvoice {
    /// Invoice
    #[field(placeholder = "in_1MtHbELkdIwHu7ixl4OzzPMv", min_length = 1)]
    pub invoice: String,
    /// Collect by itself
    ///
    /// Whether Stripe collects it.
    pub auto_advance: Option<bool>,
}

/// Finalize Invoice
///
/// Gives a draft its number; from then on it is owed.
#[action(update, idempotency = "key")]
pub async fn finalize_invoice(cx: Context, Input(of): Input<FinalizeInvoice>) -> Result<Invoice> {
    let request = cx.post(path!("/v1/invoices/{of.invoice}/finalize"));
    request.form(of.auto_advance.map(|advance| ("auto_advance", advance))).send().await?.json()
}

/// Which invoice to get, and with what.
#[fields]
#[derive(Debug, Clone)]
pub struct GetInvoice {
    /// Invoice
    #[field(placeholder = "in_1MtHbELkdIwHu7ixl4OzzPMv", min_length = 1)]
    pub invoice: String,
    /// Expand
    ///
    /// What comes whole in place of its id.
    #[field(default)]
    pub expand: Vec<InvoicePart>,
}

/// What of an invoice may come whole.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvoicePart {
    /// Customer
    Customer,
    /// Subscription
    Subscription,
    /// Payment intent
    PaymentIntent,
}

/// Get Invoice
#[action(read)]
pub async fn get_invoice(cx: Context, Input(of): Input<GetInvoice>) -> Result<Invoice> {
    let request = cx.get(path!("/v1/invoices/{of.invoice}"));
    request.query("expand[]", of.expand).send().await?.json()
}

/// Which invoices to list.
#[fields]
#[derive(Debug, Clone, Default)]
pub struct ListInvoices {
    /// Customer
    #[field(choices = customers, placeholder = "cus_NffrFeUfNV2Hib")]
    pub customer: Option<String>,
    /// Subscription
    #[field(placeholder = "sub_1MowQVLkdIwHu7ixeRlqHVzs")]
    pub subscription: Option<String>,
    /// Status
    pub status: Option<InvoiceStatus>,
    /// Created since
    pub created_since: Option<Seconds>,
}

/// List Invoices
///
/// The newest first.
#[action(read)]
pub async fn list_invoices(cx: Context, Input(q): Input<ListInvoices>) -> Result<Records<Invoice>> {
    let request = cx.get(path!("/v1/invoices")).query("customer", q.customer);
    let request = request.query("subscription", q.subscription).query("status", q.status);
    Ok(request.query("created[gte]", q.created_since).records())
}
