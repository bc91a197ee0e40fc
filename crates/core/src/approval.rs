//! The decision machine: `(approval, command, surroundings) → event or refusal`. Pure; one command, at most one event.

use crate::{
    actor::Actor,
    counted::Counted,
    event::{
        ApprovalEnd, ApprovalEscalated, ApprovalRejudged, ApprovalStatus, ApprovalVoted, Ballot, Event,
        Nothing, View, VotedStage,
    },
    grant::Unfit,
    id::{ApprovalId, OperatorId},
    judge::{ReasonCode, Verdict},
    payload::Hash32,
    policy::{Effect, Escalation, Orphaned},
    requirement::Roster,
    rows::ApprovalRow,
    time::Timestamp,
};

mod edits;
mod stages;

pub use edits::{grant_standing, may_stand};
pub use stages::{StageStanding, StageState, Voice, has_voted, is_counted, may_vote, standing};

use stages::{replay, suffices};

/// What can be asked of an approval.
#[derive(Debug, Clone)]
pub enum Command<'a> {
    /// A person or automation votes.
    Vote {
        /// Yes or no.
        ballot: Ballot,
        /// The action digest the voter saw; a denial may come without.
        digest: Option<Hash32>,
        /// What the voter looked at.
        view: Option<View>,
        /// Whether a comment or reason comes with the vote.
        commented: bool,
    },
    /// An approver changes what is asked; their vote on it follows.
    Edit {
        /// The digest they saw.
        seen: Hash32,
        /// The digest of what they made of it.
        digest: Hash32,
        /// What policy says of that.
        verdict: &'a Verdict,
        /// What it counts for then.
        counted: &'a [Counted],
        /// Whether a comment comes with the vote.
        commented: bool,
    },
    /// An approver asks back.
    RequestInfo,
    /// The agent answers.
    Answer,
    /// The agent or an admin withdraws it.
    Cancel,
    /// An amended request takes its place.
    Supersede(ApprovalId),
    /// The deadline passed.
    Expire,
    /// The escalation window passed.
    Escalate,
    /// Somebody asks that those be told now who would be told later.
    EscalateNow,
    /// Policy or authority changed.
    Rejudge {
        /// What policy says now.
        verdict: &'a Verdict,
        /// What becomes of it if no policy governs any more.
        orphaned: Orphaned,
    },
    /// Votes that were short of the old requirement may meet the new one.
    Tally,
    /// The server was started to approve everything.
    AutoApprove,
    /// The agent may do nothing any more.
    Withdraw,
}

/// What the machine may look at beside the approval.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The batch's time.
    pub now: Timestamp,
    /// Who acts.
    pub actor: &'a Actor,
    /// Who people are right now.
    pub roster: &'a dyn Roster,
    /// The people behind the request.
    pub selves: Selves,
}

/// The people behind a request, who can't approve it unless the requirement says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selves {
    /// The agent's owner.
    pub owner: Option<OperatorId>,
    /// The person the agent says it asks for. A claim: it takes authority away and never gives any.
    pub requested_by: Option<OperatorId>,
}

impl Selves {
    fn include(self, operator: OperatorId) -> bool {
        self.owner == Some(operator) || self.requested_by == Some(operator)
    }
}

