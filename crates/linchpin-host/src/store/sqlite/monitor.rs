//! Monitors in one file.

use linchpin::{DateTime, Result, flow::BoxFuture};
use rusqlite::{OptionalExtension, params};

use super::{Sqlite, inbox, json, one, read};
use crate::store::{
    Claim, Commit, Committed, FailedLook, Monitor, MonitorFilter, MonitorStore, NewMonitor, Seen,
    Subscription, count, millis,
    monitor::LONGEST_STAND,
    row::{MONITOR, to_monitor, to_seen, to_subscription, to_time_if_any},
    span,
};

/// The tables. A connection that cannot be used pauses its monitors, and takes them along when it goes.
pub(super) const MIGRATION: &str = "
    create table monitor (
        id text primary key,
        connection text not null references connection on delete cascade,
        flow text not null,
        options text not null,
        options_hash text not null,
        created integer not null,
        cursor text,
        cursor_at integer,
        started integer not null default 0,
        generation integer not null default 1,
        due integer,
        held_until integer,
        paused integer not null default 0,
        stopped integer not null default 0,
        failures integer not null default 0,
        problem text,
        last_run integer,
        last_found integer not null default 0,
        unique (connection, flow, options_hash)
    ) strict;
    create index monitor_due on monitor (due) where due is not null and not paused;

    create table subscription (
        monitor text not null references monitor on delete cascade,
        name text not null,
        wants text not null,
        primary key (monitor, name)
    ) strict, without rowid;

    create table ledger (
        scope text not null,
        key text not null,
        owner text not null,
        at integer not null,
        primary key (scope, key)
    ) strict, without rowid;
    create index ledger_at on ledger (scope, at);

    create trigger monitor_pause after update of state on connection
    begin update monitor set paused = new.state in ('revoked', 'needs_reauthorization') where connection = new.id; end;
    create trigger monitor_ledger after delete on monitor
    begin delete from ledger where scope = old.id; end;
    create trigger connection_ledger after delete on connection
    begin delete from ledger where scope > old.id || '/' and scope < old.id || '0'; end;
    ";

/// What was not seen since the last reading, and for so long before it, is forgotten.
pub(super) const READINGS: &str = "
    alter table monitor add column reading_since integer;
    alter table monitor add column read_since integer not null default 0;
    -- Of what is there nobody knows whether a reading is under way, nor since when.
    update monitor set reading_since = created, read_since = created;
    ";

const FORGET: &str = "delete from ledger where scope = ?1 and at < ?2";

/// The same, as a delivery does it: what a reading of one of the monitors may still show is spared, but not for ever.
const FORGET_BESIDE: &str = "
    delete from ledger where scope = ?1 and at < -?5 + max(
        ?2 - ?6,
        min(?2, coalesce((select min(read_since) from monitor where connection = ?3 and flow = ?4), ?2))
    )";

/// Deliveries wake monitors.
pub(super) const WAKES: &str = "alter table monitor add column wakes integer not null default 0;";

fn with_subscriptions(
    connection: &rusqlite::Connection,
    monitors: Vec<Monitor>,
) -> rusqlite::Result<Vec<Monitor>> {
    let sql = "select wants from subscription where monitor = ?1 order by name";
    let mut statement = connection.prepare_cached(sql)?;
    let each = monitors.into_iter().map(|mut monitor| {
        monitor.subscriptions =
            statement.query_map([&monitor.id], read(to_subscription))?.collect::<Result<_, _>>()?;
        Ok(monitor)
    });
    each.collect()
}

fn find(connection: &rusqlite::Connection, id: &str) -> rusqlite::Result<Option<Monitor>> {
    let sql =
        format!("select {MONITOR} from monitor m join connection c on c.id = m.connection where m.id = ?1");
    let found = connection.prepare_cached(&sql)?.query_row([id], read(to_monitor)).optional()?;
    Ok(with_subscriptions(connection, found.into_iter().collect())?.pop())
}

