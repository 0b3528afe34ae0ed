//! Deliveries: what is believed, what is answered, and whom they are for.

use linchpin::{
    Code, DateTime, Delivery, Secret,
    http::{HeaderName, HeaderValue, Method},
    manifest::spec::{self, Spec},
    serde_json::{Value, json},
};
use linchpin_runtime::{
    Runtime,
    webhook::{self, Fetcher, Guard, Judged, Reply},
};
use proptest::prelude::*;

/// A spec with the hook `h`, whose keys are these.
fn spec(hook: &str) -> Spec {
    spec::read_checked(&format!("[hook.h]\n{hook}\n")).unwrap()
}

fn guard(hook: &str) -> Guard {
    Guard::new(&spec(hook).hooks[0]).unwrap()
}

fn now() -> DateTime {
    DateTime::from_unix_millis(1_760_000_000_000).unwrap()
}

fn delivery(headers: &[(&str, &str)], body: &str) -> Delivery {
    let mut delivery = Delivery {
        url: "https://hooks.example/in/1".to_owned(),
        body: body.to_owned().into(),
        ..Delivery::default()
    };
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        delivery.headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    delivery
}

fn get(url: &str, headers: &[(&str, &str)]) -> Delivery {
    Delivery { method: Method::GET, url: url.to_owned(), ..delivery(headers, "") }
}

async fn judge(guard: &Guard, delivery: &Delivery, keys: &[&str]) -> Result<Judged, Code> {
    let keys: Vec<Secret> = keys.iter().map(|key| Secret::new(*key)).collect();
    guard.judge(&Fetcher::new(&Runtime::new()), delivery, &keys, now()).await.map_err(|error| error.code())
}

async fn believed(guard: &Guard, delivery: &Delivery, keys: &[&str]) -> bool {
    match judge(guard, delivery, keys).await {
        Ok(judged) => matches!(judged, Judged::Delivery),
        Err(code) => {
            assert_eq!(code, Code::SignatureInvalid);
            false
        }
    }
}

