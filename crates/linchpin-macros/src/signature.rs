//! Functions as they are seen, and as flows need them.

use proc_macro2::TokenStream;
use syn::{
    Attribute, FnArg, Ident, ReturnType, Safety, Signature, Type, Visibility,
    parse::{Parse, ParseStream},
};

use crate::diag::Diag;

/// A function of which only the signature is read: editors send half-typed bodies.
pub(crate) struct RawFn {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
}

impl Parse for RawFn {
    fn parse(input: ParseStream<'_>) -> syn::Result<RawFn> {
        let attrs = Attribute::parse_outer(input)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let _body: TokenStream = input.parse()?;
        Ok(RawFn { attrs, vis, sig })
    }
}

/// A function that can be a flow.
pub(crate) struct FlowFn {
    pub(crate) ident: Ident,
    pub(crate) context: Type,
    pub(crate) parameters: Vec<Type>,
    pub(crate) result: Type,
}

impl FlowFn {
    /// Checks the form; what the types may be is rustc's to judge.
    pub(crate) fn validate(attribute: &str, raw: &RawFn, diag: &Diag) -> Option<FlowFn> {
        let Signature {
            constness,
            asyncness,
            safety,
            abi,
            fn_token,
            ident,
            generics,
            inputs,
            variadic,
            output,
            ..
        } = &raw.sig;
        let mut good = true;
        let mut refuse = |tokens: &dyn quote::ToTokens, message: String| {
            diag.at(tokens.to_token_stream(), message);
            good = false;
        };
        if let Some(token) = constness {
            refuse(token, format!("flow `{ident}` cannot be `const`; remove the word"));
        }
        if matches!(safety, Safety::Unsafe(_)) {
            refuse(
                safety,
                format!("flow `{ident}` cannot be `unsafe`; keep unsafe code inside a safe function"),
            );
        }
        if let Some(token) = abi {
            refuse(token, format!("flow `{ident}` cannot have a foreign ABI; remove it"));
        }
        if asyncness.is_none() {
            refuse(fn_token, format!("flow `{ident}` must be async: `async fn {ident}`"));
        }
        if !generics.params.is_empty() {
            refuse(
                &generics.params,
                format!("flow `{ident}` cannot be generic; name the types it works with"),
            );
        }
        if let Some(clause) = &generics.where_clause {
            refuse(
                clause,
                format!("flow `{ident}` cannot have a `where` clause; name the types it works with"),
            );
        }
        if let Some(variadic) = variadic {
            refuse(variadic, format!("flow `{ident}` cannot be variadic; list its parameters"));
        }
        let mut types = Vec::new();
        for input in inputs {
            match input {
                FnArg::Receiver(receiver) => {
                    refuse(
                        receiver,
                        format!("flow `{ident}` is a free function; take `cx: Context` in place of `self`"),
                    );
                }
                FnArg::Typed(input) => match &*input.ty {
                    Type::Reference(reference) => refuse(
                        reference,
                        format!("flow `{ident}` takes its parameters by value; remove the reference"),
                    ),
                    Type::ImplTrait(of) => {
                        refuse(
                            of,
                            format!("flow `{ident}` cannot be generic; name the type of this parameter"),
                        );
                    }
                    ty => types.push(ty.clone()),
                },
            }
        }
        let result = match output {
            ReturnType::Type(_, ty) => Some((**ty).clone()),
            ReturnType::Default => {
                refuse(
                    ident,
                    format!(
                        "flow `{ident}` must say what it gives, as in `-> Result<{}>`",
                        example(attribute)
                    ),
                );
                None
            }
        };
        if inputs.is_empty() {
            refuse(ident, format!("flow `{ident}` needs a context as its first parameter: `cx: Context`"));
        }
        if !good || types.is_empty() {
            return None;
        }
        let context = types.remove(0);
        Some(FlowFn { ident: ident.clone(), context, parameters: types, result: result? })
    }
}

fn example(attribute: &str) -> &'static str {
    match attribute {
        "#[authping]" => "Identity",
        "#[revoke]" => "Revoked",
        "#[monitor]" => "Polled<T, C>",
        "#[webhook]" => "HookId",
        _ => "T",
    }
}
