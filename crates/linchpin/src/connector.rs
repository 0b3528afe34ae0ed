//! Connectors: a spec and the flows that were registered for it.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use linchpin_manifest::spec::{self, Spec};

use crate::{
    Code, Error, Result,
    flow::{Flow, FlowDescriptor},
    request::{Request, Response},
};

/// Who registered a flow: tests, examples and doc tests of a package are crates of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The package.
    pub package: &'static str,
    /// Its version, since two of them may be linked.
    pub version: &'static str,
    /// The crate within the package, as the first part of a module path.
    pub krate: &'static str,
}

impl Owner {
    /// Whether both are the same crate, whatever modules they stand in.
    fn is(&self, other: &Owner) -> bool {
        let root = |owner: &Owner| owner.krate.split("::").next();
        self.package == other.package && self.version == other.version && root(self) == root(other)
    }
}

/// A flow that an attribute registered.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registration {
    pub owner: Owner,
    pub flow: &'static FlowDescriptor,
}

inventory::collect!(Registration);

/// A spec as compiled in.
#[derive(Debug, Clone, Copy)]
pub struct SpecFile {
    /// Its path as `connector!` states it, relative to the package.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// What a connector does to each of its requests before it goes through the pipeline.
pub type Before = fn(&mut Request) -> Result<()>;

/// What a connector does to each answer before the outcome rules judge it. The body of a download is not read by then.
pub type After = fn(&Request, &mut Response) -> Result<()>;

/// What a connector does to all of its requests and their answers. An error ends the call.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Hooks {
    /// Before a request goes through the pipeline: once, however often it is then sent.
    pub before: Option<Before>,
    /// After an answer came, be it good or not.
    pub after: Option<After>,
}

impl Hooks {
    /// What `connector!` says.
    #[doc(hidden)]
    pub const fn new(before: Option<Before>, after: Option<After>) -> Hooks {
        Hooks { before, after }
    }
}

/// What `connector!` says.
#[doc(hidden)]
#[derive(Debug)]
pub struct ConnectorInfo {
    pub key: &'static str,
    pub name: &'static str,
    pub owner: Owner,
    pub package_dir: &'static str,
    pub spec: SpecFile,
    pub hooks: Hooks,
    pub place: (&'static str, u32, u32),
}

/// A connector: its spec and its flows. Cheap to clone.
///
/// Every crate that says `connector!` has a function `connector()` that gives its own.
#[derive(Clone)]
pub struct Connector(Arc<Inner>);

struct Inner {
    info: Info,
    flows: Vec<&'static FlowDescriptor>,
    spec: OnceLock<Result<Arc<Spec>, String>>,
}

enum Info {
    Registered(&'static ConnectorInfo),
    Built { key: String, spec: SpecFile, hooks: Hooks },
}

impl Connector {
    /// The connector of a crate that says `connector!`, with the flows that its attributes registered.
    #[doc(hidden)]
    pub fn registered(info: &'static ConnectorInfo) -> Connector {
        let registrations = inventory::iter::<Registration>.into_iter();
        let flows =
            registrations.filter(|entry| entry.owner.is(&info.owner)).map(|entry| entry.flow).collect();
        Connector::of(Info::Registered(info), flows, OnceLock::new())
    }

    /// A connector by hand: for tests, and where the linker's help is not to be had.
    ///
    /// `spec` is what `connector!` leaves in the constant `SPEC`.
    pub fn builder(spec: SpecFile) -> ConnectorBuilder {
        ConnectorBuilder { spec, flows: Vec::new(), hooks: Hooks::default() }
    }

    fn of(
        info: Info,
        mut flows: Vec<&'static FlowDescriptor>,
        spec: OnceLock<Result<Arc<Spec>, String>>,
    ) -> Connector {
        // The order of linking must never show.
        flows.sort_by_key(|flow| (flow.name, flow.place));
        Connector(Arc::new(Inner { info, flows, spec }))
    }

    /// The connector's stable id.
    pub fn key(&self) -> &str {
        match &self.0.info {
            Info::Registered(info) => info.key,
            Info::Built { key, .. } => key,
        }
    }

    /// The flows, sorted by name.
    pub fn flows(&self) -> &[&'static FlowDescriptor] {
        &self.0.flows
    }

