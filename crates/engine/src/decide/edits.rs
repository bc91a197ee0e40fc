//! An approver changes what is asked and approves it so: judged like a new request, every vote before it void.

use std::sync::Arc;

use signoff_core::{
    action::Action,
    approval::Command,
    counted::Moment,
    digest::{DigestFields, action_digest},
    event::Ballot,
    payload::{Hash32, PayloadName, commitment},
    policy::Effect,
};
use signoff_store::StoredRequest;

use super::{Pending, Voting, rejudge, vote};
use crate::{
    EngineError, EngineResult,
    content::{Opened, asked, seal_json},
    request::{Decide, Decision, Edit},
    seal::SealedPayload,
    submit::bounded,
    tenant::Tenant,
    turn::{Draft, Turn},
};

/// How often one request may be changed.
const EDITS_MAX: usize = 20;

/// A changed request, with all that can be prepared before the batch.
pub(super) struct Change {
    /// As it would be.
    pub(super) action: Action,
    /// As it was when the change was prepared; the digest that the editor saw says whether it still is.
    before: Action,
    digest: Hash32,
    payloads: Vec<SealedPayload>,
}

/// Puts the changes in place of what is asked.
pub(super) fn prepare(tenant: &Tenant, request: &StoredRequest, edit: &Edit) -> EngineResult<Change> {
    let row = &request.approval;
    if row.edits.len() >= EDITS_MAX {
        let why = format!("this request was changed {EDITS_MAX} times; decide it");
        return Err(EngineError::invalid("/edit", why));
    }
    let claims = request
        .payloads
        .iter()
        .find(|payload| payload.seq == row.submitted_seq && payload.name == PayloadName::Claims);
    let claims = match claims {
        Some(stored) => {
            let plain = tenant.key.open(stored).ok_or(EngineError::Internal)?;
            Some(commitment(&stored.salt, &plain))
        }
        None => None,
    };
    let content = Opened::open(tenant, request.payloads.clone())?.asked_content(row);
    let before = asked(row, &content)?;
    let mut action = before.clone();
    if let Some(inputs) = &edit.inputs {
        action.inputs.clone_from(inputs);
    }
    if let Some(context) = &edit.context {
        action.context.clone_from(context);
    }
    if let Some(body) = &edit.body {
        let call = action.http.as_ref().ok_or_else(|| {
            EngineError::invalid("/edit/body", "there is no call whose body could be changed")
        })?;
        let body = Some(body.clone()).filter(|body| !body.is_empty());
        let changed = call
            .with_body(body)
            .map_err(|why| EngineError::invalid("/edit/body", why))?;
        action.http = Some(Arc::new(changed));
    }
    let parts = |action: &Action| {
        let body = action
            .http
            .as_ref()
            .and_then(|call| call.body().map(<[u8]>::to_vec));
        (action.inputs.clone(), action.context.clone(), body)
    };
    if parts(&action) == parts(&before) {
        let why = "this is what is asked already; approve it without changes";
        return Err(EngineError::invalid("/edit", why));
    }
    action
        .check()
        .map_err(|(pointer, why)| EngineError::invalid(format!("/edit{pointer}"), why))?;
    let seal = |name, field, object| -> EngineResult<SealedPayload> {
        Ok(tenant.key.seal(row.id.0, name, &bounded(field, object)?))
    };
    let mut payloads = vec![seal(PayloadName::Inputs, "/edit/inputs", &action.inputs)?];
    if !action.context.is_empty() {
        payloads.push(seal(PayloadName::Context, "/edit/context", &action.context)?);
    }
    // The call goes with what is asked now, so that one record holds all that runs.
    if let Some(call) = &action.http {
        payloads.push(seal_json(
            &tenant.key,
            row.id.0,
            PayloadName::Call,
            &call.stored(),
        )?);
        let body = call.body();
        payloads.extend(body.map(|body| tenant.key.seal(row.id.0, PayloadName::Body, body)));
    }
    let commitment_of = |name| {
        let payload = payloads.iter().find(|payload| payload.name == name);
        payload.map(|payload| payload.commitment)
    };
    let digest = action_digest(&DigestFields {
        workspace: tenant.id,
        action_id: row.id.action(),
        agent: row.agent,
        action: &row.action,
        inputs: commitment_of(PayloadName::Inputs),
        context: commitment_of(PayloadName::Context),
        claims,
        priority: action.priority,
        risk: action.risk,
        estimated_cost: action.cost.as_ref(),
        accepts: row.accepts,
        call: commitment_of(PayloadName::Call),
        body: commitment_of(PayloadName::Body),
        grant: action.grant,
    })
    .map_err(|_| EngineError::Internal)?;
    Ok(Change {
        action,
        before,
        digest,
        payloads,
    })
}

/// Changes what is asked and casts the editor's vote on it, the first for the new digest.
pub(super) fn edit_and_vote(
    turn: &mut Turn<'_>,
    voting: &Voting<'_>,
    change: &Change,
    decide: &Decide,
) -> EngineResult<()> {
    let Decision::Approve { digest: seen, .. } = &decide.decision else {
        return Err(EngineError::Internal);
    };
    let snapshot = turn.snapshot();
    let row = turn.approval(voting.id)?;
    let (agent, policy) = (row.agent, row.policy.clone());
    let own = row.counted_rows();
    let facts = snapshot.facts(agent).ok_or(EngineError::Internal)?;
    let past = turn.past((&change.action, facts), None, &own)?;
    let moment = Moment {
        now: turn.now(),
        past: Some(&past),
    };
    let verdict = snapshot.policies.judge(&change.action, facts, moment);
    let counted = snapshot.policies.counted(&change.action, facts);
    let counted = counted.map_err(|why| EngineError::invalid("/edit", why.to_string()))?;
    let commented = voting.words.is_some();
    let command = Command::Edit {
        seen: *seen,
        digest: change.digest,
        verdict: &verdict,
        counted: &counted,
        commented,
    };
    let event = voting.try_out(turn, &command)?.ok_or(EngineError::Internal)?;
    // The machine saw to it that the policy lets something be changed; this is the policy's word on what.
    let policy = policy.as_ref().and_then(|policy| snapshot.prepared(policy));
    policy
        .ok_or(EngineError::Internal)?
        .edits()
        .check(&change.before, &change.action)
        .map_err(|wrong| {
            let under = |(at, why): (String, String)| (format!("/edit{at}"), why);
            EngineError::Invalid(wrong.into_iter().map(under).collect())
        })?;
    let mut payloads = change.payloads.clone();
    if !verdict.conditions.is_empty() {
        let key = &turn.ledger.tenant.key;
        payloads.push(seal_json(
            key,
            voting.id.0,
            PayloadName::Judgement,
            &verdict.conditions,
        )?);
    }
    turn.emit(
        Draft::new(event, voting.actor.clone(), voting.id)
            .under(verdict.policy.as_ref())
            .with(payloads),
    )?;
    voting.cast(
        turn,
        &vote(Ballot::Approve, Some(change.digest), decide, commented),
    )?;
    if verdict.effect == Effect::Allow && !turn.approval(voting.id)?.status.is_terminal() {
        // As it is now, policy lets it through: nobody else is needed.
        let pending = Pending {
            action: change.action.clone(),
            requested_by: voting.requested_by.map(str::to_owned),
        };
        rejudge(turn, voting.id, &pending)?;
    }
    Ok(())
}
