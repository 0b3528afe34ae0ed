//! Where keys live.

use std::fmt;

use linchpin::Result;
use zeroize::Zeroizing;

/// Where the keys of one store live, apart from it: a file, or whatever else keeps a short text for one person.
///
/// The text is that of [`Keys`](super::Keys). A home need not understand it, and must give it back as it was put in. It is asked
/// anew whenever something is sealed, on the thread that seals, since another process may have rotated the keys: its answers must
/// come quickly.
pub trait KeyHome: fmt::Debug + Send + Sync + 'static {
    /// What messages call it, with its article: ``the key file `store.key` ``.
    fn name(&self) -> String;

    /// The text that it has; `None` when it has none.
    ///
    /// # Errors
    ///
    /// What keeps it from telling, with what to do about that.
    fn read(&self) -> Result<Option<Zeroizing<String>>>;

    /// Puts a first text in, and says whether it did; where there is one already, that one stays.
    ///
    /// # Errors
    ///
    /// What keeps the text out, with what to do about that.
    fn make(&self, text: &str) -> Result<bool>;

    /// Puts a text in place of the one that is there, in one step: a reader gets the old one or the new one, also after a crash.
    ///
    /// # Errors
    ///
    /// What keeps the text out, with what to do about that.
    fn replace(&self, text: &str) -> Result<()>;

    /// Keeps other rotations out until the guard is dropped: of two at once, each would put its text in without the other's new
    /// key. What the process dies with is let go.
    ///
    /// # Errors
    ///
    /// [`Code::StoreFailed`](linchpin::Code::StoreFailed) when another rotation is under way.
    fn alone(&self) -> Result<Box<dyn Send>>;
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    };

    use linchpin::{Code, Error};

    use super::*;
    use crate::{
        store::Sqlite,
        vault::{KeySource, Keys, Kind, Place, Vault},
    };

    /// Lives as long as its test. Those who clone it share it, as processes do.
    #[derive(Debug, Clone, Default)]
    pub(in crate::vault) struct Memory {
        text: Arc<Mutex<Option<String>>>,
        held: Arc<AtomicBool>,
    }

    impl Memory {
        fn put(&self, text: Option<&str>) {
            *self.text.lock().unwrap() = text.map(str::to_owned);
        }
    }

    struct Guard(Arc<AtomicBool>);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.store(false, Ordering::SeqCst);
        }
    }

    impl KeyHome for Memory {
        fn name(&self) -> String {
            "the pocket".to_owned()
        }

        fn read(&self) -> Result<Option<Zeroizing<String>>> {
            Ok(self.text.lock().unwrap().clone().map(Zeroizing::new))
        }

        fn make(&self, text: &str) -> Result<bool> {
            let mut kept = self.text.lock().unwrap();
            let made = kept.is_none();
            kept.get_or_insert_with(|| text.to_owned());
            Ok(made)
        }

        fn replace(&self, text: &str) -> Result<()> {
            self.put(Some(text));
            Ok(())
        }

        fn alone(&self) -> Result<Box<dyn Send>> {
            if self.held.swap(true, Ordering::SeqCst) {
                return Err(Error::coded(Code::StoreFailed, "the keys are being rotated by another process"));
            }
            Ok(Box::new(Guard(Arc::clone(&self.held))))
        }
    }

    fn store() -> (tempfile::TempDir, Sqlite) {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path().join("store.db")).unwrap();
        (folder, store)
    }

    fn place() -> Place {
        Place { kind: Kind::Fields, id: "a".to_owned() }
    }

    #[tokio::test]
    async fn keys_are_made_once_and_never_for_a_store_that_has_been_sealed() {
        let (_folder, store) = store();
        let home = Memory::default();
        let source = KeySource::Home(Arc::new(home.clone()));
        let vault = Vault::unlock(&store, source.clone()).await.unwrap();
        assert_eq!(vault.made().as_deref(), Some("the pocket"));
        let sealed = vault.seal(&place(), b"s3cr3t").unwrap();
        let again = Vault::unlock(&store, source.clone()).await.unwrap();
        assert_eq!(again.made(), None);
        assert_eq!(*again.open(&place(), &sealed).unwrap(), b"s3cr3t");

        let text = home.read().unwrap().unwrap();
        home.put(None);
        let error = Vault::unlock(&store, source).await.unwrap_err();
        assert_eq!(error.code(), Code::KeyWrong, "{error}");
        assert_eq!(
            error.to_string(),
            "the store was sealed before, and the pocket is missing",
            "a new key would open nothing"
        );
        assert!(home.read().unwrap().is_none());
        // Nor is anything sealed under a key that nobody has any more.
        let error = vault.seal(&place(), b"s3cr3t").unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (Code::KeyWrong, "the pocket is gone"));

        // What is in a home may also be given.
        Vault::unlock(&store, KeySource::Given(text.parse().unwrap())).await.unwrap();
    }

    #[tokio::test]
    async fn the_keys_of_another_store_are_refused_and_kept() {
        let (_folder, store) = store();
        Vault::unlock(&store, KeySource::Given(Keys::random().unwrap())).await.unwrap();
        for (text, wanted) in [
            (
                Keys::random().unwrap().text().to_string(),
                "the store was sealed with other keys than those in the pocket",
            ),
            ("pa55word".to_owned(), "the pocket has no keys: key 1 is not the Base64 of 32 bytes"),
            (String::new(), "the pocket has no keys: there is no key in it"),
        ] {
            let home = Memory::default();
            home.put(Some(&text));
            let source = KeySource::Home(Arc::new(home.clone()));
            let error = Vault::unlock(&store, source).await.unwrap_err();
            assert_eq!(error.code(), Code::KeyWrong, "{error}");
            assert_eq!(error.to_string(), wanted);
            assert_eq!(home.read().unwrap().unwrap().as_str(), text);
        }
    }

    #[tokio::test]
    async fn those_who_are_first_at_once_get_the_same_key() {
        let (folder, store) = store();
        let home = Memory::default();
        let source = KeySource::Home(Arc::new(home));
        let other = Sqlite::open(folder.path().join("store.db")).unwrap();
        let (one, two) =
            tokio::join!(Vault::unlock(&store, source.clone()), Vault::unlock(&other, source.clone()));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!([&one, &two].iter().filter(|vault| vault.made().is_some()).count(), 1);
        let sealed = one.seal(&place(), b"s3cr3t").unwrap();
        assert_eq!(*two.open(&place(), &sealed).unwrap(), b"s3cr3t");
    }
}
