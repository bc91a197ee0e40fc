//! What a message says. To programs: the approval as it stood after the record that is told, so that every attempt says the
//! same. To people: as it stands, because they are to decide on what is asked now.

use std::collections::HashMap;

use serde_json::Value;
use signoff_core::{
    action::Cost,
    actor::{Actor, ActorKind},
    channel::{ChannelKind, SwitchedOff},
    event::{Event, ExecutionState},
    fold::Rows,
    id::{ActionId, ApprovalId, OperatorId},
    payload::PayloadName,
    record::Record,
    rows::{ApprovalRow, ChannelRow},
};
use signoff_notify::{
    Content as Says, Destination, Message, Notice, Recipient, Shown, Told, ToldAgent, ToldApproval,
    ToldExecution, ToldPerson, ToldWorkspace,
};
use signoff_store::{DeliveryRow, DeliveryState, RecordQuery};

use super::{
    facts::facts,
    route::{asks, ends},
};
use crate::{
    Engine, EngineError, EngineResult,
    approvals::{PAGE_MAX, compose},
    callback::Callback,
    content::Opened,
    links::personal_link,
    snapshot::Snapshot,
    tenant::Tenant,
    view::Content,
};

/// What is told in one message to one addressee, with what is known of it.
pub(crate) struct Gathered {
    pub(crate) delivery: DeliveryRow,
    pub(crate) approval: Option<ApprovalRow>,
}

impl Gathered {
    /// Whether it need not be told any more: it ended before anybody was asked, or whom it is for was never asked.
    pub(crate) fn is_over(&self, channel: &ChannelRow, before: &[DeliveryRow]) -> bool {
        let kind = &self.delivery.kind;
        let Some(row) = &self.approval else { return false };
        if asks(kind) {
            return row.status.is_terminal();
        }
        let subscribed =
            !channel.named_only && !channel.events.is_empty() && self.delivery.recipient.is_none();
        let was_asked = |row: &DeliveryRow| {
            row.is_beside(&self.delivery) && asks(&row.kind) && row.state == DeliveryState::Delivered
        };
        ends(kind) && !subscribed && !before.iter().any(was_asked)
    }
}

/// Where an earlier message about the same request to the same addressee is, and whether it told of others too.
pub(crate) fn thread(delivery: &DeliveryRow, before: &[DeliveryRow]) -> Option<(String, bool)> {
    let mut earlier = before
        .iter()
        .rev()
        .filter(|row| row.is_beside(delivery) && row.seq < delivery.seq);
    earlier.find_map(|row| Some((row.reference.clone()?, row.gathered_in.is_some())))
}

pub(super) fn person(actor: &Actor, snapshot: &Snapshot) -> ToldPerson {
    use ActorKind as K;
    let view = snapshot.named(actor);
    let kind = match actor.kind {
        K::Operator => "operator",
        K::Automation => "automation",
        K::Agent | K::Application => "agent",
        _ => "system",
    };
    ToldPerson {
        kind: kind.into(),
        id: view.id,
        name: view.name,
    }
}

pub(super) fn workspace(tenant: &Tenant, snapshot: &Snapshot) -> ToldWorkspace {
    ToldWorkspace {
        id: tenant.id.to_string(),
        name: snapshot.settings().name.clone(),
    }
}

fn execution(record: &Record, request: ActionId) -> Option<ToldExecution> {
    let (mut outcome, mut http_status) = (None, None);
    let state = match &record.event {
        Event::ExecutionConsumed(_) => ExecutionState::Consumed,
        Event::ExecutionReported(reported) => {
            outcome = Some(reported.outcome.to_string());
            ExecutionState::Reported
        }
        Event::ExecutionFinished(finished) => {
            http_status = finished.status;
            finished.state
        }
        Event::ExecutionSettled(settled) => settled.state,
        Event::ExecutionLapsed(_) => ExecutionState::Lapsed,
        Event::ExecutionRevoked(_) => ExecutionState::Revoked,
        _ => return None,
    };
    Some(ToldExecution {
        id: request.execution().to_string(),
        action_id: request.to_string(),
        state: state.to_string(),
        outcome,
        http_status,
    })
}

impl Engine {
    /// What is stored about these deliveries' requests, for messages to people.
    pub(crate) async fn gather(
        &self,
        tenant: &Tenant,
        deliveries: Vec<DeliveryRow>,
    ) -> EngineResult<Vec<Gathered>> {
        let ids = deliveries.iter().filter_map(|row| Some(row.request?.approval()));
        let rows = self
            .store()
            .approvals_named(tenant.id, &ids.collect::<Vec<_>>())
            .await?;
        let rows: HashMap<ActionId, ApprovalRow> =
            rows.into_iter().map(|row| (row.id.action(), row)).collect();
        let gathered = deliveries.into_iter().map(|delivery| Gathered {
            approval: delivery.request.and_then(|id| rows.get(&id).cloned()),
            delivery,
        });
        Ok(gathered.collect())
    }

