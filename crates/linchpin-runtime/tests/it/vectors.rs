//! Signature vectors of every scheme, made by the services' own libraries: `tests/data/webhooks/generate.py`.

use std::{fs, path::Path};

use linchpin::{
    Code, DateTime, Delivery, Secret,
    http::{HeaderName, HeaderValue, Method, header::CONTENT_TYPE},
    manifest::spec,
    serde_json::{self, Map, Value},
};
use linchpin_runtime::{
    Runtime,
    webhook::{Fetcher, Guard, Judged, Reply},
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

/// One scheme with its vectors.
struct Scheme {
    name: String,
    guard: Guard,
    now: DateTime,
    vectors: Vec<Vector>,
    fetched: Map<String, Value>,
}

/// A request, with what it must come to.
struct Vector {
    name: String,
    keys: Vec<Secret>,
    delivery: Delivery,
    is: String,
    reply: Value,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn schemes() -> Vec<Scheme> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/webhooks"));
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    files.iter().map(|path| scheme(&serde_json::from_slice(&fs::read(path).unwrap()).unwrap())).collect()
}

fn scheme(file: &Value) -> Scheme {
    let hook = format!("[hook.h]\n{}\n", file["hook"].as_str().unwrap());
    let spec = format!(
        "schema = 1\nkey = \"t\"\nname = \"T\"\nversion = \"0.1.0\"\n[http]\nbase_url = \"https://t.example\"\n{hook}"
    );
    let parsed = spec::parse("t.toml", &spec);
    let spec = parsed.spec.unwrap_or_else(|| panic!("{:#?}", parsed.diagnostics));
    let vectors = file["vectors"].as_array().unwrap().iter().map(|vector| {
        let mut delivery = Delivery {
            method: Method::from_bytes(text(&vector["method"]).as_bytes()).unwrap(),
            url: text(&vector["url"]),
            body: text(&vector["body"]).into(),
            ..Delivery::default()
        };
        for header in vector["headers"].as_array().unwrap() {
            let name = HeaderName::from_bytes(text(&header[0]).as_bytes()).unwrap();
            delivery.headers.append(name, HeaderValue::from_str(&text(&header[1])).unwrap());
        }
        Vector {
            name: text(&vector["name"]),
            keys: vector["keys"].as_array().unwrap().iter().map(|key| Secret::new(text(key))).collect(),
            delivery,
            is: text(&vector["is"]),
            reply: vector["reply"].clone(),
        }
    });
    Scheme {
        name: text(&file["scheme"]),
        guard: Guard::new(&spec.hooks[0]).unwrap(),
        now: DateTime::from_unix_millis(file["now"].as_i64().unwrap() * 1000).unwrap(),
        vectors: vectors.collect(),
        fetched: file.get("fetched").and_then(Value::as_object).cloned().unwrap_or_default(),
    }
}

/// A fetcher that gets what the scheme's service publishes.
async fn fetcher(scheme: &Scheme) -> (Fetcher, MockServer) {
    let server = MockServer::start().await;
    for (url, body) in &scheme.fetched {
        let path = url.splitn(4, '/').nth(3).unwrap();
        let answer = ResponseTemplate::new(200).set_body_string(body.as_str().unwrap());
        Mock::given(matchers::path(format!("/{path}"))).respond_with(answer).mount(&server).await;
    }
    (Fetcher::at(&Runtime::new(), &server.uri()).unwrap(), server)
}

/// What is wrong with an answer.
fn check(reply: &Reply, wanted: &Value) -> Result<(), String> {
    let fault = |what: &str| Err(format!("{what}: {reply:?}"));
    if u64::from(reply.status.as_u16()) != wanted["status"].as_u64().unwrap() {
        return fault("status");
    }
    let headers = wanted["headers"].as_object().unwrap();
    let same = headers.iter().all(|(name, value)| reply.headers[name.as_str()] == value.as_str().unwrap());
    if reply.headers.len() != headers.len() || !same {
        return fault("headers");
    }
    let body = match wanted.get("json") {
        Some(json) => serde_json::from_slice::<Value>(&reply.body).is_ok_and(|body| body == *json),
        None => reply.body == wanted["body"].as_str().unwrap(),
    };
    if !body {
        return fault("body");
    }
    if reply.confirm.as_ref().map(|url| url.as_str()) != wanted["confirm"].as_str() {
        return fault("confirm");
    }
    Ok(())
}

#[tokio::test]
async fn every_vector_comes_to_what_it_says() {
    let (mut wrong, mut count) = (String::new(), 0);
    for scheme in schemes() {
        let (fetcher, _server) = fetcher(&scheme).await;
        for vector in &scheme.vectors {
            let judged = scheme.guard.judge(&fetcher, &vector.delivery, &vector.keys, scheme.now).await;
            let right = match (&judged, vector.is.as_str()) {
                (Ok(Judged::Delivery), "delivery") => Ok(()),
                (Ok(Judged::Handshake(reply)), "handshake") => check(reply, &vector.reply),
                (Err(error), "refused") if error.code() == Code::SignatureInvalid => Ok(()),
                _ => Err(format!("not {}: {judged:?}", vector.is)),
            };
            if let Err(problem) = right {
                wrong.push_str(&format!("{}, {}: {problem}\n", scheme.name, vector.name));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 600, "only {count} vectors");
}

/// What a delivery says, of what the scheme covers: two with the same are the same to whoever takes them.
fn meaning(scheme: &str, delivery: &Delivery) -> Value {
    let body = match scheme {
        "twilio-form" | "twilio-shared-key" => {
            let mut pairs: Vec<_> = url::form_urlencoded::parse(&delivery.body).into_owned().collect();
            pairs.sort();
            serde_json::json!(pairs)
        }
        "aws-sns" | "aws-sns-sha1" => {
            // What the signature says nothing of is not the scheme's to keep.
            let mut body: Value = serde_json::from_slice(&delivery.body).unwrap();
            let members = body.as_object_mut().unwrap();
            let signed = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
            members.retain(|name, _| signed.contains(&name.as_str()));
            body
        }
        _ => delivery.body.to_vec().into(),
    };
    let headers = delivery.headers.iter().filter(|(name, _)| *name != CONTENT_TYPE).map(|(name, value)| {
        // Hexadecimal digits and the word `Bearer` have no case.
        let base64 = ["twilio", "shopify", "standard", "svix", "hmac-sha1", "hmac-sha512-all"];
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match base64.iter().any(|known| scheme.starts_with(known)) {
            true => (name.to_string(), value),
            false if scheme == "jwt" => (name.to_string(), value[7..].to_owned()),
            false => (name.to_string(), value.to_ascii_lowercase()),
        }
    });
    serde_json::json!({ "body": body, "headers": headers.collect::<Vec<_>>() })
}

/// The bytes with one of them changed, in every way that is asked for, or taken away.
fn changes(bytes: &[u8], others: impl Fn(u8) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut changes = Vec::new();
    for at in 0..bytes.len() {
        changes.push([&bytes[..at], &bytes[at + 1..]].concat());
        for other in others(bytes[at]) {
            let mut changed = bytes.to_vec();
            changed[at] = other;
            changes.push(changed);
        }
    }
    changes
}

#[tokio::test]
async fn no_byte_can_be_changed() {
    // Nothing is signed there.
    let open = ["okta", "microsoft-graph", "jwt-alone", "ed25519-in-spec"];
    for scheme in schemes().into_iter().filter(|scheme| !open.contains(&scheme.name.as_str())) {
        let (fetcher, _server) = fetcher(&scheme).await;
        let vector = &scheme.vectors[0];
        let sent = &vector.delivery;
        let costly = !scheme.fetched.is_empty() || scheme.name.starts_with("ed25519");
        let others = |byte: u8| {
            let flipped = (0..8).map(|bit| byte ^ 1 << bit).take(if costly { 1 } else { 8 });
            let marks = br#""&=%+ ,."#.iter().copied().take(if costly { 2 } else { 8 });
            flipped.chain([byte ^ 32]).chain(marks).filter(|other| *other != byte).collect()
        };
        let mut changed: Vec<Delivery> = Vec::new();
        changed.extend(
            changes(&sent.body, others)
                .into_iter()
                .map(|body| Delivery { body: body.into(), ..sent.clone() }),
        );
        for (name, value) in &sent.headers {
            if *name == CONTENT_TYPE || name.as_str().starts_with("x-amz") {
                continue;
            }
            for value in changes(value.as_bytes(), others) {
                let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
                let mut other = sent.clone();
                other.headers.insert(name.clone(), value);
                changed.push(other);
            }
        }
        let url_is_signed = scheme.name.starts_with("twilio") || scheme.name == "hmac-sha512-all";
        if url_is_signed {
            let urls = changes(sent.url.as_bytes(), others).into_iter();
            let urls = urls.filter_map(|url| String::from_utf8(url).ok());
            changed.extend(urls.map(|url| Delivery { url, ..sent.clone() }));
        }
        assert!(changed.len() > 500, "{}", scheme.name);
        for other in changed {
            match scheme.guard.judge(&fetcher, &other, &vector.keys, scheme.now).await {
                Ok(_) => {
                    let same = meaning(&scheme.name, &other) == meaning(&scheme.name, sent);
                    assert!(same && other.url == sent.url, "{}: {other:?}", scheme.name);
                }
                // What a message of SNS names as its certificate may be changed into one that cannot be had.
                Err(error) => assert!(
                    matches!(error.code(), Code::SignatureInvalid | Code::ServiceFailed | Code::Unreachable),
                    "{}: {error:?}",
                    scheme.name
                ),
            }
        }
    }
}
