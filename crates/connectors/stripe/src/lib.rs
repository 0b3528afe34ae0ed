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
//! | [`endpoint`] | where Stripe tells of it |
//! | [`choice`] | choices of fields |
//!
//! Amounts are whole numbers in the smallest unit of their currency: cents of a dollar, yen as they are. API keys are revoked in the
//! Dashboard only, so there is no `#[revoke]`.
//!
//! There are no event flows: a spec cannot say yet how Stripe signs its deliveries, and what is not signed could be forged. What happened
//! is told by [`list_events`](event::list_events), and endpoints of your own are made by [`create_webhook_endpoint`](endpoint::create_webhook_endpoint).

pub mod account;
pub mod choice;
pub mod customer;
pub mod endpoint;
pub mod event;
pub mod expand;
pub mod invoice;
#[cfg(feature = "mock")]
pub mod mock;
pub mod payment;
pub mod price;
pub mod product;
pub mod refund;
pub mod subscription;

linchpin::connector!("../../../specs/stripe.toml");