    /// The message of one delivery to a program: the approval as it stood after the record.
    pub(crate) async fn message_to_program(
        &self,
        tenant: &Tenant,
        delivery: &DeliveryRow,
    ) -> EngineResult<Message> {
        let snapshot = tenant.snapshot();
        let record = self.record_at(tenant, delivery.seq).await?;
        let to = self.callback_url(tenant, &snapshot, delivery).await?;
        let content = match delivery.request {
            None => Says::Notice(self.notice(&record)),
            Some(request) => {
                let approval = self.as_of(tenant, request.approval(), record.seq).await?;
                let mut told = Told {
                    event_id: record.id.to_string(),
                    event_type: delivery.kind.clone(),
                    occurred_at: record.time.to_string(),
                    workspace: workspace(tenant, &snapshot),
                    approval: None,
                    execution: execution(&record, request),
                    shown: Shown::default(),
                };
                if let Some(row) = approval {
                    let ends = row.decided_seq.into_iter().chain([record.seq]);
                    let sequences: Vec<u64> = row.content_seqs().chain(ends).collect();
                    let opened = Opened::read(self.store(), tenant, &sequences).await?;
                    let content = opened.asked_content(&row);
                    let handed_in = Value::Object(content.context.clone());
                    told.shown.context = serde_json::to_string(&handed_in).ok();
                    told.approval = Some(self.told_approval(&snapshot, &row, &content, &opened, &record));
                }
                Says::Event(Box::new(told))
            }
        };
        Ok(Message {
            id: record.id.to_string(),
            to,
            content,
            thread: None,
        })
    }

    /// One message to a person or a conversation.
    pub(crate) async fn message_to_people(
        &self,
        tenant: &Tenant,
        channel: &ChannelRow,
        gathered: &Gathered,
        before: &[DeliveryRow],
    ) -> EngineResult<Option<Message>> {
        let snapshot = tenant.snapshot();
        let delivery = &gathered.delivery;
        let Some(to) = destination(&snapshot, channel, delivery.recipient) else {
            return Ok(None);
        };
        let record = self.record_at(tenant, delivery.seq).await?;
        let content = match &gathered.approval {
            None => Says::Notice(self.notice(&record)),
            Some(row) => {
                let ends = row.decided_seq.into_iter().chain([record.seq]);
                let sequences: Vec<u64> = row.content_seqs().chain(ends).collect();
                let opened = Opened::read(self.store(), tenant, &sequences).await?;
                let content = opened.asked_content(row);
                let (facts, facts_hidden) = facts(&content);
                let may_decide = !row.status.is_terminal() && row.decides_elsewhere();
                let shown = Shown {
                    cost: row.cost.as_ref().map(|cost| cost.as_str().to_owned()),
                    facts,
                    facts_hidden,
                    reason: content.claims.reason.clone(),
                    decide_url: self.link_for(tenant, row, delivery).filter(|_| may_decide),
                    may_decide,
                    digest: row.digest.to_string(),
                    context: None,
                };
                let told = Told {
                    event_id: record.id.to_string(),
                    event_type: delivery.kind.clone(),
                    occurred_at: record.time.to_string(),
                    workspace: workspace(tenant, &snapshot),
                    approval: Some(self.told_approval(&snapshot, row, &content, &opened, &record)),
                    execution: None,
                    shown,
                };
                Says::Event(Box::new(told))
            }
        };
        // What was told together with others is answered beside it where that is a thread, never in its place.
        let thread = thread(delivery, before);
        let in_place = channel.kind == ChannelKind::Slack;
        let thread = thread.filter(|(_, together)| !(*together && in_place));
        Ok(Some(Message {
            id: message_id(&record, delivery),
            to,
            content,
            thread: thread.map(|(reference, _)| reference),
        }))
    }

