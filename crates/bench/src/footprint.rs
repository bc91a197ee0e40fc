//! What one command writes, taken from what Signoff wrote: the floor then writes the same rows and bytes by itself.

use std::path::Path;

use anyhow::{Context as _, bail};
use signoff_core::id::{ActionId, ApprovalId};
use signoff_engine::{
    request::{Decide, Decision, Submit},
    view::Caller,
};
use sqlx::{
    Column as _, ConnectOptions as _, QueryBuilder, Row as _, Sqlite, SqliteConnection, TypeInfo as _,
    ValueRef as _,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use crate::house::{ALLOWED, ASKING, House, action};

/// The value of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// Rows of one table.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) table: &'static str,
    pub(crate) columns: Vec<String>,
    pub(crate) cells: Vec<Vec<Cell>>,
}

/// The rows of one command, but the workspace's head.
#[derive(Debug, Clone)]
pub(crate) struct Footprint {
    pub(crate) tables: Vec<Rows>,
    /// The sixteen bytes of the request's ids.
    pub(crate) subject: Vec<u8>,
    /// Those of the agent.
    pub(crate) agent: Vec<u8>,
    pub(crate) workspace: Vec<u8>,
}

/// A command whose rows are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A submit that policy allows.
    Allowed,
    /// A submit for which policy asks.
    Asking,
    /// The vote that approves.
    Approving,
}

impl Kind {
    /// What goes into the outbox. It can't be read back: whoever tells takes it away at once.
    fn told(self) -> Option<&'static str> {
        match self {
            Self::Allowed => None,
            Self::Asking => Some("approval.pending"),
            Self::Approving => Some("approval.decided"),
        }
    }
}

impl Footprint {
    /// Lets Signoff carry the command out in a directory of its own, and reads what it wrote.
    pub(crate) async fn take(kind: Kind, data: &Path) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir_in(data)?;
        let house = House::build(directory.path(), 1, 10).await?;
        let agent = house.callers().await?.pop().context("there is an agent")?;
        // The first one makes rows that later ones only change.
        command(&house, &agent, kind, "before").await?;
        let subject = command(&house, &agent, kind, "measured").await?;
        let path = directory.path().join(signoff_store::sqlite::FILE_NAME);
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .connect()
            .await?;
        let taken = Self::read(&mut connection, kind, &subject).await?;
        drop(connection);
        house.stop().await;
        Ok(taken)
    }

    async fn read(connection: &mut SqliteConnection, kind: Kind, subject: &[u8]) -> anyhow::Result<Self> {
        let latest = "SELECT workspace, seq FROM events WHERE subject = ? ORDER BY seq DESC LIMIT 1";
        let row = sqlx::query(latest)
            .bind(subject)
            .fetch_one(&mut *connection)
            .await?;
        let (workspace, seq): (Vec<u8>, i64) = (row.try_get("workspace")?, row.try_get("seq")?);
        let first = "SELECT agent FROM events WHERE subject = ? AND agent IS NOT NULL";
        let agent: Vec<u8> = sqlx::query(first)
            .bind(subject)
            .fetch_one(&mut *connection)
            .await?
            .try_get("agent")?;
        let (seq_cell, subject_cell) = (Cell::Integer(seq), Cell::Blob(subject.to_vec()));
        let mut wanted = vec![
            ("events", "seq", seq_cell.clone()),
            ("payloads", "seq", seq_cell.clone()),
        ];
        if kind != Kind::Allowed {
            wanted.push(("approvals", "id", subject_cell.clone()));
            wanted.push(("counters", "id", Cell::Blob(agent.clone())));
        }
        wanted.push(("executions", "id", subject_cell));
        wanted.push(("idempotency", "key", Cell::Text("measured".to_owned())));
        let mut tables = Vec::new();
        for (table, column, value) in wanted {
            tables.extend(read(connection, table, column, &value).await?);
        }
        if let Some(told) = kind.told() {
            let columns = ["workspace", "seq", "kind"].map(str::to_owned).to_vec();
            let row = vec![
                Cell::Blob(workspace.clone()),
                seq_cell,
                Cell::Text(told.to_owned()),
            ];
            tables.push(Rows {
                table: "outbox",
                columns,
                cells: vec![row],
            });
        }
        Ok(Self {
            tables,
            subject: subject.to_vec(),
            agent,
            workspace,
        })
    }

    /// Rows and bytes of one command, for the report.
    pub(crate) fn size(&self) -> (usize, usize) {
        let cells = self.tables.iter().flat_map(|rows| rows.cells.iter().flatten());
        let bytes = cells.map(|cell| match cell {
            Cell::Null => 0,
            Cell::Integer(_) => 8,
            Cell::Text(text) => text.len(),
            Cell::Blob(bytes) => bytes.len(),
        });
        (self.tables.iter().map(|rows| rows.cells.len()).sum(), bytes.sum())
    }
}

/// Carries out a command and answers the request's sixteen bytes.
async fn command(house: &House, agent: &Caller, kind: Kind, key: &str) -> anyhow::Result<Vec<u8>> {
    let name = if kind == Kind::Allowed { ALLOWED } else { ASKING };
    let submit_key = (kind != Kind::Approving).then_some(key);
    let submitted = house
        .engine
        .submit(agent, Submit::of(action(name)), submit_key)
        .await?;
    let id: ActionId = submitted.action_id;
    if kind == Kind::Approving {
        approve(house, id.approval()).await?;
    } else if submitted.approval_id.is_some() != (kind == Kind::Asking) {
        bail!("policy does not say what it should of `{name}`");
    }
    Ok(id.0.0.to_vec())
}

async fn approve(house: &House, id: ApprovalId) -> anyhow::Result<()> {
    let dana = house.engine.authenticate(&house.operator).await?;
    let digest = house.engine.approval(&dana, id).await?.row.digest;
    let decide = Decide {
        decision: Decision::Approve {
            digest,
            comment: None,
            scope: signoff_engine::request::Scope::Once,
        },
        view: None,
    };
    house.engine.decide(&dana, id, decide, None).await?;
    Ok(())
}

async fn read(
    connection: &mut SqliteConnection,
    table: &'static str,
    column: &str,
    value: &Cell,
) -> anyhow::Result<Option<Rows>> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM ");
    query.push(table).push(" WHERE ").push(column).push(" = ");
    match value {
        Cell::Null => bail!("nothing equals nothing"),
        Cell::Integer(number) => query.push_bind(*number),
        Cell::Text(text) => query.push_bind(text.as_str()),
        Cell::Blob(bytes) => query.push_bind(bytes.as_slice()),
    };
    let found = query.build().fetch_all(connection).await?;
    let Some(first) = found.first() else {
        return Ok(None);
    };
    let columns = first
        .columns()
        .iter()
        .map(|column| column.name().to_owned())
        .collect();
    let rows = found.iter().map(cells).collect::<anyhow::Result<_>>()?;
    Ok(Some(Rows {
        table,
        columns,
        cells: rows,
    }))
}

fn cells(row: &SqliteRow) -> anyhow::Result<Vec<Cell>> {
    let cell = |at: usize| {
        let value = row.try_get_raw(at)?;
        let kind = value.type_info().name().to_owned();
        Ok(match kind.as_str() {
            _ if value.is_null() => Cell::Null,
            "INTEGER" => Cell::Integer(row.try_get(at)?),
            "TEXT" => Cell::Text(row.try_get(at)?),
            "BLOB" => Cell::Blob(row.try_get(at)?),
            other => bail!("a column of type {other}"),
        })
    };
    (0..row.columns().len()).map(cell).collect()
}
