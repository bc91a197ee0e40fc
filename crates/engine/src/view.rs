//! What the engine answers: rows of core with names, contents and people put to them. Doors turn it into wire or pages.

use std::{collections::BTreeMap, sync::Arc};

use secrecy::SecretString;
use serde_json::{Map, Value};
use signoff_core::{
    action::Claims,
    actor::{ActorKind, Auth, Principal},
    condition,
    event::{ExecutionState, ReportOutcome},
    id::{ActionId, AgentId, ApprovalId, ChannelId, ExecutionId, GroupId, KeyId, OperatorId, WorkspaceId},
    judge::{ReasonCode, Verdict},
    payload::Hash32,
    policy::{Effect, Orphaned, PolicyDoc, PolicyRef, Settings},
    record::{Head, Record},
    requirement::Role,
    rows::{AgentRow, ApplicationRow, ApprovalRow, ExecutionRow, OperatorRow, PolicyRow},
    sentence::Sentence,
    time::{Micros, Timestamp},
};
pub use signoff_store::DeliveryState;

/// Who calls, and where: established by `Engine::authenticate` or `Engine::session`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The only workspace this caller can see.
    pub workspace: WorkspaceId,
    /// Who.
    pub principal: Principal,
    /// The key they came with, so that it can be looked at again when something is recorded.
    pub(crate) key: Option<KeyId>,
}

/// Somebody who did something, with a name for people where one is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorView {
    /// What kind of somebody.
    pub kind: ActorKind,
    /// Their id; for the system the part that acted.
    pub id: Option<String>,
    /// How they proved it.
    pub auth: Option<Auth>,
    /// For people.
    pub name: Option<String>,
}

/// An id with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<Id> {
    /// Which.
    pub id: Id,
    /// For people.
    pub name: String,
}

/// What belongs to a request and is kept encrypted beside the log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Content {
    /// The arguments.
    pub inputs: Map<String, Value>,
    /// Whatever else helps to judge.
    pub context: Map<String, Value>,
    /// The agent's free text.
    pub claims: Claims,
    /// The governing policy's conditions with what they saw at submission.
    pub conditions: Vec<condition::Report>,
    /// Inputs, context and claims were erased.
    pub erased: bool,
}

/// The answer to a submit. For a repeated idempotency key it says how things stand now.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// The request.
    pub action_id: ActionId,
    /// Allow: go on. Deny: do not. Ask: a human decides.
    pub effect: Effect,
    /// For [`Effect::Allow`].
    pub execution_id: Option<ExecutionId>,
    /// Where a human decides or has decided.
    pub approval_id: Option<ApprovalId>,
    /// Until when people have, for [`Effect::Ask`].
    pub decide_by: Option<Timestamp>,
    /// The same from now.
    pub expires_in: Option<Micros>,
    /// The request asked for longer than the policy gives.
    pub timeout_cut: bool,
    /// The policy that governs.
    pub policy: Option<PolicyRef>,
    /// Its conditions with what they saw.
    pub conditions: Vec<condition::Report>,
    /// For [`Effect::Deny`].
    pub code: Option<ReasonCode>,
    /// For [`Effect::Deny`]: one sentence for the agent.
    pub reason: Option<String>,
    /// It was submitted before, under the same idempotency key.
    pub replayed: bool,
}

/// What policy would say (a dry run).
#[derive(Debug, Clone)]
pub struct Judged {
    /// Policy's answer.
    pub verdict: Verdict,
    /// For a deny: one sentence for the agent.
    pub reason: Option<String>,
}

/// Why policy says so: every matching policy.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Policy's answer.
    pub judged: Judged,
    /// The governing one first, then by how specific they are.
    pub matches: Vec<ExplainedMatch>,
}

/// One matching policy.
#[derive(Debug, Clone)]
pub struct ExplainedMatch {
    /// Which.
    pub policy: PolicyRef,
    /// What it says; none if its conditions take it out.
    pub effect: Option<Effect>,
    /// It governs.
    pub governs: bool,
    /// One sentence.
    pub why: String,
    /// Each condition with what it saw.
    pub conditions: Vec<condition::Report>,
}

