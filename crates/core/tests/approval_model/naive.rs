//! The decision machine once more, naively: plain sets and counts, written from the words of the design.

use std::collections::BTreeSet;

use signoff_core::{
    approval::Selves,
    event::{ApprovalStatus, Ballot},
    id::OperatorId,
    policy::{Effect, Orphaned},
    requirement::{Approver, Requirement, Role},
    time::Timestamp,
};

use super::{DEADLINE, Life, Step, Who};
use crate::support::{DIGEST, People, operator};

/// Somebody's latest vote, and the stage it was cast in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cast {
    pub(crate) who: Who,
    pub(crate) ballot: Ballot,
    stage: usize,
}

/// The naive model.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) status: ApprovalStatus,
    /// In the order in which they were cast.
    pub(crate) votes: Vec<Cast>,
    /// Whose approvals completed each stage that is over.
    pub(crate) done: Vec<BTreeSet<Who>>,
    requirement: Requirement,
    governed: bool,
    require_approval: bool,
    selves: Selves,
}

impl Model {
    pub(super) fn new(life: &Life) -> Self {
        Self {
            status: ApprovalStatus::Pending,
            votes: Vec::new(),
            done: Vec::new(),
            requirement: life.requirement.clone(),
            governed: true,
            require_approval: life.require_approval,
            selves: life.selves,
        }
    }

    pub(super) fn step(&mut self, step: &Step, people: &People, now: Timestamp) {
        use ApprovalStatus as S;
        if !matches!(self.status, S::Pending | S::InfoRequested) {
            return;
        }
        let late = now >= DEADLINE;
        match step {
            Step::Cancel | Step::Withdraw => self.status = S::Cancelled,
            Step::Supersede => self.status = S::Superseded,
            Step::Expire if late => self.status = S::Expired,
            _ if late => {}
            Step::Vote {
                who,
                ballot,
                digest,
                commented,
            } => {
                let seen = *digest == Some(DIGEST) || (*ballot == Ballot::Deny && digest.is_none());
                let worded =
                    *commented || (*ballot == Ballot::Approve && !self.requirement.require_decision_reason);
                if seen && worded {
                    self.vote(*who, *ballot, people);
                }
            }
            Step::Ask(who) if self.status == S::Pending && self.may(*who, Ballot::Deny, people) => {
                self.status = S::InfoRequested;
            }
            Step::Answer => self.status = S::Pending,
            Step::Rejudge {
                effect,
                requirement,
                governed,
                orphaned,
            } => {
                self.rejudge(*effect, requirement, *governed, *orphaned, people);
            }
            Step::Tally => {
                self.count(Ballot::Deny, people);
                if self.status != S::Denied && self.is_last() {
                    self.count(Ballot::Approve, people);
                }
            }
            Step::AutoApprove => self.status = S::Approved,
            _ => {}
        }
    }

    fn is_last(&self) -> bool {
        self.done.len() + 1 == self.requirement.stages.len()
    }

    fn is_spent(&self, who: Who) -> bool {
        self.done.iter().any(|voters| voters.contains(&who))
    }

    fn has_authority(&self, who: Who, ballot: Ballot, stage: usize, people: &People) -> bool {
        has_authority(who, ballot, &self.requirement, stage, people, self.selves)
    }

    /// Those of the open stage, and of earlier ones for nothing; nobody of a later one.
    fn may(&self, who: Who, ballot: Ballot, people: &People) -> bool {
        (0..=self.done.len()).any(|stage| self.has_authority(who, ballot, stage, people))
    }

    fn counts(&self, who: Who, ballot: Ballot, people: &People) -> bool {
        let spent = ballot == Ballot::Approve && self.is_spent(who);
        !spent && self.has_authority(who, ballot, self.done.len(), people)
    }

    fn vote(&mut self, who: Who, ballot: Ballot, people: &People) {
        let open = self.done.len();
        let spent = ballot == Ballot::Approve && self.is_spent(who);
        let again = self
            .votes
            .iter()
            .any(|cast| cast.who == who && cast.ballot == ballot && (cast.stage == open || spent));
        if again || !self.may(who, ballot, people) {
            return;
        }
        self.votes.retain(|cast| cast.who != who);
        self.votes.push(Cast {
            who,
            ballot,
            stage: open,
        });
        if self.counts(who, ballot, people) {
            self.count(ballot, people);
        }
    }

