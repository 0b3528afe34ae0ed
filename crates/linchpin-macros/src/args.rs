//! The arguments of an attribute: `name`, `name = value` and `name(list)`, each at most once.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Expr, ExprLit, ExprPath, Ident, Lit, Meta, Path, Token, punctuated::Punctuated};

use crate::diag::Diag;

/// What an attribute was given, checked against the names it knows.
pub(crate) struct Args {
    /// The attribute as people write it, as in `#[action]`.
    owner: String,
    given: Vec<Meta>,
}

impl Args {
    /// Reads the arguments; unknown and repeated ones are reported and left out.
    pub(crate) fn parse(owner: &str, args: TokenStream, known: &[&str], diag: &Diag) -> Args {
        let mut all = Args { owner: owner.to_owned(), given: Vec::new() };
        let list = syn::parse::Parser::parse2(Punctuated::<Meta, Token![,]>::parse_terminated, args);
        for meta in diag.take(list).into_iter().flatten() {
            all.add(meta, known, diag);
        }
        all
    }

    /// Takes one argument in.
    pub(crate) fn add(&mut self, meta: Meta, known: &[&str], diag: &Diag) {
        let owner = &self.owner;
        let name = meta.path().get_ident().map(Ident::to_string).unwrap_or_default();
        if !known.contains(&name.as_str()) {
            let shown = meta.path().to_token_stream().to_string().replace(' ', "");
            let message = match known {
                [] => format!("`{owner}` takes no arguments; remove `{shown}`"),
                known => format!("`{owner}` has no argument `{shown}`; it knows {}", list(known)),
            };
            diag.at(meta.path(), message);
        } else if self.given.iter().any(|other| other.path().is_ident(&name)) {
            diag.at(meta.path(), format!("`{name}` is given twice; keep one"));
        } else {
            self.given.push(meta);
        }
    }

    pub(crate) fn none(owner: &str) -> Args {
        Args { owner: owner.to_owned(), given: Vec::new() }
    }

    /// The argument itself, to point at.
    pub(crate) fn get(&self, name: &str) -> Option<&Meta> {
        self.given.iter().find(|meta| meta.path().is_ident(name))
    }

    /// Whether the bare word is given.
    pub(crate) fn word(&self, name: &str, diag: &Diag) -> bool {
        match self.get(name) {
            None => false,
            Some(Meta::Path(_)) => true,
            Some(other) => {
                diag.at(other, format!("`{name}` stands alone, without a value"));
                true
            }
        }
    }

    /// The value of `name = value`.
    pub(crate) fn value(&self, name: &str, like: &str, diag: &Diag) -> Option<&Expr> {
        match self.get(name)? {
            Meta::NameValue(meta) => Some(&meta.value),
            other => {
                diag.at(other, format!("`{name}` needs a value: `{name} = {like}`"));
                None
            }
        }
    }

    /// The value of `name = "text"`.
    pub(crate) fn text(&self, name: &str, like: &str, diag: &Diag) -> Option<syn::LitStr> {
        let like = format!("\"{like}\"");
        match self.value(name, &like, diag)? {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
            other => {
                diag.at(other, format!("`{name}` is a text: `{name} = {like}`"));
                None
            }
        }
    }

    /// The texts of `name = "text"` or `name = ["text", "text"]`.
    pub(crate) fn texts(&self, name: &str, like: &str, diag: &Diag) -> Vec<syn::LitStr> {
        let like = format!("\"{like}\"");
        let Some(value) = self.value(name, &like, diag) else { return Vec::new() };
        let items: Vec<&Expr> = match value {
            Expr::Array(list) => list.elems.iter().collect(),
            one => vec![one],
        };
        if items.is_empty() {
            diag.at(value, format!("`{name}` is empty; write `{name} = {like}`, or leave it out"));
        }
        let mut texts = Vec::new();
        for item in items {
            match item {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => texts.push(text.clone()),
                other => {
                    diag.at(other, format!("`{name}` is a text or a list of them: `{name} = {like}`"));
                }
            }
        }
        texts
    }

    /// The value of `name = a::path`.
    pub(crate) fn path(&self, name: &str, like: &str, diag: &Diag) -> Option<Path> {
        match self.value(name, like, diag)? {
            Expr::Path(ExprPath { qself: None, path, .. }) => Some(path.clone()),
            other => {
                diag.at(other, format!("`{name}` is the name of a function: `{name} = {like}`"));
                None
            }
        }
    }

    /// The value of `name = 1.5` or `name = -3`.
    pub(crate) fn number(&self, name: &str, diag: &Diag) -> Option<f64> {
        let value = self.value(name, "10", diag)?;
        let (sign, literal) = match value {
            Expr::Unary(syn::ExprUnary { op: syn::UnOp::Neg(_), expr, .. }) => (-1.0, &**expr),
            literal => (1.0, literal),
        };
        let number = match literal {
            Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<f64>().ok(),
            Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => number.base10_parse::<f64>().ok(),
            _ => None,
        };
        if number.is_none() {
            diag.at(value, format!("`{name}` is a number: `{name} = 10`"));
        }
        number.map(|number| sign * number)
    }

    /// The words of `name(a, b)`.
    pub(crate) fn words(&self, name: &str, diag: &Diag) -> Vec<Ident> {
        match self.get(name) {
            None => Vec::new(),
            Some(Meta::List(list)) => {
                let words = list.parse_args_with(Punctuated::<Ident, Token![,]>::parse_terminated);
                diag.take(words).into_iter().flatten().collect()
            }
            Some(other) => {
                diag.at(other, format!("`{name}` is a list: `{name}(one, two)`"));
                Vec::new()
            }
        }
    }

    /// The path of the linchpin crate: `::linchpin`, or what `crate = ".."` says.
    pub(crate) fn krate(&self, diag: &Diag) -> TokenStream {
        let Some(text) = self.text("crate", "a::path", diag) else { return quote!(::linchpin) };
        match diag.take(text.parse_with(Path::parse_mod_style)) {
            Some(path) => quote!(#path),
            None => quote!(::linchpin),
        }
    }
}

/// Known names for a message: `` `a`, `b` and `c` ``.
pub(crate) fn list(names: &[&str]) -> String {
    let names: Vec<String> =
        names.iter().filter(|name| **name != "crate").map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
