//! An agent says what it is about to do: judged in memory before the batch, recorded in it.

mod asker;
mod explain;
mod identical;
mod note;
mod prepare;
mod refusal;
mod rounds;

pub use explain::explain;
pub use note::NOTES_MAX;

use std::sync::Arc;

use crate::{
    Engine, EngineError, EngineResult,
    calls::{self, ToMake},
    content::seal_json,
    idempotency::Once,
    request::Submit,
    seal::SealedPayload,
    turn::{Draft, Turn},
    view::{Caller, Reach, Submitted},
};
use serde::{Deserialize, Serialize};
use signoff_core::{
    action::{Action, OBJECT_BYTES_MAX},
    actor::Actor,
    approval::{Command, Selves, Surroundings, transition},
    authority::Operation,
    counted::Counted,
    event::{ActionAllowed, ActionDenied, ActionFacts, AgentPut, ApprovalRequested, Claimed, Event},
    execution,
    fold::{allowed_execution, origin_of},
    id::{ActionId, RunnerId, StandingId},
    json,
    judge::{ReasonCode, Verdict},
    payload::{Hash32, PayloadName},
    policy::{Effect, PolicyRef},
    record::Epochs,
    rows::ApprovalRow,
    time::Timestamp,
};

pub(crate) use asker::asker;
use asker::{Asker, within};
use prepare::{SameSubmit, prepare};
use refusal::refusal;
pub(crate) use refusal::{refusal_sentence, stopped_sentence};
use rounds::{at, past_of};

/// How many approvals of one agent may be pending.
pub const PENDING_PER_AGENT_MAX: u64 = 1_000;

/// A request with all that can be prepared outside the batch.
struct Prepared {
    submit: Submit,
    id: ActionId,
    asker: Asker,
    payloads: Vec<SealedPayload>,
    digest: Hash32,
    judged: Verdict,
    /// Standing approvals that may answer where a person would be asked.
    standing: Vec<StandingId>,
    /// Who makes the call that it stands for.
    runner: Option<RunnerId>,
    epochs: Epochs,
}

/// What a submit came to, as it is remembered for its idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    action: ActionId,
    /// The asker heard how it ended, where it has nothing but a repeated submit to hear it by.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    heard: bool,
}

/// What keys of submits are kept under.
pub(crate) const SUBMIT: &str = "submit";

/// The action that a remembered submit came to.
pub(crate) fn action_of(outcome: &str) -> EngineResult<ActionId> {
    let Remembered { action, .. } = serde_json::from_str(outcome).map_err(|error| {
        tracing::error!(%error, "a remembered outcome can't be read");
        EngineError::Internal
    })?;
    Ok(action)
}

enum Came {
    Now(Box<Recorded>),
    Before(Remembered),
}

/// What was recorded just now.
struct Recorded {
    submitted: Submitted,
    /// What a person is asked.
    asked: Option<ApprovalRow>,
    /// The call to make, where policy let one through.
    made: Option<ToMake>,
}

impl Engine {
    /// Submits an action: allowed, denied, or pending until a human decides.
    ///
    /// # Errors
    /// If the request is not valid, or too thin for its policy; then nothing is recorded.
    pub async fn submit(
        &self,
        caller: &Caller,
        submit: Submit,
        key: Option<&str>,
    ) -> EngineResult<Submitted> {
        let (submitted, made) = self.submit_call(caller, submit, key).await?;
        if let Some(made) = made {
            self.make_in_background(&self.tenant(caller)?, made);
        }
        Ok(submitted)
    }

    /// The same; a call that is to be made at once is left to the caller, and says in the log that it is being made.
    pub(crate) async fn submit_call(
        &self,
        caller: &Caller,
        submit: Submit,
        key: Option<&str>,
    ) -> EngineResult<(Submitted, Option<ToMake>)> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Ask)?;
        if let Some(call) = &submit.action.http {
            let vetted = self.inner.egress.guard().vet_url(call.url());
            vetted.map_err(|why| EngineError::invalid("/http/url", why.to_string()))?;
        }
        let once = match key {
            Some(_) => {
                let once = Once::of(&tenant, caller, SUBMIT, key, &SameSubmit::of(&submit))?;
                once.map(|once| once.kept_like_records(tenant.snapshot().settings()))
            }
            None => None,
        };
        let came = self.let_in(&tenant, caller, submit, once).await?;
        match came {
            Came::Now(recorded) => Ok((recorded.submitted, recorded.made)),
            Came::Before(before) => {
                let mut submitted = self.present(&tenant, before.action).await?;
                submitted.replayed = true;
                Ok((submitted, None))
            }
        }
    }
}

