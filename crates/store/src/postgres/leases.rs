//! Who works at what.

use signoff_core::time::Timestamp;

use super::{PostgresStore, sql::now};
use crate::{
    Claim, Lease, StoreResult,
    cells::{blob, signed},
    fields::Fields as _,
};

/// Takes a lease that nobody has, whose time has passed, or that is the holder's own. The number is drawn once more where
/// there was a row to wait for: numbers drawn before the wait may be lower than that of whoever was waited for.
pub(super) const CLAIM: &str = concat!(
    "INSERT INTO leases (workspace, subject, holder, fence, until) \
     SELECT $1, $2, $3, nextval('fences'), present.now + $4 FROM (SELECT COALESCE($5, ",
    now!(),
    ") AS now) AS present ON CONFLICT (workspace, subject) DO UPDATE SET \
     holder = excluded.holder, fence = nextval('fences'), until = excluded.until \
     WHERE leases.until <= excluded.until - $4 OR leases.holder = excluded.holder RETURNING fence, until"
);
/// The row stays for a while, so that the next one to claim waits for whoever is at it.
const RELEASE: &str = "UPDATE leases SET until = 0 WHERE workspace = $1 AND subject = $2 AND fence = $3";

impl PostgresStore {
    pub(super) async fn take_lease(&self, claim: &Claim) -> StoreResult<Option<Lease>> {
        let query = sqlx::query(CLAIM)
            .bind(blob(claim.workspace))
            .bind(claim.subject.0.to_vec())
            .bind(claim.holder.0.to_vec())
            .bind(claim.lasts.0)
            .bind(self.clock.given());
        let row = self.one(query).await?;
        row.map(|row| {
            Ok(Lease {
                workspace: claim.workspace,
                subject: claim.subject,
                holder: claim.holder,
                fence: row.count("fence")?,
                until: Timestamp(row.int("until")?),
            })
        })
        .transpose()
    }

    pub(super) async fn end_lease(&self, lease: &Lease) -> StoreResult<()> {
        let query = sqlx::query(RELEASE)
            .bind(blob(lease.workspace))
            .bind(lease.subject.0.to_vec())
            .bind(signed(lease.fence));
        self.run(query).await.map(drop)
    }
}
