//! What a policy set that is not in force would have said of what was asked before.

use std::collections::BTreeMap;

use signoff_core::{
    condition,
    id::{ActionId, AgentId, ApprovalId},
    judge::ReasonCode,
    sentence::Sentence,
    time::Timestamp,
};

use super::{ActorView, Named};

macro_rules! words {
    ($name:ident { $($variant:ident => $text:literal),+ $(,)? }) => {
        impl $name {
            /// All values, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used on every surface.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// What became of a recorded action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PastOutcome {
    /// A reviewer said no.
    DeniedByReviewer,
    /// Policy refused it, at once or while it was pending.
    Denied,
    /// A stop refused it.
    Stopped,
    /// Nobody decided in time.
    Expired,
    /// It was withdrawn.
    Cancelled,
    /// An amended request took its place.
    Superseded,
    /// It still waits.
    Pending,
    /// Reviewers approved it.
    Approved,
    /// Policy let it through, at once or while it was pending.
    Allowed,
}

words!(PastOutcome {
    DeniedByReviewer => "denied_by_reviewer", Denied => "denied", Stopped => "stopped", Expired => "expired",
    Cancelled => "cancelled", Superseded => "superseded", Pending => "pending", Approved => "approved",
    Allowed => "allowed",
});

/// What a set says of a recorded action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Simulated {
    /// It passes.
    Allowed,
    /// People are asked.
    Asked,
    /// It goes back to the agent, which left out what the policy requires.
    SentBack,
    /// It is refused.
    Denied,
}

words!(Simulated {
    Allowed => "allowed", Asked => "pending_approval", SentBack => "sent_back", Denied => "denied",
});

/// In which way the proposed set says something else than the present one, seen from what was recorded. What matters
/// most comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// A reviewer denied it, and it would pass.
    DeniedByReviewerNowAllowed,
    /// Policy or a stop refused it, and it would pass.
    DeniedByPolicyNowAllowed,
    /// People were asked and did not decide, and it would pass.
    UndecidedNowAllowed,
    /// People approved it, and it would be refused.
    ApprovedNowDenied,
    /// Policy let it through, and it would be refused.
    AllowedNowDenied,
    /// It would go back to the agent.
    NowSentBack,
    /// Policy let it through, and people would be asked.
    AllowedNowAsked,
    /// Policy refused it, and people would be asked.
    DeniedNowAsked,
    /// People would be asked under both sets, but others, or more of them.
    OtherApprovers,
    /// People approved it, and it would pass without them.
    ApprovedNowAllowed,
    /// People were asked and did not approve, and it would be refused at once.
    NotApprovedNowDenied,
    /// The present set says something else by now; the proposed one says what was said then.
    AsRecorded,
}

words!(ChangeKind {
    DeniedByReviewerNowAllowed => "denied_by_reviewer_now_allowed",
    DeniedByPolicyNowAllowed => "denied_by_policy_now_allowed",
    UndecidedNowAllowed => "undecided_now_allowed",
    ApprovedNowDenied => "approved_now_denied",
    AllowedNowDenied => "allowed_now_denied",
    NowSentBack => "now_sent_back",
    AllowedNowAsked => "allowed_now_asked",
    DeniedNowAsked => "denied_now_asked",
    OtherApprovers => "other_approvers",
    ApprovedNowAllowed => "approved_now_allowed",
    NotApprovedNowDenied => "not_approved_now_denied",
    AsRecorded => "as_recorded",
});

/// How many actions a set lets pass, asks about, sends back and refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// They pass.
    pub allowed: u64,
    /// People are asked.
    pub asked: u64,
    /// They go back to the agent.
    pub sent_back: u64,
    /// They are refused.
    pub denied: u64,
}

impl Tally {
    /// Counts one more.
    pub(crate) fn count(&mut self, simulated: Simulated) {
        *match simulated {
            Simulated::Allowed => &mut self.allowed,
            Simulated::Asked => &mut self.asked,
            Simulated::SentBack => &mut self.sent_back,
            Simulated::Denied => &mut self.denied,
        } += 1;
    }

