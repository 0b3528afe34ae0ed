//! `Link` headers (RFC 8288 §3), and the parameters that they share with other headers.

/// A link of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// Where it leads, absolute or relative.
    pub(crate) target: String,
    /// What it leads from, where that is not the page that it came with (§3.2).
    pub(crate) anchor: Option<String>,
}

/// The links with `rel="next"` in the value of a `Link` header, in their order.
pub(crate) fn next_links(header: &str) -> Vec<Link> {
    let mut links = Vec::new();
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((target, mut parameters)) = after.split_once('>') else { break };
        let (mut next, mut anchor) = (None, None);
        // Parameters go on to a comma outside quotes, which begins the next link. Of each name the first counts (§3.3).
        while let Some(after) = parameters.trim_start().strip_prefix(';') {
            let after = after.trim_start();
            let name_end = after.find(['=', ';', ',']).unwrap_or(after.len());
            let (name, after) = after.split_at(name_end);
            let (value, after) = match after.strip_prefix('=') {
                Some(after) => parameter_value(after.trim_start()),
                None => (String::new(), after),
            };
            match name.trim() {
                name if name.eq_ignore_ascii_case("rel") && next.is_none() => {
                    next = Some(value.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next")));
                }
                name if name.eq_ignore_ascii_case("anchor") && anchor.is_none() => anchor = Some(value),
                _ => {}
            }
            parameters = after;
        }
        if next == Some(true) {
            links.push(Link { target: target.trim().to_owned(), anchor });
        }
        rest = parameters;
    }
    links
}

/// The value of a parameter, a token or a quoted string (RFC 9110 §5.6), and what stands behind it.
pub(crate) fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*, sample::select};

    use super::*;

    fn targets(header: &str) -> Vec<String> {
        next_links(header).into_iter().map(|link| link.target).collect()
    }

    #[test]
    fn next_links_are_found_in_every_spelling() {
        for header in [
            r#"<https://a/b?page=2>; rel="next""#,
            r#"<https://a/b?page=1>; rel="prev", <https://a/b?page=2>; rel="next""#,
            r#"<https://a/b?page=2>;rel=next"#,
            r#"<https://a/b?page=2>; title="a, b; rel=\"prev\""; REL="last Next""#,
            r#"<https://a/,?x>; rel=prev , <https://a/b?page=2> ; foo ; rel = "next" ; rel="prev""#,
            r#",, <https://a/b?page=2>	;	rel	=	next ,"#,
            r#"<https://a/b?page=2>; title*=UTF-8''%e2%82%ac; title="é"; rel="https://rels.example/x next""#,
            r#"<https://a/b?page=1>; rel*="next", <https://a/b?page=2>; rev="prev"; rel="next""#,
            r#"<https://a/b?page=2>;;rel=next;"#,
        ] {
            assert_eq!(targets(header), ["https://a/b?page=2"], "{header}");
        }
        for header in
            ["", "<a", "<a>", r#"<a>; rel="prev""#, r#"<a>; rel="prev"; rel="next""#, r#"<a>; rel="nex"#]
        {
            assert!(targets(header).is_empty(), "{header}");
        }
        assert_eq!(targets("</b?page=2>; rel=next, <?page=3>; rel=next"), ["/b?page=2", "?page=3"]);
    }

    #[test]
    fn what_a_link_leads_from_is_told() {
        let links = next_links(r##"<a>; rel=next; anchor="#top"; anchor="x", <b>; rel=next"##);
        let anchors: Vec<_> = links.iter().map(|link| link.anchor.as_deref()).collect();
        assert_eq!(anchors, [Some("#top"), None]);
    }

    /// A parameter in any spelling of RFC 8288 §3 and RFC 9110 §5.6.
    fn parameter(name: &'static str, value: &'static str) -> impl Strategy<Value = String> {
        let space = || select(vec!["", " ", "\t", " \t "]);
        (space(), space(), any::<bool>(), 0..3).prop_map(move |(before, around, upper, spelling)| {
            let name = if upper { name.to_uppercase() } else { name.to_owned() };
            let bare = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let value = match spelling {
                0 if bare => value.to_owned(),
                1 => format!("\"{}\"", value.chars().flat_map(|letter| ['\\', letter]).collect::<String>()),
                _ => format!("\"{}\"", value.replace('\\', r"\\").replace('"', r#"\""#)),
            };
            format!("{before};{around}{name}{before}={around}{value}{before}")
        })
    }

    /// A link as it is written, with its target where it is meant as the next one.
    fn link() -> impl Strategy<Value = (String, Option<String>)> {
        let others = select(vec![", <evil>; rel=next", "a;b", "\"\\", "plain", ""]);
        let rels = select(vec!["next", "prev", "NEXT last", "nexts", "x next", ""]);
        (
            "[a-z0-9/?=&;,%._~:-]{0,12}",
            vec(others.prop_flat_map(|value| parameter("title", value)), 0..3),
            rels.prop_flat_map(|rel| (Just(rel), parameter("rel", rel))),
            option::of(parameter("rel", "next")),
        )
            .prop_map(|(target, others, (rel, spelt), second)| {
                let text = format!("<{target}>{}{spelt}{}", others.concat(), second.unwrap_or_default());
                let next = rel.split(' ').any(|rel| rel.eq_ignore_ascii_case("next"));
                (text, next.then_some(target))
            })
    }

    proptest! {
        #[test]
        fn every_legal_header_is_read_as_it_was_meant(links in vec(link(), 0..5)) {
            let header: Vec<_> = links.iter().map(|(text, _)| text.as_str()).collect();
            let header = header.join(" ,\t");
            let meant: Vec<String> = links.into_iter().filter_map(|(_, next)| next).collect();
            prop_assert_eq!(targets(&header), meant, "{}", header);
        }

        #[test]
        fn no_header_is_a_panic(header in any::<String>()) {
            next_links(&header);
        }
    }
}