fn find_all(connection: &rusqlite::Connection, ids: &[String]) -> rusqlite::Result<Vec<Monitor>> {
    let found = ids.iter().map(|id| find(connection, id));
    Ok(found.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

impl MonitorStore for Sqlite {
    fn monitor_on(&self, new: NewMonitor, subscription: Subscription) -> BoxFuture<'_, Result<Monitor>> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "insert into monitor (id, connection, flow, options, options_hash, created, read_since, paused)
                    select ?1, id, ?3, ?4, ?5, ?6, ?6, state in ('revoked', 'needs_reauthorization') from connection where id = ?2
                    on conflict (connection, flow, options_hash) do nothing",
                )?
                .execute((
                    &new.id,
                    &new.connection,
                    &new.flow,
                    &new.options,
                    &new.options_hash,
                    new.now.unix_millis(),
                ))?;
            let id: String = connection
                .prepare_cached("select id from monitor where connection = ?1 and flow = ?2 and options_hash = ?3")?
                .query_row((&new.connection, &new.flow, &new.options_hash), |row| row.get(0))?;
            connection
                .prepare_cached(
                    "insert into subscription (monitor, name, wants) values (?1, ?2, ?3)
                    on conflict (monitor, name) do update set wants = excluded.wants",
                )?
                .execute((&id, &subscription.name, json(&subscription)?))?;
            // One that stands still does so until it is reset.
            connection
                .prepare_cached("update monitor set due = max(?2, coalesce(held_until, 0)) where id = ?1 and not stopped")?
                .execute((&id, new.now.unix_millis()))?;
            find(connection, &id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
        })
    }

    fn monitor_off(&self, id: &str, subscription: &str) -> BoxFuture<'_, Result<bool>> {
        let (id, subscription) = (id.to_owned(), subscription.to_owned());
        self.write(move |connection| {
            let gone = connection
                .prepare_cached("delete from subscription where monitor = ?1 and name = ?2")?
                .execute((&id, subscription))?;
            connection
                .prepare_cached(
                    "update monitor set due = null where id = ?1 and not exists (select * from subscription where monitor = ?1)",
                )?
                .execute([id])?;
            Ok(one(gone))
        })
    }

    fn monitor_remove(&self, id: &str) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.forget(move |connection| {
            Ok(one(connection.prepare_cached("delete from monitor where id = ?1")?.execute([id])?))
        })
    }

    fn monitor(&self, id: &str) -> BoxFuture<'_, Result<Option<Monitor>>> {
        let id = id.to_owned();
        self.read(move |connection| find(connection, &id))
    }

    fn monitors(&self, which: MonitorFilter) -> BoxFuture<'_, Result<Vec<Monitor>>> {
        self.read(move |connection| {
            let sql = format!(
                "select {MONITOR} from monitor m join connection c on c.id = m.connection
                where (?1 is null or c.tenant = ?1) and (?2 is null or c.id = ?2) and (?3 is null or m.flow = ?3)
                    and (?4 is null or m.options_hash = ?4)
                order by c.tenant, c.name, m.flow, m.options_hash"
            );
            let MonitorFilter { tenant, connection: of, flow, options_hash } = which;
            let found = connection
                .prepare_cached(&sql)?
                .query_map((tenant, of, flow, options_hash), read(to_monitor))?
                .collect::<Result<_, _>>()?;
            with_subscriptions(connection, found)
        })
    }

    fn monitors_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Monitor>>> {
        self.write(move |connection| {
            let ids: Vec<String> = connection
                .prepare_cached(
                    "update monitor set due = ?2, held_until = ?2 where id in (
                        select id from monitor where due <= ?1 and not paused order by due limit ?3
                    ) returning id",
                )?
                .query_map((now.unix_millis(), until.unix_millis(), count(most)), |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            find_all(connection, &ids)
        })
    }

    fn monitor_claim(
        &self,
        id: &str,
        now: DateTime,
        until: DateTime,
    ) -> BoxFuture<'_, Result<Option<Monitor>>> {
        let id = id.to_owned();
        self.write(move |connection| {
            // What has nothing due gets nothing due: it would be looked at when the claim runs out.
            let claimed = connection
                .prepare_cached(
                    "update monitor set due = iif(due is null, null, ?3), held_until = ?3
                    where id = ?1 and not paused and coalesce(held_until, 0) <= ?2",
                )?
                .execute((&id, now.unix_millis(), until.unix_millis()))?;
            if one(claimed) { find(connection, &id) } else { Ok(None) }
        })
    }

    fn monitor_wake(&self, id: &str, now: DateTime, at: DateTime) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.write(move |connection| {
            let woken = connection
                .prepare_cached(
                    "update monitor set wakes = wakes + 1,
                        due = iif(failures > 0 or coalesce(held_until, 0) > ?2, due, min(due, ?3))
                    where id = ?1 and due is not null",
                )?
                .execute((id, now.unix_millis(), at.unix_millis()))?;
            Ok(one(woken))
        })
    }

    fn monitor_next(&self) -> BoxFuture<'_, Result<Option<DateTime>>> {
        self.read(move |connection| {
            let sql = "select min(due) from monitor where due is not null and not paused";
            connection.prepare_cached(sql)?.query_row((), read(to_time_if_any))
        })
    }

    fn seen(&self, scope: &str, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Seen>>> {
        let scope = scope.to_owned();
        self.read(move |connection| {
            let sql = "select key, owner, at from ledger where scope = ?1 and key = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let found = keys
                .into_iter()
                .map(|key| statement.query_row((&scope, key), read(to_seen)).optional())
                .collect::<Result<Vec<_>, _>>()?;
            Ok(found.into_iter().flatten().collect())
        })
    }

    fn seen_claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<bool>>> {
        self.write(move |connection| {
            let Claim { scope, keys, owner, at, connection: of, flow, keep } = claim;
            connection.prepare_cached(FORGET_BESIDE)?.execute((
                &scope,
                at.unix_millis(),
                of,
                flow,
                span(keep),
                span(LONGEST_STAND),
            ))?;
            let mut claim = connection.prepare_cached(
                "insert into ledger (scope, key, owner, at) values (?1, ?2, ?3, ?4)
                on conflict (scope, key) do update
                    set at = max(at, excluded.at), owner = iif(owner = '', excluded.owner, owner)
                returning owner",
            )?;
            let claimed = keys.iter().map(|key| {
                let has: String =
                    claim.query_row((&scope, key, &owner, at.unix_millis()), |row| row.get(0))?;
                Ok(has == owner)
            });
            claimed.collect()
        })
    }

    fn monitor_commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed>> {
        self.write(move |connection| {
            let at = commit.at.unix_millis();
            let there: Option<u64> = connection
                .prepare_cached("select generation from monitor where id = ?1")?
                .query_row([&commit.id], |row| row.get(0))
                .optional()?;
            if there != Some(commit.generation) {
                return Ok(Committed::Moved);
            }
            // Before anything is written: a job that succeeds is not undone.
            let mut known =
                connection.prepare_cached("select exists (select * from ledger where scope = ?1 and key = ?2)")?;
            for key in &commit.new {
                if known.query_row((&commit.scope, key), |row| row.get(0))? {
                    return Ok(Committed::Overtaken);
                }
            }
            let mut add =
                connection.prepare_cached("insert into ledger (scope, key, owner, at) values (?1, ?2, ?3, ?4)")?;
            for key in &commit.new {
                add.execute((&commit.scope, key, &commit.id, at))?;
            }
            let mut pass = connection.prepare_cached(
                "insert into ledger (scope, key, owner, at) values (?1, ?2, '', ?3) on conflict (scope, key) do nothing",
            )?;
            for key in &commit.passed {
                pass.execute((&commit.scope, key, at))?;
            }
            let mut again = connection
                .prepare_cached("update ledger set at = max(at, ?3) where scope = ?1 and key = ?2")?;
            for key in &commit.again {
                again.execute((&commit.scope, key, at))?;
            }
            connection.prepare_cached(FORGET)?.execute((&commit.scope, commit.forget_before.unix_millis()))?;
            let kept: u64 = match commit.new.is_empty() && commit.passed.is_empty() {
                true => 0,
                false => connection
                    .prepare_cached("select count(*) from ledger where scope = ?1")?
                    .query_row([&commit.scope], |row| row.get(0))?,
            };
            if kept > commit.most_keys {
                connection
                    .prepare_cached(
                        "delete from ledger where scope = ?1 and key in (
                            select key from ledger where scope = ?1 and at < ?2 order by at limit ?3
                        )",
                    )?
                    .execute((&commit.scope, at, kept - commit.most_keys))?;
            }
            inbox::insert(connection, &commit.entries, None)?;
            connection
                .prepare_cached(
                    "update monitor set cursor = ?2, cursor_at = ?3, started = ?4, generation = generation + 1,
                        reading_since = ?10, read_since = ?11,
                        due = iif(
                            exists (select * from subscription where monitor = ?1),
                            iif(wakes <> ?8 and ?9 is not null, min(coalesce(?5, ?9), ?9), ?5),
                            null
                        ),
                        held_until = null, failures = iif(?6 is null, 0, failures + 1), problem = ?6, stopped = 0, last_run = ?3, last_found = ?7
                    where id = ?1",
                )?
                .execute(params![
                    commit.id,
                    commit.cursor,
                    at,
                    commit.started,
                    millis(commit.next),
                    commit.problem.as_ref().map(json).transpose()?,
                    commit.found,
                    commit.wakes,
                    millis(commit.woken_next),
                    millis(commit.reading_since),
                    commit.read_since.unix_millis(),
                ])?;
            Ok(Committed::Done)
        })
    }

    fn monitor_failed(&self, failed: FailedLook) -> BoxFuture<'_, Result<bool>> {
        self.write(move |connection| {
            let noted = connection
                .prepare_cached(
                    "update monitor set failures = failures + 1, problem = ?3, last_run = ?4, last_found = 0, held_until = null,
                        stopped = ?5 is null,
                        due = iif(exists (select * from subscription where monitor = ?1), ?5, null)
                    where id = ?1 and generation = ?2",
                )?
                .execute((
                    failed.id,
                    failed.generation,
                    json(&failed.problem)?,
                    failed.at.unix_millis(),
                    millis(failed.next),
                ))?;
            Ok(one(noted))
        })
    }

    fn monitor_reset(&self, id: &str, cursor: Option<String>, now: DateTime) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.forget(move |connection| {
            let reset = connection
                .prepare_cached(
                    "update monitor set cursor = ?2, cursor_at = iif(?2 is null, null, ?3), started = ?2 is not null,
                        reading_since = null, generation = generation + 1, failures = 0, problem = null, stopped = 0, held_until = null,
                        due = iif(exists (select * from subscription where monitor = ?1), ?3, null)
                    where id = ?1",
                )?
                .execute((id, cursor, now.unix_millis()))?;
            Ok(one(reset))
        })
    }
}
