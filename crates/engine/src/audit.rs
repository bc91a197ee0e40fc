//! Reading the log: events with names and words, the export, the live feed.

use std::collections::HashMap;

use signoff_core::{
    actor::{ActorKind, Auth},
    authority::{Operation, Permit},
    event::{
        ApprovalEnd, ApprovalStatus, Ballot, CallFault, Event, ExecutionFinished, ExecutionState, KeySet,
        RevokedBecause, Via,
    },
    id::{AgentId, ApprovalId, RawId},
    record::Record,
};
use signoff_store::{RecordQuery, StoredRecord};
use tokio::sync::broadcast;

use crate::{
    Engine, EngineError, EngineResult,
    approvals::{PAGE_MAX, agents, check_limit},
    content::Opened,
    request::EventFilter,
    snapshot::Snapshot,
    stops,
    tenant::Tenant,
    turn::notice,
    view::{Caller, EventView, ExportedRecord, Named, Notice, Page},
};

/// How many records one piece of an export carries.
pub(crate) const EXPORT_MAX: u32 = 500;

/// The digits of any id.
fn digits(subject: &str) -> EngineResult<RawId> {
    let digits = subject.rsplit_once('_').map_or(subject, |(_, digits)| digits);
    let mut raw = [0; 16];
    let fits = digits.len() == 32 && hex::decode_to_slice(digits, &mut raw).is_ok();
    if fits {
        Ok(RawId(raw))
    } else {
        Err(EngineError::invalid("/subject", "this is not an id"))
    }
}

impl Engine {
    /// A page of records.
    ///
    /// # Errors
    /// If the filter can't be read.
    pub async fn events(&self, caller: &Caller, filter: &EventFilter) -> EngineResult<Page<EventView>> {
        let tenant = self.tenant(caller)?;
        let permit = self.permit(caller, Operation::SeeWorkspace)?;
        self.events_of(&tenant, caller, permit, filter).await
    }

    /// A page of the records that a permit lets the caller see.
    pub(crate) async fn events_of(
        &self,
        tenant: &Tenant,
        caller: &Caller,
        permit: Permit,
        filter: &EventFilter,
    ) -> EngineResult<Page<EventView>> {
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
        let actor = filter.actor.as_ref().map(|text| {
            let operator = snapshot.find_operator(text).map(|row| row.id.to_string());
            operator.unwrap_or_else(|| text.clone())
        });
        let query = RecordQuery {
            beyond: filter.beyond,
            newest_first: !filter.oldest_first,
            limit: limit + 1,
            subject: filter.subject.as_deref().map(digits).transpose()?,
            agents,
            action: filter.action.as_ref().map(|glob| glob.to_ascii_lowercase()),
            actor,
            event_type: filter.event_type.clone(),
            decision: filter.decision.clone(),
            since: filter.since,
        };
        let mut records = self.store().records(tenant.id, &query).await?;
        let more = records.len() > limit as usize;
        records.truncate(limit as usize);
        let next = records.last().filter(|_| more).map(|stored| stored.seq);
        Ok(Page {
            items: self.event_views(tenant, records).await?,
            next,
        })
    }

