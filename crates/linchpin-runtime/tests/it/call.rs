//! Calls: what is checked before and after the author's code, and what becomes of its panics.

use std::collections::BTreeMap;

use linchpin::{
    Code, Error,
    prelude::*,
    serde_json::{self, Value, json},
};
use linchpin_runtime::{Connection, Failed, Invocation, Output, Ran, ResultCheck, Runtime};
use wiremock::MockServer;

use super::tracker::{PLAIN, TOKEN, connect, invocation, json_answer, on, page, records, seen, value};

#[fields]
struct Order {
    /// Customer
    #[field(min_length = 2)]
    customer: String,
    /// Lines
    #[field(max_length = 2)]
    lines: Vec<Line>,
    /// Express
    express: Option<bool>,
    /// Notes by language
    notes: Option<BTreeMap<String, String>>,
    /// Password
    #[field(secret, pattern = "^[a-z]+$")]
    password: Option<String>,
}

#[fields]
struct Line {
    /// Article
    article: String,
    /// Amount
    #[field(min = 1, max = 99)]
    amount: u8,
    /// Size
    size: Option<Size>,
}

#[fields]
#[derive(Clone, Copy)]
enum Size {
    Small,
    Large,
}

#[fields]
struct Terms {
    /// Currency
    #[field(pattern = "^[A-Z]{3}$")]
    currency: String,
}

#[action(create, idempotency = "none")]
async fn order(cx: Context, Input(order): Input<Order>, Options(terms): Options<Terms>) -> Result<Value> {
    let lines = order.lines.len();
    cx.post(path!("/orders")).query("currency", terms.currency).json(&lines).send().await?.json()
}

/// What fits the type and not the schema.
#[fields]
#[derive(Debug, PartialEq)]
struct Bounded {
    /// Name
    #[field(max_length = 3)]
    name: String,
    /// Id
    #[field(min = 10)]
    id: u64,
}

#[action(read)]
async fn bounded(cx: Context) -> Result<Bounded> {
    cx.get(path!("/bounded")).send().await?.json()
}

#[action(read)]
async fn many_bounded(cx: Context) -> Result<Records<Bounded>> {
    Ok(cx.get(path!("/list")).records())
}

#[fields]
struct Numbers {
    of: Vec<u64>,
}

/// Calls another flow, and says what it got.
#[action(read)]
async fn sum(cx: Context, Input(numbers): Input<Numbers>) -> Result<u64> {
    let found = cx.call::<names>(ChoiceQuery { search: Some("b".into()), cursor: None }).await?;
    assert_eq!(found.choices, [Choice::new(2, "b")]);
    let mut all = cx.call::<things>(numbers).await?;
    let mut sum = 0;
    while let Some(number) = all.next().await? {
        sum += number;
    }
    Ok(sum)
}

#[helper]
async fn names(cx: Context, Input(query): Input<ChoiceQuery>) -> Result<Choices> {
    let names: Vec<String> = cx.get(path!("/names")).send().await?.json()?;
    let choices = names.iter().enumerate().map(|(id, name)| Choice::new(id + 1, name));
    Ok(choices.filter(|choice| query.matches(&choice.label)).collect())
}

#[helper]
async fn things(_cx: Context, Input(numbers): Input<Numbers>) -> Result<Records<u64>> {
    if numbers.of.is_empty() {
        return Err(Error::new("there is nothing to add up"));
    }
    Ok(Records::from_list(numbers.of))
}

#[action(read)]
async fn panics(cx: Context) -> Result<()> {
    cx.get(path!("/names")).send().await?;
    panic!("there is always one")
}

/// Panics at the third record.
#[action(read)]
async fn panics_late(cx: Context) -> Result<Records<u64>> {
    let things: Records<super::tracker::Thing> = cx.get(path!("/list")).records();
    Ok(things.map(|thing| match thing.id {
        3 => panic!("three is too many"),
        id => id,
    }))
}

async fn world() -> (MockServer, Connection) {
    let connector = linchpin::Connector::builder(PLAIN)
        .flow::<order>()
        .flow::<bounded>()
        .flow::<many_bounded>()
        .flow::<sum>()
        .flow::<names>()
        .flow::<things>()
        .flow::<panics>()
        .flow::<panics_late>()
        .build()
        .unwrap();
    let server = MockServer::start().await;
    on(&server, "/names", json_answer(json!(["a", "b", "c"]))).await;
    let connection = connect(&connector, &server.uri(), &[("token", TOKEN)]);
    (server, connection)
}

