//! `connector!("path/of/spec.toml")`: reads the spec while compiling, and makes what depends on it.

use std::collections::BTreeMap;

use linchpin_manifest::{
    Diagnostic, Severity,
    spec::{self, ConfigSource, Spec},
};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{
    Ident, LitStr, Path, Token,
    parse::{Parse, ParseStream},
};

use crate::{diag::Diag, flow::place};

/// The path of the spec, and what is done to requests and answers.
struct Said {
    spec: LitStr,
    hooks: Vec<(Ident, Path)>,
}

const HOOKS: [&str; 2] = ["before", "after"];

impl Parse for Said {
    fn parse(input: ParseStream<'_>) -> syn::Result<Said> {
        let spec = input.parse::<LitStr>().map_err(|error| {
            syn::Error::new(error.span(), "`connector!` takes the path of the spec, relative to Cargo.toml: `connector!(\"specs/tracker.toml\")`")
        })?;
        let mut hooks = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let name = input.parse()?;
            input.parse::<Token![=]>()?;
            hooks.push((name, input.parse()?));
        }
        Ok(Said { spec, hooks })
    }
}

impl Said {
    fn hooks(&self) -> TokenStream {
        let hook = |name: &str| match self.hooks.iter().find(|(said, _)| said == name) {
            Some((_, path)) => quote!(::core::option::Option::Some(#path)),
            None => quote!(::core::option::Option::None),
        };
        let (before, after) = (hook(HOOKS[0]), hook(HOOKS[1]));
        quote!(::linchpin::__private::Hooks::new(#before, #after))
    }

    /// What is no hook, or said twice.
    fn unknown(&self) -> impl Iterator<Item = syn::Error> {
        let hooks = self.hooks.iter().enumerate();
        hooks.filter_map(|(at, (name, _))| {
            let problem = if HOOKS.iter().all(|known| name != known) {
                format!("`connector!` knows no `{name}`; behind the path it takes `before = function` and `after = function`")
            } else if self.hooks[..at].iter().any(|(before, _)| before == name) {
                format!("`{name}` is said twice; let one function do both")
            } else {
                return None;
            };
            Some(syn::Error::new(name.span(), problem))
        })
    }
}

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let diag = Diag::new();
    let said = diag.take(syn::parse2::<Said>(input));
    let hooks = said.as_ref().map(|said| said.hooks()).unwrap_or_default();
    let literal = said.map(|said| {
        said.unknown().for_each(|problem| diag.push(problem));
        said.spec
    });
    let read = literal.and_then(|literal| {
        let dir = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        let path = std::path::Path::new(&dir).join(literal.value());
        let text = diag.take(std::fs::read_to_string(&path).map_err(|error| {
            let message = format!(
                "the spec `{}` cannot be read: {error}; the path is relative to the folder of Cargo.toml",
                literal.value()
            );
            syn::Error::new(literal.span(), message)
        }))?;
        let parsed = spec::parse(&literal.value(), &text);
        for problem in parsed.diagnostics.iter().filter(|problem| problem.severity == Severity::Error) {
            diag.push(syn::Error::new(literal.span(), told(problem)));
        }
        Some((literal, parsed.spec?))
    });
    let code = read.map(|(literal, spec)| code(&literal, &spec, &hooks));
    let errors = diag.finish();
    // After an error the code stands all the same where there is some: everything else that names it keeps compiling.
    let code = code.unwrap_or_else(stand_in);
    quote!(#code #errors)
}

/// A problem of the spec as text: rustc has no place for it but this macro's literal.
fn told(problem: &Diagnostic) -> String {
    let mut text = format!("[{}] {}", problem.code, problem.message);
    for label in &problem.labels {
        let at = &label.location;
        let place = format!("\n  --> {}:{}:{} {}", at.file, at.line, at.column, label.text);
        text.push_str(place.trim_end());
    }
    for help in &problem.help {
        text.push_str(&format!("\n  help: {help}"));
    }
    text
}

fn code(literal: &LitStr, spec: &Spec, hooks: &TokenStream) -> TokenStream {
    let (key, name) = (&spec.key, &spec.name);
    let title = format!("The {name} connector.");
    let (line, column) = place(&Ident::new("here", Span::call_site()));
    let (connection, config) = (connection(spec), config(spec));
    quote! {
        /// The spec, as compiled in.
        pub const SPEC: ::linchpin::connector::SpecFile = ::linchpin::connector::SpecFile {
            path: #literal,
            text: ::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #literal)),
        };

        #[doc = #title]
        pub fn connector() -> ::linchpin::Connector {
            static INFO: ::linchpin::__private::ConnectorInfo = ::linchpin::__private::ConnectorInfo {
                key: #key,
                name: #name,
                owner: ::linchpin::__private::owner!(),
                package_dir: ::core::env!("CARGO_MANIFEST_DIR"),
                spec: SPEC,
                hooks: #hooks,
                place: (::core::file!(), #line, #column),
            };
            ::linchpin::Connector::registered(&INFO)
        }

        #connection

        #config
    }
}

/// The typed connection: a field that some method lacks, or that may be left out, is an `Option`.
fn connection(spec: &Spec) -> TokenStream {
    struct Known {
        label: String,
        secret: bool,
        always: usize,
    }
    let mut fields: BTreeMap<&str, Known> = BTreeMap::new();
    for method in &spec.auth {
        for field in &method.fields {
            let known = fields.entry(&field.key).or_insert(Known {
                label: field.label.clone(),
                secret: false,
                always: 0,
            });
            known.secret |= field.secret;
            known.always += usize::from(!field.optional || field.default.is_some());
        }
    }
    let (mut declarations, mut reads) = (Vec::new(), Vec::new());
    for (key, known) in &fields {
        let (ident, doc) = (field(key), format!("{}.", known.label));
        let (ty, read) = typed(known.secret);
        if known.always == spec.auth.len() {
            declarations.push(quote!(#[doc = #doc] pub #ident: #ty));
            reads.push(quote!(#ident: driver.connection().need(#key).map(#read)?));
        } else {
            declarations.push(quote!(#[doc = #doc] pub #ident: ::core::option::Option<#ty>));
            reads.push(quote!(#ident: driver.connection().get(#key).map(#read)));
        }
    }
    let doc = format!("The fields of a connection to {}.", spec.name);
    of_context("Connection", &doc, &declarations, &reads)
}

/// The configuration values that the spec writes, where there are any. Flows ask helpers for the others themselves.
fn config(spec: &Spec) -> Option<TokenStream> {
    let (mut declarations, mut reads) = (Vec::new(), Vec::new());
    for config in spec.config.iter().filter(|config| matches!(config.source, ConfigSource::Value(_))) {
        let (key, ident, doc) = (&config.key, field(&config.key), format!("{}.", config.label));
        let (ty, read) = typed(config.secret);
        declarations.push(quote!(#[doc = #doc] pub #ident: #ty));
        reads.push(quote!(#ident: driver.config(#key).map(|value| (#read)(&value))?));
    }
    let doc = format!("The configuration values of a connection to {}.", spec.name);
    (!reads.is_empty()).then(|| of_context("Config", &doc, &declarations, &reads))
}

fn field(key: &str) -> Ident {
    syn::parse_str(key).unwrap_or_else(|_| format_ident!("r#{key}"))
}

/// The type of a value, and what makes it out of a `&Secret`.
fn typed(secret: bool) -> (TokenStream, TokenStream) {
    match secret {
        true => (quote!(::linchpin::Secret), quote!(::core::clone::Clone::clone)),
        false => {
            (quote!(::std::string::String), quote!(|value: &::linchpin::Secret| value.expose().to_owned()))
        }
    }
}

/// A struct that every context can give, read from its `driver`.
fn of_context(name: &str, doc: &str, declarations: &[TokenStream], reads: &[TokenStream]) -> TokenStream {
    let name = format_ident!("{name}");
    quote! {
        #[doc = #doc]
        #[derive(Debug, Clone)]
        pub struct #name { #(#declarations,)* }

        impl ::linchpin::flow::FromContext for #name {
            fn from_context(cx: &::linchpin::Context) -> ::linchpin::Result<Self> {
                let driver = cx.driver();
                let _ = driver;
                ::core::result::Result::Ok(#name { #(#reads,)* })
            }
        }

        impl<K: ::linchpin::flow::kind::Kind> ::linchpin::extract::Parameter<K> for #name {
            const SLOT: ::linchpin::flow::Slot = ::linchpin::flow::Slot::#name;

            fn info() -> ::linchpin::extract::ParameterInfo {
                ::linchpin::extract::ParameterInfo::plain(::linchpin::flow::Slot::#name)
            }

            fn take(call: &mut ::linchpin::extract::Call) -> ::linchpin::Result<Self> {
                <#name as ::linchpin::flow::FromContext>::from_context(&call.cx)
            }
        }
    }
}

/// Left after an error, so that what names the connector does not fail too.
fn stand_in() -> TokenStream {
    quote! {
        #[doc(hidden)]
        pub const SPEC: ::linchpin::connector::SpecFile = ::linchpin::connector::SpecFile { path: "", text: "" };
        #[doc(hidden)]
        pub fn connector() -> ::linchpin::Connector { loop {} }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_of_the_spec_is_told_with_its_place() {
        let out = expand(quote!("src/testdata/broken.toml")).to_string();
        for place in ["broken.toml:2:", "broken.toml:6:", "broken.toml:10:"] {
            assert!(out.contains(place), "{place} {out}");
        }
        assert!(out.contains("pub fn connector"), "what names the connector still compiles: {out}");
    }

    #[test]
    fn the_connection_is_typed() {
        let out = expand(quote!("src/testdata/good.toml")).to_string();
        assert!(!out.contains("compile_error"), "{out}");
        for field in [
            "pub site : :: std :: string :: String",
            "pub token : :: core :: option :: Option < :: linchpin :: Secret >",
        ] {
            assert!(out.contains(field), "{field} {out}");
        }
        assert!(!out.contains("pub struct Config"), "there is nothing for it to hold: {out}");
    }
}