fn check_form(action: &Action) -> EngineResult<()> {
    action
        .check()
        .map_err(|(pointer, why)| EngineError::invalid(pointer, why))?;
    bounded("/inputs", &action.inputs)?;
    bounded("/context", &action.context).map(drop)
}

/// The canonical bytes of an object, if it is not too large.
pub(crate) fn bounded(
    field: &str,
    object: &serde_json::Map<String, serde_json::Value>,
) -> EngineResult<Vec<u8>> {
    if object.is_empty() {
        return Ok(b"{}".to_vec());
    }
    let bytes = json::canonical(object).map_err(|_| EngineError::Internal)?;
    if bytes.len() > OBJECT_BYTES_MAX {
        let why = format!(
            "the object is {} bytes large; the limit is {OBJECT_BYTES_MAX}",
            bytes.len()
        );
        return Err(EngineError::invalid(field, why));
    }
    Ok(bytes)
}

fn thick_enough(verdict: &Verdict) -> EngineResult<()> {
    if verdict.lacks.is_empty() {
        return Ok(());
    }
    let policy = verdict.policy.as_ref().map(|policy| policy.name.clone());
    let lacks = verdict.lacks.iter();
    Err(EngineError::Incomplete {
        policy: policy.unwrap_or_default(),
        lacks: lacks
            .map(|lack| (lack.pointer.clone(), lack.why.clone()))
            .collect(),
    })
}

/// The command's turn. Whoever asks, and policy, are taken as they are at the head of the log.
fn take(
    turn: &mut Turn<'_>,
    caller: &Caller,
    prepared: &Prepared,
    once: Option<&Once>,
) -> EngineResult<Came> {
    let (principal, _) = turn.principal(caller, Operation::Ask)?;
    if let Some(before) = turn.before(once)? {
        return Ok(Came::Before(before));
    }
    let snapshot = turn.snapshot();
    let action = &prepared.submit.action;
    let (asker, verdict, digest) = if snapshot.epochs == prepared.epochs {
        let facts = &prepared.asker.facts;
        let past = past_of(turn, prepared, facts)?;
        let verdict = if snapshot.policies.asks_for_time() || !past.is_empty() {
            snapshot.policies.judge(action, facts, at(turn, &past))
        } else {
            prepared.judged.clone()
        };
        (prepared.asker.clone(), verdict, prepared.digest)
    } else {
        // Policy or people changed since it was prepared. Another submit may have registered the agent meanwhile: then
        // the digest would name an agent that does not exist.
        let asker = asker(
            &snapshot,
            caller,
            prepared.submit.agent.as_deref(),
            Some(prepared.asker.facts.id.0),
        )?;
        // Nor is a call made with a grant that was changed since it was looked at.
        if asker.facts.id != prepared.asker.facts.id || action.grant.is_some() {
            return again(turn, caller, prepared, once);
        }
        let past = past_of(turn, prepared, &asker.facts)?;
        let verdict = snapshot.policies.judge(action, &asker.facts, at(turn, &past));
        (asker, verdict, prepared.digest)
    };
    let verdict = within(caller, &prepared.submit, verdict)?;
    thick_enough(&verdict)?;
    record(turn, &principal.actor(), prepared, &asker, verdict, digest, once)
}

/// Prepares anew inside the batch: rare, when another request registered the same agent a moment before.
fn again(
    turn: &mut Turn<'_>,
    caller: &Caller,
    prepared: &Prepared,
    once: Option<&Once>,
) -> EngineResult<Came> {
    let tenant = Arc::clone(&turn.ledger.tenant);
    let fresh = prepare(
        &tenant,
        caller,
        prepared.submit.clone(),
        prepared.runner,
        turn.now(),
    )?;
    let (principal, _) = turn.principal(caller, Operation::Ask)?;
    let past = past_of(turn, &fresh, &fresh.asker.facts)?;
    let verdict = if past.is_empty() {
        fresh.judged.clone()
    } else {
        let action = &fresh.submit.action;
        turn.snapshot()
            .policies
            .judge(action, &fresh.asker.facts, at(turn, &past))
    };
    let verdict = within(caller, &fresh.submit, verdict)?;
    thick_enough(&verdict)?;
    let (asker, digest) = (fresh.asker.clone(), fresh.digest);
    record(turn, &principal.actor(), &fresh, &asker, verdict, digest, once)
}

