//! What a spec says, once it has been read: plain data, without places.
//!
//! Where a value stands in its file is asked of [`Source`](crate::Source) by the value's path, so that these types stay plain.

use std::time::Duration;

use super::{Event, Hook, SignatureEncoding};

/// One connector's spec: what is simply true of the service.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Spec {
    /// The connector's stable id: lower-case letters, digits and `_`, beginning with a letter.
    pub key: String,
    /// The display name.
    pub name: String,
    /// The connector's semantic version.
    pub version: String,
    /// One or two sentences for a catalogue.
    pub description: Option<String>,
    /// Where users read about the connector.
    pub documentation_url: Option<String>,
    /// Whom users write to.
    pub support_email: Option<String>,
    /// `#rgb` or `#rrggbb`.
    pub accent_colour: Option<String>,
    /// Path of the icon, relative to the spec.
    pub icon: Option<String>,
    /// How the service is spoken to.
    pub http: Http,
    /// Ways to authenticate, in the order of the file.
    pub auth: Vec<AuthMethod>,
    /// Values to copy elsewhere or for flows to use, in the order of the file.
    pub config: Vec<Config>,
    /// How deliveries arrive and are trusted, in the order of the file.
    pub hooks: Vec<Hook>,
    /// What can happen at the service, in the order of the file.
    pub events: Vec<Event>,
    /// What the spec says of monitors, in the order of the file.
    pub monitors: Vec<Monitor>,
}

/// `[http]`: how the service is spoken to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Http {
    /// The root of every relative path; may hold `{field}` templates.
    pub base_url: Template,
    /// Further hosts that get credentials; exact names, which may hold `{field}` templates.
    pub hosts: Vec<Template>,
    /// Headers of every request, as name and value.
    pub headers: Vec<(String, String)>,
    /// How long one request may take, from connecting to the last byte; 30 seconds by default.
    pub timeout: Duration,
    /// How lists are paged where a flow does not say otherwise.
    pub pagination: Option<Pagination>,
    /// What the service allows: each holds on its own.
    pub rate_limits: Vec<RateLimit>,
    /// Whether what was read before is asked for again only if it has changed.
    pub conditional: bool,
    /// The header in which the service takes an idempotency key.
    pub idempotency_header: Option<String>,
    /// Where the service's errors say what went wrong.
    pub error: ErrorShape,
    /// Ordered; the first that matches decides.
    pub outcomes: Vec<OutcomeRule>,
    /// What is read of a response at the most.
    pub limits: Limits,
    /// How often a request that may succeed later is sent again.
    pub retry: Retry,
}

/// `http.retry`: how often a request that may succeed later is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// How often a request is sent at the most, the first time included; 4 by default.
    pub attempts: u32,
    /// The most that is waited before the second time; it doubles each time. 500 ms by default.
    pub first: Duration,
    /// The most that is ever waited; a minute by default.
    pub longest: Duration,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { attempts: 4, first: Duration::from_millis(500), longest: Duration::from_secs(60) }
    }
}

/// `http.limits`: what is taken from the service at the most.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one response body; 32 MiB by default.
    pub body: u64,
    /// Bytes of one file that is streamed; 16 GiB by default.
    pub file: u64,
    /// Pages of one list; 10,000 by default.
    pub pages: u64,
}

/// A text with `{field}` places that the connection's fields fill.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// The text and the places, in order.
    pub parts: Vec<TemplatePart>,
}

/// One stretch of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePart {
    /// Text that stays as it is.
    Text(String),
    /// The key of a connection field.
    Field(String),
}

/// `http.pagination`: how a list goes on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pagination {
    /// Where the next page is told.
    pub style: PageStyle,
    /// JSON pointer to the items of a page; empty for a body that is the list itself.
    pub items: String,
    /// How a page size is asked for.
    pub page_size: Option<PageSize>,
}

/// `page_size`: how a page size is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageSize {
    /// What takes it.
    pub place: PagePlace,
    /// The size asked for where a flow does not say otherwise.
    pub value: u64,
    /// How many items the service gives at the most.
    pub max: Option<u64>,
}

/// What takes the place of the next page, or the page size, in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PagePlace {
    /// A query parameter.
    Query(String),
    /// JSON pointer into the request's JSON body.
    Body(String),
}

