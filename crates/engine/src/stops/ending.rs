//! What a stop covers comes to its end: what is pending is denied, and permissions that nobody took are taken back. What was
//! asked is not read for it, so that nothing that was erased or damaged stays.

use futures_util::future::join_all;
use signoff_core::{
    action::Action,
    actor::Actor,
    approval,
    event::{ExecutionState, RevokedBecause},
    execution::{Command, transition},
    fold::RowKey,
    id::{ApprovalId, ExecutionId},
    policy::Orphaned,
    rows::ExecutionRow,
    stop::StopTarget,
};
use signoff_store::{ApprovalQuery, ExecutionQuery, Wants};

use super::{PART, agent_of, is_of};
use crate::{
    Engine, EngineResult,
    approvals::PAGE_MAX,
    decide::{step, wants_of},
    policies::open_page,
    tenant::Tenant,
    turn::{Draft, Turn},
};

impl Engine {
    /// Ends everything on its way that a stop in force covers, page by page.
    pub(crate) async fn end_what_is_stopped(&self, tenant: &Tenant) -> EngineResult<()> {
        let snapshot = tenant.snapshot();
        for (target, _) in snapshot.policies.stops().iter() {
            self.deny_pending(tenant, target).await?;
            self.revoke_ready(tenant, target).await?;
            if target == StopTarget::Workspace {
                break;
            }
        }
        Ok(())
    }

    async fn deny_pending(&self, tenant: &Tenant, target: StopTarget) -> EngineResult<()> {
        let mut query = ApprovalQuery {
            agents: agent_of(target).map(|agent| vec![agent]),
            ..open_page(None)
        };
        loop {
            let rows = self.store().approvals(tenant.id, &query).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            query.beyond = Some(last.submitted_seq);
            let covered = rows.iter().filter(|row| is_of(target, row.call.as_ref()));
            let steps = covered.map(|row| {
                let id = row.id;
                self.write(tenant, wants_of(tenant, row, None), move |turn| deny(turn, id))
            });
            for done in join_all(steps).await {
                done?;
            }
        }
    }

    async fn revoke_ready(&self, tenant: &Tenant, target: StopTarget) -> EngineResult<()> {
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
            let facts = |row: &ExecutionRow| row.call.as_ref().map(|call| call.facts.clone());
            let covered = rows.iter().filter(|row| is_of(target, facts(row).as_ref()));
            let steps = covered.map(|row| {
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

/// Denies an approval if it is still open and still covered.
fn deny(turn: &mut Turn<'_>, id: ApprovalId) -> EngineResult<()> {
    let snapshot = turn.snapshot();
    let row = turn.approval(id)?;
    let grant = row.call.as_ref().and_then(|call| call.grant);
    let covered = snapshot.policies.stops().over_call(row.agent, grant).is_some();
    let Some(facts) = snapshot.facts(row.agent).filter(|_| covered) else {
        return Ok(());
    };
    if row.status.is_terminal() {
        return Ok(());
    }
    // A stop asks for no more than whose it is.
    let asked = Action {
        grant,
        ..Action::named(&row.action)
    };
    let verdict = snapshot.policies.judge(&asked, facts, turn.now());
    let command = approval::Command::Rejudge {
        verdict: &verdict,
        orphaned: Orphaned::Judge,
    };
    step(turn, id, &command, &Actor::system(PART), None, None)
}

/// Takes a permission back if it is still there and still covered.
fn revoke(turn: &mut Turn<'_>, id: ExecutionId) -> EngineResult<()> {
    let snapshot = turn.snapshot();
    let Some(row) = turn.execution(id) else {
        return Ok(());
    };
    let grant = row.call.as_ref().and_then(|call| call.facts.grant);
    let covered = snapshot.policies.stops().over_call(row.agent, grant).is_some();
    if row.state != ExecutionState::Ready || !covered {
        return Ok(());
    }
    let event = transition(
        row,
        Command::Revoke(RevokedBecause::Stopped),
        turn.now(),
        turn.log_epoch(),
        None,
    )?;
    let draft = Draft::new(event, Actor::system(PART), id).under(row.policy.as_ref());
    turn.emit(draft).map(drop)
}
