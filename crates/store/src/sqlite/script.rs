//! Several statements that go to the database's thread at once.

use signoff_core::id::WorkspaceId;
use sqlx::{QueryBuilder, Sqlite, query_builder::Separated};

use super::batch::{ROWS_CACHED_MAX, ROWS_PER_STATEMENT};
use crate::cells::blob;

/// Statements as one text. The way to the database's thread and back wakes two threads, which costs more than most
/// statements do.
#[derive(Default)]
pub(super) struct Script {
    pub(super) text: QueryBuilder<Sqlite>,
    pub(super) statements: u64,
    rows: usize,
}

impl Script {
    /// Begins a statement over so many rows.
    pub(super) fn begin_statement(&mut self, text: &str, rows: usize) -> &mut QueryBuilder<Sqlite> {
        if self.statements > 0 {
            self.text.push("; ");
        }
        self.statements += 1;
        self.rows += rows;
        self.text.push(text)
    }

    /// Statements that insert rows; `tail` says what becomes of rows that are already there.
    pub(super) fn insert<T>(
        &mut self,
        head: &str,
        tail: &str,
        rows: &[T],
        mut push: impl FnMut(&mut Separated<'_, Sqlite, &'static str>, &T),
    ) {
        for rows in rows.chunks(ROWS_PER_STATEMENT) {
            self.begin_statement(head, rows.len())
                .push_values(rows, |mut values, row| push(&mut values, row))
                .push(tail);
        }
    }

    /// Statements that delete what a list names: `head` ends with the table.
    pub(super) fn delete<T>(
        &mut self,
        head: &str,
        workspace: WorkspaceId,
        column: &'static str,
        list: &[T],
        mut push: impl FnMut(&mut Separated<'_, Sqlite, &'static str>, &T),
    ) {
        for list in list.chunks(ROWS_PER_STATEMENT) {
            let query = self.begin_statement(head, list.len());
            query
                .push(" WHERE workspace = ")
                .push_bind(blob(workspace))
                .push(" AND ")
                .push(column)
                .push(" IN (");
            let mut values = query.separated(", ");
            for entry in list {
                push(&mut values, entry);
            }
            query.push(")");
        }
    }

    /// Whether its statements are worth keeping prepared.
    pub(super) fn is_small(&self) -> bool {
        self.rows <= ROWS_CACHED_MAX
    }
}
