//! Executions: the carrying-out of an allowed or approved action.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::call::CallView;
use crate::common::NamedRef;

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// May be carried out.
    Ready,
    /// The agent took it, once.
    Consumed,
    /// The agent said how it went.
    Reported,
    /// Signoff is making the call.
    Executing,
    /// The upstream answered.
    Executed,
    /// It was provably not sent.
    Failed,
    /// Sent, or perhaps sent, and no answer; a person settles it.
    Indeterminate,
    /// Nobody used the permission in time.
    Lapsed,
    /// The permission was taken back.
    Revoked,
}

crate::common::level_text!(ExecutionStatus {
    Ready => "ready", Consumed => "consumed", Reported => "reported", Executing => "executing",
    Executed => "executed", Failed => "failed", Indeterminate => "indeterminate", Lapsed => "lapsed",
    Revoked => "revoked",
});

/// One carrying-out of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Execution {
    /// `exe_…`.
    pub id: String,
    /// `act_…`.
    pub action_id: String,
    /// `apr_…`, when a person was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// Name of the action.
    pub action: String,
    /// Whose it is.
    pub agent: NamedRef,
    /// The approved arguments: what was seen is what runs. Null when they were erased.
    #[schema(value_type = Object)]
    pub inputs: Value,
    /// The approved context; null when it was erased.
    #[schema(value_type = Object)]
    pub context: Value,
    /// Digest of what was approved.
    pub digest: String,
    /// When it became ready, RFC 3339.
    pub created_at: String,
    /// When the permission lapses, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_by: Option<String>,
    /// When the agent took it, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed_at: Option<String>,
    /// When it ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// What the agent said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// Whether it waits for an admin to release it, because the database was restored or failed over since it was
    /// approved.
    #[serde(default)]
    pub held: bool,
    /// The call that it is, which Signoff makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallView>,
}

/// Query of the list of executions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExecutionQuery {
    /// One of `ready`, `consumed`, `executing` and `indeterminate` (default `indeterminate`): what has not come to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ExecutionStatus>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Items per page, 1 to 200 (default 50).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// Executions that are held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeldExecutions {
    /// At most 200, soonest to lapse first.
    pub items: Vec<Execution>,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done.
    Success,
    /// Tried, not done.
    Failure,
    /// Some of it done.
    Partial,
    /// Something else kept the agent from it.
    Blocked,
}

crate::common::level_text!(Outcome {
    Success => "success", Failure => "failure", Partial => "partial", Blocked => "blocked",
});

/// What an agent says of an execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// How it went.
    pub outcome: Outcome,
    /// The same in words; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub detail: Option<String>,
    /// What came of it: an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub result: Option<Map<String, Value>>,
}

/// What an indeterminate execution turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// It ran.
    Executed,
    /// It did not run.
    Failed,
    /// It is to be made again. If it ran after all, it will have run twice.
    Ready,
}

crate::common::level_text!(Settlement { Executed => "executed", Failed => "failed", Ready => "ready" });

/// A person's word on an indeterminate execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// What it turns out to be.
    pub outcome: Settlement,
    /// How they know; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub note: Option<String>,
}
