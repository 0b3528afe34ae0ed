//! Keys in a file that only its owner reads.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
    time::SystemTime,
};

use linchpin::{Code, Error, Result};
use zeroize::Zeroizing;

use super::Keys;
use crate::private_file;

/// The keys in use, and of which writing of the file they are.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) keys: Keys,
    written: Option<Written>,
}

impl Ring {
    /// Keys of no file.
    pub(super) fn given(keys: Keys) -> Ring {
        Ring { keys, written: None }
    }

    /// Whether these are still the keys of a file.
    pub(super) fn is_in(&self, path: &Path) -> bool {
        let now = fs::symlink_metadata(path).ok().map(|found| Written::of(&found));
        now.is_some() && now == self.written
    }
}

/// Tells one writing of a file from the next. Each is a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    modified: Option<SystemTime>,
    length: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Written {
    fn of(found: &fs::Metadata) -> Written {
        Written {
            modified: found.modified().ok(),
            length: found.len(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(found),
        }
    }
}

/// What is in a key file; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Ring>> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path, &error)),
    };
    if !found.is_file() {
        let what = if found.is_symlink() { "a symbolic link" } else { "no file" };
        let message = format!("the key file `{}` is {what}", path.display());
        return Err(Error::coded(Code::StoreFailed, message).hint("name the file itself"));
    }
    let mut file = fs::File::open(path).map_err(|error| failed("read", path, &error))?;
    let found = file.metadata().map_err(|error| failed("read", path, &error))?;
    private_file::check("the key file", path, &found)?;
    // More than any ring has; the room is there at once, so that no half of the text is left behind where it grew.
    const MOST: u64 = 64 * 1024;
    let mut text = Zeroizing::new(String::with_capacity(MOST as usize));
    (&mut file).take(MOST).read_to_string(&mut text).map_err(|error| failed("read", path, &error))?;
    let keys = text.parse().map_err(|error: Error| {
        let message = format!("the key file `{}` has no keys: {error}", path.display());
        Error::coded(Code::KeyWrong, message).hint("put the right file there")
    })?;
    Ok(Some(Ring { keys, written: Some(Written::of(&found)) }))
}

/// Makes a key file, and says whether it did. Where another process was first, its keys are taken.
pub(super) fn make(path: &Path) -> Result<(Ring, bool)> {
    let made = match write(path, &Keys::random()?)?.persist_noclobber(path) {
        Ok(_) => true,
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(failed("write", path, &error.error)),
    };
    sync_folder(path)?;
    let gone = io::Error::from(io::ErrorKind::NotFound);
    Ok((read(path)?.ok_or_else(|| failed("read", path, &gone))?, made))
}

/// Puts keys in a file in place of those that it has, in one step.
pub(super) fn replace(path: &Path, keys: &Keys) -> Result<()> {
    write(path, keys)?.persist(path).map_err(|error| failed("write", path, &error.error))?;
    sync_folder(path)
}

/// Writes keys beside a key file, for the owner only, to be put in its place in one step.
fn write(path: &Path, keys: &Keys) -> Result<tempfile::NamedTempFile> {
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
    file.write_all(keys.file().as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| failed("write", path, &error))?;
    Ok(file)
}

pub(super) fn folder(path: &Path) -> &Path {
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

pub(super) fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
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
        assert!(read(&path).unwrap().is_none());
        let (ring, made) = make(&path).unwrap();
        assert!(made);
        assert_eq!(mode(&path), 0o600);
        assert!(ring.is_in(&path));
        assert_eq!(read(&path).unwrap().unwrap().keys.file(), ring.keys.file());

        let renewed = ring.keys.renewed().unwrap();
        replace(&path, &renewed).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(!ring.is_in(&path));
        assert_eq!(read(&path).unwrap().unwrap().keys.file(), renewed.file());
        // Nothing else is left in the folder.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn those_who_make_it_at_once_get_the_same_key() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("store.key");
            let start = Barrier::new(4);
            let made: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            make(&path).unwrap()
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let file = fs::read_to_string(&path).unwrap();
            assert!(made.iter().all(|(ring, _)| *ring.keys.file() == file));
            assert_eq!(made.iter().filter(|(_, made)| *made).count(), 1);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.key");
        make(&path).unwrap();
        for open in [0o640, 0o604, 0o620, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = read(&path).unwrap_err();
            assert_eq!(error.code(), Code::StoreFailed, "{open:o}");
            assert_eq!(hint(&error), format!("run `chmod 600 {}`", path.display()));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        read(&path).unwrap();
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("store.key"), folder.path().join("link.key"));
        make(&path).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let error = read(&link).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        let error = read(folder.path()).unwrap_err();
        assert!(error.to_string().contains("no file"), "{error}");

        let missing = folder.path().join("not there/store.key");
        assert!(read(&missing).unwrap().is_none());
        let error = make(&missing).unwrap_err();
        assert!(error.to_string().contains("is not there"), "{error}");
        assert!(hint(&error).contains("mkdir -p -m 700 '"), "{error:?}");

        // A link that leads nowhere is no reason to make a file at its end.
        let nowhere = folder.path().join("nowhere.key");
        std::os::unix::fs::symlink(folder.path().join("end"), &nowhere).unwrap();
        assert!(read(&nowhere).is_err());
        assert!(!folder.path().join("end").exists());
    }

    #[test]
    fn a_file_without_keys_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.key");
        for text in ["", "# nothing", "pa55word"] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = read(&path).unwrap_err();
            assert_eq!(error.code(), Code::KeyWrong, "{text}");
            assert!(!format!("{error:?}").contains("pa55word"), "{error:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
