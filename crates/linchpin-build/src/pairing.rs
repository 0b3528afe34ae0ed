//! Which spec belongs to which compiled connector, and what belongs to none.

use std::{collections::BTreeSet, fs, path::PathBuf};

use anyhow::Result;
use linchpin_manifest::{
    Diagnostic, Location, Source,
    descriptor::{ConnectorDescriptor, Descriptors, Place},
    rules,
};

use crate::{
    catalogue::Catalogue,
    scan::Scan,
    workspace::{Layout, Member, canonical},
};

/// What belongs together.
#[derive(Debug, Default)]
pub(crate) struct Pairing {
    /// A spec of the catalogue by its index, with the connector that was compiled of it; by index.
    pub(crate) pairs: Vec<(usize, ConnectorDescriptor)>,
    pub(crate) found: Vec<Diagnostic>,
}

/// Matches specs and connectors both ways, and the sources with the registered flows.
///
/// A spec that no source names in plain sight, since a macro says `connector!`, is added to the catalogue here.
pub(crate) fn pair(
    layout: &Layout,
    scans: &[Scan],
    catalogue: &mut Catalogue,
    descriptors: Descriptors,
    package: &str,
) -> Result<Pairing> {
    let mut pairing = Pairing::default();
    // Connectors of other workspaces, which this binary has too, have their manifests there.
    let own = |connector: &ConnectorDescriptor| layout.member(&connector.package).cloned();
    let connectors: Vec<(Member, ConnectorDescriptor)> = descriptors
        .connectors
        .into_iter()
        .filter_map(|connector| Some((own(&connector)?, connector)))
        .collect();

    for (member, scan) in layout.members.iter().zip(scans) {
        let of_member = connectors.iter().filter(|(owner, _)| owner.dir == member.dir).map(|(_, own)| own);
        pairing.found.extend(unregistered(layout, scan, &of_member.collect::<Vec<_>>()));
    }
    for (member, connector) in connectors {
        let place = locate(layout, &connector.place);
        let path = member.dir.join(&connector.spec_path);
        if !path.is_file() {
            pairing.found.push(rules::crate_without_spec(place, &connector.spec_path));
            continue;
        }
        let at = catalogue.add(layout, &path)?;
        let source = &catalogue.specs[at].parsed.source;
        if source.text != connector.spec_text {
            pairing.found.push(rules::other_spec_text(Location::file(&source.path), place));
            continue;
        }
        match pairing.pairs.iter().find(|(spec, _)| *spec == at) {
            Some((_, first)) => {
                pairing.found.push(rules::same_spec(locate(layout, &first.place), place));
            }
            None => pairing.pairs.push((at, connector)),
        }
    }
    pairing.pairs.sort_by_key(|(at, _)| *at);

    let met: BTreeSet<usize> = pairing.pairs.iter().map(|(at, _)| *at).collect();
    let refused: BTreeSet<String> = pairing
        .found
        .iter()
        .flat_map(|found| &found.labels)
        .map(|label| label.location.file.clone())
        .collect();
    for (at, spec) in catalogue.specs.iter().enumerate() {
        if met.contains(&at) || refused.contains(&spec.parsed.source.path) {
            continue;
        }
        let key = spec.key();
        pairing.found.push(match spec.said.first() {
            Some(place) => rules::connector_not_in_binary(place.clone(), spec.key_place(), &key, package),
            None => rules::spec_without_crate(spec.key_place(), &key),
        });
    }
    Ok(pairing)
}

/// The annotated functions of a package that none of its connectors has.
fn unregistered(layout: &Layout, scan: &Scan, connectors: &[&ConnectorDescriptor]) -> Vec<Diagnostic> {
    // A crate without a connector may put its flows together by hand; one that says `connector!` and is not in the binary
    // is reported as that.
    if connectors.is_empty() {
        return Vec::new();
    }
    let mut exact: BTreeSet<(PathBuf, &str)> = BTreeSet::new();
    let mut placeless: BTreeSet<&str> = BTreeSet::new();
    for flow in connectors.iter().flat_map(|connector| &connector.flows) {
        match fs::canonicalize(layout.root.join(&flow.place.file)) {
            Ok(file) => {
                exact.insert((file, &flow.key));
            }
            // The compiler may have been told to write other paths than there are.
            Err(_) => {
                placeless.insert(&flow.key);
            }
        }
    }
    let lost = scan.flows.iter().filter(|flow| {
        let name = flow.name.as_str();
        !exact.contains(&(canonical(&flow.file), name)) && !placeless.contains(name)
    });
    lost.map(|flow| {
        let place = connectors.first().map(|connector| locate(layout, &connector.place));
        let diagnostic = rules::not_registered(flow.location.clone(), &flow.name, place);
        if scan.is_declared(&flow.file) {
            diagnostic
        } else {
            let file = &flow.location.file;
            diagnostic
                .help(format!("no `mod` makes `{file}` part of a crate; declare it beside `connector!`"))
        }
    })
    .collect()
}

/// A place that the compiler told, with its source where it is at hand.
pub(crate) fn locate(layout: &Layout, place: &Place) -> Location {
    match fs::read_to_string(layout.root.join(&place.file)) {
        Ok(text) => Source::plain(place.file.clone(), text).word(place.line, place.column),
        Err(_) => Location::point(&place.file, place.line, place.column),
    }
}
