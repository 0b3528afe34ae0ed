//! Stripe for linchpin: customers, products, prices, payments, refunds, invoices, subscriptions, events.
//!
//! | module | flows |
//! | :- | :- |
//! | [`account`] | whose connection it is, and what it has |
//! | [`customer`] | who pays |
//! | [`product`], [`price`] | for what, and how much |
//! | [`payment`], [`refund`] | money that comes and goes back |
//! | [`invoice`], [`subscription`] | what is owed, once or again and again |
//! | [`event`] | what happened |
//! | [`hook`] | events as they happen |
//! | [`endpoint`] | where Stripe tells others of them |
//! | [`choice`] | choices of fields |
//!
//! Amounts are whole numbers in the smallest unit of their currency: cents of a dollar, yen as they are. API keys are revoked in the
//! Dashboard only, so there is no `#[revoke]`.
//!
//! What happened is told by webhooks, which Stripe signs under a key of its own making, and listed by [`list_events`](event::list_events).

pub mod account;
pub mod choice;
pub mod customer;
pub mod endpoint;
pub mod event;
pub mod expand;
pub mod hook;
pub mod invoice;
#[cfg(feature = "mock")]
pub mod mock;
pub mod payment;
pub mod price;
pub mod product;
pub mod refund;
pub mod subscription;

linchpin::connector!("../../../specs/stripe.toml");
