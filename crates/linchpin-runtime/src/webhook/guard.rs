//! The judgement of one hook's deliveries.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{self, CONTENT_TYPE},
};
use linchpin::{
    Actor, Code, DateTime, Delivery, Error, Result, Secret,
    manifest::spec::{DeliveryPlace, Hook, HookScope, Items, Proof as Declared, SignatureKey},
};
use ring::digest;
use serde_json::{Value, value::RawValue};
use subtle::ConstantTimeEq;
use url::Url;

use super::{
    LONGEST_VALUE,
    detached::Detached,
    fetcher::Fetcher,
    handshake::{self, Handshake},
    key::hex,
    place::{self, Place, every, header_value, raw_at},
    refusal,
    sns::Sns,
    token::Token,
};

/// The longest identity, lane or routing key that stays as it is, in bytes.
const LONGEST: usize = 128;

/// Headers that may prove who somebody is, whatever the spec says of them.
const CREDENTIALS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// What a delivery turned out to be.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a judgement is looked at where it is made, and not kept")]
pub enum Judged {
    /// A delivery that proves where it comes from.
    Delivery,
    /// A handshake, with its answer.
    Handshake(Reply),
}

/// What a service is answered.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// A URL to ask for by [`Fetcher::confirm`], by which the handshake is completed.
    pub confirm: Option<Url>,
}

/// Judges the deliveries of a hook by what its spec says. Made once for a hook.
///
/// ```
/// use linchpin::{DateTime, Delivery, Secret, manifest::spec};
/// use linchpin_runtime::{Runtime, webhook::{Fetcher, Guard, Judged}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let spec = spec::read_checked(r#"
/// [hook.repository]
/// signature = { scheme = "github" }
/// "#).expect("TOML");
/// let guard = Guard::new(&spec.hooks[0])?;
/// let (key, now) = (Secret::new("k3y"), DateTime::from_unix_millis(1_760_000_000_000).expect("a time"));
///
/// let fetcher = Fetcher::new(&Runtime::new());
/// let sent = guard.sign(&key, Delivery { body: "{}".into(), ..Delivery::default() }, "72d3162e", now)?;
/// assert_eq!(guard.identity(&sent), "72d3162e");
/// assert!(matches!(guard.judge(&fetcher, &sent, &[key.clone()], now).await?, Judged::Delivery));
///
/// let forged = Delivery { body: "{\"action\":\"opened\"}".into(), ..sent };
/// assert!(guard.judge(&fetcher, &forged, &[key], now).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Guard {
    hook: String,
    proof: Proof,
    /// Those that bear no signature, then those that do.
    handshakes: Vec<Handshake>,
    delivery_id: Vec<Place>,
    /// Whether what tells deliveries apart is signed with them.
    signed_id: bool,
    items: Option<Items>,
    order_by: Option<Place>,
    route: Vec<Place>,
    response: Reply,
    secrets: Vec<Place>,
}

/// How deliveries prove where they come from.
#[derive(Debug, Clone)]
enum Proof {
    /// Nothing says, so that none does.
    None,
    Detached(Box<Detached>),
    SharedSecret {
        place: Place,
        prefix: String,
    },
    Sns(Sns),
    Token(Token),
    Code,
}

impl Guard {
    /// Reads what the spec says of a hook.
    ///
    /// # Errors
    ///
    /// [`Code::ConnectionInvalid`] for a spec that its rules would have refused, [`Code::NotCarriedOut`] for a scheme that this version does
    /// not know.
    pub fn new(hook: &Hook) -> Result<Guard> {
        let signature = hook.signature.as_ref();
        let proof = match signature.map(|signature| (&signature.proof, &signature.key)) {
            None => Proof::None,
            Some((Declared::Detached(own), key)) => {
                let public = match key {
                    Some(SignatureKey::Public(key)) => Some(key.as_str()),
                    _ => None,
                };
                Proof::Detached(Box::new(Detached::new(own, public)?))
            }
            Some((Declared::SharedSecret(own), _)) => {
                Proof::SharedSecret { place: Place::of(&own.place)?, prefix: own.prefix.clone() }
            }
            Some((Declared::AwsSns(own), _)) => Proof::Sns(Sns::new(own)),
            Some((Declared::Jwt(own), _)) => Proof::Token(Token::new(own)?),
            Some((Declared::Code, _)) => Proof::Code,
            Some(_) => {
                let message = format!("this version of linchpin does not know the scheme of `{}`", hook.key);
                return Err(Error::coded(Code::NotCarriedOut, message));
            }
        };
        let mut handshakes = hook.handshakes.iter().map(Handshake::new).collect::<Result<Vec<_>>>()?;
        handshakes.sort_by_key(|handshake| handshake.signed);
        let mut secrets = hook.secret_places().iter().map(Place::of).collect::<Result<Vec<_>>>()?;
        secrets.extend(CREDENTIALS.map(Place::Header));
        let signed_id = match (signature.map(|signature| &signature.proof), &hook.delivery_id[..]) {
            (Some(Declared::Detached(own)), [DeliveryPlace::Header(name)]) => {
                own.headers.iter().any(|set| set.id.as_ref() == Some(name))
            }
            _ => false,
        };
        let place = |place: &Option<DeliveryPlace>| place.as_ref().map(Place::of).transpose();
        Ok(Guard {
            hook: hook.key.clone(),
            proof,
            handshakes,
            delivery_id: hook.delivery_id.iter().map(Place::of).collect::<Result<_>>()?,
            signed_id,
            items: hook.items.clone(),
            order_by: place(&hook.order_by)?,
            route: match &hook.scope {
                HookScope::App { route, .. } => route.iter().map(Place::of).collect::<Result<_>>()?,
                _ => Vec::new(),
            },
            response: response(&hook.response)?,
            secrets,
        })
    }

