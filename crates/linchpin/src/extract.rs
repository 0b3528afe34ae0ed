//! Parameters: each says what it adds to the flow's schema, and takes itself out of a call.

use std::{collections::BTreeMap, fmt, ops::Deref, time::Duration};

use crate::{
    Code, Context, Error, Result, Secret, Unconnected,
    flow::{Flow, FlowDescriptor, Gives, Registers, RegistersAs, Slot, kind},
    json::{self, Misfit},
    shape::{FieldType, Fields, ShapeFn},
    value::{DateTime, Delivery},
};

/// One call of a flow, as it comes from the edge. Checked against the flow's schemas before it gets here.
#[derive(Debug)]
#[non_exhaustive]
pub struct Call {
    /// What the flow works with.
    pub cx: Context,
    /// Run-time inputs, as JSON text.
    pub input: String,
    /// Design-time options, as JSON text.
    pub options: String,
    /// The outputs that the caller picked; `None` for all.
    pub selected: Option<Vec<String>>,
    /// Where the service shall deliver.
    pub event_url: Option<String>,
    /// What the event URLs of this installation begin with.
    pub event_base: Option<String>,
    /// The key with which the service shall sign.
    pub signing_secret: Option<Secret>,
    /// What the registration gave, as JSON text.
    pub registered: Option<String>,
    /// What the service delivered.
    pub delivery: Option<Delivery>,
    /// Where the last look ended, as JSON text.
    pub cursor: Option<String>,
    /// From when on the first look wants records.
    pub since: Option<DateTime>,
    /// How far a look reaches back behind the cursor.
    pub overlap: Duration,
    /// The tokens of the connection's grant.
    pub tokens: Tokens,
}

impl Call {
    /// A call with nothing in it.
    pub fn new(cx: Context) -> Call {
        Call {
            cx,
            input: "{}".into(),
            options: "{}".into(),
            selected: None,
            event_url: None,
            event_base: None,
            signing_secret: None,
            registered: None,
            delivery: None,
            cursor: None,
            since: None,
            overlap: Duration::ZERO,
            tokens: Tokens::default(),
        }
    }
}

/// What a parameter is, for the flow's schema.
#[derive(Debug, Clone, Copy)]
pub struct ParameterInfo {
    /// The place it takes.
    pub slot: Slot,
    /// The shape of what is taken there, where the flow decides it.
    pub shape: Option<ShapeFn>,
    /// Of [`Registered`]: the flow whose result it takes.
    pub registered_by: Option<fn() -> &'static FlowDescriptor>,
}

impl ParameterInfo {
    /// A parameter without a shape of its own.
    pub fn plain(slot: Slot) -> ParameterInfo {
        ParameterInfo { slot, shape: None, registered_by: None }
    }

    /// A parameter whose type decides its shape.
    pub fn shaped(slot: Slot, shape: ShapeFn) -> ParameterInfo {
        ParameterInfo { slot, shape: Some(shape), registered_by: None }
    }
}

/// A parameter of flows of a kind.
///
/// | parameter | what it takes | kinds of flows |
/// | :- | :- | :- |
/// | [`Context`] | what the flow works with; always the first | all |
/// | [`Unconnected`] | in its place: requests without the connection's credentials | helper of a configuration value |
/// | [`Input<T>`] | run-time inputs | action, helper |
/// | [`Options<T>`] | design-time options | action, webhook, monitor |
/// | [`Selected`] | the outputs that the caller picked | action |
/// | `Connection` | the connection's fields, made by `connector!` | all |
/// | `Config` | the configuration values that the spec writes, made by `connector!` where there are any | all |
/// | [`EventUrl`] | where the service shall deliver | webhook register, check, renew |
/// | [`EventBase`] | what the event URLs of this installation begin with | webhook list |
/// | [`SigningSecret`] | the key with which the service signs | webhook register, renew, verify |
/// | [`Registered<F>`] | what the registration gave | webhook deregister, check, renew |
/// | [`Payload<T>`] | the body of a delivery | webhook event |
/// | [`Delivery`] | a whole delivery | webhook event, verify |
/// | [`Look<T>`] | from where on a look looks: the three that follow, in one | monitor |
/// | [`Cursor<T>`] | where the last look ended | monitor |
/// | [`Since`] | from when on the first look wants records | monitor |
/// | [`Overlap`] | how far a look reaches back behind the cursor | monitor |
/// | [`Tokens`] | the tokens of the connection's grant | revoke |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a flow of kind `{K}`",
    label = "not a parameter of this kind of flow",
    note = "after `cx: Context`, actions take `Input<T>`, `Options<T>`, `Selected`; helpers `Input<T>`; webhook registrations `EventUrl`, `SigningSecret`, `Options<T>`; deregistrations, checks and renewals `Registered<the_registering_fn>`, `Options<T>`, and the latter two `EventUrl`, renewals `SigningSecret`; listings `EventBase`, `Options<T>`; verifications `Delivery`, `SigningSecret`, `Options<T>`; events `Payload<T>`, `Delivery`, `Options<T>`; monitors `Look<T>` or `Cursor<T>`, `Since`, `Overlap`, and `Options<T>`; revocations `Tokens`; and every flow `Connection` and `Config`"
)]
pub trait Parameter<K>: Sized + Send + 'static {
    /// The place it takes; a flow takes something in each place once.
    const SLOT: Slot;

    /// What it is.
    fn info() -> ParameterInfo;

    /// Takes it out of a call.
    ///
    /// # Errors
    ///
    /// When the call lacks it, or holds something of another type.
    fn take(call: &mut Call) -> Result<Self>;
}

