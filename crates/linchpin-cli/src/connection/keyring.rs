//! Keys in the keyring of the operating system: the Secret Service, the Keychain, the Credential Manager.
//!
//! A keyring that is locked asks its user, and linchpin stands still until the answer comes.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use keyring::Entry;
use linchpin::{Code, Error, Result};
use linchpin_host::vault::{KeyHome, Zeroizing};

const SERVICE: &str = "linchpin";

/// The entry of one store. It is one text, which a keyring replaces in one step.
pub(super) struct Keyring {
    entry: Entry,
    user: String,
    lock: PathBuf,
}

impl Keyring {
    /// The entry for the store at a place. In the folder is the lock for those who change entries, since keyrings have none.
    pub(super) fn of(place: &str, folder: &Path) -> Result<Keyring> {
        let user = user(place)?;
        let entry = Entry::new(SERVICE, &user)
            .map_err(|error| failed(Entry::store_status().as_ref().err().unwrap_or(&error), &user))?;
        Ok(Keyring { entry, user, lock: folder.join("keyring.lock") })
    }

    fn lock_file(&self) -> Result<fs::File> {
        let mut folder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        let made = self.lock.parent().map_or(Ok(()), |path| folder.recursive(true).create(path));
        made.and_then(|()| fs::File::options().create(true).append(true).open(&self.lock))
            .map_err(|error| self.no_lock(&error))
    }

    fn no_lock(&self, error: &io::Error) -> Error {
        let message = format!("cannot lock `{}` for the keys: {error}", self.lock.display());
        Error::coded(Code::StoreFailed, message)
    }

    fn failed(&self, error: &keyring::Error) -> Error {
        failed(error, &self.user)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({:?})", self.user)
    }
}

impl KeyHome for Keyring {
    fn name(&self) -> String {
        name(&self.user)
    }

    fn read(&self) -> Result<Option<Zeroizing<String>>> {
        match self.entry.get_password() {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn make(&self, text: &str) -> Result<bool> {
        let file = self.lock_file()?;
        file.lock().map_err(|error| self.no_lock(&error))?;
        if self.read()?.is_some() {
            return Ok(false);
        }
        self.replace(text)?;
        Ok(true)
    }

    fn replace(&self, text: &str) -> Result<()> {
        self.entry.set_password(text).map_err(|error| self.failed(&error))
    }

    fn alone(&self) -> Result<Box<dyn Send>> {
        let file = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(fs::TryLockError::WouldBlock) => {
                let message = "keys in the keyring are being rotated by another process";
                Err(Error::coded(Code::StoreFailed, message).hint("try again when it is done"))
            }
            Err(fs::TryLockError::Error(error)) => Err(self.no_lock(&error)),
        }
    }
}

fn name(user: &str) -> String {
    format!("the keyring's entry `{SERVICE}` for `{user}`")
}

fn failed(error: &keyring::Error, user: &str) -> Error {
    use keyring::Error as E;
    let name = name(user);
    let (code, message, hint) = match error {
        E::NoStorageAccess(cause) => (
            Code::StoreFailed,
            format!("{name} cannot be had: {cause}"),
            "unlock the keyring, and allow it when it asks",
        ),
        E::Ambiguous(_) => {
            (Code::StoreFailed, format!("{name} is there more than once"), "delete all but the right one")
        }
        // What was found may be a secret, and is not shown.
        E::BadEncoding(_) | E::BadDataFormat(..) => {
            (Code::KeyWrong, format!("{name} is no text"), "put the right keys there")
        }
        E::PlatformFailure(cause) => (Code::StoreFailed, format!("{name} cannot be had: {cause}"), RUNS),
        error => (Code::StoreFailed, format!("{name} cannot be had: {error}"), RUNS),
    };
    Error::coded(code, message).hint(hint)
}

const RUNS: &str = if cfg!(any(windows, target_os = "macos")) {
    "see that the keyring is unlocked and in order, or use `--key-file` in place of `--keyring`"
} else {
    "see that a Secret Service such as GNOME Keyring, KWallet or KeePassXC runs in this session and is unlocked, or use `--key-file` in place of `--keyring`"
};

/// By what the keyring tells stores apart: an absolute path without links, or a URL without its password.
fn user(place: &str) -> Result<String> {
    if let Some((scheme, rest)) = place.split_once("://") {
        return Ok(format!("{scheme}://{}", without_password(rest)));
    }
    let found = resolved(Path::new(place)).map_err(|error| {
        Error::coded(Code::StoreFailed, format!("the store's path `{place}` has no absolute form: {error}"))
    })?;
    found.into_os_string().into_string().map_err(|path| {
        let message = format!("the store's path `{}` is no text, which keyrings want", path.display());
        Error::coded(Code::StoreFailed, message).hint("use `--key-file` in place of `--keyring`")
    })
}

/// The same before and after the store was made.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let there = path.ancestors().find_map(|above| Some((above, fs::canonicalize(above).ok()?)));
    let Some((above, real)) = there else { return Ok(path) };
    let rest = path.strip_prefix(above).unwrap_or(Path::new(""));
    Ok(real.components().chain(rest.components()).collect())
}

