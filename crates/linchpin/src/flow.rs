//! Flows: what an annotated function becomes beside itself.

use std::{any::Any, fmt, future::Future, pin::Pin, sync::Arc};

use crate::{
    Context, Error, Result,
    extract::{Call, Input, ParameterInfo},
    hook::{Found, HookState, Listed},
    records::{ErasedRecords, Records},
    shape::{FieldType, Shape, ShapeFn},
    value::{Choices, Identity, Polled, Revoked},
};

pub use linchpin_manifest::descriptor::{Effect, FlowKind, Idempotency, ResultShape};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What linchpin knows of a flow: constant data and function pointers.
#[derive(Debug)]
pub struct FlowDescriptor {
    /// The function's name.
    pub name: &'static str,
    /// What kind of flow it is, with what only that kind has.
    pub kind: KindInfo,
    /// The doc comment, lines joined by line breaks; empty where there is none.
    pub docs: &'static str,
    /// Whether its first parameter is the context, with the connection's credentials.
    pub connected: bool,
    /// What the parameters after the context are.
    pub parameters: &'static [fn() -> ParameterInfo],
    /// What the function gives.
    pub result: fn() -> ResultInfo,
    /// The flow for a call: nothing happens, and nothing panics, before it is polled.
    pub run: fn(Call) -> BoxFuture<'static, Result<Produced>>,
    /// Where the function stands: file, line and column.
    pub place: (&'static str, u32, u32),
}

/// What kind of flow it is, with what only that kind has.
#[derive(Debug, Clone, Copy)]
pub enum KindInfo {
    /// `#[action]`.
    Action {
        /// What it does at the service.
        effect: Effect,
        /// What repeating it does; `None` for reads.
        idempotency: Option<Idempotency>,
    },
    /// `#[authping]`.
    Authping,
    /// `#[revoke]`.
    Revoke,
    /// `#[webhook(register)]`.
    WebhookRegister {
        /// The hook of the spec.
        hook: &'static str,
    },
    /// `#[webhook(deregister)]`.
    WebhookDeregister {
        /// The hook of the spec.
        hook: &'static str,
    },
    /// `#[webhook(check)]`.
    WebhookCheck {
        /// The hook of the spec.
        hook: &'static str,
    },
    /// `#[webhook(renew)]`.
    WebhookRenew {
        /// The hook of the spec.
        hook: &'static str,
    },
    /// `#[webhook(list)]`.
    WebhookList {
        /// The hook of the spec.
        hook: &'static str,
    },
    /// `#[webhook(verify)]`.
    WebhookVerify {
        /// The hook of the spec.
        hook: &'static str,
    },
    /// `#[webhook(event = "..")]`.
    WebhookEvent {
        /// The event of the spec.
        event: &'static str,
    },
    /// `#[helper]`.
    Helper,
    /// `#[monitor]`.
    Monitor {
        /// The event of the spec.
        event: &'static str,
        /// The schedule, where the attribute says one.
        every: Option<&'static str>,
        /// JSON pointers to what tells records apart, where the attribute says some.
        dedupe: &'static [&'static str],
    },
}

impl KindInfo {
    /// The kind without its particulars.
    pub fn kind(&self) -> FlowKind {
        match self {
            KindInfo::Action { .. } => FlowKind::Action,
            KindInfo::Authping => FlowKind::Authping,
            KindInfo::Revoke => FlowKind::Revoke,
            KindInfo::WebhookRegister { .. } => FlowKind::WebhookRegister,
            KindInfo::WebhookDeregister { .. } => FlowKind::WebhookDeregister,
            KindInfo::WebhookCheck { .. } => FlowKind::WebhookCheck,
            KindInfo::WebhookRenew { .. } => FlowKind::WebhookRenew,
            KindInfo::WebhookList { .. } => FlowKind::WebhookList,
            KindInfo::WebhookVerify { .. } => FlowKind::WebhookVerify,
            KindInfo::WebhookEvent { .. } => FlowKind::WebhookEvent,
            KindInfo::Helper => FlowKind::Helper,
            KindInfo::Monitor { .. } => FlowKind::Monitor,
        }
    }

