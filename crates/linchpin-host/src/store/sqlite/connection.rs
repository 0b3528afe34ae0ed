//! Connections and their grants in SQLite.

use std::time::Duration;

use linchpin::{DateTime, Result, flow::BoxFuture};
use linchpin_runtime::{Failure, Lease};
use rusqlite::OptionalExtension;

use super::{Sqlite, due, hook, json, one, read};
use crate::store::{
    Change, Connection, ConnectionStore, Filter, GrantRow, NewGrant, Ping, Renewed, Revocation, State,
    connection::{CONNECTION, GRANT, columns, ended, name_taken, to_change, to_connection, to_grant},
    millis,
    revocation::REVOCATION,
    span,
};

fn add_change(connection: &rusqlite::Connection, id: &str, change: &Change) -> rusqlite::Result<()> {
    connection
        .prepare_cached("insert into change (connection, state, at, reason) values (?1, ?2, ?3, ?4)")?
        .execute((id, change.state.as_str(), change.at.unix_millis(), &change.reason))?;
    Ok(())
}

impl ConnectionStore for Sqlite {
    fn connection_add(&self, new: Connection, grant: Option<NewGrant>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (tenant, name) = (new.tenant.clone(), new.name.clone());
            let added = self.write(move |connection| {
                let (account, label) = new.identity.map(|account| (account.id, account.label)).unzip();
                let (sealed, expires, keep_alive) = columns(grant);
                let sql = format!(
                    "insert into connection ({CONNECTION}, tokens, expires, keep_alive, generation)
                    values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?16 is not null)
                    on conflict (tenant, name) do nothing"
                );
                let mut statement = connection.prepare_cached(&sql)?;
                let added = statement.execute(rusqlite::params![
                    new.id,
                    new.tenant,
                    new.name,
                    new.connector,
                    new.method,
                    new.owner,
                    new.fields.0,
                    json(&new.scopes)?,
                    account,
                    label,
                    new.state.as_str(),
                    new.since.unix_millis(),
                    new.created.unix_millis(),
                    new.ping.as_ref().map(json).transpose()?,
                    millis(new.next_ping),
                    sealed,
                    expires,
                    keep_alive,
                ])?;
                Ok(one(added))
            });
            if added.await? { Ok(()) } else { Err(name_taken(&tenant, &name)) }
        })
    }

    fn connection(&self, id: &str) -> BoxFuture<'_, Result<Option<Connection>>> {
        let id = id.to_owned();
        self.read(move |connection| {
            let sql = format!("select {CONNECTION} from connection where id = ?1");
            connection.prepare_cached(&sql)?.query_row([id], read(to_connection)).optional()
        })
    }

    fn connection_named(&self, tenant: &str, name: &str) -> BoxFuture<'_, Result<Option<Connection>>> {
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        self.read(move |connection| {
            let sql = format!("select {CONNECTION} from connection where tenant = ?1 and name = ?2");
            connection.prepare_cached(&sql)?.query_row([tenant, name], read(to_connection)).optional()
        })
    }

    fn connections(&self, which: Filter) -> BoxFuture<'_, Result<Vec<Connection>>> {
        self.read(move |connection| {
            let sql = format!(
                "select {CONNECTION} from connection
                where (?1 is null or tenant = ?1) and (?2 is null or connector = ?2) and (?3 is null or owner = ?3)
                    and (?4 is null or state = ?4) and (?5 is null or account = ?5)
                order by tenant, name"
            );
            let Filter { tenant, connector, owner, state, account } = which;
            connection
                .prepare_cached(&sql)?
                .query_map((tenant, connector, owner, state.map(State::as_str), account), read(to_connection))?
                .collect()
        })
    }

    fn connection_move(&self, id: &str, change: Change) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.write(move |connection| {
            let moved = connection
                .prepare_cached("update connection set state = ?2, since = ?3 where id = ?1 and state <> ?2")?
                .execute((&id, change.state.as_str(), change.at.unix_millis()))?;
            if one(moved) {
                add_change(connection, &id, &change)?;
            }
            Ok(one(moved))
        })
    }

    fn history(&self, id: &str) -> BoxFuture<'_, Result<Vec<Change>>> {
        let id = id.to_owned();
        self.read(move |connection| {
            connection
                .prepare_cached("select state, at, reason from change where connection = ?1 order by number")?
                .query_map([id], read(to_change))?
                .collect()
        })
    }

    fn connection_pinged(&self, id: &str, ping: Ping, next: Option<DateTime>) -> BoxFuture<'_, Result<()>> {
        let id = id.to_owned();
        self.write(move |connection| {
            let text = json(&ping)?;
            let scopes = if ping.scopes.is_empty() { None } else { Some(json(&ping.scopes)?) };
            let (account, label) = ping.account.map(|account| (account.id, account.label)).unzip();
            connection
                .prepare_cached(
                    "update connection set ping = ?2, next_ping = ?3, scopes = coalesce(?4, scopes),
                        account = coalesce(?5, account), account_label = coalesce(?6, account_label)
                    where id = ?1",
                )?
                .execute((id, text, millis(next), scopes, account, label))?;
            Ok(())
        })
    }

    fn pings_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Connection>>> {
        self.write(move |connection| {
            let sql = format!(
                "update connection set next_ping = ?2 where id in (
                    select id from connection where next_ping <= ?1 and state <> 'revoked' order by next_ping limit ?3
                ) returning {CONNECTION}"
            );
            due(connection, &sql, (now, until, most), to_connection)
        })
    }

    fn connection_renew(
        &self,
        id: &str,
        renewed: Renewed,
        grant: Option<NewGrant>,
    ) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.forget(move |connection| {
            let Renewed { method, fields, scopes, change } = renewed;
            let (sealed, expires, keep_alive) = columns(grant);
            let found = connection
                .prepare_cached(
                    "update connection set method = ?2, fields = ?3, scopes = ?4,
                        since = iif(state = ?5, since, ?6), state = ?5,
                        generation = generation + 1, tokens = ?7, expires = ?8, keep_alive = ?9,
                        dead = null, failures = 0, retry_at = null, holder = null, held_until = null
                    where id = ?1",
                )?
                .execute((
                    &id,
                    method,
                    fields.0,
                    json(&scopes)?,
                    change.state.as_str(),
                    change.at.unix_millis(),
                    sealed,
                    expires,
                    keep_alive,
                ))?;
            if one(found) {
                add_change(connection, &id, &change)?;
            }
            Ok(one(found))
        })
    }

    fn connection_remove(&self, id: &str, left: Option<Revocation>) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.forget(move |connection| {
            let gone = connection.prepare_cached("delete from connection where id = ?1")?.execute([&id])?;
            connection
                .prepare_cached("delete from cell where substr(name, 1, length(?1)) = ?1")?
                .execute([format!("connection/{id}/")])?;
            connection.prepare_cached(hook::GONE)?.execute([&id])?;
            if let Some(left) = left.filter(|_| one(gone)) {
                let sql = format!(
                    "insert into revocation ({REVOCATION}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
                );
                connection.prepare_cached(&sql)?.execute((
                    left.id,
                    left.connection,
                    left.tenant,
                    left.name,
                    left.connector,
                    left.method,
                    left.sealed.0,
                    left.created.unix_millis(),
                    left.attempts,
                    left.last.as_ref().map(json).transpose()?,
                    millis(left.next),
                ))?;
            }
            Ok(one(gone))
        })
    }

    fn grant(&self, id: &str) -> BoxFuture<'_, Result<Option<GrantRow>>> {
        let id = id.to_owned();
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "select {GRANT} from connection where id = ?1 and tokens is not null"
                ))?
                .query_row([id], read(to_grant))
                .optional()
        })
    }

    fn grant_lease(
        &self,
        id: &str,
        generation: u64,
        holder: &str,
        time: Duration,
    ) -> BoxFuture<'_, Result<Lease>> {
        let (id, holder, clock) = (id.to_owned(), holder.to_owned(), self.clock.clone());
        self.write(move |connection| {
            let held: Option<Option<i64>> = connection
                .prepare_cached(
                    "select held_until from connection
                    where id = ?1 and generation = ?2 and tokens is not null and dead is null",
                )?
                .query_row((&id, generation), |row| row.get(0))
                .optional()?;
            let Some(held) = held else { return Ok(Lease::Moved) };
            let now = clock();
            if let Some(left) =
                held.and_then(|until| u64::try_from(until - now).ok()).filter(|&left| left > 0)
            {
                return Ok(Lease::Held(Duration::from_millis(left)));
            }
            connection
                .prepare_cached("update connection set holder = ?2, held_until = ?3 where id = ?1")?
                .execute((&id, holder, now.saturating_add(span(time))))?;
            Ok(Lease::Taken { abandoned: held.is_some() })
        })
    }

    fn grant_swap(&self, id: &str, generation: u64, grant: NewGrant) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.forget(move |connection| {
            let swapped = connection
                .prepare_cached(
                    "update connection set generation = generation + 1, tokens = ?3, expires = ?4, keep_alive = ?5,
                        dead = null, failures = 0, retry_at = null, holder = null, held_until = null
                    where id = ?1 and generation = ?2 and tokens is not null",
                )?
                .execute((id, generation, grant.sealed.0, millis(grant.expires), millis(grant.keep_alive)))?;
            Ok(one(swapped))
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
        self.write(move |connection| {
            let (dead, retry_at) = ended(failure);
            let ended = connection
                .prepare_cached(
                    "update connection set failures = failures + 1, dead = ?4, retry_at = coalesce(?5, retry_at),
                        holder = null, held_until = null
                    where id = ?1 and generation = ?2 and holder = ?3",
                )?
                .execute((id, generation, holder, dead, retry_at))?;
            Ok(one(ended))
        })
    }

    fn keep_alives_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Connection>>> {
        self.write(move |connection| {
            let sql = format!(
                "update connection set keep_alive = ?2 where id in (
                    select id from connection where keep_alive <= ?1 and dead is null and state <> 'revoked'
                    order by keep_alive limit ?3
                ) returning {CONNECTION}"
            );
            due(connection, &sql, (now, until, most), to_connection)
        })
    }
}
