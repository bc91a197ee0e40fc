//! What came from Slack and is handled later, and codes that link people to who they are there.

use signoff_core::{
    id::{ChannelId, OperatorId, WorkspaceId},
    time::Timestamp,
};

use super::PostgresStore;
use crate::{
    InboxRow, LinkCodeRow, StoreResult,
    cells::blob,
    fields::{Fields as _, all, received},
};

pub(super) const RECEIVED: &str = "SELECT workspace, channel, key, operator, body, received_at, expires_at, handled_at \
     FROM slack_inbox WHERE handled_at IS NULL AND received_at <= $1 ORDER BY received_at LIMIT $2";
pub(super) const RECEIVE: &str = "INSERT INTO slack_inbox \
     (workspace, channel, key, operator, body, received_at, expires_at, handled_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (workspace, channel, key) DO NOTHING";
pub(super) const HANDLED: &str = "UPDATE slack_inbox SET handled_at = $1, body = '' \
     WHERE workspace = $2 AND channel = $3 AND key = $4 AND handled_at IS NULL";
pub(super) const PUT_CODE: &str = "INSERT INTO link_codes (workspace, operator, hash, expires_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (workspace, operator) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at";
pub(super) const TAKE_CODE: &str =
    "DELETE FROM link_codes WHERE workspace = $1 AND hash = $2 RETURNING operator, expires_at";

impl PostgresStore {
    pub(super) async fn keep_received(&self, row: &InboxRow) -> StoreResult<bool> {
        let query = sqlx::query(RECEIVE)
            .bind(blob(row.workspace))
            .bind(row.channel.0.0.to_vec())
            .bind(row.key.to_vec())
            .bind(row.operator.map(|operator| operator.0.0.to_vec()))
            .bind(row.body.clone())
            .bind(row.received_at.0)
            .bind(row.expires_at.0)
            .bind(row.handled_at.map(|at| at.0));
        Ok(self.run(query).await? == 1)
    }

    pub(super) async fn read_received(&self, by: Timestamp, limit: u32) -> StoreResult<Vec<InboxRow>> {
        let query = sqlx::query(RECEIVED).bind(by.0).bind(i64::from(limit));
        all(&self.all(query).await?, received)
    }

    pub(super) async fn settle_received(
        &self,
        workspace: WorkspaceId,
        channel: ChannelId,
        key: &[u8; 32],
        at: Timestamp,
    ) -> StoreResult<()> {
        let query = sqlx::query(HANDLED)
            .bind(at.0)
            .bind(blob(workspace))
            .bind(channel.0.0.to_vec())
            .bind(key.to_vec());
        self.run(query).await.map(drop)
    }

    pub(super) async fn put_link_code(&self, code: &LinkCodeRow) -> StoreResult<()> {
        let query = sqlx::query(PUT_CODE)
            .bind(blob(code.workspace))
            .bind(code.operator.0.0.to_vec())
            .bind(code.hash.to_vec())
            .bind(code.expires_at.0);
        self.run(query).await.map(drop)
    }

    pub(super) async fn use_link_code(
        &self,
        workspace: WorkspaceId,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OperatorId>> {
        let query = sqlx::query(TAKE_CODE).bind(blob(workspace)).bind(hash.to_vec());
        let Some(row) = self.one(query).await? else {
            return Ok(None);
        };
        let good = row.int("expires_at")? > now.0;
        Ok(good.then_some(OperatorId(row.id("operator")?)))
    }
}
