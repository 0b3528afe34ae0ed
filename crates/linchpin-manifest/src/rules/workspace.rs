//! Rules of a workspace: what `linchpin-build` finds, with the diagnostics that tell it.

use crate::diagnostic::{Diagnostic, Location};

super::rules! {
LP401 Error "a spec belongs to no crate"
"A spec in `specs/` is only of use to a crate that names it with `connector!`. Add the crate, name the spec in it, or take the spec away."
bad "specs/tracker.toml, and no crate says connector!(\"../../../specs/tracker.toml\")"
good "specs/tracker.toml, and crates/connectors/tracker/src/lib.rs says connector!(\"../../../specs/tracker.toml\")";

LP402 Error "a crate names a spec that does not exist"
"The path in `connector!` is relative to the crate's `Cargo.toml`. Mend the path, or write the spec."
bad "connector!(\"../../../specs/traker.toml\"), and there is no such file"
good "connector!(\"../../../specs/tracker.toml\"), and the file is there";

LP403 Error "an annotated function is not registered"
"The sources have the function, the built binary has not: its module is not part of the crate, a `cfg` leaves it out, or it stands in a crate that does not say `connector!`."
bad "src/issues.rs has #[action(read)] async fn list_issues, and src/lib.rs has no `mod issues;`"
good "src/issues.rs has #[action(read)] async fn list_issues, and src/lib.rs has `mod issues;`";

LP404 Error "a manifest is stale"
"The committed manifest is not what the spec and the code now say. Run `cargo xtask build-manifest` and commit the result."
bad "the spec says version 0.2.0, and specs/tracker.manifest.json still says 0.1.0"
good "cargo xtask build-manifest has been run since";

LP405 Error "the binary was built with another text of the spec"
"The file changed after the binary was built, so flows and spec would not belong together. Build again."
bad "specs/tracker.toml was changed while the build was running"
good "specs/tracker.toml is what was compiled in";

LP406 Error "two connectors have the same key"
"Commands, files and stores know a connector by its key. Give each spec a key of its own."
bad "specs/tracker.toml and specs/old.toml both say key = \"tracker\""
good "specs/old.toml says key = \"old_tracker\"";

LP407 Warning "a spec's file is not named after its key"
"The manifest is written as `<key>.manifest.json`, and people look for its spec beside it as `<key>.toml`."
bad "specs/track.toml says key = \"tracker\""
good "specs/tracker.toml says key = \"tracker\"";

LP408 Error "two crates use the same spec"
"One connector would be built twice, with different flows. Let one crate have all the flows."
bad "crates/a and crates/b both say connector!(\"../../specs/tracker.toml\")"
good "crates/a alone says connector!(\"../../specs/tracker.toml\")";

LP409 Error "the binary describes its connectors in an unknown format"
"The binary and the build tool come from different versions of linchpin. Bring both to the same one."
bad "linchpin-build of one version reads a binary built with another"
good "both come from the same version";

LP410 Error "a crate's connector is not in the binary"
"Manifests are made of what the workspace's binary has compiled in. A crate that says `connector!` and is not in the list that the binary's `main` hands on has no flows there."
bad "crates/connectors/tracker says connector!(\"../../../specs/tracker.toml\"), and the binary's main does not list linchpin_tracker::connector()"
good "the binary's main lists linchpin_tracker::connector()";

LP411 Warning "a manifest belongs to no spec"
"Its spec was taken away or got another key, so nothing brings the manifest up to date any more, and platforms would go on showing the connector. Take the manifest away."
bad "specs/old.manifest.json, and no spec says key = \"old\""
good "specs/tracker.manifest.json, and specs/tracker.toml says key = \"tracker\"";
}

/// [`LP401`]: a spec that no crate names.
pub fn spec_without_crate(spec: Location, key: &str) -> Diagnostic {
    Diagnostic::new(&LP401, format!("no crate says `connector!` for `{key}`"))
        .label(spec, "this spec")
        .help("name the spec in a crate with `linchpin::connector!(\"..\")`, or take it away")
}

