//! `#[fields]`: what makes a struct or an enum known to linchpin.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Attribute, Data, DataEnum, DataStruct, DeriveInput, Expr, ExprLit, Field, Lit, Meta, Token, Type,
    punctuated::Punctuated, spanned::Spanned,
};

use crate::{
    args::{Args, list},
    diag::Diag,
    doc,
    flow::option,
};

const ON_TYPE: &[&str] = &["rename_all", "crate"];
const ON_FIELD: &[&str] = &[
    "label",
    "rename",
    "default",
    "group",
    "secret",
    "placeholder",
    "choices",
    "depends_on",
    "flatten",
    "min",
    "max",
    "min_length",
    "max_length",
    "pattern",
];
const ON_VARIANT: &[&str] = &["label", "rename"];

/// Keeps the item, without its `#[field(..)]`s, and puts its code beside it.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let diag = Diag::new();
    let args = Args::parse("#[fields]", args, ON_TYPE, &diag);
    let krate = args.krate(&diag);
    let rename = Rename::read(&args, &diag);
    let Some(mut input) = diag.take(syn::parse2::<DeriveInput>(item.clone()).map_err(|error| {
        syn::Error::new(error.span(), format!("`#[fields]` stands on a struct or an enum: {error}"))
    })) else {
        let errors = diag.finish();
        return quote!(#item #errors);
    };
    check_type(&input, &diag);
    check_serde(&input, &diag);
    let attrs = take_field_attributes(&mut input);
    let ident = &input.ident;
    let code = match &input.data {
        Data::Struct(data) => {
            fields_of(ident, data, &attrs, rename, &diag).map(|fields| structure(ident, &fields))
        }
        Data::Enum(data) => {
            choices_of(ident, data, &attrs, rename, &diag).map(|choices| choice(ident, &choices))
        }
        Data::Union(data) => {
            diag.at(
                data.union_token,
                "`#[fields]` stands on a struct or an enum; a union has no fields that JSON could tell apart",
            );
            None
        }
    };
    let code = match code {
        Some(code) if diag.is_empty() => code,
        _ => stand_in(&input),
    };
    let errors = diag.finish();
    quote! {
        #input
        #[allow(missing_docs, missing_debug_implementations, unreachable_pub, reason = "generated")]
        const _: () = {
            use #krate::__private as __p;
            #code
        };
        #errors
    }
}

fn check_type(input: &DeriveInput, diag: &Diag) {
    if !input.generics.params.is_empty() {
        diag.at(
            &input.generics,
            format!(
                "`{}` cannot be generic: its JSON Schema would have no one shape; write a type for each use",
                input.ident
            ),
        );
    }
}

/// Serde's part is `#[fields]`'s to write.
fn check_serde(input: &DeriveInput, diag: &Diag) {
    let inner: Vec<&Attribute> = match &input.data {
        Data::Struct(data) => data.fields.iter().flat_map(|field| &field.attrs).collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.attrs).collect(),
        Data::Union(_) => Vec::new(),
    };
    for attr in input.attrs.iter().chain(inner) {
        no_serde(attr, diag);
    }
    for derive in input.attrs.iter().filter_map(derives).flatten() {
        if let Some(name) = serde_derive(&derive) {
            diag.at(&derive, format!("`#[fields]` writes `{name}` itself; remove it here"));
        }
    }
}

fn derives(attr: &Attribute) -> Option<Punctuated<syn::Path, Token![,]>> {
    let derive = attr.path().is_ident("derive");
    derive.then(|| attr.parse_args_with(Punctuated::parse_terminated).ok()).flatten()
}

fn serde_derive(derive: &syn::Path) -> Option<String> {
    let name = derive.segments.last()?.ident.to_string();
    matches!(name.as_str(), "Serialize" | "Deserialize").then_some(name)
}