    fn count(&mut self, ballot: Ballot, people: &People) {
        let open = self.done.len();
        let voters: BTreeSet<Who> = self
            .votes
            .iter()
            .filter(|cast| cast.stage == open && cast.ballot == ballot)
            .filter(|cast| self.counts(cast.who, ballot, people))
            .map(|cast| cast.who)
            .collect();
        let stage = &self.requirement.stages[open];
        match ballot {
            Ballot::Deny if voters.len() >= stage.deny_quorum as usize => {
                self.status = ApprovalStatus::Denied;
            }
            Ballot::Approve if voters.len() >= stage.quorum as usize => {
                if self.is_last() {
                    self.status = ApprovalStatus::Approved;
                } else {
                    self.done.push(voters);
                }
            }
            _ => {}
        }
    }

    fn rejudge(
        &mut self,
        effect: Effect,
        requirement: &Requirement,
        governed: bool,
        orphaned: Orphaned,
        people: &People,
    ) {
        let is_orphan = self.governed && !governed && !self.require_approval;
        self.status = match (is_orphan, orphaned, effect) {
            (true, Orphaned::Keep, _) => return,
            (true, Orphaned::Release, _)
            | (false, _, Effect::Allow)
            | (true, Orphaned::Judge, Effect::Allow) => ApprovalStatus::Approved,
            (true, Orphaned::Deny, _) | (_, _, Effect::Deny) => ApprovalStatus::Denied,
            (_, _, Effect::Ask) => {
                self.governed = governed;
                if self.requirement != *requirement {
                    self.requirement = requirement.clone();
                    self.replay(people);
                }
                return;
            }
        };
    }

    /// The votes so far once more, in their order, under the new requirement; the last stage is left to the tally.
    fn replay(&mut self, people: &People) {
        let votes = std::mem::take(&mut self.votes);
        self.done.clear();
        let (mut yes, mut no, mut refused) = (BTreeSet::new(), 0, false);
        for mut cast in votes {
            let open = self.done.len();
            cast.stage = open;
            self.votes.push(cast);
            if refused || self.is_last() || !self.has_authority(cast.who, cast.ballot, open, people) {
                continue;
            }
            if cast.ballot == Ballot::Deny {
                no += 1;
                refused = no >= self.requirement.stages[open].deny_quorum;
                continue;
            }
            yes.insert(cast.who);
            if yes.len() >= self.requirement.stages[open].quorum as usize {
                self.done.push(std::mem::take(&mut yes));
                no = 0;
            }
        }
    }
}

/// Who may vote so in a stage, as the design has it.
pub(crate) fn has_authority(
    who: Who,
    ballot: Ballot,
    requirement: &Requirement,
    stage: usize,
    people: &People,
    selves: Selves,
) -> bool {
    let several = ballot == Ballot::Approve && requirement.stages.len() > 1;
    let stage = &requirement.stages[stage];
    let quorum = if ballot == Ballot::Approve {
        stage.quorum
    } else {
        stage.deny_quorum
    };
    let number = match who {
        Who::Agent => return false,
        Who::Automation => {
            let by_role = stage.approvers.iter().any(|one| matches!(one, Approver::Role(_)));
            return quorum == 1 && !several && by_role;
        }
        Who::Operator(number) => number,
    };
    let id: OperatorId = operator(number);
    let person = &people.0[&id];
    let named = stage.approvers.iter().any(|approver| match approver {
        Approver::Role(Role::Admin) => person.role == Role::Admin,
        Approver::Role(_) => true,
        Approver::Group(_) => person.groups.contains("g"),
        Approver::Operator(one) => *one == id,
        Approver::AgentOwner => selves.owner == Some(id),
        Approver::Email(_) => false,
    });
    let is_self = selves.owner == Some(id) || selves.requested_by == Some(id);
    let banned = ballot == Ballot::Approve && is_self && !requirement.self_approval;
    named && !person.disabled && person.role != Role::Viewer && !banned
}
