//! What a row's columns say is compared with what the row says, for `audit verify --with-store`. Nothing found here is an
//! error; it is a fault with a name, so that all faults can be told.

use signoff_core::record::Record;

use crate::{
    Folded, RecordIndex, Row, StoreResult,
    cells::{Cell, Table, cells},
    fields::{Fields, head, secret},
};

/// How many records are looked at between two looks at the database.
pub(crate) const RECORDS_AT_ONCE: usize = 1_000;

/// A row whose cells all say what its content says.
fn check_row(table: Table, stored_row: &impl Fields) -> Result<Row, String> {
    let read = || -> StoreResult<(Row, Option<&'static str>)> {
        let row = table.read(&stored_row.blob("row")?)?;
        let (_, expected) = cells(&row)?;
        for (column, cell) in table.columns().iter().zip(&expected) {
            if stored(stored_row, column, cell)? != *cell {
                return Ok((row, Some(column)));
            }
        }
        Ok((row, None))
    };
    let id = stored_row.id("id").ok();
    let id = id.map_or_else(|| "row".to_owned(), |id| format!("row {id}"));
    match read() {
        Ok((row, None)) => Ok(row),
        Ok((_, Some(column))) => Err(format!(
            "{id}: the column `{column}` disagrees with the row's content"
        )),
        Err(error) => Err(format!("{id}: can't be read: {error}")),
    }
}

/// Reads the cell that a column should have like `like`.
fn stored(row: &impl Fields, column: &str, like: &Cell) -> StoreResult<Cell> {
    Ok(match like {
        Cell::Integer(_) => Cell::Integer(row.integer(column)?),
        Cell::Text(_) => Cell::Text(row.text(column)?),
        Cell::Blob(_) => Cell::Blob(row.blob(column)?),
    })
}

/// Whether a record's index columns say what its bytes say; else why not.
fn check_index(row: &impl Fields) -> Result<(), String> {
    let check = || -> StoreResult<Option<&'static str>> {
        let record: Record = serde_json::from_slice(&row.blob("bytes")?)?;
        let index = RecordIndex::of(&record);
        let checks = [
            ("seq", row.integer("seq")? == i64::try_from(record.seq).ok()),
            ("id", row.blob("id")? == record.id.0.0),
            ("time", row.int("time")? == record.time.0),
            ("type", row.string("type")? == record.event.type_name()),
            ("subject", row.blob("subject")? == index.subject.0),
            ("actor", row.string("actor")? == index.actor),
            (
                "agent",
                row.bytes("agent")? == index.agent.map(|agent| agent.0.0.to_vec()),
            ),
            ("action", row.text("action")? == index.action),
            ("decision", row.text("decision")? == index.decision),
        ];
        Ok(checks.iter().find(|(_, same)| !same).map(|(column, _)| *column))
    };
    match check() {
        Ok(None) => Ok(()),
        Ok(Some(column)) => Err(format!("the column `{column}` disagrees with the record")),
        Err(error) => Err(error.to_string()),
    }
}

impl Folded {
    /// Takes what was read of the head, or why it can't be.
    pub(crate) fn take_head(&mut self, row: Option<&impl Fields>) {
        match row.map(head) {
            Some(Ok((_, head))) => self.head = Some(head),
            Some(Err(error)) => self.faults.push(format!("table heads: {error}")),
            None => {}
        }
    }

    /// Takes the rows of a table, and what is wrong with some.
    pub(crate) fn take_rows(&mut self, table: Table, rows: &[impl Fields]) {
        for row in rows {
            match check_row(table, row) {
                Ok(row) => row.insert_into(&mut self.rows),
                Err(why) => self.faults.push(format!("table {}: {why}", table.name())),
            }
        }
    }

    /// Takes secrets, and what is wrong with some.
    pub(crate) fn take_secrets(&mut self, rows: &[impl Fields]) {
        for row in rows {
            match secret(row) {
                Ok(secret) => self.secrets.push(secret),
                Err(error) => self.faults.push(format!("table secrets: {error}")),
            }
        }
    }

    /// Takes what is wrong with the index columns of records; answers the sequence of the last one looked at.
    pub(crate) fn take_indexes(&mut self, rows: &[impl Fields]) -> StoreResult<Option<i64>> {
        let mut last = None;
        for row in rows {
            let seq = row.int("seq")?;
            last = Some(seq);
            if let Err(why) = check_index(row) {
                self.faults.push(format!("record {seq}: {why}"));
            }
        }
        Ok(last)
    }
}
