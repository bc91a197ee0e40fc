//! Approving for ever: by a new version of policy.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::policy::PolicyBody;

/// What is let through from now on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlwaysScope {
    /// Whatever the governing policy asks for: it allows from now on.
    Policy,
    /// This action of this agent, by a policy of its own.
    #[default]
    Action,
}

crate::common::level_text!(AlwaysScope { Policy => "policy", Action => "action" });

/// Query of what approving for ever would come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlwaysQuery {
    /// What would be let through (default `action`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<AlwaysScope>,
}

/// What approving for ever would come to. Nothing is changed by asking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlwaysPreview {
    /// The policy as it would be written.
    pub policy: PolicyBody,
    /// Whether that is a new version of the policy that asks now; else a policy beside it.
    pub replaces: bool,
    /// Requests of the last 30 days that it would have covered, by their end.
    pub covered: Covered,
    /// Approvals pending now that it would let through.
    pub pending: u64,
}

/// Requests of the last 30 days, by their end; the latest 10,000.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Covered {
    /// Approved by people.
    pub approved: u64,
    /// Denied by people.
    pub denied: u64,
    /// Nobody decided in time.
    pub expired: u64,
    /// Any other end, or none yet.
    pub other: u64,
}
