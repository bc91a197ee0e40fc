//! Carrying out: an agent takes an execution once, and says how it went.

use std::sync::Arc;

use serde::Serialize;
use signoff_core::{
    action::{Action, OBJECT_BYTES_MAX, check_text},
    actor::Actor,
    authority::Operation,
    counted::Moment,
    event::{Event, ExecutionOrigin, ExecutionSource, ExecutionState, RevokedBecause},
    execution::{Command, Refusal, transition},
    fold::{RowKey, allowed_execution, origin_of},
    id::{ActionId, AgentId, ExecutionId},
    judge::Verdict,
    payload::PayloadName,
    policy::{Effect, Orphaned},
    rows::ExecutionRow,
    time::Timestamp,
};
use signoff_store::{Due, Wants};

use crate::{
    Engine, EngineError, EngineResult,
    actions::Submission,
    approvals::PAGE_MAX,
    content::{Opened, seal_json, seal_text},
    idempotency::{Once, want},
    past::{self, Keys},
    request::{Report, Settle},
    seal::SealedPayload,
    snapshot::Snapshot,
    stops,
    submit::stopped_sentence,
    tenant::Tenant,
    turn::{Draft, Turn},
    view::{Caller, Content, ExecutionView, Named},
};

/// How many deadlines are gone through in search of what is held.
const HELD_LOOKED_AT_MAX: u32 = 10_000;

/// A request as it stands before the batch: what is carried out.
pub(crate) struct Task {
    pub(crate) submission: Submission,
    pub(crate) content: Content,
}

impl Task {
    /// The action, to ask policy again; none where its contents were erased.
    pub(crate) fn action(&self) -> Option<Action> {
        let facts = &self.submission.facts;
        let claims = facts.claims();
        (!self.content.erased).then(|| Action {
            name: facts.name.clone(),
            inputs: self.content.inputs.clone(),
            context: self.content.context.clone(),
            claims: self.content.claims.clone(),
            priority: claims.priority,
            risk: claims.risk,
            cost: claims.cost,
            timeout: None,
            require_approval: facts.require_approval,
            accepts: facts.accepts,
            http: self.content.call.clone(),
            grant: facts.call.as_ref().and_then(|call| call.grant),
        })
    }
}

#[derive(Serialize)]
struct SameStep<'a> {
    execution: ExecutionId,
    step: &'static str,
    outcome: Option<&'static str>,
    detail: Option<&'a str>,
    result: Option<&'a serde_json::Map<String, serde_json::Value>>,
}

