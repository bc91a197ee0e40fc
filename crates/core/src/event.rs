//! What can happen, in versioned types. An event carries what the fold needs and nothing personal: free text and
//! objects are payloads, people are named by id.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    action::{Accepts, Cost, Priority, Risk, text_enum},
    actor::Actor,
    id::{AgentId, ApplicationId, ApprovalId, OperatorId, PolicyId},
    judge::ReasonCode,
    payload::Hash32,
    policy::{Escalation, Orphaned, PolicyDoc, PolicyRef, Settings},
    requirement::{Requirement, Role},
    time::{Micros, Timestamp},
};

/// One thing that happened. The type's name carries its version; core keeps reading old ones for ever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[allow(missing_docs, reason = "each variant is documented by its data type")]
pub enum Event {
    #[serde(rename = "workspace.created.v1")]
    WorkspaceCreated(WorkspaceSet),
    #[serde(rename = "workspace.updated.v1")]
    WorkspaceUpdated(WorkspaceSet),
    #[serde(rename = "policy.put.v1")]
    PolicyPut(PolicyPut),
    #[serde(rename = "policy.removed.v1")]
    PolicyRemoved(PolicyRemoved),
    #[serde(rename = "policy_set.applied.v1")]
    PolicySetApplied(PolicySetApplied),
    #[serde(rename = "agent.put.v1")]
    AgentPut(AgentPut),
    #[serde(rename = "application.put.v1")]
    ApplicationPut(ApplicationPut),
    #[serde(rename = "operator.put.v1")]
    OperatorPut(OperatorPut),
    #[serde(rename = "operator.password_set.v1")]
    PasswordSet(PasswordSet),
    #[serde(rename = "operator.signed_in.v1")]
    SignedIn(Nothing),
    #[serde(rename = "operator.sign_in_failed.v1")]
    SignInFailed(Nothing),
    #[serde(rename = "operator.signed_out.v1")]
    SignedOut(Nothing),
    #[serde(rename = "group.put.v1")]
    GroupPut(GroupPut),
    #[serde(rename = "group.removed.v1")]
    GroupRemoved(Nothing),
    #[serde(rename = "key.set.v1")]
    KeySet(KeySet),
    #[serde(rename = "key.revoked.v1")]
    KeyRevoked(Nothing),
    #[serde(rename = "channel.put.v1")]
    ChannelPut(ChannelPut),
    #[serde(rename = "channel.removed.v1")]
    ChannelRemoved(Nothing),
    #[serde(rename = "action.allowed.v1")]
    ActionAllowed(ActionAllowed),
    #[serde(rename = "action.denied.v1")]
    ActionDenied(ActionDenied),
    #[serde(rename = "approval.requested.v1")]
    ApprovalRequested(Box<ApprovalRequested>),
    #[serde(rename = "approval.rejudged.v1")]
    ApprovalRejudged(Box<ApprovalRejudged>),
    #[serde(rename = "approval.voted.v1")]
    ApprovalVoted(ApprovalVoted),
    #[serde(rename = "approval.info_requested.v1")]
    InfoRequested(Nothing),
    #[serde(rename = "approval.info_answered.v1")]
    InfoAnswered(Nothing),
    #[serde(rename = "approval.escalated.v1")]
    ApprovalEscalated(ApprovalEscalated),
    #[serde(rename = "approval.ended.v1")]
    ApprovalEnded(ApprovalEnd),
    #[serde(rename = "execution.consumed.v1")]
    ExecutionConsumed(ExecutionTouched),
    #[serde(rename = "execution.reported.v1")]
    ExecutionReported(ExecutionReported),
    #[serde(rename = "execution.started.v1")]
    ExecutionStarted(Nothing),
    #[serde(rename = "execution.finished.v1")]
    ExecutionFinished(ExecutionFinished),
    #[serde(rename = "execution.settled.v1")]
    ExecutionSettled(ExecutionSettled),
    #[serde(rename = "execution.lapsed.v1")]
    ExecutionLapsed(Nothing),
    #[serde(rename = "execution.revoked.v1")]
    ExecutionRevoked(Nothing),
    #[serde(rename = "payload.erased.v1")]
    PayloadErased(PayloadErased),
}

