//! The schema of a database, and how it is brought up to it.

use linchpin::{Code, Error, Result};

use super::{Postgres, hook, monitor};

/// Under which processes take turns to bring the schema up to date: "linchpin".
const MIGRATION_LOCK: i64 = 0x6c69_6e63_6870_696e;

/// Each brings the schema from one version to the next. What was released is never changed.
///
/// Texts that a store orders are in the order of their bytes, whatever language the database is set to.
const MIGRATIONS: &[&str] = &[
    r#"
    create table linchpin_connection (
        id text collate "C" primary key,
        tenant text collate "C" not null,
        name text collate "C" not null,
        connector text not null,
        method text not null,
        owner text,
        fields bytea not null,
        scopes text not null,
        account text,
        account_label text,
        state text not null,
        since bigint not null,
        created bigint not null,
        ping text,
        next_ping bigint,
        generation bigint not null,
        tokens bytea,
        expires bigint,
        keep_alive bigint,
        dead text,
        failures bigint not null default 0,
        retry_at bigint,
        holder text,
        held_until bigint,
        unique (tenant, name)
    );
    create index on linchpin_connection (connector, account) where account is not null;
    create index on linchpin_connection (next_ping) where next_ping is not null;
    create index on linchpin_connection (keep_alive) where keep_alive is not null;

    create table linchpin_change (
        number bigint generated always as identity primary key,
        connection text collate "C" not null references linchpin_connection on delete cascade,
        state text not null,
        at bigint not null,
        reason text not null
    );
    create index on linchpin_change (connection, number);

    create table linchpin_revocation (
        id text collate "C" primary key,
        connection text not null,
        tenant text not null,
        name text not null,
        connector text not null,
        method text not null,
        sealed bytea not null,
        created bigint not null,
        attempts bigint not null,
        last text,
        next bigint
    );
    create index on linchpin_revocation (next) where next is not null;

    create table linchpin_client (
        connector text collate "C" not null,
        method text collate "C" not null,
        id text not null,
        secret bytea,
        primary key (connector, method)
    );

    create table linchpin_note (
        name text collate "C" primary key,
        value bytea not null
    );
"#,
    // What is sealed names its key in the bytes 2 to 9. Whoever retires a key waits for those who are putting something in, and
    // these see what was retired before, since each statement of a function looks at the tables anew.
    r#"
    create table linchpin_retired_key (id bytea primary key);

    create function linchpin_check_key() returns trigger language plpgsql as $$
    declare
        sealed bytea;
    begin
        perform pg_advisory_xact_lock_shared(7811896401883522425);
        execute format('select ($1).%I', tg_argv[0]) into sealed using new;
        if exists (select from linchpin_retired_key where id = substr(sealed, 2, 8)) then
            raise exception 'the key was retired';
        end if;
        return new;
    end $$;

    create trigger linchpin_fields before insert or update of fields on linchpin_connection
        for each row execute function linchpin_check_key('fields');
    create trigger linchpin_tokens before insert or update of tokens on linchpin_connection
        for each row execute function linchpin_check_key('tokens');
    create trigger linchpin_sealed before insert or update of sealed on linchpin_revocation
        for each row execute function linchpin_check_key('sealed');
    create trigger linchpin_secret before insert or update of secret on linchpin_client
        for each row execute function linchpin_check_key('secret');
"#,
    r#"
    create table linchpin_cell (
        name text collate "C" primary key,
        value bytea not null
    );
    "#,
    r#"
    create table linchpin_inbox (
        number bigint generated always as identity primary key,
        key bytea not null unique,
        source text collate "C" not null,
        identity text not null,
        lane text collate "C",
        received bigint not null,
        state bigint not null default 0,
        attempts bigint not null default 0,
        due bigint,
        problem text,
        head text not null,
        body bytea not null
    );
    create index on linchpin_inbox (due) where due is not null;
    create index on linchpin_inbox (source, lane, number) where lane is not null and due is not null;
    create index on linchpin_inbox (received);
    "#,
    hook::MIGRATION,
    monitor::MIGRATION,
    monitor::WAKES,
    monitor::READINGS,
    hook::HELD,
];

impl Postgres {
    pub(super) async fn migrate(&self) -> Result<()> {
        let newest = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
        let mut client = self.client().await?;
        let version: Result<i32, tokio_postgres::Error> = async {
            let step = client.transaction().await?;
            step.execute("select pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
            let there = step.query_one("select to_regclass('linchpin_schema') is not null", &[]).await?;
            if !there.try_get(0)? {
                let sql = "create table linchpin_schema (version integer not null); insert into linchpin_schema values (0)";
                step.batch_execute(sql).await?;
            }
            let version: i32 = step.query_one("select version from linchpin_schema", &[]).await?.try_get(0)?;
            let migrations = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..));
            if let Some(migrations) = migrations.filter(|migrations| !migrations.is_empty()) {
                for migration in migrations {
                    step.batch_execute(migration).await?;
                }
                step.execute("update linchpin_schema set version = $1", &[&newest]).await?;
            }
            step.commit().await?;
            Ok(version)
        }
        .await;
        let version = version.map_err(|error| self.failed(&error))?;
        if version > newest {
            let message = format!(
                "the store `{}` is of a newer linchpin: its schema is {version}, and this one knows {newest}",
                self.whence
            );
            return Err(Error::coded(Code::StoreFailed, message).hint("update linchpin"));
        }
        Ok(())
    }
}