async fn answered(guard: &Guard, delivery: &Delivery, keys: &[&str]) -> Reply {
    match judge(guard, delivery, keys).await {
        Ok(Judged::Handshake(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_says_nothing_of_trust_is_never_believed() {
    assert!(!believed(&guard(""), &delivery(&[], "{}"), &["key"]).await);
    let code = guard("signature = { scheme = \"code\" }");
    assert!(code.is_by_code() && !believed(&code, &delivery(&[], "{}"), &["key"]).await);
    let keys = [Secret::new("key")];
    assert!(matches!(code.accepted(&delivery(&[], "{}"), &keys), Ok(Judged::Delivery)));
}

#[tokio::test]
async fn every_scheme_believes_what_it_signs_and_no_other_key() {
    for scheme in [
        "scheme = \"github\"",
        "scheme = \"stripe\"",
        "scheme = \"slack\"",
        "scheme = \"zoom\"",
        "scheme = \"standard-webhooks\"",
        "scheme = \"shopify\"",
        "scheme = \"twilio\"",
        "scheme = \"meta\"",
        "scheme = \"dropbox\"",
        "scheme = \"okta\"",
        "scheme = \"microsoft-graph\"",
        "scheme = \"shared-secret\", header = \"X-Token\", prefix = \"Bearer \"",
        "scheme = \"shared-secret\", query = \"token\"",
        "scheme = \"hmac-sha512\", header = \"X-S\", signed = \"{id}:{timestamp}:{url}:{body}\", id_header = \"X-Id\", timestamp_header = \"X-T\", timestamp_unit = \"ms\"",
    ] {
        let guard = guard(&format!("signature = {{ {scheme} }}"));
        // In base64 too, as Standard Webhooks want it.
        let (key, other) = ("c2VjcmV0IG9mIHRoZSBob29r", "c2VjcmV0IG9mIHNvbWVib2R5");
        let body = "{\"value\":[{\"id\":\"1\"},{\"id\":\"2\"}]}";
        let sent = guard.sign(&Secret::new(key), delivery(&[], body), "d-1", now()).unwrap();
        assert!(believed(&guard, &sent, &[key]).await, "{scheme}: {sent:?}");
        assert!(believed(&guard, &sent, &[other, "", key]).await, "{scheme}, while keys rotate");
        assert!(!believed(&guard, &sent, &[other]).await, "{scheme}");
        assert!(!believed(&guard, &sent, &[""]).await && !believed(&guard, &sent, &[]).await, "{scheme}");
        let kept = guard.items(sent.clone()).remove(0).1;
        assert!(!format!("{kept:?}{:?}", kept.body).contains(key), "{scheme}: {kept:?}");
        let proving = sent.headers.keys().filter(|name| !kept.headers.contains_key(*name));
        for name in proving.cloned().collect::<Vec<_>>() {
            let mut bare = sent.clone();
            let value = bare.headers.remove(&name).unwrap();
            assert!(!believed(&guard, &bare, &[key]).await, "{scheme} without its header");
            let mut doubled = sent.clone();
            doubled.headers.append(name.clone(), value);
            assert!(!believed(&guard, &doubled, &[key]).await, "{scheme} with two headers");
            bare.headers.insert(name, HeaderValue::from_static(""));
            assert!(!believed(&guard, &bare, &[key]).await, "{scheme} with an empty header");
        }
    }
}

#[tokio::test]
async fn a_time_that_is_too_far_away_is_refused_on_either_side() {
    let (guard, key) = (guard("signature = { scheme = \"stripe\", tolerance = \"2m\" }"), Secret::new("k"));
    for (seconds, good) in [(0, true), (-120, true), (120, true), (-121, false), (121, false)] {
        let at = DateTime::from_unix_millis(now().unix_millis() + seconds * 1000).unwrap();
        let sent = guard.sign(&key, delivery(&[], "{}"), "1", at).unwrap();
        assert_eq!(believed(&guard, &sent, &["k"]).await, good, "{seconds}");
    }
    for wrong in
        ["t=,v1=00", "v1=00", "t=1760000000,t=1760000000,v1=00", "t=+1760000000,v1=00", "t=1e9,v1=00"]
    {
        assert!(!believed(&guard, &delivery(&[("stripe-signature", wrong)], "{}"), &["k"]).await);
    }
}

#[tokio::test]
async fn of_several_signatures_one_must_be_right_and_of_the_declared_kind() {
    let (stripe, key) = (guard("signature = { scheme = \"stripe\" }"), Secret::new("k"));
    let body = "{\"id\":\"evt_1\"}";
    let sent = stripe.sign(&key, delivery(&[], body), "1", now()).unwrap();
    let right = sent.header("stripe-signature").unwrap().to_owned();
    let with = |value: String| delivery(&[("stripe-signature", &value)], body);
    let junk = "0".repeat(64);
    assert!(believed(&stripe, &with(format!("{right},v1={junk}")), &["k"]).await);
    assert!(believed(&stripe, &with(format!("{right}, v0={junk}, x")), &["k"]).await);
    assert!(!believed(&stripe, &with(right.replace("v1=", "v0=")), &["k"]).await, "a weaker kind");
    assert!(!believed(&stripe, &with(format!("{right}{}", ",v1=00".repeat(16))), &["k"]).await, "too many");
    assert!(!believed(&stripe, &with(right[..right.len() - 2].to_owned()), &["k"]).await, "cut off");

    let svix = guard("signature = { scheme = \"standard-webhooks\" }");
    let key = "whsec_c2VjcmV0IG9mIHRoZSBob29r";
    let sent = svix.sign(&Secret::new(key), delivery(&[], "{}"), "msg_1", now()).unwrap();
    let mut renamed = delivery(&[("webhook-id", "another")], "{}");
    for name in ["id", "timestamp", "signature"] {
        let value = sent.headers[format!("webhook-{name}").as_str()].clone();
        renamed.headers.insert(HeaderName::from_bytes(format!("svix-{name}").as_bytes()).unwrap(), value);
    }
    assert!(believed(&svix, &renamed, &[key]).await);
    assert_eq!(svix.identity(&renamed), "msg_1", "what is signed, and not what is added");
    let right = sent.header("webhook-signature").unwrap();
    let several = format!("v1a,{junk} v1,{} {right} v2,x", "A".repeat(44));
    renamed.headers.insert("svix-signature", HeaderValue::from_str(&several).unwrap());
    assert!(believed(&svix, &renamed, &[key]).await);
}

#[tokio::test]
async fn twilio_signs_forms_with_their_url_and_other_bodies_by_their_digest() {
    let (twilio, key) = (guard("signature = { scheme = \"twilio\" }"), Secret::new("12345"));
    // The example of https://www.twilio.com/docs/usage/security.
    let form =
        "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";
    let kind = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    let mut sent = delivery(&[kind, ("x-twilio-signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")], form);
    sent.url = "https://mycompany.com/myapp.php?foo=1&bar=2".to_owned();
    assert!(believed(&twilio, &sent, &["12345"]).await);
    sent.url = "https://mycompany.com:443/myapp.php?foo=1&bar=2".to_owned();
    assert!(believed(&twilio, &sent, &["12345"]).await, "with the port that it is anyway");
    for changed in ["foo=1", "foo=1&foo=1&bar=2", "foo=1&bar=3"] {
        let url = format!("https://mycompany.com/myapp.php?{changed}");
        assert!(!believed(&twilio, &Delivery { url, ..sent.clone() }, &["12345"]).await);
    }
    let mut other = sent.clone();
    other.headers.insert("content-type", HeaderValue::from_static("application/json"));
    assert!(!believed(&twilio, &other, &["12345"]).await, "a body that nothing is signed of");

    let sent = twilio.sign(&key, delivery(&[], "{\"a\":1}"), "1", now()).unwrap();
    assert!(sent.url.contains("bodySHA256=") && believed(&twilio, &sent, &["12345"]).await);
    assert!(!believed(&twilio, &Delivery { body: "{\"a\":2}".into(), ..sent.clone() }, &["12345"]).await);
    let url = sent.url.split('?').next().unwrap().to_owned();
    assert!(!believed(&twilio, &Delivery { url, ..sent }, &["12345"]).await);
}

#[tokio::test]
async fn every_notification_of_a_batch_must_bear_the_secret() {
    let graph = guard("signature = { scheme = \"microsoft-graph\" }");
    for (body, good) in [
        (r#"{"value":[{"clientState":"s"},{"clientState":"s"}]}"#, true),
        (r#"{"value":[{"clientState":"s"},{"clientState":"t"}]}"#, false),
        (r#"{"value":[{"clientState":"s"},{}]}"#, false),
        (r#"{"value":[]}"#, false),
        (r#"{"value":{"clientState":"s"}}"#, false),
        (r#"{"value":[{"clientState":["s"]}]}"#, false),
        (r#"[]"#, false),
        ("", false),
    ] {
        assert_eq!(believed(&graph, &delivery(&[], body), &["s"]).await, good, "{body}");
    }
}

#[tokio::test]
async fn services_shake_hands_as_they_document() {
    let plain = |reply: &Reply| {
        let header = |name: &str| reply.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-content-type-options"), "nosniff");
        (header("content-type"), String::from_utf8(reply.body.to_vec()).unwrap())
    };
    let text = |body: &str| ("text/plain; charset=utf-8".to_owned(), body.to_owned());

    let slack = guard("signature = { scheme = \"slack\" }");
    let asked = json!({ "type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P" });
    let unsigned = delivery(&[], &asked.to_string());
    let signed = slack.sign(&Secret::new("k"), unsigned.clone(), "1", now()).unwrap();
    let reply = answered(&slack, &signed, &["k"]).await;
    assert_eq!(plain(&reply), text(asked["challenge"].as_str().unwrap()));
    assert!(!believed(&slack, &unsigned, &["k"]).await, "Slack signs what it asks");

    let zoom = guard("signature = { scheme = \"zoom\" }");
    let asked =
        json!({ "event": "endpoint.url_validation", "payload": { "plainToken": "qgg8vlvZRS6UYooatFL8Aw" } });
    let signed = zoom.sign(&Secret::new("k"), delivery(&[], &asked.to_string()), "1", now()).unwrap();
    let (kind, body) = plain(&answered(&zoom, &signed, &["k", "old"]).await);
    let body: Value = body.parse().unwrap();
    assert_eq!((kind.as_str(), &body["plainToken"]), ("application/json", &json!("qgg8vlvZRS6UYooatFL8Aw")));
    // printf qgg8vlvZRS6UYooatFL8Aw | openssl dgst -sha256 -hmac k
    assert_eq!(body["encryptedToken"], "7648f00663203a3b7c15e7680e9c4a6ea2fd5eb6b44d7ff5858d5588c4ce9ff9");

    let meta = guard("signature = { scheme = \"meta\" }");
    let url = "https://h.example/in?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=";
    assert_eq!(plain(&answered(&meta, &get(&format!("{url}k"), &[]), &["k"]).await), text("1158201444"));
    for wrong in ["x", "", "k&hub.verify_token=k"] {
        assert!(!believed(&meta, &get(&format!("{url}{wrong}"), &[]), &["k", ""]).await, "{wrong}");
    }

    let dropbox = guard("signature = { scheme = \"dropbox\" }");
    let asked = get("https://h.example/in?challenge=%3Cb%3Ea", &[]);
    assert_eq!(plain(&answered(&dropbox, &asked, &["k"]).await), text("<b>a"));
    let posted = Delivery { method: Method::POST, ..asked };
    assert!(!believed(&dropbox, &posted, &["k"]).await, "a delivery is no handshake");
    for wrong in ["a%0d%0aSet-Cookie:x", "%00", "%C2%85", &"a".repeat(2049)] {
        let asked = get(&format!("https://h.example/in?challenge={wrong}"), &[]);
        assert!(!believed(&dropbox, &asked, &["k"]).await, "{wrong}");
    }

    let okta = guard("signature = { scheme = \"okta\" }");
    let challenge = ("x-okta-verification-challenge", "Me_rShK8JHsTnbyYrWXCEoMGbM_zsZ6k0hLPZ_Pg");
    let asked = get("https://h.example/in", &[challenge, ("authorization", "k")]);
    let (_, body) = plain(&answered(&okta, &asked, &["k"]).await);
    assert_eq!(body, json!({ "verification": challenge.1 }).to_string());
    assert!(!believed(&okta, &get("https://h.example/in", &[challenge]), &["k"]).await);

    let graph = guard("signature = { scheme = \"microsoft-graph\" }");
    let asked = Delivery {
        url: "https://h.example/in?validationToken=Validation%3a+Testing+client+application".to_owned(),
        ..delivery(&[], "")
    };
    assert_eq!(
        plain(&answered(&graph, &asked, &["k"]).await),
        text("Validation: Testing client application")
    );
}

#[tokio::test]
async fn a_handshake_of_ones_own_is_answered_in_a_header_and_confirmed_at_its_hosts() {
    let own = guard(
        "signature = { scheme = \"hmac-sha256\", header = \"X-Signature\" }\n\
         [[hook.h.handshake]]\ntake = { header = \"X-Hook-Secret\" }\nsigned = false\nreply = { header = \"X-Hook-Secret\" }\n\
         [[hook.h.handshake]]\nwhen = { body = { \"/type\" = \"hello\" } }\nsigned = false\nconfirm = \"/url\"\nconfirm_hosts = [\"*.tracker.example\"]",
    );
    let reply = answered(&own, &delivery(&[("x-hook-secret", "abc")], ""), &["k"]).await;
    assert_eq!((&reply.headers["x-hook-secret"], reply.headers.len()), (&HeaderValue::from_static("abc"), 1));

    let hello = |url: &str| delivery(&[], &json!({ "type": "hello", "url": url }).to_string());
    let reply = answered(&own, &hello("https://eu.tracker.example/yes?t=1"), &["k"]).await;
    assert_eq!(reply.confirm.unwrap().as_str(), "https://eu.tracker.example/yes?t=1");
    for wrong in [
        "http://eu.tracker.example/",
        "https://tracker.example/",
        "https://a.b.tracker.example/",
        "https://eu.tracker.example.evil.example/",
        "https://eu.tracker.example:8443/",
        "https://u:p@eu.tracker.example/",
        "https://169.254.169.254/",
        "yes",
    ] {
        assert!(!believed(&own, &hello(wrong), &["k"]).await, "{wrong}");
    }
}

#[test]
fn deliveries_are_told_apart_ordered_and_routed() {
    let own = guard(
        "scope = \"app\"\nroute = { body = \"/team\", connection = \"{account}\" }\n\
         delivery_id = { header = \"X-Id\" }\norder_by = { body = \"/issue/id\" }\n\
         response = { status = 202, headers = { X-A = \"b\" }, body = \"ok\" }",
    );
    let sent = delivery(&[("x-id", "7")], r#"{"team":"T1","issue":{"id":42}}"#);
    assert_eq!(own.identity(&sent), "7");
    assert_eq!(own.lane(&sent).as_deref(), Some("42"));
    assert_eq!(own.routing_key(&sent).as_deref(), Some("T1"));
    let long = own.identity(&delivery(&[("x-id", &"7".repeat(129))], ""));
    assert!(long.starts_with("sha256:") && long.len() == 71);
    let hashed = own.identity(&delivery(&[], "a"));
    assert_eq!(hashed, own.identity(&delivery(&[("x-other", "1")], "a")));
    assert_ne!(hashed, own.identity(&delivery(&[], "b")));
    assert_eq!((own.lane(&delivery(&[], "a")), own.routing_key(&delivery(&[], "{}"))), (None, None));
    let response = own.response();
    assert_eq!((response.status.as_u16(), &response.body[..]), (202, &b"ok"[..]));
    assert_eq!(guard("").response().status.as_u16(), 200);
}

#[test]
fn who_a_delivery_is_for_may_stand_in_several_places() {
    let own = guard(
        "scope = \"app\"\nroute = { body = [\"/to/0/team\", \"/to/0/user\"], connection = \"{account}\" }",
    );
    let key = |body: &str| own.routing_key(&delivery(&[], body));
    assert_eq!(key(r#"{"to":[{"team":"T1","user":"U1"}]}"#).as_deref(), Some("T1/U1"));
    assert_eq!(key(r#"{"to":[{"team":"T1","user":"U/1"}]}"#).as_deref(), Some("T1/U/1"));
    for nobody in [
        r#"{"to":[{"team":"T1"}]}"#,
        r#"{"to":[{"team":"T1","user":""}]}"#,
        r#"{"to":[{"team":null,"user":"U1"}]}"#,
        // It would be the key of somebody else.
        r#"{"to":[{"team":"T1/U","user":"1"}]}"#,
        r#"{"to":[]}"#,
        "no JSON",
    ] {
        assert_eq!(key(nobody), None, "{nobody}");
    }
    let mut addressed = delivery(&[], r#"{"event":1}"#);
    own.address(&mut addressed, "T1/U/1").unwrap();
    assert_eq!(addressed.body, r#"{"event":1,"to":[{"team":"T1","user":"U/1"}]}"#);
    own.address(&mut addressed, "T2/U2").unwrap();
    assert_eq!(own.routing_key(&addressed).as_deref(), Some("T1/U/1"), "what is there stays");
    assert!(own.address(&mut delivery(&[], "{}"), "T1").is_err());
    assert!(guard("").address(&mut delivery(&[], "{}"), "T1").is_err());
}

#[test]
fn what_a_delivery_holds_is_told_apart_item_by_item() {
    let own = guard(
        "delivery_id = { body = \"/id\" }\nitems = { at = \"/data/events\", id = \"/uuid\" }\norder_by = { body = \"/actor\" }",
    );
    let sent = delivery(
        &[("x-a", "b")],
        r#"{"id":"d","data":{"events":[{"uuid":"1","actor":"ann","n":12345678901234567890.10}, {"actor":"bob"},7,{"uuid":""}]}}"#,
    );
    let items = own.items(sent);
    let ids: Vec<&str> = items.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["1", "d/1", "d/2", "d/3"]);
    assert_eq!(&items[0].1.body[..], br#"{"uuid":"1","actor":"ann","n":12345678901234567890.10}"#);
    assert_eq!(items[1].1.headers["x-a"], "b");
    assert_eq!(own.lane(&items[1].1).as_deref(), Some("bob"));
    for none in ["{}", r#"{"data":{"events":{}}}"#, r#"{"data":{"events":[]}}"#, "no", ""] {
        assert!(own.items(delivery(&[], none)).is_empty(), "{none}");
    }
    let long = format!(r#"{{"data":{{"events":[{{"uuid":"{}"}}]}}}}"#, "7".repeat(200));
    assert!(own.items(delivery(&[], &long))[0].0.starts_with("sha256:"));

    let whole = guard("delivery_id = { body = \"/id\" }").items(delivery(&[], r#"{"id":"d"}"#));
    assert_eq!((whole.len(), whole[0].0.as_str(), &whole[0].1.body[..]), (1, "d", &br#"{"id":"d"}"#[..]));
}

#[test]
fn what_could_prove_another_delivery_is_not_kept() {
    let graph = "signature = { scheme = \"microsoft-graph\" }\nitems = { at = \"/value\", id = \"/id\" }";
    let sent = delivery(
        &[("authorization", "Bearer t"), ("x-a", "b")],
        r#"{"value":[{"id":"1","clientState":"s\u0065cr\"et"} , {"id":"2","clientState":"secr\"et", "n":1.10}]}"#,
    );
    let items = guard(graph).items(sent);
    let bodies: Vec<&[u8]> = items.iter().map(|(_, item)| &item.body[..]).collect();
    assert_eq!(bodies[0], br#"{"id":"1","clientState":"*************"}"#);
    assert_eq!(bodies[1], br#"{"id":"2","clientState":"********", "n":1.10}"#);
    let names: Vec<&str> = items[0].1.headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["x-a"]);

    let own = guard(
        "signature = { scheme = \"shared-secret\", query = \"a key\" }\n\
         scrub = [{ body = \"/token\" }, { body = \"/who/*\" }, { header = \"X-Pin\" }, { query = \"pin\" }]\n\
         handshake = [{ when = { query = { mode = \"hello\" } }, token = { body = \"/verify\" } }]",
    );
    let url = "https://hooks.example/in/1?a+key=k&b=a%20key&a%20key=l&pin=&pin=7&pin";
    let mut sent = delivery(
        &[("x-pin", "1"), ("x-pin", "2")],
        r#"{"token":"one","who":[{"a":"b","n":[-10.5e3,true,null]},"\\"],"token" : "zwei ß","verify":"v","to\u006ben":7}"#,
    );
    sent.url = url.to_owned();
    let kept = own.items(sent).remove(0).1;
    assert_eq!(kept.url, "https://hooks.example/in/1?a+key=***&b=a%20key&a%20key=***&pin=&pin=***&pin");
    assert!(kept.headers.is_empty());
    let wanted = r#"{"token":"***","who":[{"a":"*","n":[-11.1e0,true,null]},"**"],"token" : "*******","verify":"*","to\u006ben":1}"#;
    assert_eq!(kept.body, wanted);

    // Beside what is no UTF-8, and what is no JSON has no such place.
    let mut broken = delivery(&[], "");
    for (body, wanted) in [
        (&b"{\"a\":\"\xff\xfe\",\"token\":\"s\"}"[..], &b"{\"a\":\"\xff\xfe\",\"token\":\"*\"}"[..]),
        (b"{\"token\":\"\xff\"}", b"{\"token\":\"*\"}"),
        (b"token=s", b"token=s"),
        (b"", b""),
        (b"[[\"token\"]]", b"[[\"token\"]]"),
    ] {
        broken.body = body.to_vec().into();
        assert_eq!(own.items(broken.clone()).remove(0).1.body, wanted);
    }
}

#[test]
fn who_has_no_id_is_told_by_what_is_kept() {
    let own = guard("signature = { scheme = \"microsoft-graph\" }");
    let id = |secret: &str, n: u8| {
        own.identity(&delivery(&[], &format!(r#"{{"value":[{{"clientState":"{secret}","n":{n}}}]}}"#)))
    };
    assert_eq!(id("k1", 1), id("k1", 1));
    assert_eq!(id("k1", 1), id("k2", 1), "also under the next key");
    assert_ne!(id("k1", 1), id("k1", 2));
    // An id in a header beside the signature's is found, though that one is taken out.
    let svix = guard("signature = { scheme = \"standard-webhooks\" }");
    let sent = delivery(&[("svix-id", "m1"), ("svix-timestamp", "1"), ("svix-signature", "v1,x")], "{}");
    assert_eq!(svix.items(sent).remove(0).0, "m1");
}

/// A JSON text that holds a secret at `/items/*/token`, and how it looks without: with blanks, escapes and numbers as services write
/// them.
fn planted() -> impl Strategy<Value = (String, String)> {
    let blank = "[ \n\t]{0,2}";
    let text = r#"([a-z *ß€"\\/:,]|\PC){0,6}"#.prop_map(|text| json!(text).to_string());
    let secret = (r#"[a-z"\\/ß€😀:]{0,8}"#, any::<bool>()).prop_map(|(text, escaped)| match escaped {
        true => {
            let escapes = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
            format!("\"{}\"", escapes.collect::<String>())
        }
        false => json!(text).to_string(),
    });
    let leaf = prop_oneof![
        text.clone(),
        r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?",
        Just("true".to_owned()),
        Just(r#"{"token":"not here","items":[{"token":"nor here"}]}"#.to_owned()),
    ];
    let item = (secret, leaf, any::<bool>(), [blank; 4]).prop_map(|(secret, leaf, first, [a, b, c, d])| {
        let made = |secret: &str| {
            let token = format!("{a}\"token\"{b}:{c}{secret}");
            match first {
                true => format!("{{{token},\"x\":{leaf}{d}}}"),
                false => format!("{{\"x\":{leaf},{d}{token}}}"),
            }
        };
        (made(&secret), made(&format!("\"{}\"", "*".repeat(secret.len() - 2))))
    });
    (prop::collection::vec(item, 0..4), text, blank).prop_map(|(items, name, blank)| {
        let made = |items: Vec<String>| {
            format!("{blank}{{\"y\":{name},\"items\":{blank}[{}] ,\"z\":\"token\"}}", items.join(","))
        };
        let (with, without) = items.into_iter().unzip();
        (made(with), made(without))
    })
}

proptest! {
    #[test]
    fn beside_secrets_a_body_stays_byte_for_byte((with, without) in planted()) {
        let own = guard("scrub = { body = \"/items/*/token\" }");
        let kept = own.items(delivery(&[], &with)).remove(0).1.body;
        prop_assert_eq!(str::from_utf8(&kept).unwrap(), &without);
        prop_assert!(linchpin::serde_json::from_slice::<Value>(&kept).is_ok());
        let again = own.items(delivery(&[], &without)).remove(0).1.body;
        prop_assert_eq!(again, kept);
    }

    #[test]
    fn whatever_a_body_is_it_is_as_long_and_as_good_json_afterwards(
        body in prop_oneof![prop::collection::vec(any::<u8>(), 0..40), r#"[\[\]{},:"\\tokenitems01e. ]{0,40}"#.prop_map(String::into_bytes)],
        pointer in "(/(token|items|\\*|0)){0,3}",
    ) {
        let own = guard(&format!("scrub = {{ body = \"{pointer}\" }}"));
        let sent = Delivery { body: body.clone().into(), ..Delivery::default() };
        let kept = own.items(sent).remove(0).1.body;
        prop_assert_eq!(kept.len(), body.len());
        let is_json = |body: &[u8]| linchpin::serde_json::from_slice::<Value>(body).is_ok();
        prop_assert!(!is_json(&body) || is_json(&kept));
    }
}

#[test]
fn a_filter_may_want_any_item_of_a_list() {
    let spec = spec(
        "[event.added]\nname = \"Added\"\nhook = \"h\"\nfilter = { body = { \"/target/*/id\" = \"{group}\" } }",
    );
    let wanted = |group: Value, body: &str| {
        !webhook::events(&spec, "h", &delivery(&[], body), &json!({ "group": group })).is_empty()
    };
    let body = r#"{"target":[{"id":"u1"},{},{"id":{"x":"g2"}},{"id":"g1"}]}"#;
    assert!(wanted(json!("g1"), body) && wanted(json!(["g9", "u1"]), body) && wanted(json!(null), body));
    assert!(!wanted(json!("g2"), body));
    for none in [r#"{"target":[]}"#, r#"{"target":{"id":"g1"}}"#, "{}", "no"] {
        assert!(!wanted(json!("g1"), none), "{none}");
    }
}

#[test]
fn an_id_of_several_parts_is_all_of_them() {
    let own = guard(
        "signature = { scheme = \"shared-secret\", header = \"X-Token\" }\n\
         delivery_id = [{ header = \"X-Channel\" }, { header = \"X-Number\" }]",
    );
    let id = |channel: &str, number: &str| {
        own.identity(&delivery(&[("x-channel", channel), ("x-number", number)], ""))
    };
    assert_eq!(id("a", "1"), "a/1");
    assert_ne!(id("a", "1"), id("b", "1"));
    assert_ne!(id("a/1", "2"), id("a", "1/2"));
    assert_ne!(id("a~1", "2"), id("a/", "2"));
    // Without one of them it is told by its body.
    let bare = own.identity(&delivery(&[("x-channel", "a")], ""));
    assert!(bare.starts_with("sha256:"), "{bare}");
    assert_eq!(id("a", ""), bare);
    let key = Secret::new("k");
    let at = DateTime::from_unix_millis(1_772_355_600_000).unwrap();
    let signed = own.sign(&key, delivery(&[("x-channel", "c")], ""), "7", at).unwrap();
    assert_eq!(own.identity(&signed), "c/7");
}

#[test]
fn a_registration_gets_the_events_of_its_options() {
    let spec = spec(
        "[event.opened]\nname = \"Opened\"\nhook = \"h\"\nmatch = { query = { kind = \"a\" } }\n\
         filter = { body = { \"/repo\" = \"{repo}\" }, header = { X-Level = \"{level}\" } }\n\
         [event.closed]\nname = \"Closed\"\nhook = \"h\"\nmatch = { query = { kind = \"b\" } }\n\
         [event.other]\nname = \"Other\"\nhook = \"another\"",
    );
    let mut sent = delivery(&[("x-level", "3")], r#"{"repo":"web"}"#);
    sent.url = "https://h.example/in?kind=a".to_owned();
    let events = |options: Value, sent: &Delivery| {
        let events = webhook::events(&spec, "h", sent, &options);
        events.iter().map(|event| event.key.clone()).collect::<Vec<_>>()
    };
    for (options, wanted) in [
        (json!({}), true),
        (json!({ "repo": null, "level": [] }), true),
        (json!({ "repo": "web", "level": 3 }), true),
        (json!({ "repo": ["api", "web"] }), true),
        (json!({ "repo": "api" }), false),
        (json!({ "repo": "web", "level": 4 }), false),
        (json!({ "repo": { "a": "web" } }), false),
    ] {
        assert_eq!(!events(options.clone(), &sent).is_empty(), wanted, "{options}");
    }
    sent.url = "https://h.example/in?kind=b".to_owned();
    assert_eq!(events(json!({ "repo": "api" }), &sent), ["closed"]);
}
