//! What Slack tells of by itself: the Events API, at one URL of the whole app.
//!
//! The app is set up once, by whoever runs linchpin. `linchpin hook app slack.events --signing-key FILE`, with the Signing Secret of the
//! app's Basic Information in the file, prints the URL to enter under Event Subscriptions; Slack asks there at once whether
//! `linchpin serve` answers. Below it the app subscribes to bot events, those of [`HookEvent`] and `message.channels` and
//! `message.groups` for messages: <https://docs.slack.dev/apis/events-api/>. Then `linchpin hook register CONNECTION` says what a
//! connection wants, and Slack is asked for nothing.
//!
//! - A bot hears of messages and reactions in the channels that it is in: `join_channel` lets it in.
//! - Each event needs a scope, which the spec's scopes have; an app that was installed before it asked for them is installed again.
//!   `app_mentions:read` and `reactions:read` are new since there are events.
//! - Slack delivers in the name of one installation, though more may see an event: in a channel that two workspaces share, one of
//!   them is told. Installations of a whole Enterprise organization are not told apart by workspace.
//! - A delivery is sent again up to three times unless it is answered within three seconds, under one `event_id`, and is one event all
//!   the same. Slack turns an app's subscription off where more than 95 of 100 deliveries fail within an hour, and only its settings
//!   turn it on again; no method of the API shows it.

use linchpin::prelude::*;

use crate::{
    choice::channels,
    message::{Message, Place},
    user::User,
};

/// What to be told of.
#[fields]
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Events
    ///
    /// All of them where none is named.
    #[field(default)]
    pub events: Vec<HookEvent>,
    /// Channel
    ///
    /// Only what happens in this channel; what happens in none comes all the same.
    #[field(choices = channels, placeholder = "C012AB3CD")]
    pub channel: Option<String>,
    /// Emoji
    ///
    /// Only reactions with this emoji, named without colons.
    #[field(placeholder = "thumbsup")]
    pub emoji: Option<String>,
    /// Bots too
    ///
    /// Also what other bots write; never what this one does.
    #[field(default)]
    pub bots: bool,
}

/// What Slack tells of, by its own words.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEvent {
    /// Message posted
    Message,
    /// App mentioned
    AppMention,
    /// Reaction added
    ReactionAdded,
    /// Member joined channel
    MemberJoinedChannel,
    /// Channel created
    ChannelCreated,
    /// User joined
    TeamJoin,
    /// User changed
    UserChange,
}

/// In whose name Slack delivers.
#[fields]
#[derive(Debug, Clone)]
pub struct Installation {
    /// User
    ///
    /// The bot's id as a user.
    pub user_id: Option<String>,
}

/// What Slack delivers of a message.
#[fields]
#[derive(Debug, Clone)]
pub struct MessageDelivery {
    /// App
    ///
    /// The app that is told.
    pub api_app_id: Option<String>,
    /// Installations
    pub authorizations: Option<Vec<Installation>>,
    /// Event
    pub event: MessageEvent,
}

/// A message of a delivery.
#[fields]
#[derive(Debug, Clone)]
pub struct MessageEvent {
    /// Channel
    #[field(placeholder = "C012AB3CD")]
    pub channel: String,
    /// App
    ///
    /// The app whose bot wrote it.
    pub app_id: Option<String>,
    /// Message
    #[field(flatten)]
    pub message: Message,
}

/// A message that was posted.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct PostedMessage {
    /// Channel
    ///
    /// Its id.
    pub channel: String,
    /// Message
    pub message: Message,
}

/// Whether a user is the bot itself, on which nothing should act: flows that answer would answer themselves.
fn is_own(installations: Option<&Vec<Installation>>, user: Option<&String>) -> bool {
    user.is_some() && installations.into_iter().flatten().any(|own| own.user_id.as_ref() == user)
}

impl MessageDelivery {
    /// The message, where it is a new one that the subscription is for.
    ///
    /// Edits and deletions are messages of their own to Slack, and so is what it says of joins, topics and pins:
    /// <https://docs.slack.dev/reference/events/message#subtypes>.
    fn posted(self, wanted: &Subscription) -> Option<PostedMessage> {
        let MessageDelivery { api_app_id, authorizations, event } = self;
        let MessageEvent { channel, app_id, message } = event;
        let new = match message.subtype.as_deref() {
            None | Some("file_share" | "thread_broadcast" | "me_message") => true,
            Some(subtype) => subtype == "bot_message",
        };
        let bot = message.bot_id.is_some() || message.subtype.as_deref() == Some("bot_message");
        let own = is_own(authorizations.as_ref(), message.user.as_ref())
            || (bot && app_id.is_some() && app_id == api_app_id);
        (new && !own && (wanted.bots || !bot)).then_some(PostedMessage { channel, message })
    }
}

/// Message Posted
///
/// Somebody posted a message in a channel that the connection's bot is in: also in a thread, or with files. Edits and deletions are
/// passed over, what the bot itself wrote too, and what other bots wrote unless they are asked for.
#[webhook(event = "message_posted")]
pub async fn message_posted(
    _cx: Context,
    Options(wanted): Options<Subscription>,
    Payload(p): Payload<MessageDelivery>,
) -> Result<Option<PostedMessage>> {
    Ok(p.posted(&wanted))
}

