//! Beginning what people approved, or settled to be made again: everything is asked once more in the batch that writes
//! `executing`, and what does not stand any more is taken back with its reason.

use std::sync::Arc;

use signoff_core::{
    action::Action,
    actor::Actor,
    digest::{DigestFields, action_digest},
    event::{ActionFacts, ExecutionSource, ExecutionState, RevokedBecause},
    execution::{Command, transition},
    fold::RowKey,
    id::{ExecutionId, RunnerId},
    payload::{Hash32, PayloadName, commitment},
    rows::{CallRun, ExecutionRow},
};
use signoff_store::{StoredPayload, Wants};

use super::{ToMake, make::PART};
use crate::{
    Engine, EngineError, EngineResult,
    executions::{Task, still_stands},
    past,
    snapshot::Snapshot,
    tenant::Tenant,
    turn::{Draft, Turn},
    view::Caller,
};

/// A call as it was read before the batch.
struct Read {
    action: Option<Arc<Action>>,
    /// What is stored has the digest that was approved.
    is_intact: bool,
}

impl Engine {
    /// Begins a call that is ready. None where it is not to be made: taken back, late, held, or begun by another.
    pub(crate) async fn begin(&self, tenant: &Tenant, row: &ExecutionRow) -> EngineResult<Option<ToMake>> {
        let runner = self.runner(tenant).await?;
        let read = match self.task(tenant, &Caller::nobody(tenant.id), row.id).await {
            Ok(task) => Read {
                is_intact: self.digest_as_stored(tenant, row, &task).await? == Some(row.digest),
                action: task.action().map(Arc::new),
            },
            // It was changed, or cut off: that is an answer too. What is only out of reach is tried again.
            Err(EngineError::Internal | EngineError::NotFound { .. }) => Read {
                action: None,
                is_intact: false,
            },
            Err(error) => return Err(error),
        };
        let (agent, seq) = (row.agent, row.submitted_seq);
        let mut wants = Wants::default();
        wants.rows.insert((tenant.id, RowKey::Execution(row.id)));
        wants
            .rows
            .extend(row.standing.map(|id| (tenant.id, RowKey::Standing(id))));
        let judged = read.action.clone();
        let wanted = |snapshot: &Snapshot| match (&judged, snapshot.facts(agent)) {
            (Some(action), Some(facts)) => past::keys(tenant, &snapshot.policies, (action, facts), Some(seq)),
            _ => past::Keys::new(),
        };
        let id = row.id;
        self.write_judging(tenant, wants, wanted, move |turn| begin(turn, id, &read, runner))
            .await
    }

    /// The digest of what is stored of a request, as its commitments come out of the bytes that open. None where something
    /// does not open any more.
    async fn digest_as_stored(
        &self,
        tenant: &Tenant,
        row: &ExecutionRow,
        task: &Task,
    ) -> EngineResult<Option<Hash32>> {
        let sequences: Vec<u64> = std::iter::once(row.submitted_seq).chain(row.edited_seq).collect();
        let payloads = self.store().payloads(tenant.id, &sequences).await?;
        let content_seq = row.edited_seq.unwrap_or(row.submitted_seq);
        let of = |seq, name| {
            payloads
                .iter()
                .find(|payload| payload.seq == seq && payload.name == name)
        };
        let mut opens = true;
        let mut commit = |stored: Option<&StoredPayload>| {
            let stored = stored?;
            let plain = tenant.key.open(stored);
            opens &= plain.is_some();
            Some(commitment(&stored.salt, &plain?))
        };
        let facts: &ActionFacts = &task.submission.facts;
        let claims = facts.claims();
        let fields = DigestFields {
            workspace: tenant.id,
            action_id: row.id.action(),
            agent: facts.agent,
            action: &facts.name,
            inputs: commit(of(content_seq, PayloadName::Inputs)),
            context: commit(of(content_seq, PayloadName::Context)),
            claims: commit(of(row.submitted_seq, PayloadName::Claims)),
            priority: claims.priority,
            risk: claims.risk,
            estimated_cost: claims.cost.as_ref(),
            accepts: facts.accepts,
            call: commit(of(content_seq, PayloadName::Call)),
            body: commit(of(content_seq, PayloadName::Body)),
            grant: facts.call.as_ref().and_then(|call| call.grant),
        };
        let digest = action_digest(&fields).ok();
        Ok(digest.filter(|_| opens))
    }
}

