//! What can happen to one request: its verdict, its approval, its execution, its payloads.

use serde::{Deserialize, Serialize};

use crate::{
    action::{Accepts, Cost, Priority, Risk, text_enum},
    actor::Actor,
    counted::Counted,
    http::CallFacts,
    id::{AgentId, ApplicationId, ApprovalId, ChannelId, RunnerId, StandingId},
    judge::ReasonCode,
    payload::Hash32,
    policy::{Escalation, PolicyRef},
    requirement::Requirement,
    rows::StageDone,
    time::{Micros, Timestamp},
};

/// Policy let an action through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionAllowed {
    /// What was asked.
    pub action: ActionFacts,
    /// Until when it may be consumed.
    pub run_by: Timestamp,
    /// The standing approval that answered in place of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<StandingId>,
}

/// Policy refused an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionDenied {
    /// What was asked.
    pub action: ActionFacts,
    /// Why.
    pub code: ReasonCode,
}

/// An agent says what it did, or did not do, without having asked for it: neither judged nor let through by Signoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionNoted {
    /// The action's name as written.
    pub name: String,
    /// Who says so.
    pub agent: AgentId,
    /// The application that spoke for the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationId>,
    /// How it went, in one word of the agent's.
    pub outcome: String,
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
    /// As claimed, or as policy raised it.
    pub priority: Priority,
    /// As claimed, or as policy raised it.
    pub risk: Risk,
    /// As claimed, or as policy raised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What the agent claimed, where policy raised some of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// What the client can handle.
    #[serde(default)]
    pub accepts: Accepts,
    /// Asked for a human whatever policy says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_approval: bool,
    /// The governing policy's name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
    /// What it counts for, under each policy that looks back at such actions; nothing for what was denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
    /// The call that it stands for, which Signoff makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallFacts>,
}

/// What an agent said of priority, risk and cost: what the action's digest is over, and what policy is asked about again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// How urgent.
    pub priority: Priority,
    /// How harmful.
    pub risk: Risk,
    /// How dear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

impl ActionFacts {
    /// Priority, risk and cost as the agent claimed them.
    pub fn claims(&self) -> Claimed {
        self.claimed.clone().unwrap_or_else(|| Claimed {
            priority: self.priority,
            risk: self.risk,
            cost: self.cost.clone(),
        })
    }
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
    /// The stages of it that the votes cast so far have completed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages_done: Vec<StageDone>,
    /// How long an approval may be used.
    pub valid_for: Micros,
}

/// An approver changed what is asked. Inputs and context as they are now are payloads of the record; all votes before it are
/// void.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalEdited {
    /// What is seen, and runs, from now on.
    pub digest: Hash32,
    /// What was asked before.
    pub before: Hash32,
    /// The policy that governs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
    /// Who must decide now.
    pub requirement: Requirement,
    /// How long an approval may be used.
    pub valid_for: Micros,
    /// Priority, risk and cost as they count now, where the change moved them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<Claimed>,
    /// What it counts for now, in the place of what it counted for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
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
    /// Where it was decided, if neither in the console nor with a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
}

/// Where a person decided without signing in to the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// On the page of a personal link.
    Link {
        /// The record that the message with the link told of.
        told_seq: u64,
    },
    /// With a button of a message.
    Channel {
        /// Which channel brought it.
        id: ChannelId,
    },
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
    /// Earlier voters, for or against, who have no authority any more; kept, not counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_counted: Vec<Actor>,
    /// Where one stage follows another: in which one it was cast, and what it did to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<VotedStage>,
    /// The end, if this vote decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<ApprovalEnd>,
}

impl ApprovalVoted {
    /// Where it was cast, if neither in the console nor with a token.
    pub fn via(&self) -> Option<Via> {
        self.view.as_ref()?.via
    }
}

/// What a vote did to the stage that was open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VotedStage {
    /// Which, from 1.
    pub number: u32,
    /// Kept, and counted to nothing: the voter's stage is over, or has had this voter's approval.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_nothing: bool,
    /// Whose approvals completed the stage with this vote, the voter's among them; the next stage is open then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub completed_by: Vec<Actor>,
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
    /// Why the system decided, in a fixed word: `policy_changed`, `orphaned`, `auto_approve`, `agent_disabled`,
    /// `stopped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Until when the execution may run, for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_by: Option<Timestamp>,
    /// The amended request, for `superseded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<ApprovalId>,
    /// Whose votes brought the end, where votes cast before came to suffice under another requirement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Actor>,
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
    /// The standing approval that answered in place of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<StandingId>,
    /// The call that it is, for Signoff to make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallFacts>,
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

impl ExecutionState {
    /// Whether it is an end. An indeterminate execution waits for a person to settle it.
    pub const fn is_end(self) -> bool {
        !matches!(
            self,
            Self::Ready | Self::Consumed | Self::Executing | Self::Indeterminate
        )
    }
}

/// Signoff is about to send the first byte of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionStarted {
    /// For an allowed action's execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ExecutionOrigin>,
    /// The run of the server that makes the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerId>,
}

/// Another run of the server makes a call again that an earlier one did not bring to its end: the method changes nothing, or
/// the provider knows the call again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionRepeated {
    /// The run of the server that makes the call now.
    pub runner: RunnerId,
}

/// Why a call was not made, or brought no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallFault {
    /// The address is not called.
    Forbidden,
    /// The name does not resolve, nothing listens, or TLS was not agreed.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// The connection broke.
    Broken,
    /// The server ended in the middle of the call.
    Interrupted,
    /// The credential could not be had.
    Credential,
}

text_enum!(CallFault {
    Forbidden => "forbidden", Unreachable => "unreachable", TimedOut => "timed_out", Broken => "broken",
    Interrupted => "interrupted", Credential => "credential",
});

/// A call that Signoff made came to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionFinished {
    /// Executed, failed or indeterminate.
    pub state: ExecutionState,
    /// The status that came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<CallFault>,
    /// The run of the server that made the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerId>,
}

/// Why a permission was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokedBecause {
    /// The agent was switched off, or is gone.
    Agent,
    /// The agent, the grant or everything was stopped.
    Stopped,
    /// The grant was changed, taken away or switched off since, or does not go with the call.
    Grant,
    /// Policy denies it by now.
    Policy,
    /// What is stored is not what was approved.
    Content,
}

text_enum!(RevokedBecause {
    Agent => "agent", Stopped => "stopped", Grant => "grant", Policy => "policy", Content => "content",
});

/// A permission was taken back before it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExecutionRevoked {
    /// Why; not said by releases that had no calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<RevokedBecause>,
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