    /// A flow by its function's name.
    pub fn flow(&self, name: &str) -> Option<&'static FlowDescriptor> {
        self.0.flows.iter().find(|flow| flow.name == name).copied()
    }

    /// What is done to its requests and their answers.
    pub fn hooks(&self) -> Hooks {
        match &self.0.info {
            Info::Registered(info) => info.hooks,
            Info::Built { hooks, .. } => *hooks,
        }
    }

    /// The spec's text and where it stands.
    pub fn spec_file(&self) -> SpecFile {
        match &self.0.info {
            Info::Registered(info) => info.spec,
            Info::Built { spec, .. } => *spec,
        }
    }

    /// The spec, read when first asked for.
    ///
    /// # Errors
    ///
    /// When its text is no spec; after `connector!`, which has read the same text, it always is one.
    pub fn spec(&self) -> Result<&Spec> {
        self.read().map(|spec| &**spec)
    }

    /// The spec as a handle of its own, for what outlives the borrow of a connector.
    ///
    /// # Errors
    ///
    /// As [`spec`](Connector::spec).
    pub fn shared_spec(&self) -> Result<Arc<Spec>> {
        self.read().cloned()
    }

    fn read(&self) -> Result<&Arc<Spec>> {
        let read = self.0.spec.get_or_init(|| match &self.0.info {
            // `connector!` found no error in it.
            Info::Registered(info) => spec::read_checked(info.spec.text)
                .ok_or_else(|| format!("`{}` is not TOML", info.spec.path))
                .map(Arc::new),
            Info::Built { spec, .. } => read(*spec).map(Arc::new),
        });
        read.as_ref().map_err(|problem| Error::coded(Code::NotCarriedOut, problem.clone()))
    }

    pub(crate) fn info(&self) -> Option<&'static ConnectorInfo> {
        match &self.0.info {
            Info::Registered(info) => Some(info),
            Info::Built { .. } => None,
        }
    }
}

fn read(file: SpecFile) -> Result<Spec, String> {
    let parsed = spec::parse(file.path, file.text);
    parsed.spec.ok_or_else(|| {
        let errors = parsed.diagnostics.iter().filter(|problem| problem.is_error());
        let problems: Vec<_> = errors.map(|problem| problem.message.as_str()).collect();
        format!("`{}` is not a spec: {}", file.path, problems.join("; "))
    })
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({}, {} flows)", self.key(), self.0.flows.len())
    }
}

/// Puts a connector together by hand.
#[derive(Debug)]
pub struct ConnectorBuilder {
    spec: SpecFile,
    flows: Vec<&'static FlowDescriptor>,
    hooks: Hooks,
}

impl ConnectorBuilder {
    /// Does this to each request before it goes through the pipeline.
    #[must_use]
    pub fn before(mut self, before: Before) -> ConnectorBuilder {
        self.hooks.before = Some(before);
        self
    }

    /// Does this to each answer before the outcome rules judge it.
    #[must_use]
    pub fn after(mut self, after: After) -> ConnectorBuilder {
        self.hooks.after = Some(after);
        self
    }

    /// Adds a flow: `.flow::<create_issue>()`.
    #[must_use]
    pub fn flow<F: Flow>(mut self) -> ConnectorBuilder {
        self.flows.push(F::DESCRIPTOR);
        self
    }

    /// The connector.
    ///
    /// # Errors
    ///
    /// When the spec's text is no spec, or two flows have the same name.
    pub fn build(self) -> Result<Connector> {
        let spec =
            read(self.spec).map(Arc::new).map_err(|problem| Error::coded(Code::NotCarriedOut, problem))?;
        let info = Info::Built { key: spec.key.clone(), spec: self.spec, hooks: self.hooks };
        let connector = Connector::of(info, self.flows, OnceLock::from(Ok(spec)));
        if let Some(pair) = connector.flows().windows(2).find(|pair| pair[0].name == pair[1].name) {
            let place = |flow: &FlowDescriptor| format!("{}:{}", flow.place.0, flow.place.1);
            let (name, first, second) = (pair[0].name, place(pair[0]), place(pair[1]));
            let message = format!("two flows are called `{name}`: {first} and {second}");
            return Err(Error::coded(Code::NotCarriedOut, message));
        }
        Ok(connector)
    }
}
