//! Who works at what.

use signoff_core::id::WorkspaceId;
use sqlx::{Row as _, Sqlite, Transaction};

use super::SqliteStore;
use crate::{
    Claim, Lease, StoreResult,
    cells::{blob, signed, unsigned},
};

impl SqliteStore {
    pub(super) async fn take_lease(&self, claim: &Claim) -> StoreResult<Option<Lease>> {
        let now = self.clock.now();
        let until = now.plus(claim.lasts);
        // A new row each time: the fence is its number, which is never given twice.
        let query = sqlx::query(
            "INSERT OR REPLACE INTO leases (workspace, subject, holder, until) SELECT ?1, ?2, ?3, ?4 \
             WHERE NOT EXISTS (SELECT 1 FROM leases WHERE workspace = ?1 AND subject = ?2 AND until > ?5 AND holder != ?3) \
             RETURNING fence",
        );
        let row = query
            .bind(blob(claim.workspace))
            .bind(claim.subject.0.to_vec())
            .bind(claim.holder.0.to_vec())
            .bind(until.0)
            .bind(now.0)
            .fetch_optional(&self.write)
            .await?;
        row.map(|row| {
            Ok(Lease {
                workspace: claim.workspace,
                subject: claim.subject,
                holder: claim.holder,
                fence: unsigned(row.try_get("fence")?)?,
                until,
            })
        })
        .transpose()
    }

    pub(super) async fn end_lease(&self, lease: &Lease) -> StoreResult<()> {
        sqlx::query("DELETE FROM leases WHERE workspace = ? AND subject = ? AND fence = ?")
            .bind(blob(lease.workspace))
            .bind(lease.subject.0.to_vec())
            .bind(signed(lease.fence))
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// Whether a lease is still in force inside a transaction that relies on it.
    pub(super) async fn is_in_force(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        lease: &Lease,
    ) -> StoreResult<bool> {
        let query = sqlx::query(
            "SELECT 1 FROM leases WHERE workspace = ? AND subject = ? AND fence = ? AND until > ?",
        );
        let workspace: WorkspaceId = lease.workspace;
        let row = query
            .bind(blob(workspace))
            .bind(lease.subject.0.to_vec())
            .bind(signed(lease.fence))
            .bind(self.clock.now().0)
            .fetch_optional(&mut **transaction)
            .await?;
        Ok(row.is_some())
    }
}
