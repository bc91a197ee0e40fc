//! People decide, agents answer and withdraw; and what is pending is judged again.

mod again;
mod always;
mod asker;
mod edits;
mod standing;

use std::sync::Arc;

use serde::Serialize;
use signoff_core::{
    action::{Action, check_text},
    actor::Actor,
    approval::{Command, Refusal, Surroundings, transition},
    authority::Operation,
    event::{Ballot, Event},
    fold::RowKey,
    id::{AgentId, ApprovalId, StandingId},
    rows::ApprovalRow,
    standing::StandingTerms,
};
use signoff_store::{StoredRequest, Wants};

use crate::{
    Engine, EngineError, EngineResult,
    content::{Opened, asked, seal_text},
    idempotency::{Once, want},
    past::{self, Keys},
    request::{Always, Decide, Decision, Scope},
    seal::SealedPayload,
    snapshot::Snapshot,
    tenant::Tenant,
    turn::{Draft, Turn, mint_id},
    view::{ApprovalView, Caller},
};

pub(crate) use again::{by_system, is_clockwork, rejudge};

/// How many questions one approval takes.
const QUESTIONS_MAX: usize = 50;

/// A pending request as policy would see it again.
pub(crate) struct Pending {
    pub(crate) action: Action,
    pub(crate) requested_by: Option<String>,
}

impl Pending {
    /// What must be read of the past before it can be judged again.
    pub(crate) fn keys(&self, tenant: &Tenant, snapshot: &Snapshot, agent: AgentId) -> Keys {
        let facts = snapshot.facts(agent);
        facts.map_or_else(Keys::new, |facts| {
            past::keys(tenant, &snapshot.policies, (&self.action, facts), None)
        })
    }
}

/// What a batch needs to read for an approval.
pub(crate) fn wants_of(tenant: &Tenant, row: &ApprovalRow, once: Option<&Once>) -> Wants {
    let mut wants = Wants::default();
    wants.rows.insert((tenant.id, RowKey::Approval(row.id)));
    wants
        .rows
        .insert((tenant.id, RowKey::Execution(row.id.action().execution())));
    wants.rows.insert((tenant.id, RowKey::Counter(row.agent)));
    want(&mut wants, once);
    wants
}

/// What the turn of a decision needs beside the command.
enum Reach {
    Once,
    Edited(Box<edits::Change>),
    Standing(StandingId, StandingTerms),
    Always(Always),
}

#[derive(Serialize)]
struct SameDecision<'a> {
    approval: ApprovalId,
    decision: &'static str,
    digest: Option<signoff_core::payload::Hash32>,
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a Scope>,
}

impl Decision {
    fn scope(&self) -> &Scope {
        match self {
            Self::Approve { scope, .. } => scope,
            _ => &Scope::Once,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Approve { comment, .. } => comment.as_deref(),
            Self::Deny { reason, .. } => Some(reason),
            Self::RequestInfo { question } => Some(question),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Deny { .. } => "deny",
            Self::RequestInfo { .. } => "request_info",
        }
    }

    fn field(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "/comment",
            Self::Deny { .. } => "/reason",
            Self::RequestInfo { .. } => "/question",
        }
    }
}