/// The first parameter of every flow: the context.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the first parameter of a flow is `cx: Context`, not `{Self}`",
    label = "`Context` comes first",
    note = "put `cx: Context` before the other parameters"
)]
pub trait FirstParameter {
    /// Whether the connection's credentials come with it.
    const CONNECTED: bool;

    fn first(cx: Context) -> Self;
}

#[diagnostic::do_not_recommend]
impl FirstParameter for Context {
    const CONNECTED: bool = true;

    fn first(cx: Context) -> Context {
        cx
    }
}

#[diagnostic::do_not_recommend]
impl FirstParameter for Unconnected {
    const CONNECTED: bool = false;

    fn first(cx: Context) -> Unconnected {
        Unconnected::of(cx)
    }
}

/// Kinds of flows that take run-time inputs.
#[diagnostic::on_unimplemented(
    message = "a flow of kind `{Self}` takes no `Input`",
    note = "run-time inputs belong to actions and helpers; what is chosen when a webhook or monitor is set up is `Options<T>`"
)]
pub trait TakesInput: kind::Kind {}
impl TakesInput for kind::Action {}
impl TakesInput for kind::Helper {}

/// Kinds of flows that take design-time options.
#[diagnostic::on_unimplemented(
    message = "a flow of kind `{Self}` takes no `Options`",
    note = "design-time options belong to actions, webhooks and monitors"
)]
pub trait TakesOptions: kind::Kind {}
impl TakesOptions for kind::Action {}
impl TakesOptions for kind::WebhookRegister {}
impl TakesOptions for kind::WebhookDeregister {}
impl TakesOptions for kind::WebhookCheck {}
impl<O: 'static> TakesOptions for kind::WebhookRenew<O> {}
impl TakesOptions for kind::WebhookList {}
impl TakesOptions for kind::WebhookVerify {}
impl TakesOptions for kind::WebhookEvent {}
impl TakesOptions for kind::Monitor {}

/// Run-time inputs: a struct with `#[fields]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input<T>(pub T);

/// Design-time options: chosen once by whoever puts the card into a flow, the same at each run.
///
/// Those of webhooks and monitors are kept as they are beside the registration or the monitor, and shown to whoever looks after it, so that no
/// secret is an option: it is a field of the `Connection`, which is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options<T>(pub T);

/// The outputs that the caller picked; many services can leave the others out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selected(Option<Vec<String>>);

/// Where the service shall deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventUrl(pub String);

/// What the event URLs of this installation begin with: a webhook that delivers elsewhere is somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBase(pub String);

/// The key with which the service signs deliveries; made anew for each registration and each renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningSecret(pub Secret);

/// What the registering flow `F` gave, unchanged.
pub struct Registered<F: Flow>(pub <F::Output as Gives>::Value)
where
    F::Output: Gives;

impl<F: Flow> fmt::Debug for Registered<F>
where
    F::Output: Gives,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registered({})", F::DESCRIPTOR.name)
    }
}

/// The JSON body of a delivery; of one that tells of several things, the one of them that the event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload<T>(pub T);

