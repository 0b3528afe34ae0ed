//! The rules of the house that rustc does not know.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use crate::{cargo, output, root};

/// What the workspace's packages may depend on of each other: the arrows of `ARCHITECTURE.md`.
const ARROWS: &[(&str, &[&str])] = &[
    ("linchpin-manifest", &[]),
    ("linchpin-macros", &["linchpin-manifest"]),
    ("linchpin", &["linchpin-macros", "linchpin-manifest"]),
    ("linchpin-build", &["linchpin-manifest"]),
    ("linchpin-runtime", &["linchpin", "linchpin-manifest"]),
    ("linchpin-host", &["linchpin", "linchpin-manifest", "linchpin-runtime"]),
    ("linchpin-cli", &["linchpin", "linchpin-host", "linchpin-manifest", "linchpin-runtime"]),
    ("linchpin-testing", &["linchpin", "linchpin-host", "linchpin-manifest", "linchpin-runtime"]),
    (CONNECTOR, &["linchpin"]),
    ("xtask", &["linchpin-build", "linchpin-manifest"]),
];

/// Stands for every connector.
const CONNECTOR: &str = "a connector";

/// Packages that nothing depends on, so that they may depend on anything.
const TOPS: &[&str] = &["linchpin-app", "linchpin-tests"];

/// What a package is never built with, by whatever way.
const NEVER: &[(&str, &[&str])] = &[
    ("linchpin", &["tokio", "reqwest", "hyper"]),
    (CONNECTOR, &["tokio", "reqwest", "hyper"]),
    ("linchpin-build", &["tokio", "reqwest", "hyper"]),
    ("linchpin-runtime", &["rusqlite"]),
    ("linchpin-cli", &["wiremock"]),
    ("xtask", &["tokio", "reqwest", "hyper"]),
];

/// Names that say nothing of what is in a module.
const EMPTY_NAMES: &[&str] = &["common", "helpers", "misc", "util", "utils"];

/// Macros that are for work in progress.
const UNFINISHED: &[&str] = &["dbg", "todo", "unimplemented"];

/// Folders of people's machines; in two parts, so that this file does not break its own rule.
const MACHINE: &[&str] =
    &[concat!("/", "home/"), concat!("/", "root/"), concat!("/", "Users/"), concat!(":\\", "Users\\")];

/// `cargo xtask tidy`.
pub(crate) fn command() -> Result<()> {
    let found = check(&root())?;
    for finding in &found {
        eprintln!("error: {finding}");
    }
    match found.len() {
        0 => Ok(()),
        1 => bail!("1 thing is untidy"),
        count => bail!("{count} things are untidy"),
    }
}

/// Everything that breaks a rule.
fn check(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    let inside =
        |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string().replace('\\', "/");
    let walk = WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|entry| {
        entry.depth() == 0 || !matches!(entry.file_name().to_str(), Some("target" | ".git"))
    });
    for entry in walk {
        let entry = entry.context("the workspace cannot be walked")?;
        // What is no text holds no words either.
        if entry.file_type().is_file()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            let path = inside(entry.path());
            check_file(&path, &text, &mut found);
            if let Some(module) = path.strip_suffix(".rs") {
                names.extend(module.rsplit('/').next().map(str::to_owned));
                names.extend(text.lines().filter_map(function));
            }
        }
    }
    check_packages(&mut found)?;
    let architecture =
        fs::read_to_string(root.join("ARCHITECTURE.md")).context("`ARCHITECTURE.md` cannot be read")?;
    check_invariants(&architecture, &names, &mut found);
    Ok(found)
}

/// Whether every invariant of `ARCHITECTURE.md` is held by something that is there.
fn check_invariants(architecture: &str, names: &BTreeSet<String>, found: &mut Vec<String>) {
    let table = architecture.split("| invariant | held by |").nth(1).unwrap_or_default();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        // The last cell; what stands in backticks there names tests, cases and commands.
        let held_by = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        let tests = held_by.split('`').skip(1).step_by(2).filter(|name| name.contains("::"));
        for test in tests {
            let name = test.rsplit("::").find(|name| *name != "tests").unwrap_or_default();
            if !names.contains(name) {
                found.push(format!(
                    "`ARCHITECTURE.md` says that `{test}` holds an invariant, and there is no such test"
                ));
            }
        }
    }
}

/// The function that begins on a line.
fn function(line: &str) -> Option<String> {
    let (before, rest) = line.split_once("fn ")?;
    let words =
        before.split_whitespace().all(|word| matches!(word, "pub" | "pub(crate)" | "async" | "const"));
    words.then(|| rest.split(['(', '<']).next().map(str::to_owned)).flatten()
}