impl Engine {
    /// One execution, whole.
    ///
    /// # Errors
    /// If there is none: the action was not allowed or approved, or belongs to another asker.
    pub async fn execution(&self, caller: &Caller, id: ExecutionId) -> EngineResult<ExecutionView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeActions)?;
        let task = self.task(&tenant, caller, id).await?;
        let row = match self.store().execution(tenant.id, id).await? {
            Some(row) => row,
            None => untouched(id, &task.submission)?,
        };
        let opened = Opened::read(self.store(), &tenant, row.reported_seq.as_slice()).await?;
        Ok(ExecutionView {
            state: self.present_state(&row),
            agent: Named {
                id: row.agent,
                name: tenant.snapshot().agent_name(row.agent),
            },
            approval_id: (row.source == ExecutionSource::Approved).then(|| id.action().approval()),
            report: report_of(&row, &opened),
            content: Arc::new(task.content),
            held: row.is_held(tenant.snapshot().log_epoch()),
            row,
        })
    }

    /// Where an execution stands now, whether or not the clock's worker has run.
    pub(crate) fn present_state(&self, row: &ExecutionRow) -> ExecutionState {
        let lapsed = row.state == ExecutionState::Ready && self.now() >= row.run_by;
        if lapsed { ExecutionState::Lapsed } else { row.state }
    }

    /// Takes an execution: once, and only while policy still lets it through.
    ///
    /// # Errors
    /// If it was taken before, its time has passed, or policy denies it by now.
    pub async fn consume(
        &self,
        caller: &Caller,
        id: ExecutionId,
        key: Option<&str>,
    ) -> EngineResult<ExecutionView> {
        let same = SameStep {
            execution: id,
            step: "consume",
            outcome: None,
            detail: None,
            result: None,
        };
        self.carry_out(caller, id, Operation::Ask, &same, key, Command::Consume, None)
            .await
    }

    /// Says how it went. An allowed action may be reported without being consumed.
    ///
    /// # Errors
    /// If it was reported before, or an approved one was not consumed.
    pub async fn report(
        &self,
        caller: &Caller,
        id: ExecutionId,
        report: Report,
        key: Option<&str>,
    ) -> EngineResult<ExecutionView> {
        #[derive(Serialize)]
        struct Kept<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            detail: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            result: Option<&'a serde_json::Map<String, serde_json::Value>>,
        }
        let tenant = self.tenant(caller)?;
        check_text(report.detail.as_deref().unwrap_or_default())
            .map_err(|why| EngineError::invalid("/detail", why))?;
        let kept = Kept {
            detail: report.detail.as_deref(),
            result: report.result.as_ref(),
        };
        let bytes = signoff_core::json::canonical(&kept).map_err(|_| EngineError::Internal)?;
        if bytes.len() > OBJECT_BYTES_MAX {
            let why = format!(
                "the report is {} bytes large; the limit is {OBJECT_BYTES_MAX}",
                bytes.len()
            );
            return Err(EngineError::invalid("/result", why));
        }
        let payload = if report.detail.is_some() || report.result.is_some() {
            Some(seal_json(&tenant.key, id.0, PayloadName::Report, &kept)?)
        } else {
            None
        };
        let same = SameStep {
            execution: id,
            step: "report",
            outcome: Some(report.outcome.as_str()),
            detail: report.detail.as_deref(),
            result: report.result.as_ref(),
        };
        self.carry_out(
            caller,
            id,
            Operation::Ask,
            &same,
            key,
            Command::Report(report.outcome),
            payload,
        )
        .await
    }

    /// A person says what became of an execution whose end is unknown.
    ///
    /// # Errors
    /// If its end is known.
    pub async fn settle(
        &self,
        caller: &Caller,
        id: ExecutionId,
        settle: Settle,
        key: Option<&str>,
    ) -> EngineResult<ExecutionView> {
        let tenant = self.tenant(caller)?;
        check_text(settle.note.as_deref().unwrap_or_default())
            .map_err(|why| EngineError::invalid("/note", why))?;
        let payload = seal_text(&tenant.key, id.0, settle.note.as_deref());
        let same = SameStep {
            execution: id,
            step: "settle",
            outcome: Some(settle.state.as_str()),
            detail: settle.note.as_deref(),
            result: None,
        };
        self.carry_out(
            caller,
            id,
            Operation::Settle,
            &same,
            key,
            Command::Settle(settle.state),
            payload,
        )
        .await
    }

    /// Executions that wait for a person to release them, soonest to lapse first.
    ///
    /// # Errors
    /// If the caller may not see the workspace.
    pub async fn held(&self, caller: &Caller) -> EngineResult<Vec<ExecutionView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let Some(epoch) = tenant.snapshot().log_epoch() else {
            return Ok(Vec::new());
        };
        let mut held = Vec::new();
        for due in self.store().due(Timestamp(i64::MAX), HELD_LOOKED_AT_MAX).await? {
            let Due::Execution(workspace, id, _) = due else {
                continue;
            };
            if workspace == tenant.id && held.len() < PAGE_MAX as usize {
                let view = self.execution(caller, id).await?;
                if view.row.is_held(Some(epoch)) {
                    held.push(view);
                }
            }
        }
        Ok(held)
    }

    /// A person lets an execution go on that is held since the log went on in another place.
    ///
    /// # Errors
    /// If it is not held.
    pub async fn release(
        &self,
        caller: &Caller,
        id: ExecutionId,
        key: Option<&str>,
    ) -> EngineResult<ExecutionView> {
        let same = SameStep {
            execution: id,
            step: "release",
            outcome: None,
            detail: None,
            result: None,
        };
        self.carry_out(caller, id, Operation::Settle, &same, key, Command::Release, None)
            .await
    }

    pub(crate) async fn task(&self, tenant: &Tenant, caller: &Caller, id: ExecutionId) -> EngineResult<Task> {
        let submission = self
            .submission(tenant, caller, id.action())
            .await
            .map_err(|error| match error {
                EngineError::NotFound { .. } => EngineError::not_found("execution", id),
                other => other,
            })?;
        let seq = submission.record.seq;
        // Only what a client can take may have been changed by an approver.
        let edited_seq = match &submission.record.event {
            Event::ApprovalRequested(_) if submission.facts.accepts.edits => {
                let row = self.store().execution(tenant.id, id).await?;
                row.and_then(|row| row.edited_seq)
            }
            _ => None,
        };
        let sequences: Vec<u64> = std::iter::once(seq).chain(edited_seq).collect();
        let opened = Opened::read(self.store(), tenant, &sequences).await?;
        let content = opened.changed_content(seq, edited_seq);
        Ok(Task { submission, content })
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "three callers in this file, each argument differs between them"
    )]
    async fn carry_out(
        &self,
        caller: &Caller,
        id: ExecutionId,
        operation: Operation,
        same: &SameStep<'_>,
        key: Option<&str>,
        command: Command,
        payload: Option<SealedPayload>,
    ) -> EngineResult<ExecutionView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, operation)?;
        let task = self.task(&tenant, caller, id).await?;
        let once = Once::of(&tenant, caller, same.step, key, same)?;
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        wants.rows.insert((tenant.id, RowKey::Execution(id)));
        wants.submissions.insert((tenant.id, id.action()));
        if let Event::ActionAllowed(allowed) = &task.submission.record.event {
            let standing = allowed.standing.iter();
            wants
                .rows
                .extend(standing.map(|id| (tenant.id, RowKey::Standing(*id))));
        }
        let action = task.action().map(Arc::new);
        let (agent, seq) = (task.submission.facts.agent, task.submission.record.seq);
        let judged = action.clone().filter(|_| command == Command::Consume);
        let wanted = |snapshot: &Snapshot| match (&judged, snapshot.facts(agent)) {
            (Some(action), Some(facts)) => {
                past::keys(&tenant, &snapshot.policies, (action, facts), Some(seq))
            }
            _ => Keys::new(),
        };
        let caller_then = caller.clone();
        self.write_judging(&tenant, wants, wanted, move |turn| {
            let (principal, _) = turn.principal(&caller_then, operation)?;
            if turn.before::<()>(once.as_ref())?.is_some() {
                return Ok(());
            }
            let (row, origin) = standing(turn, id)?;
            if command == Command::Consume && row.state == ExecutionState::Ready {
                still_lets_through(turn, &row, agent, action.as_deref())?;
            }
            let event = transition(&row, command, turn.now(), turn.log_epoch(), origin)?;
            let draft = Draft::new(event, principal.actor(), id)
                .under(row.policy.as_ref())
                .with(payload.clone());
            turn.emit(draft)?;
            turn.remember(once.as_ref(), &())
        })
        .await?;
        self.execution(caller, id).await
    }
}

