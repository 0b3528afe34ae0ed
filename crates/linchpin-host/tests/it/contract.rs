//! What every store must do, on each of them.

use std::{collections::BTreeSet, slice, sync::Arc, time::Duration};

use linchpin::Code;
use linchpin_host::{
    store::{
        Client, Failure, Filter, GrantRow, Hook, HookFilter, Lease, NewGrant, Ping, Renewed, Revocation,
        Stage, State, Store,
    },
    vault::{Keys, Kind, Vault},
};

use super::{
    home::Home,
    sample::{account, at, attempt, change, connection, grant, hook, ping, place, revocation, sealed},
};

macro_rules! contract {
    ($($name:ident)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&super::Home::sqlite()).await;
            })+
        }

        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(home) = super::Home::postgres() {
                    super::$name(&home).await;
                }
            })+
        }
    };
}

contract! {
    a_connection_is_kept_as_it_was_added
    names_are_unique_within_a_tenant
    of_many_that_add_one_name_one_succeeds
    connections_are_filtered_and_in_order
    a_change_of_state_is_noted_once
    a_ping_is_noted_and_what_it_found_is_kept
    pings_that_are_due_are_put_off
    keep_alives_that_are_due_are_put_off
    what_is_due_goes_to_one_caller_each
    a_renewed_connection_keeps_id_name_and_history
    a_renewed_grant_is_not_replaced_by_an_older_exchange
    removal_and_revocation_are_one_step
    a_revocation_stays_until_it_is_done
    a_lease_is_held_by_one
    a_lease_that_is_released_was_not_abandoned
    a_lease_that_ran_out_is_taken_over
    of_many_that_want_a_lease_one_gets_it
    a_late_swap_wins_over_a_lease_that_ran_out
    a_swap_of_an_old_generation_loses
    a_failure_is_fenced_by_holder_and_generation
    a_dead_grant_is_not_leased
    a_client_is_replaced
    a_note_is_put_once
    a_cell_is_changed_only_in_the_place_of_what_it_was
    the_cells_of_a_connection_go_with_it
    a_hook_is_kept_as_it_was_added
    hooks_are_filtered_and_in_order
    a_hook_is_given_another_routing_key_whoever_has_claimed_it
    hooks_that_are_due_are_claimed
    a_hook_is_changed_under_its_claim_alone
    a_hook_that_is_off_stays_off
    the_hooks_of_a_connection_are_turned_off_with_it
    sealed_records_come_page_by_page
    sealed_records_are_swapped_unless_they_changed
    what_is_sealed_under_a_retired_key_is_refused
    what_was_put_is_there_when_the_store_is_opened_again
}

const MINUTE: Duration = Duration::from_secs(60);

/// A store with one connection, `it`, which has a grant.
async fn with_grant(home: &Home) -> Arc<dyn Store> {
    let store = home.open().await;
    store.connection_add(connection("it"), Some(grant("it"))).await.unwrap();
    store
}

async fn row(store: &dyn Store, id: &str) -> GrantRow {
    store.grant(id).await.unwrap().unwrap()
}

