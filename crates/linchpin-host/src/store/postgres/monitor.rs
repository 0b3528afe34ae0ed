//! Monitors on a server.

use std::collections::{BTreeMap, BTreeSet};

use linchpin::{DateTime, Result, flow::BoxFuture};

use super::{Postgres, inbox, json, signed};
use crate::store::{
    Claim, Commit, Committed, FailedLook, Monitor, MonitorFilter, MonitorStore, NewMonitor, Seen,
    Subscription, count, millis,
    monitor::LONGEST_STAND,
    row::{MONITOR, to_monitor, to_seen, to_subscription, to_time_if_any},
    span,
};

/// The tables. A connection that cannot be used pauses its monitors, and takes them along when it goes.
pub(super) const MIGRATION: &str = r#"
    create table linchpin_monitor (
        id text collate "C" primary key,
        connection text collate "C" not null references linchpin_connection on delete cascade,
        flow text collate "C" not null,
        options text not null,
        options_hash text collate "C" not null,
        created bigint not null,
        cursor text,
        cursor_at bigint,
        started bigint not null default 0,
        generation bigint not null default 1,
        due bigint,
        held_until bigint,
        paused bigint not null default 0,
        stopped bigint not null default 0,
        failures bigint not null default 0,
        problem text,
        last_run bigint,
        last_found bigint not null default 0,
        unique (connection, flow, options_hash)
    );
    create index on linchpin_monitor (due) where due is not null and paused = 0;

    create table linchpin_subscription (
        monitor text collate "C" not null references linchpin_monitor on delete cascade,
        name text collate "C" not null,
        wants text not null,
        primary key (monitor, name)
    );

    create table linchpin_ledger (
        scope text collate "C" not null,
        key text collate "C" not null,
        owner text not null,
        at bigint not null,
        primary key (scope, key)
    );
    create index on linchpin_ledger (scope, at);

    create function linchpin_pause_monitors() returns trigger language plpgsql as $$
    begin
        update linchpin_monitor
        set paused = case when new.state in ('revoked', 'needs_reauthorization') then 1 else 0 end
        where connection = new.id;
        return null;
    end $$;
    create trigger linchpin_monitor_pause after update of state on linchpin_connection
        for each row execute function linchpin_pause_monitors();

    create function linchpin_drop_ledger() returns trigger language plpgsql as $$
    begin
        delete from linchpin_ledger
        where scope = old.id or (scope > old.id || '/' and scope < old.id || '0');
        return null;
    end $$;
    create trigger linchpin_monitor_ledger after delete on linchpin_monitor
        for each row execute function linchpin_drop_ledger();
    create trigger linchpin_connection_ledger after delete on linchpin_connection
        for each row execute function linchpin_drop_ledger();
    "#;

/// What was not seen since the last reading, and for so long before it, is forgotten.
pub(super) const READINGS: &str = "
    alter table linchpin_monitor add column reading_since bigint;
    alter table linchpin_monitor add column read_since bigint not null default 0;
    -- Of what is there nobody knows whether a reading is under way, nor since when.
    update linchpin_monitor set reading_since = created, read_since = created;
    ";

const FORGET: &str = "delete from linchpin_ledger where scope = $1 and at < $2";

/// The same, as a delivery does it: what a reading of one of the monitors may still show is spared, but not for ever.
const FORGET_BESIDE: &str = "
    delete from linchpin_ledger where scope = $1 and at < -$5::bigint + greatest(
        $2::bigint - $6::bigint,
        least($2::bigint, (select min(read_since) from linchpin_monitor where connection = $3 and flow = $4))
    )";

/// Deliveries wake monitors.
pub(super) const WAKES: &str = "alter table linchpin_monitor add column wakes bigint not null default 0";

/// Whether a state keeps a connection's monitors from looking.
const PAUSED: &str = "case when state in ('revoked', 'needs_reauthorization') then 1 else 0 end";

