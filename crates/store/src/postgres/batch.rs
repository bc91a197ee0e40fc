//! The write transaction and what it reads: a constant number of statements, however many commands it carries.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use signoff_core::{
    counted::CounterKey,
    event::FEATURE_LEVEL,
    id::{RawId, WorkspaceId},
    time::Timestamp,
};
use sqlx::{Postgres, Transaction, postgres::PgRow};

use super::{
    BEGIN, PostgresStore,
    ask::{Link, Statement},
    counted::{figures_query, take},
    sql::{head_columns, ids, now},
    time::StoreClock,
};
use crate::{
    Batch, BatchState, Changes, Clock as _, IdempotencyName, StoreError, StoreResult, Wants,
    cells::{Table, blob},
    fields::{self, Fields},
    model::raw_of,
};

/// Locks heads in the order of their ids, so that no two batches wait for each other, and answers them as they are then.
/// The time is taken outside of the part that locks: what stands in the list of a locking SELECT is computed before it
/// waits for the lock, and a batch that waited would be dated before the one it waited for. There is always a row, because
/// the installation has one, with or without a head.
pub(super) const HEADS: &str = concat!(
    "WITH locked AS MATERIALIZED (SELECT ",
    head_columns!(),
    ", place FROM heads WHERE workspace = ANY($1) ORDER BY workspace FOR UPDATE) SELECT locked.workspace, locked.seq, \
     locked.hash, locked.time, locked.policy_epoch, locked.authority_epoch, locked.stop_epoch, locked.place, \
     installation.feature_level, signoff_place() AS present, ",
    now!(),
    " AS now FROM installation LEFT JOIN locked ON true"
);
pub(super) const LOCK_INSTALLATION: &str = "SELECT feature_level FROM installation WHERE one = 1 FOR UPDATE";
const WORKSPACES: &str = "SELECT workspace FROM heads ORDER BY workspace";

macro_rules! rows_of {
    ($table:literal, $ids:literal) => {
        concat!(
            " UNION ALL SELECT '",
            $table,
            "', NULL, found.row, NULL, NULL, NULL, NULL, NULL, NULL FROM unnest($",
            $ids,
            "::bytea[]) AS wanted (id), LATERAL (SELECT row FROM ",
            $table,
            " WHERE workspace = $1 AND id = wanted.id OFFSET 0) AS found"
        )
    };
}
/// Everything that a batch asks of one workspace but its head, in one round trip: folded rows of all tables, answered
/// requests, first records. Each id is looked up by itself, so that a part for which there is none costs nothing. A plan
/// made while a table was empty may go by another index of the workspace; it lasts until the server has first analysed the
/// table (autovacuum, about a minute), which has every connection plan anew.
pub(super) const WANTED: &str = concat!(
    "SELECT 'workspaces' AS part, NULL::bytea AS subject, row AS bytes, NULL::text AS principal, \
     NULL::text AS operation, NULL::text AS key, NULL::bytea AS fingerprint, NULL::text AS outcome, \
     NULL::bigint AS expires_at FROM workspaces WHERE workspace = $1 AND $2::boolean",
    rows_of!("policies", "3"),
    rows_of!("agents", "4"),
    rows_of!("applications", "5"),
    rows_of!("operators", "6"),
    rows_of!("groups", "7"),
    rows_of!("keys", "8"),
    rows_of!("channels", "9"),
    rows_of!("counters", "10"),
    rows_of!("approvals", "11"),
    rows_of!("executions", "12"),
    rows_of!("standing_approvals", "13"),
    rows_of!("counted", "18"),
    rows_of!("grants", "19"),
    " UNION ALL SELECT 'submission', found.subject, found.bytes, NULL, NULL, NULL, NULL, NULL, NULL \
     FROM unnest($14::bytea[]) AS wanted (subject), LATERAL (SELECT subject, bytes FROM events \
     WHERE workspace = $1 AND subject = wanted.subject AND type = 'action.allowed.v1' OFFSET 0) AS found \
     UNION ALL SELECT 'answer', NULL, NULL, found.principal, found.operation, found.key, found.fingerprint, \
     found.outcome, found.expires_at FROM unnest($15::text[], $16::text[], $17::text[]) AS wanted (principal, operation, \
     key), LATERAL (SELECT principal, operation, key, fingerprint, outcome, expires_at FROM idempotency \
     WHERE workspace = $1 AND principal = wanted.principal AND operation = wanted.operation \
     AND key = wanted.key OFFSET 0) AS found"
);
/// The tables in the order of the statement's parameters from the third on.
const TABLES: [Table; 11] = [
    Table::Policies,
    Table::Agents,
    Table::Applications,
    Table::Operators,
    Table::Groups,
    Table::Keys,
    Table::Channels,
    Table::Counters,
    Table::Approvals,
    Table::Executions,
    Table::StandingApprovals,
];

