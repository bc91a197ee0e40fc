//! The write transaction: a constant number of statements, however many commands it carries.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use signoff_core::{
    id::{ActionId, RawId, WorkspaceId},
    payload::Hash32,
    record::{Epochs, Head, Record},
    time::Timestamp,
};
use sqlx::{QueryBuilder, Row as _, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    SqliteStore,
    cells::{Table, bind, blob, cells, raw},
};
use crate::{
    Batch, BatchState, Changes, IdempotencyName, IdempotencyRow, RecordIndex, Row, StoreError, StoreResult, Wants,
    model::raw_of,
};

/// How many rows one statement carries: SQLite takes 32,766 parameters, the widest table has 14 columns.
const ROWS_PER_STATEMENT: usize = 1_000;

pub(super) struct SqliteBatch {
    transaction: Transaction<'static, Sqlite>,
    now: Timestamp,
    statements: u64,
}

impl SqliteStore {
    pub(super) async fn begin_batch(&self) -> StoreResult<SqliteBatch> {
        let transaction = self.write.begin_with("BEGIN IMMEDIATE").await?;
        Ok(SqliteBatch { transaction, now: self.clock.now(), statements: 1 })
    }
}

/// A statement that inserts rows of so many columns, or replaces them.
async fn insert<T>(
    batch: &mut SqliteBatch,
    head: &'static str,
    rows: Vec<T>,
    mut push: impl FnMut(&mut sqlx::query_builder::Separated<'_, Sqlite, &'static str>, T),
) -> StoreResult<()> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut query = QueryBuilder::<Sqlite>::new(head);
        query.push_values(rows.by_ref().take(ROWS_PER_STATEMENT), |mut values, row| push(&mut values, row));
        query.build().execute(&mut *batch.transaction).await?;
        batch.statements += 1;
    }
    Ok(())
}

#[async_trait]
impl Batch for SqliteBatch {
    fn now(&self) -> Timestamp {
        self.now
    }

    async fn read(&mut self, wants: &Wants) -> StoreResult<BatchState> {
        let mut state = BatchState::default();
        self.read_heads(wants, &mut state).await?;
        let mut by_table: BTreeMap<Table, Vec<(WorkspaceId, RawId)>> = BTreeMap::new();
        for (workspace, key) in &wants.rows {
            by_table.entry(Table::of(*key)).or_default().push((*workspace, raw_of(*key)));
        }
        for (table, keys) in by_table {
            self.read_rows(table, &keys, &mut state).await?;
        }
        self.read_idempotency(&wants.idempotency, &mut state).await?;
        self.read_submissions(&wants.submissions, &mut state).await?;
        Ok(state)
    }

    async fn write(&mut self, changes: &Changes) -> StoreResult<()> {
        let Some((workspace, head)) = changes.head else { return Ok(()) };
        self.write_head(workspace, &head).await?;
        self.write_records(workspace, changes).await?;
        self.write_rows(workspace, &changes.rows).await?;
        self.write_payloads(workspace, changes).await?;
        self.write_side(workspace, changes).await?;
        self.write_people(workspace, changes).await
    }

    async fn commit(self: Box<Self>) -> StoreResult<()> {
        Ok(self.transaction.commit().await?)
    }

    fn statements(&self) -> u64 {
        self.statements
    }
}

impl SqliteBatch {
    async fn fetch(&mut self, mut query: QueryBuilder<Sqlite>) -> StoreResult<Vec<SqliteRow>> {
        self.statements += 1;
        Ok(query.build().fetch_all(&mut *self.transaction).await?)
    }

    async fn read_heads(&mut self, wants: &Wants, state: &mut BatchState) -> StoreResult<()> {
        let mut query = QueryBuilder::new("SELECT * FROM heads WHERE workspace IN (");
        let mut list = query.separated(", ");
        for workspace in &wants.workspaces {
            list.push_bind(blob(*workspace));
        }
        query.push(")");
        for row in self.fetch(query).await? {
            let (workspace, head) = read_head(&row)?;
            state.heads.insert(workspace, head);
        }
        Ok(())
    }

