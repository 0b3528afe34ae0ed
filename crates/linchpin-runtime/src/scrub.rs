//! Secrets out of texts, by value.

use std::borrow::Cow;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands where a secret stood.
pub(crate) const HIDDEN: &str = "***";

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Below this length the encoded forms of a secret are everyday letters, and hide nothing that the value itself does not.
const SHORT: usize = 4;

/// Replaces every secret, in every form in which requests and answers may show it.
#[derive(Clone, Default)]
pub(crate) struct Scrubber {
    /// Longest first, so that no part of a longer one is left.
    needles: Vec<String>,
}

impl Scrubber {
    /// A scrubber of these values; empty ones are passed over.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Scrubber {
        let mut scrubber = Scrubber::default();
        for secret in secrets {
            scrubber.learn(secret);
        }
        scrubber.order();
        scrubber
    }

    /// The same with further values.
    pub(crate) fn with<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) -> Scrubber {
        let mut scrubber = self.clone();
        for secret in secrets {
            scrubber.learn(secret);
        }
        scrubber.order();
        scrubber
    }

    fn learn(&mut self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        self.needles.push(secret.to_owned());
        if secret.len() < SHORT {
            return;
        }
        let percent = utf8_percent_encode(secret, ENCODED).to_string();
        self.needles.push(percent.to_lowercase());
        self.needles.push(percent);
        self.needles.push(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
        self.needles.push(STANDARD_NO_PAD.encode(secret));
        self.needles.push(URL_SAFE_NO_PAD.encode(secret));
        let json = serde_json::Value::from(secret).to_string();
        self.needles.push(json[1..json.len() - 1].to_owned());
        // Error messages print texts as Rust does.
        self.needles.push(secret.escape_debug().to_string());
    }

    fn order(&mut self) {
        self.needles.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.needles.dedup();
    }

    /// The text with every secret replaced.
    pub(crate) fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.needles.iter().any(|needle| text.contains(needle.as_str())) {
            return Cow::Borrowed(text);
        }
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            match self.needles.iter().find(|needle| rest.starts_with(needle.as_str())) {
                Some(needle) => {
                    clean.push_str(HIDDEN);
                    rest = &rest[needle.len()..];
                }
                None => {
                    clean.push(letter);
                    rest = &rest[letter.len_utf8()..];
                }
            }
        }
        Cow::Owned(clean)
    }
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrubber({} forms)", self.needles.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn longer_secrets_go_first() {
        let scrubber = Scrubber::new(["token", "token-and-more", ""]);
        assert_eq!(scrubber.scrub("a token-and-more b token c"), "a *** b *** c");
        assert_eq!(scrubber.scrub("nothing here"), "nothing here");
        assert_eq!(scrubber.with(["here"]).scrub("nothing here"), "nothing ***");
    }

    #[test]
    fn encoded_forms_are_found() {
        let scrubber = Scrubber::new(["p\u{e4}ss w\"rd/+"]);
        for text in [
            "p%C3%A4ss%20w%22rd%2F%2B",
            "p%c3%a4ss%20w%22rd%2f%2b",
            "p%C3%A4ss+w%22rd%2F%2B",
            "p\u{e4}ss w\\\"rd/+",
        ] {
            assert_eq!(scrubber.scrub(text), HIDDEN, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_form_of_a_secret_survives(secret in "[ -~\u{e4}]{4,20}", before in "[a-z ]{0,9}", after in "[a-z ]{0,9}") {
            let scrubber = Scrubber::new([secret.as_str()]);
            let forms = [
                secret.clone(),
                utf8_percent_encode(&secret, ENCODED).to_string(),
                base64::engine::general_purpose::STANDARD.encode(&secret),
                base64::engine::general_purpose::URL_SAFE.encode(&secret),
                serde_json::to_string(&secret).unwrap(),
            ];
            for form in forms {
                let text = format!("{before}{form}{after}");
                let clean = scrubber.scrub(&text);
                prop_assert!(clean.contains(HIDDEN));
                let bare = clean.replace(HIDDEN, "");
                prop_assert!(bare.len() <= before.len() + after.len() + 4, "{}", bare);
            }
        }
    }
}
