//! Actions: what an agent submits, and what it is answered.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::approval::{Approval, Requirement};
use crate::common::{Decimal, NamedRef, Priority, Risk};
use crate::duration::Duration;
use crate::http::HttpCall;
use crate::policy::{Claimed, Raised};
use crate::problem::FieldError;

/// What an agent is about to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    /// Dotted name of the action, such as `stripe.refund`: 1 to 200 printable ASCII characters without spaces. A call
    /// without one is `http.` and its method: `http.post`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// The agent it is for. Applications name it; an agent's own key leaves it out. In `explain` anyone may name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Arguments of the action: an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub inputs: Option<Map<String, Value>>,
    /// Whatever else helps to judge: links, tickets, metadata. An object; conditions read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context: Option<Map<String, Value>>,
    /// Why the agent wants it, in its own words; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub reason: Option<String>,
    /// What it is, in the agent's own words; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub description: Option<String>,
    /// The larger aim it serves; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub intent: Option<String>,
    /// On whose behalf: an operator's e-mail address or any name; at most 320 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 320)]
    pub requested_by: Option<String>,
    /// How urgent (default `medium`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// How harmful (default `medium`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// What it would cost in USD, as decimal text or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_cost: Option<Decimal>,
    /// Where in a larger run it belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// How long people have to decide: more than 0, at most 30 days; a shorter policy timeout cuts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Ask a person even if policy would allow it or knows nothing of it. A deny still denies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval: Option<bool>,
    /// What this client can handle besides yes and no. Nothing is assumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepts: Option<Vec<Accepts>>,
    /// The HTTP request that it stands for. Signoff makes it as soon as it may, and keeps what came back: `GET
    /// /v1/executions/{id}/result`. `check` and `explain` only judge it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCall>,
    /// A pending approval of the same agent that this one supersedes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// A URL that is told what becomes of the request (`approval.*` and `execution.*`), signed as webhooks are. A channel of
    /// the kind `callback` must allow it. It may carry a credential and is not shown again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    pub callback_url: Option<crate::secret::Secret>,
}

/// Something a client can handle besides yes and no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Accepts {
    /// An approver may change inputs, context or body.
    Edits,
    /// An approver may ask the agent a question back.
    InfoRequests,
    /// The approval may end with an answer instead of a permission.
    Answers,
}

/// Where an action belongs in a larger run. Each part at most 200 characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// One run of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// One task of that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The mission it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mission_id: Option<String>,
    /// The action that led to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// What policy says of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// Go on.
    Allowed,
    /// Stop.
    Denied,
    /// Wait for a person.
    PendingApproval,
}

crate::common::level_text!(VerdictKind {
    Allowed => "allowed", Denied => "denied", PendingApproval => "pending_approval",
});

/// Why an action was refused, or an approval ended without a yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictCode {
    /// A policy denies it.
    PolicyDenied,
    /// The conditions of a conditional policy do not hold and it denies otherwise.
    ConditionsDenied,
    /// No policy covers it and the workspace denies what is unmatched.
    Unmatched,
    /// A person said no.
    DeniedByReviewer,
    /// Nobody decided in time.
    ApprovalTimeout,
    /// It was called off.
    Cancelled,
    /// An amended submit replaced it.
    Superseded,
    /// An operator stopped the agent, or all of them.
    Stopped,
    /// The key was handed on for other actions than this.
    OutOfScope,
}

crate::common::level_text!(VerdictCode {
    PolicyDenied => "policy_denied", ConditionsDenied => "conditions_denied", Unmatched => "unmatched",
    DeniedByReviewer => "denied_by_reviewer", ApprovalTimeout => "approval_timeout",
    Cancelled => "cancelled", Superseded => "superseded", Stopped => "stopped", OutOfScope => "out_of_scope",
});

/// The policy that governs, as it was when it judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyRef {
    /// `pol_…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Version of the policy.
    pub version: u64,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionResult {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It could not be evaluated; that never opens the gate.
    Error,
}

