//! Every webhook flow that looks after a registration, with every parameter that it may have.

use linchpin::prelude::*;

#[fields]
pub struct HookOptions {
    pub project: String,
}

#[fields]
pub struct HookId {
    pub id: u64,
    pub expires: Option<DateTime>,
}

#[fields]
pub struct Hook {
    pub id: u64,
    pub url: String,
    pub active: bool,
    pub expires: Option<DateTime>,
}

#[webhook(register, hook = "project")]
async fn register(
    cx: Context,
    url: EventUrl,
    SigningSecret(key): SigningSecret,
    Options(o): Options<HookOptions>,
) -> Result<HookId> {
    let body = linchpin::serde_json::json!({ "url": *url, "secret": key.expose() });
    cx.post(path!("/projects/{o.project}/hooks")).json(&body).send().await?.json()
}

#[webhook(deregister, hook = "project")]
async fn deregister(cx: Context, Registered(hook): Registered<register>) -> Result<()> {
    cx.delete(path!("/hooks/{hook.id}")).send().await.map(drop)
}

#[webhook(check, hook = "project")]
async fn check(
    cx: Context,
    Registered(hook): Registered<register>,
    url: EventUrl,
    Options(_o): Options<HookOptions>,
) -> Result<HookState> {
    let found: Hook = cx.get(path!("/hooks/{hook.id}")).send().await?.json()?;
    let state = if found.active { HookState::at(&found.url, &url) } else { HookState::paused() };
    Ok(match found.expires {
        Some(at) => state.expires(at),
        None => state,
    })
}

#[webhook(renew, hook = "project")]
async fn renew(
    cx: Context,
    Registered(hook): Registered<register>,
    url: EventUrl,
    SigningSecret(key): SigningSecret,
    Options(_o): Options<HookOptions>,
) -> Result<HookId> {
    let body = linchpin::serde_json::json!({ "url": *url, "secret": key.expose(), "active": true });
    cx.patch(path!("/hooks/{hook.id}")).json(&body).send().await?.json()
}

#[webhook(list, hook = "project")]
async fn list(cx: Context, base: EventBase, Options(o): Options<HookOptions>) -> Result<Vec<Found<register>>> {
    let mut hooks: Records<Hook> =
        cx.get(path!("/projects/{o.project}/hooks")).query("url_prefix", &*base).records();
    let mut found = Vec::new();
    while let Some(hook) = hooks.next().await? {
        let registered = HookId { id: hook.id, expires: hook.expires };
        found.push(Found::new(registered, hook.url).paused(!hook.active));
    }
    Ok(found)
}

#[webhook(verify, hook = "project")]
async fn verify(_cx: Context, delivery: Delivery, SigningSecret(key): SigningSecret) -> Result<()> {
    match delivery.header("x-key") {
        Some(given) if given == key.expose() => Ok(()),
        _ => Err(Error::coded(Code::SignatureInvalid, "the key is another")),
    }
}

fn main() {
    use linchpin::flow::Flow;
    assert_eq!(renew::DESCRIPTOR.kind.hook(), Some("project"));
    let listed = (list::DESCRIPTOR.result)().registered_by.map(|by| by().name);
    assert_eq!(listed, Some("register"));
}
