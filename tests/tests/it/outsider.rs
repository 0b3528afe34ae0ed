//! Connectors in a workspace of their own, as the README and `linchpin new` make them: built, checked, run and tested offline.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use super::command::{linchpin, root};

/// Puts the README's files into a folder.
fn readme(dir: &Path) {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let mut lines = text.lines();
    let mut files = 0;
    while let Some(line) = lines.next() {
        let Some(path) = line.strip_prefix("**`").and_then(|line| line.strip_suffix("`**")) else { continue };
        let fence = lines.by_ref().find(|line| !line.is_empty()).unwrap();
        assert!(fence.starts_with("```"), "{path}: {fence}");
        let code: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, code.join("\n").replace("LINCHPIN/", &format!("{}/", root().display())) + "\n")
            .unwrap();
        files += 1;
    }
    assert_eq!(files, 8);
}

fn cargo(dir: &Path, target: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).current_dir(dir).env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true");
    // What this test's own cargo set is none of theirs.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION", "CARGO_CRATE_NAME", "RUSTFLAGS"]
    {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn works(dir: &Path, target: &Path, args: &[&str]) -> String {
    let out = cargo(dir, target, args);
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "cargo {args:?}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

fn lives(dir: &Path, target: &Path, key: &str, flow: &str) {
    fs::copy(root().join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
    works(dir, target, &["xtask", "build-manifest"]);
    let manifest = fs::read_to_string(dir.join(format!("specs/{key}.manifest.json"))).unwrap();
    linchpin_manifest::manifest::verify_digest(&manifest).unwrap();
    works(dir, target, &["xtask", "build-manifest", "--check"]);
    let shown = works(dir, target, &["run", "--quiet", "--", "describe", &format!("{key}.{flow}")]);
    assert!(shown.contains("required"), "{shown}");
    works(dir, target, &["test", "--quiet"]);
}

/// One test, since both workspaces share a target folder and cargo lets only one build there.
#[test]
fn what_the_readme_and_new_make_lives_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("target");
    let tracker = dir.path().join("tracker");
    readme(&tracker);
    let code = fs::read_to_string(tracker.join("src/lib.rs")).unwrap();
    let counted =
        code.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).count();
    assert!(counted < 80, "{counted} lines");
    lives(&tracker, &target, "tracker", "create_issue");

    // Mistakes that an author makes, each told at its place.
    let spec = fs::read_to_string(tracker.join("specs/tracker.toml")).unwrap();
    fs::write(tracker.join("specs/tracker.toml"), spec.replace("pagination", "pagenation")).unwrap();
    let out = cargo(&tracker, &target, &["xtask", "build-manifest"]);
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        !out.status.success() && told.contains("specs/tracker.toml:11:1") && told.contains("LP101"),
        "{told}"
    );
    fs::write(tracker.join("specs/tracker.toml"), &spec).unwrap();
    fs::remove_file(tracker.join("specs/tracker.manifest.json")).unwrap();
    let out = cargo(&tracker, &target, &["xtask", "build-manifest", "--check"]);
    assert_eq!(out.status.code(), Some(1));
    fs::write(
        tracker.join("src/lost.rs"),
        "#[linchpin::action(read)]\nasync fn lost(cx: linchpin::Context) {}\n",
    )
    .unwrap();
    let out = cargo(&tracker, &target, &["xtask", "build-manifest"]);
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && told.contains("LP403") && told.contains("src/lost.rs"), "{told}");

    let made = dir.path().join("my_shop");
    let out = linchpin().args(["new", "my_shop", "--dir"]).arg(&made).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    lives(&made, &target, "my_shop", "create_item");
}
