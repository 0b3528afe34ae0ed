//! What is generated here: the published JSON Schemas, and the parts of README.md that the sources say already.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use linchpin_build::generate::{Change, Ensured, Mode, ensure, fill};
use linchpin_manifest::{attribute::ATTRIBUTES, schema};

use crate::{cargo, output, root};

/// `cargo xtask generate`.
pub(crate) fn command(mode: Mode) -> Result<()> {
    let mut stale = 0;
    for looked in run(mode)? {
        if looked.change != Change::Unchanged {
            stale += 1;
            tell(&looked, mode);
        }
    }
    if mode == Mode::Check && stale > 0 {
        bail!("what is generated is stale; run `cargo xtask generate` and commit what it writes");
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "a diff is what was asked for")]
fn tell(looked: &Ensured, mode: Mode) {
    match mode {
        Mode::Check => print!("{}", looked.diff),
        Mode::Write => {
            let path = looked.path.strip_prefix(root()).unwrap_or(&looked.path);
            println!("{} ({})", path.display(), looked.change.word());
        }
    }
}

/// Brings every generated file up to date, or only looks.
fn run(mode: Mode) -> Result<Vec<Ensured>> {
    let root = root();
    let readme = fs::read_to_string(root.join("README.md")).context("`README.md` cannot be read")?;
    let files = [
        ("specs/spec.schema.json", schema::spec()),
        ("specs/manifest.schema.json", schema::manifest()),
        ("README.md", fill_all(&readme.replace("\r\n", "\n"), &parts(&root)?)?),
    ];
    files.iter().map(|(path, want)| ensure(&root.join(path), path, want, mode)).collect()
}

/// The generated parts of the README, by name.
fn parts(root: &Path) -> Result<Vec<(&'static str, String)>> {
    let source =
        |path: &str| fs::read_to_string(root.join(path)).with_context(|| format!("`{path}` cannot be read"));
    Ok(vec![
        ("action", action(&source("crates/connectors/github/src/issue.rs")?)?),
        ("attributes", attributes()),
        ("spec", sections()),
        ("commands", commands()?),
        ("exit codes", exit_codes(&source("crates/linchpin-cli/src/exit.rs")?)?),
    ])
}

/// Fills every marker, and wants a marker for every part.
fn fill_all(text: &str, parts: &[(&str, String)]) -> Result<String> {
    for (name, _) in parts {
        let marker = format!("<!-- generated: {name} -->");
        if !text.lines().any(|line| line == marker) {
            bail!(
                "`README.md` has no place for what is generated as `{name}`; write `{marker}` where it belongs"
            );
        }
    }
    let made = |name: &str| parts.iter().find(|(part, _)| *part == name).map(|(_, text)| text.clone());
    fill(text, made).context("`README.md` cannot be generated")
}

/// The example of an action, as it stands in the GitHub connector.
fn action(source: &str) -> Result<String> {
    let code = source.split("\n\n").find(|item| item.contains("async fn create_issue("));
    let code = code.context("the GitHub connector has no `create_issue`, which the README shows")?;
    Ok(format!("```rust,ignore\n{}\n```", code.trim()))
}

fn attributes() -> String {
    let rows = ATTRIBUTES
        .iter()
        .flat_map(|attribute| attribute.forms)
        .map(|form| [code(form.written), code(form.kind), form.doc.to_owned()]);
    table(["attribute", "kind in the manifest", "the function"], rows)
}

fn sections() -> String {
    let rows = schema::sections().into_iter().map(|section| {
        let keys: Vec<String> = section
            .keys
            .iter()
            .map(|(name, required)| if *required { format!("**{}**", code(name)) } else { code(name) })
            .collect();
        let head = if section.head.is_empty() { "at the top".to_owned() } else { code(&section.head) };
        [head, section.doc.to_owned(), keys.join(", ")]
    });
    table(["section", "what it says", "keys, needed ones in bold"], rows)
}

