//! Grants: leases, generations, failures.

use std::{collections::BTreeSet, time::Duration};

use linchpin_host::{
    store::{Failure, GrantRow, Lease, NewGrant, Renewed, State},
    vault::Kind,
};

use super::{ids, row, with_grant};
use crate::{
    home::Home,
    sample::{at, change, connection, grant, sealed},
};

contract! {
    keep_alives_that_are_due_are_put_off
    a_renewed_grant_is_not_replaced_by_an_older_exchange
    a_lease_is_held_by_one
    a_lease_that_is_released_was_not_abandoned
    a_lease_that_ran_out_is_taken_over
    of_many_that_want_a_lease_one_gets_it
    a_late_swap_wins_over_a_lease_that_ran_out
    a_swap_of_an_old_generation_loses
    a_failure_is_fenced_by_holder_and_generation
    a_dead_grant_is_not_leased
}

const MINUTE: Duration = Duration::from_secs(60);

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
