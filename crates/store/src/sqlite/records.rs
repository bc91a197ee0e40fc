//! Questions about the log and its payloads.

use signoff_core::id::{RawId, WorkspaceId};
use sqlx::{QueryBuilder, Sqlite};

use super::{
    SqliteStore,
    batch::ROWS_PER_STATEMENT,
    cells::{push_glob, push_ids, push_page},
};
use crate::{
    RecordQuery, StoreResult, StoredPayload, StoredRecord,
    cells::{blob, signed},
    fields::{all, payload, record},
    ranges::{Types, is_filtered, types_of},
};

impl SqliteStore {
    pub(super) async fn read_records(
        &self,
        workspace: WorkspaceId,
        query: &RecordQuery,
    ) -> StoreResult<Vec<StoredRecord>> {
        let rows = page(workspace, query).build().fetch_all(&self.read).await?;
        all(&rows, record)
    }

    pub(super) async fn read_records_at(
        &self,
        workspace: WorkspaceId,
        sequences: &[u64],
    ) -> StoreResult<Vec<StoredRecord>> {
        let mut records = Vec::new();
        for sequences in sequences.chunks(ROWS_PER_STATEMENT) {
            let mut sql = at_query(workspace, sequences);
            for row in sql.build().fetch_all(&self.read).await? {
                records.push(record(&row)?);
            }
        }
        records.sort_by_key(|record| record.seq);
        Ok(records)
    }

    pub(super) async fn read_submissions_of(
        &self,
        workspace: WorkspaceId,
        subjects: &[RawId],
    ) -> StoreResult<Vec<StoredRecord>> {
        let mut records = Vec::new();
        for subjects in subjects.chunks(ROWS_PER_STATEMENT) {
            let mut sql = submissions_query(workspace, subjects);
            for row in sql.build().fetch_all(&self.read).await? {
                records.push(record(&row)?);
            }
        }
        records.sort_by_key(|record| record.seq);
        Ok(records)
    }

    pub(super) async fn read_payloads(
        &self,
        workspace: WorkspaceId,
        sequences: &[u64],
    ) -> StoreResult<Vec<StoredPayload>> {
        let mut payloads = Vec::new();
        for sequences in sequences.chunks(ROWS_PER_STATEMENT) {
            for row in payloads_query(workspace, sequences)
                .build()
                .fetch_all(&self.read)
                .await?
            {
                payloads.push(payload(&row)?);
            }
        }
        payloads.sort_by_key(|payload| (payload.seq, payload.name));
        Ok(payloads)
    }
}

pub(super) fn at_query(workspace: WorkspaceId, sequences: &[u64]) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT seq, hash, bytes FROM events WHERE workspace = ");
    sql.push_bind(blob(workspace)).push(" AND seq IN (");
    let mut list = sql.separated(", ");
    for seq in sequences {
        list.push_bind(signed(*seq));
    }
    sql.push(")");
    sql
}

pub(super) fn submissions_query(workspace: WorkspaceId, subjects: &[RawId]) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT seq, hash, bytes FROM events WHERE workspace = ");
    sql.push_bind(blob(workspace));
    push_ids(&mut sql, " AND subject IN (", subjects.iter().copied());
    // Only first records say whose request it is. The plus keeps SQLite to the index by subject.
    sql.push(" AND +agent IS NOT NULL");
    sql
}

pub(super) fn page(workspace: WorkspaceId, query: &RecordQuery) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT seq, hash, bytes FROM events WHERE workspace = ");
    sql.push_bind(blob(workspace));
    if is_filtered(query) {
        // Which records first, from indexes alone; then only the page's own records are read.
        sql.push(" AND seq IN (SELECT seq FROM events WHERE workspace = ")
            .push_bind(blob(workspace));
        push_filters(&mut sql, workspace, query);
        push_page(&mut sql, "seq", query.beyond, query.newest_first, query.limit);
        sql.push(") ORDER BY seq")
            .push(if query.newest_first { " DESC" } else { " ASC" });
    } else {
        push_page(&mut sql, "seq", query.beyond, query.newest_first, query.limit);
    }
    sql
}

fn push_filters(sql: &mut QueryBuilder<Sqlite>, workspace: WorkspaceId, query: &RecordQuery) {
    if let Some(subject) = query.subject {
        sql.push(" AND subject = ").push_bind(subject.0.to_vec());
    }
    if let Some(agents) = &query.agents {
        sql.push(" AND subject IN (SELECT subject FROM events WHERE workspace = ")
            .push_bind(blob(workspace));
        push_ids(sql, " AND agent IN (", agents.iter().map(|agent| agent.0));
        sql.push(")");
    }
    if let Some(action) = &query.action {
        sql.push(" AND subject IN (SELECT subject FROM events WHERE workspace = ")
            .push_bind(blob(workspace));
        // Said, because a glob alone does not tell SQLite that the partial index serves.
        sql.push(" AND action IS NOT NULL");
        push_glob(sql, "action", action);
        sql.push(")");
    }
    if let Some(actor) = &query.actor {
        if actor.starts_with("usr_") {
            // The condition of the partial index over operators, word for word.
            sql.push(" AND substr(actor, 1, 4) = 'usr_'");
        }
        sql.push(" AND actor = ").push_bind(actor.as_str());
    }
    if let Some(event_type) = &query.event_type {
        push_type(sql, event_type);
    }
    if let Some(decision) = &query.decision {
        sql.push(" AND decision = ").push_bind(decision.as_str());
    }
    if let Some(since) = query.since {
        // Time never runs backwards in a log: one look-up by time, and from there on by sequence.
        sql.push(" AND seq >= (SELECT seq FROM events WHERE workspace = ")
            .push_bind(blob(workspace));
        sql.push(" AND time >= ")
            .push_bind(since.0)
            .push(" ORDER BY time, seq LIMIT 1)");
    }
}

fn push_type(sql: &mut QueryBuilder<Sqlite>, wanted: &str) {
    match types_of(wanted) {
        Types::Exactly(name) => {
            sql.push(" AND type = ").push_bind(name);
        }
        Types::Range(start, end) => {
            sql.push(" AND type >= ").push_bind(start);
            sql.push(" AND type < ").push_bind(end);
        }
    }
}

pub(super) fn payloads_query(workspace: WorkspaceId, sequences: &[u64]) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT seq, name, subject, salt, bytes FROM payloads WHERE workspace = ",
    );
    sql.push_bind(blob(workspace)).push(" AND seq IN (");
    let mut list = sql.separated(", ");
    for seq in sequences {
        list.push_bind(signed(*seq));
    }
    sql.push(")");
    sql
}