async fn call(invocation: Invocation) -> Result<Ran, Failed> {
    Runtime::new().run(invocation).await
}

fn violations(error: &Error) -> Vec<String> {
    error.details().violations.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn everything_wrong_with_an_input_is_listed_and_nothing_is_asked() {
    let (server, connection) = world().await;
    let input = json!({
        "customer": "x",
        "lines": [
            { "article": "", "amount": 0 },
            { "article": "a/b", "amount": 1.5, "size": "larg", "colour": "red" },
            { "amount": "7" },
        ],
        "express": "yes",
        "notes": { "de/at": 1 },
        "password": "Pa55word",
        "pasword": "x",
    });
    let order = invocation(&connection, "order").input(input.to_string()).options(r#"{"currency":"EUR"}"#);
    let failed = call(order).await.unwrap_err();
    assert_eq!(failed.error.code(), Code::InputInvalid);
    assert_eq!(
        violations(&failed.error),
        [
            "Customer (/customer) must have at least 2 characters",
            "Express (/express) must be true or false, not a text",
            "Amount (/lines/0/amount) must be at least 1",
            "Article (/lines/0/article) is empty",
            "Amount (/lines/1/amount) must be a whole number, not a number with a fraction or an exponent",
            "colour (/lines/1/colour) is not a field; there are: `article`, `amount`, `size`",
            "Size (/lines/1/size) must be one of `small`, `large`; did you mean `large`?",
            "Amount (/lines/2/amount) must be a whole number, not a text",
            "Article (/lines/2/article) is missing",
            "Lines (/lines) must have at most 2 items",
            "Notes by language (/notes/de~1at) must be a text, not a number",
            "Password (/password) must match the pattern `^[a-z]+$`",
            "pasword (/pasword) is not a field; did you mean `password`?",
        ]
    );
    assert!(!format!("{failed:?}").contains("Pa55word"));
    assert!(seen(&server).await.is_empty());
}

#[tokio::test]
async fn inputs_and_options_that_are_missing_or_no_json_are_said_to_be() {
    let (server, connection) = world().await;
    let order = || invocation(&connection, "order");
    let fine = r#"{"customer":"acme","lines":[]}"#;
    let error = call(order().options(r#"{"currency":"EUR"}"#)).await.unwrap_err().error;
    assert_eq!(violations(&error), ["Customer (/customer) is missing", "Lines (/lines) is missing"]);
    let error = call(order().input("{\"customer\": \"acme\", \"li").options("{}")).await.unwrap_err().error;
    assert!(violations(&error)[0].contains("is not JSON"), "{:?}", violations(&error));
    let error = call(order().input(fine)).await.unwrap_err().error;
    assert_eq!(error.code(), Code::OptionsInvalid);
    assert_eq!(violations(&error), ["Currency (/currency) is missing"]);
    let error = call(order().input(fine).options(r#"{"currency":"euro"}"#)).await.unwrap_err().error;
    assert_eq!(violations(&error), ["Currency (/currency) must match the pattern `^[A-Z]{3}$`"]);
    // What takes nothing is given nothing.
    let error = call(invocation(&connection, "bounded").input(r#"{"id":1}"#)).await.unwrap_err().error;
    assert!(violations(&error)[0].starts_with("id (/id) is not a field"), "{:?}", violations(&error));
    let error = call(invocation(&connection, "bounded").selected(["id"])).await.unwrap_err().error;
    assert!(violations(&error)[0].starts_with("the selection (/selected) is given"));
    assert!(seen(&server).await.is_empty());
    // And what is checked alone is checked alike.
    assert_eq!(order().input(fine).validate().unwrap_err().code(), Code::OptionsInvalid);
    order().input(fine).options(r#"{"currency":"EUR"}"#).validate().unwrap();
}

#[tokio::test]
async fn a_flow_that_is_not_there_is_named_with_its_neighbour() {
    let (_server, connection) = world().await;
    let error = Invocation::named(&connection, "bouned").unwrap_err();
    assert_eq!(error.message(), "`tracker` has no flow `bouned`; did you mean `bounded`?");
}

#[tokio::test]
async fn helpers_are_called_with_values_and_give_values() {
    let (server, connection) = world().await;
    let sum = |of: Value| invocation(&connection, "sum").input(json!({ "of": of }).to_string());
    let ran = call(sum(json!([1, 2, 39]))).await.unwrap();
    assert_eq!(ran.trace.requests(), 1, "the helper's requests are the call's");
    assert_eq!(value(ran), 42);
    let error = call(sum(json!([]))).await.unwrap_err().error;
    assert_eq!((error.code(), error.message()), (Code::Failed, "there is nothing to add up"));
    assert_eq!(seen(&server).await, ["GET /names", "GET /names"]);
    let (typed, _) = Runtime::new().call::<sum>(&connection, Numbers { of: vec![7] }).await.unwrap();
    assert_eq!(typed, 7);
}

#[tokio::test]
async fn a_result_that_does_not_fit_is_an_error_or_counted_or_let_be() {
    let (server, connection) = world().await;
    on(&server, "/bounded", json_answer(json!({ "name": "four", "id": 9 }))).await;
    let bounded = || invocation(&connection, "bounded");
    let error = call(bounded().check(ResultCheck::Strict)).await.unwrap_err().error;
    assert_eq!(error.code(), Code::OutputInvalid);
    assert_eq!(
        violations(&error),
        ["Name (/name) must have at most 3 characters", "Id (/id) must be at least 10"]
    );
    let counted = call(bounded()).await.unwrap();
    assert_eq!(counted.trace.misfits(), 2);
    assert_eq!(value(counted), json!({ "name": "four", "id": 9 }));
    assert_eq!(call(bounded().check(ResultCheck::Off)).await.unwrap().trace.misfits(), 0);
}

#[tokio::test]
async fn records_that_do_not_fit_are_named_by_their_number() {
    let (server, connection) = world().await;
    let fine = json!({ "name": "abc", "id": 10 });
    on(
        &server,
        "/list",
        json_answer(json!([fine, fine, { "name": "abc", "id": 1 }, fine, { "name": "four", "id": 1 }])),
    )
    .await;
    let list = || invocation(&connection, "many_bounded");
    let mut strict = records(call(list().check(ResultCheck::Strict)).await.unwrap());
    assert_eq!(strict.next_batch(2).await.unwrap().unwrap().count, 2);
    let error = strict.next_batch(2).await.unwrap_err();
    assert_eq!(violations(&error), ["Id (/2/id) must be at least 10"]);
    assert_eq!(strict.next_batch(2).await.unwrap(), None);

    let ran = call(list()).await.unwrap();
    let trace = ran.trace.clone();
    let mut counted = records(ran);
    while counted.next_batch(2).await.unwrap().is_some() {}
    assert_eq!(trace.misfits(), 3);
}

#[tokio::test]
async fn a_panic_is_an_error_of_the_flow() {
    let (server, connection) = world().await;
    let failed = call(invocation(&connection, "panics")).await.unwrap_err();
    assert_eq!(failed.error.code(), Code::Panicked);
    assert_eq!(failed.error.message(), "the flow panicked: there is always one");
    assert_eq!(failed.trace.requests(), 1);
    let error = Runtime::new().call::<panics>(&connection, ()).await.unwrap_err().error;
    assert_eq!(error.code(), Code::Panicked);

    on(&server, "/list", json_answer(page(1..=5))).await;
    let mut late = records(call(invocation(&connection, "panics_late")).await.unwrap());
    let error = late.next_batch(2).await.unwrap_err();
    assert_eq!(error.message(), "the flow panicked: three is too many");
    assert_eq!(late.next_batch(2).await.unwrap(), None);
}

#[tokio::test]
async fn one_runtime_serves_many_calls_at_once() {
    let (server, connection) = world().await;
    on(&server, "/bounded", json_answer(json!({ "name": "abc", "id": 10 }))).await;
    let runtime = Runtime::new();
    let calls = (0..50).map(|_| {
        let (runtime, call) = (runtime.clone(), invocation(&connection, "bounded"));
        tokio::spawn(async move { runtime.run(call).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let ran = call.await.unwrap().unwrap();
        assert_eq!(ran.trace.requests(), 1, "each call has a trace of its own");
        let Output::Value(text) = ran.output else { panic!("no value") };
        assert_eq!(serde_json::from_str::<Bounded>(&text).unwrap(), Bounded { name: "abc".into(), id: 10 });
    }
}