/// The ways in which services tell the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageStyle {
    /// RFC 8288: `Link: <url>; rel="next"`.
    LinkHeader,
    /// A token in the body, sent back; absent, null or empty at the end.
    Cursor {
        /// JSON pointer to the token.
        cursor: String,
        /// What takes it.
        place: PagePlace,
        /// JSON pointer to a flag that is false on the last page.
        has_more: Option<String>,
    },
    /// A token in a header, sent back; absent or empty at the end.
    CursorHeader {
        /// The response header with the token.
        header: String,
        /// What takes it.
        place: PagePlace,
        /// JSON pointer to a flag that is false on the last page.
        has_more: Option<String>,
    },
    /// A URL in the body; absent, null or empty at the end.
    NextUrl {
        /// JSON pointer to the URL.
        next: String,
    },
    /// The number of the page; a page without items is the end.
    PageNumber {
        /// What takes it.
        place: PagePlace,
        /// The number of the first page.
        first: u64,
        /// JSON pointer to a flag that is false on the last page.
        has_more: Option<String>,
        /// JSON pointer to how much there is.
        total: Option<PageTotal>,
    },
    /// How many items to skip; a page without items is the end.
    Offset {
        /// What takes it.
        place: PagePlace,
        /// JSON pointer to a flag that is false on the last page.
        has_more: Option<String>,
        /// JSON pointer to how many items there are.
        total: Option<String>,
    },
    /// What the last item of the page before is named by; a page without items is the end.
    Keyset {
        /// JSON pointer, from an item, to what it is named by.
        id: String,
        /// What takes it.
        place: PagePlace,
        /// JSON pointer to a flag that is false on the last page.
        has_more: Option<String>,
    },
    /// The `pageInfo` of a GraphQL connection, with `endCursor` and `hasNextPage`.
    GraphQl {
        /// The variable that takes the cursor.
        variable: String,
        /// JSON pointer to `pageInfo`; beside the items where it is not said.
        page_info: Option<String>,
    },
}

impl Pagination {
    /// How a list goes on whose items stand elsewhere than the spec says: GraphQL's `pageInfo` is looked for beside them, and is
    /// from here on a cursor like others.
    pub fn at(&self, items: Option<&str>) -> Pagination {
        let mut own = self.clone();
        if let Some(items) = items {
            own.items = items.to_owned();
        }
        if let PageStyle::GraphQl { variable, page_info } = own.style {
            let connection = own.items.rsplit_once('/').map_or("", |(connection, _)| connection);
            let page_info = page_info.unwrap_or_else(|| format!("{connection}/pageInfo"));
            own.style = PageStyle::Cursor {
                cursor: format!("{page_info}/endCursor"),
                place: PagePlace::Body(crate::source::join("/variables", &variable)),
                has_more: Some(format!("{page_info}/hasNextPage")),
            };
        }
        own
    }
}

impl PageStyle {
    /// What takes the place of the next page; none where the service gives a whole URL.
    pub fn place(&self) -> Option<&PagePlace> {
        match self {
            PageStyle::LinkHeader | PageStyle::NextUrl { .. } | PageStyle::GraphQl { .. } => None,
            PageStyle::Cursor { place, .. }
            | PageStyle::CursorHeader { place, .. }
            | PageStyle::PageNumber { place, .. }
            | PageStyle::Offset { place, .. }
            | PageStyle::Keyset { place, .. } => Some(place),
        }
    }

    /// JSON pointer to a flag that is false on the last page.
    pub fn has_more(&self) -> Option<&str> {
        match self {
            PageStyle::LinkHeader | PageStyle::NextUrl { .. } | PageStyle::GraphQl { .. } => None,
            PageStyle::Cursor { has_more, .. }
            | PageStyle::CursorHeader { has_more, .. }
            | PageStyle::PageNumber { has_more, .. }
            | PageStyle::Offset { has_more, .. }
            | PageStyle::Keyset { has_more, .. } => has_more.as_deref(),
        }
    }

