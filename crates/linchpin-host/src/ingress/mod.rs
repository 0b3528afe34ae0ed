//! Where services deliver: requests are judged, kept, and only then answered.
//!
//! ```text
//! token ─► a hook? ─► body, within limits ─► judged: signature first ─► handshake? ─► which events? ─► inbox ─► 2xx
//! ```

mod answer;
mod hooks;
mod origin;
mod serve;
mod stream;

use std::{
    fmt,
    future::Future,
    iter::repeat_n,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    response::Response,
    routing::{any, get},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use linchpin::{
    Code, Delivery, Error, Result, Secret,
    flow::BoxFuture,
    http::{StatusCode, request::Parts},
};
use linchpin_runtime::{
    Clock,
    webhook::{self, Fetcher, Judged, Reply},
};
use tokio::sync::Semaphore;

pub use self::{
    hooks::{Accepts, FixedHooks, Hooks, Receiver},
    origin::Proxies,
    serve::{Peer, ServeLimits, serve},
};
use crate::{
    inbox::{DeliveryHead, Head, Inbox},
    observe,
    sink::EventStream,
    store::{NewEntry, Put},
};

/// How deliveries are taken.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IngressPolicy {
    /// What services reach this server by, without a final slash: the base of event URLs, and of what some services sign. Without
    /// one it is taken from each request.
    pub public_url: Option<String>,
    /// Whose word about the original request is taken.
    pub proxies: Proxies,
    /// The largest body, in bytes; 1 MiB by default.
    pub body: usize,
    /// How long a sender may take to send the body; 10 s by default.
    pub time: Duration,
    /// So many deliveries are taken at once; 512 by default. Others are asked to come again.
    pub concurrency: usize,
}

impl Default for IngressPolicy {
    fn default() -> IngressPolicy {
        IngressPolicy {
            public_url: None,
            proxies: Proxies::default(),
            body: 1 << 20,
            time: Duration::from_secs(10),
            concurrency: 512,
        }
    }
}

/// Takes what services deliver.
#[derive(Clone)]
pub struct Ingress(Arc<Shared>);

struct Shared {
    hooks: Arc<dyn Hooks>,
    inbox: Inbox,
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    policy: IngressPolicy,
    places: Semaphore,
    stream: Option<(EventStream, Secret)>,
    counts: Counts,
}

/// What became of requests, since the process began.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Counts {
    /// What was put into the inbox: deliveries, or each of the things that one tells of, once for each connection.
    pub accepted: AtomicU64,
    /// What was there already.
    pub repeated: AtomicU64,
    /// Deliveries of no event that anybody asked for.
    pub passed_over: AtomicU64,
    /// Handshakes.
    pub handshakes: AtomicU64,
    /// Requests that did not prove where they come from.
    pub refused: AtomicU64,
}

impl Ingress {
    /// An ingress for these hooks, into this inbox.
    pub fn new(
        hooks: Arc<dyn Hooks>,
        inbox: Inbox,
        fetcher: Fetcher,
        clock: Arc<dyn Clock>,
        policy: IngressPolicy,
    ) -> Ingress {
        let places = Semaphore::new(policy.concurrency);
        let counts = Counts::default();
        Ingress(Arc::new(Shared { hooks, inbox, fetcher, clock, policy, places, stream: None, counts }))
    }

    /// As well with a stream of events at `/events`, for who has the token.
    #[must_use]
    pub fn stream(self, stream: EventStream, token: Secret) -> Ingress {
        // Before anybody else has it.
        Ingress(match Arc::try_unwrap(self.0) {
            Ok(shared) => Arc::new(Shared { stream: Some((stream, token)), ..shared }),
            Err(shared) => shared,
        })
    }

    /// What became of requests.
    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// `/in/{token}` for deliveries of registrations, `/app/{connector}/{hook}` for those to the one URL of an app, `/healthz` and
    /// `/readyz`; everything else is not there.
    pub fn router(&self) -> Router {
        let router = Router::new()
            .route("/in/{token}", any(deliver))
            .route("/app/{connector}/{hook}", any(deliver_to_app))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .fallback(|| async { answer::not_found() });
        let router = match self.0.stream {
            Some(_) => router.route("/events", get(stream::events)),
            None => router,
        };
        router.with_state(self.clone())
    }

