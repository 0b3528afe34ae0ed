//! The store on a PostgreSQL server, for several processes on several machines.
//!
//! Leases run by the server's clock. That a change is on the disk when it is reported as done is the server's promise
//! (`synchronous_commit`, which is on unless somebody turned it off).

mod connection;
mod hook;
mod inbox;
mod monitor;
mod revocation;
mod schema;

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
    Cell, Client, RETIRED, Store, after, count, key_retired, millis,
    row::{Columns, Reading, Unread, to_cell, to_client, to_note, to_sealed, to_time_if_any},
};
use crate::vault::{CHECK, KeyId, Kind, Place, Sealed};

/// How long a connection to the server may take to come about, or to become free.
const PATIENCE: Duration = Duration::from_secs(10);

const POOL: usize = 8;

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
