//! The same events by hook and by monitor, over HTTP: each comes once, and none is lost.

use std::slice::from_ref;

use linchpin::DateTime;
use linchpin_host::{DEFAULT_TENANT, NewConnection, NewHook};
use linchpin_okta::{
    hook::HookEvent,
    mock::{EVENTS, GROUP, SMALL_GROUP},
};
use serde_json::{Value, json};

use super::{
    served::{Served, uuid, wait_for},
    world::api_token,
};

fn events() -> Value {
    json!({ "events": ["user_created", "user_deactivated", "member_added", "member_removed", "app_assigned",
        "password_changed", "sign_in_failed"] })
}

fn sorted(mut uuids: Vec<String>) -> Vec<String> {
    uuids.sort();
    uuids
}

fn before(now: DateTime, seconds: u64) -> DateTime {
    DateTime::from_unix_millis(now.unix_millis() - i64::try_from(seconds * 1000).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_deliveries_each_event_comes_once() {
    let served = Served::new().await;
    served.hand_on();
    served.register(events()).await;
    served.watch("find_created_users", json!({})).await;
    served.watch("find_added_members", json!({})).await;
    assert_eq!(served.handed().await, [""; 0], "what was there before is no news");

    let delivered = served.happen(HookEvent::UserCreated);
    let lost = served.happen(HookEvent::UserCreated);
    let slow = served.happen(HookEvent::UserCreated);
    let member = served.happen(HookEvent::MemberAdded);
    let other = served.happen(HookEvent::PasswordChanged);
    assert_eq!(served.deliver("d1", &[&delivered, &other]), 200);
    assert_eq!(served.handed().await, sorted(vec![delivered.clone(), other.clone()]));
    served.look().await;
    let all = sorted(vec![delivered.clone(), lost.clone(), slow.clone(), member.clone(), other.clone()]);
    assert_eq!(served.handed().await, all, "what was lost is found");
    // Their deliveries come after all, with one that is news; and all once more.
    let fresh = served.happen(HookEvent::UserCreated);
    assert_eq!(served.deliver("d2", &[&lost, &slow, &fresh, &member]), 200);
    assert_eq!(served.deliver("d3", &[&member, &delivered, &fresh]), 200);
    served.look().await;
    served.look().await;
    let all = sorted([all, vec![fresh.clone()]].concat());
    assert_eq!(served.handed().await, all);

    // What happened before what is known, and is put down only now.
    let late = served.okta().happen_late(HookEvent::UserCreated, before(served.now(), 3600), served.now());
    served.look().await;
    let all = sorted([all, vec![late]].concat());
    assert_eq!(served.handed().await, all);
    let taken = served.taken.lock().unwrap();
    let by = |wanted: &str| taken.iter().find(|event| uuid(event) == wanted).unwrap().subscription.clone();
    assert_eq!((by(&delivered), by(&fresh)), (None, None), "by the hook");
    assert_eq!((by(&lost).as_deref(), by(&member).as_deref()), (Some("ann"), Some("ann")), "by the monitors");
}

/// The page has the event on it when the delivery comes, and the sink has it before the page is here.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_handed_on_while_a_look_is_under_way_is_not_handed_on_by_the_look() {
    let served = Served::new().await;
    served.hand_on();
    served.register(events()).await;
    served.watch("find_created_users", json!({})).await;
    let (raced, lost) = (served.happen(HookEvent::UserCreated), served.happen(HookEvent::UserCreated));
    let (okta, taken, told) = (served.okta().clone(), served.taken.clone(), raced.clone());
    served.okta().before_log(move || {
        let hook = okta.hooks()[0].clone();
        assert_eq!(okta.deliver(&hook, "d1", &[&told]).unwrap(), 200);
        wait_for(&taken, &told);
    });
    served.look().await;
    assert_eq!(served.handed().await, sorted(vec![raced, lost]));
    let taken = served.taken.lock().unwrap();
    assert_eq!(taken[0].subscription, None, "the hook was first");
    assert_eq!(taken[1].subscription.as_deref(), Some("ann"));
}

/// The delivery is kept while the look is under way, and attempted when the look has handed its event on.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_kept_while_a_look_is_under_way_is_not_handed_on_after_the_look() {
    let served = Served::new().await;
    served.register(events()).await;
    served.watch("find_created_users", json!({})).await;
    let (raced, own) = (served.happen(HookEvent::UserCreated), served.happen(HookEvent::SignInFailed));
    let (okta, told) = (served.okta().clone(), [raced.clone(), own.clone()]);
    served.okta().before_log(move || {
        let hook = okta.hooks()[0].clone();
        assert_eq!(okta.deliver(&hook, "d1", &[&told[0], &told[1]]).unwrap(), 200);
    });
    served.look().await;
    served.hand_on();
    assert_eq!(served.handed().await, sorted(vec![raced.clone(), own]));
    let taken = served.taken.lock().unwrap();
    let found = taken.iter().find(|event| uuid(event) == raced).unwrap();
    assert_eq!(found.subscription.as_deref(), Some("ann"), "the look was first");
}