/// The commands of the binary, as it describes them itself.
fn commands() -> Result<String> {
    let help = |command: Option<&str>| {
        let mut run = cargo();
        run.args(["run", "--quiet", "--package", "linchpin-app", "--"]).args(command).arg("--help");
        // Wide enough that no sentence is broken.
        output(run.env("COLUMNS", "1000"))
    };
    let names = command_names(&help(None)?)?;
    let rows: Result<Vec<_>> = names.iter().map(|name| command_row(&help(Some(name))?)).collect();
    Ok(table(["command", "what it does"], rows?.into_iter()))
}

/// The commands in clap's help, without clap's own.
fn command_names(help: &str) -> Result<Vec<String>> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names: Vec<String> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        bail!("`linchpin --help` lists no commands:\n{help}");
    }
    Ok(names)
}

/// How a command is used, and what it does, from clap's help of it.
fn command_row(help: &str) -> Result<[String; 2]> {
    let about = help.lines().next().unwrap_or_default();
    let usage = help.lines().find_map(|line| line.strip_prefix("Usage: "));
    let usage = usage.with_context(|| format!("the help of a command shows no usage:\n{help}"))?;
    Ok([code(&usage.replace(" [OPTIONS]", "")), about.to_owned()])
}

/// The exit codes, as the enum documents them.
fn exit_codes(source: &str) -> Result<String> {
    let variants = source.split("pub enum Exit {").nth(1).and_then(|rest| rest.split('}').next());
    let docs = variants.into_iter().flat_map(str::lines).filter_map(|line| line.trim().strip_prefix("/// "));
    let rows: Vec<_> = docs
        .filter_map(|doc| doc.split_once(": "))
        .filter(|(number, _)| number.parse::<u8>().is_ok())
        .map(|(number, meaning)| [code(number), sentence(meaning)])
        .collect();
    if rows.is_empty() {
        bail!("`linchpin_cli::Exit` documents no exit codes; begin each variant's comment with its number");
    }
    Ok(table(["exit code", "what it says"], rows.into_iter()))
}

/// The text with a capital letter.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// A table in Markdown, in which `|` means the end of a cell even within code.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(head.map(str::to_owned)) + &line(head.map(|_| ":-".to_owned()));
    rows.for_each(|row| text.push_str(&line(row)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_generated_is_fresh() {
        let stale = run(Mode::Check).expect("a look");
        let stale: Vec<&str> =
            stale.iter().map(|looked| &*looked.diff).filter(|diff| !diff.is_empty()).collect();
        assert!(stale.is_empty(), "run `cargo xtask generate`:\n{}", stale.join("\n"));
    }

    #[test]
    fn every_part_has_a_place_and_every_place_a_part() {
        let parts = [("a", "1".to_owned())];
        let text = "<!-- generated: a -->\n<!-- end generated: a -->\n";
        assert!(fill_all(text, &parts).is_ok_and(|filled| filled.contains("\n1\n")));
        assert!(fill_all("", &parts).is_err_and(|error| error.to_string().contains("no place for")));
        assert!(
            fill_all(text, &[]).is_err_and(|error| format!("{error:#}").ends_with("nothing generates `a`"))
        );
    }

    #[test]
    fn commands_are_read_off_their_help() {
        let help = "About\n\nCommands:\n  run   Run it\n  help  Print this\n\nOptions:\n  -h\n";
        assert_eq!(command_names(help).expect("names"), ["run"]);
        assert!(command_names("About\n").is_err());
        let row = command_row("Run it\n\nUsage: linchpin run [OPTIONS] <A|B>\n").expect("a row");
        assert_eq!(row, ["`linchpin run <A|B>`", "Run it"]);
        assert_eq!(
            table(["a", "b"], [row].into_iter()).lines().last(),
            Some("| `linchpin run <A\\|B>` | Run it |")
        );
    }

    #[test]
    fn exit_codes_are_read_off_their_comments() {
        let source =
            "pub enum Exit {\n    /// 0: it worked.\n    Ok,\n    /// Other.\n    Other,\n}\n/// 9: no.";
        assert_eq!(
            exit_codes(source).expect("codes").lines().skip(2).collect::<Vec<_>>(),
            ["| `0` | It worked. |"]
        );
        assert!(exit_codes("pub enum Exit {}").is_err());
    }
}