    /// One record by its sequence.
    ///
    /// # Errors
    /// If there is none.
    pub async fn event(&self, caller: &Caller, seq: u64) -> EngineResult<EventView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let records = self.store().records_at(tenant.id, &[seq]).await?;
        self.event_views(&tenant, records)
            .await?
            .pop()
            .ok_or_else(|| EngineError::not_found("event", seq))
    }

    /// Records about a request, oldest first.
    ///
    /// # Errors
    /// If there is none, or it belongs to another asker.
    pub async fn approval_events(&self, caller: &Caller, id: ApprovalId) -> EngineResult<Vec<EventView>> {
        let tenant = self.tenant(caller)?;
        self.approval_row(&tenant, caller, id).await?;
        let query = RecordQuery {
            subject: Some(id.0),
            limit: PAGE_MAX,
            ..RecordQuery::default()
        };
        let records = self.store().records(tenant.id, &query).await?;
        self.event_views(&tenant, records).await
    }

    /// Oldest first, for the export: call again with the last sequence until it is empty.
    ///
    /// # Errors
    /// If the caller may not see the log.
    pub async fn exported(
        &self,
        caller: &Caller,
        beyond: u64,
        limit: u32,
    ) -> EngineResult<Vec<ExportedRecord>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let query = RecordQuery {
            beyond: Some(beyond),
            limit: limit.clamp(1, EXPORT_MAX),
            ..RecordQuery::default()
        };
        let records = self.store().records(tenant.id, &query).await?;
        Ok(records
            .into_iter()
            .map(|stored| ExportedRecord {
                seq: stored.seq,
                hash: stored.hash,
                bytes: stored.bytes,
            })
            .collect())
    }

    /// What happens from now on, of all workspaces: keep only the caller's.
    /// A lagging reader gets `RecvError::Lagged` and must read anew.
    ///
    /// # Errors
    /// If the caller may not see the workspace.
    pub fn notices(&self, caller: &Caller) -> EngineResult<broadcast::Receiver<Notice>> {
        self.permit(caller, Operation::SeeWorkspace)?;
        Ok(self.inner.aftermath.notices.subscribe())
    }

    /// Notices after a sequence, oldest first, for a reader that comes back.
    ///
    /// # Errors
    /// If the caller may not see the workspace.
    pub async fn notices_since(&self, caller: &Caller, seq: u64, limit: u32) -> EngineResult<Vec<Notice>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        self.notices_between(&tenant, seq, limit).await
    }

    /// Notices of the records after a sequence.
    pub(crate) async fn notices_between(
        &self,
        tenant: &Tenant,
        after: u64,
        limit: u32,
    ) -> EngineResult<Vec<Notice>> {
        let query = RecordQuery {
            beyond: Some(after),
            limit: limit.clamp(1, EXPORT_MAX),
            ..RecordQuery::default()
        };
        let mut notices = Vec::new();
        for stored in self.store().records(tenant.id, &query).await? {
            let record: Record = serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
            let mut notice = notice(&record, None);
            notice.status = status_after(&record.event);
            notices.push(notice);
        }
        Ok(notices)
    }

    async fn event_views(&self, tenant: &Tenant, records: Vec<StoredRecord>) -> EngineResult<Vec<EventView>> {
        let snapshot = tenant.snapshot();
        let sequences: Vec<u64> = records.iter().map(|stored| stored.seq).collect();
        let opened = Opened::read(self.store(), tenant, &sequences).await?;
        let mut parsed = Vec::with_capacity(records.len());
        for stored in records {
            let record: Record = serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
            parsed.push((record, stored.hash));
        }
        let requests = self.requests(tenant, &parsed).await?;
        let views = parsed.into_iter().map(|(record, hash)| {
            let request = signoff_store::subject_digits(&record.subject);
            let (action, agent) = requests.get(&request).cloned().unzip();
            EventView {
                summary: summary(&snapshot, &record, action.as_deref()),
                actor: snapshot.named(&record.actor),
                text: opened.text(record.seq),
                agent: agent.map(|id| Named {
                    id,
                    name: snapshot.agent_name(id),
                }),
                action,
                hash,
                record,
            }
        });
        Ok(views.collect())
    }

    /// Which action and agent the requests behind some records are about, in one statement.
    async fn requests(
        &self,
        tenant: &Tenant,
        records: &[(Record, signoff_core::payload::Hash32)],
    ) -> EngineResult<HashMap<RawId, (String, AgentId)>> {
        let mut found: HashMap<RawId, (String, AgentId)> = HashMap::new();
        let mut unknown: Vec<RawId> = Vec::new();
        for (record, _) in records {
            let digits = signoff_store::subject_digits(&record.subject);
            match &record.event {
                Event::ActionAllowed(allowed) => {
                    drop(found.insert(digits, (allowed.action.name.clone(), allowed.action.agent)));
                }
                Event::ActionDenied(denied) => {
                    drop(found.insert(digits, (denied.action.name.clone(), denied.action.agent)));
                }
                Event::ActionNoted(noted) => {
                    drop(found.insert(digits, (noted.name.clone(), noted.agent)));
                }
                Event::ApprovalRequested(asked) => {
                    drop(found.insert(digits, (asked.action.name.clone(), asked.action.agent)));
                }
                _ if is_about_request(&record.subject) => unknown.push(digits),
                _ => {}
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        unknown.retain(|digits| !found.contains_key(digits));
        if !unknown.is_empty() {
            for stored in self.store().submissions(tenant.id, &unknown).await? {
                let record: Record =
                    serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
                let digits = signoff_store::subject_digits(&record.subject);
                let facts = match record.event {
                    Event::ActionAllowed(allowed) => allowed.action,
                    Event::ActionDenied(denied) => denied.action,
                    Event::ApprovalRequested(asked) => asked.action,
                    _ => continue,
                };
                found.insert(digits, (facts.name, facts.agent));
            }
        }
        Ok(found)
    }
}

fn is_about_request(subject: &str) -> bool {
    ["act_", "apr_", "exe_"]
        .iter()
        .any(|prefix| subject.starts_with(prefix))
}

/// Where an approval stands after an event, as far as the event alone says.
fn status_after(event: &Event) -> Option<ApprovalStatus> {
    match event {
        Event::ApprovalRequested(_) | Event::InfoAnswered(_) => Some(ApprovalStatus::Pending),
        Event::InfoRequested(_) => Some(ApprovalStatus::InfoRequested),
        Event::ApprovalEnded(end) => Some(end.status),
        Event::ApprovalVoted(voted) => voted.end.as_ref().map(|end| end.status),
        _ => None,
    }
}

/// What happened, in one plain sentence.
fn summary(snapshot: &Snapshot, record: &Record, action: Option<&str>) -> String {
    let who = snapshot
        .named(&record.actor)
        .name
        .unwrap_or_else(|| "somebody unknown".into());
    let action = action.unwrap_or("an action");
    match &record.event {
        Event::ActionAllowed(_) => format!("{who} asked for {action}: allowed by policy"),
        Event::ActionDenied(denied) => format!("{who} asked for {action}: denied ({})", denied.code),
        Event::ActionNoted(noted) => format!("{who} noted {action}: {}", noted.outcome),
        Event::ApprovalRequested(_) => format!("{who} asked for {action}: a person must decide"),
        Event::ApprovalRejudged(_) => format!("policy changed for {action}: still asked, under new terms"),
        Event::ApprovalVoted(voted) => {
            let word = if voted.ballot == Ballot::Approve {
                "approved"
            } else {
                "denied"
            };
            let stage = voted.stage.as_ref();
            let rest = match stage {
                _ if voted.end.is_some() => String::new(),
                Some(stage) if stage.for_nothing => " (their stage is over: it counts for nothing)".into(),
                Some(stage) if !stage.completed_by.is_empty() => format!(" (stage {} is done)", stage.number),
                Some(stage) => format!(" (stage {} needs more votes)", stage.number),
                None => " (more votes are needed)".into(),
            };
            let by = match voted.via() {
                Some(Via::Link { .. }) => " by a personal link",
                Some(Via::Channel { .. }) => " in a message",
                None => "",
            };
            format!("{who} {word} {action}{by}{rest}")
        }
        Event::ApprovalEnded(end) => ended(&who, action, end),
        Event::ApprovalEdited(_) => {
            format!("{who} changed what is asked for {action}: votes before it are void")
        }
        Event::InfoRequested(_) if record.actor.auth == Some(Auth::Link) => {
            format!("{who} asked the agent about {action} by a personal link")
        }
        Event::InfoRequested(_) if record.actor.auth == Some(Auth::Channel) => {
            format!("{who} asked the agent about {action} in a message")
        }
        Event::InfoRequested(_) => format!("{who} asked the agent about {action}"),
        Event::InfoAnswered(_) => format!("{who} answered a question about {action}"),
        Event::ApprovalEscalated(_) if record.actor.kind != ActorKind::System => {
            format!("{who} asked that further people be told of {action}")
        }
        Event::ApprovalEscalated(_) => format!("nobody decided on {action} in time: further people are told"),
        Event::ExecutionConsumed(_) => format!("{who} took the permission for {action}"),
        Event::ExecutionReported(reported) => format!("{who} reported {action}: {}", reported.outcome),
        Event::ExecutionStarted(_) => format!("the call for {action} began"),
        Event::ExecutionRepeated(_) => {
            format!("the call for {action} began again: the server had ended in the middle of it")
        }
        Event::ExecutionFinished(finished) => call_ended(action, finished),
        Event::ExecutionSettled(settled) => format!("{who} settled {action}: {}", settled.state),
        Event::ExecutionLapsed(_) => format!("the permission for {action} was not used in time"),
        Event::ExecutionRevoked(_) if record.actor.id.as_deref() == Some(stops::PART) => {
            format!("the permission for {action} was taken back because of a stop")
        }
        Event::ExecutionRevoked(revoked) => {
            let why = revoked.because.map(revoked_because).unwrap_or_default();
            format!("the permission for {action} was taken back{why}")
        }
        Event::ExecutionReleased(_) => format!("{who} released the permission for {action}"),
        Event::StandingGranted(granted) => format!("{who} approved further {} ahead", granted.action),
        Event::StandingRevoked(_) => format!("{who} took a standing approval back"),
        Event::PayloadErased(_) => format!("{who} erased what {action} said"),
        _ => governed(snapshot, record, &who),
    }
}

fn call_ended(action: &str, finished: &ExecutionFinished) -> String {
    let how = match (finished.state, finished.status, finished.fault) {
        (_, Some(status), _) => format!("the answer is {status}"),
        (ExecutionState::Failed, _, fault) => format!("nothing was done ({})", fault_text(fault)),
        (_, _, fault) => format!("nobody knows whether it arrived ({})", fault_text(fault)),
    };
    format!("the call for {action} ended: {how}")
}

fn fault_text(fault: Option<CallFault>) -> &'static str {
    match fault {
        Some(CallFault::Forbidden) => "the address is not called",
        Some(CallFault::Unreachable) => "nobody was reached",
        Some(CallFault::TimedOut) => "no answer in time",
        Some(CallFault::Broken) => "the connection broke",
        Some(CallFault::Interrupted) => "the server ended in the middle of it",
        Some(CallFault::Credential) => "the credential could not be had",
        None => "no reason was kept",
    }
}

