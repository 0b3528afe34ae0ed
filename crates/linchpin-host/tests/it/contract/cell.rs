//! Small things by name: clients, notes, cells.

use std::collections::BTreeSet;

use linchpin_host::{store::Client, vault::Kind};

use super::with_grant;
use crate::{
    home::Home,
    sample::{connection, grant, revocation, sealed},
};

contract! {
    a_client_is_replaced
    a_note_is_put_once
    a_cell_is_changed_only_in_the_place_of_what_it_was
    the_cells_of_a_connection_go_with_it
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
