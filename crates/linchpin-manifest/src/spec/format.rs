//! What a text in a spec may be: each form with its check and, for the published schema, its pattern.

use std::fmt;
use std::time::Duration;

use super::template::is_key;
use super::{Template, unit};
use crate::rules::{self, Rule};

/// The forms of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Any text, also an empty one.
    Any,
    /// A text that is not empty and has no blanks around it.
    Text,
    /// The connector's key.
    ConnectorKey,
    /// The key of a method, field, hook, event or flow.
    Key,
    Version,
    Colour,
    /// An https URL without templates.
    Url,
    /// An https URL that may hold templates, without query and fragment.
    BaseUrl,
    /// An https URL that may hold templates.
    UrlTemplate,
    /// The same, or a path under the base URL.
    Target,
    /// A host name that may hold templates.
    Host,
    Email,
    Icon,
    /// A duration of so many milliseconds at least.
    Duration(u64),
    Size,
    Budget,
    HeaderName,
    HeaderValue,
    Pointer,
    Template,
    /// `registration`, `{field}` or `app`.
    SignatureKey,
    /// A template of these places, for what a rule says of them.
    Places(&'static [&'static str], &'static Rule),
    /// `{option}`.
    Option,
    /// A host name, of which a label may be `*`.
    HostPattern,
    /// A scheme of signing requests: one of those that linchpin has, or `custom:name`.
    SigningScheme,
    /// A token of an OAuth 2.0 scope.
    Scope,
    /// `4xx`.
    StatusClass,
}

/// Why a text is not of its form.
pub(crate) struct Fault {
    pub(crate) rule: &'static Rule,
    pub(crate) message: String,
    pub(crate) help: String,
}

fn fault<T>(rule: &'static Rule, message: impl Into<String>, help: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { rule, message: message.into(), help: help.into() })
}

