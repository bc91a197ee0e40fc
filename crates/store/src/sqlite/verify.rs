//! Everything as stored, for `audit verify --with-store`.

use signoff_core::{fold::Rows, id::WorkspaceId};
use sqlx::{QueryBuilder, Sqlite};

use super::SqliteStore;
use crate::{
    Folded, StoreResult,
    cells::{Table, blob},
    faults::RECORDS_AT_ONCE,
};

impl SqliteStore {
    pub(super) async fn read_folded(&self, workspace: WorkspaceId) -> StoreResult<Folded> {
        let mut folded = Folded {
            rows: Rows::default(),
            ..Folded::default()
        };
        // One transaction for what changes, so that it is of one moment. Records only ever follow, so they need none:
        // a long one would keep the write-ahead log from being taken over.
        let mut transaction = self.read.begin().await?;
        let query = sqlx::query("SELECT * FROM heads WHERE workspace = ?").bind(blob(workspace));
        folded.take_head(query.fetch_optional(&mut *transaction).await?.as_ref());
        for table in Table::ALL {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM ");
            query
                .push(table.name())
                .push(" WHERE workspace = ")
                .push_bind(blob(workspace));
            folded.take_rows(table, &query.build().fetch_all(&mut *transaction).await?);
        }
        let query =
            sqlx::query("SELECT kind, id, value FROM secrets WHERE workspace = ?").bind(blob(workspace));
        folded.take_secrets(&query.fetch_all(&mut *transaction).await?);
        let query =
            sqlx::query_scalar("SELECT max(seq) FROM events WHERE workspace = ?").bind(blob(workspace));
        let last: Option<i64> = query.fetch_one(&mut *transaction).await?;
        drop(transaction);
        self.check_indexes(workspace, last.unwrap_or(i64::MIN), &mut folded)
            .await?;
        Ok(folded)
    }

    async fn check_indexes(&self, workspace: WorkspaceId, last: i64, folded: &mut Folded) -> StoreResult<()> {
        let mut after = i64::MIN;
        loop {
            let query = sqlx::query(
                "SELECT * FROM events WHERE workspace = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT 1000",
            );
            let rows = query
                .bind(blob(workspace))
                .bind(after)
                .bind(last)
                .fetch_all(&self.read)
                .await?;
            after = folded.take_indexes(&rows)?.unwrap_or(after);
            if rows.len() < RECORDS_AT_ONCE {
                return Ok(());
            }
        }
    }
}