    /// All of them.
    pub const fn total(&self) -> u64 {
        self.allowed + self.asked + self.sent_back + self.denied
    }
}

/// Actions with one outcome, as both sets judge them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Judgements {
    /// By the set in force.
    pub present: Tally,
    /// By the proposed one.
    pub proposed: Tally,
}

/// What one set says of one action.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedVerdict {
    /// In one word.
    pub simulated: Simulated,
    /// Name of the policy that governs.
    pub policy: Option<String>,
    /// Why it is refused, where it is.
    pub code: Option<ReasonCode>,
    /// The policy's conditions with what they saw.
    pub conditions: Vec<condition::Report>,
}

/// One recorded action of which the proposed set says something else.
#[derive(Debug, Clone)]
pub struct Example {
    /// Which.
    pub action_id: ActionId,
    /// Where people were asked about it.
    pub approval_id: Option<ApprovalId>,
    /// When it was asked; both sets judge it at this time.
    pub at: Timestamp,
    /// The action's name.
    pub action: String,
    /// Who asked.
    pub agent: Named<AgentId>,
    /// What it wanted, in one sentence.
    pub sentence: Sentence,
    /// What became of it.
    pub outcome: PastOutcome,
    /// The policy under which it was submitted.
    pub policy: Option<String>,
    /// Who brought the end, where people were asked.
    pub decided_by: Option<ActorView>,
    /// By the set in force.
    pub present: SimulatedVerdict,
    /// By the proposed one.
    pub proposed: SimulatedVerdict,
}

/// Changes of one kind.
#[derive(Debug, Clone)]
pub struct ChangeGroup {
    /// Which.
    pub kind: ChangeKind,
    /// All of them, exactly.
    pub count: u64,
    /// Some of them, newest first.
    pub examples: Vec<Example>,
}

/// Why a simulation did not reach as far back as it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutShort {
    /// It looked at as many actions as it may.
    Actions,
    /// It took as long as it may.
    Time,
}

words!(CutShort { Actions => "actions", Time => "time" });

/// What a proposed set would have said of recorded actions, beside what the present one says and what was said then.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// From when on actions were asked for.
    pub since: Timestamp,
    /// Up to when.
    pub until: Timestamp,
    /// How far back it looked: `since`, unless it was cut short or the log begins later.
    pub reached: Timestamp,
    /// Why it did not look at all of them.
    pub cut_short: Option<CutShort>,
    /// How many it looked at.
    pub actions: u64,
    /// Of these, such that can't be judged: what was asked was erased.
    pub erased: u64,
    /// Of these, such that can't be judged: their agent is not known any more.
    pub unknown_agent: u64,
    /// By what became of them, the worst first.
    pub outcomes: BTreeMap<PastOutcome, Judgements>,
    /// Where the sets differ; what matters most first.
    pub changes: Vec<ChangeGroup>,
}

impl Simulation {
    /// How many actions both sets judged.
    pub fn judged(&self) -> u64 {
        self.actions - self.erased - self.unknown_agent
    }

    /// How many of them the sets judge otherwise.
    pub fn changed(&self) -> u64 {
        self.changes.iter().map(|group| group.count).sum()
    }

    /// All of them as both sets judge them.
    pub fn totals(&self) -> Judgements {
        let mut totals = Judgements::default();
        let add = |sum: &mut Tally, more: &Tally| {
            sum.allowed += more.allowed;
            sum.asked += more.asked;
            sum.sent_back += more.sent_back;
            sum.denied += more.denied;
        };
        for judgements in self.outcomes.values() {
            add(&mut totals.present, &judgements.present);
            add(&mut totals.proposed, &judgements.proposed);
        }
        totals
    }

    /// How many changes there are of one kind.
    pub fn count_of(&self, kind: ChangeKind) -> u64 {
        self.changes
            .iter()
            .find(|group| group.kind == kind)
            .map_or(0, |group| group.count)
    }
}