fn revoked_because(because: RevokedBecause) -> &'static str {
    match because {
        RevokedBecause::Agent => ": the agent is switched off",
        RevokedBecause::Stopped => " because of a stop",
        RevokedBecause::Grant => ": the grant was changed since, or does not go with the call",
        RevokedBecause::Policy => ": policy does not let it through any more",
        RevokedBecause::Content => ": what is stored is not what was approved",
    }
}

fn ended(who: &str, action: &str, end: &ApprovalEnd) -> String {
    let by_note = match end.note.as_deref() {
        Some("policy_changed") => " because policy changed",
        Some("orphaned") => " because no policy covers it any more",
        Some("auto_approve") => " because this server approves by itself",
        Some("agent_disabled") => " because the agent was switched off",
        Some("stopped") => " because of a stop",
        _ => "",
    };
    match end.status {
        ApprovalStatus::Expired => format!("nobody decided on {action} in time"),
        ApprovalStatus::Superseded => format!("{who} replaced the request for {action}"),
        status => format!("{who}: {action} is {status}{by_note}"),
    }
}

fn governed(snapshot: &Snapshot, record: &Record, who: &str) -> String {
    let person = || {
        let actor = signoff_core::actor::Actor {
            kind: ActorKind::Operator,
            id: Some(record.subject.clone()),
            auth: None,
        };
        snapshot
            .named(&actor)
            .name
            .unwrap_or_else(|| record.subject.clone())
    };
    match &record.event {
        Event::WorkspaceCreated(_) => "the workspace was made".into(),
        Event::WorkspaceUpdated(_) => format!("{who} changed the workspace's settings"),
        Event::EpochRaised(_) => {
            "the log goes on in another place: what was approved before waits for a person to release it"
                .into()
        }
        Event::LogCut(cut) => format!(
            "records up to {} reached the end of their time and were deleted",
            cut.seq
        ),
        Event::StopPulled(pulled) => format!("{who} stopped {}", stops::target_text(snapshot, pulled.target)),
        Event::StopLifted(lifted) => {
            format!(
                "{who} lifted the stop of {}",
                stops::target_text(snapshot, lifted.target)
            )
        }
        Event::PolicyPut(put) if put.version == 1 => format!("{who} added the policy {}", put.policy.name),
        Event::PolicyPut(put) => format!(
            "{who} changed the policy {} (version {})",
            put.policy.name, put.version
        ),
        Event::PolicyRemoved(_) => format!(
            "{who} removed the policy {}",
            policy_name(snapshot, &record.subject)
        ),
        Event::PolicySetApplied(set) => format!(
            "{who} put version {} of the policy set in force ({} policies)",
            set.version, set.policies
        ),
        Event::AgentPut(put) if put.disabled => format!("{who} switched the agent {} off", put.name),
        Event::AgentPut(put) => format!("{who} set the agent {}", put.name),
        Event::ApplicationPut(put) => format!("{who} set the application {}", put.name),
        Event::OperatorPut(put) if put.disabled => format!("{who} switched off {}", person()),
        Event::OperatorPut(put) => format!("{who} set {} as {}", person(), put.role),
        Event::PasswordSet(_) => format!("{who} set the password of {}", person()),
        Event::SignedIn(_) => format!("{} signed in", person()),
        Event::SignInFailed(_) => format!(
            "a sign-in failed{}",
            if record.subject.starts_with("usr_") {
                format!(" for {}", person())
            } else {
                String::new()
            }
        ),
        Event::SignedOut(_) => format!("{} signed out", person()),
        Event::GroupPut(put) => format!("{who} set the group {} ({} members)", put.name, put.members.len()),
        Event::GroupRemoved(_) => format!("{who} removed a group"),
        Event::KeySet(KeySet {
            hint,
            delegation: Some(part),
            ..
        }) => {
            let (count, until) = (part.actions.len(), part.expires_at);
            format!("{who} handed on {count} of its actions until {until}, with a key ending in {hint}")
        }
        Event::KeySet(set) => format!("{who} made a key ending in {}", set.hint),
        Event::KeyRevoked(_) => format!("{who} revoked a key"),
        Event::ContactSet(set) => format!("{who} changed how they are reached: {}", set.changed.join(", ")),
        Event::ChannelPut(put) if put.disabled => format!("{who} switched the channel {} off", put.name),
        Event::ChannelPut(put) => format!("{who} set the channel {}", put.name),
        Event::ChannelRemoved(_) => format!("{who} removed a channel"),
        Event::GrantPut(put) if put.grant.disabled => {
            format!("{who} switched the grant {} off", put.grant.name)
        }
        Event::GrantPut(put) => format!("{who} set the grant {} (version {})", put.grant.name, put.version),
        // Only a provider brings another value; people have the same one sealed anew.
        Event::GrantRefreshed(_) if record.actor.kind != ActorKind::System => format!(
            "{who} gave the grant {} another key of its own",
            grant(snapshot, record)
        ),
        Event::GrantRefreshed(_) => format!(
            "the provider renewed the token of the grant {}",
            grant(snapshot, record)
        ),
        Event::GrantRemoved(_) => format!("{who} removed the grant {}", grant(snapshot, record)),
        other => other.type_name().to_owned(),
    }
}

fn grant(snapshot: &Snapshot, record: &Record) -> String {
    let id = record.subject.parse().ok();
    id.map_or_else(|| record.subject.clone(), |id| snapshot.grant_name(id))
}

fn policy_name(snapshot: &Snapshot, subject: &str) -> String {
    let row = subject
        .parse()
        .ok()
        .and_then(|id| snapshot.rows.policies.get(&id));
    row.map_or_else(|| subject.to_owned(), |row| row.doc.name.clone())
}