fn ids<T>(found: &[T], id: impl Fn(&T) -> &String) -> BTreeSet<&str> {
    let ids: BTreeSet<_> = found.iter().map(|one| id(one).as_str()).collect();
    assert_eq!(ids.len(), found.len(), "one came twice");
    ids
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

async fn keep_alives_that_are_due_are_put_off(home: &Home) {
    let store = home.open().await;
    for (name, keep_alive, state) in [
        ("never", None, State::Active),
        ("it", Some(at(10)), State::Failing),
        ("later", Some(at(20)), State::Active),
        ("dead", Some(at(10)), State::Active),
        ("leaving", Some(at(10)), State::Revoked),
    ] {
        let mut new = connection(name);
        new.state = state;
        store.connection_add(new, Some(NewGrant { keep_alive, ..grant(name) })).await.unwrap();
    }
    store.grant_lease("dead", 1, "me", MINUTE).await.unwrap();
    assert!(store.grant_fail("dead", 1, "me", Failure::Dead("invalid_grant".to_owned())).await.unwrap());

    assert_eq!(store.keep_alives_due(at(9), at(15), 9).await.unwrap(), []);
    assert_eq!(store.keep_alives_due(at(10), at(15), 0).await.unwrap(), []);
    let due = store.keep_alives_due(at(10), at(15), 9).await.unwrap();
    assert_eq!(ids(&due, |one| &one.id), BTreeSet::from(["it"]));
    assert_eq!(store.keep_alives_due(at(14), at(16), 9).await.unwrap(), []);
    let due = store.keep_alives_due(at(20), at(30), 1).await.unwrap();
    assert_eq!(ids(&due, |one| &one.id), BTreeSet::from(["it"]));
    let due = store.keep_alives_due(at(20), at(30), 9).await.unwrap();
    assert_eq!(ids(&due, |one| &one.id), BTreeSet::from(["later"]));
    // A swap says anew when.
    let new = NewGrant { keep_alive: None, ..grant("it") };
    assert!(store.grant_swap("it", 1, new).await.unwrap());
    let due = store.keep_alives_due(at(99), at(100), 9).await.unwrap();
    assert_eq!(ids(&due, |one| &one.id), BTreeSet::from(["later"]));
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

async fn a_renewed_grant_is_not_replaced_by_an_older_exchange(home: &Home) {
    let store = with_grant(home).await;
    store.grant_lease("it", 1, "me", MINUTE).await.unwrap();
    let renewed = Renewed {
        method: "oauth".to_owned(),
        fields: sealed(Kind::Fields, "it"),
        scopes: Vec::new(),
        change: change(State::Active, 8),
    };
    let anew = grant("it");
    assert!(store.connection_renew("it", renewed.clone(), Some(anew.clone())).await.unwrap());
    assert!(!store.grant_swap("it", 1, grant("it")).await.unwrap());
    let dead = Failure::Dead("invalid_grant".to_owned());
    assert!(!store.grant_fail("it", 1, "me", dead.clone()).await.unwrap());
    let now = row(&*store, "it").await;
    assert_eq!((now.generation, now.sealed, now.dead), (2, anew.sealed, None));
    // Its lease is free, and what was wrong with the old one is forgotten.
    let taken = Lease::Taken { abandoned: false };
    assert_eq!(store.grant_lease("it", 2, "me", MINUTE).await.unwrap(), taken);
    assert!(store.grant_fail("it", 2, "me", dead).await.unwrap());
    assert!(store.connection_renew("it", renewed.clone(), Some(grant("it"))).await.unwrap());
    let now = row(&*store, "it").await;
    assert_eq!((now.generation, now.dead, now.failures), (3, None, 0));

    // Also not when there was none in between.
    store.grant_lease("it", 3, "me", MINUTE).await.unwrap();
    assert!(store.connection_renew("it", renewed.clone(), None).await.unwrap());
    assert!(!store.grant_swap("it", 3, grant("it")).await.unwrap());
    assert!(!store.grant_swap("it", 4, grant("it")).await.unwrap());
    assert_eq!(store.grant_lease("it", 4, "me", MINUTE).await.unwrap(), Lease::Moved);
    assert!(store.connection_renew("it", renewed, Some(grant("it"))).await.unwrap());
    assert_eq!(row(&*store, "it").await.generation, 5);
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

async fn a_lease_is_held_by_one(home: &Home) {
    let store = with_grant(home).await;
    store.connection_add(connection("plain"), None).await.unwrap();
    for (id, generation) in [("gone", 1), ("plain", 0), ("plain", 1), ("it", 0), ("it", 2)] {
        let lease = store.grant_lease(id, generation, "me", MINUTE).await.unwrap();
        assert_eq!(lease, Lease::Moved, "{id} {generation}");
    }
    let taken = store.grant_lease("it", 1, "me", MINUTE).await.unwrap();
    assert_eq!(taken, Lease::Taken { abandoned: false });
    for holder in ["other", "me"] {
        let Lease::Held(left) = store.grant_lease("it", 1, holder, MINUTE).await.unwrap() else {
            panic!("taken twice, by {holder}");
        };
        assert!(left > Duration::ZERO && left <= MINUTE, "{left:?}");
    }
    assert_eq!(store.grant_lease("it", 2, "other", MINUTE).await.unwrap(), Lease::Moved);
}

async fn a_lease_that_is_released_was_not_abandoned(home: &Home) {
    let store = with_grant(home).await;
    let mut wanted = row(&*store, "it").await;
    for (failures, retry_at) in [(1, at(10)), (2, at(20))] {
        let failure = Failure::RetryAt(retry_at);
        let taken = store.grant_lease("it", 1, "me", MINUTE).await.unwrap();
        assert_eq!(taken, Lease::Taken { abandoned: false }, "before {failure:?}");
        assert!(store.grant_fail("it", 1, "me", failure.clone()).await.unwrap());
        assert!(!store.grant_fail("it", 1, "me", failure).await.unwrap());
        (wanted.failures, wanted.retry_at) = (failures, Some(retry_at));
        assert_eq!(row(&*store, "it").await, wanted);
    }
    let taken = store.grant_lease("it", 1, "me", MINUTE).await.unwrap();
    assert_eq!(taken, Lease::Taken { abandoned: false });
    let anew = grant("it");
    assert!(store.grant_swap("it", 1, anew.clone()).await.unwrap());
    let wanted = GrantRow { generation: 2, sealed: anew.sealed, failures: 0, retry_at: None, ..wanted };
    assert_eq!(row(&*store, "it").await, wanted);
    let taken = store.grant_lease("it", 2, "other", MINUTE).await.unwrap();
    assert_eq!(taken, Lease::Taken { abandoned: false });
}

async fn a_lease_that_ran_out_is_taken_over(home: &Home) {
    let store = with_grant(home).await;
    let taken = store.grant_lease("it", 1, "dies", Duration::ZERO).await.unwrap();
    assert_eq!(taken, Lease::Taken { abandoned: false });
    let taken = store.grant_lease("it", 1, "heir", MINUTE).await.unwrap();
    assert_eq!(taken, Lease::Taken { abandoned: true });
    assert!(matches!(store.grant_lease("it", 1, "dies", MINUTE).await.unwrap(), Lease::Held(_)));
    // The lease is the heir's now, and only the heir ends it.
    assert!(!store.grant_fail("it", 1, "dies", Failure::RetryAt(at(9))).await.unwrap());
    assert!(store.grant_fail("it", 1, "heir", Failure::RetryAt(at(9))).await.unwrap());

    // One that ran out and was not taken over may still be ended by its holder.
    store.grant_lease("it", 1, "slow", Duration::ZERO).await.unwrap();
    assert!(store.grant_fail("it", 1, "slow", Failure::RetryAt(at(9))).await.unwrap());
    let taken = store.grant_lease("it", 1, "next", MINUTE).await.unwrap();
    assert_eq!(taken, Lease::Taken { abandoned: false });
}

async fn of_many_that_want_a_lease_one_gets_it(home: &Home) {
    let store = with_grant(home).await;
    let stores = [store, home.open().await];
    for generation in 1..=5 {
        let tasks: Vec<_> = (0..16)
            .map(|n| {
                let store = stores[n % 2].clone();
                tokio::spawn(async move { store.grant_lease("it", generation, &n.to_string(), MINUTE).await })
            })
            .collect();
        let mut taken = 0;
        for task in tasks {
            match task.await.unwrap().unwrap() {
                Lease::Taken { abandoned } => {
                    assert!(!abandoned);
                    taken += 1;
                }
                Lease::Held(_) => {}
                Lease::Moved => panic!("moved"),
            }
        }
        assert_eq!(taken, 1, "generation {generation}");
        assert!(stores[1].grant_swap("it", generation, grant("it")).await.unwrap());
    }
}

async fn a_late_swap_wins_over_a_lease_that_ran_out(home: &Home) {
    let store = with_grant(home).await;
    store.grant_lease("it", 1, "slow", Duration::ZERO).await.unwrap();
    store.grant_lease("it", 1, "heir", MINUTE).await.unwrap();
    let late = grant("it");
    assert!(store.grant_swap("it", 1, late.clone()).await.unwrap());
    // The heir asked with a token that had been used, and must not make the good grant dead.
    let dead = Failure::Dead("invalid_grant".to_owned());
    assert!(!store.grant_fail("it", 1, "heir", dead.clone()).await.unwrap());
    assert!(!store.grant_fail("it", 2, "heir", dead.clone()).await.unwrap());
    let now = row(&*store, "it").await;
    assert_eq!((now.generation, now.sealed, now.dead), (2, late.sealed, None));

    // Also when the heir was quicker to say so.
    store.grant_lease("it", 2, "slow", Duration::ZERO).await.unwrap();
    store.grant_lease("it", 2, "heir", MINUTE).await.unwrap();
    assert!(store.grant_fail("it", 2, "heir", dead).await.unwrap());
    assert!(store.grant_swap("it", 2, grant("it")).await.unwrap());
    let now = row(&*store, "it").await;
    assert_eq!((now.generation, now.dead, now.failures), (3, None, 0));
}

async fn a_swap_of_an_old_generation_loses(home: &Home) {
    let store = with_grant(home).await;
    let new = NewGrant { expires: None, ..grant("it") };
    assert!(store.grant_swap("it", 1, new.clone()).await.unwrap());
    for generation in [0, 1, 3] {
        assert!(!store.grant_swap("it", generation, grant("it")).await.unwrap(), "{generation}");
    }
    assert!(!store.grant_swap("gone", 1, grant("gone")).await.unwrap());
    let now = row(&*store, "it").await;
    assert_eq!((now.generation, now.sealed, now.expires), (2, new.sealed, None));
}

async fn a_failure_is_fenced_by_holder_and_generation(home: &Home) {
    let store = with_grant(home).await;
    let before = row(&*store, "it").await;
    let dead = Failure::Dead("invalid_grant".to_owned());
    assert!(!store.grant_fail("it", 1, "me", dead.clone()).await.unwrap());
    store.grant_lease("it", 1, "me", MINUTE).await.unwrap();
    for (id, generation, holder) in [("it", 1, "other"), ("it", 0, "me"), ("it", 2, "me"), ("gone", 1, "me")]
    {
        for failure in [dead.clone(), Failure::RetryAt(at(9))] {
            let ended = store.grant_fail(id, generation, holder, failure).await.unwrap();
            assert!(!ended, "{id} {generation} {holder}");
        }
    }
    assert_eq!(row(&*store, "it").await, before);
    assert!(matches!(store.grant_lease("it", 1, "other", MINUTE).await.unwrap(), Lease::Held(_)));
    assert!(store.grant_fail("it", 1, "me", dead).await.unwrap());
}

async fn a_dead_grant_is_not_leased(home: &Home) {
    let store = with_grant(home).await;
    let before = row(&*store, "it").await;
    store.grant_lease("it", 1, "me", MINUTE).await.unwrap();
    assert!(store.grant_fail("it", 1, "me", Failure::Dead("invalid_grant".to_owned())).await.unwrap());
    let wanted = GrantRow { dead: Some("invalid_grant".to_owned()), failures: 1, ..before };
    assert_eq!(row(&*store, "it").await, wanted);
    assert_eq!(store.grant_lease("it", 1, "me", MINUTE).await.unwrap(), Lease::Moved);
}

async fn a_client_is_replaced(home: &Home) {
    let store = home.open().await;
    let client = |method: &str, id: &str, secret| Client {
        connector: "tracker".to_owned(),
        method: method.to_owned(),
        id: id.to_owned(),
        secret,
    };
    assert_eq!(store.client("tracker", "oauth").await.unwrap(), None);
    let secret = Some(sealed(Kind::Client, "tracker/oauth"));
    store.client_put(client("oauth", "first", secret)).await.unwrap();
    store.client_put(client("device", "other", None)).await.unwrap();
    let secret = Some(sealed(Kind::Client, "tracker/oauth"));
    store.client_put(client("oauth", "second", secret.clone())).await.unwrap();
    assert_eq!(store.client("tracker", "oauth").await.unwrap(), Some(client("oauth", "second", secret)));
    assert_eq!(store.client("tracker", "device").await.unwrap(), Some(client("device", "other", None)));
    assert_eq!(store.client("mail", "oauth").await.unwrap(), None);
    store.client_put(client("oauth", "third", None)).await.unwrap();
    assert_eq!(store.client("tracker", "oauth").await.unwrap(), Some(client("oauth", "third", None)));
}

async fn a_cell_is_changed_only_in_the_place_of_what_it_was(home: &Home) {
    let store = home.open().await;
    let value = async |name: &str| store.cell(name).await.unwrap().value;
    let swap = async |old: Option<&[u8]>, new: Option<&[u8]>| store.cell_swap("it", old, new).await.unwrap();
    assert_eq!(value("it").await, None);
    assert!(!swap(Some(b"1"), Some(b"2")).await && !swap(Some(b"1"), None).await && swap(None, None).await);
    assert!(swap(None, Some(b"1")).await && !swap(None, Some(b"2")).await && !swap(None, None).await);
    assert!(!swap(Some(b"0"), Some(b"2")).await && swap(Some(b"1"), Some(b"2")).await);
    assert_eq!(value("it").await, Some(b"2".to_vec()));
    assert!(!swap(Some(b"1"), None).await && swap(Some(b"2"), None).await);
    assert_eq!(value("it").await, None);
}

async fn the_cells_of_a_connection_go_with_it(home: &Home) {
    let store = with_grant(home).await;
    for name in ["connection/it/limit", "connection/it_too/limit", "connector/tracker/limit"] {
        assert!(store.cell_swap(name, None, Some(b"1")).await.unwrap());
    }
    assert!(store.connection_remove("it", None).await.unwrap());
    assert_eq!(store.cell("connection/it/limit").await.unwrap().value, None);
    for name in ["connection/it_too/limit", "connector/tracker/limit"] {
        assert!(store.cell(name).await.unwrap().value.is_some(), "{name}");
    }
    store.connection_add(connection("it"), Some(grant("it"))).await.unwrap();
    assert!(store.cell_swap("connection/it/limit", None, Some(b"1")).await.unwrap());
    assert!(store.connection_remove("it", Some(revocation("one", "it", 1))).await.unwrap());
    assert_eq!(store.cell("connection/it/limit").await.unwrap().value, None);
}

async fn a_note_is_put_once(home: &Home) {
    let stores = [home.open().await, home.open().await];
    assert_eq!(stores[0].note("it").await.unwrap(), None);
    let tasks: Vec<_> = (0..10_u8)
        .map(|n| {
            let store = stores[usize::from(n) % 2].clone();
            tokio::spawn(async move { store.note_once("it", &[n]).await.unwrap() })
        })
        .collect();
    let mut found = BTreeSet::new();
    for task in tasks {
        found.insert(task.await.unwrap());
    }
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(stores[0].note("it").await.unwrap(), found.pop_first());
    assert_eq!(stores[0].note_once("other", b"").await.unwrap(), b"");
    assert_eq!(stores[1].note("other").await.unwrap(), Some(Vec::new()));
}

/// One record of each kind twice, and one more of each that has nothing sealed.
async fn every_kind(store: &dyn Store) {
    for name in ["a", "b"] {
        store.connection_add(connection(name), Some(grant(name))).await.unwrap();
        assert!(store.hook_add(hook(name, name)).await.unwrap());
        store.connection_add(connection("gone"), Some(grant("gone"))).await.unwrap();
        assert!(store.connection_remove("gone", Some(revocation(name, "gone", 1))).await.unwrap());
        let secret = Some(sealed(Kind::Client, &format!("tracker/{name}")));
        let client =
            Client { connector: "tracker".to_owned(), method: name.to_owned(), id: "id".to_owned(), secret };
        store.client_put(client.clone()).await.unwrap();
        store.client_put(Client { connector: "public".to_owned(), secret: None, ..client }).await.unwrap();
    }
    store.connection_add(connection("plain"), None).await.unwrap();
    store.note_once("key-check", b"sealed").await.unwrap();
    store.note_once("other", b"not sealed").await.unwrap();
}

async fn a_hook_is_kept_as_it_was_added(home: &Home) {
    let store = with_grant(home).await;
    let plain = hook("plain", "it");
    let full = Hook {
        routing: Some("T024".to_owned()),
        stage: Stage::Active,
        expires: Some(at(70)),
        next: None,
        held: Some(at(5)),
        seen: Some(at(6)),
        attempts: 3,
        problem: Some(("LP525".to_owned(), "the service answered 503".to_owned())),
        ..hook("full", "it")
    };
    for new in [&plain, &full] {
        assert!(store.hook_add(new.clone()).await.unwrap());
        assert_eq!(store.hook(&new.id).await.unwrap().as_ref(), Some(new));
        assert_eq!(store.hook_by_token(new.token_hash).await.unwrap().as_ref(), Some(new));
    }
    assert_eq!(store.hook("gone").await.unwrap(), None);
    assert_eq!(store.hook_by_token([7; 32]).await.unwrap(), None);
    // No two have one URL.
    assert!(store.hook_add(Hook { token_hash: full.token_hash, ..hook("other", "it") }).await.is_err());
    // Nothing is added to a connection that goes, or is gone.
    assert!(!store.hook_add(hook("late", "gone")).await.unwrap());
    store.connection_move("it", change(State::Revoked, 5)).await.unwrap();
    assert!(!store.hook_add(hook("late", "it")).await.unwrap());
}

async fn a_hook_is_given_another_routing_key_whoever_has_claimed_it(home: &Home) {
    let store = with_grant(home).await;
    let new = Hook { routing: Some("T024".to_owned()), ..hook("a", "it") };
    assert!(store.hook_add(new).await.unwrap());
    let claimed = store.hook_claim("a", at(10), at(20)).await.unwrap().unwrap();
    assert!(store.hook_route("a", "T025").await.unwrap());
    // Whoever has it says nothing of where deliveries go.
    let put = store.hook_put(claimed).await.unwrap().unwrap();
    assert_eq!(put.routing.as_deref(), Some("T025"));
    let at_key = |key: &str| HookFilter { routing: Some(key.to_owned()), ..HookFilter::default() };
    assert_eq!(store.hooks(at_key("T024")).await.unwrap(), []);
    assert_eq!(store.hooks(at_key("T025")).await.unwrap(), [put]);
    assert!(!store.hook_route("gone", "T025").await.unwrap());
}

async fn hooks_are_filtered_and_in_order(home: &Home) {
    let store = with_grant(home).await;
    store.connection_add(connection("other"), None).await.unwrap();
    for (id, of, created) in [("b", "it", 1), ("a", "it", 1), ("c", "other", 0)] {
        let mut new = Hook { created: at(created), ..hook(id, of) };
        if id == "a" {
            (new.hook, new.routing) = ("account".to_owned(), Some("T024".to_owned()));
        }
        assert!(store.hook_add(new).await.unwrap());
    }
    let found = async |which: HookFilter| {
        let found = store.hooks(which).await.unwrap();
        found.into_iter().map(|hook| hook.id).collect::<Vec<_>>()
    };
    let all = HookFilter::default;
    assert_eq!(found(all()).await, ["c", "a", "b"]);
    assert_eq!(found(HookFilter { tenant: Some("acme".into()), ..all() }).await.len(), 3);
    assert_eq!(found(HookFilter { tenant: Some("nobody".into()), ..all() }).await, [""; 0]);
    assert_eq!(found(HookFilter { connection: Some("it".into()), ..all() }).await, ["a", "b"]);
    assert_eq!(found(HookFilter { connector: Some("tracker".into()), ..all() }).await.len(), 3);
    assert_eq!(found(HookFilter { hook: Some("account".into()), ..all() }).await, ["a"]);
    assert_eq!(found(HookFilter { routing: Some("T024".into()), ..all() }).await, ["a"]);
}

async fn hooks_that_are_due_are_claimed(home: &Home) {
    let store = with_grant(home).await;
    for (id, next, held) in [
        ("never", None, None),
        ("first", Some(10), None),
        ("second", Some(20), Some(5)),
        ("third", Some(21), None),
        ("held", Some(10), Some(50)),
    ] {
        let new = Hook { next: next.map(at), held: held.map(at), ..hook(id, "it") };
        assert!(store.hook_add(new).await.unwrap());
    }
    assert_eq!(store.care_next().await.unwrap(), Some(at(10)));
    assert_eq!(store.hooks_due(at(9), at(99), 9).await.unwrap(), []);
    assert_eq!(store.hooks_due(at(20), at(99), 0).await.unwrap(), []);
    let due = store.hooks_due(at(20), at(99), 1).await.unwrap();
    assert_eq!(ids(&due, |one| &one.id), BTreeSet::from(["first"]));
    assert_eq!((due[0].held, due[0].next, due[0].version), (Some(at(99)), Some(at(10)), 2));
    let due = store.hooks_due(at(20), at(99), 9).await.unwrap();
    assert_eq!(ids(&due, |one| &one.id), BTreeSet::from(["second"]));
    assert_eq!(store.hooks_due(at(20), at(99), 9).await.unwrap(), []);
    assert_eq!(store.care_next().await.unwrap(), Some(at(21)));
    // A claim that ran out counts no more.
    let due = store.hooks_due(at(99), at(100), 9).await.unwrap();
    assert_eq!(ids(&due, |one| &one.id), BTreeSet::from(["first", "second", "third", "held"]));
    assert_eq!(store.care_next().await.unwrap(), Some(at(100)), "the first claim that runs out");

    assert_eq!(store.hook_claim("first", at(99), at(200)).await.unwrap(), None, "somebody has it");
    let claimed = store.hook_claim("never", at(99), at(200)).await.unwrap().unwrap();
    assert_eq!((claimed.held, claimed.version), (Some(at(200)), 2));
    assert_eq!(store.hook_claim("never", at(199), at(300)).await.unwrap(), None);
    assert_eq!(store.hook_claim("never", at(200), at(300)).await.unwrap().unwrap().version, 3);
    assert_eq!(store.hook_claim("gone", at(99), at(200)).await.unwrap(), None);
}

async fn a_hook_is_changed_under_its_claim_alone(home: &Home) {
    let store = with_grant(home).await;
    store.hook_add(hook("it", "it")).await.unwrap();
    let first = store.hook_claim("it", at(1), at(2)).await.unwrap().unwrap();
    let second = store.hook_claim("it", at(3), at(9)).await.unwrap().unwrap();
    let changed = |of: &Hook| Hook {
        sealed: sealed(Kind::Hook, "it"),
        stage: Stage::Active,
        since: at(4),
        expires: Some(at(80)),
        next: Some(at(70)),
        held: None,
        seen: Some(at(4)),
        attempts: 2,
        problem: Some(("LP525".to_owned(), "no".to_owned())),
        ..of.clone()
    };
    assert_eq!(store.hook_put(changed(&first)).await.unwrap(), None, "its claim was lost");
    assert!(!store.hook_remove("it", first.version).await.unwrap());
    let wanted = Hook { version: second.version + 1, ..changed(&second) };
    let sent = Hook { tenant: "nobody".into(), options: "{}".into(), token_hash: [9; 32], ..wanted.clone() };
    let put = store.hook_put(Hook { version: second.version, ..sent }).await.unwrap().unwrap();
    assert_eq!(put, wanted, "what never changes stays");
    assert_eq!(store.hook("it").await.unwrap(), Some(wanted));
    assert_eq!(store.hook_put(changed(&second)).await.unwrap(), None, "each change makes another version");
    assert!(store.hook_remove("it", put.version).await.unwrap());
    assert!(!store.hook_remove("it", put.version).await.unwrap());
    assert_eq!(store.hook_put(put).await.unwrap(), None);
}

async fn a_hook_that_is_off_stays_off(home: &Home) {
    let store = with_grant(home).await;
    store.hook_add(hook("it", "it")).await.unwrap();
    let claimed = store.hook_claim("it", at(1), at(9)).await.unwrap().unwrap();
    assert!(store.hook_off("it", at(2)).await.unwrap());
    assert!(store.hook_off("it", at(3)).await.unwrap(), "it is still there");
    assert!(!store.hook_off("gone", at(3)).await.unwrap());
    let off = store.hook("it").await.unwrap().unwrap();
    assert_eq!(
        (off.stage, off.since, off.next, off.held),
        (Stage::Deregistering, at(2), Some(at(2)), Some(at(9)))
    );

    // Whoever had it notes what the service gave, and it stays off and due.
    let registered = Hook {
        stage: Stage::Active,
        since: at(4),
        next: Some(at(70)),
        held: None,
        seen: Some(at(4)),
        ..claimed
    };
    let put = store.hook_put(registered).await.unwrap().unwrap();
    assert_eq!((put.stage, put.since, put.next), (Stage::Deregistering, at(2), Some(at(2))));
    assert_eq!((put.held, put.seen), (None, Some(at(4))));
    // Whoever takes it back says when it is tried again.
    let later = Hook { next: Some(at(50)), ..put };
    assert_eq!(store.hook_put(later).await.unwrap().unwrap().next, Some(at(50)));
}

async fn the_hooks_of_a_connection_are_turned_off_with_it(home: &Home) {
    let store = with_grant(home).await;
    store.connection_add(connection("other"), None).await.unwrap();
    for (id, of) in [("a", "it"), ("b", "it"), ("c", "other")] {
        store.hook_add(Hook { stage: Stage::Active, ..hook(id, of) }).await.unwrap();
    }
    store.hooks_off("it", at(3)).await.unwrap();
    let off = store.hook("a").await.unwrap().unwrap();
    assert_eq!((off.stage, off.since, off.next), (Stage::Deregistering, at(3), None));
    store.hooks_off("it", at(4)).await.unwrap();
    assert_eq!(store.hook("a").await.unwrap().unwrap().since, at(3));
    assert_eq!(store.hook("c").await.unwrap().unwrap().stage, Stage::Active);

    assert!(store.connection_remove("other", Some(revocation("left", "other", 5))).await.unwrap());
    let off = store.hook("c").await.unwrap().unwrap();
    assert_eq!((off.stage, off.next), (Stage::Deregistering, None));
    assert_eq!(store.hooks_due(at(999), at(1000), 9).await.unwrap(), [], "their revocations look after them");
}

async fn sealed_records_come_page_by_page(home: &Home) {
    let store = home.open().await;
    assert_eq!(store.sealed_after(None, 9).await.unwrap(), []);
    every_kind(&*store).await;
    let wanted = [
        place(Kind::Fields, "a"),
        place(Kind::Fields, "b"),
        place(Kind::Fields, "plain"),
        place(Kind::Grant, "a"),
        place(Kind::Grant, "b"),
        place(Kind::Revocation, "a"),
        place(Kind::Revocation, "b"),
        place(Kind::Client, "tracker/a"),
        place(Kind::Client, "tracker/b"),
        place(Kind::Check, "key-check"),
        place(Kind::Hook, "a"),
        place(Kind::Hook, "b"),
    ];
    for most in [1, 2, 3, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.sealed_after(after, most).await.unwrap();
            assert!(page.len() <= most);
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            found.extend(page.into_iter().map(|(place, _)| place));
        }
        found.sort();
        assert_eq!(found, wanted, "{most} at a time");
    }
    let all = store.sealed_after(None, 100).await.unwrap();
    let fields = store.connection("plain").await.unwrap().unwrap().fields;
    assert!(all.contains(&(place(Kind::Fields, "plain"), fields)));
}

async fn sealed_records_are_swapped_unless_they_changed(home: &Home) {
    let store = home.open().await;
    every_kind(&*store).await;
    let mut now = store.sealed_after(None, 100).await.unwrap();
    for n in 0..now.len() {
        let (place, old) = now[n].clone();
        let new = sealed(place.kind, &place.id);
        assert!(store.sealed_swap(&place, &old, new.clone()).await.unwrap(), "{place}");
        assert!(!store.sealed_swap(&place, &old, sealed(place.kind, &place.id)).await.unwrap(), "{place}");
        let mut elsewhere = place.clone();
        elsewhere.id.push('x');
        assert!(!store.sealed_swap(&elsewhere, &new, old).await.unwrap(), "{elsewhere}");
        now[n].1 = new;
        assert_eq!(store.sealed_after(None, 100).await.unwrap(), now, "{place}");
    }
    // A grant that is sealed anew is still the same grant.
    assert_eq!(row(&*store, "a").await.generation, 1);
}

async fn what_is_sealed_under_a_retired_key_is_refused(home: &Home) {
    let store = with_grant(home).await;
    store.connection_add(connection("goes"), None).await.unwrap();
    let other = Vault::new(Keys::random().unwrap());
    let other = |kind, id: &str| other.seal(&place(kind, id), b"another secret").unwrap();
    let (old, new) = (sealed(Kind::Grant, "it").key().unwrap(), other(Kind::Grant, "it").key().unwrap());
    let renewed = |fields| Renewed {
        method: "oauth".to_owned(),
        fields,
        scopes: Vec::new(),
        change: change(State::Active, 1),
    };
    let client = |secret| Client {
        connector: "tracker".to_owned(),
        method: "oauth".to_owned(),
        id: "id".to_owned(),
        secret: Some(secret),
    };
    store.client_put(client(sealed(Kind::Client, "tracker/oauth"))).await.unwrap();
    store.hook_add(hook("h", "it")).await.unwrap();
    let before = store.sealed_after(None, 9).await.unwrap();
    store.keys_retire(new, vec![old]).await.unwrap();

    let refused = [
        store.connection_add(connection("more"), None).await.map(|()| true),
        store.connection_renew("it", renewed(sealed(Kind::Fields, "it")), None).await,
        store.connection_renew("it", renewed(other(Kind::Fields, "it")), Some(grant("it"))).await,
        store.connection_remove("goes", Some(revocation("r", "goes", 1))).await,
        store.grant_swap("it", 1, grant("it")).await,
        store.client_put(client(sealed(Kind::Client, "tracker/oauth"))).await.map(|()| true),
        store.hook_add(hook("more", "it")).await,
        store.hook_put(hook("h", "it")).await.map(|_| true),
    ];
    for (at, refused) in refused.into_iter().enumerate() {
        assert_eq!(refused.unwrap_err().code(), Code::KeyWrong, "{at}");
    }
    for (place, old) in &before {
        let again = store.sealed_swap(place, old, sealed(place.kind, &place.id)).await;
        assert_eq!(again.unwrap_err().code(), Code::KeyWrong, "{place}");
    }
    assert_eq!(store.sealed_after(None, 9).await.unwrap(), before);

    // What is there under the old key can be used, and be sealed anew part by part.
    store.connection_pinged("it", ping(3), None).await.unwrap();
    for (place, old) in &before {
        assert!(store.sealed_swap(place, old, other(place.kind, &place.id)).await.unwrap(), "{place}");
    }
    store.keys_retire(old, vec![new]).await.unwrap();
    assert!(store.grant_swap("it", 1, grant("it")).await.unwrap());
    let refused = NewGrant { sealed: other(Kind::Grant, "it"), ..grant("it") };
    assert_eq!(store.grant_swap("it", 2, refused).await.unwrap_err().code(), Code::KeyWrong);
}

async fn what_was_put_is_there_when_the_store_is_opened_again(home: &Home) {
    let store = home.open().await;
    every_kind(&*store).await;
    let before = store.sealed_after(None, 100).await.unwrap();
    let revocations = store.revocations().await.unwrap();
    drop(store);
    let store = home.open().await;
    assert_eq!(store.sealed_after(None, 100).await.unwrap(), before);
    assert_eq!(store.revocations().await.unwrap(), revocations);
    assert_eq!(store.connection("plain").await.unwrap().unwrap().name, "plain");
    assert_eq!(store.note("other").await.unwrap(), Some(b"not sealed".to_vec()));
}
