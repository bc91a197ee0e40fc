//! Writes records the way the engine does, without any of its rules: what a test needs to have in a store.

use std::collections::{BTreeMap, BTreeSet};

use signoff_core::{
    action::{Accepts, Priority, Risk},
    actor::{Actor, ActorKind, Auth},
    event::{
        ActionAllowed, ActionFacts, ApprovalEnd, ApprovalRequested, ApprovalStatus, ApprovalVoted, Ballot,
        Event, ExecutionTouched,
    },
    fold::{RowKey, Rows, origin_of},
    id::{ActionId, AgentId, EventId, OperatorId, RawId, WorkspaceId},
    payload::{Hash32, PayloadName, commitment},
    record::{Head, Record},
    requirement::{Approver, Requirement, Role},
    time::{Micros, Timestamp},
};

use crate::{Changes, OutboxRow, Row, Store, StoredPayload, Wants};

/// When the first record of every scribe was written: 2026-11-18.
pub const START: Timestamp = Timestamp(1_795_000_000_000_000);
/// How long after each other records are written.
pub const STEP: Micros = Micros::seconds(60);

/// An id out of a number.
pub const fn raw(number: u128) -> RawId {
    RawId(number.to_be_bytes())
}

/// An agent's actor.
pub fn agent(id: AgentId) -> Actor {
    Actor {
        kind: ActorKind::Agent,
        id: Some(id.to_string()),
        auth: Some(Auth::Key),
    }
}

/// A person's actor.
pub fn operator(id: OperatorId) -> Actor {
    Actor {
        kind: ActorKind::Operator,
        id: Some(id.to_string()),
        auth: Some(Auth::Session),
    }
}

/// One workspace and what was written to it so far.
pub struct Scribe {
    /// Whose log.
    pub workspace: WorkspaceId,
    /// Where the log stands with what is not committed yet.
    pub head: Head,
    /// All folded rows, with what is not committed yet.
    pub rows: Rows,
    /// All records, with those that are not committed yet.
    pub records: Vec<Record>,
    /// The time of the next record.
    pub time: Timestamp,
    /// What the next commit writes beside records and rows.
    pub changes: Changes,
    changed: BTreeSet<RowKey>,
}

impl Scribe {
    /// For a workspace whose log is empty.
    pub fn new(workspace: u128) -> Self {
        let workspace = WorkspaceId(raw(workspace));
        Self {
            workspace,
            head: Head::empty(workspace),
            rows: Rows::default(),
            records: Vec::new(),
            time: START,
            changes: Changes::default(),
            changed: BTreeSet::new(),
        }
    }

    /// Appends a record, folds it, and answers its sequence.
    pub fn record(&mut self, actor: Actor, subject: impl std::fmt::Display, event: Event) -> u64 {
        self.record_with(actor, subject, event, &[])
    }

    /// Appends a record with payloads.
    pub fn record_with(
        &mut self,
        actor: Actor,
        subject: impl std::fmt::Display,
        event: Event,
        payloads: &[(PayloadName, &[u8])],
    ) -> u64 {
        let (seq, subject) = (self.head.seq + 1, subject.to_string());
        let salt = [u8::try_from(seq % 251).unwrap(); 32];
        let commitments: BTreeMap<_, _> = payloads
            .iter()
            .map(|(name, bytes)| (*name, commitment(&salt, bytes)))
            .collect();
        let record = Record {
            v: 1,
            workspace: self.workspace,
            seq,
            id: EventId(raw(0xe0_0000 + u128::from(seq))),
            time: self.time,
            event,
            actor,
            subject,
            policy: None,
            epochs: self.head.epochs,
            payloads: commitments,
            mode: None,
            prev: self.head.hash,
        };
        for (name, bytes) in payloads {
            let subject = crate::subject_digits(&record.subject);
            self.changes.payloads.push(StoredPayload {
                seq,
                name: *name,
                subject,
                salt,
                bytes: bytes.to_vec(),
            });
        }
        let sealed = record.clone().seal().unwrap();
        self.changed.extend(self.rows.fold(&record).unwrap());
        self.head = self.head.after(&sealed);
        self.changes.records.push(sealed);
        self.records.push(record);
        self.time = self.time.plus(STEP);
        seq
    }

    /// What the next commit writes.
    pub fn take(&mut self) -> Changes {
        let mut changes = std::mem::take(&mut self.changes);
        for key in std::mem::take(&mut self.changed) {
            match Row::of(&self.rows, key) {
                Some(row) => changes.rows.push(row),
                None => changes.removed.push(key),
            }
        }
        changes.head = Some((self.workspace, self.head));
        changes
    }

    /// Writes what was recorded.
    pub async fn commit(&mut self, store: &dyn Store) {
        let mut batch = store.begin().await.unwrap();
        batch.read(&self.wants()).await.unwrap();
        batch.write(&self.take()).await.unwrap();
        batch.commit().await.unwrap();
    }

    /// What a batch for this workspace names at least.
    pub fn wants(&self) -> Wants {
        Wants {
            workspaces: [self.workspace].into(),
            ..Wants::default()
        }
    }

