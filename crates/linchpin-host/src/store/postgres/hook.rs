//! Hooks on a PostgreSQL server.

use linchpin::{DateTime, Result, flow::BoxFuture};

use super::{Postgres, count, millis, signed};
use crate::store::hook::{HOOK, Hook, HookFilter, HookStore, to_hook};

/// The schema: what was released is never changed.
pub(super) const MIGRATION: &str = r#"
    create table linchpin_hook (
        id text collate "C" primary key,
        tenant text not null,
        connection text not null,
        connector text not null,
        hook text not null,
        options text not null,
        token_hash bytea not null unique,
        sealed bytea not null,
        routing text,
        stage text not null,
        since bigint not null,
        created bigint not null,
        expires bigint,
        next bigint,
        held bigint,
        seen bigint,
        attempts bigint not null,
        problem_code text,
        problem text,
        version bigint not null
    );
    create index on linchpin_hook (connection);
    create index on linchpin_hook (connector, hook, routing) where routing is not null;
    create index on linchpin_hook (next) where next is not null;

    create trigger linchpin_sealed before insert or update of sealed on linchpin_hook
        for each row execute function linchpin_check_key('sealed');
"#;

/// So that those that are claimed, of which there are few, are found among many.
pub(super) const HELD: &str = "create index on linchpin_hook (held) where held is not null;";

/// Turns the hooks of a connection off.
const OFF: &str = "update linchpin_hook set stage = 'deregistering',
        since = case when stage = 'deregistering' then since else $2 end, next = null
    where connection = $1";