impl Format {
    /// Checks a text; `name` is what the message calls it.
    pub(crate) fn check(self, name: &dyn fmt::Display, text: &str) -> Result<(), Fault> {
        match self {
            Format::Any => Ok(()),
            Format::Text if text.trim().is_empty() => {
                fault(&rules::LP106, format!("`{name}` is empty"), "write a text, or leave the key out")
            }
            Format::Text if text.trim() != text => fault(
                &rules::LP106,
                format!("`{name}` has blanks around it"),
                format!("write \"{}\"", text.trim()),
            ),
            Format::Text => Ok(()),
            Format::ConnectorKey | Format::Key if is_key(text) => Ok(()),
            Format::ConnectorKey => fault(
                &rules::LP110,
                format!("`{text}` cannot be a connector's key"),
                key_help(text, "the key names files, commands and environment variables: "),
            ),
            Format::Key => fault(&rules::LP111, format!("`{text}` cannot be a key"), key_help(text, "")),
            Format::Version if is_version(text) => Ok(()),
            Format::Version => fault(
                &rules::LP112,
                format!("`{text}` is not a semantic version"),
                "write three numbers, as in \"0.1.0\", with an optional pre-release: \"1.0.0-rc.1\"",
            ),
            Format::Colour if is_colour(text) => Ok(()),
            Format::Colour => fault(
                &rules::LP113,
                format!("`{text}` is not a colour"),
                "write `#` and three or six hexadecimal digits, as in \"#24292f\"",
            ),
            Format::Url if text.contains(['{', '}']) => fault(
                &rules::LP114,
                format!("`{name}` cannot hold templates"),
                "users read this page before they have a connection: write the whole URL",
            ),
            Format::Url => check_url(name, text, true),
            Format::BaseUrl => template(name, text).and_then(|()| check_url(name, text, false)),
            Format::UrlTemplate => template(name, text).and_then(|()| check_url(name, text, true)),
            Format::Target => template(name, text).and_then(|()| match text.strip_prefix('/') {
                // Behind a name, so that a path is judged as what it will be part of.
                Some(path) if !path.starts_with('/') => {
                    check_url(name, &format!("https://base.example/{path}"), true)
                }
                _ => check_url(name, text, true),
            }),
            Format::Host => template(name, text).and_then(|()| check_host(text)),
            Format::Email if is_email(text) => Ok(()),
            Format::Email => fault(
                &rules::LP116,
                format!("`{text}` is not an e-mail address"),
                "write a plain address, as in \"support@service.example\"",
            ),
            Format::Icon if is_icon(text) => Ok(()),
            Format::Icon => fault(
                &rules::LP117,
                format!("`{text}` cannot be the path of an icon"),
                "write the path of an `.svg` or `.png` file in the spec's folder or below it, with `/` between its parts",
            ),
            Format::Duration(least) => match unit::parse_duration(text) {
                Some(duration) if duration >= Duration::from_millis(least.max(1)) => Ok(()),
                Some(_) => fault(
                    &rules::LP118,
                    format!("`{name}` is too short: `{text}`"),
                    format!(
                        "the least is \"{}\"",
                        unit::format_duration(Duration::from_millis(least.max(1)))
                    ),
                ),
                None => fault(
                    &rules::LP118,
                    format!("`{text}` is not a duration"),
                    "write a whole number and a unit (ms, s, m, h, d), as in \"30s\" or \"5m\"",
                ),
            },
            Format::Size => match unit::parse_size(text) {
                Some(1..) => Ok(()),
                _ => fault(
                    &rules::LP119,
                    format!("`{text}` is not a size"),
                    "write a whole number and a unit (B, KiB, MiB, GiB), as in \"32MiB\"",
                ),
            },
            Format::Budget if unit::parse_budget(text).is_some() => Ok(()),
            Format::Budget => fault(
                &rules::LP120,
                format!("`{text}` is not a budget"),
                "write how many requests and in which time, as in \"5000/1h\"",
            ),
            Format::HeaderName if is_token(text) => Ok(()),
            Format::HeaderName => fault(
                &rules::LP121,
                format!("`{text}` is not the name of a header"),
                "a name is made of letters, digits and `!#$%&'*+-.^_`|~` (RFC 9110 §5.1)",
            ),
            Format::HeaderValue if text.trim() == text && !text.contains(|c: char| c.is_control()) => Ok(()),
            Format::HeaderValue => fault(
                &rules::LP122,
                format!("`{name}` cannot be the value of a header"),
                "leave out line breaks, other control characters and blanks at the ends",
            ),
            Format::Pointer if is_pointer(text) => Ok(()),
            Format::Pointer => fault(
                &rules::LP123,
                format!("`{text}` is not a JSON pointer"),
                format!(
                    "write `/` before each step, as in \"/{}\"; `~0` stands for `~`, `~1` for `/` (RFC 6901)",
                    text.trim_start_matches(['$', '.', '/']).replace('.', "/").replace('~', "~0")
                ),
            ),
            Format::Template => template(name, text),
            Format::Places(places, rule) => template(name, text).and_then(|()| {
                let parsed = Template::parse(text).unwrap_or_default();
                match parsed.fields().find(|field| !places.contains(field)) {
                    Some(unknown) => fault(
                        rule,
                        format!("`{name}` knows no `{{{unknown}}}`"),
                        format!("known are {}", super::list(places)),
                    ),
                    None => Ok(()),
                }
            }),
            Format::SignatureKey if matches!(text, "registration" | "app") => Ok(()),
            Format::SignatureKey => {
                let named = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
                match named {
                    Some(field) if is_key(field) => Ok(()),
                    _ => fault(
                        &rules::LP104,
                        format!("`{text}` does not say where the key comes from"),
                        "write \"registration\" for a key made for each registration, \"{field}\" for a \
                         connection field, or \"app\" for the key of whoever runs the connector",
                    ),
                }
            }
            Format::Option => match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(option) if is_key(option) => Ok(()),
                _ => fault(
                    &rules::LP104,
                    format!("`{text}` does not name an option"),
                    "write the option of the registering flow in braces, as in \"{repository}\"",
                ),
            },
            Format::HostPattern => {
                let labels = text.split('.').map(|label| if label == "*" { "any" } else { label });
                let name = labels.collect::<Vec<_>>().join(".");
                match name.contains(['{', ':']) {
                    true => check_host(""),
                    false => check_host(&name),
                }
            }
            Format::SigningScheme => match text.strip_prefix("custom:") {
                Some(name) if is_key(name) => Ok(()),
                None if matches!(text, "aws-sigv4" | "hmac-header") => Ok(()),
                _ => fault(
                    &rules::LP104,
                    format!("`{text}` is not known as `{name}`"),
                    "known are `aws-sigv4` and `hmac-header`; a signer of your own is named as in \"custom:acme\"",
                ),
            },
            Format::Scope if is_scope(text) => Ok(()),
            Format::Scope => fault(
                &rules::LP157,
                format!("`{text}` is not one scope"),
                "write each scope as a text of its own in the list, without blanks (RFC 6749 §3.3)",
            ),
            Format::StatusClass => {
                let class = text.strip_suffix("xx").and_then(|digit| digit.parse::<u8>().ok());
                match class {
                    Some(1..=5) if text.len() == 3 => Ok(()),
                    _ => fault(
                        &rules::LP125,
                        format!("`{text}` is not a status"),
                        "write a code, as in 403, a list of them, or a class, as in \"4xx\"",
                    ),
                }
            }
        }
    }

    /// A pattern of JSON Schema that every text of the form matches.
    #[cfg(feature = "model")]
    pub(crate) fn pattern(self) -> Option<&'static str> {
        Some(match self {
            Format::Any | Format::Template | Format::Places(..) => return None,
            Format::Text => r"\S",
            Format::ConnectorKey | Format::Key => "^[a-z][a-z0-9_]*$",
            Format::Version => r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$",
            Format::Colour => "^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$",
            Format::Url | Format::BaseUrl | Format::UrlTemplate => "^https://",
            Format::Target => "^(https://|/($|[^/]))",
            Format::Host => "^[^/:@]+(:[0-9]+)?$",
            Format::Email => "^[^@ ]+@[^@ ]+$",
            Format::Icon => r"\.(svg|png)$",
            Format::Duration(_) => "^[0-9]+(ms|s|m|h|d)$",
            Format::Size => "^[0-9]+(B|KiB|MiB|GiB)$",
            Format::Budget => "^[0-9]+/[0-9]+(ms|s|m|h|d)$",
            Format::HeaderName => "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
            Format::HeaderValue => r"^[^\r\n]*$",
            Format::Pointer => "^(/([^~/]|~[01])*)*$",
            Format::SignatureKey => r"^(registration|app|\{[a-z][a-z0-9_]*\})$",
            Format::Option => r"^\{[a-z][a-z0-9_]*\}$",
            Format::HostPattern => "^[^/:@{}]+$",
            Format::SigningScheme => "^(aws-sigv4|hmac-header|custom:[a-z][a-z0-9_]*)$",
            Format::Scope => r"^[^ ]+$",
            Format::StatusClass => "^[1-5]xx$",
        })
    }
}

