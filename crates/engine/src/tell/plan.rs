//! From the outbox to deliveries.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use signoff_core::{
    actor::Actor,
    channel::ChannelKind,
    event::Event,
    id::{ActionId, ApprovalId, ChannelId, ExecutionId},
    payload::PayloadName,
    record::Record,
    requirement::Role,
    rows::ApprovalRow,
};
use signoff_store::{DeliveryRow, FannedOut, OutboxRow};

use super::route::{Router, To, asks, ends, is_urgent};
use crate::{
    Engine, EngineError, EngineResult, callback::Callback, content::Opened, snapshot::Snapshot,
    tenant::Tenant,
};

/// How many outbox rows become deliveries in one transaction.
const FAN_OUT_MAX: u32 = 500;

/// Makes deliveries of all that stands in the outbox of a workspace.
pub(crate) async fn fan_out(engine: &Engine, tenant: &Tenant) -> EngineResult<()> {
    let store = engine.store();
    loop {
        let taken = store.outbox(tenant.id, FAN_OUT_MAX).await?;
        if taken.is_empty() {
            return Ok(());
        }
        let snapshot = tenant.snapshot();
        let deliveries = plan(engine, tenant, &snapshot, &taken).await?;
        let authority = snapshot.epochs.authority;
        match store.fan_out(tenant.id, &taken, &deliveries, authority).await? {
            FannedOut::Done if taken.len() < FAN_OUT_MAX as usize => return Ok(()),
            FannedOut::Done => {}
            // Another node set a channel: what is told goes to the channels of its time.
            FannedOut::Moved => drop(tenant.reload(store).await?),
            FannedOut::Elsewhere => {
                engine.inner.aftermath.nudges.outbox.notify_one();
                return Ok(());
            }
        }
    }
}

/// What the outbox rows are about.
struct Matter {
    records: HashMap<u64, Record>,
    approvals: BTreeMap<ActionId, ApprovalRow>,
    /// What was told before of the same requests.
    before: BTreeMap<ActionId, Vec<DeliveryRow>>,
    /// The channel that calls back for a request which named a URL.
    callbacks: BTreeMap<ActionId, ChannelId>,
}

fn request_of(record: &Record) -> Option<ActionId> {
    let subject = &record.subject;
    let approval = subject.parse::<ApprovalId>().map(ApprovalId::action);
    let execution = || subject.parse::<ExecutionId>().map(ExecutionId::action);
    approval
        .or_else(|_| execution())
        .or_else(|_| subject.parse())
        .ok()
}

impl Matter {
    async fn read(
        engine: &Engine,
        tenant: &Tenant,
        snapshot: &Snapshot,
        taken: &[OutboxRow],
    ) -> EngineResult<Self> {
        let store = engine.store();
        let sequences: Vec<u64> = taken.iter().map(|row| row.seq).collect();
        let mut records = HashMap::new();
        for stored in store.records_at(tenant.id, &sequences).await? {
            let record: Record = serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
            records.insert(stored.seq, record);
        }
        let requests: BTreeSet<ActionId> = records.values().filter_map(request_of).collect();
        let requests: Vec<ActionId> = requests.into_iter().collect();
        let ids: Vec<ApprovalId> = requests.iter().map(|id| id.approval()).collect();
        let rows = store.approvals_named(tenant.id, &ids).await?;
        let mut before: BTreeMap<ActionId, Vec<DeliveryRow>> = BTreeMap::new();
        for row in store.told_of(tenant.id, &requests).await? {
            if let Some(request) = row.request {
                before.entry(request).or_default().push(row);
            }
        }
        let calls_back = snapshot
            .live_channels()
            .any(|row| row.kind == ChannelKind::Callback);
        let callbacks = if calls_back {
            callbacks(engine, tenant, &requests).await?
        } else {
            BTreeMap::new()
        };
        Ok(Self {
            records,
            approvals: rows.into_iter().map(|row| (row.id.action(), row)).collect(),
            before,
            callbacks,
        })
    }
}

/// Which of these requests named a URL to call back, and by which channel.
async fn callbacks(
    engine: &Engine,
    tenant: &Tenant,
    requests: &[ActionId],
) -> EngineResult<BTreeMap<ActionId, ChannelId>> {
    let subjects: Vec<_> = requests.iter().map(|id| id.0).collect();
    let mut naming = BTreeMap::new();
    for stored in engine.store().submissions(tenant.id, &subjects).await? {
        let record: Record = serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
        if let Some(request) =
            request_of(&record).filter(|_| record.payloads.contains_key(&PayloadName::Callback))
        {
            naming.insert(record.seq, request);
        }
    }
    let sequences: Vec<u64> = naming.keys().copied().collect();
    // One that was changed is called back nowhere; the others are.
    let opened = Opened::read_intact(engine.store(), tenant, &sequences).await?;
    let channel = |(seq, request): (u64, ActionId)| {
        let callback: Callback = opened.json(seq, PayloadName::Callback)?;
        Some((request, callback.channel))
    };
    Ok(naming.into_iter().filter_map(channel).collect())
}