pub(super) struct PostgresBatch {
    pub(super) transaction: Transaction<'static, Postgres>,
    link: Link,
    clock: Arc<StoreClock>,
    now: Timestamp,
    statements: u64,
    /// A statement failed: the server would answer the commit with a rollback, and call that success.
    pub(super) failed: bool,
}

/// What one workspace is asked for.
#[derive(Default)]
struct Wanted<'a> {
    rows: BTreeMap<Table, Vec<RawId>>,
    idempotency: Vec<&'a IdempotencyName>,
    submissions: Vec<RawId>,
    figures: Vec<&'a CounterKey>,
}

impl PostgresStore {
    pub(super) async fn begin_batch(&self) -> StoreResult<PostgresBatch> {
        let transaction = self.link.seen(self.pool.begin_with(BEGIN).await)?;
        Ok(PostgresBatch {
            transaction,
            link: self.link.clone(),
            clock: Arc::clone(&self.clock),
            now: self.clock.now(),
            statements: 1,
            failed: false,
        })
    }
}

#[async_trait]
impl Batch for PostgresBatch {
    fn now(&self) -> Timestamp {
        self.now
    }

    async fn lock_installation(&mut self) -> StoreResult<Vec<WorkspaceId>> {
        self.fetch(sqlx::query(LOCK_INSTALLATION)).await?;
        // A statement of its own, which sees what was committed while the first one waited.
        let rows = self.fetch(sqlx::query(WORKSPACES)).await?;
        rows.iter().map(Fields::workspace).collect()
    }

    async fn read(&mut self, wants: &Wants) -> StoreResult<BatchState> {
        let mut state = BatchState {
            feature_level: FEATURE_LEVEL,
            ..BatchState::default()
        };
        self.read_heads(wants, &mut state).await?;
        for (workspace, wanted) in by_workspace(wants) {
            self.read_wanted(workspace, &wanted, &mut state).await?;
            if !wanted.figures.is_empty() {
                self.read_figures(workspace, &wanted.figures, &mut state).await?;
            }
        }
        Ok(state)
    }

    async fn write(&mut self, changes: &Changes) -> StoreResult<()> {
        self.write_changes(changes).await
    }

    async fn commit(self: Box<Self>) -> StoreResult<()> {
        if self.failed {
            self.link.seen(self.transaction.rollback().await)?;
            return Err(StoreError::Refused(
                "a transaction in which a statement failed".into(),
            ));
        }
        self.link.seen(self.transaction.commit().await)
    }

    fn statements(&self) -> u64 {
        self.statements
    }
}

fn by_workspace(wants: &Wants) -> BTreeMap<WorkspaceId, Wanted<'_>> {
    let mut all: BTreeMap<WorkspaceId, Wanted<'_>> = BTreeMap::new();
    for (workspace, key) in &wants.rows {
        let rows = &mut all.entry(*workspace).or_default().rows;
        rows.entry(Table::of(*key)).or_default().push(raw_of(*key));
    }
    for name in &wants.idempotency {
        all.entry(name.workspace).or_default().idempotency.push(name);
    }
    for (workspace, action) in &wants.submissions {
        all.entry(*workspace).or_default().submissions.push(action.0);
    }
    for (workspace, key) in &wants.figures {
        all.entry(*workspace).or_default().figures.push(key);
    }
    all
}

