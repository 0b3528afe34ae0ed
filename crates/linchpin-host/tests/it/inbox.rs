//! What every inbox must do, on each store and in memory.

use std::collections::BTreeSet;

use linchpin::DateTime;
use linchpin_host::store::{Entries, Entry, EntryState, InboxStore, NewEntry, Put, Room};

use super::{home::Home, sample::at};

contract! {
    an_entry_comes_out_as_it_went_in
    what_comes_again_is_known
    within_one_batch_too
    the_same_identity_of_another_source_is_another
    what_is_held_is_given_to_nobody_else_before
    what_is_claimed_is_put_off
    as_much_is_claimed_as_there_is_room_for
    of_many_that_claim_each_gets_another
    what_is_done_stays_done_and_known
    a_failure_is_counted_and_tried_again_when_it_is_due
    a_dead_letter_waits_until_it_is_replayed
    a_dead_letter_that_comes_again_lives_again
    of_a_lane_only_the_oldest_is_given
    a_lane_waits_for_its_oldest_even_when_that_is_put_off
    entries_are_listed_newest_first
    only_what_is_done_and_old_is_purged
}

fn entry(identity: &str) -> NewEntry {
    NewEntry {
        source: "hook".to_owned(),
        identity: identity.to_owned(),
        lane: None,
        head: r#"{"method":"POST"}"#.to_owned().into(),
        body: format!("the body of {identity}\0\u{fffd}").into_bytes().into(),
        received: at(0),
    }
}

fn in_lane(identity: &str, lane: &str) -> NewEntry {
    NewEntry { lane: Some(lane.to_owned()), ..entry(identity) }
}

async fn put(store: &dyn InboxStore, entries: impl IntoIterator<Item = NewEntry>) -> Vec<i64> {
    let put = store.inbox_put(entries.into_iter().collect(), None).await.unwrap();
    put.into_iter()
        .map(|put| match put {
            Put::New(number) => number,
            Put::Known => panic!("known already"),
        })
        .collect()
}

async fn claim(store: &dyn InboxStore, now: DateTime, until: DateTime) -> Vec<Entry> {
    store.inbox_claim(now, until, Room::entries(10)).await.unwrap()
}

fn identities(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.what.identity.as_str()).collect()
}

async fn state(store: &dyn InboxStore, number: i64) -> EntryState {
    store.inbox_entry(number).await.unwrap().unwrap().1.state
}

async fn an_entry_comes_out_as_it_went_in(home: &Home) {
    let store = home.open().await;
    let new = in_lane("a", "lane");
    let numbers = put(&*store, [new.clone()]).await;
    let found = claim(&*store, at(0), at(60)).await;
    assert_eq!(found, [Entry { number: numbers[0], attempts: 0, what: new.clone() }]);
    let (again, summary) = store.inbox_entry(numbers[0]).await.unwrap().unwrap();
    assert_eq!(again, found[0]);
    assert_eq!((summary.state, summary.due), (EntryState::Waiting, Some(at(60))));
    assert_eq!(summary.size, u64::try_from(new.body.len()).unwrap());
    assert_eq!(store.inbox_entry(numbers[0] + 1).await.unwrap(), None);
}

async fn what_comes_again_is_known(home: &Home) {
    let store = home.open().await;
    put(&*store, [entry("a")]).await;
    let again = NewEntry { body: "another".into(), received: at(9), ..entry("a") };
    let said = store.inbox_put(vec![again, entry("b")], None).await.unwrap();
    assert!(matches!(said[..], [Put::Known, Put::New(_)]), "{said:?}");
    let found = claim(&*store, at(9), at(60)).await;
    assert_eq!(identities(&found), ["a", "b"]);
    assert_eq!(found[0].what, entry("a"));
}

async fn within_one_batch_too(home: &Home) {
    let store = home.open().await;
    let said = store.inbox_put(vec![entry("a"), entry("b"), entry("a")], None).await.unwrap();
    assert!(matches!(said[..], [Put::New(_), Put::New(_), Put::Known]), "{said:?}");
    assert_eq!(claim(&*store, at(0), at(60)).await.len(), 2);
}

async fn the_same_identity_of_another_source_is_another(home: &Home) {
    let store = home.open().await;
    let other = NewEntry { source: "other".to_owned(), ..entry("a") };
    put(&*store, [entry("a"), other]).await;
    assert_eq!(store.inbox_waiting().await.unwrap(), 2);
}

async fn what_is_held_is_given_to_nobody_else_before(home: &Home) {
    let store = home.open().await;
    let said = store.inbox_put(vec![entry("a"), in_lane("b", "lane")], Some(at(30))).await.unwrap();
    assert!(matches!(said[..], [Put::New(_), Put::New(_)]), "{said:?}");
    assert_eq!(identities(&claim(&*store, at(29), at(60)).await), ["b"]);
    assert_eq!(store.inbox_next().await.unwrap(), Some(at(30)));
    assert_eq!(identities(&claim(&*store, at(30), at(60)).await), ["a"]);
}