/// The execution as it stands in the batch; for an allowed action that nobody touched, where it starts from.
fn standing(turn: &Turn<'_>, id: ExecutionId) -> EngineResult<(ExecutionRow, Option<ExecutionOrigin>)> {
    if let Some(row) = turn.execution(id) {
        return Ok((row.clone(), None));
    }
    let record = turn.ledger.submissions.get(&id.action());
    // What was cut off may still be there for a while; it is as gone as if it were not.
    let (_, origin) = record
        .filter(|record| turn.cut().is_none_or(|cut| record.seq > cut.seq))
        .and_then(origin_of)
        .ok_or_else(|| EngineError::not_found("execution", id))?;
    Ok((allowed_execution(id, &origin), Some(origin)))
}

fn untouched(id: ExecutionId, submission: &Submission) -> EngineResult<ExecutionRow> {
    let (_, origin): (ActionId, _) =
        origin_of(&submission.record).ok_or_else(|| EngineError::not_found("execution", id))?;
    Ok(allowed_execution(id, &origin))
}

/// Asks policy again before an execution is taken. What policy allowed must still be allowed; what people approved must
/// not be denied by now. Of the past only what was submitted before it is looked at: what an agent asked for later takes
/// no permission away.
fn still_lets_through(
    turn: &mut Turn<'_>,
    row: &ExecutionRow,
    agent: AgentId,
    action: Option<&Action>,
) -> EngineResult<()> {
    let snapshot = turn.snapshot();
    let mut refused = EngineError::Execution(Refusal::NotFrom(ExecutionState::Revoked));
    let mut by = Actor::system("policy");
    // What can't be judged any more is not let through.
    if let Some(action) = action {
        if still_stands(turn, row, agent, action)? {
            return Ok(());
        }
        let name = snapshot.agent_name(agent);
        if let Some(sentence) = stopped_sentence(&snapshot, (agent, &name), action.grant) {
            (refused, by) = (EngineError::Stopped(sentence), Actor::system(stops::PART));
        }
    }
    if turn.execution(row.id).is_some() {
        let event: Event = transition(
            row,
            Command::Revoke(RevokedBecause::Policy),
            turn.now(),
            turn.log_epoch(),
            None,
        )?;
        turn.emit(Draft::new(event, by, row.id).under(row.policy.as_ref()))?;
    }
    Err(refused)
}