/// Once reported they go: two implementations would be one more error.
fn drop_serde_derives(attr: &mut Attribute) {
    if let Some(derives) = derives(attr)
        && derives.iter().any(|derive| serde_derive(derive).is_some())
    {
        let kept = derives.iter().filter(|derive| serde_derive(derive).is_none());
        *attr = syn::parse_quote!(#[derive(#(#kept),*)]);
    }
}

/// Serde's own attributes would make the schema say something else than the code does.
fn no_serde(attr: &Attribute, diag: &Diag) {
    if attr.path().is_ident("serde") {
        diag.at(
            attr,
            "`#[fields]` does not read serde's attributes; use `#[field(rename = \"..\")]`, `#[field(default)]`, `#[field(flatten)]` or `#[fields(rename_all = \"..\")]`",
        );
    }
}

/// Takes the `#[field(..)]`s off, in the order of the fields or variants; rustc knows no such attribute.
fn take_field_attributes(input: &mut DeriveInput) -> Vec<Vec<Attribute>> {
    let take = |attrs: &mut Vec<Attribute>| -> Vec<Attribute> {
        // Serde's have been reported; left in place they would be reported again, in rustc's words.
        attrs.retain(|attr| !attr.path().is_ident("serde"));
        let (ours, others) =
            std::mem::take(attrs).into_iter().partition(|attr| attr.path().is_ident("field"));
        *attrs = others;
        ours
    };
    input.attrs.retain(|attr| !attr.path().is_ident("serde"));
    input.attrs.iter_mut().for_each(drop_serde_derives);
    match &mut input.data {
        Data::Struct(data) => data.fields.iter_mut().map(|field| take(&mut field.attrs)).collect(),
        Data::Enum(data) => data.variants.iter_mut().map(|variant| take(&mut variant.attrs)).collect(),
        Data::Union(_) => Vec::new(),
    }
}

fn field_args(attrs: &[Attribute], known: &[&str], diag: &Diag) -> Args {
    let mut args = Args::none("#[field]");
    for attr in attrs {
        match &attr.meta {
            Meta::List(_) => {
                let metas = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
                for meta in diag.take(metas).into_iter().flatten() {
                    args.add(meta, known, diag);
                }
            }
            meta => diag.at(meta, format!("`#[field(..)]` takes arguments; it knows {}", list(known))),
        }
    }
    args
}

/// `rename_all`.
#[derive(Clone, Copy)]
enum Rename {
    AsIs,
    Camel,
    Pascal,
    Snake,
    Kebab,
    Lower,
    ScreamingSnake,
}

impl Rename {
    fn read(args: &Args, diag: &Diag) -> Option<Rename> {
        let text = args.text("rename_all", "camelCase", diag)?;
        Some(match text.value().as_str() {
            "camelCase" => Rename::Camel,
            "PascalCase" => Rename::Pascal,
            "snake_case" => Rename::Snake,
            "kebab-case" => Rename::Kebab,
            "lowercase" => Rename::Lower,
            "SCREAMING_SNAKE_CASE" => Rename::ScreamingSnake,
            _ => {
                diag.at(
                    text,
                    "`rename_all` is one of `\"camelCase\"`, `\"PascalCase\"`, `\"snake_case\"`, `\"kebab-case\"`, `\"lowercase\"` and `\"SCREAMING_SNAKE_CASE\"`",
                );
                Rename::AsIs
            }
        })
    }

    fn apply(self, name: &str) -> String {
        let words = doc::title_case(name);
        let words = words.split(' ');
        let lower = |word: &str| word.to_lowercase();
        match self {
            Rename::AsIs => name.to_owned(),
            Rename::Pascal => words.collect(),
            Rename::Camel => words
                .enumerate()
                .map(|(index, word)| if index == 0 { lower(word) } else { word.to_owned() })
                .collect(),
            Rename::Snake => words.map(lower).collect::<Vec<_>>().join("_"),
            Rename::Kebab => words.map(lower).collect::<Vec<_>>().join("-"),
            Rename::Lower => words.map(lower).collect(),
            Rename::ScreamingSnake => words.map(str::to_uppercase).collect::<Vec<_>>().join("_"),
        }
    }
}

/// One field of a struct, checked.
struct FieldOf<'a> {
    ident: &'a Ident,
    ty: &'a Type,
    name: String,
    label: String,
    help: String,
    default: Option<TokenStream>,
    group: Option<syn::LitStr>,
    secret: bool,
    placeholder: Option<syn::LitStr>,
    choices: Option<syn::Path>,
    depends_on: Vec<String>,
    flatten: bool,
    bounds: TokenStream,
}

