//! The store on a PostgreSQL server, for several processes on several machines.
//!
//! Leases run by the server's clock. That a change is on the disk when it is reported as done is the server's promise
//! (`synchronous_commit`, which is on unless somebody turned it off).

mod hook;
mod inbox;
mod monitor;

use std::{error::Error as _, fmt, time::Duration};

use deadpool_postgres::{Manager, Object, Pool, Runtime};
use linchpin::{Code, DateTime, Error, Result, flow::BoxFuture};
use serde::Serialize;
use tokio_postgres::{
    Config, NoTls, Row,
    config::{Host, SslMode},
    types::ToSql,
};

use super::{
    Attempt, Cell, Change, Client, Connection, Failure, Filter, GrantRow, Lease, NewGrant, Ping, RETIRED,
    Renewed, Revocation, State, Store, after, columns, count, ended, key_retired, millis,
    row::{
        CONNECTION, Columns, GRANT, REVOCATION, Reading, Unread, to_cell, to_change, to_client,
        to_connection, to_grant, to_note, to_revocation, to_sealed, to_time_if_any,
    },
};
use crate::vault::{CHECK, KeyId, Kind, Place, Sealed};

/// How long a connection to the server may take to come about, or to become free.
const PATIENCE: Duration = Duration::from_secs(10);

const POOL: usize = 8;

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
    hook::HELD,
];

/// What goes with a connection, or is turned off.
const ALSO_GONE: &str =
    "cells as (delete from linchpin_cell where starts_with(name, 'connection/' || $1::text || '/')),
    hooks as (update linchpin_hook set stage = 'deregistering', next = null where connection = $1)";

/// Milliseconds after 1970 by the server's clock, which goes on within a transaction.
const NOW: &str = "floor(extract(epoch from clock_timestamp()) * 1000)::bigint";

/// Held by whoever retires keys, and shared by whoever puts something sealed in (as a number in the trigger above): "linchkey".
const KEY_LOCK: i64 = 0x6c69_6e63_686b_6579;

type Param<'a> = &'a (dyn ToSql + Sync);

/// A [`Store`] on a PostgreSQL server.
pub struct Postgres {
    /// Server and database, for messages.
    whence: String,
    pool: Pool,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("whence", &self.whence).finish_non_exhaustive()
    }
}

impl Postgres {
    /// Opens the store in a database, by a URL such as `postgres://user:password@host/database`, or
    /// `postgres:///database?host=/run/postgresql` for a socket. Its tables are made, and brought up to this version's schema.
    ///
    /// # Errors
    ///
    /// [`Code::StoreFailed`] when the URL asks for what cannot be had, the server refuses, or the tables are of a newer version.
    pub async fn open(url: &str) -> Result<Postgres> {
        let config = configure(url)?;
        let hosts: Vec<_> = config
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(name) => name.clone(),
                #[cfg(unix)]
                Host::Unix(folder) => folder.display().to_string(),
            })
            .collect();
        let whence =
            format!("{}/{}", hosts.join(","), config.get_dbname().or(config.get_user()).unwrap_or_default());
        let pool = Pool::builder(Manager::new(config, NoTls))
            .max_size(POOL)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE))
            .recycle_timeout(Some(PATIENCE))
            .build();
        let pool = pool.map_err(|error| {
            Error::coded(Code::StoreFailed, format!("the store `{whence}` cannot be used: {error}"))
        })?;
        let store = Postgres { whence, pool };
        store.migrate().await?;
        Ok(store)
    }

    async fn migrate(&self) -> Result<()> {
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

    async fn client(&self) -> Result<Object> {
        self.pool.get().await.map_err(|error| self.failed(&error))
    }

    async fn rows(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        let client = self.client().await?;
        let rows = async { client.query(&client.prepare_cached(sql).await?, params).await };
        rows.await.map_err(|error| self.failed(&error))
    }

    async fn row(&self, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>> {
        Ok(self.rows(sql, params).await?.pop())
    }

    /// How many rows a statement changed.
    async fn change(&self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
        let client = self.client().await?;
        let changed = async { client.execute(&client.prepare_cached(sql).await?, params).await };
        changed.await.map_err(|error| self.failed(&error))
    }

    fn read<T>(&self, row: &Row, each: Reading<T>) -> Result<T> {
        each(row).map_err(|why| {
            let message = format!("the store `{}` has a record that cannot be read: {why}", self.whence);
            Error::coded(Code::StoreFailed, message)
        })
    }

    fn read_all<T>(&self, rows: &[Row], each: Reading<T>) -> Result<Vec<T>> {
        rows.iter().map(|row| self.read(row, each)).collect()
    }

    /// Claims what is due in a table by one of its columns. Rows that another process claims just now are passed over.
    async fn due(
        &self,
        (table, column, condition, columns): (&str, &str, &str, &str),
        (now, until, most): (DateTime, DateTime, usize),
    ) -> Result<Vec<Row>> {
        let sql = format!(
            "with due as materialized (
                select id as due_id from {table} where {column} <= $1 and {condition}
                order by {column} limit $3 for update skip locked
            )
            update {table} set {column} = $2 from due where id = due_id returning {columns}"
        );
        self.rows(&sql, &[&now.unix_millis(), &until.unix_millis(), &count(most)]).await
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        let said = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::as_db_error);
        if said.is_some_and(|said| said.message() == RETIRED) {
            return key_retired(&self.whence);
        }
        let mut words = error.to_string();
        let mut under = error.source();
        while let Some(error) = under {
            let more = error.to_string();
            // Some errors repeat the one underneath.
            if !words.ends_with(&more) {
                words = format!("{words}: {more}");
            }
            under = error.source();
        }
        Error::coded(Code::StoreFailed, format!("the store `{}` failed: {words}", self.whence))
    }
}

