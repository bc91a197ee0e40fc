//! Everything as stored, for `audit verify --with-store`.

use signoff_core::{fold::Rows, id::WorkspaceId};
use sqlx::QueryBuilder;

use super::{
    PostgresStore,
    side::{HEAD, SECRETS},
};
use crate::{
    Folded, StoreResult,
    cells::{Table, blob},
    fields::Fields as _,
};

/// How many records are looked at between two looks at the database.
const RECORDS_AT_ONCE: i64 = 1_000;
pub(super) const RECORDS: &str = "SELECT seq, id, time, type, subject, actor, agent, action, decision, bytes FROM events \
     WHERE workspace = $1 AND seq > $2 AND seq <= $3 ORDER BY seq";
const ENDS: &str = "SELECT min(seq) AS first, max(seq) AS last FROM events WHERE workspace = $1";

impl PostgresStore {
    pub(super) async fn read_folded(&self, workspace: WorkspaceId) -> StoreResult<Folded> {
        let mut folded = Folded {
            rows: Rows::default(),
            ..Folded::default()
        };
        // One transaction for what changes, so that it is of one moment. Records only ever follow, so they need none: a
        // long one would keep the server from clearing away old versions of rows.
        let mut transaction = self.begin_read().await?;
        let of = |sql: &'static str| sqlx::query(sql).bind(blob(workspace));
        folded.take_head(self.all_in(&mut transaction, of(HEAD)).await?.first());
        for table in Table::ALL {
            let mut sql = QueryBuilder::new("SELECT ");
            sql.push(table.columns().join(", "))
                .push(" FROM ")
                .push(table.name());
            sql.push(" WHERE workspace = ").push_bind(blob(workspace));
            folded.take_rows(table, &self.all_in(&mut transaction, sql.build()).await?);
        }
        folded.take_secrets(&self.all_in(&mut transaction, of(SECRETS)).await?);
        let ends = self.all_in(&mut transaction, of(ENDS)).await?;
        self.link.seen(transaction.commit().await)?;
        let end = |column| ends.first().map(|row| row.integer(column)).transpose();
        if let (Some(first), Some(last)) = (end("first")?.flatten(), end("last")?.flatten()) {
            self.check_indexes(workspace, first, last, &mut folded).await?;
        }
        Ok(folded)
    }

    async fn check_indexes(
        &self,
        workspace: WorkspaceId,
        first: i64,
        last: i64,
        folded: &mut Folded,
    ) -> StoreResult<()> {
        let mut after = first - 1;
        while after < last {
            // Both ends said: with a limit instead, a plan made for any values may sort all that follows, for each page.
            let until = last.min(after.saturating_add(RECORDS_AT_ONCE));
            let query = sqlx::query(RECORDS).bind(blob(workspace));
            folded.take_indexes(&self.all(query.bind(after).bind(until)).await?)?;
            after = until;
        }
        Ok(())
    }
}
