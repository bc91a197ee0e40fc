//! Everything as stored, for `audit verify --with-store`: what a row's columns say is compared with what the row says.
//! Nothing found here is an error; it is a fault with a name, so that all faults can be told.

use signoff_core::{fold::Rows, id::WorkspaceId, record::Record};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection, sqlite::SqliteRow};

use super::{
    SqliteStore,
    cells::{Table, blob, cells, raw, read_head, stored},
    side::secret,
};
use crate::{Folded, RecordIndex, Row, StoreResult};

/// How many records are looked at between two looks at the database.
const RECORDS_AT_ONCE: usize = 1_000;

impl SqliteStore {
    pub(super) async fn read_folded(&self, workspace: WorkspaceId) -> StoreResult<Folded> {
        let mut folded = Folded {
            rows: Rows::default(),
            ..Folded::default()
        };
        // One transaction for what changes, so that it is of one moment. Records only ever follow, so they need none:
        // a long one would keep the write-ahead log from being taken over.
        let mut transaction = self.read.begin().await?;
        read_head_of(&mut transaction, workspace, &mut folded).await?;
        for table in Table::ALL {
            read_table(&mut transaction, workspace, table, &mut folded).await?;
        }
        let query =
            sqlx::query("SELECT kind, id, value FROM secrets WHERE workspace = ?").bind(blob(workspace));
        for row in query.fetch_all(&mut *transaction).await? {
            match secret(&row) {
                Ok(secret) => folded.secrets.push(secret),
                Err(error) => folded.faults.push(format!("table secrets: {error}")),
            }
        }
        let query =
            sqlx::query_scalar("SELECT max(seq) FROM events WHERE workspace = ?").bind(blob(workspace));
        let last: Option<i64> = query.fetch_one(&mut *transaction).await?;
        drop(transaction);
        self.check_indexes(workspace, last.unwrap_or(i64::MIN), &mut folded.faults)
            .await?;
        Ok(folded)
    }

    async fn check_indexes(
        &self,
        workspace: WorkspaceId,
        last: i64,
        faults: &mut Vec<String>,
    ) -> StoreResult<()> {
        let mut after = i64::MIN;
        loop {
            let query = sqlx::query(
                "SELECT * FROM events WHERE workspace = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT 1000",
            );
            let rows = query
                .bind(blob(workspace))
                .bind(after)
                .bind(last)
                .fetch_all(&self.read)
                .await?;
            for row in &rows {
                after = row.try_get("seq")?;
                if let Err(why) = check_index(row) {
                    faults.push(format!("record {after}: {why}"));
                }
            }
            if rows.len() < RECORDS_AT_ONCE {
                return Ok(());
            }
        }
    }
}

async fn read_head_of(
    connection: &mut SqliteConnection,
    workspace: WorkspaceId,
    folded: &mut Folded,
) -> StoreResult<()> {
    let query = sqlx::query("SELECT * FROM heads WHERE workspace = ?").bind(blob(workspace));
    match query.fetch_optional(connection).await?.map(|row| read_head(&row)) {
        Some(Ok((_, head))) => folded.head = Some(head),
        Some(Err(error)) => folded.faults.push(format!("table heads: {error}")),
        None => {}
    }
    Ok(())
}

async fn read_table(
    connection: &mut SqliteConnection,
    workspace: WorkspaceId,
    table: Table,
    folded: &mut Folded,
) -> StoreResult<()> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM ");
    query
        .push(table.name())
        .push(" WHERE workspace = ")
        .push_bind(blob(workspace));
    for stored_row in query.build().fetch_all(connection).await? {
        match check_row(table, &stored_row) {
            Ok(row) => row.insert_into(&mut folded.rows),
            Err(why) => folded.faults.push(format!("table {}: {why}", table.name())),
        }
    }
    Ok(())
}

/// A row whose cells all say what its content says.
fn check_row(table: Table, stored_row: &SqliteRow) -> Result<Row, String> {
    let read = || -> StoreResult<(Row, Option<&'static str>)> {
        let row = table.read(stored_row.try_get("row")?)?;
        let (_, expected) = cells(&row)?;
        for (column, cell) in table.columns().iter().zip(&expected) {
            if stored(stored_row, column, cell)? != *cell {
                return Ok((row, Some(column)));
            }
        }
        Ok((row, None))
    };
    let id = stored_row
        .try_get::<Vec<u8>, _>("id")
        .ok()
        .and_then(|bytes| raw(&bytes).ok());
    let id = id.map_or_else(|| "row".to_owned(), |id| format!("row {id}"));
    match read() {
        Ok((row, None)) => Ok(row),
        Ok((_, Some(column))) => Err(format!(
            "{id}: the column `{column}` disagrees with the row's content"
        )),
        Err(error) => Err(format!("{id}: can't be read: {error}")),
    }
}

/// Whether a record's index columns say what its bytes say.
fn check_index(row: &SqliteRow) -> Result<(), String> {
    let check = || -> StoreResult<Option<&'static str>> {
        let record: Record = serde_json::from_slice(row.try_get("bytes")?)?;
        let index = RecordIndex::of(&record);
        let agent: Option<Vec<u8>> = row.try_get("agent")?;
        let (action, decision): (Option<String>, Option<String>) =
            (row.try_get("action")?, row.try_get("decision")?);
        let checks = [
            (
                "seq",
                u64::try_from(row.try_get::<i64, _>("seq")?) == Ok(record.seq),
            ),
            ("id", row.try_get::<Vec<u8>, _>("id")? == record.id.0.0),
            ("time", row.try_get::<i64, _>("time")? == record.time.0),
            (
                "type",
                row.try_get::<String, _>("type")? == record.event.type_name(),
            ),
            (
                "subject",
                row.try_get::<Vec<u8>, _>("subject")? == index.subject.0,
            ),
            ("actor", row.try_get::<String, _>("actor")? == index.actor),
            ("agent", agent == index.agent.map(|agent| agent.0.0.to_vec())),
            ("action", action == index.action),
            ("decision", decision == index.decision),
        ];
        Ok(checks.iter().find(|(_, same)| !same).map(|(column, _)| *column))
    };
    match check() {
        Ok(None) => Ok(()),
        Ok(Some(column)) => Err(format!("the column `{column}` disagrees with the record")),
        Err(error) => Err(error.to_string()),
    }
}