impl Event {
    /// The versioned name, as in the record.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::WorkspaceCreated(_) => "workspace.created.v1",
            Self::WorkspaceUpdated(_) => "workspace.updated.v1",
            Self::PolicyPut(_) => "policy.put.v1",
            Self::PolicyRemoved(_) => "policy.removed.v1",
            Self::PolicySetApplied(_) => "policy_set.applied.v1",
            Self::AgentPut(_) => "agent.put.v1",
            Self::ApplicationPut(_) => "application.put.v1",
            Self::OperatorPut(_) => "operator.put.v1",
            Self::PasswordSet(_) => "operator.password_set.v1",
            Self::SignedIn(_) => "operator.signed_in.v1",
            Self::SignInFailed(_) => "operator.sign_in_failed.v1",
            Self::SignedOut(_) => "operator.signed_out.v1",
            Self::GroupPut(_) => "group.put.v1",
            Self::GroupRemoved(_) => "group.removed.v1",
            Self::KeySet(_) => "key.set.v1",
            Self::KeyRevoked(_) => "key.revoked.v1",
            Self::ChannelPut(_) => "channel.put.v1",
            Self::ChannelRemoved(_) => "channel.removed.v1",
            Self::ActionAllowed(_) => "action.allowed.v1",
            Self::ActionDenied(_) => "action.denied.v1",
            Self::ApprovalRequested(_) => "approval.requested.v1",
            Self::ApprovalRejudged(_) => "approval.rejudged.v1",
            Self::ApprovalVoted(_) => "approval.voted.v1",
            Self::InfoRequested(_) => "approval.info_requested.v1",
            Self::InfoAnswered(_) => "approval.info_answered.v1",
            Self::ApprovalEscalated(_) => "approval.escalated.v1",
            Self::ApprovalEnded(_) => "approval.ended.v1",
            Self::ExecutionConsumed(_) => "execution.consumed.v1",
            Self::ExecutionReported(_) => "execution.reported.v1",
            Self::ExecutionStarted(_) => "execution.started.v1",
            Self::ExecutionFinished(_) => "execution.finished.v1",
            Self::ExecutionSettled(_) => "execution.settled.v1",
            Self::ExecutionLapsed(_) => "execution.lapsed.v1",
            Self::ExecutionRevoked(_) => "execution.revoked.v1",
            Self::PayloadErased(_) => "payload.erased.v1",
        }
    }

    /// Which epochs the event moves: what was judged before it must be judged again.
    pub fn moves(&self) -> Moves {
        match self {
            Self::WorkspaceCreated(_) | Self::WorkspaceUpdated(_) => Moves {
                policy: true,
                authority: true,
            },
            Self::PolicyPut(_) | Self::PolicyRemoved(_) | Self::PolicySetApplied(_) => Moves {
                policy: true,
                authority: false,
            },
            Self::AgentPut(_)
            | Self::ApplicationPut(_)
            | Self::OperatorPut(_)
            | Self::PasswordSet(_)
            | Self::GroupPut(_)
            | Self::GroupRemoved(_)
            | Self::KeySet(_)
            | Self::KeyRevoked(_)
            | Self::ChannelPut(_)
            | Self::ChannelRemoved(_) => Moves {
                policy: false,
                authority: true,
            },
            _ => Moves {
                policy: false,
                authority: false,
            },
        }
    }
}

/// Which epochs an event moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moves {
    /// Policies or settings changed.
    pub policy: bool,
    /// Who is who, or who may do what, changed.
    pub authority: bool,
}

/// An event that says all with its type, subject and actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Nothing {}

/// The workspace's settings, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkspaceSet {
    /// As they are from now on.
    pub settings: Settings,
}

/// A policy in a new version. The subject is the policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyPut {
    /// From 1.
    pub version: u64,
    /// Its place in age: smaller is older. Kept through versions.
    pub age: u64,
    /// Whole, as written.
    pub policy: PolicyDoc,
}

/// A policy taken out of the set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyRemoved {
    /// The version that was in force.
    pub version: u64,
}

