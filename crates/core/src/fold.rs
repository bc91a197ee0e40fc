//! The one projection: a record into the folded rows. The batch writer applies it to the rows it touched, verification
//! to a whole log from the start; both must come to the same (invariant I1).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    counted::CountedRow,
    event::Event,
    grant::GrantRow,
    id::{
        AgentId, ApplicationId, ApprovalId, ChannelId, CountedId, ExecutionId, GrantId, GroupId, InvalidId,
        KeyId, OperatorId, PolicyId, StandingId,
    },
    record::Record,
    rows::{
        AgentRow, ApplicationRow, ApprovalRow, ChannelRow, CounterRow, ExecutionRow, GroupRow, KeyRow,
        OperatorRow, PolicyRow, WorkspaceRow,
    },
    standing::StandingRow,
};

macro_rules! row_mut {
    ($fold:ident . $table:ident, $key:ident, $id:expr) => {{
        let id = $id;
        $fold.changed.insert(RowKey::$key(id));
        $fold.rows.$table.get_mut(&id).ok_or_else(|| FoldError::Missing {
            seq: $fold.record.seq,
            subject: id.to_string(),
        })
    }};
}

mod counted;
mod grant;
mod log;
mod request;
mod standing;
mod stop;

pub use counted::CountedChange;
pub use request::{allowed_execution, origin_of};

/// Names one folded row within a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the variants are the folded tables")]
pub enum RowKey {
    Workspace,
    Policy(PolicyId),
    Agent(AgentId),
    Application(ApplicationId),
    Operator(OperatorId),
    Group(GroupId),
    Key(KeyId),
    Channel(ChannelId),
    Grant(GrantId),
    Approval(ApprovalId),
    Execution(ExecutionId),
    Counter(AgentId),
    Standing(StandingId),
    Counted(CountedId),
}

/// Folded rows of one workspace: all of them, or those that a batch touches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are the folded tables")]
pub struct Rows {
    pub workspace: Option<WorkspaceRow>,
    pub policies: BTreeMap<PolicyId, PolicyRow>,
    pub agents: BTreeMap<AgentId, AgentRow>,
    pub applications: BTreeMap<ApplicationId, ApplicationRow>,
    pub operators: BTreeMap<OperatorId, OperatorRow>,
    pub groups: BTreeMap<GroupId, GroupRow>,
    pub keys: BTreeMap<KeyId, KeyRow>,
    pub channels: BTreeMap<ChannelId, ChannelRow>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grants: BTreeMap<GrantId, GrantRow>,
    pub approvals: BTreeMap<ApprovalId, ApprovalRow>,
    pub executions: BTreeMap<ExecutionId, ExecutionRow>,
    pub counters: BTreeMap<AgentId, CounterRow>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub standing: BTreeMap<StandingId, StandingRow>,
    pub counted: BTreeMap<CountedId, CountedRow>,
}

/// A record that does not follow from the rows: a bug, or a log that was not written by Signoff.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The event is about a row that is not there.
    #[error("record {seq} is about {subject}, which is not there")]
    Missing {
        /// The record.
        seq: u64,
        /// What it is about.
        subject: String,
    },
    /// The event can't follow from the state its row is in: an end is an end (invariant I4).
    #[error("record {seq}: `{event}` can't happen to {subject}, which is {state}")]
    Impossible {
        /// The record.
        seq: u64,
        /// The type of its event.
        event: &'static str,
        /// What it is about.
        subject: String,
        /// The state that is in.
        state: &'static str,
    },
    /// The subject is not an id of the kind the event is about.
    #[error("the subject of record {seq} is not of the kind that its type is about")]
    Subject {
        /// The record.
        seq: u64,
        /// What is wrong with the id.
        source: InvalidId,
    },
}

impl Rows {
    /// Applies one record and answers which rows it changed.
    ///
    /// # Errors
    /// If the record does not follow from the rows; they are then not to be used further.
    pub fn fold(&mut self, record: &Record) -> Result<BTreeSet<RowKey>, FoldError> {
        let mut fold = Fold {
            rows: self,
            record,
            changed: BTreeSet::new(),
        };
        let before = fold.rows.counted_before(record);
        fold.apply()?;
        fold.count_past(&before);
        Ok(fold.changed)
    }
}

struct Fold<'a> {
    rows: &'a mut Rows,
    record: &'a Record,
    changed: BTreeSet<RowKey>,
}

