//! What never happens: each sentence of `ARCHITECTURE.md` that says so.

use std::{fs, path::Path, process::Command};

use super::command::root;

/// What a package is built with, itself left out.
fn tree(package: &str) -> Vec<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--package", package]);
    let out = command.current_dir(root()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().skip(1).filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
}

#[test]
fn arrows_only_run_down() {
    for (package, never) in [
        ("linchpin", &["tokio", "reqwest", "hyper", "linchpin-runtime"][..]),
        ("linchpin-github", &["tokio", "reqwest", "hyper", "linchpin-runtime"]),
        ("linchpin-slack", &["tokio", "reqwest", "hyper", "linchpin-runtime"]),
        ("linchpin-build", &["tokio", "reqwest", "hyper", "linchpin", "linchpin-runtime"]),
        ("linchpin-runtime", &["linchpin-cli", "linchpin-build", "linchpin-github", "rusqlite"]),
        ("linchpin-cli", &["linchpin-github", "linchpin-testing", "wiremock"]),
    ] {
        let tree = tree(package);
        assert!(!tree.is_empty(), "{package}");
        for name in never {
            assert!(!tree.iter().any(|found| found == name), "`{package}` is built with `{name}`");
        }
    }
}

#[test]
fn the_core_of_the_manifest_crate_needs_toml_only() {
    for name in tree("linchpin-manifest") {
        assert!(name.starts_with("toml") || name.starts_with("serde_") || name == "winnow", "`{name}`");
    }
}

fn sources(dir: &Path, each: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                sources(&path, each);
            }
        } else if path.extension().is_some_and(|end| end == "rs") {
            each(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_source_says_what_it_is() {
    sources(&root().join("crates"), &mut |path, text| {
        assert!(text.starts_with("//!"), "{} opens without `//!`", path.display());
        for name in ["utils", "helpers", "common"] {
            assert!(path.file_stem().is_none_or(|stem| stem != name), "{}", path.display());
        }
        for unfinished in ["todo!(", "dbg!("] {
            assert!(!text.contains(unfinished), "{} has `{unfinished}`", path.display());
        }
    });
}

#[test]
fn published_schemas_are_fresh() {
    for (file, wanted) in [
        ("specs/spec.schema.json", linchpin_manifest::schema::spec()),
        ("specs/manifest.schema.json", linchpin_manifest::schema::manifest()),
    ] {
        let found = fs::read_to_string(root().join(file)).unwrap_or_default();
        assert!(found == wanted, "`{file}` is stale; run `cargo xtask generate`");
    }
}

#[test]
fn the_readme_shows_code_that_is_there() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let shown = readme.split("```rust,ignore\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let code = fs::read_to_string(root().join("crates/connectors/github/src/issue.rs")).unwrap();
    assert!(code.contains(shown), "the README's first example is not in the GitHub connector:\n{shown}");
}