    /// JSON pointer to the way to the next page, or to how long the list is.
    pub fn told(&self) -> Option<&str> {
        match self {
            PageStyle::Cursor { cursor: pointer, .. } | PageStyle::NextUrl { next: pointer } => Some(pointer),
            PageStyle::PageNumber { total, .. } => match total.as_ref()? {
                PageTotal::Items(pointer) | PageTotal::Pages(pointer) => Some(pointer),
            },
            PageStyle::Offset { total, .. } => total.as_deref(),
            _ => None,
        }
    }
}

/// Where a list that is paged by number says how long it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageTotal {
    /// JSON pointer to how many items there are.
    Items(String),
    /// JSON pointer to how many pages there are.
    Pages(String),
}

/// An entry of `http.rate_limit`: something that the service allows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RateLimit {
    /// How many requests in which time.
    pub budget: Option<(u64, Duration)>,
    /// How many requests may be under way at once.
    pub concurrency: Option<u32>,
    /// Who shares it.
    pub per: RateLimitScope,
    /// By the key of a flow, how many requests each of its requests counts as; one where nothing is said.
    pub costs: Vec<(String, u64)>,
    /// The response header with the requests left.
    pub remaining: Option<String>,
    /// The response header with the time at which the budget is full again.
    pub reset: Option<String>,
}

/// Who shares a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimitScope {
    /// Each connection has its own.
    Connection,
    /// All connections of the connector share one.
    Connector,
}

/// `http.error`: where the service's errors say what went wrong.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct ErrorShape {
    /// JSON pointers to the message; the first at which there is a text counts.
    pub message: Vec<String>,
    /// JSON pointers to the service's own code; the first at which there is a text counts.
    pub code: Vec<String>,
    /// The response header with the request's id.
    pub request_id: Option<String>,
}

/// `[[http.outcome]]`: what a response means.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OutcomeRule {
    /// All of these must hold; at least one is given.
    pub when: ResponseMatch,
    /// What follows.
    pub then: Outcome,
    /// As what a call fails by [`Outcome::Fail`]; by its status where nothing is said.
    pub code: Option<FailureCode>,
    /// A message in place of the service's own.
    pub message: Option<String>,
    /// JSON pointer to the message, which goes before `message`.
    pub message_at: Option<String>,
}

/// As what a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureCode {
    /// The service does not accept the credentials.
    Unauthorized,
    /// The credentials do not allow this.
    Forbidden,
    /// The thing asked for does not exist.
    NotFound,
    /// The service refuses the request.
    Rejected,
    /// The service is broken.
    ServiceFailed,
}

/// What a response must look like.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct ResponseMatch {
    /// Any of these status codes or classes; empty for all.
    pub status: Vec<StatusMatch>,
    /// What is true of response headers, by name without regard to case.
    pub headers: Vec<(String, Condition)>,
    /// What is true of values in the JSON body, by JSON pointer.
    pub body: Vec<(String, Condition)>,
    /// Text that the body contains.
    pub text: Option<String>,
}

/// A status code or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusMatch {
    /// Exactly this code.
    Code(u16),
    /// `"4xx"`: 4.
    Class(u8),
}

/// What is true of a header, or of a value in a body.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// It is one of these.
    Is(Vec<Literal>),
    /// It is there and not null, or it is not.
    Exists(bool),
    /// A regular expression finds something in its text.
    Regex(String),
}

/// A value that a JSON body is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// True or false.
    Bool(bool),
}

/// What a response means for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The call succeeded.
    Success,
    /// The call succeeded with nothing to show.
    Ignore,
    /// The call failed for good.
    Fail,
    /// The request is sent again where that is safe.
    Retry,
    /// The service wants fewer calls: the request is sent again once it allows it.
    RateLimited,
    /// The token is refreshed and the call tried once more.
    RefreshThenRetry,
    /// The thing asked for does not exist.
    NotFound,
    /// The credentials do not allow this.
    Forbidden,
}

/// `[auth.<key>]`: one way to authenticate.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AuthMethod {
    /// The method's key.
    pub key: String,
    /// The name that users choose by; the key in title case by default.
    pub name: String,
    /// How requests are authenticated.
    pub kind: AuthKind,
    /// What the user fills in, in the order of the file.
    pub fields: Vec<ConnectionField>,
    /// What the client shows of itself when TLS begins.
    pub client_certificate: Option<ClientCertificate>,
}

