//! Texts of the spec with the connection's fields filled in.

use linchpin::{
    Code, Error, Result,
    extract::ConnectionValues,
    manifest::spec::{AuthMethod, ConnectionFieldKind, Template, TemplatePart},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// Everything but RFC 3986's unreserved characters.
pub(crate) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Fills a template as it is: for header values, user names and the like.
pub(crate) fn text(template: &Template, values: &ConnectionValues) -> Result<String> {
    fill(template, values, &mut |_, value, text| {
        text.push_str(value);
        Ok(())
    })
}

/// Fills the template of a URL, each value encoded for its place; no value can change scheme or host beyond its own label.
pub(crate) fn url(
    template: &Template,
    values: &ConnectionValues,
    method: Option<&AuthMethod>,
) -> Result<Url> {
    let filled = fill(template, values, &mut |key, value, text| {
        let Some((_, after)) = text.split_once("://") else {
            let message = format!(
                "`{{{key}}}` stands in front of the host in the URL `{template}`, where no field can"
            );
            return Err(Error::coded(Code::NotCarriedOut, message));
        };
        if after.contains('?') {
            text.extend(utf8_percent_encode(value, ENCODED));
        } else if after.contains('/') {
            if matches!(value, "." | "..") {
                return Err(misfit(key, "makes a path segment that leads elsewhere"));
            }
            text.extend(utf8_percent_encode(value, ENCODED));
        } else if is_host_field(method, key) {
            check_host(value).map_err(|problem| misfit(key, problem))?;
            text.push_str(value);
        } else {
            if !is_label(value) {
                return Err(misfit(key, "must be one label of a host name: letters, digits and `-`"));
            }
            text.push_str(value);
        }
        Ok(())
    })?;
    Url::parse(&filled).map_err(|error| {
        let message = format!("the URL `{template}` is not valid with the connection's fields: {error}");
        Error::coded(Code::ConnectionInvalid, message)
    })
}

/// Fills the template of a host with an optional port.
pub(crate) fn host(
    template: &Template,
    values: &ConnectionValues,
    method: Option<&AuthMethod>,
) -> Result<(String, Option<u16>)> {
    let parts = [TemplatePart::Text("https://".to_owned())].into_iter().chain(template.parts.iter().cloned());
    let url = url(&Template { parts: parts.collect() }, values, method)?;
    // The port of https is left out by the parser, and means any: the scheme is judged elsewhere.
    Ok((url.host_str().unwrap_or_default().to_owned(), url.port()))
}

fn fill(
    template: &Template,
    values: &ConnectionValues,
    put: &mut dyn FnMut(&str, &str, &mut String) -> Result<()>,
) -> Result<String> {
    let mut text = String::new();
    for part in &template.parts {
        match part {
            TemplatePart::Text(part) => text.push_str(part),
            TemplatePart::Field(key) => put(key, values.need(key)?.expose(), &mut text)?,
        }
    }
    Ok(text)
}

fn misfit(key: &str, problem: &str) -> Error {
    Error::coded(Code::ConnectionInvalid, format!("the connection's field `{key}` {problem}"))
}

fn is_host_field(method: Option<&AuthMethod>, key: &str) -> bool {
    let field = method.and_then(|method| method.fields.iter().find(|field| field.key == key));
    field.is_some_and(|field| field.kind == ConnectionFieldKind::Host)
}

/// One label of a host name (RFC 1123 §2.1).
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Checks a host name with an optional port.
pub(crate) fn check_host(text: &str) -> Result<(), &'static str> {
    const PROBLEM: &str = "must be a host name with an optional port, such as `example.com:8443`";
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if port.is_some_and(|port| !digits(port) || !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Err(PROBLEM);
    }
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err(PROBLEM);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use linchpin::Secret;
    use proptest::prelude::*;

    use super::*;

    fn values(site: &str) -> ConnectionValues {
        let fields = [("site".to_owned(), Secret::new(site))].into();
        ConnectionValues { method: "token".into(), fields }
    }

    fn filled(template: &str, site: &str) -> Result<String> {
        url(&Template::parse(template).unwrap(), &values(site), None).map(String::from)
    }

    #[test]
    fn a_field_in_the_host_is_one_label() {
        assert_eq!(
            filled("https://{site}.example.com/api", "acme-1").unwrap(),
            "https://acme-1.example.com/api"
        );
        for bad in ["", "a.b", "a/b", "a@b", "a:1", "-a", "a-", "\u{e9}", "a?b", "a#b", "a\\b", " a"] {
            let error = filled("https://{site}.example.com/api", bad).unwrap_err();
            assert_eq!(error.code(), Code::ConnectionInvalid, "{bad}");
        }
    }

    #[test]
    fn a_field_elsewhere_is_encoded() {
        let path = filled("https://example.com/{site}/api", "a/../b?c#d").unwrap();
        assert_eq!(path, "https://example.com/a%2F..%2Fb%3Fc%23d/api");
        assert!(filled("https://example.com/{site}/api", "..").is_err());
        assert!(filled("{site}://example.com", "https").is_err());
        assert!(filled("https://example.com/{other}", "x").is_err());
    }

    #[test]
    fn hosts_are_names_with_a_port() {
        for good in ["example.com", "localhost", "a.b.c:8443", "127.0.0.1", "A-1.example"] {
            assert!(check_host(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a b",
            "a/b",
            "a@b",
            "a:",
            "a:0",
            "a:99999",
            "a:+80",
            "a..b",
            ".a",
            "a?",
            "[::1]",
            "https://a",
        ] {
            assert!(check_host(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_value_changes_scheme_host_or_depth(value in "\\PC{0,12}") {
            if let Ok(url) = filled("https://{site}.example.com/api", &value) {
                let url = Url::parse(&url).unwrap();
                prop_assert_eq!(url.scheme(), "https");
                prop_assert_eq!(url.host_str().unwrap().split_once('.').unwrap().1, "example.com");
                prop_assert_eq!(url.path(), "/api");
            }
            if let Ok(url) = filled("https://example.com/{site}/api", &value) {
                let url = Url::parse(&url).unwrap();
                prop_assert_eq!(url.host_str(), Some("example.com"));
                prop_assert_eq!(url.path_segments().unwrap().count(), 2);
                prop_assert_eq!((url.query(), url.fragment()), (None, None));
            }
        }
    }
}
