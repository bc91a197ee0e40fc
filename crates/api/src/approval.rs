//! Approvals: requests for a human decision, their votes, their questions and their end.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::action::{Accepts, ConditionReport, PolicyRef, Trace, VerdictCode};
use crate::call::CallView;
use crate::common::{Actor, ActorKind, Decimal, NamedRef, Priority, Risk};
use crate::policy::Claimed;

mod always;
mod requirement;
mod standing;

pub use always::*;
pub use requirement::*;
pub use standing::*;

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    /// Waiting for people.
    Pending,
    /// Waiting for the agent's answer to a question; the deadline runs on.
    InfoRequested,
    /// Yes.
    Approved,
    /// Ended with an answer instead of a permission.
    Answered,
    /// No.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// Called off.
    Cancelled,
    /// Replaced by an amended submit of the same agent.
    Superseded,
}

crate::common::level_text!(ApprovalStatus {
    Pending => "pending", InfoRequested => "info_requested", Approved => "approved", Answered => "answered",
    Denied => "denied", Expired => "expired", Cancelled => "cancelled", Superseded => "superseded",
});

impl ApprovalStatus {
    /// Whether it has ended for good.
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::InfoRequested)
    }
}

/// One request for a human decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// `apr_…`.
    pub id: String,
    /// `act_…`, the action it is about.
    pub action_id: String,
    /// `exe_…`, once it was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// Where it stands.
    pub status: ApprovalStatus,
    /// True when the status can't change any more.
    pub is_terminal: bool,
    /// True when the agent has reported how the action went.
    pub has_result: bool,
    /// Name of the action.
    pub action: String,
    /// Who asks.
    pub agent: NamedRef,
    /// One plain sentence built from facts, never from the agent's prose.
    pub summary: String,
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
    /// How approvers changed what was asked, oldest first; `inputs` and `context` are as they stand now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edited>,
    /// Digest of exactly what is shown here; an approve names it, and only these bytes run.
    pub digest: String,
    /// Its page in the console.
    pub url: String,
    /// The policy that asks; null when none matched.
    #[schema(required)]
    pub policy: Option<PolicyRef>,
    /// Conditions of that policy, one by one.
    #[serde(default)]
    pub conditions: Vec<ConditionReport>,
    /// Who must decide.
    pub requirement: Requirement,
    /// What people said so far, oldest first.
    #[serde(default)]
    pub votes: Vec<Vote>,
    /// Questions and answers, oldest first.
    #[serde(default)]
    pub info: Vec<InfoRequest>,
    /// What the asker can handle besides yes and no.
    #[serde(default)]
    pub accepts: Vec<Accepts>,
    /// Whether further people were told because nobody decided in time.
    pub escalated: bool,
    /// When it was asked, RFC 3339.
    pub created_at: String,
    /// When it ends by itself, RFC 3339; null when it never does.
    #[schema(required)]
    pub decide_by: Option<String>,
    /// The same in whole seconds from now; absent when ended or endless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// When it ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<String>,
    /// Who brought it to its end; null while pending, and when the system did.
    #[schema(required)]
    pub decided_by: Option<Actor>,
    /// The comment or reason of the deciding vote, or the system's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_reason: Option<String>,
    /// Why it ended without a yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<VerdictCode>,
    /// When the permission lapses if nobody used it, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_by: Option<String>,
    /// Who was told, and how.
    #[serde(default)]
    pub told: Vec<Told>,
    /// The call that Signoff makes once it is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallView>,
}

/// Who voted: a person, or an automation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Voter {
    /// `operator` or `automation`.
    pub kind: ActorKind,
    /// `usr_…`, or a fixed word for the admin key.
    pub id: String,
    /// Name at the time of reading.
    pub name: String,
}

/// What a vote says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoteDecision {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

crate::common::level_text!(VoteDecision { Approve => "approve", Deny => "deny" });

/// One operator's vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Vote {
    /// Who.
    pub operator: Voter,
    /// What.
    pub decision: VoteDecision,
    /// Whether it counts: the voter still has authority, and it is for the present digest.
    pub counted: bool,
    /// Where it was cast, if neither in the console nor with a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<VoteVia>,
    /// The approver's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When, RFC 3339.
    pub at: String,
}

/// Where a vote was cast by somebody who had not signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoteVia {
    /// On the page of a personal link.
    Link,
    /// With a button of a message.
    Channel,
}

crate::common::level_text!(VoteVia { Link => "link", Channel => "channel" });

/// A question to the agent, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InfoRequest {
    /// What an operator wants to know.
    pub question: String,
    /// Who asked.
    pub asked_by: Actor,
    /// When, RFC 3339.
    pub asked_at: String,
    /// What the agent said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<String>,
}

/// One message about an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// The channel.
    pub channel: NamedRef,
    /// Kind of the channel, such as `email`.
    pub how: String,
    /// The person; absent: the channel's own destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<NamedRef>,
    /// What it was about, such as `approval.pending`.
    pub event: String,
    /// `pending`, `delivered`, `failed` or `skipped`.
    pub status: crate::webhook::DeliveryStatus,
    /// When it was delivered, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What an operator wants to do with an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// Vote yes.
    Approve,
    /// Vote no.
    Deny,
    /// Ask the agent a question first.
    RequestInfo,
}

/// One operator's decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// Yes, no, or a question.
    pub decision: DecisionKind,
    /// The approval's `digest`; required to approve, checked whenever given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Words to go with it; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub comment: Option<String>,
    /// Required to deny; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub reason: Option<String>,
    /// Required for `request_info`; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub question: Option<String>,
    /// Approves the request as changed, where the policy lets approvers change it. Votes before it are void; policy judges it anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// Approves this request, and further ones of the same agent and action for a while, without asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<StandingTerms>,
    /// Approves this request, and by a new version of policy all further ones: admins only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub always: Option<AlwaysScope>,
    /// What the operator was looking at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
}

/// What an approver makes of a request; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// All inputs, in place of those asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub inputs: Option<Map<String, Value>>,
    /// The whole context, in place of the one given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context: Option<Map<String, Value>>,
    /// The whole body of the call as text, in place of the one given; empty text: none. At most one of `body` and
    /// `body_base64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The same as Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
}

/// One change by an approver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Edited {
    /// Who.
    pub by: Actor,
    /// When, RFC 3339.
    pub at: String,
    /// The digest before it.
    pub digest_before: String,
}

/// What an operator was looking at when deciding; recorded with the decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Digest of the rendered view, `sha256:` and 64 hexadecimal digits; without it nothing of the view is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub digest: Option<String>,
    /// Build that rendered it, such as `signoff-cli 0.1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub build: Option<String>,
    /// Locale it was rendered in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub locale: Option<String>,
}

/// The agent's answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The answer; 1 to 4,000 characters.
    #[schema(min_length = 1, max_length = 4000)]
    pub answer: String,
}

/// Calls an approval off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Why; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub reason: Option<String>,
}

/// Order of a list by creation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
}

crate::common::level_text!(Order { Newest => "newest", Oldest => "oldest" });

/// Query of the list of approvals. Filters combine; each holds one value unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ApprovalQuery {
    /// One status or several with commas, such as `pending,info_requested`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Name or id of an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Glob over action names, such as `stripe.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Exactly this priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Exactly this risk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// Name or id of the policy that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Text to look for in action and agent name; at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Items per page, 1 to 200 (default 50).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// Newest or oldest first (default `newest`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
}
