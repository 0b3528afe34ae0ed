//! What authors see when they make a mistake: one broken rule per file, named after the rule.
//!
//! `TRYBUILD=overwrite cargo test -p linchpin-tests --test ui` writes the texts anew; read what changed before committing it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::{fs, path::Path};

/// Lays the specs where `connector!` looks for them: beside the Cargo.toml of the package that trybuild makes of the cases.
fn lay_specs() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let to = target.join("tests/trybuild").join(env!("CARGO_PKG_NAME")).join("specs");
    fs::create_dir_all(&to).unwrap();
    for spec in fs::read_dir("ui/specs").unwrap() {
        let spec = spec.unwrap();
        fs::copy(spec.path(), to.join(spec.file_name())).unwrap();
    }
}

#[test]
fn mistakes_are_explained_and_oddities_pass() {
    lay_specs();
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*.rs");
}
