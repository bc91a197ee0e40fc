//! What a batch writes: the head with records, payloads, answers and outbox in one statement, and one for each other table
//! that has something to write. Rows come as arrays, so that a statement's text, and with it its plan, is always the same.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use signoff_core::{
    id::WorkspaceId,
    record::{Head, Sealed},
};

use super::{
    ask::Statement,
    batch::PostgresBatch,
    sql::{counts, ids},
};
use crate::{
    Changes, RecordIndex, StoreError, StoreResult, StoredPayload,
    cells::{Cell, Table, blob, cells, signed},
    fields::Fields as _,
    model::raw_of,
};

/// The head moves only from where the records follow on, which `$8` says: with partitions no index can see to it that a
/// sequence comes once. Records go to their month's partition by their time, payloads by that of their record.
const LOG: &str = "WITH moved AS (\
     INSERT INTO heads (workspace, seq, hash, time, policy_epoch, authority_epoch, stop_epoch, place) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, signoff_place()) ON CONFLICT (workspace) DO UPDATE SET \
     seq = excluded.seq, hash = excluded.hash, time = excluded.time, policy_epoch = excluded.policy_epoch, \
     authority_epoch = excluded.authority_epoch, stop_epoch = excluded.stop_epoch, place = excluded.place \
     WHERE heads.seq = $8 RETURNING 1), \
     records AS (INSERT INTO events (workspace, seq, id, time, type, subject, actor, agent, action, decision, hash, bytes) \
     SELECT $1, * FROM unnest($9::bigint[], $10::bytea[], $11::bigint[], $12::text[], $13::bytea[], $14::text[], \
     $15::bytea[], $16::text[], $17::text[], $18::bytea[], $19::bytea[])), \
     sealed AS (INSERT INTO payloads (workspace, seq, name, subject, salt, bytes, time) \
     SELECT $1, * FROM unnest($20::bigint[], $21::text[], $22::bytea[], $23::bytea[], $24::bytea[], $25::bigint[])), \
     answered AS (INSERT INTO idempotency (workspace, principal, operation, key, fingerprint, outcome, expires_at) \
     SELECT $1, * FROM unnest($26::text[], $27::text[], $28::text[], $29::bytea[], $30::text[], $31::bigint[]) \
     ON CONFLICT (workspace, principal, operation, key) DO UPDATE SET \
     fingerprint = excluded.fingerprint, outcome = excluded.outcome, expires_at = excluded.expires_at), \
     told AS (INSERT INTO outbox (workspace, seq, kind) SELECT $1, * FROM unnest($32::bigint[], $33::text[]) \
     ON CONFLICT (workspace, seq, kind) DO NOTHING)";
/// What the statement ends with: whether the head moved.
const MOVED: &str = " SELECT count(*) AS moved FROM moved";
/// The statement's first parameter that is not the log's.
const FIRST_OF_ROWS: usize = 34;
const ERASE: &str = "DELETE FROM payloads WHERE workspace = $1 AND seq = ANY($2)";
const SECRETS: &str = "INSERT INTO secrets (workspace, kind, id, value) \
     SELECT $1, * FROM unnest($2::text[], $3::bytea[], $4::bytea[]) \
     ON CONFLICT (workspace, kind, id) DO UPDATE SET value = excluded.value";
const KEY: &str = "INSERT INTO workspace_keys (workspace, wrapped) VALUES ($1, $2)";
const PEOPLE: &str = "INSERT INTO people (workspace, id, name, email, email_folded) \
     SELECT $1, * FROM unnest($2::bytea[], $3::text[], $4::text[], $5::text[]) \
     ON CONFLICT (workspace, id) DO UPDATE SET \
     name = excluded.name, email = excluded.email, email_folded = excluded.email_folded";
const SIGN_OUT: &str = "DELETE FROM sessions WHERE workspace = $1 AND operator = ANY($2)";
const END_SESSIONS: &str = "DELETE FROM sessions WHERE workspace = $1 AND hash = ANY($2)";
const SESSIONS: &str = "INSERT INTO sessions (workspace, hash, operator, created_at, expires_at) \
     SELECT $1, * FROM unnest($2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[])";

