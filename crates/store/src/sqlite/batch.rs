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
    script::Script,
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

/// What a row answers: each statement says so in its first column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Folded(Table),
    Idempotency,
    Submission,
}

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
        let (script, parts) = ask(wants);
        let rows = self.answers(script).await?;
        let part_of = |row: &SqliteRow| -> StoreResult<Part> {
            let at = usize::try_from(row.count("part")?).ok();
            let part = at.and_then(|at| parts.get(at)).copied();
            part.ok_or_else(|| StoreError::Damaged("a row that nobody asked for".to_owned()))
        };
        // What newer nodes wrote is not looked into.
        for row in &rows {
            if part_of(row)? == Part::Head {
                take_head(row, &mut state)?;
            }
        }
        if state.feature_level > FEATURE_LEVEL {
            return Err(StoreError::NewerFeatures(state.feature_level));
        }
        for row in &rows {
            match part_of(row)? {
                Part::Head => {}
                Part::Folded(table) => {
                    let read = table.read(&row.blob("row")?)?;
                    read.insert_into(state.rows.entry(row.workspace()?).or_default());
                }
                Part::Idempotency => {
                    let found = fields::idempotency(row.workspace()?, row)?;
                    if found.expires_at.is_none_or(|at| at > self.now) {
                        state.idempotency.insert(found.name.clone(), found);
                    }
                }
                Part::Submission => {
                    let (action, record) = fields::submission(row)?;
                    state.submissions.insert((row.workspace()?, action), record);
                }
            }
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
    async fn answers(&mut self, mut script: Script) -> StoreResult<Vec<SqliteRow>> {
        if script.statements == 0 {
            return Ok(Vec::new());
        }
        self.statements += script.statements;
        let small = script.is_small();
        let query = script.text.build().persistent(small);
        Ok(query.fetch_all(&mut *self.transaction).await?)
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
            self.statements += 1;
            let mut query = figures_query(wanted);
            let query = query.build().persistent(wanted.len() <= ROWS_CACHED_MAX);
            let rows = query.fetch_all(&mut *self.transaction).await?;
            for (workspace, key, figure) in take(wanted, &rows)? {
                state.figures.insert((workspace, key.clone()), figure);
            }
        }
        Ok(())
    }
}

fn take_head(row: &SqliteRow, state: &mut BatchState) -> StoreResult<()> {
    let (workspace, head) = fields::head(row)?;
    state.heads.insert(workspace, head);
    if row.string("place")? != PLACE {
        state.displaced.insert(workspace);
    }
    state.feature_level = fields::feature_level(row)?;
    Ok(())
}

/// All that a batch wants to know before its turns, in one trip; what was done before depends on the heads and follows.
fn ask(wants: &Wants) -> (Script, Vec<Part>) {
    let (mut script, mut parts) = (Script::default(), Vec::new());
    for workspaces in chunks(&wants.workspaces) {
        push_heads(
            begin(&mut script, &mut parts, Part::Head, workspaces.len()),
            &workspaces,
        );
    }
    let mut by_table: BTreeMap<Table, Vec<(WorkspaceId, RawId)>> = BTreeMap::new();
    for (workspace, key) in &wants.rows {
        let keys = by_table.entry(Table::of(*key)).or_default();
        keys.push((*workspace, raw_of(*key)));
    }
    for (table, keys) in by_table {
        for keys in keys.chunks(ROWS_PER_STATEMENT) {
            let text = begin(&mut script, &mut parts, Part::Folded(table), keys.len());
            push_rows(text, table, keys);
        }
    }
    for names in chunks(&wants.idempotency) {
        push_idempotency(
            begin(&mut script, &mut parts, Part::Idempotency, names.len()),
            &names,
        );
    }
    for wanted in chunks(&wants.submissions) {
        push_submissions(
            begin(&mut script, &mut parts, Part::Submission, wanted.len()),
            &wanted,
        );
    }
    (script, parts)
}

fn begin<'a>(
    script: &'a mut Script,
    parts: &mut Vec<Part>,
    part: Part,
    rows: usize,
) -> &'a mut QueryBuilder<Sqlite> {
    let number = parts.len();
    parts.push(part);
    script.begin_statement(&format!("SELECT {number} AS part, "), rows)
}

fn push_heads(query: &mut QueryBuilder<Sqlite>, workspaces: &[&WorkspaceId]) {
    query.push("* FROM heads CROSS JOIN installation WHERE workspace IN (");
    let mut list = query.separated(", ");
    for workspace in workspaces {
        list.push_bind(blob(**workspace));
    }
    query.push(")");
}

pub(super) fn push_rows(query: &mut QueryBuilder<Sqlite>, table: Table, keys: &[(WorkspaceId, RawId)]) {
    query.push("workspace, row FROM ").push(table.name());
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
}

pub(super) fn push_idempotency(query: &mut QueryBuilder<Sqlite>, names: &[&IdempotencyName]) {
    query.push(
        "workspace, principal, operation, key, fingerprint, outcome, expires_at FROM idempotency \
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
}

pub(super) fn push_submissions(query: &mut QueryBuilder<Sqlite>, wanted: &[&(WorkspaceId, ActionId)]) {
    query.push(
        "workspace, subject, bytes FROM events WHERE type = 'action.allowed.v1' AND (workspace, subject) IN (",
    );
    query.push_values(wanted, |mut values, (workspace, action)| {
        values.push_bind(blob(*workspace)).push_bind(action.0.0.to_vec());
    });
    query.push(")");
}
