//! Revocations in SQLite.

use linchpin::{DateTime, Result, flow::BoxFuture};

use super::{Sqlite, due, json, one, read};
use crate::store::{
    Attempt, Revocation, RevocationStore, millis,
    revocation::{REVOCATION, to_revocation},
};

impl RevocationStore for Sqlite {
    fn revocations_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Revocation>>> {
        self.write(move |connection| {
            let sql = format!(
                "update revocation set next = ?2 where id in (
                    select id from revocation where next <= ?1 order by next limit ?3
                ) returning {REVOCATION}"
            );
            due(connection, &sql, (now, until, most), to_revocation)
        })
    }

    fn revocations(&self) -> BoxFuture<'_, Result<Vec<Revocation>>> {
        self.read(|connection| {
            let sql = format!("select {REVOCATION} from revocation order by created, id");
            connection.prepare_cached(&sql)?.query_map((), read(to_revocation))?.collect()
        })
    }

    fn revocation_failed(
        &self,
        id: &str,
        attempt: Attempt,
        next: Option<DateTime>,
    ) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.write(move |connection| {
            let noted = connection
                .prepare_cached(
                    "update revocation set attempts = attempts + 1, last = ?2, next = ?3 where id = ?1",
                )?
                .execute((id, json(&attempt)?, millis(next)))?;
            Ok(one(noted))
        })
    }

    fn revocation_done(&self, id: &str) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.forget(move |connection| {
            Ok(one(connection.prepare_cached("delete from revocation where id = ?1")?.execute([id])?))
        })
    }
}
