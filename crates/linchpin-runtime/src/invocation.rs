//! What a call is made of.

use std::{fmt, time::Duration};

use linchpin::{
    Code, DateTime, Delivery, Error, FileRef, Result, Secret, Violation,
    extract::Call,
    flow::{FlowDescriptor, Slot},
    shape::{Shape, StructShape},
};

use crate::{
    check::{self, Side},
    connection::Connection,
    nearest,
    runtime::Cancel,
};

/// One call of a flow for a connection, to be given to [`Runtime::run`](crate::Runtime::run).
#[must_use = "nothing happens before `Runtime::run`"]
#[derive(Clone)]
pub struct Invocation {
    pub(crate) connection: Connection,
    pub(crate) flow: &'static FlowDescriptor,
    /// In a box: it is large, and handed from one to the next.
    pub(crate) call: Box<Given>,
    pub(crate) files: Vec<FileRef>,
    pub(crate) run_id: Option<String>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) cancel: Option<Cancel>,
    pub(crate) record: bool,
    pub(crate) dry_run: bool,
    pub(crate) typed: bool,
    pub(crate) check: ResultCheck,
    pub(crate) position: Option<String>,
}

/// What a caller gives.
#[derive(Clone, Default)]
pub(crate) struct Given {
    input: Option<String>,
    options: Option<String>,
    selected: Option<Vec<String>>,
    event_url: Option<String>,
    event_base: Option<String>,
    pub(crate) signing_secret: Option<Secret>,
    registered: Option<String>,
    pub(crate) delivery: Option<Delivery>,
    cursor: Option<String>,
    since: Option<DateTime>,
    overlap: Duration,
}

/// What is done about a flow's result that does not fit its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ResultCheck {
    /// It is an error, [`Code::OutputInvalid`]: for tests and while developing.
    Strict,
    /// It is counted in the [`Trace`](crate::Trace), and only what the type itself does not ensure is looked at.
    #[default]
    Count,
    /// Nothing.
    Off,
}

impl Invocation {
    /// A call of a flow by its descriptor, with nothing given.
    pub fn new(connection: &Connection, flow: &'static FlowDescriptor) -> Invocation {
        Invocation {
            connection: connection.clone(),
            flow,
            call: Box::default(),
            files: Vec::new(),
            run_id: None,
            deadline: None,
            cancel: None,
            record: false,
            dry_run: false,
            typed: false,
            check: ResultCheck::default(),
            position: None,
        }
    }

    /// A call of one of the connector's flows by its name.
    ///
    /// # Errors
    ///
    /// [`Code::InputInvalid`] when the connector has no such flow; the message names the nearest.
    pub fn named(connection: &Connection, name: &str) -> Result<Invocation> {
        let connector = connection.connector();
        let Some(flow) = connector.flow(name) else {
            let names = connector.flows().iter().map(|flow| flow.name);
            let message =
                format!("`{}` has no flow `{name}`; {}", connector.key(), nearest::remedy(name, names));
            return Err(Error::coded(Code::InputInvalid, message));
        };
        Ok(Invocation::new(connection, flow))
    }

    /// Run-time inputs as the text of a JSON object; none by default.
    pub fn input(mut self, json: impl Into<String>) -> Invocation {
        self.call.input = Some(json.into());
        self
    }

    /// A file, which the input names by its [handle](FileRef::handle).
    pub fn file(mut self, file: FileRef) -> Invocation {
        self.files.push(file);
        self
    }

    /// Design-time options as the text of a JSON object; none by default.
    pub fn options(mut self, json: impl Into<String>) -> Invocation {
        self.call.options = Some(json.into());
        self
    }

