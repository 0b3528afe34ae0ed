//! Connections, and what is left to revoke of them.

use std::{collections::BTreeSet, slice};

use linchpin::Code;
use linchpin_host::{
    store::{Filter, GrantRow, NewGrant, Ping, Renewed, Revocation, State},
    vault::Kind,
};

use super::{ids, row, with_grant};
use crate::{
    home::Home,
    sample::{account, at, attempt, change, connection, grant, ping, revocation, sealed},
};

contract! {
    a_connection_is_kept_as_it_was_added
    names_are_unique_within_a_tenant
    of_many_that_add_one_name_one_succeeds
    connections_are_filtered_and_in_order
    a_change_of_state_is_noted_once
    a_ping_is_noted_and_what_it_found_is_kept
    pings_that_are_due_are_put_off
    what_is_due_goes_to_one_caller_each
    a_renewed_connection_keeps_id_name_and_history
    removal_and_revocation_are_one_step
    a_revocation_stays_until_it_is_done
}

async fn a_connection_is_kept_as_it_was_added(home: &Home) {
    let store = home.open().await;
    let plain = connection("plain");
    let mut full = connection("full");
    full.owner = Some("Ann, ops".to_owned());
    full.scopes = vec!["issues:read".to_owned(), "hooks".to_owned()];
    full.identity = Some(account("7"));
    full.state = State::Failing;
    full.since = at(5);
    full.ping = Some(Ping {
        account: Some(account("7")),
        scopes: vec!["issues:read".to_owned()],
        expires: Some(at(90)),
        problem: Some(("LP510".to_owned(), "no answer".to_owned())),
        ..ping(4)
    });
    full.next_ping = Some(at(60));
    let granted = NewGrant { keep_alive: Some(at(70)), ..grant("full") };
    store.connection_add(plain.clone(), None).await.unwrap();
    store.connection_add(full.clone(), Some(granted.clone())).await.unwrap();

    assert_eq!(store.connection("plain").await.unwrap(), Some(plain));
    assert_eq!(store.connection("full").await.unwrap(), Some(full.clone()));
    assert_eq!(store.connection_named("acme", "full").await.unwrap(), Some(full));
    assert_eq!(store.connection("other").await.unwrap(), None);
    assert_eq!(store.connection_named("acme", "other").await.unwrap(), None);
    assert_eq!(store.connection_named("other", "full").await.unwrap(), None);
    assert_eq!(store.history("plain").await.unwrap(), []);

    assert_eq!(store.grant("plain").await.unwrap(), None);
    assert_eq!(store.grant("other").await.unwrap(), None);
    let wanted = GrantRow {
        generation: 1,
        sealed: granted.sealed,
        expires: granted.expires,
        dead: None,
        failures: 0,
        retry_at: None,
    };
    assert_eq!(row(&*store, "full").await, wanted);
}

async fn names_are_unique_within_a_tenant(home: &Home) {
    let store = home.open().await;
    store.connection_add(connection("it"), None).await.unwrap();
    let mut second = connection("it");
    second.id = "second".to_owned();
    let error = store.connection_add(second.clone(), Some(grant("second"))).await.unwrap_err();
    assert_eq!(error.code(), Code::NameTaken, "{error}");
    assert_eq!(store.connection("second").await.unwrap(), None);

    second.tenant = "other".to_owned();
    store.connection_add(second, None).await.unwrap();

    // An id that is there already is the caller's mistake, and no matter of names.
    let mut again = connection("it");
    again.name = "again".to_owned();
    let error = store.connection_add(again, None).await.unwrap_err();
    assert_eq!(error.code(), Code::StoreFailed, "{error}");
}

async fn of_many_that_add_one_name_one_succeeds(home: &Home) {
    let stores = [home.open().await, home.open().await];
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let store = stores[n % 2].clone();
            let mut new = connection("it");
            new.id = n.to_string();
            tokio::spawn(async move { store.connection_add(new, None).await })
        })
        .collect();
    let mut added = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => added += 1,
            Err(error) => assert_eq!(error.code(), Code::NameTaken, "{error}"),
        }
    }
    assert_eq!(added, 1);
}