/// Where a monitor's last look ended; nothing at the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<T>(pub Option<T>);

/// From when on a monitor's first look wants records: the time that `first_run` names, the time of the look itself where only what
/// comes later is wanted, and nothing where no time bounds it. Nothing at every later look, which has a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since(pub Option<DateTime>);

/// How far a look reaches back behind the cursor, for records that arrive late: the spec's `overlap`, nothing by default.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::{DateTime, Overlap};
/// let cursor: DateTime = "2026-03-01T09:00:00Z".parse()?;
/// let from = Overlap(Duration::from_secs(600)).before(cursor);
/// assert_eq!(from.to_string(), "2026-03-01T08:50:00Z");
/// # Ok::<(), linchpin::DateTimeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlap(pub Duration);

impl Overlap {
    /// Where a look begins that has ended at `cursor` before.
    pub fn before(self, cursor: DateTime) -> DateTime {
        cursor.before(self.0)
    }
}

/// From where on a monitor's look looks: [`Cursor`], [`Since`] and [`Overlap`] in one.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::{DateTime, Look};
/// let nine: DateTime = "2026-03-01T09:00:00Z".parse()?;
/// let overlap = Duration::from_secs(600);
/// let first = Look { cursor: None, since: Some(nine), overlap };
/// assert_eq!(first.start(), Some(nine));
/// let later = Look { cursor: Some(nine), since: None, overlap };
/// assert_eq!(later.start(), Some("2026-03-01T08:50:00Z".parse()?));
/// # Ok::<(), linchpin::DateTimeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look<T> {
    /// Where the last look ended; nothing at the first.
    pub cursor: Option<T>,
    /// From when on the first look wants records, as [`Since`] says it.
    pub since: Option<DateTime>,
    /// How far it reaches back behind the cursor, for records that arrive late.
    pub overlap: Duration,
}

impl Look<DateTime> {
    /// From when on records are wanted, of a monitor whose cursor is a time: as far behind the cursor as the overlap is, and at the
    /// first look as `since` says.
    pub fn start(&self) -> Option<DateTime> {
        self.cursor.map(|cursor| cursor.before(self.overlap)).or(self.since)
    }
}

/// The tokens of the connection's grant, for services that take each of them by a call of its own. Empty for a method without a
/// grant; the tokens of its form are fields of `Connection`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens(BTreeMap<String, Secret>);

impl Tokens {
    /// The values of a grant by name.
    pub fn new(values: BTreeMap<String, Secret>) -> Tokens {
        Tokens(values)
    }

    /// What authenticates requests.
    pub fn access(&self) -> Option<&Secret> {
        self.0.get("access_token")
    }

    /// What is exchanged for a new grant.
    pub fn refresh(&self) -> Option<&Secret> {
        self.0.get("refresh_token")
    }
}

impl Selected {
    /// These outputs, by key.
    pub fn of(keys: impl IntoIterator<Item = impl Into<String>>) -> Selected {
        Selected(Some(keys.into_iter().map(Into::into).collect()))
    }

    /// The keys, or `None` when the caller wants all.
    pub fn keys(&self) -> Option<&[String]> {
        self.0.as_deref()
    }

    /// Whether an output is wanted.
    pub fn wants(&self, key: &str) -> bool {
        self.0.as_ref().is_none_or(|keys| keys.iter().any(|wanted| wanted == key))
    }

    /// The keys in one text, as many services take them in a query parameter; `None` when the caller wants all.
    ///
    /// ```
    /// assert_eq!(linchpin::Selected::of(["id", "title"]).joined(","), Some("id,title".to_owned()));
    /// ```
    pub fn joined(&self, separator: &str) -> Option<String> {
        self.0.as_ref().map(|keys| keys.join(separator))
    }
}

impl Deref for EventUrl {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for EventBase {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Something of a call that is read, and what its error is.
struct Part {
    code: Code,
    what: &'static str,
}

const INPUT: Part = Part { code: Code::InputInvalid, what: "the input" };
const OPTIONS: Part = Part { code: Code::OptionsInvalid, what: "the options" };
const REGISTRATION: Part = Part { code: Code::InputInvalid, what: "the registration data" };
const DELIVERY: Part = Part { code: Code::InputInvalid, what: "the delivery's body" };
const CURSOR: Part = Part { code: Code::CursorInvalid, what: "the cursor" };

impl Misfit for Part {
    fn misfit(&self, text: &[u8], error: serde_json::Error) -> Error {
        let place = json::place(text, &error);
        let problem = json::without_place(&error);
        Error::coded(self.code, format!("{} does not fit: {problem} at `{place}`", self.what))
    }
}

fn missing(what: &str) -> Error {
    Error::coded(Code::InputInvalid, format!("the call gives no {what}"))
}

impl<K: TakesInput, T: Fields> Parameter<K> for Input<T> {
    const SLOT: Slot = Slot::Input;

