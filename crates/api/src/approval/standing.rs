//! Standing approvals: one person's answer for further requests of the same kind.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::action::PolicyRef;
use crate::common::{Actor, NamedRef};
use crate::duration::Duration;
use crate::policy::Condition;

/// What an approver answers ahead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StandingTerms {
    /// For how long; more than 0, at most 30 days.
    pub valid_for: Duration,
    /// How often, 1 to 1,000,000; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub uses: Option<u32>,
    /// Only for requests of which this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

/// Where a standing approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StandingState {
    /// It answers in place of a person.
    Active,
    /// Its time is over.
    Expired,
    /// It was used as often as it may be.
    UsedUp,
    /// Somebody took it back.
    Revoked,
    /// The policy whose question it answers has another version by now.
    PolicyChanged,
}

crate::common::level_text!(StandingState {
    Active => "active", Expired => "expired", UsedUp => "used_up", Revoked => "revoked",
    PolicyChanged => "policy_changed",
});

/// One person's answer for further requests of the same agent and action. What policy denies stays denied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StandingApproval {
    /// `sta_…`.
    pub id: String,
    /// Where it stands.
    pub state: StandingState,
    /// Whose requests.
    pub agent: NamedRef,
    /// The exact name of the action.
    pub action: String,
    /// The version of the policy whose question it answers.
    pub policy: PolicyRef,
    /// `apr_…`, the approval with which it was given.
    pub approval_id: String,
    /// Who gave it.
    pub granted_by: Actor,
    /// When, RFC 3339.
    pub created_at: String,
    /// Until when, RFC 3339.
    pub expires_at: String,
    /// How often it may answer; null: any number.
    #[schema(required)]
    pub uses_max: Option<u32>,
    /// How often it has.
    pub uses: u32,
    /// Only for requests of which this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// Who took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<Actor>,
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
}

/// Query of the list of standing approvals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StandingQuery {
    /// Only those in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StandingState>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Items per page, 1 to 200 (default 50).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}