/// The rules of a single file.
fn check_file(path: &str, text: &str, found: &mut Vec<String>) {
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(folder) = MACHINE.iter().find(|folder| line.contains(**folder)) {
            found.push(format!(
                "{path}:{number}: names `{folder}..`, a folder of somebody's machine; make it relative"
            ));
        }
    }
    if !path.ends_with(".rs") {
        return;
    }
    if (path.starts_with("src/") || path.contains("/src/")) && !text.starts_with("//!") {
        found.push(format!("{path}: does not say what it is; open it with a `//!` line"));
    }
    for name in path.trim_end_matches(".rs").split('/').filter(|name| EMPTY_NAMES.contains(name)) {
        found.push(format!("{path}: `{name}` says nothing of what is in it; name it after that"));
    }
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//")) {
        for name in UNFINISHED.iter().filter(|name| line.contains(&format!("{name}!("))) {
            found.push(format!("{path}:{number}: `{name}!` is for work in progress; finish it"));
        }
        for name in EMPTY_NAMES.iter().filter(|name| line.contains(&format!("mod {name} {{"))) {
            found
                .push(format!("{path}:{number}: `{name}` says nothing of what is in it; name it after that"));
        }
    }
}

/// The rules of what depends on what.
fn check_packages(found: &mut Vec<String>) -> Result<()> {
    let direct = direct()?;
    check_arrows(&direct, found);
    for package in direct.keys() {
        let never = NEVER.iter().filter(|(name, _)| *name == role(package)).flat_map(|(_, never)| *never);
        let never: Vec<&&str> = never.collect();
        if never.is_empty() && package != "linchpin-manifest" {
            continue;
        }
        let built_with = built_with(package)?;
        for name in never.into_iter().filter(|name| built_with.iter().any(|other| other == **name)) {
            found.push(format!(
                "`{package}` is built with `{name}`, which it must never be; `cargo tree --package {package} --invert {name}` shows why"
            ));
        }
        if package == "linchpin-manifest" {
            check_core(&built_with, found);
        }
    }
    Ok(())
}

/// Whether every dependency within the workspace is an arrow that may be there.
fn check_arrows(direct: &BTreeMap<String, Vec<String>>, found: &mut Vec<String>) {
    for (package, dependencies) in direct.iter().filter(|(package, _)| !TOPS.contains(&package.as_str())) {
        let Some((_, may)) = ARROWS.iter().find(|(name, _)| *name == role(package)) else {
            found.push(format!(
                "nothing says what `{package}` may depend on; add it to `ARROWS` in `xtask/src/tidy.rs`"
            ));
            continue;
        };
        for dependency in dependencies.iter().filter(|name| direct.contains_key(*name)) {
            if !may.contains(&dependency.as_str()) {
                found.push(format!(
                    "`{package}` depends on `{dependency}`, which `ARCHITECTURE.md` does not let it know"
                ));
            }
        }
    }
}

/// Whether the core of the manifest crate, which every connector compiles twice, has stayed as small as it is.
fn check_core(built_with: &[String], found: &mut Vec<String>) {
    let fits = |name: &str| name.starts_with("toml") || name.starts_with("serde_") || name == "winnow";
    for name in built_with.iter().filter(|name| !fits(name)) {
        found.push(format!("the core of `linchpin-manifest` is built with `{name}`; it needs `toml` only"));
    }
}

/// What a package is to the rules.
fn role(package: &str) -> &str {
    let known = ARROWS.iter().any(|(name, _)| *name == package) || TOPS.contains(&package);
    let folder = root().join("crates/connectors").join(package.trim_start_matches("linchpin-"));
    if !known && folder.is_dir() { CONNECTOR } else { package }
}

/// The packages of the workspace, each with what it depends on directly whatever its features; not for tests only.
fn direct() -> Result<BTreeMap<String, Vec<String>>> {
    let tree = output(
        cargo()
            .args([
                "tree",
                "--workspace",
                "--all-features",
                "--no-dedupe",
                "--depth",
                "1",
                "--prefix",
                "depth",
            ])
            .args(EDGES),
    )?;
    let mut direct: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut package = String::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let name = line[1..].split(' ').next().unwrap_or_default().to_owned();
        if line.starts_with('0') {
            direct.entry(name.clone()).or_default();
            package = name;
        } else {
            direct.entry(package.clone()).or_default().push(name);
        }
    }
    Ok(direct)
}

