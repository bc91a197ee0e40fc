//! Who must decide, stage by stage, and how far that is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Voter;
use crate::common::Risk;

/// Who must decide: one stage, or several in order. `approvers`, `quorum` and `deny_quorum` are those of the stage whose turn
/// it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent switches of the written form"
)]
pub struct Requirement {
    /// `operator:usr_…`, `email:ADDRESS`, `group:NAME`, `role:NAME` or `agent.owner`.
    pub approvers: Vec<String>,
    /// How many of them must say yes.
    pub quorum: u32,
    /// How many of them must say no.
    pub deny_quorum: u32,
    /// Whether the agent's owner and its requester may approve.
    pub self_approval: bool,
    /// Whether every decision needs a reason.
    pub require_decision_reason: bool,
    /// All stages in order; one person counts once over all of them.
    #[serde(default)]
    pub stages: Vec<Stage>,
    /// Whose link may decide.
    #[serde(default)]
    pub link: LinkMode,
    /// Up to which risk a personal link, or a button of a message, may decide; above it people sign in.
    #[serde(default)]
    pub link_risk_max: Risk,
    /// Whether an approver may change the request and approve it so (`edit`); the policy says what of it.
    #[serde(default)]
    pub allow_edit: bool,
    /// Whether an approver may answer for further requests (`standing`).
    #[serde(default = "yes")]
    pub allow_standing: bool,
    /// Approvers that the policy wanted from the context and did not get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<Unresolved>,
}

/// One stage of a requirement, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stage {
    /// From 1.
    pub number: u32,
    /// Its name, if the policy gives it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it stands.
    pub state: StageState,
    /// Who may vote in it.
    pub approvers: Vec<String>,
    /// How many of them must say yes.
    pub quorum: u32,
    /// How many of them must say no.
    pub deny_quorum: u32,
    /// Whose yes counts in it.
    #[serde(default)]
    pub approved_by: Vec<Voter>,
    /// Whose no counts in it.
    #[serde(default)]
    pub denied_by: Vec<Voter>,
    /// How many must still say yes; 0 once it is done, or the approval ended.
    pub needed: u32,
}

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageState {
    /// It has its approvals.
    Done,
    /// Its people decide now.
    Open,
    /// Its turn comes later.
    Waiting,
    /// The approval ended before it was done.
    Closed,
}

crate::common::level_text!(StageState {
    Done => "done", Open => "open", Waiting => "waiting", Closed => "closed",
});

/// Whose link may decide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkMode {
    /// A link made for one operator, as that operator.
    #[default]
    Operator,
    /// A link that decides for whoever holds it; never with a quorum above 1, several stages, or high risk.
    Anyone,
    /// None: people sign in first.
    None,
}

crate::common::level_text!(LinkMode { Operator => "operator", Anyone => "anyone", None => "none" });

/// An approver that the policy wanted from the context and did not get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unresolved {
    /// In which stage, from 1.
    pub stage: u32,
    /// The path in the context.
    pub context: String,
    /// Why it names nobody.
    pub why: UnresolvedWhy,
    /// True when the stage names nobody else, so that the workspace's default approvers stand in.
    pub defaulted: bool,
}

/// Why an address of the context names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnresolvedWhy {
    /// The context has nothing there.
    Missing,
    /// What is there is no e-mail address.
    NotAnAddress,
    /// Its domain is none of those that the policy allows.
    OtherDomain,
    /// No active operator has it.
    Unknown,
}

crate::common::level_text!(UnresolvedWhy {
    Missing => "missing", NotAnAddress => "not_an_address", OtherDomain => "other_domain", Unknown => "unknown",
});

fn yes() -> bool {
    true
}