/// App Mentioned
///
/// Somebody mentioned the connection's bot in a message. Of a message in a channel Slack tells once more, as of any message there.
#[webhook(event = "app_mentioned")]
pub async fn app_mentioned(
    _cx: Context,
    Options(wanted): Options<Subscription>,
    Payload(p): Payload<MessageDelivery>,
) -> Result<Option<PostedMessage>> {
    Ok(p.posted(&wanted))
}

/// What Slack delivers of a reaction.
#[fields]
#[derive(Debug, Clone)]
pub struct ReactionDelivery {
    /// Installations
    pub authorizations: Option<Vec<Installation>>,
    /// Event
    pub event: ReactionEvent,
}

/// A reaction of a delivery.
#[fields]
#[derive(Debug, Clone)]
pub struct ReactionEvent {
    /// User
    pub user: String,
    /// Emoji
    #[field(placeholder = "thumbsup")]
    pub reaction: String,
    /// Author
    pub item_user: Option<String>,
    /// Item
    pub item: ReactionItem,
}

/// What somebody reacted to: of files Slack has told, too.
#[fields]
#[derive(Debug, Clone)]
pub struct ReactionItem {
    /// Channel
    pub channel: Option<String>,
    /// Timestamp
    pub ts: Option<String>,
}

/// A reaction that was added to a message.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct AddedReaction {
    /// Message
    pub message: Place,
    /// Emoji
    ///
    /// Its name without colons.
    pub emoji: String,
    /// User
    ///
    /// Id of who reacted.
    pub user: String,
    /// Author
    ///
    /// Id of the user who wrote the message, where Slack says.
    pub author: Option<String>,
}

/// Reaction Added
///
/// Somebody reacted to a message in a channel that the connection's bot is in. The bot's own reactions are passed over.
#[webhook(event = "reaction_added")]
pub async fn reaction_added(
    _cx: Context,
    Payload(p): Payload<ReactionDelivery>,
) -> Result<Option<AddedReaction>> {
    let ReactionEvent { user, reaction, item_user, item } = p.event;
    let (Some(channel), Some(ts)) = (item.channel, item.ts) else { return Ok(None) };
    if is_own(p.authorizations.as_ref(), Some(&user)) {
        return Ok(None);
    }
    Ok(Some(AddedReaction { message: Place { channel, ts }, emoji: reaction, user, author: item_user }))
}

/// What Slack delivers when somebody joins a channel.
#[fields]
#[derive(Debug, Clone)]
pub struct MembershipDelivery {
    /// Event
    pub event: Membership,
}

/// Somebody who joined a channel.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Membership {
    /// User
    ///
    /// Their id.
    pub user: String,
    /// Channel
    ///
    /// Its id.
    #[field(placeholder = "C012AB3CD")]
    pub channel: String,
    /// Inviter
    ///
    /// Id of the user who asked them in, where somebody did.
    pub inviter: Option<String>,
}

/// Member Joined Channel
///
/// Somebody joined a channel that the connection's bot is in, or the bot itself joined one.
#[webhook(event = "member_joined_channel")]
pub async fn member_joined_channel(
    _cx: Context,
    Payload(p): Payload<MembershipDelivery>,
) -> Result<Membership> {
    Ok(p.event)
}

/// What Slack delivers of a new channel.
#[fields]
#[derive(Debug, Clone)]
pub struct ChannelDelivery {
    /// Event
    pub event: ChannelEvent,
}

/// A new channel of a delivery.
#[fields]
#[derive(Debug, Clone)]
pub struct ChannelEvent {
    /// Channel
    pub channel: NewlyCreated,
}

/// A channel that was created.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct NewlyCreated {
    /// Id
    pub id: String,
    /// Name
    ///
    /// Without the `#`.
    pub name: String,
    /// Created
    pub created: Seconds,
    /// Creator
    ///
    /// Id of the user.
    pub creator: Option<String>,
}

/// Channel Created
///
/// Somebody created a public channel.
#[webhook(event = "channel_created")]
pub async fn channel_created(_cx: Context, Payload(p): Payload<ChannelDelivery>) -> Result<NewlyCreated> {
    Ok(p.event.channel)
}

/// What Slack delivers of a user.
#[fields]
#[derive(Debug, Clone)]
pub struct UserDelivery {
    /// Event
    pub event: UserEvent,
}

/// A user of a delivery.
#[fields]
#[derive(Debug, Clone)]
pub struct UserEvent {
    /// User
    pub user: User,
}

/// User Joined
///
/// Somebody new is in the workspace: a member, a guest or a bot.
#[webhook(event = "user_joined")]
pub async fn user_joined(_cx: Context, Payload(p): Payload<UserDelivery>) -> Result<User> {
    Ok(p.event.user)
}

/// User Changed
///
/// Something about a user changed: their name, their profile, their status.
#[webhook(event = "user_changed")]
pub async fn user_changed(_cx: Context, Payload(p): Payload<UserDelivery>) -> Result<User> {
    Ok(p.event.user)
}
