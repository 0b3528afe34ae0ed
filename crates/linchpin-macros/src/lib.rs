//! The attributes of linchpin. Their documentation stands on the re-exports of the `linchpin` crate, where examples can run.

mod args;
mod connector;
mod diag;
mod doc;
mod fields;
mod flow;
mod path;
mod signature;

use proc_macro::TokenStream;

use crate::flow::Attribute;

#[allow(missing_docs, reason = "documented on the re-export")]
#[proc_macro_attribute]
pub fn action(args: TokenStream, item: TokenStream) -> TokenStream {
    flow::expand(Attribute::Action, args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "documented on the re-export")]
#[proc_macro_attribute]
pub fn authping(args: TokenStream, item: TokenStream) -> TokenStream {
    flow::expand(Attribute::Authping, args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "documented on the re-export")]
#[proc_macro_attribute]
pub fn revoke(args: TokenStream, item: TokenStream) -> TokenStream {
    flow::expand(Attribute::Revoke, args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "documented on the re-export")]
#[proc_macro_attribute]
pub fn webhook(args: TokenStream, item: TokenStream) -> TokenStream {
    flow::expand(Attribute::Webhook, args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "documented on the re-export")]
#[proc_macro_attribute]
pub fn helper(args: TokenStream, item: TokenStream) -> TokenStream {
    flow::expand(Attribute::Helper, args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "documented on the re-export")]
#[proc_macro_attribute]
pub fn monitor(args: TokenStream, item: TokenStream) -> TokenStream {
    flow::expand(Attribute::Monitor, args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "documented on the re-export")]
#[proc_macro_attribute]
pub fn fields(args: TokenStream, item: TokenStream) -> TokenStream {
    fields::expand(args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "documented on the re-export")]
#[proc_macro]
pub fn connector(args: TokenStream) -> TokenStream {
    connector::expand(args.into()).into()
}

#[allow(missing_docs, reason = "documented on the re-export")]
#[proc_macro]
pub fn path(args: TokenStream) -> TokenStream {
    path::expand(args.into()).into()
}
