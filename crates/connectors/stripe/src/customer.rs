//! Who pays.

use std::collections::BTreeMap;

use linchpin::{
    manifest::spec::{PagePlace, PageStyle},
    prelude::*,
};

use crate::choice::customers;

/// A customer; of a deleted one nothing but its id is known.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Customer {
    /// Id
    pub id: String,
    /// Deleted
    #[field(default)]
    pub deleted: bool,
    /// Name
    pub name: Option<String>,
    /// E-mail
    pub email: Option<String>,
    /// Phone
    pub phone: Option<String>,
    /// Description
    pub description: Option<String>,
    /// Address
    pub address: Option<Address>,
    /// Balance
    ///
    /// In the currency's smallest unit: negative for a credit, positive for what is added to the next invoice.
    pub balance: Option<i64>,
    /// Currency
    ///
    /// Three lower-case letters, once something was billed.
    pub currency: Option<String>,
    /// Delinquent
    ///
    /// Whether the latest invoice is overdue.
    pub delinquent: Option<bool>,
    /// Metadata
    pub metadata: Option<BTreeMap<String, String>>,
    /// Live
    ///
    /// Whether it is a real customer, not one of test mode.
    pub livemode: Option<bool>,
    /// Created
    pub created: Option<Seconds>,
}

/// A postal address.
#[fields]
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Address {
    /// Line 1
    pub line1: Option<String>,
    /// Line 2
    pub line2: Option<String>,
    /// Postal code
    pub postal_code: Option<String>,
    /// City
    pub city: Option<String>,
    /// State
    ///
    /// Or county, province, region.
    pub state: Option<String>,
    /// Country
    ///
    /// Two letters (ISO 3166-1).
    pub country: Option<String>,
}

/// What is known of a customer.
#[fields]
#[derive(Debug, Clone, Default)]
pub struct Particulars {
    /// Name
    pub name: Option<String>,
    /// E-mail
    #[field(placeholder = "jenny@example.com", max_length = 512)]
    pub email: Option<String>,
    /// Phone
    pub phone: Option<String>,
    /// Description
    pub description: Option<String>,
    /// Address
    pub address: Option<Address>,
    /// Balance
    ///
    /// In the currency's smallest unit: negative for a credit, positive for what is added to the next invoice.
    pub balance: Option<i64>,
    /// Metadata
    ///
    /// Up to fifty values of your own, by name. An empty one takes the name away.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Create Customer
#[action(create, idempotency = "key")]
pub async fn create_customer(cx: Context, Input(new): Input<Particulars>) -> Result<Customer> {
    cx.post(path!("/v1/customers")).form_nested(&new).send().await?.json()
}

/// Which customer.
#[fields]
#[derive(Debug, Clone)]
pub struct CustomerOf {
    /// Customer
    #[field(choices = customers, placeholder = "cus_NffrFeUfNV2Hib", min_length = 1)]
    pub customer: String,
}

/// Get Customer
///
/// One that was deleted is there too, with nothing but its id.
#[action(read)]
pub async fn get_customer(cx: Context, Input(of): Input<CustomerOf>) -> Result<Customer> {
    cx.get(path!("/v1/customers/{of.customer}")).send().await?.json()
}

/// What to change of a customer; what is not given stays.
#[fields]
#[derive(Debug, Clone)]
pub struct CustomerChange {
    /// Customer
    #[field(choices = customers, placeholder = "cus_NffrFeUfNV2Hib", min_length = 1)]
    pub customer: String,
    /// What is known of them.
    #[field(flatten)]
    pub particulars: Particulars,
}

/// Update Customer
///
/// Changes a customer and returns it. An empty text takes away what was there.
#[action(update, idempotency = "key")]
pub async fn update_customer(cx: Context, Input(change): Input<CustomerChange>) -> Result<Customer> {
    let request = cx.post(path!("/v1/customers/{change.customer}"));
    request.form_nested(&change.particulars).send().await?.json()
}

/// What is left of a deleted customer.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedCustomer {
    /// Id
    pub id: String,
    /// Deleted
    pub deleted: bool,
}

/// Delete Customer
///
/// Deletes a customer for good, and ends all of their subscriptions at once.
#[action(delete, idempotency = "natural")]
pub async fn delete_customer(cx: Context, Input(of): Input<CustomerOf>) -> Result<DeletedCustomer> {
    cx.delete(path!("/v1/customers/{of.customer}")).send().await?.json()
}

/// Which customers to list.
#[fields]
#[derive(Debug, Clone, Default)]
pub struct ListCustomers {
    /// E-mail
    ///
    /// The whole address, in the same case.
    pub email: Option<String>,
    /// Created since
    pub created_since: Option<Seconds>,
    /// Created before
    pub created_before: Option<Seconds>,
}

/// List Customers
///
/// The newest first.
#[action(read)]
pub async fn list_customers(cx: Context, Input(q): Input<ListCustomers>) -> Result<Records<Customer>> {
    let request = cx.get(path!("/v1/customers")).query("email", q.email);
    let request = request.query("created[gte]", q.created_since).query("created[lt]", q.created_before);
    Ok(request.records())
}

/// What customers to look for.
#[fields]
#[derive(Debug, Clone)]
pub struct SearchCustomers {
    /// Query
    ///
    /// An expression over `created`, `email`, `metadata`, `name` and `phone`.
    #[field(placeholder = "email:'jenny@example.com' AND metadata['plan']:'gold'", min_length = 1)]
    pub query: String,
}

/// Search Customers
///
/// Stripe takes up to a minute to find what has just changed.
#[action(read)]
pub async fn search_customers(cx: Context, Input(q): Input<SearchCustomers>) -> Result<Records<Customer>> {
    // What is found has an order of its own, which no customer's id names a place in.
    let by_page = PageStyle::Cursor {
        cursor: "/next_page".into(),
        place: PagePlace::Query("page".into()),
        has_more: Some("/has_more".into()),
    };
    Ok(cx.get(path!("/v1/customers/search")).query("query", q.query).records_by(by_page))
}
