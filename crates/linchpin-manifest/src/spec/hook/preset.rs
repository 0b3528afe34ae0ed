//! Schemes that are named for a service: each is one of the general ones, filled in.

use std::time::Duration;

use super::*;
use crate::spec::TemplatePart;

/// What a service's name stands for.
pub(super) struct Preset {
    pub(super) proof: Proof,
    /// Where the key comes from where the file does not say.
    pub(super) key: Option<SignatureKey>,
    pub(super) handshakes: Vec<Handshake>,
    pub(super) delivery_id: Option<DeliveryPlace>,
}

/// The headers of Standard Webhooks, and the names that Svix has for them.
pub(super) const STANDARD: [[&str; 3]; 2] = [
    ["webhook-signature", "webhook-id", "webhook-timestamp"],
    ["svix-signature", "svix-id", "svix-timestamp"],
];

/// What a service's name stands for; none for the general schemes.
pub(super) fn preset(scheme: &str) -> Option<Preset> {
    use {SignatureAlgorithm::*, SignatureEncoding::*, SignatureKey::*};
    Some(match scheme {
        // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
        // https://docs.svix.com/receiving/verifying-payloads/how-manual
        "standard-webhooks" => {
            let headers = STANDARD.map(|[signature, id, timestamp]| SignatureHeaders {
                signature: signature.to_owned(),
                id: Some(id.to_owned()),
                timestamp: Some(timestamp.to_owned()),
            });
            Preset {
                proof: detached(Detached {
                    headers: headers.to_vec(),
                    layout: SignatureLayout::Several,
                    prefix: "v1,".to_owned(),
                    key_format: KeyFormat::Base64 { prefix: "whsec_".to_owned() },
                    signed: parts("{id}.{timestamp}.{body}"),
                    ..Detached::new(HmacSha256, "webhook-signature", Base64)
                }),
                ..Preset::new(Registration)
            }
        }
        // https://docs.stripe.com/webhooks/signature
        "stripe" => Preset {
            proof: detached(Detached {
                layout: SignatureLayout::Elements {
                    signature: "v1".to_owned(),
                    timestamp: Some("t".to_owned()),
                },
                signed: parts("{timestamp}.{body}"),
                ..Detached::new(HmacSha256, "Stripe-Signature", Hex)
            }),
            delivery_id: body("/id"),
            ..Preset::new(Registration)
        },
        // https://docs.slack.dev/authentication/verifying-requests-from-slack
        // https://docs.slack.dev/reference/events/url_verification
        "slack" => Preset {
            proof: timed("X-Slack-Signature", "X-Slack-Request-Timestamp"),
            handshakes: vec![Handshake {
                take: body("/challenge"),
                reply: HandshakeReply::Text(value()),
                ..posted("/type", "url_verification")
            }],
            delivery_id: body("/event_id"),
            ..Preset::new(App)
        },
        // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
        "github" => Preset {
            proof: prefixed("X-Hub-Signature-256"),
            delivery_id: header("X-GitHub-Delivery"),
            ..Preset::new(Registration)
        },
        // https://shopify.dev/docs/apps/build/webhooks/subscribe/https
        "shopify" => Preset {
            proof: detached(Detached::new(HmacSha256, "X-Shopify-Hmac-Sha256", Base64)),
            delivery_id: header("X-Shopify-Webhook-Id"),
            ..Preset::new(App)
        },
        // https://www.twilio.com/docs/usage/security
        "twilio" => Preset {
            proof: detached(Detached {
                signed: vec![SignedPart::Url, SignedPart::Params],
                body_digest: Some("bodySHA256".to_owned()),
                any_port: true,
                ..Detached::new(HmacSha1, "X-Twilio-Signature", Base64)
            }),
            delivery_id: header("I-Twilio-Idempotency-Token"),
            ..Preset::new(App)
        },
        // https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events
        "zoom" => Preset {
            proof: timed("x-zm-signature", "x-zm-request-timestamp"),
            handshakes: vec![Handshake {
                take: body("/payload/plainToken"),
                reply: HandshakeReply::Json(vec![
                    ("plainToken".to_owned(), value()),
                    ("encryptedToken".to_owned(), place("hmac")),
                ]),
                ..posted("/event", "endpoint.url_validation")
            }],
            ..Preset::new(App)
        },
        // https://developers.facebook.com/docs/graph-api/webhooks/getting-started
        "meta" => Preset {
            proof: prefixed("X-Hub-Signature-256"),
            handshakes: vec![Handshake {
                when: DeliveryMatch {
                    query: vec![("hub.mode".to_owned(), "subscribe".to_owned())],
                    ..DeliveryMatch::default()
                },
                take: query("hub.challenge"),
                token: query("hub.verify_token"),
                reply: HandshakeReply::Text(value()),
                ..Handshake::new("GET", false)
            }],
            ..Preset::new(App)
        },
        // https://www.dropbox.com/developers/reference/webhooks
        "dropbox" => Preset {
            proof: detached(Detached::new(HmacSha256, "X-Dropbox-Signature", Hex)),
            handshakes: vec![Handshake {
                take: query("challenge"),
                reply: HandshakeReply::Text(value()),
                ..Handshake::new("GET", false)
            }],
            ..Preset::new(App)
        },
        // https://developer.okta.com/docs/concepts/event-hooks/
        "okta" => Preset {
            proof: shared(DeliveryPlace::Header("Authorization".to_owned())),
            handshakes: vec![Handshake {
                take: header("X-Okta-Verification-Challenge"),
                reply: HandshakeReply::Json(vec![("verification".to_owned(), value())]),
                ..Handshake::new("GET", true)
            }],
            delivery_id: body("/eventId"),
            ..Preset::new(Registration)
        },
        // https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
        "microsoft-graph" => Preset {
            proof: shared(DeliveryPlace::Body("/value/*/clientState".to_owned())),
            handshakes: vec![Handshake {
                take: query("validationToken"),
                reply: HandshakeReply::Text(value()),
                ..Handshake::new("POST", false)
            }],
            ..Preset::new(Registration)
        },
        // https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
        "aws-sns" => Preset {
            // What the file says of topics and versions is filled in where it is read.
            proof: Proof::Code,
            handshakes: vec![Handshake {
                confirm: Some(Confirm {
                    url: "/SubscribeURL".to_owned(),
                    hosts: AwsSns::HOSTS.map(str::to_owned).to_vec(),
                }),
                ..posted("/Type", "SubscriptionConfirmation")
            }],
            delivery_id: body("/MessageId"),
            key: None,
        },
        _ => return None,
    })
}

