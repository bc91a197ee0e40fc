//! Judges what is pending again after policy, authority or a stop changed, and once at the start; what a stop covers is
//! brought to its end, permissions that nobody took included.

use std::{sync::Arc, time::Duration};

use signoff_core::{
    id::{AgentId, ApprovalId},
    policy::Effect,
    rows::ApprovalRow,
    time::Timestamp,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Engine, EngineResult,
    content::{Opened, asked},
    decide::{Pending, rejudge, wants_of},
    policies::open_page,
    snapshot::Snapshot,
    tenant::Tenant,
};

/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) async fn run(engine: Engine, stop: CancellationToken) {
    loop {
        let mut failed = false;
        for tenant in engine.inner.tenants.values() {
            let ended = engine.end_what_is_stopped(tenant).await;
            let judged = engine.rejudge_pending(tenant).await;
            if let Err(error) = ended.and(judged) {
                tracing::error!(%error, "what is pending could not be judged again");
                failed = true;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = engine.inner.aftermath.nudges.rejudge.notified() => {}
            () = tokio::time::sleep(PAUSE), if failed => {}
        }
    }
}

/// Whether the present policies and people may say something else of a pending approval than what it stands under.
fn differs(snapshot: &Snapshot, row: &ApprovalRow, pending: &Pending, now: Timestamp) -> bool {
    let agent = snapshot.rows.agents.get(&row.agent);
    let Some(facts) = snapshot
        .facts(row.agent)
        .filter(|_| agent.is_some_and(|agent| !agent.disabled))
    else {
        return true;
    };
    if !snapshot.policies.wanted(&pending.action, facts).is_empty() {
        // What was done before is known in the batch.
        return true;
    }
    let verdict = snapshot.policies.judge(&pending.action, facts, now);
    let same_terms = row.policy == verdict.policy
        && row.requirement == verdict.requirement
        && row.valid_for == verdict.valid_for;
    verdict.effect != Effect::Ask || !same_terms
}

impl Engine {
    /// Looks at everything that is pending; only what is judged otherwise goes through the writer.
    async fn rejudge_pending(&self, tenant: &Tenant) -> EngineResult<()> {
        let mut beyond = None;
        loop {
            let rows = self.store().approvals(tenant.id, &open_page(beyond)).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            beyond = Some(last.submitted_seq);
            let sequences: Vec<u64> = rows.iter().flat_map(ApprovalRow::content_seqs).collect();
            let opened = Opened::read(self.store(), tenant, &sequences).await?;
            let snapshot = tenant.snapshot();
            let mut steps = Vec::new();
            for row in &rows {
                let content = opened.asked_content(row);
                let Ok(action) = asked(row, &content) else {
                    continue;
                };
                let pending = Pending {
                    action,
                    requested_by: content.claims.requested_by,
                };
                if differs(&snapshot, row, &pending, self.now()) {
                    steps.push(self.rejudge_one(tenant, row, Arc::new(pending)));
                }
            }
            for done in futures_util::future::join_all(steps).await {
                done?;
            }
        }
    }

    async fn rejudge_one(
        &self,
        tenant: &Tenant,
        row: &ApprovalRow,
        pending: Arc<Pending>,
    ) -> EngineResult<()> {
        let (id, agent): (ApprovalId, AgentId) = (row.id, row.agent);
        let judged = Arc::clone(&pending);
        let wanted = |snapshot: &Snapshot| judged.keys(tenant, snapshot, agent);
        self.write_judging(tenant, wants_of(tenant, row, None), wanted, move |turn| {
            rejudge(turn, id, &pending).map(drop)
        })
        .await
    }
}
