//! Standing approvals.

use signoff_api::Page;
use signoff_api::approval::{AlwaysPreview, AlwaysQuery, StandingApproval, StandingQuery};

use crate::transport::Client;

impl Client {
    /// A page of standing approvals, newest first.
    pub async fn standing_list(&self, query: &StandingQuery) -> crate::Result<Page<StandingApproval>> {
        self.get(&["v1", "standing-approvals"]).query(query)?.send().await
    }

    /// One standing approval.
    pub async fn standing_view(&self, id: &str) -> crate::Result<StandingApproval> {
        self.get(&["v1", "standing-approvals", id]).send().await
    }

    /// Takes a standing approval back.
    pub async fn standing_revoke(&self, id: &str, key: Option<&str>) -> crate::Result<StandingApproval> {
        self.post(&["v1", "standing-approvals", id, "revoke"])
            .key(key)
            .send()
            .await
    }

    /// What approving for ever would come to; nothing is changed.
    pub async fn approval_always(&self, id: &str, query: &AlwaysQuery) -> crate::Result<AlwaysPreview> {
        self.get(&["v1", "approvals", id, "always"])
            .query(query)?
            .send()
            .await
    }
}
