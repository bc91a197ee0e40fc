//! Reading approvals, and waiting for them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::Value;
use signoff_core::{
    actor::Principal,
    approval::{Refusal, has_voted, is_counted, may_stand, may_vote, standing},
    authority::{Operation, Permit},
    channel::ChannelKind,
    event::Ballot,
    id::{AgentId, ApplicationId, ApprovalId},
    rows::ApprovalRow,
    sentence,
    time::Timestamp,
};
use signoff_store::{ApprovalQuery, DeliveryRow, Search, StoredRequest};

use crate::{
    Engine, EngineError, EngineResult, calls,
    content::Opened,
    request::{ApprovalFilter, Until},
    snapshot::Snapshot,
    tenant::Tenant,
    view::{ApprovalView, Caller, Content, InfoView, May, Named, Page, StageView, ToldView, VoteView},
};

/// How many items one page has at most.
pub(crate) const PAGE_MAX: u32 = 200;

pub(crate) fn check_limit(limit: u32) -> EngineResult<u32> {
    if (1..=PAGE_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(EngineError::invalid(
            "/limit",
            format!("a page has 1 to {PAGE_MAX} items"),
        ))
    }
}

/// Whether a request belongs to an asker: an agent's are its own, an application's those it submitted. A key that was
/// handed on for a part sees what belongs to that part.
pub(crate) fn owns(
    caller: &Caller,
    agent: AgentId,
    application: Option<ApplicationId>,
    action: &str,
) -> bool {
    if caller.part.as_ref().is_some_and(|part| !part.covers(action)) {
        return false;
    }
    match &caller.principal {
        Principal::Agent(id) => *id == agent,
        Principal::Application(id) => application == Some(*id),
        _ => true,
    }
}

impl Engine {
    /// The row of an approval that the caller may see.
    pub(crate) async fn approval_row(
        &self,
        tenant: &Tenant,
        caller: &Caller,
        id: ApprovalId,
    ) -> EngineResult<ApprovalRow> {
        self.permit(caller, Operation::SeeActions)?;
        let row = self.store().approval(tenant.id, id).await?;
        row.filter(|row| owns(caller, row.agent, row.application, &row.action))
            .ok_or_else(|| EngineError::not_found("approval", id))
    }

    /// One approval, whole.
    ///
    /// # Errors
    /// If there is none, or it belongs to another asker.
    pub async fn approval(&self, caller: &Caller, id: ApprovalId) -> EngineResult<ApprovalView> {
        let tenant = self.tenant(caller)?;
        let request = self.request(&tenant, caller, id).await?;
        self.approval_view(&tenant, request).await
    }

    /// All that is kept of a request that the caller may see.
    pub(crate) async fn request(
        &self,
        tenant: &Tenant,
        caller: &Caller,
        id: ApprovalId,
    ) -> EngineResult<StoredRequest> {
        self.permit(caller, Operation::SeeActions)?;
        let request = self.store().request(tenant.id, id).await?;
        request
            .filter(|request| {
                let row = &request.approval;
                owns(caller, row.agent, row.application, &row.action)
            })
            .ok_or_else(|| EngineError::not_found("approval", id))
    }

    async fn approval_view(&self, tenant: &Tenant, request: StoredRequest) -> EngineResult<ApprovalView> {
        let (row, execution) = (request.approval, request.execution);
        let opened = Opened::open(tenant, request.payloads)?;
        let deliveries = self.store().told_of(tenant.id, &[row.id.action()]).await?;
        let snapshot = tenant.snapshot();
        let mut view = view(&snapshot, row, &opened, self.now());
        view.held = execution
            .as_ref()
            .is_some_and(|row| row.is_held(snapshot.log_epoch()));
        view.execution = execution;
        view.told = deliveries
            .into_iter()
            .map(|delivery| told_view(&snapshot, delivery))
            .collect();
        Ok(view)
    }

    /// A page of approvals.
    ///
    /// # Errors
    /// If the filter can't be read.
    pub async fn approvals(
        &self,
        caller: &Caller,
        filter: &ApprovalFilter,
    ) -> EngineResult<Page<ApprovalView>> {
        let tenant = self.tenant(caller)?;
        let permit = self.permit(caller, Operation::SeeActions)?;
        let limit = check_limit(filter.limit)?;
        let snapshot = tenant.snapshot();
        if let Some(glob) = &filter.action {
            signoff_core::name::check_glob(glob).map_err(|why| EngineError::invalid("/action", why))?;
        }
        let Some(agents) = agents(&snapshot, caller, permit, filter.agent.as_deref()) else {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        };
        let query = ApprovalQuery {
            statuses: filter.statuses.clone(),
            agents,
            action: filter.action.as_ref().map(|glob| glob.to_ascii_lowercase()),
            priority: filter.priority,
            risk: filter.risk,
            policy: filter.policy.as_ref().map(|name| name.to_ascii_lowercase()),
            search: filter
                .search
                .as_deref()
                .map(|words| search(&snapshot, words))
                .transpose()?,
            beyond: filter.beyond,
            oldest_first: filter.oldest_first,
            limit: limit + 1,
        };
        let mut rows = self.store().approvals(tenant.id, &query).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(|row| row.submitted_seq);
        // An application sees only what it submitted itself, also for agents that others speak for.
        rows.retain(|row| owns(caller, row.agent, row.application, &row.action));
        let wanted: Vec<u64> = rows.iter().flat_map(sequences).collect();
        let opened = Opened::read(self.store(), &tenant, &wanted).await?;
        let now = self.now();
        Ok(Page {
            items: rows
                .into_iter()
                .map(|row| view(&snapshot, row, &opened, now))
                .collect(),
            next,
        })
    }

