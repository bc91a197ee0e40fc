//! The engine's operations, being written. Every caller-given operation checks authority itself.
#![allow(unused_variables, clippy::todo, clippy::unused_async, clippy::missing_panics_doc, missing_docs)]

use std::time::Duration;

use secrecy::SecretString;
use signoff_core::{
    authority::{Operation, Permit},
    id::{ActionId, ApprovalId, ChannelId, ExecutionId, KeyId, OperatorId},
    policy::{Orphaned, PolicyDoc},
    rows::PolicyRow,
    time::Timestamp,
};
use tokio::sync::broadcast;

use crate::{Engine, EngineOptions, EngineResult, StartError, request::*, view::*};

/// The key that a client gave with a request that must not happen twice.
pub type IdempotencyKey<'a> = Option<&'a str>;

impl Engine {
    // ---- life
    pub async fn start(options: EngineOptions) -> Result<Self, StartError> { todo!() }
    /// Stops taking commands, finishes what was taken, ends the workers.
    pub async fn stop(&self) { todo!() }
    pub async fn ready(&self) -> Vec<ReadyCheck> { todo!() }
    pub fn numbers(&self) -> Numbers { todo!() }
    /// Pending approvals of the one workspace, for the metric.
    pub async fn pending(&self) -> EngineResult<u64> { todo!() }
    pub fn now(&self) -> Timestamp { todo!() }
    pub fn public_url(&self) -> &str { todo!() }
    /// The console page of an approval.
    pub fn approval_url(&self, id: ApprovalId) -> String { todo!() }
    pub fn auto_approves(&self) -> bool { todo!() }

    // ---- identity. `authenticate` reads memory only.
    pub fn authenticate(&self, key: &str) -> EngineResult<Caller> { todo!() }
    pub fn permit(&self, caller: &Caller, operation: Operation) -> EngineResult<Permit> { todo!() }
    pub fn me(&self, caller: &Caller) -> EngineResult<Me> { todo!() }
    /// The first-run token, while there is no operator yet.
    pub fn setup_token(&self) -> Option<SecretString> { todo!() }
    pub async fn set_up(&self, set_up: SetUp) -> EngineResult<SignedIn> { todo!() }
    pub async fn sign_in(&self, sign_in: SignIn) -> EngineResult<SignedIn> { todo!() }
    pub async fn session(&self, cookie: &str) -> EngineResult<Caller> { todo!() }
    pub async fn sign_out(&self, cookie: &str) -> EngineResult<()> { todo!() }
    /// A token for one sign-in of this operator within 15 minutes, kept in memory (the demo's link).
    pub fn mint_entry(&self, operator: OperatorId) -> SecretString { todo!() }
    /// Whom such a token signs in, without using it up.
    pub fn entry_name(&self, token: &str) -> Option<String> { todo!() }
    pub async fn enter(&self, token: &str) -> EngineResult<SignedIn> { todo!() }