/// A vote with its words.
#[derive(Debug, Clone)]
pub struct VoteView {
    /// Who.
    pub actor: ActorView,
    /// Yes or no.
    pub ballot: signoff_core::event::Ballot,
    /// Whether it counts.
    pub counted: bool,
    /// Comment or reason.
    pub comment: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A question with its answer.
#[derive(Debug, Clone)]
pub struct InfoView {
    /// The question.
    pub question: Option<String>,
    /// Who asked.
    pub asked_by: ActorView,
    /// When.
    pub asked_at: Timestamp,
    /// The agent's answer.
    pub answer: Option<String>,
    /// When.
    pub answered_at: Option<Timestamp>,
}

/// Who was told, by what, with what result.
#[derive(Debug, Clone)]
pub struct ToldView {
    /// The channel.
    pub channel: Named<ChannelId>,
    /// What was told, such as `approval.pending`.
    pub kind: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it arrived or was given up, else when it was queued.
    pub at: Timestamp,
}

/// One approval, whole.
#[derive(Debug, Clone)]
pub struct ApprovalView {
    /// Where it stands.
    pub row: Arc<ApprovalRow>,
    /// Who asks.
    pub agent: Named<AgentId>,
    /// The agent's owner.
    pub owner: Option<ActorView>,
    /// What is asked.
    pub content: Arc<Content>,
    /// What would happen, in one plain sentence.
    pub sentence: Sentence,
    /// Votes with their words.
    pub votes: Vec<VoteView>,
    /// Questions and answers.
    pub info: Vec<InfoView>,
    /// Who brought the end.
    pub decided_by: Option<ActorView>,
    /// Their words.
    pub decision_reason: Option<String>,
    /// Its execution, once approved.
    pub execution: Option<ExecutionRow>,
    /// Who was told (only in a single view, not in lists).
    pub told: Vec<ToldView>,
    /// The present time, for what is left.
    pub now: Timestamp,
}

/// What a caller may do with an approval right now.
#[derive(Debug, Clone)]
pub struct May {
    /// Approve; else why not.
    pub approve: Result<(), signoff_core::approval::Refusal>,
    /// Deny; else why not.
    pub deny: Result<(), signoff_core::approval::Refusal>,
    /// Ask the agent; else why not.
    pub request_info: Result<(), signoff_core::approval::Refusal>,
    /// Withdraw it.
    pub cancel: bool,
}

/// A page of something, with the cursor of the next.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// In order.
    pub items: Vec<T>,
    /// What to give as `beyond` for the next page.
    pub next: Option<u64>,
}

/// An action, whole, with where it stands.
#[derive(Debug, Clone)]
pub struct ActionView {
    /// How things stand now, as a submit would answer.
    pub submitted: Submitted,
    /// The action's name as written.
    pub action: String,
    /// Who asked.
    pub agent: Named<AgentId>,
    /// Priority, risk, cost and the rest as claimed.
    pub facts: signoff_core::event::ActionFacts,
    /// What was asked.
    pub content: Arc<Content>,
    /// When.
    pub created_at: Timestamp,
}

/// An execution, whole.
#[derive(Debug, Clone)]
pub struct ExecutionView {
    /// Where it stands. A permission whose time has passed reads as lapsed, whether or not the clock's worker has run.
    pub row: ExecutionRow,
    /// The state as of now.
    pub state: ExecutionState,
    /// Who carries it out.
    pub agent: Named<AgentId>,
    /// Where a human approved it.
    pub approval_id: Option<ApprovalId>,
    /// What runs.
    pub content: Arc<Content>,
    /// What was reported.
    pub report: Option<ReportView>,
}

/// What an agent reported.
#[derive(Debug, Clone)]
pub struct ReportView {
    /// In one word.
    pub outcome: ReportOutcome,
    /// In the agent's words.
    pub detail: Option<String>,
    /// What came out.
    pub result: Option<Map<String, Value>>,
}

/// The policy set in force.
#[derive(Debug, Clone)]
pub struct PolicySetView {
    /// 0 before the first.
    pub version: u64,
    /// As they are.
    pub settings: Settings,
    /// Older first.
    pub policies: Vec<PolicyRow>,
}

/// What applying a set changed, or would change.
#[derive(Debug, Clone)]
pub struct PoliciesApplied {
    /// The version now in force.
    pub version: u64,
    /// Nothing was changed.
    pub dry_run: bool,
    /// Names.
    pub added: Vec<String>,
    /// Names.
    pub changed: Vec<String>,
    /// Names.
    pub removed: Vec<String>,
    /// Names.
    pub unchanged: Vec<String>,
    /// Pending approvals that are judged otherwise under the new set.
    pub pending_affected: u64,
}