/// `client_certificate`: what the client shows of itself when TLS begins (RFC 8446 §4.4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientCertificate {
    /// The certificate in PEM, with those that it is issued by behind it.
    pub certificate: Template,
    /// Its private key in PEM.
    pub private_key: Template,
}

/// How requests are authenticated.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AuthKind {
    /// `kind = "none"`: requests go out as they are.
    None,
    /// `kind = "basic"`: RFC 7617. Templates default to `{username}` and `{password}`.
    Basic {
        /// The user name.
        username: Template,
        /// The password.
        password: Template,
    },
    /// `kind = "bearer"`: RFC 6750. The template defaults to `{token}`.
    Bearer {
        /// The token.
        token: Template,
    },
    /// `kind = "api_key"`: a key in a header, a query parameter or a cookie. The value defaults to `{api_key}`.
    ApiKey {
        /// Where the key goes.
        place: KeyPlace,
        /// What is sent there.
        value: Template,
    },
    /// `kind = "custom"`: any headers, query parameters and fields of bodies.
    Custom {
        /// Header names and values.
        headers: Vec<(String, Template)>,
        /// Query parameter names and values.
        query: Vec<(String, Template)>,
        /// Names and values of fields at the top of JSON and form bodies. A body that has one of them already is refused: of
        /// two values nobody could say which one the service takes.
        body: Vec<(String, Template)>,
    },
    /// `kind = "oauth2"`: RFC 6749.
    OAuth2(Box<OAuth2>),
    /// `kind = "jwt_bearer"`: RFC 7523 §2.1.
    JwtBearer(Box<JwtBearer>),
    /// `kind = "session"`: values that some requests bring.
    Session(Box<Session>),
    /// `kind = "signed"`: a signature over each request as it is sent.
    Signed(Box<Signed>),
}

impl AuthKind {
    /// The word that the spec uses for it.
    pub fn word(&self) -> &'static str {
        match self {
            AuthKind::None => "none",
            AuthKind::Basic { .. } => "basic",
            AuthKind::Bearer { .. } => "bearer",
            AuthKind::ApiKey { .. } => "api_key",
            AuthKind::Custom { .. } => "custom",
            AuthKind::OAuth2(_) => "oauth2",
            AuthKind::JwtBearer(_) => "jwt_bearer",
            AuthKind::Session(_) => "session",
            AuthKind::Signed(_) => "signed",
        }
    }
}

/// Where an API key goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// `header = "X-Api-Key"`.
    Header(String),
    /// `query = "key"`.
    Query(String),
    /// `cookie = "sid"`: RFC 6265.
    Cookie(String),
}

/// `kind = "oauth2"`: what the spec says of the service's authorization server.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OAuth2 {
    /// How tokens are got.
    pub grant: OAuth2Grant,
    /// Where users consent; needed for the authorization code grant.
    pub authorization_url: Option<Template>,
    /// Where a device asks for its code (RFC 8628 §3.1); needed for the device code grant.
    pub device_authorization_url: Option<Template>,
    /// Where tokens come from.
    pub token_url: Template,
    /// Where tokens are refreshed, if not at `token_url`.
    pub refresh_url: Option<Template>,
    /// RFC 7009.
    pub revocation_url: Option<Template>,
    /// What the authorization server calls itself, which it then must say in the callback (RFC 9207).
    pub issuer: Option<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// What stands between scopes; a blank by default (RFC 6749 §3.3).
    pub scope_separator: String,
    /// Whether PKCE with S256 is used (RFC 7636); it is by default.
    pub pkce: bool,
    /// Whose the client is.
    pub client: ClientOwner,
    /// How the client proves itself at the token endpoint.
    pub client_authentication: ClientAuthentication,
    /// Further parameters of the authorization request.
    pub authorize_params: Vec<(String, Template)>,
    /// Further parameters of every token request.
    pub token_params: Vec<(String, Template)>,
    /// Where the token response says what; by RFC 6749 §5.1 where nothing else is said.
    pub response: TokenResponse,
    /// How long tokens live where the response does not say.
    pub token_lifetime: Option<Duration>,
    /// After how long without use a grant lapses at the service.
    pub idle_lifetime: Option<Duration>,
    /// What failures of the token endpoint mean, ordered; the first that matches decides, before RFC 6749 §5.2 does.
    pub failures: Vec<TokenFailure>,
}