fn fields_of<'a>(
    ident: &Ident,
    data: &'a DataStruct,
    attrs: &[Vec<Attribute>],
    rename: Option<Rename>,
    diag: &Diag,
) -> Option<Vec<FieldOf<'a>>> {
    if let syn::Fields::Unnamed(fields) = &data.fields {
        diag.at(fields, format!("the fields of `{ident}` need names, which become the keys in JSON"));
        return None;
    }
    let mut fields: Vec<(FieldOf<'a>, Vec<Ident>)> = Vec::new();
    for (field, attrs) in data.fields.iter().zip(attrs) {
        if let Some(checked) = field_of(field, attrs, rename, diag) {
            if let Some((other, _)) =
                fields.iter().find(|(other, _)| other.name == checked.0.name && !other.flatten)
            {
                diag.at(
                    field,
                    format!(
                        "`{}` and `{}` are both `{}` in JSON; rename one",
                        other.ident, checked.0.ident, other.name
                    ),
                );
            }
            fields.push(checked);
        }
    }
    for (field, depends_on) in &fields {
        for name in depends_on {
            if *name == *field.ident {
                diag.at(name, format!("the choices of `{name}` cannot depend on `{name}` itself"));
            } else if !fields.iter().any(|(other, _)| *other.ident == *name) {
                let others: Vec<String> = fields
                    .iter()
                    .map(|(other, _)| other.ident.to_string())
                    .filter(|other| *field.ident != *other)
                    .collect();
                let others: Vec<&str> = others.iter().map(String::as_str).collect();
                diag.at(name, format!("`{ident}` has no field `{name}`; it has {}", list(&others)));
            }
        }
    }
    let keys: Vec<(String, String)> =
        fields.iter().map(|(field, _)| (field.ident.to_string(), field.name.clone())).collect();
    let key = |name: &Ident| keys.iter().find(|(ident, _)| *name == *ident).map(|(_, key)| key.clone());
    Some(
        fields
            .into_iter()
            .map(|(field, depends_on)| FieldOf {
                depends_on: depends_on.iter().filter_map(key).collect(),
                ..field
            })
            .collect(),
    )
}

fn field_of<'a>(
    field: &'a Field,
    attrs: &[Attribute],
    rename: Option<Rename>,
    diag: &Diag,
) -> Option<(FieldOf<'a>, Vec<Ident>)> {
    let ident = field.ident.as_ref()?;
    let args = field_args(attrs, ON_FIELD, diag);
    if let Type::Reference(reference) = &field.ty {
        diag.at(reference, format!("`{ident}` must own its value, as in `String`; what crosses the edge outlives no one else's text"));
    }
    let plain = ident.to_string();
    let plain = plain.strip_prefix("r#").unwrap_or(&plain);
    let name = match args.text("rename", "otherName", diag) {
        Some(name) => name.value(),
        None => rename.map_or_else(|| plain.to_owned(), |rename| rename.apply(plain)),
    };
    if name.is_empty() {
        diag.at(args.get("rename"), "a key cannot be empty");
    }
    let (label, help) = doc::label_and_help(&doc::text(&field.attrs));
    let label = args.text("label", "Other Label", diag).map(|label| label.value()).or(label);
    let flatten = args.word("flatten", diag);
    if flatten {
        for other in ON_FIELD.iter().filter(|other| **other != "flatten") {
            if let Some(meta) = args.get(other) {
                diag.at(
                    meta,
                    format!("a flattened field is not shown itself, so `{other}` means nothing; remove it"),
                );
            }
        }
    }
    let choices = args.path("choices", "projects", diag);
    let depends_on = args.words("depends_on", diag);
    if let (None, Some(meta)) = (&choices, args.get("depends_on")) {
        diag.at(meta, "`depends_on` says what the helper of `choices` needs; add `choices = helper`");
    }
    Some((
        FieldOf {
            ident,
            ty: &field.ty,
            name,
            label: label.unwrap_or_else(|| doc::title_case(plain)),
            help,
            default: default_of(&args, &field.ty, diag),
            group: args.text("group", "Advanced", diag),
            secret: args.word("secret", diag),
            placeholder: args.text("placeholder", "for instance", diag),
            choices,
            depends_on: Vec::new(),
            flatten,
            bounds: bounds(&args, diag),
        },
        depends_on,
    ))
}

