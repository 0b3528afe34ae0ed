//! Event hooks: Okta tells of what happens.
//!
//! Okta calls of its own accord, best effort: within three seconds, with one retry and none after a refusal
//! (<https://developer.okta.com/docs/concepts/event-hooks/>). What is lost on the way is in the System Log, where the monitors of
//! [`watch`](crate::watch) find it.

use linchpin::{
    prelude::*,
    serde_json::{Value, json},
};

use crate::{choice::groups, log::LogEvent};

/// Of what an event hook tells. An org may have 25 of them, so that one for many events goes a long way.
#[fields]
#[derive(Debug, Clone)]
pub struct EventHook {
    /// Events
    #[field(min_length = 1)]
    pub events: Vec<HookEvent>,
    /// Group
    ///
    /// Of whose members it tells; of those of all groups where nothing is chosen.
    #[field(choices = groups, placeholder = "00g1emaKYZTWRYYRRTSK")]
    pub group: Option<String>,
}

/// What an event hook tells of.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEvent {
    /// User created
    UserCreated,
    /// User deactivated
    UserDeactivated,
    /// Member added
    MemberAdded,
    /// Member removed
    MemberRemoved,
    /// App assigned
    AppAssigned,
    /// Password changed
    PasswordChanged,
    /// Sign-in failed
    SignInFailed,
}

impl HookEvent {
    /// Okta's word for it, one of those that the catalogue calls `event-hook-eligible`
    /// (<https://developer.okta.com/docs/reference/api/event-types/>).
    pub(crate) fn name(self) -> &'static str {
        match self {
            HookEvent::UserCreated => "user.lifecycle.create",
            HookEvent::UserDeactivated => "user.lifecycle.deactivate",
            HookEvent::MemberAdded => "group.user_membership.add",
            HookEvent::MemberRemoved => "group.user_membership.remove",
            HookEvent::AppAssigned => "application.user_membership.add",
            HookEvent::PasswordChanged => "user.account.update_password",
            HookEvent::SignInFailed => "user.session.start",
        }
    }

    /// How it has to have ended: of the rest Okta tells under the same name.
    pub(crate) fn outcome(self) -> &'static str {
        match self {
            HookEvent::SignInFailed => "FAILURE",
            _ => "SUCCESS",
        }
    }
}

/// An event hook that stands.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookId {
    /// Id
    pub id: String,
}

/// What Okta says of an event hook.
#[fields(rename_all = "camelCase")]
struct Hook {
    id: String,
    /// `ACTIVE` or `INACTIVE`.
    status: String,
    /// `VERIFIED` or `UNVERIFIED`. Only what is both active and verified is delivered to.
    verification_status: String,
    channel: Channel,
}

#[fields]
struct Channel {
    config: ChannelConfig,
}

#[fields]
struct ChannelConfig {
    uri: String,
}

impl Hook {
    fn delivers(&self) -> bool {
        self.status == "ACTIVE" && self.verification_status == "VERIFIED"
    }
}

/// What Okta is asked for. The secret comes back in every request, and in no answer.
fn wanted(url: &str, secret: &Secret, events: &[HookEvent]) -> Value {
    let mut types: Vec<&str> = events.iter().map(|event| event.name()).collect();
    types.sort_unstable();
    types.dedup();
    // Names are unique in an org. The URL is nothing that its admins do not see.
    let token = url.rsplit('/').next().unwrap_or_default();
    json!({
        "name": format!("linchpin {}", token.chars().take(8).collect::<String>()),
        "events": { "type": "EVENT_TYPE", "items": types },
        "channel": {
            "type": "HTTP",
            "version": "1.0.0",
            "config": {
                "uri": url,
                "authScheme": { "type": "HEADER", "key": "Authorization", "value": secret.expose() },
            },
        },
    })
}

/// Has Okta ask the URL whether somebody is there: within the request, and twice at the most.
async fn verify(cx: &Context, id: &str) -> Result<()> {
    let asked = cx.post(path!("/api/v1/eventHooks/{id}/lifecycle/verify")).send().await?;
    let hook: Hook = asked.json()?;
    if hook.delivers() {
        return Ok(());
    }
    let message = format!("Okta calls the event hook {id} {} and {}", hook.status, hook.verification_status);
    Err(Error::coded(Code::Rejected, message))
}