/// The first look sees what the hook is about to deliver, and does not hand it on.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_when_a_monitor_is_turned_on_is_not_lost() {
    let served = Served::new().await;
    served.hand_on();
    served.register(events()).await;
    let under_way = served.happen(HookEvent::UserCreated);
    let monitor = served.monitor("find_created_users", json!({}), None).await;
    let looked = served.host.monitor_run(&monitor.id).await.unwrap();
    assert_eq!((looked.events.len(), looked.pages), (0, 2));
    assert_eq!(served.handed().await, [""; 0]);
    assert_eq!(served.deliver("d1", &[&under_way]), 200);
    assert_eq!(served.handed().await, from_ref(&under_way));
    served.look().await;
    assert_eq!(served.deliver("d2", &[&under_way]), 200);
    assert_eq!(served.handed().await, [under_way]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hook_and_monitor_of_one_group_know_of_each_other() {
    let served = Served::new().await;
    served.hand_on();
    served.register(json!({ "events": ["member_added", "member_removed"], "group": SMALL_GROUP })).await;
    served.watch("find_added_members", json!({ "group": SMALL_GROUP })).await;
    served.watch("find_removed_members", json!({ "group": GROUP })).await;
    let (delivered, lost) = (served.happen(HookEvent::MemberAdded), served.happen(HookEvent::MemberAdded));
    let removed = served.happen(HookEvent::MemberRemoved);
    assert_eq!(served.deliver("d1", &[&delivered]), 200);
    assert_eq!(served.handed().await, from_ref(&delivered));
    served.look().await;
    let both = sorted(vec![delivered, lost.clone()]);
    assert_eq!(served.handed().await, both, "the other group's monitor finds none");
    assert_eq!(served.deliver("d2", &[&lost, &removed]), 200);
    assert_eq!(served.handed().await, sorted([both, vec![removed]].concat()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_hooks_of_a_connection_deliver_comes_once_and_each_connection_has_its_own() {
    let served = Served::new().await;
    served.hand_on();
    let second = NewConnection {
        tenant: DEFAULT_TENANT.to_owned(),
        name: "second".to_owned(),
        connector: "okta".to_owned(),
        owner: None,
        values: api_token(),
    };
    served.host.apply(second).await.unwrap().finish().await.unwrap();
    let only = json!({ "events": ["user_created"] });
    let of_second = NewHook { connection: "second".to_owned(), ..Served::new_hook(only.clone()) };
    served.register(events()).await;
    served.register(only).await;
    served.host.hook_register(of_second).await.unwrap();
    served.watch("find_created_users", json!({})).await;

    let created = served.happen(HookEvent::UserCreated);
    let hooks = served.okta().hooks();
    assert_eq!(hooks.len(), 3);
    for hook in &hooks {
        assert_eq!(served.okta().deliver(hook, "d1", &[&created]).unwrap(), 200);
    }
    served.look().await;
    assert_eq!(served.handed().await, [created.clone(), created]);
    let taken = served.taken.lock().unwrap();
    let of = |name: &str| taken.iter().filter(|event| event.connection == name).count();
    assert_eq!((of("work"), of("second")), (1, 1));
    assert_ne!(taken[0].id, taken[1].id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_goes_on_at_the_link_that_okta_gave() {
    let served = Served::new().await;
    served.hand_on();
    let asked = async |served: &Served| {
        let seen = served.world.server.received_requests().await.unwrap();
        let logs = seen.into_iter().filter(|request| request.url.path() == "/api/v1/logs");
        logs.map(|request| request.url).collect::<Vec<_>>()
    };
    served.watch("find_failed_sign_ins", json!({})).await;
    let first = asked(&served).await;
    let query = |url: &wiremock::http::Url, name: &str| {
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    assert_eq!(first.len(), 1, "an empty page is the last");
    // Two minutes before the look.
    assert_eq!(query(&first[0], "since").as_deref(), Some("2026-03-01T09:04:00Z"));
    assert_eq!(query(&first[0], "sortOrder").as_deref(), Some("ASCENDING"));
    assert_eq!(query(&first[0], "until"), None);
    let filter = r#"eventType eq "user.session.start" and outcome.result eq "FAILURE""#;
    assert_eq!(query(&first[0], "filter").as_deref(), Some(filter));

    let failed = served.happen(HookEvent::SignInFailed);
    served.look().await;
    let all = asked(&served).await;
    assert_eq!(all.len(), 3, "one with the event, and an empty one");
    assert_eq!(
        (query(&all[1], "after").as_deref(), query(&all[2], "after").as_deref()),
        (Some("0"), Some("1"))
    );
    assert_eq!(served.handed().await, [failed]);
}

/// Seven monitors make seven looks; who wants many events may want one monitor.
#[tokio::test(flavor = "multi_thread")]
async fn one_look_finds_events_of_many_types() {
    let served = Served::new().await;
    served.hand_on();
    let types = json!({ "types": ["user.lifecycle.create", "user.account.update_password"] });
    served.watch("find_logged_events", types).await;
    let (created, changed) =
        (served.happen(HookEvent::UserCreated), served.happen(HookEvent::PasswordChanged));
    served.happen(HookEvent::AppAssigned);
    served.look().await;
    assert_eq!(served.handed().await, sorted(vec![created, changed]));
    assert!(served.taken.lock().unwrap().iter().all(|event| event.kind == "okta.logged"));

    let odd = Served::key("find_logged_events", json!({ "types": ["a\" or eventType pr"] }));
    let error = served.host.monitor_try(&odd).await.unwrap_err();
    assert_eq!(error.code(), linchpin::Code::OptionsInvalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_look_may_hand_on_what_there_is_in_pages() {
    let served = Served::new().await;
    let since = Some("since 2026-01-01T00:02:00Z");
    let monitor = served.monitor("find_logged_events", json!({}), since).await;
    let looked = served.host.monitor_run(&monitor.id).await.unwrap();
    // Two minutes further back, since clocks differ.
    assert_eq!((looked.events.len(), looked.pages), (EVENTS, 4));
}