fn default_of(args: &Args, ty: &Type, diag: &Diag) -> Option<TokenStream> {
    match args.get("default")? {
        Meta::Path(_) => Some(quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default())),
        Meta::NameValue(meta) => Some(match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                quote_spanned!(text.span()=> ::core::convert::Into::into(#text))
            }
            value => value.to_token_stream(),
        }),
        Meta::List(list) => {
            diag.at(list, "`default` stands alone or has a value: `default = 30`");
            None
        }
    }
}

fn bounds(args: &Args, diag: &Diag) -> TokenStream {
    let (min, max) = (args.number("min", diag), args.number("max", diag));
    let length = |name: &str| {
        let number = args.number(name, diag)?;
        if number < 0.0 || number.fract() != 0.0 {
            diag.at(args.get(name), format!("`{name}` counts, so it is a whole number from 0"));
        }
        Some(number as u64)
    };
    let (min_length, max_length) = (length("min_length"), length("max_length"));
    let pattern = args.text("pattern", "^[a-z]+$", diag);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        diag.at(
            args.get("min"),
            format!("`min` is {min} and `max` is {max}, so no value fits; exchange them"),
        );
    }
    if let (Some(min), Some(max)) = (min_length, max_length)
        && min > max
    {
        diag.at(
            args.get("min_length"),
            format!("`min_length` is {min} and `max_length` is {max}, so no value fits; exchange them"),
        );
    }
    if min.is_none() && max.is_none() && min_length.is_none() && max_length.is_none() && pattern.is_none() {
        return quote!(__p::Bounds::NONE);
    }
    let (min, max, min_length, max_length, pattern) =
        (option(min), option(max), option(min_length), option(max_length), option(pattern));
    quote! {
        __p::Bounds { min: #min, max: #max, min_length: #min_length, max_length: #max_length, pattern: #pattern }
    }
}

