//! Folded rows of any table, as one type.

use signoff_core::{
    counted::CountedRow,
    fold::{RowKey, Rows},
    grant::GrantRow,
    id::{ApprovalId, CountedId, ExecutionId, KeyId, RawId},
    rows::{
        AgentRow, ApplicationRow, ApprovalRow, ChannelRow, CounterRow, ExecutionRow, GroupRow, KeyRow,
        OperatorRow, PolicyRow, WorkspaceRow,
    },
    standing::StandingRow,
};

/// One folded row of any table.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the variants are the folded tables")]
#[allow(
    clippy::large_enum_variant,
    reason = "a policy's row is the largest, and written rarely"
)]
pub enum Row {
    Workspace(WorkspaceRow),
    Policy(PolicyRow),
    Agent(AgentRow),
    Application(ApplicationRow),
    Operator(OperatorRow),
    Group(GroupRow),
    Key(KeyRow),
    Channel(ChannelRow),
    Grant(Box<GrantRow>),
    Standing(Box<StandingRow>),
    Approval(Box<ApprovalRow>),
    Execution(Box<ExecutionRow>),
    Counter(CounterRow),
    Counted(CountedRow),
}

impl Row {
    /// The row that a key names, out of folded rows.
    pub fn of(rows: &Rows, key: RowKey) -> Option<Self> {
        match key {
            RowKey::Workspace => rows.workspace.clone().map(Self::Workspace),
            RowKey::Policy(id) => rows.policies.get(&id).cloned().map(Self::Policy),
            RowKey::Agent(id) => rows.agents.get(&id).cloned().map(Self::Agent),
            RowKey::Application(id) => rows.applications.get(&id).cloned().map(Self::Application),
            RowKey::Operator(id) => rows.operators.get(&id).cloned().map(Self::Operator),
            RowKey::Group(id) => rows.groups.get(&id).cloned().map(Self::Group),
            RowKey::Key(id) => rows.keys.get(&id).cloned().map(Self::Key),
            RowKey::Channel(id) => rows.channels.get(&id).cloned().map(Self::Channel),
            RowKey::Grant(id) => rows.grants.get(&id).cloned().map(Box::new).map(Self::Grant),
            RowKey::Approval(id) => rows
                .approvals
                .get(&id)
                .cloned()
                .map(|row| Self::Approval(Box::new(row))),
            RowKey::Execution(id) => rows
                .executions
                .get(&id)
                .cloned()
                .map(|row| Self::Execution(Box::new(row))),
            RowKey::Standing(id) => rows
                .standing
                .get(&id)
                .cloned()
                .map(|row| Self::Standing(Box::new(row))),
            RowKey::Counter(id) => rows.counters.get(&id).cloned().map(Self::Counter),
            RowKey::Counted(id) => rows.counted.get(&id).cloned().map(Self::Counted),
        }
    }

    /// Puts the row where it belongs.
    pub fn insert_into(self, rows: &mut Rows) {
        match self {
            Self::Workspace(row) => rows.workspace = Some(row),
            Self::Policy(row) => drop(rows.policies.insert(row.id, row)),
            Self::Agent(row) => drop(rows.agents.insert(row.id, row)),
            Self::Application(row) => drop(rows.applications.insert(row.id, row)),
            Self::Operator(row) => drop(rows.operators.insert(row.id, row)),
            Self::Group(row) => drop(rows.groups.insert(row.id, row)),
            Self::Key(row) => drop(rows.keys.insert(row.id, row)),
            Self::Channel(row) => drop(rows.channels.insert(row.id, row)),
            Self::Grant(row) => drop(rows.grants.insert(row.id, *row)),
            Self::Approval(row) => drop(rows.approvals.insert(row.id, *row)),
            Self::Execution(row) => drop(rows.executions.insert(row.id, *row)),
            Self::Standing(row) => drop(rows.standing.insert(row.id, *row)),
            Self::Counter(row) => drop(rows.counters.insert(row.agent, row)),
            Self::Counted(row) => drop(rows.counted.insert(row.id, row)),
        }
    }
}

/// Ids whose rows live in tables of `(workspace, id, row)`.
pub(crate) fn raw_of(key: RowKey) -> RawId {
    match key {
        RowKey::Workspace => RawId([0; 16]),
        RowKey::Policy(id) => id.0,
        RowKey::Agent(id) | RowKey::Counter(id) => id.0,
        RowKey::Application(id) => id.0,
        RowKey::Operator(id) => id.0,
        RowKey::Group(id) => id.0,
        RowKey::Key(KeyId(id))
        | RowKey::Approval(ApprovalId(id))
        | RowKey::Execution(ExecutionId(id))
        | RowKey::Counted(CountedId(id)) => id,
        RowKey::Channel(id) => id.0,
        RowKey::Grant(id) => id.0,
        RowKey::Standing(id) => id.0,
    }
}
