//! Specs: one TOML file per connector.

mod decode;
mod format;
mod grammar;
mod hook;
mod model;
mod read;
mod template;
mod tree;
pub mod unit;

use std::sync::Arc;

use crate::diagnostic::{self, Diagnostic};
use crate::source::Source;

pub use hook::*;
pub use model::*;

#[cfg(test)]
#[cfg(feature = "check")]
pub(crate) use decode::title_case;
#[cfg(feature = "model")]
pub(crate) use {
    format::Format,
    grammar::{Key, ROOT, Shape, Table, Tagged},
};
#[cfg(feature = "check")]
pub(crate) use {format::is_pointer, template::is_key};
pub(crate) use {
    format::is_token,
    read::{list, nearest},
};

/// A spec as far as it could be read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Parsed {
    /// The text, and where in it each value stands.
    pub source: Arc<Source>,
    /// The spec; nothing where a diagnostic is an error.
    pub spec: Option<Spec>,
    /// Everything that the rules of specs alone have to say, sorted.
    pub diagnostics: Vec<Diagnostic>,
    /// What could be read, with defaults in place of what could not: what the joint rules look at.
    pub(crate) draft: Spec,
}

/// Reads a spec and checks it against every rule of specs alone; `path` is what messages call the file.
///
/// ```
/// let parsed = linchpin_manifest::spec::parse("specs/tracker.toml", "schema = 1\nkye = \"tracker\"\n");
/// assert!(parsed.spec.is_none());
/// assert!(parsed.diagnostics.iter().any(|diagnostic| diagnostic.message == "the spec knows no `kye`"));
/// ```
pub fn parse(path: &str, text: &str) -> Parsed {
    let (source, tree, mut diagnostics) = tree::read(path, text);
    // What is behind a syntax error may be missing for no other reason, so nothing more is said then.
    let draft = decode::spec(&tree);
    if diagnostics.is_empty() {
        diagnostics.extend(read::check(&source, &tree));
        let clean = diagnostics.is_empty();
        diagnostics.extend(crate::check::alone(&source, &draft, clean));
    }
    diagnostic::sort(&mut diagnostics);
    let usable = !diagnostics.iter().any(Diagnostic::is_error);
    Parsed { source, spec: usable.then(|| draft.clone()), diagnostics, draft }
}

