//! An admin approves for ever: a new version of policy in the same step as the vote.

use signoff_core::{
    actor::ActorKind,
    approval::Command,
    authority::Operation,
    counted::Moment,
    event::ApprovalStatus,
    id::ApprovalId,
    policy::{Effect, PolicyDoc, PolicyEffect},
    rows::ApprovalRow,
    time::{Micros, Timestamp},
};
use signoff_store::ApprovalQuery;

use super::{Pending, Voting};
use crate::{
    Engine, EngineError, EngineResult,
    approvals::PAGE_MAX,
    policies::{put_one, with_policy},
    request::Always,
    snapshot::Snapshot,
    tenant::Tenant,
    turn::Turn,
    view::{AlwaysView, Caller, Covered},
};

/// How far back it is looked at what would have been covered.
const COVERED_SPAN: Micros = Micros::seconds(30 * 24 * 3600);
/// How many requests are looked at.
const COVERED_MAX: usize = 10_000;

/// Approves, and lets further requests through by policy. Where the one can't be done, nothing is.
pub(super) fn vote_and_put(
    turn: &mut Turn<'_>,
    voting: &Voting<'_>,
    command: &Command<'_>,
    (caller, always): (&Caller, Always),
    pending: &Pending,
) -> EngineResult<()> {
    turn.principal(caller, Operation::Govern)?;
    voting.try_out(turn, command)?;
    let snapshot = turn.snapshot();
    let doc = proposed(&snapshot, turn.approval(voting.id)?, always)?;
    lets_through(&snapshot, turn, voting, &doc, pending)?;
    voting.cast(turn, command)?;
    put_one(turn, caller, &doc)
}

impl Engine {
    /// What approving for ever would come to: the policy, what it would have covered in the last 30 days, what is pending.
    ///
    /// # Errors
    /// If no policy asks for it, or the caller may not govern.
    pub async fn always(&self, caller: &Caller, id: ApprovalId, always: Always) -> EngineResult<AlwaysView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let row = self.approval_row(&tenant, caller, id).await?;
        let snapshot = tenant.snapshot();
        let policy = proposed(&snapshot, &row, always)?;
        let pending = self.pending_under(&tenant, &snapshot, &policy).await?;
        Ok(AlwaysView {
            replaces: snapshot.find_policy(&policy.name).is_some(),
            covered: self.covered(&tenant, &row, always).await?,
            pending: pending.allowed,
            policy,
        })
    }

    /// What was asked for in the last 30 days and would not have been, by how it ended.
    async fn covered(&self, tenant: &Tenant, like: &ApprovalRow, always: Always) -> EngineResult<Covered> {
        let since = Timestamp(self.now().0 - COVERED_SPAN.0);
        let mut covered = Covered::default();
        let mut query = ApprovalQuery {
            agents: (always == Always::Action).then(|| vec![like.agent]),
            action: (always == Always::Action).then(|| like.action.to_ascii_lowercase()),
            policy: like
                .policy
                .as_ref()
                .map(|policy| policy.name.to_ascii_lowercase()),
            limit: PAGE_MAX,
            ..ApprovalQuery::default()
        };
        let mut looked_at = 0;
        loop {
            let rows = self.store().approvals(tenant.id, &query).await?;
            for row in rows.iter().filter(|row| row.created_at >= since) {
                let by_people = row
                    .decided_by
                    .as_ref()
                    .is_some_and(|by| by.kind != ActorKind::System);
                let count = match row.status {
                    ApprovalStatus::Approved if by_people => &mut covered.approved,
                    ApprovalStatus::Denied if by_people => &mut covered.denied,
                    ApprovalStatus::Expired => &mut covered.expired,
                    _ => &mut covered.other,
                };
                *count += 1;
            }
            looked_at += rows.len();
            match rows.last() {
                Some(last)
                    if last.created_at >= since
                        && rows.len() == PAGE_MAX as usize
                        && looked_at < COVERED_MAX =>
                {
                    query.beyond = Some(last.submitted_seq);
                }
                _ => return Ok(covered),
            }
        }
    }
}

/// The policy that would let such requests through.
///
/// # Errors
/// Where no policy asks, so that there is none to write anew.
pub(crate) fn proposed(snapshot: &Snapshot, row: &ApprovalRow, always: Always) -> EngineResult<PolicyDoc> {
    let policy = row.policy.as_ref();
    let governing = policy.and_then(|policy| snapshot.rows.policies.get(&policy.id));
    let Some(governing) = governing.filter(|row| !row.removed) else {
        let why = "no policy asks for this; write one that allows it";
        return Err(EngineError::invalid("/always", why));
    };
    let mut doc = governing.doc.clone();
    // The conditions of a conditional policy tell what passes without a person: what is asked for is the rest.
    if doc.effect == PolicyEffect::Conditional {
        doc.conditions.clear();
    }
    doc.effect = PolicyEffect::Allow;
    doc.otherwise = None;
    doc.guard = false;
    if always == Always::Action {
        let agent = snapshot.agent_name(row.agent);
        doc.name = format!("always-{}-by-{agent}", row.action)
            .chars()
            .take(200)
            .collect();
        doc.description = Some(format!("Approved for ever where `{}` asked.", governing.doc.name));
        doc.actions = vec![row.action.clone()];
        doc.agents = vec![agent];
    }
    doc.check()
        .map_err(|problem| EngineError::invalid("/always", problem.why))?;
    Ok(doc)
}

fn lets_through(
    snapshot: &Snapshot,
    turn: &mut Turn<'_>,
    voting: &Voting<'_>,
    doc: &PolicyDoc,
    pending: &Pending,
) -> EngineResult<()> {
    let row = turn.approval(voting.id)?;
    let agent = row.agent;
    let own = row.counted_rows();
    let facts = snapshot.facts(agent).ok_or(EngineError::Internal)?;
    let past = turn.past((&pending.action, facts), None, &own)?;
    let moment = Moment {
        now: turn.now(),
        past: Some(&past),
    };
    let verdict = with_policy(snapshot, doc, turn.now())?.judge(&pending.action, facts, moment);
    if verdict.effect == Effect::Allow {
        return Ok(());
    }
    let by = verdict.policy.map_or_else(
        || "the agent asked for a person itself".to_owned(),
        |policy| format!("the policy `{}` would still stand against it", policy.name),
    );
    let why = format!("such a request would not pass: {by}; nothing was changed");
    Err(EngineError::invalid("/always", why))
}