async fn connections_are_filtered_and_in_order(home: &Home) {
    let store = home.open().await;
    for (tenant, name, connector, owner, state, id) in [
        ("b", "a", "tracker", Some("ann"), State::Active, Some("1")),
        ("a", "b", "tracker", Some("ann"), State::Failing, Some("1")),
        ("a", "B", "mail", None, State::Active, Some("1")),
        ("a", "a", "mail", Some("bob"), State::NeedsReauthorization, None),
    ] {
        let mut new = connection(name);
        new.id = format!("{tenant}.{name}");
        new.tenant = tenant.to_owned();
        new.connector = connector.to_owned();
        new.owner = owner.map(str::to_owned);
        new.state = state;
        new.identity = id.map(account);
        store.connection_add(new, None).await.unwrap();
    }
    let text = |text: &str| Some(text.to_owned());
    let all = Filter::default();
    for (which, wanted) in [
        (all.clone(), &["a.B", "a.a", "a.b", "b.a"][..]),
        (Filter { tenant: text("a"), ..all.clone() }, &["a.B", "a.a", "a.b"]),
        (Filter { tenant: text("A"), ..all.clone() }, &[]),
        (Filter { connector: text("mail"), ..all.clone() }, &["a.B", "a.a"]),
        (Filter { owner: text("ann"), ..all.clone() }, &["a.b", "b.a"]),
        (Filter { state: Some(State::Active), ..all.clone() }, &["a.B", "b.a"]),
        (Filter { state: Some(State::NeedsReauthorization), ..all.clone() }, &["a.a"]),
        (Filter { account: text("1"), ..all.clone() }, &["a.B", "a.b", "b.a"]),
        (Filter { account: text("1"), connector: text("tracker"), ..all.clone() }, &["a.b", "b.a"]),
        (Filter { tenant: text("a"), owner: text("ann"), state: Some(State::Failing), ..all }, &["a.b"]),
    ] {
        let found = store.connections(which.clone()).await.unwrap();
        let found: Vec<_> = found.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(found, wanted, "{which:?}");
    }
}

async fn a_change_of_state_is_noted_once(home: &Home) {
    let store = home.open().await;
    let other = connection("other");
    store.connection_add(connection("it"), None).await.unwrap();
    store.connection_add(other.clone(), None).await.unwrap();
    let changes = [change(State::Failing, 9), change(State::Active, 3), change(State::Revoked, 5)];
    assert!(!store.connection_move("it", change(State::Active, 1)).await.unwrap());
    for each in &changes {
        assert!(store.connection_move("it", each.clone()).await.unwrap());
        assert!(!store.connection_move("it", each.clone()).await.unwrap());
    }
    assert!(!store.connection_move("gone", change(State::Failing, 1)).await.unwrap());

    // In the order in which they were made, whatever the clocks said.
    assert_eq!(store.history("it").await.unwrap(), changes);
    assert_eq!(store.history("other").await.unwrap(), []);
    assert_eq!(store.history("gone").await.unwrap(), []);
    let moved = store.connection("it").await.unwrap().unwrap();
    assert_eq!((moved.state, moved.since, moved.created), (State::Revoked, at(5), at(0)));
    assert_eq!(store.connection("other").await.unwrap(), Some(other));
}

async fn a_ping_is_noted_and_what_it_found_is_kept(home: &Home) {
    let store = home.open().await;
    store.connection_add(connection("it"), None).await.unwrap();
    let scopes = vec!["hooks".to_owned()];
    let good = Ping { account: Some(account("7")), scopes: scopes.clone(), ..ping(1) };
    store.connection_pinged("it", good.clone(), Some(at(60))).await.unwrap();
    let found = store.connection("it").await.unwrap().unwrap();
    assert_eq!((found.ping, found.next_ping), (Some(good), Some(at(60))));
    assert_eq!((found.identity, found.scopes), (Some(account("7")), scopes.clone()));

    let failed = Ping { problem: Some(("LP510".to_owned(), "no answer".to_owned())), ..ping(2) };
    store.connection_pinged("it", failed.clone(), None).await.unwrap();
    let found = store.connection("it").await.unwrap().unwrap();
    assert_eq!((found.ping, found.next_ping), (Some(failed), None));
    assert_eq!((found.identity, found.scopes), (Some(account("7")), scopes));
    assert_eq!((found.state, found.since), (State::Active, at(0)));

    store.connection_pinged("gone", ping(3), Some(at(60))).await.unwrap();
    assert_eq!(store.connection("gone").await.unwrap(), None);
}

