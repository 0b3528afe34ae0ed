//! Revocations on a PostgreSQL server.

use linchpin::{DateTime, Result, flow::BoxFuture};

use super::{Postgres, json};
use crate::store::{
    Attempt, Revocation, RevocationStore, millis,
    revocation::{REVOCATION, to_revocation},
};

impl RevocationStore for Postgres {
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
}
