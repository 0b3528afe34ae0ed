//! What authors see when they make a mistake: one broken rule per file, named after the rule.
//!
//! `TRYBUILD=overwrite cargo test -p linchpin-tests --test ui` writes the texts anew; read what changed before committing it.

#[test]
fn mistakes_are_explained_and_oddities_pass() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*.rs");
}
