//! What every store must do for monitors.

use std::{sync::Arc, time::Duration};

use linchpin_host::store::{
    Claim, Commit, Committed, Entries, FailedLook, Monitor, MonitorFilter, NewEntry, NewMonitor, OwnSchedule,
    RunMode, State, Store, Subscription,
};

use super::{
    home::Home,
    sample::{at, change, connection},
};

contract! {
    a_monitor_is_one_by_connection_flow_and_options
    what_is_due_is_put_off_and_given_to_one
    one_is_claimed_by_one_whether_it_is_due_or_not
    a_commit_hands_on_and_moves_the_cursor_in_one_step
    a_commit_of_an_old_generation_does_nothing
    a_commit_that_was_overtaken_does_nothing
    whoever_comes_first_has_a_key
    what_was_passed_over_is_known_and_is_whoevers_hook_delivers_it
    a_ledger_without_a_monitor_does_not_grow_without_end
    what_a_monitor_has_seen_last_is_known_until_it_looks_again
    a_reading_goes_on_until_its_end_or_a_reset
    keys_that_were_not_seen_for_long_are_forgotten
    so_many_keys_are_kept_and_those_seen_last
    a_failed_look_is_noted_and_may_stop_the_monitor
    a_wake_makes_it_due_and_one_during_a_look_makes_another_look_due
    a_reset_begins_anew
    without_a_subscription_it_stands_still_and_keeps_its_cursor
    a_connection_that_cannot_be_used_pauses_its_monitors
    monitors_and_their_ledgers_go_with_the_connection
    what_is_kept_of_a_monitor_outlives_the_process
}

fn new(id: &str, connection: &str) -> NewMonitor {
    NewMonitor {
        id: id.to_owned(),
        connection: connection.to_owned(),
        flow: "news".to_owned(),
        options: r#"{"project":"p"}"#.to_owned(),
        options_hash: "p".to_owned(),
        now: at(10),
    }
}

fn subscription(name: &str) -> Subscription {
    Subscription {
        name: name.to_owned(),
        mode: RunMode::Every,
        schedule: Some(OwnSchedule::Cron("0 9 * * *".to_owned())),
        first_run: Some("last 5".to_owned()),
    }
}

/// A store with a connection `it` and its monitor `m`.
async fn with_monitor(home: &Home) -> Arc<dyn Store> {
    let store = home.open().await;
    store.connection_add(connection("it"), None).await.unwrap();
    store.monitor_on(new("m", "it"), subscription("one")).await.unwrap();
    store
}

async fn row(store: &dyn Store) -> Monitor {
    store.monitor("m").await.unwrap().unwrap()
}

fn commit(generation: u64, seconds: i64, new: &[&str]) -> Commit {
    let entries = new.iter().map(|key| NewEntry {
        source: "m".to_owned(),
        identity: format!("one/{key}"),
        lane: None,
        head: "{}".to_owned().into(),
        body: (*key).to_owned().into_bytes().into(),
        received: at(seconds),
    });
    Commit {
        id: "m".to_owned(),
        generation,
        entries: entries.collect(),
        found: new.len() as u64,
        scope: "m".to_owned(),
        new: new.iter().map(|key| (*key).to_owned()).collect(),
        passed: Vec::new(),
        again: Vec::new(),
        forget_before: at(seconds - 1000),
        most_keys: 1000,
        cursor: seconds.to_string(),
        started: true,
        reading_since: None,
        read_since: at(seconds),
        at: at(seconds),
        next: Some(at(seconds + 60)),
        wakes: 0,
        woken_next: None,
        problem: None,
    }
}

