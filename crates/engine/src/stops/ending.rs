//! What a stop covers comes to its end: permissions that nobody took are taken back. (What is pending is denied where
//! everything pending is judged again.)

use futures_util::future::join_all;
use signoff_core::{
    actor::Actor,
    event::ExecutionState,
    execution::{Command, transition},
    fold::RowKey,
    id::ExecutionId,
    stop::StopTarget,
};
use signoff_store::{ExecutionQuery, Wants};

use super::{PART, agent_of};
use crate::{
    Engine, EngineResult,
    approvals::PAGE_MAX,
    tenant::Tenant,
    turn::{Draft, Turn},
};

impl Engine {
    /// Takes back every permission that a stop in force covers, page by page.
    pub(crate) async fn revoke_what_is_stopped(&self, tenant: &Tenant) -> EngineResult<()> {
        let snapshot = tenant.snapshot();
        for (target, _) in snapshot.policies.stops().iter() {
            self.revoke_of(tenant, target).await?;
            if target == StopTarget::Workspace {
                break;
            }
        }
        Ok(())
    }

    async fn revoke_of(&self, tenant: &Tenant, target: StopTarget) -> EngineResult<()> {
        let mut query = ExecutionQuery {
            state: ExecutionState::Ready,
            agent: agent_of(target),
            beyond: None,
            limit: PAGE_MAX,
        };
        loop {
            let rows = self.store().executions(tenant.id, &query).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            query.beyond = Some(last.id);
            let steps = rows.iter().map(|row| {
                let id = row.id;
                let mut wants = Wants::default();
                wants.rows.insert((tenant.id, RowKey::Execution(id)));
                self.write(tenant, wants, move |turn| revoke(turn, id))
            });
            for done in join_all(steps).await {
                done?;
            }
        }
    }
}

/// Takes a permission back if it is still there and still covered.
fn revoke(turn: &mut Turn<'_>, id: ExecutionId) -> EngineResult<()> {
    let snapshot = turn.snapshot();
    let covered = |agent| snapshot.policies.stops().over(agent).is_some();
    let Some(row) = turn.execution(id) else {
        return Ok(());
    };
    if row.state != ExecutionState::Ready || !covered(row.agent) {
        return Ok(());
    }
    let event = transition(row, Command::Revoke, turn.now(), turn.log_epoch(), None)?;
    let draft = Draft::new(event, Actor::system(PART), id).under(row.policy.as_ref());
    turn.emit(draft).map(drop)
}
