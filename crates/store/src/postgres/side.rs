//! What lives beside the log: keys, secrets, people, sessions; and all that snapshots are built from.

use std::{collections::BTreeMap, sync::LazyLock};

use signoff_core::{
    id::{OperatorId, WorkspaceId},
    record::Head,
    time::{Micros, Timestamp},
};

use super::{PostgresStore, batch::LOCK_INSTALLATION, sql::head_columns};
use crate::{
    Authority, Clock as _, IdempotencyRow, Rewrapping, SessionRow, StoreResult,
    cells::{Table, blob},
    fields::{Fields, all, head, idempotency, person, secret, session},
};

/// How many rows a sweep takes in one transaction: short enough to keep nobody waiting.
const SWEPT_AT_ONCE: u64 = 5_000;
/// How long a lease that ended is kept. A claim that got its number just before another one made, and gave back, the same
/// lease would else put in a lower number after a higher one.
const LEASE_KEPT: Micros = Micros::seconds(3_600);
/// Rows that another node is sweeping are left to it.
pub(super) const SWEEP_IDEMPOTENCY: &str = "DELETE FROM idempotency WHERE ctid = ANY(ARRAY(SELECT ctid FROM idempotency \
     WHERE expires_at IS NOT NULL AND expires_at <= $1 LIMIT 5000 FOR UPDATE SKIP LOCKED))";
pub(super) const SWEEP_SESSIONS: &str = "DELETE FROM sessions WHERE ctid = ANY(ARRAY(SELECT ctid FROM sessions \
     WHERE expires_at <= $1 LIMIT 5000 FOR UPDATE SKIP LOCKED))";
pub(super) const SWEEP_LEASES: &str = "DELETE FROM leases WHERE ctid = ANY(ARRAY(SELECT ctid FROM leases \
     WHERE until <= $1 LIMIT 5000 FOR UPDATE SKIP LOCKED))";
pub(super) const SWEEP_INBOX: &str = "DELETE FROM slack_inbox WHERE ctid = ANY(ARRAY(SELECT ctid FROM slack_inbox \
     WHERE expires_at <= $1 LIMIT 5000 FOR UPDATE SKIP LOCKED))";
pub(super) const SWEEP_LINK_CODES: &str = "DELETE FROM link_codes WHERE ctid = ANY(ARRAY(SELECT ctid FROM link_codes \
     WHERE expires_at <= $1 LIMIT 5000 FOR UPDATE SKIP LOCKED))";
pub(super) const HEAD: &str = concat!("SELECT ", head_columns!(), " FROM heads WHERE workspace = $1");
pub(super) const ALL_HEADS: &str = concat!("SELECT ", head_columns!(), " FROM heads");
pub(super) const SECRETS: &str = "SELECT kind, id, value FROM secrets WHERE workspace = $1";
const PEOPLE: &str = "SELECT id, name, email FROM people WHERE workspace = $1";
const WORKSPACES: &str = "SELECT workspace FROM heads ORDER BY workspace";
const WORKSPACE_KEYS: &str = "SELECT workspace FROM workspace_keys FOR UPDATE";
const REWRAP: &str = "UPDATE workspace_keys SET wrapped = $1 WHERE workspace = $2 AND wrapped = $3";
const SESSION: &str = "SELECT hash, workspace, operator, created_at, expires_at FROM sessions \
     WHERE hash = $1 AND expires_at > $2";
pub(super) const REMEMBERED: &str = "SELECT found.principal, found.operation, found.key, found.fingerprint, \
     found.outcome, found.expires_at FROM unnest($2::text[]) AS wanted (principal), LATERAL (SELECT principal, operation, \
     key, fingerprint, outcome, expires_at FROM idempotency WHERE workspace = $1 AND principal = wanted.principal \
     AND operation = $3 AND key = $4 AND (expires_at IS NULL OR expires_at > $5) OFFSET 0) AS found";

/// All folded rows that snapshots are built from, in one statement.
static AUTHORITY: LazyLock<&'static str> = LazyLock::new(|| {
    let governing = Table::ALL.into_iter().filter(|table| table.governs());
    let parts: Vec<_> = governing
        .map(|table| {
            format!(
                "SELECT '{0}' AS part, row FROM {0} WHERE workspace = $1",
                table.name()
            )
        })
        .collect();
    parts.join(" UNION ALL ").leak()
});

impl PostgresStore {
    pub(super) async fn read_workspaces(&self) -> StoreResult<Vec<WorkspaceId>> {
        let rows = self.all(sqlx::query(WORKSPACES)).await?;
        rows.iter().map(Fields::workspace).collect()
    }

    pub(super) async fn read_head(&self, workspace: WorkspaceId) -> StoreResult<Option<Head>> {
        let row = self.one(sqlx::query(HEAD).bind(blob(workspace))).await?;
        row.map(|row| Ok(head(&row)?.1)).transpose()
    }