impl PostgresBatch {
    pub(super) async fn fetch(&mut self, statement: Statement<'_>) -> StoreResult<Vec<PgRow>> {
        self.statements += 1;
        let statement = statement.persistent(!self.link.pooled);
        let result = statement.fetch_all(&mut *self.transaction).await;
        self.failed |= result.is_err();
        self.link.seen(result)
    }

    async fn read_heads(&mut self, wants: &Wants, state: &mut BatchState) -> StoreResult<()> {
        let workspaces = ids(wants.workspaces.iter().map(|workspace| workspace.0));
        let asked = self.clock.machine();
        let rows = self.fetch(sqlx::query(HEADS).bind(workspaces)).await?;
        let mut now = i64::MIN;
        for row in &rows {
            now = now.max(row.int("now")?);
            state.feature_level = fields::feature_level(row)?;
            if row.bytes("workspace")?.is_none() {
                continue;
            }
            let (workspace, head) = fields::head(row)?;
            state.heads.insert(workspace, head);
            if row.string("place")? != row.string("present")? {
                state.displaced.insert(workspace);
            }
        }
        if state.feature_level > FEATURE_LEVEL {
            return Err(StoreError::NewerFeatures(state.feature_level));
        }
        if self.clock.given().is_some() || rows.is_empty() {
            self.now = self.clock.now();
        } else {
            self.clock.follow(&self.clock.compare(asked, now));
            self.now = Timestamp(now);
        }
        Ok(())
    }

    async fn read_figures(
        &mut self,
        workspace: WorkspaceId,
        wanted: &[&CounterKey],
        state: &mut BatchState,
    ) -> StoreResult<()> {
        let head = state.heads.get(&workspace);
        let now = head.map_or(self.now, |head| self.now.max(head.time));
        let rows = self.fetch(figures_query(workspace, wanted, now)).await?;
        for (key, figure) in take(wanted, &rows)? {
            state.figures.insert((workspace, key), figure);
        }
        Ok(())
    }

    async fn read_wanted(
        &mut self,
        workspace: WorkspaceId,
        wanted: &Wanted<'_>,
        state: &mut BatchState,
    ) -> StoreResult<()> {
        for row in self.fetch(wanted_query(workspace, wanted)).await? {
            match row.string("part")?.as_str() {
                "answer" => {
                    let found = fields::idempotency(workspace, &row)?;
                    if found.expires_at.is_none_or(|at| at > self.now) {
                        state.idempotency.insert(found.name.clone(), found);
                    }
                }
                "submission" => {
                    let (action, record) = fields::submission(&row)?;
                    state.submissions.insert((workspace, action), record);
                }
                table => {
                    let table = Table::ALL.into_iter().find(|known| known.name() == table);
                    let table = table.ok_or_else(|| StoreError::Damaged("rows of no table".into()))?;
                    let read = table.read(&row.blob("bytes")?)?;
                    read.insert_into(state.rows.entry(workspace).or_default());
                }
            }
        }
        Ok(())
    }
}

fn wanted_query<'q>(workspace: WorkspaceId, wanted: &Wanted<'_>) -> Statement<'q> {
    let has_workspace = wanted.rows.contains_key(&Table::Workspaces);
    let mut query = sqlx::query(WANTED).bind(blob(workspace)).bind(has_workspace);
    let of = |table| {
        let wanted = wanted.rows.get(&table).into_iter().flatten();
        ids(wanted.copied())
    };
    for table in TABLES {
        query = query.bind(of(table));
    }
    let column = |of: fn(&IdempotencyName) -> &String| -> Vec<String> {
        wanted.idempotency.iter().map(|name| of(name).clone()).collect()
    };
    query
        .bind(ids(wanted.submissions.iter().copied()))
        .bind(column(|name| &name.principal))
        .bind(column(|name| &name.operation))
        .bind(column(|name| &name.key))
        .bind(of(Table::Counted))
        .bind(of(Table::Grants))
}