fn key_help(text: &str, why: &str) -> String {
    let mut fixed = String::new();
    for c in text.chars() {
        match c {
            'A'..='Z' => {
                if fixed.ends_with(|last: char| last.is_ascii_lowercase() || last.is_ascii_digit()) {
                    fixed.push('_');
                }
                fixed.push(c.to_ascii_lowercase());
            }
            'a'..='z' | '0'..='9' => fixed.push(c),
            _ if fixed.ends_with('_') || fixed.is_empty() => {}
            _ => fixed.push('_'),
        }
    }
    let fixed = fixed.trim_matches('_').trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let rule = format!("{why}use lower-case letters, digits and `_`, beginning with a letter");
    if is_key(fixed) { format!("{rule}: `{fixed}`") } else { rule }
}

fn is_version(text: &str) -> bool {
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let plain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let pre_word = |part: &str| word(part) && (!part.bytes().all(|b| b.is_ascii_digit()) || plain(part));
    core.split('.').count() == 3
        && core.split('.').all(plain)
        && pre.is_none_or(|pre| pre.split('.').all(pre_word))
        && build.is_none_or(|build| build.split('.').all(word))
}

fn is_colour(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|digits| matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    !local.is_empty()
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>()[],;:\\\"".contains(c))
        && !domain.contains('@')
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

fn is_icon(text: &str) -> bool {
    (text.ends_with(".svg") || text.ends_with(".png"))
        && !text.contains(['\\', ':'])
        && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a text is a token of RFC 9110.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether a text is a JSON pointer (RFC 6901).
pub(crate) fn is_pointer(text: &str) -> bool {
    if !text.is_empty() && !text.starts_with('/') {
        return false;
    }
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, b)| *b != b'~' || matches!(bytes.get(at + 1), Some(b'0' | b'1')))
}

fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

