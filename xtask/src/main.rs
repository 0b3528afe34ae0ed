//! This workspace's own tasks: `cargo xtask build-manifest`, and `cargo xtask generate` for the published JSON Schemas.

use std::{path::Path, process::ExitCode};

use linchpin_build::{Workspace, generate};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("generate") {
        return schemas();
    }
    linchpin_build::main(Workspace::new("linchpin-app"))
}

/// Writes the JSON Schemas of specs and manifests; the tests check that they are fresh.
fn schemas() -> ExitCode {
    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs");
    for (name, text) in [
        ("spec.schema.json", linchpin_manifest::schema::spec()),
        ("manifest.schema.json", linchpin_manifest::schema::manifest()),
    ] {
        if let Err(error) = generate::write(&specs.join(name), &text) {
            eprintln!("error: `specs/{name}` cannot be written: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