impl PoliciesApplied {
    /// Nothing changed so far.
    pub(crate) fn of(version: u64, dry_run: bool) -> Self {
        let (added, changed, removed, unchanged) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            version,
            dry_run,
            added,
            changed,
            removed,
            unchanged,
            pending_affected: 0,
        }
    }
}

/// One version of one policy.
#[derive(Debug, Clone)]
pub struct PolicyVersionView {
    /// From 1.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// As written; none where it was removed.
    pub policy: Option<PolicyDoc>,
    /// Who.
    pub by: ActorView,
}

/// One version of the set.
#[derive(Debug, Clone)]
pub struct PolicySetVersionView {
    /// From 1.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: ActorView,
    /// The record.
    pub seq: u64,
    /// What became of pending approvals that it orphaned.
    pub orphaned: Orphaned,
}

/// An agent.
#[derive(Debug, Clone)]
pub struct AgentView {
    /// As it is.
    pub row: AgentRow,
    /// The person behind it.
    pub owner: Option<Named<OperatorId>>,
    /// The application that registered it.
    pub application: Option<Named<signoff_core::id::ApplicationId>>,
    /// When its present key was made.
    pub key_created_at: Option<Timestamp>,
}

/// An application.
#[derive(Debug, Clone)]
pub struct ApplicationView {
    /// As it is.
    pub row: ApplicationRow,
    /// When its present key was made.
    pub key_created_at: Option<Timestamp>,
}

/// An operator.
#[derive(Debug, Clone)]
pub struct OperatorView {
    /// As it is.
    pub row: OperatorRow,
    /// For people.
    pub name: String,
    /// To sign in with.
    pub email: String,
    /// Names of groups.
    pub groups: Vec<String>,
}

/// A personal token, without its value.
#[derive(Debug, Clone)]
pub struct TokenView {
    /// Which.
    pub id: KeyId,
    /// For people.
    pub name: String,
    /// Its last characters.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Opens nothing any more.
    pub revoked: bool,
}

/// A group.
#[derive(Debug, Clone)]
pub struct GroupView {
    /// Which.
    pub id: GroupId,
    /// As written.
    pub name: String,
    /// Who.
    pub members: Vec<Named<OperatorId>>,
}

/// Something new with the secret that is shown once; none where an idempotency key is repeated.
#[derive(Debug, Clone)]
pub struct Created<T> {
    /// What was made.
    pub made: T,
    /// Shown once.
    pub secret: Option<SecretString>,
}

/// A webhook, without address and secret.
#[derive(Debug, Clone)]
pub struct WebhookView {
    /// Which.
    pub id: ChannelId,
    /// As written.
    pub name: String,
    /// Scheme, host and port.
    pub origin: String,
    /// What it wants; none means all.
    pub events: Vec<String>,
    /// Tells nothing.
    pub disabled: bool,
    /// When.
    pub created_at: Timestamp,
}

/// One message to one webhook.
#[derive(Debug, Clone)]
pub struct DeliveryView {
    /// The message's stable id: that of the event.
    pub id: String,
    /// The record it is about (the cursor).
    pub seq: u64,
    /// What is told.
    pub kind: String,
    /// Id of what it is about.
    pub subject: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// So far.
    pub attempts: u32,
    /// The last answer.
    pub last_status: Option<u16>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it is tried again.
    pub next_at: Option<Timestamp>,
    /// When it arrived or was given up.
    pub ended_at: Option<Timestamp>,
    /// When it was queued.
    pub created_at: Timestamp,
}

/// One record with names and words for people.
#[derive(Debug, Clone)]
pub struct EventView {
    /// The record.
    pub record: Record,
    /// Its hash.
    pub hash: Hash32,
    /// Who did it.
    pub actor: ActorView,
    /// What happened, in one plain sentence.
    pub summary: String,
    /// The action's name, where the record is about a request.
    pub action: Option<String>,
    /// Whose request.
    pub agent: Option<Named<AgentId>>,
    /// Reason, comment, question or answer.
    pub text: Option<String>,
}

/// A record as exported: canonical bytes with their hash.
#[derive(Debug, Clone)]
pub struct ExportedRecord {
    /// Its place.
    pub seq: u64,
    /// SHA-256 of the bytes.
    pub hash: Hash32,
    /// Canonical JSON.
    pub bytes: Vec<u8>,
}