    async fn read_rows(&mut self, table: Table, keys: &[(WorkspaceId, RawId)], state: &mut BatchState) -> StoreResult<()> {
        for keys in keys.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("SELECT workspace, row FROM ");
            query.push(table.name());
            if table == Table::Workspaces {
                query.push(" WHERE workspace IN (");
                let mut list = query.separated(", ");
                for (workspace, _) in keys {
                    list.push_bind(blob(*workspace));
                }
                query.push(")");
            } else {
                query.push(" WHERE (workspace, id) IN (");
                query.push_values(keys, |mut values, (workspace, id)| {
                    values.push_bind(blob(*workspace)).push_bind(id.0.to_vec());
                });
                query.push(")");
            }
            for row in self.fetch(query).await? {
                let workspace = WorkspaceId(raw(row.try_get("workspace")?)?);
                let row = table.read(row.try_get("row")?)?;
                row.insert_into(state.rows.entry(workspace).or_default());
            }
        }
        Ok(())
    }

    async fn read_idempotency(&mut self, names: &BTreeSet<IdempotencyName>, state: &mut BatchState) -> StoreResult<()> {
        if names.is_empty() {
            return Ok(());
        }
        let mut query = QueryBuilder::new(
            "SELECT workspace, principal, operation, key, fingerprint, outcome, expires_at FROM idempotency \
             WHERE (workspace, principal, operation, key) IN (",
        );
        query.push_values(names, |mut values, name| {
            values.push_bind(blob(name.workspace)).push_bind(name.principal.clone());
            values.push_bind(name.operation.clone()).push_bind(name.key.clone());
        });
        query.push(")");
        for row in self.fetch(query).await? {
            let expires_at: Option<i64> = row.try_get("expires_at")?;
            if expires_at.is_some_and(|at| at <= self.now.0) {
                continue;
            }
            let name = IdempotencyName {
                workspace: WorkspaceId(raw(row.try_get("workspace")?)?),
                principal: row.try_get("principal")?,
                operation: row.try_get("operation")?,
                key: row.try_get("key")?,
            };
            let fingerprint: Vec<u8> = row.try_get("fingerprint")?;
            let found = IdempotencyRow {
                name: name.clone(),
                fingerprint: fingerprint.try_into().map_err(|_| StoreError::Damaged("fingerprint".into()))?,
                outcome: row.try_get("outcome")?,
                expires_at: expires_at.map(Timestamp),
            };
            state.idempotency.insert(name, found);
        }
        Ok(())
    }

    async fn read_submissions(&mut self, wanted: &BTreeSet<(WorkspaceId, ActionId)>, state: &mut BatchState) -> StoreResult<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let mut query = QueryBuilder::new(
            "SELECT workspace, subject, bytes FROM events WHERE type = 'action.allowed.v1' AND (workspace, subject) IN (",
        );
        query.push_values(wanted, |mut values, (workspace, action)| {
            values.push_bind(blob(*workspace)).push_bind(action.0.0.to_vec());
        });
        query.push(")");
        for row in self.fetch(query).await? {
            let workspace = WorkspaceId(raw(row.try_get("workspace")?)?);
            let action = ActionId(raw(row.try_get("subject")?)?);
            let record: Record = serde_json::from_slice(row.try_get("bytes")?)?;
            state.submissions.insert((workspace, action), record);
        }
        Ok(())
    }

    async fn write_head(&mut self, workspace: WorkspaceId, head: &Head) -> StoreResult<()> {
        let epochs = head.epochs;
        self.statements += 1;
        sqlx::query("INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(blob(workspace))
            .bind(signed(head.seq))
            .bind(head.hash.0.to_vec())
            .bind(head.time.0)
            .bind(signed(epochs.policy))
            .bind(signed(epochs.authority))
            .bind(signed(epochs.stop))
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    async fn write_records(&mut self, workspace: WorkspaceId, changes: &Changes) -> StoreResult<()> {
        let rows: Vec<_> = changes.records.iter().collect();
        insert(
            self,
            "INSERT INTO events (workspace, seq, id, time, type, subject, actor, agent, action, decision, hash, bytes) ",
            rows,
            |values, sealed| {
                let index = RecordIndex::of(&sealed.record);
                values.push_bind(blob(workspace)).push_bind(signed(sealed.record.seq));
                values.push_bind(sealed.record.id.0.0.to_vec()).push_bind(sealed.record.time.0);
                values.push_bind(sealed.record.event.type_name()).push_bind(index.subject.0.to_vec());
                values.push_bind(index.actor).push_bind(index.agent.map(|agent| agent.0.0.to_vec()));
                values.push_bind(index.action).push_bind(index.decision);
                values.push_bind(sealed.hash.0.to_vec()).push_bind(sealed.bytes.clone());
            },
        )
        .await
    }

    async fn write_rows(&mut self, workspace: WorkspaceId, rows: &[Row]) -> StoreResult<()> {
        let mut by_table: BTreeMap<Table, Vec<Vec<super::cells::Cell>>> = BTreeMap::new();
        for row in rows {
            let (table, cells) = cells(row)?;
            by_table.entry(table).or_default().push(cells);
        }
        for (table, rows) in by_table {
            for rows in rows.chunks(ROWS_PER_STATEMENT) {
                let mut query = QueryBuilder::<Sqlite>::new("INSERT OR REPLACE INTO ");
                query.push(table.name()).push(" (workspace, ").push(table.columns().join(", ")).push(") ");
                query.push_values(rows, |mut values, cells| {
                    values.push_bind(blob(workspace));
                    for cell in cells {
                        bind(&mut values, cell.clone());
                    }
                });
                query.build().execute(&mut *self.transaction).await?;
                self.statements += 1;
            }
        }
        Ok(())
    }

    async fn write_payloads(&mut self, workspace: WorkspaceId, changes: &Changes) -> StoreResult<()> {
        let rows: Vec<_> = changes.payloads.iter().collect();
        insert(self, "INSERT INTO payloads (workspace, seq, name, subject, salt, bytes) ", rows, |values, payload| {
            values.push_bind(blob(workspace)).push_bind(signed(payload.seq)).push_bind(payload.name.as_str());
            values.push_bind(payload.subject.0.to_vec()).push_bind(payload.salt.to_vec()).push_bind(payload.bytes.clone());
        })
        .await?;
        for sequences in changes.erased.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM payloads WHERE workspace = ");
            query.push_bind(blob(workspace)).push(" AND seq IN (");
            let mut list = query.separated(", ");
            for seq in sequences {
                list.push_bind(signed(*seq));
            }
            query.push(")");
            query.build().execute(&mut *self.transaction).await?;
            self.statements += 1;
        }
        Ok(())
    }

    async fn write_side(&mut self, workspace: WorkspaceId, changes: &Changes) -> StoreResult<()> {
        let rows: Vec<_> = changes.idempotency.iter().collect();
        insert(
            self,
            "INSERT OR REPLACE INTO idempotency (workspace, principal, operation, key, fingerprint, outcome, expires_at) ",
            rows,
            |values, row| {
                values.push_bind(blob(workspace)).push_bind(row.name.principal.clone());
                values.push_bind(row.name.operation.clone()).push_bind(row.name.key.clone());
                values.push_bind(row.fingerprint.to_vec()).push_bind(row.outcome.clone());
                values.push_bind(row.expires_at.map(|at| at.0));
            },
        )
        .await?;
        let rows: Vec<_> = changes.outbox.iter().collect();
        insert(self, "INSERT INTO outbox (workspace, seq, kind) ", rows, |values, row| {
            values.push_bind(blob(workspace)).push_bind(signed(row.seq)).push_bind(row.kind.clone());
        })
        .await?;
        let rows: Vec<_> = changes.secrets.iter().collect();
        insert(self, "INSERT OR REPLACE INTO secrets (workspace, kind, id, value) ", rows, |values, row| {
            values.push_bind(blob(workspace)).push_bind(row.kind.as_str());
            values.push_bind(row.id.0.to_vec()).push_bind(row.value.clone());
        })
        .await?;
        if let Some(wrapped) = &changes.workspace_key {
            insert(self, "INSERT INTO workspace_keys (workspace, wrapped) ", vec![wrapped.clone()], |values, wrapped| {
                values.push_bind(blob(workspace)).push_bind(wrapped);
            })
            .await?;
        }
        Ok(())
    }

    async fn write_people(&mut self, workspace: WorkspaceId, changes: &Changes) -> StoreResult<()> {
        let rows: Vec<_> = changes.people.iter().collect();
        insert(self, "INSERT OR REPLACE INTO people (workspace, id, name, email, email_folded) ", rows, |values, row| {
            values.push_bind(blob(workspace)).push_bind(row.id.0.0.to_vec());
            values.push_bind(row.name.clone()).push_bind(row.email.clone()).push_bind(row.email.to_lowercase());
        })
        .await?;
        let rows: Vec<_> = changes.sessions.iter().collect();
        insert(self, "INSERT INTO sessions (hash, workspace, operator, created_at, expires_at) ", rows, |values, row| {
            values.push_bind(row.hash.to_vec()).push_bind(blob(row.workspace)).push_bind(row.operator.0.0.to_vec());
            values.push_bind(row.created_at.0).push_bind(row.expires_at.0);
        })
        .await?;
        for hash in &changes.ended_sessions {
            let query = sqlx::query("DELETE FROM sessions WHERE hash = ?").bind(hash.to_vec());
            query.execute(&mut *self.transaction).await?;
            self.statements += 1;
        }
        for operator in &changes.signed_out {
            let query = sqlx::query("DELETE FROM sessions WHERE workspace = ? AND operator = ?");
            query.bind(blob(workspace)).bind(operator.0.0.to_vec()).execute(&mut *self.transaction).await?;
            self.statements += 1;
        }
        Ok(())
    }
}

pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(super) fn read_head(row: &SqliteRow) -> StoreResult<(WorkspaceId, Head)> {
    let hash: &[u8] = row.try_get("hash")?;
    let head = Head {
        seq: unsigned(row.try_get("seq")?),
        hash: Hash32(hash.try_into().map_err(|_| StoreError::Damaged("the head's hash is not 32 bytes long".into()))?),
        time: Timestamp(row.try_get("time")?),
        epochs: Epochs {
            policy: unsigned(row.try_get("policy_epoch")?),
            authority: unsigned(row.try_get("authority_epoch")?),
            stop: unsigned(row.try_get("stop_epoch")?),
        },
    };
    Ok((WorkspaceId(raw(row.try_get("workspace")?)?), head))
}

