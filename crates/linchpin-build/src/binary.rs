//! The workspace's binary: built, and asked for what its connectors are.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use linchpin_manifest::{descriptor::Descriptors, rules};
use serde_json::Value;

use crate::{
    Workspace,
    pipeline::Answer,
    workspace::{Layout, canonical, cargo},
};

/// How cargo is to build.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags {
    pub(crate) offline: bool,
    pub(crate) locked: bool,
}

/// Builds the workspace's binary and asks it for its connectors.
pub(crate) fn descriptors(workspace: &Workspace, layout: &Layout, flags: Flags) -> Result<Answer> {
    let executable = build(workspace, layout, flags)?;
    let package = &workspace.package;
    let output = Command::new(&executable)
        .arg("__descriptors")
        .current_dir(&layout.root)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("the binary `{}` cannot be started", executable.display()))?;
    if !output.status.success() {
        bail!(
            "the binary of `{package}` did not describe its connectors ({}); its `main` hands them to `linchpin_cli`",
            output.status
        );
    }
    decode(&output.stdout, package).with_context(|| {
        format!(
            "what the binary of `{package}` says of its connectors cannot be read; build it with the same version of linchpin as this xtask"
        )
    })
}

fn decode(json: &[u8], package: &str) -> Result<Answer> {
    let value: Value = serde_json::from_slice(json)?;
    // Looked at first: another version may have any form.
    let version = value["descriptors_version"].as_u64().context("`descriptors_version` is missing")?;
    let version = u32::try_from(version).unwrap_or(u32::MAX);
    if version != Descriptors::VERSION {
        return Ok(Err(Box::new(rules::unknown_descriptors(package, version, Descriptors::VERSION))));
    }
    Ok(Ok(serde_json::from_value(value)?))
}

fn build(workspace: &Workspace, layout: &Layout, flags: Flags) -> Result<PathBuf> {
    let package = &workspace.package;
    if layout.member(package).is_none() {
        let known: Vec<_> = layout.members.iter().map(|member| format!("`{}`", member.name)).collect();
        bail!("the workspace has no package `{package}`; it has {}", known.join(", "));
    }
    let mut command = cargo();
    command.args(["build", "--package", package, "--message-format", "json-render-diagnostics"]);
    if let Some(binary) = &workspace.binary {
        command.args(["--bin", binary]);
    }
    if flags.offline {
        command.arg("--offline");
    }
    if flags.locked {
        command.arg("--locked");
    }
    let output = command
        .current_dir(&layout.root)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    if !output.status.success() {
        bail!(
            "package `{package}` does not compile, so its connectors cannot be asked; mend what cargo reports above"
        );
    }
    executable(&String::from_utf8_lossy(&output.stdout), layout, package)
}

/// The one executable of the package among cargo's messages.
fn executable(messages: &str, layout: &Layout, package: &str) -> Result<PathBuf> {
    let manifest = layout.member(package).map(|member| member.dir.join("Cargo.toml"));
    let mut found: Vec<(String, PathBuf)> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| {
            let at = message["manifest_path"].as_str().map(|path| canonical(path.as_ref()));
            at == manifest
        })
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, PathBuf::from(message["executable"].as_str()?)))
        })
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some((_, path)), true) => Ok(path),
        (None, _) => bail!(
            "package `{package}` has no binary; name the package whose `main` hands the connectors to `linchpin_cli`"
        ),
        (Some(last), false) => {
            found.push(last);
            found.sort();
            let names: Vec<_> = found.iter().map(|(name, _)| format!("`{name}`")).collect();
            bail!(
                "package `{package}` has the binaries {}; say which: `Workspace::new(\"{package}\").binary(\"{}\")`",
                names.join(", "),
                found[0].0
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(folder: &str, name: &str, executable: Option<&str>) -> String {
        serde_json::json!({
            "reason": "compiler-artifact",
            "manifest_path": format!("{folder}/Cargo.toml"),
            "target": { "name": name },
            "executable": executable,
        })
        .to_string()
    }

    #[test]
    fn the_executable_is_the_package_s_only_one() {
        let layout = Layout::bare("/nowhere".as_ref()).with("app", "app");
        let of = |messages: &[String]| {
            let text = format!("{}\n{{\"reason\":\"build-finished\"}}\nnoise\n", messages.join("\n"));
            executable(&text, &layout, "app").map_err(|error| error.to_string())
        };
        let lib = message("/nowhere/app", "app", None);
        let one = message("/nowhere/app", "one", Some("/t/one"));
        let two = message("/nowhere/app", "two", Some("/t/two"));
        let other = message("/nowhere/other", "other", Some("/t/other"));
        assert_eq!(of(&[lib.clone(), one.clone(), other.clone()]), Ok(PathBuf::from("/t/one")));
        assert!(of(&[lib, other]).is_err_and(|error| error.contains("has no binary")));
        assert!(of(&[two, one]).is_err_and(|error| error.contains("`one`, `two`; say which")));
    }

    #[test]
    fn an_unknown_package_lists_the_known_ones() {
        let layout = Layout::bare("/nowhere".as_ref()).with("app", "app");
        let error = build(&Workspace::new("ap"), &layout, Flags::default()).expect_err("an error");
        assert_eq!(error.to_string(), "the workspace has no package `ap`; it has `app`");
    }

    #[test]
    fn another_version_of_the_format_is_named() {
        let answer = decode(br#"{"descriptors_version":9,"connectors":"?"}"#, "app").expect("an answer");
        assert_eq!(answer.expect_err("a finding").code, "LP409");
        let answer = decode(br#"{"descriptors_version":1,"connectors":[]}"#, "app").expect("an answer");
        assert!(answer.is_ok());
        assert!(decode(b"hello", "app").is_err());
    }
}
