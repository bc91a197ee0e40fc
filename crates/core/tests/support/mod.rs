//! What the tests of the domain share: fixed ids, people, rows to start from, and a log in memory.
#![allow(dead_code, reason = "every test binary uses its part of it")]

use std::collections::{BTreeMap, BTreeSet};

use signoff_core::{
    action::{Accepts, Priority, Risk},
    actor::{Actor, ActorKind, Auth},
    event::{ActionFacts, ApprovalRequested, Event},
    fold::{FoldError, RowKey, Rows},
    id::{ActionId, AgentId, ApprovalId, EventId, OperatorId, RawId, WorkspaceId},
    judge::{ReasonCode, Verdict},
    payload::Hash32,
    policy::{Effect, Escalation},
    record::{Head, RECORD_VERSION, Record, Sealed},
    requirement::{Approver, Requirement, Role, Roster},
    time::{Micros, Timestamp},
};

/// Sixteen equal bytes: easy to tell apart by eye.
pub(crate) const fn raw(byte: u8) -> RawId {
    RawId([byte; 16])
}

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId(raw(0xaa));
pub(crate) const AGENT: AgentId = AgentId(raw(0xa1));
pub(crate) const ACTION: ActionId = ActionId(raw(0x01));
/// The digest of what is asked for.
pub(crate) const DIGEST: Hash32 = Hash32([0xd1; 32]);
/// The digest of something else.
pub(crate) const OTHER_DIGEST: Hash32 = Hash32([0xd2; 32]);

pub(crate) fn approval_id() -> ApprovalId {
    ACTION.approval()
}

/// The operator with this number.
pub(crate) const fn operator(number: u8) -> OperatorId {
    OperatorId(raw(number))
}

pub(crate) fn person(id: OperatorId) -> Actor {
    Actor {
        kind: ActorKind::Operator,
        id: Some(id.to_string()),
        auth: Some(Auth::Session),
    }
}

pub(crate) fn automation() -> Actor {
    Actor {
        kind: ActorKind::Automation,
        id: Some("admin-key".into()),
        auth: Some(Auth::AdminKey),
    }
}

pub(crate) fn agent() -> Actor {
    Actor {
        kind: ActorKind::Agent,
        id: Some(AGENT.to_string()),
        auth: Some(Auth::Key),
    }
}

/// One operator as a roster knows them.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) role: Role,
    pub(crate) disabled: bool,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) email: String,
}

/// People in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct People(pub(crate) BTreeMap<OperatorId, Person>);

impl People {
    /// So many members, numbered from 1, in no group.
    pub(crate) fn members(count: u8) -> Self {
        let person = |number| Person {
            role: Role::Member,
            disabled: false,
            groups: BTreeSet::new(),
            email: format!("person{number}@example.com"),
        };
        Self(
            (1..=count)
                .map(|number| (operator(number), person(number)))
                .collect(),
        )
    }
}

impl Roster for People {
    fn is_named(&self, id: OperatorId, approver: &Approver) -> bool {
        let Some(person) = self.0.get(&id) else {
            return false;
        };
        if person.disabled || person.role < Role::Member {
            return false;
        }
        match approver {
            Approver::Role(role) => person.role >= *role,
            Approver::Group(name) => person.groups.contains(name),
            Approver::Operator(named) => *named == id,
            Approver::Email(address) => person.email.eq_ignore_ascii_case(address),
            Approver::AgentOwner => false,
        }
    }
}

/// Any member, one is enough.
pub(crate) fn requirement() -> Requirement {
    Requirement::of(vec![Approver::Role(Role::Member)], 1, 1)
}

/// A request that any member decides, due at 1,000 s, told to further contacts at 500 s, usable for 100 s.
pub(crate) fn requested() -> ApprovalRequested {
    ApprovalRequested {
        action: facts(),
        requirement: requirement(),
        decide_by: Some(seconds(1_000)),
        escalate_at: Some(seconds(500)),
        escalate: Some(Escalation {
            after: Micros::seconds(500),
            to: vec!["channel:pager".into()],
        }),
        notify: Vec::new(),
        valid_for: Micros::seconds(100),
        timeout: None,
        replaces: None,
    }
}