crate::common::level_text!(ConditionResult { True => "true", False => "false", Error => "error" });

/// One condition of the governing policy, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConditionReport {
    /// The condition as text, such as `context.amount <= 50`.
    pub expression: String,
    /// The value it looked at; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saw: Option<Value>,
    /// Whether it holds.
    pub result: ConditionResult,
    /// Why it could not be evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The answer to a submit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SubmitAnswer {
    /// Go on, stop, or wait. With `?wait=` it is what came of the waiting.
    pub verdict: VerdictKind,
    /// `act_…`.
    pub action_id: String,
    /// `exe_…`, once the action may be carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// `apr_…`, when a person was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    /// Page of the approval in the console. Deciding there needs sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_url: Option<String>,
    /// When the asking ends by itself, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The same in whole seconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// True when the policy's timeout was shorter than the one asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_cut: Option<bool>,
    /// The policy that governs; null when none matched.
    #[schema(required)]
    pub policy: Option<PolicyRef>,
    /// Its conditions, one by one.
    #[serde(default)]
    pub conditions: Vec<ConditionReport>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<VerdictCode>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `sta_…`, the standing approval that answered in place of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing_approval_id: Option<String>,
    /// Headers of the call that were given and are not sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped_headers: Vec<String>,
    /// The approval as it stands; present when the call waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Whether anybody hears of what is asked; absent when somebody does at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unheard: Option<Unheard>,
}

/// Nobody hears of an approval yet: it stands in the console all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unheard {
    /// When quiet hours end and somebody is told, RFC 3339; absent: no channel reaches anybody who may decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The same in words, with what to do.
    pub detail: String,
}

/// The answer to a check: what a submit would get. Nothing is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// Go on, stop, or a person would be asked.
    pub verdict: VerdictKind,
    /// The policy that governs; null when none matched.
    #[schema(required)]
    pub policy: Option<PolicyRef>,
    /// Its conditions, one by one.
    #[serde(default)]
    pub conditions: Vec<ConditionReport>,
    /// Why it would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<VerdictCode>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who would be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Requirement>,
    /// How long they would have, in whole seconds; absent when there is no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// True when the policy's timeout is shorter than the one asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_cut: Option<bool>,
    /// What the policy that governs must be told first: a submit would be refused with `context_incomplete`, whatever the
    /// verdict says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<FieldError>,
    /// What policies made of the claimed cost, risk and priority; absent where they say nothing of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised: Option<Raised>,
    /// `sta_…`, the standing approval that would answer in place of a person. Explaining policy leaves those aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing_approval_id: Option<String>,
}

/// An action as it was submitted, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Action {
    /// `act_…`.
    pub id: String,
    /// Go on, stop, or wait: as things stand now, decisions included.
    pub verdict: VerdictKind,
    /// Name of the action.
    pub action: String,
    /// Who asked.
    pub agent: NamedRef,
    /// Arguments of the action; null when they were erased.
    #[schema(value_type = Object)]
    pub inputs: Value,
    /// Context of the action; null when it was erased.
    #[schema(value_type = Object)]
    pub context: Value,
    /// The agent's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The agent's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The agent's intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// On whose behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// How urgent.
    pub priority: Priority,
    /// How harmful.
    pub risk: Risk,
    /// Cost in USD as decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_cost: Option<Decimal>,
    /// What the agent claimed of priority, risk and cost, where policy raised some of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// Where it belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// SHA-256 over what was submitted, `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// The policy that governs; null when none matched.
    #[schema(required)]
    pub policy: Option<PolicyRef>,
    /// Its conditions, one by one.
    #[serde(default)]
    pub conditions: Vec<ConditionReport>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<VerdictCode>,
    /// `apr_…`, when a person was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    /// `exe_…`, once it may be carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// When it was submitted, RFC 3339.
    pub created_at: String,
}