/// What stands behind the scheme. As the driver has it, whatever is before the first `@` is the user and the password.
fn without_password(rest: &str) -> String {
    let (who, rest) = match rest.split_once('@') {
        Some((who, rest)) => (who.split(':').next(), rest),
        None => (None, rest),
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let pairs: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("password=")).collect();
    let who = who.map(|who| format!("{who}@")).unwrap_or_default();
    let mark = if pairs.is_empty() { "" } else { "?" };
    format!("{who}{place}{mark}{}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyring_core::{api::CredentialStoreApi, mock};
    use linchpin_host::{
        store,
        vault::{self, KeySource, Kind, Place, Vault},
    };

    use super::*;

    struct Home {
        folder: tempfile::TempDir,
        mock: Arc<mock::Store>,
    }

    impl Home {
        fn new() -> Home {
            Home { folder: tempfile::tempdir().unwrap(), mock: mock::Store::new().unwrap() }
        }

        fn store(&self) -> String {
            self.folder.path().join("store.db").display().to_string()
        }

        /// As another process has it.
        fn keyring(&self) -> Keyring {
            let user = user(&self.store()).unwrap();
            let entry = Entry { inner: self.mock.build(SERVICE, &user, None).unwrap() };
            Keyring { entry, user, lock: self.folder.path().join("data/keyring.lock") }
        }

        async fn unlock(&self) -> Result<(Arc<dyn store::Store>, Vault)> {
            let store = store::open(&self.store()).await?;
            let vault = Vault::unlock(&*store, KeySource::Home(Arc::new(self.keyring()))).await?;
            Ok((store, vault))
        }

        /// The next question to the keyring fails.
        fn fail(&self, error: keyring::Error) {
            let keyring = self.keyring();
            keyring.entry.inner.as_any().downcast_ref::<mock::Cred>().unwrap().set_error(error);
        }
    }

    #[test]
    fn a_first_text_stays_until_it_is_replaced() {
        let home = Home::new();
        let (one, other) = (home.keyring(), home.keyring());
        assert!(one.read().unwrap().is_none());
        assert!(one.make("one").unwrap());
        assert!(!other.make("other").unwrap());
        assert_eq!(other.read().unwrap().unwrap().as_str(), "one");
        other.replace("another").unwrap();
        assert_eq!(one.read().unwrap().unwrap().as_str(), "another");
    }

    #[tokio::test]
    async fn keys_are_made_and_rotated_and_others_notice() {
        let home = Home::new();
        let (_, running) = home.unlock().await.unwrap();
        assert_eq!(running.made(), Some(home.keyring().name()));
        let (store, vault) = home.unlock().await.unwrap();
        assert_eq!(vault.made(), None);
        let before = home.keyring().read().unwrap().unwrap();

        let held = home.keyring().alone().unwrap();
        let error = vault::rotate(&*store, &vault).await.unwrap_err();
        assert!(error.to_string().contains("another process"), "{error}");
        assert_eq!(home.keyring().read().unwrap().unwrap(), before);
        drop(held);

        assert_eq!(vault::rotate(&*store, &vault).await.unwrap(), 1);
        assert_ne!(home.keyring().read().unwrap().unwrap(), before);
        let place = Place { kind: Kind::Fields, id: "a".to_owned() };
        let sealed = running.seal(&place, b"s3cr3t").unwrap();
        assert_eq!(*vault.open(&place, &sealed).unwrap(), b"s3cr3t");
    }

    #[tokio::test]
    async fn a_keyring_that_lost_the_entry_gets_no_new_one() {
        let home = Home::new();
        home.unlock().await.unwrap();
        home.keyring().entry.delete_credential().unwrap();
        let error = home.unlock().await.unwrap_err();
        assert_eq!(error.code(), Code::KeyWrong);
        let path = fs::canonicalize(home.store()).unwrap();
        let wanted = format!(
            "the store was sealed before, and the keyring's entry `linchpin` for `{}` is missing",
            path.display()
        );
        assert_eq!(error.to_string(), wanted);
        assert!(home.keyring().read().unwrap().is_none());
    }

    #[tokio::test]
    async fn what_the_keyring_says_is_told_with_what_to_do() {
        use keyring::Error as E;
        let home = Home::new();
        home.unlock().await.unwrap();
        let cause = || "the collection is locked".into();
        for (error, code, message, hint) in [
            (
                E::NoStorageAccess(cause()),
                Code::StoreFailed,
                "cannot be had: the collection is locked",
                "unlock",
            ),
            (
                E::PlatformFailure(cause()),
                Code::StoreFailed,
                "cannot be had: the collection is locked",
                "--key-file",
            ),
            (E::Ambiguous(Vec::new()), Code::StoreFailed, "more than once", "delete"),
            (E::BadEncoding(b"pa55word".to_vec()), Code::KeyWrong, "is no text", "right keys"),
        ] {
            home.fail(error);
            let error = home.unlock().await.unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(message), "{error}");
            assert!(error.details().hint.unwrap().contains(hint), "{error:?}");
            assert!(!format!("{error:?}").contains("pa55word"), "{error:?}");
        }
        home.unlock().await.unwrap();
    }

    #[test]
    fn the_keyring_and_a_key_file_exclude_each_other() {
        use clap::{Parser, error::ErrorKind};
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            store: super::super::StoreArgs,
        }
        let parse = |args: &[&str]| Line::try_parse_from([&["linchpin"], args].concat());
        assert!(parse(&["--keyring"]).unwrap().store.keyring);
        assert!(!parse(&["--key-file", "x"]).unwrap().store.keyring);
        let error = parse(&["--keyring", "--key-file", "x"]).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::ArgumentConflict);
    }

    #[test]
    fn a_server_is_named_without_its_password() {
        for (url, wanted) in [
            ("postgres://ann:pa55word@db.example/linchpin", "postgres://ann@db.example/linchpin"),
            ("postgres://ann:pa55/word@db.example:5432/linchpin", "postgres://ann@db.example:5432/linchpin"),
            ("postgres://ann@db.example/linchpin", "postgres://ann@db.example/linchpin"),
            ("postgres:///linchpin?host=/run&password=pa55word", "postgres:///linchpin?host=/run"),
            ("postgres://db.example/linchpin?password=pa55word", "postgres://db.example/linchpin"),
        ] {
            assert_eq!(user(url).unwrap(), wanted);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_one_name_whether_or_not_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(folder.path()).unwrap();
        std::os::unix::fs::symlink(&real, real.join("link")).unwrap();
        let wanted = real.join("new/store.db").display().to_string();
        let there = real.join("link/new/store.db").display().to_string();
        assert_eq!(user(&there).unwrap(), wanted);
        fs::create_dir(real.join("new")).unwrap();
        fs::write(real.join("new/store.db"), "").unwrap();
        assert_eq!(user(&there).unwrap(), wanted);
    }
}
