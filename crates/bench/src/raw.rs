//! The floor of everything durable: the same rows and bytes in one transaction after another, written with the same
//! library into the same schema. No judging, no hashing, no encryption, no queue, nobody to answer.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use signoff_store::{Store as _, SystemClock, sqlite::SqliteStore};
use sqlx::{
    ConnectOptions as _, Connection as _, QueryBuilder, Sqlite, SqliteConnection, Transaction,
    query_builder::Separated,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::footprint::{Cell, Footprint};

/// How many agents the rows are about, in turns.
const AGENTS: u64 = 256;

/// Writes batches into a database of its own.
pub(crate) struct RawWriter {
    connection: SqliteConnection,
    /// The last sequence so far.
    seq: i64,
    /// Requests so far.
    requests: u64,
}

impl RawWriter {
    /// Makes a database with Signoff's schema, and opens it with the settings of Signoff's own connection.
    pub(crate) async fn create(data: &Path) -> anyhow::Result<Self> {
        SqliteStore::open(data, Arc::new(SystemClock))
            .await?
            .close()
            .await;
        let connection = SqliteConnectOptions::new()
            .filename(data.join(signoff_store::sqlite::FILE_NAME))
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("temp_store", "memory")
            .pragma("cache_size", "-32768")
            .pragma("wal_autocheckpoint", "4000")
            .pragma("journal_size_limit", "67108864")
            .pragma("secure_delete", "on")
            .connect()
            .await?;
        Ok(Self {
            connection,
            seq: 0,
            requests: 0,
        })
    }

    /// Commits so many new requests at once.
    pub(crate) async fn submit(&mut self, footprint: &Footprint, count: u64) -> anyhow::Result<()> {
        let first = self.requests;
        self.requests += count;
        let requests: Vec<u64> = (first..self.requests).collect();
        self.commit(footprint, &requests).await
    }

    /// Commits what happened to one earlier request.
    pub(crate) async fn follow(&mut self, footprint: &Footprint, request: u64) -> anyhow::Result<()> {
        self.commit(footprint, &[request]).await
    }

    async fn commit(&mut self, footprint: &Footprint, requests: &[u64]) -> anyhow::Result<()> {
        let mut tables: BTreeMap<&str, Vec<Vec<Cell>>> = BTreeMap::new();
        for (at, request) in (1..).zip(requests) {
            for rows in &footprint.tables {
                let fresh = rows
                    .cells
                    .iter()
                    .map(|row| fresh(footprint, &rows.columns, row, self.seq + at, *request));
                tables.entry(rows.table).or_default().extend(fresh);
            }
        }
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        self.seq += i64::try_from(requests.len())?;
        sqlx::query("INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, 1, 1, 0, 'here')")
            .bind(footprint.workspace.as_slice())
            .bind(self.seq)
            .bind([7_u8; 32].as_slice())
            .bind(self.seq)
            .execute(&mut *transaction)
            .await?;
        for rows in &footprint.tables {
            if let Some(fresh) = tables.remove(rows.table) {
                insert(&mut transaction, rows.table, &rows.columns, &fresh).await?;
            }
        }
        Ok(transaction.commit().await?)
    }
}

/// One multi-row statement; rows that are there are written over, as an approval is when it is decided.
async fn insert(
    transaction: &mut Transaction<'_, Sqlite>,
    table: &str,
    columns: &[String],
    rows: &[Vec<Cell>],
) -> anyhow::Result<()> {
    let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO ");
    query.push(table).push(" (").push(columns.join(", ")).push(") ");
    query.push_values(rows, |mut values, row| {
        for cell in row {
            bind(&mut values, cell);
        }
    });
    if ["approvals", "counters", "executions"].contains(&table) {
        let set: Vec<_> = columns
            .iter()
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        query
            .push(" ON CONFLICT (workspace, id) DO UPDATE SET ")
            .push(set.join(", "));
    }
    // Kept prepared whatever its size: the floor is to be as low as it can.
    query.build().persistent(true).execute(&mut **transaction).await?;
    Ok(())
}

fn bind(values: &mut Separated<'_, Sqlite, &'static str>, cell: &Cell) {
    match cell {
        Cell::Null => values.push_bind(None::<i64>),
        Cell::Integer(number) => values.push_bind(*number),
        Cell::Text(text) => values.push_bind(text.as_str()),
        Cell::Blob(bytes) => values.push_bind(bytes.as_slice()),
    };
}

/// A row as it would be for another request: the same bytes but for what names it.
fn fresh(footprint: &Footprint, columns: &[String], row: &[Cell], seq: i64, request: u64) -> Vec<Cell> {
    let cell = |(column, cell): (&String, &Cell)| match (column.as_str(), cell) {
        ("seq" | "submitted_seq", _) => Cell::Integer(seq),
        ("time" | "created_at" | "decided_at" | "next_at", Cell::Integer(time)) => Cell::Integer(time + seq),
        ("key", _) => Cell::Text(format!("{request:016x}")),
        (_, Cell::Blob(bytes)) if *bytes == footprint.subject => Cell::Blob(digits(1, request)),
        (_, Cell::Blob(bytes)) if *bytes == footprint.agent => Cell::Blob(digits(2, request % AGENTS)),
        ("id", Cell::Blob(_)) => Cell::Blob(digits(3, seq.unsigned_abs())),
        _ => cell.clone(),
    };
    columns.iter().zip(row).map(cell).collect()
}

/// Sixteen bytes that sort by number, as ids sort by time, and differ by kind.
fn digits(kind: u8, number: u64) -> Vec<u8> {
    let mut bytes = vec![0x5a; 16];
    bytes[0] = kind;
    bytes[1..9].copy_from_slice(&number.to_be_bytes());
    bytes
}
