//! What a spec says of hooks: how deliveries arrive, are trusted, told apart and answered.

use std::time::Duration;

use super::{Literal, Template};

pub(super) mod decode;
mod preset;

/// `[hook.<key>]`: how deliveries arrive and are trusted.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Hook {
    /// The hook's key.
    pub key: String,
    /// How a delivery proves where it comes from. Without it no delivery passes; a spec with such a hook is refused.
    pub signature: Option<Signature>,
    /// What the service asks of whoever it delivers to, in order: those of the file, then those that the scheme implies. The first that
    /// fits answers.
    pub handshakes: Vec<Handshake>,
    /// What tells deliveries apart, where there are several all of it together; the header of a signature's `{id}` where the file does
    /// not say, and the digest of the body where there is none.
    pub delivery_id: Vec<DeliveryPlace>,
    /// Where a delivery holds several things that happened; one where the file does not say.
    pub items: Option<Items>,
    /// Deliveries of one value are handed on in the order in which they came.
    pub order_by: Option<DeliveryPlace>,
    /// What a delivery is answered with at once.
    pub response: HookResponse,
    /// Where secrets stand beside those that prove a delivery: see [`secret_places`](Hook::secret_places).
    pub scrub: Vec<DeliveryPlace>,
    /// Whose URL deliveries come to.
    pub scope: HookScope,
    /// Where the service makes the key of a registration itself: JSON pointer into what the registering flow gives.
    pub key_at: Option<String>,
    /// When the service stops delivering unless the registration is renewed; never where it does not say.
    pub expires: Option<Expiry>,
}

/// `items`: a list in the body of a delivery, each item of which is matched, filtered, kept and handed on by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Items {
    /// JSON pointer to the list.
    pub at: String,
    /// JSON pointer in an item to what tells it apart; the delivery and its place there where the file does not say.
    pub id: Option<String>,
}

/// `expires`: when a registration runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expiry {
    /// JSON pointer into what the registering flow gives.
    pub at: String,
    /// How the time is written there.
    pub unit: TimeUnit,
    /// How long before that the registration is renewed; a tenth of its life where it is not said.
    pub renew_before: Option<Duration>,
}

/// How a point in time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TimeUnit {
    /// `rfc3339`: a text.
    #[default]
    Rfc3339,
    /// `s`: seconds since 1970.
    Seconds,
    /// `ms`: milliseconds since 1970.
    Milliseconds,
}

impl TimeUnit {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            TimeUnit::Rfc3339 => "rfc3339",
            TimeUnit::Seconds => "s",
            TimeUnit::Milliseconds => "ms",
        }
    }
}

/// Whose URL deliveries come to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HookScope {
    /// `scope = "registration"`, the default: each registration has a URL of its own.
    Registration,
    /// `scope = "app"`: one URL of the whole connector, whose deliveries go to the connections that they are for.
    App {
        /// What a delivery says of whom it is for: of several places the values together, with `/` between.
        route: Vec<DeliveryPlace>,
        /// What a connection says of itself: of its fields, and `{account}`, the id that its `#[authping]` gave.
        connection: Template,
    },
}

/// Where in a delivery a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryPlace {
    /// A header, by its name.
    Header(String),
    /// A query parameter of the URL, by its name.
    Query(String),
    /// JSON pointer into the body (RFC 6901).
    Body(String),
}

/// `response`: what a delivery is answered with, before anything is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookResponse {
    /// The status; 200 by default, which every service takes for "received".
    pub status: u16,
    /// Headers and their values.
    pub headers: Vec<(String, String)>,
    /// The body; empty by default.
    pub body: String,
}

impl Default for HookResponse {
    fn default() -> HookResponse {
        HookResponse { status: 200, headers: Vec::new(), body: String::new() }
    }
}

/// How a delivery proves where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signature {
    /// The word of the spec, as in `hmac-sha256` or `slack`.
    pub scheme: String,
    /// How it is proved.
    pub proof: Proof,
    /// Where the key comes from; none where the proof needs none.
    pub key: Option<SignatureKey>,
}

/// The ways in which deliveries prove where they come from. Schemes that are named for a service are one of these, filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// A signature in a header: HMAC (RFC 2104) or Ed25519 (RFC 8032).
    Detached(Box<Detached>),
    /// `shared-secret`: a value that only the service was told.
    SharedSecret(SharedSecret),
    /// `aws-sns`: an RSA signature in the message, by a certificate that the message names.
    AwsSns(AwsSns),
    /// `jwt`: a JSON web token (RFC 7519), by a key of a key set (RFC 7517).
    Jwt(Box<DeliveryToken>),
    /// `code`: a `#[webhook(verify)]` function of the connector decides.
    Code,
}

/// Where the key of a signature comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureKey {
    /// `registration`: made anew for each registration and given to the registering flow.
    Registration,
    /// `{field}`: a field of the connection.
    Field(String),
    /// `app`: of whoever runs the connector, who has it from the service for the whole app.
    App,
    /// A public key that stands in the spec.
    Public(String),
}