/// How OAuth 2.0 tokens are got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OAuth2Grant {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 8628.
    DeviceCode,
}

impl OAuth2Grant {
    /// The word that the spec uses for it.
    pub fn word(self) -> &'static str {
        match self {
            OAuth2Grant::AuthorizationCode => "authorization_code",
            OAuth2Grant::ClientCredentials => "client_credentials",
            OAuth2Grant::DeviceCode => "device_code",
        }
    }
}

/// Whose an OAuth client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOwner {
    /// Whoever runs the connector registered it once, for all connections.
    Developer,
    /// Each connection has its own, in the fields `client_id` and `client_secret`.
    Customer,
}

/// How an OAuth client proves itself at the token endpoint (RFC 6749 §2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_basic`: in the `Authorization` header.
    Basic,
    /// `client_secret_post`: in the body.
    Post,
    /// `private_key_jwt`: a signed assertion in the body (RFC 7523 §2.2).
    PrivateKeyJwt(Assertion),
    /// `none`: a public client has no secret.
    None,
}

/// How an assertion is signed (RFC 7523 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assertion {
    /// The algorithm.
    pub algorithm: JwtAlgorithm,
    /// The private key; none where it is the secret of the developer's client.
    pub key: Option<Template>,
    /// The id by which the service knows the key.
    pub key_id: Option<Template>,
    /// Whom it is meant for, where the claims do not say.
    pub audience: AssertionAudience,
    /// How long it is good; five minutes by default.
    pub lifetime: Duration,
}

/// Which endpoint of the authorization server an assertion names as its audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AssertionAudience {
    /// The token endpoint, also where another one is asked (RFC 7523 §3).
    #[default]
    TokenUrl,
    /// The one that is asked.
    Endpoint,
}

/// How a JSON web token is signed (RFC 7518 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwtAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// HMAC with SHA-256.
    Hs256,
}

impl JwtAlgorithm {
    /// The word that specs and tokens use for it.
    pub fn word(self) -> &'static str {
        match self {
            JwtAlgorithm::Rs256 => "RS256",
            JwtAlgorithm::Es256 => "ES256",
            JwtAlgorithm::Hs256 => "HS256",
        }
    }
}

/// `kind = "jwt_bearer"`: tokens in exchange for a signed assertion (RFC 7523 §2.1).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JwtBearer {
    /// Where tokens come from.
    pub token_url: Template,
    /// How the assertion is signed.
    pub assertion: Assertion,
    /// What it claims beside `iat` and `exp`; `aud` is the token URL where nothing else is said.
    pub claims: Vec<(String, Template)>,
    /// Whether each assertion has a `jti` of its own.
    pub jti: bool,
    /// Further parameters of every token request.
    pub token_params: Vec<(String, Template)>,
    /// Where the token response says what; by RFC 6749 §5.1 where nothing else is said.
    pub response: TokenResponse,
    /// How long tokens live where the response does not say.
    pub token_lifetime: Option<Duration>,
    /// What failures of the token endpoint mean, ordered; the first that matches decides, before RFC 6749 §5.2 does.
    pub failures: Vec<TokenFailure>,
}

/// Where a token response says what.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct TokenResponse {
    /// JSON pointer to the access token.
    pub access_token: Option<String>,
    /// JSON pointer to the refresh token.
    pub refresh_token: Option<String>,
    /// JSON pointer to the seconds that the access token lives.
    pub expires_in: Option<String>,
    /// JSON pointer to the scopes.
    pub scope: Option<String>,
    /// What the service calls the type of its bearer tokens; `bearer` by default (RFC 6749 §7.1).
    pub token_type: Option<String>,
    /// Further values to keep, by the name under which templates have them.
    pub values: Vec<(String, String)>,
}

/// `failures`: what an answer of the token endpoint means.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TokenFailure {
    /// What the answer must look like.
    pub when: ResponseMatch,
    /// What follows.
    pub then: TokenOutcome,
}

/// What a failed exchange of tokens means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenOutcome {
    /// The grant is dead: its owner must authorize anew.
    Dead,
    /// The service is in trouble: the exchange is tried again later.
    Retry,
    /// The connector or its client is wrong.
    Refused,
}

