//! Folded rows as cells of their tables and back. The row stands whole in `row`; the other columns are derived from it
//! here and nowhere else, so verification can compare them.

use serde::{Serialize, de::DeserializeOwned};
use signoff_core::{
    counted::CountedRow,
    fold::RowKey,
    id::{RawId, WorkspaceId},
    rows::{ApprovalRow, ExecutionRow},
};

use crate::{Row, StoreError, StoreResult};

/// The value of one column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Integer(Option<i64>),
    Text(Option<String>),
    Blob(Vec<u8>),
}

/// A folded table: its name and its columns after `workspace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    Workspaces,
    Policies,
    Agents,
    Applications,
    Operators,
    Groups,
    Keys,
    Channels,
    Grants,
    StandingApprovals,
    Counters,
    Approvals,
    Executions,
    Counted,
}

impl Table {
    pub(crate) const ALL: [Self; 14] = [
        Self::Workspaces,
        Self::Policies,
        Self::Agents,
        Self::Applications,
        Self::Operators,
        Self::Groups,
        Self::Keys,
        Self::Channels,
        Self::Grants,
        Self::StandingApprovals,
        Self::Counters,
        Self::Approvals,
        Self::Executions,
        Self::Counted,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Workspaces => "workspaces",
            Self::Policies => "policies",
            Self::Agents => "agents",
            Self::Applications => "applications",
            Self::Operators => "operators",
            Self::Groups => "groups",
            Self::Keys => "keys",
            Self::Channels => "channels",
            Self::Grants => "grants",
            Self::StandingApprovals => "standing_approvals",
            Self::Counters => "counters",
            Self::Approvals => "approvals",
            Self::Executions => "executions",
            Self::Counted => "counted",
        }
    }

    /// Whether it belongs to what snapshots are built from: not what belongs to single requests.
    pub(crate) const fn governs(self) -> bool {
        !matches!(
            self,
            Self::Approvals | Self::Executions | Self::Counters | Self::Counted
        )
    }

    pub(crate) const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Workspaces => &["row"],
            Self::Approvals => &[
                "id",
                "row",
                "status",
                "agent",
                "action",
                "priority",
                "risk",
                "policy",
                "submitted_seq",
                "created_at",
                "decided_at",
                "decider",
                "next_at",
            ],
            Self::Executions => &["id", "row", "state", "agent", "next_at", "call"],
            Self::Counted => &[
                "id", "row", "policy", "field", "agent", "at", "seq", "whole", "nanos",
            ],
            _ => &["id", "row"],
        }
    }

    pub(crate) fn of(key: RowKey) -> Self {
        match key {
            RowKey::Workspace => Self::Workspaces,
            RowKey::Policy(_) => Self::Policies,
            RowKey::Agent(_) => Self::Agents,
            RowKey::Application(_) => Self::Applications,
            RowKey::Operator(_) => Self::Operators,
            RowKey::Group(_) => Self::Groups,
            RowKey::Key(_) => Self::Keys,
            RowKey::Channel(_) => Self::Channels,
            RowKey::Grant(_) => Self::Grants,
            RowKey::Standing(_) => Self::StandingApprovals,
            RowKey::Counter(_) => Self::Counters,
            RowKey::Approval(_) => Self::Approvals,
            RowKey::Execution(_) => Self::Executions,
            RowKey::Counted(_) => Self::Counted,
        }
    }

    /// What an insert of a row does where the row is already there: it takes its place, in the same place of the file.
    pub(crate) fn upsert(self) -> String {
        let key = if self == Self::Workspaces {
            "workspace"
        } else {
            "workspace, id"
        };
        let columns = self.columns().iter().filter(|column| **column != "id");
        let set: Vec<_> = columns
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        format!(" ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "))
    }

    /// Reads the whole row back.
    pub(crate) fn read(self, bytes: &[u8]) -> StoreResult<Row> {
        let row = self.parse(bytes);
        row.map_err(|error| StoreError::Damaged(format!("a row of the table `{}`: {error}", self.name())))
    }

    fn parse(self, bytes: &[u8]) -> serde_json::Result<Row> {
        Ok(match self {
            Self::Workspaces => Row::Workspace(parse(bytes)?),
            Self::Policies => Row::Policy(parse(bytes)?),
            Self::Agents => Row::Agent(parse(bytes)?),
            Self::Applications => Row::Application(parse(bytes)?),
            Self::Operators => Row::Operator(parse(bytes)?),
            Self::Groups => Row::Group(parse(bytes)?),
            Self::Keys => Row::Key(parse(bytes)?),
            Self::Channels => Row::Channel(parse(bytes)?),
            Self::Grants => Row::Grant(Box::new(parse(bytes)?)),
            Self::StandingApprovals => Row::Standing(Box::new(parse(bytes)?)),
            Self::Counters => Row::Counter(parse(bytes)?),
            Self::Approvals => Row::Approval(parse(bytes)?),
            Self::Executions => Row::Execution(parse(bytes)?),
            Self::Counted => Row::Counted(parse(bytes)?),
        })
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(bytes)
}

