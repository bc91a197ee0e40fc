//! Actions, approvals and executions.

use std::{collections::BTreeMap, sync::Arc};

use super::{ActorView, GrantView, Named};
use bytes::Bytes;
use serde_json::{Map, Value};
use signoff_core::{
    action::Claims,
    actor::Actor,
    approval::{StageStanding, StageState},
    channel::ChannelKind,
    condition,
    event::{ExecutionState, ReportOutcome},
    http::Call,
    id::{ActionId, AgentId, ApprovalId, ChannelId, ExecutionId, OperatorId, StandingId},
    judge::{ReasonCode, Verdict},
    policy::{Effect, PolicyDoc, PolicyRef},
    requirement::Stage,
    rows::{ApprovalRow, ExecutionRow},
    sentence::Sentence,
    standing::{StandingRow, StandingState},
    time::{Micros, Timestamp},
};
use signoff_store::DeliveryState;

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
    /// The call that it stands for.
    pub call: Option<Arc<Call>>,
    /// Inputs, context, claims and call were erased.
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
    /// The standing approval that answered in place of a person.
    pub standing: Option<StandingId>,
    /// Headers of the call that were given and are not sent.
    pub dropped_headers: Vec<String>,
    /// Whether anybody hears of it, for [`Effect::Ask`].
    pub reach: Reach,
    /// It was submitted before, under the same idempotency key.
    pub replayed: bool,
}

/// Whether anybody hears of what is asked. It stands in the console in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Somebody who may decide, or a channel.
    #[default]
    Somebody,
    /// Only once quiet hours are over.
    Later(Timestamp),
    /// Nobody: no message leaves.
    Nobody,
}

/// What an agent said it did, as it was written down.
#[derive(Debug, Clone)]
pub struct Noted {
    /// What records call it.
    pub action_id: ActionId,
    /// When it was written down.
    pub at: Timestamp,
    /// It was written down before, under the same key.
    pub replayed: bool,
}

/// What policy would say (a dry run).
#[derive(Debug, Clone)]
pub struct Judged {
    /// Policy's answer, and where a standing approval answers for a person: allow.
    pub verdict: Verdict,
    /// For a deny: one sentence for the agent.
    pub reason: Option<String>,
    /// The standing approval that would answer in place of a person; explaining policy leaves it aside.
    pub standing: Option<StandingId>,
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
    /// Where it was cast, if neither in the console nor with a token.
    pub via: Option<signoff_core::event::Via>,
    /// Comment or reason.
    pub comment: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// One stage of a requirement, and how far it is.
#[derive(Debug, Clone)]
pub struct StageView {
    /// From 1.
    pub number: u32,
    /// What it asks for.
    pub stage: Stage,
    /// Where it stands.
    pub state: StageState,
    /// Whose approvals count in it.
    pub approved_by: Vec<ActorView>,
    /// Whose denials count in it.
    pub denied_by: Vec<ActorView>,
    /// How many approvals are still needed.
    pub needed: u32,
}

impl StageView {
    /// One stage as it stands, with people by the names that are known of them.
    pub fn of(stands: &StageStanding<'_>, number: u32, named: impl Fn(&Actor) -> ActorView) -> Self {
        let named = |actors: &[&Actor]| actors.iter().map(|actor| named(actor)).collect();
        Self {
            number,
            stage: stands.stage.clone(),
            state: stands.state,
            approved_by: named(&stands.approved_by),
            denied_by: named(&stands.denied_by),
            needed: stands.needed,
        }
    }
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
    /// What the channel is.
    pub how: ChannelKind,
    /// To which person; none: to the channel's own destination.
    pub recipient: Option<Named<OperatorId>>,
    /// What was told, such as `approval.pending`.
    pub kind: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it arrived or was given up, else when it was queued.
    pub at: Timestamp,
    /// What went wrong last.
    pub error: Option<String>,
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
    /// The stages, and how far they are.
    pub stages: Vec<StageView>,
    /// Who changed what is asked, one for each edit.
    pub editors: Vec<ActorView>,
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
    /// Whether that waits for a person to release it, since the log went on in another place.
    pub held: bool,
    /// Who was told (only in a single view, not in lists).
    pub told: Vec<ToldView>,
    /// The present time, for what is left.
    pub now: Timestamp,
}

/// A standing approval.
#[derive(Debug, Clone)]
pub struct StandingView {
    /// What it answers, and how often it has.
    pub row: StandingRow,
    /// Whose requests.
    pub agent: Named<AgentId>,
    /// Who gave it.
    pub granted_by: ActorView,
    /// Who took it back.
    pub revoked_by: Option<ActorView>,
    /// Where it stands.
    pub state: StandingState,
    /// The version of the policy whose question it answers is not in force any more: it answers nothing.
    pub policy_changed: bool,
}

/// What approving for ever would come to.
#[derive(Debug, Clone)]
pub struct AlwaysView {
    /// The policy as it would be written.
    pub policy: PolicyDoc,
    /// It takes the place of the policy that asks now.
    pub replaces: bool,
    /// Requests of the last 30 days that it would have covered.
    pub covered: Covered,
    /// Pending approvals that it would let through.
    pub pending: u64,
}

/// Requests by their end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Covered {
    /// Approved by people.
    pub approved: u64,
    /// Denied by people.
    pub denied: u64,
    /// Nobody decided in time.
    pub expired: u64,
    /// Any other end, or none yet.
    pub other: u64,
}