/// A delivery of what the flow `news` finds, too; keys are kept for 1000 seconds.
fn delivered(scope: &str, keys: &[&str], owner: &str, seconds: i64) -> Claim {
    Claim {
        scope: scope.to_owned(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        owner: owner.to_owned(),
        at: at(seconds),
        connection: "it".to_owned(),
        flow: "news".to_owned(),
        keep: Duration::from_secs(1000),
    }
}

/// Claims keys of records for which no monitor looks.
async fn claim(store: &dyn Store, scope: &str, keys: &[&str], owner: &str, seconds: i64) -> Vec<bool> {
    let unwatched = Claim { flow: "rumours".to_owned(), ..delivered(scope, keys, owner, seconds) };
    store.seen_claim(unwatched).await.unwrap()
}

async fn handed(store: &dyn Store) -> Vec<String> {
    let all = Entries { most: 100, ..Entries::default() };
    store.inbox_list(all).await.unwrap().into_iter().rev().map(|entry| entry.identity).collect()
}

async fn known(store: &dyn Store, scope: &str, keys: &[&str]) -> Vec<String> {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    let mut found: Vec<String> =
        store.seen(scope, keys).await.unwrap().into_iter().map(|seen| seen.key).collect();
    found.sort_unstable();
    found
}

async fn a_monitor_is_one_by_connection_flow_and_options(home: &Home) {
    let store = with_monitor(home).await;
    let first = row(&*store).await;
    assert_eq!(
        (first.tenant.as_str(), first.name.as_str(), first.connector.as_str()),
        ("acme", "it", "tracker")
    );
    assert_eq!(
        (first.created, first.due, first.generation, first.started, first.stopped, first.paused),
        (at(10), Some(at(10)), 1, false, false, false)
    );
    assert_eq!(first.subscriptions, [subscription("one")]);
    let again = store.monitor_on(new("other", "it"), subscription("another")).await.unwrap();
    assert_eq!(again.id, "m");
    assert_eq!(again.subscriptions, [subscription("another"), subscription("one")]);
    let mut each = subscription("one");
    each.mode = RunMode::Each;
    let replaced = store.monitor_on(new("other", "it"), each.clone()).await.unwrap();
    assert_eq!(replaced.subscriptions, [subscription("another"), each]);

    store.connection_add(connection("second"), None).await.unwrap();
    let mut other = new("o", "it");
    other.options_hash = "q".to_owned();
    assert_eq!(store.monitor_on(other, subscription("one")).await.unwrap().id, "o");
    assert_eq!(store.monitor_on(new("s", "second"), subscription("one")).await.unwrap().id, "s");
    let ids = async |which| -> Vec<String> {
        store.monitors(which).await.unwrap().into_iter().map(|monitor| monitor.id).collect()
    };
    assert_eq!(ids(MonitorFilter::default()).await, ["m", "o", "s"]);
    let of = MonitorFilter { connection: Some("second".to_owned()), ..MonitorFilter::default() };
    assert_eq!(ids(of).await, ["s"]);
    let of = MonitorFilter { options_hash: Some("q".to_owned()), ..MonitorFilter::default() };
    assert_eq!(ids(of).await, ["o"]);
    let of = MonitorFilter { tenant: Some("nobody".to_owned()), ..MonitorFilter::default() };
    assert!(ids(of).await.is_empty());
    // Of a connection that is not there nothing is made.
    assert!(store.monitor_on(new("x", "nowhere"), subscription("one")).await.is_err());
}

async fn what_is_due_is_put_off_and_given_to_one(home: &Home) {
    let store = with_monitor(home).await;
    assert_eq!(store.monitor_next().await.unwrap(), Some(at(10)));
    assert!(store.monitors_due(at(9), at(300), 5).await.unwrap().is_empty());
    let (one, two) = (home.open().await, home.open().await);
    let (first, second) =
        tokio::join!(one.monitors_due(at(10), at(300), 5), two.monitors_due(at(10), at(300), 5));
    let mut given = first.unwrap();
    given.extend(second.unwrap());
    assert_eq!(given.len(), 1);
    assert_eq!((given[0].held_until, given[0].subscriptions.len()), (Some(at(300)), 1));
    assert_eq!(store.monitor_next().await.unwrap(), Some(at(300)));
    // Whoever had it is gone.
    assert_eq!(store.monitors_due(at(300), at(600), 5).await.unwrap().len(), 1);
}

async fn one_is_claimed_by_one_whether_it_is_due_or_not(home: &Home) {
    let store = with_monitor(home).await;
    let claim = async |now| store.monitor_claim("m", at(now), at(now + 300)).await.unwrap().is_some();
    assert!(claim(5).await);
    assert!(!claim(6).await);
    assert!(store.monitors_due(at(20), at(400), 5).await.unwrap().is_empty());
    assert!(claim(305).await);
    assert_eq!(store.monitor_commit(commit(1, 306, &[])).await.unwrap(), Committed::Done);
    assert!(claim(307).await);
    assert_eq!(store.monitor_claim("nowhere", at(0), at(1)).await.unwrap(), None);
}

async fn a_commit_hands_on_and_moves_the_cursor_in_one_step(home: &Home) {
    let store = with_monitor(home).await;
    store.monitors_due(at(10), at(300), 5).await.unwrap();
    let mut first = commit(1, 20, &["a", "b"]);
    first.problem = Some(("LP510".to_owned(), "no answer".to_owned()));
    assert_eq!(store.monitor_commit(first).await.unwrap(), Committed::Done);
    let kept = row(&*store).await;
    assert_eq!((kept.cursor.as_deref(), kept.cursor_at, kept.generation), (Some("20"), Some(at(20)), 2));
    assert_eq!((kept.due, kept.held_until, kept.started), (Some(at(80)), None, true));
    assert_eq!((kept.failures, kept.last_run, kept.last_found), (1, Some(at(20)), 2));
    assert_eq!(kept.problem, Some(("LP510".to_owned(), "no answer".to_owned())));
    assert_eq!(handed(&*store).await, ["one/a", "one/b"]);
    let seen = store.seen("m", vec!["a".to_owned(), "c".to_owned()]).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].key.as_str(), seen[0].owner.as_str(), seen[0].at), ("a", "m", at(20)));

    assert_eq!(store.monitor_commit(commit(2, 30, &["c"])).await.unwrap(), Committed::Done);
    let kept = row(&*store).await;
    assert_eq!((kept.failures, kept.problem), (0, None));
}

