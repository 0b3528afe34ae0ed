//! Makes the model of hooks and events, as leniently as that of the rest.

use std::time::Duration;

use super::preset::{parts, preset};
use super::*;
use crate::spec::decode::{
    bool, duration, encoding, header, list, literals, nodes, one_or_list, pairs, pointer, pointers, template,
    templates, text, whole,
};
use crate::spec::tree::Node;

pub(in crate::spec) fn hook(key: &str, node: &Node) -> Hook {
    let (signature, implied) = match node.get("signature") {
        Some(node) => signature(node),
        None => (None, Implied::default()),
    };
    // A service that signs what it delivers signs what it asks before, unless the file says otherwise.
    let signs = signature.is_some();
    let mut handshakes: Vec<Handshake> =
        nodes(node, "handshake").iter().map(|node| handshake(node, signs)).collect();
    handshakes.extend(implied.handshakes);
    let mut delivery_id: Vec<_> = one_or_list(node, "delivery_id").iter().filter_map(place).collect();
    if delivery_id.is_empty() {
        delivery_id.extend(implied.delivery_id);
    }
    Hook {
        key: key.to_owned(),
        signature,
        handshakes,
        delivery_id,
        items: node
            .get("items")
            .and_then(|node| Some(Items { at: pointer(node, "at")?, id: pointer(node, "id") })),
        order_by: node.get("order_by").and_then(place),
        response: node.get("response").map(response).unwrap_or_default(),
        scrub: one_or_list(node, "scrub").iter().filter_map(place).collect(),
        scope: match text(node, "scope").as_deref() {
            Some("app") => HookScope::App {
                route: node.get("route").map(route).unwrap_or_default(),
                connection: node
                    .get("route")
                    .and_then(|node| template(node, "connection"))
                    .unwrap_or_default(),
            },
            _ => HookScope::Registration,
        },
        key_at: pointer(node, "key_at"),
        expires: node.get("expires").and_then(|node| {
            Some(Expiry {
                at: pointer(node, "at")?,
                unit: match text(node, "unit").as_deref() {
                    Some("s") => TimeUnit::Seconds,
                    Some("ms") => TimeUnit::Milliseconds,
                    _ => TimeUnit::Rfc3339,
                },
                renew_before: duration(node, "renew_before"),
            })
        }),
    }
}

/// The whole body, which stands for a place that is missing.
fn nowhere() -> DeliveryPlace {
    DeliveryPlace::Body(String::new())
}

/// What a scheme says beside how a delivery is trusted.
#[derive(Default)]
struct Implied {
    handshakes: Vec<Handshake>,
    delivery_id: Option<DeliveryPlace>,
}

fn signature(node: &Node) -> (Option<Signature>, Implied) {
    let Some(scheme) = text(node, "scheme") else { return (None, Implied::default()) };
    let preset = preset(&scheme);
    let tolerance = duration(node, "tolerance");
    let mut key = text(node, "key").map(|text| signature_key(&text));
    let proof = match scheme.as_str() {
        "hmac-sha1" => detached(node, SignatureAlgorithm::HmacSha1),
        "hmac-sha256" => detached(node, SignatureAlgorithm::HmacSha256),
        "hmac-sha512" => detached(node, SignatureAlgorithm::HmacSha512),
        "ed25519" => {
            key = text(node, "public_key").map(|text| match signature_key(&text) {
                SignatureKey::Registration => SignatureKey::Public(text),
                key => key,
            });
            detached(node, SignatureAlgorithm::Ed25519)
        }
        "shared-secret" => Some(Proof::SharedSecret(SharedSecret {
            place: place(node).unwrap_or_else(nowhere),
            prefix: text(node, "prefix").unwrap_or_default(),
        })),
        "aws-sns" => Some(Proof::AwsSns(AwsSns {
            topics: list(node, "topics"),
            sha1: bool(node, "sha1"),
            tolerance: tolerance.unwrap_or(Duration::from_secs(3600)),
        })),
        "jwt" => token(node),
        "code" => Some(Proof::Code),
        _ => preset.as_ref().map(|preset| match preset.proof.clone() {
            Proof::Detached(mut own) => {
                own.tolerance = tolerance.unwrap_or(own.tolerance);
                Proof::Detached(own)
            }
            proof => proof,
        }),
    };
    let keyless = matches!(proof, Some(Proof::AwsSns(_) | Proof::Jwt(_) | Proof::Code));
    let implied = preset.as_ref().and_then(|preset| preset.key.clone());
    let key = key.or(implied).unwrap_or(SignatureKey::Registration);
    let id = match &proof {
        Some(Proof::Detached(own)) => own.headers.first().and_then(|headers| headers.id.clone()),
        _ => None,
    };
    let signature = proof.map(|proof| Signature { scheme, proof, key: Some(key).filter(|_| !keyless) });
    let (handshakes, delivery_id) =
        preset.map_or_else(Default::default, |preset| (preset.handshakes, preset.delivery_id));
    (signature, Implied { handshakes, delivery_id: delivery_id.or(id.map(DeliveryPlace::Header)) })
}

fn signature_key(text: &str) -> SignatureKey {
    match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(field) => SignatureKey::Field(field.to_owned()),
        None if text == "app" => SignatureKey::App,
        None => SignatureKey::Registration,
    }
}