impl AwsSns {
    /// The hosts of Amazon SNS; `*` is a region.
    pub const HOSTS: [&'static str; 2] = ["sns.*.amazonaws.com", "sns.*.amazonaws.com.cn"];
}

impl Preset {
    fn new(key: SignatureKey) -> Preset {
        Preset { proof: Proof::Code, key: Some(key), handshakes: Vec::new(), delivery_id: None }
    }
}

impl Detached {
    /// One signature over the body.
    pub(super) fn new(
        algorithm: SignatureAlgorithm,
        header: impl Into<String>,
        encoding: SignatureEncoding,
    ) -> Detached {
        Detached {
            algorithm,
            headers: vec![SignatureHeaders { signature: header.into(), id: None, timestamp: None }],
            layout: SignatureLayout::One,
            prefix: String::new(),
            encoding,
            key_format: KeyFormat::Text,
            signed: vec![SignedPart::Body],
            timestamp_millis: false,
            tolerance: Duration::from_secs(300),
            body_digest: None,
            any_port: false,
        }
    }
}

impl Handshake {
    /// One that any request of a method is, and that nothing is answered to.
    fn new(method: &str, signed: bool) -> Handshake {
        Handshake {
            method: Some(method.to_owned()),
            when: DeliveryMatch::default(),
            take: None,
            token: None,
            signed,
            reply: HandshakeReply::Empty,
            hmac: ReplyHmac::default(),
            confirm: None,
        }
    }
}

impl Default for ReplyHmac {
    fn default() -> ReplyHmac {
        ReplyHmac { algorithm: SignatureAlgorithm::HmacSha256, encoding: SignatureEncoding::Hex }
    }
}

fn detached(detached: Detached) -> Proof {
    Proof::Detached(Box::new(detached))
}

/// `sha256=` and the hexadecimal HMAC of the body.
fn prefixed(header: &str) -> Proof {
    let one = Detached::new(SignatureAlgorithm::HmacSha256, header, SignatureEncoding::Hex);
    detached(Detached { prefix: "sha256=".to_owned(), ..one })
}

/// `v0=` and the hexadecimal HMAC of version, time and body.
fn timed(header: &str, timestamp: &str) -> Proof {
    let one = Detached::new(SignatureAlgorithm::HmacSha256, header, SignatureEncoding::Hex);
    let headers =
        SignatureHeaders { signature: header.to_owned(), id: None, timestamp: Some(timestamp.to_owned()) };
    detached(Detached {
        headers: vec![headers],
        prefix: "v0=".to_owned(),
        signed: parts("v0:{timestamp}:{body}"),
        ..one
    })
}

fn shared(place: DeliveryPlace) -> Proof {
    Proof::SharedSecret(SharedSecret { place, prefix: String::new() })
}

/// A signed POST with a value in its body.
fn posted(pointer: &str, value: &str) -> Handshake {
    let when = DeliveryMatch {
        body: vec![(pointer.to_owned(), Literal::Text(value.to_owned()))],
        ..DeliveryMatch::default()
    };
    Handshake { when, ..Handshake::new("POST", true) }
}

fn header(name: &str) -> Option<DeliveryPlace> {
    Some(DeliveryPlace::Header(name.to_owned()))
}

fn query(name: &str) -> Option<DeliveryPlace> {
    Some(DeliveryPlace::Query(name.to_owned()))
}

fn body(pointer: &str) -> Option<DeliveryPlace> {
    Some(DeliveryPlace::Body(pointer.to_owned()))
}

fn value() -> Template {
    place("value")
}

fn place(name: &str) -> Template {
    Template { parts: vec![TemplatePart::Field(name.to_owned())] }
}

/// The stretches of a signed text; those that are none are left out.
pub(super) fn parts(text: &str) -> Vec<SignedPart> {
    let template = Template::parse(text).unwrap_or_default();
    let parts = template.parts.into_iter().filter_map(|part| match part {
        TemplatePart::Text(text) => Some(SignedPart::Text(text)),
        TemplatePart::Field(name) => SignedPart::named(&name),
    });
    parts.collect()
}

impl SignedPart {
    /// The places that a signed text may have.
    pub const NAMES: [&'static str; 5] = ["id", "timestamp", "url", "params", "body"];

    fn named(name: &str) -> Option<SignedPart> {
        Some(match name {
            "id" => SignedPart::Id,
            "timestamp" => SignedPart::Timestamp,
            "url" => SignedPart::Url,
            "params" => SignedPart::Params,
            "body" => SignedPart::Body,
            _ => return None,
        })
    }
}
