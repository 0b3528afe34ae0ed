//! Channels, by which Google tells that something has changed.

use std::time::Duration;

use linchpin::{prelude::*, serde_json::json};

use crate::change::{ChangesIn, position};

/// How long a channel shall live: as long as Google lets one of changes live, which is a week; one of a file lives a day, and one that asks
/// for nothing an hour (<https://developers.google.com/workspace/drive/api/guides/push>).
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// A channel that stands.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Id
    pub id: String,
    /// Resource
    ///
    /// What it tells of, by Google's word.
    pub resource_id: String,
    /// Expires
    ///
    /// In milliseconds since 1970, as a text. Google may give it less time than it was asked for.
    pub expiration: String,
}

/// Register Channel
///
/// Has Google tell of changes. It delivers by HTTPS only, under a certificate that everybody trusts, and may want the domain to be
/// verified. A channel is never prolonged; a new one takes its place
/// (<https://developers.google.com/workspace/drive/api/guides/push#renew_notification_channels>), so nothing renews it here: the new
/// one stands before the old one is stopped.
#[webhook(register, hook = "changes")]
pub async fn register(
    cx: Context,
    url: EventUrl,
    SigningSecret(secret): SigningSecret,
    Options(within): Options<ChangesIn>,
) -> Result<Channel> {
    if !url.starts_with("https://") {
        return Err(Error::coded(Code::Rejected, "Google delivers by HTTPS only")
            .actor(Actor::Operator)
            .hint("give a `--public-url` that begins with `https://`"));
    }
    let now = position(&cx, within.drive.clone()).await?;
    let expires = cx.now().unix_millis().saturating_add(i64::try_from(LIFE.as_millis()).unwrap_or(i64::MAX));
    // Google refuses an id that it knows. A new one each time is right also when an answer was lost: nobody would learn the resource of
    // a channel that was made, without which it cannot be stopped, and it ends by itself.
    let channel = json!({
        "id": cx.new_uuid(),
        "type": "web_hook",
        "address": *url,
        "token": secret.expose(),
        "expiration": expires.to_string(),
    });
    let watch = within.ask(cx.post(path!("/drive/v3/changes/watch")));
    watch.query("pageToken", now.start_page_token).json(&channel).send().await?.json()
}

/// Deregister Channel
///
/// One that is gone already counts as deregistered.
#[webhook(deregister, hook = "changes")]
pub async fn deregister(cx: Context, Registered(channel): Registered<register>) -> Result<()> {
    let channel = json!({ "id": channel.id, "resourceId": channel.resource_id });
    match cx.post(path!("/drive/v3/channels/stop")).json(&channel).send().await {
        Err(error) if error.code() != Code::NotFound => Err(error),
        _ => Ok(()),
    }
}