/// Why a command changes nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// It reached its one end before.
    #[error("the approval is already {0}")]
    Ended(ApprovalStatus),
    /// The deadline has passed, whether or not the clock's worker has run.
    #[error("the time to decide has passed")]
    DeadlinePassed,
    /// The clock is early.
    #[error("the time has not come")]
    NotDue,
    /// The voter saw something else.
    #[error("the action is not the one that was shown")]
    DigestMismatch,
    /// The requirement does not name the voter.
    #[error("the requirement names other people")]
    NotNamed,
    /// No link and no button of a message decides at this risk.
    #[error("this is not decided by a link or a message; sign in to the console")]
    SignInFirst,
    /// A later stage names the voter; it opens after this one.
    #[error("the turn of this voter comes after stage {0}")]
    NotYet(u32),
    /// The agent's owner and the person it asks for can't approve.
    #[error("who owns the agent, or is the one it asks for, can't approve")]
    SelfApproval,
    /// The same person, the same vote.
    #[error("this person has voted so already")]
    AlreadyVoted,
    /// A machine can't be one of several people.
    #[error("automation never counts where more than one person is needed")]
    NotAPerson,
    /// A denial, or an approval under this policy, needs words.
    #[error("a reason is required")]
    ReasonRequired,
    /// The client can't answer questions.
    #[error("the agent's client can't answer questions")]
    NotAskable,
    /// The client can't take a changed action.
    #[error("the agent's client can't take changes; deny, and say what should be asked instead")]
    NotEditable,
    /// The policy lets approvers change nothing.
    #[error("the policy that asks lets approvers change nothing")]
    EditForbidden,
    /// What came out of the changes is denied.
    #[error("policy denies the request as it would be ({0}); it was left as it is")]
    EditDenied(ReasonCode),
    /// The policy wants a person to look each time.
    #[error("the policy that asks wants a person to look at each request")]
    StandingForbidden,
    /// One person can't answer for several.
    #[error("a standing approval is one person's answer, and this request takes more than that")]
    StandingOfOne,
    /// There is no question of a policy that could be answered ahead.
    #[error("no policy asks here, or the agent itself asked for a person: that can't be answered ahead")]
    NothingStanding,
    /// The grant that the call was judged with does not go with it any more. Said to those who look; the machine knows no
    /// grants, and takes the vote.
    #[error("this call could not be made any more: {0}; deny it, or set the grant right first")]
    GrantUnfit(Unfit),
    /// A question is open already.
    #[error("a question is waiting for the agent's answer")]
    AlreadyAsked,
    /// No question is open.
    #[error("nothing was asked")]
    NothingAsked,
}

/// One step of the machine: the event that follows, or none if nothing changes.
///
/// # Errors
/// Why the command changes nothing.
pub fn transition(
    row: &ApprovalRow,
    command: &Command<'_>,
    around: &Surroundings<'_>,
) -> Result<Option<Event>, Refusal> {
    if row.status.is_terminal() {
        return Err(Refusal::Ended(row.status));
    }
    let overdue = row.decide_by.is_some_and(|at| around.now >= at);
    let by_people = matches!(
        command,
        Command::Vote { .. }
            | Command::Edit { .. }
            | Command::RequestInfo
            | Command::Answer
            | Command::EscalateNow
            | Command::AutoApprove
            | Command::Tally
    );
    if by_people && overdue {
        return Err(Refusal::DeadlinePassed);
    }
    match command {
        Command::Vote {
            ballot,
            digest,
            view,
            commented,
        } => vote(row, *ballot, *digest, view.clone(), *commented, around).map(Some),
        Command::Edit {
            seen,
            digest,
            verdict,
            counted,
            commented,
        } => edits::edit(row, (*seen, *digest), (verdict, counted), *commented, around).map(Some),
        Command::RequestInfo => request_info(row, around).map(Some),
        Command::Answer if row.open_question().is_some() => Ok(Some(Event::InfoAnswered(Nothing {}))),
        Command::Answer => Err(Refusal::NothingAsked),
        Command::Cancel => Ok(Some(ended(
            ApprovalStatus::Cancelled,
            Some(ReasonCode::Cancelled),
            None,
        ))),
        Command::Withdraw => Ok(Some(ended(
            ApprovalStatus::Cancelled,
            Some(ReasonCode::Cancelled),
            Some("agent_disabled"),
        ))),
        Command::Supersede(by) => Ok(Some(Event::ApprovalEnded(ApprovalEnd {
            superseded_by: Some(*by),
            ..end(ApprovalStatus::Superseded, Some(ReasonCode::Superseded), None)
        }))),
        Command::Expire if overdue => Ok(Some(ended(
            ApprovalStatus::Expired,
            Some(ReasonCode::ApprovalTimeout),
            None,
        ))),
        Command::Expire => Err(Refusal::NotDue),
        Command::Escalate => escalate(row, around),
        Command::EscalateNow => Ok(row
            .escalate
            .as_ref()
            .filter(|_| row.escalated_at.is_none())
            .map(escalated)),
        Command::Rejudge { .. } if overdue => Ok(None),
        Command::Rejudge { verdict, orphaned } => Ok(rejudge(row, verdict, *orphaned, around)),
        Command::Tally => Ok(tally(row, around)),
        Command::AutoApprove => Ok(Some(approved(row, Some("auto_approve"), around.now))),
    }
}

