//! Stores and the keys that they were sealed with.

use std::fs;

use linchpin::Code;
use linchpin_host::vault::{KEY_VARIABLE, KeySource, Keys, Vault};

use super::home::Home;

macro_rules! on_each_store {
    ($($name:ident)+) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::Home::sqlite()).await;
            })+
        }

        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                if let Some(home) = super::Home::postgres() {
                    super::$name(&home).await;
                }
            })+
        }
    };
}

on_each_store! {
    other_keys_are_refused_before_anything_is_written
    a_key_file_is_made_once_and_never_for_a_store_that_has_been_sealed
}

async fn other_keys_are_refused_before_anything_is_written(home: &Home) {
    let store = home.open().await;
    let right = Keys::random().unwrap();
    Vault::unlock(&*store, KeySource::Given(right.clone())).await.unwrap();
    let before = store.sealed_after(None, 9).await.unwrap();
    assert_eq!(before.len(), 1);

    let wrong = KeySource::Given(Keys::random().unwrap());
    let error = Vault::unlock(&*store, wrong).await.unwrap_err();
    assert_eq!(error.code(), Code::KeyWrong, "{error}");
    assert!(error.details().hint.unwrap().contains(KEY_VARIABLE), "{error:?}");
    assert_eq!(store.sealed_after(None, 9).await.unwrap(), before);
    let vault = Vault::unlock(&*store, KeySource::Given(right)).await.unwrap();
    assert_eq!(vault.made(), None);
}

async fn a_key_file_is_made_once_and_never_for_a_store_that_has_been_sealed(home: &Home) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.key");
    let source = KeySource::File(path.clone());
    let store = home.open().await;
    let vault = Vault::unlock(&*store, source.clone()).await.unwrap();
    assert_eq!(vault.made(), Some(format!("the key file `{}`", path.display())));
    let vault = Vault::unlock(&*store, source.clone()).await.unwrap();
    assert_eq!(vault.made(), None);

    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let error = Vault::unlock(&*store, source.clone()).await.unwrap_err();
    assert_eq!(error.code(), Code::KeyWrong, "{error}");
    assert!(error.to_string().contains("missing"), "{error}");
    assert!(!path.exists(), "a new key would open nothing");
    // Nor is anything sealed under a key that nobody has any more.
    let place = super::sample::place(linchpin_host::vault::Kind::Fields, "a");
    assert_eq!(vault.seal(&place, b"s3cr3t").unwrap_err().code(), Code::KeyWrong);

    // What is in the file may also be given.
    let given = KeySource::Given(text.parse().unwrap());
    Vault::unlock(&*store, given).await.unwrap();
}

#[test]
fn the_key_file_stands_beside_the_store() {
    let KeySource::File(path) = KeySource::beside("data/store.db".as_ref()) else { panic!("no file") };
    assert_eq!(path.to_str(), Some("data/store.key"));
}
