//! The attributes that make flows of functions.

use linchpin_manifest::attribute;
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, LitStr, Type, Visibility, spanned::Spanned};

use crate::{
    args::Args,
    diag::Diag,
    doc,
    signature::{FlowFn, RawFn},
};

/// Which attribute was written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    Action,
    Authping,
    Revoke,
    Webhook,
    Helper,
    Monitor,
}

impl Attribute {
    const ALL: [Attribute; 6] = [
        Attribute::Action,
        Attribute::Authping,
        Attribute::Revoke,
        Attribute::Webhook,
        Attribute::Helper,
        Attribute::Monitor,
    ];

    fn name(self) -> &'static str {
        match self {
            Attribute::Action => "action",
            Attribute::Authping => "authping",
            Attribute::Revoke => "revoke",
            Attribute::Webhook => "webhook",
            Attribute::Helper => "helper",
            Attribute::Monitor => "monitor",
        }
    }

    fn known(self) -> &'static [&'static str] {
        attribute::find(self.name()).map_or(&[], |found| found.arguments)
    }
}

/// What kind of flow the arguments ask for.
enum Kind {
    Action {
        effect: &'static str,
        idempotency: Option<&'static str>,
    },
    Authping,
    Revoke,
    /// One of the forms that name a hook.
    Hook {
        form: HookForm,
        hook: LitStr,
    },
    Event {
        event: LitStr,
    },
    Helper,
    Monitor {
        event: LitStr,
        every: Option<LitStr>,
        dedupe: Vec<LitStr>,
    },
}

/// What a webhook flow does for a hook of the spec.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HookForm {
    Register,
    Deregister,
    Check,
    Renew,
    List,
    Verify,
}

impl HookForm {
    const ALL: [HookForm; 6] = [
        HookForm::Register,
        HookForm::Deregister,
        HookForm::Check,
        HookForm::Renew,
        HookForm::List,
        HookForm::Verify,
    ];

    /// The argument that asks for it.
    fn word(self) -> &'static str {
        match self {
            HookForm::Register => "register",
            HookForm::Deregister => "deregister",
            HookForm::Check => "check",
            HookForm::Renew => "renew",
            HookForm::List => "list",
            HookForm::Verify => "verify",
        }
    }

    /// The name of its marker type, and of what a descriptor says.
    fn marker(self) -> &'static str {
        match self {
            HookForm::Register => "WebhookRegister",
            HookForm::Deregister => "WebhookDeregister",
            HookForm::Check => "WebhookCheck",
            HookForm::Renew => "WebhookRenew",
            HookForm::List => "WebhookList",
            HookForm::Verify => "WebhookVerify",
        }
    }
}