async fn what_is_claimed_is_put_off(home: &Home) {
    let store = home.open().await;
    assert_eq!(store.inbox_next().await.unwrap(), None);
    put(&*store, [entry("a")]).await;
    assert_eq!(claim(&*store, at(0), at(60)).await.len(), 1);
    assert_eq!(claim(&*store, at(59), at(60)).await, []);
    assert_eq!(store.inbox_next().await.unwrap(), Some(at(60)));
    assert_eq!(claim(&*store, at(60), at(90)).await.len(), 1);
}

async fn as_much_is_claimed_as_there_is_room_for(home: &Home) {
    let store = home.open().await;
    let sized = |identity: &str, size: usize| NewEntry { body: vec![b'x'; size].into(), ..entry(identity) };
    put(&*store, [sized("a", 4), sized("b", 4), sized("c", 4), sized("d", 99), sized("e", 1)]).await;
    let claim = async |entries: usize, bytes: usize| {
        let claimed = store.inbox_claim(at(0), at(60), Room { entries, bytes }).await.unwrap();
        claimed.into_iter().map(|entry| entry.what.identity).collect::<Vec<String>>()
    };
    assert_eq!(claim(9, 11).await, ["a", "b"]);
    assert_eq!(claim(1, 99).await, ["c"]);
    assert_eq!(claim(9, 10).await, ["d"], "one, whatever its size");
    assert_eq!(claim(9, 0).await, ["e"]);
    assert_eq!(claim(9, 99).await, [""; 0]);
    put(&*store, [sized("nothing", 0), sized("f", 2)]).await;
    assert_eq!(claim(9, 1).await, ["nothing"]);
}

async fn of_many_that_claim_each_gets_another(home: &Home) {
    let store = home.open().await;
    put(&*store, (0..100).map(|number| entry(&number.to_string()))).await;
    let claims = (0..20).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.inbox_claim(at(0), at(60), Room::entries(5)).await.unwrap() })
    });
    let mut seen = BTreeSet::new();
    for claim in claims.collect::<Vec<_>>() {
        for entry in claim.await.unwrap() {
            assert!(seen.insert(entry.number), "{} came twice", entry.number);
        }
    }
    // On a server some may have passed over what another was claiming.
    for entry in claim(&*store, at(0), at(60)).await {
        assert!(seen.insert(entry.number), "{} came twice", entry.number);
    }
    assert!(seen.len() >= 90, "{}", seen.len());
}

async fn what_is_done_stays_done_and_known(home: &Home) {
    let store = home.open().await;
    let numbers = put(&*store, [entry("a"), entry("b")]).await;
    store.inbox_done(numbers.clone()).await.unwrap();
    assert_eq!(claim(&*store, at(999), at(1000)).await, []);
    assert_eq!(store.inbox_waiting().await.unwrap(), 0);
    assert_eq!(store.inbox_put(vec![entry("a")], None).await.unwrap(), [Put::Known]);
    assert_eq!(state(&*store, numbers[0]).await, EntryState::Done);
    assert!(!store.inbox_failed(numbers[0], "too late".to_owned(), Some(at(1))).await.unwrap());
    assert_eq!(state(&*store, numbers[0]).await, EntryState::Done);
}

async fn a_failure_is_counted_and_tried_again_when_it_is_due(home: &Home) {
    let store = home.open().await;
    let number = put(&*store, [entry("a")]).await[0];
    claim(&*store, at(0), at(60)).await;
    assert!(store.inbox_failed(number, "no answer".to_owned(), Some(at(10))).await.unwrap());
    assert_eq!(claim(&*store, at(9), at(60)).await, []);
    let found = claim(&*store, at(10), at(60)).await;
    assert_eq!(found[0].attempts, 1);
    let (_, summary) = store.inbox_entry(number).await.unwrap().unwrap();
    assert_eq!((summary.attempts, summary.problem.as_deref()), (1, Some("no answer")));
    assert!(!store.inbox_failed(number + 1, "nobody".to_owned(), None).await.unwrap());
}

async fn a_dead_letter_waits_until_it_is_replayed(home: &Home) {
    let store = home.open().await;
    let number = put(&*store, [entry("a")]).await[0];
    assert!(store.inbox_failed(number, "it does not fit".to_owned(), None).await.unwrap());
    assert_eq!(state(&*store, number).await, EntryState::Dead);
    assert_eq!(claim(&*store, at(999), at(1000)).await, []);
    assert!(store.inbox_replay(number, at(1000)).await.unwrap());
    let found = claim(&*store, at(1000), at(1060)).await;
    assert_eq!((found[0].number, found[0].attempts), (number, 0));
    store.inbox_done(vec![number]).await.unwrap();
    assert!(store.inbox_replay(number, at(2000)).await.unwrap());
    assert_eq!(claim(&*store, at(2000), at(2060)).await.len(), 1);
    assert!(!store.inbox_replay(number + 1, at(2000)).await.unwrap());
}

