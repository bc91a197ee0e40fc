//! What can happen to a standing approval. Its uses are told by the actions that it let through.

use serde::{Deserialize, Serialize};

use crate::{
    condition::Condition,
    id::{AgentId, ApprovalId},
    policy::PolicyRef,
    time::Timestamp,
};

/// A person answers for further requests of the same kind. The subject is the standing approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StandingGranted {
    /// Whose requests.
    pub agent: AgentId,
    /// The action's exact name.
    pub action: String,
    /// The version of the policy whose question it answers.
    pub policy: PolicyRef,
    /// The approval with which it was given.
    pub approval: ApprovalId,
    /// Until when.
    pub expires_at: Timestamp,
    /// How often; none means any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// Only for requests of which this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}
