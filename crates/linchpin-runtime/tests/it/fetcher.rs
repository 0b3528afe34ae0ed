//! What is fetched for a judgement: how often, from where, and how much.

use std::{fs, io, net::IpAddr, path::Path};

use linchpin::{
    Code, DateTime, Delivery, Result, Secret,
    flow::BoxFuture,
    http::{HeaderValue, header::AUTHORIZATION},
    manifest::spec,
    serde_json::{self, Value, json},
};
use linchpin_runtime::{
    Resolver, Runtime,
    webhook::{Fetcher, Guard, Judged},
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

/// A file of signature vectors.
fn file(name: &str) -> String {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/webhooks"));
    fs::read_to_string(folder.join(name)).unwrap()
}

fn vectors(name: &str) -> Value {
    serde_json::from_str(&file(name)).unwrap()
}

fn guard(hook: &str) -> Guard {
    Guard::new(&spec::read_checked(&format!("[hook.h]\n{hook}\n")).unwrap().hooks[0]).unwrap()
}

fn at(seconds: i64) -> DateTime {
    DateTime::from_unix_millis((1_760_000_000 + seconds) * 1000).unwrap()
}

/// A delivery with the token of a vector.
fn with_token(file: &Value, name: &str) -> Delivery {
    let vectors = file["vectors"].as_array().unwrap();
    let vector = vectors.iter().find(|vector| vector["name"] == name).unwrap();
    let mut delivery =
        Delivery { body: vector["body"].as_str().unwrap().to_owned().into(), ..Delivery::default() };
    let value = HeaderValue::from_str(vector["headers"][0][1].as_str().unwrap()).unwrap();
    delivery.headers.insert(AUTHORIZATION, value);
    delivery
}

async fn publish(server: &MockServer, answer: ResponseTemplate) {
    server.reset().await;
    Mock::given(matchers::any()).respond_with(answer).mount(server).await;
}

async fn asked(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

/// The key set of the vectors.
fn key_set(file: &Value) -> ResponseTemplate {
    let (_, body) = file["fetched"].as_object().unwrap().iter().next().unwrap();
    ResponseTemplate::new(200).set_body_string(body.as_str().unwrap())
}

#[tokio::test]
async fn a_key_set_is_asked_for_again_for_a_key_that_it_lacks_but_not_twice_in_a_minute() {
    let (file, server) = (vectors("jwt.json"), MockServer::start().await);
    publish(&server, key_set(&file)).await;
    let guard = guard(file["hook"].as_str().unwrap());
    let fetcher = Fetcher::at(&Runtime::new(), &server.uri()).unwrap();
    let (good, gone) = (with_token(&file, "valid"), with_token(&file, "a key that is not published"));
    for (seconds, delivery, requests) in [
        (0, &good, 1),
        (1, &good, 1),
        (30, &gone, 1),
        (60, &gone, 2),
        (61, &gone, 2),
        (62, &good, 2),
        (121, &gone, 3),
        (3800, &good, 4),
    ] {
        let judged = guard.judge(&fetcher, delivery, &[], at(seconds)).await;
        assert_eq!(judged.is_ok(), std::ptr::eq(delivery, &good) && seconds < 300, "{seconds}: {judged:?}");
        assert_eq!(asked(&server).await, requests, "{seconds}");
    }
}

#[tokio::test]
async fn those_who_wait_for_a_key_set_share_one_request() {
    let (file, server) = (vectors("jwt.json"), MockServer::start().await);
    publish(&server, key_set(&file)).await;
    let guard = guard(file["hook"].as_str().unwrap());
    let fetcher = Fetcher::at(&Runtime::new(), &server.uri()).unwrap();
    let good = with_token(&file, "valid");
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (guard, fetcher, good) = (guard.clone(), fetcher.clone(), good.clone());
        waiting.spawn(async move { guard.judge(&fetcher, &good, &[], at(0)).await });
    }
    for judged in waiting.join_all().await {
        assert!(matches!(judged, Ok(Judged::Delivery)), "{judged:?}");
    }
    assert_eq!(asked(&server).await, 1);
}

#[tokio::test]
async fn keys_that_cannot_be_had_refuse_nothing_for_good() {
    let (file, server) = (vectors("jwt.json"), MockServer::start().await);
    let guard = guard(file["hook"].as_str().unwrap());
    let fetcher = Fetcher::at(&Runtime::new(), &server.uri()).unwrap();
    let good = with_token(&file, "valid");
    let code =
        async |seconds| guard.judge(&fetcher, &good, &[], at(seconds)).await.map(drop).map_err(|e| e.code());

    publish(&server, ResponseTemplate::new(500)).await;
    assert_eq!(code(0).await, Err(Code::ServiceFailed));
    assert_eq!(code(1).await, Err(Code::Unreachable), "not asked again at once");
    assert_eq!(asked(&server).await, 1);
    for (answer, error) in [
        (ResponseTemplate::new(200).set_body_string("{}"), Code::ResponseMalformed),
        (ResponseTemplate::new(200).set_body_bytes(vec![b' '; 300 << 10]), Code::ResponseTooLarge),
        (ResponseTemplate::new(302).insert_header("location", "/elsewhere"), Code::ServiceFailed),
    ] {
        publish(&server, answer).await;
        let fetcher = Fetcher::at(&Runtime::new(), &server.uri()).unwrap();
        let error_of = guard.judge(&fetcher, &good, &[], at(0)).await.unwrap_err().code();
        assert_eq!((error_of, asked(&server).await), (error, 1));
    }
    publish(&server, key_set(&file)).await;
    assert_eq!(code(61).await, Ok(()));
}

#[tokio::test]
async fn a_key_set_that_cannot_be_had_anew_stays_good() {
    let (file, server) = (vectors("jwt-alone.json"), MockServer::start().await);
    publish(&server, key_set(&file)).await;
    let pem = file_key();
    let guard = guard(file["hook"].as_str().unwrap());
    let fetcher = Fetcher::at(&Runtime::new(), &server.uri()).unwrap();
    for (seconds, answer) in [(0, key_set(&file)), (7200, ResponseTemplate::new(503))] {
        publish(&server, answer).await;
        let sent = guard.sign(&pem, Delivery::default(), "1", at(seconds)).unwrap();
        let judged = guard.judge(&fetcher, &sent, &[], at(seconds)).await;
        assert!(matches!(judged, Ok(Judged::Delivery)), "{judged:?}");
        assert_eq!(asked(&server).await, 1);
    }
    let sent = guard.sign(&pem, Delivery::default(), "1", at(86_400)).unwrap();
    let error = guard.judge(&fetcher, &sent, &[], at(86_400)).await.unwrap_err();
    assert_eq!(error.code(), Code::ServiceFailed, "but for a day only");
}

/// The private key of the vectors.
fn file_key() -> Secret {
    Secret::new(file("rsa.pem"))
}

#[tokio::test]
async fn messages_of_sns_are_signed_by_a_stand_in_and_their_certificates_are_not_fetched_without_end() {
    let (file, server) = (vectors("aws-sns.json"), MockServer::start().await);
    let (_, pem) = file["fetched"].as_object().unwrap().iter().next().unwrap();
    publish(&server, ResponseTemplate::new(200).set_body_string(pem.as_str().unwrap())).await;
    let guard = guard("signature = { scheme = \"aws-sns\" }");
    let fetcher = Fetcher::at(&Runtime::new(), &server.uri()).unwrap();
    let message =
        json!({ "Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": "hello" });
    let signed = |message: &Value| {
        let unsigned = Delivery { body: message.to_string().into(), ..Delivery::default() };
        guard.sign(&file_key(), unsigned, "m-1", at(0)).unwrap()
    };
    let sent = signed(&message);
    assert_eq!(guard.identity(&sent), "m-1");
    for _ in 0..3 {
        let judged = guard.judge(&fetcher, &sent, &[], at(0)).await;
        assert!(matches!(judged, Ok(Judged::Delivery)), "{judged:?}");
    }
    assert_eq!(asked(&server).await, 1);

    publish(&server, ResponseTemplate::new(404)).await;
    for at_once in 0..40 {
        let mut other = message.clone();
        other["SigningCertURL"] = format!("https://sns.eu-west-1.amazonaws.com/{at_once}.pem").into();
        let error = guard.judge(&fetcher, &signed(&other), &[], at(1)).await.unwrap_err();
        assert!(matches!(error.code(), Code::ServiceFailed | Code::Unreachable), "{error:?}");
    }
    assert_eq!(asked(&server).await, 29, "thirty in a minute with the one before");
    let judged = guard.judge(&fetcher, &sent, &[], at(2)).await;
    assert!(matches!(judged, Ok(Judged::Delivery)), "what is known stays known: {judged:?}");
}

/// Says that every name is inside.
#[derive(Debug)]
struct Inside;

impl Resolver for Inside {
    fn resolve(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) })
    }
}

#[tokio::test]
async fn a_url_is_confirmed_at_public_addresses_only() -> Result<()> {
    let server = MockServer::start().await;
    Mock::given(matchers::method("GET"))
        .and(matchers::path("/yes"))
        .and(matchers::query_param("t", "1"))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    let url = "https://eu.tracker.example/yes?t=1".parse().unwrap();
    Fetcher::at(&Runtime::new(), &server.uri())?.confirm(&url).await?;

    let inside = Runtime::builder().resolver(Inside).allow("127.0.0.0/8")?.build();
    let error = Fetcher::new(&inside).confirm(&url).await.unwrap_err();
    assert_eq!(error.code(), Code::HostRefused, "{error:?}");
    let error = Fetcher::at(&Runtime::new(), &server.uri())?
        .confirm(&"https://eu.tracker.example/no".parse().unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::ServiceFailed);
    Ok(())
}
