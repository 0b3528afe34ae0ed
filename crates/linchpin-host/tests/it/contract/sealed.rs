//! Records of every kind: they stay, and are sealed anew when keys are rotated.

use linchpin::Code;
use linchpin_host::{
    store::{Client, NewGrant, Renewed, State, Store},
    vault::{Keys, Kind, Vault},
};

use super::{row, with_grant};
use crate::{
    home::Home,
    sample::{change, connection, grant, hook, ping, place, revocation, sealed},
};

contract! {
    sealed_records_come_page_by_page
    sealed_records_are_swapped_unless_they_changed
    what_is_sealed_under_a_retired_key_is_refused
    what_was_put_is_there_when_the_store_is_opened_again
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
