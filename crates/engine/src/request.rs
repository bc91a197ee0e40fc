//! What doors ask of the engine: parsed, checked in form, in terms of core.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::{Map, Value};
use signoff_core::{
    action::{Action, Priority, Risk},
    channel::ChannelKind,
    event::{ApprovalStatus, ExecutionState, ReportOutcome, View},
    grant::{CredentialKind, Grant, IdempotentProvider, Redaction},
    id::{AgentId, ApprovalId},
    payload::Hash32,
    policy::{Orphaned, PolicyDoc, Unmatched},
    requirement::{Approver, Role},
    standing::StandingTerms,
    time::{Micros, Timestamp},
};

use crate::{KeyShape, contact::QuietHours};

/// An action on its way in.
#[derive(Debug, Clone)]
pub struct Submit {
    /// What is asked.
    pub action: Action,
    /// The agent's name, for an application; an agent may name itself.
    pub agent: Option<String>,
    /// The pending request of the same agent that this one amends.
    pub replaces: Option<ApprovalId>,
    /// A URL that is told what becomes of it; a callback channel must allow it. It may carry a credential.
    pub callback_url: Option<SecretString>,
}

impl Submit {
    /// A submit by an agent for itself.
    pub fn of(action: Action) -> Self {
        Self {
            action,
            agent: None,
            replaces: None,
            callback_url: None,
        }
    }
}

/// What an agent says it did, or did not do, without having asked for it.
#[derive(Debug, Clone)]
pub struct Note {
    /// The action's name.
    pub action: String,
    /// How it went, in one word.
    pub outcome: String,
    /// What else there is to say of it; kept encrypted.
    pub text: Option<String>,
    /// Notes of the same key are one.
    pub key: Option<String>,
}

/// What an operator does with a pending approval.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Let it go on.
    Approve {
        /// Digest of what was shown.
        digest: Hash32,
        /// For the record and the agent.
        comment: Option<String>,
        /// What it holds for.
        scope: Scope,
    },
    /// Refuse it.
    Deny {
        /// Digest of what was shown, if the door knows.
        digest: Option<Hash32>,
        /// For the record and the agent; required.
        reason: String,
    },
    /// Ask the agent.
    RequestInfo {
        /// The question.
        question: String,
    },
}

/// What an approval holds for.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This request, as it is.
    #[default]
    Once,
    /// This request, changed.
    Edited(Edit),
    /// This request, and further ones of the same kind for a while.
    Standing(StandingTerms),
    /// From now on: an admin's word.
    Always(Always),
}

/// What an approver makes of a request; what is absent stays.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct Edit {
    /// All inputs.
    pub inputs: Option<Map<String, Value>>,
    /// The whole context.
    pub context: Option<Map<String, Value>>,
    /// The whole body of the call, as it is sent; empty: none.
    pub body: Option<Vec<u8>>,
}

/// What is let through from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Always {
    /// Whatever the governing policy asks for.
    Policy,
    /// This action of this agent.
    Action,
}

/// A decision with what the voter looked at.
#[derive(Debug, Clone)]
pub struct Decide {
    /// What is decided.
    pub decision: Decision,
    /// The page or message it was decided on, where the door knows.
    pub view: Option<View>,
}

/// What a caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Until {
    /// The approval's end.
    #[default]
    Decided,
    /// Any change.
    Changed,
}

/// How an execution went.
#[derive(Debug, Clone)]
pub struct Report {
    /// In one word.
    pub outcome: ReportOutcome,
    /// In the agent's words.
    pub detail: Option<String>,
    /// What came out.
    pub result: Option<Map<String, Value>>,
}

/// What a person says became of an execution whose end is unknown.
#[derive(Debug, Clone)]
pub struct Settle {
    /// Executed, failed, or ready again.
    pub state: ExecutionState,
    /// For the record.
    pub note: Option<String>,
}

/// Which approvals.
#[derive(Debug, Clone, Default)]
pub struct ApprovalFilter {
    /// Any of these; empty means any.
    pub statuses: Vec<ApprovalStatus>,
    /// The agent's name or id.
    pub agent: Option<String>,
    /// A glob over the action's name.
    pub action: Option<String>,
    /// As claimed.
    pub priority: Option<Priority>,
    /// As claimed.
    pub risk: Option<Risk>,
    /// Name of the governing policy.
    pub policy: Option<String>,
    /// Words in the name of the action or of the agent, without case.
    pub search: Option<String>,
    /// Oldest first instead of newest first.
    pub oldest_first: bool,
    /// Beyond this sequence of a submission, in the direction of reading (the cursor).
    pub beyond: Option<u64>,
    /// How many, 1 to 200.
    pub limit: u32,
}