/// [`LP402`]: a `connector!` whose file does not exist.
pub fn crate_without_spec(place: Location, path: &str) -> Diagnostic {
    Diagnostic::new(&LP402, format!("there is no spec at `{path}`"))
        .label(place, "named here")
        .help("the path is relative to the folder of the crate's `Cargo.toml`")
}

/// [`LP403`]: an annotated function that the binary does not have.
pub fn not_registered(function: Location, name: &str, connector: Option<Location>) -> Diagnostic {
    let diagnostic = Diagnostic::new(&LP403, format!("`{name}` is annotated, but not registered"))
        .label(function, "this function")
        .help("is its module declared with `mod`, and does no `cfg` leave it out?");
    match connector {
        Some(place) => diagnostic.label(place, "not among the flows of this connector"),
        None => diagnostic.help("say `linchpin::connector!(\"..\")` in its crate"),
    }
}

/// [`LP404`]: a manifest that is not what a build would write; `missing` where there is none.
pub fn stale_manifest(path: &str, missing: bool) -> Diagnostic {
    let message = if missing { format!("`{path}` is missing") } else { format!("`{path}` is stale") };
    Diagnostic::new(&LP404, message)
        .label(Location::file(path), "")
        .help("run `cargo xtask build-manifest` and commit the result")
}

/// [`LP405`]: a binary with another text of the spec than the file has.
pub fn other_spec_text(spec: Location, place: Location) -> Diagnostic {
    Diagnostic::new(&LP405, "the binary was built with another text of this spec")
        .label(spec, "the file as it is now")
        .label(place, "compiled in here")
        .help("build again")
}

/// [`LP406`]: two specs with one key.
pub fn same_key(first: Location, second: Location, key: &str) -> Diagnostic {
    Diagnostic::new(&LP406, format!("two connectors have the key `{key}`"))
        .label(second, "this one")
        .label(first, "and this one")
        .help("give each a `key` of its own")
}

/// [`LP407`]: a spec whose file has another name than its key.
pub fn other_file_name(key_place: Location, key: &str) -> Diagnostic {
    Diagnostic::new(&LP407, format!("the spec of `{key}` is in another file than `{key}.toml`"))
        .label(key_place, "")
        .help(format!("rename the file to `{key}.toml`"))
}

/// [`LP408`]: two crates with one spec.
pub fn same_spec(first: Location, second: Location) -> Diagnostic {
    Diagnostic::new(&LP408, "two crates use the same spec")
        .label(second, "this one")
        .label(first, "and this one")
        .help("let one crate have all the flows")
}

/// [`LP409`]: descriptors in a format that this build does not read.
pub fn unknown_descriptors(binary: &str, version: u32, known: u32) -> Diagnostic {
    Diagnostic::new(
        &LP409,
        format!("`{binary}` describes its connectors in format {version}, and this build reads {known}"),
    )
    .label(Location::file(binary), "")
    .help("bring `linchpin` and `linchpin-build` to the same version")
}

/// [`LP410`]: a crate with a connector that the binary of `package` does not have.
pub fn connector_not_in_binary(said: Location, spec: Location, key: &str, package: &str) -> Diagnostic {
    Diagnostic::new(&LP410, format!("the binary of `{package}` does not have the connector `{key}`"))
        .label(said, "this crate's connector")
        .label(spec, "of this spec")
        .help(format!(
            "add the crate to the dependencies of `{package}`, and its `connector()` to the list in `main`"
        ))
}

/// [`LP411`]: a manifest whose spec is not there.
pub fn manifest_without_spec(path: &str) -> Diagnostic {
    Diagnostic::new(&LP411, format!("`{path}` belongs to no spec"))
        .label(Location::file(path), "")
        .help("remove the file, or bring its spec back")
}