async fn a_commit_of_an_old_generation_does_nothing(home: &Home) {
    let store = with_monitor(home).await;
    assert_eq!(store.monitor_commit(commit(1, 20, &["a"])).await.unwrap(), Committed::Done);
    let before = row(&*store).await;
    assert_eq!(store.monitor_commit(commit(1, 30, &["b"])).await.unwrap(), Committed::Moved);
    assert_eq!(row(&*store).await, before);
    assert_eq!(handed(&*store).await, ["one/a"]);
    assert!(known(&*store, "m", &["b"]).await.is_empty());
    let mut gone = commit(1, 30, &["b"]);
    gone.id = "nowhere".to_owned();
    assert_eq!(store.monitor_commit(gone).await.unwrap(), Committed::Moved);
    assert_eq!(handed(&*store).await, ["one/a"]);
}

async fn a_commit_that_was_overtaken_does_nothing(home: &Home) {
    let store = with_monitor(home).await;
    assert_eq!(claim(&*store, "m", &["b"], "hook", 15).await, [true]);
    let before = row(&*store).await;
    assert_eq!(store.monitor_commit(commit(1, 20, &["a", "b"])).await.unwrap(), Committed::Overtaken);
    assert_eq!(row(&*store).await, before);
    assert!(handed(&*store).await.is_empty());
    assert_eq!(known(&*store, "m", &["a", "b"]).await, ["b"]);
}