    /// The hook of the spec that a flow works for by its attribute; of an event the spec says it.
    pub fn hook(&self) -> Option<&'static str> {
        match self {
            KindInfo::WebhookRegister { hook }
            | KindInfo::WebhookDeregister { hook }
            | KindInfo::WebhookCheck { hook }
            | KindInfo::WebhookRenew { hook }
            | KindInfo::WebhookList { hook }
            | KindInfo::WebhookVerify { hook } => Some(hook),
            _ => None,
        }
    }
}

/// What a flow gives, for its schema.
#[derive(Debug, Clone, Copy)]
pub struct ResultInfo {
    /// Whether it is one value, a stream of records, or nothing.
    pub result: ResultShape,
    /// The shape of the value or of one record; none for nothing.
    pub shape: Option<ShapeFn>,
    /// The shape of a monitor's next cursor.
    pub next_cursor: Option<ShapeFn>,
    /// For a listing: the flow that makes what it lists.
    pub registered_by: Option<fn() -> &'static FlowDescriptor>,
}

impl ResultInfo {
    fn of(result: ResultShape, shape: Option<ShapeFn>) -> ResultInfo {
        ResultInfo { result, shape, next_cursor: None, registered_by: None }
    }

    fn value<T: FieldType>() -> ResultInfo {
        ResultInfo::of(ResultShape::Value, Some(T::shape))
    }
}

impl FlowDescriptor {
    /// The first line of the doc comment, or the name in title case.
    pub fn title(&self) -> String {
        match self.docs.trim().lines().next() {
            Some(line) => line.trim().trim_end_matches('.').to_owned(),
            None => title_case(self.name),
        }
    }

    /// The rest of the doc comment, paragraphs kept.
    pub fn description(&self) -> String {
        let rest = self.docs.trim().split_once('\n').map_or("", |(_, rest)| rest);
        let paragraphs: Vec<String> = rest
            .split("\n\n")
            .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|paragraph| !paragraph.is_empty())
            .collect();
        paragraphs.join("\n\n")
    }

    /// The shape of the parameter in a slot, if the flow has one there.
    pub fn shape_of(&self, slot: Slot) -> Option<Shape> {
        // Of a look the cursor has a shape.
        let has = |taken| taken == slot || (taken == Slot::Look && slot == Slot::Cursor);
        self.parameters.iter().map(|info| info()).find(|info| has(info.slot))?.shape.map(|shape| shape())
    }

    /// Whether the flow takes something in a slot.
    pub fn takes(&self, slot: Slot) -> bool {
        self.parameters.iter().map(|info| info().slot).any(|taken| taken == slot || taken.holds(slot))
    }

    /// Whether the flow may be repeated after a failure that leaves open whether it took effect.
    pub fn repeatable(&self) -> bool {
        match self.kind {
            KindInfo::Action { effect: Effect::Read, .. } => true,
            KindInfo::Action { idempotency, .. } => {
                matches!(idempotency, Some(Idempotency::Key | Idempotency::Natural))
            }
            KindInfo::WebhookRegister { .. } | KindInfo::WebhookRenew { .. } => false,
            _ => true,
        }
    }
}

/// `list_issues` as `List Issues`.
pub(crate) fn title_case(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty()).map(|word| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The places in which a flow takes something; each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slot {
    /// The context, where it is not the first.
    Context,
    /// Run-time inputs.
    Input,
    /// Design-time options.
    Options,
    /// The outputs that the caller picked.
    Selected,
    /// The connection's fields.
    Connection,
    /// The configuration values that the spec writes.
    Config,
    /// Where the service shall deliver.
    EventUrl,
    /// What the event URLs of this installation begin with.
    EventBase,
    /// The key with which the service shall sign.
    SigningSecret,
    /// What the registration gave.
    Registered,
    /// The body of a delivery.
    Payload,
    /// A whole delivery.
    Delivery,
    /// Where the last look ended.
    Cursor,
    /// From when on the first look wants records.
    Since,
    /// How far a look reaches back.
    Overlap,
    /// All three of these.
    Look,
    /// The tokens of the connection's grant.
    Tokens,
}

impl Slot {
    /// Whether whoever takes this takes the other with it.
    pub(crate) const fn holds(self, other: Slot) -> bool {
        matches!((self, other), (Slot::Look, Slot::Cursor | Slot::Since | Slot::Overlap))
    }
}

/// What a flow gave, without its type.
pub enum Produced {
    /// Nothing.
    Nothing,
    /// One value as JSON text.
    Value(String),
    /// One value, not written yet.
    Typed(Arc<dyn ErasedValue>),
    /// A stream of records.
    Records(Box<dyn ErasedRecords>),
}

/// A value that is written as JSON when somebody asks for it, so that nobody need know its type; who knows it has the value itself.
pub trait ErasedValue: Any + Send + Sync {
    /// As JSON text.
    ///
    /// # Errors
    ///
    /// [`Code::OutputInvalid`](crate::Code::OutputInvalid) when it cannot be written.
    fn to_json(&self) -> Result<String>;
}

impl fmt::Debug for dyn ErasedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(a value)")
    }
}