/// `kind = "session"`: values that some requests bring, and what further requests then carry.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Session {
    /// The requests, in order.
    pub steps: Vec<Step>,
    /// How long a session lasts where no answer says.
    pub lifetime: Option<Duration>,
    /// Where the answers say when it ends; the last that says counts.
    pub expires: Option<Expires>,
    /// Headers that requests then carry.
    pub headers: Vec<(String, Template)>,
    /// Query parameters that requests then carry.
    pub query: Vec<(String, Template)>,
    /// What failed steps mean, ordered; the first that matches decides, before the status does.
    pub failures: Vec<TokenFailure>,
}

impl Session {
    /// The names of the values that the steps before this one extract; of all steps for their number.
    pub fn extracted(&self, before: usize) -> impl Iterator<Item = &str> {
        self.steps.iter().take(before).flat_map(|step| &step.extract).map(|(name, _)| name.as_str())
    }
}

/// One request of a session's exchange. Its templates may name, beside the fields, what earlier steps extract.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// `POST`, `GET` or `PUT`.
    pub method: String,
    /// A path under the base URL, or a whole URL.
    pub url: Template,
    /// Headers and their values.
    pub headers: Vec<(String, Template)>,
    /// Query parameters and their values.
    pub query: Vec<(String, Template)>,
    /// The body.
    pub body: StepBody,
    /// What is taken out of the answer, by name.
    pub extract: Vec<(String, Extract)>,
}

/// The body of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepBody {
    /// None.
    Empty,
    /// JSON with texts at these pointers.
    Json(Vec<(String, Template)>),
    /// A form.
    Form(Vec<(String, Template)>),
}

/// Where in an answer a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extract {
    /// JSON pointer into the body.
    Body(String),
    /// A header.
    Header(String),
    /// A cookie that is set (RFC 6265).
    Cookie(String),
}

/// Where an answer says when a session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expires {
    /// JSON pointer into the body.
    pub body: String,
    /// What stands there.
    pub unit: ExpiresUnit,
}

/// How an answer says when a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiresUnit {
    /// So many seconds later.
    Seconds,
    /// So many milliseconds later.
    Milliseconds,
    /// At that time.
    At,
}

/// `kind = "signed"`: how requests are signed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Signed {
    /// How the signature is made, and where it goes.
    pub scheme: SigningScheme,
    /// Further headers that requests carry.
    pub headers: Vec<(String, Template)>,
    /// Further query parameters that requests carry.
    pub query: Vec<(String, Template)>,
}

/// How a request is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SigningScheme {
    /// `scheme = "aws-sigv4"`: AWS Signature Version 4.
    AwsSigV4 {
        /// The access key's id; `{access_key}` by default.
        access_key: Template,
        /// The secret access key; `{secret_key}` by default.
        secret_key: Template,
        /// The token of temporary credentials; not sent where its field is missing.
        session_token: Option<Template>,
        /// The region.
        region: Template,
        /// The service.
        service: Template,
    },
    /// `scheme = "hmac-header"`: an HMAC in a header (RFC 2104).
    HmacHeader(HmacHeader),
    /// `scheme = "custom:name"`: the signer that whoever runs the connector registers by that name.
    Custom(String),
}

impl SigningScheme {
    /// The word that the spec uses for it.
    pub fn word(&self) -> String {
        match self {
            SigningScheme::AwsSigV4 { .. } => "aws-sigv4".to_owned(),
            SigningScheme::HmacHeader(_) => "hmac-header".to_owned(),
            SigningScheme::Custom(name) => format!("custom:{name}"),
        }
    }
}

/// An HMAC in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HmacHeader {
    /// The key; `{signing_key}` by default.
    pub key: Template,
    /// The header that takes the signature.
    pub header: String,
    /// The algorithm.
    pub algorithm: HmacAlgorithm,
    /// How the signature's bytes are written.
    pub encoding: SignatureEncoding,
    /// What stands before the signature.
    pub prefix: Template,
    /// What is signed: of [`HmacHeader::PARTS`], fields and text.
    pub string: Template,
    /// The header that takes the timestamp.
    pub timestamp_header: Option<String>,
    /// Whether the timestamp counts milliseconds, and not seconds.
    pub timestamp_millis: bool,
}

