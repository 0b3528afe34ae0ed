//! What may stand where in a spec: one table, from which specs are checked and the published schema is written.

use super::format::Format;
use super::hook::SignedPart;
use crate::rules;

/// A table with known keys.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) keys: &'static [Key],
}

/// A known key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) shape: Shape,
    /// For editors: what it says, as a sentence.
    pub(crate) doc: &'static str,
}

/// A word out of a few, with what it means.
pub(crate) type Word = (&'static str, &'static str);

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Shape {
    Text(Format),
    Word(&'static [Word]),
    Integer {
        least: i64,
        most: i64,
    },
    Bool,
    /// What a JSON body is compared with.
    Literal,
    /// A status code or a class of them.
    Status,
    List(&'static Shape),
    /// One value, or a list of them.
    OneOrList(&'static Shape),
    /// A plain value, or a table in its place.
    OrTable(&'static Shape, &'static Table),
    /// A table whose keys the author chooses.
    Map {
        keys: Format,
        values: &'static Shape,
    },
    Table(&'static Table),
    /// A table in which the value of one key decides what else may stand there.
    Tagged(&'static Tagged),
}

/// A table in which the value of one key decides what else may stand there.
#[derive(Debug)]
pub(crate) struct Tagged {
    pub(crate) tag: &'static str,
    #[cfg_attr(not(feature = "model"), expect(dead_code, reason = "only the published schema shows it"))]
    pub(crate) doc: &'static str,
    pub(crate) common: &'static [Key],
    pub(crate) variants: &'static [Variant],
}

/// One way to fill a [`Tagged`] table.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) word: &'static str,
    #[cfg_attr(not(feature = "model"), expect(dead_code, reason = "only the published schema shows it"))]
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Key],
}

const fn must(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, required: true, shape, doc }
}

const fn may(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, required: false, shape, doc }
}

/// The version of specs that this build reads.
pub(crate) const SCHEMA: i64 = 1;

const TEXT: Shape = Shape::Text(Format::Text);
const POINTER: Shape = Shape::Text(Format::Pointer);
const HEADER: Shape = Shape::Text(Format::HeaderName);
const TEMPLATE: Shape = Shape::Text(Format::Template);
const URL: Shape = Shape::Text(Format::UrlTemplate);

pub(crate) static ROOT: Table = Table {
    keys: &[
        must("schema", Shape::Integer { least: SCHEMA, most: SCHEMA }, "The version of the spec format: 1."),
        must("key", Shape::Text(Format::ConnectorKey), "The connector's stable id, which never changes."),
        must("name", TEXT, "The name that users see."),
        must("version", Shape::Text(Format::Version), "The connector's semantic version."),
        may("description", TEXT, "One or two sentences for a catalogue."),
        may("documentation_url", Shape::Text(Format::Url), "Where users read about the connector."),
        may("support_email", Shape::Text(Format::Email), "Whom users write to."),
        may("accent_colour", Shape::Text(Format::Colour), "`#rgb` or `#rrggbb`."),
        may("icon", Shape::Text(Format::Icon), "Path of an `.svg` or `.png` file, relative to the spec."),
        must("http", Shape::Table(&HTTP), "How the service is spoken to."),
        may(
            "auth",
            Shape::Map { keys: Format::Key, values: &Shape::Tagged(&AUTH) },
            "Ways to authenticate, by key.",
        ),
        may(
            "config",
            Shape::Map { keys: Format::Key, values: &Shape::Table(&CONFIG) },
            "Values that whoever sets the connector up needs elsewhere, or that flows use, by key.",
        ),
        may(
            "hook",
            Shape::Map { keys: Format::Key, values: &Shape::Table(&HOOK) },
            "How deliveries arrive and are trusted, by key.",
        ),
        may(
            "event",
            Shape::Map { keys: Format::Key, values: &Shape::Table(&EVENT) },
            "What can happen at the service, by key.",
        ),
        may(
            "monitor",
            Shape::Map { keys: Format::Key, values: &Shape::Table(&MONITOR) },
            "Schedules, by the name of the `#[monitor]` function.",
        ),
    ],
};

static HTTP: Table = Table {
    keys: &[
        must(
            "base_url",
            Shape::Text(Format::BaseUrl),
            "The root of every relative path; may hold `{field}` templates.",
        ),
        may(
            "hosts",
            Shape::List(&Shape::Text(Format::Host)),
            "Further hosts that get credentials; exact names, which may hold `{field}` templates.",
        ),
        may(
            "headers",
            Shape::Map { keys: Format::HeaderName, values: &Shape::Text(Format::HeaderValue) },
            "Headers of every request.",
        ),
        may(
            "timeout",
            Shape::Text(Format::Duration(1)),
            "How long one request may take, from connecting to the last byte; 30s by default.",
        ),
        may("pagination", Shape::Tagged(&PAGINATION), "How lists go on where a flow does not say otherwise."),
        may(
            "rate_limit",
            Shape::OneOrList(&Shape::Table(&RATE_LIMIT)),
            "What the service allows; of several entries each holds.",
        ),
        may(
            "conditional",
            Shape::Bool,
            "Whether what was read before is asked for again only if it has changed: `If-None-Match` with the `ETag` of the answer that came before (RFC 9110 §13.1.2). A connection keeps up to 8 MiB of answers in memory. `false` by default.",
        ),
        may("retry", Shape::Table(&RETRY), "How often a request that may succeed later is sent again."),
        may("idempotency", Shape::Table(&IDEMPOTENCY), "How the service takes idempotency keys."),
        may("error", Shape::Table(&ERROR), "Where the service's errors say what went wrong."),
        may(
            "outcome",
            Shape::List(&Shape::Table(&OUTCOME)),
            "What a response means; ordered, the first that matches decides.",
        ),
        may("limits", Shape::Table(&LIMITS), "What is taken from the service at the most."),
    ],
};

const NEXT_QUERY: Key = may("query", TEXT, "The query parameter that takes it.");
const NEXT_BODY: Key = may(
    "body",
    POINTER,
    "JSON pointer to what takes it in the request's JSON body, in place of a query parameter.",
);
const HAS_MORE: Key = may("has_more", POINTER, "JSON pointer to a flag that is false on the last page.");
const TOTAL: Key =
    may("total", POINTER, "JSON pointer to how many items there are, which spares the last request.");

static PAGINATION: Tagged = Tagged {
    tag: "style",
    doc: "Where the next page is told.",
    common: &[
        may(
            "items",
            POINTER,
            "JSON pointer to the items of a page; empty for a body that is the list itself.",
        ),
        may("page_size", Shape::Table(&PAGE_SIZE), "How a page size is asked for."),
    ],
    variants: &[
        Variant { word: "link-header", doc: "In a `Link` header with `rel=\"next\"` (RFC 8288).", keys: &[] },
        Variant {
            word: "cursor",
            doc: "By a token in the body, sent back with the next request.",
            keys: &[
                must("cursor", POINTER, "JSON pointer to the token; absent, null or empty at the end."),
                NEXT_QUERY,
                NEXT_BODY,
                HAS_MORE,
            ],
        },
        Variant {
            word: "cursor-header",
            doc: "By a token in a response header, sent back with the next request.",
            keys: &[
                must("header", HEADER, "The response header with the token; absent or empty at the end."),
                NEXT_QUERY,
                NEXT_BODY,
                HAS_MORE,
            ],
        },
        Variant {
            word: "next-url",
            doc: "By a URL in the body, of the same origin.",
            keys: &[must("next", POINTER, "JSON pointer to the URL; absent, null or empty at the end.")],
        },
        Variant {
            word: "page-number",
            doc: "By counting pages, up to one without items.",
            keys: &[
                NEXT_QUERY,
                NEXT_BODY,
                may(
                    "first",
                    Shape::Integer { least: 0, most: 1 },
                    "The number of the first page; 1 by default.",
                ),
                HAS_MORE,
                TOTAL,
                may(
                    "total_pages",
                    POINTER,
                    "JSON pointer to how many pages there are, which spares the last request; in place of `total`.",
                ),
            ],
        },
        Variant {
            word: "offset",
            doc: "By counting items, up to a page without any.",
            keys: &[NEXT_QUERY, NEXT_BODY, HAS_MORE, TOTAL],
        },
        Variant {
            word: "keyset",
            doc: "By the last item of the page before, up to a page without any.",
            keys: &[
                must("id", POINTER, "JSON pointer, from an item, to what the next request names it by."),
                NEXT_QUERY,
                NEXT_BODY,
                HAS_MORE,
            ],
        },
        Variant {
            word: "graphql",
            doc: "By the `pageInfo` of a GraphQL connection, sent back as a variable of the query.",
            keys: &[
                may("variable", TEXT, "The variable that takes the cursor; `after` by default."),
                may("page_info", POINTER, "JSON pointer to `pageInfo`; beside the items by default."),
            ],
        },
    ],
};

static PAGE_SIZE: Table = Table {
    keys: &[
        NEXT_QUERY,
        NEXT_BODY,
        must("value", Shape::Integer { least: 1, most: 1_000_000 }, "How many items are asked for."),
        may(
            "max",
            Shape::Integer { least: 1, most: 1_000_000 },
            "How many the service gives at the most; a flow that asks for more gets so many.",
        ),
    ],
};

static RATE_LIMIT: Table = Table {
    keys: &[
        may("budget", Shape::Text(Format::Budget), "How many requests in which time, as in `5000/1h`."),
        may(
            "concurrency",
            Shape::Integer { least: 1, most: 10_000 },
            "How many requests may be under way at once.",
        ),
        may(
            "per",
            Shape::Word(&[
                ("connection", "Each connection has a budget of its own."),
                ("connector", "All connections of the connector share one budget."),
            ]),
            "Who shares it; `connection` by default.",
        ),
        may(
            "costs",
            Shape::Map { keys: Format::Key, values: &Shape::Integer { least: 1, most: 1_000_000 } },
            "By the key of a flow, how many requests each of its requests counts as; 1 where nothing is said.",
        ),
        may("remaining", HEADER, "The response header with the requests left."),
        may("reset", HEADER, "The response header with the time at which the budget is full again."),
    ],
};

static RETRY: Table = Table {
    keys: &[
        may(
            "attempts",
            Shape::Integer { least: 1, most: 10 },
            "How often a request is sent at the most, the first time included; 4 by default, 1 for never again.",
        ),
        may(
            "first",
            Shape::Text(Format::Duration(1)),
            "The most that is waited before the second time; it doubles each time. 500ms by default.",
        ),
        may(
            "longest",
            Shape::Text(Format::Duration(1)),
            "The most that is ever waited; where the service asks for more the call fails at once. 1m by default.",
        ),
    ],
};

static IDEMPOTENCY: Table =
    Table { keys: &[must("header", HEADER, "The request header that takes an idempotency key.")] };

static ERROR: Table = Table {
    keys: &[
        may(
            "message",
            Shape::OneOrList(&POINTER),
            "JSON pointer to the message, or several: the first at which there is a text counts.",
        ),
        may(
            "code",
            Shape::OneOrList(&POINTER),
            "JSON pointer to the service's own code, or several: the first at which there is a text counts.",
        ),
        may("request_id", HEADER, "The response header with the request's id."),
    ],
};

static LIMITS: Table = Table {
    keys: &[
        may("body", Shape::Text(Format::Size), "Bytes of one response body; 32MiB by default."),
        may("file", Shape::Text(Format::Size), "Bytes of one file that is streamed; 16GiB by default."),
        may("pages", Shape::Integer { least: 1, most: i64::MAX }, "Pages of one list; 10000 by default."),
    ],
};

static OUTCOME: Table = Table {
    keys: &[
        must("when", Shape::Table(&WHEN), "What the response must look like; all of it must hold."),
        must(
            "then",
            Shape::Word(&[
                ("success", "The call succeeded."),
                ("ignore", "The call succeeded with nothing to show."),
                ("fail", "The call failed for good."),
                ("retry", "The request is sent again where that is safe."),
                (
                    "rate_limited",
                    "The service wants fewer calls: the request is sent again once it allows it.",
                ),
                ("refresh_then_retry", "The token is refreshed and the call tried once more."),
                ("not_found", "The thing asked for does not exist."),
                ("forbidden", "The credentials do not allow this."),
            ]),
            "What follows.",
        ),
        may(
            "code",
            Shape::Word(&[
                ("unauthorized", "The service does not accept the credentials."),
                ("forbidden", "The credentials do not allow this."),
                ("not_found", "The thing asked for does not exist."),
                ("rejected", "The service refuses the request."),
                ("service_failed", "The service is broken."),
            ]),
            "As what a call fails by `then = \"fail\"`; by its status where nothing is said.",
        ),
        may("message", TEXT, "A message in place of the service's own."),
        may("message_at", POINTER, "JSON pointer to the message; `message` counts where there is none."),
    ],
};

static WHEN: Table = Table {
    keys: &[
        may(
            "status",
            Shape::OneOrList(&Shape::Status),
            "Any of these codes or classes, as in 403 or \"4xx\".",
        ),
        may(
            "header",
            Shape::Map {
                keys: Format::HeaderName,
                values: &Shape::OrTable(&Shape::Text(Format::Any), &CONDITION),
            },
            "Response headers and their values, or what is to be true of them.",
        ),
        may(
            "body",
            Shape::Map {
                keys: Format::Pointer,
                values: &Shape::OrTable(&Shape::OneOrList(&Shape::Literal), &CONDITION),
            },
            "Values in the JSON body, by JSON pointer, of a list any; or what is to be true of them.",
        ),
        may("text", TEXT, "Text that the body contains."),
    ],
};

static CONDITION: Table = Table {
    keys: &[
        may("exists", Shape::Bool, "Whether it is there, and not null."),
        may("regex", TEXT, "A regular expression that finds something in its text."),
    ],
};

const BODY: Shape = Shape::Map { keys: Format::Pointer, values: &Shape::Literal };

static AUTH: Tagged = Tagged {
    tag: "kind",
    doc: "How requests are authenticated.",
    common: &[
        may("name", TEXT, "The name that users choose by; the key in title case by default."),
        may(
            "fields",
            Shape::Map { keys: Format::Key, values: &Shape::Table(&FIELD) },
            "What the user fills in, by key.",
        ),
        may(
            "client_certificate",
            Shape::Table(&CLIENT_CERTIFICATE),
            "What the client shows of itself when TLS begins, beside whatever else authenticates.",
        ),
    ],
    variants: &[
        Variant { word: "none", doc: "Requests go out as they are.", keys: &[] },
        Variant {
            word: "basic",
            doc: "User name and password (RFC 7617).",
            keys: &[
                may("username", TEMPLATE, "The user name; `{username}` by default."),
                may("password", TEMPLATE, "The password; `{password}` by default."),
            ],
        },
        Variant {
            word: "bearer",
            doc: "A token in the `Authorization` header (RFC 6750).",
            keys: &[may("token", TEMPLATE, "The token; `{token}` by default.")],
        },
        Variant {
            word: "api_key",
            doc: "A key in a header, a query parameter or a cookie.",
            keys: &[
                may("header", HEADER, "The header that takes the key."),
                may("query", TEXT, "The query parameter that takes the key."),
                may("cookie", HEADER, "The cookie that takes the key (RFC 6265)."),
                may("value", TEMPLATE, "What is sent there; `{api_key}` by default."),
            ],
        },
        Variant {
            word: "custom",
            doc: "Any headers, query parameters and fields of bodies.",
            keys: &[
                may("headers", HEADERS, "Headers and their values."),
                may("query", PARAMETERS, "Query parameters and their values."),
                may(
                    "body",
                    PARAMETERS,
                    "Fields at the top of JSON and form bodies, and their values. A request without a body stays without one; another body, or one that has such a field already, is refused.",
                ),
            ],
        },
        Variant {
            word: "oauth2",
            doc: "Tokens from an authorization server (RFC 6749).",
            keys: &[
                must(
                    "grant",
                    Shape::Word(&[
                        ("authorization_code", "The user consents in a browser (RFC 6749 §4.1)."),
                        ("client_credentials", "The client acts for itself (RFC 6749 §4.4)."),
                        ("device_code", "The user enters a code in a browser elsewhere (RFC 8628)."),
                    ]),
                    "How tokens are got.",
                ),
                may("authorization_url", URL, "Where users consent; needed for `authorization_code`."),
                may(
                    "device_authorization_url",
                    URL,
                    "Where device codes come from; needed for `device_code`.",
                ),
                must("token_url", URL, "Where tokens come from."),
                may("refresh_url", URL, "Where tokens are refreshed, if not at `token_url`."),
                may("revocation_url", URL, "Where tokens are revoked (RFC 7009)."),
                may(
                    "issuer",
                    Shape::Text(Format::Url),
                    "What the authorization server calls itself; the callback must say the same (RFC 9207).",
                ),
                may("scopes", Shape::List(&Shape::Text(Format::Scope)), "What is asked for."),
                may(
                    "scope_separator",
                    Shape::Text(Format::Any),
                    "What stands between scopes; a blank by default.",
                ),
                may("pkce", Shape::Bool, "Whether PKCE with S256 is used (RFC 7636); `true` by default."),
                may(
                    "client",
                    Shape::Word(&[
                        ("developer", "Whoever runs the connector registers one client for all connections."),
                        (
                            "customer",
                            "Each connection has its own, in the fields `client_id` and `client_secret`.",
                        ),
                    ]),
                    "Whose the OAuth client is; `developer` by default.",
                ),
                may(
                    "client_authentication",
                    Shape::Word(&[
                        ("basic", "Id and secret in the `Authorization` header (`client_secret_basic`)."),
                        ("post", "Id and secret in the body (`client_secret_post`)."),
                        ("private_key_jwt", "A signed assertion in the body (RFC 7523 §2.2)."),
                        ("none", "A public client, which has no secret."),
                    ]),
                    "How the client proves itself at the token endpoint (RFC 6749 §2.3); `basic` by default.",
                ),
                may("assertion", Shape::Table(&ASSERTION), "How `private_key_jwt` is signed."),
                may("authorize_params", PARAMETERS, "Further parameters of the authorization request."),
                may("token_params", PARAMETERS, "Further parameters of every token request."),
                may("response", Shape::Table(&TOKEN_RESPONSE), "Where the token response says what."),
                TOKEN_LIFETIME,
                may(
                    "idle_lifetime",
                    Shape::Text(Format::Duration(60_000)),
                    "After how long without use a grant lapses; it is exchanged in time.",
                ),
                FAILURES,
            ],
        },
        Variant {
            word: "jwt_bearer",
            doc: "Tokens in exchange for a signed assertion (RFC 7523 §2.1), as service accounts get them.",
            keys: &[
                must("token_url", URL, "Where tokens come from."),
                ALGORITHM,
                may("key", TEMPLATE, "The private key; `{private_key}` by default."),
                KEY_ID,
                must(
                    "claims",
                    PARAMETERS,
                    "What the assertion claims, `iss` among it; `aud` is the token URL by default. `iat` and `exp` are added.",
                ),
                may("jti", Shape::Bool, "Whether each assertion has a `jti` of its own; `false` by default."),
                ASSERTION_LIFETIME,
                may("token_params", PARAMETERS, "Further parameters of every token request."),
                may("response", Shape::Table(&TOKEN_RESPONSE), "Where the token response says what."),
                TOKEN_LIFETIME,
                FAILURES,
            ],
        },
        Variant {
            word: "session",
            doc: "Values that some requests bring, as a login does; asked for anew when they expire or are refused.",
            keys: &[
                must("steps", Shape::List(&STEP_SHAPE), "The requests, in order."),
                may(
                    "lifetime",
                    Shape::Text(Format::Duration(1_000)),
                    "How long a session lasts where no answer says; until it is refused by default.",
                ),
                may("expires", Shape::Table(&EXPIRES), "Where the answers say when the session ends."),
                may("headers", HEADERS, "Headers that requests then carry, and their values."),
                may("query", PARAMETERS, "Query parameters that requests then carry, and their values."),
                FAILURES,
            ],
        },
        Variant {
            word: "signed",
            doc: "A signature over each request as it is sent.",
            keys: &[
                must(
                    "scheme",
                    Shape::Text(Format::SigningScheme),
                    "`aws-sigv4`: AWS Signature Version 4; `hmac-header`: an HMAC in a header; `custom:name`: the signer that whoever runs the connector registers by that name.",
                ),
                may("access_key", TEMPLATE, "`aws-sigv4`: the access key's id; `{access_key}` by default."),
                may("secret_key", TEMPLATE, "`aws-sigv4`: the secret access key; `{secret_key}` by default."),
                may(
                    "session_token",
                    TEMPLATE,
                    "`aws-sigv4`: the token of temporary credentials; not sent where its field is missing.",
                ),
                may("region", TEMPLATE, "`aws-sigv4`: the region, as in `eu-west-1`."),
                may("service", TEMPLATE, "`aws-sigv4`: the service, as in `s3`."),
                may("key", TEMPLATE, "`hmac-header`: the key; `{signing_key}` by default."),
                may("header", HEADER, "`hmac-header`: the header that takes the signature."),
                may(
                    "algorithm",
                    Shape::Word(&[("sha256", "HMAC-SHA256 (RFC 2104)."), ("sha512", "HMAC-SHA512.")]),
                    "`hmac-header`: the algorithm; `sha256` by default.",
                ),
                may(
                    "encoding",
                    Shape::Word(&[
                        ("hex", "Lower-case hexadecimal."),
                        ("base64", "Standard base64 with padding (RFC 4648 §4)."),
                    ]),
                    "`hmac-header`: how the signature's bytes are written; `hex` by default.",
                ),
                may(
                    "prefix",
                    TEMPLATE,
                    "`hmac-header`: what stands before the signature; nothing by default.",
                ),
                may(
                    "string",
                    TEMPLATE,
                    "`hmac-header`: what is signed, made of `{method}`, `{path}`, `{query}`, `{timestamp}`, `{body}`, `{body_sha256}` (in hexadecimal), fields and text.",
                ),
                may("timestamp_header", HEADER, "`hmac-header`: the header that takes `{timestamp}`."),
                may(
                    "timestamp_unit",
                    Shape::Word(&[("s", "Seconds since 1970."), ("ms", "Milliseconds since 1970.")]),
                    "`hmac-header`: what the timestamp counts; `s` by default.",
                ),
                may("headers", HEADERS, "Further headers that requests carry, and their values."),
                may("query", PARAMETERS, "Further query parameters that requests carry, and their values."),
            ],
        },
    ],
};

static CLIENT_CERTIFICATE: Table = Table {
    keys: &[
        must("certificate", TEMPLATE, "The certificate in PEM, with those that it is issued by behind it."),
        must("private_key", TEMPLATE, "Its private key in PEM."),
    ],
};

static STEP_SHAPE: Shape = Shape::Table(&STEP);

/// Its templates may name, beside the fields, what earlier steps extract.
static STEP: Table = Table {
    keys: &[
        may(
            "method",
            Shape::Word(&[
                ("POST", "The usual one."),
                ("GET", "Without a body."),
                ("PUT", "As some services want it."),
            ]),
            "The method; `POST` by default.",
        ),
        must("url", Shape::Text(Format::Target), "A path under the base URL, or a whole URL."),
        may("headers", HEADERS, "Headers and their values."),
        may("query", PARAMETERS, "Query parameters and their values."),
        may(
            "json",
            Shape::Map { keys: Format::Pointer, values: &TEMPLATE },
            "Texts of a JSON body, by JSON pointer.",
        ),
        may("form", PARAMETERS, "Fields of a form, as the body."),
        may(
            "extract",
            Shape::Map { keys: Format::Key, values: &Shape::Table(&EXTRACT) },
            "What is taken out of the answer, by the name under which templates have it.",
        ),
    ],
};

static EXTRACT: Table = Table {
    keys: &[
        may("body", POINTER, "JSON pointer into the body."),
        may("header", HEADER, "A header of the answer."),
        may("cookie", HEADER, "A cookie that the answer sets."),
    ],
};

static EXPIRES: Table = Table {
    keys: &[
        must("body", POINTER, "JSON pointer into the body; the last answer that has it counts."),
        may(
            "unit",
            Shape::Word(&[
                ("s", "So many seconds later."),
                ("ms", "So many milliseconds later."),
                ("at", "At that time: a date with time (RFC 3339), or seconds since 1970."),
            ]),
            "What stands there; `s` by default.",
        ),
    ],
};

const TOKEN_LIFETIME: Key = may(
    "token_lifetime",
    Shape::Text(Format::Duration(1_000)),
    "How long tokens live where the response does not say; for ever by default.",
);

static FAILURE: Shape = Shape::Table(&TOKEN_FAILURE);

const FAILURES: Key = may(
    "failures",
    Shape::List(&FAILURE),
    "What failures of the exchange mean; ordered, the first that matches decides.",
);

const ALGORITHM: Key = must(
    "algorithm",
    Shape::Word(&[
        ("RS256", "RSASSA-PKCS1-v1_5 with SHA-256; the key is PEM, PKCS#8 or PKCS#1."),
        ("ES256", "ECDSA with P-256 and SHA-256; the key is PEM, PKCS#8."),
        ("HS256", "HMAC with SHA-256; the key is any text."),
    ]),
    "How the assertion is signed (RFC 7518 §3.1).",
);

const KEY_ID: Key = may("key_id", TEMPLATE, "The id by which the service knows the key (`kid`).");

const ASSERTION_LIFETIME: Key = may(
    "lifetime",
    Shape::Text(Format::Duration(1_000)),
    "How long an assertion is good, at most 1h; 5m by default.",
);

static ASSERTION: Table = Table {
    keys: &[
        ALGORITHM,
        may(
            "key",
            TEMPLATE,
            "The private key; `{private_key}` by default where the client is the customer's, and the secret of the developer's client where it is not.",
        ),
        KEY_ID,
        may(
            "audience",
            Shape::Word(&[
                ("token_url", "The token endpoint, also where another one is asked (RFC 7523 §3)."),
                ("endpoint", "The one that is asked: for services that check it at each."),
            ]),
            "Which endpoint it names as its audience; `token_url` by default.",
        ),
        ASSERTION_LIFETIME,
    ],
};

const PARAMETERS: Shape = Shape::Map { keys: Format::Text, values: &TEMPLATE };
const HEADERS: Shape = Shape::Map { keys: Format::HeaderName, values: &TEMPLATE };

static TOKEN_RESPONSE: Table = Table {
    keys: &[
        may("access_token", POINTER, "JSON pointer to the access token; `/access_token` by default."),
        may("refresh_token", POINTER, "JSON pointer to the refresh token; `/refresh_token` by default."),
        may("expires_in", POINTER, "JSON pointer to the seconds it lives; `/expires_in` by default."),
        may("scope", POINTER, "JSON pointer to the scopes; `/scope` by default."),
        may("token_type", TEXT, "What the service calls the type of its bearer tokens; `bearer` by default."),
        may(
            "values",
            Shape::Map { keys: Format::Key, values: &POINTER },
            "Further values to keep, by the name under which templates have them.",
        ),
    ],
};

static TOKEN_FAILURE: Table = Table {
    keys: &[
        must("when", Shape::Table(&WHEN), "What the answer must look like; all of it must hold."),
        must(
            "then",
            Shape::Word(&[
                ("dead", "The grant is dead: its owner must authorize anew."),
                ("retry", "The service is in trouble: the exchange is tried again later."),
                ("refused", "The connector or its client is wrong."),
            ]),
            "What follows.",
        ),
    ],
};

static FIELD: Table = Table {
    keys: &[
        may("label", TEXT, "What the form shows; the key in title case by default."),
        may("help", TEXT, "A sentence under the field."),
        may("placeholder", TEXT, "An example shown in the empty field."),
        may("secret", Shape::Bool, "Never shown, logged or written to a manifest."),
        may("optional", Shape::Bool, "Whether a connection may lack it; `false` by default."),
        may(
            "type",
            Shape::Word(&[
                ("text", "Any text; in a URL one DNS label."),
                ("host", "A host name with an optional port."),
            ]),
            "What a value may be; `text` by default.",
        ),
        may("choices", Shape::List(&TEXT), "The values to choose from."),
        may("pattern", TEXT, "A regular expression that the whole value must match."),
        may("default", TEXT, "The value where none is given."),
    ],
};

static CONFIG: Table = Table {
    keys: &[
        may("label", TEXT, "What users see; the key in title case by default."),
        may("visible", Shape::Bool, "Whether users see the value, to copy it elsewhere; `true` by default."),
        may("secret", Shape::Bool, "Shown only when asked for, and never logged; `false` by default."),
        may("value", TEMPLATE, "The value; may hold `{field}` templates."),
        may("helper", Shape::Text(Format::Key), "The `#[helper]` that gives it, which takes `Unconnected`."),
    ],
};

static HOOK_EXPIRES: Table = Table {
    keys: &[
        must("at", POINTER, "JSON pointer into what the registering flow gives."),
        may(
            "unit",
            Shape::Word(&[
                ("rfc3339", "A text as in RFC 3339, which is what `DateTime` is written as."),
                ("s", "Seconds since 1970 (Unix time), a number or a text."),
                ("ms", "Milliseconds since 1970, a number or a text."),
            ]),
            "How the time is written there; `rfc3339` by default.",
        ),
        may(
            "renew_before",
            Shape::Text(Format::Duration(60_000)),
            "How long before that it is renewed; a tenth of its life by default, at least 1m.",
        ),
    ],
};

static HOOK: Table = Table {
    keys: &[
        may("signature", Shape::Tagged(&SIGNATURE), "How a delivery proves where it comes from."),
        may(
            "key_at",
            POINTER,
            "Where the service makes the key of a registration itself: JSON pointer into what the registering flow gives.",
        ),
        may(
            "expires",
            Shape::Table(&HOOK_EXPIRES),
            "When the service stops delivering unless the registration is renewed.",
        ),
        may(
            "handshake",
            Shape::List(&Shape::Table(&HANDSHAKE)),
            "What the service asks of whoever it delivers to; the first that fits answers. Schemes that are named for a service imply the service's own.",
        ),
        may(
            "delivery_id",
            Shape::OneOrList(&Shape::Table(&PLACE)),
            "What tells deliveries apart, of a list all of it together; the digest of the body where nothing is said.",
        ),
        may(
            "items",
            Shape::Table(&ITEMS),
            "Where one delivery holds several things that happened: each is matched, filtered, kept and handed on by itself.",
        ),
        may(
            "order_by",
            Shape::Table(&PLACE),
            "Deliveries of one value here are handed on in the order in which they came.",
        ),
        may("response", Shape::Table(&HOOK_RESPONSE), "What a delivery is answered with at once."),
        may(
            "scrub",
            Shape::OneOrList(&Shape::Table(&PLACE)),
            "Where secrets stand in a delivery beside what proves it, as a verification token that nobody checks any more; all are blanked before it is kept. A step `*` of a pointer is every item of a list.",
        ),
        may(
            "scope",
            Shape::Word(&[
                ("registration", "Each registration has a URL of its own."),
                ("app", "One URL of the whole connector; `route` says whom a delivery is for."),
            ]),
            "Whose URL deliveries come to; `registration` by default.",
        ),
        may("route", Shape::Table(&ROUTE), "With `scope = \"app\"`: which connections a delivery is for."),
    ],
};

static PLACE: Table = Table {
    keys: &[
        may("header", HEADER, "A header of the request."),
        may("query", TEXT, "A query parameter of the URL."),
        may("body", POINTER, "JSON pointer into the body."),
    ],
};

static ITEMS: Table = Table {
    keys: &[
        must("at", POINTER, "JSON pointer to the list; events and `order_by` point into its items."),
        may(
            "id",
            POINTER,
            "JSON pointer in an item to what tells it apart; its place in the delivery by default.",
        ),
    ],
};

static ROUTE: Table = Table {
    keys: &[
        may("header", HEADER, "The header that says whom a delivery is for."),
        may("query", TEXT, "The query parameter that says it."),
        may(
            "body",
            Shape::OneOrList(&POINTER),
            "JSON pointer to what says it; of several the values together, with `/` between.",
        ),
        must(
            "connection",
            TEMPLATE,
            "What it must equal of a connection: made of its fields and `{account}`, the id that its `#[authping]` gave.",
        ),
    ],
};

static HOOK_RESPONSE: Table = Table {
    keys: &[
        may("status", Shape::Integer { least: 200, most: 299 }, "The status; 200 by default."),
        may(
            "headers",
            Shape::Map { keys: Format::HeaderName, values: &Shape::Text(Format::HeaderValue) },
            "Headers and their values.",
        ),
        may("body", Shape::Text(Format::Any), "The body; empty by default."),
    ],
};

static HANDSHAKE: Table = Table {
    keys: &[
        may(
            "method",
            Shape::Word(&[
                ("GET", "Without a body."),
                ("POST", "As deliveries are."),
                ("HEAD", "Without a body."),
            ]),
            "The method; any by default.",
        ),
        may("when", Shape::Table(&MATCH), "What the request must look like; all of it must hold."),
        may(
            "take",
            Shape::Table(&PLACE),
            "The value that the answer gives back. A request without it is no such handshake.",
        ),
        may("token", Shape::Table(&PLACE), "Where the hook's key stands, by which the service shows itself."),
        may("signed", Shape::Bool, "Whether the request bears the hook's signature; `true` by default."),
        may("reply", Shape::Table(&REPLY), "What is answered; nothing but the status 200 by default."),
        may("hmac", Shape::Table(&REPLY_HMAC), "How `{hmac}` is made of the value, under the hook's key."),
        may("confirm", POINTER, "JSON pointer to a URL that is asked for to confirm."),
        may(
            "confirm_hosts",
            Shape::List(&Shape::Text(Format::HostPattern)),
            "The hosts that the URL may have; a label `*` stands for any one label.",
        ),
    ],
};

const REPLY_TEXT: Shape = Shape::Text(Format::Places(&["value", "hmac"], &rules::LP342));

static REPLY: Table = Table {
    keys: &[
        may("text", REPLY_TEXT, "Plain text; `{value}` is what was taken, `{hmac}` its HMAC."),
        may(
            "json",
            Shape::Map { keys: Format::Text, values: &REPLY_TEXT },
            "A JSON object of texts, which may hold `{value}` and `{hmac}`.",
        ),
        may("header", HEADER, "The value in this header, and nothing else."),
    ],
};

static REPLY_HMAC: Table = Table {
    keys: &[
        may(
            "algorithm",
            Shape::Word(&[("sha256", "HMAC-SHA256."), ("sha512", "HMAC-SHA512."), ("sha1", "HMAC-SHA1.")]),
            "The algorithm; `sha256` by default.",
        ),
        ENCODING,
    ],
};

const ENCODING: Key = may(
    "encoding",
    Shape::Word(&[
        ("hex", "Lower- or upper-case hexadecimal."),
        ("base64", "Standard base64 with padding (RFC 4648 §4)."),
    ]),
    "How its bytes are written; `hex` by default.",
);

const TOLERANCE: Key = may(
    "tolerance",
    Shape::Text(Format::Duration(1_000)),
    "How far the signed time may be from now, past or future; 5m by default, at most 1d.",
);

const fn key(doc: &'static str) -> Key {
    may("key", Shape::Text(Format::SignatureKey), doc)
}

const KEY: Key = key(
    "`registration`, the default: made for each registration; `{field}`: a field of the connection; `app`: of whoever runs the connector.",
);

const APP_KEY: Key = key(
    "`app`, the default: of whoever runs the connector; `{field}`: a field of the connection; `registration`: made for each registration.",
);

const SIGNATURE_HEADER: Key = must("header", HEADER, "The request header that carries the signature.");
const PREFIX: Key =
    may("prefix", Shape::Text(Format::Any), "What stands before the signature there; nothing by default.");
const SEVERAL: Key = may(
    "several",
    Shape::Bool,
    "Whether there may be several signatures with blanks between; those with the prefix count. `false` by default.",
);
const ELEMENT: Key = may(
    "element",
    TEXT,
    "Where the header is a list `k=v,k=v`: the name of signatures, as in `v1`; others are passed over.",
);
const TIMESTAMP_ELEMENT: Key =
    may("timestamp_element", TEXT, "The name of the signed time in such a list, as in `t`.");
const SIGNED: Key = may(
    "signed",
    Shape::Text(Format::Places(&SignedPart::NAMES, &rules::LP179)),
    "What is signed: made of `{id}`, `{timestamp}`, `{url}`, `{params}` (form parameters sorted by name, name and value one after the other), `{body}` and text; `{body}` by default.",
);
const ID_HEADER: Key = may("id_header", HEADER, "The header with `{id}`.");
const TIMESTAMP_HEADER: Key = may("timestamp_header", HEADER, "The header with `{timestamp}`.");
const TIMESTAMP_UNIT: Key = may(
    "timestamp_unit",
    Shape::Word(&[("s", "Seconds since 1970."), ("ms", "Milliseconds since 1970.")]),
    "What the timestamp counts; `s` by default.",
);
const BODY_DIGEST: Key = may(
    "body_digest",
    TEXT,
    "The query parameter with the SHA-256 of the body in hexadecimal, by which a signed `{url}` stands for the body too.",
);
const ANY_PORT: Key = may(
    "any_port",
    Shape::Bool,
    "Whether the signed `{url}` may also have the port of its scheme written out, or left out; `false` by default.",
);

static HMAC: [Key; 16] = [
    SIGNATURE_HEADER,
    PREFIX,
    SEVERAL,
    ELEMENT,
    TIMESTAMP_ELEMENT,
    ENCODING,
    KEY,
    may(
        "key_encoding",
        Shape::Word(&[
            ("text", "The text is the key."),
            ("base64", "The key is what the text means in base64."),
        ]),
        "How the key is written; `text` by default.",
    ),
    may("key_prefix", TEXT, "What may stand before a key in base64, as in `whsec_`."),
    SIGNED,
    ID_HEADER,
    TIMESTAMP_HEADER,
    TIMESTAMP_UNIT,
    TOLERANCE,
    BODY_DIGEST,
    ANY_PORT,
];

static SIGNATURE: Tagged = Tagged {
    tag: "scheme",
    doc: "How a delivery proves where it comes from.",
    common: &[],
    variants: &[
        Variant { word: "hmac-sha256", doc: "HMAC-SHA256 in a header (RFC 2104).", keys: &HMAC },
        Variant { word: "hmac-sha512", doc: "HMAC-SHA512 in a header.", keys: &HMAC },
        Variant { word: "hmac-sha1", doc: "HMAC-SHA1 in a header.", keys: &HMAC },
        Variant {
            word: "standard-webhooks",
            doc: "Standard Webhooks, also by the names of Svix: `webhook-id`, `webhook-timestamp` and `webhook-signature`, or `svix-..`.",
            keys: &[KEY, TOLERANCE],
        },
        Variant { word: "stripe", doc: "Stripe: `Stripe-Signature`.", keys: &[KEY, TOLERANCE] },
        Variant {
            word: "slack",
            doc: "Slack: `X-Slack-Signature`; answers `url_verification`.",
            keys: &[APP_KEY, TOLERANCE],
        },
        Variant { word: "github", doc: "GitHub: `X-Hub-Signature-256`.", keys: &[KEY] },
        Variant { word: "shopify", doc: "Shopify: `X-Shopify-Hmac-Sha256`.", keys: &[APP_KEY] },
        Variant {
            word: "twilio",
            doc: "Twilio: `X-Twilio-Signature`, over URL and form, or URL with `bodySHA256`.",
            keys: &[APP_KEY],
        },
        Variant {
            word: "zoom",
            doc: "Zoom: `x-zm-signature`; answers `endpoint.url_validation`.",
            keys: &[APP_KEY, TOLERANCE],
        },
        Variant {
            word: "meta",
            doc: "Meta: `X-Hub-Signature-256`; answers `hub.challenge` where `hub.verify_token` is a key of the hook.",
            keys: &[APP_KEY],
        },
        Variant {
            word: "dropbox",
            doc: "Dropbox: `X-Dropbox-Signature`; answers `challenge`.",
            keys: &[APP_KEY],
        },
        Variant {
            word: "okta",
            doc: "Okta event hooks: the key in `Authorization`; answers `X-Okta-Verification-Challenge`.",
            keys: &[KEY],
        },
        Variant {
            word: "microsoft-graph",
            doc: "Microsoft Graph: the key as `clientState` of every notification; answers `validationToken`.",
            keys: &[KEY],
        },
        Variant {
            word: "shared-secret",
            doc: "The key itself, in one place of the delivery.",
            keys: &[
                may("header", HEADER, "The header that carries it."),
                may("query", TEXT, "The query parameter that carries it."),
                may(
                    "body",
                    POINTER,
                    "JSON pointer to it; a step `*` stands for every item of a list, of which each must have it.",
                ),
                PREFIX,
                KEY,
            ],
        },
        Variant {
            word: "ed25519",
            doc: "Ed25519 in a header (RFC 8032).",
            keys: &[
                SIGNATURE_HEADER,
                PREFIX,
                SEVERAL,
                ELEMENT,
                TIMESTAMP_ELEMENT,
                ENCODING,
                must(
                    "public_key",
                    TEXT,
                    "The public key in hexadecimal, base64 or PEM; `{field}`: a field of the connection; `app`: of whoever runs the connector.",
                ),
                SIGNED,
                ID_HEADER,
                TIMESTAMP_HEADER,
                TIMESTAMP_UNIT,
                TOLERANCE,
            ],
        },
        Variant {
            word: "aws-sns",
            doc: "Amazon SNS: an RSA signature in the message; answers `SubscriptionConfirmation`.",
            keys: &[
                may(
                    "topics",
                    Shape::List(&TEXT),
                    "The topics whose messages are taken, by ARN; all by default.",
                ),
                may(
                    "sha1",
                    Shape::Bool,
                    "Whether signatures of version 1, over SHA-1, are taken beside version 2; `false` by default.",
                ),
                may(
                    "tolerance",
                    Shape::Text(Format::Duration(1_000)),
                    "How far a message's time may be from now, past or future; 1h by default, at most 1d.",
                ),
            ],
        },
        Variant {
            word: "jwt",
            doc: "A JSON web token in a header (RFC 7519), by a key of a key set (RFC 7517).",
            keys: &[
                must("header", HEADER, "The header with the token, which may stand behind `Bearer `."),
                must("jwks_url", Shape::Text(Format::Url), "Where the service publishes its keys."),
                must("issuer", TEXT, "Who must have issued it (`iss`)."),
                must("audience", TEXT, "Whom it must be meant for (`aud`)."),
                must(
                    "algorithms",
                    Shape::List(&Shape::Word(&[
                        ("RS256", "RSASSA-PKCS1-v1_5 with SHA-256."),
                        ("RS384", "RSASSA-PKCS1-v1_5 with SHA-384."),
                        ("RS512", "RSASSA-PKCS1-v1_5 with SHA-512."),
                        ("ES256", "ECDSA with P-256 and SHA-256."),
                        ("ES384", "ECDSA with P-384 and SHA-384."),
                        ("EdDSA", "Ed25519."),
                    ])),
                    "The algorithms that are taken (RFC 7518 §3.1).",
                ),
                may(
                    "body_digest",
                    TEXT,
                    "The claim with the SHA-256 of the body in hexadecimal: a token alone says nothing of the body.",
                ),
                may(
                    "tolerance",
                    Shape::Text(Format::Duration(1_000)),
                    "How far clocks may be apart; 1m by default, at most 1d.",
                ),
            ],
        },
        Variant { word: "code", doc: "A `#[webhook(verify)]` function of the connector decides.", keys: &[] },
    ],
};

static EVENT: Table = Table {
    keys: &[
        must("name", TEXT, "The name that users see."),
        may("description", TEXT, "One sentence."),
        may("hook", Shape::Text(Format::Key), "The hook that delivers it; without one a monitor finds it."),
        may(
            "match",
            Shape::Table(&MATCH),
            "Which deliveries of the hook are this event; all of it must hold.",
        ),
        may(
            "filter",
            Shape::Table(&FILTER),
            "Which of these a registration wants: each value is that of the option, where the option is set.",
        ),
        may(
            "wakes",
            Shape::Bool,
            "Whether a delivery says only that there is news: it has the event's monitor look at once; not by default.",
        ),
    ],
};

static MATCH: Table = Table {
    keys: &[
        may(
            "header",
            Shape::Map { keys: Format::HeaderName, values: &Shape::Text(Format::Any) },
            "Request headers and their values.",
        ),
        may(
            "query",
            Shape::Map { keys: Format::Text, values: &Shape::Text(Format::Any) },
            "Query parameters of the URL and their values.",
        ),
        may("body", BODY, "Values in the JSON body, by JSON pointer."),
    ],
};

static FILTER: Table = Table {
    keys: &[
        may(
            "header",
            Shape::Map { keys: Format::HeaderName, values: &Shape::Text(Format::Option) },
            "Options as `{option}`, by request header.",
        ),
        may(
            "query",
            Shape::Map { keys: Format::Text, values: &Shape::Text(Format::Option) },
            "Options as `{option}`, by query parameter of the URL.",
        ),
        may(
            "body",
            Shape::Map { keys: Format::Pointer, values: &Shape::Text(Format::Option) },
            "Options as `{option}`, by JSON pointer into the body; a step `*` is any item of a list.",
        ),
    ],
};

static MONITOR: Table = Table {
    keys: &[
        may(
            "every",
            Shape::Text(Format::Duration(1000)),
            "How often the service is asked, from 1s to 30d; or say `cron`.",
        ),
        may(
            "cron",
            TEXT,
            "When the service is asked: minute, hour, day, month and weekday as in crontab, seconds before them where wanted.",
        ),
        may("zone", TEXT, "The time zone of `cron` and `active`, as in `Europe/Berlin`; UTC by default."),
        may(
            "jitter",
            Shape::Text(Format::Duration(0)),
            "By how much a look is put off at random; a tenth of `every` by default, and a minute at the most.",
        ),
        may("active", Shape::Table(&ACTIVE), "When the service is asked at all; always by default."),
        may("dedupe", Shape::OneOrList(&POINTER), "JSON pointers to what tells records apart."),
        may(
            "overlap",
            Shape::Text(Format::Duration(0)),
            "How far each look reaches back behind the cursor, for records that arrive late; the flow takes it with `Look` or as `Overlap`.",
        ),
        may("ledger", Shape::Table(&LEDGER), "For how long it is known what was handed on."),
        may(
            "first_run",
            Shape::OrTable(&Shape::Word(&[("now", "Nothing; only what comes later is news.")]), &FIRST_RUN),
            "What of the first look is handed on; `now` by default.",
        ),
        may(
            "max_pages",
            Shape::Integer { least: 1, most: 1000 },
            "How many pages a look takes; 20 by default.",
        ),
        may("cursor_max", Shape::Text(Format::Size), "How large a cursor may become; 64KiB by default."),
        may(
            "cursor_age",
            Shape::Text(Format::Duration(1000)),
            "How old a cursor may become before the service has forgotten what came after it; no limit by default.",
        ),
    ],
};

static ACTIVE: Table = Table {
    keys: &[
        may(
            "days",
            Shape::List(&Shape::Word(&[
                ("mon", "Monday."),
                ("tue", "Tuesday."),
                ("wed", "Wednesday."),
                ("thu", "Thursday."),
                ("fri", "Friday."),
                ("sat", "Saturday."),
                ("sun", "Sunday."),
            ])),
            "On which days; all by default.",
        ),
        may(
            "hours",
            TEXT,
            "From when to when, as in `08:00-18:00`, or over midnight, as in `22:00-06:00`; all by default.",
        ),
    ],
};

static LEDGER: Table = Table {
    keys: &[
        may("ids", Shape::Integer { least: 1, most: 1_000_000 }, "How many records; 100000 by default."),
        may(
            "time",
            Shape::Text(Format::Duration(1000)),
            "For how long after they were last seen, while looks go on; a day longer than `overlap` by default, and never shorter than it.",
        ),
    ],
};

static FIRST_RUN: Table = Table {
    keys: &[
        may("last", Shape::Integer { least: 1, most: 10_000 }, "The last so many records."),
        may(
            "since",
            TEXT,
            "All since a time, as in `2026-01-01T00:00:00Z`, or since so long before, as in `7d`; the flow takes it with `Look` or as `Since`.",
        ),
    ],
};