impl Postgres {
    async fn monitors_where(&self, condition: &str, params: &[super::Param<'_>]) -> Result<Vec<Monitor>> {
        let sql = format!(
            "select {MONITOR} from linchpin_monitor m join linchpin_connection c on c.id = m.connection
            where {condition} order by c.tenant, c.name, m.flow, m.options_hash"
        );
        let mut monitors = self.read_all(&self.rows(&sql, params).await?, to_monitor)?;
        let ids: Vec<&str> = monitors.iter().map(|monitor| monitor.id.as_str()).collect();
        let sql =
            "select wants, monitor from linchpin_subscription where monitor = any($1) order by monitor, name";
        let mut wanted: BTreeMap<String, Vec<Subscription>> = BTreeMap::new();
        for row in self.rows(sql, &[&ids]).await? {
            let monitor: String = row.try_get(1).map_err(|error| self.failed(&error))?;
            wanted.entry(monitor).or_default().push(self.read(&row, to_subscription)?);
        }
        for monitor in &mut monitors {
            monitor.subscriptions = wanted.remove(&monitor.id).unwrap_or_default();
        }
        Ok(monitors)
    }
}

impl MonitorStore for Postgres {
    fn monitor_on(&self, new: NewMonitor, subscription: Subscription) -> BoxFuture<'_, Result<Monitor>> {
        Box::pin(async move {
            let wants = json(&subscription)?;
            let add = format!(
                "insert into linchpin_monitor (id, connection, flow, options, options_hash, created, read_since, paused)
                select $1, id, $3, $4, $5, $6, $6, {PAUSED} from linchpin_connection where id = $2
                on conflict (connection, flow, options_hash) do nothing"
            );
            let now = new.now.unix_millis();
            let mut client = self.client().await?;
            let id: Result<String, tokio_postgres::Error> = async {
                let step = client.transaction().await?;
                step.execute(
                    &step.prepare_cached(&add).await?,
                    &[&new.id, &new.connection, &new.flow, &new.options, &new.options_hash, &now],
                )
                .await?;
                let find = "select id from linchpin_monitor where connection = $1 and flow = $2 and options_hash = $3 for update";
                let id: String =
                    step.query_one(find, &[&new.connection, &new.flow, &new.options_hash]).await?.try_get(0)?;
                let put = "insert into linchpin_subscription (monitor, name, wants) values ($1, $2, $3)
                    on conflict (monitor, name) do update set wants = excluded.wants";
                step.execute(put, &[&id, &subscription.name, &wants]).await?;
                // One that stands still does so until it is reset.
                let due = "update linchpin_monitor set due = greatest($2, coalesce(held_until, 0))
                    where id = $1 and stopped = 0";
                step.execute(due, &[&id, &now]).await?;
                step.commit().await?;
                Ok(id)
            }
            .await;
            let id = id.map_err(|error| self.failed(&error))?;
            let found = self.monitor(&id).await?;
            found.ok_or_else(|| {
                linchpin::Error::coded(linchpin::Code::StoreFailed, "the monitor was taken away at once")
            })
        })
    }