    // ---- actions and executions
    pub async fn submit(&self, caller: &Caller, submit: Submit, key: IdempotencyKey<'_>) -> EngineResult<Submitted> { todo!() }
    /// Dry run: memory only, leaves no trace.
    pub fn check(&self, caller: &Caller, submit: &Submit) -> EngineResult<Judged> { todo!() }
    pub fn explain(&self, caller: &Caller, submit: &Submit) -> EngineResult<Explanation> { todo!() }
    pub async fn action(&self, caller: &Caller, id: ActionId) -> EngineResult<ActionView> { todo!() }
    /// Deletes inputs, context and all words of a finished request.
    pub async fn erase(&self, caller: &Caller, id: ActionId) -> EngineResult<()> { todo!() }
    pub async fn execution(&self, caller: &Caller, id: ExecutionId) -> EngineResult<ExecutionView> { todo!() }
    pub async fn consume(&self, caller: &Caller, id: ExecutionId, key: IdempotencyKey<'_>) -> EngineResult<ExecutionView> { todo!() }
    pub async fn report(&self, caller: &Caller, id: ExecutionId, report: Report, key: IdempotencyKey<'_>) -> EngineResult<ExecutionView> { todo!() }
    pub async fn settle(&self, caller: &Caller, id: ExecutionId, settle: Settle, key: IdempotencyKey<'_>) -> EngineResult<ExecutionView> { todo!() }

    // ---- approvals
    pub async fn approval(&self, caller: &Caller, id: ApprovalId) -> EngineResult<ApprovalView> { todo!() }
    /// For several ids at once use the list; it reads contents in one statement.
    pub async fn approvals(&self, caller: &Caller, filter: &ApprovalFilter) -> EngineResult<Page<ApprovalView>> { todo!() }
    /// The approval as soon as it is decided (or changed), or as it stands when the time is up.
    pub async fn wait(&self, caller: &Caller, id: ApprovalId, until: Until, at_most: Duration) -> EngineResult<ApprovalView> { todo!() }
    pub async fn decide(&self, caller: &Caller, id: ApprovalId, decide: Decide, key: IdempotencyKey<'_>) -> EngineResult<ApprovalView> { todo!() }
    pub async fn answer(&self, caller: &Caller, id: ApprovalId, answer: String, key: IdempotencyKey<'_>) -> EngineResult<ApprovalView> { todo!() }
    pub async fn cancel(&self, caller: &Caller, id: ApprovalId, reason: Option<String>, key: IdempotencyKey<'_>) -> EngineResult<ApprovalView> { todo!() }
    pub fn may(&self, caller: &Caller, approval: &ApprovalView) -> May { todo!() }
    /// Records about the request, oldest first.
    pub async fn approval_events(&self, caller: &Caller, id: ApprovalId) -> EngineResult<Vec<EventView>> { todo!() }
    pub async fn stats(&self, caller: &Caller, since: Option<Timestamp>) -> EngineResult<Stats> { todo!() }

    // ---- policies. A policy is found by its name (without case) or id.
    pub fn policies(&self, caller: &Caller) -> EngineResult<PolicySetView> { todo!() }
    pub fn policy(&self, caller: &Caller, name: &str) -> EngineResult<PolicyRow> { todo!() }
    pub async fn apply_policies(&self, caller: &Caller, apply: ApplyPolicies, key: IdempotencyKey<'_>) -> EngineResult<PoliciesApplied> { todo!() }
    /// Refuses a name that is taken.
    pub async fn create_policy(&self, caller: &Caller, doc: PolicyDoc, key: IdempotencyKey<'_>) -> EngineResult<PolicyRow> { todo!() }
    /// Replaces it, or makes it if there is none of the name.
    pub async fn put_policy(&self, caller: &Caller, name: &str, doc: PolicyDoc) -> EngineResult<PolicyRow> { todo!() }
    pub async fn remove_policy(&self, caller: &Caller, name: &str, orphaned: Option<Orphaned>) -> EngineResult<()> { todo!() }
    pub async fn policy_versions(&self, caller: &Caller, name: &str) -> EngineResult<Vec<PolicyVersionView>> { todo!() }
    /// Newest first; `beyond` is a sequence.
    pub async fn policy_set_versions(&self, caller: &Caller, beyond: Option<u64>, limit: u32) -> EngineResult<Page<PolicySetVersionView>> { todo!() }
    pub async fn policy_set_at(&self, caller: &Caller, version: u64) -> EngineResult<PolicySetView> { todo!() }

    // ---- principals. Lists are by name; `beyond` counts items. Agents and applications are found by id or name.
    pub fn agents(&self, caller: &Caller, beyond: Option<u64>, limit: u32) -> EngineResult<Page<AgentView>> { todo!() }
    pub fn agent(&self, caller: &Caller, agent: &str) -> EngineResult<AgentView> { todo!() }
    pub async fn create_agent(&self, caller: &Caller, create: CreateAgent, key: IdempotencyKey<'_>) -> EngineResult<Created<AgentView>> { todo!() }
    pub async fn update_agent(&self, caller: &Caller, agent: &str, update: UpdateAgent) -> EngineResult<AgentView> { todo!() }
    pub async fn rotate_agent_key(&self, caller: &Caller, agent: &str, key: IdempotencyKey<'_>) -> EngineResult<Created<AgentView>> { todo!() }
    pub fn applications(&self, caller: &Caller, beyond: Option<u64>, limit: u32) -> EngineResult<Page<ApplicationView>> { todo!() }
    pub fn application(&self, caller: &Caller, application: &str) -> EngineResult<ApplicationView> { todo!() }
    pub async fn create_application(&self, caller: &Caller, create: CreateApplication, key: IdempotencyKey<'_>) -> EngineResult<Created<ApplicationView>> { todo!() }
    pub async fn update_application(&self, caller: &Caller, application: &str, update: UpdateApplication) -> EngineResult<ApplicationView> { todo!() }
    pub async fn rotate_application_key(&self, caller: &Caller, application: &str, key: IdempotencyKey<'_>) -> EngineResult<Created<ApplicationView>> { todo!() }
    pub fn operators(&self, caller: &Caller, beyond: Option<u64>, limit: u32) -> EngineResult<Page<OperatorView>> { todo!() }
    /// By id or e-mail address.
    pub fn operator(&self, caller: &Caller, operator: &str) -> EngineResult<OperatorView> { todo!() }
    pub async fn create_operator(&self, caller: &Caller, create: CreateOperator, key: IdempotencyKey<'_>) -> EngineResult<OperatorView> { todo!() }
    pub async fn update_operator(&self, caller: &Caller, operator: &str, update: UpdateOperator) -> EngineResult<OperatorView> { todo!() }
    /// `operator` may be `me`.
    pub fn tokens(&self, caller: &Caller, operator: &str) -> EngineResult<Vec<TokenView>> { todo!() }
    pub async fn create_token(&self, caller: &Caller, operator: &str, name: String, key: IdempotencyKey<'_>) -> EngineResult<Created<TokenView>> { todo!() }
    pub async fn revoke_token(&self, caller: &Caller, operator: &str, token: KeyId) -> EngineResult<()> { todo!() }
    pub fn groups(&self, caller: &Caller, beyond: Option<u64>, limit: u32) -> EngineResult<Page<GroupView>> { todo!() }
    /// Members by id or e-mail address. Makes the group if there is none of the name.
    pub async fn put_group(&self, caller: &Caller, name: &str, members: Vec<String>) -> EngineResult<GroupView> { todo!() }
    pub async fn remove_group(&self, caller: &Caller, name: &str) -> EngineResult<()> { todo!() }

    // ---- webhooks
    pub fn webhooks(&self, caller: &Caller, beyond: Option<u64>, limit: u32) -> EngineResult<Page<WebhookView>> { todo!() }
    pub fn webhook(&self, caller: &Caller, id: ChannelId) -> EngineResult<WebhookView> { todo!() }
    pub async fn create_webhook(&self, caller: &Caller, create: CreateWebhook, key: IdempotencyKey<'_>) -> EngineResult<Created<WebhookView>> { todo!() }
    pub async fn remove_webhook(&self, caller: &Caller, id: ChannelId) -> EngineResult<()> { todo!() }
    pub async fn deliveries(&self, caller: &Caller, id: ChannelId, beyond: Option<u64>, limit: u32) -> EngineResult<Page<DeliveryView>> { todo!() }

    // ---- workspace and log
    pub async fn workspace(&self, caller: &Caller) -> EngineResult<WorkspaceView> { todo!() }
    pub async fn update_workspace(&self, caller: &Caller, change: SettingsChange) -> EngineResult<WorkspaceView> { todo!() }
    pub async fn events(&self, caller: &Caller, filter: &EventFilter) -> EngineResult<Page<EventView>> { todo!() }
    pub async fn event(&self, caller: &Caller, seq: u64) -> EngineResult<EventView> { todo!() }
    /// Oldest first, for the export: call again with the last sequence until it is empty.
    pub async fn exported(&self, caller: &Caller, beyond: u64, limit: u32) -> EngineResult<Vec<ExportedRecord>> { todo!() }
    pub async fn verify(&self, caller: &Caller, with_store: bool) -> EngineResult<Verification> { todo!() }
    /// What happens from now on, all workspaces: keep only the caller's, and for agents only their own.
    /// A lagging reader gets `RecvError::Lagged` and must be told to resync. Needs `Operation::SeeWorkspace`.
    pub fn notices(&self, caller: &Caller) -> EngineResult<broadcast::Receiver<Notice>> { todo!() }
    /// Notices after a sequence, oldest first, for a reader that comes back.
    pub async fn notices_since(&self, caller: &Caller, seq: u64, limit: u32) -> EngineResult<Vec<Notice>> { todo!() }
}

