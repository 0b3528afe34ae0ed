//! `path!("/projects/{id}/issues?state={state}")`: paths whose values are encoded for their place.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Expr, LitStr, Member};

use crate::diag::Diag;

/// What a path is made of, before it becomes code.
#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Value(String),
    Rest(String),
    Query(String),
}

/// A mistake in the literal, with the byte at which it stands.
#[derive(Debug, PartialEq)]
struct Mistake(usize, String);

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let diag = Diag::new();
    let literal = diag.take(syn::parse2::<LitStr>(input).map_err(|error| {
        syn::Error::new(error.span(), "`path!` takes one text: `path!(\"/projects/{id}/issues\")`")
    }));
    let Some(literal) = literal else {
        let errors = diag.finish();
        return quote!({ #errors ::linchpin::__private::build_path(&[]) });
    };
    let text = literal.value();
    let (pieces, mistakes) = parse(&text);
    for Mistake(at, message) in mistakes {
        // Stable Rust knows no place inside a literal: the text shows it.
        let caret = " ".repeat(text[..at.min(text.len())].chars().count());
        diag.push(syn::Error::new(literal.span(), format!("{message}\n\n    {text}\n    {caret}^")));
    }
    let pieces = pieces.into_iter().filter_map(|piece| code(piece, literal.span(), &diag));
    let pieces: Vec<TokenStream> = pieces.collect();
    let errors = diag.finish();
    if errors.is_empty() {
        quote!(::linchpin::__private::build_path(&[#(#pieces),*]))
    } else {
        quote!({ #errors ::linchpin::__private::build_path(&[]) })
    }
}

fn code(piece: Piece, span: Span, diag: &Diag) -> Option<TokenStream> {
    let (variant, name) = match piece {
        Piece::Text(text) => return Some(quote!(::linchpin::__private::PathPiece::Text(#text))),
        Piece::Value(name) => (quote!(Value), name),
        Piece::Rest(name) => (quote!(Rest), name),
        Piece::Query(name) => (quote!(Query), name),
    };
    // Parsed with the literal's span: an unknown name is then reported at the literal.
    let value: Expr = diag.take(LitStr::new(&name, span).parse())?;
    let value = quote::quote_spanned!(span=> ::linchpin::__private::PathValue::path_value(&#value));
    Some(match variant.to_string().as_str() {
        "Query" => quote!(::linchpin::__private::PathPiece::Query(#value)),
        _ => quote!(::linchpin::__private::PathPiece::#variant(#name, #value)),
    })
}

fn parse(text: &str) -> (Vec<Piece>, Vec<Mistake>) {
    let mut pieces = Vec::new();
    let mut mistakes = Vec::new();
    let mut mistake = |at: usize, message: &str| mistakes.push(Mistake(at, message.to_owned()));
    if !text.starts_with('/') {
        mistake(0, "a path begins with `/`; the base URL comes from the spec");
    }
    let mut literal = String::new();
    let mut in_query = false;
    let mut segment_start = 0;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '{' => {
                let Some(length) = text[at..].find('}') else {
                    mistake(at, "`{` is not closed; write `{name}`");
                    break;
                };
                let name = &text[at + 1..at + length];
                while letters.next_if(|(next, _)| *next <= at + length).is_some() {}
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                let (rest, name) = match name.strip_prefix('*') {
                    Some(name) => (true, name.trim()),
                    None => (false, name.trim()),
                };
                if name.is_empty() {
                    mistake(at, "`{}` names no value; write `{name}` or `{value.field}`");
                } else if !is_field_path(name) {
                    mistake(
                        at,
                        "only a name or its fields stand here, as in `{name}` or `{value.field}`; compute anything else before",
                    );
                } else if rest && in_query {
                    mistake(
                        at,
                        "`{*name}` stands for several segments of the path; a query value is `{name}`",
                    );
                } else if rest && (at != segment_start + 1 || !ends_segment(&text[at + length + 1..])) {
                    mistake(at, "`{*name}` stands for whole segments; put `/` around it");
                } else {
                    let name = name.to_owned();
                    pieces.push(match (in_query, rest) {
                        (true, _) => Piece::Query(name),
                        (false, true) => Piece::Rest(name),
                        (false, false) => Piece::Value(name),
                    });
                }
            }
            '}' => mistake(at, "`}` closes nothing; write `{name}`"),
            '#' => mistake(at, "a request has no fragment; write `%23` if the service wants the character"),
            '?' if !in_query => {
                in_query = true;
                literal.push('?');
            }
            '/' if !in_query => {
                if at > 0 {
                    dots(&text[segment_start + 1..at], segment_start + 1, &mut mistake);
                }
                if text[at + 1..].starts_with('/') {
                    mistake(at + 1, "`//` makes an empty segment; remove one `/`");
                }
                segment_start = at;
                literal.push('/');
            }
            letter if letter.is_ascii_graphic() && !"\"<>\\^`|".contains(letter) => literal.push(letter),
            _ => mistake(at, "this character cannot stand in a URL as it is; write it percent-encoded"),
        }
    }
    if !in_query && text.starts_with('/') {
        dots(&text[segment_start + 1..], segment_start + 1, &mut mistake);
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    (pieces, mistakes)
}

fn ends_segment(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['/', '?'])
}

fn dots(segment: &str, at: usize, mistake: &mut impl FnMut(usize, &str)) {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    if matches!(plain.as_str(), "." | "..") {
        mistake(at, "`.` and `..` lead elsewhere; write the path that is meant");
    }
}

/// `name`, `value.field`, `pair.0` and the like.
fn is_field_path(name: &str) -> bool {
    fn walk(value: &Expr) -> bool {
        match value {
            Expr::Path(path) => path.qself.is_none() && path.path.get_ident().is_some(),
            Expr::Field(field) => {
                matches!(field.member, Member::Named(_) | Member::Unnamed(_)) && walk(&field.base)
            }
            _ => false,
        }
    }
    syn::parse_str::<Expr>(name).is_ok_and(|value| walk(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    #[test]
    fn paths_come_apart() {
        let (pieces, mistakes) = parse("/repos/{r.owner}/x-{n}/contents/{*path}?ref={branch}&a=b");
        assert_eq!(mistakes, []);
        let value = |name: &str| Piece::Value(name.into());
        let expected = [
            text("/repos/"),
            value("r.owner"),
            text("/x-"),
            value("n"),
            text("/contents/"),
            Piece::Rest("path".into()),
            text("?ref="),
            Piece::Query("branch".into()),
            text("&a=b"),
        ];
        assert_eq!(pieces, expected);
    }

    #[test]
    fn mistakes_have_their_places() {
        for (path, at) in [
            ("a", 0),
            ("/{", 1),
            ("/a}", 2),
            ("/{}", 1),
            ("/{f(x)}", 1),
            ("/a/../b", 3),
            ("/a/%2E.", 3),
            ("//a", 1),
            ("/a b", 2),
            ("/a#b", 2),
            ("/x{*p}", 2),
            ("/{*p}x", 1),
            ("/?a={*p}", 4),
            ("/é", 1),
        ] {
            let (_, mistakes) = parse(path);
            let [Mistake(found, _)] = &mistakes[..] else { panic!("{path}: {mistakes:?}") };
            assert_eq!(*found, at, "{path}");
        }
    }
}
