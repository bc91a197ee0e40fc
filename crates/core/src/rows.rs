//! The folded rows: what the log adds up to. Only the projection writes them; a store keeps them as they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    action::{Accepts, Cost, Priority, Risk},
    actor::Actor,
    channel::{ChannelKind, SwitchedOff},
    counted::{CountedRow, Entries},
    event::{
        ApprovalStatus, Ballot, CallFault, Claimed, Delegation, ExecutionSource, ExecutionState, KeyOwner,
        LogCut, ReportOutcome, RevokedBecause, Via,
    },
    http::CallFacts,
    id::{
        AgentId, ApplicationId, ApprovalId, ChannelId, ExecutionId, GroupId, KeyId, OperatorId, PolicyId,
        RunnerId, StandingId, WorkspaceId,
    },
    judge::ReasonCode,
    payload::Hash32,
    policy::{Escalation, Orphaned, PolicyDoc, PolicyRef, Settings},
    requirement::{LinkMode, Requirement, Role},
    stop::Stop,
    time::{Micros, Timestamp},
};

/// The workspace and what its policy set says as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkspaceRow {
    /// Which.
    pub id: WorkspaceId,
    /// As they are.
    pub settings: Settings,
    /// Version of the policy set, 0 before the first.
    pub policy_set: u64,
    /// What becomes of approvals that the present set orphans.
    pub orphaned: Orphaned,
    /// The age that the next new policy gets.
    pub next_age: u64,
    /// How often the log went on in another place, and when last: what was approved up to then is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_epoch: Option<LogEpoch>,
    /// What was last cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<LogCut>,
    /// Nothing that anybody asks for is carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
}

/// How often a log went on in another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEpoch {
    /// From 1.
    pub number: u64,
    /// Since when.
    pub since: Timestamp,
}

/// A policy in its latest version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyRow {
    /// Through all versions.
    pub id: PolicyId,
    /// From 1.
    pub version: u64,
    /// Smaller is older.
    pub age: u64,
    /// As written.
    pub doc: PolicyDoc,
    /// Taken out of the set; kept for its versions.
    pub removed: bool,
    /// First version.
    pub created_at: Timestamp,
    /// This version.
    pub updated_at: Timestamp,
}

/// A principal that asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRow {
    /// Which.
    pub id: AgentId,
    /// As written.
    pub name: String,
    /// For matching and for people.
    pub labels: BTreeMap<String, String>,
    /// The person behind it.
    pub owner: Option<OperatorId>,
    /// May do nothing.
    pub disabled: bool,
    /// The application that registered it.
    pub registered_by: Option<ApplicationId>,
    /// When.
    pub created_at: Timestamp,
    /// Nothing that it asks for is carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
}

/// A key that asks for several agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationRow {
    /// Which.
    pub id: ApplicationId,
    /// As written.
    pub name: String,
    /// Names or globs of the agents it may speak for.
    pub agents: Vec<String>,
    /// May bring in new agents.
    pub register_new: bool,
    /// May do nothing.
    pub disabled: bool,
    /// When.
    pub created_at: Timestamp,
}

/// A person, without what is personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRow {
    /// Who.
    pub id: OperatorId,
    /// What they may do at all.
    pub role: Role,
    /// May do nothing.
    pub disabled: bool,
    /// Keyed digest of the stored password hash.
    pub password_digest: Option<Hash32>,
    /// Keyed digest of how they are reached, where they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_digest: Option<Hash32>,
    /// When.
    pub created_at: Timestamp,
}

/// Operators under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    /// Which.
    pub id: GroupId,
    /// As written.
    pub name: String,
    /// Who.
    pub members: Vec<OperatorId>,
    /// Taken away.
    pub removed: bool,
}

/// A key or token, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// Which.
    pub id: KeyId,
    /// Whose.
    pub owner: KeyOwner,
    /// Its last characters.
    pub hint: String,
    /// Keyed digest of the stored hash.
    pub digest: Hash32,
    /// Opens nothing any more.
    pub revoked: bool,
    /// The record that made it, where its name is.
    pub set_seq: u64,
    /// When.
    pub created_at: Timestamp,
    /// It can do less than its owner, and for a while only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Delegation>,
}

/// A channel, without address and secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRow {
    /// Which.
    pub id: ChannelId,
    /// As written.
    pub name: String,
    /// Scheme, host and port.
    pub origin: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "is_webhook")]
    pub kind: ChannelKind,
    /// Types it wants; none means all.
    pub events: Vec<String>,
    /// Told only of what policy names it for, and of what goes to people whom it reaches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named_only: bool,
    /// The least time between two messages to one person or conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Micros>,
    /// Tells nothing.
    pub disabled: bool,
    /// Why, where Signoff did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_off: Option<SwitchedOff>,
    /// Taken away.
    pub removed: bool,
    /// Keyed digest of the stored address and secret.
    pub digest: Hash32,
    /// When.
    pub created_at: Timestamp,
}

