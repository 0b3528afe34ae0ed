//! `linchpin explain`: what the codes mean.

use linchpin::Code;
use linchpin_manifest::rules;
use serde_json::{Value, json};

use crate::{
    args::Format,
    catalogue::suggest,
    exit::{Exit, Failure, write_stdout},
    terminal,
};

/// One code: of a rule, or of an error at run time.
struct Entry {
    code: &'static str,
    severity: &'static str,
    summary: &'static str,
    explanation: &'static str,
    examples: Option<(String, String)>,
}

fn entries() -> Vec<Entry> {
    let rules = rules::all().map(|rule| Entry {
        code: rule.code,
        severity: rule.severity.word(),
        summary: rule.summary,
        explanation: rule.explanation,
        examples: Some((example(&rule.failing), example(&rule.passing))),
    });
    let errors = Code::ALL.iter().map(|code| Entry {
        code: code.as_str(),
        severity: "error",
        summary: code.summary(),
        explanation: code.explanation(),
        examples: None,
    });
    let mut entries: Vec<Entry> = rules.chain(errors).collect();
    entries.sort_by_key(|entry| entry.code);
    entries
}

pub(crate) fn explain(code: Option<&str>, format: Format) -> Result<Exit, Failure> {
    let entries = entries();
    let text = match code {
        None if format == Format::Json => {
            let list: Vec<Value> = entries
                .iter()
                .map(|entry| json!({ "code": entry.code, "severity": entry.severity, "summary": entry.summary }))
                .collect();
            pretty(&Value::Array(list))
        }
        None => entries
            .iter()
            .map(|entry| format!("{}  {:<7}  {}\n", entry.code, entry.severity, entry.summary))
            .collect(),
        Some(code) => {
            let wanted = code.to_ascii_uppercase();
            let entry = entries.iter().find(|entry| entry.code == wanted).ok_or_else(|| {
                let codes: Vec<&str> = entries.iter().map(|entry| entry.code).collect();
                Failure::usage(format!("there is no code `{code}`")).help(match suggest(&wanted, &codes) {
                    near if near.starts_with("did") => near,
                    _ => "`linchpin explain` lists them all".to_owned(),
                })
            })?;
            one(entry, format)
        }
    };
    let text = if format == Format::Json { text } else { terminal::fit(text) };
    write_stdout(text.as_bytes())?;
    Ok(Exit::Ok)
}

fn one(entry: &Entry, format: Format) -> String {
    if format == Format::Json {
        let (failing, passing) = entry.examples.clone().unzip();
        return pretty(&json!({
            "code": entry.code,
            "severity": entry.severity,
            "summary": entry.summary,
            "explanation": entry.explanation,
            "failing": failing,
            "passing": passing,
        }));
    }
    let mut text =
        format!("{} ({}): {}\n\n{}\n", entry.code, entry.severity, entry.summary, entry.explanation);
    if let Some((failing, passing)) = &entry.examples {
        text.push_str(&format!(
            "\nThis fails:\n\n{}\nThis passes:\n\n{}\n",
            quoted(failing),
            quoted(passing)
        ));
    }
    text
}

fn example(example: &rules::Example) -> String {
    [example.spec, example.flows]
        .map(|text| text.trim_matches('\n'))
        .join("\n\n")
        .trim_matches('\n')
        .to_owned()
}

fn quoted(example: &str) -> String {
    example.trim_matches('\n').lines().map(|line| format!("    {line}\n")).collect()
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
