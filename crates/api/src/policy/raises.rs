//! What policies make of the agent's claims.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::action::PolicyRef;
use crate::common::{Decimal, Priority, Risk};

/// The least risk and priority, whatever the agent says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// The least risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// The least priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

/// The cost, risk and priority by which an action is judged, where policies have something to say of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Raised {
    /// The highest cost in USD that is known; absent where nobody says any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Decimal>,
    /// The highest risk.
    pub risk: Risk,
    /// The highest priority.
    pub priority: Priority,
    /// What each policy says.
    pub by: Vec<Raise>,
}

/// What one policy makes of a claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Raise {
    /// Which claim.
    pub claim: Claim,
    /// Which policy.
    pub policy: PolicyRef,
    /// What it says; absent for a cost that could not be computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Why a cost could not be computed: then it may be anything, which never opens the gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether it is what counts.
    pub counts: bool,
}

/// Something that an agent claims and a policy may raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// Dollars.
    Cost,
    /// Harm.
    Risk,
    /// Urgency.
    Priority,
}

crate::common::level_text!(Claim { Cost => "cost", Risk => "risk", Priority => "priority" });

/// What an agent said of priority, risk and cost, where policy raised some of it: the digest is over these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Claimed {
    /// How urgent.
    pub priority: Priority,
    /// How harmful.
    pub risk: Risk,
    /// Cost in USD as decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_cost: Option<Decimal>,
}
