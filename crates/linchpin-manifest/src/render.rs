//! Diagnostics as text for people, as JSON, and as SARIF 2.1.0.

use std::collections::BTreeMap;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Label, Location, Severity};
use crate::rules;
use crate::source::Source;

/// Diagnostics as rustc would show them; the text ends with a line break unless there is nothing to tell.
pub fn human(diagnostics: &[Diagnostic], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&renderer.render(&[group(diagnostic)]));
        text.push_str("\n\n");
    }
    text
}

fn group(diagnostic: &Diagnostic) -> Group<'_> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut elements: Vec<Element<'_>> = Vec::new();
    // Places of one file stand in one snippet, in which the lines between them are folded.
    let mut files: Vec<(&str, Vec<&Label>)> = Vec::new();
    for label in &diagnostic.labels {
        match files.iter_mut().find(|(file, _)| *file == label.location.file) {
            Some((_, labels)) => labels.push(label),
            None => files.push((&label.location.file, vec![label])),
        }
    }
    for (file, labels) in files {
        match labels.iter().find_map(|label| label.location.source.as_ref()) {
            Some(source) => elements.push(snippet(file, source, &labels)),
            None => {
                for Location { line, column, .. } in labels.iter().map(|label| &label.location) {
                    let mut origin = Origin::path(file);
                    if *line > 0 {
                        origin = origin.line(*line as usize).char_column(*column as usize);
                    }
                    elements.push(origin.into());
                }
            }
        }
    }
    for help in &diagnostic.help {
        elements.push(Level::HELP.message(help.as_str()).into());
    }
    level.primary_title(diagnostic.message.as_str()).id(diagnostic.code).elements(elements)
}

fn snippet<'a>(file: &'a str, source: &'a Source, labels: &[&'a Label]) -> Element<'a> {
    let mut snippet = Snippet::source(source.text.as_str()).path(file).fold(true);
    for label in labels {
        // Two texts of one file cannot be shown at once; the first one is.
        if label.location.source.as_ref().is_none_or(|own| own.text != source.text) {
            continue;
        }
        let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let annotation = kind.span(label.location.span.clone());
        let text = label.text.as_str();
        snippet = snippet.annotation(if text.is_empty() { annotation } else { annotation.label(text) });
    }
    snippet.into()
}

/// Diagnostics as one JSON object: `{ "diagnostics": [..] }`, in which each has `code`, `severity`, `message`, `labels`
/// and `help`, and each label `file`, `line`, `column`, `end_line`, `end_column`, `text` and `primary`.
pub fn json(diagnostics: &[Diagnostic]) -> String {
    pretty(&json!({ "diagnostics": diagnostics.iter().map(object).collect::<Vec<_>>() }))
}

fn object(diagnostic: &Diagnostic) -> Value {
    let labels = diagnostic.labels.iter().map(|label| {
        let at = &label.location;
        json!({
            "file": at.file,
            "line": at.line,
            "column": at.column,
            "end_line": at.end_line,
            "end_column": at.end_column,
            "text": label.text,
            "primary": label.primary,
        })
    });
    json!({
        "code": diagnostic.code,
        "severity": diagnostic.severity.word(),
        "message": diagnostic.message,
        "labels": labels.collect::<Vec<_>>(),
        "help": diagnostic.help,
    })
}

/// Diagnostics as a SARIF 2.1.0 log, with every rule that they name.
pub fn sarif(diagnostics: &[Diagnostic]) -> String {
    let mut index = BTreeMap::new();
    for diagnostic in diagnostics {
        index.insert(diagnostic.code, 0);
    }
    for (at, value) in index.values_mut().enumerate() {
        *value = at;
    }
    let described = index.keys().filter_map(|code| rules::find(code)).map(|rule| {
        json!({
            "id": rule.code,
            "shortDescription": { "text": rule.summary },
            "fullDescription": { "text": rule.explanation },
            "help": { "text": rule.explanation },
            "defaultConfiguration": { "level": rule.severity.word() },
        })
    });
    let results = diagnostics.iter().map(|diagnostic| {
        let mut message = diagnostic.message.clone();
        for help in &diagnostic.help {
            message.push_str(&format!("\nhelp: {help}"));
        }
        let places = |primary: bool| -> Vec<Value> {
            let labels = diagnostic.labels.iter().filter(|label| label.primary == primary);
            labels
                .enumerate()
                .map(|(id, label)| {
                    let mut place = place(&label.location);
                    if !label.text.is_empty() {
                        place["message"] = json!({ "text": label.text });
                    }
                    if !primary {
                        place["id"] = json!(id);
                    }
                    place
                })
                .collect()
        };
        json!({
            "ruleId": diagnostic.code,
            "ruleIndex": index.get(diagnostic.code),
            "level": diagnostic.severity.word(),
            "message": { "text": message },
            "locations": places(true),
            "relatedLocations": places(false),
        })
    });
    pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "linchpin",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": described.collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    }))
}

