//! What a message says. To programs: the approval as it stood after the record that is told, so that every attempt says the
//! same. To people: as it stands, because they are to decide on what is asked now.

use std::collections::HashMap;

use serde_json::Value;
use signoff_core::{
    channel::ChannelKind,
    event::{Event, ExecutionState},
    fold::Rows,
    id::{ActionId, ApprovalId, ChannelId, OperatorId},
    payload::PayloadName,
    record::Record,
    rows::{ApprovalRow, ChannelRow},
};
use signoff_notify::{
    Content as Says, DIGEST_ITEMS_MAX, DIGEST_OVER_MAX, Destination, Digest, DigestItem, Fact, Message,
    Notice, Recipient, Shown, Told, ToldAgent, ToldApproval, ToldExecution, ToldPerson, ToldWorkspace,
};
use signoff_store::{DeliveryRow, DeliveryState, RecordQuery};

use super::route::{asks, ends};
use crate::{
    Engine, EngineError, EngineResult,
    approvals::{PAGE_MAX, compose},
    content::Opened,
    links::personal_link,
    snapshot::Snapshot,
    tenant::Tenant,
    view::Content,
};

/// How many facts a message names.
const FACTS_MAX: usize = 12;
/// How long one may be, in characters.
const FACT_CHARS_MAX: usize = 200;

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

fn actor_of(record: &Record, snapshot: &Snapshot) -> ToldPerson {
    person(&record.actor, snapshot)
}

