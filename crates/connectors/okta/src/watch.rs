//! Monitors of the System Log.
//!
//! Okta knows two ways of asking (<https://developer.okta.com/docs/reference/system-log-query/>). With an end, events come in the order of
//! their times, and some may not be there yet. Without one, from the oldest on, each event comes once it has been put down, however late
//! that is and in whatever order; there is always a next page, and its link is where to ask next. So the link is the cursor, and
//! nothing that comes late is missed. Okta warns of going on by times instead.

use linchpin::prelude::*;

use crate::{
    choice::groups,
    hook::HookEvent,
    log::{EVENTS, LogEvent},
};

/// How far the System Log was read.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCursor {
    /// Next
    ///
    /// Okta's link to what comes next.
    pub next: String,
}

/// What a look gives.
type Found = Polled<LogEvent, LogCursor>;

/// One page of what fits a filter; there may be more as long as a page has something.
async fn page(cx: Context, look: Look<LogCursor>, filter: Option<String>) -> Result<Found> {
    let request = cx.get(path!("/api/v1/logs"));
    let request = match look.cursor {
        Some(LogCursor { next }) => request.url(next),
        None => {
            let since = look.since.map(|since| since.before(look.overlap));
            let request = request.query("since", since).query("filter", filter);
            request.query("sortOrder", "ASCENDING").query("limit", EVENTS)
        }
    };
    let page = request.send().await?;
    let records: Vec<LogEvent> = page.json()?;
    let next = page.next_link().ok_or_else(|| {
        let message = "Okta named no next page of the System Log, which it does of every list without an end";
        Error::coded(Code::ResponseMalformed, message).status(page.status())
    })?;
    let more = !records.is_empty();
    Ok(Polled::new(records, LogCursor { next }).more(more))
}

/// What finds the events that a hook delivers.
fn of(event: HookEvent) -> String {
    format!("eventType eq \"{}\" and outcome.result eq \"{}\"", event.name(), event.outcome())
}

/// Of whose members a monitor tells.
#[fields]
#[derive(Debug, Clone)]
pub struct MembersOf {
    /// Group
    ///
    /// All groups where nothing is chosen.
    #[field(choices = groups, placeholder = "00g1emaKYZTWRYYRRTSK", pattern = "^[A-Za-z0-9]+$")]
    pub group: Option<String>,
}

impl MembersOf {
    fn filter(self, event: HookEvent) -> String {
        match self.group {
            Some(group) => format!("{} and target.id eq \"{group}\"", of(event)),
            None => of(event),
        }
    }
}

/// Find Created Users
#[monitor(event = "user_created", every = "5m", dedupe = "/uuid")]
pub async fn find_created_users(cx: Context, look: Look<LogCursor>) -> Result<Found> {
    page(cx, look, Some(of(HookEvent::UserCreated))).await
}

/// Find Deactivated Users
#[monitor(event = "user_deactivated", every = "5m", dedupe = "/uuid")]
pub async fn find_deactivated_users(cx: Context, look: Look<LogCursor>) -> Result<Found> {
    page(cx, look, Some(of(HookEvent::UserDeactivated))).await
}

/// Find Added Members
#[monitor(event = "member_added", every = "5m", dedupe = "/uuid")]
pub async fn find_added_members(
    cx: Context,
    Options(members): Options<MembersOf>,
    look: Look<LogCursor>,
) -> Result<Found> {
    page(cx, look, Some(members.filter(HookEvent::MemberAdded))).await
}

/// Find Removed Members
#[monitor(event = "member_removed", every = "5m", dedupe = "/uuid")]
pub async fn find_removed_members(
    cx: Context,
    Options(members): Options<MembersOf>,
    look: Look<LogCursor>,
) -> Result<Found> {
    page(cx, look, Some(members.filter(HookEvent::MemberRemoved))).await
}

/// Find Assigned Apps
#[monitor(event = "app_assigned", every = "5m", dedupe = "/uuid")]
pub async fn find_assigned_apps(cx: Context, look: Look<LogCursor>) -> Result<Found> {
    page(cx, look, Some(of(HookEvent::AppAssigned))).await
}

/// Find Changed Passwords
#[monitor(event = "password_changed", every = "5m", dedupe = "/uuid")]
pub async fn find_changed_passwords(cx: Context, look: Look<LogCursor>) -> Result<Found> {
    page(cx, look, Some(of(HookEvent::PasswordChanged))).await
}

/// Find Failed Sign-ins
#[monitor(event = "sign_in_failed", every = "5m", dedupe = "/uuid")]
pub async fn find_failed_sign_ins(cx: Context, look: Look<LogCursor>) -> Result<Found> {
    page(cx, look, Some(of(HookEvent::SignInFailed))).await
}

/// Which events a monitor finds.
#[fields]
#[derive(Debug, Clone)]
pub struct LogSelection {
    /// Types
    ///
    /// Up to fifty, as in `user.session.start`; all where nothing is said.
    #[field(default, max_length = 50)]
    pub types: Vec<String>,
}

/// Event Logged
///
/// Anything that is put down in the System Log. One look finds events of many types, where the monitors of single events make one each.
#[monitor(event = "logged", every = "5m", dedupe = "/uuid")]
pub async fn find_logged_events(
    cx: Context,
    Options(LogSelection { types }): Options<LogSelection>,
    look: Look<LogCursor>,
) -> Result<Found> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if let Some(odd) = types.iter().find(|name| name.is_empty() || !name.bytes().all(plain)) {
        let message = format!("`{}` is no type of event", odd.escape_debug());
        return Err(Error::coded(Code::OptionsInvalid, message).hint("types look like `user.session.start`"));
    }
    let each: Vec<String> = types.iter().map(|name| format!("eventType eq \"{name}\"")).collect();
    page(cx, look, (!each.is_empty()).then(|| each.join(" or "))).await
}
