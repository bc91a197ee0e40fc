//! What a policy makes of the agent's claims: a cost that it computes itself, and the least risk and priority.

use serde::{Deserialize, Serialize};

use super::{PolicyDoc, PolicyProblem, problem};
use crate::{
    action::{Priority, Risk},
    condition::CostExpression,
};

/// The least risk and priority of all that a policy matches by name, agent, labels and call. What the agent says below it
/// is raised to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Floor {
    /// The least risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// The least priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

/// Cost and floor of one policy, ready.
#[derive(Debug)]
pub(crate) struct Raises {
    /// What computes the cost.
    pub(crate) cost: Option<CostExpression>,
    /// The least risk and priority.
    pub(crate) floor: Floor,
}

impl Raises {
    /// Prepares what a policy says; none where it says nothing.
    ///
    /// # Errors
    /// What can't work, with its place in the policy.
    pub(crate) fn compile(doc: &PolicyDoc) -> Result<Option<Self>, PolicyProblem> {
        if doc.floor == Some(Floor::default()) {
            return Err(problem("/floor", "name `risk`, `priority`, or both"));
        }
        let cost = doc.cost.as_deref().map(CostExpression::compile).transpose();
        let cost = cost.map_err(|unusable| problem("/cost", unusable.to_string()))?;
        let floor = doc.floor.unwrap_or_default();
        Ok((cost.is_some() || doc.floor.is_some()).then_some(Self { cost, floor }))
    }
}