/// Tables that most batches write: their rows go with the log, in one statement.
const OF_REQUESTS: [Table; 3] = [Table::Counters, Table::Approvals, Table::Executions];
/// That statement, for each choice of these tables.
pub(super) static TOGETHER: LazyLock<BTreeMap<Vec<Table>, &'static str>> = LazyLock::new(|| {
    let choices = 0..1_usize << OF_REQUESTS.len();
    choices
        .map(|choice| {
            let chosen = OF_REQUESTS.into_iter().enumerate();
            let chosen: Vec<Table> = chosen
                .filter(|(at, _)| choice & (1 << at) != 0)
                .map(|(_, table)| table)
                .collect();
            let text: &'static str = together(&chosen).leak();
            (chosen, text)
        })
        .collect()
});

fn together(tables: &[Table]) -> String {
    let mut parameter = FIRST_OF_ROWS;
    let rows = tables.iter().map(|table| {
        let part = format!(", {}_put AS ({})", table.name(), insert_into(*table, parameter));
        parameter += table.columns().len();
        part
    });
    std::iter::once(LOG.to_owned())
        .chain(rows)
        .chain([MOVED.to_owned()])
        .collect()
}

/// How rows of a folded table are put in, and taken away by their ids; made once, so that the texts stay the same.
static UPSERTS: LazyLock<BTreeMap<Table, (&'static str, &'static str)>> = LazyLock::new(|| {
    Table::ALL
        .into_iter()
        .map(|table| {
            let upsert: &'static str = insert_into(table, 2).leak();
            (table, (upsert, removal_of(table)))
        })
        .collect()
});

/// The workspace is the first parameter; the columns' arrays begin with this one.
fn insert_into(table: Table, first: usize) -> String {
    let columns = table.columns();
    let parameters: Vec<_> = (first..first + columns.len()).map(|n| format!("${n}")).collect();
    format!(
        "INSERT INTO {} (workspace, {}) SELECT $1, * FROM unnest({}){}",
        table.name(),
        columns.join(", "),
        parameters.join(", "),
        table.upsert()
    )
}

fn removal_of(table: Table) -> &'static str {
    if table == Table::Workspaces {
        // Its only row; the list holds the one id that stands for it.
        return "DELETE FROM workspaces WHERE workspace = $1 AND cardinality($2::bytea[]) > 0";
    }
    format!(
        "DELETE FROM {} WHERE workspace = $1 AND id = ANY($2)",
        table.name()
    )
    .leak()
}

impl PostgresBatch {
    pub(super) async fn write_changes(&mut self, changes: &Changes) -> StoreResult<()> {
        let Some((workspace, head)) = changes.check()? else {
            return Ok(());
        };
        let mut rows = by_table(changes)?;
        self.write_log(workspace, &head, changes, &mut rows).await?;
        self.write_rows(workspace, changes, &rows).await?;
        if !changes.erased.is_empty() {
            let query = sqlx::query(ERASE).bind(blob(workspace));
            self.fetch(query.bind(counts(&changes.erased))).await?;
        }
        self.write_secrets(workspace, changes).await?;
        self.write_people(workspace, changes).await?;
        self.write_sessions(workspace, changes).await
    }

    /// Takes the rows of requests out of `rows`, which go with the log.
    async fn write_log(
        &mut self,
        workspace: WorkspaceId,
        head: &Head,
        changes: &Changes,
        rows: &mut BTreeMap<Table, Vec<Vec<Cell>>>,
    ) -> StoreResult<()> {
        let before = changes
            .records
            .first()
            .map_or(head.seq, |first| first.record.seq - 1);
        let tables: Vec<Table> = OF_REQUESTS
            .into_iter()
            .filter(|table| rows.contains_key(table))
            .collect();
        let query = sqlx::query(TOGETHER[&tables])
            .bind(blob(workspace))
            .bind(signed(head.seq))
            .bind(head.hash.0.to_vec())
            .bind(head.time.0)
            .bind(signed(head.epochs.policy))
            .bind(signed(head.epochs.authority))
            .bind(signed(head.epochs.stop))
            .bind(signed(before));
        let query = bind_records(query, &changes.records);
        let query = bind_payloads(query, &changes.payloads, &changes.records);
        let query = bind_answers(query, changes);
        let mut query = query
            .bind(counts(&column(&changes.outbox, |row| row.seq)))
            .bind(column(&changes.outbox, |row| row.kind.as_str()));
        for table in &tables {
            query = bind_cells(query, &rows.remove(table).unwrap_or_default());
        }
        let answer = self.fetch(query).await?;
        if answer.first().map(|row| row.int("moved")).transpose()? != Some(1) {
            // What was sent can't be taken back but with the whole transaction.
            self.failed = true;
            return Err(StoreError::Refused(
                "records that do not follow the stored head".into(),
            ));
        }
        Ok(())
    }