/// A signature in a header, over a text made of the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Detached {
    /// The algorithm.
    pub algorithm: SignatureAlgorithm,
    /// Where the signature and what belongs to it stand; the first set counts whose signature is there.
    pub headers: Vec<SignatureHeaders>,
    /// How the header is laid out.
    pub layout: SignatureLayout,
    /// What stands before the signature.
    pub prefix: String,
    /// How its bytes are written.
    pub encoding: SignatureEncoding,
    /// What of a key's text is the key.
    pub key_format: KeyFormat,
    /// What is signed, in order.
    pub signed: Vec<SignedPart>,
    /// Whether the timestamp counts milliseconds since 1970, and not seconds.
    pub timestamp_millis: bool,
    /// How far the timestamp may be from now, past or future; five minutes by default.
    pub tolerance: Duration,
    /// The query parameter with the SHA-256 of the body in hexadecimal, by which a signed URL stands for the body too. Where it is there,
    /// form parameters are not signed.
    pub body_digest: Option<String>,
    /// Whether the signed URL may also have the port of its scheme written out, or left out.
    pub any_port: bool,
}

/// The algorithm of a signature in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// HMAC-SHA-1 (RFC 2104): still good for authenticating messages (RFC 6151 §2.2 says so even of MD5), and what some services have.
    HmacSha1,
    /// HMAC-SHA-256.
    HmacSha256,
    /// HMAC-SHA-512.
    HmacSha512,
    /// Ed25519 (RFC 8032).
    Ed25519,
}

/// The headers of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignatureHeaders {
    /// The header with the signature.
    pub signature: String,
    /// The header with the delivery's id, where that is signed.
    pub id: Option<String>,
    /// The header with the time of signing, where that is signed.
    pub timestamp: Option<String>,
}

/// How the header of a signature is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureLayout {
    /// One signature.
    One,
    /// Several between blanks, of which those with the prefix count and one must be right.
    Several,
    /// Elements `k=v` between commas, of which those of one name are signatures, and one of them must be right.
    Elements {
        /// The name of signatures.
        signature: String,
        /// The name of the timestamp.
        timestamp: Option<String>,
    },
}

/// How a signature's bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureEncoding {
    /// Lower- or upper-case hexadecimal.
    Hex,
    /// Standard base64 with padding (RFC 4648 §4).
    Base64,
}

/// What of a key's text is the key of an HMAC.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFormat {
    /// All of it, as it is.
    Text,
    /// What it means in base64, behind a prefix that may be there.
    Base64 {
        /// The prefix, as in `whsec_`.
        prefix: String,
    },
}

/// A stretch of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignedPart {
    /// Text that stays as it is.
    Text(String),
    /// `{id}`: the delivery's id, as its header has it.
    Id,
    /// `{timestamp}`: the time of signing, as the delivery has it.
    Timestamp,
    /// `{url}`: the whole URL with its query, as the service was given it.
    Url,
    /// `{params}`: the parameters of a form body, sorted by name, each name followed by its value.
    Params,
    /// `{body}`: the raw body.
    Body,
}

/// `shared-secret`: a value that only the service was told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedSecret {
    /// Where it stands. A step `*` of a JSON pointer stands for every item of a list: each must have the secret, and one must be
    /// there.
    pub place: DeliveryPlace,
    /// What stands before it, as in `Bearer `.
    pub prefix: String,
}

/// `aws-sns`: messages of Amazon SNS, signed by the key of a certificate that they name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AwsSns {
    /// The topics whose messages are taken, by ARN; empty for all.
    pub topics: Vec<String>,
    /// Whether signatures of version 1, over SHA-1, are taken.
    pub sha1: bool,
    /// How far the timestamp may be from now, past or future; an hour by default, since a message that is sent again keeps it.
    pub tolerance: Duration,
}

/// `jwt`: a JSON web token that comes with the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryToken {
    /// The header with the token, which may stand behind `Bearer `.
    pub header: String,
    /// Where the service publishes its keys.
    pub jwks_url: String,
    /// Who must have issued it (`iss`).
    pub issuer: String,
    /// Whom it must be meant for (`aud`).
    pub audience: String,
    /// The algorithms that are taken.
    pub algorithms: Vec<TokenAlgorithm>,
    /// The claim with the SHA-256 of the body, in hexadecimal: a token alone says nothing of the body.
    pub body_digest: Option<String>,
    /// How far clocks may be apart; a minute by default.
    pub tolerance: Duration,
}

/// How a token that comes with a delivery is signed (RFC 7518 §3.1, RFC 8037 §3.1): never by a shared key, never by none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl TokenAlgorithm {
    /// The word that specs and tokens use for it.
    pub fn word(self) -> &'static str {
        match self {
            TokenAlgorithm::Rs256 => "RS256",
            TokenAlgorithm::Rs384 => "RS384",
            TokenAlgorithm::Rs512 => "RS512",
            TokenAlgorithm::Es256 => "ES256",
            TokenAlgorithm::Es384 => "ES384",
            TokenAlgorithm::EdDsa => "EdDSA",
        }
    }
}

