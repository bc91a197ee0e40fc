//! An approver changes what is asked, within what the policy says; and answers ahead for requests of the same kind.

use crate::{
    actor::{Actor, ActorKind},
    approval::{Refusal, Surroundings, Voice, may_vote},
    counted::Counted,
    event::{ApprovalEdited, Ballot, Claimed, Event, StandingGranted},
    judge::{ReasonCode, Verdict},
    payload::Hash32,
    policy::Effect,
    rows::ApprovalRow,
    standing::StandingTerms,
};

/// Changes what is asked. The editor must be able to vote on it before and after: theirs is the first vote on the new digest.
pub(super) fn edit(
    row: &ApprovalRow,
    (seen, digest): (Hash32, Hash32),
    (verdict, counted): (&Verdict, &[Counted]),
    commented: bool,
    around: &Surroundings<'_>,
) -> Result<Event, Refusal> {
    may_vote(row, around.actor, Ballot::Approve, around.roster, around.selves)?;
    if seen != row.digest {
        return Err(Refusal::DigestMismatch);
    }
    if !row.requirement.allow_edit {
        return Err(Refusal::EditForbidden);
    }
    if !row.accepts.edits {
        return Err(Refusal::NotEditable);
    }
    // What policy now lets through needs nobody else; until the editor has voted, those who were asked stay asked.
    let (policy, requirement) = match verdict.effect {
        Effect::Deny => {
            return Err(Refusal::EditDenied(
                verdict.code.unwrap_or(ReasonCode::PolicyDenied),
            ));
        }
        Effect::Allow => (row.policy.clone(), row.requirement.clone()),
        Effect::Ask => (verdict.policy.clone(), verdict.requirement.clone()),
    };
    if requirement.require_decision_reason && !commented {
        return Err(Refusal::ReasonRequired);
    }
    let mut after = row.clone();
    after.requirement.clone_from(&requirement);
    after.votes.clear();
    after.stages_done.clear();
    match may_vote(
        &after,
        around.actor,
        Ballot::Approve,
        around.roster,
        around.selves,
    )? {
        Voice::Counts => {}
        Voice::Late => return Err(Refusal::NotNamed),
    }
    Ok(Event::ApprovalEdited(Box::new(ApprovalEdited {
        digest,
        before: row.digest,
        policy,
        requirement,
        valid_for: verdict.valid_for,
        levels: moved_levels(row, verdict),
        counted: counted.to_vec(),
    })))
}

/// Priority, risk and cost as policy makes them of the claims now, where that differs from before.
fn moved_levels(row: &ApprovalRow, verdict: &Verdict) -> Option<Claimed> {
    let levels = match verdict.raised.as_deref() {
        Some(raised) => Claimed {
            priority: raised.priority,
            risk: raised.risk,
            cost: raised.cost.clone(),
        },
        None => row.claims(),
    };
    let moved = (levels.priority, levels.risk, &levels.cost) != (row.priority, row.risk, &row.cost);
    moved.then_some(levels)
}

/// Answers ahead for requests like this one. The approval itself is decided by a vote beside it.
///
/// # Errors
/// Why it can't be answered ahead.
pub fn grant_standing(
    row: &ApprovalRow,
    terms: &StandingTerms,
    around: &Surroundings<'_>,
) -> Result<StandingGranted, Refusal> {
    may_stand(row, around.actor)?;
    let policy = row.policy.clone().ok_or(Refusal::NothingStanding)?;
    Ok(StandingGranted {
        agent: row.agent,
        action: row.action.clone(),
        policy,
        approval: row.id,
        expires_at: around.now.plus(terms.valid_for),
        uses: terms.uses,
        condition: terms.condition.clone(),
    })
}

/// Whether a request can be answered ahead by this actor, who may vote on it.
///
/// # Errors
/// Why not.
pub fn may_stand(row: &ApprovalRow, actor: &Actor) -> Result<(), Refusal> {
    if actor.kind != ActorKind::Operator {
        Err(Refusal::NotAPerson)
    } else if row.policy.is_none() || row.require_approval {
        Err(Refusal::NothingStanding)
    } else if !row.requirement.allow_standing {
        Err(Refusal::StandingForbidden)
    } else if !row.requirement.takes_one_person() {
        Err(Refusal::StandingOfOne)
    } else {
        Ok(())
    }
}
