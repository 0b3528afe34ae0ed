//! Keys in a file that only its owner reads.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use linchpin::{Code, Error, Result};
use zeroize::Zeroizing;

use super::home::KeyHome;
use crate::private_file;

/// A home in a file.
#[derive(Debug)]
pub(super) struct KeyFile(pub(super) PathBuf);

impl KeyHome for KeyFile {
    fn name(&self) -> String {
        format!("the key file `{}`", self.0.display())
    }

    fn read(&self) -> Result<Option<Zeroizing<String>>> {
        let path = self.0.as_path();
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", path, &error)),
        };
        if !found.is_file() {
            let what = if found.is_symlink() { "a symbolic link" } else { "no file" };
            let message = format!("{} is {what}", self.name());
            return Err(Error::coded(Code::StoreFailed, message).hint("name the file itself"));
        }
        let mut file = fs::File::open(path).map_err(|error| failed("read", path, &error))?;
        let found = file.metadata().map_err(|error| failed("read", path, &error))?;
        private_file::check("the key file", path, &found)?;
        // More than any ring has. The room is there at once, and some to spare, so that no half of the text is left behind
        // where it grew.
        const MOST: u64 = 64 * 1024;
        let mut text = Zeroizing::new(String::with_capacity(found.len().min(MOST) as usize + 64));
        (&mut file).take(MOST).read_to_string(&mut text).map_err(|error| failed("read", path, &error))?;
        Ok(Some(text))
    }

    fn make(&self, text: &str) -> Result<bool> {
        let path = self.0.as_path();
        let made = match write(path, text)?.persist_noclobber(path) {
            Ok(_) => true,
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(failed("write", path, &error.error)),
        };
        sync_folder(path)?;
        Ok(made)
    }

    fn replace(&self, text: &str) -> Result<()> {
        let path = self.0.as_path();
        write(path, text)?.persist(path).map_err(|error| failed("write", path, &error.error))?;
        sync_folder(path)
    }

    fn alone(&self) -> Result<Box<dyn Send>> {
        let folder = folder(&self.0);
        let held = fs::File::open(folder).map_err(|error| failed("read the folder", folder, &error))?;
        match held.try_lock() {
            Ok(()) => Ok(Box::new(held)),
            Err(fs::TryLockError::WouldBlock) => {
                let message =
                    format!("the keys in `{}` are being rotated by another process", self.0.display());
                Err(Error::coded(Code::StoreFailed, message).hint("try again when it is done"))
            }
            Err(fs::TryLockError::Error(error)) => Err(failed("lock the folder", folder, &error)),
        }
    }
}

/// Writes keys beside a key file, for the owner only, to be put in its place in one step.
fn write(path: &Path, text: &str) -> Result<tempfile::NamedTempFile> {
    let folder = folder(path);
    if !folder.is_dir() {
        let message = format!("the folder of the key file `{}` is not there", path.display());
        return Err(Error::coded(Code::StoreFailed, message)
            .hint(format!("run `mkdir -p -m 700 {}`", private_file::quoted(folder))));
    }
    // Its mode is 0600 from the start.
    let mut file = tempfile::Builder::new()
        .prefix(".key-")
        .tempfile_in(folder)
        .map_err(|error| failed("write into", folder, &error))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| failed("write", path, &error))?;
    Ok(file)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A key must outlive the machine's crash before anything is sealed under it.
#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<()> {
    let folder = folder(path);
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed("write into", folder, &error))
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> Result<()> {
    Ok(())
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::coded(Code::StoreFailed, format!("cannot {what} `{}` for the keys: {error}", path.display()))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, sync::Barrier, thread};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn hint(error: &Error) -> &str {
        error.details().hint.unwrap_or_default()
    }

    #[test]
    fn a_file_is_its_owners_alone_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.key");
        let file = KeyFile(path.clone());
        assert!(file.read().unwrap().is_none());
        for (text, made) in [("one", true), ("other", false)] {
            assert_eq!(file.make(text).unwrap(), made);
            assert_eq!(mode(&path), 0o600);
            assert_eq!(file.read().unwrap().unwrap().as_str(), "one");
        }
        file.replace("another").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(file.read().unwrap().unwrap().as_str(), "another");
        // Nothing else is left in the folder.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn of_those_who_make_it_at_once_one_does() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let file = KeyFile(folder.path().join("store.key"));
            let start = Barrier::new(4);
            let made: Vec<_> = thread::scope(|scope| {
                let make = |text: String| {
                    start.wait();
                    let made = file.make(&text).unwrap();
                    (made, text, file.read().unwrap().unwrap())
                };
                let threads: Vec<_> =
                    (0..4).map(|number| scope.spawn(move || make(format!("key {number}")))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let winners: Vec<_> = made.iter().filter(|(made, ..)| *made).map(|(_, text, _)| text).collect();
            assert_eq!(winners.len(), 1);
            assert!(made.iter().all(|(.., read)| read.as_str() == winners[0]));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.key");
        let file = KeyFile(path.clone());
        file.make("one").unwrap();
        for open in [0o640, 0o604, 0o620, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = file.read().unwrap_err();
            assert_eq!(error.code(), Code::StoreFailed, "{open:o}");
            assert_eq!(hint(&error), format!("run `chmod 600 {}`", path.display()));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        file.read().unwrap();
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("store.key"), folder.path().join("link.key"));
        let file = KeyFile(path.clone());
        file.make("one").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let error = KeyFile(link).read().unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        let error = KeyFile(folder.path().to_owned()).read().unwrap_err();
        assert!(error.to_string().contains("no file"), "{error}");

        let missing = KeyFile(folder.path().join("not there/store.key"));
        assert!(missing.read().unwrap().is_none());
        let error = missing.make("one").unwrap_err();
        assert!(error.to_string().contains("is not there"), "{error}");
        assert!(hint(&error).contains("mkdir -p -m 700 '"), "{error:?}");

        // A link that leads nowhere is no reason to make a file at its end.
        let nowhere = folder.path().join("nowhere.key");
        std::os::unix::fs::symlink(folder.path().join("end"), &nowhere).unwrap();
        assert!(KeyFile(nowhere).read().is_err());
        assert!(!folder.path().join("end").exists());
    }
}