/// Which records of the log.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// The agent's name or id.
    pub agent: Option<String>,
    /// A glob over the action's name.
    pub action: Option<String>,
    /// Who did it: an operator's id or e-mail address, or the id of any other actor.
    pub actor: Option<String>,
    /// `approve`, `deny`, `allowed`, `denied`, `approved`, `expired` …
    pub decision: Option<String>,
    /// A type such as `approval.voted.v1`, or a beginning such as `approval.`.
    pub event_type: Option<String>,
    /// Any id: an approval's, action's or execution's digits find all three.
    pub subject: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Oldest first instead of newest first.
    pub oldest_first: bool,
    /// Beyond this sequence, in the direction of reading (the cursor).
    pub beyond: Option<u64>,
    /// How many, 1 to 200.
    pub limit: u32,
}

/// A whole new policy set.
#[derive(Debug, Clone, Default)]
pub struct ApplyPolicies {
    /// All policies, older first where ages tie. Those of the same name keep their id and age.
    pub policies: Vec<PolicyDoc>,
    /// Settings to change.
    pub settings: SettingsChange,
    /// Refuse unless the present version is this one.
    pub expected_version: Option<u64>,
    /// What becomes of pending approvals that no policy governs any more; the workspace's rule unless said.
    pub orphaned: Option<Orphaned>,
    /// Say what would change, change nothing.
    pub dry_run: bool,
}

/// A set to try on what was asked before; it changes nothing.
#[derive(Debug, Clone)]
pub struct Simulate {
    /// All policies, older first where ages tie. Those of the same name keep their age.
    pub policies: Vec<PolicyDoc>,
    /// Settings that would change with them.
    pub settings: SettingsChange,
    /// From when on; at most 400 days back.
    pub since: Timestamp,
    /// How many actions to look at, newest first; 1 to 50,000.
    pub actions_max: u64,
    /// How many changed actions to list; at most 200.
    pub examples_max: usize,
}

/// Settings of the workspace; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct SettingsChange {
    /// For people.
    pub name: Option<String>,
    /// For actions that no policy matches.
    pub unmatched: Option<Unmatched>,
    /// For calls with a grant that no policy matches.
    pub unmatched_calls: Option<Unmatched>,
    /// Who decides where a policy names nobody.
    pub default_approvers: Option<Vec<Approver>>,
    /// For pending approvals that no policy governs any more.
    pub orphaned: Option<Orphaned>,
    /// For how many days records are kept.
    pub retention_days: Option<u32>,
}

/// A new agent.
#[derive(Debug, Clone, Default)]
pub struct CreateAgent {
    /// Unique without case.
    pub name: String,
    /// For people, and later for matching.
    pub labels: BTreeMap<String, String>,
    /// An operator's id or e-mail address.
    pub owner: Option<String>,
    /// How its key looks.
    pub key: KeyShape,
}

/// A change of an agent; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateAgent {
    /// All labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// An operator's id or e-mail address; an empty text takes the owner away.
    pub owner: Option<String>,
    /// Off: its keys open nothing and its pending approvals are withdrawn.
    pub disabled: Option<bool>,
}

/// A new application.
#[derive(Debug, Clone, Default)]
pub struct CreateApplication {
    /// Unique without case.
    pub name: String,
    /// Names or globs of the agents it may speak for.
    pub agents: Vec<String>,
    /// Whether it may bring in agents that are not known yet.
    pub register_new: bool,
    /// How its key looks.
    pub key: KeyShape,
}

/// A change of an application; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateApplication {
    /// Names or globs of the agents it may speak for.
    pub agents: Option<Vec<String>>,
    /// Whether it may bring in new agents.
    pub register_new: Option<bool>,
    /// Off: its keys open nothing.
    pub disabled: Option<bool>,
}

/// A new operator.
#[derive(Debug, Clone)]
pub struct CreateOperator {
    /// For people.
    pub name: String,
    /// Unique without case.
    pub email: String,
    /// What they may do at all.
    pub role: Role,
    /// Names of groups to join.
    pub groups: Vec<String>,
    /// For the console; none: tokens only, until an admin sets one.
    pub password: Option<SecretString>,
}

/// A change of an operator; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateOperator {
    /// For people.
    pub name: Option<String>,
    /// Unique without case.
    pub email: Option<String>,
    /// What they may do at all.
    pub role: Option<Role>,
    /// Off: may do nothing, sessions end.
    pub disabled: Option<bool>,
    /// A new password; other sessions end.
    pub password: Option<SecretString>,
}

