//! The write transaction and what it reads: a constant number of statements, however many commands it carries.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use signoff_core::{
    counted::CounterKey,
    event::FEATURE_LEVEL,
    id::{ActionId, RawId, WorkspaceId},
    time::Timestamp,
};
use sqlx::{QueryBuilder, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    PLACE, SqliteStore,
    counted::{Question, figures_query, take},
};
use crate::{
    Batch, BatchState, Changes, IdempotencyName, StoreError, StoreResult, Wants,
    cells::{Table, blob},
    fields::{self, Fields},
    model::raw_of,
};

/// How many rows one statement carries: SQLite takes 32,766 parameters, the widest table has 14 columns.
pub(super) const ROWS_PER_STATEMENT: usize = 1_000;
/// Statements over up to so many rows are kept prepared. Larger ones rarely come twice in the same size, and each
/// would hold some hundred kilobytes.
pub(super) const ROWS_CACHED_MAX: usize = 16;

pub(super) struct SqliteBatch {
    pub(super) transaction: Transaction<'static, Sqlite>,
    now: Timestamp,
    pub(super) statements: u64,
}

impl SqliteStore {
    pub(super) async fn begin_batch(&self) -> StoreResult<SqliteBatch> {
        let transaction = self.write.begin_with("BEGIN IMMEDIATE").await?;
        Ok(SqliteBatch {
            transaction,
            now: self.clock.now(),
            statements: 1,
        })
    }
}

#[async_trait]
impl Batch for SqliteBatch {
    fn now(&self) -> Timestamp {
        self.now
    }

    async fn lock_installation(&mut self) -> StoreResult<Vec<WorkspaceId>> {
        // The transaction is the only one that writes.
        self.statements += 1;
        let query = sqlx::query("SELECT workspace FROM heads ORDER BY workspace");
        let rows = query.fetch_all(&mut *self.transaction).await?;
        rows.iter().map(Fields::workspace).collect()
    }

    async fn read(&mut self, wants: &Wants) -> StoreResult<BatchState> {
        let mut state = BatchState {
            feature_level: FEATURE_LEVEL,
            ..BatchState::default()
        };
        self.read_heads(&wants.workspaces, &mut state).await?;
        let mut by_table: BTreeMap<Table, Vec<(WorkspaceId, RawId)>> = BTreeMap::new();
        for (workspace, key) in &wants.rows {
            by_table
                .entry(Table::of(*key))
                .or_default()
                .push((*workspace, raw_of(*key)));
        }
        for (table, keys) in by_table {
            for keys in keys.chunks(ROWS_PER_STATEMENT) {
                self.read_rows(table, keys, &mut state).await?;
            }
        }
        for names in chunks(&wants.idempotency) {
            self.read_idempotency(&names, &mut state).await?;
        }
        for submissions in chunks(&wants.submissions) {
            self.read_submissions(&submissions, &mut state).await?;
        }
        self.read_figures(&wants.figures, &mut state).await?;
        Ok(state)
    }

    async fn write(&mut self, changes: &Changes) -> StoreResult<()> {
        self.write_changes(changes).await
    }

    async fn commit(self: Box<Self>) -> StoreResult<()> {
        Ok(self.transaction.commit().await?)
    }

    fn statements(&self) -> u64 {
        self.statements
    }
}

fn chunks<T>(set: &BTreeSet<T>) -> Vec<Vec<&T>> {
    let all: Vec<&T> = set.iter().collect();
    all.chunks(ROWS_PER_STATEMENT).map(<[&T]>::to_vec).collect()
}

impl SqliteBatch {
    async fn fetch(&mut self, mut query: QueryBuilder<Sqlite>, rows: usize) -> StoreResult<Vec<SqliteRow>> {
        self.statements += 1;
        let query = query.build().persistent(rows <= ROWS_CACHED_MAX);
        Ok(query.fetch_all(&mut *self.transaction).await?)
    }