    /// Takes one request for the hook of a token, as [`router`](Ingress::router) does; for servers that are not ours.
    pub fn take<'a>(
        &'a self,
        token: &'a str,
        peer: Option<SocketAddr>,
        parts: Parts,
        body: Body,
    ) -> impl Future<Output = Response> + Send + 'a {
        self.answer(self.0.hooks.find(token), self.0.begun(peer, parts), body)
    }

    async fn answer(
        &self,
        find: BoxFuture<'_, Result<Option<Arc<Receiver>>>>,
        mut delivery: Delivery,
        body: Body,
    ) -> Response {
        let shared = &self.0;
        let Ok(_place) = shared.places.try_acquire() else { return answer::busy(Duration::from_secs(1)) };
        let hook = match find.await {
            Ok(Some(hook)) => hook,
            Ok(None) => return answer::not_found(),
            Err(error) => return answer::failed(&error),
        };
        delivery.body = match shared.read(body).await {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        match shared.judge(&hook, delivery).await {
            Ok(reply) => answer::reply(reply),
            Err(error) => answer::failed(&error),
        }
    }
}

impl fmt::Debug for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ingress({:?})", self.0.policy)
    }
}

async fn deliver(
    State(ingress): State<Ingress>,
    Path(token): Path<String>,
    request: axum::extract::Request,
) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let (parts, body) = request.into_parts();
    ingress.take(&token, peer, parts, body).await
}

async fn deliver_to_app(
    State(ingress): State<Ingress>,
    Path((connector, hook)): Path<(String, String)>,
    request: axum::extract::Request,
) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let (parts, body) = request.into_parts();
    ingress.answer(ingress.0.hooks.app(&connector, &hook), ingress.0.begun(peer, parts), body).await
}

/// Whether the inbox can be written to: the store answers, and there is room.
async fn ready(State(ingress): State<Ingress>) -> Response {
    match ingress.0.inbox.store().inbox_next().await {
        Ok(_) => answer::text(StatusCode::OK, "ready\n"),
        Err(error) => answer::failed(&error),
    }
}