fn end(status: ApprovalStatus, code: Option<ReasonCode>, note: Option<&str>) -> ApprovalEnd {
    ApprovalEnd {
        status,
        code,
        note: note.map(str::to_owned),
        run_by: None,
        superseded_by: None,
        counted: Vec::new(),
    }
}

fn ended(status: ApprovalStatus, code: Option<ReasonCode>, note: Option<&str>) -> Event {
    Event::ApprovalEnded(end(status, code, note))
}

fn approval_end(row: &ApprovalRow, note: Option<&str>, now: Timestamp) -> ApprovalEnd {
    ApprovalEnd {
        run_by: Some(now.plus(row.valid_for)),
        ..end(ApprovalStatus::Approved, None, note)
    }
}

fn approved(row: &ApprovalRow, note: Option<&str>, now: Timestamp) -> Event {
    Event::ApprovalEnded(approval_end(row, note, now))
}

fn vote(
    row: &ApprovalRow,
    ballot: Ballot,
    digest: Option<Hash32>,
    view: Option<View>,
    commented: bool,
    around: &Surroundings<'_>,
) -> Result<Event, Refusal> {
    let voice = may_vote(row, around.actor, ballot, around.roster, around.selves)?;
    if view.as_ref().is_some_and(|view| view.via.is_some()) && !row.decides_elsewhere() {
        return Err(Refusal::SignInFirst);
    }
    // I2: an approval carries the digest of what was shown. A denial may come blind, but never of something else.
    if digest.map_or(ballot == Ballot::Approve, |seen| seen != row.digest) {
        return Err(Refusal::DigestMismatch);
    }
    if !commented && (ballot == Ballot::Deny || row.requirement.require_decision_reason) {
        return Err(Refusal::ReasonRequired);
    }
    if has_voted(row, around.actor, ballot) {
        return Err(Refusal::AlreadyVoted);
    }
    let others = row
        .votes
        .iter()
        .filter(|vote| row.is_of_open_stage(vote) && !vote.actor.is_same(around.actor));
    let (counted, not_counted): (Vec<_>, Vec<_>) =
        others.partition(|vote| is_counted(row, vote, around.roster, around.selves));
    let mut with_me: Vec<Actor> = counted
        .iter()
        .filter(|vote| vote.ballot == ballot)
        .map(|vote| vote.actor.clone())
        .collect();
    with_me.push(around.actor.clone());
    let open = row.open_stage();
    let suffices =
        voice == Voice::Counts && suffices(with_me.len(), ballot, row.requirement.stages.get(open));
    let is_last = open + 1 >= row.requirement.stages.len();
    let end = match ballot {
        Ballot::Deny if suffices => Some(end(
            ApprovalStatus::Denied,
            Some(ReasonCode::DeniedByReviewer),
            None,
        )),
        Ballot::Approve if suffices && is_last => Some(approval_end(row, None, around.now)),
        _ => None,
    };
    let completes = suffices && end.is_none();
    let stage = row.requirement.is_staged().then(|| VotedStage {
        number: u32::try_from(open + 1).unwrap_or(u32::MAX),
        for_nothing: voice == Voice::Late,
        completed_by: if completes { with_me } else { Vec::new() },
    });
    let not_counted = not_counted.into_iter().map(|vote| vote.actor.clone()).collect();
    Ok(Event::ApprovalVoted(ApprovalVoted {
        ballot,
        digest: row.digest,
        view,
        not_counted,
        stage,
        end,
    }))
}

