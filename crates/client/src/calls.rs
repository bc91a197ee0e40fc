//! Grants, and the calls that Signoff makes with them.

use reqwest::Method;
use signoff_api::call::{CallAnswer, ProxyCall, ResultQuery};
use signoff_api::execution::{Execution, ExecutionQuery};
use signoff_api::grant::{Grant, GrantCreate, GrantKeysRotated, GrantUpdate};
use signoff_api::{Page, PageQuery};

use crate::transport::Client;

impl Client {
    /// Has a call made. An answer that is still to come is fetched with [`Client::execution_result`].
    pub async fn proxy_call(
        &self,
        call: &ProxyCall,
        wait: Option<u64>,
        key: Option<&str>,
    ) -> crate::Result<CallAnswer> {
        self.post(&["v1", "proxy"])
            .query(&ResultQuery { wait })?
            .called(wait)
            .key(key)
            .json(call)
            .send()
            .await
    }

    /// What a call came to; nothing is called again.
    pub async fn execution_result(&self, id: &str, wait: Option<u64>) -> crate::Result<CallAnswer> {
        self.get(&["v1", "executions", id, "result"])
            .query(&ResultQuery { wait })?
            .held(wait)
            .send()
            .await
    }

    /// One page of executions that have not come to their end.
    pub async fn execution_list(&self, query: &ExecutionQuery) -> crate::Result<Page<Execution>> {
        self.get(&["v1", "executions"]).query(query)?.send().await
    }

    /// One page of grants.
    pub async fn grant_list(&self, page: &PageQuery) -> crate::Result<Page<Grant>> {
        self.get(&["v1", "grants"]).query(page)?.send().await
    }

    /// Keeps a credential; its value is never shown again.
    pub async fn grant_create(&self, grant: &GrantCreate, key: Option<&str>) -> crate::Result<Grant> {
        self.post(&["v1", "grants"]).key(key).json(grant).send().await
    }

    /// Seals the value of every grant anew, each with another key of its own.
    pub async fn grant_rotate_keys(&self, key: Option<&str>) -> crate::Result<GrantKeysRotated> {
        self.post(&["v1", "grants", "rotate-keys"]).key(key).send().await
    }

    /// One grant, by id or name.
    pub async fn grant_view(&self, grant: &str) -> crate::Result<Grant> {
        self.get(&["v1", "grants", grant]).send().await
    }

    /// Changes a grant.
    pub async fn grant_update(&self, grant: &str, update: &GrantUpdate) -> crate::Result<Grant> {
        self.call(Method::PATCH, &["v1", "grants", grant])
            .json(update)
            .send()
            .await
    }

    /// Removes a grant.
    pub async fn grant_remove(&self, grant: &str) -> crate::Result<()> {
        self.call(Method::DELETE, &["v1", "grants", grant])
            .send_and_forget()
            .await
    }
}
