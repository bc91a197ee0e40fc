//! Approvals: what operators call, and the asker's side of a question.

use signoff_api::approval::{Answer, Approval, ApprovalQuery, Cancel, Decide};
use signoff_api::audit::Event;
use signoff_api::stats::{Stats, StatsQuery};
use signoff_api::{Page, PageQuery, WaitQuery};

use crate::transport::Client;

impl Client {
    /// One page of approvals.
    pub async fn approval_list(&self, query: &ApprovalQuery) -> crate::Result<Page<Approval>> {
        self.get(&["v1", "approvals"]).query(query)?.send().await
    }

    /// How approvals have gone.
    pub async fn approval_stats(&self, query: &StatsQuery) -> crate::Result<Stats> {
        self.get(&["v1", "approvals", "stats"]).query(query)?.send().await
    }

    /// One approval, held back while it changes if the query says so.
    pub async fn approval_view(&self, id: &str, query: &WaitQuery) -> crate::Result<Approval> {
        self.get(&["v1", "approvals", id])
            .query(query)?
            .held(query.wait)
            .send()
            .await
    }

    /// Votes, or asks the agent a question.
    pub async fn approval_decide(
        &self,
        id: &str,
        decide: &Decide,
        key: Option<&str>,
    ) -> crate::Result<Approval> {
        self.post(&["v1", "approvals", id, "decide"])
            .key(key)
            .json(decide)
            .send()
            .await
    }

    /// Answers an operator's question.
    pub async fn approval_answer(&self, id: &str, answer: &Answer) -> crate::Result<Approval> {
        self.post(&["v1", "approvals", id, "answer"])
            .json(answer)
            .send()
            .await
    }

    /// Calls an approval off.
    pub async fn approval_cancel(&self, id: &str, cancel: &Cancel) -> crate::Result<Approval> {
        self.post(&["v1", "approvals", id, "cancel"])
            .json(cancel)
            .send()
            .await
    }

    /// What the log says of one approval.
    pub async fn approval_events(&self, id: &str, query: &PageQuery) -> crate::Result<Page<Event>> {
        self.get(&["v1", "approvals", id, "events"])
            .query(query)?
            .send()
            .await
    }
}
