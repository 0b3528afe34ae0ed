//! Messages and threads.

use linchpin::prelude::*;

use crate::{
    call,
    choice::{channels, messages},
};

/// A message.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Timestamp
    ///
    /// What tells it from others of its channel.
    pub ts: String,
    /// Text
    pub text: Option<String>,
    /// User
    ///
    /// Id of who wrote it; nothing for some bots.
    pub user: Option<String>,
    /// Bot
    ///
    /// Id of the bot that wrote it.
    pub bot_id: Option<String>,
    /// Subtype
    ///
    /// What it is, where it is not just a message: `channel_join`, `bot_message`.
    pub subtype: Option<String>,
    /// Thread
    ///
    /// Timestamp of the message that the thread began with.
    pub thread_ts: Option<String>,
    /// Replies
    pub reply_count: Option<u64>,
}

/// Where a message stands.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Channel
    ///
    /// Its id.
    pub channel: String,
    /// Timestamp
    pub ts: String,
}

/// A message to be posted.
#[fields]
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Channel
    #[field(choices = channels, placeholder = "C012AB3CD")]
    pub channel: String,
    /// Text
    ///
    /// In Slack's own markup: `*bold*`, `<https://example.com|a link>`.
    #[field(min_length = 1, max_length = 40000)]
    pub text: String,
    /// Thread
    ///
    /// Timestamp of the message that it answers.
    #[field(choices = messages, depends_on(channel))]
    pub thread_ts: Option<String>,
    /// Show links
    ///
    /// Whether Slack shows what links in the text lead to.
    pub unfurl_links: Option<bool>,
}

/// Post Message
///
/// Posts a message as the connection's bot, which must be in the channel, and returns where it stands.
#[action(create, idempotency = "none")]
pub async fn post_message(cx: Context, Input(new): Input<NewMessage>) -> Result<Place> {
    call::write(&cx, path!("/chat.postMessage")).json(&new).send().await?.json()
}

/// What a message becomes.
#[fields]
#[derive(Debug, Clone)]
pub struct MessageChange {
    /// Channel
    #[field(choices = channels, placeholder = "C012AB3CD")]
    pub channel: String,
    /// Message
    ///
    /// Its timestamp.
    #[field(choices = messages, depends_on(channel), placeholder = "1503435956.000247")]
    pub ts: String,
    /// Text
    #[field(min_length = 1, max_length = 40000)]
    pub text: String,
}

/// Update Message
///
/// Changes a message that the connection's bot has posted.
#[action(update, idempotency = "natural")]
pub async fn update_message(cx: Context, Input(change): Input<MessageChange>) -> Result<Place> {
    call::write(&cx, path!("/chat.update")).json(&change).send().await?.json()
}

/// Which message.
#[fields]
#[derive(Debug, Clone)]
pub struct MessageOf {
    /// Channel
    #[field(choices = channels, placeholder = "C012AB3CD")]
    pub channel: String,
    /// Message
    ///
    /// Its timestamp.
    #[field(choices = messages, depends_on(channel), placeholder = "1503435956.000247")]
    pub ts: String,
}

/// Delete Message
///
/// Deletes a message that the connection's bot has posted.
#[action(delete, idempotency = "natural")]
pub async fn delete_message(cx: Context, Input(of): Input<MessageOf>) -> Result<()> {
    call::done(call::write(&cx, path!("/chat.delete")).json(&of)).await
}

/// Which messages to list.
#[fields]
#[derive(Debug, Clone)]
pub struct ListMessages {
    /// Channel
    #[field(choices = channels, placeholder = "C012AB3CD")]
    pub channel: String,
    /// After
    pub oldest: Option<DateTime>,
    /// Before
    pub latest: Option<DateTime>,
}

/// List Messages
///
/// Messages of a channel that the connection's bot is in, the newest first; replies stand in their threads.
#[action(read)]
pub async fn list_messages(cx: Context, Input(q): Input<ListMessages>) -> Result<Records<Message>> {
    let request = cx.get(path!("/conversations.history")).query("channel", q.channel);
    let request = request.query("oldest", q.oldest.map(seconds)).query("latest", q.latest.map(seconds));
    Ok(request.records_at("/messages"))
}

/// A point in time as timestamps of messages are written.
fn seconds(time: DateTime) -> String {
    let millis = time.unix_millis();
    format!("{}.{:03}000", millis.div_euclid(1000), millis.rem_euclid(1000))
}

/// List Replies
///
/// The message that a thread began with, and its replies, the oldest first.
#[action(read)]
pub async fn list_replies(cx: Context, Input(of): Input<MessageOf>) -> Result<Records<Message>> {
    let request = cx.get(path!("/conversations.replies")).query("channel", of.channel);
    Ok(request.query("ts", of.ts).records_at("/messages"))
}
