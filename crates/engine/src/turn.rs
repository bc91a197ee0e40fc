//! One command's turn inside a batch: what it may look at, and the one way to change anything, [`Turn::emit`].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use signoff_core::{
    actor::{Actor, Principal},
    authority::{Operation, Permit, permit},
    counted::{CounterKey, Figure},
    event::{ApprovalStatus, EpochCause, EpochRaised, Event, LogCut, PolicyVersion},
    fold::{CountedChange, RowKey, Rows},
    id::{ActionId, ApprovalId, EventId, ExecutionId, RawId},
    payload::PayloadName,
    policy::PolicyRef,
    record::{Head, Record},
    rows::{ApprovalRow, ExecutionRow, LogEpoch},
    time::Timestamp,
};
use signoff_store::{Changes, IdempotencyName, IdempotencyRow, OutboxRow, Row};

use crate::{
    EngineError, EngineResult,
    seal::{SealedPayload, random},
    snapshot::Snapshot,
    stops,
    tenant::Tenant,
    view::{Caller, Notice},
};

/// One workspace inside one batch: what was read, and what will be written.
pub(crate) struct Ledger {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) now: Timestamp,
    /// Where the log stood when it was locked.
    pub(crate) began_at: Head,
    pub(crate) head: Head,
    pub(crate) rows: Rows,
    pub(crate) idempotency: HashMap<IdempotencyName, IdempotencyRow>,
    pub(crate) submissions: BTreeMap<ActionId, Record>,
    /// What the past comes to, with what this batch did to it so far.
    pub(crate) figures: BTreeMap<CounterKey, Figure>,
    /// The command that has its turn asked for a figure that was not read.
    pub(crate) unread: bool,
    pub(crate) changes: Changes,
    pub(crate) changed: BTreeSet<RowKey>,
    pub(crate) notices: Vec<Notice>,
    /// Policy, authority or a stop changed: nothing after this may run on the present snapshot.
    pub(crate) moved: bool,
    /// Something that can't be happened; the batch must not be committed.
    pub(crate) poisoned: bool,
    /// Marks every record of a server that approves by itself.
    pub(crate) mode: Option<&'static str>,
    /// Up to which level records may be written.
    pub(crate) feature_level: u32,
}

impl Ledger {
    /// What the batch writes for this workspace; none if nothing changes.
    pub(crate) fn take_changes(&mut self) -> Option<Changes> {
        let mut changes = std::mem::take(&mut self.changes);
        for key in &self.changed {
            match Row::of(&self.rows, *key) {
                Some(row) => changes.rows.push(row),
                None => changes.removed.push(*key),
            }
        }
        let side = !(changes.sessions.is_empty()
            && changes.ended_sessions.is_empty()
            && changes.people.is_empty()
            && changes.idempotency.is_empty());
        if changes.records.is_empty() && !side {
            return None;
        }
        changes.head = Some((self.tenant.id, self.head));
        Some(changes)
    }

    /// Executions that Signoff carries out and that changed, as they are now.
    pub(crate) fn changed_calls(&self) -> impl Iterator<Item = &ExecutionRow> {
        let changed = self.changed.iter().filter_map(|key| match key {
            RowKey::Execution(id) => self.rows.executions.get(id),
            _ => None,
        });
        changed.filter(|row| row.call.is_some())
    }

    /// Approvals that changed, as they are now.
    pub(crate) fn changed_approvals(&self) -> impl Iterator<Item = &ApprovalRow> {
        self.changed.iter().filter_map(|key| match key {
            RowKey::Approval(id) => self.rows.approvals.get(id),
            _ => None,
        })
    }
}

/// An event on its way into the log.
pub(crate) struct Draft {
    pub(crate) event: Event,
    pub(crate) actor: Actor,
    pub(crate) subject: String,
    pub(crate) policy: Option<PolicyVersion>,
    pub(crate) payloads: Vec<SealedPayload>,
}

impl Draft {
    pub(crate) fn new(event: Event, actor: Actor, subject: impl std::fmt::Display) -> Self {
        Self {
            event,
            actor,
            subject: subject.to_string(),
            policy: None,
            payloads: Vec::new(),
        }
    }

    /// Under the policy that governs.
    pub(crate) fn under(mut self, policy: Option<&PolicyRef>) -> Self {
        self.policy = policy.map(|policy| PolicyVersion {
            id: policy.id,
            version: policy.version,
        });
        self
    }