/// Everything that a package is built with.
fn built_with(package: &str) -> Result<Vec<String>> {
    let tree = output(cargo().args(["tree", "--package", package, "--prefix", "none"]).args(EDGES))?;
    Ok(tree.lines().skip(1).filter_map(|line| line.split(' ').next().map(str::to_owned)).collect())
}

/// What a user of a package gets, too.
const EDGES: [&str; 2] = ["--edges", "normal"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let found = check(&root()).expect("a look");
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    fn in_file(path: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        check_file(path, text, &mut found);
        found
    }

    #[test]
    fn sources_say_what_they_are() {
        assert_eq!(in_file("a/src/b.rs", "//! B.\n"), [""; 0]);
        assert_eq!(in_file("a/tests/b.rs", "use b;\n"), [""; 0]);
        assert!(in_file("a/src/b.rs", "use b;\n")[0].contains("`//!`"));
    }

    #[test]
    fn modules_are_named_after_what_is_in_them() {
        assert_eq!(in_file("a/src/helpers/b.rs", "//! B.\n").len(), 1);
        assert_eq!(in_file("a/tests/utils.rs", "").len(), 1);
        let inline = |name: &str| in_file("a/tests/b.rs", &format!("mod {name} {{}}\n")).len();
        assert_eq!((inline("common"), inline("common_sense")), (1, 0));
        assert_eq!(in_file("a/helpers.md", ""), [""; 0]);
    }

    #[test]
    fn nothing_is_left_unfinished() {
        let line = |name: &str| format!("    {name}!(\"x\");\n    // {name}!()\n");
        for name in UNFINISHED {
            let found = in_file("a/tests/b.rs", &line(name));
            assert!(found.len() == 1 && found[0].starts_with("a/tests/b.rs:1:"), "{found:?}");
        }
    }

    #[test]
    fn folders_of_machines_are_named_nowhere() {
        for folder in MACHINE {
            assert_eq!(in_file("a.toml", &format!("\npath = \"{folder}me\"\n")).len(), 1, "{folder}");
        }
    }

    #[test]
    fn arrows_only_run_down() {
        let arrows = |package: &str, dependency: &str| {
            let mut found = Vec::new();
            let known = ["linchpin", "linchpin-runtime", "linchpin-github", "serde"];
            let mut direct: BTreeMap<String, Vec<String>> =
                known[..3].iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
            direct.insert(package.to_owned(), vec![dependency.to_owned()]);
            check_arrows(&direct, &mut found);
            found
        };
        assert_eq!(arrows("linchpin-runtime", "linchpin"), [""; 0]);
        assert_eq!(arrows("linchpin-github", "linchpin"), [""; 0]);
        assert_eq!(arrows("linchpin", "serde"), [""; 0]);
        assert!(arrows("linchpin", "linchpin-runtime")[0].contains("does not let it know"));
        assert!(arrows("linchpin-github", "linchpin-runtime")[0].contains("does not let it know"));
        assert!(arrows("linchpin-new", "linchpin")[0].contains("add it to `ARROWS`"));
    }

    #[test]
    fn invariants_are_held_by_tests_that_are_there() {
        let names = BTreeSet::from(["there".to_owned(), "egress".to_owned()]);
        let row = |held_by: &str| format!("| invariant | held by |\n| :- | :- |\n| it holds | {held_by} |\n");
        let check = |held_by: &str| {
            let mut found = Vec::new();
            check_invariants(&row(held_by), &names, &mut found);
            found
        };
        assert_eq!(check("`a::there` in `b`, `egress::tests`, `cargo xtask c`"), [""; 0]);
        assert!(check("`a::there`, `a::gone` in `b`")[0].contains("`a::gone`"));
        assert_eq!(function("    pub async fn there<T>() {"), Some("there".to_owned()));
        assert_eq!(function("the fn there("), None);
    }

    #[test]
    fn what_a_package_is_built_with_is_seen_at_any_depth() {
        assert!(built_with("linchpin-cli").expect("a tree").iter().any(|name| name == "tokio"));
        assert!(direct().expect("a tree")["linchpin-cli"].iter().any(|name| name == "linchpin-runtime"));
    }

    #[test]
    fn the_core_of_the_manifest_crate_is_small() {
        let mut found = Vec::new();
        check_core(&["toml".to_owned(), "regex".to_owned()], &mut found);
        assert!(found.len() == 1 && found[0].contains("`regex`"), "{found:?}");
    }
}
