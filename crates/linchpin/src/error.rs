//! What can go wrong in a flow, and who must act.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

/// The result of a flow.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong in a flow: a stable code, a message for the person who acts, and the service's own words.
///
/// Authors make one with [`Error::new`] when the flow itself decides that it cannot go on. Everything that the runtime
/// meets comes with its own code; `linchpin explain CODE` tells what to do about it.
///
/// ```
/// use linchpin::{Actor, Error};
///
/// let error = Error::new("the mailbox `inbox` does not exist").actor(Actor::Caller);
/// assert_eq!(error.to_string(), "the mailbox `inbox` does not exist");
/// assert_eq!(error.code().as_str(), "LP541");
/// ```
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    actor: Option<Actor>,
    status: Option<u16>,
    service_code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    violations: Vec<Violation>,
    position: Option<String>,
    hint: Option<Cow<'static, str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// One thing wrong with an input, an option or a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer to the value.
    pub pointer: String,
    /// The label of the field, as users see it.
    pub label: String,
    /// What is wrong, as the end of a sentence that begins with the label.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "the root" } else { &self.pointer };
        write!(f, "{} ({pointer}) {}", self.label, self.problem)
    }
}

/// Who must act before a failed call can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// Whoever called the flow: the input asks for something that cannot be had.
    Caller,
    /// The connector's author: the code or the spec is wrong.
    Author,
    /// The owner of the connection: credentials or permissions are wrong.
    Owner,
    /// Whoever runs linchpin: its configuration is wrong.
    Operator,
    /// The service: it is broken or does not answer.
    Service,
    /// Nobody: the same call may succeed later.
    Nobody,
}

impl Actor {
    /// The word for it in machine-readable output.
    pub fn as_str(self) -> &'static str {
        match self {
            Actor::Caller => "caller",
            Actor::Author => "author",
            Actor::Owner => "owner",
            Actor::Operator => "operator",
            Actor::Service => "service",
            Actor::Nobody => "nobody",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $actor:ident, $summary:literal, $explanation:literal;)+) => {
        /// The stable codes of what can go wrong at run time.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The code as printed.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)+ }
            }

            /// Who must act, unless the error says otherwise.
            pub const fn actor(self) -> Actor {
                match self { $(Code::$name => Actor::$actor,)+ }
            }

            /// What it means, in one line.
            pub const fn summary(self) -> &'static str {
                match self { $(Code::$name => $summary,)+ }
            }

            /// What happened, why, and what to do.
            pub const fn explanation(self) -> &'static str {
                match self { $(Code::$name => $explanation,)+ }
            }
        }
    };
}