async fn pings_that_are_due_are_put_off(home: &Home) {
    let store = home.open().await;
    for (name, next, state) in [
        ("never", None, State::Active),
        ("first", Some(at(10)), State::Failing),
        ("second", Some(at(20)), State::Active),
        ("third", Some(at(21)), State::Active),
        ("leaving", Some(at(10)), State::Revoked),
    ] {
        let mut new = connection(name);
        (new.next_ping, new.state) = (next, state);
        store.connection_add(new, None).await.unwrap();
    }
    assert_eq!(store.pings_due(at(9), at(99), 9).await.unwrap(), []);
    assert_eq!(store.pings_due(at(20), at(99), 0).await.unwrap(), []);
    // The longest due comes first when there is no room for all.
    let due = store.pings_due(at(20), at(99), 1).await.unwrap();
    assert_eq!(ids(&due, |one| &one.id), BTreeSet::from(["first"]));
    assert_eq!(due[0].next_ping, Some(at(99)));
    let due = store.pings_due(at(20), at(99), 9).await.unwrap();
    assert_eq!(ids(&due, |one| &one.id), BTreeSet::from(["second"]));
    assert_eq!(store.pings_due(at(20), at(99), 9).await.unwrap(), []);
    let due = store.pings_due(at(99), at(100), 9).await.unwrap();
    assert_eq!(ids(&due, |one| &one.id), BTreeSet::from(["first", "second", "third"]));
}

async fn what_is_due_goes_to_one_caller_each(home: &Home) {
    const ROWS: usize = 30;
    let stores = [home.open().await, home.open().await];
    for n in 0..ROWS {
        let name = format!("{n:02}");
        let mut new = connection(&name);
        new.next_ping = Some(at(1));
        let due = NewGrant { keep_alive: Some(at(1)), ..grant(&name) };
        stores[0].connection_add(new, Some(due)).await.unwrap();
        let gone = format!("gone {n:02}");
        stores[0].connection_add(connection(&gone), None).await.unwrap();
        let left = revocation(&format!("left {n:02}"), &gone, 1);
        assert!(stores[0].connection_remove(&gone, Some(left)).await.unwrap());
    }
    // Each takes a few at a time until it finds none.
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let store = stores[n % 2].clone();
            tokio::spawn(async move {
                let mut found = Vec::new();
                loop {
                    let pings = store.pings_due(at(2), at(9), 3).await.unwrap();
                    let alive = store.keep_alives_due(at(2), at(9), 3).await.unwrap();
                    let left = store.revocations_due(at(2), at(9), 3).await.unwrap();
                    let before = found.len();
                    found.extend(pings.into_iter().map(|one| format!("ping {}", one.id)));
                    found.extend(alive.into_iter().map(|one| format!("alive {}", one.id)));
                    found.extend(left.into_iter().map(|one| one.id));
                    if found.len() == before {
                        return found;
                    }
                }
            })
        })
        .collect();
    let mut found = Vec::new();
    for task in tasks {
        found.extend(task.await.unwrap());
    }
    found.sort();
    let wanted: Vec<_> = ["alive", "left", "ping"]
        .iter()
        .flat_map(|what| (0..ROWS).map(move |n| format!("{what} {n:02}")))
        .collect();
    assert_eq!(found, wanted);
}

async fn a_renewed_connection_keeps_id_name_and_history(home: &Home) {
    let store = with_grant(home).await;
    let dead = change(State::NeedsReauthorization, 5);
    assert!(store.connection_move("it", dead.clone()).await.unwrap());
    let renewed = Renewed {
        method: "token".to_owned(),
        fields: sealed(Kind::Fields, "it"),
        scopes: vec!["hooks".to_owned()],
        change: change(State::Active, 8),
    };
    assert!(store.connection_renew("it", renewed.clone(), None).await.unwrap());
    let mut wanted = connection("it");
    wanted.method = renewed.method.clone();
    wanted.fields = renewed.fields.clone();
    wanted.scopes = renewed.scopes.clone();
    wanted.since = at(8);
    assert_eq!(store.connection("it").await.unwrap(), Some(wanted.clone()));
    assert_eq!(store.grant("it").await.unwrap(), None);
    assert_eq!(store.history("it").await.unwrap(), [dead.clone(), renewed.change.clone()]);

    // Once more, though it works: noted, but it has been in this state for longer.
    let again = Renewed { change: change(State::Active, 9), ..renewed.clone() };
    assert!(store.connection_renew("it", again.clone(), Some(grant("it"))).await.unwrap());
    assert_eq!(store.connection("it").await.unwrap(), Some(wanted));
    assert_eq!(store.history("it").await.unwrap(), [dead, renewed.change, again.change.clone()]);

    assert!(!store.connection_renew("gone", again, Some(grant("gone"))).await.unwrap());
    assert_eq!(store.connection("gone").await.unwrap(), None);
    assert_eq!(store.history("gone").await.unwrap(), []);
}

