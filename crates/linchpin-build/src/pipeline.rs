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
        specs_found.entry(spec.path.clone()).or_insert_with(|| spec.check());
    }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use linchpin_manifest::descriptor::{Effect, FlowDescriptor, Place, ResultShape};
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::{generate::Change, table};

    /// A workspace on the disk with one sound connector, and what its binary would say.
    struct World {
        dir: TempDir,
        layout: Layout,
        connectors: Vec<ConnectorDescriptor>,
    }

    impl World {
        fn new() -> World {
            let dir = tempfile::tempdir().expect("a folder");
            let layout = Layout::bare(dir.path()).with("tracker", "crates/tracker");
            let mut world = World { dir, layout, connectors: Vec::new() };
            world.write("specs/tracker.toml", &spec("tracker"));
            world.write("crates/tracker/src/lib.rs", &lib("tracker", &["list_issues"]));
            world.compile("tracker", "tracker", &["list_issues"]);
            world
        }

        fn path(&self, path: &str) -> std::path::PathBuf {
            self.dir.path().join(path)
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.path(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }

        /// What the binary has of a package whose `lib.rs` was made by [`lib`].
        fn compile(&mut self, package: &str, spec: &str, flows: &[&str]) {
            let file = format!("crates/{package}/src/lib.rs");
            let flows = flows.iter().enumerate().map(|(at, name)| flow(name, &file, 3 + 2 * at as u32));
            self.connectors.push(ConnectorDescriptor {
                package: package.to_owned(),
                package_dir: format!("/elsewhere/{package}"),
                spec_path: format!("../../specs/{spec}.toml"),
                spec_text: fs::read_to_string(self.path(&format!("specs/{spec}.toml"))).unwrap_or_default(),
                flows: flows.collect(),
                place: Place { file, line: 1, column: 1 },
            });
        }

        fn outcome(&self, mode: Mode, only: &[&str]) -> Result<Outcome> {
            let only: Vec<String> = only.iter().map(|key| (*key).to_owned()).collect();
            let request = Request { mode, only: &only, package: "tracker-app" };
            let descriptors = Descriptors {
                descriptors_version: Descriptors::VERSION,
                connectors: self.connectors.clone(),
            };
            build(&self.layout, &request, &mut || Ok(Ok(descriptors.clone())))
        }

        fn run(&self, mode: Mode) -> Outcome {
            self.outcome(mode, &[]).expect("an outcome")
        }

        /// Runs, expects errors and nothing written, and gives `code file:line .. file:line` of each finding.
        fn refused(&self) -> Vec<String> {
            let outcome = self.run(Mode::Write);
            assert!(outcome.failed() && outcome.rows.is_empty(), "{:#?}", outcome.found);
            assert!(!self.path("specs/tracker.manifest.json").exists());
            places(&outcome)
        }
    }

    fn places(outcome: &Outcome) -> Vec<String> {
        let place = |at: &linchpin_manifest::Location| format!(" {}:{}", at.file, at.line);
        let labels =
            |found: &Diagnostic| found.labels.iter().map(|label| place(&label.location)).collect::<String>();
        outcome.found.iter().map(|found| format!("{}{}", found.code, labels(found))).collect()
    }

    fn spec(key: &str) -> String {
        format!(
            "schema = 1\nkey = \"{key}\"\nname = \"Tracker {key}\"\nversion = \"0.1.0\"\ndescription = \"Issues.\"\n\
             documentation_url = \"https://tracker.example/docs\"\nsupport_email = \"support@tracker.example\"\n\
             [http]\nbase_url = \"https://api.tracker.example\"\n"
        )
    }

    fn lib(spec: &str, flows: &[&str]) -> String {
        let mut text = format!("linchpin::connector!(\"../../specs/{spec}.toml\");\n");
        for name in flows {
            text.push_str(&format!("#[action(read)]\nasync fn {name}(cx: Context) -> Result<String> {{}}\n"));
        }
        text
    }

    fn flow(name: &str, file: &str, line: u32) -> FlowDescriptor {
        let nothing = json!({ "type": "object", "properties": {}, "additionalProperties": false });
        let value = json!({
            "key": name, "kind": "action", "title": format!("Flow {name}"), "description": "Does it.",
            "documented": true, "options": nothing, "input": nothing, "output": { "type": "string" },
            "result": ResultShape::Value, "effect": Effect::Read,
            "place": { "file": file, "line": line, "column": 10 },
        });
        serde_json::from_value(value).expect("a flow")
    }

    #[test]
    fn a_manifest_is_written_once_and_the_same_again() {
        let world = World::new();
        let outcome = world.run(Mode::Write);
        assert!(!outcome.failed(), "{:#?}", outcome.found);
        assert_eq!(outcome.rows[0].ensured.change, Change::New);
        let path = world.path("specs/tracker.manifest.json");
        let first = fs::read(&path).expect("a manifest");
        assert_eq!(world.run(Mode::Write).rows[0].ensured.change, Change::Unchanged);
        fs::remove_file(&path).expect("a manifest");
        world.run(Mode::Write);
        assert_eq!(fs::read(&path).expect("a manifest"), first);
    }

    #[test]
    fn check_tells_missing_and_stale_and_writes_nothing() {
        let world = World::new();
        let outcome = world.run(Mode::Check);
        assert!(outcome.failed());
        let stale: Vec<String> =
            places(&outcome).into_iter().filter(|place| place.starts_with("LP404")).collect();
        assert_eq!(stale, ["LP404 specs/tracker.manifest.json:0"]);
        assert!(!world.path("specs/tracker.manifest.json").exists());

        world.run(Mode::Write);
        assert!(!world.run(Mode::Check).failed());
        let path = world.path("specs/tracker.manifest.json");
        let edited = fs::read_to_string(&path).expect("a manifest").replace("0.1.0", "0.0.9");
        fs::write(&path, &edited).expect("a manifest");
        let outcome = world.run(Mode::Check);
        assert!(outcome.failed());
        let diff = &outcome.rows[0].ensured.diff;
        assert!(diff.contains("-  \"version\": \"0.0.9\"\n+  \"version\": \"0.1.0\""), "{diff}");
        assert_eq!(fs::read_to_string(&path).expect("a manifest"), edited);
    }

    #[test]
    fn the_table_counts_flows_by_kind() {
        let world = World::new();
        let table = table::render(&world.run(Mode::Write).rows);
        let row = table.lines().find(|line| line.contains("tracker")).expect("a row");
        let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells[..3], ["tracker", "0.1.0", "1 action"], "{table}");
        assert_eq!(cells[5..], ["specs/tracker.manifest.json", "new"], "{table}");
    }

    #[test]
    fn wrong_specs_are_all_told_before_anything_compiles() {
        let world = World::new();
        world.write("specs/tracker.toml", &spec("tracker").replace("version", "vresion"));
        world.write("specs/other.toml", &spec("other").replace("schema = 1", "schema = 7"));
        world.write("crates/tracker/src/more.rs", "connector!(\"../../specs/traker.toml\");\n");
        let request = Request { mode: Mode::Write, only: &[], package: "tracker-app" };
        let outcome =
            build(&world.layout, &request, &mut || panic!("nothing is to compile")).expect("an outcome");
        let places = places(&outcome);
        for place in
            ["LP101 specs/tracker.toml:4", "LP105 specs/other.toml:1", "LP402 crates/tracker/src/more.rs:1"]
        {
            assert!(places.iter().any(|found| found.starts_with(place)), "{place} in {places:#?}");
        }
    }

    #[test]
    fn a_spec_without_a_crate() {
        let world = World::new();
        world.write("specs/lonely.toml", &spec("lonely"));
        assert_eq!(world.refused(), ["LP401 specs/lonely.toml:2"]);
    }

    #[test]
    fn a_crate_that_the_binary_does_not_have() {
        let mut world = World::new();
        world.connectors.clear();
        assert_eq!(world.refused(), ["LP410 crates/tracker/src/lib.rs:1 specs/tracker.toml:2"]);
        world.compile("tracker", "tracker", &["list_issues"]);
        assert!(!world.run(Mode::Write).failed());
    }

    #[test]
    fn a_compiled_crate_whose_spec_is_gone() {
        let mut world = World::new();
        world.connectors[0].spec_path = "../../specs/gone.toml".to_owned();
        let found = world.refused();
        assert!(found.contains(&"LP402 crates/tracker/src/lib.rs:1".to_owned()), "{found:?}");
    }

    #[test]
    fn another_text_than_was_compiled() {
        let world = World::new();
        world.write("specs/tracker.toml", &spec("tracker").replace("0.1.0", "0.2.0"));
        assert_eq!(world.refused(), ["LP405 specs/tracker.toml:0 crates/tracker/src/lib.rs:1"]);
    }

    #[test]
    fn two_specs_with_one_key_and_two_crates_with_one_spec() {
        let mut world = World::new();
        world.write("specs/twin.toml", &spec("tracker"));
        let found = world.refused();
        assert!(found.contains(&"LP406 specs/twin.toml:2 specs/tracker.toml:2".to_owned()), "{found:?}");

        fs::remove_file(world.path("specs/twin.toml")).expect("a spec");
        world.layout = world.layout.clone().with("twin", "crates/twin");
        world.write("crates/twin/src/lib.rs", &lib("tracker", &["list_issues"]));
        world.compile("twin", "tracker", &["list_issues"]);
        assert_eq!(world.refused(), ["LP408 crates/twin/src/lib.rs:1 crates/tracker/src/lib.rs:1"]);
    }

    #[test]
    fn an_annotated_function_that_is_not_registered() {
        let world = World::new();
        world.write("crates/tracker/src/lost.rs", "#[action(read)]\nasync fn lost() {}\n");
        // Of the same name as a registered one, in another file.
        world.write("crates/tracker/src/twin.rs", "#[action(read)]\nasync fn list_issues() {}\n");
        assert_eq!(
            world.refused(),
            [
                "LP403 crates/tracker/src/lost.rs:2 crates/tracker/src/lib.rs:1",
                "LP403 crates/tracker/src/twin.rs:2 crates/tracker/src/lib.rs:1"
            ]
        );
        let help = world.run(Mode::Write).found[0].help.join("\n");
        assert!(help.contains("no `mod` makes `crates/tracker/src/lost.rs` part of a crate"), "{help}");
    }

    #[test]
    fn flows_that_macros_made_and_remapped_paths_are_the_registry_s() {
        let mut world = World::new();
        let file = "crates/tracker/src/lib.rs".to_owned();
        world.connectors[0].flows.push(flow("made_by_a_macro", &file, 9));
        world.connectors[0].flows[0].place.file = "/remapped/src/lib.rs".to_owned();
        let outcome = world.run(Mode::Write);
        assert!(!outcome.failed(), "{:#?}", outcome.found);
        assert_eq!(outcome.rows[0].flows[&FlowKind::Action], 2);
    }

    #[test]
    fn connectors_of_other_workspaces_are_left_alone() {
        let mut world = World::new();
        let mut foreign = world.connectors[0].clone();
        foreign.package = "linchpin-github".to_owned();
        foreign.spec_path = "../../../specs/github.toml".to_owned();
        world.connectors.push(foreign);
        let outcome = world.run(Mode::Write);
        assert_eq!(outcome.rows.len(), 1, "{:#?}", outcome.found);
    }

    #[test]
    fn a_spec_inside_its_crate_has_its_manifest_there() {
        let mut world = World::new();
        fs::remove_dir_all(world.path("specs")).expect("a folder");
        world.write("crates/tracker/tracker.toml", &spec("tracker"));
        world.write("crates/tracker/src/lib.rs", "linchpin::connector!(\"tracker.toml\");\n");
        world.connectors[0].spec_path = "tracker.toml".to_owned();
        world.connectors[0].spec_text = spec("tracker");
        let outcome = world.run(Mode::Write);
        assert_eq!(outcome.rows[0].path, "crates/tracker/tracker.manifest.json");
        assert!(Path::exists(&world.path("crates/tracker/tracker.manifest.json")));
    }

    #[test]
    fn a_manifest_without_a_spec_is_a_warning() {
        let world = World::new();
        world.write("specs/old.manifest.json", "{}\n");
        let outcome = world.run(Mode::Write);
        assert!(!outcome.failed());
        assert!(places(&outcome).contains(&"LP411 specs/old.manifest.json:0".to_owned()));
        assert!(world.path("specs/old.manifest.json").exists());
    }

    #[test]
    fn only_the_named_connectors_are_built() {
        let mut world = World::new();
        world.layout = world.layout.clone().with("other", "crates/other");
        world.write("specs/other.toml", &spec("other"));
        world.write("crates/other/src/lib.rs", &lib("other", &["list_issues"]));
        world.compile("other", "other", &["list_issues"]);
        let outcome = world.outcome(Mode::Write, &["other"]).expect("an outcome");
        let keys: Vec<&str> = outcome.rows.iter().map(|row| row.key.as_str()).collect();
        assert_eq!(keys, ["other"]);
        assert!(!world.path("specs/tracker.manifest.json").exists());
        let error = world.outcome(Mode::Write, &["othr"]).expect_err("a usage error");
        assert!(error.is::<Usage>());
        assert_eq!(error.to_string(), "no spec has the key `othr`; there are: other, tracker");
    }

    #[test]
    fn rules_of_all_connectors_are_told_in_one_run() {
        let mut world = World::new();
        world.layout = world.layout.clone().with("other", "crates/other");
        world.write("specs/other.toml", &spec("other"));
        world.write("crates/other/src/lib.rs", &lib("other", &["list_issues"]));
        world.compile("other", "other", &["list_issues"]);
        for connector in &mut world.connectors {
            let twice = connector.flows[0].clone();
            connector.flows.push(twice);
        }
        let found = world.refused();
        let twice = |package: &str| {
            let file = format!("crates/{package}/src/lib.rs:3");
            found.contains(&format!("LP202 {file} {file}"))
        };
        assert!(twice("tracker") && twice("other"), "{found:?}");
    }
}
