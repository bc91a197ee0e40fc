//! What policy answers, and what it knows of who asks.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Raised;
use crate::{
    action::text_enum,
    condition::Report,
    id::{AgentId, OperatorId},
    policy::{Effect, Escalation, Lack, PolicyRef},
    requirement::Requirement,
    time::Micros,
};

/// Why an action was refused, as a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// A policy says deny.
    PolicyDenied,
    /// A conditional policy's conditions do not hold, and it denies otherwise.
    ConditionsDenied,
    /// No policy matches, and the workspace denies what it does not know.
    Unmatched,
    /// A person said no.
    DeniedByReviewer,
    /// Nobody decided in time.
    ApprovalTimeout,
    /// The agent or an admin withdrew it.
    Cancelled,
    /// An amended request took its place.
    Superseded,
    /// The agent, or all of them, were stopped.
    Stopped,
    /// The key is for a part of what the agent may do, to which this does not belong.
    OutOfScope,
}

text_enum!(ReasonCode {
    PolicyDenied => "policy_denied", ConditionsDenied => "conditions_denied", Unmatched => "unmatched",
    DeniedByReviewer => "denied_by_reviewer", ApprovalTimeout => "approval_timeout", Cancelled => "cancelled",
    Superseded => "superseded", Stopped => "stopped", OutOfScope => "out_of_scope",
});

/// The agent, as policies see it.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentFacts {
    /// Its id.
    pub id: AgentId,
    /// Its name as written.
    pub name: String,
    /// Its owner, a person.
    pub owner: Option<OperatorId>,
    /// `{id, name, labels, owner}` for conditions.
    pub(super) value: Arc<Value>,
}

impl AgentFacts {
    /// Prepares what conditions see.
    pub fn new(
        id: AgentId,
        name: &str,
        labels: &BTreeMap<String, String>,
        owner: Option<OperatorId>,
    ) -> Self {
        let mut value = json!({"id": id, "name": name, "labels": labels});
        if let Some(owner) = owner {
            value["owner"] = json!(owner);
        }
        Self {
            id,
            name: name.to_owned(),
            owner,
            value: Arc::new(value),
        }
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.value.get("labels")?.get(key)?.as_str()
    }
}

/// What policy says of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Allow, ask or deny.
    pub effect: Effect,
    /// Why it is refused, for a deny.
    pub code: Option<ReasonCode>,
    /// The policy that governs; none where nothing matched.
    pub policy: Option<PolicyRef>,
    /// The governing policy's conditions with what they saw.
    pub conditions: Vec<Report>,
    /// Who must decide, for an ask.
    pub requirement: Requirement,
    /// How long people have; none means as long as it takes.
    pub decide_within: Option<Micros>,
    /// The request asked for longer than the policy gives.
    pub timeout_cut: bool,
    /// How long an approval may be used.
    pub valid_for: Micros,
    /// Whom to tell when nobody has decided in time.
    pub escalate: Option<Escalation>,
    /// Whom to tell at once.
    pub notify: Vec<String>,
    /// What the governing policy wants to be told before it lets through or asks, and was not. Empty for a deny.
    pub lacks: Vec<Lack>,
    /// What policies made of the claimed cost, risk and priority; none where they say nothing of them.
    pub raised: Option<Box<Raised>>,
}

impl Verdict {
    /// Whether policy was asked and none covers the action. A stop answers before policy is asked, so what it refuses
    /// has lost no policy.
    pub fn is_uncovered(&self) -> bool {
        self.policy.is_none() && !matches!(self.code, Some(ReasonCode::Stopped | ReasonCode::OutOfScope))
    }
}