/// `[[hook.<key>.handshake]]`: a request by which a service makes sure of whoever it delivers to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Handshake {
    /// The method; any where nothing is said.
    pub method: Option<String>,
    /// What the request must look like beside that.
    pub when: DeliveryMatch,
    /// The value that the answer gives back. A request without it is no such handshake.
    pub take: Option<DeliveryPlace>,
    /// Where the key stands, by which the service shows that it is the one.
    pub token: Option<DeliveryPlace>,
    /// Whether the request bears the hook's signature.
    pub signed: bool,
    /// What is answered.
    pub reply: HandshakeReply,
    /// How `{hmac}` is made.
    pub hmac: ReplyHmac,
    /// A URL that is asked for to confirm.
    pub confirm: Option<Confirm>,
}

/// What a handshake is answered with. Texts may hold `{value}`, what was taken, and `{hmac}`, its HMAC.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeReply {
    /// Nothing but the status 200.
    Empty,
    /// Plain text.
    Text(Template),
    /// A JSON object of texts.
    Json(Vec<(String, Template)>),
    /// The value in a header, and nothing else.
    Header(String),
}

/// How the HMAC of a handshake is made: over the value, under the hook's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplyHmac {
    /// The algorithm; HMAC-SHA-256 by default.
    pub algorithm: SignatureAlgorithm,
    /// How its bytes are written; hexadecimal by default.
    pub encoding: SignatureEncoding,
}

/// A URL that a handshake asks to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Confirm {
    /// JSON pointer to the URL.
    pub url: String,
    /// The hosts that it may have; a label `*` stands for any one label.
    pub hosts: Vec<String>,
}

/// `[event.<key>]`: something that happens at the service.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The event's key.
    pub key: String,
    /// The name that users see.
    pub name: String,
    /// One sentence.
    pub description: Option<String>,
    /// The hook that delivers it; without one a monitor finds it.
    pub hook: Option<String>,
    /// Which deliveries of the hook are this event.
    pub matching: DeliveryMatch,
    /// Which of these a registration wants: the value at each place is the option of this name, where that is set.
    pub filter: Vec<(DeliveryPlace, String)>,
    /// Whether a delivery says only that there is news, which the event's monitor then looks for at once.
    pub wakes: bool,
}

/// Which deliveries of a hook are an event: all of these must hold.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct DeliveryMatch {
    /// Request headers by name.
    pub headers: Vec<(String, String)>,
    /// Query parameters of the URL by name.
    pub query: Vec<(String, String)>,
    /// Values in the JSON body by JSON pointer.
    pub body: Vec<(String, Literal)>,
}

impl DeliveryMatch {
    /// Whether every delivery matches.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.query.is_empty() && self.body.is_empty()
    }

    /// Where it looks.
    pub fn places(&self) -> impl Iterator<Item = DeliveryPlace> {
        let headers = self.headers.iter().map(|(name, _)| DeliveryPlace::Header(name.clone()));
        let query = self.query.iter().map(|(name, _)| DeliveryPlace::Query(name.clone()));
        let body = self.body.iter().map(|(pointer, _)| DeliveryPlace::Body(pointer.clone()));
        headers.chain(query).chain(body)
    }
}

impl Hook {
    /// Whether deliveries come to one URL of the whole connector.
    pub fn is_app(&self) -> bool {
        matches!(self.scope, HookScope::App { .. })
    }

    /// Where in a delivery stands what proves it, or a handshake, and what `scrub` names. It is blanked once the delivery is trusted,
    /// so that who reads what is kept cannot forge another.
    pub fn secret_places(&self) -> Vec<DeliveryPlace> {
        let header = |name: &String| DeliveryPlace::Header(name.clone());
        let mut places = match self.signature.as_ref().map(|signature| &signature.proof) {
            Some(Proof::Detached(own)) => own.headers.iter().map(|set| header(&set.signature)).collect(),
            Some(Proof::SharedSecret(own)) => vec![own.place.clone()],
            Some(Proof::Jwt(own)) => vec![header(&own.header)],
            Some(Proof::AwsSns(_) | Proof::Code) | None => Vec::new(),
        };
        places.extend(self.handshakes.iter().filter_map(|handshake| handshake.token.clone()));
        places.extend(self.scrub.iter().cloned());
        places
    }
}

impl DeliveryPlace {
    /// Whether what stands at `other` is part of what stands here; a step `*` of either stands for any.
    pub fn holds(&self, other: &DeliveryPlace) -> bool {
        match (self, other) {
            (DeliveryPlace::Header(own), DeliveryPlace::Header(other)) => own.eq_ignore_ascii_case(other),
            (DeliveryPlace::Query(own), DeliveryPlace::Query(other)) => own == other,
            (DeliveryPlace::Body(own), DeliveryPlace::Body(other)) => {
                let mut steps = other.split('/');
                own.split('/')
                    .all(|own| steps.next().is_some_and(|step| own == step || own == "*" || step == "*"))
            }
            _ => false,
        }
    }
}

impl Signature {
    /// What it is, where it is a signature in a header.
    pub fn detached(&self) -> Option<&Detached> {
        match &self.proof {
            Proof::Detached(detached) => Some(detached),
            _ => None,
        }
    }
}