impl Fold<'_> {
    fn impossible(&self, state: &'static str) -> FoldError {
        FoldError::Impossible {
            seq: self.record.seq,
            event: self.record.event.type_name(),
            subject: self.record.subject.clone(),
            state,
        }
    }

    fn subject<T: std::str::FromStr<Err = InvalidId>>(&self) -> Result<T, FoldError> {
        self.record.subject.parse().map_err(|source| FoldError::Subject {
            seq: self.record.seq,
            source,
        })
    }

    fn apply(&mut self) -> Result<(), FoldError> {
        match &self.record.event {
            Event::WorkspaceCreated(_)
            | Event::WorkspaceUpdated(_)
            | Event::PolicyPut(_)
            | Event::PolicyRemoved(_)
            | Event::PolicySetApplied(_) => self.apply_policy(),
            Event::AgentPut(_)
            | Event::ApplicationPut(_)
            | Event::OperatorPut(_)
            | Event::PasswordSet(_)
            | Event::ContactSet(_)
            | Event::GroupPut(_)
            | Event::GroupRemoved(_)
            | Event::KeySet(_)
            | Event::KeyRevoked(_)
            | Event::ChannelPut(_)
            | Event::ChannelRemoved(_)
            | Event::GrantPut(_)
            | Event::GrantRefreshed(_)
            | Event::GrantRemoved(_) => self.apply_authority(),
            Event::ApprovalRequested(_)
            | Event::ApprovalRejudged(_)
            | Event::ApprovalVoted(_)
            | Event::ApprovalEdited(_)
            | Event::InfoRequested(_)
            | Event::InfoAnswered(_)
            | Event::ApprovalEscalated(_)
            | Event::ApprovalEnded(_) => self.apply_approval(),
            Event::ExecutionConsumed(_)
            | Event::ExecutionReported(_)
            | Event::ExecutionStarted(_)
            | Event::ExecutionRepeated(_)
            | Event::ExecutionFinished(_)
            | Event::ExecutionSettled(_)
            | Event::ExecutionLapsed(_)
            | Event::ExecutionReleased(_)
            | Event::ExecutionRevoked(_) => self.apply_execution(),
            Event::EpochRaised(_) | Event::LogCut(_) => self.apply_log(),
            Event::StopPulled(_) | Event::StopLifted(_) => self.apply_stop(),
            Event::StandingGranted(_) | Event::StandingRevoked(_) => self.apply_standing(),
            // An allowed, denied or noted action leaves its record and nothing else until somebody carries it out.
            Event::ActionAllowed(allowed) => self.use_standing(allowed),
            Event::ActionDenied(_)
            | Event::ActionNoted(_)
            | Event::SignedIn(_)
            | Event::SignInFailed(_)
            | Event::SignedOut(_)
            | Event::PayloadErased(_) => Ok(()),
        }
    }

    fn workspace_mut(&mut self) -> Result<&mut WorkspaceRow, FoldError> {
        self.changed.insert(RowKey::Workspace);
        let missing = FoldError::Missing {
            seq: self.record.seq,
            subject: self.record.workspace.to_string(),
        };
        self.rows.workspace.as_mut().ok_or(missing)
    }

    fn apply_policy(&mut self) -> Result<(), FoldError> {
        let time = self.record.time;
        match &self.record.event {
            Event::WorkspaceCreated(set) => {
                self.changed.insert(RowKey::Workspace);
                self.rows.workspace = Some(WorkspaceRow {
                    id: self.record.workspace,
                    orphaned: set.settings.orphaned,
                    settings: set.settings.clone(),
                    policy_set: 0,
                    next_age: 1,
                    log_epoch: None,
                    cut: None,
                    stop: None,
                });
            }
            Event::WorkspaceUpdated(set) => {
                let row = self.workspace_mut()?;
                row.settings = set.settings.clone();
                row.orphaned = set.settings.orphaned;
            }
            Event::PolicyPut(put) => {
                let row = self.workspace_mut()?;
                row.next_age = row.next_age.max(put.age + 1);
                let id: PolicyId = self.subject()?;
                self.changed.insert(RowKey::Policy(id));
                let created_at = self.rows.policies.get(&id).map_or(time, |row| row.created_at);
                let row = PolicyRow {
                    id,
                    version: put.version,
                    age: put.age,
                    doc: put.policy.clone(),
                    removed: false,
                    created_at,
                    updated_at: time,
                };
                self.rows.policies.insert(id, row);
            }
            Event::PolicyRemoved(_) => {
                let id = self.subject()?;
                let row = row_mut!(self.policies, Policy, id)?;
                row.removed = true;
                row.updated_at = time;
            }
            Event::PolicySetApplied(set) => {
                let row = self.workspace_mut()?;
                row.policy_set = set.version;
                row.orphaned = set.orphaned;
            }
            _ => {}
        }
        Ok(())
    }

    fn apply_authority(&mut self) -> Result<(), FoldError> {
        let created_at = self.record.time;
        match &self.record.event {
            Event::AgentPut(put) => {
                let id: AgentId = self.subject()?;
                self.changed.insert(RowKey::Agent(id));
                let present = self.rows.agents.get(&id);
                let created_at = present.map_or(created_at, |row| row.created_at);
                // However an agent is changed, it stays stopped.
                let stop = present.and_then(|row| row.stop.clone());
                let row = AgentRow {
                    id,
                    name: put.name.clone(),
                    labels: put.labels.clone(),
                    owner: put.owner,
                    disabled: put.disabled,
                    registered_by: put.registered_by,
                    created_at,
                    stop,
                };
                self.rows.agents.insert(id, row);
            }
            Event::ApplicationPut(put) => {
                let id: ApplicationId = self.subject()?;
                self.changed.insert(RowKey::Application(id));
                let created_at = self
                    .rows
                    .applications
                    .get(&id)
                    .map_or(created_at, |row| row.created_at);
                let row = ApplicationRow {
                    id,
                    name: put.name.clone(),
                    agents: put.agents.clone(),
                    register_new: put.register_new,
                    disabled: put.disabled,
                    created_at,
                };
                self.rows.applications.insert(id, row);
            }
            Event::OperatorPut(put) => {
                let id: OperatorId = self.subject()?;
                self.changed.insert(RowKey::Operator(id));
                let row = self.rows.operators.entry(id).or_insert(OperatorRow {
                    id,
                    role: put.role,
                    disabled: put.disabled,
                    password_digest: None,
                    contact_digest: None,
                    created_at,
                });
                row.role = put.role;
                row.disabled = put.disabled;
            }
            Event::PasswordSet(set) => {
                let id = self.subject()?;
                row_mut!(self.operators, Operator, id)?.password_digest = Some(set.digest);
            }
            Event::ContactSet(set) => {
                let id = self.subject()?;
                row_mut!(self.operators, Operator, id)?.contact_digest = Some(set.digest);
            }
            Event::GroupPut(put) => {
                let id: GroupId = self.subject()?;
                self.changed.insert(RowKey::Group(id));
                let row = GroupRow {
                    id,
                    name: put.name.clone(),
                    members: put.members.clone(),
                    removed: false,
                };
                self.rows.groups.insert(id, row);
            }
            Event::GroupRemoved(_) => {
                let id = self.subject()?;
                row_mut!(self.groups, Group, id)?.removed = true;
            }
            _ => return self.apply_keys_and_channels(),
        }
        Ok(())
    }

    fn apply_keys_and_channels(&mut self) -> Result<(), FoldError> {
        let created_at = self.record.time;
        match &self.record.event {
            Event::KeySet(set) => {
                let id: KeyId = self.subject()?;
                self.changed.insert(RowKey::Key(id));
                let row = KeyRow {
                    id,
                    owner: set.owner,
                    hint: set.hint.clone(),
                    digest: set.digest,
                    revoked: false,
                    set_seq: self.record.seq,
                    created_at,
                    delegation: set.delegation.clone(),
                };
                self.rows.keys.insert(id, row);
            }
            Event::KeyRevoked(_) => {
                let id = self.subject()?;
                row_mut!(self.keys, Key, id)?.revoked = true;
            }
            Event::ChannelPut(put) => {
                let id: ChannelId = self.subject()?;
                self.changed.insert(RowKey::Channel(id));
                let created_at = self
                    .rows
                    .channels
                    .get(&id)
                    .map_or(created_at, |row| row.created_at);
                let row = ChannelRow {
                    id,
                    name: put.name.clone(),
                    origin: put.origin.clone(),
                    kind: put.kind,
                    events: put.events.clone(),
                    named_only: put.named_only,
                    window: put.window,
                    disabled: put.disabled,
                    switched_off: put.switched_off,
                    removed: false,
                    digest: put.digest,
                    created_at,
                };
                self.rows.channels.insert(id, row);
            }
            Event::ChannelRemoved(_) => {
                let id = self.subject()?;
                row_mut!(self.channels, Channel, id)?.removed = true;
            }
            _ => return self.apply_grant(),
        }
        Ok(())
    }
}
