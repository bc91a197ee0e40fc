//! `--auto-approve`: approves everything that asks, for people's own tests. Every record of such a server says so.

use std::time::Duration;

use signoff_core::{approval::Command, event::ApprovalStatus};
use signoff_store::ApprovalQuery;
use tokio_util::sync::CancellationToken;

use crate::{
    Engine, EngineError, EngineResult,
    approvals::PAGE_MAX,
    decide::{by_system, is_clockwork, wants_of},
    tenant::Tenant,
};

const PAUSE: Duration = Duration::from_secs(1);

pub(crate) async fn run(engine: Engine, stop: CancellationToken) {
    loop {
        let mut failed = false;
        for tenant in engine.inner.tenants.values() {
            if let Err(error) = engine.approve_all(tenant).await {
                tracing::error!(%error, "what is pending could not be approved");
                failed = true;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = engine.inner.aftermath.nudges.asked.notified() => {}
            () = tokio::time::sleep(PAUSE), if failed => {}
        }
    }
}

impl Engine {
    async fn approve_all(&self, tenant: &Tenant) -> EngineResult<()> {
        loop {
            let query = ApprovalQuery {
                statuses: vec![ApprovalStatus::Pending],
                oldest_first: true,
                limit: PAGE_MAX,
                ..ApprovalQuery::default()
            };
            let rows = self.store().approvals(tenant.id, &query).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let steps = rows.iter().map(|row| {
                let id = row.id;
                self.write(tenant, wants_of(tenant, row, None), move |turn| {
                    by_system(turn, id, "auto_approve", &Command::AutoApprove)
                })
            });
            let mut approved = 0;
            for done in futures_util::future::join_all(steps).await {
                match done {
                    Ok(()) => approved += 1,
                    // Overdue, or ended by somebody else: the clock sees to it.
                    Err(error)
                        if is_clockwork(&error)
                            || matches!(error, EngineError::Decision(_) | EngineError::Stopped(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            if approved == 0 {
                return Ok(());
            }
        }
    }
}
