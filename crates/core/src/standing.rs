//! Standing approvals: one person's answer for further requests of the same kind, limited by time, uses and a condition. It
//! takes the place of the human answer and of nothing else: what policy denies stays denied, and another version of the
//! policy is another question.

use serde::{Deserialize, Serialize};

use crate::{
    action::{TIMEOUT_MAX, text_enum},
    actor::Actor,
    condition::Condition,
    id::{AgentId, ApprovalId, StandingId},
    policy::PolicyRef,
    time::{Micros, Timestamp},
};

/// The longest time for which somebody may answer ahead.
pub const VALID_FOR_MAX: Micros = TIMEOUT_MAX;
/// The largest number of uses.
pub const USES_MAX: u32 = 1_000_000;

/// What somebody answers ahead.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StandingTerms {
    /// For how long.
    pub valid_for: Micros,
    /// How often; none means any number.
    pub uses: Option<u32>,
    /// Only for requests of which this holds.
    pub condition: Option<Condition>,
}

impl StandingTerms {
    /// Checks the terms in form.
    ///
    /// # Errors
    /// The field and a sentence.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.valid_for.0 <= 0 || self.valid_for > VALID_FOR_MAX {
            return Err(("/valid_for", "more than 0 and at most 30 days".into()));
        }
        if self.uses.is_some_and(|uses| uses == 0 || uses > USES_MAX) {
            return Err(("/uses", format!("from 1 to {USES_MAX}")));
        }
        match self.condition.as_ref().map(Condition::compile) {
            Some(Err(unusable)) => Err(("/condition", unusable.to_string())),
            Some(Ok(compiled)) if compiled.counters().next().is_some() => Err((
                "/condition",
                "count_last and sum_last are for policies; limit how often by `uses`".into(),
            )),
            _ => Ok(()),
        }
    }
}

/// Where a standing approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandingState {
    /// It answers.
    Active,
    /// Its time is over.
    Expired,
    /// It was used as often as it may be.
    UsedUp,
    /// Somebody took it back.
    Revoked,
}

text_enum!(StandingState {
    Active => "active", Expired => "expired", UsedUp => "used_up", Revoked => "revoked",
});

/// One person's answer for further requests of the same kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StandingRow {
    /// Which.
    pub id: StandingId,
    /// Whose requests.
    pub agent: AgentId,
    /// The action's exact name.
    pub action: String,
    /// The version of the policy whose question it answers.
    pub policy: PolicyRef,
    /// The approval with which it was given.
    pub approval: ApprovalId,
    /// By whom.
    pub granted_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// How often it may answer; none means any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_max: Option<u32>,
    /// How often it has.
    pub uses: u32,
    /// Only for requests of which this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// Who took it back, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revoked>,
}

/// Somebody took something back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Who.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

impl StandingRow {
    /// Where it stands.
    pub fn state(&self, now: Timestamp) -> StandingState {
        if self.revoked.is_some() {
            StandingState::Revoked
        } else if self.uses_max.is_some_and(|max| self.uses >= max) {
            StandingState::UsedUp
        } else if now >= self.expires_at {
            StandingState::Expired
        } else {
            StandingState::Active
        }
    }

    /// Whether it answers the question of this very policy version about this agent and action, its condition left aside.
    pub fn answers(&self, agent: AgentId, action: &str, policy: &PolicyRef, now: Timestamp) -> bool {
        self.agent == agent
            && self.action.eq_ignore_ascii_case(action)
            && (self.policy.id, self.policy.version) == (policy.id, policy.version)
            && self.state(now) == StandingState::Active
    }
}