fn begin(
    turn: &mut Turn<'_>,
    id: ExecutionId,
    read: &Read,
    runner: RunnerId,
) -> EngineResult<Option<ToMake>> {
    let Some(row) = turn.execution(id).cloned() else {
        return Ok(None);
    };
    let (now, epoch) = (turn.now(), turn.log_epoch());
    if row.state != ExecutionState::Ready || row.is_held(epoch) {
        return Ok(None);
    }
    if now >= row.run_by {
        let lapsed = transition(&row, Command::Lapse, now, epoch, None)?;
        turn.emit(Draft::new(lapsed, Actor::system("clock"), id).under(row.policy.as_ref()))?;
        return Ok(None);
    }
    if let Some(because) = objection(turn, &row, read)? {
        let event = transition(&row, Command::Revoke(because), now, epoch, None)?;
        turn.emit(Draft::new(event, Actor::system(PART), id).under(row.policy.as_ref()))?;
        return Ok(None);
    }
    let call = read.action.as_ref().and_then(|action| action.http.clone());
    let (Some(call), Some(facts)) = (call, row.call.as_ref().map(|run| &run.facts)) else {
        return Ok(None);
    };
    let event = transition(&row, Command::Start(runner), now, epoch, None)?;
    turn.emit(Draft::new(event, Actor::system(PART), id).under(row.policy.as_ref()))?;
    Ok(Some(ToMake {
        execution: id,
        call,
        grant: super::versioned(&turn.snapshot(), facts.grant),
        policy: row.policy.clone(),
        runner,
    }))
}

/// Why a permission does not stand any more, as everything is at the head of the log.
fn objection(turn: &mut Turn<'_>, row: &ExecutionRow, read: &Read) -> EngineResult<Option<RevokedBecause>> {
    let snapshot = turn.snapshot();
    let Some(run) = row.call.as_deref() else {
        return Ok(Some(RevokedBecause::Content));
    };
    let facts = &run.facts;
    let agent = snapshot
        .rows
        .agents
        .get(&row.agent)
        .filter(|agent| !agent.disabled);
    if agent.is_none() {
        return Ok(Some(RevokedBecause::Agent));
    }
    if snapshot
        .policies
        .stops()
        .over_call(row.agent, facts.grant)
        .is_some()
    {
        return Ok(Some(RevokedBecause::Stopped));
    }
    let action = read.action.as_deref().filter(|action| {
        let is_that_call = super::facts(action).as_ref() == Some(facts);
        read.is_intact && is_that_call
    });
    let Some(action) = action else {
        return Ok(Some(RevokedBecause::Content));
    };
    if !grant_stands(&snapshot, row, run, action) {
        return Ok(Some(RevokedBecause::Grant));
    }
    let stands = still_stands(turn, row, row.agent, action)?;
    Ok((!stands).then_some(RevokedBecause::Policy))
}

/// Whether the grant is the one that was there when people approved, and still goes with the call.
fn grant_stands(snapshot: &Snapshot, row: &ExecutionRow, run: &CallRun, action: &Action) -> bool {
    let Some(id) = run.facts.grant else { return true };
    let (Some((grant, _)), Some(call)) = (snapshot.grant(id), &action.http) else {
        return false;
    };
    // What policy let through goes with the grant as it is: it was begun at once, or is begun again by a person's word.
    let is_same = row.source == ExecutionSource::Allowed || grant.changed_seq < run.opened_seq;
    is_same && super::still_fits(snapshot, row.agent, Some(id), call).is_ok()
}