codes! {
    /// The input does not fit its schema.
    InputInvalid = "LP501", Caller, "the input does not fit the flow's schema",
        "The input was checked before any request and does not fit. Every violation is listed with the field's label and a JSON pointer. `linchpin describe CONNECTOR.FLOW` shows what the flow takes.";
    /// The options do not fit their schema.
    OptionsInvalid = "LP502", Caller, "the options do not fit the flow's schema",
        "The design-time options were checked before any request and do not fit. `linchpin describe CONNECTOR.FLOW` shows which options the flow has.";
    /// The connection lacks a field, or one of its fields has a bad value.
    ConnectionInvalid = "LP503", Owner, "the connection's fields do not fit the connector's form",
        "A connection is made of the fields that the spec lists under `[auth.<method>]`. One is missing, empty, unknown or does not match its pattern. Give it in the `--auth` file, or as LINCHPIN_<CONNECTOR>_<FIELD> in the environment.";
    /// The spec asks for something that this version does not do.
    NotCarriedOut = "LP504", Author, "the spec asks for something that this version of linchpin does not do",
        "The spec was accepted with a warning, and the part that it warned of has now been used. Choose another way, for instance another authentication method of the same connector.";
    /// A value cannot stand in the path of a request.
    PathInvalid = "LP505", Caller, "a value cannot stand in the path of a request",
        "A value that `path!` puts between slashes must not be empty and must not make the segment `.` or `..`: the request would reach another resource than the flow names.";
    /// A request goes to a host that the spec does not name.
    HostRefused = "LP506", Author, "a request goes where the connector may not go",
        "Requests go to the hosts of `http.base_url` and `http.hosts` only, and never to a private, loopback or link-local address unless the operator allows exactly that scheme, host and port, as `--base-url` does.";
    /// The author's code made a request that cannot be sent.
    RequestInvalid = "LP507", Author, "the flow made a request that cannot be sent",
        "A header name or value, a body or a URL that the flow gave is not valid. The message says which.";
    /// The service cannot be reached.
    Unreachable = "LP510", Service, "the service cannot be reached",
        "No answer came: the name does not resolve, the connection was refused or broken off, or TLS failed. Nothing is known about whether a request that was already sent took effect.";
    /// The time for the call is over.
    DeadlineExceeded = "LP511", Service, "the time for the call is over",
        "The deadline of the call, or the `http.timeout` of one request, passed before the answer was complete. Nothing is known about whether a write took effect.";
    /// The call was cancelled.
    Cancelled = "LP512", Nobody, "the call was cancelled",
        "Whoever made the call took it back. No further request was sent.";
    /// The answer is larger than the spec allows.
    ResponseTooLarge = "LP513", Service, "the answer is larger than the spec allows",
        "The body was not read to its end. If answers of this size are right for the service, raise `http.limits.body` in the spec, or `http.limits.file` for files that are streamed.";
    /// The answer cannot be read.
    ResponseMalformed = "LP514", Service, "the answer cannot be read as what the flow expects",
        "The body is not of the content coding, the charset or the format that it should be, or not of the type that the flow decodes. The message says where. If the service is right, the author's type is wrong.";
    /// The service does not accept the credentials.
    Unauthorized = "LP520", Owner, "the service does not accept the credentials",
        "The service answered 401. The token is wrong, expired or revoked: make the connection anew.";
    /// The credentials do not allow this.
    Forbidden = "LP521", Owner, "the credentials do not allow this",
        "The service answered 403. The connection works, but lacks a permission or scope for this call.";
    /// The thing asked for does not exist.
    NotFound = "LP522", Caller, "the thing asked for does not exist",
        "The service answered 404 or 410. Many services also say so of things that the connection may not see.";
    /// The service refuses the request.
    Rejected = "LP523", Caller, "the service refuses the request",
        "The service answered with a 4xx status. Its own message says what it does not like.";
    /// The service wants fewer requests.
    RateLimited = "LP524", Nobody, "the service wants fewer requests",
        "The service answered 429, or the spec's outcome rules say that its answer means the same. Where the service says how long to wait, the error does too.";
    /// The service is broken.
    ServiceFailed = "LP525", Service, "the service failed",
        "The service answered with a 5xx status. The same call may succeed later.";
    /// The connection's grant is dead.
    ReauthorizationNeeded = "LP526", Owner, "the service no longer honours the connection's grant",
        "The tokens of the connection are expired or revoked, and the service gives no new ones for them. Only the owner of the connection can help: authorize it anew. Nothing was deleted.";
    /// The connection's tokens cannot be refreshed now.
    RefreshFailed = "LP527", Service, "the connection's tokens cannot be refreshed now",
        "The service's token endpoint did not answer, or answered with a failure that says nothing about the grant. The grant is kept, and the exchange is tried again after a pause.";
    /// The service's token endpoint does not like how it is asked.
    ExchangeRefused = "LP528", Author, "the service refuses the exchange of tokens as such",
        "The token endpoint answered that the client, the scopes or the request itself are wrong, or with something that is no token. The grant is kept. Look at the client id and secret, and at the method's URLs and parameters in the spec.";
    /// A list does not come to an end.
    PagingStuck = "LP530", Service, "a list does not go forward",
        "The service told the same next page twice, gave the same page again or no items on a hundred pages, or says that there is more but not where, so that reading on would never end. The error carries the position reached.";
    /// A list goes on at another host.
    PagingElsewhere = "LP531", Service, "a list goes on at another origin",
        "The service's link to the next page names another scheme, host or port. It is not followed, since credentials would go there.";
    /// A list has more pages than the spec allows.
    PagingLimit = "LP532", Author, "a list has more pages than `http.limits.pages`",
        "Reading stopped at the limit. If lists of this length are right for the service, raise `http.limits.pages` in the spec.";
    /// A list cannot be read on from a position.
    PositionInvalid = "LP533", Caller, "a list cannot be read on from this position",
        "Where a list goes on is told by the error that broke it off, or by its stream. It holds for the same flow, connection and input. A list that the flow makes itself, or has begun to read, has none: read it from the beginning.";
    /// The flow's result does not fit its schema.
    OutputInvalid = "LP540", Author, "the flow's result does not fit its schema",
        "The result was checked against the type that the flow declares. Every violation is listed.";
    /// The flow itself gave up.
    Failed = "LP541", Caller, "the flow gave up",
        "The connector's author decided that the flow cannot go on. The message is the author's.";
    /// The flow panicked.
    Panicked = "LP542", Author, "the flow panicked",
        "The author's code panicked. This is a mistake in the connector: outside input must never panic.";
    /// A dry run stopped before its first write.
    DryRun = "LP543", Nobody, "the dry run stopped before its first write",
        "With `--dry-run` an action whose effect is not `read` stops before the first request other than GET or HEAD. The request is shown, scrubbed; nothing was changed.";
    /// A delivery does not prove where it comes from.
    SignatureInvalid = "LP550", Caller, "a delivery does not prove where it comes from",
        "The signature header is missing, malformed, or not that of the raw body under the key. The delivery is refused before any of the connector's code runs.";
    /// A delivery is not of the event that it was handed to.
    EventMismatch = "LP551", Caller, "a delivery is not of this event",
        "The headers or the body of the delivery do not match `[event.<key>] match` in the spec.";
    /// The store cannot be used.
    StoreFailed = "LP560", Operator, "the store cannot be used",
        "The file or server that keeps connections cannot be opened, read or written. The message says why. Nothing that was reported as done before is lost.";
    /// The store was sealed with another key.
    KeyWrong = "LP561", Operator, "the store was sealed with another key",
        "Secrets in the store are sealed under a key that is kept apart from it. The key that was given opens none of them. Give the right one: LINCHPIN_KEY, `--key-file`, `--keyring`, or the file that stands beside the store. Where the message says that the keys were rotated meanwhile, try again.";
    /// A sealed record is not what was sealed at its place.
    SealBroken = "LP562", Operator, "a sealed record was changed or moved",
        "Each sealed record is bound to its row and cannot be opened anywhere else. This one was damaged, changed, or copied from another row. Restore the store from a backup, or make the connection anew.";
    /// There is no such connection.
    ConnectionUnknown = "LP563", Caller, "there is no such connection",
        "The store has no connection of this name for this tenant. `linchpin auth list` shows those that there are.";
    /// A connection of this name is there already.
    NameTaken = "LP564", Caller, "a connection of this name is there already",
        "Names of connections are unique for each tenant. Choose another name, or delete the connection that has it.";
    /// There is no such hook.
    HookUnknown = "LP565", Caller, "there is no such webhook",
        "Either the spec of the connector has no hook with this key, or none with this id is registered. `linchpin hook list` shows those that are.";
    /// Somebody else is at work on a hook.
    HookBusy = "LP566", Nobody, "somebody else is at work on the webhook",
        "One process at a time registers, checks or renews a webhook. It will be done within minutes; try again then.";
    /// It is not known where services can deliver.
    PublicUrlMissing = "LP567", Operator, "it is not known where services can deliver",
        "A webhook needs a URL at which this installation can be reached from outside: `--public-url https://..`, an absolute URL without query and fragment.";
    /// It is not known with which key a service signs what it delivers to an app.
    HookKeyMissing = "LP568", Operator, "it is not known with which key a service signs what it delivers",
        "What comes to the one URL of an app is signed with a key of the app, which the service shows in the app's settings. Give it once: `linchpin hook app CONNECTOR.HOOK --signing-key FILE`.";
    /// A login was not completed.
    LoginFailed = "LP570", Owner, "the login was not completed",
        "The service, or the person in front of it, did not grant access. The message has the service's own words. Start the login again.";
    /// A callback does not belong to the login that waits.
    CallbackForged = "LP571", Owner, "a callback does not belong to the login that waits for it",
        "What came back from the browser was not what this login asked for: its `state` is missing, wrong or used already, or it names another authorization server. It is refused, since somebody may have tried to slip another account in.";
    /// There is no OAuth client for the method.
    ClientMissing = "LP572", Operator, "there is no OAuth client for the method",
        "The method's client belongs to whoever runs the connector: its id, and where it has one its secret, are configured once. Give LINCHPIN_<CONNECTOR>_CLIENT_ID and LINCHPIN_<CONNECTOR>_CLIENT_SECRET, or register the client with `linchpin auth client`.";
    /// The inbox takes no more for now.
    InboxFull = "LP580", Nobody, "the inbox takes no more for now",
        "More deliveries wait to be handed on than the operator lets wait. Senders are asked to come again; nothing that was accepted is lost.";
    /// Whoever is told of events does not take them.
    SinkFailed = "LP581", Service, "an event could not be handed on",
        "Whoever is told of events could not be reached or refused this one. It is tried again, and becomes a dead letter in the end: `linchpin hook deliveries` shows those, `linchpin hook replay` hands them on again.";
    /// There is no such monitor.
    MonitorUnknown = "LP590", Caller, "there is no such monitor",
        "The store has no monitor of this flow with these options for the connection. `linchpin monitor list` shows those that there are.";
    /// A monitor's cursor cannot be used.
    CursorInvalid = "LP591", Operator, "a monitor's cursor cannot be used",
        "Where the last look ended is no longer of the flow's type, has become larger than `cursor_max`, or is older than `cursor_age`, so that events may be missing. A cursor is never thrown away by itself: the monitor stands still until somebody decides. `linchpin monitor reset` begins anew as at the first run, or from a cursor that is given.";
    /// A record of a monitor lacks what tells it apart.
    RecordUnidentified = "LP592", Author, "a record lacks what tells it apart from others",
        "Nothing is at a JSON pointer of the monitor's `dedupe`, or something that is no text, number or truth value. The record cannot be told from one that was handed on already, so the look counts as failed and its cursor is not kept. Mend the pointer or the records.";
}

