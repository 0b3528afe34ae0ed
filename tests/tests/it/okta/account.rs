use linchpin::{Code, extract::ConnectionValues};
use linchpin_okta::mock::{ADMIN, CLIENT_ID, DOMAIN, Fault, TOKEN};
use linchpin_runtime::{Connection, Invocation, Output, Runtime};
use serde_json::json;

use super::{
    World,
    world::{api_token, run, service_app},
};

#[tokio::test]
async fn authping_tells_which_admin_made_the_token() {
    let world = World::new().await;
    let identity = world.run("authping", json!({})).await.unwrap();
    assert_eq!((&identity["id"], &identity["label"]), (&json!(ADMIN), &json!("user0@acme.example")));
    let seen = &world.server.received_requests().await.unwrap()[0];
    assert_eq!(seen.headers["authorization"], format!("SSWS {TOKEN}"));
}

#[tokio::test]
async fn authping_tells_which_app_it_is_where_no_user_stands_behind_it() {
    let world = World::new().await;
    let connection = world.connection(service_app());
    let identity = run(&connection, "authping", json!({})).await.unwrap();
    assert_eq!(identity["id"], format!("00o00000000000000000/{CLIENT_ID}"));
    assert_eq!(identity["label"], format!("{CLIENT_ID} in Acme"));
    assert_eq!(world.requests(), ["POST /oauth2/v1/token", "GET /api/v1/org"]);
}

#[tokio::test]
async fn an_api_token_is_revoked_once() {
    let world = World::new().await;
    assert_eq!(world.run("revoke", json!({})).await.unwrap(), json!({ "outcome": "revoked" }));
    assert!(!world.okta.is_alive(TOKEN));
    let error = world.run("revoke", json!({})).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::Unauthorized, Some("E0000011")));
    assert_eq!(world.requests(), ["DELETE /api/v1/api-tokens/current"; 2]);
}

#[tokio::test]
async fn an_api_token_that_may_not_be_revoked_stays() {
    let world = World::new().await;
    world.okta.break_on("DELETE /api/v1/api-tokens/current", Fault::Forbidden);
    assert_eq!(world.run("revoke", json!({})).await.unwrap_err().code(), Code::Forbidden);
    assert!(world.okta.is_alive(TOKEN));
}

#[tokio::test]
async fn the_tokens_of_a_service_app_are_left_to_the_endpoint() {
    let world = World::new().await;
    let revoked = run(&world.connection(service_app()), "revoke", json!({})).await.unwrap();
    assert_eq!(revoked, json!({ "outcome": "at_endpoint" }));
    assert_eq!(world.requests(), [""; 0]);
}

#[tokio::test]
async fn a_dry_run_of_revoke_kills_nothing_and_shows_no_token() {
    let world = World::new().await;
    let call = Invocation::named(&world.connection(api_token()), "revoke").unwrap().dry_run(true);
    let ran = Runtime::new().run(call).await.unwrap();
    let Output::Planned(planned) = ran.output else { panic!("{:?}", ran.output) };
    assert!(planned.url.ends_with("/api/v1/api-tokens/current"), "{planned:?}");
    assert!(!format!("{planned:?}").contains(TOKEN), "{planned:?}");
    assert_eq!(world.requests(), [""; 0]);
}

#[test]
fn a_domain_leads_to_one_host_by_https_and_nowhere_else() {
    let made = |domain: &str| {
        let mut values: ConnectionValues = api_token();
        values.fields.insert("domain".to_owned(), domain.to_owned().into());
        Connection::new(&linchpin_okta::connector(), values)
    };
    for good in [DOMAIN, "id.acme.example", "acme.oktapreview.com"] {
        assert!(made(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "https://acme.okta.com",
        "acme.okta.com/",
        "acme.okta.com/api",
        "acme.okta.com@evil.example",
        "acme.okta.com?x",
        "acme.okta.com#x",
        "acme okta.com",
        "acme..okta.com",
    ] {
        assert_eq!(made(bad).unwrap_err().code(), Code::ConnectionInvalid, "{bad}");
    }
}