impl<T: FieldType> ErasedValue for T {
    fn to_json(&self) -> Result<String> {
        crate::json::to_string(self).map_err(not_json)
    }
}

impl fmt::Debug for Produced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Produced::Nothing => "Nothing",
            Produced::Value(_) => "Value(..)",
            Produced::Typed(_) => "Typed(..)",
            Produced::Records(_) => "Records(..)",
        })
    }
}

/// An annotated function as a type: `#[action] async fn create_issue` makes the type `create_issue`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a flow",
    note = "flows are functions with `#[action]`, `#[helper]` or another of linchpin's attributes; name the function itself"
)]
pub trait Flow: Sized + 'static {
    /// The parameters after the context, as a tuple.
    type Args: Send;
    /// What the function gives.
    type Output;
    /// What linchpin knows of it.
    const DESCRIPTOR: &'static FlowDescriptor;
    /// Calls the function.
    fn call(cx: Context, args: Self::Args) -> impl Future<Output = Self::Output> + Send;
}

/// A flow with `#[helper]`: other flows call it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a helper",
    note = "only functions with `#[helper]` are called by other flows or give choices"
)]
pub trait Helper: Flow {}

/// A helper that gives choices.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not give choices",
    note = "the choices of a field come from a `#[helper]` that gives `Result<Choices>`"
)]
pub trait ChoiceSource: Flow {}

#[diagnostic::do_not_recommend]
impl<F: Helper + Flow<Output = Result<Choices>>> ChoiceSource for F {}

/// A flow with `#[webhook(register)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not register a webhook",
    note = "`Registered<..>` and `Found<..>` name the function with `#[webhook(register, hook = \"..\")]` whose result it is"
)]
pub trait Registers: Flow {}

/// A flow with `#[webhook(register)]` that gives `O`, as a renewal does.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not register a webhook that gives `{O}`",
    note = "what a renewal gives takes the place of what the registration gave: let both have one result"
)]
pub trait RegistersAs<O>: Registers {}

/// What is inside a `Result`.
pub trait Gives {
    /// The value.
    type Value;

    /// The same as a plain `Result`.
    ///
    /// # Errors
    ///
    /// The one that is in it.
    fn into_result(self) -> Result<Self::Value>;
}

impl<T> Gives for Result<T> {
    type Value = T;

    fn into_result(self) -> Result<T> {
        self
    }
}

/// Values that become the parameters of a flow: `()`, the value of the one input, or a tuple of the parameters themselves.
///
/// A `Connection` among the parameters comes from the context.
#[diagnostic::on_unimplemented(
    message = "the flow is not called with `{Self}`",
    note = "a flow with one `Input<T>` is called with a `T`, one without parameters with `()`, any other with a tuple of its parameters"
)]
pub trait IntoArgs<A>: Send {
    /// The parameters.
    ///
    /// # Errors
    ///
    /// When the connection lacks a field that the flow takes.
    fn into_args(self, cx: &Context) -> Result<A>;
}

/// A parameter that every context can give: `Connection` and `Config`, made by `connector!`.
pub trait FromContext: Send + Sized {
    /// Takes it from the context.
    ///
    /// # Errors
    ///
    /// When the context lacks it.
    fn from_context(cx: &Context) -> Result<Self>;
}