fn place(at: &Location) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(&at.file) } });
    if at.line > 0 {
        physical["region"] = json!({
            "startLine": at.line,
            "startColumn": at.column.max(1),
            "endLine": at.end_line,
            "endColumn": at.end_column.max(1),
        });
    }
    json!({ "physicalLocation": physical })
}

/// A path as a URI reference.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.replace('\\', "/").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

/// JSON with a line break at the end.
fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::find;
    use crate::spec;

    const SPEC: &str = r#"schema = 1
key = "tracker"
name = "Tracker"
version = "0.1"
description = "Issues."
documentation_url = "https://tracker.example"
support_email = "support@tracker.example"

[http]
base_url = "https://api.tracker.example"
timout = "5s"

[event.opened]
name = "Opened"

[event.closed]
name = "Opened"
"#;

    #[test]
    fn people_see_what_rustc_would_show() {
        let found = spec::parse("specs/tracker.toml", SPEC).diagnostics;
        let wanted = r#"error[LP112]: `0.1` is not a semantic version
 --> specs/tracker.toml:4:11
  |
4 | version = "0.1"
  |           ^^^^^
  |
  = help: write three numbers, as in "0.1.0", with an optional pre-release: "1.0.0-rc.1"

error[LP101]: `http` knows no `timout`
  --> specs/tracker.toml:11:1
   |
11 | timout = "5s"
   | ^^^^^^ unknown key
   |
   = help: did you mean `timeout`?
   = help: known are `base_url`, `conditional`, `error`, `headers`, `hosts`, `idempotency`, `limits`, `outcome`, `pagination`, `rate_limit`, `retry`, `timeout`

error[LP177]: two events are called `Opened`
  --> specs/tracker.toml:16:8
   |
13 | [event.opened]
   |        ------ and this one
...
16 | [event.closed]
   |        ^^^^^^ this event
   |
   = help: give each a `name` of its own

"#;
        assert_eq!(human(&found, false), wanted);
        assert!(human(&found, true).contains("\u{1b}["));
        assert_eq!(human(&[], false), "");
    }

    #[test]
    fn places_in_two_files_are_both_shown() {
        let rust = Source::plain("src/lib.rs", "async fn register() {}\n");
        let toml = Source::plain("specs/tracker.toml", "[hook.project]\n");
        let found = Diagnostic::new(&rules::LP313, "`register` names an unknown hook `projet`")
            .label(rust.word(1, 10), "named here")
            .label(toml.location(6..13), "a known hook")
            .help("did you mean `project`?");
        let wanted = "error[LP313]: `register` names an unknown hook `projet`
 --> src/lib.rs:1:10
  |
1 | async fn register() {}
  |          ^^^^^^^^ named here
  |
 ::: specs/tracker.toml:1:7
  |
1 | [hook.project]
  |       ------- a known hook
  |
  = help: did you mean `project`?

";
        assert_eq!(human(&[found], false), wanted);
    }

    #[test]
    fn a_place_without_its_text_is_still_named() {
        let found = Diagnostic::new(&rules::LP404, "`a.json` is stale")
            .label(Location::file("a.json"), "")
            .label(Location::point("src/lib.rs", 3, 7), "")
            .help("run it");
        let text = human(&[found], false);
        assert!(text.contains("--> a.json\n") && text.contains("src/lib.rs:3:7"), "{text}");
    }

    #[test]
    fn json_has_stable_names() {
        let found = spec::parse("specs/tracker.toml", SPEC).diagnostics;
        let value: Value = serde_json::from_str(&json(&found)).unwrap();
        assert_eq!(
            value["diagnostics"][1],
            json!({
                "code": "LP101",
                "severity": "error",
                "message": "`http` knows no `timout`",
                "labels": [{
                    "file": "specs/tracker.toml", "line": 11, "column": 1, "end_line": 11, "end_column": 7,
                    "text": "unknown key", "primary": true,
                }],
                "help": [
                    "did you mean `timeout`?",
                    "known are `base_url`, `conditional`, `error`, `headers`, `hosts`, `idempotency`, `limits`, \
                     `outcome`, `pagination`, `rate_limit`, `retry`, `timeout`",
                ],
            })
        );
    }

    #[test]
    fn sarif_names_its_rules_and_places() {
        let found = spec::parse("specs/my tracker.toml", SPEC).diagnostics;
        let value: Value = serde_json::from_str(&sarif(&found)).unwrap();
        let run = &value["runs"][0];
        assert_eq!(value["version"], "2.1.0");
        for result in run["results"].as_array().unwrap() {
            let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
            assert_eq!(rule["id"], result["ruleId"]);
            assert_eq!(rule["shortDescription"]["text"], find(rule["id"].as_str().unwrap()).unwrap().summary);
        }
        assert_eq!(
            run["results"][0]["locations"][0]["physicalLocation"],
            json!({
                "artifactLocation": { "uri": "specs/my%20tracker.toml" },
                "region": { "startLine": 4, "startColumn": 11, "endLine": 4, "endColumn": 16 },
            })
        );
    }
}