fn request_info(row: &ApprovalRow, around: &Surroundings<'_>) -> Result<Event, Refusal> {
    // Who may deny may ask.
    may_vote(row, around.actor, Ballot::Deny, around.roster, around.selves)?;
    if !row.accepts.info_requests {
        return Err(Refusal::NotAskable);
    }
    if row.open_question().is_some() {
        return Err(Refusal::AlreadyAsked);
    }
    Ok(Event::InfoRequested(Nothing {}))
}

fn escalate(row: &ApprovalRow, around: &Surroundings<'_>) -> Result<Option<Event>, Refusal> {
    match (&row.escalate, row.escalate_at) {
        _ if row.escalated_at.is_some() => Ok(None),
        (Some(escalate), Some(at)) if around.now >= at => Ok(Some(escalated(escalate))),
        _ => Err(Refusal::NotDue),
    }
}

fn escalated(escalate: &Escalation) -> Event {
    Event::ApprovalEscalated(ApprovalEscalated {
        to: escalate.to.clone(),
    })
}

fn rejudge(
    row: &ApprovalRow,
    verdict: &Verdict,
    orphaned: Orphaned,
    around: &Surroundings<'_>,
) -> Option<Event> {
    let is_orphan = verdict.is_uncovered() && row.policy.is_some() && !row.require_approval;
    match (is_orphan, orphaned) {
        (true, Orphaned::Keep) => return None,
        (true, Orphaned::Release) => return Some(approved(row, Some("orphaned"), around.now)),
        (true, Orphaned::Deny) => {
            return Some(ended(
                ApprovalStatus::Denied,
                Some(ReasonCode::Unmatched),
                Some("orphaned"),
            ));
        }
        _ => {}
    }
    match verdict.effect {
        Effect::Allow => Some(approved(row, Some("policy_changed"), around.now)),
        Effect::Deny => {
            let stopped = verdict.code == Some(ReasonCode::Stopped);
            let note = if stopped { "stopped" } else { "policy_changed" };
            Some(ended(ApprovalStatus::Denied, verdict.code, Some(note)))
        }
        Effect::Ask => {
            let same = row.policy == verdict.policy
                && row.requirement == verdict.requirement
                && row.valid_for == verdict.valid_for;
            (!same).then(|| {
                let stages_done = if row.requirement == verdict.requirement {
                    row.stages_done.clone()
                } else {
                    replay(row, &verdict.requirement, around)
                };
                Event::ApprovalRejudged(Box::new(ApprovalRejudged {
                    policy: verdict.policy.clone(),
                    requirement: verdict.requirement.clone(),
                    stages_done,
                    valid_for: verdict.valid_for,
                }))
            })
        }
    }
}

/// The end that the votes as they stand bring about, if any. Denials first: fail closed.
fn tally(row: &ApprovalRow, around: &Surroundings<'_>) -> Option<Event> {
    let counted = |ballot: Ballot| -> Vec<Actor> {
        let votes = row
            .votes
            .iter()
            .filter(|vote| vote.ballot == ballot && row.is_of_open_stage(vote));
        votes
            .filter(|vote| is_counted(row, vote, around.roster, around.selves))
            .map(|vote| vote.actor.clone())
            .collect()
    };
    let note = Some("policy_changed");
    let open = row.open_stage();
    let (stage, is_last) = (
        row.requirement.stages.get(open),
        open + 1 >= row.requirement.stages.len(),
    );
    let (against, in_favour) = (counted(Ballot::Deny), counted(Ballot::Approve));
    if suffices(against.len(), Ballot::Deny, stage) {
        let denied = end(ApprovalStatus::Denied, Some(ReasonCode::DeniedByReviewer), note);
        Some(Event::ApprovalEnded(ApprovalEnd {
            counted: against,
            ..denied
        }))
    } else if is_last && suffices(in_favour.len(), Ballot::Approve, stage) {
        let approved = approval_end(row, note, around.now);
        Some(Event::ApprovalEnded(ApprovalEnd {
            counted: in_favour,
            ..approved
        }))
    } else {
        None
    }
}
