//! For what people pay.

use std::collections::BTreeMap;

use linchpin::prelude::*;

use crate::{expand::Expandable, price::Price};

/// A product.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Id
    pub id: String,
    /// Name
    pub name: String,
    /// Description
    pub description: Option<String>,
    /// Active
    ///
    /// Whether it is for sale.
    pub active: bool,
    /// Default price
    pub default_price: Option<Expandable<Price>>,
    /// Images
    ///
    /// Their URLs.
    pub images: Vec<String>,
    /// Unit
    ///
    /// What one piece of it is called on invoices.
    pub unit_label: Option<String>,
    /// Page
    pub url: Option<String>,
    /// Metadata
    pub metadata: BTreeMap<String, String>,
    /// Live
    pub livemode: bool,
    /// Created
    pub created: Seconds,
    /// Updated
    pub updated: Seconds,
}

/// A product to be made.
#[fields]
#[derive(Debug, Clone)]
pub struct NewProduct {
    /// Name
    #[field(placeholder = "Gold plan", min_length = 1)]
    pub name: String,
    /// Description
    pub description: Option<String>,
    /// Active
    ///
    /// Whether it is for sale; it is where nothing is said.
    pub active: Option<bool>,
    /// Images
    ///
    /// Up to eight URLs.
    #[field(max_length = 8)]
    pub images: Option<Vec<String>>,
    /// Unit
    ///
    /// What one piece of it is called on invoices.
    #[field(max_length = 12)]
    pub unit_label: Option<String>,
    /// Page
    pub url: Option<String>,
    /// Metadata
    ///
    /// Up to fifty values of your own, by name.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Create Product
#[action(create, idempotency = "key")]
pub async fn create_product(cx: Context, Input(new): Input<NewProduct>) -> Result<Product> {
    cx.post(path!("/v1/products")).form_nested(&new).send().await?.json()
}

/// Which products to list.
#[fields]
#[derive(Debug, Clone, Default)]
pub struct ListProducts {
    /// Active
    ///
    /// Only those that are for sale, or only those that are not; all where nothing is chosen.
    pub active: Option<bool>,
}

/// List Products
///
/// The newest first.
#[action(read)]
pub async fn list_products(cx: Context, Input(q): Input<ListProducts>) -> Result<Records<Product>> {
    Ok(cx.get(path!("/v1/products")).query("active", q.active).records())
}
