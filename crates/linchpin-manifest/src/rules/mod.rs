//! The rules: one table with stable codes, which are never given to another rule.
//!
//! `LP1xx` look at a spec alone, `LP2xx` at flows alone, `LP3xx` at both together, `LP4xx` at a workspace.

mod flow;
mod joint;
mod spec;
mod workspace;

pub use flow::*;
pub use joint::*;
pub use spec::*;
pub use workspace::*;

use crate::diagnostic::Severity;

/// One rule.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// The stable code, as in `LP101`.
    pub code: &'static str,
    /// Whether breaking it stops the build.
    pub severity: Severity,
    /// What it says, in one line.
    pub summary: &'static str,
    /// What is wrong, why it matters and what to do.
    pub explanation: &'static str,
    /// What breaks it.
    pub failing: Example,
    /// What keeps it.
    pub passing: Example,
}

/// A part of a connector, as a rule shows it.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Example {
    /// Lines of the spec; what is not shown is as in [`Example::spec_text`]. Of the `LP4xx` rules: words about files.
    pub spec: &'static str,
    /// Rust; empty where only the spec matters.
    pub flows: &'static str,
}

impl Example {
    /// The example's spec as a whole file.
    ///
    /// One that states its `schema` is whole already; the others get the identity and `[http]` that they leave out.
    pub fn spec_text(&self) -> String {
        if self.spec.lines().any(|line| line.starts_with("schema")) {
            return self.spec.to_owned();
        }
        let header = self.spec.lines().position(|line| line.starts_with('[')).unwrap_or(usize::MAX);
        let top: Vec<&str> = self.spec.lines().take(header).collect();
        let mut text = String::new();
        for (key, value) in IDENTITY {
            if !top.iter().any(|line| line.split('=').next().is_some_and(|name| name.trim() == key)) {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        top.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        let base = "base_url = \"https://api.tracker.example\"\n";
        let has_http = self.spec.lines().any(|line| line == "[http]");
        let has_base = self.spec.lines().any(|line| line.starts_with("base_url"));
        if !has_http {
            text.push_str(&format!("\n[http]\n{base}"));
        }
        for line in self.spec.lines().skip(top.len()) {
            text.push_str(&format!("{line}\n"));
            if line == "[http]" && !has_base {
                text.push_str(base);
            }
        }
        text
    }
}

const IDENTITY: [(&str, &str); 7] = [
    ("schema", "1"),
    ("key", "\"tracker\""),
    ("name", "\"Tracker\""),
    ("version", "\"0.1.0\""),
    ("description", "\"Issues and projects in Tracker.\""),
    ("documentation_url", "\"https://tracker.example/docs\""),
    ("support_email", "\"support@tracker.example\""),
];

/// Every rule, by code.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [spec::ALL, flow::ALL, joint::ALL, workspace::ALL].into_iter().flatten().copied()
}

/// The rule with this code; case does not matter.
///
/// ```
/// let rule = linchpin_manifest::rules::find("LP101").expect("a known code");
/// assert_eq!(rule.summary, "a key is not known");
/// ```
pub fn find(code: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.code.eq_ignore_ascii_case(code))
}

macro_rules! rules {
    ($($code:ident $severity:ident $summary:literal $explanation:literal
        bad $bad:literal $(+ $bad_flows:literal)?
        good $good:literal $(+ $good_flows:literal)?;)*) => {
        $(
            #[doc = $summary]
            pub static $code: $crate::rules::Rule = $crate::rules::Rule {
                code: stringify!($code),
                severity: $crate::diagnostic::Severity::$severity,
                summary: $summary,
                explanation: $explanation,
                failing: $crate::rules::Example { spec: $bad, flows: concat!("" $(, $bad_flows)?) },
                passing: $crate::rules::Example { spec: $good, flows: concat!("" $(, $good_flows)?) },
            };
        )*
        pub(super) static ALL: &[&$crate::rules::Rule] = &[$(&$code),*];
    };
}
use rules;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec;

    #[test]
    fn codes_are_sorted_and_unique() {
        let codes: Vec<&str> = all().map(|rule| rule.code).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        assert!(codes.len() >= 45);
    }

    #[test]
    fn texts_are_whole() {
        for rule in all() {
            assert!(!rule.summary.ends_with('.'), "{}", rule.code);
            assert!(rule.explanation.ends_with('.'), "{}", rule.code);
            assert_ne!(rule.failing, rule.passing, "{}", rule.code);
        }
    }

    #[test]
    fn examples_of_spec_rules_hold() {
        let mut wrong = String::new();
        for rule in all().filter(|rule| rule.code.starts_with("LP1")) {
            // The core does not read regular expressions.
            if rule.code == "LP166" && !cfg!(feature = "check") {
                continue;
            }
            for (example, wanted) in [(&rule.failing, Some(rule.code)), (&rule.passing, None)] {
                let found = spec::parse("specs/tracker.toml", &example.spec_text()).diagnostics;
                let mut codes: Vec<&str> = found.iter().map(|found| found.code).collect();
                codes.sort_unstable();
                codes.dedup();
                if codes != Vec::from_iter(wanted) {
                    let told: Vec<_> = found.iter().map(|found| (found.code, &found.message)).collect();
                    wrong.push_str(&format!("{}, {}: {told:?}\n", rule.code, example.spec));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }
}
