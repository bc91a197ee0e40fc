//! Standing approvals: looked up before a person is asked, listed, taken back.

use std::collections::HashMap;

use signoff_core::{
    action::Action,
    authority::Operation,
    condition::Compiled,
    event::{Event, Nothing},
    fold::{RowKey, Rows},
    id::{AgentId, StandingId},
    judge::{AgentFacts, Verdict, holds},
    policy::PolicyRef,
    standing::{StandingRow, StandingState},
    time::Timestamp,
};
use signoff_store::Wants;

use crate::{
    Engine, EngineError, EngineResult,
    idempotency::{Once, want},
    snapshot::Snapshot,
    tenant::Tenant,
    turn::Draft,
    view::{Caller, Named, StandingView},
};

/// How many standing approvals are listed.
const LISTED_MAX: u32 = 1_000;
/// How many standing approvals one request is held against.
const CANDIDATES_MAX: usize = 50;

/// Those of a workspace that were not taken back, by whose requests they answer.
#[derive(Default)]
pub(crate) struct Standing(HashMap<(AgentId, String), Vec<Candidate>>);

struct Candidate {
    row: StandingRow,
    condition: Option<Compiled>,
}

impl Standing {
    pub(crate) fn of(rows: &Rows) -> Self {
        let mut by_kind: HashMap<_, Vec<Candidate>> = HashMap::new();
        let usable =
            |row: &&StandingRow| row.revoked.is_none() && row.uses_max.is_none_or(|max| row.uses < max);
        // Uses move no epoch: what is used up later stays a candidate until the next snapshot, and the batch knows.
        for row in rows.standing.values().filter(usable) {
            let condition = match row
                .condition
                .as_ref()
                .map(signoff_core::condition::Condition::compile)
            {
                None => None,
                Some(Ok(condition)) => Some(condition),
                // What can't be asked answers nothing.
                Some(Err(_)) => continue,
            };
            let kind = (row.agent, row.action.to_ascii_lowercase());
            by_kind.entry(kind).or_default().push(Candidate {
                row: row.clone(),
                condition,
            });
        }
        for candidates in by_kind.values_mut() {
            candidates.sort_by_key(|candidate| (candidate.row.expires_at, candidate.row.id));
        }
        Self(by_kind)
    }

    /// Those about this action of this agent that are not over, soonest to expire first: what a batch must read.
    pub(crate) fn of_kind(&self, action: &Action, agent: &AgentFacts, now: Timestamp) -> Vec<StandingId> {
        self.live(action, agent, now)
            .map(|candidate| candidate.row.id)
            .collect()
    }

    /// Those of them that answer this request. Uses are counted in the batch alone.
    pub(crate) fn for_request(
        &self,
        action: &Action,
        agent: &AgentFacts,
        policy: &PolicyRef,
        now: Timestamp,
    ) -> Vec<StandingId> {
        self.live(action, agent, now)
            .filter(|candidate| candidate.row.answers(agent.id, &action.name, policy, now))
            .filter(|candidate| {
                let condition = candidate.condition.as_ref();
                condition.is_none_or(|condition| holds(condition, action, agent, now))
            })
            .map(|candidate| candidate.row.id)
            .collect()
    }

    fn live(&self, action: &Action, agent: &AgentFacts, now: Timestamp) -> impl Iterator<Item = &Candidate> {
        let kind = (!self.0.is_empty()).then(|| (agent.id, action.name.to_ascii_lowercase()));
        let candidates = kind.and_then(|kind| self.0.get(&kind)).into_iter().flatten();
        candidates
            .filter(move |candidate| now < candidate.row.expires_at)
            .take(CANDIDATES_MAX)
    }
}

impl Engine {
    /// All standing approvals, newest first, those that are over too; the latest 1,000.
    ///
    /// # Errors
    /// If the caller may not see the workspace.
    pub async fn standing_approvals(&self, caller: &Caller) -> EngineResult<Vec<StandingView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let mut rows = self.store().standing_approvals(tenant.id, LISTED_MAX).await?;
        rows.sort_by_key(|row| std::cmp::Reverse((row.created_at, row.id)));
        let snapshot = tenant.snapshot();
        Ok(rows
            .into_iter()
            .map(|row| view(&snapshot, row, self.now()))
            .collect())
    }

    /// One standing approval.
    ///
    /// # Errors
    /// If there is none.
    pub async fn standing_approval(&self, caller: &Caller, id: StandingId) -> EngineResult<StandingView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let row = self.store().standing_approval(tenant.id, id).await?;
        let row = row.ok_or_else(|| EngineError::not_found("standing approval", id))?;
        Ok(view(&tenant.snapshot(), row, self.now()))
    }

    /// Takes a standing approval back: from the next request on a person is asked again, and what it let through and nobody
    /// took yet is not taken any more.
    ///
    /// # Errors
    /// If there is none, or it was taken back before.
    pub async fn revoke_standing(
        &self,
        caller: &Caller,
        id: StandingId,
        key: Option<&str>,
    ) -> EngineResult<StandingView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::RevokeStanding)?;
        let once = Once::of(&tenant, caller, "revoke_standing", key, &id)?;
        let mut wants = wants(&tenant, id);
        want(&mut wants, once.as_ref());
        let caller_then = caller.clone();
        self.write(&tenant, wants, move |turn| {
            let (principal, _) = turn.principal(&caller_then, Operation::RevokeStanding)?;
            if turn.before::<()>(once.as_ref())?.is_some() {
                return Ok(());
            }
            let row = turn.ledger.rows.standing.get(&id);
            let row = row.ok_or_else(|| EngineError::not_found("standing approval", id))?;
            let policy = row.policy.clone();
            if row.state(turn.now()) != StandingState::Revoked {
                let event = Event::StandingRevoked(Nothing {});
                turn.emit(Draft::new(event, principal.actor(), id).under(Some(&policy)))?;
            }
            turn.remember(once.as_ref(), &())
        })
        .await?;
        self.standing_approval(caller, id).await
    }
}

impl Engine {
    /// The standing approval that would answer in place of a person, as the store has it now: for a dry run.
    pub(crate) async fn standing_now(
        &self,
        tenant: &Tenant,
        snapshot: &Snapshot,
        (action, agent): (&Action, &AgentFacts),
        verdict: &Verdict,
        now: Timestamp,
    ) -> EngineResult<Option<StandingId>> {
        let Some(policy) = &verdict.policy else {
            return Ok(None);
        };
        for id in snapshot.standing(action, agent, verdict, now) {
            let row = self.store().standing_approval(tenant.id, id).await?;
            if row.is_some_and(|row| row.answers(agent.id, &action.name, policy, now)) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}

fn wants(tenant: &Tenant, id: StandingId) -> Wants {
    let mut wants = Wants::default();
    wants.rows.insert((tenant.id, RowKey::Standing(id)));
    wants
}

fn view(snapshot: &Snapshot, row: StandingRow, now: Timestamp) -> StandingView {
    let in_force = snapshot.prepared(&row.policy).is_some();
    StandingView {
        agent: Named {
            id: row.agent,
            name: snapshot.agent_name(row.agent),
        },
        granted_by: snapshot.named(&row.granted_by),
        revoked_by: row.revoked.as_ref().map(|revoked| snapshot.named(&revoked.by)),
        state: row.state(now),
        policy_changed: !in_force,
        row,
    }
}