/// Whether the log is whole, and the store what it says.
#[derive(Debug, Clone)]
pub struct Verification {
    /// Nothing is wrong.
    pub ok: bool,
    /// Records checked.
    pub records: u64,
    /// Folded rows, payloads and secrets were compared too.
    pub with_store: bool,
    /// Folded rows compared.
    pub rows: u64,
    /// Records whose payloads were erased.
    pub erased: u64,
    /// Payloads that are gone without a record of their erasure.
    pub payloads_missing: u64,
    /// Where the log stands.
    pub head: Head,
    /// What is wrong, at most 100.
    pub faults: Vec<Fault>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `chain`, `index`, `fold`, `payload`, `secret` or `head`.
    pub kind: &'static str,
    /// The record.
    pub seq: Option<u64>,
    /// The table.
    pub table: Option<String>,
    /// The row's id.
    pub row: Option<String>,
    /// One sentence.
    pub detail: String,
}

/// The workspace.
#[derive(Debug, Clone)]
pub struct WorkspaceView {
    /// Which.
    pub id: WorkspaceId,
    /// As they are.
    pub settings: Settings,
    /// Version of the policy set.
    pub policy_set: u64,
    /// When its log began.
    pub created_at: Timestamp,
}

/// Who a caller is.
#[derive(Debug, Clone)]
pub struct Me {
    /// Kind, id and name.
    pub actor: ActorView,
    /// For operators and automations.
    pub role: Option<Role>,
    /// For operators.
    pub email: Option<String>,
    /// Where.
    pub workspace: Named<WorkspaceId>,
    /// The server's time.
    pub now: Timestamp,
}

/// A browser that is signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// For the cookie; 64 hexadecimal digits.
    pub cookie: SecretString,
    /// Who.
    pub operator: OperatorId,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Something happened: for live pages.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Whose log.
    pub workspace: WorkspaceId,
    /// The record.
    pub seq: u64,
    /// Its id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Its type.
    pub event_type: &'static str,
    /// What it happened to.
    pub subject: String,
    /// Where the approval stands after it, for records about one.
    pub status: Option<signoff_core::event::ApprovalStatus>,
    /// Whose request.
    pub agent: Option<AgentId>,
}

/// Counted over approvals; each list is sorted for showing.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Submitted in the window.
    pub total: u64,
    /// Of these, not at their end.
    pub pending: u64,
    /// Approved by people or automation.
    pub approved: u64,
    /// Denied by people or automation.
    pub denied: u64,
    /// Median and the like over human decisions, in seconds.
    pub decision_seconds_average: Option<f64>,
    /// Nine of ten decisions were not slower, in seconds.
    pub decision_seconds_p90: Option<f64>,
    /// Ran out of time.
    pub expired: u64,
    /// Withdrawn.
    pub cancelled: u64,
    /// Replaced.
    pub superseded: u64,
    /// Approved by a changed policy or by `--auto-approve`.
    pub system_approved: u64,
    /// Denied by a changed policy.
    pub system_denied: u64,
    /// By the word of the priority.
    pub by_priority: BTreeMap<signoff_core::action::Priority, Counts>,
    /// By the word of the risk.
    pub by_risk: BTreeMap<signoff_core::action::Risk, Counts>,
    /// The ten most frequent, most frequent first.
    pub top_actions: Vec<(String, Counts)>,
}

/// Counts of one slice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub total: u64,
    /// Not at their end.
    pub pending: u64,
    /// By people.
    pub approved: u64,
    /// By people.
    pub denied: u64,
}

/// One part of being ready.
#[derive(Debug, Clone)]
pub struct ReadyCheck {
    /// `store`, `writer`, …
    pub name: &'static str,
    /// It works.
    pub ok: bool,
    /// What is wrong.
    pub detail: Option<String>,
}

/// Numbers for metrics; counters since start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Numbers {
    /// Submits that were allowed.
    pub allowed: u64,
    /// Submits that were denied.
    pub denied: u64,
    /// Submits that ask.
    pub asked: u64,
    /// Votes and info requests.
    pub decisions: u64,
    /// Committed batches.
    pub batches: u64,
    /// Commands in them.
    pub commands: u64,
    /// Waiting callers.
    pub waiters: u64,
    /// Deliveries that arrived.
    pub delivered: u64,
    /// Attempts that failed.
    pub delivery_failures: u64,
}