/// A new channel.
#[derive(Debug, Clone)]
pub struct CreateChannel {
    /// Unique without case.
    pub name: String,
    /// What it is.
    pub kind: ChannelKind,
    /// By their names on the wire; kept encrypted.
    pub settings: Map<String, Value>,
    /// Types or `approval.*`; none means all to programs, and what is asked to people.
    pub events: Vec<String>,
    /// Told only of what policy names it for, and of what goes to people whom it reaches.
    pub named_only: bool,
    /// The least time between two messages to one person or conversation.
    pub window: Option<Micros>,
}

/// A change of a channel; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateChannel {
    /// Unique without case.
    pub name: Option<String>,
    /// Those that change, by their names on the wire; null takes one away.
    pub settings: Map<String, Value>,
    /// All types.
    pub events: Option<Vec<String>>,
    /// Told only of what policy names it for, and of what goes to people whom it reaches.
    pub named_only: Option<bool>,
    /// The least time between two messages; `Some(None)`: as channels have it unless said.
    pub window: Option<Option<Micros>>,
    /// Tells nothing, or does again.
    pub disabled: Option<bool>,
    /// Say what would change, change nothing.
    pub dry_run: bool,
}

/// A change of how a person is reached; what is absent stays, `Some(None)` takes away.
#[derive(Debug, Clone, Default)]
pub struct UpdateContact {
    /// The channels to be told by, by id or name.
    pub channels: Option<Option<Vec<String>>>,
    /// For text messages.
    pub phone: Option<Option<String>>,
    /// For push messages.
    pub push_topic: Option<Option<String>>,
    /// When only what is critical reaches them.
    pub quiet_hours: Option<Option<QuietHours>>,
    /// The least time between two messages.
    pub window: Option<Option<Micros>>,
}

/// A change of a grant; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateGrant {
    /// Unique without case.
    pub name: Option<String>,
    /// How it goes into a call.
    pub credential: Option<CredentialKind>,
    /// What is secret of it.
    pub value: Option<SecretString>,
    /// Where it may go.
    pub origins: Option<Vec<String>>,
    /// With which methods; empty: all.
    pub methods: Option<Vec<String>>,
    /// To which URLs; empty: all.
    pub paths: Option<Vec<String>>,
    /// Who holds it, by name.
    pub agents: Option<Vec<String>>,
    /// Who holds it, by label.
    pub labels: Option<BTreeMap<String, String>>,
    /// How long a call may take.
    pub timeout: Option<Micros>,
    /// What its provider promises of repeated calls; `Some(None)`: nothing any more.
    pub idempotent: Option<Option<IdempotentProvider>>,
    /// What is not shown.
    pub redact: Option<Redaction>,
    /// Nobody can use it, or they can again.
    pub disabled: Option<bool>,
}

impl UpdateGrant {
    /// A grant as it would be.
    pub(crate) fn of(&self, present: &Grant) -> Grant {
        let take = |given: &Option<Vec<String>>, present: &Vec<String>| {
            given.clone().unwrap_or_else(|| present.clone())
        };
        Grant {
            name: self.name.clone().unwrap_or_else(|| present.name.clone()),
            credential: self
                .credential
                .clone()
                .unwrap_or_else(|| present.credential.clone()),
            origins: take(&self.origins, &present.origins),
            methods: take(&self.methods, &present.methods),
            paths: take(&self.paths, &present.paths),
            agents: take(&self.agents, &present.agents),
            labels: self.labels.clone().unwrap_or_else(|| present.labels.clone()),
            timeout: self.timeout.or(present.timeout),
            idempotent: self
                .idempotent
                .clone()
                .unwrap_or_else(|| present.idempotent.clone()),
            redact: self.redact.clone().unwrap_or_else(|| present.redact.clone()),
            disabled: self.disabled.unwrap_or(present.disabled),
        }
    }
}

/// The first admin.
#[derive(Debug, Clone)]
pub struct SetUp {
    /// From the first-run link.
    pub token: SecretString,
    /// For people.
    pub name: String,
    /// To sign in with.
    pub email: String,
    /// At least 12 characters.
    pub password: SecretString,
}

/// A sign-in by password.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Address.
    pub email: String,
    /// Password.
    pub password: SecretString,
}

/// Where to find an agent: by id or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentName {
    /// By id.
    Id(AgentId),
    /// By name, without case.
    Name(String),
}

impl From<&str> for AgentName {
    fn from(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Name(text.to_owned()), Self::Id)
    }
}
