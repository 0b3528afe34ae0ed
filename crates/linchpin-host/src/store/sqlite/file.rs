//! The file, and connections to it.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use linchpin::{Code, Error, Result};
use rusqlite::ErrorCode;

use super::trouble::Trouble;
use crate::private_file;

/// How long a process waits while another writes.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Makes the file where there is none, so that it is its owner's alone from the start.
pub(super) fn prepare(path: &Path) -> Result<()> {
    let failed = |what: &str, error: &io::Error| {
        let message = format!("cannot {what} the store `{}`: {error}", path.display());
        Error::coded(Code::StoreFailed, message).hint("name a file in a folder that is writable")
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(|error| failed("make the folder of", &error))?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => {}
        // Not opened here: to close it again would take away the locks that SQLite holds on it in this process.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("make", &error)),
    }
    let found = fs::metadata(path).map_err(|error| failed("read", &error))?;
    if !found.is_file() {
        let what = if found.is_dir() { "a folder" } else { "not a file" };
        let message = format!("the store `{}` is {what}", path.display());
        return Err(Error::coded(Code::StoreFailed, message).hint("name a file in it, such as `store.db`"));
    }
    private_file::check("the store", path, &found)
}

pub(super) fn connect(path: &Path, synchronous: &str) -> Result<rusqlite::Connection, Trouble> {
    use rusqlite::OpenFlags;

    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    if connection.is_readonly(rusqlite::MAIN_DB)? {
        return Err(Trouble { code: Some(ErrorCode::ReadOnly), text: "it is write-protected".to_owned() });
    }
    // SQLite does not wait by itself while another process makes the same change.
    let start = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && start.elapsed() < PATIENCE =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            other => break other?,
        }
    }
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    // What a savepoint may have to put back.
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{
        super::{
            Sqlite,
            home::{Home, put},
        },
        *,
    };

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_and_folders_are_their_owners_alone() {
        let home = Home(tempfile::tempdir().unwrap());
        let path = home.0.path().join("data/linchpin/store.db");
        let store = Sqlite::open(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        for end in ["-wal", "-shm"] {
            let mut beside = path.clone().into_os_string();
            beside.push(end);
            assert_eq!(mode(Path::new(&beside)), 0o600, "{end}");
        }
        assert_eq!(mode(&home.0.path().join("data/linchpin")), 0o700);
        assert_eq!(mode(&home.0.path().join("data")), 0o700);
        drop(store);

        for open in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = Sqlite::open(&path).unwrap_err();
            assert_eq!(error.code(), Code::StoreFailed);
            let hint = format!("run `chmod 600 {}`", path.display());
            assert_eq!(error.details().hint, Some(hint.as_str()));
        }
    }

    #[test]
    fn nothing_is_left_beside_a_store_that_was_closed() {
        for _ in 0..50 {
            let home = Home::new();
            drop(home.open());
            let files = fs::read_dir(home.0.path()).unwrap().map(|file| file.unwrap().file_name());
            assert_eq!(files.collect::<Vec<_>>(), ["store.db"]);
        }
    }

    #[test]
    fn what_is_no_store_is_refused_and_left_alone() {
        let home = Home::new();
        fs::create_dir(home.path()).unwrap();
        assert!(home.refused().to_string().contains("is a folder"));

        let home = Home::new();
        let text = "no database, whatever its name says ".repeat(100);
        fs::write(home.path(), &text).unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(home.refused().to_string().contains("is not a store"));
        assert_eq!(fs::read_to_string(home.path()).unwrap(), text);

        let home = Home::new();
        home.raw().execute_batch("create table theirs (it)").unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(home.refused().to_string().contains("another program"));
        let tables: i64 =
            home.raw().query_row("select count(*) from sqlite_schema", (), |row| row.get(0)).unwrap();
        assert_eq!(tables, 1);

        let home = Home(tempfile::tempdir().unwrap());
        fs::write(home.0.path().join("file"), "").unwrap();
        let error = Sqlite::open(home.0.path().join("file/store.db")).unwrap_err();
        assert!(error.to_string().contains("folder"), "{error}");
    }

    #[test]
    fn a_write_protected_store_is_refused() {
        // Nobody may write here, whoever they are.
        let error = Sqlite::open("/proc/store.db").unwrap_err();
        assert_eq!(error.code(), Code::StoreFailed);
        assert!(error.to_string().contains("cannot make the store `/proc/store.db`"), "{error}");
    }

    #[tokio::test]
    async fn a_store_is_as_durable_as_it_says() {
        let home = Home::new();
        let store = home.open();
        let found = store
            .write(|connection| {
                let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
                let mode =
                    connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0))?;
                Ok((mode, number("synchronous")?, number("foreign_keys")?, number("secure_delete")?))
            })
            .await
            .unwrap();
        assert_eq!(found, ("wal".to_owned(), 2, 1, 1));
        let written = store.read(|connection| put("it", 1)(connection)).await;
        assert!(written.unwrap_err().to_string().contains("readonly"));
    }
}
