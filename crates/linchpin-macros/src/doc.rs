//! Doc comments, which become titles, labels and help.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The text of an item's doc comment, lines joined by line breaks; empty where there is none.
pub(crate) fn text(attrs: &[Attribute]) -> String {
    let mut text = String::new();
    for attr in attrs {
        if let Meta::NameValue(meta) = &attr.meta
            && meta.path.is_ident("doc")
            && let Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) = &meta.value
        {
            let line = line.value();
            text.push_str(line.strip_prefix(' ').unwrap_or(&line));
            text.push('\n');
        }
    }
    text.trim().to_owned()
}

/// The first line, and the paragraphs behind it, each on one line.
pub(crate) fn label_and_help(text: &str) -> (Option<String>, String) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let label = first.trim().trim_end_matches('.');
    let help: Vec<String> = rest
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.is_empty())
        .collect();
    ((!label.is_empty()).then(|| label.to_owned()), help.join("\n\n"))
}

/// `list_issues` or `ListIssues` as `List Issues`.
pub(crate) fn title_case(name: &str) -> String {
    let mut title = String::new();
    let mut last = '_';
    for letter in name.chars() {
        match letter {
            '_' => {}
            letter if last == '_' || (letter.is_uppercase() && !last.is_uppercase()) => {
                if !title.is_empty() {
                    title.push(' ');
                }
                title.extend(letter.to_uppercase());
            }
            letter => title.push(letter),
        }
        last = letter;
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_titles() {
        assert_eq!(title_case("list_issues"), "List Issues");
        assert_eq!(title_case("NotPlanned"), "Not Planned");
        assert_eq!(title_case("html_url2"), "Html Url2");
        assert_eq!(title_case("_x"), "X");
    }

    #[test]
    fn the_first_line_is_the_label() {
        let (label, help) = label_and_help("Title.\n\nOne\ntwo.\n\nThree.");
        assert_eq!((label.as_deref(), help.as_str()), (Some("Title"), "One two.\n\nThree."));
        assert_eq!(label_and_help(""), (None, String::new()));
    }
}