impl Shared {
    async fn read(&self, body: Body) -> Result<Bytes, Response> {
        let collected =
            tokio::time::timeout(self.policy.time, Limited::new(body, self.policy.body).collect());
        match collected.await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                Err(answer::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"))
            }
            Ok(Err(_)) => Err(answer::text(StatusCode::BAD_REQUEST, "the body broke off\n")),
            Err(_) => Err(answer::text(StatusCode::REQUEST_TIMEOUT, "the body took too long\n")),
        }
    }

    /// A delivery whose body is still to come.
    fn begun(&self, peer: Option<SocketAddr>, parts: Parts) -> Delivery {
        let url = self.url(peer, &parts);
        Delivery { method: parts.method, url, headers: parts.headers, body: Bytes::new() }
    }

    /// The URL that the service called, which some sign.
    fn url(&self, peer: Option<SocketAddr>, parts: &Parts) -> String {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        match &self.policy.public_url {
            Some(base) => [base, path].concat(),
            None => {
                let proxied = peer.is_some_and(|peer| self.policy.proxies.has(peer.ip()));
                origin::of(&parts.headers, proxied) + path
            }
        }
    }

    async fn judge(&self, hook: &Arc<Receiver>, delivery: Delivery) -> Result<Reply> {
        let (judged, fresh) = self.judge_again(hook, &delivery).await.inspect_err(|error| {
            if error.code() == Code::SignatureInvalid {
                self.count(hook, |counts| &counts.refused, "refused");
            }
            tracing::warn!(
                target: "linchpin::ingress", hook = hook.id, code = error.code().as_str(), "a delivery was refused: {error}"
            );
        })?;
        let hook = fresh.as_ref().unwrap_or(hook);
        match judged {
            Judged::Handshake(reply) => {
                if let Some(url) = &reply.confirm {
                    Box::pin(self.fetcher.confirm(url)).await?;
                }
                self.count(hook, |counts| &counts.handshakes, "handshake");
                Ok(reply)
            }
            Judged::Delivery if hook.accepts == Accepts::Handshakes => {
                Err(Error::coded(Code::ConnectionUnknown, "the hook is not on"))
            }
            Judged::Delivery => {
                self.keep(hook, delivery).await?;
                Ok(hook.guard.response())
            }
        }
    }

    /// Judges a delivery, and again where the hook has other keys by now.
    async fn judge_again(
        &self,
        hook: &Arc<Receiver>,
        delivery: &Delivery,
    ) -> Result<(Judged, Option<Arc<Receiver>>)> {
        match self.judge_as(hook, delivery).await {
            // A key that the service has just been given may be younger than what is remembered of the hook.
            Err(error) if error.code() == Code::SignatureInvalid => match self.hooks.again(hook).await? {
                Some(fresh) if fresh.keys != hook.keys => {
                    let judged = Box::pin(self.judge_as(&fresh, delivery)).await?;
                    Ok((judged, Some(fresh)))
                }
                _ => Err(error),
            },
            judged => Ok((judged?, None)),
        }
    }

    /// Puts what a delivery tells of into the inbox, for all connections that it is for.
    async fn keep(&self, hook: &Arc<Receiver>, mut delivery: Delivery) -> Result<()> {
        delivery.url = without_token(delivery.url);
        let receivers = match &hook.connection {
            Some(_) => vec![hook.clone()],
            None => match hook.guard.routing_key(&delivery) {
                Some(key) => self.hooks.routed(hook, &key).await?,
                None => Vec::new(),
            },
        };
        let mut entries = Vec::new();
        for item in hook.guard.items(delivery) {
            // Nearly always there is one, which needs no copy.
            for (receiver, (identity, item)) in receivers.iter().zip(repeat_n(item, receivers.len())) {
                entries.extend(self.entry(receiver, hook, identity, item)?);
            }
        }
        let kept = !entries.is_empty();
        if !kept {
            self.count(hook, |counts| &counts.passed_over, "passed_over");
        }
        // For all connections and items or for none: the service is answered once, and comes again with all of them.
        for put in self.inbox.put_all(entries).await? {
            match put {
                Put::New(_) => self.count(hook, |counts| &counts.accepted, "accepted"),
                Put::Known => self.count(hook, |counts| &counts.repeated, "repeated"),
            }
        }
        tracing::debug!(target: "linchpin::ingress", hook = hook.id, kept, "a delivery was answered");
        Ok(())
    }

    fn count(&self, hook: &Receiver, of: fn(&Counts) -> &AtomicU64, outcome: &'static str) {
        of(&self.counts).fetch_add(1, Ordering::Relaxed);
        observe::delivery(&hook.connector, &hook.hook, outcome);
    }

    async fn judge_as(&self, hook: &Receiver, delivery: &Delivery) -> Result<Judged> {
        match hook.guard.is_by_code() {
            false => hook.guard.judge(&self.fetcher, delivery, &hook.keys, self.clock.now()).await,
            true => Box::pin(self.judge_by_code(hook, delivery)).await,
        }
    }

    async fn judge_by_code(&self, hook: &Receiver, delivery: &Delivery) -> Result<Judged> {
        if let Some(reply) = hook.guard.greeting(delivery, &hook.keys)? {
            return Ok(Judged::Handshake(reply));
        }
        self.hooks.trusted(hook, delivery).await?;
        hook.guard.accepted(delivery, &hook.keys)
    }

    /// The entry of the inbox that something delivered becomes for the connection of a hook; nothing when it is of no event there.
    fn entry(
        &self,
        receiver: &Receiver,
        hook: &Receiver,
        identity: String,
        delivery: Delivery,
    ) -> Result<Option<NewEntry>> {
        let events = webhook::events(&receiver.spec, &receiver.hook, &delivery, &receiver.options);
        let Some(connection) = receiver.connection.as_ref().filter(|_| !events.is_empty()) else {
            return Ok(None);
        };
        let lane = hook.guard.lane(&delivery).map(storable);
        let options = (!receiver.options.is_null()).then(|| receiver.options.to_string());
        let head = Head::Delivery(DeliveryHead {
            connector: receiver.connector.clone(),
            hook: receiver.hook.clone(),
            connection: connection.clone(),
            events: events.iter().map(|event| event.key.clone()).collect(),
            options,
            method: delivery.method.to_string(),
            url: delivery.url,
            headers: delivery.headers,
        });
        Ok(Some(NewEntry {
            source: receiver.id.clone(),
            identity: storable(identity),
            lane,
            head: head.into(),
            body: delivery.body,
            received: self.clock.now(),
        }))
    }
}

/// A text that every store can keep: PostgreSQL has no NUL in texts.
fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// The URL as it is kept: the token in it is as good as a password.
fn without_token(mut url: String) -> String {
    if let Some((base, rest)) = url.split_once("/in/") {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let start = base.len() + "/in/".len();
        url.replace_range(start..start + end, "***");
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_kept() {
        assert_eq!(
            without_token("https://h.example/x/in/s3cret?a=b".to_owned()),
            "https://h.example/x/in/***?a=b"
        );
        assert_eq!(without_token("https://h.example/in/s3cret".to_owned()), "https://h.example/in/***");
        assert_eq!(without_token("https://h.example/".to_owned()), "https://h.example/");
    }
}
