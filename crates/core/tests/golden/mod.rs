//! The builder of the golden log: a small workspace's first days, with fixed ids and times, every type of event at
//! least once. What it writes is kept in `spec/`; see `golden_log.rs`.

use std::collections::BTreeMap;

use signoff_core::{
    action::{Accepts, Priority, Risk},
    actor::{Actor, ActorKind, Auth},
    event::{ActionFacts, EpochCause, EpochRaised, Event, LogCut, Nothing, PolicyVersion},
    id::{ActionId, ApplicationId, ChannelId, GroupId, OperatorId, PolicyId},
    payload::{Hash32, PayloadName, commitment},
    policy::PolicyRef,
    record::Head,
    requirement::{Approver, Requirement},
    time::{Micros, Timestamp},
};

use crate::support::{AGENT, Log, operator, raw};

mod answered;
mod calls;
mod counted;
mod governed;
mod requests;
mod staged;
mod stops;
mod told;
mod workspace;

const SMALL_REFUNDS: PolicyId = PolicyId(raw(0xb1));
const DEPLOYS: PolicyId = PolicyId(raw(0xb2));
const SUITE: ApplicationId = ApplicationId(raw(0xc1));
const FINANCE: GroupId = GroupId(raw(0xd1));
const PAGER: ChannelId = ChannelId(raw(0xf1));
const DANA: OperatorId = operator(1);
const ROBIN: OperatorId = operator(2);

/// Writes the log, a second further at every record.
struct Builder {
    log: Log,
    now: Timestamp,
}

/// The golden log of each version: a later one goes on where the one before ends.
pub(crate) fn logs() -> [(&'static str, Log); 5] {
    [
        ("v1", build(1)),
        ("v2", build(2)),
        ("v3", build(3)),
        ("v4", build(4)),
        ("v5", build(5)),
    ]
}

/// The whole golden log.
pub(crate) fn log() -> Log {
    build(5)
}

fn build(version: u32) -> Log {
    let mut builder = Builder {
        log: Log::new(),
        // 2026-11-20T09:00:00Z
        now: Timestamp(1_795_165_200_000_000),
    };
    builder.people();
    builder.principals();
    builder.policies();
    builder.allowed();
    builder.denied();
    builder.approved_by_two();
    builder.denied_after_a_question();
    builder.other_ends();
    builder.calls_by_signoff();
    builder.farewells();
    if version >= 2 {
        builder.moved();
        builder.cut();
    }
    if version >= 3 {
        builder.stopped();
        builder.staged();
    }
    if version >= 4 {
        builder.answered_ahead();
        builder.edited();
        builder.counted();
        builder.raised();
    }
    if version >= 5 {
        builder.grants();
        builder.governed_calls();
        builder.noted();
        builder.told();
    }
    builder.log
}

fn system(part: &str) -> Actor {
    Actor::system(part)
}

fn agent() -> Actor {
    crate::support::agent()
}

fn suite() -> Actor {
    Actor {
        kind: ActorKind::Application,
        id: Some(SUITE.to_string()),
        auth: Some(Auth::Key),
    }
}

fn stranger() -> Actor {
    Actor {
        kind: ActorKind::Stranger,
        id: None,
        auth: Some(Auth::Password),
    }
}

fn secret(byte: u8) -> Hash32 {
    Hash32([byte; 32])
}

fn action(number: u8) -> ActionId {
    ActionId(raw(number))
}

fn payloads(named: &[(PayloadName, &str)]) -> BTreeMap<PayloadName, Hash32> {
    named
        .iter()
        .map(|(name, content)| (*name, commitment(&[7; 32], content.as_bytes())))
        .collect()
}

fn facts(name: &str, policy: Option<PolicyRef>) -> ActionFacts {
    ActionFacts {
        name: name.into(),
        agent: AGENT,
        application: None,
        digest: secret(0xdd),
        priority: Priority::Medium,
        risk: Risk::Medium,
        cost: None,
        claimed: None,
        accepts: Accepts::default(),
        require_approval: false,
        policy,
        counted: Vec::new(),
        call: None,
    }
}

fn refunds(version: u64) -> PolicyRef {
    PolicyRef {
        id: SMALL_REFUNDS,
        name: "small-refunds".into(),
        version,
    }
}

fn requirement() -> Requirement {
    Requirement::of(
        vec![
            Approver::Group("finance".into()),
            Approver::Email("dana@example.com".into()),
        ],
        2,
        1,
    )
}

impl Builder {
    /// The log goes on in another place, and a person lets go on what was held.
    fn moved(&mut self) {
        let raised = EpochRaised {
            epoch: 1,
            cause: EpochCause::Displaced,
        };
        self.push(
            &system("displaced"),
            crate::support::WORKSPACE,
            Event::EpochRaised(raised),
        );
        let held = self
            .log
            .rows
            .executions
            .values()
            .find(|row| row.is_held(self.log.rows.workspace.as_ref().and_then(|row| row.log_epoch)));
        let id = held.expect("something is held").id;
        let dana = crate::support::person(DANA);
        self.push(&dana, id, Event::ExecutionReleased(Nothing {}));
    }

    /// The first half is cut off.
    fn cut(&mut self) {
        let last = &self.log.sealed[self.log.sealed.len() / 2];
        let head = self.log.sealed[..=self.log.sealed.len() / 2]
            .iter()
            .fold(Head::empty(crate::support::WORKSPACE), |head, sealed| {
                head.after(sealed)
            });
        let cut = LogCut {
            seq: last.record.seq,
            hash: last.hash,
            time: last.record.time,
            epochs: head.epochs,
            state: secret(0xcc),
        };
        self.push(
            &system("retention"),
            crate::support::WORKSPACE,
            Event::LogCut(cut),
        );
    }

    fn push(&mut self, actor: &Actor, subject: impl ToString, event: Event) {
        self.push_with(actor, subject, event, &[]);
    }

    fn push_with(
        &mut self,
        actor: &Actor,
        subject: impl ToString,
        event: Event,
        content: &[(PayloadName, &str)],
    ) {
        self.now = self.now.plus(Micros(1_000_001));
        let mut record = self.log.next(self.now, actor, subject, event);
        record.payloads = payloads(content);
        record.policy = match &record.event {
            Event::ApprovalRequested(requested) => requested.action.policy.as_ref(),
            Event::ActionAllowed(allowed) => allowed.action.policy.as_ref(),
            Event::ActionDenied(denied) => denied.action.policy.as_ref(),
            _ => None,
        }
        .map(|policy| PolicyVersion {
            id: policy.id,
            version: policy.version,
        });
        if record.event.type_name() == "approval.ended.v1" && actor.id.as_deref() == Some("auto-approve") {
            record.mode = Some("auto_approve".into());
        }
        self.log.append(record).expect("the golden log folds");
    }
}