    fn told_approval(
        &self,
        snapshot: &Snapshot,
        row: &ApprovalRow,
        content: &Content,
        opened: &Opened,
        record: &Record,
    ) -> ToldApproval {
        let agent = snapshot.agent_name(row.agent);
        let cost = row.cost.as_ref().map(Cost::as_str);
        let question = matches!(record.event, Event::InfoRequested(_))
            .then(|| opened.text(record.seq))
            .flatten();
        ToldApproval {
            id: row.id.to_string(),
            action_id: row.id.action().to_string(),
            summary: compose(&agent, &row.action, content, cost).text(),
            action: row.action.clone(),
            agent: ToldAgent {
                id: row.agent.to_string(),
                name: agent,
            },
            status: row.status.to_string(),
            priority: row.priority.to_string(),
            risk: row.risk.to_string(),
            url: self.approval_url(row.id),
            created_at: row.created_at.to_string(),
            decide_by: row.decide_by.map(|at| at.to_string()),
            decided_at: row.decided_at.map(|at| at.to_string()),
            decided_by: row.decided_by.as_ref().map(|actor| person(actor, snapshot)),
            decision_reason: row.decided_seq.and_then(|seq| opened.text(seq)),
            code: row.code.map(|code| code.to_string()),
            question,
        }
    }

    /// The personal link of whom the delivery is for, if it is for one person.
    pub(super) fn link_for(
        &self,
        tenant: &Tenant,
        row: &ApprovalRow,
        delivery: &DeliveryRow,
    ) -> Option<String> {
        let person = delivery.recipient?;
        Some(personal_link(self, tenant, row.id, person, delivery.seq))
    }

    fn notice(&self, record: &Record) -> Notice {
        let (name, why) = match &record.event {
            Event::ChannelPut(put) => (put.name.clone(), put.switched_off),
            _ => (String::new(), None),
        };
        let why = match why {
            Some(SwitchedOff::Gone) => {
                "The receiver said that it wants no more messages (410, or a token that was revoked)."
            }
            _ => "Messages were tried for three days in vain.",
        };
        Notice {
            title: format!("The channel {name} was switched off"),
            text: format!(
                "{why} Nothing is sent by it until an admin mends it and switches it on again; what was not delivered stands in its delivery log and can be sent again."
            ),
            url: format!("{}/channels", self.public_url()),
            event_type: "channel.disabled".into(),
            occurred_at: record.time.to_string(),
        }
    }

    pub(super) async fn record_at(&self, tenant: &Tenant, seq: u64) -> EngineResult<Record> {
        let stored = self.store().records_at(tenant.id, &[seq]).await?;
        let stored = stored.first().ok_or(EngineError::Internal)?;
        serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)
    }

    /// Where a program is told: the channel's URL, or the one that the request named.
    async fn callback_url(
        &self,
        tenant: &Tenant,
        snapshot: &Snapshot,
        delivery: &DeliveryRow,
    ) -> EngineResult<Destination> {
        let channel = snapshot.rows.channels.get(&delivery.channel);
        let calls_back = channel.is_some_and(|row| row.kind == ChannelKind::Callback);
        let Some(request) = delivery.request.filter(|_| calls_back) else {
            return Ok(Destination::Channel);
        };
        let stored = self.store().submissions(tenant.id, &[request.0]).await?;
        let sequences: Vec<u64> = stored.iter().map(|stored| stored.seq).collect();
        let opened = Opened::read(self.store(), tenant, &sequences).await?;
        let callback = sequences
            .first()
            .and_then(|seq| opened.json::<Callback>(*seq, PayloadName::Callback));
        Ok(callback.map_or(Destination::Channel, |callback| Destination::Url(callback.url)))
    }

    /// An approval as it stood after a record, folded from the records about it. None for what was never asked about.
    async fn as_of(&self, tenant: &Tenant, id: ApprovalId, seq: u64) -> EngineResult<Option<ApprovalRow>> {
        let query = RecordQuery {
            subject: Some(id.0),
            limit: PAGE_MAX,
            ..RecordQuery::default()
        };
        let mut rows = Rows::default();
        for stored in self.store().records(tenant.id, &query).await? {
            if stored.seq > seq {
                break;
            }
            let record: Record = serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
            if matches!(record.event, Event::ActionAllowed(_) | Event::ActionDenied(_)) {
                return Ok(None);
            }
            rows.fold(&record).map_err(|_| EngineError::Internal)?;
        }
        Ok(rows.approvals.remove(&id))
    }
}

/// The same on every attempt, and another for each recipient.
pub(super) fn message_id(record: &Record, delivery: &DeliveryRow) -> String {
    match delivery.recipient {
        None => record.id.to_string(),
        Some(person) => format!("{}-{person}", record.id),
    }
}

/// None where a person has no address there any more: their message never goes to anybody else.
pub(super) fn destination(
    snapshot: &Snapshot,
    channel: &ChannelRow,
    recipient: Option<OperatorId>,
) -> Option<Destination> {
    let Some(id) = recipient else {
        return Some(Destination::Channel);
    };
    let person = snapshot.active_operator(id).and_then(|_| snapshot.person(id))?;
    let address = snapshot.contact(id).address(person, channel)?;
    Some(Destination::Person(Recipient {
        name: person.name.clone(),
        address,
    }))
}
