//! Registered webhooks.

use std::collections::BTreeSet;

use linchpin_host::{
    store::{Hook, HookFilter, Stage, State},
    vault::Kind,
};

use super::{ids, with_grant};
use crate::{
    home::Home,
    sample::{at, change, connection, hook, revocation, sealed},
};

contract! {
    a_hook_is_kept_as_it_was_added
    hooks_are_filtered_and_in_order
    a_hook_is_given_another_routing_key_whoever_has_claimed_it
    hooks_that_are_due_are_claimed
    a_hook_is_changed_under_its_claim_alone
    a_hook_that_is_off_stays_off
    the_hooks_of_a_connection_are_turned_off_with_it
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