    fn info() -> ParameterInfo {
        ParameterInfo::shaped(Slot::Input, T::shape)
    }

    fn take(call: &mut Call) -> Result<Self> {
        match json::read(call.input.as_bytes(), &INPUT) {
            Ok(value) => Ok(Input(value)),
            Err(error) => Err(error),
        }
    }
}

impl<K: TakesOptions, T: Fields> Parameter<K> for Options<T> {
    const SLOT: Slot = Slot::Options;

    fn info() -> ParameterInfo {
        ParameterInfo::shaped(Slot::Options, T::shape)
    }

    fn take(call: &mut Call) -> Result<Self> {
        match json::read(call.options.as_bytes(), &OPTIONS) {
            Ok(value) => Ok(Options(value)),
            Err(error) => Err(error),
        }
    }
}

// A context in another place than the first is one mistake, and told of there.
#[diagnostic::do_not_recommend]
impl<K: kind::Kind> Parameter<K> for Context {
    const SLOT: Slot = Slot::Context;

    fn info() -> ParameterInfo {
        ParameterInfo::plain(Slot::Context)
    }

    fn take(call: &mut Call) -> Result<Self> {
        Ok(call.cx.clone())
    }
}

#[diagnostic::do_not_recommend]
impl Parameter<kind::Action> for Selected {
    const SLOT: Slot = Slot::Selected;

    fn info() -> ParameterInfo {
        ParameterInfo::plain(Slot::Selected)
    }

    fn take(call: &mut Call) -> Result<Self> {
        Ok(Selected(call.selected.take()))
    }
}

/// Parameters of webhook flows that take a plain value out of the call.
macro_rules! parameters {
    ($($parameter:ident, $field:ident, $what:literal: $([$($generic:ident)?] $kind:ty),+;)+) => {
        $($(
            #[diagnostic::do_not_recommend]
            impl$(<$generic: 'static>)? Parameter<$kind> for $parameter {
                const SLOT: Slot = Slot::$parameter;

                fn info() -> ParameterInfo {
                    ParameterInfo::plain(Slot::$parameter)
                }

                fn take(call: &mut Call) -> Result<Self> {
                    call.$field.take().map($parameter).ok_or_else(|| missing($what))
                }
            }
        )+)+
    };
}

parameters! {
    EventUrl, event_url, "event URL":
        [] kind::WebhookRegister, [] kind::WebhookCheck, [O] kind::WebhookRenew<O>;
    EventBase, event_base, "base of event URLs":
        [] kind::WebhookList;
    SigningSecret, signing_secret, "signing secret":
        [] kind::WebhookRegister, [O] kind::WebhookRenew<O>, [] kind::WebhookVerify;
}

impl<F: Registers> Registered<F>
where
    F::Output: Gives<Value: FieldType>,
{
    fn parameter() -> ParameterInfo {
        ParameterInfo {
            registered_by: Some(|| F::DESCRIPTOR),
            ..ParameterInfo::shaped(Slot::Registered, <<F::Output as Gives>::Value as FieldType>::shape)
        }
    }

    fn taken(call: &mut Call) -> Result<Self> {
        let json = call.registered.take().ok_or_else(|| missing("registration data"))?;
        json::read(json.as_bytes(), &REGISTRATION).map(Registered)
    }
}

macro_rules! registered {
    ($($kind:ident)+) => {
        $(impl<F: Registers> Parameter<kind::$kind> for Registered<F>
        where
            F::Output: Gives<Value: FieldType>,
        {
            const SLOT: Slot = Slot::Registered;

            fn info() -> ParameterInfo {
                Registered::<F>::parameter()
            }

            fn take(call: &mut Call) -> Result<Self> {
                Registered::taken(call)
            }
        })+
    };
}

registered! { WebhookDeregister WebhookCheck }

impl<O: 'static, F: RegistersAs<O>> Parameter<kind::WebhookRenew<O>> for Registered<F>
where
    F::Output: Gives<Value: FieldType>,
{
    const SLOT: Slot = Slot::Registered;

    fn info() -> ParameterInfo {
        Registered::<F>::parameter()
    }

    fn take(call: &mut Call) -> Result<Self> {
        Registered::taken(call)
    }
}

impl<T: FieldType> Parameter<kind::WebhookEvent> for Payload<T> {
    const SLOT: Slot = Slot::Payload;

