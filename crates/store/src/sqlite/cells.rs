//! Folded rows as cells of their tables and back. The row stands whole in `row`; the other columns are derived from it
//! here and nowhere else, so verification can compare them.

use serde::{Serialize, de::DeserializeOwned};
use signoff_core::{
    event::ApprovalStatus,
    fold::RowKey,
    id::{RawId, WorkspaceId},
    payload::Hash32,
    record::{Epochs, Head},
    rows::{ApprovalRow, ExecutionRow},
    time::Timestamp,
};
use sqlx::{QueryBuilder, Row as _, Sqlite, query_builder::Separated, sqlite::SqliteRow};

use crate::{Row, StoreError, StoreResult};

/// The value of one column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Integer(Option<i64>),
    Text(Option<String>),
    Blob(Vec<u8>),
}

/// A folded table: its name and its columns after `workspace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Workspaces,
    Policies,
    Agents,
    Applications,
    Operators,
    Groups,
    Keys,
    Channels,
    Counters,
    Approvals,
    Executions,
}

impl Table {
    pub(super) const ALL: [Self; 11] = [
        Self::Workspaces,
        Self::Policies,
        Self::Agents,
        Self::Applications,
        Self::Operators,
        Self::Groups,
        Self::Keys,
        Self::Channels,
        Self::Counters,
        Self::Approvals,
        Self::Executions,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Workspaces => "workspaces",
            Self::Policies => "policies",
            Self::Agents => "agents",
            Self::Applications => "applications",
            Self::Operators => "operators",
            Self::Groups => "groups",
            Self::Keys => "keys",
            Self::Channels => "channels",
            Self::Counters => "counters",
            Self::Approvals => "approvals",
            Self::Executions => "executions",
        }
    }

    pub(super) const fn columns(self) -> &'static [&'static str] {
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
            Self::Executions => &["id", "row", "state", "agent", "next_at"],
            _ => &["id", "row"],
        }
    }

    pub(super) fn of(key: RowKey) -> Self {
        match key {
            RowKey::Workspace => Self::Workspaces,
            RowKey::Policy(_) => Self::Policies,
            RowKey::Agent(_) => Self::Agents,
            RowKey::Application(_) => Self::Applications,
            RowKey::Operator(_) => Self::Operators,
            RowKey::Group(_) => Self::Groups,
            RowKey::Key(_) => Self::Keys,
            RowKey::Channel(_) => Self::Channels,
            RowKey::Counter(_) => Self::Counters,
            RowKey::Approval(_) => Self::Approvals,
            RowKey::Execution(_) => Self::Executions,
        }
    }

    /// What an insert of a row does where the row is already there: it takes its place, in the same place of the file.
    pub(super) fn upsert(self) -> String {
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
    pub(super) fn read(self, bytes: &[u8]) -> StoreResult<Row> {
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
            Self::Counters => Row::Counter(parse(bytes)?),
            Self::Approvals => Row::Approval(parse(bytes)?),
            Self::Executions => Row::Execution(parse(bytes)?),
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
pub(super) fn cells(row: &Row) -> StoreResult<(Table, Vec<Cell>)> {
    Ok(match row {
        Row::Workspace(row) => (Table::Workspaces, vec![json(row)?]),
        Row::Policy(row) => (Table::Policies, vec![id(row.id.0), json(row)?]),
        Row::Agent(row) => (Table::Agents, vec![id(row.id.0), json(row)?]),
        Row::Application(row) => (Table::Applications, vec![id(row.id.0), json(row)?]),
        Row::Operator(row) => (Table::Operators, vec![id(row.id.0), json(row)?]),
        Row::Group(row) => (Table::Groups, vec![id(row.id.0), json(row)?]),
        Row::Key(row) => (Table::Keys, vec![id(row.id.0), json(row)?]),
        Row::Channel(row) => (Table::Channels, vec![id(row.id.0), json(row)?]),
        Row::Counter(row) => (Table::Counters, vec![id(row.agent.0), json(row)?]),
        Row::Approval(row) => (Table::Approvals, approval(row)?),
        Row::Execution(row) => (Table::Executions, execution(row)?),
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
    ])
}

/// Binds a cell in a list of values.
pub(super) fn bind(values: &mut Separated<'_, Sqlite, &'static str>, cell: &Cell) {
    match cell {
        Cell::Integer(value) => values.push_bind(*value),
        Cell::Text(value) => values.push_bind(value.as_deref()),
        Cell::Blob(value) => values.push_bind(value.as_slice()),
    };
}

/// Reads the cell that a column should have like `like`.
pub(super) fn stored(row: &SqliteRow, column: &str, like: &Cell) -> StoreResult<Cell> {
    Ok(match like {
        Cell::Integer(_) => Cell::Integer(row.try_get(column)?),
        Cell::Text(_) => Cell::Text(row.try_get(column)?),
        Cell::Blob(_) => Cell::Blob(row.try_get(column)?),
    })
}

pub(super) fn blob(workspace: WorkspaceId) -> Vec<u8> {
    workspace.0.0.to_vec()
}

pub(super) fn raw(bytes: &[u8]) -> StoreResult<RawId> {
    bytes
        .try_into()
        .map(RawId)
        .map_err(|_| StoreError::Damaged("an id is not 16 bytes long".into()))
}

pub(super) fn hash32(bytes: &[u8]) -> StoreResult<[u8; 32]> {
    bytes
        .try_into()
        .map_err(|_| StoreError::Damaged("a hash is not 32 bytes long".into()))
}

/// A counted number as the database knows it. Sequences are checked before they are written; in a question, what is
/// beyond the largest is beyond everything.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> StoreResult<u64> {
    u64::try_from(value).map_err(|_| StoreError::Damaged(format!("{value} where a count should be")))
}

pub(super) fn read_head(row: &SqliteRow) -> StoreResult<(WorkspaceId, Head)> {
    let head = Head {
        seq: unsigned(row.try_get("seq")?)?,
        hash: Hash32(hash32(row.try_get("hash")?)?),
        time: Timestamp(row.try_get("time")?),
        epochs: Epochs {
            policy: unsigned(row.try_get("policy_epoch")?)?,
            authority: unsigned(row.try_get("authority_epoch")?)?,
            stop: unsigned(row.try_get("stop_epoch")?)?,
        },
    };
    Ok((WorkspaceId(raw(row.try_get("workspace")?)?), head))
}

pub(super) fn status(text: &str) -> StoreResult<ApprovalStatus> {
    ApprovalStatus::parse(text).ok_or_else(|| StoreError::Damaged(format!("unknown status `{text}`")))
}

/// Asks for a list of ids; `start` ends with the opening bracket.
pub(super) fn push_ids(
    sql: &mut QueryBuilder<Sqlite>,
    start: &'static str,
    ids: impl Iterator<Item = RawId>,
) {
    sql.push(start);
    let mut list = sql.separated(", ");
    for id in ids {
        list.push_bind(id.0.to_vec());
    }
    sql.push(")");
}

/// Asks for one page by a sequence, and puts it in order.
pub(super) fn push_page(
    sql: &mut QueryBuilder<Sqlite>,
    column: &'static str,
    beyond: Option<u64>,
    newest_first: bool,
    limit: u32,
) {
    if let Some(beyond) = beyond {
        sql.push(" AND ")
            .push(column)
            .push(if newest_first { " < " } else { " > " })
            .push_bind(signed(beyond));
    }
    sql.push(" ORDER BY ")
        .push(column)
        .push(if newest_first { " DESC" } else { " ASC" });
    sql.push(" LIMIT ").push_bind(limit);
}

/// Asks for a name that matches a glob, of which only `*` and `?` are special.
pub(super) fn push_glob(sql: &mut QueryBuilder<Sqlite>, column: &'static str, glob: &str) {
    let literal = &glob[..glob.find(['*', '?']).unwrap_or(glob.len())];
    if literal.len() == glob.len() {
        sql.push(" AND ").push(column).push(" = ").push_bind(glob);
        return;
    }
    // What begins with the literal part: bounds that an index can use whatever is bound.
    if let Some(last) = literal
        .bytes()
        .last()
        .filter(|last| literal.is_ascii() && *last < 0x7f)
    {
        let mut end = literal[..literal.len() - 1].to_owned();
        end.push(char::from(last + 1));
        sql.push(" AND ").push(column).push(" >= ").push_bind(literal);
        sql.push(" AND ").push(column).push(" < ").push_bind(end);
    }
    sql.push(" AND ")
        .push(column)
        .push(" GLOB ")
        .push_bind(glob.replace('[', "[[]"));
}
