//! From specs and sources to manifests, step by step.

use std::{collections::BTreeMap, fs};

use anyhow::Result;
use linchpin_manifest::{
    Diagnostic, Severity,
    descriptor::{ConnectorDescriptor, Descriptors, FlowKind},
    diagnostic, rules,
};

use crate::{
    Usage,
    catalogue::Catalogue,
    generate::{self, Ensured, Mode},
    manifest, pairing,
    scan::Scan,
    workspace::Layout,
};

/// What is to be built.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// Whether to write or only to look.
    pub(crate) mode: Mode,
    /// Only the connectors of these keys; empty for all.
    pub(crate) only: &'a [String],
    /// The package with the binary, as findings call it.
    pub(crate) package: &'a str,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) found: Vec<Diagnostic>,
    /// The manifests, where nothing was wrong.
    pub(crate) rows: Vec<Row>,
}

/// One manifest.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) version: String,
    pub(crate) flows: BTreeMap<FlowKind, usize>,
    pub(crate) events: usize,
    pub(crate) warnings: usize,
    pub(crate) path: String,
    pub(crate) ensured: Ensured,
}

impl Outcome {
    fn of(mut found: Vec<Diagnostic>) -> Outcome {
        diagnostic::sort(&mut found);
        Outcome { found, rows: Vec::new() }
    }

    pub(crate) fn failed(&self) -> bool {
        self.found.iter().any(Diagnostic::is_error)
    }
}

/// What the binary answers: its connectors, or why they cannot be read.
pub(crate) type Answer = Result<Descriptors, Box<Diagnostic>>;

/// Checks and builds every manifest; `ask` gives what was compiled, and is asked only when the specs are sound.
pub(crate) fn build(
    layout: &Layout,
    request: &Request<'_>,
    ask: &mut dyn FnMut() -> Result<Answer>,
) -> Result<Outcome> {
    let scans = scan(layout)?;
    let mut catalogue = Catalogue::find(layout, &scans)?;
    let known: Vec<String> = catalogue.specs.iter().map(|spec| spec.key()).collect();
    if let Some(key) = request.only.iter().find(|key| !known.contains(key)) {
        return Err(Usage(format!("no spec has the key `{key}`; there are: {}", known.join(", "))).into());
    }
    let wanted = |key: &str| request.only.is_empty() || request.only.iter().any(|only| only == key);

    let mut found = std::mem::take(&mut catalogue.missing);
    found.extend(catalogue.same_keys());
    let mut specs_found = BTreeMap::new();
    for spec in catalogue.specs.iter().filter(|spec| wanted(&spec.key())) {
        specs_found.insert(spec.path.clone(), spec.check());
    }
    let mut checked = specs_found.len();
    let all = |found: Vec<Diagnostic>, specs: &BTreeMap<_, Vec<Diagnostic>>| {
        Outcome::of(specs.values().flatten().cloned().chain(found).collect())
    };
    let outcome = all(found.clone(), &specs_found);
    // A connector whose spec is wrong does not compile: cargo would say the same again, less well.
    if outcome.failed() {
        return Ok(outcome);
    }
    if catalogue.specs.is_empty() {
        return Err(Usage(format!(
            "there is no spec in `{}`, and no package says `connector!`",
            layout.specs().display()
        ))
        .into());
    }

    let descriptors = match ask()? {
        Ok(descriptors) => descriptors,
        Err(unreadable) => return Ok(Outcome::of(vec![*unreadable])),
    };
    let pairing = pairing::pair(layout, &scans, &mut catalogue, descriptors, request.package)?;
    // Those that only the compiler knew of.
    for spec in catalogue.specs.iter().filter(|spec| wanted(&spec.key())) {
        if !specs_found.contains_key(&spec.path) {
            specs_found.insert(spec.path.clone(), spec.check());
            checked += 1;
        }
    }
    debug_assert_eq!(checked, specs_found.len());
    found.extend(pairing.found);
    let sources = |file: &str| fs::read_to_string(layout.root.join(file)).ok();
    let mut texts = Vec::new();
    for (at, connector) in &pairing.pairs {
        let spec = &catalogue.specs[*at];
        if !wanted(&spec.key()) {
            continue;
        }
        let built = manifest::build(&spec.parsed, connector, &sources);
        let alone = specs_found.get(&spec.path).into_iter().flatten();
        let warnings = alone.chain(&built.found).filter(|found| found.severity == Severity::Warning).count();
        found.extend(built.found);
        texts.extend(built.text.map(|text| (spec, connector, warnings, text)));
    }
    found.extend(catalogue.orphans(layout)?);
    let mut outcome = all(found, &specs_found);
    if outcome.failed() {
        return Ok(outcome);
    }

    for (spec, connector, warnings, text) in texts {
        let path = spec.manifest();
        let shown = layout.shown(&path);
        let ensured = generate::ensure(&path, &shown, &text, request.mode)?;
        if request.mode == Mode::Check && ensured.change != generate::Change::Unchanged {
            outcome.found.push(rules::stale_manifest(&shown, ensured.change == generate::Change::New));
        }
        outcome.rows.push(row(spec, connector, warnings, shown, ensured));
    }
    outcome.rows.sort_by(|a, b| a.key.cmp(&b.key));
    diagnostic::sort(&mut outcome.found);
    Ok(outcome)
}

fn row(
    spec: &crate::catalogue::SpecFile,
    connector: &ConnectorDescriptor,
    warnings: usize,
    path: String,
    ensured: Ensured,
) -> Row {
    let mut flows = BTreeMap::new();
    for flow in &connector.flows {
        *flows.entry(flow.kind).or_insert(0) += 1;
    }
    let (version, events) = spec
        .parsed
        .spec
        .as_ref()
        .map_or_else(Default::default, |spec| (spec.version.clone(), spec.events.len()));
    Row { key: spec.key(), version, flows, events, warnings, path, ensured }
}

/// What the rules say of specs alone: of these files, or of all that the workspace has.
pub(crate) fn check_specs(catalogue: Catalogue) -> Outcome {
    let mut found: Vec<Diagnostic> = catalogue.specs.iter().flat_map(|spec| spec.check()).collect();
    found.extend(catalogue.same_keys());
    found.extend(catalogue.missing);
    Outcome::of(found)
}

/// The sources of every package, in the packages' order.
pub(crate) fn scan(layout: &Layout) -> Result<Vec<Scan>> {
    let packages = layout.members.iter();
    packages.map(|member| Ok(Scan::package(layout, &member.dir, &member.linchpin)?)).collect()
}
