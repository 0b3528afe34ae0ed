//! Old keys out, a new one in.

use linchpin::{Code, Error, Result};

use super::{KeyHome, Keys, Vault};
use crate::store::Store;

/// Makes a new key current, seals every record anew under it, and lets the old keys go. Gives the number of records.
///
/// In a key file or another home the new key is put before the old ones, and these leave it when nothing is sealed under them any
/// more. With given keys every record is sealed under the first; the others can be dropped afterwards. What is broken off at any
/// point can be run again. What another process sealed under an old key and puts in when all is over, the store refuses.
///
/// # Errors
///
/// [`Code::StoreFailed`] when another rotation is under way, or the store or the keys' home cannot be written; what keeps a
/// record from being opened.
pub async fn rotate(store: &dyn Store, vault: &Vault) -> Result<u64> {
    let home = vault.home.as_deref();
    let _alone = home.map(KeyHome::alone).transpose()?;
    if let Some(home) = home {
        add_key(vault, home)?;
    }
    let keys = vault.keys()?;
    let current = keys.current().id;
    // Given keys may go back to one that was retired.
    store.keys_retire(current, Vec::new()).await?;
    let mut sealed = reseal(store, vault).await?;
    store.keys_retire(current, keys.old()).await?;
    // What came in under an old key up to here.
    sealed += reseal(store, vault).await?;
    if let Some(home) = home {
        drop_old_keys(vault, home, &keys)?;
    }
    Ok(sealed)
}

fn add_key(vault: &Vault, home: &dyn KeyHome) -> Result<()> {
    let renewed = vault.keys()?.renewed()?;
    home.replace(&renewed.text())?;
    still(vault, home, &renewed)
}

fn drop_old_keys(vault: &Vault, home: &dyn KeyHome, keys: &Keys) -> Result<()> {
    still(vault, home, keys)?;
    home.replace(&keys.newest().text())
}

/// Whether a home has these keys still: whoever changed it in spite of the guard must not lose a key by what comes next.
fn still(vault: &Vault, home: &dyn KeyHome, keys: &Keys) -> Result<()> {
    if vault.keys()?.ids().eq(keys.ids()) {
        return Ok(());
    }
    let message = format!("{} was changed while its keys were rotated", home.name());
    Err(Error::coded(Code::StoreFailed, message).hint("rotate the keys again when nothing else changes them"))
}

