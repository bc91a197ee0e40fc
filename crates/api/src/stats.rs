//! Statistics over approvals.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::{Priority, Risk};

/// Query of the statistics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatsQuery {
    /// Since when: an RFC 3339 time or a duration back from now such as `24h` (default `30d`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// How approvals asked since a point in time have gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// Since when, RFC 3339.
    pub since: String,
    /// Up to when, RFC 3339.
    pub until: String,
    /// Approvals asked in that time.
    pub total: u64,
    /// Of these, still undecided.
    pub pending: u64,
    /// Ended by people.
    pub human: HumanEnds,
    /// Ended by the clock, the asker, an automation or a change of policy.
    pub other: OtherEnds,
    /// By priority, every priority present.
    pub by_priority: Vec<PriorityStats>,
    /// By risk, every risk present.
    pub by_risk: Vec<RiskStats>,
    /// The ten actions asked most, most first.
    pub top_actions: Vec<ActionStats>,
}

/// Approvals ended by people; an automation never counts as one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HumanEnds {
    /// Approved or answered.
    pub approved: u64,
    /// Denied.
    pub denied: u64,
    /// Approved of both, 0 to 1; null when there are none.
    #[schema(required)]
    pub approval_rate: Option<f64>,
    /// Denied of both, 0 to 1; null when there are none.
    #[schema(required)]
    pub rejection_rate: Option<f64>,
    /// From asking to the deciding vote on average, in seconds; null when there are none.
    #[schema(required)]
    pub decision_seconds_average: Option<f64>,
    /// Nine of ten were decided within so many seconds; null when there are none.
    #[schema(required)]
    pub decision_seconds_p90: Option<f64>,
}

/// Approvals ended by the clock, the asker or a change of policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OtherEnds {
    /// Nobody decided in time.
    pub expired: u64,
    /// Called off.
    pub cancelled: u64,
    /// Replaced.
    pub superseded: u64,
    /// Approved by a change of policy, or by a server that approves everything.
    pub system_approved: u64,
    /// Denied by a change of policy.
    pub system_denied: u64,
}

/// Counts of one slice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Asked.
    pub total: u64,
    /// Still undecided.
    pub pending: u64,
    /// Approved by people.
    pub approved: u64,
    /// Denied by people.
    pub denied: u64,
}

/// Counts of one priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriorityStats {
    /// Which.
    pub priority: Priority,
    /// Its counts.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Counts of one risk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RiskStats {
    /// Which.
    pub risk: Risk,
    /// Its counts.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Counts of one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionStats {
    /// Which.
    pub action: String,
    /// Its counts.
    #[serde(flatten)]
    pub counts: Counts,
}