    /// The approval as soon as it is decided (or changed), or as it stands when the time is up.
    ///
    /// # Errors
    /// If there is none, or it belongs to another asker.
    pub async fn wait(
        &self,
        caller: &Caller,
        id: ApprovalId,
        until: Until,
        at_most: Duration,
    ) -> EngineResult<ApprovalView> {
        if at_most.is_zero() {
            return self.approval(caller, id).await;
        }
        let tenant = self.tenant(caller)?;
        let aftermath = &self.inner.aftermath;
        let mut place = aftermath.waiters.register(id, until);
        if aftermath.deaf.load(Ordering::Relaxed) {
            aftermath.nudges.follow.notify_one();
        }
        if !self.approval_row(&tenant, caller, id).await?.status.is_terminal() {
            // Woken or not: what it is by now is read.
            drop(tokio::time::timeout(at_most, &mut place.woken).await);
        }
        self.approval(caller, id).await
    }

    /// What a caller may do with an approval right now.
    pub fn may(&self, caller: &Caller, approval: &ApprovalView) -> May {
        let row = &approval.row;
        let cancel = self.permit(caller, Operation::Cancel).is_ok() && !row.status.is_terminal();
        let Ok(tenant) = self.tenant(caller) else {
            return May {
                approve: Err(Refusal::NotNamed),
                edit: Err(Refusal::NotNamed),
                standing: Err(Refusal::NotNamed),
                always: false,
                deny: Err(Refusal::NotNamed),
                request_info: Err(Refusal::NotNamed),
                cancel: false,
                release: false,
            };
        };
        let snapshot = tenant.snapshot();
        let actor = caller.principal.actor();
        let selves = snapshot.selves(row.agent, approval.content.claims.requested_by.as_deref());
        let vote = |ballot| -> Result<(), Refusal> {
            if row.status.is_terminal() {
                return Err(Refusal::Ended(row.status));
            }
            if row.decide_by.is_some_and(|at| self.now() >= at) {
                return Err(Refusal::DeadlinePassed);
            }
            self.permit(caller, Operation::Decide)
                .map_err(|_| Refusal::NotNamed)?;
            may_vote(row, &actor, ballot, &*snapshot, selves).map(drop)
        };
        let again = |ballot: Ballot| {
            if has_voted(row, &actor, ballot) {
                Err(Refusal::AlreadyVoted)
            } else {
                Ok(())
            }
        };
        let askable = if row.accepts.info_requests {
            Ok(())
        } else {
            Err(Refusal::NotAskable)
        };
        let asked = if row.open_question().is_some() {
            Err(Refusal::AlreadyAsked)
        } else {
            Ok(())
        };
        let editable = match (row.requirement.allow_edit, row.accepts.edits) {
            (false, _) => Err(Refusal::EditForbidden),
            (true, false) => Err(Refusal::NotEditable),
            (true, true) => Ok(()),
        };
        let grant = row.call.as_ref().and_then(|call| call.grant);
        let made = || match &approval.content.call {
            Some(call) => calls::still_fits(&snapshot, row.agent, grant, call).map_err(Refusal::GrantUnfit),
            None => Ok(()),
        };
        let approve = vote(Ballot::Approve)
            .and_then(|()| again(Ballot::Approve))
            .and_then(|()| made());
        let always = self.permit(caller, Operation::Govern).is_ok()
            && row.policy.is_some()
            && !row.require_approval
            && approve.is_ok();
        May {
            edit: vote(Ballot::Approve).and(editable).and_then(|()| made()),
            standing: approve.clone().and_then(|()| may_stand(row, &actor)),
            always,
            approve,
            deny: vote(Ballot::Deny).and_then(|()| again(Ballot::Deny)),
            request_info: vote(Ballot::Deny).and(askable).and(asked),
            cancel,
            release: approval.held && self.permit(caller, Operation::Settle).is_ok(),
        }
    }
}

/// The agents that a caller may see, narrowed by what they asked for. `None`: nobody at all.
#[expect(
    clippy::option_option,
    reason = "nobody, everybody and some are three different things"
)]
pub(crate) fn agents(
    snapshot: &Snapshot,
    caller: &Caller,
    permit: Permit,
    wanted: Option<&str>,
) -> Option<Option<Vec<AgentId>>> {
    let named = match wanted {
        Some(wanted) => Some(snapshot.find_agent(wanted)?.id),
        None => None,
    };
    match (&caller.principal, permit, named) {
        (_, Permit::Never, _) => None,
        (Principal::Agent(id), _, named) => named.is_none_or(|named| named == *id).then_some(Some(vec![*id])),
        (_, _, Some(named)) => Some(Some(vec![named])),
        (_, _, None) => Some(None),
    }
}