async fn a_dead_letter_that_comes_again_lives_again(home: &Home) {
    let store = home.open().await;
    let number = put(&*store, [entry("a")]).await[0];
    assert!(store.inbox_failed(number, "it does not fit".to_owned(), None).await.unwrap());
    assert_eq!(store.inbox_put(vec![entry("a")], None).await.unwrap(), [Put::New(number)]);
    assert_eq!(claim(&*store, at(0), at(60)).await[0].attempts, 0);
}

async fn of_a_lane_only_the_oldest_is_given(home: &Home) {
    let store = home.open().await;
    let numbers = put(
        &*store,
        [in_lane("a1", "a"), in_lane("a2", "a"), in_lane("b1", "b"), entry("c"), in_lane("a3", "a")],
    )
    .await;
    assert_eq!(identities(&claim(&*store, at(0), at(60)).await), ["a1", "b1", "c"]);
    assert_eq!(claim(&*store, at(0), at(60)).await, []);
    store.inbox_done(vec![numbers[0]]).await.unwrap();
    assert_eq!(identities(&claim(&*store, at(0), at(60)).await), ["a2"]);
    // A lane goes on behind a dead letter.
    store.inbox_failed(numbers[1], "it does not fit".to_owned(), None).await.unwrap();
    assert_eq!(identities(&claim(&*store, at(0), at(60)).await), ["a3"]);
}

async fn a_lane_waits_for_its_oldest_even_when_that_is_put_off(home: &Home) {
    let store = home.open().await;
    let numbers = put(&*store, [in_lane("a1", "a"), in_lane("a2", "a")]).await;
    store.inbox_failed(numbers[0], "no answer".to_owned(), Some(at(100))).await.unwrap();
    assert_eq!(claim(&*store, at(99), at(160)).await, []);
    assert_eq!(identities(&claim(&*store, at(100), at(160)).await), ["a1"]);
}

async fn entries_are_listed_newest_first(home: &Home) {
    let store = home.open().await;
    let other = NewEntry { source: "other".to_owned(), ..entry("x") };
    let numbers = put(&*store, [entry("a"), other, entry("b"), entry("c")]).await;
    store.inbox_done(vec![numbers[3]]).await.unwrap();
    let list = async |which: Entries| -> Vec<String> {
        let found = store.inbox_list(which).await.unwrap();
        found.into_iter().map(|summary| summary.identity).collect()
    };
    let all = Entries { most: 10, ..Entries::default() };
    assert_eq!(list(all.clone()).await, ["c", "b", "x", "a"]);
    assert_eq!(list(Entries { most: 2, ..all.clone() }).await, ["c", "b"]);
    assert_eq!(list(Entries { below: Some(numbers[2]), ..all.clone() }).await, ["x", "a"]);
    assert_eq!(list(Entries { source: Some("other".to_owned()), ..all.clone() }).await, ["x"]);
    assert_eq!(list(Entries { state: Some(EntryState::Done), ..all }).await, ["c"]);
}

async fn only_what_is_done_and_old_is_purged(home: &Home) {
    let store = home.open().await;
    let young = NewEntry { received: at(50), ..entry("young") };
    let numbers =
        put(&*store, [entry("waits"), entry("done"), entry("done too"), entry("dead"), young]).await;
    store.inbox_done(vec![numbers[1], numbers[2], numbers[4]]).await.unwrap();
    store.inbox_failed(numbers[3], "it does not fit".to_owned(), None).await.unwrap();
    assert_eq!(store.inbox_purge(EntryState::Done, at(50), 1).await.unwrap(), 1);
    assert_eq!(store.inbox_purge(EntryState::Done, at(50), 10).await.unwrap(), 1);
    assert_eq!(store.inbox_purge(EntryState::Done, at(50), 10).await.unwrap(), 0);
    assert_eq!(store.inbox_purge(EntryState::Dead, at(50), 10).await.unwrap(), 1);
    assert_eq!(store.inbox_purge(EntryState::Waiting, at(50), 10).await.unwrap(), 0);
    let left = store.inbox_list(Entries { most: 10, ..Entries::default() }).await.unwrap();
    let left: Vec<&str> = left.iter().map(|summary| summary.identity.as_str()).collect();
    assert_eq!(left, ["young", "waits"]);
    // Nobody remembers it.
    put(&*store, [entry("done")]).await;
}