/// One person's latest vote on one approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub actor: Actor,
    /// Yes or no.
    pub ballot: Ballot,
    /// When.
    pub at: Timestamp,
    /// The record, where its comment is.
    pub seq: u64,
    /// Whether it counted when the end came, or counts so far.
    pub counted: bool,
    /// Where it was cast, if neither in the console nor with a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
}

/// A stage that has its approvals. It stays done, whatever becomes of those who gave them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageDone {
    /// The record of the vote that completed it: what was cast up to there is not for a later stage.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Whose approvals it took; they count for no later stage.
    pub by: Vec<Actor>,
}

/// One change of what is asked, by an approver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Who.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// The record, where inputs and context are as they were from then on.
    pub seq: u64,
    /// The digest before it.
    pub before: Hash32,
}

/// One question of an approver to the agent, and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InfoRequest {
    /// Who asked.
    pub asked_by: Actor,
    /// When.
    pub asked_at: Timestamp,
    /// The record with the question.
    pub asked_seq: u64,
    /// When the agent answered.
    pub answered_at: Option<Timestamp>,
    /// The record with the answer.
    pub answered_seq: Option<u64>,
}

/// One request for a human decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRow {
    /// Which.
    pub id: ApprovalId,
    /// Who asks.
    pub agent: AgentId,
    /// The application that spoke for the agent.
    pub application: Option<ApplicationId>,
    /// The action's name as written.
    pub action: String,
    /// What is seen is what runs.
    pub digest: Hash32,
    /// How approvers changed it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// As claimed, or as policy raised it.
    pub priority: Priority,
    /// As claimed, or as policy raised it.
    pub risk: Risk,
    /// As claimed, or as policy raised it.
    pub cost: Option<Cost>,
    /// What the agent claimed, where policy raised some of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// What the client can handle.
    pub accepts: Accepts,
    /// Asked for a human whatever policy says.
    pub require_approval: bool,
    /// How long the agent said it is willing to wait.
    pub timeout: Option<Micros>,
    /// The policy that governs.
    pub policy: Option<PolicyRef>,
    /// Who must decide.
    pub requirement: Requirement,
    /// How long an approval may be used.
    pub valid_for: Micros,
    /// Whom to tell when nobody has decided in time.
    pub escalate: Option<Escalation>,
    /// Whom to tell at once.
    pub notify: Vec<String>,
    /// Where it stands.
    pub status: ApprovalStatus,
    /// The record of the submission, where inputs, context and claims are.
    pub submitted_seq: u64,
    /// The latest record about it.
    pub last_seq: u64,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// Until when people have.
    pub decide_by: Option<Timestamp>,
    /// When further contacts are told.
    pub escalate_at: Option<Timestamp>,
    /// When they were.
    pub escalated_at: Option<Timestamp>,
    /// One a person.
    pub votes: Vec<Vote>,
    /// The stages that have their approvals, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages_done: Vec<StageDone>,
    /// Questions and answers.
    pub info: Vec<InfoRequest>,
    /// When it ended.
    pub decided_at: Option<Timestamp>,
    /// Who brought the end.
    pub decided_by: Option<Actor>,
    /// The record of the end, where the reason is.
    pub decided_seq: Option<u64>,
    /// Why, for every end but approval.
    pub code: Option<ReasonCode>,
    /// Why the system decided, in a fixed word.
    pub note: Option<String>,
    /// The request this one amends.
    pub replaces: Option<ApprovalId>,
    /// The amended request that took its place.
    pub superseded_by: Option<ApprovalId>,
    /// What it counts for, unless it ends without being approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Entries>,
    /// The call that it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallFacts>,
}

impl ApprovalRow {
    /// Priority, risk and cost as the agent claimed them.
    pub fn claims(&self) -> Claimed {
        self.claimed.clone().unwrap_or_else(|| Claimed {
            priority: self.priority,
            risk: self.risk,
            cost: self.cost.clone(),
        })
    }

    /// Whether it may be decided where its people are: by a personal link, or a button of a message. Else they sign in.
    pub fn decides_elsewhere(&self) -> bool {
        self.requirement.link != LinkMode::None && self.risk <= self.requirement.link_risk_max
    }

    /// When the clock has something to do here.
    pub fn next_at(&self) -> Option<Timestamp> {
        if self.status.is_terminal() {
            return None;
        }
        let escalate_at = if self.escalated_at.is_none() {
            self.escalate_at
        } else {
            None
        };
        [self.decide_by, escalate_at].into_iter().flatten().min()
    }

    /// The stage whose turn it is, from 0. What has ended stays at the stage where it ended.
    pub fn open_stage(&self) -> usize {
        self.stages_done
            .len()
            .min(self.requirement.stages.len().saturating_sub(1))
    }