impl HmacHeader {
    /// The places of the signed text that the request itself fills.
    pub const PARTS: [&'static str; 6] = ["method", "path", "query", "timestamp", "body", "body_sha256"];
}

/// The algorithm of an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HmacAlgorithm {
    /// HMAC-SHA256.
    Sha256,
    /// HMAC-SHA512.
    Sha512,
}

/// One field of the form in which a connection is made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ConnectionField {
    /// Its key, by which templates name it.
    pub key: String,
    /// What the form shows; the key in title case by default.
    pub label: String,
    /// A sentence under the field.
    pub help: Option<String>,
    /// An example shown in the empty field.
    pub placeholder: Option<String>,
    /// Never shown, logged or written to a manifest.
    pub secret: bool,
    /// Whether a connection may lack it; `false` by default.
    pub optional: bool,
    /// What a value may be.
    pub kind: ConnectionFieldKind,
    /// A regular expression that the whole value must match.
    pub pattern: Option<String>,
    /// The value where none is given.
    pub default: Option<String>,
}

/// What the value of a connection field may be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionFieldKind {
    /// `type = "text"`, the default.
    Text,
    /// `type = "host"`: a host name with an optional port; in a URL it may stand for several DNS labels.
    Host,
    /// `choices = [..]`: one of these.
    Choice(Vec<String>),
}

/// `[config.<key>]`: a value to copy elsewhere, or for flows to use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The value's key.
    pub key: String,
    /// What users see; the key in title case by default.
    pub label: String,
    /// Whether users see the value.
    pub visible: bool,
    /// Shown only when asked for, and never logged.
    pub secret: bool,
    /// Where it comes from.
    pub source: ConfigSource,
}

/// Where a configuration value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigSource {
    /// The spec, with the connection's fields.
    Value(Template),
    /// A helper that has none of the connection's credentials.
    Helper(String),
}

/// `[monitor.<flow>]`: what the spec says of a monitor, beside its attribute.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Monitor {
    /// The name of the `#[monitor]` function.
    pub key: String,
    /// How often the service is asked: from a second to 30 days.
    pub every: Option<Duration>,
    /// When the service is asked, as in crontab.
    pub cron: Option<String>,
    /// The time zone of `cron` and `active`, by its name in the IANA database; UTC by default.
    pub zone: Option<String>,
    /// By how much a look is put off at random.
    pub jitter: Option<Duration>,
    /// When the service is asked at all.
    pub active: Option<Active>,
    /// JSON pointers to what tells records apart.
    pub dedupe: Vec<String>,
    /// How far each look reaches back behind the cursor, for records that arrive late.
    pub overlap: Option<Duration>,
    /// How many records are known as handed on.
    pub ledger_ids: Option<u64>,
    /// For how long a record is known as handed on after it was last seen.
    pub ledger_time: Option<Duration>,
    /// What of the first look is handed on.
    pub first_run: FirstRun,
    /// How many pages a look takes.
    pub max_pages: u64,
    /// How large a cursor may become, in bytes of its JSON text.
    pub cursor_max: u64,
    /// How old a cursor may become.
    pub cursor_age: Option<Duration>,
}

impl Monitor {
    /// What holds of a monitor of which the spec says nothing.
    pub fn named(key: impl Into<String>) -> Monitor {
        Monitor {
            key: key.into(),
            every: None,
            cron: None,
            zone: None,
            jitter: None,
            active: None,
            dedupe: Vec::new(),
            overlap: None,
            ledger_ids: None,
            ledger_time: None,
            first_run: FirstRun::Now,
            max_pages: 20,
            cursor_max: 64 << 10,
            cursor_age: None,
        }
    }
}

/// `[monitor.<flow>] active`: when the service is asked at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Active {
    /// On which days, Monday being 0; on all where there are none.
    pub days: Vec<u8>,
    /// From when to when, as in `08:00-18:00`; see [`parse_hours`](super::unit::parse_hours).
    pub hours: Option<String>,
}

/// `[monitor.<flow>] first_run`: what of the first look is handed on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FirstRun {
    /// Nothing; only what comes later is news.
    #[default]
    Now,
    /// The last so many records.
    Last(u64),
    /// All since a time (RFC 3339), or since so long before the first look.
    Since(String),
}