/// What a personal link opens.
#[derive(Debug, Clone)]
pub struct LinkView {
    /// Whose it is.
    pub operator: Named<OperatorId>,
    /// What it is about.
    pub approval: ApprovalView,
    /// Whether it decides; else why not.
    pub decides: Result<(), signoff_core::approval::Refusal>,
    /// What its holder may do.
    pub may: May,
    /// The grant that its call names.
    pub grant: Option<GrantView>,
    /// Names of those whom the requirement names by their id.
    pub approvers: BTreeMap<OperatorId, String>,
}

/// What a caller may do with an approval right now.
#[derive(Debug, Clone)]
pub struct May {
    /// Approve; else why not.
    pub approve: Result<(), signoff_core::approval::Refusal>,
    /// Approve with changes; else why not.
    pub edit: Result<(), signoff_core::approval::Refusal>,
    /// Approve further requests ahead; else why not.
    pub standing: Result<(), signoff_core::approval::Refusal>,
    /// Approve for ever.
    pub always: bool,
    /// Deny; else why not.
    pub deny: Result<(), signoff_core::approval::Refusal>,
    /// Ask the agent; else why not.
    pub request_info: Result<(), signoff_core::approval::Refusal>,
    /// Withdraw it.
    pub cancel: bool,
    /// Let go on what is held.
    pub release: bool,
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
    /// Whether it waits for a person to release it, since the log went on in another place.
    pub held: bool,
}

/// A call as it was submitted, and what came of it.
#[derive(Debug, Clone)]
pub struct Called {
    /// The answer to the submit.
    pub submitted: Submitted,
    /// What the call came to, or is at; none while nobody has approved it, or once it was refused.
    pub result: Option<CallResult>,
}

/// What a call of Signoff's came to.
#[derive(Debug, Clone)]
pub struct CallResult {
    /// The execution.
    pub row: ExecutionRow,
    /// Where it stands now. A permission whose time has passed reads as lapsed.
    pub state: ExecutionState,
    /// What came back.
    pub answer: Option<Answer>,
    /// It was there, and was erased.
    pub erased: bool,
}

/// The answer of an upstream, without the credential where it echoed it.
#[derive(Clone)]
pub struct Answer {
    /// Whatever it was.
    pub status: u16,
    /// Names in lower case and values, in order.
    pub headers: Vec<(String, String)>,
    /// The first MiB of the body.
    pub body: Bytes,
    /// The body was longer, or broke off.
    pub truncated: bool,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
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