fn person(actor: &signoff_core::actor::Actor, snapshot: &Snapshot) -> ToldPerson {
    use signoff_core::actor::ActorKind as K;
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

fn workspace(tenant: &Tenant, snapshot: &Snapshot) -> ToldWorkspace {
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

/// Names and values of what is asked, the larger things left to the page.
fn facts(content: &Content) -> (Vec<Fact>, usize) {
    let mut facts = Vec::new();
    if let Some(call) = &content.call {
        let (method, origin) = (call.method().to_owned(), call.origin());
        let bytes = call.body().map_or(0, <[u8]>::len);
        for (label, value) in [
            ("method", method),
            ("origin", origin),
            ("body", format!("{bytes} bytes")),
        ] {
            let label = label.to_owned();
            facts.push(Fact { label, value });
        }
    } else {
        for (part, object) in [("inputs", &content.inputs), ("context", &content.context)] {
            flatten(part, object, &mut facts);
        }
    }
    let hidden = facts.len().saturating_sub(FACTS_MAX);
    facts.truncate(FACTS_MAX);
    (facts, hidden)
}

fn flatten(path: &str, object: &serde_json::Map<String, Value>, facts: &mut Vec<Fact>) {
    for (name, value) in object {
        let label = format!("{path}.{name}");
        let value = match value {
            Value::Object(inner) if !inner.is_empty() && label.len() < 60 => {
                flatten(&label, inner, facts);
                continue;
            }
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let cut = value.chars().nth(FACT_CHARS_MAX).is_some();
        let mut shown: String = value.chars().take(FACT_CHARS_MAX).collect();
        if cut {
            let bytes = value.len() - shown.len();
            shown = format!("{shown} […{bytes} more bytes]");
        }
        facts.push(Fact { label, value: shown });
    }
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
            None => Says::Notice(self.notice(&record, &snapshot, delivery.channel)),
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
            None => Says::Notice(self.notice(&record, &snapshot, delivery.channel)),
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

    /// Several in one message.
    pub(crate) async fn digest(
        &self,
        tenant: &Tenant,
        channel: &ChannelRow,
        gathered: &[Gathered],
        before: &[DeliveryRow],
    ) -> EngineResult<Option<Message>> {
        let snapshot = tenant.snapshot();
        let first = gathered.first().ok_or(EngineError::Internal)?;
        let Some(to) = destination(&snapshot, channel, first.delivery.recipient) else {
            return Ok(None);
        };
        let record = self.record_at(tenant, first.delivery.seq).await?;
        // One line for each request: as it stands, whatever is told of it.
        let mut rows: Vec<(&ApprovalRow, &DeliveryRow)> = Vec::new();
        for one in gathered {
            if let Some(row) = one
                .approval
                .as_ref()
                .filter(|row| rows.iter().all(|(known, _)| known.id != row.id))
            {
                rows.push((row, &one.delivery));
            }
        }
        let open = |row: &ApprovalRow| !row.status.is_terminal();
        rows.sort_by_key(|(row, _)| {
            let first = std::cmp::Reverse((open(row), row.priority, row.risk));
            (first, row.decide_by.map_or(i64::MAX, |at| at.0))
        });
        let (count, pending) = (rows.len(), rows.iter().filter(|(row, _)| open(row)).count());
        let (waiting, over) = match channel.kind {
            ChannelKind::Pagerduty => {
                let waiting = self.store().pending_count(tenant.id, None).await?;
                (
                    usize::try_from(waiting).unwrap_or(usize::MAX),
                    over(&rows, before),
                )
            }
            // Nobody else keeps an alert that has to be closed.
            _ => (pending, Vec::new()),
        };
        rows.truncate(DIGEST_ITEMS_MAX);
        let sequences: Vec<u64> = rows.iter().flat_map(|(row, _)| row.content_seqs()).collect();
        let opened = Opened::read(self.store(), tenant, &sequences).await?;
        let items = rows.iter().map(|(row, delivery)| {
            let content = opened.asked_content(row);
            let agent = snapshot.agent_name(row.agent);
            let cost = row.cost.as_ref().map(signoff_core::action::Cost::as_str);
            let may_decide = open(row) && row.decides_elsewhere();
            let link = self.link_for(tenant, row, delivery).filter(|_| may_decide);
            let decider = row.decided_by.as_ref().map(|actor| person(actor, &snapshot));
            DigestItem {
                summary: compose(&agent, &row.action, &content, cost).text(),
                status: row.status.to_string(),
                priority: row.priority.to_string(),
                risk: row.risk.to_string(),
                decide_by: row.decide_by.map(|at| at.to_string()),
                decided_by: decider.and_then(|person| person.name),
                url: link.unwrap_or_else(|| self.approval_url(row.id)),
            }
        });
        Ok(Some(Message {
            id: message_id(&record, &first.delivery),
            to,
            content: Says::Digest(Digest {
                workspace: workspace(tenant, &snapshot),
                inbox_url: self.public_url().to_owned(),
                items: items.collect(),
                count,
                pending,
                waiting,
                over,
            }),
            thread: None,
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
        let cost = row.cost.as_ref().map(signoff_core::action::Cost::as_str);
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
    fn link_for(&self, tenant: &Tenant, row: &ApprovalRow, delivery: &DeliveryRow) -> Option<String> {
        let person = delivery.recipient?;
        Some(personal_link(self, tenant, row.id, person, delivery.seq))
    }

    fn notice(&self, record: &Record, snapshot: &Snapshot, _by: ChannelId) -> Notice {
        let (name, why) = match &record.event {
            Event::ChannelPut(put) => (put.name.clone(), put.switched_off),
            _ => (String::new(), None),
        };
        let why = match why {
            Some(signoff_core::channel::SwitchedOff::Gone) => {
                "The receiver said that it wants no more messages (410, or a token that was revoked)."
            }
            _ => "Messages were tried for three days in vain.",
        };
        let who = actor_of(record, snapshot).name.unwrap_or_default();
        Notice {
            title: format!("The channel {name} was switched off"),
            text: format!(
                "{why} Nothing is sent by it until an admin mends it and switches it on again; what was not delivered stands in its delivery log and can be sent again. ({who})"
            ),
            url: format!("{}/channels", self.public_url()),
            event_type: "channel.disabled".into(),
            occurred_at: record.time.to_string(),
        }
    }

    async fn record_at(&self, tenant: &Tenant, seq: u64) -> EngineResult<Record> {
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
            .and_then(|seq| opened.json::<crate::callback::Callback>(*seq, PayloadName::Callback));
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

/// Those that ended and were asked about one by one; if there are none, one that ended all the same.
fn over(rows: &[(&ApprovalRow, &DeliveryRow)], before: &[DeliveryRow]) -> Vec<String> {
    let ended = || rows.iter().filter(|(row, _)| row.status.is_terminal());
    let alone = ended().filter(|(_, delivery)| {
        let mut asked = before
            .iter()
            .filter(|row| row.is_beside(delivery) && asks(&row.kind));
        asked.any(|row| row.state == DeliveryState::Delivered && row.gathered_in.is_none())
    });
    let mut over: Vec<String> = alone
        .map(|(row, _)| row.id.to_string())
        .take(DIGEST_OVER_MAX)
        .collect();
    if over.is_empty() {
        over.extend(ended().map(|(row, _)| row.id.to_string()).next());
    }
    over
}

/// The same on every attempt, and another for each recipient.
fn message_id(record: &Record, delivery: &DeliveryRow) -> String {
    match delivery.recipient {
        None => record.id.to_string(),
        Some(person) => format!("{}-{person}", record.id),
    }
}

/// None where a person has no address there any more: their message never goes to anybody else.
fn destination(
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