    /// Judges a delivery under the keys that are good now: whether it proves where it comes from, and whether it is a handshake.
    ///
    /// Nothing is waited for unless the scheme's keys are published and not yet known. A handshake that bears no signature is answered
    /// before any is looked for, and never taken for a delivery.
    ///
    /// # Errors
    ///
    /// [`Code::SignatureInvalid`] for a delivery that does not prove where it comes from: a header that is missing, empty, there more than
    /// once, malformed or wrong; a time that is too far away; no usable key; no scheme in the spec. [`Code::Unreachable`] and
    /// what else [`Fetcher`] gives when published keys cannot be had, so that the sender should try again. Of a hook with
    /// `scheme = "code"` nothing is taken: see [`accepted`](Guard::accepted).
    pub async fn judge(
        &self,
        fetcher: &Fetcher,
        delivery: &Delivery,
        keys: &[Secret],
        now: DateTime,
    ) -> Result<Judged> {
        if let Some(reply) = self.greeting(delivery, keys)? {
            return Ok(Judged::Handshake(reply));
        }
        // What is answered under a key is answered under the one that the request was signed with.
        let mut proven = keys;
        match &self.proof {
            Proof::None => {
                let message = format!("the spec does not say how deliveries of `{}` are trusted", self.hook);
                return Err(refusal(message).actor(Actor::Author));
            }
            Proof::Detached(own) => proven = own.verify(delivery, keys, now)?,
            Proof::SharedSecret { place, prefix } => verify_secret(place, prefix, delivery, keys)?,
            // What may fetch keys is large, and would make every delivery's future large.
            Proof::Sns(own) => Box::pin(own.verify(fetcher, delivery, now)).await?,
            Proof::Token(own) => Box::pin(own.verify(fetcher, delivery, now)).await?,
            Proof::Code => {
                let message = format!("only a flow of the connector trusts deliveries of `{}`", self.hook);
                return Err(refusal(message).actor(Actor::Author));
            }
        }
        self.accepted(delivery, proven)
    }

    /// Whether a `#[webhook(verify)]` flow decides which deliveries are trusted. Then [`greeting`](Guard::greeting) comes first, then the
    /// flow, then [`accepted`](Guard::accepted).
    pub fn is_by_code(&self) -> bool {
        matches!(self.proof, Proof::Code)
    }

    /// The answer to a handshake that bears no signature; nothing for every other request.
    ///
    /// # Errors
    ///
    /// [`Code::SignatureInvalid`] for a handshake whose token is wrong, or which wants given back what is not given back.
    pub fn greeting(&self, delivery: &Delivery, keys: &[Secret]) -> Result<Option<Reply>> {
        let mut unsigned = self.handshakes.iter().take_while(|handshake| !handshake.signed);
        unsigned.find_map(|handshake| handshake.answer(delivery, keys).transpose()).transpose()
    }

    /// What a request is that has proved where it comes from.
    ///
    /// # Errors
    ///
    /// As of [`greeting`](Guard::greeting).
    pub fn accepted(&self, delivery: &Delivery, keys: &[Secret]) -> Result<Judged> {
        let mut signed = self.handshakes.iter().filter(|handshake| handshake.signed);
        let reply = signed.find_map(|handshake| handshake.answer(delivery, keys).transpose()).transpose()?;
        Ok(reply.map_or(Judged::Delivery, Judged::Handshake))
    }