    async fn read_heads(
        &mut self,
        workspaces: &BTreeSet<WorkspaceId>,
        state: &mut BatchState,
    ) -> StoreResult<()> {
        for workspaces in chunks(workspaces) {
            let mut query =
                QueryBuilder::new("SELECT * FROM heads CROSS JOIN installation WHERE workspace IN (");
            let mut list = query.separated(", ");
            for workspace in &workspaces {
                list.push_bind(blob(**workspace));
            }
            query.push(")");
            for row in self.fetch(query, workspaces.len()).await? {
                let (workspace, head) = fields::head(&row)?;
                state.heads.insert(workspace, head);
                if row.string("place")? != PLACE {
                    state.displaced.insert(workspace);
                }
                state.feature_level = fields::feature_level(&row)?;
            }
        }
        if state.feature_level > FEATURE_LEVEL {
            return Err(StoreError::NewerFeatures(state.feature_level));
        }
        Ok(())
    }

    async fn read_rows(
        &mut self,
        table: Table,
        keys: &[(WorkspaceId, RawId)],
        state: &mut BatchState,
    ) -> StoreResult<()> {
        for row in self.fetch(rows_query(table, keys), keys.len()).await? {
            let read = table.read(&row.blob("row")?)?;
            read.insert_into(state.rows.entry(row.workspace()?).or_default());
        }
        Ok(())
    }

    async fn read_idempotency(
        &mut self,
        names: &[&IdempotencyName],
        state: &mut BatchState,
    ) -> StoreResult<()> {
        for row in self.fetch(idempotency_query(names), names.len()).await? {
            let found = fields::idempotency(row.workspace()?, &row)?;
            if found.expires_at.is_none_or(|at| at > self.now) {
                state.idempotency.insert(found.name.clone(), found);
            }
        }
        Ok(())
    }

    async fn read_figures(
        &mut self,
        wanted: &BTreeSet<(WorkspaceId, CounterKey)>,
        state: &mut BatchState,
    ) -> StoreResult<()> {
        let now = |workspace| {
            let head = state.heads.get(workspace);
            head.map_or(self.now, |head| self.now.max(head.time))
        };
        let wanted: Vec<Question<'_>> = wanted
            .iter()
            .map(|(workspace, key)| (*workspace, key, now(workspace)))
            .collect();
        for wanted in wanted.chunks(ROWS_PER_STATEMENT) {
            let rows = self.fetch(figures_query(wanted), wanted.len()).await?;
            for (workspace, key, figure) in take(wanted, &rows)? {
                state.figures.insert((workspace, key.clone()), figure);
            }
        }
        Ok(())
    }

    async fn read_submissions(
        &mut self,
        wanted: &[&(WorkspaceId, ActionId)],
        state: &mut BatchState,
    ) -> StoreResult<()> {
        for row in self.fetch(submissions_query(wanted), wanted.len()).await? {
            let (action, record) = fields::submission(&row)?;
            state.submissions.insert((row.workspace()?, action), record);
        }
        Ok(())
    }
}

pub(super) fn rows_query(table: Table, keys: &[(WorkspaceId, RawId)]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT workspace, row FROM ");
    query.push(table.name());
    if table == Table::Workspaces {
        query.push(" WHERE workspace IN (");
        let mut list = query.separated(", ");
        for (workspace, _) in keys {
            list.push_bind(blob(*workspace));
        }
    } else {
        query.push(" WHERE (workspace, id) IN (");
        query.push_values(keys, |mut values, (workspace, id)| {
            values.push_bind(blob(*workspace)).push_bind(id.0.to_vec());
        });
    }
    query.push(")");
    query
}

pub(super) fn idempotency_query(names: &[&IdempotencyName]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT workspace, principal, operation, key, fingerprint, outcome, expires_at FROM idempotency \
         WHERE (workspace, principal, operation, key) IN (",
    );
    query.push_values(names, |mut values, name| {
        values
            .push_bind(blob(name.workspace))
            .push_bind(name.principal.as_str());
        values
            .push_bind(name.operation.as_str())
            .push_bind(name.key.as_str());
    });
    query.push(")");
    query
}

pub(super) fn submissions_query(wanted: &[&(WorkspaceId, ActionId)]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT workspace, subject, bytes FROM events WHERE type = 'action.allowed.v1' AND (workspace, subject) IN (",
    );
    query.push_values(wanted, |mut values, (workspace, action)| {
        values.push_bind(blob(*workspace)).push_bind(action.0.0.to_vec());
    });
    query.push(")");
    query
}