    /// With what belongs to the record and is kept beside it.
    pub(crate) fn with(mut self, payloads: impl IntoIterator<Item = SealedPayload>) -> Self {
        self.payloads.extend(payloads);
        self
    }
}

/// One command's turn.
pub(crate) struct Turn<'a> {
    pub(crate) ledger: &'a mut Ledger,
}

/// A random id that sorts by time (UUID version 7): milliseconds, then 74 random bits, so that ids can't be guessed from
/// their neighbours.
pub(crate) fn mint_id(now: Timestamp) -> RawId {
    let millis = u64::try_from(now.0).unwrap_or_default() / 1_000;
    RawId(
        *uuid::Builder::from_unix_timestamp_millis(millis, &random())
            .as_uuid()
            .as_bytes(),
    )
}

/// When an id was minted, to the millisecond.
pub(crate) fn minted_at(id: RawId) -> Timestamp {
    let mut millis = [0; 8];
    millis[2..].copy_from_slice(&id.0[..6]);
    let micros = u64::from_be_bytes(millis).saturating_mul(1_000);
    Timestamp(i64::try_from(micros).unwrap_or(i64::MAX))
}

impl Turn<'_> {
    /// The batch's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.ledger.now
    }

    /// Policy, people and keys as they are at the head of the log: the writer sees to it.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.ledger.snapshot)
    }

    /// Since when what was approved is held, if the log ever went on in another place.
    pub(crate) fn log_epoch(&self) -> Option<LogEpoch> {
        self.ledger.snapshot.log_epoch()
    }

    /// What was last cut off the log.
    pub(crate) fn cut(&self) -> Option<&LogCut> {
        self.ledger.snapshot.rows.workspace.as_ref()?.cut.as_ref()
    }

    /// From here on what was approved is held; answers the new epoch.
    pub(crate) fn raise_epoch(&mut self, cause: EpochCause, actor: Actor) -> EngineResult<u64> {
        self.bring(RowKey::Workspace);
        let epoch = self.log_epoch().map_or(0, |epoch| epoch.number) + 1;
        let workspace = self.ledger.tenant.id;
        let event = Event::EpochRaised(EpochRaised { epoch, cause });
        self.emit(Draft::new(event, actor, workspace))?;
        Ok(epoch)
    }

    /// The caller as they are now: a key revoked, a person switched off or moved to another role since they knocked has
    /// lost what they had.
    pub(crate) fn principal(
        &self,
        caller: &Caller,
        operation: Operation,
    ) -> EngineResult<(Principal, Permit)> {
        let principal = self
            .ledger
            .tenant
            .present(&self.ledger.snapshot, caller, self.ledger.now)?;
        match permit(&principal, operation) {
            Permit::Never => Err(crate::identity::refused(&principal, operation)),
            permit => Ok((principal, permit)),
        }
    }

    pub(crate) fn approval(&self, id: ApprovalId) -> EngineResult<&ApprovalRow> {
        self.ledger
            .rows
            .approvals
            .get(&id)
            .ok_or_else(|| EngineError::not_found("approval", id))
    }

    pub(crate) fn execution(&self, id: ExecutionId) -> Option<&ExecutionRow> {
        self.ledger.rows.executions.get(&id)
    }

    /// Copies a governance row into the working set, for events that build on it.
    pub(crate) fn bring(&mut self, key: RowKey) {
        if Row::of(&self.ledger.rows, key).is_none()
            && let Some(row) = Row::of(&self.ledger.snapshot.rows, key)
        {
            row.insert_into(&mut self.ledger.rows);
        }
    }

    /// Appends a record, folds it, and notes what follows from it for the outbox and for those who watch.
    ///
    /// # Errors
    /// [`EngineError::Stopped`] for what a stop in force keeps from happening, whoever forgot to ask.
    /// [`EngineError::Internal`] for a record that is too large or does not follow: the batch is then rolled back.
    pub(crate) fn emit(&mut self, draft: Draft) -> EngineResult<u64> {
        let ledger = &mut *self.ledger;
        // An older node does not know what the payload is.
        let calls_back = draft
            .payloads
            .iter()
            .any(|payload| payload.name == PayloadName::Callback);
        let level = draft.event.feature_level().max(draft.actor.feature_level());
        let level = if calls_back { level.max(5) } else { level };
        if level > ledger.feature_level {
            return Err(EngineError::FeatureLevel(level));
        }
        stops::check(ledger, &draft)?;
        let seq = ledger.head.seq + 1;
        let moves = draft.event.moves();
        let record = Record {
            v: 1,
            workspace: ledger.tenant.id,
            seq,
            id: EventId(mint_id(ledger.now)),
            time: ledger.now,
            event: draft.event,
            actor: draft.actor,
            subject: draft.subject,
            policy: draft.policy,
            epochs: ledger.head.epochs,
            payloads: draft
                .payloads
                .iter()
                .map(|payload| (payload.name, payload.commitment))
                .collect(),
            mode: ledger.mode.map(str::to_owned),
            prev: ledger.head.hash,
        };
        let sealed = record.seal().map_err(|error| poison(ledger, &error))?;
        let replaced = ledger.rows.counted_before(&sealed.record);
        let changed = ledger
            .rows
            .fold(&sealed.record)
            .map_err(|error| poison(ledger, &error))?;
        if !replaced.is_empty() {
            ledger.count(&CountedChange::TakenOut(replaced));
        }
        if let Some(change) = ledger.rows.counted_change(&sealed.record) {
            ledger.count(&change);
        }
        let status = sealed
            .record
            .subject
            .parse()
            .ok()
            .and_then(|id: ApprovalId| ledger.rows.approvals.get(&id));
        // Nobody to tell, nothing to keep for them: the snapshot is that of the head.
        let told = told_as(&sealed.record.event);
        if let Some(kind) = told.filter(|_| ledger.snapshot.live_channels().next().is_some()) {
            ledger.changes.outbox.push(OutboxRow {
                seq,
                kind: kind.to_owned(),
            });
        }
        ledger.notices.push(notice(&sealed.record, status));
        ledger.changed.extend(changed);
        ledger.head = ledger.head.after(&sealed);
        ledger.moved |= moves.anything();
        ledger
            .changes
            .payloads
            .extend(draft.payloads.into_iter().map(|payload| payload.stored(seq)));
        ledger.changes.records.push(sealed);
        Ok(seq)
    }
}

