//! Whose connection it is, and what it has.

use linchpin::prelude::*;

/// An account, as Stripe tells of it.
#[fields]
struct Account {
    id: String,
    email: Option<String>,
    business_profile: Option<BusinessProfile>,
}

/// What an account shows to customers.
#[fields]
struct BusinessProfile {
    name: Option<String>,
}

/// Authping
///
/// Asks Stripe whose key it is.
#[authping]
pub async fn authping(cx: Context) -> Result<Identity> {
    let account: Account = cx.get(path!("/v1/account")).send().await?.json()?;
    let name = account.business_profile.and_then(|profile| profile.name);
    let label = name.or(account.email).unwrap_or_else(|| account.id.clone());
    Ok(Identity::new(account.id, label))
}

/// An account's money.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Balance {
    /// Available
    ///
    /// What can be paid out, by currency.
    pub available: Vec<Funds>,
    /// Pending
    ///
    /// What is not available yet, by currency.
    pub pending: Vec<Funds>,
    /// Live
    ///
    /// Whether it is real money.
    pub livemode: bool,
}

/// Money in one currency.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Funds {
    /// Amount
    ///
    /// In the currency's smallest unit; negative where the account owes.
    pub amount: i64,
    /// Currency
    ///
    /// Three lower-case letters.
    pub currency: String,
}

/// Get Balance
///
/// What the account has at Stripe now.
#[action(read)]
pub async fn get_balance(cx: Context) -> Result<Balance> {
    cx.get(path!("/v1/balance")).send().await?.json()
}
