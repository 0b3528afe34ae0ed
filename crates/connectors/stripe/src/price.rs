//! What things cost.

use std::collections::BTreeMap;

use linchpin::prelude::*;

use crate::{choice::products, expand::Expandable, product::Product};

/// A price.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// Id
    pub id: String,
    /// Product
    pub product: Expandable<Product>,
    /// Type
    #[field(rename = "type")]
    pub kind: PriceKind,
    /// Amount of one
    ///
    /// In the currency's smallest unit; nothing where it is no whole number, or depends on how many are bought.
    pub unit_amount: Option<i64>,
    /// Exact amount of one
    ///
    /// In the currency's smallest unit, as a decimal number with up to twelve places.
    pub unit_amount_decimal: Option<String>,
    /// Currency
    ///
    /// Three lower-case letters.
    pub currency: String,
    /// How often
    ///
    /// Only of what is sold again and again.
    pub recurring: Option<Recurring>,
    /// Nickname
    ///
    /// Customers do not see it.
    pub nickname: Option<String>,
    /// Lookup key
    pub lookup_key: Option<String>,
    /// Active
    ///
    /// Whether something can be bought at it.
    pub active: bool,
    /// Metadata
    pub metadata: BTreeMap<String, String>,
    /// Live
    pub livemode: bool,
    /// Created
    pub created: Seconds,
}

/// Whether a price is paid once.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceKind {
    /// Once
    OneTime,
    /// Again and again
    Recurring,
}

/// How often something is paid.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurring {
    /// Interval
    pub interval: Interval,
    /// How many of it
    ///
    /// As in every three months; one where nothing is said.
    #[field(min = 1)]
    pub interval_count: Option<u64>,
}

/// A time after which something is paid again.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Day
    Day,
    /// Week
    Week,
    /// Month
    Month,
    /// Year
    Year,
}

/// A price to be made.
#[fields]
#[derive(Debug, Clone)]
pub struct NewPrice {
    /// Product
    #[field(choices = products, placeholder = "prod_NWjs8kKbJWmuuc", min_length = 1)]
    pub product: String,
    /// Amount of one
    ///
    /// In the currency's smallest unit: 1000 for ten dollars or for a thousand yen.
    #[field(min = 0)]
    pub unit_amount: u64,
    /// Currency
    ///
    /// Three lower-case letters (ISO 4217).
    #[field(placeholder = "usd", min_length = 3, max_length = 3)]
    pub currency: String,
    /// How often
    ///
    /// Once where nothing is chosen.
    pub recurring: Option<Recurring>,
    /// Nickname
    ///
    /// Customers do not see it.
    pub nickname: Option<String>,
    /// Lookup key
    ///
    /// A name by which your programs find it.
    #[field(max_length = 200)]
    pub lookup_key: Option<String>,
    /// Metadata
    ///
    /// Up to fifty values of your own, by name.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Create Price
#[action(create, idempotency = "key")]
pub async fn create_price(cx: Context, Input(new): Input<NewPrice>) -> Result<Price> {
    cx.post(path!("/v1/prices")).form_nested(&new).send().await?.json()
}

/// Which prices to list.
#[fields]
#[derive(Debug, Clone, Default)]
pub struct ListPrices {
    /// Product
    #[field(choices = products, placeholder = "prod_NWjs8kKbJWmuuc")]
    pub product: Option<String>,
    /// Active
    ///
    /// Only those at which something can be bought, or only the others; all where nothing is chosen.
    pub active: Option<bool>,
    /// Type
    #[field(rename = "type")]
    pub kind: Option<PriceKind>,
    /// Currency
    ///
    /// Three lower-case letters.
    pub currency: Option<String>,
}

/// List Prices
///
/// The newest first.
#[action(read)]
pub async fn list_prices(cx: Context, Input(q): Input<ListPrices>) -> Result<Records<Price>> {
    let request = cx.get(path!("/v1/prices")).query("product", q.product).query("active", q.active);
    Ok(request.query("type", q.kind).query("currency", q.currency).records())
}
