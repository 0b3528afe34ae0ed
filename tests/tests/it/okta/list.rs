use linchpin::{Code, Input};
use linchpin_okta::{
    mock::{APPS, DEACTIVATED, EVENTS, GROUP, GROUPS, USERS},
    user::{ListUsers, list_users},
};
use linchpin_testing::answer;
use serde_json::{Value, json};
use wiremock::{Mock, matchers};

use super::World;

/// Every list over three pages: each record once, and no request beyond the third.
#[tokio::test]
async fn lists_go_over_three_pages() {
    for (flow, input, path, key, count) in [
        ("list_users", json!({}), "users", "id", USERS - 1),
        ("list_groups", json!({}), "groups", "id", GROUPS),
        ("list_members", json!({ "group": GROUP }), "groups/00g00000000000000000/users", "id", USERS),
        ("list_apps", json!({}), "apps", "id", APPS),
        ("list_events", json!({}), "logs", "uuid", EVENTS),
        ("list_events", json!({ "order": "oldest_first" }), "logs", "uuid", EVENTS),
    ] {
        let world = World::new().await;
        let records = world.run(flow, input).await.unwrap();
        let mut ids: Vec<_> =
            records.as_array().unwrap().iter().map(|record| record[key].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), records.as_array().unwrap().len()), (count, count), "{flow}");
        assert_eq!(world.requests(), vec![format!("GET /api/v1/{path}"); 3], "{flow}");
    }
}

fn all() -> ListUsers {
    ListUsers { search: None, filter: None, sort_by: None, direction: None }
}

#[tokio::test]
async fn a_list_asks_for_no_more_pages_than_are_read() {
    let world = World::new().await;
    let users = list_users(world.context(), Input(all())).await.unwrap().take(2).await.unwrap();
    assert_eq!(
        users.iter().map(|user| &*user.profile.login).collect::<Vec<_>>(),
        ["user0@acme.example", "user1@acme.example"]
    );
    assert_eq!(world.requests().len(), 1);
}

#[tokio::test]
async fn what_is_looked_for_is_looked_for_on_every_page() {
    let world = World::new().await;
    let search = json!({
        "search": "profile.firstName eq \"Una\" and status eq \"ACTIVE\"",
        "sort_by": "profile.lastName",
        "direction": "desc",
    });
    let users = world.run("list_users", search).await.unwrap();
    assert_eq!(users.as_array().unwrap().len(), USERS - 4);
    assert_eq!((world.requests().len(), &users[0]["profile"]["login"]), (3, &json!("user449@acme.example")));
    let query = world.last_query().await;
    for part in
        ["search=profile.firstName eq \"Una\" and status eq \"ACTIVE\"", "sortOrder=desc", "limit=200"]
    {
        assert!(query.iter().any(|pair| pair == part), "{query:?}");
    }

    let filtered = world.run("list_users", json!({ "filter": "status eq \"DEPROVISIONED\"" })).await.unwrap();
    assert_eq!((&filtered[0]["id"], filtered.as_array().unwrap().len()), (&json!(DEACTIVATED), 1));
    let error = world.run("list_users", json!({ "search": "nonsense" })).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::Rejected, Some("E0000031")));

    let groups = world.run("list_groups", json!({ "filter": "type eq \"BUILT_IN\"" })).await.unwrap();
    assert_eq!((&groups[0]["id"], groups.as_array().unwrap().len()), (&json!(GROUP), 1));
    let groups = world.run("list_groups", json!({ "search": "profile.name sw \"Team 44\"" })).await.unwrap();
    assert_eq!(groups.as_array().unwrap().len(), 11);
    let apps = json!({ "name": "App 3", "filter": "status eq \"INACTIVE\"" });
    assert_eq!(world.run("list_apps", apps).await.unwrap()[0]["label"], "App 3");
}

#[tokio::test]
async fn the_system_log_is_told_from_either_end() {
    let world = World::new().await;
    let span = |order: &str| json!({ "since": "2026-01-01T00:00:01Z", "until": "2026-01-01T01:00:03+01:00", "order": order });
    let times = |events: Value| {
        let events = events.as_array().unwrap().clone();
        events
            .into_iter()
            .map(|event| event["published"].as_str().unwrap()[17..19].to_owned())
            .collect::<Vec<_>>()
    };
    let newest = world.run("list_events", span("newest_first")).await.unwrap();
    assert_eq!(times(newest), ["03", "02", "01"]);
    let oldest = world.run("list_events", span("oldest_first")).await.unwrap();
    assert_eq!(times(oldest), ["01", "02", "03"]);
    assert_eq!(world.requests().len(), 2);
    let query = world.last_query().await;
    assert!(query.contains(&"until=2026-01-01T00:00:03Z".to_owned()), "{query:?}");

    let failed = json!({ "filter": "outcome.result eq \"FAILURE\"", "keywords": "number 240", "since": "2026-01-01T00:00:00Z" });
    let failed = world.run("list_events", failed).await.unwrap();
    assert_eq!(failed.as_array().unwrap().len(), 2, "those with the numbers 240 and 2400");
    assert_eq!(failed[0]["outcome"], json!({ "result": "FAILURE", "reason": "INVALID_CREDENTIALS" }));
    assert_eq!(failed[0]["actor"]["alternateId"], "user1@acme.example");
}

/// Without an end, a list of the oldest events first would be a poll, whose next page is always named.
#[tokio::test]
async fn the_oldest_events_first_have_an_end() {
    let world = World::new().await;
    world.run("list_events", json!({ "order": "oldest_first" })).await.unwrap();
    let seen = world.server.received_requests().await.unwrap();
    for request in &seen {
        let until = request.url.query_pairs().find(|(name, _)| name == "until").unwrap().1.into_owned();
        assert!(until.as_str() > "2026-01-01", "{until}");
    }
    world.run("list_events", json!({})).await.unwrap();
    let query = world.last_query().await;
    assert!(query.iter().all(|pair| !pair.starts_with("until=")), "{query:?}");
}

#[tokio::test]
async fn a_next_page_elsewhere_is_not_asked_for() {
    let world = World::new().await;
    let page = answer::json(200, json!([]))
        .insert_header("link", "<https://evil.example/api/v1/users>; rel=\"next\"");
    Mock::given(matchers::path("/api/v1/users"))
        .respond_with(page)
        .with_priority(2)
        .mount(&world.server)
        .await;
    let error = world.run("list_users", json!({})).await.unwrap_err();
    assert_eq!(error.code(), Code::PagingElsewhere, "{error}");
    assert_eq!(world.requests().len(), 1);
}
