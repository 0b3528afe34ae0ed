//! A spec and what was compiled of it, as a manifest.

use linchpin_manifest::{Diagnostic, check, descriptor::ConnectorDescriptor, manifest, spec, spec::Parsed};

/// What became of a spec and its connector.
#[derive(Debug)]
#[non_exhaustive]
pub struct Built {
    /// The manifest's text; nothing where a finding is an error.
    pub text: Option<String>,
    /// What the rules have to say.
    pub found: Vec<Diagnostic>,
}

/// Checks a spec against a compiled connector and makes the manifest, without a workspace: for tools and measurements.
///
/// `path` is what findings call the spec.
pub fn manifest_for(path: &str, text: &str, connector: &ConnectorDescriptor) -> Built {
    let parsed = spec::parse(path, text);
    let mut built = build(&parsed, connector, &|_| None);
    built.found.splice(0..0, parsed.diagnostics);
    built
}

/// The same for a spec that was read and checked by itself; `sources` gives the text of a file of Rust.
pub(crate) fn build(
    parsed: &Parsed,
    connector: &ConnectorDescriptor,
    sources: &dyn Fn(&str) -> Option<String>,
) -> Built {
    let found = check::join(parsed, connector, sources);
    let sound = !found.iter().any(Diagnostic::is_error);
    let text = parsed.spec.as_ref().filter(|_| sound).map(|spec| manifest::build(spec, connector));
    Built { text, found }
}