/// Takes a hook away, which only an inactive one lets be done to it.
async fn remove(cx: &Context, id: &str) -> Result<()> {
    match cx.post(path!("/api/v1/eventHooks/{id}/lifecycle/deactivate")).send().await {
        Err(error) if error.code() == Code::NotFound => return Ok(()),
        // Inactive already, or so the deletion says why not.
        Err(error) if error.code() != Code::Rejected => return Err(error),
        _ => {}
    }
    match cx.delete(path!("/api/v1/eventHooks/{id}")).send().await {
        Err(error) if error.code() != Code::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Register Event Hook
///
/// Lets Okta tell of events. Okta asks the URL first whether somebody is there; where nobody is, nothing is registered. Needs an admin
/// who may manage hooks.
#[webhook(register, hook = "events")]
pub async fn register(
    cx: Context,
    url: EventUrl,
    SigningSecret(secret): SigningSecret,
    Options(EventHook { events, .. }): Options<EventHook>,
) -> Result<HookId> {
    let made = cx.post(path!("/api/v1/eventHooks")).json(&wanted(&url, &secret, &events)).send().await?;
    let Hook { id, .. } = made.json()?;
    let Err(refused) = verify(&cx, &id).await else { return Ok(HookId { id }) };
    Err(match remove(&cx, &id).await {
        Ok(()) => refused.hint(
            "Okta did not get its answer from the event URL: it has to be reached from outside by HTTPS. Nothing was left at Okta",
        ),
        Err(left) => refused.hint(format!("the event hook {id} may be left at Okta, unverified: {}", left.message())),
    })
}

/// Deregister Event Hook
#[webhook(deregister, hook = "events")]
pub async fn deregister(cx: Context, Registered(hook): Registered<register>) -> Result<()> {
    remove(&cx, &hook.id).await
}

/// Check Event Hook
///
/// An admin may have deactivated it, or changed its URL, after which Okta wants it verified.
#[webhook(check, hook = "events")]
pub async fn check(cx: Context, Registered(hook): Registered<register>, url: EventUrl) -> Result<HookState> {
    let found: Hook = cx.get(path!("/api/v1/eventHooks/{hook.id}")).send().await?.json()?;
    Ok(match found.delivers() {
        true => HookState::at(&found.channel.config.uri, &url),
        false => HookState::paused(),
    })
}

/// Renew Event Hook
///
/// Has it tell of the events that are chosen, at the URL and with the secret of now, activated and verified.
#[webhook(renew, hook = "events")]
pub async fn renew(
    cx: Context,
    Registered(hook): Registered<register>,
    url: EventUrl,
    SigningSecret(secret): SigningSecret,
    Options(EventHook { events, .. }): Options<EventHook>,
) -> Result<HookId> {
    let replaced = cx.put(path!("/api/v1/eventHooks/{hook.id}")).json(&wanted(&url, &secret, &events));
    let found: Hook = replaced.send().await?.json()?;
    if found.status != "ACTIVE" {
        cx.post(path!("/api/v1/eventHooks/{hook.id}/lifecycle/activate")).send().await?;
    }
    verify(&cx, &hook.id).await?;
    Ok(hook)
}

/// List Event Hooks
///
/// Those of the org.
#[webhook(list, hook = "events")]
pub async fn list(cx: Context, _ours: EventBase) -> Result<Vec<Found<register>>> {
    let hooks: Vec<Hook> = cx.get(path!("/api/v1/eventHooks")).send().await?.json()?;
    let found = hooks.into_iter().map(|hook| {
        let paused = !hook.delivers();
        Found::new(HookId { id: hook.id }, hook.channel.config.uri).paused(paused)
    });
    Ok(found.collect())
}

/// User Created
///
/// Somebody is new in the org, whoever or whatever made them.
#[webhook(event = "user_created")]
pub async fn user_created(_cx: Context, Payload(event): Payload<LogEvent>) -> Result<LogEvent> {
    Ok(event)
}

/// User Deactivated
///
/// Somebody was deactivated, and is out of all apps.
#[webhook(event = "user_deactivated")]
pub async fn user_deactivated(_cx: Context, Payload(event): Payload<LogEvent>) -> Result<LogEvent> {
    Ok(event)
}

/// Member Added
///
/// Somebody came into a group. User and group are the targets.
#[webhook(event = "member_added")]
pub async fn member_added(_cx: Context, Payload(event): Payload<LogEvent>) -> Result<LogEvent> {
    Ok(event)
}

/// Member Removed
///
/// Somebody left a group. User and group are the targets.
#[webhook(event = "member_removed")]
pub async fn member_removed(_cx: Context, Payload(event): Payload<LogEvent>) -> Result<LogEvent> {
    Ok(event)
}

/// App Assigned
///
/// Somebody was given an app. User and app are among the targets.
#[webhook(event = "app_assigned")]
pub async fn app_assigned(_cx: Context, Payload(event): Payload<LogEvent>) -> Result<LogEvent> {
    Ok(event)
}

/// Password Changed
///
/// Somebody has another password, by themselves or by an admin.
#[webhook(event = "password_changed")]
pub async fn password_changed(_cx: Context, Payload(event): Payload<LogEvent>) -> Result<LogEvent> {
    Ok(event)
}

/// Sign-in Failed
///
/// Somebody tried to sign in to Okta and was not let in; the outcome says why.
#[webhook(event = "sign_in_failed")]
pub async fn sign_in_failed(_cx: Context, Payload(event): Payload<LogEvent>) -> Result<LogEvent> {
    Ok(event)
}