fn template(name: &dyn fmt::Display, text: &str) -> Result<(), Fault> {
    match Template::parse(text) {
        Ok(_) => Ok(()),
        Err(why) => fault(
            &rules::LP124,
            format!("the template in `{name}` cannot be read: {why}"),
            "write `{field}` where the value of a connection field goes; braces stand for nothing else",
        ),
    }
}

fn check_url(name: &dyn fmt::Display, text: &str, query: bool) -> Result<(), Fault> {
    if text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://")) {
        return fault(
            &rules::LP115,
            format!("`{name}` is not encrypted"),
            format!(
                "write \"https://{}\"; for a mock on your machine an operator passes `--base-url`",
                &text[7..]
            ),
        );
    }
    let bad = |why: &str| {
        fault(
            &rules::LP114,
            format!("`{name}` is not a usable URL: {why}"),
            "write a whole URL, as in \"https://api.service.example/v1\"",
        )
    };
    let Some(rest) = text.strip_prefix("https://") else {
        return bad("it does not begin with `https://`");
    };
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || "\"<>\\^`|".contains(c)) {
        return bad("it has characters that a URL cannot have");
    }
    if text.contains('#') {
        return bad("a fragment is never sent");
    }
    if !query && text.contains('?') {
        return bad("a query cannot stand in front of a path");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return bad("credentials do not belong into a URL");
    }
    if authority.is_empty() {
        return bad("it names no host");
    }
    match check_host(authority) {
        Ok(()) => Ok(()),
        Err(fault) => bad(&fault.message),
    }
}

/// Checks a host with an optional port; a `{field}` counts as letters of a label.
fn check_host(text: &str) -> Result<(), Fault> {
    let help = "write an exact name, as in \"uploads.service.example\", without scheme, path or wildcard";
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return fault(&rules::LP126, format!("`{text}` has no usable port"), help);
    }
    let plain: String = match Template::parse(name) {
        Ok(template) => template
            .parts
            .iter()
            .map(|part| match part {
                super::TemplatePart::Text(text) => text.as_str(),
                super::TemplatePart::Field(_) => "x",
            })
            .collect(),
        Err(_) => return fault(&rules::LP126, format!("`{text}` is not a host"), help),
    };
    if !plain.split('.').all(is_label) {
        return fault(&rules::LP126, format!("`{text}` is not a host"), help);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(format: Format, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(format.check(&"it", text).is_ok(), "{format:?} refuses {text}");
        }
        for text in bad {
            assert!(format.check(&"it", text).is_err(), "{format:?} accepts {text}");
        }
    }

    #[test]
    fn each_form_accepts_and_refuses() {
        accepts(Format::Key, &["a", "a_1"], &["", "1a", "A", "a-b", "\u{e9}"]);
        accepts(
            Format::Version,
            &["0.1.0", "1.2.3-rc.1+x"],
            &["1", "1.2", "01.2.3", "1.2.3-", "1.2.3-01", "v1.2.3"],
        );
        accepts(Format::Colour, &["#abc", "#24292F"], &["abc", "#abcd", "#ggg", "red"]);
        accepts(
            Format::BaseUrl,
            &["https://a.example", "https://{x}.a.example:8443/api/"],
            &["a.example", "https://", "https://u:p@a.example", "https://a b", "https://a.example/?q=1"],
        );
        accepts(Format::Host, &["a.example", "{x}.a.example"], &["", "*.a", "https://a", "a/b", "a:99999"]);
        accepts(Format::Email, &["a@b.example"], &["a", "a@b", "A <a@b.example>", "a@b..c"]);
        accepts(Format::Icon, &["i.svg", "icons/i.png"], &["/i.svg", "../i.svg", "i.gif", "a\\i.svg"]);
        accepts(Format::HeaderName, &["X-A"], &["", "X A", "X:A", "\u{e9}"]);
        accepts(Format::Pointer, &["", "/a", "/a~1b/0"], &["a", "$.a", "/a~2"]);
        accepts(Format::StatusClass, &["4xx"], &["6xx", "4XX", "xx", "+4xx", "404"]);
        accepts(Format::SignatureKey, &["registration", "{key}"], &["key", "{}", ""]);
    }

    #[test]
    fn a_key_is_mended_in_the_remedy() {
        assert!(key_help("MyTracker", "").ends_with("`my_tracker`"));
        assert!(key_help("9-lives", "").ends_with("`lives`"));
    }
}