impl HookStore for Postgres {
    fn hook_add(&self, new: Hook) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            // A removal of the connection that goes on at the same time is waited for.
            let sql = format!(
                "with there as (
                    select id from linchpin_connection where id = $3 and state <> 'revoked' for share
                )
                insert into linchpin_hook ({HOOK})
                select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20 from there"
            );
            let (code, words) = new.problem.unzip();
            let added = self
                .change(
                    &sql,
                    &[
                        &new.id,
                        &new.tenant,
                        &new.connection,
                        &new.connector,
                        &new.hook,
                        &new.options,
                        &&new.token_hash[..],
                        &new.sealed.0,
                        &new.routing,
                        &new.stage.as_str(),
                        &new.since.unix_millis(),
                        &new.created.unix_millis(),
                        &millis(new.expires),
                        &millis(new.next),
                        &millis(new.held),
                        &millis(new.seen),
                        &i64::from(new.attempts),
                        &code,
                        &words,
                        &signed(new.version),
                    ],
                )
                .await?;
            Ok(added == 1)
        })
    }

    fn hook(&self, id: &str) -> BoxFuture<'_, Result<Option<Hook>>> {
        let id = id.to_owned();
        Box::pin(async move {
            let row = self.row(&format!("select {HOOK} from linchpin_hook where id = $1"), &[&id]).await?;
            row.map(|row| self.read(&row, to_hook)).transpose()
        })
    }

    fn hook_by_token(&self, hash: [u8; 32]) -> BoxFuture<'_, Result<Option<Hook>>> {
        Box::pin(async move {
            let sql = format!("select {HOOK} from linchpin_hook where token_hash = $1");
            let row = self.row(&sql, &[&&hash[..]]).await?;
            row.map(|row| self.read(&row, to_hook)).transpose()
        })
    }

    fn hooks(&self, which: HookFilter) -> BoxFuture<'_, Result<Vec<Hook>>> {
        Box::pin(async move {
            let sql = format!(
                "select {HOOK} from linchpin_hook
                where ($1::text is null or tenant = $1) and ($2::text is null or connection = $2)
                    and ($3::text is null or connector = $3) and ($4::text is null or hook = $4)
                    and ($5::text is null or routing = $5)
                order by created, id"
            );
            let HookFilter { tenant, connection, connector, hook, routing } = which;
            let rows = self.rows(&sql, &[&tenant, &connection, &connector, &hook, &routing]).await?;
            self.read_all(&rows, to_hook)
        })
    }

    fn hooks_due(&self, now: DateTime, until: DateTime, most: usize) -> BoxFuture<'_, Result<Vec<Hook>>> {
        Box::pin(async move {
            let sql = format!(
                "with due as materialized (
                    select id as due_id from linchpin_hook where next <= $1 and (held is null or held <= $1)
                    order by next limit $3 for update skip locked
                )
                update linchpin_hook set held = $2, version = version + 1 from due where id = due_id returning {HOOK}"
            );
            let rows = self.rows(&sql, &[&now.unix_millis(), &until.unix_millis(), &count(most)]).await?;
            self.read_all(&rows, to_hook)
        })
    }

    fn hook_claim(&self, id: &str, now: DateTime, until: DateTime) -> BoxFuture<'_, Result<Option<Hook>>> {
        let id = id.to_owned();
        Box::pin(async move {
            let sql = format!(
                "update linchpin_hook set held = $3, version = version + 1
                where id = $1 and (held is null or held <= $2) returning {HOOK}"
            );
            let row = self.row(&sql, &[&id, &now.unix_millis(), &until.unix_millis()]).await?;
            row.map(|row| self.read(&row, to_hook)).transpose()
        })
    }

    fn hook_put(&self, hook: Hook) -> BoxFuture<'_, Result<Option<Hook>>> {
        Box::pin(async move {
            let sql = format!(
                "update linchpin_hook set sealed = $3,
                    since = case when stage = 'deregistering' then since else $5 end,
                    next = case when stage = 'deregistering' and $4 <> 'deregistering' then next else $7 end,
                    stage = case when stage = 'deregistering' then stage else $4 end,
                    expires = $6, held = $8, seen = $9, attempts = $10, problem_code = $11, problem = $12,
                    version = version + 1
                where id = $1 and version = $2 returning {HOOK}"
            );
            let (code, words) = hook.problem.unzip();
            let row = self
                .row(
                    &sql,
                    &[
                        &hook.id,
                        &signed(hook.version),
                        &hook.sealed.0,
                        &hook.stage.as_str(),
                        &hook.since.unix_millis(),
                        &millis(hook.expires),
                        &millis(hook.next),
                        &millis(hook.held),
                        &millis(hook.seen),
                        &i64::from(hook.attempts),
                        &code,
                        &words,
                    ],
                )
                .await?;
            row.map(|row| self.read(&row, to_hook)).transpose()
        })
    }

    fn hook_route(&self, id: &str, routing: &str) -> BoxFuture<'_, Result<bool>> {
        let (id, routing) = (id.to_owned(), routing.to_owned());
        Box::pin(async move {
            let sql = "update linchpin_hook set routing = $2 where id = $1";
            Ok(self.change(sql, &[&id, &routing]).await? == 1)
        })
    }

    fn hook_off(&self, id: &str, now: DateTime) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        Box::pin(async move {
            self.change(
                "update linchpin_hook set stage = 'deregistering', since = $2, next = $2, attempts = 0,
                    problem_code = null, problem = null
                where id = $1 and stage <> 'deregistering'",
                &[&id, &now.unix_millis()],
            )
            .await?;
            Ok(self.row("select from linchpin_hook where id = $1", &[&id]).await?.is_some())
        })
    }

    fn hooks_off(&self, connection: &str, now: DateTime) -> BoxFuture<'_, Result<()>> {
        let connection = connection.to_owned();
        Box::pin(async move { self.change(OFF, &[&connection, &now.unix_millis()]).await.map(drop) })
    }

    fn hook_remove(&self, id: &str, version: u64) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        Box::pin(async move {
            let sql = "delete from linchpin_hook where id = $1 and version = $2";
            Ok(self.change(sql, &[&id, &signed(version)]).await? == 1)
        })
    }
}