async fn plan(
    engine: &Engine,
    tenant: &Tenant,
    snapshot: &Snapshot,
    taken: &[OutboxRow],
) -> EngineResult<Vec<DeliveryRow>> {
    let mut matter = Matter::read(engine, tenant, snapshot, taken).await?;
    let now = engine.now();
    let router = Router::new(snapshot, now);
    let mut deliveries = Vec::new();
    for row in taken {
        let Some(record) = matter.records.get(&row.seq) else {
            tracing::error!(seq = row.seq, "what was to be told is not in the log any more");
            continue;
        };
        let request = request_of(record);
        let approval = request.and_then(|id| matter.approvals.get(&id));
        let before = request.and_then(|id| matter.before.get(&id));
        let before = before.map_or(&[][..], Vec::as_slice);
        let urgent = approval.is_some_and(is_urgent);
        let mut told: BTreeSet<To> = router.subscribed(&row.kind).collect();
        let called_back = request.and_then(|id| matter.callbacks.get(&id));
        told.extend(called_back.map(|channel| To {
            channel: *channel,
            recipient: None,
        }));
        told.extend(people(&router, snapshot, record, &row.kind, approval, before));
        let new: Vec<DeliveryRow> = told
            .into_iter()
            .map(|to| {
                // The outcome takes the place of buttons: nobody is rung for it, so nothing gathers it.
                let kind = snapshot.rows.channels.get(&to.channel).map(|row| row.kind);
                let alone = |row: &DeliveryRow| {
                    (row.channel, row.recipient) == (to.channel, to.recipient)
                        && row.reference.is_some()
                        && row.gathered_in.is_none()
                };
                let in_place =
                    kind == Some(ChannelKind::Slack) && ends(&row.kind) && before.iter().any(alone);
                let next_at = router.not_before(to.recipient, urgent || in_place);
                DeliveryRow {
                    recipient: to.recipient,
                    request,
                    urgent: urgent || in_place,
                    ..DeliveryRow::new((tenant.id, to.channel), (row.seq, &row.kind), now, next_at)
                }
            })
            .collect();
        // Later rows of the same round belong to what these say.
        if let Some(request) = request {
            matter
                .before
                .entry(request)
                .or_default()
                .extend(new.iter().cloned());
        }
        deliveries.extend(new);
    }
    Ok(deliveries)
}

/// The people who are told beside those who subscribed.
fn people(
    router: &Router<'_>,
    snapshot: &Snapshot,
    record: &Record,
    kind: &str,
    approval: Option<&ApprovalRow>,
    before: &[DeliveryRow],
) -> BTreeSet<To> {
    let mut told = BTreeSet::new();
    let Some(row) = approval else {
        if let Event::ChannelPut(_) = record.event {
            let admins = snapshot.rows.operators.values();
            let admins = admins.filter(|row| !row.disabled && row.role == Role::Admin);
            told.extend(admins.flat_map(|row| router.ways(row.id, false)));
        }
        return told;
    };
    let urgent = is_urgent(row);
    let for_people = |to: &To| {
        let channel = snapshot.rows.channels.get(&to.channel);
        channel.is_some_and(|row| !row.kind.is_for_programs() && !row.disabled && !row.removed)
    };
    if asks(kind) {
        // What ended before it could be told is not told.
        if row.status.is_terminal() {
            return told;
        }
        let contacts = if kind == "approval.escalated" {
            row.escalate.as_ref().map_or(&[][..], |escalate| &escalate.to)
        } else {
            &row.notify
        };
        let ways = |people: BTreeSet<_>| people.into_iter().flat_map(move |id| router.ways(id, urgent));
        if matches!(kind, "approval.pending" | "approval.escalated") {
            let (channels, people) = router.contacts(row, contacts);
            told.extend(channels);
            told.extend(ways(people));
        }
        // Who was asked once is not asked again because a stage opened, policy changed or others were told.
        let asked = |to: &To| {
            before
                .iter()
                .any(|row| row.recipient == to.recipient && asks(&row.kind))
        };
        told.extend(ways(router.deciders(row)).filter(|to| !asked(to)));
        return told;
    }
    let asked = before.iter().filter(|row| asks(&row.kind)).map(|row| To {
        channel: row.channel,
        recipient: row.recipient,
    });
    let asked = asked.filter(for_people);
    if kind == "approval.edited" {
        told.extend(asked);
    } else if kind == "approval.info_answered" {
        let answered = row.info.iter().rev().find(|info| info.answered_at.is_some());
        let curious = answered.and_then(|info| info.asked_by.operator());
        told.extend(curious.into_iter().flat_map(|id| router.ways(id, urgent)));
    } else if ends(kind) {
        let decider = row.decided_by.as_ref().and_then(Actor::operator);
        told.extend(asked.filter(|to| {
            let kind = snapshot.rows.channels.get(&to.channel).map(|row| row.kind);
            let hears = kind.is_some_and(ChannelKind::tells_ends);
            // Whoever decided knows; only their buttons give way to the outcome.
            hears && (to.recipient.is_none() || to.recipient != decider || kind == Some(ChannelKind::Slack))
        }));
    }
    told
}
