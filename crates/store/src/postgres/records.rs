//! Questions about the log and its payloads.

use signoff_core::id::{RawId, WorkspaceId};
use sqlx::{Postgres, QueryBuilder};

use super::{
    PostgresStore,
    sql::{counts, ids, push_glob, push_page},
};
use crate::{
    RecordQuery, StoreResult, StoredPayload, StoredRecord,
    cells::blob,
    fields::{all, payload, record},
    ranges::{Types, types_of},
};

pub(super) const AT: &str =
    "SELECT seq, hash, bytes FROM events WHERE workspace = $1 AND seq = ANY($2) ORDER BY seq";
/// Only first records say whose request it is.
pub(super) const SUBMISSIONS: &str = "SELECT seq, hash, bytes FROM events \
     WHERE workspace = $1 AND subject = ANY($2) AND agent IS NOT NULL ORDER BY seq";
pub(super) const PAYLOADS: &str = "SELECT seq, name, subject, salt, bytes FROM payloads \
     WHERE workspace = $1 AND seq = ANY($2)";

impl PostgresStore {
    pub(super) async fn read_records(
        &self,
        workspace: WorkspaceId,
        query: &RecordQuery,
    ) -> StoreResult<Vec<StoredRecord>> {
        let rows = self.all(page(workspace, query).build().persistent(false)).await?;
        all(&rows, record)
    }

    pub(super) async fn read_records_at(
        &self,
        workspace: WorkspaceId,
        sequences: &[u64],
    ) -> StoreResult<Vec<StoredRecord>> {
        let query = sqlx::query(AT).bind(blob(workspace)).bind(counts(sequences));
        all(&self.all(query).await?, record)
    }

    pub(super) async fn read_submissions_of(
        &self,
        workspace: WorkspaceId,
        subjects: &[RawId],
    ) -> StoreResult<Vec<StoredRecord>> {
        let query = sqlx::query(SUBMISSIONS)
            .bind(blob(workspace))
            .bind(ids(subjects.iter().copied()));
        all(&self.all(query).await?, record)
    }

    pub(super) async fn read_payloads(
        &self,
        workspace: WorkspaceId,
        sequences: &[u64],
    ) -> StoreResult<Vec<StoredPayload>> {
        let query = sqlx::query(PAYLOADS)
            .bind(blob(workspace))
            .bind(counts(sequences));
        let mut payloads = all(&self.all(query).await?, payload)?;
        payloads.sort_by_key(|payload| (payload.seq, payload.name));
        Ok(payloads)
    }
}

/// Planned each time for the values asked for: one plan for all would sort whole logs for some.
pub(super) fn page(workspace: WorkspaceId, query: &RecordQuery) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("SELECT seq, hash, bytes FROM events WHERE workspace = ");
    sql.push_bind(blob(workspace));
    push_filters(&mut sql, workspace, query);
    push_page(&mut sql, "seq", query.beyond, query.newest_first, query.limit);
    sql
}

fn push_filters(sql: &mut QueryBuilder<Postgres>, workspace: WorkspaceId, query: &RecordQuery) {
    if let Some(subject) = query.subject {
        sql.push(" AND subject = ").push_bind(subject.0.to_vec());
    }
    if let Some(agents) = &query.agents {
        sql.push(" AND subject IN (SELECT subject FROM events WHERE workspace = ")
            .push_bind(blob(workspace));
        sql.push(" AND agent = ANY(")
            .push_bind(ids(agents.iter().map(|agent| agent.0)))
            .push("))");
    }
    if let Some(action) = &query.action {
        sql.push(" AND subject IN (SELECT subject FROM events WHERE workspace = ")
            .push_bind(blob(workspace));
        push_glob(sql, "action", action);
        sql.push(")");
    }
    if let Some(actor) = &query.actor {
        if actor.starts_with("usr_") {
            // The condition of the partial index over operators.
            sql.push(" AND substr(actor, 1, 4) = 'usr_'");
        }
        sql.push(" AND actor = ").push_bind(actor.clone());
    }
    match query.event_type.as_deref().map(types_of) {
        Some(Types::Exactly(name)) => {
            sql.push(" AND type = ").push_bind(name);
        }
        Some(Types::Range(start, end)) => {
            sql.push(" AND type >= ").push_bind(start);
            sql.push(" AND type < ").push_bind(end);
        }
        None => {}
    }
    if let Some(decision) = &query.decision {
        sql.push(" AND decision = ").push_bind(decision.clone());
    }
    if let Some(since) = query.since {
        // Time never runs backwards in a log: one look-up by time, and from there on by sequence. Said of the time as well,
        // so that the months before are left out.
        sql.push(" AND time >= ").push_bind(since.0);
        sql.push(" AND seq >= (SELECT seq FROM events WHERE workspace = ")
            .push_bind(blob(workspace));
        sql.push(" AND time >= ")
            .push_bind(since.0)
            .push(" ORDER BY time, seq LIMIT 1)");
    }
}