impl IntoArgs<()> for () {
    fn into_args(self, _cx: &Context) -> Result<()> {
        Ok(())
    }
}

impl<C: FromContext> IntoArgs<(C,)> for () {
    fn into_args(self, cx: &Context) -> Result<(C,)> {
        Ok((C::from_context(cx)?,))
    }
}

impl<T: Send> IntoArgs<(Input<T>,)> for T {
    fn into_args(self, _cx: &Context) -> Result<(Input<T>,)> {
        Ok((Input(self),))
    }
}

impl<T: Send, C: FromContext> IntoArgs<(Input<T>, C)> for T {
    fn into_args(self, cx: &Context) -> Result<(Input<T>, C)> {
        Ok((Input(self), C::from_context(cx)?))
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))+) => {
        $(impl<$($name: Send),+> IntoArgs<($($name,)+)> for ($($name,)+) {
            fn into_args(self, _cx: &Context) -> Result<($($name,)+)> {
                Ok(self)
            }
        })+
    };
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) }

/// The kinds of flows as types, so that a parameter or result that does not belong to a kind does not compile.
pub mod kind {
    use std::marker::PhantomData;

    /// A kind of flow.
    pub trait Kind: 'static {}

    macro_rules! kinds {
        ($($(#[doc = $doc:literal])+ $name:ident)+) => {
            $($(#[doc = $doc])+ #[derive(Debug)] pub enum $name {} impl Kind for $name {})+
        };
    }

    kinds! {
        /// `#[action]`.
        Action
        /// `#[authping]`.
        Authping
        /// `#[revoke]`.
        Revoke
        /// `#[webhook(register)]`.
        WebhookRegister
        /// `#[webhook(deregister)]`.
        WebhookDeregister
        /// `#[webhook(check)]`.
        WebhookCheck
        /// `#[webhook(list)]`.
        WebhookList
        /// `#[webhook(verify)]`.
        WebhookVerify
        /// `#[webhook(event = "..")]`.
        WebhookEvent
        /// `#[helper]`.
        Helper
        /// `#[monitor]`.
        Monitor
    }

    /// `#[webhook(renew)]`, of a flow that gives `O`.
    #[derive(Debug)]
    pub struct WebhookRenew<O>(PhantomData<fn() -> O>);

    impl<O: 'static> Kind for WebhookRenew<O> {}
}

/// What a flow of a kind may give.
///
/// | kind | result |
/// | :- | :- |
/// | action | `Result<T>`, `Result<Records<T>>` or `Result<()>` |
/// | authping | `Result<Identity>` |
/// | revoke | `Result<Revoked>` |
/// | webhook register | `Result<T>`: what the deregistration gets |
/// | webhook deregister | `Result<()>` |
/// | webhook check | `Result<HookState>` |
/// | webhook renew | `Result<T>`: what the registration gives |
/// | webhook list | `Result<Vec<Found<the_registering_fn>>>` |
/// | webhook verify | `Result<()>` |
/// | webhook event | `Result<T>`, `Result<Option<T>>` or `Result<Vec<T>>` |
/// | helper | `Result<T>`, `Result<Choices>` or `Result<Records<T>>` |
/// | monitor | `Result<Polled<T, C>>` |
#[diagnostic::on_unimplemented(
    message = "a flow of kind `{K}` cannot give `{Self}`",
    label = "not a result of this kind of flow",
    note = "actions and helpers give `Result<T>`, `Result<Records<T>>` or `Result<()>`; authpings give `Result<Identity>`; revokes give `Result<Revoked>`; webhook registrations and their renewals give `Result<T>`, deregistrations and verifications `Result<()>`, checks `Result<HookState>`, listings `Result<Vec<Found<the_registering_fn>>>`, events `Result<T>`, `Result<Option<T>>` or `Result<Vec<T>>`; monitors give `Result<Polled<T, C>>`",
    note = "`Result` is `linchpin::Result`, whose error is `linchpin::Error`"
)]
pub trait Returns<K>: Send + Sized + 'static {
    /// What it is, for the schema.
    fn info() -> ResultInfo;

    /// Takes the type off.
    fn produce(self) -> Result<Produced>;
}

macro_rules! returns_value {
    ($($kind:ident [$($generic:ident)?] $value:ty;)+) => {
        $(impl$(<$generic: FieldType>)? Returns<kind::$kind> for Result<$value> {
            fn info() -> ResultInfo {
                ResultInfo::value::<$value>()
            }

            fn produce(self) -> Result<Produced> {
                match self {
                    Ok(value) => produce_value(&value),
                    Err(error) => Err(error),
                }
            }
        })+
    };
}

returns_value! {
    Action [T] T;
    Helper [T] T;
    WebhookRegister [T] T;
    Authping [] Identity;
    Revoke [] Revoked;
    WebhookCheck [] HookState;
}

impl<T: FieldType> Returns<kind::WebhookEvent> for Result<T> {
    fn info() -> ResultInfo {
        ResultInfo::value::<T>()
    }

