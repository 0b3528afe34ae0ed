//! What may stand where in a spec: one table, from which specs are checked and the published schema is written.

use super::format::Format;

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

static HOOK: Table = Table {
    keys: &[
        may("signature", Shape::Table(&SIGNATURE), "How a delivery proves where it comes from."),
        may("delivery_id", Shape::Table(&DELIVERY_ID), "What tells deliveries apart."),
    ],
};

static SIGNATURE: Table = Table {
    keys: &[
        must(
            "scheme",
            Shape::Word(&[("hmac-sha256", "HMAC-SHA256 over the raw body (RFC 2104).")]),
            "The algorithm.",
        ),
        must("header", HEADER, "The request header that carries the signature."),
        may(
            "prefix",
            Shape::Text(Format::Any),
            "What stands before the signature there; nothing by default.",
        ),
        may(
            "encoding",
            Shape::Word(&[
                ("hex", "Lower- or upper-case hexadecimal."),
                ("base64", "Standard base64 with padding (RFC 4648 §4)."),
            ]),
            "How its bytes are written; `hex` by default.",
        ),
        may(
            "key",
            Shape::Text(Format::SignatureKey),
            "`registration`, the default: made for each registration; `{field}`: a field of the connection.",
        ),
    ],
};

static DELIVERY_ID: Table =
    Table { keys: &[must("header", HEADER, "The request header that tells deliveries apart.")] };

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
    ],
};

static MATCH: Table = Table {
    keys: &[
        may(
            "header",
            Shape::Map { keys: Format::HeaderName, values: &Shape::Text(Format::Any) },
            "Request headers and their values.",
        ),
        may("body", BODY, "Values in the JSON body, by JSON pointer."),
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
            "How far each look reaches back behind the cursor, for records that arrive late; the flow takes it as `Overlap`.",
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
            "For how long after they were last seen; a day longer than `overlap` by default.",
        ),
    ],
};

static FIRST_RUN: Table = Table {
    keys: &[
        may("last", Shape::Integer { least: 1, most: 10_000 }, "The last so many records."),
        may(
            "since",
            TEXT,
            "All since a time, as in `2026-01-01T00:00:00Z`, or since so long before, as in `7d`; the flow takes it as `Since`.",
        ),
    ],
};
