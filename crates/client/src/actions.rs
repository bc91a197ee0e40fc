//! Actions and executions: what an agent calls.

use signoff_api::action::{Action, Submit, SubmitAnswer, Verdict};
use signoff_api::execution::{Execution, HeldExecutions, Report, Settle};
use signoff_api::{Until, WaitQuery};

use crate::transport::Client;

/// How to submit.
#[derive(Debug, Clone, Default)]
pub struct SubmitOptions {
    /// Makes a repeated submit answer what the first one answered.
    pub idempotency_key: Option<String>,
    /// Hold the answer back for at most this many seconds (0 to 60) while people decide.
    pub wait: Option<u64>,
    /// What to wait for.
    pub until: Option<Until>,
}

impl Client {
    /// Says what the agent is about to do, and learns whether it may.
    pub async fn action_submit(
        &self,
        action: &Submit,
        options: &SubmitOptions,
    ) -> crate::Result<SubmitAnswer> {
        self.post(&["v1", "actions"])
            .query(&WaitQuery {
                wait: options.wait,
                until: options.until,
            })?
            .held(options.wait)
            .key(options.idempotency_key.as_deref())
            .json(action)
            .send()
            .await
    }

    /// What a submit would be answered; nothing is stored.
    pub async fn action_check(&self, action: &Submit) -> crate::Result<Verdict> {
        self.post(&["v1", "actions", "check"]).json(action).send().await
    }

    /// An action as it was submitted.
    pub async fn action_view(&self, id: &str) -> crate::Result<Action> {
        self.get(&["v1", "actions", id]).send().await
    }

    /// Reports how an action went, by the action's id.
    pub async fn action_report(
        &self,
        id: &str,
        report: &Report,
        key: Option<&str>,
    ) -> crate::Result<Execution> {
        self.post(&["v1", "actions", id, "outcome"])
            .key(key)
            .json(report)
            .send()
            .await
    }

    /// An execution.
    pub async fn execution_view(&self, id: &str) -> crate::Result<Execution> {
        self.get(&["v1", "executions", id]).send().await
    }

    /// Takes a permission, once. The same key gets the same answer.
    pub async fn execution_consume(&self, id: &str, key: Option<&str>) -> crate::Result<Execution> {
        self.post(&["v1", "executions", id, "consume"])
            .key(key)
            .send()
            .await
    }

    /// Reports how an execution went.
    pub async fn execution_report(
        &self,
        id: &str,
        report: &Report,
        key: Option<&str>,
    ) -> crate::Result<Execution> {
        self.post(&["v1", "executions", id, "report"])
            .key(key)
            .json(report)
            .send()
            .await
    }

    /// Lets a held execution go on.
    pub async fn execution_release(&self, id: &str) -> crate::Result<Execution> {
        self.post(&["v1", "executions", id, "release"])
            .json(&serde_json::json!({}))
            .send()
            .await
    }

    /// Executions that wait to be released.
    pub async fn execution_held(&self) -> crate::Result<HeldExecutions> {
        self.get(&["v1", "executions", "held"]).send().await
    }

    /// A person's word on an indeterminate execution.
    pub async fn execution_settle(&self, id: &str, settle: &Settle) -> crate::Result<Execution> {
        self.post(&["v1", "executions", id, "settle"])
            .json(settle)
            .send()
            .await
    }
}
