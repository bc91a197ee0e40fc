//! Whose turn it is: who may vote in which stage, what that counts for, and how far the stages are.

use crate::{
    actor::{Actor, ActorKind},
    approval::{Refusal, Selves, Surroundings},
    event::{ApprovalStatus, Ballot},
    id::OperatorId,
    requirement::{Approver, Requirement, Role, Roster, Stage},
    rows::{ApprovalRow, StageDone, Vote},
};

/// What the vote of somebody who may vote comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// It counts in the open stage.
    Counts,
    /// It is kept and counts for nothing: their stage is over, or has had their approval.
    Late,
}

/// Whether this actor may vote so, as things stand, and what for. Asked when a vote is cast.
///
/// # Errors
/// Why not; [`Refusal::NotYet`] for those whom only a later stage names.
pub fn may_vote(
    row: &ApprovalRow,
    actor: &Actor,
    ballot: Ballot,
    roster: &dyn Roster,
    selves: Selves,
) -> Result<Voice, Refusal> {
    let asked = |stage| eligible(&row.requirement, stage, actor, ballot, roster, selves);
    let open = row.open_stage();
    match asked(open) {
        // One person counts once over all stages. A denial takes the approval back.
        Ok(()) if ballot == Ballot::Approve && row.has_counted(actor) => Ok(Voice::Late),
        Ok(()) => Ok(Voice::Counts),
        Err(_) if (0..open).any(|stage| asked(stage).is_ok()) => Ok(Voice::Late),
        Err(Refusal::NotNamed) => Err(later(open, row.requirement.stages.len(), asked)),
        Err(refusal) => Err(refusal),
    }
}

/// Why somebody whom the open stage does not name can't vote: their turn comes later, or never.
fn later(open: usize, stages: usize, asked: impl Fn(usize) -> Result<(), Refusal>) -> Refusal {
    let answers = (open + 1..stages).map(|stage| (stage, asked(stage)));
    let mut named = answers.filter(|(_, answer)| *answer != Err(Refusal::NotNamed));
    match named.next() {
        // Counted from 0, a stage's number is that of the one before counted from 1.
        Some((stage, Ok(()))) => Refusal::NotYet(u32::try_from(stage).unwrap_or(u32::MAX)),
        Some((_, Err(refusal))) => refusal,
        None => Refusal::NotNamed,
    }
}

/// Whether a stage lets this actor vote so. Asked when a vote is cast and again when it would complete the stage.
pub(super) fn eligible(
    requirement: &Requirement,
    stage: usize,
    actor: &Actor,
    ballot: Ballot,
    roster: &dyn Roster,
    selves: Selves,
) -> Result<(), Refusal> {
    let stage = requirement.stages.get(stage).ok_or(Refusal::NotNamed)?;
    match (actor.kind, actor.operator()) {
        (ActorKind::Operator, Some(operator)) => {
            if !is_named(stage, operator, roster, selves) {
                return Err(Refusal::NotNamed);
            }
            if ballot == Ballot::Approve && selves.include(operator) && !requirement.self_approval {
                return Err(Refusal::SelfApproval);
            }
            Ok(())
        }
        // Automation has an admin's rights, so a role names it; a group or an address names people.
        (ActorKind::Automation, _) if !stage.approvers.iter().any(|a| matches!(a, Approver::Role(_))) => {
            Err(Refusal::NotNamed)
        }
        (ActorKind::Automation, _) if quorum_for(ballot, stage) > 1 => Err(Refusal::NotAPerson),
        // Several stages are several people.
        (ActorKind::Automation, _) if ballot == Ballot::Approve && requirement.is_staged() => {
            Err(Refusal::NotAPerson)
        }
        (ActorKind::Automation, _) => Ok(()),
        _ => Err(Refusal::NotNamed),
    }
}

fn is_named(stage: &Stage, operator: OperatorId, roster: &dyn Roster, selves: Selves) -> bool {
    // Only `agent.owner` speaks of the owner; the roster can't know which agent is meant.
    let as_owner = stage.approvers.contains(&Approver::AgentOwner) && selves.owner == Some(operator);
    let active = roster.is_named(operator, &Approver::Role(Role::Member));
    active && (as_owner || roster.may_decide(operator, stage))
}

/// Whether so many people are enough. Nobody is never enough, whatever a requirement says.
pub(super) fn suffices(people: usize, ballot: Ballot, stage: Option<&Stage>) -> bool {
    stage.is_some_and(|stage| {
        let quorum = quorum_for(ballot, stage).max(1);
        u32::try_from(people).is_ok_and(|people| people >= quorum)
    })
}

fn quorum_for(ballot: Ballot, stage: &Stage) -> u32 {
    match ballot {
        Ballot::Approve => stage.quorum,
        Ballot::Deny => stage.deny_quorum,
    }
}

