//! Messages that Slack posts later.

use linchpin::{prelude::*, serde_json::json};

use crate::{
    call,
    choice::{channels, scheduled_messages},
};

/// A message to be posted later.
#[fields]
#[derive(Debug, Clone)]
pub struct NewScheduledMessage {
    /// Channel
    #[field(choices = channels, placeholder = "C012AB3CD")]
    pub channel: String,
    /// Text
    ///
    /// In Slack's own markup: `*bold*`, `<https://example.com|a link>`.
    #[field(min_length = 1, max_length = 40000)]
    pub text: String,
    /// When
    ///
    /// To the second, and within 120 days.
    pub post_at: DateTime,
}

/// What Slack says of a message that it will post.
#[fields]
struct Scheduled {
    scheduled_message_id: String,
    channel: String,
}

/// Where a message waits.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Id
    pub id: String,
    /// Channel
    ///
    /// Its id.
    pub channel: String,
}

/// Schedule Message
///
/// Lets Slack post a message later, and returns where it waits.
#[action(create, idempotency = "none")]
pub async fn schedule_message(cx: Context, Input(new): Input<NewScheduledMessage>) -> Result<Waiting> {
    let post_at = new.post_at.unix_millis().div_euclid(1000);
    let arguments = json!({ "channel": new.channel, "text": new.text, "post_at": post_at });
    let request = call::write(&cx, path!("/chat.scheduleMessage")).json(&arguments);
    let Scheduled { scheduled_message_id, channel } = request.send().await?.json()?;
    Ok(Waiting { id: scheduled_message_id, channel })
}

/// A message that waits.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduledMessage {
    /// Id
    pub id: String,
    /// Channel
    ///
    /// Its id.
    #[field(rename = "channel_id")]
    pub channel: String,
    /// When
    pub post_at: Seconds,
    /// Text
    pub text: Option<String>,
}

/// Which waiting messages to list.
#[fields]
#[derive(Debug, Clone)]
pub struct ListScheduledMessages {
    /// Channel
    ///
    /// All where nothing is chosen.
    #[field(choices = channels, placeholder = "C012AB3CD")]
    pub channel: Option<String>,
}

/// List Scheduled Messages
///
/// What waits to be posted by the connection's bot.
#[action(read)]
pub async fn list_scheduled_messages(
    cx: Context,
    Input(q): Input<ListScheduledMessages>,
) -> Result<Records<ScheduledMessage>> {
    let request = cx.get(path!("/chat.scheduledMessages.list")).query("channel", q.channel);
    Ok(request.records_at("/scheduled_messages"))
}

/// Which waiting message.
#[fields]
#[derive(Debug, Clone)]
pub struct ScheduledMessageOf {
    /// Channel
    #[field(choices = channels, placeholder = "C012AB3CD")]
    pub channel: String,
    /// Message
    ///
    /// Its id.
    #[field(choices = scheduled_messages, depends_on(channel), placeholder = "Q1298393284")]
    pub scheduled_message_id: String,
}

/// Delete Scheduled Message
#[action(delete, idempotency = "natural")]
pub async fn delete_scheduled_message(cx: Context, Input(of): Input<ScheduledMessageOf>) -> Result<()> {
    call::done(call::write(&cx, path!("/chat.deleteScheduledMessage")).json(&of)).await
}
