//! The inbox in PostgreSQL.

use std::borrow::Cow;

use linchpin::{DateTime, Result, flow::BoxFuture};
use tokio_postgres::GenericClient;

use super::{Postgres, count, millis};
use crate::store::{
    inbox::{Entries, Entry, EntryState, InboxStore, NewEntry, Put, Room, Summary},
    row::{to_entry, to_summary},
};

/// The columns of an entry of the inbox.
const ENTRY: &str = "number, attempts, source, identity, lane, head, body, received";

/// The columns of what is known of an entry.
const SUMMARY: &str =
    "number, source, identity, received, state, attempts, due, problem, cast(length(body) as bigint)";

/// Puts entries in by one statement. An entry that is twice in one batch goes in once.
pub(super) async fn insert(
    client: &impl GenericClient,
    entries: &[NewEntry],
    held_until: Option<DateTime>,
) -> std::result::Result<Vec<Put>, tokio_postgres::Error> {
    let keys: Vec<[u8; 16]> = entries.iter().map(NewEntry::key).collect();
    let keys_given: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
    let column = |of: fn(&NewEntry) -> &str| entries.iter().map(of).collect::<Vec<&str>>();
    let lanes: Vec<Option<&str>> = entries.iter().map(|entry| entry.lane.as_deref()).collect();
    let received: Vec<i64> = entries.iter().map(|entry| entry.received.unix_millis()).collect();
    let bodies: Vec<&[u8]> = entries.iter().map(|entry| &entry.body[..]).collect();
    let heads: Vec<Cow<'_, str>> = entries.iter().map(|entry| entry.head.text()).collect();
    let sql = "
        insert into linchpin_inbox (key, source, identity, lane, received, head, body, due)
        select key, source, identity, lane, received, head, body,
            case when lane is null then coalesce($8, received) else received end
        from (
            select distinct on (key) *
            from unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bytea[])
                with ordinality as new (key, source, identity, lane, received, head, body, place)
            order by key, place
        ) as each_once
        order by place
        on conflict (key) do update set state = 0, attempts = 0, due = excluded.due where linchpin_inbox.state = 2
        returning key, number";
    let statement = client.prepare(sql).await?;
    let rows = client
        .query(
            &statement,
            &[
                &keys_given,
                &column(|entry| &entry.source),
                &column(|entry| &entry.identity),
                &lanes,
                &received,
                &heads,
                &bodies,
                &millis(held_until),
            ],
        )
        .await?;
    let mut numbers: std::collections::HashMap<Vec<u8>, i64> = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<std::result::Result<_, _>>()?;
    Ok(keys.iter().map(|key| numbers.remove(&key[..]).map_or(Put::Known, Put::New)).collect())
}

impl InboxStore for Postgres {
    fn inbox_put(
        &self,
        entries: Vec<NewEntry>,
        held_until: Option<DateTime>,
    ) -> BoxFuture<'_, Result<Vec<Put>>> {
        Box::pin(async move {
            let client = self.client().await?;
            insert(&**client, &entries, held_until).await.map_err(|error| self.failed(&error))
        })
    }

    fn inbox_claim(&self, now: DateTime, until: DateTime, room: Room) -> BoxFuture<'_, Result<Vec<Entry>>> {
        Box::pin(async move {
            // A row that another process claims just now is passed over; it still stands before the others of its lane.
            let sql = format!(
                "with ready as materialized (
                    select number as ready, due as since, length(body) as size from linchpin_inbox as this
                    where due <= $1 and (lane is null or not exists (
                        select from linchpin_inbox as older
                        where older.source = this.source and older.lane = this.lane and older.due is not null
                            and older.number < this.number
                    ))
                    order by due, number limit $3 for update skip locked
                ), taken as (
                    select ready, sum(size) over before as bytes, row_number() over before as place from ready
                    window before as (order by since, ready)
                )
                update linchpin_inbox set due = $2 from taken
                where number = ready and (bytes <= $4 or place = 1) returning {ENTRY}"
            );
            let (now, until) = (now.unix_millis(), until.unix_millis());
            let rows = self.rows(&sql, &[&now, &until, &count(room.entries), &count(room.bytes)]).await?;
            let mut entries: Vec<Entry> = self.read_all(&rows, to_entry)?;
            entries.sort_unstable_by_key(|entry| entry.number);
            Ok(entries)
        })
    }

    fn inbox_done(&self, numbers: Vec<i64>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let sql =
                "update linchpin_inbox set state = 1, due = null, problem = null where number = any($1)";
            self.change(sql, &[&numbers]).await.map(drop)
        })
    }

    fn inbox_failed(
        &self,
        number: i64,
        problem: String,
        next: Option<DateTime>,
    ) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let sql = "update linchpin_inbox
                set attempts = attempts + 1, problem = $2, due = $3, state = case when $3::bigint is null then 2 else 0 end
                where number = $1 and state = 0";
            Ok(self.change(sql, &[&number, &problem, &millis(next)]).await? == 1)
        })
    }

    fn inbox_next(&self) -> BoxFuture<'_, Result<Option<DateTime>>> {
        Box::pin(async move {
            let row = self.row("select min(due) from linchpin_inbox where due is not null", &[]).await?;
            let due = row.and_then(|row| row.try_get::<_, Option<i64>>(0).ok().flatten());
            Ok(due.and_then(DateTime::from_unix_millis))
        })
    }

    fn inbox_waiting(&self) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            let row = self.row("select count(*) from linchpin_inbox where due is not null", &[]).await?;
            let waiting = row.and_then(|row| row.try_get::<_, i64>(0).ok()).unwrap_or_default();
            Ok(u64::try_from(waiting).unwrap_or_default())
        })
    }

    fn inbox_list(&self, which: Entries) -> BoxFuture<'_, Result<Vec<Summary>>> {
        Box::pin(async move {
            let sql = format!(
                "select {SUMMARY} from linchpin_inbox
                where ($1::text is null or source = $1) and ($2::bigint is null or state = $2)
                    and ($3::bigint is null or number < $3)
                order by number desc limit $4"
            );
            let Entries { source, state, below, most } = which;
            let state = state.map(EntryState::number);
            let rows = self.rows(&sql, &[&source, &state, &below, &count(most)]).await?;
            self.read_all(&rows, to_summary)
        })
    }

    fn inbox_entry(&self, number: i64) -> BoxFuture<'_, Result<Option<(Entry, Summary)>>> {
        Box::pin(async move {
            let entry = format!("select {ENTRY} from linchpin_inbox where number = $1");
            let Some(entry) = self.row(&entry, &[&number]).await? else { return Ok(None) };
            let summary = format!("select {SUMMARY} from linchpin_inbox where number = $1");
            let Some(summary) = self.row(&summary, &[&number]).await? else { return Ok(None) };
            Ok(Some((self.read(&entry, to_entry)?, self.read(&summary, to_summary)?)))
        })
    }

    fn inbox_replay(&self, number: i64, now: DateTime) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let sql = "update linchpin_inbox set state = 0, attempts = 0, due = $2, problem = null where number = $1";
            Ok(self.change(sql, &[&number, &now.unix_millis()]).await? == 1)
        })
    }

    fn inbox_purge(&self, state: EntryState, before: DateTime, most: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            let sql = "delete from linchpin_inbox where number in (
                select number from linchpin_inbox where received < $2 and state = $1 and due is null
                order by received limit $3
            )";
            self.change(sql, &[&state.number(), &before.unix_millis(), &count(most)]).await
        })
    }
}