    /// The outputs that the caller wants; all by default.
    pub fn selected(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> Invocation {
        self.call.selected = Some(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Where the service shall deliver; for the registrations, checks and renewals of webhooks.
    pub fn event_url(mut self, url: impl Into<String>) -> Invocation {
        self.call.event_url = Some(url.into());
        self
    }

    /// What the event URLs of this installation begin with; for the listings of webhooks.
    pub fn event_base(mut self, base: impl Into<String>) -> Invocation {
        self.call.event_base = Some(base.into());
        self
    }

    /// The key with which the service signs; for the registrations, renewals and verifications of webhooks. Never shown in traces and errors.
    pub fn signing_secret(mut self, secret: Secret) -> Invocation {
        self.call.signing_secret = Some(secret);
        self
    }

    /// What the registration gave, as JSON text; for the deregistrations, checks and renewals of webhooks.
    pub fn registered(mut self, json: impl Into<String>) -> Invocation {
        self.call.registered = Some(json.into());
        self
    }

    /// What the service delivered; for webhook events and verifications. For an event it must have been
    /// [judged](crate::webhook::Guard).
    pub fn delivery(mut self, delivery: Delivery) -> Invocation {
        self.call.delivery = Some(delivery);
        self
    }

    /// Where the last look ended, as JSON text; for monitors. None by default: the first look.
    pub fn cursor(mut self, json: impl Into<String>) -> Invocation {
        self.call.cursor = Some(json.into());
        self
    }

    /// From when on a monitor's first look wants records. None by default.
    pub fn since(mut self, time: DateTime) -> Invocation {
        self.call.since = Some(time);
        self
    }

    /// How far a monitor's look reaches back behind the cursor. Not at all by default.
    pub fn overlap(mut self, span: Duration) -> Invocation {
        self.call.overlap = span;
        self
    }

    /// What the call is known by where it may be made again, by a queue or after a crash: its writes then carry the same
    /// idempotency keys, by which the service knows them. Without one each call has keys of its own.
    pub fn run_id(mut self, id: impl Into<String>) -> Invocation {
        self.run_id = Some(id.into());
        self
    }

    /// From where a list is read on, as [`RecordStream::position`](crate::RecordStream::position) or the error that broke it off told;
    /// from the beginning by default.
    ///
    /// It holds for the same flow, connection and input, and is trusted as the input is.
    pub fn resume_from(mut self, position: impl Into<String>) -> Invocation {
        self.position = Some(position.into());
        self
    }

    /// How long the whole call may take, from `run` to the last record of a stream; no limit by default, beyond the spec's
    /// `http.timeout` for each request.
    pub fn deadline(mut self, time: Duration) -> Invocation {
        self.deadline = Some(time);
        self
    }

    /// A handle by which the call can be taken back.
    pub fn cancel(mut self, cancel: &Cancel) -> Invocation {
        self.cancel = Some(cancel.clone());
        self
    }

    /// Whether the requests and their answers are kept for [`Trace::har`](crate::Trace::har); they are not by default.
    pub fn record(mut self, record: bool) -> Invocation {
        self.record = record;
        self
    }

    /// Gives what an event's flow made as [`Output::Typed`](crate::Output::Typed), not as JSON; not by default. Other flows give what they
    /// give without it.
    pub fn typed(mut self, typed: bool) -> Invocation {
        self.typed = typed;
        self
    }

    /// Whether a flow that writes stops before its first request other than GET or HEAD, and one that revokes before its first of
    /// any kind; they do not by default.
    pub fn dry_run(mut self, dry_run: bool) -> Invocation {
        self.dry_run = dry_run;
        self
    }

    /// What is done about a result that does not fit; it is counted by default.
    pub fn check(mut self, check: ResultCheck) -> Invocation {
        self.check = check;
        self
    }

    /// The flow.
    pub fn flow(&self) -> &'static FlowDescriptor {
        self.flow
    }

    /// Checks input, options and selected outputs as [`Runtime::run`](crate::Runtime::run) does, without running anything.
    ///
    /// # Errors
    ///
    /// [`Code::InputInvalid`] or [`Code::OptionsInvalid`] with every violation.
    pub fn validate(&self) -> Result<()> {
        self.call.check(self.flow, &mut Vec::new())
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invocation({:?}, {})", self.connection, self.flow.name)
    }
}

/// The shape of what takes nothing.
const NOTHING: Shape = Shape::Struct(&StructShape { id: "linchpin::Nothing", fields: &[] });

impl Given {
    /// Checks everything that has a schema; the values of secret inputs are added to `secrets`.
    pub(crate) fn check(&self, flow: &FlowDescriptor, secrets: &mut Vec<String>) -> Result<()> {
        let mut violations = section(flow, Slot::Input, self.input.as_deref(), "the input", secrets);
        self.check_selected(flow, &mut violations);
        if !violations.is_empty() {
            let message = format!("the input does not fit the schema of `{}`", flow.name);
            return Err(Error::coded(Code::InputInvalid, message).violations(violations));
        }
        let violations = section(flow, Slot::Options, self.options.as_deref(), "the options", secrets);
        if !violations.is_empty() {
            let message = format!("the options do not fit the schema of `{}`", flow.name);
            return Err(Error::coded(Code::OptionsInvalid, message).violations(violations));
        }
        Ok(())
    }

    fn check_selected(&self, flow: &FlowDescriptor, violations: &mut Vec<Violation>) {
        let Some(selected) = &self.selected else { return };
        if !flow.takes(Slot::Selected) {
            let problem = "is given, but the flow gives all outputs always".to_owned();
            violations.push(Violation {
                pointer: "/selected".into(),
                label: "the selection".into(),
                problem,
            });
            return;
        }
        let Some(Shape::Struct(output)) = (flow.result)().shape.map(|shape| shape()) else { return };
        let Some(names) = check::closed_names(output) else { return };
        for (index, key) in selected.iter().enumerate() {
            if !names.contains(&key.as_str()) {
                let problem = format!("is not an output; {}", nearest::remedy(key, names.iter().copied()));
                violations.push(Violation {
                    pointer: format!("/selected/{index}"),
                    label: key.clone(),
                    problem,
                });
            }
        }
    }

    pub(crate) fn put_into(self, call: &mut Call) {
        if let Some(input) = self.input {
            call.input = input;
        }
        if let Some(options) = self.options {
            call.options = options;
        }
        call.selected = self.selected;
        call.event_url = self.event_url;
        call.event_base = self.event_base;
        call.signing_secret = self.signing_secret;
        call.registered = self.registered;
        call.delivery = self.delivery;
        call.cursor = self.cursor;
        call.since = self.since;
        call.overlap = self.overlap;
    }
}

fn section(
    flow: &FlowDescriptor,
    slot: Slot,
    json: Option<&str>,
    label: &str,
    secrets: &mut Vec<String>,
) -> Vec<Violation> {
    match (flow.shape_of(slot), json) {
        (None, None | Some("{}")) => Vec::new(),
        (shape, json) => {
            check::given(shape.unwrap_or(NOTHING), json.unwrap_or("{}"), Side::Given, label, secrets)
        }
    }
}