    /// The records that hold what is asked: claims as submitted, inputs and context as they are now.
    pub fn content_seqs(&self) -> impl Iterator<Item = u64> {
        let edited = self.edits.last().map(|edit| edit.seq);
        std::iter::once(self.submitted_seq).chain(edited)
    }

    /// What it counts for, row by row.
    pub fn counted_rows(&self) -> Vec<CountedRow> {
        let entries = self.counted.as_ref();
        entries.map_or_else(Vec::new, |entries| entries.rows(self.agent, self.id.action()))
    }

    /// Whether a vote was cast while the open stage was open.
    pub fn is_of_open_stage(&self, vote: &Vote) -> bool {
        self.stages_done.last().is_none_or(|done| vote.seq > done.seq)
    }

    /// Whether somebody's approval was counted to an earlier stage: one person counts once over all of them.
    pub fn has_counted(&self, actor: &Actor) -> bool {
        self.stages_done
            .iter()
            .any(|done| done.by.iter().any(|by| by.is_same(actor)))
    }

    /// The question that waits for an answer.
    pub fn open_question(&self) -> Option<&InfoRequest> {
        self.info.last().filter(|info| info.answered_at.is_none())
    }
}

/// One carrying-out of an allowed or approved action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionRow {
    /// Which.
    pub id: ExecutionId,
    /// Who carries it out.
    pub agent: AgentId,
    /// The action's name.
    pub action: String,
    /// What runs.
    pub digest: Hash32,
    /// Allowed or approved.
    pub source: ExecutionSource,
    /// The policy that governed.
    pub policy: Option<PolicyRef>,
    /// Where it stands.
    pub state: ExecutionState,
    /// The record of the submission, where inputs and context are.
    pub submitted_seq: u64,
    /// The record of the last change by an approver, where inputs and context are then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_seq: Option<u64>,
    /// The standing approval that answered in place of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<StandingId>,
    /// When it became possible.
    pub created_at: Timestamp,
    /// Until when it may be taken.
    pub run_by: Timestamp,
    /// When the agent took it.
    pub consumed_at: Option<Timestamp>,
    /// When it came to its end.
    pub ended_at: Option<Timestamp>,
    /// How it went, as reported.
    pub outcome: Option<ReportOutcome>,
    /// The record of the report.
    pub reported_seq: Option<u64>,
    /// When a person let it go on after the log's epoch had risen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    /// What it counts for, unless it ends without having run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Entries>,
    /// The call that it is, which Signoff makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Box<CallRun>>,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRun {
    /// Which call.
    #[serde(flatten)]
    pub facts: CallFacts,
    /// The record that let it through: of the submission, or of the approval.
    pub opened_seq: u64,
    /// The run of the server that makes it, or made it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerId>,
    /// When it was first begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// The record of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_seq: Option<u64>,
    /// How often it was begun.
    #[serde(default)]
    pub attempts: u32,
    /// The status that came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<CallFault>,
    /// The record of the end, where the answer is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_seq: Option<u64>,
    /// Why it may not be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevokedBecause>,
    /// Who settled it, where its end was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

/// What a person said of a call whose end was not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Who.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// The record, where the reason is.
    pub seq: u64,
}

impl CallRun {
    /// A call that was not begun yet.
    pub fn new(facts: CallFacts, opened_seq: u64) -> Self {
        Self {
            facts,
            opened_seq,
            runner: None,
            started_at: None,
            started_seq: None,
            attempts: 0,
            status: None,
            fault: None,
            finished_seq: None,
            revoked: None,
            settled: None,
        }
    }
}

impl ExecutionRow {
    /// Whether Signoff has a call to make, or is making it.
    pub fn is_to_be_made(&self) -> bool {
        self.call.is_some() && matches!(self.state, ExecutionState::Ready | ExecutionState::Executing)
    }

    /// Whether it waits for a person to release it: it was approved, and perhaps carried out already, before the log went
    /// on in another place.
    pub fn is_held(&self, epoch: Option<LogEpoch>) -> bool {
        let open = matches!(self.state, ExecutionState::Ready | ExecutionState::Executing);
        let before = |since: Timestamp| {
            self.created_at <= since && self.released_at.is_none_or(|released| released <= since)
        };
        open && self.source == ExecutionSource::Approved && epoch.is_some_and(|epoch| before(epoch.since))
    }

    /// When the clock has something to do here. What policy allowed lapses silently: nobody waits for it.
    pub fn next_at(&self) -> Option<Timestamp> {
        (self.state == ExecutionState::Ready && self.source == ExecutionSource::Approved)
            .then_some(self.run_by)
    }
}

/// What is counted per agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterRow {
    /// Whose.
    pub agent: AgentId,
    /// Approvals that are not at their end.
    pub pending: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_webhook(kind: &ChannelKind) -> bool {
    *kind == ChannelKind::Webhook
}
