//! Reading outside of batches, from the read-only pool.

use async_trait::async_trait;
use signoff_core::{
    action::{Priority, Risk},
    fold::Rows,
    id::{ApprovalId, ChannelId, ExecutionId, OperatorId, WorkspaceId},
    payload::{Hash32, PayloadName},
    record::{Head, Record},
    rows::{ApprovalRow, ExecutionRow},
    time::Timestamp,
};
use sqlx::{QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

use super::{
    SqliteStore,
    batch::{read_head, signed, unsigned},
    cells::{Table, blob, cells, raw, status, stored},
};
use crate::{
    ApprovalFact, ApprovalQuery, Authority, Batch, Clock, DeliveryRow, Due, FanOut, Folded, PersonRow, RecordIndex,
    RecordQuery, Row, SecretKind, SecretRow, SessionRow, Store, StoreError, StoreResult, StoredPayload, StoredRecord,
};

fn hash32(bytes: &[u8]) -> StoreResult<[u8; 32]> {
    bytes.try_into().map_err(|_| StoreError::Damaged("a hash is not 32 bytes long".into()))
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> StoreResult<Box<dyn Batch>> {
        Ok(Box::new(self.begin_batch().await?))
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    async fn workspaces(&self) -> StoreResult<Vec<WorkspaceId>> {
        let rows = sqlx::query("SELECT workspace FROM heads ORDER BY workspace").fetch_all(&self.read).await?;
        rows.iter().map(|row| raw(row.try_get("workspace")?).map(WorkspaceId)).collect()
    }

    async fn workspace_key(&self, workspace: WorkspaceId) -> StoreResult<Option<Vec<u8>>> {
        let query = sqlx::query("SELECT wrapped FROM workspace_keys WHERE workspace = ?").bind(blob(workspace));
        Ok(query.fetch_optional(&self.read).await?.map(|row| row.try_get("wrapped")).transpose()?)
    }

    async fn authority(&self, workspace: WorkspaceId) -> StoreResult<Authority> {
        let mut transaction = self.read.begin().await?;
        let mut authority = Authority::default();
        let query = sqlx::query("SELECT * FROM heads WHERE workspace = ?").bind(blob(workspace));
        if let Some(row) = query.fetch_optional(&mut *transaction).await? {
            authority.head = Some(read_head(&row)?.1);
        }
        for table in Table::ALL {
            if matches!(table, Table::Approvals | Table::Executions | Table::Counters) {
                continue;
            }
            let mut query = QueryBuilder::<Sqlite>::new("SELECT row FROM ");
            query.push(table.name()).push(" WHERE workspace = ").push_bind(blob(workspace));
            for row in query.build().fetch_all(&mut *transaction).await? {
                table.read(row.try_get("row")?)?.insert_into(&mut authority.rows);
            }
        }
        let query = sqlx::query("SELECT kind, id, value FROM secrets WHERE workspace = ?").bind(blob(workspace));
        authority.secrets = secrets(&query.fetch_all(&mut *transaction).await?)?;
        let query = sqlx::query("SELECT id, name, email FROM people WHERE workspace = ?").bind(blob(workspace));
        for row in query.fetch_all(&mut *transaction).await? {
            let id = OperatorId(raw(row.try_get("id")?)?);
            authority.people.push(PersonRow { id, name: row.try_get("name")?, email: row.try_get("email")? });
        }
        Ok(authority)
    }

    async fn head(&self, workspace: WorkspaceId) -> StoreResult<Option<Head>> {
        let query = sqlx::query("SELECT * FROM heads WHERE workspace = ?").bind(blob(workspace));
        query.fetch_optional(&self.read).await?.map(|row| Ok(read_head(&row)?.1)).transpose()
    }

    async fn approval(&self, workspace: WorkspaceId, id: ApprovalId) -> StoreResult<Option<ApprovalRow>> {
        let query = sqlx::query("SELECT row FROM approvals WHERE workspace = ? AND id = ?");
        let row = query.bind(blob(workspace)).bind(id.0.0.to_vec()).fetch_optional(&self.read).await?;
        row.map(|row| Ok(serde_json::from_slice(row.try_get("row")?)?)).transpose()
    }

    async fn approvals(&self, workspace: WorkspaceId, query: &ApprovalQuery) -> StoreResult<Vec<ApprovalRow>> {
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT row FROM approvals WHERE workspace = ");
        sql.push_bind(blob(workspace));
        if !query.statuses.is_empty() {
            sql.push(" AND status IN (");
            let mut list = sql.separated(", ");
            for status in &query.statuses {
                // Literals, so that the partial index over open approvals can serve.
                list.push(format!("'{}'", status.as_str()));
            }
            sql.push(")");
        }
        if let Some(agents) = &query.agents {
            push_ids(&mut sql, " AND agent IN (", agents.iter().map(|agent| agent.0.0.to_vec()));
        }
        if let Some(glob) = &query.action {
            sql.push(" AND action GLOB ").push_bind(glob.clone());
        }
        if let Some(priority) = query.priority {
            sql.push(" AND priority = ").push_bind(priority.as_str());
        }
        if let Some(risk) = query.risk {
            sql.push(" AND risk = ").push_bind(risk.as_str());
        }
        if let Some(policy) = &query.policy {
            sql.push(" AND policy = ").push_bind(policy.clone());
        }
        push_page(&mut sql, "submitted_seq", query.beyond, !query.oldest_first, query.limit);
        let rows = sql.build().fetch_all(&self.read).await?;
        rows.iter().map(|row| Ok(serde_json::from_slice(row.try_get("row")?)?)).collect()
    }

    async fn execution(&self, workspace: WorkspaceId, id: ExecutionId) -> StoreResult<Option<ExecutionRow>> {
        let query = sqlx::query("SELECT row FROM executions WHERE workspace = ? AND id = ?");
        let row = query.bind(blob(workspace)).bind(id.0.0.to_vec()).fetch_optional(&self.read).await?;
        row.map(|row| Ok(serde_json::from_slice(row.try_get("row")?)?)).transpose()
    }

    async fn approval_facts(&self, workspace: WorkspaceId, since: Option<Timestamp>) -> StoreResult<Vec<ApprovalFact>> {
        let query = sqlx::query(
            "SELECT status, priority, risk, action, created_at, decided_at, decider FROM approvals \
             WHERE workspace = ? AND (created_at >= ? OR decided_at IS NULL)",
        );
        let rows = query.bind(blob(workspace)).bind(since.map_or(0, |at| at.0)).fetch_all(&self.read).await?;
        rows.iter().map(fact).collect()
    }

    async fn pending_count(&self, workspace: WorkspaceId) -> StoreResult<u64> {
        let query = "SELECT count(*) FROM approvals WHERE workspace = ? AND status IN ('pending', 'info_requested')";
        Ok(unsigned(sqlx::query_scalar(query).bind(blob(workspace)).fetch_one(&self.read).await?))
    }

    async fn due(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<Due>> {
        let query = sqlx::query(
            "SELECT * FROM (SELECT 0 AS kind, workspace, id, next_at FROM approvals WHERE next_at <= ?1 \
             UNION ALL SELECT 1, workspace, id, next_at FROM executions WHERE next_at <= ?1) ORDER BY next_at LIMIT ?2",
        );
        let rows = query.bind(now.0).bind(limit).fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| {
            let workspace = WorkspaceId(raw(row.try_get("workspace")?)?);
            let (id, at) = (raw(row.try_get("id")?)?, Timestamp(row.try_get("next_at")?));
            Ok(if row.try_get::<i64, _>("kind")? == 0 {
                Due::Approval(workspace, ApprovalId(id), at)
            } else {
                Due::Execution(workspace, ExecutionId(id), at)
            })
        };
        rows.iter().map(read).collect()
    }

    async fn next_due(&self) -> StoreResult<Option<Timestamp>> {
        let query = "SELECT min(at) FROM (SELECT min(next_at) AS at FROM approvals WHERE next_at IS NOT NULL \
                     UNION ALL SELECT min(next_at) FROM executions WHERE next_at IS NOT NULL)";
        let at: Option<i64> = sqlx::query_scalar(query).fetch_one(&self.read).await?;
        Ok(at.map(Timestamp))
    }

    async fn records(&self, workspace: WorkspaceId, query: &RecordQuery) -> StoreResult<Vec<StoredRecord>> {
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT seq, hash, bytes FROM events WHERE workspace = ");
        sql.push_bind(blob(workspace));
        push_record_filters(&mut sql, workspace, query);
        push_page(&mut sql, "seq", query.beyond, query.newest_first, query.limit);
        let rows = sql.build().fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| {
            let seq = unsigned(row.try_get("seq")?);
            Ok(StoredRecord { seq, hash: Hash32(hash32(row.try_get("hash")?)?), bytes: row.try_get("bytes")? })
        };
        rows.iter().map(read).collect()
    }

    async fn payloads(&self, workspace: WorkspaceId, sequences: &[u64]) -> StoreResult<Vec<StoredPayload>> {
        if sequences.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT seq, name, subject, salt, bytes FROM payloads WHERE workspace = ");
        sql.push_bind(blob(workspace)).push(" AND seq IN (");
        let mut list = sql.separated(", ");
        for seq in sequences {
            list.push_bind(signed(*seq));
        }
        sql.push(") ORDER BY seq");
        let rows = sql.build().fetch_all(&self.read).await?;
        rows.iter().map(payload).collect()
    }

    async fn folded(&self, workspace: WorkspaceId) -> StoreResult<Folded> {
        self.read_folded(workspace).await
    }

    async fn session(&self, hash: &[u8; 32]) -> StoreResult<Option<SessionRow>> {
        let query = sqlx::query("SELECT * FROM sessions WHERE hash = ?").bind(hash.to_vec());
        let Some(row) = query.fetch_optional(&self.read).await? else { return Ok(None) };
        Ok(Some(SessionRow {
            hash: *hash,
            workspace: WorkspaceId(raw(row.try_get("workspace")?)?),
            operator: OperatorId(raw(row.try_get("operator")?)?),
            created_at: Timestamp(row.try_get("created_at")?),
            expires_at: Timestamp(row.try_get("expires_at")?),
        }))
    }

    async fn sweep(&self, now: Timestamp) -> StoreResult<u64> {
        let sessions = sqlx::query("DELETE FROM sessions WHERE expires_at <= ?").bind(now.0).execute(&self.write).await?;
        let keys = sqlx::query("DELETE FROM idempotency WHERE expires_at IS NOT NULL AND expires_at <= ?");
        let keys = keys.bind(now.0).execute(&self.write).await?;
        Ok(sessions.rows_affected() + keys.rows_affected())
    }

    async fn fan_out(&self, workspace: WorkspaceId, channels: &[FanOut], now: Timestamp, limit: u32) -> StoreResult<u64> {
        self.fan_out_rows(workspace, channels, now, limit).await
    }

    async fn due_deliveries(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DeliveryRow>> {
        self.read_due_deliveries(now, limit).await
    }

    async fn next_delivery(&self) -> StoreResult<Option<Timestamp>> {
        let query = "SELECT min(next_at) FROM deliveries WHERE next_at IS NOT NULL";
        let at: Option<i64> = sqlx::query_scalar(query).fetch_one(&self.read).await?;
        Ok(at.map(Timestamp))
    }

    async fn record_attempt(&self, delivery: &DeliveryRow) -> StoreResult<()> {
        self.write_attempt(delivery).await
    }

    async fn deliveries(&self, workspace: WorkspaceId, channel: ChannelId, before: Option<u64>, limit: u32) -> StoreResult<Vec<DeliveryRow>> {
        self.read_deliveries(workspace, channel, before, limit).await
    }

    async fn told(&self, workspace: WorkspaceId, sequences: &[u64]) -> StoreResult<Vec<DeliveryRow>> {
        self.read_told(workspace, sequences).await
    }

    async fn person_by_email(&self, workspace: WorkspaceId, email: &str) -> StoreResult<Option<OperatorId>> {
        let query = sqlx::query("SELECT id FROM people WHERE workspace = ? AND email_folded = ?");
        let row = query.bind(blob(workspace)).bind(email.to_lowercase()).fetch_optional(&self.read).await?;
        row.map(|row| Ok(OperatorId(raw(row.try_get("id")?)?))).transpose()
    }

    async fn ping(&self) -> StoreResult<()> {
        sqlx::query("SELECT 1").execute(&self.read).await?;
        Ok(())
    }
}

impl SqliteStore {
    async fn read_folded(&self, workspace: WorkspaceId) -> StoreResult<Folded> {
        let mut transaction = self.read.begin().await?;
        let mut folded = Folded { rows: Rows::default(), ..Folded::default() };
        let query = sqlx::query("SELECT * FROM heads WHERE workspace = ?").bind(blob(workspace));
        folded.head = query.fetch_optional(&mut *transaction).await?.map(|row| read_head(&row)).transpose()?.map(|(_, head)| head);
        for table in Table::ALL {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM ");
            query.push(table.name()).push(" WHERE workspace = ").push_bind(blob(workspace));
            for stored_row in query.build().fetch_all(&mut *transaction).await? {
                match check_row(table, &stored_row) {
                    Ok(row) => row.insert_into(&mut folded.rows),
                    Err(why) => folded.faults.push(format!("table {}: {why}", table.name())),
                }
            }
        }
        let query = sqlx::query("SELECT kind, id, value FROM secrets WHERE workspace = ?").bind(blob(workspace));
        folded.secrets = secrets(&query.fetch_all(&mut *transaction).await?)?;
        let mut after = 0_i64;
        loop {
            let query = sqlx::query("SELECT * FROM events WHERE workspace = ? AND seq > ? ORDER BY seq LIMIT 1000");
            let rows = query.bind(blob(workspace)).bind(after).fetch_all(&mut *transaction).await?;
            for row in &rows {
                after = row.try_get("seq")?;
                if let Err(why) = check_index(row) {
                    folded.faults.push(format!("record {after}: {why}"));
                }
            }
            if rows.len() < 1000 {
                return Ok(folded);
            }
        }
    }
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
    let id = stored_row.try_get::<Vec<u8>, _>("id").ok().and_then(|bytes| raw(&bytes).ok());
    let id = id.map_or_else(|| "row".to_owned(), |id| format!("row {id}"));
    match read() {
        Ok((row, None)) => Ok(row),
        Ok((_, Some(column))) => Err(format!("{id}: the column `{column}` disagrees with the row's content")),
        Err(error) => Err(format!("{id}: can't be read: {error}")),
    }
}

/// Whether a record's index columns say what its bytes say.
fn check_index(row: &SqliteRow) -> Result<(), String> {
    let check = || -> StoreResult<Option<&'static str>> {
        let record: Record = serde_json::from_slice(row.try_get("bytes")?)?;
        let index = RecordIndex::of(&record);
        let agent: Option<Vec<u8>> = row.try_get("agent")?;
        let (action, decision): (Option<String>, Option<String>) = (row.try_get("action")?, row.try_get("decision")?);
        let checks = [
            ("id", row.try_get::<Vec<u8>, _>("id")? == record.id.0.0),
            ("time", row.try_get::<i64, _>("time")? == record.time.0),
            ("type", row.try_get::<String, _>("type")? == record.event.type_name()),
            ("subject", row.try_get::<Vec<u8>, _>("subject")? == index.subject.0),
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

fn fact(row: &SqliteRow) -> StoreResult<ApprovalFact> {
    let unknown = |what: &str| StoreError::Damaged(format!("unknown {what}"));
    let decider: Option<String> = row.try_get("decider")?;
    Ok(ApprovalFact {
        status: status(row.try_get("status")?)?,
        priority: Priority::parse(row.try_get("priority")?).ok_or_else(|| unknown("priority"))?,
        risk: Risk::parse(row.try_get("risk")?).ok_or_else(|| unknown("risk"))?,
        action: row.try_get("action")?,
        created_at: Timestamp(row.try_get("created_at")?),
        decided_at: row.try_get::<Option<i64>, _>("decided_at")?.map(Timestamp),
        decider: decider.map(|kind| serde_json::from_value(serde_json::Value::String(kind))).transpose()?,
    })
}

fn payload(row: &SqliteRow) -> StoreResult<StoredPayload> {
    let name: String = row.try_get("name")?;
    Ok(StoredPayload {
        seq: unsigned(row.try_get("seq")?),
        name: PayloadName::parse(&name).ok_or_else(|| StoreError::Damaged(format!("unknown payload `{name}`")))?,
        subject: raw(row.try_get("subject")?)?,
        salt: hash32(row.try_get("salt")?)?,
        bytes: row.try_get("bytes")?,
    })
}

fn secrets(rows: &[SqliteRow]) -> StoreResult<Vec<SecretRow>> {
    let read = |row: &SqliteRow| {
        let kind = match row.try_get::<&str, _>("kind")? {
            "key" => SecretKind::Key,
            "password" => SecretKind::Password,
            "channel" => SecretKind::Channel,
            other => return Err(StoreError::Damaged(format!("unknown secret `{other}`"))),
        };
        Ok(SecretRow { kind, id: raw(row.try_get("id")?)?, value: row.try_get("value")? })
    };
    rows.iter().map(read).collect()
}

fn push_ids(sql: &mut QueryBuilder<Sqlite>, start: &'static str, ids: impl Iterator<Item = Vec<u8>>) {
    sql.push(start);
    let mut list = sql.separated(", ");
    for id in ids {
        list.push_bind(id);
    }
    sql.push(")");
}

fn push_page(sql: &mut QueryBuilder<Sqlite>, column: &'static str, beyond: Option<u64>, newest_first: bool, limit: u32) {
    if let Some(beyond) = beyond {
        sql.push(" AND ").push(column).push(if newest_first { " < " } else { " > " }).push_bind(signed(beyond));
    }
    sql.push(" ORDER BY ").push(column).push(if newest_first { " DESC" } else { " ASC" });
    sql.push(" LIMIT ").push_bind(limit);
}

fn push_record_filters(sql: &mut QueryBuilder<Sqlite>, workspace: WorkspaceId, query: &RecordQuery) {
    if let Some(subject) = query.subject {
        sql.push(" AND subject = ").push_bind(subject.0.to_vec());
    }
    if let Some(agents) = &query.agents {
        sql.push(" AND subject IN (SELECT subject FROM events WHERE workspace = ").push_bind(blob(workspace));
        push_ids(sql, " AND agent IN (", agents.iter().map(|agent| agent.0.0.to_vec()));
        sql.push(")");
    }
    if let Some(action) = &query.action {
        sql.push(" AND subject IN (SELECT subject FROM events WHERE workspace = ").push_bind(blob(workspace));
        sql.push(" AND action GLOB ").push_bind(action.clone()).push(")");
    }
    if let Some(actor) = &query.actor {
        sql.push(" AND actor = ").push_bind(actor.clone());
    }
    match &query.event_type {
        Some(prefix) if prefix.ends_with('.') => {
            sql.push(" AND substr(type, 1, ").push_bind(i64::try_from(prefix.len()).unwrap_or(0));
            sql.push(") = ").push_bind(prefix.clone());
        }
        Some(exact) => {
            sql.push(" AND (type = ").push_bind(exact.clone());
            sql.push(" OR type = ").push_bind(format!("{exact}.v1")).push(")");
        }
        None => {}
    }
    if let Some(decision) = &query.decision {
        sql.push(" AND decision = ").push_bind(decision.clone());
    }
    if let Some(since) = query.since {
        sql.push(" AND time >= ").push_bind(since.0);
    }
}