    fn info() -> ParameterInfo {
        ParameterInfo::shaped(Slot::Payload, T::shape)
    }

    fn take(call: &mut Call) -> Result<Self> {
        let delivery = call.delivery.as_ref().ok_or_else(|| missing("delivery"))?;
        json::read(&delivery.body, &DELIVERY).map(Payload)
    }
}

macro_rules! delivery {
    ($($kind:ident)+) => {
        $(#[diagnostic::do_not_recommend]
        impl Parameter<kind::$kind> for Delivery {
            const SLOT: Slot = Slot::Delivery;

            fn info() -> ParameterInfo {
                ParameterInfo::plain(Slot::Delivery)
            }

            fn take(call: &mut Call) -> Result<Self> {
                // Left in place: a flow may take the payload as well.
                call.delivery.clone().ok_or_else(|| missing("delivery"))
            }
        })+
    };
}

delivery! { WebhookEvent WebhookVerify }

impl<T: FieldType> Parameter<kind::Monitor> for Cursor<T> {
    const SLOT: Slot = Slot::Cursor;

    fn info() -> ParameterInfo {
        ParameterInfo::shaped(Slot::Cursor, T::shape)
    }

    fn take(call: &mut Call) -> Result<Self> {
        let cursor = call.cursor.take();
        cursor.map(|json| json::read(json.as_bytes(), &CURSOR)).transpose().map(Cursor)
    }
}

#[diagnostic::do_not_recommend]
impl Parameter<kind::Monitor> for Since {
    const SLOT: Slot = Slot::Since;

    fn info() -> ParameterInfo {
        ParameterInfo::plain(Slot::Since)
    }

    fn take(call: &mut Call) -> Result<Self> {
        Ok(Since(call.since))
    }
}

#[diagnostic::do_not_recommend]
impl Parameter<kind::Monitor> for Overlap {
    const SLOT: Slot = Slot::Overlap;

    fn info() -> ParameterInfo {
        ParameterInfo::plain(Slot::Overlap)
    }

    fn take(call: &mut Call) -> Result<Self> {
        Ok(Overlap(call.overlap))
    }
}

impl<T: FieldType> Parameter<kind::Monitor> for Look<T> {
    const SLOT: Slot = Slot::Look;

    fn info() -> ParameterInfo {
        ParameterInfo::shaped(Slot::Look, T::shape)
    }

    fn take(call: &mut Call) -> Result<Self> {
        let (Cursor(cursor), Since(since), Overlap(overlap)) =
            (Cursor::take(call)?, Since::take(call)?, Overlap::take(call)?);
        Ok(Look { cursor, since, overlap })
    }
}

#[diagnostic::do_not_recommend]
impl Parameter<kind::Revoke> for Tokens {
    const SLOT: Slot = Slot::Tokens;

    fn info() -> ParameterInfo {
        ParameterInfo::plain(Slot::Tokens)
    }

    fn take(call: &mut Call) -> Result<Self> {
        Ok(std::mem::take(&mut call.tokens))
    }
}

/// The method and the fields of a connection, as the runtime has them.
#[derive(Debug, Clone, Default)]
pub struct ConnectionValues {
    /// The key of the authentication method; empty for a connector without authentication.
    pub method: String,
    /// The fields by key, secret ones not told apart.
    pub fields: BTreeMap<String, Secret>,
}

impl ConnectionValues {
    /// A field's value.
    pub fn get(&self, key: &str) -> Option<&Secret> {
        self.fields.get(key)
    }

    /// A field's value, or the error that says it is missing.
    ///
    /// # Errors
    ///
    /// [`Code::ConnectionInvalid`] when the connection lacks it.
    pub fn need(&self, key: &str) -> Result<&Secret> {
        self.get(key).ok_or_else(|| {
            Error::coded(Code::ConnectionInvalid, format!("the connection has no value for `{key}`"))
        })
    }
}
