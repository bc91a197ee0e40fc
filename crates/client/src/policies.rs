//! Policies and policy sets.

use reqwest::Method;
use signoff_api::action::Submit;
use signoff_api::lint::{Findings, PolicyLint};
use signoff_api::policy::{
    Explanation, Policy, PolicyApplied, PolicyApply, PolicyBody, PolicyRemoveQuery, PolicySet,
    PolicySetVersion, PolicyVersion,
};
use signoff_api::simulation::{PolicySimulate, Simulation};
use signoff_api::{Page, PageQuery};

use crate::transport::Client;

impl Client {
    /// The policies in force.
    pub async fn policy_list(&self) -> crate::Result<PolicySet> {
        self.get(&["v1", "policies"]).send().await
    }

    /// Puts a whole set in place of the present one, or says what that would change.
    pub async fn policy_apply(&self, set: &PolicyApply) -> crate::Result<PolicyApplied> {
        self.call(Method::PUT, &["v1", "policies"]).json(set).send().await
    }

    /// Adds one policy.
    pub async fn policy_create(&self, policy: &PolicyBody, key: Option<&str>) -> crate::Result<Policy> {
        self.post(&["v1", "policies"]).key(key).json(policy).send().await
    }

    /// One policy, by name or id.
    pub async fn policy_view(&self, name: &str) -> crate::Result<Policy> {
        self.get(&["v1", "policies", name]).send().await
    }

    /// Replaces one policy.
    pub async fn policy_update(&self, name: &str, policy: &PolicyBody) -> crate::Result<Policy> {
        self.call(Method::PUT, &["v1", "policies", name])
            .json(policy)
            .send()
            .await
    }

    /// Removes one policy.
    pub async fn policy_remove(&self, name: &str, query: &PolicyRemoveQuery) -> crate::Result<()> {
        self.call(Method::DELETE, &["v1", "policies", name])
            .query(query)?
            .send_and_forget()
            .await
    }

    /// Versions of one policy, newest first.
    pub async fn policy_versions(&self, name: &str, page: &PageQuery) -> crate::Result<Page<PolicyVersion>> {
        self.get(&["v1", "policies", name, "versions"])
            .query(page)?
            .send()
            .await
    }

    /// Versions of the set, newest first.
    pub async fn policy_set_list(&self, page: &PageQuery) -> crate::Result<Page<PolicySetVersion>> {
        self.get(&["v1", "policy-sets"]).query(page)?.send().await
    }

    /// The set as it was in one version.
    pub async fn policy_set_view(&self, version: u64) -> crate::Result<PolicySet> {
        self.get(&["v1", "policy-sets", &version.to_string()])
            .send()
            .await
    }

    /// What is wrong with a set: the one in force, or one to be applied.
    pub async fn policy_lint(&self, set: &PolicyLint) -> crate::Result<Findings> {
        self.post(&["v1", "policies", "lint"]).json(set).send().await
    }

    /// What a set that is not in force would have said of what was asked before.
    pub async fn policy_simulate(&self, set: &PolicySimulate) -> crate::Result<Simulation> {
        self.post(&["v1", "policies", "simulate"]).json(set).send().await
    }

    /// Why an action gets the verdict it gets.
    pub async fn policy_explain(&self, action: &Submit) -> crate::Result<Explanation> {
        self.post(&["v1", "policies", "explain"])
            .json(action)
            .send()
            .await
    }
}