/// A new version of the whole set, after the events of its changed policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicySetApplied {
    /// From 1.
    pub version: u64,
    /// How many policies are in force.
    pub policies: u64,
    /// What becomes of pending approvals that no policy governs any more.
    pub orphaned: Orphaned,
}

/// One version of one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// Which policy.
    pub id: PolicyId,
    /// Which version.
    pub version: u64,
}

/// An agent, whole, as it is from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentPut {
    /// Unique in the workspace, compared without case.
    pub name: String,
    /// For matching and for people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The person behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<OperatorId>,
    /// Its keys do nothing, its pending approvals are withdrawn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// The application that registered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_by: Option<ApplicationId>,
}

/// An application, whole, as it is from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationPut {
    /// Unique among applications, compared without case.
    pub name: String,
    /// Names or globs of the agents it may speak for.
    pub agents: Vec<String>,
    /// Whether it may bring in agents that are not known yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub register_new: bool,
    /// Its keys do nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// An operator, whole, without name or address (those are personal and live beside the log).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorPut {
    /// What they may do at all.
    pub role: Role,
    /// May do nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// A password was set; the digest binds the stored hash to the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordSet {
    /// Keyed digest of the stored hash.
    pub digest: Hash32,
}

/// A group, whole, as it is from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPut {
    /// Unique among groups, compared without case.
    pub name: String,
    /// Its members.
    pub members: Vec<OperatorId>,
}

/// Whose key or token it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum KeyOwner {
    /// An agent's key.
    Agent(AgentId),
    /// An application's key.
    Application(ApplicationId),
    /// An operator's personal token.
    Operator(OperatorId),
}

/// A key or token was made; only what it is called, never what it is. The subject is the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySet {
    /// Whose.
    pub owner: KeyOwner,
    /// The last characters, to tell keys apart.
    pub hint: String,
    /// Keyed digest of the stored hash.
    pub digest: Hash32,
}

/// A webhook channel, whole. Its address and secret may carry credentials and are kept beside the log, encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelPut {
    /// Unique among channels, compared without case.
    pub name: String,
    /// Scheme, host and port of the address.
    pub origin: String,
    /// Types of messages it wants; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Switched off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Keyed digest of the stored address and secret.
    pub digest: Hash32,
}

/// Policy let an action through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionAllowed {
    /// What was asked.
    pub action: ActionFacts,
    /// Until when it may be consumed.
    pub run_by: Timestamp,
}

/// Policy refused an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionDenied {
    /// What was asked.
    pub action: ActionFacts,
    /// Why.
    pub code: ReasonCode,
}

/// What the log says of an action in the clear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionFacts {
    /// Its name as written.
    pub name: String,
    /// Who asks.
    pub agent: AgentId,
    /// The application that spoke for the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationId>,
    /// What is seen is what runs.
    pub digest: Hash32,
    /// As claimed.
    pub priority: Priority,
    /// As claimed.
    pub risk: Risk,
    /// As claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What the client can handle.
    #[serde(default)]
    pub accepts: Accepts,
    /// Asked for a human whatever policy says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_approval: bool,
    /// The governing policy's name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
}

/// An approval came into being.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequested {
    /// What was asked.
    pub action: ActionFacts,
    /// Who must decide.
    pub requirement: Requirement,
    /// Until when; none means as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decide_by: Option<Timestamp>,
    /// When to tell further contacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate_at: Option<Timestamp>,
    /// What waits if nobody decides, and whom to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Escalation>,
    /// Whom to tell at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
    /// How long an approval may be used.
    pub valid_for: Micros,
    /// How long the agent said it is willing to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Micros>,
    /// The request this one amends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<ApprovalId>,
}

/// Policy or authority changed and the approval is still asked for, under another requirement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRejudged {
    /// The policy that governs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
    /// Who must decide now.
    pub requirement: Requirement,
    /// How long an approval may be used.
    pub valid_for: Micros,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ballot {
    /// Let it go on.
    Approve,
    /// Refuse it.
    Deny,
}

text_enum!(Ballot { Approve => "approve", Deny => "deny" });

