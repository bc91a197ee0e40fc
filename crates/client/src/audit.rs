//! The log: reading, verifying, exporting; and whether the server is well.

use std::io::Write;

use signoff_api::audit::{AuditQuery, Event, Verification, VerifyQuery};
use signoff_api::status::{Health, Me, Readiness};
use signoff_api::{Page, workspace};

use crate::error::Error;
use crate::transport::Client;

impl Client {
    /// One page of the log, newest first.
    pub async fn audit_list(&self, query: &AuditQuery) -> crate::Result<Page<Event>> {
        self.get(&["v1", "audit", "events"]).query(query)?.send().await
    }

    /// Whether the log is intact, as the server itself finds it.
    pub async fn audit_verify(&self, with_store: bool) -> crate::Result<Verification> {
        let query = VerifyQuery {
            with_store: with_store.then_some(true),
        };
        self.get(&["v1", "audit", "verify"])
            .query(&query)?
            .unhurried()
            .send()
            .await
    }

    /// Writes the records as stored, one JSON line each, and returns how many bytes it wrote.
    pub async fn audit_export(&self, sink: &mut (impl Write + Send)) -> crate::Result<u64> {
        let mut response = self
            .get(&["v1", "audit", "export"])
            .unhurried()
            .exchange()
            .await?;
        let mut written = 0;
        while let Some(chunk) = response.chunk().await.map_err(|error| self.chunk_lost(&error))? {
            sink.write_all(&chunk)
                .map_err(|error| Error::Misused(format!("can't write: {error}")))?;
            written += chunk.len() as u64;
        }
        Ok(written)
    }

    /// Who the key is.
    pub async fn whoami(&self) -> crate::Result<Me> {
        self.get(&["v1", "me"]).send().await
    }

    /// The workspace.
    pub async fn workspace_view(&self) -> crate::Result<workspace::Workspace> {
        self.get(&["v1", "workspace"]).send().await
    }

    /// Says that the log goes on in another place.
    pub async fn workspace_failover(&self) -> crate::Result<workspace::FailoverDeclared> {
        self.post(&["v1", "workspace", "failover"])
            .json(&serde_json::json!({}))
            .send()
            .await
    }

    /// Says that no node of an earlier version runs any more.
    pub async fn installation_finish_upgrade(&self) -> crate::Result<workspace::UpgradeFinished> {
        self.post(&["v1", "installation", "finish-upgrade"])
            .json(&serde_json::json!({}))
            .send()
            .await
    }

    /// Changes the workspace.
    pub async fn workspace_update(
        &self,
        update: &workspace::WorkspaceUpdate,
    ) -> crate::Result<workspace::Workspace> {
        self.call(reqwest::Method::PATCH, &["v1", "workspace"])
            .json(update)
            .send()
            .await
    }

    /// Whether the process is up. Needs no key.
    pub async fn health(&self) -> crate::Result<Health> {
        self.get(&["healthz"]).send().await
    }

    /// Whether the server can do its work, and if not, what is wrong. Needs no key.
    pub async fn readiness(&self) -> crate::Result<Readiness> {
        self.get(&["readyz"]).send_whatever().await
    }
}