impl Error {
    /// The flow cannot go on: `message` says why, in words for whoever called it.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Error {
        Error::coded(Code::Failed, message)
    }

    /// An error with a code of the runtime.
    pub fn coded(code: Code, message: impl Into<Cow<'static, str>>) -> Error {
        Error(Box::new(Inner {
            code,
            message: message.into(),
            actor: None,
            status: None,
            service_code: None,
            request_id: None,
            retry_after: None,
            violations: Vec::new(),
            position: None,
            hint: None,
            source: None,
        }))
    }

    /// Says who must act, where it is not who the code says.
    #[must_use]
    pub fn actor(mut self, actor: Actor) -> Error {
        self.0.actor = Some(actor);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the HTTP status of the service's answer.
    #[must_use]
    pub fn status(mut self, status: u16) -> Error {
        self.0.status = Some(status);
        self
    }

    /// Adds the service's own code for what went wrong.
    #[must_use]
    pub fn service_code(mut self, code: impl Into<String>) -> Error {
        self.0.service_code = Some(code.into());
        self
    }

    /// Adds the id under which the service knows the request.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Error {
        self.0.request_id = Some(id.into());
        self
    }

    /// Adds how long the service wants to be left alone.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Error {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds what is wrong with the input, the options or the result.
    #[must_use]
    pub fn violations(mut self, violations: Vec<Violation>) -> Error {
        self.0.violations = violations;
        self
    }

    /// Adds how far a list was read: the cursor or link of the page that was not read.
    #[must_use]
    pub fn position(mut self, position: impl Into<String>) -> Error {
        self.0.position = Some(position.into());
        self
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        self.0.source = Some(source.into());
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What happened, for a person.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Who must act.
    pub fn who_must_act(&self) -> Actor {
        self.0.actor.unwrap_or(self.0.code.actor())
    }

    /// Everything else that is known; the parts are named as the setters.
    pub fn details(&self) -> Details<'_> {
        let inner = &*self.0;
        Details {
            status: inner.status,
            service_code: inner.service_code.as_deref(),
            request_id: inner.request_id.as_deref(),
            retry_after: inner.retry_after,
            violations: &inner.violations,
            position: inner.position.as_deref(),
            hint: inner.hint.as_deref(),
        }
    }

    /// The same error with every text passed through `scrub`, so that no secret leaves in an error, and made fit to be shown: a
    /// service's words in it neither move a cursor nor fill a screen. The position stays whole, since a list is read on from it.
    #[must_use]
    pub fn scrubbed(mut self, scrub: &dyn Fn(&str) -> String) -> Error {
        let inner = &mut *self.0;
        let shown = |text: &str| shown(&scrub(text));
        inner.message = shown(&inner.message).into();
        inner.hint = inner.hint.take().map(|hint| shown(&hint).into());
        for text in [&mut inner.service_code, &mut inner.request_id] {
            *text = text.take().map(|text| shown(&text));
        }
        inner.position = inner.position.take().map(|position| scrub(&position));
        for violation in &mut inner.violations {
            violation.problem = shown(&violation.problem);
        }
        // A foreign error keeps its text to itself: it goes, and its words with it.
        inner.source = inner.source.take().map(|source| scrub(&source.to_string()).into());
        self
    }
}