    fn monitor_off(&self, id: &str, subscription: &str) -> BoxFuture<'_, Result<bool>> {
        let (id, subscription) = (id.to_owned(), subscription.to_owned());
        Box::pin(async move {
            let mut client = self.client().await?;
            let gone: Result<u64, tokio_postgres::Error> = async {
                let step = client.transaction().await?;
                // Whoever adds a subscription at the same time waits.
                step.execute("select from linchpin_monitor where id = $1 for update", &[&id]).await?;
                let gone = step
                    .execute(
                        "delete from linchpin_subscription where monitor = $1 and name = $2",
                        &[&id, &subscription],
                    )
                    .await?;
                let rest = "update linchpin_monitor set due = null
                    where id = $1 and not exists (select from linchpin_subscription where monitor = $1)";
                step.execute(rest, &[&id]).await?;
                step.commit().await?;
                Ok(gone)
            }
            .await;
            Ok(gone.map_err(|error| self.failed(&error))? == 1)
        })
    }

    fn monitor_remove(&self, id: &str) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        Box::pin(
            async move { Ok(self.change("delete from linchpin_monitor where id = $1", &[&id]).await? == 1) },
        )
    }

    fn monitor(&self, id: &str) -> BoxFuture<'_, Result<Option<Monitor>>> {
        let id = id.to_owned();
        Box::pin(async move { Ok(self.monitors_where("m.id = $1", &[&id]).await?.pop()) })
    }

    fn monitors(&self, which: MonitorFilter) -> BoxFuture<'_, Result<Vec<Monitor>>> {
        Box::pin(async move {
            let MonitorFilter { tenant, connection, flow, options_hash } = which;
            let condition = "($1::text is null or c.tenant = $1) and ($2::text is null or c.id = $2)
                and ($3::text is null or m.flow = $3) and ($4::text is null or m.options_hash = $4)";
            self.monitors_where(condition, &[&tenant, &connection, &flow, &options_hash]).await
        })
    }

    fn monitors_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Monitor>>> {
        Box::pin(async move {
            let sql = "with due as materialized (
                    select id as due_id from linchpin_monitor where due <= $1 and paused = 0
                    order by due limit $3 for update skip locked
                )
                update linchpin_monitor set due = $2, held_until = $2 from due where id = due_id returning id";
            let rows = self.rows(sql, &[&now.unix_millis(), &until.unix_millis(), &count(most)]).await?;
            if rows.is_empty() {
                return Ok(Vec::new());
            }
            let ids: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
            self.monitors_where("m.id = any($1)", &[&ids.map_err(|error| self.failed(&error))?]).await
        })
    }

    fn monitor_claim(
        &self,
        id: &str,
        now: DateTime,
        until: DateTime,
    ) -> BoxFuture<'_, Result<Option<Monitor>>> {
        let id = id.to_owned();
        Box::pin(async move {
            // What has nothing due gets nothing due: it would be looked at when the claim runs out.
            let sql = "update linchpin_monitor set due = case when due is null then null else $3::bigint end, held_until = $3
                where id = $1 and paused = 0 and coalesce(held_until, 0) <= $2";
            match self.change(sql, &[&id, &now.unix_millis(), &until.unix_millis()]).await? {
                1 => self.monitor(&id).await,
                _ => Ok(None),
            }
        })
    }

    fn monitor_wake(&self, id: &str, now: DateTime, at: DateTime) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        Box::pin(async move {
            let sql = "update linchpin_monitor set wakes = wakes + 1,
                    due = case when failures > 0 or coalesce(held_until, 0) > $2 then due else least(due, $3) end
                where id = $1 and due is not null";
            Ok(self.change(sql, &[&id, &now.unix_millis(), &at.unix_millis()]).await? == 1)
        })
    }

    fn monitor_next(&self) -> BoxFuture<'_, Result<Option<DateTime>>> {
        Box::pin(async move {
            let sql = "select min(due) from linchpin_monitor where due is not null and paused = 0";
            let row = self.row(sql, &[]).await?;
            Ok(row.map(|row| self.read(&row, to_time_if_any)).transpose()?.flatten())
        })
    }

    fn seen(&self, scope: &str, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Seen>>> {
        let scope = scope.to_owned();
        Box::pin(async move {
            let sql = "select key, owner, at from linchpin_ledger where scope = $1 and key = any($2)";
            self.read_all(&self.rows(sql, &[&scope, &keys]).await?, to_seen)
        })
    }

    fn seen_claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<bool>>> {
        Box::pin(async move {
            let Claim { scope, keys, owner, at, connection, flow, keep } = claim;
            // In order, so that two who claim the same keys do not wait for each other.
            let each: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
            let each: Vec<&str> = each.into_iter().collect();
            let sql = "insert into linchpin_ledger as l (scope, key, owner, at)
                select $1, key, $3, $4 from unnest($2::text[]) as key
                on conflict (scope, key) do update set at = greatest(l.at, excluded.at),
                    owner = case l.owner when '' then excluded.owner else l.owner end
                returning key, owner, at";
            let at = at.unix_millis();
            self.change(FORGET_BESIDE, &[&scope, &at, &connection, &flow, &span(keep), &span(LONGEST_STAND)])
                .await?;
            let rows = self.rows(sql, &[&scope, &each, &owner, &at]).await?;
            let found = self.read_all(&rows, to_seen)?;
            let ours: BTreeSet<&str> =
                found.iter().filter(|seen| seen.owner == owner).map(|seen| seen.key.as_str()).collect();
            Ok(keys.iter().map(|key| ours.contains(key.as_str())).collect())
        })
    }

    fn monitor_commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed>> {
        Box::pin(async move {
            let problem = commit.problem.as_ref().map(json).transpose()?;
            let (at, found) = (commit.at.unix_millis(), signed(commit.found));
            let new: BTreeSet<&str> = commit.new.iter().map(String::as_str).collect();
            let new: Vec<&str> = new.into_iter().collect();
            let passed: BTreeSet<&str> = commit.passed.iter().map(String::as_str).collect();
            let passed: Vec<&str> = passed.into_iter().collect();
            let again: BTreeSet<&str> = commit.again.iter().map(String::as_str).collect();
            let again: Vec<&str> = again.into_iter().collect();
            let mut client = self.client().await?;
            let done: Result<Committed, tokio_postgres::Error> = async {
                let step = client.transaction().await?;
                let find = "select generation from linchpin_monitor where id = $1 for update";
                let there = step.query_opt(&step.prepare_cached(find).await?, &[&commit.id]).await?;
                let there: Option<i64> = there.map(|row| row.try_get(0)).transpose()?;
                if there != Some(signed(commit.generation)) {
                    return Ok(Committed::Moved);
                }
                let add = "insert into linchpin_ledger (scope, key, owner, at)
                    select $1, key, $3, $4 from unnest($2::text[]) as key on conflict (scope, key) do nothing";
                let add = step.prepare_cached(add).await?;
                let added = step.execute(&add, &[&commit.scope, &new, &commit.id, &at]).await?;
                if added != new.len() as u64 {
                    // Dropping the transaction undoes it.
                    return Ok(Committed::Overtaken);
                }
                if !passed.is_empty() {
                    let pass = "insert into linchpin_ledger (scope, key, owner, at)
                        select $1, key, '', $3 from unnest($2::text[]) as key on conflict (scope, key) do nothing";
                    step.execute(&step.prepare_cached(pass).await?, &[&commit.scope, &passed, &at]).await?;
                }
                if !again.is_empty() {
                    let touch =
                        "update linchpin_ledger set at = greatest(at, $3) where scope = $1 and key = any($2)";
                    step.execute(&step.prepare_cached(touch).await?, &[&commit.scope, &again, &at]).await?;
                }
                let before = commit.forget_before.unix_millis();
                step.execute(&step.prepare_cached(FORGET).await?, &[&commit.scope, &before]).await?;
                if !new.is_empty() || !passed.is_empty() {
                    let trim = "delete from linchpin_ledger where scope = $1 and key in (
                            select key from linchpin_ledger where scope = $1 and at < $2 order by at
                            limit greatest(0, (select count(*) from linchpin_ledger where scope = $1) - $3)
                        )";
                    let most = signed(commit.most_keys);
                    step.execute(&step.prepare_cached(trim).await?, &[&commit.scope, &at, &most]).await?;
                }
                if !commit.entries.is_empty() {
                    inbox::insert(&*step, &commit.entries, None).await?;
                }
                let moved = "update linchpin_monitor set cursor = $2, cursor_at = $3, started = $4, generation = generation + 1,
                        reading_since = $10, read_since = $11,
                        due = case when exists (select from linchpin_subscription where monitor = $1)
                            then case when wakes <> $8 then least($5::bigint, $9::bigint) else $5::bigint end
                        end,
                        held_until = null, failures = case when $6::text is null then 0 else failures + 1 end, problem = $6,
                        stopped = 0, last_run = $3, last_found = $7
                    where id = $1";
                step.execute(
                    &step.prepare_cached(moved).await?,
                    &[
                        &commit.id,
                        &commit.cursor,
                        &at,
                        &i64::from(commit.started),
                        &millis(commit.next),
                        &problem,
                        &found,
                        &signed(commit.wakes),
                        &millis(commit.woken_next),
                        &millis(commit.reading_since),
                        &commit.read_since.unix_millis(),
                    ],
                )
                .await?;
                step.commit().await?;
                Ok(Committed::Done)
            }
            .await;
            done.map_err(|error| self.failed(&error))
        })
    }

    fn monitor_failed(&self, failed: FailedLook) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let sql = "update linchpin_monitor set failures = failures + 1, problem = $3, last_run = $4, last_found = 0,
                    held_until = null, stopped = case when $5::bigint is null then 1 else 0 end,
                    due = case when exists (select from linchpin_subscription where monitor = $1) then $5::bigint end
                where id = $1 and generation = $2";
            let FailedLook { id, generation, problem, at, next } = failed;
            let noted = self
                .change(sql, &[&id, &signed(generation), &json(&problem)?, &at.unix_millis(), &millis(next)])
                .await?;
            Ok(noted == 1)
        })
    }

    fn monitor_reset(&self, id: &str, cursor: Option<String>, now: DateTime) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        Box::pin(async move {
            let sql = "update linchpin_monitor set cursor = $2, cursor_at = case when $2::text is null then null else $3::bigint end,
                    started = case when $2::text is null then 0 else 1 end, reading_since = null, generation = generation + 1, failures = 0,
                    problem = null, stopped = 0, held_until = null,
                    due = case when exists (select from linchpin_subscription where monitor = $1) then $3::bigint end
                where id = $1";
            Ok(self.change(sql, &[&id, &cursor, &now.unix_millis()]).await? == 1)
        })
    }
}