/// Whether what was let through, by policy or by people, would be let through now.
pub(crate) fn still_stands(
    turn: &mut Turn<'_>,
    row: &ExecutionRow,
    agent: AgentId,
    action: &Action,
) -> EngineResult<bool> {
    let snapshot = turn.snapshot();
    let Some(facts) = snapshot.facts(agent) else {
        return Ok(false);
    };
    let past = turn.past((action, facts), Some(row.submitted_seq), &[])?;
    let moment = Moment {
        now: turn.now(),
        past: Some(&past),
    };
    let verdict = snapshot.policies.judge(action, facts, moment);
    let not_denied = verdict.effect != Effect::Deny || is_spared(&snapshot, &verdict);
    Ok(match row.source {
        // A person answered ahead: as good as an approval while it was not taken back.
        ExecutionSource::Allowed if row.standing.is_some() => {
            let standing = row.standing.and_then(|id| turn.ledger.rows.standing.get(&id));
            standing.is_some_and(|standing| standing.revoked.is_none()) && not_denied
        }
        ExecutionSource::Allowed => verdict.effect == Effect::Allow,
        ExecutionSource::Approved => not_denied,
    })
}

/// Whether an approval outlives the policy that asked for it: what no policy covers any more is denied as a new action
/// would be, unless the admin chose to release or keep what such policies leave behind.
fn is_spared(snapshot: &Snapshot, verdict: &Verdict) -> bool {
    let orphaned = snapshot.rows.workspace.as_ref().map(|row| row.orphaned);
    verdict.is_uncovered() && matches!(orphaned, Some(Orphaned::Release | Orphaned::Keep))
}

/// What was reported with an execution.
fn report_of(row: &ExecutionRow, opened: &Opened) -> Option<crate::view::ReportView> {
    #[derive(serde::Deserialize, Default)]
    struct Kept {
        detail: Option<String>,
        result: Option<serde_json::Map<String, serde_json::Value>>,
    }
    let outcome = row.outcome?;
    let kept: Kept = row
        .reported_seq
        .and_then(|seq| opened.json(seq, PayloadName::Report))
        .unwrap_or_default();
    Some(crate::view::ReportView {
        outcome,
        detail: kept.detail,
        result: kept.result,
    })
}
