//! What lives beside the log: keys, secrets, people, sessions; and all that snapshots are built from.

use signoff_core::{
    id::{OperatorId, WorkspaceId},
    time::Timestamp,
};
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::SqliteStore;
use crate::{
    Authority, IdempotencyRow, Rewrapping, SessionRow, StoreResult,
    cells::{Table, blob},
    fields::{Fields, all, head, idempotency, person, secret, session},
};

/// How many rows a sweep takes in one transaction: short enough to let batches in between.
const SWEPT_AT_ONCE: u64 = 5_000;
/// How many principals one statement asks about.
const PRINCIPALS_PER_STATEMENT: usize = 500;
pub(super) const SWEEP_IDEMPOTENCY: &str = "DELETE FROM idempotency WHERE rowid IN \
     (SELECT rowid FROM idempotency WHERE expires_at IS NOT NULL AND expires_at <= ? LIMIT 5000)";
pub(super) const SWEEP_SESSIONS: &str =
    "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE expires_at <= ? LIMIT 5000)";
pub(super) const SWEEP_LEASES: &str =
    "DELETE FROM leases WHERE fence IN (SELECT fence FROM leases WHERE until <= ? LIMIT 5000)";
pub(super) const SWEEP_INBOX: &str = "DELETE FROM slack_inbox WHERE rowid IN \
     (SELECT rowid FROM slack_inbox WHERE expires_at <= ? LIMIT 5000)";
pub(super) const SWEEP_LINK_CODES: &str = "DELETE FROM link_codes WHERE (workspace, operator) IN \
     (SELECT workspace, operator FROM link_codes WHERE expires_at <= ? LIMIT 5000)";

impl SqliteStore {
    pub(super) async fn read_workspaces(&self) -> StoreResult<Vec<WorkspaceId>> {
        let rows = sqlx::query("SELECT workspace FROM heads ORDER BY workspace")
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(Fields::workspace).collect()
    }

    pub(super) async fn read_workspace_key(&self, workspace: WorkspaceId) -> StoreResult<Option<Vec<u8>>> {
        let query =
            sqlx::query("SELECT wrapped FROM workspace_keys WHERE workspace = ?").bind(blob(workspace));
        Ok(query
            .fetch_optional(&self.read)
            .await?
            .map(|row| row.try_get("wrapped"))
            .transpose()?)
    }

    pub(super) async fn rewrap(&self, wrappings: &[Rewrapping]) -> StoreResult<bool> {
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let all = sqlx::query("SELECT workspace FROM workspace_keys")
            .fetch_all(&mut *transaction)
            .await?;
        if !Rewrapping::name_each_once(wrappings, all.len()) {
            return Ok(false);
        }
        for one in wrappings {
            let query =
                sqlx::query("UPDATE workspace_keys SET wrapped = ? WHERE workspace = ? AND wrapped = ?")
                    .bind(one.next.as_slice())
                    .bind(blob(one.workspace))
                    .bind(one.present.as_slice());
            if query.execute(&mut *transaction).await?.rows_affected() != 1 {
                return Ok(false);
            }
        }
        transaction.commit().await?;
        Ok(true)
    }

    pub(super) async fn read_authority(&self, workspace: WorkspaceId) -> StoreResult<Authority> {
        // One transaction, so that all of it is of one moment.
        let mut transaction = self.read.begin().await?;
        let mut authority = Authority::default();
        let query = sqlx::query("SELECT * FROM heads WHERE workspace = ?").bind(blob(workspace));
        if let Some(row) = query.fetch_optional(&mut *transaction).await? {
            authority.head = Some(head(&row)?.1);
        }
        for table in Table::ALL.into_iter().filter(|table| table.governs()) {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT row FROM ");
            query
                .push(table.name())
                .push(" WHERE workspace = ")
                .push_bind(blob(workspace));
            for row in query.build().fetch_all(&mut *transaction).await? {
                table.read(&row.blob("row")?)?.insert_into(&mut authority.rows);
            }
        }
        let query =
            sqlx::query("SELECT kind, id, value FROM secrets WHERE workspace = ?").bind(blob(workspace));
        authority.secrets = all(&query.fetch_all(&mut *transaction).await?, secret)?;
        let query =
            sqlx::query("SELECT id, name, email FROM people WHERE workspace = ?").bind(blob(workspace));
        authority.people = all(&query.fetch_all(&mut *transaction).await?, person)?;
        Ok(authority)
    }

    pub(super) async fn find_person(
        &self,
        workspace: WorkspaceId,
        email: &str,
    ) -> StoreResult<Option<OperatorId>> {
        let query = sqlx::query("SELECT id FROM people WHERE workspace = ? AND email_folded = ?");
        let row = query
            .bind(blob(workspace))
            .bind(email.to_lowercase())
            .fetch_optional(&self.read)
            .await?;
        row.map(|row| row.id("id").map(OperatorId)).transpose()
    }

    pub(super) async fn find_session(&self, hash: &[u8; 32]) -> StoreResult<Option<SessionRow>> {
        let query = sqlx::query("SELECT * FROM sessions WHERE hash = ? AND expires_at > ?");
        let query = query.bind(hash.as_slice()).bind(self.clock.now().0);
        query
            .fetch_optional(&self.read)
            .await?
            .as_ref()
            .map(session)
            .transpose()
    }

    pub(super) async fn read_remembered(
        &self,
        workspace: WorkspaceId,
        operation: &str,
        key: &str,
        principals: &[String],
    ) -> StoreResult<Vec<IdempotencyRow>> {
        let mut found = Vec::new();
        for some in principals.chunks(PRINCIPALS_PER_STATEMENT) {
            let mut query = QueryBuilder::<Sqlite>::new(
                "SELECT principal, operation, key, fingerprint, outcome, expires_at FROM idempotency WHERE workspace = ",
            );
            query.push_bind(blob(workspace)).push(" AND principal IN (");
            let mut listed = query.separated(", ");
            for principal in some {
                listed.push_bind(principal.as_str());
            }
            query.push(") AND operation = ").push_bind(operation);
            query.push(" AND key = ").push_bind(key);
            query
                .push(" AND (expires_at IS NULL OR expires_at > ")
                .push_bind(self.clock.now().0)
                .push(")");
            for row in query.build().fetch_all(&self.read).await? {
                found.push(idempotency(workspace, &row)?);
            }
        }
        Ok(found)
    }

    pub(super) async fn sweep_expired(&self, now: Timestamp) -> StoreResult<u64> {
        let mut swept = 0;
        for statement in [
            SWEEP_SESSIONS,
            SWEEP_IDEMPOTENCY,
            SWEEP_LEASES,
            SWEEP_INBOX,
            SWEEP_LINK_CODES,
        ] {
            loop {
                let count = sqlx::query(statement)
                    .bind(now.0)
                    .execute(&self.write)
                    .await?
                    .rows_affected();
                swept += count;
                if count < SWEPT_AT_ONCE {
                    break;
                }
            }
        }
        Ok(swept)
    }
}
