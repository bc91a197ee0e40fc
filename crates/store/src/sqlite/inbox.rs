//! What came from Slack and is handled later, and codes that link people to who they are there.

use signoff_core::{
    id::{ChannelId, OperatorId, WorkspaceId},
    time::Timestamp,
};

use super::SqliteStore;
use crate::{
    InboxRow, LinkCodeRow, StoreResult,
    cells::blob,
    fields::{Fields as _, all, received},
};

pub(super) const RECEIVED: &str = "SELECT workspace, channel, key, operator, body, received_at, expires_at, handled_at \
     FROM slack_inbox WHERE handled_at IS NULL AND received_at <= ? ORDER BY received_at LIMIT ?";
const RECEIVE: &str = "INSERT OR IGNORE INTO slack_inbox \
     (workspace, channel, key, operator, body, received_at, expires_at, handled_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
const HANDLED: &str = "UPDATE slack_inbox SET handled_at = ?, body = x'' \
     WHERE workspace = ? AND channel = ? AND key = ? AND handled_at IS NULL";
const PUT_CODE: &str =
    "INSERT OR REPLACE INTO link_codes (workspace, operator, hash, expires_at) VALUES (?, ?, ?, ?)";
pub(super) const TAKE_CODE: &str =
    "DELETE FROM link_codes WHERE workspace = ? AND hash = ? RETURNING operator, expires_at";

impl SqliteStore {
    pub(super) async fn keep_received(&self, row: &InboxRow) -> StoreResult<bool> {
        let query = sqlx::query(RECEIVE)
            .bind(blob(row.workspace))
            .bind(row.channel.0.0.to_vec())
            .bind(row.key.to_vec())
            .bind(row.operator.map(|operator| operator.0.0.to_vec()))
            .bind(row.body.as_slice())
            .bind(row.received_at.0)
            .bind(row.expires_at.0)
            .bind(row.handled_at.map(|at| at.0));
        Ok(query.execute(&self.write).await?.rows_affected() == 1)
    }

    pub(super) async fn read_received(&self, by: Timestamp, limit: u32) -> StoreResult<Vec<InboxRow>> {
        let query = sqlx::query(RECEIVED).bind(by.0).bind(limit);
        all(&query.fetch_all(&self.read).await?, received)
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
        query.execute(&self.write).await?;
        Ok(())
    }

    pub(super) async fn put_link_code(&self, code: &LinkCodeRow) -> StoreResult<()> {
        let query = sqlx::query(PUT_CODE)
            .bind(blob(code.workspace))
            .bind(code.operator.0.0.to_vec())
            .bind(code.hash.to_vec())
            .bind(code.expires_at.0);
        query.execute(&self.write).await?;
        Ok(())
    }

    pub(super) async fn use_link_code(
        &self,
        workspace: WorkspaceId,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OperatorId>> {
        let query = sqlx::query(TAKE_CODE).bind(blob(workspace)).bind(hash.to_vec());
        let row = query.fetch_optional(&self.write).await?;
        let Some(row) = row else { return Ok(None) };
        let good = row.int("expires_at")? > now.0;
        Ok(good.then_some(OperatorId(row.id("operator")?)))
    }
}