    /// What a batch names to read every row there is.
    pub fn wants_all(&self) -> Wants {
        let rows = &self.rows;
        let mut keys: BTreeSet<RowKey> = rows.workspace.iter().map(|_| RowKey::Workspace).collect();
        keys.extend(rows.policies.keys().map(|id| RowKey::Policy(*id)));
        keys.extend(rows.agents.keys().map(|id| RowKey::Agent(*id)));
        keys.extend(rows.applications.keys().map(|id| RowKey::Application(*id)));
        keys.extend(rows.operators.keys().map(|id| RowKey::Operator(*id)));
        keys.extend(rows.groups.keys().map(|id| RowKey::Group(*id)));
        keys.extend(rows.keys.keys().map(|id| RowKey::Key(*id)));
        keys.extend(rows.channels.keys().map(|id| RowKey::Channel(*id)));
        keys.extend(rows.standing.keys().map(|id| RowKey::Standing(*id)));
        keys.extend(rows.approvals.keys().map(|id| RowKey::Approval(*id)));
        keys.extend(rows.executions.keys().map(|id| RowKey::Execution(*id)));
        keys.extend(rows.counters.keys().map(|id| RowKey::Counter(*id)));
        keys.extend(rows.counted.keys().map(|id| RowKey::Counted(*id)));
        Wants {
            rows: keys.into_iter().map(|key| (self.workspace, key)).collect(),
            ..self.wants()
        }
    }

    /// Policy let an action through.
    pub fn allow(&mut self, id: ActionId, facts: ActionFacts) -> u64 {
        let run_by = self.time.plus(Micros::seconds(3_600));
        self.record(
            agent(facts.agent),
            id,
            Event::ActionAllowed(ActionAllowed {
                action: facts,
                run_by,
                standing: None,
            }),
        )
    }

    /// An approval came into being; it is due ten minutes later.
    pub fn ask(&mut self, id: ActionId, facts: ActionFacts) -> u64 {
        let decide_by = Some(self.time.plus(Micros::seconds(600)));
        let actor = agent(facts.agent);
        self.record(
            actor,
            id.approval(),
            Event::ApprovalRequested(Box::new(requested(facts, decide_by))),
        )
    }

    /// A person's vote; one that approves also decides.
    pub fn vote(&mut self, id: ActionId, who: OperatorId, ballot: Ballot) -> u64 {
        let digest = self.rows.approvals[&id.approval()].digest;
        let end = (ballot == Ballot::Approve).then(|| ApprovalEnd {
            run_by: Some(self.time.plus(Micros::seconds(3_600))),
            ..ending(ApprovalStatus::Approved)
        });
        let voted = ApprovalVoted {
            ballot,
            digest,
            view: None,
            not_counted: Vec::new(),
            stage: None,
            end,
        };
        self.record(operator(who), id.approval(), Event::ApprovalVoted(voted))
    }

    /// An end without a vote.
    pub fn end(&mut self, id: ActionId, status: ApprovalStatus) -> u64 {
        self.record(
            Actor::system("clock"),
            id.approval(),
            Event::ApprovalEnded(ending(status)),
        )
    }

    /// The agent took the execution of what was allowed or approved.
    pub fn consume(&mut self, id: ActionId) -> u64 {
        let submission = self
            .records
            .iter()
            .find_map(|record| origin_of(record).filter(|(action, _)| *action == id));
        let origin = submission.map(|(_, origin)| origin);
        let who = origin.as_ref().map_or_else(
            || self.rows.executions[&id.execution()].agent,
            |origin| origin.agent,
        );
        self.record(
            agent(who),
            id.execution(),
            Event::ExecutionConsumed(ExecutionTouched { origin }),
        )
    }

    /// Something for the outbox about a record.
    pub fn tell(&mut self, seq: u64, kind: &str) {
        self.changes.outbox.push(OutboxRow {
            seq,
            kind: kind.to_owned(),
        });
    }
}

/// What the log says of an action.
pub fn facts(name: &str, agent: AgentId) -> ActionFacts {
    ActionFacts {
        name: name.to_owned(),
        agent,
        application: None,
        digest: Hash32([7; 32]),
        priority: Priority::Medium,
        risk: Risk::Medium,
        cost: None,
        claimed: None,
        accepts: Accepts::default(),
        require_approval: false,
        policy: None,
        counted: Vec::new(),
        call: None,
    }
}

fn requested(action: ActionFacts, decide_by: Option<Timestamp>) -> ApprovalRequested {
    ApprovalRequested {
        action,
        requirement: Requirement::of(vec![Approver::Role(Role::Member)], 1, 1),
        decide_by,
        escalate_at: None,
        escalate: None,
        notify: Vec::new(),
        valid_for: Micros::seconds(3_600),
        timeout: None,
        replaces: None,
    }
}

fn ending(status: ApprovalStatus) -> ApprovalEnd {
    ApprovalEnd {
        status,
        code: None,
        note: None,
        run_by: None,
        superseded_by: None,
        counted: Vec::new(),
    }
}