async fn whoever_comes_first_has_a_key(home: &Home) {
    let store = with_monitor(home).await;
    let first = async |scope: &str, keys: &[&str], owner: &str| claim(&*store, scope, keys, owner, 0).await;
    assert_eq!(first("it/event/h", &["a", "b", "a"], "hook").await, [true, true, true]);
    assert_eq!(first("it/event/h", &["c", "b"], "other").await, [true, false]);
    // Again after a crash.
    assert_eq!(first("it/event/h", &["a"], "hook").await, [true]);
    assert_eq!(first("it/event/g", &["a"], "other").await, [true]);
    assert!(first("it/event/h", &[], "hook").await.is_empty());
    let (one, two) = (home.open().await, home.open().await);
    let keys: Vec<String> = (0..20).map(|key| key.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (first, second) =
        tokio::join!(claim(&*one, "s", &keys, "one", 0), claim(&*two, "s", &keys, "two", 0));
    for (first, second) in first.into_iter().zip(second) {
        assert!(first != second);
    }
}

async fn what_was_passed_over_is_known_and_is_whoevers_hook_delivers_it(home: &Home) {
    let store = with_monitor(home).await;
    assert_eq!(claim(&*store, "m", &["had"], "hook", 5).await, [true]);
    let silent = Commit { passed: ["a", "b", "had"].map(str::to_owned).into(), ..commit(1, 10, &[]) };
    assert_eq!(store.monitor_commit(silent).await.unwrap(), Committed::Done);
    assert_eq!(known(&*store, "m", &["a", "b", "had"]).await, ["a", "b", "had"]);
    assert_eq!(claim(&*store, "m", &["a", "had"], "late", 11).await, [true, false]);
    assert_eq!(claim(&*store, "m", &["a"], "later", 12).await, [false]);
    assert_eq!(claim(&*store, "m", &["a"], "late", 12).await, [true], "again after a crash");
}

async fn a_ledger_without_a_monitor_does_not_grow_without_end(home: &Home) {
    let store = with_monitor(home).await;
    assert_eq!(claim(&*store, "s", &["old"], "hook", 0).await, [true]);
    assert_eq!(claim(&*store, "other", &["old"], "hook", 0).await, [true]);
    assert_eq!(claim(&*store, "s", &["new"], "hook", 2000).await, [true]);
    assert_eq!(known(&*store, "s", &["old", "new"]).await, ["new"]);
    assert_eq!(known(&*store, "other", &["old"]).await, ["old"]);
}

async fn what_a_monitor_has_seen_last_is_known_until_it_looks_again(home: &Home) {
    const DAY: i64 = 24 * 3600;
    let store = with_monitor(home).await;
    let deliver = async |key: &str, seconds| {
        assert_eq!(store.seen_claim(delivered("s", &[key], "hook", seconds)).await.unwrap(), [true]);
    };
    deliver("before", 20).await;
    // It has not looked since it was made, whatever the time is; nor does another, for other options, which stands still longer.
    deliver("late", 20 * DAY).await;
    let mut other = new("o", "it");
    (other.options_hash, other.now) = ("q".to_owned(), at(20 * DAY));
    store.monitor_on(other, subscription("one")).await.unwrap();
    deliver("later", 20 * DAY + 2000).await;
    assert_eq!(known(&*store, "s", &["before", "late", "later"]).await.len(), 3);
    // A look that breaks off says nothing of what the next may show.
    let part = Commit { reading_since: Some(at(21 * DAY)), read_since: at(10), ..commit(1, 21 * DAY, &[]) };
    assert_eq!(store.monitor_commit(part).await.unwrap(), Committed::Done);
    deliver("part", 22 * DAY).await;
    assert_eq!(known(&*store, "s", &["before", "late", "part"]).await.len(), 3);
    // One that ends does, of what was not seen for so long before it began.
    let whole = Commit { read_since: at(20 * DAY + 900), ..commit(2, 23 * DAY, &[]) };
    assert_eq!(store.monitor_commit(whole).await.unwrap(), Committed::Done);
    deliver("whole", 23 * DAY).await;
    assert_eq!(known(&*store, "s", &["before", "late", "later"]).await, ["late", "later"]);
    // Nothing waits for ever.
    deliver("end", 52 * DAY).await;
    assert_eq!(known(&*store, "s", &["late", "later", "part", "whole"]).await, ["part", "whole"]);
}

async fn a_reading_goes_on_until_its_end_or_a_reset(home: &Home) {
    let store = with_monitor(home).await;
    let readings = async || {
        let row = row(&*store).await;
        (row.reading_since, row.read_since)
    };
    assert_eq!(readings().await, (None, at(10)), "there was none");
    let part = Commit { reading_since: Some(at(15)), read_since: at(10), ..commit(1, 20, &[]) };
    assert_eq!(store.monitor_commit(part).await.unwrap(), Committed::Done);
    assert_eq!(readings().await, (Some(at(15)), at(10)));
    store.monitor_on(new("x", "it"), subscription("two")).await.unwrap();
    assert_eq!(readings().await, (Some(at(15)), at(10)));
    assert!(store.monitor_reset("m", Some("7".to_owned()), at(30)).await.unwrap());
    assert_eq!(readings().await, (None, at(10)));
    let whole = Commit { read_since: at(35), ..commit(3, 40, &[]) };
    assert_eq!(store.monitor_commit(whole).await.unwrap(), Committed::Done);
    assert_eq!(readings().await, (None, at(35)));
}

async fn keys_that_were_not_seen_for_long_are_forgotten(home: &Home) {
    let store = with_monitor(home).await;
    store.monitor_commit(commit(1, 1000, &["a", "b"])).await.unwrap();
    let mut again = commit(2, 1500, &["c"]);
    again.again = vec!["a".to_owned()];
    store.monitor_commit(again).await.unwrap();
    assert_eq!(known(&*store, "m", &["a", "b", "c"]).await, ["a", "b", "c"]);
    store.monitor_commit(commit(3, 2001, &[])).await.unwrap();
    assert_eq!(known(&*store, "m", &["a", "b", "c"]).await, ["a", "c"]);
}

async fn so_many_keys_are_kept_and_those_seen_last(home: &Home) {
    let store = with_monitor(home).await;
    store.monitor_commit(commit(1, 100, &["a", "b"])).await.unwrap();
    store.monitor_commit(commit(2, 200, &["c"])).await.unwrap();
    let mut full = commit(3, 300, &["d", "e", "f"]);
    full.most_keys = 4;
    store.monitor_commit(full).await.unwrap();
    assert_eq!(known(&*store, "m", &["a", "b", "c", "d", "e", "f"]).await, ["c", "d", "e", "f"]);
    let mut more = commit(4, 400, &["g", "h", "i"]);
    more.most_keys = 2;
    store.monitor_commit(more).await.unwrap();
    // Never fewer than were seen just now.
    assert_eq!(known(&*store, "m", &["c", "d", "e", "f", "g", "h", "i"]).await, ["g", "h", "i"]);
}

async fn a_failed_look_is_noted_and_may_stop_the_monitor(home: &Home) {
    let store = with_monitor(home).await;
    store.monitors_due(at(10), at(300), 5).await.unwrap();
    let failed = |generation, next| FailedLook {
        id: "m".to_owned(),
        generation,
        problem: ("LP525".to_owned(), "down".to_owned()),
        at: at(20),
        next,
    };
    assert!(!store.monitor_failed(failed(7, Some(at(50)))).await.unwrap());
    assert!(store.monitor_failed(failed(1, Some(at(50)))).await.unwrap());
    let row_now = row(&*store).await;
    assert_eq!((row_now.failures, row_now.due, row_now.held_until), (1, Some(at(50)), None));
    assert_eq!((row_now.generation, row_now.stopped), (1, false));
    assert!(store.monitor_failed(failed(1, None)).await.unwrap());
    let row_now = row(&*store).await;
    assert_eq!((row_now.failures, row_now.due, row_now.stopped), (2, None, true));
    assert_eq!(store.monitor_next().await.unwrap(), None);
    let on = store.monitor_on(new("x", "it"), subscription("two")).await.unwrap();
    assert_eq!((on.due, on.stopped), (None, true));
}

async fn a_wake_makes_it_due_and_one_during_a_look_makes_another_look_due(home: &Home) {
    let store = with_monitor(home).await;
    store.monitor_commit(commit(1, 20, &[])).await.unwrap();
    let wake = async |now, to| store.monitor_wake("m", at(now), at(to)).await.unwrap();
    let due = async || row(&*store).await.due;
    assert!(wake(30, 35).await);
    assert_eq!(due().await, Some(at(35)));
    assert!(wake(31, 60).await, "one that wants less changes nothing");
    assert_eq!((due().await, row(&*store).await.wakes), (Some(at(35)), 2));

    let claimed = store.monitors_due(at(35), at(335), 5).await.unwrap().pop().unwrap();
    assert_eq!(claimed.wakes, 2);
    let (one, two) = (home.open().await, home.open().await);
    let (first, second) =
        tokio::join!(one.monitor_wake("m", at(36), at(36)), two.monitor_wake("m", at(36), at(36)));
    assert!(first.unwrap() && second.unwrap());
    assert_eq!(row(&*store).await.wakes, 4);
    assert!(store.monitors_due(at(40), at(340), 5).await.unwrap().is_empty(), "one looks at a time");
    let look = |claimed: &Monitor, seconds, next, woken_next| Commit {
        wakes: claimed.wakes,
        next: Some(at(next)),
        woken_next: Some(at(woken_next)),
        ..commit(claimed.generation, seconds, &[])
    };
    assert_eq!(store.monitor_commit(look(&claimed, 41, 120, 51)).await.unwrap(), Committed::Done);
    assert_eq!(due().await, Some(at(51)), "it was woken meanwhile");

    let claimed = store.monitors_due(at(51), at(351), 5).await.unwrap().pop().unwrap();
    assert_eq!(store.monitor_commit(look(&claimed, 60, 120, 70)).await.unwrap(), Committed::Done);
    assert_eq!(due().await, Some(at(120)), "a wake is over with the look that came after it");

    let claimed = store.monitors_due(at(120), at(420), 5).await.unwrap().pop().unwrap();
    assert!(wake(121, 121).await);
    store.monitor_commit(look(&claimed, 122, 125, 132)).await.unwrap();
    assert_eq!(due().await, Some(at(125)), "the schedule is sooner");
    let claimed = store.monitors_due(at(125), at(425), 5).await.unwrap().pop().unwrap();
    assert!(wake(126, 126).await);
    let asked_for_patience = Commit { woken_next: None, ..look(&claimed, 127, 500, 0) };
    store.monitor_commit(asked_for_patience).await.unwrap();
    assert_eq!(due().await, Some(at(500)));

    let failed = |generation, next| FailedLook {
        id: "m".to_owned(),
        generation,
        problem: ("LP525".to_owned(), "down".to_owned()),
        at: at(130),
        next,
    };
    let generation = row(&*store).await.generation;
    store.monitor_failed(failed(generation, Some(at(600)))).await.unwrap();
    assert!(wake(140, 140).await);
    assert_eq!(due().await, Some(at(600)), "after a failure it keeps its pause");
    store.monitor_failed(failed(generation, None)).await.unwrap();
    assert!(!wake(150, 150).await, "one that stands still is not woken");
    assert!(!store.monitor_wake("nowhere", at(0), at(0)).await.unwrap());
}

async fn a_reset_begins_anew(home: &Home) {
    let store = with_monitor(home).await;
    store.monitor_commit(commit(1, 20, &["a"])).await.unwrap();
    assert!(store.monitor_reset("m", None, at(50)).await.unwrap());
    let anew = row(&*store).await;
    assert_eq!((anew.cursor, anew.cursor_at, anew.started, anew.due), (None, None, false, Some(at(50))));
    assert_eq!(anew.generation, 3);
    // What was handed on stays known, and whoever looked meanwhile loses.
    assert_eq!(known(&*store, "m", &["a"]).await, ["a"]);
    assert_eq!(store.monitor_commit(commit(2, 60, &["b"])).await.unwrap(), Committed::Moved);
    assert!(store.monitor_reset("m", Some("7".to_owned()), at(70)).await.unwrap());
    let anew = row(&*store).await;
    assert_eq!((anew.cursor.as_deref(), anew.cursor_at, anew.started), (Some("7"), Some(at(70)), true));
    assert!(!store.monitor_reset("nowhere", None, at(0)).await.unwrap());
}

async fn without_a_subscription_it_stands_still_and_keeps_its_cursor(home: &Home) {
    let store = with_monitor(home).await;
    store.monitor_on(new("x", "it"), subscription("two")).await.unwrap();
    store.monitor_commit(commit(1, 20, &["a"])).await.unwrap();
    assert!(store.monitor_off("m", "one").await.unwrap());
    assert!(!store.monitor_off("m", "one").await.unwrap());
    assert_eq!(row(&*store).await.due, Some(at(80)));
    // The last one goes while somebody looks.
    store.monitors_due(at(80), at(400), 5).await.unwrap();
    assert!(store.monitor_off("m", "two").await.unwrap());
    assert_eq!(row(&*store).await.due, None);
    assert_eq!(store.monitor_commit(commit(2, 90, &["b"])).await.unwrap(), Committed::Done);
    let off = row(&*store).await;
    assert_eq!((off.due, off.cursor.as_deref()), (None, Some("90")));
    let mut later = new("x", "it");
    later.now = at(200);
    let on = store.monitor_on(later, subscription("one")).await.unwrap();
    assert_eq!((on.id.as_str(), on.due, on.cursor.as_deref()), ("m", Some(at(200)), Some("90")));
    assert!(store.monitor_remove("m").await.unwrap());
    assert!(known(&*store, "m", &["a", "b"]).await.is_empty());
    assert!(!store.monitor_remove("m").await.unwrap());
}

async fn a_connection_that_cannot_be_used_pauses_its_monitors(home: &Home) {
    let store = with_monitor(home).await;
    store.connection_move("it", change(State::NeedsReauthorization, 5)).await.unwrap();
    assert!(row(&*store).await.paused);
    assert_eq!(store.monitor_next().await.unwrap(), None);
    assert!(store.monitors_due(at(20), at(300), 5).await.unwrap().is_empty());
    assert_eq!(store.monitor_claim("m", at(20), at(300)).await.unwrap(), None);
    // One that is turned on meanwhile is paused from the start.
    let mut other = new("o", "it");
    other.options_hash = "q".to_owned();
    assert!(store.monitor_on(other, subscription("one")).await.unwrap().paused);
    store.connection_move("it", change(State::Active, 30)).await.unwrap();
    let given = store.monitors_due(at(40), at(300), 5).await.unwrap();
    assert_eq!(given.len(), 2, "what was missed is caught up with");
    store.connection_move("it", change(State::Failing, 50)).await.unwrap();
    assert!(!row(&*store).await.paused);
    store.connection_move("it", change(State::Revoked, 60)).await.unwrap();
    assert!(row(&*store).await.paused);
}

async fn monitors_and_their_ledgers_go_with_the_connection(home: &Home) {
    let store = with_monitor(home).await;
    store.connection_add(connection("it2"), None).await.unwrap();
    store.monitor_commit(commit(1, 20, &["a"])).await.unwrap();
    for scope in ["it/event/h", "it2/event/h"] {
        claim(&*store, scope, &["k"], "hook", 0).await;
    }
    assert!(store.connection_remove("it", None).await.unwrap());
    assert_eq!(store.monitor("m").await.unwrap(), None);
    assert!(known(&*store, "m", &["a"]).await.is_empty());
    assert!(known(&*store, "it/event/h", &["k"]).await.is_empty());
    assert_eq!(known(&*store, "it2/event/h", &["k"]).await, ["k"]);
}

async fn what_is_kept_of_a_monitor_outlives_the_process(home: &Home) {
    let store = with_monitor(home).await;
    store.monitor_commit(commit(1, 20, &["a"])).await.unwrap();
    let before = row(&*store).await;
    drop(store);
    assert_eq!(row(&*home.open().await).await, before);
}