fn configure(url: &str) -> Result<Config> {
    let refuse = |message: String, hint: &'static str| Error::coded(Code::StoreFailed, message).hint(hint);
    let no_tls = |mode: &str| {
        refuse(
            format!("the URL of the store demands TLS (`{mode}`), which this version of linchpin cannot do"),
            "reach the server by a socket or a tunnel, and leave `sslmode` out of the URL",
        )
    };
    if let Some(mode) =
        ["sslmode=verify-ca", "sslmode=verify-full"].into_iter().find(|mode| url.contains(mode))
    {
        return Err(no_tls(mode));
    }
    let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        // The words underneath name the parameter, never a value.
        let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        refuse(
            format!("the URL of the store cannot be read: {why}"),
            "write it as `postgres://USER:PASSWORD@HOST/DATABASE`, or `postgres:///DATABASE?host=/FOLDER` for a socket",
        )
    })?;
    if config.get_ssl_mode() == SslMode::Require {
        return Err(no_tls("sslmode=require"));
    }
    config.ssl_mode(SslMode::Disable);
    if config.get_application_name().is_none() {
        config.application_name("linchpin");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(PATIENCE);
    }
    Ok(config)
}

impl Columns for Row {
    fn text_if_any(&self, column: usize) -> Unread<Option<String>> {
        Ok(self.try_get(column)?)
    }

    fn number_if_any(&self, column: usize) -> Unread<Option<i64>> {
        Ok(self.try_get(column)?)
    }

    fn bytes_if_any(&self, column: usize) -> Unread<Option<Vec<u8>>> {
        Ok(self.try_get(column)?)
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::coded(Code::StoreFailed, format!("a record cannot be written: {error}")))
}

/// No generation is so high; then it is another one.
fn signed(generation: u64) -> i64 {
    i64::try_from(generation).unwrap_or(-1)
}

