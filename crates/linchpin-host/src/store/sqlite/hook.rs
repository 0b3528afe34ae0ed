//! Hooks in SQLite.

use linchpin::{DateTime, Result, flow::BoxFuture};
use rusqlite::OptionalExtension;

use super::{Sqlite, due, one, read};
use crate::store::{
    hook::{HOOK, Hook, HookFilter, HookStore, to_hook},
    millis,
};

/// The schema: what was released is never changed.
pub(super) const MIGRATION: &str = "
    create table hook (
        id text primary key,
        tenant text not null,
        connection text not null,
        connector text not null,
        hook text not null,
        options text not null,
        token_hash blob not null unique,
        sealed blob not null,
        routing text,
        stage text not null,
        since integer not null,
        created integer not null,
        expires integer,
        next integer,
        held integer,
        seen integer,
        attempts integer not null,
        problem_code text,
        problem text,
        version integer not null
    ) strict;
    create index hook_connection on hook (connection);
    create index hook_routing on hook (connector, hook, routing) where routing is not null;
    create index hook_next on hook (next) where next is not null;

    create trigger hook_add_key before insert on hook
    when exists (select * from retired_key where id = substr(new.sealed, 2, 8))
    begin select raise(abort, 'the key was retired'); end;
    create trigger hook_key before update of sealed on hook
    when exists (select * from retired_key where id = substr(new.sealed, 2, 8))
    begin select raise(abort, 'the key was retired'); end;
";

/// So that those that are claimed, of which there are few, are found among many.
pub(super) const HELD: &str = "create index hook_held on hook (held) where held is not null;";

/// Turns the hooks of a connection that is gone off.
pub(super) const GONE: &str = "update hook set stage = 'deregistering', next = null where connection = ?1";

/// Turns the hooks of a connection off.
const OFF: &str =
    "update hook set stage = 'deregistering', since = iif(stage = 'deregistering', since, ?2), next = null
    where connection = ?1";

impl HookStore for Sqlite {
    fn hook_add(&self, new: Hook) -> BoxFuture<'_, Result<bool>> {
        self.write(move |connection| {
            let sql = format!(
                "insert into hook ({HOOK})
                select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20
                where exists (select * from connection where id = ?3 and state <> 'revoked')"
            );
            let (code, words) = new.problem.unzip();
            let added = connection.prepare_cached(&sql)?.execute(rusqlite::params![
                new.id,
                new.tenant,
                new.connection,
                new.connector,
                new.hook,
                new.options,
                new.token_hash,
                new.sealed.0,
                new.routing,
                new.stage.as_str(),
                new.since.unix_millis(),
                new.created.unix_millis(),
                millis(new.expires),
                millis(new.next),
                millis(new.held),
                millis(new.seen),
                new.attempts,
                code,
                words,
                new.version,
            ])?;
            Ok(one(added))
        })
    }

    fn hook(&self, id: &str) -> BoxFuture<'_, Result<Option<Hook>>> {
        let id = id.to_owned();
        self.read(move |connection| {
            let sql = format!("select {HOOK} from hook where id = ?1");
            connection.prepare_cached(&sql)?.query_row([id], read(to_hook)).optional()
        })
    }

    fn hook_by_token(&self, hash: [u8; 32]) -> BoxFuture<'_, Result<Option<Hook>>> {
        self.read(move |connection| {
            let sql = format!("select {HOOK} from hook where token_hash = ?1");
            connection.prepare_cached(&sql)?.query_row([hash], read(to_hook)).optional()
        })
    }

    fn hooks(&self, which: HookFilter) -> BoxFuture<'_, Result<Vec<Hook>>> {
        self.read(move |connection| {
            let sql = format!(
                "select {HOOK} from hook
                where (?1 is null or tenant = ?1) and (?2 is null or connection = ?2) and (?3 is null or connector = ?3)
                    and (?4 is null or hook = ?4) and (?5 is null or routing = ?5)
                order by created, id"
            );
            let HookFilter { tenant, connection: of, connector, hook, routing } = which;
            connection
                .prepare_cached(&sql)?
                .query_map((tenant, of, connector, hook, routing), read(to_hook))?
                .collect()
        })
    }

    fn hooks_due(&self, now: DateTime, until: DateTime, most: usize) -> BoxFuture<'_, Result<Vec<Hook>>> {
        self.write(move |connection| {
            let sql = format!(
                "update hook set held = ?2, version = version + 1 where id in (
                    select id from hook where next <= ?1 and (held is null or held <= ?1) order by next limit ?3
                ) returning {HOOK}"
            );
            due(connection, &sql, (now, until, most), to_hook)
        })
    }

    fn hook_claim(&self, id: &str, now: DateTime, until: DateTime) -> BoxFuture<'_, Result<Option<Hook>>> {
        let id = id.to_owned();
        self.write(move |connection| {
            let sql = format!(
                "update hook set held = ?3, version = version + 1 where id = ?1 and (held is null or held <= ?2)
                returning {HOOK}"
            );
            connection
                .prepare_cached(&sql)?
                .query_row((id, now.unix_millis(), until.unix_millis()), read(to_hook))
                .optional()
        })
    }

    fn hook_put(&self, hook: Hook) -> BoxFuture<'_, Result<Option<Hook>>> {
        self.forget(move |connection| {
            let sql = format!(
                "update hook set sealed = ?3,
                    since = iif(stage = 'deregistering', since, ?5),
                    next = iif(stage = 'deregistering' and ?4 <> 'deregistering', next, ?7),
                    stage = iif(stage = 'deregistering', stage, ?4),
                    expires = ?6, held = ?8, seen = ?9, attempts = ?10, problem_code = ?11, problem = ?12,
                    version = version + 1
                where id = ?1 and version = ?2 returning {HOOK}"
            );
            let (code, words) = hook.problem.unzip();
            connection
                .prepare_cached(&sql)?
                .query_row(
                    rusqlite::params![
                        hook.id,
                        hook.version,
                        hook.sealed.0,
                        hook.stage.as_str(),
                        hook.since.unix_millis(),
                        millis(hook.expires),
                        millis(hook.next),
                        millis(hook.held),
                        millis(hook.seen),
                        hook.attempts,
                        code,
                        words,
                    ],
                    read(to_hook),
                )
                .optional()
        })
    }

    fn hook_route(&self, id: &str, routing: &str) -> BoxFuture<'_, Result<bool>> {
        let (id, routing) = (id.to_owned(), routing.to_owned());
        self.write(move |connection| {
            let changed = connection
                .prepare_cached("update hook set routing = ?2 where id = ?1")?
                .execute((id, routing))?;
            Ok(one(changed))
        })
    }

    fn hook_off(&self, id: &str, now: DateTime) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "update hook set stage = 'deregistering', since = ?2, next = ?2, attempts = 0,
                        problem_code = null, problem = null
                    where id = ?1 and stage <> 'deregistering'",
                )?
                .execute((&id, now.unix_millis()))?;
            connection
                .prepare_cached("select exists (select * from hook where id = ?1)")?
                .query_row([id], |row| row.get(0))
        })
    }

    fn hooks_off(&self, connection: &str, now: DateTime) -> BoxFuture<'_, Result<()>> {
        let of = connection.to_owned();
        self.write(move |connection| {
            connection.prepare_cached(OFF)?.execute((of, now.unix_millis())).map(drop)
        })
    }

    fn hook_remove(&self, id: &str, version: u64) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.forget(move |connection| {
            connection
                .prepare_cached("delete from hook where id = ?1 and version = ?2")?
                .execute((id, version))
                .map(one)
        })
    }
}