    /// What tells a delivery apart: its id where it has one, else the digest of its body, so that two deliveries of the same body are one. At
    /// most 128 bytes: a longer id is its digest. The parts of an id are joined by
    /// `/`, which within one is escaped as in a JSON pointer.
    pub fn identity(&self, delivery: &Delivery) -> String {
        // Of the body as it is kept: the digest, which is kept too, then says nothing of a secret that could be guessed, and what
        // comes again under the next key is still the same.
        self.id(delivery).unwrap_or_else(|| fingerprint(&self.scrub(delivery.clone()).body))
    }

    /// The id that a delivery has.
    fn id(&self, delivery: &Delivery) -> Option<String> {
        let signed = match &self.proof {
            Proof::Detached(own) if self.signed_id => own.set(delivery).and_then(|set| set.id.clone()),
            _ => None,
        };
        let id = match (signed.map(Place::Header), &self.delivery_id[..]) {
            (Some(place), _) => place.text(delivery),
            (None, [place]) => place.text(delivery),
            (None, places) => parts(places, delivery).map(Into::into),
        };
        id.filter(|id| !id.is_empty()).map(|id| bounded(&id))
    }

    /// What happened according to a delivery that has proved where it comes from, each as a delivery of its own with its identity: the
    /// items that the spec's `items` names, in their order, or the whole. Nothing where the spec names a list and there is none.
    ///
    /// What could prove another delivery is gone, and so is what the spec's `scrub` names: headers are taken out, and so are HTTP's
    /// own for credentials; a secret in the URL is `***`, and one in the body as many `*` as it has bytes. All else is as it came, byte
    /// for byte.
    pub fn items(&self, delivery: Delivery) -> Vec<(String, Delivery)> {
        let id = self.id(&delivery);
        let delivery = self.scrub(delivery);
        let identity = id.unwrap_or_else(|| fingerprint(&delivery.body));
        let Some(own) = &self.items else { return vec![(identity, delivery)] };
        let each = list_at(&delivery.body, &own.at).into_iter().enumerate();
        let each = each.map(|(index, item)| {
            // As it was written: numbers stay exact.
            let body = Bytes::copy_from_slice(item.get().as_bytes());
            let item = Delivery { body, ..delivery.clone() };
            let place = own.id.clone().map(Place::Body);
            let id = place.and_then(|place| place.text(&item).map(|id| bounded(&id)));
            let id =
                id.filter(|id| !id.is_empty()).unwrap_or_else(|| bounded(&format!("{identity}/{index}")));
            (id, item)
        });
        each.collect()
    }

    fn scrub(&self, mut delivery: Delivery) -> Delivery {
        self.secrets.iter().for_each(|place| place.scrub(&mut delivery));
        delivery
    }

    /// In which order deliveries are handed on: those of one value one after the other. Nothing where the spec does not say, or the delivery
    /// has no such value. At most 128 bytes.
    pub fn lane(&self, delivery: &Delivery) -> Option<String> {
        self.order_by.as_ref()?.text(delivery).map(|value| bounded(&value))
    }

    /// Whom a delivery to the one URL of an app is for: what the spec's `route` names, of several places with `/` between. Nothing where
    /// one of them has nothing, or it is longer than any account's id.
    pub fn routing_key(&self, delivery: &Delivery) -> Option<String> {
        let values: Option<Vec<_>> = self.route.iter().map(|place| place.text(delivery)).collect();
        let values = values.filter(|values| values.iter().all(|value| !value.is_empty()))?;
        let (_, first) = values.split_last()?;
        // Two addressees must never have one key.
        if first.iter().any(|value| value.contains('/')) {
            return None;
        }
        let key = values.join("/");
        (key.len() <= LONGEST_VALUE).then_some(key)
    }

    /// Says in a delivery whom it is for, where it says nothing of that: for samples and stand-ins, before it is signed.
    ///
    /// # Errors
    ///
    /// [`Code::InputInvalid`] when the body is none in which it could stand, or the key is none of the spec's `route`.
    pub fn address(&self, delivery: &mut Delivery, routing_key: &str) -> Result<()> {
        let values: Vec<&str> = routing_key.splitn(self.route.len().max(1), '/').collect();
        if values.len() != self.route.len() {
            let message = format!("`{}` has other places to say whom a delivery is for", self.hook);
            return Err(Error::coded(Code::InputInvalid, message));
        }
        self.route.iter().zip(values).try_for_each(|(place, value)| place.put(delivery, value))
    }

    /// What a delivery is answered with at once.
    pub fn response(&self) -> Reply {
        self.response.clone()
    }

