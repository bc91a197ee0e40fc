//! Agents, applications, operators, groups and webhooks: what an admin sets up.

use reqwest::Method;
use signoff_api::agent::{Agent, AgentCreate, AgentCreated, AgentUpdate};
use signoff_api::application::{Application, ApplicationCreate, ApplicationCreated, ApplicationUpdate};
use signoff_api::group::{Group, GroupPut};
use signoff_api::operator::{Operator, OperatorCreate, OperatorUpdate, Token, TokenCreate, TokenCreated};
use signoff_api::webhook::{Delivery, Webhook, WebhookCreate, WebhookCreated, WebhookUpdate, WebhookUpdated};
use signoff_api::{KeyRequest, Page, PageQuery};

use crate::transport::Client;

impl Client {
    /// One page of agents.
    pub async fn agent_list(&self, page: &PageQuery) -> crate::Result<Page<Agent>> {
        self.get(&["v1", "agents"]).query(page)?.send().await
    }

    /// Creates an agent; its key is in the answer, this once.
    pub async fn agent_create(&self, agent: &AgentCreate, key: Option<&str>) -> crate::Result<AgentCreated> {
        self.post(&["v1", "agents"]).key(key).json(agent).send().await
    }

    /// One agent, by id or name.
    pub async fn agent_view(&self, agent: &str) -> crate::Result<Agent> {
        self.get(&["v1", "agents", agent]).send().await
    }

    /// Changes an agent.
    pub async fn agent_update(&self, agent: &str, update: &AgentUpdate) -> crate::Result<Agent> {
        self.call(Method::PATCH, &["v1", "agents", agent])
            .json(update)
            .send()
            .await
    }

    /// Gives an agent a further key; the others go on working.
    pub async fn agent_create_key(
        &self,
        agent: &str,
        request: KeyRequest,
        key: Option<&str>,
    ) -> crate::Result<AgentCreated> {
        self.post(&["v1", "agents", agent, "keys"])
            .key(key)
            .json(&request)
            .send()
            .await
    }

    /// Gives an agent a new key; the old ones stop working.
    pub async fn agent_rotate_key(
        &self,
        agent: &str,
        request: KeyRequest,
        key: Option<&str>,
    ) -> crate::Result<AgentCreated> {
        self.post(&["v1", "agents", agent, "rotate-key"])
            .key(key)
            .json(&request)
            .send()
            .await
    }

    /// One page of applications.
    pub async fn application_list(&self, page: &PageQuery) -> crate::Result<Page<Application>> {
        self.get(&["v1", "applications"]).query(page)?.send().await
    }

    /// Creates an application; its key is in the answer, this once.
    pub async fn application_create(
        &self,
        application: &ApplicationCreate,
        key: Option<&str>,
    ) -> crate::Result<ApplicationCreated> {
        self.post(&["v1", "applications"])
            .key(key)
            .json(application)
            .send()
            .await
    }

    /// One application, by id or name.
    pub async fn application_view(&self, application: &str) -> crate::Result<Application> {
        self.get(&["v1", "applications", application]).send().await
    }

    /// Changes an application.
    pub async fn application_update(
        &self,
        application: &str,
        update: &ApplicationUpdate,
    ) -> crate::Result<Application> {
        self.call(Method::PATCH, &["v1", "applications", application])
            .json(update)
            .send()
            .await
    }

    /// Gives an application a new key; the old one stops working.
    pub async fn application_rotate_key(
        &self,
        application: &str,
        request: KeyRequest,
        key: Option<&str>,
    ) -> crate::Result<ApplicationCreated> {
        self.post(&["v1", "applications", application, "rotate-key"])
            .key(key)
            .json(&request)
            .send()
            .await
    }

    /// One page of operators.
    pub async fn operator_list(&self, page: &PageQuery) -> crate::Result<Page<Operator>> {
        self.get(&["v1", "operators"]).query(page)?.send().await
    }

    /// Adds an operator.
    pub async fn operator_create(
        &self,
        operator: &OperatorCreate,
        key: Option<&str>,
    ) -> crate::Result<Operator> {
        self.post(&["v1", "operators"])
            .key(key)
            .json(operator)
            .send()
            .await
    }

    /// One operator, by id.
    pub async fn operator_view(&self, id: &str) -> crate::Result<Operator> {
        self.get(&["v1", "operators", id]).send().await
    }

    /// Changes an operator.
    pub async fn operator_update(&self, id: &str, update: &OperatorUpdate) -> crate::Result<Operator> {
        self.call(Method::PATCH, &["v1", "operators", id])
            .json(update)
            .send()
            .await
    }

    /// One page of an operator's tokens.
    pub async fn token_list(&self, operator: &str, page: &PageQuery) -> crate::Result<Page<Token>> {
        self.get(&["v1", "operators", operator, "tokens"])
            .query(page)?
            .send()
            .await
    }

    /// Creates a personal token; it is in the answer, this once.
    pub async fn token_create(
        &self,
        operator: &str,
        token: &TokenCreate,
        key: Option<&str>,
    ) -> crate::Result<TokenCreated> {
        self.post(&["v1", "operators", operator, "tokens"])
            .key(key)
            .json(token)
            .send()
            .await
    }

    /// Revokes a personal token.
    pub async fn token_revoke(&self, operator: &str, token: &str) -> crate::Result<()> {
        self.call(Method::DELETE, &["v1", "operators", operator, "tokens", token])
            .send_and_forget()
            .await
    }

    /// One page of groups.
    pub async fn group_list(&self, page: &PageQuery) -> crate::Result<Page<Group>> {
        self.get(&["v1", "groups"]).query(page)?.send().await
    }

    /// Creates a group or replaces its members.
    pub async fn group_put(&self, name: &str, group: &GroupPut) -> crate::Result<Group> {
        self.call(Method::PUT, &["v1", "groups", name])
            .json(group)
            .send()
            .await
    }

    /// Removes a group.
    pub async fn group_remove(&self, name: &str) -> crate::Result<()> {
        self.call(Method::DELETE, &["v1", "groups", name])
            .send_and_forget()
            .await
    }

    /// One page of webhooks.
    pub async fn webhook_list(&self, page: &PageQuery) -> crate::Result<Page<Webhook>> {
        self.get(&["v1", "webhooks"]).query(page)?.send().await
    }

    /// Creates a webhook; its signing secret is in the answer, this once.
    pub async fn webhook_create(
        &self,
        webhook: &WebhookCreate,
        key: Option<&str>,
    ) -> crate::Result<WebhookCreated> {
        self.post(&["v1", "webhooks"]).key(key).json(webhook).send().await
    }

    /// One webhook, by id.
    pub async fn webhook_view(&self, id: &str) -> crate::Result<Webhook> {
        self.get(&["v1", "webhooks", id]).send().await
    }

    /// Changes a webhook, or says what that would change.
    pub async fn webhook_update(&self, id: &str, update: &WebhookUpdate) -> crate::Result<WebhookUpdated> {
        self.call(Method::PATCH, &["v1", "webhooks", id])
            .json(update)
            .send()
            .await
    }

    /// Removes a webhook.
    pub async fn webhook_remove(&self, id: &str) -> crate::Result<()> {
        self.call(Method::DELETE, &["v1", "webhooks", id])
            .send_and_forget()
            .await
    }

    /// One page of a webhook's deliveries, newest first.
    pub async fn delivery_list(&self, webhook: &str, page: &PageQuery) -> crate::Result<Page<Delivery>> {
        self.get(&["v1", "webhooks", webhook, "deliveries"])
            .query(page)?
            .send()
            .await
    }
}