fn record(
    turn: &mut Turn<'_>,
    actor: &Actor,
    prepared: &Prepared,
    asker: &Asker,
    mut verdict: Verdict,
    digest: Hash32,
    once: Option<&Once>,
) -> EngineResult<Came> {
    let (id, now) = (prepared.id, turn.now());
    let action = &prepared.submit.action;
    let standing = standing(turn, prepared, asker, &verdict)?;
    if standing.is_some() {
        verdict.effect = Effect::Allow;
    }
    let counted = match verdict.effect {
        Effect::Deny => Vec::new(),
        _ => turn
            .snapshot()
            .policies
            .counted(action, &asker.facts)
            .map_err(|why| EngineError::invalid("/action", why.to_string()))?,
    };
    let superseded = superseded(turn, actor, prepared, asker)?;
    if verdict.effect == Effect::Ask && superseded.is_none() {
        let pending = turn
            .ledger
            .rows
            .counters
            .get(&asker.facts.id)
            .map_or(0, |row| row.pending);
        if pending >= PENDING_PER_AGENT_MAX {
            return Err(EngineError::TooManyPending {
                limit: PENDING_PER_AGENT_MAX,
            });
        }
    }
    if asker.is_new {
        let put = AgentPut {
            name: asker.facts.name.clone(),
            labels: std::collections::BTreeMap::new(),
            owner: None,
            disabled: false,
            registered_by: asker.application,
        };
        turn.emit(Draft::new(Event::AgentPut(put), actor.clone(), asker.facts.id))?;
    }
    let facts = facts(action, asker, &verdict, digest, counted);
    let mut payloads = prepared.payloads.clone();
    if !verdict.conditions.is_empty() {
        payloads.push(seal_json(
            &turn.ledger.tenant.key,
            id.0,
            PayloadName::Judgement,
            &verdict.conditions,
        )?);
    }
    let decide_by = verdict.decide_within.map(|span| now.plus(span));
    let (event, subject) = event(id, facts, (&verdict, standing), &prepared.submit, now, decide_by);
    turn.emit(
        Draft::new(event, actor.clone(), subject)
            .under(verdict.policy.as_ref())
            .with(payloads),
    )?;
    if let Some(event) = superseded {
        let replaced = prepared
            .submit
            .replaces
            .map(|id| id.to_string())
            .unwrap_or_default();
        turn.emit(Draft::new(event, actor.clone(), replaced))?;
    }
    let remembered = Remembered {
        action: id,
        heard: false,
    };
    turn.remember(once, &remembered)?;
    let made = match verdict.effect {
        Effect::Allow => begun(turn, actor, prepared, verdict.policy.as_ref())?,
        _ => None,
    };
    let agent = (asker.facts.id, asker.facts.name.as_str());
    let reason = refusal(&turn.snapshot(), agent, action.grant, &verdict);
    let submitted = submitted(id, verdict, reason, now, decide_by);
    let submitted = Submitted {
        standing,
        dropped_headers: action
            .http
            .as_ref()
            .map_or_else(Vec::new, |call| call.dropped().to_vec()),
        ..submitted
    };
    Ok(Came::Now(Box::new(Recorded {
        submitted,
        asked: turn.approval(id.approval()).ok().cloned(),
        made,
    })))
}

/// Writes that the call of an action that was just allowed is being made, in the same batch: it is durable before the first
/// byte leaves, with one commit for both.
fn begun(
    turn: &mut Turn<'_>,
    actor: &Actor,
    prepared: &Prepared,
    policy: Option<&PolicyRef>,
) -> EngineResult<Option<ToMake>> {
    let action = &prepared.submit.action;
    let (Some(call), Some(runner)) = (&action.http, prepared.runner) else {
        return Ok(None);
    };
    let allowed = turn.ledger.changes.records.last();
    let (id, origin) = allowed
        .and_then(|sealed| origin_of(&sealed.record))
        .ok_or(EngineError::Internal)?;
    let execution = id.execution();
    let row = allowed_execution(execution, &origin);
    let command = execution::Command::Start(runner);
    let event = execution::transition(&row, command, turn.now(), turn.log_epoch(), Some(origin))?;
    turn.emit(Draft::new(event, actor.clone(), execution).under(policy))?;
    Ok(Some(ToMake {
        execution,
        call: Arc::clone(call),
        grant: calls::versioned(&turn.snapshot(), action.grant),
        policy: policy.cloned(),
        runner,
    }))
}

