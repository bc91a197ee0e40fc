//! Simulation: what a policy set that is not in force would have said of what was asked before.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::action::{ConditionReport, VerdictCode};
use crate::common::{Actor, NamedRef};
use crate::policy::{PolicyBody, PolicySettings};

/// A set to try on recorded actions. Nothing is stored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySimulate {
    /// The whole set; at most 10,000, older first.
    pub policies: Vec<PolicyBody>,
    /// Settings that would change with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<PolicySettings>,
    /// From when on: RFC 3339, or a duration back from now such as `30d` (the default); at most 400 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// How many actions to look at, newest first; 1 to 50,000 (the default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 50_000)]
    pub limit: Option<u64>,
    /// How many changed actions to list; at most 200 (the default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 200)]
    pub examples: Option<u32>,
}

/// What became of a recorded action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
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

crate::common::level_text!(PastOutcome {
    DeniedByReviewer => "denied_by_reviewer", Denied => "denied", Stopped => "stopped", Expired => "expired",
    Cancelled => "cancelled", Superseded => "superseded", Pending => "pending", Approved => "approved",
    Allowed => "allowed",
});

/// What a set says of a recorded action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimulatedKind {
    /// It passes.
    Allowed,
    /// People are asked.
    PendingApproval,
    /// It goes back to the agent, which left out what the policy requires.
    SentBack,
    /// It is refused.
    Denied,
}

crate::common::level_text!(SimulatedKind {
    Allowed => "allowed", PendingApproval => "pending_approval", SentBack => "sent_back", Denied => "denied",
});

/// How many actions a set lets pass, asks about, sends back and refuses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tally {
    /// They pass.
    pub allowed: u64,
    /// People are asked.
    pub pending_approval: u64,
    /// They go back to the agent.
    pub sent_back: u64,
    /// They are refused.
    pub denied: u64,
}

/// Actions of which the same became, as both sets judge them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutcomeTally {
    /// What became of them.
    pub outcome: PastOutcome,
    /// By the set in force.
    pub present: Tally,
    /// By the proposed one.
    pub proposed: Tally,
}

/// What one set says of one action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SimulatedVerdict {
    /// In one word.
    pub verdict: SimulatedKind,
    /// Name of the policy that governs; null when none matches.
    #[schema(required)]
    pub policy: Option<String>,
    /// Why it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<VerdictCode>,
    /// Its conditions, one by one.
    #[serde(default)]
    pub conditions: Vec<ConditionReport>,
}

/// What was recorded of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PastVerdict {
    /// What became of it.
    pub outcome: PastOutcome,
    /// Name of the policy under which it was submitted; null when none matched.
    #[schema(required)]
    pub policy: Option<String>,
    /// Who brought the end, where people were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Actor>,
}

/// One recorded action that the two sets judge otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SimulatedAction {
    /// `act_…`.
    pub action_id: String,
    /// `apr_…`, where people were asked about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    /// When it was asked for, RFC 3339; both sets judge it at this time.
    pub at: String,
    /// The action's name.
    pub action: String,
    /// Who asked.
    pub agent: NamedRef,
    /// What it wanted: one plain sentence built from facts.
    pub summary: String,
    /// What was recorded.
    pub recorded: PastVerdict,
    /// What the set in force says.
    pub present: SimulatedVerdict,
    /// What the proposed set says.
    pub proposed: SimulatedVerdict,
}

/// Changes of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SimulatedChange {
    /// Which, as a stable word; most important first: `denied_by_reviewer_now_allowed`, `denied_by_policy_now_allowed`,
    /// `undecided_now_allowed`, `approved_now_denied`, `allowed_now_denied`, `now_sent_back`, `allowed_now_asked`,
    /// `denied_now_asked`, `other_approvers`, `approved_now_allowed`, `not_approved_now_denied` or `as_recorded`. More
    /// may come.
    pub code: String,
    /// How many, exactly.
    pub count: u64,
    /// Some of them, newest first.
    pub examples: Vec<SimulatedAction>,
}

/// What a simulation could not judge, and never guesses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotJudged {
    /// What was asked was erased.
    pub erased: u64,
    /// The agent is not known any more.
    pub unknown_agent: u64,
}

/// Why a simulation did not look at everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CutShort {
    /// It looked at as many actions as it may.
    Actions,
    /// It took as long as it may.
    Time,
}

crate::common::level_text!(CutShort { Actions => "actions", Time => "time" });

/// What a proposed set would have said of recorded actions, beside what the set in force says and what was said then.
/// Agents are taken as they are today; stops are left aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Simulation {
    /// From when on, RFC 3339.
    pub since: String,
    /// Up to when, RFC 3339.
    pub until: String,
    /// How far back it looked, RFC 3339.
    pub reached: String,
    /// Why it did not look at everything since then; absent when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_short: Option<CutShort>,
    /// How many actions it looked at.
    pub actions: u64,
    /// How many of them both sets judged.
    pub judged: u64,
    /// The others.
    pub not_judged: NotJudged,
    /// How many the two sets judge otherwise.
    pub changed: u64,
    /// All, by the set in force.
    pub present: Tally,
    /// All, by the proposed one.
    pub proposed: Tally,
    /// The same by what became of them.
    pub outcomes: Vec<OutcomeTally>,
    /// Where the two sets differ; what matters most first.
    pub changes: Vec<SimulatedChange>,
}