async fn removal_and_revocation_are_one_step(home: &Home) {
    let store = with_grant(home).await;
    let plain = connection("plain");
    store.connection_add(plain.clone(), None).await.unwrap();
    assert!(store.connection_move("it", change(State::Revoked, 5)).await.unwrap());
    let left = revocation("left", "it", 5);
    assert!(store.connection_remove("it", Some(left.clone())).await.unwrap());
    assert_eq!(store.connection("it").await.unwrap(), None);
    assert_eq!(store.grant("it").await.unwrap(), None);
    assert_eq!(store.history("it").await.unwrap(), []);
    assert_eq!(store.revocations().await.unwrap(), slice::from_ref(&left));

    // Whoever comes second has nothing to add.
    assert!(!store.connection_remove("it", Some(revocation("second", "it", 6))).await.unwrap());
    assert!(!store.connection_remove("gone", None).await.unwrap());
    // A revocation that cannot be noted keeps its connection.
    assert!(store.connection_remove("plain", Some(revocation("left", "plain", 6))).await.is_err());
    assert_eq!(store.connection("plain").await.unwrap(), Some(plain));
    assert_eq!(store.revocations().await.unwrap(), [left]);
    assert!(store.connection_remove("plain", None).await.unwrap());

    store.connection_add(connection("it"), None).await.unwrap();
    assert_eq!(store.history("it").await.unwrap(), []);
}

async fn a_revocation_stays_until_it_is_done(home: &Home) {
    let store = home.open().await;
    let (first, second) = (revocation("b", "first", 1), revocation("a", "second", 2));
    let third = Revocation { next: None, attempts: 3, last: Some(attempt(3)), ..revocation("c", "third", 3) };
    for left in [&second, &third, &first] {
        store.connection_add(connection(&left.connection), None).await.unwrap();
        assert!(store.connection_remove(&left.connection, Some(left.clone())).await.unwrap());
    }
    assert_eq!(store.revocations().await.unwrap(), [first.clone(), second.clone(), third.clone()]);

    assert_eq!(store.revocations_due(at(0), at(50), 9).await.unwrap(), []);
    assert_eq!(store.revocations_due(at(9), at(50), 0).await.unwrap(), []);
    let due = store.revocations_due(at(9), at(50), 1).await.unwrap();
    assert_eq!(due, [Revocation { next: Some(at(50)), ..first.clone() }]);
    let due = store.revocations_due(at(9), at(50), 9).await.unwrap();
    assert_eq!(due, [Revocation { next: Some(at(50)), ..second.clone() }]);

    assert!(store.revocation_failed("b", attempt(9), Some(at(20))).await.unwrap());
    assert!(store.revocation_failed("b", attempt(10), Some(at(30))).await.unwrap());
    assert!(store.revocation_failed("a", attempt(11), None).await.unwrap());
    assert!(!store.revocation_failed("gone", attempt(9), Some(at(20))).await.unwrap());
    let first = Revocation { attempts: 2, last: Some(attempt(10)), next: Some(at(30)), ..first };
    let second = Revocation { attempts: 1, last: Some(attempt(11)), next: None, ..second };
    assert_eq!(store.revocations().await.unwrap(), [first, second.clone(), third.clone()]);
    let due = store.revocations_due(at(99), at(100), 9).await.unwrap();
    assert_eq!(ids(&due, |one| &one.id), BTreeSet::from(["b"]));

    assert!(store.revocation_done("b").await.unwrap());
    assert!(!store.revocation_done("b").await.unwrap());
    assert_eq!(store.revocations().await.unwrap(), [second, third]);
}
