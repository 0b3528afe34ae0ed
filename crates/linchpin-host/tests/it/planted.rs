//! A secret that was put in is nowhere to be found.

use std::{fs, path::Path, time::Duration};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use linchpin_host::{
    store::{Client, Failure, NewGrant, Renewed, State, Store},
    vault::{KeySource, Kind, Sealed, Vault},
};

use super::{
    home::Home,
    sample::{at, attempt, change, connection, hook, ping, place, revocation},
};

/// Bytes that each encoding writes in another way.
const SECRET: &str = "pl4nted/s3cr3t+with=every&sort?of~byte";

/// The secret in every form in which it may turn up. Base64 depends on how far from a group of three it begins.
fn forms() -> Vec<String> {
    let hex = |upper: bool| -> String {
        SECRET.bytes().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
    };
    let mut forms = vec![SECRET.to_owned(), hex(false), hex(true), format!("{:?}", SECRET.as_bytes())];
    forms.extend(
        SECRET.split(['/', '+', '=', '&', '?', '~']).map(str::to_owned).filter(|part| part.len() > 5),
    );
    for upper in [false, true] {
        forms.push(SECRET.bytes().fold(String::new(), |text, byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => text + &char::from(byte).to_string(),
            _ if upper => text + &format!("%{byte:02X}"),
            _ => text + &format!("%{byte:02x}"),
        }));
    }
    for skip in 0..3 {
        let part = &SECRET[skip..];
        let whole = &part[..part.len() / 3 * 3];
        forms.push(STANDARD_NO_PAD.encode(whole));
        forms.push(URL_SAFE_NO_PAD.encode(whole));
    }
    forms
}

fn find(bytes: &[u8]) -> Option<String> {
    forms().into_iter().find(|form| bytes.windows(form.len()).any(|part| part == form.as_bytes()))
}

fn search(folder: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(find(&bytes), None, "in {}", path.display());
        files += 1;
    }
    files
}

/// Every kind of record, written, replaced and taken away. Gives what a log might hold of them.
async fn everything(store: &dyn Store, vault: &Vault) -> String {
    let seal = |kind, id: &str| -> Sealed { vault.seal(&place(kind, id), SECRET.as_bytes()).unwrap() };
    let grant =
        |id: &str| NewGrant { sealed: seal(Kind::Grant, id), expires: Some(at(9)), keep_alive: Some(at(5)) };
    let mut shown = String::new();
    for id in ["stays", "goes", "renewed"] {
        let mut new = connection(id);
        new.fields = seal(Kind::Fields, id);
        shown += &format!("{new:?} {:?}", grant(id));
        store.connection_add(new, Some(grant(id))).await.unwrap();
        store.connection_pinged(id, ping(1), Some(at(2))).await.unwrap();
        store.grant_lease(id, 1, "me", Duration::from_secs(60)).await.unwrap();
        store.grant_fail(id, 1, "me", Failure::RetryAt(at(3))).await.unwrap();
        assert!(store.grant_swap(id, 1, grant(id)).await.unwrap());
        let client = Client {
            connector: "tracker".to_owned(),
            method: id.to_owned(),
            id: "client".to_owned(),
            secret: Some(seal(Kind::Client, &format!("tracker/{id}"))),
        };
        store.client_put(client.clone()).await.unwrap();
        store.client_put(client.clone()).await.unwrap();
        shown += &format!("{client:?} {:?}", store.grant(id).await.unwrap());
        let mut new = hook(id, id);
        new.sealed = seal(Kind::Hook, id);
        shown += &format!("{new:?}");
        assert!(store.hook_add(new.clone()).await.unwrap());
        new.sealed = seal(Kind::Hook, id);
        let put = store.hook_put(new).await.unwrap().unwrap();
        if id == "goes" {
            assert!(store.hook_remove(id, put.version).await.unwrap());
        }
    }
    let renewed = Renewed {
        method: "token".to_owned(),
        fields: seal(Kind::Fields, "renewed"),
        scopes: Vec::new(),
        change: change(State::Active, 4),
    };
    shown += &format!("{renewed:?}");
    assert!(store.connection_renew("renewed", renewed, Some(grant("renewed"))).await.unwrap());
    for id in ["goes", "renewed"] {
        let mut left = revocation(id, id, 5);
        left.sealed = seal(Kind::Revocation, id);
        assert!(store.connection_remove(id, Some(left)).await.unwrap());
        assert!(store.revocation_failed(id, attempt(6), Some(at(7))).await.unwrap());
    }
    shown += &format!("{:?}", store.revocations().await.unwrap());
    assert!(store.revocation_done("goes").await.unwrap());
    shown += &format!("{:?}", store.sealed_after(None, 100).await.unwrap());
    shown + &format!("{store:?} {vault:?}")
}

#[tokio::test]
async fn a_secret_is_in_no_file_and_no_debug_output() {
    let home = Home::sqlite();
    let place = home.place();
    let folder = Path::new(&place).parent().unwrap();
    let store = home.open().await;
    let vault = Vault::unlock(&*store, KeySource::beside(place.as_ref())).await.unwrap();
    let shown = everything(&*store, &vault).await;
    assert_eq!(find(shown.as_bytes()), None, "{shown}");
    // Database, log, its index, and the key.
    assert_eq!(search(folder), 4);
    linchpin_host::vault::rotate(&*store, &vault).await.unwrap();
    assert_eq!(search(folder), 4);
    drop(store);
    assert_eq!(search(folder), 2);
    let opened = vault.open(&super::sample::place(Kind::Fields, "stays"), &{
        home.open().await.connection("stays").await.unwrap().unwrap().fields
    });
    assert_eq!(*opened.unwrap(), SECRET.as_bytes());
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_secret_is_in_no_table_of_a_server() {
    let Some(database) = linchpin_testing::Database::new() else { return };
    let store = linchpin_host::store::open(database.url()).await.unwrap();
    let keys = linchpin_host::vault::Keys::random().unwrap();
    let vault = Vault::unlock(&*store, KeySource::Given(keys)).await.unwrap();
    let shown = everything(&*store, &vault).await;
    assert_eq!(find(shown.as_bytes()), None, "{shown}");
    for file in super::server::files(&database) {
        let bytes = fs::read(&file).unwrap();
        assert_eq!(find(&bytes), None, "in {}", file.display());
    }
}

#[test]
fn the_search_would_find_it() {
    for form in forms() {
        assert!(find(format!("before {form} after").as_bytes()).is_some(), "{form}");
    }
    for skip in 0..3 {
        let text = format!("{}{SECRET}x", &"abc"[..skip]);
        assert!(find(STANDARD_NO_PAD.encode(&text).as_bytes()).is_some(), "{skip} before");
        assert!(find(URL_SAFE_NO_PAD.encode(&text).as_bytes()).is_some(), "{skip} before");
    }
    assert_eq!(find(b"nothing of the kind"), None);
}
