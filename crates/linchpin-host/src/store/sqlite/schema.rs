//! The schema of a file, and how one is brought up to it.

use std::path::Path;

use linchpin::{Code, Error, Result};
use rusqlite::TransactionBehavior;

use super::{hook, inbox, monitor, trouble::Trouble};

/// What marks a file as ours: "LiPi".
const APPLICATION: i32 = 0x4c69_5069;

/// Each brings the schema from one version to the next. What was released is never changed.
const MIGRATIONS: &[&str] = &[
    "
    create table connection (
        id text primary key,
        tenant text not null,
        name text not null,
        connector text not null,
        method text not null,
        owner text,
        fields blob not null,
        scopes text not null,
        account text,
        account_label text,
        state text not null,
        since integer not null,
        created integer not null,
        ping text,
        next_ping integer,
        generation integer not null,
        tokens blob,
        expires integer,
        keep_alive integer,
        dead text,
        failures integer not null default 0,
        retry_at integer,
        holder text,
        held_until integer,
        unique (tenant, name)
    ) strict;
    create index connection_account on connection (connector, account) where account is not null;
    create index connection_ping on connection (next_ping) where next_ping is not null;
    create index connection_keep_alive on connection (keep_alive) where keep_alive is not null;

    create table change (
        number integer primary key,
        connection text not null references connection on delete cascade,
        state text not null,
        at integer not null,
        reason text not null
    ) strict;
    create index change_connection on change (connection, number);

    create table revocation (
        id text primary key,
        connection text not null,
        tenant text not null,
        name text not null,
        connector text not null,
        method text not null,
        sealed blob not null,
        created integer not null,
        attempts integer not null,
        last text,
        next integer
    ) strict;
    create index revocation_next on revocation (next) where next is not null;

    create table client (
        connector text not null,
        method text not null,
        id text not null,
        secret blob,
        primary key (connector, method)
    ) strict;

    create table note (
        name text primary key,
        value blob not null
    ) strict;
",
    // What is sealed names its key in the bytes 2 to 9. Each column is looked at for itself: a row whose other column waits to be
    // sealed anew may change.
    "
    create table retired_key (id blob primary key) strict;

    create trigger connection_add_key before insert on connection
    when exists (select * from retired_key where id in (substr(new.fields, 2, 8), substr(new.tokens, 2, 8)))
    begin select raise(abort, 'the key was retired'); end;
    create trigger connection_fields_key before update of fields on connection
    when exists (select * from retired_key where id = substr(new.fields, 2, 8))
    begin select raise(abort, 'the key was retired'); end;
    create trigger connection_tokens_key before update of tokens on connection
    when exists (select * from retired_key where id = substr(new.tokens, 2, 8))
    begin select raise(abort, 'the key was retired'); end;

    create trigger revocation_add_key before insert on revocation
    when exists (select * from retired_key where id = substr(new.sealed, 2, 8))
    begin select raise(abort, 'the key was retired'); end;
    create trigger revocation_key before update of sealed on revocation
    when exists (select * from retired_key where id = substr(new.sealed, 2, 8))
    begin select raise(abort, 'the key was retired'); end;

    create trigger client_add_key before insert on client
    when exists (select * from retired_key where id = substr(new.secret, 2, 8))
    begin select raise(abort, 'the key was retired'); end;
    create trigger client_key before update of secret on client
    when exists (select * from retired_key where id = substr(new.secret, 2, 8))
    begin select raise(abort, 'the key was retired'); end;
",
    "
    create table cell (
        name text primary key,
        value blob not null
    ) strict, without rowid;
    ",
    inbox::MIGRATION,
    hook::MIGRATION,
    monitor::MIGRATION,
    monitor::WAKES,
    monitor::READINGS,
    hook::HELD,
];

pub(super) fn migrate(connection: &mut rusqlite::Connection, path: &Path) -> Result<()> {
    let newest = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    loop {
        let version = migrate_once(connection).map_err(|error| Trouble::from(error).error(path))?;
        match version {
            Migrated::Foreign => {
                let message = format!("`{}` is a database of another program", path.display());
                return Err(Error::coded(Code::StoreFailed, message)
                    .hint("name another file; a store is made where there is none"));
            }
            Migrated::To(version) if version > newest => {
                let message = format!(
                    "the store `{}` is of a newer linchpin: its schema is {version}, and this one knows {newest}",
                    path.display()
                );
                return Err(Error::coded(Code::StoreFailed, message).hint("update linchpin"));
            }
            Migrated::To(version) if version == newest => return Ok(()),
            Migrated::To(_) => {}
        }
    }
}

enum Migrated {
    /// The schema's version now.
    To(i32),
    /// Somebody else's database.
    Foreign,
}

/// One step, in a transaction; other processes may do the same at the same time.
fn migrate_once(connection: &mut rusqlite::Connection) -> rusqlite::Result<Migrated> {
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let number = |pragma: &str| step.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let (version, application) = (number("user_version")?, number("application_id")?);
    if application != APPLICATION || version < 0 {
        let tables: i64 = step.query_row("select count(*) from sqlite_schema", (), |row| row.get(0))?;
        if application != 0 || tables != 0 || version != 0 {
            return Ok(Migrated::Foreign);
        }
        step.pragma_update(None, "application_id", APPLICATION)?;
    }
    let Some(migration) = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version)) else {
        return Ok(Migrated::To(version));
    };
    step.execute_batch(migration)?;
    step.pragma_update(None, "user_version", version + 1)?;
    step.commit()?;
    Ok(Migrated::To(version + 1))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::{super::home::Home, *};

    #[test]
    fn a_newer_store_is_refused() {
        for (version, word) in [(MIGRATIONS.len() + 1, "newer linchpin"), (usize::MAX, "another program")] {
            let home = Home::new();
            drop(home.open());
            home.raw().pragma_update(None, "user_version", version as i32).unwrap();
            let error = home.refused();
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn those_who_open_a_fresh_store_at_once_all_succeed() {
        for _ in 0..10 {
            let home = Home::new();
            let start = Barrier::new(4);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        start.wait();
                        home.open()
                    });
                }
            });
        }
    }
}