    /// A delivery as the service would send it: with its id, and signed. For samples and stand-ins.
    ///
    /// The key is the one that signs: a private one where the spec's is public, in PEM where it is RSA's.
    ///
    /// # Errors
    ///
    /// [`Code::SignatureInvalid`] when the key cannot sign, [`Code::NotCarriedOut`] when only the connector's code knows how.
    pub fn sign(&self, key: &Secret, unsigned: Delivery, id: &str, at: DateTime) -> Result<Delivery> {
        let mut delivery = unsigned;
        for place in self.delivery_id.iter().filter(|_| !self.signed_id) {
            place.put(&mut delivery, id)?;
        }
        match &self.proof {
            Proof::Detached(own) => own.sign(key, &mut delivery, id, at)?,
            Proof::SharedSecret { place, prefix } => {
                place.put(&mut delivery, &format!("{prefix}{}", key.expose()))?;
            }
            Proof::Sns(own) => own.sign(key, &mut delivery, id, at)?,
            Proof::Token(own) => own.sign(key, &mut delivery, at)?,
            Proof::None | Proof::Code => {
                let message = format!("the spec does not say how deliveries of `{}` are signed", self.hook);
                return Err(Error::coded(Code::NotCarriedOut, message));
            }
        }
        Ok(delivery)
    }
}

/// The items of the list at a pointer, as they are written; none where there is no list.
fn list_at<'b>(body: &'b [u8], pointer: &str) -> Vec<&'b RawValue> {
    let body: Option<&RawValue> = serde_json::from_slice(body).ok();
    body.and_then(|body| raw_at(body, pointer))
        .and_then(|list| serde_json::from_str(list.get()).ok())
        .unwrap_or_default()
}

/// Whether a time is near.
pub(super) fn check_time(millis: i64, now: DateTime, tolerance: Duration) -> Result<()> {
    let apart = u128::from(now.unix_millis().abs_diff(millis));
    if apart <= tolerance.as_millis() {
        return Ok(());
    }
    let side = if millis < now.unix_millis() { "past" } else { "future" };
    Err(refusal(format!("the time of the signature lies too far in the {side}")).hint(
        "a delivery that is old was held up or is sent again; one of the future means that a clock is wrong",
    ))
}

/// Whether a text is one of the keys, in constant time whatever their lengths are. An empty key is none.
pub(super) fn is_one_of(text: &str, keys: &[Secret]) -> bool {
    let digest_of = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
    let given = digest_of(text);
    let keys = keys.iter().filter(|key| !key.expose().is_empty());
    keys.fold(false, |found, key| found | bool::from(given.as_ref().ct_eq(digest_of(key.expose()).as_ref())))
}

fn verify_secret(place: &Place, prefix: &str, delivery: &Delivery, keys: &[Secret]) -> Result<()> {
    let is_right = |text: &str| text.strip_prefix(prefix).is_some_and(|text| is_one_of(text, keys));
    let right = match place {
        Place::Body(pointer) => {
            let body: Option<Value> = serde_json::from_slice(&delivery.body).ok();
            let found = body.as_ref().and_then(|body| every(body, pointer)).unwrap_or_default();
            let right = |value: &&Value| value.as_str().is_some_and(is_right);
            !found.is_empty() && found.iter().all(right)
        }
        place => place.text(delivery).is_some_and(|text| is_right(&text)),
    };
    match right {
        true => Ok(()),
        false => Err(refusal("the delivery does not bear the hook's secret, exactly once at its place")),
    }
}

/// A text that is no longer than is stored; a longer one is its digest.
fn bounded(text: &str) -> String {
    match text.len() {
        0..=LONGEST => text.to_owned(),
        _ => fingerprint(text.as_bytes()),
    }
}

/// An id of several parts; nothing where the delivery lacks one.
fn parts(places: &[Place], delivery: &Delivery) -> Option<String> {
    let mut id = String::new();
    for place in places {
        let part = place.text(delivery).filter(|part| !part.is_empty())?;
        if !id.is_empty() {
            id.push('/');
        }
        id.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    Some(id)
}

fn fingerprint(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(digest::digest(&digest::SHA256, bytes).as_ref()))
}

fn response(own: &linchpin::manifest::spec::HookResponse) -> Result<Reply> {
    let mut reply = Reply { body: own.body.clone().into(), ..Reply::default() };
    reply.status = StatusCode::from_u16(own.status).unwrap_or(StatusCode::OK);
    for (name, value) in &own.headers {
        reply.headers.insert(place::header(name)?, header_value(value)?);
    }
    if !own.body.is_empty() && !reply.headers.contains_key(CONTENT_TYPE) {
        handshake::plain(&mut reply.headers, "text/plain; charset=utf-8");
    }
    Ok(reply)
}
