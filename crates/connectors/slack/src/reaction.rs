//! Reactions to messages.

use linchpin::prelude::*;

use crate::{
    call,
    choice::{channels, messages},
};

/// An emoji on a message.
#[fields]
#[derive(Debug, Clone)]
pub struct Reaction {
    /// Channel
    #[field(choices = channels, placeholder = "C012AB3CD")]
    pub channel: String,
    /// Message
    ///
    /// Its timestamp.
    #[field(choices = messages, depends_on(channel), placeholder = "1503435956.000247")]
    pub timestamp: String,
    /// Emoji
    ///
    /// Its name without colons.
    #[field(placeholder = "thumbsup", min_length = 1)]
    pub name: String,
}

/// Add Reaction
///
/// Reacts to a message as the connection's bot, if it has not done so already.
#[action(create, idempotency = "natural")]
pub async fn add_reaction(cx: Context, Input(reaction): Input<Reaction>) -> Result<()> {
    call::done_or("already_reacted", call::write(&cx, path!("/reactions.add")).json(&reaction)).await
}

/// Remove Reaction
///
/// Takes a reaction of the connection's bot away, if it is there.
#[action(delete, idempotency = "natural")]
pub async fn remove_reaction(cx: Context, Input(reaction): Input<Reaction>) -> Result<()> {
    call::done_or("no_reaction", call::write(&cx, path!("/reactions.remove")).json(&reaction)).await
}