/// Reads a spec in which [`parse`] has found no error, at a third of its cost: no places, no rules.
///
/// `connector!` parses a spec while the connector is compiled; the same text need not be checked again in each process
/// that runs it. Of a text that never was checked, what is wrong is left out or replaced by its default.
///
/// ```
/// use linchpin_manifest::spec;
///
/// let text = "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\n[http]\nbase_url = \"https://tracker.example\"\n";
/// assert_eq!(spec::parse("specs/tracker.toml", text).spec, spec::read_checked(text));
/// ```
pub fn read_checked(text: &str) -> Option<Spec> {
    tree::read_without_places(text).map(|tree| decode::spec(&tree))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TRACKER: &str = r##"schema = 1
key = "tracker"
name = "Tracker"
version = "0.1.0"
description = "Issues and projects in Tracker."
documentation_url = "https://tracker.example/docs"
support_email = "support@tracker.example"
accent_colour = "#24292f"
icon = "icons/tracker.svg"

[http]
base_url = "https://{site}.tracker.example/api"
hosts = ["uploads.tracker.example"]
headers = { Accept = "application/json" }
timeout = "10s"
pagination = { style = "cursor", cursor = "/next", query = "cursor", items = "/data", page_size = { query = "per_page", value = 100 } }
idempotency = { header = "Idempotency-Key" }
error = { message = "/message", code = "/code", request_id = "x-request-id" }
limits = { body = "1MiB", file = "2GiB", pages = 7 }

[[http.outcome]]
when = { status = 403, header = { x-ratelimit-remaining = "0" } }
then = "rate_limited"

[[http.outcome]]
when = { status = [404, "5xx"], body = { "/error/code" = 7 }, text = "gone" }
then = "not_found"
message = "it is gone"

[auth.token]
kind = "bearer"
name = "API token"
fields.site = { label = "Site", pattern = "[a-z0-9-]+" }
fields.token = { label = "Token", secret = true }

[auth.basic]
kind = "basic"
username = "{user}/token"
fields.user = {}
fields.password = { secret = true, help = "From your settings." }
fields.site = { choices = ["a", "b"], default = "b" }

[auth.key]
kind = "api_key"
header = "X-Api-Key"
value = "Token {api_key}"
fields.api_key = { secret = true }
fields.site = {}

[auth.own]
kind = "custom"
headers = { X-User = "{user}" }
query = { sig = "{sig_token}" }
fields.user = {}
fields.sig_token = { secret = true }
fields.site = {}

[hook.project]
signature = { scheme = "hmac-sha256", header = "X-Tracker-Signature", prefix = "sha256=", encoding = "base64", key = "registration" }
delivery_id = { header = "X-Tracker-Delivery" }

[event.issue_opened]
name = "Issue Opened"
hook = "project"
match = { header = { X-Tracker-Event = "issue" }, body = { "/action" = "opened" } }

[event.member_joined]
name = "Member Joined"

[monitor.member_joined]
every = "5m"
dedupe = "/id"
overlap = "10m"
"##;

    fn codes(text: &str) -> Vec<(u32, &'static str)> {
        let found = parse("specs/tracker.toml", text).diagnostics;
        found.iter().map(|found| (found.labels[0].location.line, found.code)).collect()
    }

    #[test]
    fn a_whole_spec_is_read_in_the_order_of_the_file() {
        let parsed = parse("specs/tracker.toml", TRACKER);
        assert_eq!(read_checked(TRACKER), parsed.spec);
        let spec = parsed.spec.unwrap_or_else(|| panic!("{:#?}", parsed.diagnostics));
        let keys: Vec<&str> = spec.auth.iter().map(|method| method.key.as_str()).collect();
        assert_eq!(keys, ["token", "basic", "key", "own"]);
        let fields: Vec<&str> = spec.auth[1].fields.iter().map(|field| field.key.as_str()).collect();
        assert_eq!(fields, ["user", "password", "site"]);
        assert_eq!(spec.auth[1].name, "Basic");
        assert_eq!(spec.auth[1].fields[2].kind, ConnectionFieldKind::Choice(vec!["a".into(), "b".into()]));
        let AuthKind::Basic { username, password } = &spec.auth[1].kind else { panic!() };
        assert_eq!(
            (username.to_string(), password.to_string()),
            ("{user}/token".into(), "{password}".into())
        );
        let AuthKind::ApiKey { place, value } = &spec.auth[2].kind else { panic!() };
        assert_eq!(
            (place, value.to_string()),
            (&KeyPlace::Header("X-Api-Key".into()), "Token {api_key}".into())
        );
        assert_eq!(spec.http.timeout, Duration::from_secs(10));
        assert_eq!(spec.http.limits, Limits { body: 1 << 20, file: 2 << 30, pages: 7 });
        assert_eq!(spec.http.outcomes[1].when.status, [StatusMatch::Code(404), StatusMatch::Class(5)]);
        assert_eq!(
            spec.http.outcomes[1].when.body,
            [("/error/code".to_owned(), Condition::Is(vec![Literal::Integer(7)]))]
        );
        let page = spec.http.pagination.unwrap();
        assert_eq!(
            page.style,
            PageStyle::Cursor {
                cursor: "/next".into(),
                place: PagePlace::Query("cursor".into()),
                has_more: None
            }
        );
        let place = PagePlace::Query("per_page".to_owned());
        assert_eq!(page.page_size, Some(PageSize { place, value: 100, max: None }));
        let signature = spec.hooks[0].signature.as_ref().unwrap();
        let detached = signature.detached().unwrap();
        assert_eq!(
            (detached.encoding, &signature.key),
            (SignatureEncoding::Base64, &Some(SignatureKey::Registration))
        );
        assert_eq!(spec.monitors[0].every, Some(Duration::from_secs(300)));
        assert_eq!(
            parsed.source.spans("/auth/token/kind").map(|spans| &TRACKER[spans.value.clone()]),
            Some("\"bearer\"")
        );
        assert!(parsed.diagnostics.is_empty());
    }

    #[test]
    fn a_monitor_says_when_and_how_it_looks() {
        let monitor = r#"
[event.joined]
name = "Joined"

[monitor.joined]
cron = "0 9 * * mon-fri"
zone = "Europe/Berlin"
jitter = "30s"
active = { days = ["mon", "sun"], hours = "08:00-18:00" }
overlap = "10m"
dedupe = ["/id", "/updated_at"]
ledger = { ids = 500, time = "7d" }
first_run = { last = 10 }
max_pages = 3
cursor_max = "1KiB"
cursor_age = "30d"
"#;
        let parsed = parse("specs/tracker.toml", &format!("{TRACKER}{monitor}"));
        let told: Vec<_> = parsed.diagnostics.iter().map(|found| &found.message).collect();
        assert!(told.is_empty(), "{told:?}");
        let spec = parsed.spec.unwrap();
        let found = spec.monitors.iter().find(|monitor| monitor.key == "joined").unwrap();
        let mut wanted = Monitor::named("joined");
        wanted.cron = Some("0 9 * * mon-fri".to_owned());
        wanted.zone = Some("Europe/Berlin".to_owned());
        wanted.jitter = Some(Duration::from_secs(30));
        wanted.active = Some(Active { days: vec![0, 6], hours: Some("08:00-18:00".to_owned()) });
        wanted.overlap = Some(Duration::from_secs(600));
        wanted.dedupe = vec!["/id".to_owned(), "/updated_at".to_owned()];
        (wanted.ledger_ids, wanted.ledger_time) = (Some(500), Some(Duration::from_secs(7 * 86400)));
        wanted.first_run = FirstRun::Last(10);
        (wanted.max_pages, wanted.cursor_max) = (3, 1024);
        wanted.cursor_age = Some(Duration::from_secs(30 * 86400));
        assert_eq!(*found, wanted);
    }

    #[test]
    fn defaults_are_as_the_model_says() {
        let text = "schema = 1\nkey = \"a\"\nname = \"A\"\nversion = \"1.0.0\"\n[http]\nbase_url = \"https://a.example\"\n";
        let spec = parse("a.toml", text).spec.unwrap();
        assert_eq!(spec.http.timeout, Duration::from_secs(30));
        assert_eq!(spec.http.limits, Limits { body: 32 << 20, file: 16 << 30, pages: 10_000 });
        assert!(spec.auth.is_empty() && spec.http.pagination.is_none());
    }

    #[test]
    fn all_problems_are_told_in_one_run() {
        let text = r#"schema = 1
key = "Tracker"
version = "1.0"
accent_colour = "teal"
[http]
base_url = "http://{site}"
timout = "5s"
timeout = 30
[[http.outcome]]
when = {}
then = "retyr"
[auth.token]
kind = "bearer"
fields.token = { label = "Token" }
[hook.project]
signature = { scheme = "md5" }
delivery_id = { header = "X Y" }
[event.opened]
name = "Opened"
hook = "projct"
[event.joined]
name = "Opened"
"#;
        assert_eq!(
            codes(text),
            [
                (1, "LP102"),
                (2, "LP130"),
                (2, "LP131"),
                (2, "LP132"),
                (2, "LP110"),
                (3, "LP112"),
                (4, "LP113"),
                (6, "LP115"),
                (6, "LP140"),
                (7, "LP101"),
                (8, "LP103"),
                (10, "LP160"),
                (11, "LP104"),
                (14, "LP144"),
                (16, "LP104"),
                (17, "LP121"),
                (20, "LP170"),
                (21, "LP177"),
            ]
        );
    }

    #[test]
    fn every_syntax_error_is_told() {
        assert_eq!(codes("schema = \nkey = tracker\nname = \"x\"\n"), [(1, "LP100"), (2, "LP100")]);
    }

    #[test]
    fn a_wrong_kind_is_told_once() {
        let text = format!(
            "{TRACKER}[auth.extra]\nkind = \"bearr\"\nfields.site = {{}}\nfields.token = {{ secret = true }}\n"
        );
        let found: Vec<_> = codes(&text);
        assert_eq!(found.iter().map(|(_, code)| *code).collect::<Vec<_>>(), ["LP104"]);
    }

    #[test]
    fn of_listed_values_any_may_be_there() {
        for (first, second, told) in [
            ("[1, 2]", "3", None),
            ("[1, 2]", "2", Some("LP161")),
            ("[1, 2]", "[2, 1]", Some("LP161")),
            ("2", "[1, 2]", None),
            ("1", "[]", Some("LP160")),
            ("1", "[[2]]", Some("LP103")),
        ] {
            let rule = |values: &str| {
                format!(
                    "[[http.outcome]]\nwhen = {{ body = {{ \"/why\" = {values} }} }}\nthen = \"forbidden\"\n"
                )
            };
            let found = codes(&format!("{TRACKER}{}{}", rule(first), rule(second)));
            let found = found
                .into_iter()
                .map(|(_, code)| code)
                .find(|code| ["LP103", "LP160", "LP161"].contains(code));
            assert_eq!(found, told, "{first} and {second}");
        }
    }

    #[test]
    fn no_text_is_a_panic() {
        // A small generator of its own keeps the cases the same in every run.
        let mut state = 7_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let pieces = [
            "\"", "{", "}", "[", "]", "=", "\n", "\u{e9}", "http://", "1", "-", ".", "/", "~", "'", "\\",
            "\r\n", "\0",
        ];
        for _ in 0..1500 {
            let mut chars: Vec<char> = TRACKER.chars().collect();
            for _ in 0..=next(4) {
                let at = next(chars.len());
                match next(4) {
                    0 => drop(chars.drain(at..(at + next(40)).min(chars.len()))),
                    1 => chars.insert(at, pieces[next(pieces.len())].chars().next().unwrap_or('x')),
                    2 => chars.truncate(at.max(1)),
                    _ => {
                        let piece = pieces[next(pieces.len())];
                        chars.splice(at..at, piece.chars());
                    }
                }
                if chars.is_empty() {
                    chars.push('x');
                }
            }
            let text: String = chars.into_iter().collect();
            let parsed = parse("fuzz.toml", &text);
            for label in parsed.diagnostics.iter().flat_map(|found| &found.labels) {
                assert!(text.get(label.location.span.clone()).is_some());
            }
            assert_eq!(parsed.spec.is_none(), parsed.diagnostics.iter().any(Diagnostic::is_error));
        }
    }

    #[test]
    fn any_value_anywhere_is_no_panic() {
        let values = [
            "1",
            "-1",
            "1.5",
            "nan",
            "true",
            "\"\"",
            "\"{\"",
            "[]",
            "[[1]]",
            "{}",
            "{ a = {} }",
            "1979-05-27",
            "\"\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\"",
        ];
        for line in TRACKER.lines().filter(|line| line.contains(" = ")) {
            let key = line.split(" = ").next().unwrap_or_default();
            for value in values {
                let text = TRACKER.replacen(line, &format!("{key} = {value}"), 1);
                parse("fuzz.toml", &text);
            }
        }
    }
}