/// The standing approval that answers in place of a person: one that was read under the lock, and answers as of now.
///
/// # Errors
/// [`EngineError::Unavailable`] where there is one by now that was not read; the submit is then prepared anew.
fn standing(
    turn: &mut Turn<'_>,
    prepared: &Prepared,
    asker: &Asker,
    verdict: &Verdict,
) -> EngineResult<Option<StandingId>> {
    let (snapshot, action, now) = (turn.snapshot(), &prepared.submit.action, turn.now());
    let Some(policy) = &verdict.policy else {
        return Ok(None);
    };
    let candidates = snapshot.standing(action, &asker.facts, verdict, now);
    let known = |id: &StandingId| prepared.standing.contains(id);
    if !candidates.iter().all(known) {
        turn.ledger.unread = true;
        return Err(EngineError::Unavailable);
    }
    Ok(candidates.into_iter().find(|id| {
        let row = turn.ledger.rows.standing.get(id);
        row.is_some_and(|row| row.answers(asker.facts.id, &action.name, policy, now))
    }))
}

/// What the log says of an action: priority, risk and cost as they count, and as they were claimed where that differs.
fn facts(
    action: &Action,
    asker: &Asker,
    verdict: &Verdict,
    digest: Hash32,
    counted: Vec<Counted>,
) -> ActionFacts {
    let claimed = Claimed {
        priority: action.priority,
        risk: action.risk,
        cost: action.cost.clone(),
    };
    let counts = match verdict.raised.as_deref() {
        Some(raised) => Claimed {
            priority: raised.priority,
            risk: raised.risk,
            cost: raised.cost.clone(),
        },
        None => claimed.clone(),
    };
    ActionFacts {
        name: action.name.clone(),
        agent: asker.facts.id,
        application: asker.application,
        digest,
        claimed: (claimed != counts).then_some(claimed),
        priority: counts.priority,
        risk: counts.risk,
        cost: counts.cost,
        accepts: action.accepts,
        require_approval: action.require_approval,
        policy: verdict.policy.clone(),
        counted,
        call: calls::facts(action),
    }
}

/// The end of the request that this one amends.
fn superseded(
    turn: &Turn<'_>,
    actor: &Actor,
    prepared: &Prepared,
    asker: &Asker,
) -> EngineResult<Option<Event>> {
    let Some(replaced) = prepared.submit.replaces else {
        return Ok(None);
    };
    let row = turn.approval(replaced)?;
    if row.agent != asker.facts.id {
        return Err(EngineError::not_found("approval", replaced));
    }
    let snapshot = turn.snapshot();
    let around = Surroundings {
        now: turn.now(),
        actor,
        roster: &*snapshot,
        selves: Selves::default(),
    };
    Ok(transition(
        row,
        &Command::Supersede(prepared.id.approval()),
        &around,
    )?)
}

fn event(
    id: ActionId,
    facts: ActionFacts,
    (verdict, standing): (&Verdict, Option<StandingId>),
    submit: &Submit,
    now: Timestamp,
    decide_by: Option<Timestamp>,
) -> (Event, String) {
    match verdict.effect {
        Effect::Allow => (
            Event::ActionAllowed(ActionAllowed {
                action: facts,
                run_by: now.plus(verdict.valid_for),
                standing,
            }),
            id.to_string(),
        ),
        Effect::Deny => {
            let code = verdict.code.unwrap_or(ReasonCode::PolicyDenied);
            (
                Event::ActionDenied(ActionDenied { action: facts, code }),
                id.to_string(),
            )
        }
        Effect::Ask => {
            let escalate_at = verdict.escalate.as_ref().map(|escalate| now.plus(escalate.after));
            let requested = ApprovalRequested {
                action: facts,
                requirement: verdict.requirement.clone(),
                decide_by,
                // Escalating after the end tells nobody anything.
                escalate_at: escalate_at.filter(|at| decide_by.is_none_or(|end| *at < end)),
                escalate: verdict.escalate.clone(),
                notify: verdict.notify.clone(),
                valid_for: verdict.valid_for,
                timeout: submit.action.timeout,
                replaces: submit.replaces,
            };
            (
                Event::ApprovalRequested(Box::new(requested)),
                id.approval().to_string(),
            )
        }
    }
}

fn submitted(
    id: ActionId,
    verdict: Verdict,
    reason: Option<String>,
    now: Timestamp,
    decide_by: Option<Timestamp>,
) -> Submitted {
    let asks = verdict.effect == Effect::Ask;
    Submitted {
        action_id: id,
        effect: verdict.effect,
        execution_id: (verdict.effect == Effect::Allow).then(|| id.execution()),
        approval_id: asks.then(|| id.approval()),
        decide_by: decide_by.filter(|_| asks),
        expires_in: decide_by.filter(|_| asks).map(|at| now.until(at)),
        timeout_cut: verdict.timeout_cut && asks,
        policy: verdict.policy,
        conditions: verdict.conditions,
        code: verdict.code,
        reason,
        standing: None,
        dropped_headers: Vec::new(),
        reach: Reach::Somebody,
        replayed: false,
    }
}