pub(crate) fn facts() -> ActionFacts {
    ActionFacts {
        name: "stripe.refund".into(),
        agent: AGENT,
        application: None,
        digest: DIGEST,
        priority: Priority::Medium,
        risk: Risk::Medium,
        cost: None,
        claimed: None,
        accepts: Accepts {
            info_requests: true,
            ..Accepts::default()
        },
        require_approval: false,
        policy: None,
        counted: Vec::new(),
        call: None,
    }
}

/// What policy says when it is asked again.
pub(crate) fn verdict(effect: Effect, requirement: Requirement) -> Verdict {
    Verdict {
        effect,
        code: (effect == Effect::Deny).then_some(ReasonCode::PolicyDenied),
        policy: None,
        conditions: Vec::new(),
        requirement,
        decide_within: None,
        timeout_cut: false,
        valid_for: Micros::seconds(100),
        escalate: None,
        notify: Vec::new(),
        lacks: Vec::new(),
        raised: None,
    }
}

/// So many seconds after the beginning of time.
pub(crate) const fn seconds(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000)
}

/// A log in memory with the rows it folds to.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) head: Head,
    pub(crate) sealed: Vec<Sealed>,
    pub(crate) rows: Rows,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self {
            head: Head::empty(WORKSPACE),
            sealed: Vec::new(),
            rows: Rows::default(),
        }
    }

    /// The record that would come next.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "ids are copied, and calls read better so"
    )]
    pub(crate) fn next(
        &self,
        time: Timestamp,
        actor: &Actor,
        subject: impl ToString,
        event: Event,
    ) -> Record {
        let mut id = [0xe0; 16];
        id[8..].copy_from_slice(&(self.head.seq + 1).to_be_bytes());
        Record {
            v: RECORD_VERSION,
            workspace: WORKSPACE,
            seq: self.head.seq + 1,
            id: EventId(RawId(id)),
            time,
            event,
            actor: actor.clone(),
            subject: subject.to_string(),
            policy: None,
            epochs: self.head.epochs,
            payloads: BTreeMap::new(),
            mode: None,
            prev: self.head.hash,
        }
    }

    /// Folds, seals and keeps a record; refused ones leave the log as it was.
    pub(crate) fn append(&mut self, record: Record) -> Result<BTreeSet<RowKey>, FoldError> {
        let mut rows = self.rows.clone();
        let changed = rows.fold(&record)?;
        let sealed = record.seal().expect("records of tests are small");
        self.rows = rows;
        self.head = self.head.after(&sealed);
        self.sealed.push(sealed);
        Ok(changed)
    }

    /// Appends what must follow.
    pub(crate) fn push(&mut self, time: Timestamp, actor: &Actor, subject: impl ToString, event: Event) {
        let record = self.next(time, actor, subject, event);
        self.append(record).expect("the event follows from the rows");
    }

    /// The rows that the whole log folds to, from the start and from its stored bytes.
    pub(crate) fn refold(&self) -> Rows {
        let mut rows = Rows::default();
        for sealed in &self.sealed {
            let record: Record = serde_json::from_slice(&sealed.bytes).expect("sealed bytes are a record");
            rows.fold(&record).expect("a log follows from itself");
        }
        rows
    }
}

/// Noon in Berlin on a Wednesday: 2026-11-25T11:00:00Z.
pub(crate) const NOON: Timestamp = Timestamp(1_795_604_400_000_000);

/// What conditions see of an action that says nothing.
pub(crate) fn sight(agent: &serde_json::Value) -> signoff_core::condition::Sight<'_> {
    static NOTHING: std::sync::LazyLock<serde_json::Map<String, serde_json::Value>> =
        std::sync::LazyLock::new(serde_json::Map::new);
    signoff_core::condition::Sight {
        action: "stripe.refund",
        context: &NOTHING,
        inputs: &NOTHING,
        agent,
        http: None,
        cost: "0",
        risk: Risk::Medium,
        priority: Priority::Medium,
        now: NOON,
        past: None,
    }
}
