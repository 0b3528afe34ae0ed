//! What every store must do, on each of them.

use std::{collections::BTreeSet, sync::Arc};

use linchpin_host::store::{GrantRow, Store};

use super::{
    home::Home,
    sample::{connection, grant},
};

/// The tests of a module, once on each store.
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

mod cell;
mod connection;
mod grant;
mod hook;
mod sealed;

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
