//! Choices of fields.

use linchpin::prelude::*;

use crate::{channel::Channel, message::Message, schedule::ScheduledMessage, user::User};

/// As many choices as a list that unfolds can hold; whoever types gets others.
const MOST: usize = 100;

/// As many letters of a text as tell a message from others.
const LONGEST: usize = 60;

/// Channels
///
/// Channels that are not archived, private ones among them where the connection's bot is in.
#[helper]
pub async fn channels(cx: Context, Input(query): Input<ChoiceQuery>) -> Result<Choices> {
    let request = cx.get(path!("/conversations.list")).query("types", "public_channel,private_channel");
    let channels = request.query("exclude_archived", true).records_at::<Channel>("/channels");
    let found = channels.filter(move |channel| query.matches(&channel.name)).take(MOST).await?;
    Ok(found.into_iter().map(|channel| Choice::new(channel.id, format!("#{}", channel.name))).collect())
}

/// Users
///
/// People whose accounts are open; bots are left out.
#[helper]
pub async fn users(cx: Context, Input(query): Input<ChoiceQuery>) -> Result<Choices> {
    let users = cx.get(path!("/users.list")).records_at::<User>("/members");
    let people = users.filter(|user| !user.is_bot && user.deleted != Some(true));
    let choices = people.map(|user| Choice::new(user.id, user.real_name.unwrap_or(user.name)));
    let found = choices.filter(move |choice| query.matches(&choice.label)).take(MOST).await?;
    Ok(found.into_iter().collect())
}

/// A question about one channel.
#[fields]
#[derive(Debug, Clone)]
pub struct InChannel {
    /// Channel
    pub channel: String,
    /// What the user has typed so far.
    #[field(flatten)]
    pub query: ChoiceQuery,
}

/// Messages
///
/// The newest messages of the chosen channel.
#[helper]
pub async fn messages(cx: Context, Input(InChannel { channel, query }): Input<InChannel>) -> Result<Choices> {
    let request = cx.get(path!("/conversations.history")).query("channel", channel);
    // One page: Slack lets many apps ask for history only once a minute.
    let newest = request.query("limit", MOST).records_at::<Message>("/messages").take(MOST).await?;
    let choices = newest.into_iter().map(|message| Choice::new(message.ts, shorten(message.text)));
    Ok(choices.filter(|choice| query.matches(&choice.label)).collect())
}

/// Scheduled Messages
///
/// What waits to be posted to the chosen channel.
#[helper]
pub async fn scheduled_messages(
    cx: Context,
    Input(InChannel { channel, query }): Input<InChannel>,
) -> Result<Choices> {
    let request = cx.get(path!("/chat.scheduledMessages.list")).query("channel", channel);
    let waiting = request.records_at::<ScheduledMessage>("/scheduled_messages");
    let choices = waiting.map(|message| Choice::new(message.id, shorten(message.text)));
    let found = choices.filter(move |choice| query.matches(&choice.label)).take(MOST).await?;
    Ok(found.into_iter().collect())
}

/// The beginning of a text, in one line.
fn shorten(text: Option<String>) -> String {
    let line = text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}..", &line[..at]),
        None => line,
    }
}