/// Leaves the function as it is and puts its descriptor beside it.
pub(crate) fn expand(attribute: Attribute, args: TokenStream, item: TokenStream) -> TokenStream {
    let diag = Diag::new();
    let owner = format!("#[{}]", attribute.name());
    let args = Args::parse(&owner, args, attribute.known(), &diag);
    let krate = args.krate(&diag);
    let kind = Kind::read(attribute, &args, &diag);
    let raw = diag.take(syn::parse2::<RawFn>(item.clone()).map_err(|error| {
        syn::Error::new(error.span(), format!("`{owner}` stands on an `async fn`: {error}"))
    }));
    let second = raw.as_ref().is_some_and(|raw| two_kinds(attribute, raw, &diag));
    let flow = raw.as_ref().and_then(|raw| FlowFn::validate(&owner, raw, &diag));
    let companion = match (&raw, flow, kind) {
        (Some(raw), Some(flow), Some(kind)) if diag.is_empty() => companion(raw, &flow, &kind, &krate),
        // In an `impl` no type may stand, and the other attribute leaves one of its own.
        (Some(raw), _, _) if raw.sig.receiver().is_none() && !second => stand_in(attribute, raw, &krate),
        _ => TokenStream::new(),
    };
    let errors = diag.finish();
    quote! { #item #companion #errors }
}

impl Kind {
    fn read(attribute: Attribute, args: &Args, diag: &Diag) -> Option<Kind> {
        match attribute {
            Attribute::Action => Kind::action(args, diag),
            Attribute::Authping => Some(Kind::Authping),
            Attribute::Revoke => Some(Kind::Revoke),
            Attribute::Helper => Some(Kind::Helper),
            Attribute::Webhook => Kind::webhook(args, diag),
            Attribute::Monitor => {
                let event = args.text("event", "issue_opened", diag);
                if args.get("event").is_none() {
                    diag.at(quote!(), "`#[monitor]` says which event it finds: `#[monitor(event = \"member_joined\", every = \"5m\")]`");
                }
                let every = args.text("every", "5m", diag);
                let dedupe = args.texts("dedupe", "/id", diag);
                if let Some(every) = &every {
                    check_every(every, diag);
                }
                for pointer in dedupe.iter().filter(|pointer| !pointer.value().starts_with('/')) {
                    diag.at(
                        pointer,
                        "`dedupe` is a JSON pointer into a record, which begins with `/`: `dedupe = \"/id\"`",
                    );
                }
                Some(Kind::Monitor { event: event?, every, dedupe })
            }
        }
    }

    fn action(args: &Args, diag: &Diag) -> Option<Kind> {
        const EFFECTS: [(&str, &str); 4] =
            [("read", "Read"), ("create", "Create"), ("update", "Update"), ("delete", "Delete")];
        let given: Vec<_> = EFFECTS.into_iter().filter(|(word, _)| args.word(word, diag)).collect();
        let idempotency = args.text("idempotency", "key", diag);
        let policy = idempotency.as_ref().and_then(|text| match text.value().as_str() {
            "key" => Some("Key"),
            "natural" => Some("Natural"),
            "none" => Some("None"),
            _ => {
                diag.at(
                    text,
                    "`idempotency` is one of `\"key\"` (the service honours a key that we send), `\"natural\"` (repeating changes nothing more) and `\"none\"` (never repeated)",
                );
                None
            }
        });
        match given[..] {
            [] => {
                diag.at(
                    quote!(),
                    "an action says what it does at the service: `#[action(read)]`, or `create`, `update` or `delete` with an idempotency",
                );
                None
            }
            [(_, _), (second, _), ..] => {
                diag.at(args.get(second), "an action has one effect; keep the strongest");
                None
            }
            [("read", effect)] => {
                if let Some(meta) = args.get("idempotency") {
                    diag.at(
                        meta,
                        "a `read` changes nothing and can always be repeated; remove `idempotency`",
                    );
                }
                Some(Kind::Action { effect, idempotency: None })
            }
            [(word, effect)] => {
                if args.get("idempotency").is_none() {
                    diag.at(
                        args.get(word),
                        format!(
                            "an action that writes says what repeating it does: `#[action({word}, idempotency = \"key\")]`, or `\"natural\"` or `\"none\"`"
                        ),
                    );
                }
                Some(Kind::Action { effect, idempotency: Some(policy?) })
            }
        }
    }

    fn webhook(args: &Args, diag: &Diag) -> Option<Kind> {
        let hook_forms = HookForm::ALL.into_iter().filter(|form| args.word(form.word(), diag));
        let mut given: Vec<(&str, Option<HookForm>)> =
            hook_forms.map(|form| (form.word(), Some(form))).collect();
        given.extend(args.get("event").map(|_| ("event", None)));
        let hook = args.text("hook", "project", diag);
        let event = args.text("event", "issue_opened", diag);
        match given[..] {
            [(_, None)] => {
                if let Some(meta) = args.get("hook") {
                    diag.at(meta, "the spec says by which hook an event comes: `[event.<key>] hook = \"..\"`; remove `hook` here");
                }
                Some(Kind::Event { event: event? })
            }
            [(word, Some(form))] => {
                if args.get("hook").is_none() {
                    diag.at(
                        args.get(word),
                        format!("say which hook of the spec: `#[webhook({word}, hook = \"project\")]`"),
                    );
                }
                Some(Kind::Hook { form, hook: hook? })
            }
            [] => {
                diag.at(
                    quote!(),
                    "a webhook flow is `#[webhook(event = \"..\")]`, or one of `#[webhook(register, hook = \"..\")]`, `deregister`, `check`, `renew`, `list` and `verify`",
                );
                None
            }
            [_, (second, _), ..] => {
                diag.at(
                    args.get(second),
                    "a function is one of `register`, `deregister`, `check`, `renew`, `list`, `verify` and `event`; write a function for each",
                );
                None
            }
        }
    }

    /// The marker type of the kind. That of a renewal has what it gives, which must be what the registration gives.
    fn marker(&self, result: &Type) -> TokenStream {
        let name = match self {
            Kind::Action { .. } => "Action",
            Kind::Authping => "Authping",
            Kind::Revoke => "Revoke",
            Kind::Hook { form, .. } => form.marker(),
            Kind::Event { .. } => "WebhookEvent",
            Kind::Helper => "Helper",
            Kind::Monitor { .. } => "Monitor",
        };
        let name = format_ident!("{name}");
        match self {
            Kind::Hook { form: HookForm::Renew, .. } => quote!(#name<#result>),
            _ => quote!(#name),
        }
    }

    fn info(&self) -> TokenStream {
        match self {
            Kind::Action { effect, idempotency } => {
                let effect = format_ident!("{effect}");
                let idempotency = option(idempotency.map(|policy| {
                    let policy = format_ident!("{policy}");
                    quote!(__p::Idempotency::#policy)
                }));
                quote!(__p::KindInfo::Action { effect: __p::Effect::#effect, idempotency: #idempotency })
            }
            Kind::Authping => quote!(__p::KindInfo::Authping),
            Kind::Revoke => quote!(__p::KindInfo::Revoke),
            Kind::Hook { form, hook } => {
                let kind = format_ident!("{}", form.marker());
                quote!(__p::KindInfo::#kind { hook: #hook })
            }
            Kind::Event { event } => quote!(__p::KindInfo::WebhookEvent { event: #event }),
            Kind::Helper => quote!(__p::KindInfo::Helper),
            Kind::Monitor { event, every, dedupe } => {
                let every = option(every.as_ref());
                quote!(__p::KindInfo::Monitor { event: #event, every: #every, dedupe: &[#(#dedupe),*] })
            }
        }
    }
}

pub(crate) fn option(value: Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// The longest time between two looks of a monitor, in seconds: 30 days.
const LONGEST_INTERVAL: u64 = 30 * 86400;

fn check_every(every: &LitStr, diag: &Diag) {
    let text = every.value();
    let (number, unit) =
        text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)) {
        None | Some(0) => {
            diag.at(
                every,
                format!(
                    "`{text}` is not a time; write a number and `s`, `m`, `h` or `d`, as in `every = \"5m\"`"
                ),
            );
        }
        Some(seconds) if seconds > LONGEST_INTERVAL => {
            diag.at(every, "a monitor looks at least once in 30 days: services forget what happened before");
        }
        Some(_) => {}
    }
}

/// A function with two of our attributes would be two flows of one name.
fn two_kinds(attribute: Attribute, raw: &RawFn, diag: &Diag) -> bool {
    let mut second = false;
    for attr in &raw.attrs {
        let last = attr.path().segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if Attribute::ALL.into_iter().any(|other| other.name() == last) {
            second = true;
            diag.at(
                attr,
                format!("a function is one kind of flow, and this one has `#[{}]` already; write a second function", attribute.name()),
            );
        }
    }
    second
}

/// The type of the function's name, and what linchpin knows of the flow.
fn companion(raw: &RawFn, flow: &FlowFn, kind: &Kind, krate: &TokenStream) -> TokenStream {
    let FlowFn { ident, context, parameters, result } = flow;
    let declaration = declaration(&raw.vis, ident);
    let name = ident.to_string();
    let name = name.strip_prefix("r#").unwrap_or(&name);
    let docs = doc::text(&raw.attrs);
    let (marker, info) = (kind.marker(result), kind.info());
    let (line, column) = place(ident);
    let locals: Vec<Ident> = (0..parameters.len()).map(|index| format_ident!("__p{index}")).collect();

    // Every use of an author's type is spelled and spanned alike, so that rustc reports one that does not fit once.
    let uses: Vec<TokenStream> = parameters
        .iter()
        .map(|ty| quote_spanned!(ty.span()=> <#ty as __p::Parameter<__p::kind::#marker>>))
        .collect();
    let returns = quote_spanned!(result.span()=> <#result as __p::Returns<__p::kind::#marker>>);
    let first = quote_spanned!(context.span()=> <#context as __p::FirstParameter>);
    let takes = uses.iter().zip(&locals).map(|(of, local)| {
        quote! {
            let #local = match #of::take(__call) {
                ::core::result::Result::Ok(__taken) => __taken,
                ::core::result::Result::Err(__error) => return ::core::result::Result::Err(__error),
            };
        }
    });
    let call = if parameters.is_empty() { quote!(_) } else { quote!(__call) };
    let extra = match kind {
        Kind::Helper if uses.is_empty() => quote!(impl __p::Helper for #ident {}),
        Kind::Helper => {
            let check = quote_spanned!(ident.span()=> const _: () = __p::unconnected(#first::CONNECTED, &[#(#uses::SLOT),*]););
            quote!(impl __p::Helper for #ident {} #check)
        }
        Kind::Hook { form: HookForm::Register, .. } => {
            let as_what = quote_spanned!(result.span()=> impl __p::RegistersAs<#result> for #ident {});
            quote!(impl __p::Registers for #ident {} #as_what)
        }
        _ => TokenStream::new(),
    };
    let once = (uses.len() > 1)
        .then(|| quote_spanned!(ident.span()=> const _: () = __p::once(&[#(#uses::SLOT),*]);));
    quote! {
        #declaration
        const _: () = {
            use #krate::__private as __p;
            #once

            #[automatically_derived]
            impl __p::Flow for #ident {
                type Args = (#(#parameters,)*);
                type Output = #result;
                const DESCRIPTOR: &'static __p::FlowDescriptor = &__p::FlowDescriptor {
                    name: #name,
                    kind: #info,
                    docs: #docs,
                    connected: #first::CONNECTED,
                    parameters: &[#(#uses::info),*],
                    result: #returns::info,
                    run: |__call| __p::run::<#ident>(__call, __take, #returns::produce),
                    place: (::core::file!(), #line, #column),
                };

                fn call(
                    __cx: __p::Context,
                    (#(#locals,)*): Self::Args,
                ) -> impl ::core::future::Future<Output = #result> + ::core::marker::Send {
                    #ident(#first::first(__cx), #(#locals),*)
                }
            }
            #extra

            fn __take(#call: &mut __p::Call) -> __p::Result<<#ident as __p::Flow>::Args> {
                #(#takes)*
                ::core::result::Result::Ok((#(#locals,)*))
            }

            __p::inventory::submit! {
                __p::Registration {
                    owner: __p::owner!(),
                    flow: <#ident as __p::Flow>::DESCRIPTOR,
                }
            }
        };
    }
}

/// The type of the function's name: functions and types have names of their own, so one `use` brings both.
fn declaration(vis: &Visibility, ident: &Ident) -> TokenStream {
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, missing_debug_implementations, unreachable_pub, reason = "names the flow")]
        #vis struct #ident {}
    }
}

/// Left after an error, so that what names the flow does not fail too.
fn stand_in(attribute: Attribute, raw: &RawFn, krate: &TokenStream) -> TokenStream {
    let ident = &raw.sig.ident;
    let declaration = declaration(&raw.vis, ident);
    let helper = (attribute == Attribute::Helper).then(|| {
        quote! {
            const _: () = {
                use #krate::__private as __p;
                impl __p::Flow for #ident {
                    type Args = ();
                    type Output = __p::Result<__p::Choices>;
                    const DESCRIPTOR: &'static __p::FlowDescriptor = loop {};
                    async fn call(_: __p::Context, _: ()) -> __p::Result<__p::Choices> { loop {} }
                }
                impl __p::Helper for #ident {}
            };
        }
    });
    quote!(#declaration #helper)
}

/// Line and column of a token, from 1; the compiler tells only while it expands.
pub(crate) fn place(ident: &Ident) -> (u32, u32) {
    if proc_macro::is_available() {
        let start = ident.span().unwrap().start();
        (u32::try_from(start.line()).unwrap_or(0), u32::try_from(start.column()).unwrap_or(0))
    } else {
        (0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(attribute: Attribute, args: TokenStream, item: TokenStream) -> Vec<String> {
        let out = expand(attribute, args, item).to_string();
        out.split("compile_error")
            .skip(1)
            .map(|part| part.split('"').nth(1).unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn a_half_typed_body_still_expands() {
        let item = quote! { async fn send(cx: Context, Input(mail): Input<Mail>) -> Result<Sent> { mail. } };
        assert_eq!(errors(Attribute::Action, quote!(read), item.clone()), Vec::<String>::new());
        let out = expand(Attribute::Action, quote!(read), item).to_string();
        assert!(
            out.starts_with(
                "async fn send (cx : Context , Input (mail) : Input < Mail >) -> Result < Sent > { mail . }"
            ),
            "{out}"
        );
    }

    #[test]
    fn every_mistake_is_reported() {
        let item = quote! { fn send<T>(self, cx: &Context) {} };
        let found = errors(Attribute::Action, quote!(craete, idempotency = "maybe"), item);
        assert_eq!(found.len(), 8, "{found:#?}");
    }

    #[test]
    fn the_crate_can_be_renamed() {
        let item = quote! { async fn ping(cx: Context) -> Result<Identity> { todo } };
        let out = expand(Attribute::Authping, quote!(crate = "other::sdk"), item).to_string();
        assert!(
            out.contains("use other :: sdk :: __private as __p") && !out.contains(":: linchpin"),
            "{out}"
        );
    }
}