/// Goes over all records until it finds none under an old key: those that change meanwhile are met again.
async fn reseal(store: &dyn Store, vault: &Vault) -> Result<u64> {
    const PAGE: usize = 100;
    let mut count = 0;
    loop {
        let mut old = false;
        let mut after = None;
        loop {
            let page = store.sealed_after(after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (place, sealed) in page {
                if vault.is_current(&sealed)? {
                    continue;
                }
                old = true;
                let anew = vault.seal(&place, &vault.open(&place, &sealed)?)?;
                count += u64::from(store.sealed_swap(&place, &sealed, anew).await?);
            }
        }
        if !old {
            return Ok(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, sync::Arc};

    use linchpin::DateTime;

    use super::*;
    use crate::{
        store::{
            Client, Connection, ConnectionStore, Hook, HookStore, NewGrant, Revocation, Sqlite, Stage, State,
        },
        vault::{Key, KeySource, Keys, Kind, Place, Sealed, home::tests::Memory, key_file::KeyFile, keys_of},
    };

    #[derive(Clone, Copy)]
    enum Lives {
        InFile,
        InMemory,
    }

    macro_rules! on_each_home {
        ($($name:ident)+) => {
            mod in_file {
                $(#[tokio::test]
                async fn $name() {
                    super::$name(super::Lives::InFile).await;
                })+
            }

            mod in_memory {
                $(#[tokio::test]
                async fn $name() {
                    super::$name(super::Lives::InMemory).await;
                })+
            }
        };
    }

    on_each_home! {
        every_record_moves_to_a_new_key
        a_rotation_that_broke_off_after_its_new_key_is_run_again
        a_rotation_that_broke_off_at_any_record_is_run_again
        a_rotation_that_broke_off_before_the_old_keys_went_is_run_again
        a_record_that_changed_meanwhile_is_looked_at_again
        a_process_that_runs_meanwhile_takes_the_new_key
        what_was_sealed_before_a_whole_rotation_is_refused_after_it
        two_rotations_do_not_run_at_once
        keys_that_changed_in_spite_of_the_guard_are_not_dropped
    }

    struct Home {
        folder: tempfile::TempDir,
        keys: Arc<dyn KeyHome>,
        places: Vec<Place>,
    }

    impl Home {
        /// A store with records of each kind, sealed under keys that live there.
        async fn new(lives: Lives) -> Home {
            let folder = tempfile::tempdir().unwrap();
            let keys: Arc<dyn KeyHome> = match lives {
                Lives::InFile => Arc::new(KeyFile(folder.path().join("store.key"))),
                Lives::InMemory => Arc::new(Memory::default()),
            };
            let mut home = Home { folder, keys, places: Vec::new() };
            let (store, vault) = home.open().await;
            let mut seal = |kind, id: &str| {
                let place = Place { kind, id: id.to_owned() };
                home.places.push(place.clone());
                vault.seal(&place, place.to_string().as_bytes()).unwrap()
            };
            for id in ["a", "b"] {
                let new = connection(id, seal(Kind::Fields, id));
                let grant = NewGrant { sealed: seal(Kind::Grant, id), expires: None, keep_alive: None };
                store.connection_add(new, Some(grant)).await.unwrap();
                store.connection_add(connection("gone", Sealed(Vec::new())), None).await.unwrap();
                let left = revocation(id, seal(Kind::Revocation, id));
                assert!(store.connection_remove("gone", Some(left)).await.unwrap());
                let secret = Some(seal(Kind::Client, &format!("tracker/{id}")));
                let (connector, method) = ("tracker".to_owned(), id.to_owned());
                store.client_put(Client { connector, method, id: String::new(), secret }).await.unwrap();
                assert!(store.hook_add(hook(id, seal(Kind::Hook, id))).await.unwrap());
            }
            home
        }

        fn store(&self) -> PathBuf {
            self.folder.path().join("store.db")
        }

        /// As a process that was just started.
        async fn open(&self) -> (Sqlite, Vault) {
            let store = Sqlite::open(self.store()).unwrap();
            let vault = Vault::unlock(&store, KeySource::Home(Arc::clone(&self.keys))).await.unwrap();
            (store, vault)
        }

        fn keys(&self) -> Keys {
            keys_of(&*self.keys).unwrap().unwrap()
        }

        async fn everything_opens(&self) {
            let (store, vault) = self.open().await;
            let mut found = Vec::new();
            for (place, sealed) in store.sealed_after(None, 100).await.unwrap() {
                let text = vault.open(&place, &sealed).unwrap();
                if place.kind != Kind::Check {
                    assert_eq!(*text, place.to_string().as_bytes());
                    found.push(place);
                }
            }
            let mut wanted = self.places.clone();
            wanted.sort();
            assert_eq!(found, wanted);
        }

        async fn rotates_to_the_end(&self, old: &Keys) {
            let (store, vault) = self.open().await;
            assert_eq!(rotate(&store, &vault).await.unwrap(), 11);
            self.everything_opens().await;
            let keys = self.keys();
            assert_eq!(keys.0.len(), 1);
            assert!(old.find(keys.current().id).is_none(), "the old key is still in use");
            let old = Vault::new(old.clone());
            for (place, sealed) in store.sealed_after(None, 100).await.unwrap() {
                assert_eq!(old.open(&place, &sealed).unwrap_err().code(), Code::KeyWrong, "{place}");
            }
        }
    }

    fn connection(id: &str, fields: Sealed) -> Connection {
        let now = DateTime::from_unix_millis(0).unwrap();
        Connection {
            id: id.to_owned(),
            tenant: String::new(),
            name: id.to_owned(),
            connector: "tracker".to_owned(),
            method: "oauth".to_owned(),
            owner: None,
            fields,
            scopes: Vec::new(),
            identity: None,
            state: State::Active,
            since: now,
            created: now,
            ping: None,
            next_ping: None,
        }
    }

    fn revocation(id: &str, sealed: Sealed) -> Revocation {
        Revocation {
            id: id.to_owned(),
            connection: "gone".to_owned(),
            tenant: String::new(),
            name: "gone".to_owned(),
            connector: "tracker".to_owned(),
            method: "oauth".to_owned(),
            sealed,
            created: DateTime::from_unix_millis(0).unwrap(),
            attempts: 0,
            last: None,
            next: None,
        }
    }

    fn hook(id: &str, sealed: Sealed) -> Hook {
        let now = DateTime::from_unix_millis(0).unwrap();
        let mut token_hash = [0; 32];
        token_hash[0] = id.as_bytes()[0];
        Hook {
            id: id.to_owned(),
            tenant: String::new(),
            connection: id.to_owned(),
            connector: "tracker".to_owned(),
            hook: "project".to_owned(),
            options: "{}".to_owned(),
            token_hash,
            sealed,
            routing: None,
            stage: Stage::Active,
            since: now,
            created: now,
            expires: None,
            next: None,
            held: None,
            seen: None,
            attempts: 0,
            problem: None,
            version: 1,
        }
    }

    async fn every_record_moves_to_a_new_key(lives: Lives) {
        let home = Home::new(lives).await;
        let old = home.keys();
        home.rotates_to_the_end(&old).await;
        let second = home.keys();
        home.rotates_to_the_end(&second).await;
    }

    async fn a_rotation_that_broke_off_after_its_new_key_is_run_again(lives: Lives) {
        let home = Home::new(lives).await;
        let old = home.keys();
        add_key(&home.open().await.1, &*home.keys).unwrap();
        assert_eq!(home.keys().0.len(), 2);
        home.everything_opens().await;
        home.rotates_to_the_end(&old).await;
    }

    async fn a_rotation_that_broke_off_at_any_record_is_run_again(lives: Lives) {
        for at in 0..11 {
            let home = Home::new(lives).await;
            let old = home.keys();
            let (store, vault) = home.open().await;
            let (place, _) = store.sealed_after(None, 100).await.unwrap().swap_remove(at);
            let (table, column, id) = match place.kind {
                Kind::Fields => ("connection", "fields", "id"),
                Kind::Grant => ("connection", "tokens", "id"),
                Kind::Revocation => ("revocation", "sealed", "id"),
                Kind::Client => ("client", "secret", "connector || '/' || old.method"),
                Kind::Check => ("note", "value", "name"),
                Kind::Hook => ("hook", "sealed", "id"),
            };
            let hook = rusqlite::Connection::open(home.store()).unwrap();
            let trigger = format!(
                "create trigger broken before update of {column} on {table} when old.{id} = '{}'
                begin select raise(abort, 'broken off'); end",
                place.id
            );
            hook.execute_batch(&trigger).unwrap();
            let error = rotate(&store, &vault).await.unwrap_err();
            assert!(error.to_string().contains("broken off"), "{error}");
            assert_eq!(home.keys().0.len(), 2, "at {place}");
            let current = home.keys().current().id;
            let all = store.sealed_after(None, 100).await.unwrap();
            let moved = all.iter().filter(|(_, sealed)| sealed.parts().unwrap().0 == current).count();
            assert_eq!(moved, at, "at {place}");

            hook.execute_batch("drop trigger broken").unwrap();
            drop((store, vault, hook));
            home.everything_opens().await;
            home.rotates_to_the_end(&old).await;
        }
    }

    async fn a_rotation_that_broke_off_before_the_old_keys_went_is_run_again(lives: Lives) {
        let home = Home::new(lives).await;
        let old = home.keys();
        let (store, vault) = home.open().await;
        add_key(&vault, &*home.keys).unwrap();
        assert_eq!(reseal(&store, &vault).await.unwrap(), 11);
        drop((store, vault));
        assert_eq!(home.keys().0.len(), 2);
        home.everything_opens().await;
        home.rotates_to_the_end(&old).await;
    }

    async fn a_record_that_changed_meanwhile_is_looked_at_again(lives: Lives) {
        let home = Home::new(lives).await;
        let old = home.keys();
        let (store, vault) = home.open().await;
        // Written by a process that had the old key, after the rotation had read the record.
        let place = Place { kind: Kind::Grant, id: "b".to_owned() };
        let late = vault.seal(&place, place.to_string().as_bytes()).unwrap();
        let hex: String = late.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let trigger = format!(
            "create trigger meanwhile before update of fields on connection when old.id = 'a'
            begin update connection set tokens = x'{hex}' where id = 'b'; end"
        );
        rusqlite::Connection::open(home.store()).unwrap().execute_batch(&trigger).unwrap();
        rotate(&store, &vault).await.unwrap();
        assert_eq!(home.keys().0.len(), 1);
        assert!(old.find(home.keys().current().id).is_none());
        home.everything_opens().await;
    }

    async fn a_process_that_runs_meanwhile_takes_the_new_key(lives: Lives) {
        let home = Home::new(lives).await;
        let (store, running) = home.open().await;
        let (other, vault) = home.open().await;
        rotate(&other, &vault).await.unwrap();
        // What it reads next is under a key that it has not seen, and what it seals must not be under the old one.
        let (place, sealed) = store.sealed_after(None, 1).await.unwrap().swap_remove(0);
        assert_eq!(*running.open(&place, &sealed).unwrap(), place.to_string().as_bytes());
        let (other, vault) = home.open().await;
        rotate(&other, &vault).await.unwrap();
        let anew = running.seal(&place, b"anew").unwrap();
        assert_eq!(*vault.open(&place, &anew).unwrap(), b"anew");
    }

    async fn what_was_sealed_before_a_whole_rotation_is_refused_after_it(lives: Lives) {
        let home = Home::new(lives).await;
        let (store, stalled) = home.open().await;
        let place = Place { kind: Kind::Grant, id: "b".to_owned() };
        let seal = || {
            let sealed = stalled.seal(&place, place.to_string().as_bytes()).unwrap();
            NewGrant { sealed, expires: None, keep_alive: None }
        };
        let late = seal();
        let (other, vault) = home.open().await;
        rotate(&other, &vault).await.unwrap();
        assert_eq!(store.grant_swap("b", 1, late).await.unwrap_err().code(), Code::KeyWrong);
        assert!(store.grant_swap("b", 1, seal()).await.unwrap());
        home.everything_opens().await;
    }

    #[tokio::test]
    async fn given_keys_go_back_to_one_that_was_retired() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path().join("store.db")).unwrap();
        let (one, other) = (Keys::random().unwrap(), Keys::random().unwrap());
        let ring = |first: &Keys, second: &Keys| {
            let keys = [first, second].map(|keys| Key::new(keys.current().bytes.clone()));
            KeySource::Given(Keys(Arc::new(keys.into())))
        };
        Vault::unlock(&store, KeySource::Given(one.clone())).await.unwrap();
        for (first, second) in [(&other, &one), (&one, &other), (&other, &one)] {
            let vault = Vault::unlock(&store, ring(first, second)).await.unwrap();
            assert_eq!(rotate(&store, &vault).await.unwrap(), 1);
            let place = Place { kind: Kind::Client, id: "tracker/a".to_owned() };
            let client = |keys: &Keys| Client {
                connector: "tracker".to_owned(),
                method: "a".to_owned(),
                id: String::new(),
                secret: Some(Vault::new(keys.clone()).seal(&place, b"s3cr3t").unwrap()),
            };
            store.client_put(client(first)).await.unwrap();
            assert_eq!(store.client_put(client(second)).await.unwrap_err().code(), Code::KeyWrong);
            store.client_put(Client { secret: None, ..client(first) }).await.unwrap();
        }
    }

    async fn two_rotations_do_not_run_at_once(lives: Lives) {
        let home = Home::new(lives).await;
        let (store, vault) = home.open().await;
        let held = home.keys.alone().unwrap();
        let before = home.keys();
        let error = rotate(&store, &vault).await.unwrap_err();
        assert_eq!(error.code(), Code::StoreFailed);
        assert!(error.to_string().contains("another process"), "{error}");
        assert_eq!(home.keys().text(), before.text());
        drop(held);
        rotate(&store, &vault).await.unwrap();
    }

    async fn keys_that_changed_in_spite_of_the_guard_are_not_dropped(lives: Lives) {
        let home = Home::new(lives).await;
        let (store, vault) = home.open().await;
        add_key(&vault, &*home.keys).unwrap();
        let keys = home.keys();
        reseal(&store, &vault).await.unwrap();
        // Another machine, which does not see the guard.
        home.keys.replace(&keys.renewed().unwrap().text()).unwrap();
        let error = drop_old_keys(&vault, &*home.keys, &keys).unwrap_err();
        assert_eq!(error.code(), Code::StoreFailed);
        assert_eq!(home.keys().0.len(), 3);
        home.everything_opens().await;
        home.rotates_to_the_end(&keys).await;
    }

    #[tokio::test]
    async fn given_keys_reseal_to_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path().join("store.db")).unwrap();
        let old = Keys::random().unwrap();
        let vault = Vault::unlock(&store, KeySource::Given(old.clone())).await.unwrap();
        let place = Place { kind: Kind::Fields, id: "a".to_owned() };
        let sealed = vault.seal(&place, b"a secret").unwrap();
        store.connection_add(connection("a", sealed), None).await.unwrap();

        let both = Vault::unlock(&store, KeySource::Given(old.renewed().unwrap())).await.unwrap();
        assert_eq!(rotate(&store, &both).await.unwrap(), 2);
        assert_eq!(rotate(&store, &both).await.unwrap(), 0);
        let first = Vault::unlock(&store, KeySource::Given(both.held().newest())).await.unwrap();
        let fields = store.connection("a").await.unwrap().unwrap().fields;
        assert_eq!(*first.open(&place, &fields).unwrap(), b"a secret");
        let error = Vault::unlock(&store, KeySource::Given(old)).await.unwrap_err();
        assert_eq!(error.code(), Code::KeyWrong);
    }
}