impl Engine {
    /// Votes, or asks the agent.
    ///
    /// Policy is asked again first, in the same batch: what it denies or allows by now ends the approval before the vote.
    ///
    /// # Errors
    /// Why the vote changes nothing; an approval that ended before says how and by whom.
    pub async fn decide(
        &self,
        caller: &Caller,
        id: ApprovalId,
        decide: Decide,
        key: Option<&str>,
    ) -> EngineResult<ApprovalView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Decide)?;
        let decision = &decide.decision;
        check_text(decision.text().unwrap_or_default())
            .map_err(|why| EngineError::invalid(decision.field(), why))?;
        if matches!(decision, Decision::RequestInfo { question } if question.trim().is_empty()) {
            return Err(EngineError::invalid(
                "/question",
                "say what the agent should answer",
            ));
        }
        let request = self.request(&tenant, caller, id).await?;
        let row = &request.approval;
        if matches!(decision, Decision::RequestInfo { .. }) && row.info.len() >= QUESTIONS_MAX {
            let why = format!("this request was asked {QUESTIONS_MAX} questions; decide it");
            return Err(EngineError::invalid("/question", why));
        }
        let digest = match decision {
            Decision::Approve { digest, .. } => Some(*digest),
            Decision::Deny { digest, .. } => *digest,
            Decision::RequestInfo { .. } => None,
        };
        let same = SameDecision {
            approval: id,
            decision: decision.name(),
            digest,
            text: decision.text(),
            scope: Some(decision.scope()).filter(|scope| **scope != Scope::Once),
        };
        let once = Once::of(&tenant, caller, "decide", key, &same)?;
        let words = seal_text(&tenant.key, id.0, decision.text());
        let wants = wants_of(&tenant, row, once.as_ref());
        let agent = row.agent;
        let reach = Arc::new(self.reach(&tenant, caller, decision, &request)?);
        let pending = pending_request(&tenant, request)?.map(Arc::new);
        let (judged, reaching) = (pending.clone(), Arc::clone(&reach));
        let wanted = |snapshot: &Snapshot| {
            let judged = judged.as_ref();
            let mut keys = judged.map_or_else(Keys::new, |pending| pending.keys(&tenant, snapshot, agent));
            if let (Reach::Edited(change), Some(facts)) = (&*reaching, snapshot.facts(agent)) {
                keys.extend(past::keys(
                    &tenant,
                    &snapshot.policies,
                    (&change.action, facts),
                    None,
                ));
            }
            keys
        };
        let caller_then = caller.clone();
        self.write_judging(&tenant, wants, wanted, move |turn| {
            let (principal, _) = turn.principal(&caller_then, Operation::Decide)?;
            if turn.before::<()>(once.as_ref())?.is_some() {
                return Ok(());
            }
            if let Some(pending) = &pending {
                rejudge(turn, id, pending)?;
            }
            let requested_by = pending
                .as_ref()
                .and_then(|pending| pending.requested_by.as_deref());
            let (actor, commented) = (principal.actor(), words.is_some());
            let command = match &decide.decision {
                Decision::RequestInfo { .. } => Command::RequestInfo,
                Decision::Approve { digest, .. } => vote(Ballot::Approve, Some(*digest), &decide, commented),
                Decision::Deny { digest, .. } => vote(Ballot::Deny, *digest, &decide, commented),
            };
            let voting = Voting {
                id,
                actor: &actor,
                requested_by,
                words: words.clone(),
            };
            match (&*reach, &pending) {
                (Reach::Edited(change), Some(_)) => edits::edit_and_vote(turn, &voting, change, &decide)?,
                (Reach::Standing(standing, terms), _) => {
                    standing::vote_and_grant(turn, &voting, &command, *standing, terms)?;
                }
                (Reach::Always(always), Some(pending)) => {
                    always::vote_and_put(turn, &voting, &command, (&caller_then, *always), pending)?;
                }
                _ => voting.cast(turn, &command)?,
            }
            turn.remember(once.as_ref(), &())
        })
        .await?;
        self.approval(caller, id).await
    }

    /// What a decision needs to have prepared before its turn.
    fn reach(
        &self,
        tenant: &Tenant,
        caller: &Caller,
        decision: &Decision,
        request: &StoredRequest,
    ) -> EngineResult<Reach> {
        Ok(match decision.scope() {
            Scope::Once => Reach::Once,
            // What has ended is told so by the machine.
            Scope::Edited(_) if request.approval.status.is_terminal() => Reach::Once,
            Scope::Edited(edit) => Reach::Edited(Box::new(edits::prepare(tenant, request, edit)?)),
            Scope::Standing(terms) => {
                terms
                    .check()
                    .map_err(|(field, why)| EngineError::invalid(format!("/standing{field}"), why))?;
                Reach::Standing(StandingId(mint_id(self.now())), terms.clone())
            }
            Scope::Always(always) => {
                self.permit(caller, Operation::Govern)?;
                Reach::Always(*always)
            }
        })
    }
}

/// What is needed to judge a pending approval again; none for one that ended.
///
/// # Errors
/// If what was asked can't be read any more: then nobody can decide on it.
fn pending_request(tenant: &Tenant, request: StoredRequest) -> EngineResult<Option<Pending>> {
    let row = request.approval;
    if row.status.is_terminal() {
        return Ok(None);
    }
    let content = Opened::open(tenant, request.payloads)?.asked_content(&row);
    Ok(Some(Pending {
        action: asked(&row, &content)?,
        requested_by: content.claims.requested_by,
    }))
}

pub(crate) fn vote(
    ballot: Ballot,
    digest: Option<signoff_core::payload::Hash32>,
    decide: &Decide,
    commented: bool,
) -> Command<'static> {
    Command::Vote {
        ballot,
        digest,
        view: decide.view.clone(),
        commented,
    }
}

/// Somebody's vote, on its way.
pub(crate) struct Voting<'a> {
    pub(crate) id: ApprovalId,
    pub(crate) actor: &'a Actor,
    pub(crate) requested_by: Option<&'a str>,
    /// Comment, reason or question.
    pub(crate) words: Option<SealedPayload>,
}

impl Voting<'_> {
    pub(crate) fn cast(&self, turn: &mut Turn<'_>, command: &Command<'_>) -> EngineResult<()> {
        step(
            turn,
            self.id,
            command,
            self.actor,
            self.requested_by,
            self.words.clone(),
        )
    }

    /// What the machine says of a command, nothing being written.
    pub(crate) fn try_out(&self, turn: &Turn<'_>, command: &Command<'_>) -> EngineResult<Option<Event>> {
        let snapshot = turn.snapshot();
        let row = turn.approval(self.id)?;
        let around = Surroundings {
            now: turn.now(),
            actor: self.actor,
            roster: &*snapshot,
            selves: snapshot.selves(row.agent, self.requested_by),
        };
        transition(row, command, &around).map_err(|refusal| ended(turn, row, refusal))
    }
}

/// One step of the decision machine in the batch.
pub(crate) fn step(
    turn: &mut Turn<'_>,
    id: ApprovalId,
    command: &Command<'_>,
    actor: &Actor,
    requested_by: Option<&str>,
    words: Option<SealedPayload>,
) -> EngineResult<()> {
    let voting = Voting {
        id,
        actor,
        requested_by,
        words,
    };
    let event = voting.try_out(turn, command)?;
    let policy = turn.approval(id)?.policy.clone();
    if let Some(event) = event {
        turn.emit(
            Draft::new(event, actor.clone(), id)
                .under(policy.as_ref())
                .with(voting.words),
        )?;
    }
    Ok(())
}

/// A refusal, with who was first where it ended before.
fn ended(turn: &Turn<'_>, row: &ApprovalRow, refusal: Refusal) -> EngineError {
    match refusal {
        Refusal::Ended(status) => EngineError::Ended {
            status,
            by: row.decided_by.as_ref().map(|actor| turn.snapshot().named(actor)),
            at: row.decided_at,
        },
        other => other.into(),
    }
}
