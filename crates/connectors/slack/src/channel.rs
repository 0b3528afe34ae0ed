//! Channels and who is in them.

use linchpin::{prelude::*, serde_json::json};

use crate::{call, choice::channels};

/// A channel.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Id
    pub id: String,
    /// Name
    ///
    /// Without the `#`.
    pub name: String,
    /// Private
    pub is_private: bool,
    /// Archived
    pub is_archived: bool,
    /// Member
    ///
    /// Whether the connection's bot is in the channel.
    pub is_member: Option<bool>,
    /// Created
    pub created: Seconds,
    /// Creator
    ///
    /// Id of the user.
    pub creator: Option<String>,
    /// Topic
    pub topic: Option<Remark>,
    /// Purpose
    pub purpose: Option<Remark>,
    /// Members
    ///
    /// How many there are, where Slack says.
    pub num_members: Option<u64>,
}

/// What somebody has written about a channel.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Remark {
    /// Text
    pub value: String,
}

/// A channel as Slack gives it.
#[fields]
struct One {
    channel: Channel,
}

/// Which channels to list.
#[fields]
#[derive(Debug, Clone)]
pub struct ListChannels {
    /// Private ones too
    ///
    /// Those that the connection's bot is in.
    #[field(default)]
    pub private: bool,
    /// Archived ones too
    #[field(default)]
    pub archived: bool,
}

/// List Channels
#[action(read)]
pub async fn list_channels(cx: Context, Input(q): Input<ListChannels>) -> Result<Records<Channel>> {
    let types = if q.private { "public_channel,private_channel" } else { "public_channel" };
    let request = cx.get(path!("/conversations.list")).query("types", types);
    Ok(request.query("exclude_archived", !q.archived).records_at("/channels"))
}

/// Which channel.
#[fields]
#[derive(Debug, Clone)]
pub struct ChannelOf {
    /// Channel
    #[field(choices = channels, placeholder = "C012AB3CD")]
    pub channel: String,
}

/// Get Channel
#[action(read)]
pub async fn get_channel(cx: Context, Input(of): Input<ChannelOf>) -> Result<Channel> {
    let request = cx.get(path!("/conversations.info")).query("channel", of.channel);
    Ok(request.query("include_num_members", true).send().await?.json::<One>()?.channel)
}

/// Join Channel
///
/// Makes the connection's bot a member of a public channel, if it is not one already, and returns the channel.
#[action(update, idempotency = "natural")]
pub async fn join_channel(cx: Context, Input(of): Input<ChannelOf>) -> Result<Channel> {
    let request = call::write(&cx, path!("/conversations.join")).json(&of);
    Ok(request.send().await?.json::<One>()?.channel)
}

/// A channel and its topic to be.
#[fields]
#[derive(Debug, Clone)]
pub struct NewTopic {
    /// Channel
    #[field(choices = channels, placeholder = "C012AB3CD")]
    pub channel: String,
    /// Topic
    ///
    /// Empty to take it away.
    #[field(max_length = 250)]
    pub topic: String,
}

/// Set Topic
#[action(update, idempotency = "natural")]
pub async fn set_topic(cx: Context, Input(new): Input<NewTopic>) -> Result<()> {
    call::done(call::write(&cx, path!("/conversations.setTopic")).json(&new)).await
}

/// Someone in a channel.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// User
    ///
    /// Their id.
    pub user: String,
}

/// List Members
///
/// Ids of the users in a channel.
#[action(read)]
pub async fn list_members(cx: Context, Input(of): Input<ChannelOf>) -> Result<Records<Member>> {
    let request = cx.get(path!("/conversations.members")).query("channel", of.channel);
    Ok(request.records_at::<String>("/members").map(|user| Member { user }))
}

/// A channel to be made.
#[fields]
#[derive(Debug, Clone)]
pub struct NewChannel {
    /// Name
    ///
    /// In small letters, digits, `-` and `_`.
    #[field(placeholder = "release-planning", min_length = 1, max_length = 80)]
    pub name: String,
    /// Private
    #[field(default)]
    pub private: bool,
}

/// Create Channel
#[action(create, idempotency = "none")]
pub async fn create_channel(cx: Context, Input(new): Input<NewChannel>) -> Result<Channel> {
    let arguments = json!({ "name": new.name, "is_private": new.private });
    let request = call::write(&cx, path!("/conversations.create")).json(&arguments);
    Ok(request.send().await?.json::<One>()?.channel)
}