fn detached(node: &Node, algorithm: SignatureAlgorithm) -> Option<Proof> {
    let base64 = text(node, "key_encoding").as_deref() == Some("base64");
    let timestamp = text(node, "timestamp_element");
    let own = Detached::new(algorithm, header(node, "header")?, encoding(node));
    Some(Proof::Detached(Box::new(Detached {
        headers: vec![SignatureHeaders {
            signature: header(node, "header")?,
            id: header(node, "id_header"),
            timestamp: header(node, "timestamp_header"),
        }],
        layout: match text(node, "element") {
            Some(signature) => SignatureLayout::Elements { signature, timestamp },
            None if bool(node, "several") => SignatureLayout::Several,
            None => SignatureLayout::One,
        },
        prefix: text(node, "prefix").unwrap_or_default(),
        key_format: match base64 {
            true => KeyFormat::Base64 { prefix: text(node, "key_prefix").unwrap_or_default() },
            false => KeyFormat::Text,
        },
        signed: text(node, "signed").map_or(own.signed, |text| parts(&text)),
        timestamp_millis: text(node, "timestamp_unit").as_deref() == Some("ms"),
        tolerance: duration(node, "tolerance").unwrap_or(own.tolerance),
        body_digest: text(node, "body_digest"),
        any_port: bool(node, "any_port"),
        ..own
    })))
}

fn token(node: &Node) -> Option<Proof> {
    let algorithms = list(node, "algorithms");
    let all = [
        TokenAlgorithm::Rs256,
        TokenAlgorithm::Rs384,
        TokenAlgorithm::Rs512,
        TokenAlgorithm::Es256,
        TokenAlgorithm::Es384,
        TokenAlgorithm::EdDsa,
    ];
    let taken = all.into_iter().filter(|algorithm| algorithms.iter().any(|word| word == algorithm.word()));
    Some(Proof::Jwt(Box::new(DeliveryToken {
        header: header(node, "header")?,
        jwks_url: text(node, "jwks_url")?,
        issuer: text(node, "issuer")?,
        audience: text(node, "audience")?,
        algorithms: taken.collect(),
        body_digest: text(node, "body_digest"),
        tolerance: duration(node, "tolerance").unwrap_or(Duration::from_secs(60)),
    })))
}

fn handshake(node: &Node, signs: bool) -> Handshake {
    let reply = node.get("reply");
    let reply = reply.map_or(HandshakeReply::Empty, |node| {
        if let Some(text) = template(node, "text") {
            HandshakeReply::Text(text)
        } else if let Some(name) = header(node, "header") {
            HandshakeReply::Header(name)
        } else if node.get("json").is_some() {
            HandshakeReply::Json(templates(node, "json"))
        } else {
            HandshakeReply::Empty
        }
    });
    let hmac = node.get("hmac").map_or_else(ReplyHmac::default, |node| ReplyHmac {
        algorithm: match text(node, "algorithm").as_deref() {
            Some("sha1") => SignatureAlgorithm::HmacSha1,
            Some("sha512") => SignatureAlgorithm::HmacSha512,
            _ => SignatureAlgorithm::HmacSha256,
        },
        encoding: encoding(node),
    });
    Handshake {
        method: text(node, "method"),
        when: node.get("when").map(matching).unwrap_or_default(),
        take: node.get("take").and_then(place),
        token: node.get("token").and_then(place),
        signed: match node.get("signed") {
            Some(_) => bool(node, "signed"),
            None => signs,
        },
        reply,
        hmac,
        confirm: pointer(node, "confirm").map(|url| Confirm { url, hosts: list(node, "confirm_hosts") }),
    }
}

fn response(node: &Node) -> HookResponse {
    HookResponse {
        status: whole(node, "status").and_then(|status| status.try_into().ok()).unwrap_or(200),
        headers: pairs(node, "headers"),
        body: text(node, "body").unwrap_or_default(),
    }
}

fn place(node: &Node) -> Option<DeliveryPlace> {
    let header = header(node, "header").map(DeliveryPlace::Header);
    let query = || text(node, "query").map(DeliveryPlace::Query);
    header.or_else(query).or_else(|| pointer(node, "body").map(DeliveryPlace::Body))
}

/// One place, or several in the body.
fn route(node: &Node) -> Vec<DeliveryPlace> {
    match place(node) {
        Some(place) => vec![place],
        None => pointers(node, "body").into_iter().map(DeliveryPlace::Body).collect(),
    }
}

fn matching(node: &Node) -> DeliveryMatch {
    DeliveryMatch {
        headers: pairs(node, "header"),
        query: pairs(node, "query"),
        body: literals(node, "body"),
    }
}

pub(in crate::spec) fn event(key: &str, node: &Node) -> Event {
    let filter = node.get("filter").map(|node| {
        let header = options(node, "header", DeliveryPlace::Header);
        let query = options(node, "query", DeliveryPlace::Query);
        header.chain(query).chain(options(node, "body", DeliveryPlace::Body)).collect()
    });
    Event {
        key: key.to_owned(),
        name: text(node, "name").unwrap_or_else(|| crate::spec::decode::title_case(key)),
        description: text(node, "description"),
        hook: text(node, "hook"),
        matching: node.get("match").map(matching).unwrap_or_default(),
        filter: filter.unwrap_or_default(),
        wakes: bool(node, "wakes"),
    }
}

/// The options of a filter, by their places.
fn options(
    node: &Node,
    kind: &str,
    place: fn(String) -> DeliveryPlace,
) -> impl Iterator<Item = (DeliveryPlace, String)> {
    let pairs = pairs(node, kind).into_iter();
    pairs.map(move |(name, text)| (place(name), text.trim_matches(['{', '}']).to_owned()))
}