/// What the voter looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Digest of the rendered page or message.
    pub digest: Hash32,
    /// The build that rendered it.
    pub build: String,
    /// In which language.
    pub locale: String,
}

/// One vote; the one that decides carries the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalVoted {
    /// Yes or no.
    pub ballot: Ballot,
    /// The action digest the voter decided on.
    pub digest: Hash32,
    /// What the voter looked at, where the door knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
    /// Earlier voters who have no authority any more; kept, not counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_counted: Vec<Actor>,
    /// The end, if this vote decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<ApprovalEnd>,
}

/// The states of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    /// Waits for people.
    Pending,
    /// Waits for the agent's answer.
    InfoRequested,
    /// May go on.
    Approved,
    /// A question was answered.
    Answered,
    /// May not go on.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// Withdrawn.
    Cancelled,
    /// Replaced by an amended request.
    Superseded,
}

text_enum!(ApprovalStatus {
    Pending => "pending", InfoRequested => "info_requested", Approved => "approved", Answered => "answered",
    Denied => "denied", Expired => "expired", Cancelled => "cancelled", Superseded => "superseded",
});

impl ApprovalStatus {
    /// Whether nothing can follow.
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::InfoRequested)
    }
}

/// The one end of an approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalEnd {
    /// Which end.
    pub status: ApprovalStatus,
    /// Why, for every end but approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ReasonCode>,
    /// Why the system decided, in a fixed word: `policy_changed`, `orphaned`, `auto_approve`, `agent_disabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Until when the execution may run, for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_by: Option<Timestamp>,
    /// The amended request, for `superseded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<ApprovalId>,
}

/// Further contacts are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalEscalated {
    /// Whom.
    pub to: Vec<String>,
}

/// Where an execution comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionSource {
    /// Policy allowed the action.
    Allowed,
    /// People approved it.
    Approved,
}

text_enum!(ExecutionSource { Allowed => "allowed", Approved => "approved" });

/// What an allowed action's execution is, carried by the first event that touches it: only those that are carried out
/// get a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionOrigin {
    /// Who carries it out.
    pub agent: AgentId,
    /// The action's name.
    pub action: String,
    /// What was judged is what runs.
    pub digest: Hash32,
    /// The governing policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
    /// The record of the submission.
    pub submitted_seq: u64,
    /// When it was allowed.
    pub created_at: Timestamp,
    /// Until when it may be consumed.
    pub run_by: Timestamp,
}

/// The agent took the execution: once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionTouched {
    /// For an allowed action's execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ExecutionOrigin>,
}

/// How it went, as the agent reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportOutcome {
    /// Done.
    Success,
    /// Not done.
    Failure,
    /// Done in part.
    Partial,
    /// Could not be done.
    Blocked,
}

text_enum!(ReportOutcome { Success => "success", Failure => "failure", Partial => "partial", Blocked => "blocked" });

/// The agent reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionReported {
    /// How it went.
    pub outcome: ReportOutcome,
    /// For an allowed action's execution that was not consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ExecutionOrigin>,
}

/// The states of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionState {
    /// May be carried out.
    Ready,
    /// The agent took it.
    Consumed,
    /// The agent said how it went.
    Reported,
    /// Signoff is making the call.
    Executing,
    /// An answer came.
    Executed,
    /// Provably not sent.
    Failed,
    /// Perhaps sent; a person must settle it.
    Indeterminate,
    /// Not carried out in time.
    Lapsed,
    /// Taken back before it ran.
    Revoked,
}

text_enum!(ExecutionState {
    Ready => "ready", Consumed => "consumed", Reported => "reported", Executing => "executing", Executed => "executed",
    Failed => "failed", Indeterminate => "indeterminate", Lapsed => "lapsed", Revoked => "revoked",
});

/// A call that Signoff made came to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionFinished {
    /// Executed, failed or indeterminate.
    pub state: ExecutionState,
}

/// A person settled an execution whose end was unknown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionSettled {
    /// Executed, failed, or ready again.
    pub state: ExecutionState,
}

/// Payloads of one request were deleted with their salts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PayloadErased {
    /// The records whose payloads are gone.
    pub sequences: Vec<u64>,
}