fn poison(ledger: &mut Ledger, error: &dyn std::error::Error) -> EngineError {
    ledger.poisoned = true;
    tracing::error!(%error, "a command led to a record that can't be written; its batch is rolled back");
    EngineError::Internal
}

/// A notice of a record, for live pages.
pub(crate) fn notice(record: &Record, approval: Option<&ApprovalRow>) -> Notice {
    let agent = match &record.event {
        Event::ActionAllowed(allowed) => Some(allowed.action.agent),
        Event::ActionDenied(denied) => Some(denied.action.agent),
        Event::ActionNoted(noted) => Some(noted.agent),
        _ => approval.map(|row| row.agent),
    };
    Notice {
        workspace: record.workspace,
        seq: record.seq,
        id: record.id.to_string(),
        at: record.time,
        event_type: record.event.type_name(),
        subject: record.subject.clone(),
        status: approval.map(|row| row.status),
        agent,
    }
}

/// What the outbox calls it, for everything that channels tell or will tell.
fn told_as(event: &Event) -> Option<&'static str> {
    let end = match event {
        Event::ApprovalEnded(end) => Some(end),
        Event::ApprovalVoted(voted) => voted.end.as_ref(),
        _ => None,
    };
    if let Some(end) = end {
        return Some(match end.status {
            ApprovalStatus::Expired => "approval.expired",
            ApprovalStatus::Cancelled => "approval.cancelled",
            ApprovalStatus::Superseded => "approval.superseded",
            _ => "approval.decided",
        });
    }
    match event {
        Event::ApprovalRequested(_) => Some("approval.pending"),
        Event::InfoRequested(_) => Some("approval.info_requested"),
        Event::InfoAnswered(_) => Some("approval.info_answered"),
        Event::ApprovalEscalated(_) => Some("approval.escalated"),
        Event::ApprovalEdited(_) => Some("approval.edited"),
        Event::ApprovalRejudged(_) => Some("approval.rejudged"),
        Event::ApprovalVoted(voted) => {
            let stage = voted.stage.as_ref()?;
            (!stage.completed_by.is_empty()).then_some("approval.stage_opened")
        }
        Event::ChannelPut(put) => (put.disabled && put.switched_off.is_some()).then_some("channel.disabled"),
        Event::ExecutionConsumed(_) => Some("execution.consumed"),
        Event::ExecutionReported(_) => Some("execution.reported"),
        Event::ExecutionFinished(_) => Some("execution.finished"),
        Event::ExecutionSettled(_) => Some("execution.settled"),
        Event::ExecutionLapsed(_) => Some("execution.lapsed"),
        Event::ExecutionRevoked(_) => Some("execution.revoked"),
        _ => None,
    }
}