    async fn write_rows(
        &mut self,
        workspace: WorkspaceId,
        changes: &Changes,
        rows: &BTreeMap<Table, Vec<Vec<Cell>>>,
    ) -> StoreResult<()> {
        for (table, rows) in rows {
            let query = sqlx::query(UPSERTS[table].0).bind(blob(workspace));
            self.fetch(bind_cells(query, rows)).await?;
        }
        let mut removed: BTreeMap<Table, Vec<_>> = BTreeMap::new();
        for key in &changes.removed {
            removed.entry(Table::of(*key)).or_default().push(raw_of(*key));
        }
        for (table, keys) in removed {
            let query = sqlx::query(UPSERTS[&table].1).bind(blob(workspace));
            self.fetch(query.bind(ids(keys.into_iter()))).await?;
        }
        Ok(())
    }

    async fn write_secrets(&mut self, workspace: WorkspaceId, changes: &Changes) -> StoreResult<()> {
        if !changes.secrets.is_empty() {
            // The last one of the same name: one statement may not touch a row twice.
            let rows = last_of_each(&changes.secrets, |row| (row.kind, row.id));
            let query = sqlx::query(SECRETS)
                .bind(blob(workspace))
                .bind(column(&rows, |row| row.kind.as_str()))
                .bind(ids(rows.iter().map(|row| row.id)))
                .bind(column(&rows, |row| row.value.as_slice()));
            self.fetch(query).await?;
        }
        if let Some(wrapped) = &changes.workspace_key {
            let query = sqlx::query(KEY).bind(blob(workspace));
            self.fetch(query.bind(wrapped.as_slice())).await?;
        }
        Ok(())
    }

    async fn write_people(&mut self, workspace: WorkspaceId, changes: &Changes) -> StoreResult<()> {
        if changes.people.is_empty() {
            return Ok(());
        }
        let rows = last_of_each(&changes.people, |row| row.id);
        let query = sqlx::query(PEOPLE)
            .bind(blob(workspace))
            .bind(ids(rows.iter().map(|row| row.id.0)))
            .bind(column(&rows, |row| row.name.as_str()))
            .bind(column(&rows, |row| row.email.as_str()))
            .bind(column(&rows, |row| row.email.to_lowercase()));
        self.fetch(query).await.map(drop)
    }

    async fn write_sessions(&mut self, workspace: WorkspaceId, changes: &Changes) -> StoreResult<()> {
        // Ends before beginnings: a password change may sign everybody out and its own browser in again.
        if !changes.signed_out.is_empty() {
            let query = sqlx::query(SIGN_OUT).bind(blob(workspace));
            self.fetch(query.bind(ids(changes.signed_out.iter().map(|id| id.0))))
                .await?;
        }
        if !changes.ended_sessions.is_empty() {
            let query = sqlx::query(END_SESSIONS).bind(blob(workspace));
            self.fetch(query.bind(column(&changes.ended_sessions, |hash| hash.to_vec())))
                .await?;
        }
        if changes.sessions.is_empty() {
            return Ok(());
        }
        let rows = &changes.sessions;
        let query = sqlx::query(SESSIONS)
            .bind(blob(workspace))
            .bind(column(rows, |row| row.hash.to_vec()))
            .bind(ids(rows.iter().map(|row| row.operator.0)))
            .bind(column(rows, |row| row.created_at.0))
            .bind(column(rows, |row| row.expires_at.0));
        self.fetch(query).await.map(drop)
    }
}