/// Longest text to look for, in characters.
const SEARCH_CHARS_MAX: usize = 200;

/// Where words are looked for: in names of actions, and of agents as they are called now.
fn search(snapshot: &Snapshot, words: &str) -> EngineResult<Search> {
    if words.chars().count() > SEARCH_CHARS_MAX {
        return Err(EngineError::invalid(
            "/q",
            format!("at most {SEARCH_CHARS_MAX} characters can be looked for"),
        ));
    }
    let action = words.to_ascii_lowercase();
    let named = |row: &&signoff_core::rows::AgentRow| row.name.to_ascii_lowercase().contains(&action);
    let agents = snapshot
        .rows
        .agents
        .values()
        .filter(named)
        .map(|row| row.id)
        .collect();
    Ok(Search { action, agents })
}

/// The records whose payloads belong to an approval's view.
fn sequences(row: &ApprovalRow) -> Vec<u64> {
    let votes = row.votes.iter().map(|vote| vote.seq);
    let info = row
        .info
        .iter()
        .flat_map(|info| [Some(info.asked_seq), info.answered_seq].into_iter().flatten());
    let mut all: Vec<u64> = row
        .content_seqs()
        .chain(votes)
        .chain(info)
        .chain(row.decided_seq)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn view(snapshot: &Snapshot, row: ApprovalRow, opened: &Opened, now: Timestamp) -> ApprovalView {
    let content = Arc::new(opened.asked_content(&row));
    let agent = Named {
        id: row.agent,
        name: snapshot.agent_name(row.agent),
    };
    let owner = snapshot
        .rows
        .agents
        .get(&row.agent)
        .and_then(|agent| agent.owner)
        .map(|id| snapshot.person_view(id));
    let selves = snapshot.selves(row.agent, content.claims.requested_by.as_deref());
    let stages = standing(&row, snapshot, selves);
    let stages = stages.iter().zip(1..);
    let stages = stages
        .map(|(stands, number)| StageView::of(stands, number, |actor| snapshot.named(actor)))
        .collect();
    let votes = row
        .votes
        .iter()
        .map(|vote| VoteView {
            actor: snapshot.named(&vote.actor),
            ballot: vote.ballot,
            counted: is_counted(&row, vote, snapshot, selves),
            via: vote.via,
            comment: opened.text(vote.seq),
            at: vote.at,
        })
        .collect();
    let info = row
        .info
        .iter()
        .map(|info| InfoView {
            question: opened.text(info.asked_seq),
            asked_by: snapshot.named(&info.asked_by),
            asked_at: info.asked_at,
            answer: info.answered_seq.and_then(|seq| opened.text(seq)),
            answered_at: info.answered_at,
        })
        .collect();
    ApprovalView {
        sentence: compose(
            &agent.name,
            &row.action,
            &content,
            row.cost.as_ref().map(signoff_core::action::Cost::as_str),
        ),
        decided_by: row.decided_by.as_ref().map(|actor| snapshot.named(actor)),
        decision_reason: row.decided_seq.and_then(|seq| opened.text(seq)),
        stages,
        editors: row.edits.iter().map(|edit| snapshot.named(&edit.by)).collect(),
        votes,
        info,
        owner,
        agent,
        content,
        execution: None,
        held: false,
        told: Vec::new(),
        now,
        row: Arc::new(row),
    }
}

/// One message about an approval: to whom, by what, with what result.
fn told_view(snapshot: &Snapshot, delivery: DeliveryRow) -> ToldView {
    let channel = snapshot.rows.channels.get(&delivery.channel);
    ToldView {
        channel: Named {
            id: delivery.channel,
            name: channel.map_or_else(String::new, |row| row.name.clone()),
        },
        how: channel.map_or_else(ChannelKind::default, |row| row.kind),
        recipient: delivery.recipient.map(|id| Named {
            id,
            name: snapshot
                .person(id)
                .map_or_else(|| id.to_string(), |person| person.name.clone()),
        }),
        kind: delivery.kind,
        state: delivery.state,
        at: delivery.ended_at.unwrap_or(delivery.created_at),
        error: delivery.last_error,
    }
}

/// What would happen, in one plain sentence.
pub(crate) fn compose(
    agent: &str,
    action: &str,
    content: &Content,
    cost: Option<&str>,
) -> sentence::Sentence {
    // What is sent is the call; what else the agent says of it is not.
    if let Some(call) = &content.call {
        return sentence::compose_call(agent, call, cost);
    }
    let value = |object: &serde_json::Map<String, Value>| Value::Object(object.clone());
    sentence::compose(
        agent,
        action,
        &value(&content.inputs),
        &value(&content.context),
        cost,
    )
}