fn json<T: Serialize>(row: &T) -> StoreResult<Cell> {
    Ok(Cell::Blob(serde_json::to_vec(row)?))
}

fn id(id: RawId) -> Cell {
    Cell::Blob(id.0.to_vec())
}

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(Some(text.into()))
}

/// The table of a row and its cells, in the order of the table's columns.
pub(crate) fn cells(row: &Row) -> StoreResult<(Table, Vec<Cell>)> {
    Ok(match row {
        Row::Workspace(row) => (Table::Workspaces, vec![json(row)?]),
        Row::Policy(row) => (Table::Policies, vec![id(row.id.0), json(row)?]),
        Row::Agent(row) => (Table::Agents, vec![id(row.id.0), json(row)?]),
        Row::Application(row) => (Table::Applications, vec![id(row.id.0), json(row)?]),
        Row::Operator(row) => (Table::Operators, vec![id(row.id.0), json(row)?]),
        Row::Group(row) => (Table::Groups, vec![id(row.id.0), json(row)?]),
        Row::Key(row) => (Table::Keys, vec![id(row.id.0), json(row)?]),
        Row::Channel(row) => (Table::Channels, vec![id(row.id.0), json(row)?]),
        Row::Grant(row) => (Table::Grants, vec![id(row.id.0), json(row)?]),
        Row::Standing(row) => (Table::StandingApprovals, vec![id(row.id.0), json(row)?]),
        Row::Counter(row) => (Table::Counters, vec![id(row.agent.0), json(row)?]),
        Row::Approval(row) => (Table::Approvals, approval(row)?),
        Row::Execution(row) => (Table::Executions, execution(row)?),
        Row::Counted(row) => (Table::Counted, counted(row)?),
    })
}

fn approval(row: &ApprovalRow) -> StoreResult<Vec<Cell>> {
    let decider = row
        .decided_by
        .as_ref()
        .map(|actor| serde_json::to_value(actor.kind));
    let decider = decider
        .transpose()?
        .and_then(|kind| kind.as_str().map(str::to_owned));
    Ok(vec![
        id(row.id.0),
        json(row)?,
        text(row.status.as_str()),
        id(row.agent.0),
        text(row.action.to_ascii_lowercase()),
        text(row.priority.as_str()),
        text(row.risk.as_str()),
        Cell::Text(row.policy.as_ref().map(|policy| policy.name.to_ascii_lowercase())),
        Cell::Integer(i64::try_from(row.submitted_seq).ok()),
        Cell::Integer(Some(row.created_at.0)),
        Cell::Integer(row.decided_at.map(|at| at.0)),
        Cell::Text(decider),
        Cell::Integer(row.next_at().map(|at| at.0)),
    ])
}

fn execution(row: &ExecutionRow) -> StoreResult<Vec<Cell>> {
    Ok(vec![
        id(row.id.0),
        json(row)?,
        text(row.state.as_str()),
        id(row.agent.0),
        Cell::Integer(row.next_at().map(|at| at.0)),
        Cell::Integer(row.is_to_be_made().then_some(1)),
    ])
}

fn counted(row: &CountedRow) -> StoreResult<Vec<Cell>> {
    let (whole, nanos) = row.amount.parts();
    Ok(vec![
        id(row.id.0),
        json(row)?,
        id(row.policy.0),
        text(row.field.as_str()),
        id(row.agent.0),
        Cell::Integer(Some(row.at.0)),
        Cell::Integer(i64::try_from(row.seq).ok()),
        Cell::Integer(Some(whole)),
        Cell::Integer(Some(nanos)),
    ])
}

pub(crate) fn blob(workspace: WorkspaceId) -> Vec<u8> {
    workspace.0.0.to_vec()
}

pub(crate) fn raw(bytes: &[u8]) -> StoreResult<RawId> {
    bytes
        .try_into()
        .map(RawId)
        .map_err(|_| StoreError::Damaged("an id is not 16 bytes long".into()))
}

pub(crate) fn hash32(bytes: &[u8]) -> StoreResult<[u8; 32]> {
    bytes
        .try_into()
        .map_err(|_| StoreError::Damaged("a hash is not 32 bytes long".into()))
}

/// A counted number as databases know it. Sequences are checked before they are written; in a question, what is beyond
/// the largest is beyond everything.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(value: i64) -> StoreResult<u64> {
    u64::try_from(value).map_err(|_| StoreError::Damaged(format!("{value} where a count should be")))
}
