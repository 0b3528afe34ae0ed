//! Connections and their grants on a PostgreSQL server.

use std::time::Duration;

use linchpin::{DateTime, Result, flow::BoxFuture};
use linchpin_runtime::{Failure, Lease};

use super::{NOW, Postgres, json, signed};
use crate::store::{
    Change, Connection, ConnectionStore, Filter, GrantRow, NewGrant, Ping, Renewed, Revocation, State,
    connection::{CONNECTION, GRANT, columns, ended, name_taken, to_change, to_connection, to_grant},
    millis,
    revocation::REVOCATION,
    span,
};

/// What goes with a connection, or is turned off.
const ALSO_GONE: &str =
    "cells as (delete from linchpin_cell where starts_with(name, 'connection/' || $1::text || '/')),
    hooks as (update linchpin_hook set stage = 'deregistering', next = null where connection = $1)";

impl ConnectionStore for Postgres {
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
            if added == 1 { Ok(()) } else { Err(name_taken(&new.tenant, &new.name)) }
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
                let until = now.saturating_add(span(time));
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
}