    fn produce(self) -> Result<Produced> {
        Ok(Produced::Typed(Arc::new(self?)))
    }
}

macro_rules! returns_nothing {
    ($($kind:ident)+) => {
        $(#[diagnostic::do_not_recommend]
        impl Returns<kind::$kind> for Result<()> {
            fn info() -> ResultInfo {
                ResultInfo::of(ResultShape::Nothing, None)
            }

            fn produce(self) -> Result<Produced> {
                self.map(|()| Produced::Nothing)
            }
        })+
    };
}

returns_nothing! { Action Helper WebhookDeregister WebhookVerify }

macro_rules! returns_records {
    ($($kind:ident)+) => {
        $(impl<T: FieldType> Returns<kind::$kind> for Result<Records<T>> {
            fn info() -> ResultInfo {
                ResultInfo::of(ResultShape::Records, Some(T::shape))
            }

            fn produce(self) -> Result<Produced> {
                Ok(Produced::Records(Box::new(self?)))
            }
        })+
    };
}

returns_records! { Action Helper }

impl<T: FieldType, C: FieldType> Returns<kind::Monitor> for Result<Polled<T, C>> {
    fn info() -> ResultInfo {
        ResultInfo { next_cursor: Some(C::shape), ..ResultInfo::of(ResultShape::Records, Some(T::shape)) }
    }

    fn produce(self) -> Result<Produced> {
        let Polled { records, cursor, more } = self?;
        let records = crate::json::to_string(&records).map_err(not_json)?;
        let cursor = crate::json::to_string(&cursor).map_err(not_json)?;
        Ok(Produced::Value(format!(r#"{{"records":{records},"cursor":{cursor},"more":{more}}}"#)))
    }
}

impl<T: FieldType> Returns<kind::WebhookRenew<Result<T>>> for Result<T> {
    fn info() -> ResultInfo {
        ResultInfo::value::<T>()
    }

    fn produce(self) -> Result<Produced> {
        self.and_then(|value| produce_value(&value))
    }
}

impl<F: Registers> Returns<kind::WebhookList> for Result<Vec<Found<F>>>
where
    F::Output: Gives<Value: FieldType>,
{
    fn info() -> ResultInfo {
        ResultInfo {
            registered_by: Some(|| F::DESCRIPTOR),
            ..ResultInfo::of(ResultShape::Records, Some(<<F::Output as Gives>::Value as FieldType>::shape))
        }
    }

    fn produce(self) -> Result<Produced> {
        let listed: Result<Vec<Listed>> = self?.into_iter().map(Found::into_listed).collect();
        produce_value(&listed?)
    }
}

fn produce_value<T: FieldType>(value: &T) -> Result<Produced> {
    written(crate::json::to_string(value))
}

fn written(text: serde_json::Result<String>) -> Result<Produced> {
    text.map(Produced::Value).map_err(not_json)
}

pub(crate) fn not_json(error: serde_json::Error) -> Error {
    Error::coded(crate::Code::OutputInvalid, format!("the flow's result cannot be written as JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::title_case;

    #[test]
    fn names_become_titles() {
        assert_eq!(title_case("list_issues"), "List Issues");
        assert_eq!(title_case("__x_"), "X");
    }
}