/// A text without control characters other than line breaks, and without its middle where it is long.
fn shown(text: &str) -> String {
    const START: usize = 2000;
    const END: usize = 500;
    let plain = |letter: char| if letter.is_control() && letter != '\n' { ' ' } else { letter };
    let cut = || Some((text.char_indices().nth(START)?.0, text.char_indices().nth_back(END)?.0));
    match cut().filter(|(start, end)| start < end) {
        Some((start, end)) => {
            text[..start].chars().chain(" .. ".chars()).chain(text[end..].chars()).map(plain).collect()
        }
        None => text.chars().map(plain).collect(),
    }
}

/// What an [`Error`] knows beside its code and message.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Details<'a> {
    /// The HTTP status of the service's answer.
    pub status: Option<u16>,
    /// The service's own code.
    pub service_code: Option<&'a str>,
    /// The id under which the service knows the request.
    pub request_id: Option<&'a str>,
    /// How long the service wants to be left alone.
    pub retry_after: Option<Duration>,
    /// What is wrong with the input, the options or the result.
    pub violations: &'a [Violation],
    /// How far a list was read.
    pub position: Option<&'a str>,
    /// What to do.
    pub hint: Option<&'a str>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_in_order() {
        let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
    }

    #[test]
    fn a_services_words_move_no_cursor_and_fill_no_screen() {
        let long = format!("\u{1b}[2J\u{9b}2J\r\n{}end", "\u{fc}".repeat(100_000));
        let error = Error::new(long.clone()).request_id(long.clone()).position(long.clone());
        let error = error.scrubbed(&str::to_owned);
        for text in [error.message(), error.details().request_id.unwrap()] {
            assert!(text.starts_with(" [2J 2J \n\u{fc}") && text.ends_with("\u{fc}end"), "{text}");
            assert_eq!(text.chars().count(), 2000 + " .. ".len() + 501);
        }
        assert_eq!(error.details().position, Some(&*long), "a list is read on from it");
        let short = Error::new("\u{fc}".repeat(2500)).scrubbed(&str::to_owned);
        assert_eq!(short.message().chars().count(), 2500);
    }

    #[test]
    fn scrubbing_reaches_every_text() {
        let error = Error::new("a k3y b")
            .hint("k3y")
            .service_code("k3y")
            .position("k3y")
            .caused_by("k3y")
            .violations(vec![Violation {
                pointer: String::new(),
                label: String::new(),
                problem: "k3y".into(),
            }])
            .scrubbed(&|text| text.replace("k3y", "***"));
        assert!(!format!("{error:?}").contains("k3y"), "{error:?}");
    }
}
