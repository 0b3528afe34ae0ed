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
        may("rate_limit", Shape::Table(&RATE_LIMIT), "What the service allows."),
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
            doc: "By a token in the body, sent back as a query parameter.",
            keys: &[
                must("cursor", POINTER, "JSON pointer to the token; absent, null or empty at the end."),
                must("query", TEXT, "The query parameter that takes the token."),
            ],
        },
    ],
};

static PAGE_SIZE: Table = Table {
    keys: &[
        must("query", TEXT, "The query parameter."),
        must("value", Shape::Integer { least: 1, most: 1_000_000 }, "How many items are asked for."),
    ],
};

static RATE_LIMIT: Table = Table {
    keys: &[
        must("budget", Shape::Text(Format::Budget), "How many requests in which time, as in `5000/1h`."),
        may(
            "per",
            Shape::Word(&[
                ("connection", "Each connection has a budget of its own."),
                ("connector", "All connections of the connector share one budget."),
            ]),
            "Who shares the budget; `connection` by default.",
        ),
        may("remaining", HEADER, "The response header with the requests left."),
        may("reset", HEADER, "The response header with the time at which the budget is full again."),
    ],
};

static IDEMPOTENCY: Table =
    Table { keys: &[must("header", HEADER, "The request header that takes an idempotency key.")] };

static ERROR: Table = Table {
    keys: &[
        may("message", POINTER, "JSON pointer to the message."),
        may("code", POINTER, "JSON pointer to the service's own code."),
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
                ("retry", "The call may be tried again."),
                ("rate_limited", "The service wants fewer calls."),
                ("refresh_then_retry", "The token is refreshed and the call tried once more."),
                ("not_found", "The thing asked for does not exist."),
            ]),
            "What follows.",
        ),
        may("message", TEXT, "A message in place of the service's own."),
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
            Shape::Map { keys: Format::HeaderName, values: &Shape::Text(Format::Any) },
            "Response headers and their values.",
        ),
        may("body", BODY, "Values in the JSON body, by JSON pointer."),
        may("text", TEXT, "Text that the body contains."),
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
            doc: "A key in a header or a query parameter.",
            keys: &[
                may("header", HEADER, "The header that takes the key."),
                may("query", TEXT, "The query parameter that takes the key."),
                may("value", TEMPLATE, "What is sent there; `{api_key}` by default."),
            ],
        },
        Variant {
            word: "custom",
            doc: "Any headers and query parameters.",
            keys: &[
                may(
                    "headers",
                    Shape::Map { keys: Format::HeaderName, values: &TEMPLATE },
                    "Headers and their values.",
                ),
                may(
                    "query",
                    Shape::Map { keys: Format::Text, values: &TEMPLATE },
                    "Query parameters and their values.",
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
                        ("none", "A public client, which has no secret."),
                    ]),
                    "How the client proves itself at the token endpoint (RFC 6749 §2.3); `basic` by default.",
                ),
                may("authorize_params", PARAMETERS, "Further parameters of the authorization request."),
                may("token_params", PARAMETERS, "Further parameters of every token request."),
                may("response", Shape::Table(&TOKEN_RESPONSE), "Where the token response says what."),
                may(
                    "token_lifetime",
                    Shape::Text(Format::Duration(1_000)),
                    "How long tokens live where the response does not say; for ever by default.",
                ),
                may(
                    "idle_lifetime",
                    Shape::Text(Format::Duration(60_000)),
                    "After how long without use a grant lapses; it is exchanged in time.",
                ),
                may(
                    "failures",
                    Shape::List(&Shape::Table(&TOKEN_FAILURE)),
                    "What failures of the token endpoint mean; ordered, the first that matches decides.",
                ),
            ],
        },
    ],
};

const PARAMETERS: Shape = Shape::Map { keys: Format::Text, values: &TEMPLATE };

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
        may("every", Shape::Text(Format::Duration(60_000)), "How often the service is asked; at least 1m."),
        may("dedupe", POINTER, "JSON pointer to what tells records apart."),
        may(
            "overlap",
            Shape::Text(Format::Duration(0)),
            "How far each look reaches back behind the cursor, for records that arrive late.",
        ),
    ],
};