/// Whether somebody's latest vote says the same already. One that was left uncounted in an earlier stage may be cast again.
pub fn has_voted(row: &ApprovalRow, actor: &Actor, ballot: Ballot) -> bool {
    let counted = ballot == Ballot::Approve && row.has_counted(actor);
    row.votes
        .iter()
        .find(|vote| vote.actor.is_same(actor))
        .is_some_and(|vote| vote.ballot == ballot && (counted || row.is_of_open_stage(vote)))
}

/// The stages of another requirement that the votes cast so far complete, as if they were cast under it in their order.
/// The last one is never among them: it brings the end.
pub(super) fn replay(
    row: &ApprovalRow,
    requirement: &Requirement,
    around: &Surroundings<'_>,
) -> Vec<StageDone> {
    let mut done: Vec<StageDone> = Vec::new();
    let (mut in_favour, mut against) = (Vec::new(), 0);
    for vote in &row.votes {
        let open = done.len();
        if open + 1 >= requirement.stages.len() {
            break;
        }
        let stage = requirement.stages.get(open);
        let asked = eligible(
            requirement,
            open,
            &vote.actor,
            vote.ballot,
            around.roster,
            around.selves,
        );
        match vote.ballot {
            _ if asked.is_err() => {}
            Ballot::Deny => {
                against += 1;
                if suffices(against, Ballot::Deny, stage) {
                    break;
                }
            }
            Ballot::Approve => {
                in_favour.push(vote.actor.clone());
                if suffices(in_favour.len(), Ballot::Approve, stage) {
                    done.push(StageDone {
                        seq: vote.seq,
                        at: vote.at,
                        by: std::mem::take(&mut in_favour),
                    });
                    against = 0;
                }
            }
        }
    }
    done
}

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageState {
    /// It has its approvals.
    Done,
    /// Its people decide now.
    Open,
    /// Its turn comes later.
    Waiting,
    /// The request ended before it was done.
    Closed,
}

/// One stage, and how far it is.
#[derive(Debug, Clone, PartialEq)]
pub struct StageStanding<'a> {
    /// What it asks for.
    pub stage: &'a Stage,
    /// Where it stands.
    pub state: StageState,
    /// Whose approvals count in it.
    pub approved_by: Vec<&'a Actor>,
    /// Whose denials count in it.
    pub denied_by: Vec<&'a Actor>,
    /// How many approvals are still needed.
    pub needed: u32,
}

/// Whether a vote counts: while its stage is open by who the voter is now, afterwards as it was counted then.
pub fn is_counted(row: &ApprovalRow, vote: &Vote, roster: &dyn Roster, selves: Selves) -> bool {
    if row.status.is_terminal() || !row.is_of_open_stage(vote) {
        return vote.counted;
    }
    let spent = vote.ballot == Ballot::Approve && row.has_counted(&vote.actor);
    let open = row.open_stage();
    !spent && eligible(&row.requirement, open, &vote.actor, vote.ballot, roster, selves).is_ok()
}

/// How far the stages of an approval are, as people are now.
pub fn standing<'a>(row: &'a ApprovalRow, roster: &dyn Roster, selves: Selves) -> Vec<StageStanding<'a>> {
    let open = row.open_stage();
    let ended = row.status.is_terminal();
    let stages = row.requirement.stages.iter().enumerate();
    stages
        .map(|(at, stage)| match row.stages_done.get(at) {
            Some(done) => StageStanding {
                stage,
                state: StageState::Done,
                approved_by: done.by.iter().collect(),
                denied_by: Vec::new(),
                needed: 0,
            },
            None if at == open => open_standing(row, stage, roster, selves),
            None => StageStanding {
                stage,
                state: if ended {
                    StageState::Closed
                } else {
                    StageState::Waiting
                },
                approved_by: Vec::new(),
                denied_by: Vec::new(),
                needed: if ended { 0 } else { stage.quorum },
            },
        })
        .collect()
}

fn open_standing<'a>(
    row: &'a ApprovalRow,
    stage: &'a Stage,
    roster: &dyn Roster,
    selves: Selves,
) -> StageStanding<'a> {
    let counted = |ballot: Ballot| -> Vec<&Actor> {
        let votes = row.votes.iter();
        votes
            .filter(|vote| vote.ballot == ballot && row.is_of_open_stage(vote))
            .filter(|vote| is_counted(row, vote, roster, selves))
            .map(|vote| &vote.actor)
            .collect()
    };
    let approved_by = counted(Ballot::Approve);
    let ended = row.status.is_terminal();
    let stands = match row.status {
        ApprovalStatus::Approved if suffices(approved_by.len(), Ballot::Approve, Some(stage)) => {
            StageState::Done
        }
        _ if ended => StageState::Closed,
        _ => StageState::Open,
    };
    let so_far = u32::try_from(approved_by.len()).unwrap_or(u32::MAX);
    StageStanding {
        stage,
        state: stands,
        denied_by: counted(Ballot::Deny),
        needed: if ended {
            0
        } else {
            stage.quorum.saturating_sub(so_far)
        },
        approved_by,
    }
}