impl Store for Postgres {
    fn connection_add(&self, new: Connection, grant: Option<NewGrant>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (account, label) = new.identity.map(|account| (account.id, account.label)).unzip();
            let (sealed, expires, keep_alive) = columns(grant);
            let sql = format!(
                "insert into linchpin_connection ({CONNECTION}, tokens, expires, keep_alive, generation)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
                on conflict (tenant, name) do nothing"
            );
            let added = self
                .change(
                    &sql,
                    &[
                        &new.id,
                        &new.tenant,
                        &new.name,
                        &new.connector,
                        &new.method,
                        &new.owner,
                        &new.fields.0,
                        &json(&new.scopes)?,
                        &account,
                        &label,
                        &new.state.as_str(),
                        &new.since.unix_millis(),
                        &new.created.unix_millis(),
                        &new.ping.as_ref().map(json).transpose()?,
                        &millis(new.next_ping),
                        &sealed,
                        &expires,
                        &keep_alive,
                        &i64::from(sealed.is_some()),
                    ],
                )
                .await?;
            if added == 1 { Ok(()) } else { Err(super::name_taken(&new.tenant, &new.name)) }
        })
    }

    fn connection(&self, id: &str) -> BoxFuture<'_, Result<Option<Connection>>> {
        let id = id.to_owned();
        Box::pin(async move {
            let sql = format!("select {CONNECTION} from linchpin_connection where id = $1");
            let row = self.row(&sql, &[&id]).await?;
            row.map(|row| self.read(&row, to_connection)).transpose()
        })
    }

    fn connection_named(&self, tenant: &str, name: &str) -> BoxFuture<'_, Result<Option<Connection>>> {
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        Box::pin(async move {
            let sql = format!("select {CONNECTION} from linchpin_connection where tenant = $1 and name = $2");
            let row = self.row(&sql, &[&tenant, &name]).await?;
            row.map(|row| self.read(&row, to_connection)).transpose()
        })
    }

    fn connections(&self, which: Filter) -> BoxFuture<'_, Result<Vec<Connection>>> {
        Box::pin(async move {
            let sql = format!(
                "select {CONNECTION} from linchpin_connection
                where ($1::text is null or tenant = $1) and ($2::text is null or connector = $2)
                    and ($3::text is null or owner = $3) and ($4::text is null or state = $4)
                    and ($5::text is null or account = $5)
                order by tenant, name"
            );
            let Filter { tenant, connector, owner, state, account } = which;
            let state = state.map(State::as_str);
            let rows = self.rows(&sql, &[&tenant, &connector, &owner, &state, &account]).await?;
            self.read_all(&rows, to_connection)
        })
    }

    fn connection_move(&self, id: &str, change: Change) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        Box::pin(async move {
            // One statement is one transaction.
            let moved = self.change(
                "with moved as (
                    update linchpin_connection set state = $2, since = $3 where id = $1 and state <> $2 returning id
                )
                insert into linchpin_change (connection, state, at, reason) select id, $2, $3, $4 from moved",
                &[&id, &change.state.as_str(), &change.at.unix_millis(), &change.reason],
            ).await?;
            Ok(moved == 1)
        })
    }

    fn history(&self, id: &str) -> BoxFuture<'_, Result<Vec<Change>>> {
        let id = id.to_owned();
        Box::pin(async move {
            let sql = "select state, at, reason from linchpin_change where connection = $1 order by number";
            self.read_all(&self.rows(sql, &[&id]).await?, to_change)
        })
    }

    fn connection_pinged(&self, id: &str, ping: Ping, next: Option<DateTime>) -> BoxFuture<'_, Result<()>> {
        let id = id.to_owned();
        Box::pin(async move {
            let text = json(&ping)?;
            let scopes = if ping.scopes.is_empty() { None } else { Some(json(&ping.scopes)?) };
            let (account, label) = ping.account.map(|account| (account.id, account.label)).unzip();
            self.change(
                "update linchpin_connection set ping = $2, next_ping = $3, scopes = coalesce($4, scopes),
                    account = coalesce($5, account), account_label = coalesce($6, account_label)
                where id = $1",
                &[&id, &text, &millis(next), &scopes, &account, &label],
            )
            .await?;
            Ok(())
        })
    }

    fn pings_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Connection>>> {
        Box::pin(async move {
            let what = ("linchpin_connection", "next_ping", "state <> 'revoked'", CONNECTION);
            self.read_all(&self.due(what, (now, until, most)).await?, to_connection)
        })
    }

    fn connection_renew(
        &self,
        id: &str,
        renewed: Renewed,
        grant: Option<NewGrant>,
    ) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        Box::pin(async move {
            let Renewed { method, fields, scopes, change } = renewed;
            let (sealed, expires, keep_alive) = columns(grant);
            let found = self.change(
                "with renewed as (
                    update linchpin_connection set method = $2, fields = $3, scopes = $4,
                        since = case when state = $5 then since else $6 end, state = $5,
                        generation = generation + 1, tokens = $7, expires = $8, keep_alive = $9,
                        dead = null, failures = 0, retry_at = null, holder = null, held_until = null
                    where id = $1 returning id
                )
                insert into linchpin_change (connection, state, at, reason) select id, $5, $6, $10 from renewed",
                &[
                    &id,
                    &method,
                    &fields.0,
                    &json(&scopes)?,
                    &change.state.as_str(),
                    &change.at.unix_millis(),
                    &sealed,
                    &expires,
                    &keep_alive,
                    &change.reason,
                ],
            ).await?;
            Ok(found == 1)
        })
    }

    fn connection_remove(&self, id: &str, left: Option<Revocation>) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        Box::pin(async move {
            let Some(left) = left else {
                let sql = format!("with {ALSO_GONE} delete from linchpin_connection where id = $1");
                return Ok(self.change(&sql, &[&id]).await? == 1);
            };
            let sql = format!(
                "with {ALSO_GONE}, gone as (delete from linchpin_connection where id = $1 returning id)
                insert into linchpin_revocation ({REVOCATION})
                select $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 from gone"
            );
            let gone = self
                .change(
                    &sql,
                    &[
                        &id,
                        &left.id,
                        &left.connection,
                        &left.tenant,
                        &left.name,
                        &left.connector,
                        &left.method,
                        &left.sealed.0,
                        &left.created.unix_millis(),
                        &i64::from(left.attempts),
                        &left.last.as_ref().map(json).transpose()?,
                        &millis(left.next),
                    ],
                )
                .await?;
            Ok(gone == 1)
        })
    }

    fn grant(&self, id: &str) -> BoxFuture<'_, Result<Option<GrantRow>>> {
        let id = id.to_owned();
        Box::pin(async move {
            let sql = format!("select {GRANT} from linchpin_connection where id = $1 and tokens is not null");
            let row = self.row(&sql, &[&id]).await?;
            row.map(|row| self.read(&row, to_grant)).transpose()
        })
    }

    fn grant_lease(
        &self,
        id: &str,
        generation: u64,
        holder: &str,
        time: Duration,
    ) -> BoxFuture<'_, Result<Lease>> {
        let (id, holder) = (id.to_owned(), holder.to_owned());
        Box::pin(async move {
            let find = format!(
                "select held_until, {NOW} from linchpin_connection
                where id = $1 and generation = $2 and tokens is not null and dead is null for update"
            );
            let take = "update linchpin_connection set holder = $2, held_until = $3 where id = $1";
            let mut client = self.client().await?;
            let lease: Result<Lease, tokio_postgres::Error> = async {
                let step = client.transaction().await?;
                let row =
                    step.query_opt(&step.prepare_cached(&find).await?, &[&id, &signed(generation)]).await?;
                let Some(row) = row else { return Ok(Lease::Moved) };
                let (held, now): (Option<i64>, i64) = (row.try_get(0)?, row.try_get(1)?);
                let left = held.and_then(|until| u64::try_from(until - now).ok()).filter(|&left| left > 0);
                if let Some(left) = left {
                    return Ok(Lease::Held(Duration::from_millis(left)));
                }
                let until = now.saturating_add(super::span(time));
                step.execute(&step.prepare_cached(take).await?, &[&id, &holder, &until]).await?;
                step.commit().await?;
                Ok(Lease::Taken { abandoned: held.is_some() })
            }
            .await;
            lease.map_err(|error| self.failed(&error))
        })
    }

    fn grant_swap(&self, id: &str, generation: u64, grant: NewGrant) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        Box::pin(async move {
            let (sealed, expires, keep_alive) = columns(Some(grant));
            let swapped = self.change(
                "update linchpin_connection set generation = generation + 1, tokens = $3, expires = $4, keep_alive = $5,
                    dead = null, failures = 0, retry_at = null, holder = null, held_until = null
                where id = $1 and generation = $2 and tokens is not null",
                &[&id, &signed(generation), &sealed, &expires, &keep_alive],
            ).await?;
            Ok(swapped == 1)
        })
    }

    fn grant_fail(
        &self,
        id: &str,
        generation: u64,
        holder: &str,
        failure: Failure,
    ) -> BoxFuture<'_, Result<bool>> {
        let (id, holder) = (id.to_owned(), holder.to_owned());
        Box::pin(async move {
            let (dead, retry_at) = ended(failure);
            let ended = self
                .change(
                    "update linchpin_connection set failures = failures + 1, dead = $4,
                    retry_at = coalesce($5, retry_at), holder = null, held_until = null
                where id = $1 and generation = $2 and holder = $3",
                    &[&id, &signed(generation), &holder, &dead, &retry_at],
                )
                .await?;
            Ok(ended == 1)
        })
    }

    fn keep_alives_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Connection>>> {
        Box::pin(async move {
            let condition = "dead is null and state <> 'revoked'";
            let what = ("linchpin_connection", "keep_alive", condition, CONNECTION);
            self.read_all(&self.due(what, (now, until, most)).await?, to_connection)
        })
    }

    fn revocations_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Revocation>>> {
        Box::pin(async move {
            let what = ("linchpin_revocation", "next", "true", REVOCATION);
            self.read_all(&self.due(what, (now, until, most)).await?, to_revocation)
        })
    }

    fn care_next(&self) -> BoxFuture<'_, Result<Option<DateTime>>> {
        Box::pin(async move {
            let sql = "select min(due) from (
                    select min(next_ping) as due from linchpin_connection where next_ping is not null and state <> 'revoked'
                    union all select min(keep_alive) from linchpin_connection
                        where keep_alive is not null and dead is null and state <> 'revoked'
                    union all select min(next) from linchpin_revocation where next is not null
                    union all select min(next) from linchpin_hook where next is not null and (held is null or held <= next)
                    union all select min(held) from linchpin_hook where next is not null and held > next
                ) as each";
            let row = self.row(sql, &[]).await?;
            Ok(row.map(|row| self.read(&row, to_time_if_any)).transpose()?.flatten())
        })
    }

    fn revocations(&self) -> BoxFuture<'_, Result<Vec<Revocation>>> {
        Box::pin(async move {
            let sql = format!("select {REVOCATION} from linchpin_revocation order by created, id");
            self.read_all(&self.rows(&sql, &[]).await?, to_revocation)
        })
    }

    fn revocation_failed(
        &self,
        id: &str,
        attempt: Attempt,
        next: Option<DateTime>,
    ) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        Box::pin(async move {
            let sql =
                "update linchpin_revocation set attempts = attempts + 1, last = $2, next = $3 where id = $1";
            Ok(self.change(sql, &[&id, &json(&attempt)?, &millis(next)]).await? == 1)
        })
    }

    fn revocation_done(&self, id: &str) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        Box::pin(async move {
            Ok(self.change("delete from linchpin_revocation where id = $1", &[&id]).await? == 1)
        })
    }

    fn client_put(&self, client: Client) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let Client { connector, method, id, secret } = client;
            self.change(
                "insert into linchpin_client (connector, method, id, secret) values ($1, $2, $3, $4)
                on conflict (connector, method) do update set id = excluded.id, secret = excluded.secret",
                &[&connector, &method, &id, &secret.map(|secret| secret.0)],
            )
            .await?;
            Ok(())
        })
    }

    fn client(&self, connector: &str, method: &str) -> BoxFuture<'_, Result<Option<Client>>> {
        let (connector, method) = (connector.to_owned(), method.to_owned());
        Box::pin(async move {
            let sql = "select id, secret from linchpin_client where connector = $1 and method = $2";
            let Some(row) = self.row(sql, &[&connector, &method]).await? else { return Ok(None) };
            let (id, secret) = self.read(&row, to_client)?;
            Ok(Some(Client { connector, method, id, secret }))
        })
    }

    fn note(&self, name: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>>> {
        let name = name.to_owned();
        Box::pin(async move {
            let row = self.row("select value from linchpin_note where name = $1", &[&name]).await?;
            row.map(|row| self.read(&row, to_note)).transpose()
        })
    }

    fn note_once(&self, name: &str, value: &[u8]) -> BoxFuture<'_, Result<Vec<u8>>> {
        let (name, value) = (name.to_owned(), value.to_owned());
        Box::pin(async move {
            let put = "insert into linchpin_note (name, value) values ($1, $2) on conflict (name) do nothing";
            self.change(put, &[&name, &value]).await?;
            // Notes are never taken away.
            Ok(self.note(&name).await?.unwrap_or(value))
        })
    }

    fn cell(&self, name: &str) -> BoxFuture<'_, Result<Cell>> {
        let name = name.to_owned();
        Box::pin(async move {
            let sql = format!("select (select value from linchpin_cell where name = $1), {NOW}");
            let row = self.row(&sql, &[&name]).await?;
            let cell = row.map(|row| self.read(&row, to_cell)).transpose()?;
            cell.ok_or_else(|| Error::coded(Code::StoreFailed, "the database gave no row for a cell"))
        })
    }

    fn cell_swap(&self, name: &str, old: Option<&[u8]>, new: Option<&[u8]>) -> BoxFuture<'_, Result<bool>> {
        let (name, old, new) = (name.to_owned(), old.map(<[u8]>::to_owned), new.map(<[u8]>::to_owned));
        Box::pin(async move {
            let changed = match (&old, &new) {
                (None, None) => {
                    return Ok(self
                        .row("select from linchpin_cell where name = $1", &[&name])
                        .await?
                        .is_none());
                }
                (None, Some(new)) => {
                    let put = "insert into linchpin_cell (name, value) values ($1, $2) on conflict (name) do nothing";
                    self.change(put, &[&name, new]).await?
                }
                (Some(old), Some(new)) => {
                    let put = "update linchpin_cell set value = $3 where name = $1 and value = $2";
                    self.change(put, &[&name, old, new]).await?
                }
                (Some(old), None) => {
                    self.change("delete from linchpin_cell where name = $1 and value = $2", &[&name, old])
                        .await?
                }
            };
            Ok(changed == 1)
        })
    }

    fn sealed_after(&self, place: Option<Place>, most: usize) -> BoxFuture<'_, Result<Vec<(Place, Sealed)>>> {
        Box::pin(async move {
            let (kind, id) = after(place);
            let rows = self.rows(
                "with sealed (kind, id, text) as (
                    select 0::bigint, id, fields from linchpin_connection
                    union all select 1, id, tokens from linchpin_connection where tokens is not null
                    union all select 2, id, sealed from linchpin_revocation
                    union all select 3, connector || '/' || method, secret from linchpin_client where secret is not null
                    union all select 4, name, value from linchpin_note where name = $4
                    union all select 5, id, sealed from linchpin_hook
                )
                select kind, id, text from sealed where (kind, id) > ($1, $2) order by kind, id limit $3",
                &[&kind, &id, &count(most), &CHECK],
            ).await?;
            self.read_all(&rows, to_sealed)
        })
    }

    fn keys_retire(&self, current: KeyId, retired: Vec<KeyId>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let retired: Vec<&[u8]> = retired.iter().map(|key| &key.0[..]).collect();
            let mut client = self.client().await?;
            let noted: Result<(), tokio_postgres::Error> = async {
                let step = client.transaction().await?;
                step.execute("select pg_advisory_xact_lock($1)", &[&KEY_LOCK]).await?;
                step.execute("delete from linchpin_retired_key where id = $1", &[&&current.0[..]]).await?;
                let retire =
                    "insert into linchpin_retired_key (id) select unnest($1::bytea[]) on conflict do nothing";
                step.execute(retire, &[&retired]).await?;
                step.commit().await
            }
            .await;
            noted.map_err(|error| self.failed(&error))
        })
    }

    fn sealed_swap(&self, place: &Place, old: &Sealed, new: Sealed) -> BoxFuture<'_, Result<bool>> {
        let (place, old) = (place.clone(), old.clone());
        Box::pin(async move {
            let sql = match place.kind {
                Kind::Fields => "update linchpin_connection set fields = $3 where id = $1 and fields = $2",
                Kind::Grant => "update linchpin_connection set tokens = $3 where id = $1 and tokens = $2",
                Kind::Revocation => {
                    "update linchpin_revocation set sealed = $3 where id = $1 and sealed = $2"
                }
                Kind::Client => {
                    "update linchpin_client set secret = $3 where connector || '/' || method = $1 and secret = $2"
                }
                Kind::Hook => "update linchpin_hook set sealed = $3 where id = $1 and sealed = $2",
                Kind::Check => "update linchpin_note set value = $3 where name = $1 and value = $2",
            };
            Ok(self.change(sql, &[&place.id, &old.0, &new.0]).await? == 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_demands_tls_is_refused() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let url = format!("postgres://ann:pa55word@db.example/linchpin?sslmode={mode}");
            let error = configure(&url).unwrap_err();
            assert_eq!(error.code(), Code::StoreFailed);
            assert!(error.to_string().contains(&format!("sslmode={mode}")), "{error}");
            assert!(error.details().hint.unwrap().contains("socket"), "{error:?}");
        }
        for url in
            ["postgres://ann@db.example/linchpin", "postgres:///linchpin?host=/run/postgresql&sslmode=prefer"]
        {
            assert_eq!(configure(url).unwrap().get_ssl_mode(), SslMode::Disable);
        }
    }

    #[test]
    fn a_bad_url_is_refused_without_its_password() {
        for bad in [
            "postgres://ann:pa55word@db.example/linchpin?colour=blue",
            "postgres://ann:pa55word@db.example:many/linchpin",
            "postgres://ann:pa55word@db.example/linchpin?sslmode=pa55word",
        ] {
            let error = configure(bad).unwrap_err();
            assert_eq!(error.code(), Code::StoreFailed, "{bad}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("pa55word"), "{shown}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_without_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("postgres://ann:pa55word@/linchpin?host={}", folder.path().display());
        let error = Postgres::open(&url).await.unwrap_err();
        assert_eq!(error.code(), Code::StoreFailed);
        assert!(error.to_string().contains("/linchpin` failed"), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("pa55word"), "{shown}");
    }
}