/// The code of a struct.
fn structure(ident: &Ident, fields: &[FieldOf<'_>]) -> TokenStream {
    let (flat, own): (Vec<_>, Vec<_>) = fields.iter().partition(|field| field.flatten);
    let count = own.len();
    let names: Vec<&String> = own.iter().map(|field| &field.name).collect();

    // Every use of an author's type is spelled and spanned alike, so that rustc reports one that does not fit once.
    let of = |field: &FieldOf<'_>| {
        let ty = field.ty;
        let of = format_ident!("{}", if field.flatten { "Fields" } else { "FieldType" });
        quote_spanned!(ty.span()=> <#ty as __p::#of>)
    };
    let slots = |fields: &[&FieldOf<'_>]| -> Vec<Ident> { fields.iter().map(|field| slot(field)).collect() };
    let (own_slots, flat_slots) = (slots(&own), slots(&flat));
    let own_types: Vec<&Type> = own.iter().map(|field| field.ty).collect();
    let flat_of: Vec<TokenStream> = flat.iter().map(|field| of(field)).collect();

    let defaults = fields.iter().filter_map(|field| {
        let (default, ty, name) = (field.default.as_ref()?, field.ty, default_fn(field));
        Some(quote!(fn #name() -> #ty { #default }))
    });
    let infos = fields.iter().map(|field| info(field));
    let accepts = own.iter().enumerate().map(|(index, field)| {
        let (of, slot) = (of(field), slot(field));
        quote!(#index => #of::put(&mut __partial.#slot, __NAMES[#index], __map),)
    });
    // First every field is seen to, then all are moved at once, in a function that cannot fail: with nothing to undo it is a
    // fraction of what it would be.
    let completes = fields.iter().map(|field| {
        let (of, slot) = (of(field), slot(field));
        if field.flatten {
            return carry(&quote!(#of::complete_flat(&mut __partial.#slot)));
        }
        if field.default.is_some() {
            let default = default_fn(field);
            return quote!(__partial.#slot.get_or_insert_with(#default););
        }
        let name = &field.name;
        quote! {
            if !#of::fill(&mut __partial.#slot) {
                return ::core::result::Result::Err(#name);
            }
        }
    });
    let idents: Vec<&Ident> = own.iter().map(|field| field.ident).collect();
    let flat_idents: Vec<&Ident> = flat.iter().map(|field| field.ident).collect();
    // What is complete is never lost, so nobody sees that it would not be dropped; to drop it here would be most of the function.
    let lost = (!own.is_empty()).then(|| {
        quote! {
            __partial => {
                let _ = ::core::mem::ManuallyDrop::new(__partial);
                ::core::option::Option::None
            }
        }
    });
    let flat_finish = (!flat.is_empty()).then(|| quote!(let mut __partial = __partial;));
    let mut index = 0usize..;
    let writes = fields.iter().map(|field| {
        let (ident, of) = (field.ident, of(field));
        if field.flatten {
            return carry(&quote!(#of::write_fields(&self.#ident, __map)));
        }
        let index = index.next().unwrap_or_default();
        carry(&quote!(#of::write(&self.#ident, __NAMES[#index], __map)))
    });
    let open = (!flat.is_empty()).then(|| {
        quote! {
            const OPEN: bool = false #(|| #flat_of::OPEN)*;

            fn accept_other<'de, __A: __p::serde::de::MapAccess<'de>>(
                __partial: &mut Self::Partial,
                __key: &mut ::std::string::String,
                __map: &mut __A,
            ) -> ::core::result::Result<(), __A::Error> {
                #(if #flat_of::OPEN {
                    return #flat_of::accept_other_flat(&mut __partial.#flat_slots, __key, __map);
                })*
                __p::serial::pass_over(__map)
            }
        }
    });
    // Flattened fields have the places behind the struct's own.
    let flat_index = (!flat.is_empty()).then(|| {
        quote! {
            let mut __base = #count;
            #(
                if let ::core::option::Option::Some(__index) = #flat_of::index_of(__key, __guess.wrapping_sub(__base)) {
                    return ::core::option::Option::Some(__base + __index);
                }
                __base += #flat_of::count();
            )*
            let _ = __base;
        }
    });
    let flat_accept = (!flat.is_empty()).then(|| {
        quote! {
            let mut __index = __index - #count;
            #(
                if __index < #flat_of::count() {
                    return #flat_of::accept_flat(&mut __partial.#flat_slots, __index, __map);
                }
                __index -= #flat_of::count();
            )*
            let _ = __index;
        }
    });
    let serde = serde(
        ident,
        quote!(__p::serial::write(self, __serializer)),
        quote!(__p::serial::read(__deserializer)),
    );
    let id = format!("::{ident}");
    quote! {
        static __NAMES: [&str; #count] = [#(#names),*];
        static __SHAPE: __p::StructShape =
            __p::StructShape { id: ::core::concat!(::core::module_path!(), #id), fields: &[#(#infos),*] };
        #(#defaults)*

        #[doc(hidden)]
        pub struct __Partial {
            #(#own_slots: ::core::option::Option<#own_types>,)*
            #(#flat_slots: __p::FlatSlot,)*
        }

        impl ::core::default::Default for __Partial {
            fn default() -> Self {
                __Partial {
                    #(#own_slots: ::core::option::Option::None,)*
                    #(#flat_slots: ::core::default::Default::default(),)*
                }
            }
        }

        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl __p::FieldType for #ident {
            fn shape() -> __p::Shape {
                __p::Shape::Struct(&__SHAPE)
            }
        }

        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl __p::Fields for #ident {
            type Partial = __Partial;

            fn index_of(__key: &str, __guess: usize) -> ::core::option::Option<usize> {
                if let ::core::option::Option::Some(__index) = __p::serial::index_in(&__NAMES, __key, __guess) {
                    return ::core::option::Option::Some(__index);
                }
                #flat_index
                ::core::option::Option::None
            }

            fn count() -> usize {
                #count #(+ #flat_of::count())*
            }

            #[inline(never)]
            fn accept<'de, __A: __p::serde::de::MapAccess<'de>>(
                __partial: &mut Self::Partial,
                __index: usize,
                __map: &mut __A,
            ) -> ::core::result::Result<(), __A::Error> {
                match __index {
                    #(#accepts)*
                    _ => {
                        #flat_accept
                        __p::serial::pass_over(__map)
                    }
                }
            }

            #open

            // Inlined: not compiled for a type that is never read.
            #[inline]
            fn complete(__partial: &mut Self::Partial) -> ::core::result::Result<(), &'static str> {
                #(#completes)*
                ::core::result::Result::Ok(())
            }

            #[inline]
            fn finish(__partial: Self::Partial) -> ::core::option::Option<Self> {
                #flat_finish
                #(let #flat_slots = #flat_of::finish_flat(&mut __partial.#flat_slots)?;)*
                match __partial {
                    __Partial { #(#own_slots: ::core::option::Option::Some(#own_slots),)* .. } => {
                        ::core::option::Option::Some(#ident {
                            #(#idents: #own_slots,)*
                            #(#flat_idents: #flat_slots,)*
                        })
                    }
                    #lost
                }
            }

            fn write_fields<__M: __p::serde::ser::SerializeMap>(
                &self,
                __map: &mut __M,
            ) -> ::core::result::Result<(), __M::Error> {
                #(#writes)*
                ::core::result::Result::Ok(())
            }
        }

        #serde
    }
}

/// An error is handed on as it is: `?` would be three calls more to compile.
fn carry(step: &TokenStream) -> TokenStream {
    quote! {
        if let ::core::result::Result::Err(__error) = #step {
            return ::core::result::Result::Err(__error);
        }
    }
}

fn slot(field: &FieldOf<'_>) -> Ident {
    let name = field.ident.to_string();
    format_ident!("__{}", name.strip_prefix("r#").unwrap_or(&name))
}

fn default_fn(field: &FieldOf<'_>) -> Ident {
    format_ident!("__default{}", slot(field))
}

fn info(field: &FieldOf<'_>) -> TokenStream {
    let FieldOf { ty, name, label, help, secret, flatten, bounds, depends_on, .. } = field;
    let shape = quote_spanned!(ty.span()=> <#ty as __p::FieldType>::shape);
    let default = option(field.default.as_ref().map(|_| {
        let default = default_fn(field);
        quote!(|| __p::default_json(#default()))
    }));
    let group = option(field.group.as_ref());
    let placeholder = option(field.placeholder.as_ref());
    let choices =
        option(field.choices.as_ref().map(|path| quote_spanned!(path.span()=> __p::choice_source::<#path>)));
    quote! {
        __p::FieldInfo {
            name: #name,
            label: #label,
            help: #help,
            shape: #shape,
            flatten: #flatten,
            default: #default,
            group: #group,
            secret: #secret,
            placeholder: #placeholder,
            choices: #choices,
            depends_on: &[#(#depends_on),*],
            bounds: #bounds,
        }
    }
}

fn serde(ident: &Ident, write: TokenStream, read: TokenStream) -> TokenStream {
    quote! {
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl __p::serde::Serialize for #ident {
            fn serialize<__S: __p::serde::Serializer>(
                &self,
                __serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                #write
            }
        }

        #[automatically_derived]
        impl<'de> __p::serde::Deserialize<'de> for #ident {
            fn deserialize<__D: __p::serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                #read
            }
        }
    }
}

/// One variant of an enum, checked.
struct ChoiceOf<'a> {
    ident: &'a Ident,
    value: String,
    label: String,
}

fn choices_of<'a>(
    ident: &Ident,
    data: &'a DataEnum,
    attrs: &[Vec<Attribute>],
    rename: Option<Rename>,
    diag: &Diag,
) -> Option<Vec<ChoiceOf<'a>>> {
    if data.variants.is_empty() {
        diag.at(ident, format!("`{ident}` has no variants, so no value fits; add the choices"));
    }
    let mut choices: Vec<ChoiceOf<'a>> = Vec::new();
    for (variant, attrs) in data.variants.iter().zip(attrs) {
        let args = field_args(attrs, ON_VARIANT, diag);
        if !matches!(variant.fields, syn::Fields::Unit) {
            diag.at(
                &variant.fields,
                format!("`{}` cannot hold data: the variants of `{ident}` are choices; use a struct with optional fields", variant.ident),
            );
        }
        let plain = variant.ident.to_string();
        let value = match args.text("rename", "other_name", diag) {
            Some(value) => value.value(),
            None => rename.unwrap_or(Rename::Snake).apply(&plain),
        };
        let (label, _) = doc::label_and_help(&doc::text(&variant.attrs));
        let label = args.text("label", "Other Label", diag).map(|label| label.value()).or(label);
        if let Some(other) = choices.iter().find(|other| other.value == value) {
            diag.at(
                variant,
                format!("`{}` and `{plain}` are both `{value}` in JSON; rename one", other.ident),
            );
        }
        choices.push(ChoiceOf {
            ident: &variant.ident,
            value,
            label: label.unwrap_or_else(|| doc::title_case(&plain)),
        });
    }
    Some(choices)
}

/// The code of an enum.
fn choice(ident: &Ident, choices: &[ChoiceOf<'_>]) -> TokenStream {
    let count = choices.len();
    let infos = choices
        .iter()
        .map(|ChoiceOf { value, label, .. }| quote!(__p::ChoiceInfo { value: #value, label: #label }));
    let variants: Vec<&Ident> = choices.iter().map(|choice| choice.ident).collect();
    let indices: Vec<usize> = (0..count).collect();
    let serde = serde(
        ident,
        quote!(__serializer.serialize_str(__text(self))),
        quote! {
            match __p::serial::read_choice(&__CHOICES, __deserializer)? {
                #(#indices => ::core::result::Result::Ok(#ident::#variants),)*
                _ => ::core::result::Result::Err(__p::serial::no_such_choice()),
            }
        },
    );
    quote! {
        static __CHOICES: [__p::ChoiceInfo; #count] = [#(#infos),*];

        fn __text(__choice: &#ident) -> &'static str {
            match __choice { #(#ident::#variants => __CHOICES[#indices].value,)* }
        }

        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl __p::FieldType for #ident {
            fn shape() -> __p::Shape {
                __p::Shape::Choice(&__CHOICES)
            }
        }

        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl __p::PathValue for #ident {
            fn path_value(&self) -> ::std::borrow::Cow<'_, str> {
                ::std::borrow::Cow::Borrowed(__text(self))
            }
        }

        #serde
    }
}

/// Left after an error, so that the flows that use the type do not fail too.
fn stand_in(input: &DeriveInput) -> TokenStream {
    let ident = &input.ident;
    let (before, types, clause) = input.generics.split_for_impl();
    if !input.generics.params.is_empty() {
        return TokenStream::new();
    }
    let serde = serde(ident, quote!(loop {}), quote!(loop {}));
    quote! {
        impl #before __p::FieldType for #ident #types #clause {
            fn shape() -> __p::Shape { loop {} }
        }

        impl #before __p::Fields for #ident #types #clause {
            type Partial = ();
            fn index_of(_: &str, _: usize) -> ::core::option::Option<usize> { loop {} }
            fn count() -> usize { loop {} }
            #[inline(never)]
            fn accept<'de, __A: __p::serde::de::MapAccess<'de>>(
                _: &mut (), _: usize, _: &mut __A,
            ) -> ::core::result::Result<(), __A::Error> { loop {} }
            fn complete(_: &mut ()) -> ::core::result::Result<(), &'static str> { loop {} }
            fn finish(_: ()) -> ::core::option::Option<Self> { loop {} }
            fn write_fields<__M: __p::serde::ser::SerializeMap>(
                &self, _: &mut __M,
            ) -> ::core::result::Result<(), __M::Error> { loop {} }
        }

        #serde
    }
}
