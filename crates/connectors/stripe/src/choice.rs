//! Choices of fields.

use linchpin::prelude::*;

use crate::{
    customer::{Customer, SearchCustomers, search_customers},
    price::Price,
    product::Product,
};

/// As many choices as a list that unfolds can hold; whoever types gets others.
const MOST: usize = 100;

/// Fewer characters Stripe does not look for.
const FEWEST: usize = 3;

/// Customers
///
/// The newest customers, or those whose name or address has what was typed in it.
#[helper]
pub async fn customers(cx: Context, Input(query): Input<ChoiceQuery>) -> Result<Choices> {
    let typed = query.search.as_deref().map(str::trim).unwrap_or_default();
    if typed.chars().count() >= FEWEST {
        let typed = typed.replace('\\', "\\\\").replace('"', "\\\"");
        let asked = format!("name~\"{typed}\" OR email~\"{typed}\"");
        let found = search_customers(cx, Input(SearchCustomers { query: asked })).await?.take(MOST).await?;
        return Ok(found.into_iter().map(named).collect());
    }
    let newest = cx.get(path!("/v1/customers")).records::<Customer>().take(MOST).await?;
    Ok(newest.into_iter().map(named).filter(|choice| query.matches(&choice.label)).collect())
}

/// A customer by name and address.
fn named(customer: Customer) -> Choice {
    let label = match (customer.name, customer.email) {
        (Some(name), Some(email)) => format!("{name} ({email})"),
        (Some(name), None) => name,
        (None, Some(email)) => email,
        (None, None) => customer.id.clone(),
    };
    Choice::new(customer.id, label)
}

/// Products
///
/// Products that are for sale, the newest first.
#[helper]
pub async fn products(cx: Context, Input(query): Input<ChoiceQuery>) -> Result<Choices> {
    let all = cx.get(path!("/v1/products")).query("active", true).records::<Product>();
    found(all.map(|product| Choice::new(product.id, product.name)), query).await
}

/// Prices
///
/// Prices at which something is sold again and again, by nickname or amount, the newest first.
#[helper]
pub async fn recurring_prices(cx: Context, Input(query): Input<ChoiceQuery>) -> Result<Choices> {
    let request = cx.get(path!("/v1/prices")).query("active", true).query("type", "recurring");
    let named = request.records::<Price>().map(|price| {
        let amount = price.unit_amount.map_or_else(String::new, |amount| format!("{amount} "));
        let label = price.nickname.unwrap_or_else(|| format!("{amount}{} ({})", price.currency, price.id));
        Choice::new(price.id, label)
    });
    found(named, query).await
}

/// Those that somebody has typed.
async fn found(all: Records<Choice>, query: ChoiceQuery) -> Result<Choices> {
    let found = all.filter(move |choice| query.matches(&choice.label)).take(MOST).await?;
    Ok(found.into_iter().collect())
}
