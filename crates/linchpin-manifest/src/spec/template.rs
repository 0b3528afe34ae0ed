//! Texts with `{field}` places.

use std::fmt;

use super::{Template, TemplatePart};

impl Template {
    /// Reads a text with `{field}` places.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the braces.
    pub fn parse(text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            if rest[at..].starts_with('}') {
                return Err("`}` closes nothing".to_owned());
            }
            if at > 0 {
                parts.push(TemplatePart::Text(rest[..at].to_owned()));
            }
            let inner = &rest[at + 1..];
            let Some(end) = inner.find('}') else {
                return Err("`{` is never closed".to_owned());
            };
            let name = &inner[..end];
            if !is_key(name) {
                return Err(format!("`{{{name}}}` does not hold the key of a field"));
            }
            parts.push(TemplatePart::Field(name.to_owned()));
            rest = &inner[end + 1..];
        }
        if !rest.is_empty() {
            parts.push(TemplatePart::Text(rest.to_owned()));
        }
        Ok(Template { parts })
    }

    /// The keys of the fields it names, in order.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Field(key) => Some(key.as_str()),
            TemplatePart::Text(_) => None,
        })
    }

    /// Of a URL, the parts between the scheme and the path: host and port.
    pub fn authority(&self) -> Vec<TemplatePart> {
        let mut parts = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                TemplatePart::Field(_) => parts.push(part.clone()),
                TemplatePart::Text(text) => {
                    let text = match index {
                        0 => text.split_once("://").map_or(text.as_str(), |(_, rest)| rest),
                        _ => text,
                    };
                    let end = text.find(['/', '?', '#']);
                    let kept = &text[..end.unwrap_or(text.len())];
                    if !kept.is_empty() {
                        parts.push(TemplatePart::Text(kept.to_owned()));
                    }
                    if end.is_some() {
                        break;
                    }
                }
            }
        }
        parts
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => f.write_str(text)?,
                TemplatePart::Field(key) => write!(f, "{{{key}}}")?,
            }
        }
        Ok(())
    }
}

/// Whether a text is a key: lower-case letters, digits and `_`, beginning with a letter.
pub(crate) fn is_key(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_round_trips() {
        for text in ["", "abc", "{a}", "https://{site}.example/{b}x"] {
            assert_eq!(Template::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn braces_must_pair_and_hold_a_key() {
        for text in ["{", "}", "{}", "{A}", "{a", "a}", "{{a}}", "{a b}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_authority_ends_at_the_path() {
        let of = |text| Template { parts: Template::parse(text).unwrap().authority() }.to_string();
        assert_eq!(of("https://{site}.example:8443/{path}"), "{site}.example:8443");
        assert_eq!(of("https://{host}"), "{host}");
        assert_eq!(of("api.example"), "api.example");
    }
}