fn by_table(changes: &Changes) -> StoreResult<BTreeMap<Table, Vec<Vec<Cell>>>> {
    let mut all: BTreeMap<Table, Vec<Vec<Cell>>> = BTreeMap::new();
    for row in &changes.rows {
        let (table, cells) = cells(row)?;
        all.entry(table).or_default().push(cells);
    }
    Ok(all)
}

/// One column of many rows, as an array.
fn column<'a, T, C>(rows: &'a [T], cell: impl Fn(&'a T) -> C) -> Vec<C> {
    rows.iter().map(cell).collect()
}

fn last_of_each<'a, T, K: Eq + std::hash::Hash>(rows: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<&'a T> {
    let mut last: HashMap<K, usize> = HashMap::new();
    for (place, row) in rows.iter().enumerate() {
        last.insert(key(row), place);
    }
    let mut places: Vec<usize> = last.into_values().collect();
    places.sort_unstable();
    places.into_iter().map(|place| &rows[place]).collect()
}

fn bind_records<'q>(query: Statement<'q>, records: &[Sealed]) -> Statement<'q> {
    let indexes: Vec<RecordIndex> = column(records, |sealed| RecordIndex::of(&sealed.record));
    query
        .bind(column(records, |sealed| signed(sealed.record.seq)))
        .bind(column(records, |sealed| &sealed.record.id.0.0[..]))
        .bind(column(records, |sealed| sealed.record.time.0))
        .bind(column(records, |sealed| sealed.record.event.type_name()))
        .bind(column(&indexes, |index| &index.subject.0[..]))
        .bind(column(&indexes, |index| index.actor.as_str()))
        .bind(column(&indexes, |index| {
            index.agent.as_ref().map(|agent| &agent.0.0[..])
        }))
        .bind(column(&indexes, |index| index.action.as_deref()))
        .bind(column(&indexes, |index| index.decision.as_deref()))
        .bind(column(records, |sealed| &sealed.hash.0[..]))
        .bind(column(records, |sealed| sealed.bytes.as_slice()))
}

fn bind_payloads<'q>(query: Statement<'q>, payloads: &[StoredPayload], records: &[Sealed]) -> Statement<'q> {
    // Checked before: each payload's record is among these.
    let first = records.first().map_or(0, |first| first.record.seq);
    let time = |payload: &StoredPayload| {
        let place = usize::try_from(payload.seq.saturating_sub(first)).ok();
        place
            .and_then(|place| records.get(place))
            .map_or(0, |sealed| sealed.record.time.0)
    };
    query
        .bind(column(payloads, |payload| signed(payload.seq)))
        .bind(column(payloads, |payload| payload.name.as_str()))
        .bind(column(payloads, |payload| &payload.subject.0[..]))
        .bind(column(payloads, |payload| &payload.salt[..]))
        .bind(column(payloads, |payload| payload.bytes.as_slice()))
        .bind(column(payloads, time))
}

fn bind_answers<'q>(query: Statement<'q>, changes: &Changes) -> Statement<'q> {
    let rows = last_of_each(&changes.idempotency, |row| &row.name);
    query
        .bind(column(&rows, |row| row.name.principal.as_str()))
        .bind(column(&rows, |row| row.name.operation.as_str()))
        .bind(column(&rows, |row| row.name.key.as_str()))
        .bind(column(&rows, |row| &row.fingerprint[..]))
        .bind(column(&rows, |row| row.outcome.as_str()))
        .bind(column(&rows, |row| row.expires_at.map(|at| at.0)))
}

/// Binds each column of rows of one table; all have the same columns.
fn bind_cells<'q>(mut query: Statement<'q>, rows: &[Vec<Cell>]) -> Statement<'q> {
    let width = rows.first().map_or(0, Vec::len);
    for place in 0..width {
        query = match rows[0][place] {
            Cell::Integer(_) => query.bind(column(rows, |row| match &row[place] {
                Cell::Integer(value) => *value,
                _ => None,
            })),
            Cell::Text(_) => query.bind(column(rows, |row| match &row[place] {
                Cell::Text(value) => value.as_deref(),
                _ => None,
            })),
            Cell::Blob(_) => query.bind(column(rows, |row| match &row[place] {
                Cell::Blob(value) => Some(value.as_slice()),
                _ => None,
            })),
        };
    }
    query
}