    pub(super) async fn read_heads(&self) -> StoreResult<BTreeMap<WorkspaceId, Head>> {
        let rows = self.all(sqlx::query(ALL_HEADS)).await?;
        rows.iter().map(head).collect()
    }

    pub(super) async fn read_workspace_key(&self, workspace: WorkspaceId) -> StoreResult<Option<Vec<u8>>> {
        let query = sqlx::query("SELECT wrapped FROM workspace_keys WHERE workspace = $1");
        let row = self.one(query.bind(blob(workspace))).await?;
        row.map(|row| row.blob("wrapped")).transpose()
    }

    pub(super) async fn rewrap(&self, wrappings: &[Rewrapping]) -> StoreResult<bool> {
        let mut transaction = self.begin_write().await?;
        // No node makes the first workspace meanwhile.
        self.all_in(&mut transaction, sqlx::query(LOCK_INSTALLATION))
            .await?;
        let all = self.all_in(&mut transaction, sqlx::query(WORKSPACE_KEYS)).await?;
        if !Rewrapping::name_each_once(wrappings, all.len()) {
            return Ok(false);
        }
        for one in wrappings {
            let query = sqlx::query(REWRAP)
                .bind(one.next.as_slice())
                .bind(blob(one.workspace))
                .bind(one.present.as_slice());
            if self.run_in(&mut transaction, query).await? != 1 {
                return Ok(false);
            }
        }
        self.link.seen(transaction.commit().await)?;
        Ok(true)
    }

    pub(super) async fn read_authority(&self, workspace: WorkspaceId) -> StoreResult<Authority> {
        // One transaction, so that all of it is of one moment.
        let mut transaction = self.begin_read().await?;
        let mut authority = Authority::default();
        let of = |sql: &'static str| sqlx::query(sql).bind(blob(workspace));
        if let Some(row) = self.all_in(&mut transaction, of(HEAD)).await?.first() {
            authority.head = Some(head(row)?.1);
        }
        for row in self.all_in(&mut transaction, of(*AUTHORITY)).await? {
            let part = row.string("part")?;
            if let Some(table) = Table::ALL.into_iter().find(|table| table.name() == part) {
                table.read(&row.blob("row")?)?.insert_into(&mut authority.rows);
            }
        }
        authority.secrets = all(&self.all_in(&mut transaction, of(SECRETS)).await?, secret)?;
        authority.people = all(&self.all_in(&mut transaction, of(PEOPLE)).await?, person)?;
        self.link.seen(transaction.commit().await)?;
        Ok(authority)
    }

    pub(super) async fn find_person(
        &self,
        workspace: WorkspaceId,
        email: &str,
    ) -> StoreResult<Option<OperatorId>> {
        if email.contains('\0') {
            // Nobody has such an address, and the server takes no such question.
            return Ok(None);
        }
        let query = sqlx::query("SELECT id FROM people WHERE workspace = $1 AND email_folded = $2");
        let row = self
            .one(query.bind(blob(workspace)).bind(email.to_lowercase()))
            .await?;
        row.map(|row| row.id("id").map(OperatorId)).transpose()
    }

    pub(super) async fn find_session(&self, hash: &[u8; 32]) -> StoreResult<Option<SessionRow>> {
        let query = sqlx::query(SESSION).bind(hash.to_vec());
        let row = self.one(query.bind(self.clock.now().0)).await?;
        row.as_ref().map(session).transpose()
    }

    pub(super) async fn read_remembered(
        &self,
        workspace: WorkspaceId,
        operation: &str,
        key: &str,
        principals: &[String],
    ) -> StoreResult<Vec<IdempotencyRow>> {
        let query = sqlx::query(REMEMBERED)
            .bind(blob(workspace))
            .bind(principals.to_vec());
        let query = query.bind(operation.to_owned()).bind(key.to_owned());
        let rows = self.all(query.bind(self.clock.now().0)).await?;
        rows.iter().map(|row| idempotency(workspace, row)).collect()
    }

    pub(super) async fn sweep_expired(&self, now: Timestamp) -> StoreResult<u64> {
        let mut swept = 0;
        let leases = Timestamp(now.0.saturating_sub(LEASE_KEPT.0));
        for (statement, until) in [
            (SWEEP_SESSIONS, now),
            (SWEEP_IDEMPOTENCY, now),
            (SWEEP_LEASES, leases),
            (SWEEP_INBOX, now),
            (SWEEP_LINK_CODES, now),
        ] {
            loop {
                let count = self.run(sqlx::query(statement).bind(until.0)).await?;
                swept += count;
                if count < SWEPT_AT_ONCE {
                    break;
                }
            }
        }
        self.make_partitions_as_time_goes_on().await?;
        Ok(swept)
    }
}
