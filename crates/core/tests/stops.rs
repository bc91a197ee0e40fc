//! The kill switch: what it covers, that it comes before every policy, and how it folds.

use std::sync::Arc;

use serde_json::{Map, json};
use signoff_core::{
    action::{Accepts, Action, Claims, Priority, Risk},
    actor::Actor,
    approval::{Command, Selves, Surroundings, transition},
    event::{
        ActionAllowed, AgentPut, ApprovalEnd, ApprovalStatus, ApprovalVoted, Ballot, Event, ExecutionRevoked,
        ExecutionSettled, ExecutionStarted, ExecutionState, ExecutionTouched, Nothing, StopLifted,
        StopPulled, WorkspaceSet,
    },
    fold::{FoldError, Rows},
    id::{AgentId, OperatorId, PolicyId},
    judge::{AgentFacts, PolicySet, Prepared, ReasonCode},
    policy::{Effect, Orphaned, PolicyDoc, PolicyRef, Settings, Unmatched},
    stop::{StopTarget, Stops},
    time::Timestamp,
};

mod support;

use support::{AGENT, Log, NOON, WORKSPACE, operator, person, raw, seconds};

const OTHER: AgentId = AgentId(raw(0xa9));
const ROBIN: OperatorId = operator(2);
const EVERYTHING: StopTarget = StopTarget::Workspace;
const ONE: StopTarget = StopTarget::Agent(AGENT);

fn pulled(target: StopTarget) -> Event {
    Event::StopPulled(StopPulled { target })
}

fn lifted(target: StopTarget) -> Event {
    Event::StopLifted(StopLifted { target })
}

fn put(name: &str) -> Event {
    Event::AgentPut(AgentPut {
        name: name.into(),
        labels: std::collections::BTreeMap::new(),
        owner: None,
        disabled: false,
        registered_by: None,
    })
}

/// A workspace with two agents.
fn begun() -> Log {
    let mut log = Log::new();
    let created = WorkspaceSet {
        settings: Settings::default(),
    };
    let somebody = Actor::system("first_run");
    log.push(seconds(1), &somebody, WORKSPACE, Event::WorkspaceCreated(created));
    log.push(seconds(2), &somebody, AGENT, put("bot"));
    log.push(seconds(3), &somebody, OTHER, put("other-bot"));
    log
}

fn push(log: &mut Log, event: Event) -> Result<(), FoldError> {
    let (Event::StopPulled(StopPulled { target }) | Event::StopLifted(StopLifted { target })) = event else {
        panic!("not about a stop");
    };
    let time = Timestamp(log.head.time.0 + 1);
    let record = log.next(time, &person(ROBIN), target.subject(WORKSPACE), event);
    log.append(record).map(drop)
}

fn stops(pull: &[StopTarget]) -> Stops {
    let mut log = begun();
    for target in pull {
        push(&mut log, pulled(*target)).expect("it was not stopped");
    }
    Stops::of(&log.rows)
}

fn action(name: &str) -> Action {
    Action {
        name: name.into(),
        inputs: Map::new(),
        context: Map::new(),
        claims: Claims::default(),
        priority: Priority::Medium,
        risk: Risk::Medium,
        cost: None,
        timeout: None,
        require_approval: false,
        accepts: Accepts::default(),
        http: None,
        grant: None,
    }
}

fn facts(agent: AgentId) -> AgentFacts {
    AgentFacts::new(agent, "bot", &std::collections::BTreeMap::new(), None)
}

/// One policy of each effect, and nothing that none covers is refused.
fn set(stops: Stops) -> PolicySet {
    let docs = [
        json!({"name": "allow", "actions": ["allow.*"], "effect": "allow"}),
        json!({"name": "ask", "actions": ["ask.*"], "effect": "require_approval", "guard": true}),
        json!({"name": "deny", "actions": ["deny.*"], "effect": "deny"}),
    ];
    let prepared = docs.into_iter().enumerate().map(|(age, doc)| {
        let doc: PolicyDoc = serde_json::from_value(doc).expect("a policy");
        let reference = PolicyRef {
            id: PolicyId(raw(u8::try_from(age).expect("few"))),
            name: doc.name.clone(),
            version: 1,
        };
        Arc::new(Prepared::new(reference, doc).expect("it compiles"))
    });
    let settings = Settings {
        unmatched: Unmatched::Allow,
        ..Settings::default()
    };
    PolicySet::new(prepared.collect(), settings, stops).expect("it compiles")
}

/// I8: a stop comes before every policy, setting and wish, and covers its target and nothing else.
#[test]
fn i8_a_stop_is_the_strongest_denial() {
    for (pull, covers, spares) in [
        (vec![], vec![], vec![AGENT, OTHER]),
        (vec![EVERYTHING], vec![AGENT, OTHER], vec![]),
        (vec![ONE], vec![AGENT], vec![OTHER]),
        (vec![ONE, EVERYTHING], vec![AGENT, OTHER], vec![]),
    ] {
        let (free, stopped) = (set(Stops::default()), set(stops(&pull)));
        for name in ["allow.it", "ask.it", "deny.it", "unknown"] {
            for insists in [false, true] {
                let action = Action {
                    require_approval: insists,
                    ..action(name)
                };
                for agent in &covers {
                    let agent = facts(*agent);
                    let verdict = stopped.judge(&action, &agent, NOON);
                    assert_eq!(verdict.effect, Effect::Deny, "{pull:?} {name}");
                    assert_eq!(verdict.code, Some(ReasonCode::Stopped));
                    assert_eq!((verdict.policy.as_ref(), verdict.is_uncovered()), (None, false));
                    let matches = stopped.matches(&action, &agent, NOON);
                    assert_eq!(
                        stopped.verdict(&action, &agent, NOON, matches),
                        verdict,
                        "both ways in"
                    );
                }
                for agent in &spares {
                    let agent = facts(*agent);
                    assert_eq!(
                        stopped.judge(&action, &agent, NOON),
                        free.judge(&action, &agent, NOON)
                    );
                }
            }
        }
    }
}

/// A pending approval that is stopped is denied, whatever becomes of those that lost their policy.
#[test]
fn i8_a_stopped_approval_is_denied_and_is_no_orphan() {
    let mut log = begun();
    let mut requested = support::requested();
    requested.action.policy = Some(PolicyRef {
        id: PolicyId(raw(1)),
        name: "ask".into(),
        version: 1,
    });
    let id = support::approval_id();
    let event = Event::ApprovalRequested(Box::new(requested));
    log.push(seconds(4), &support::agent(), id, event);
    let row = &log.rows.approvals[&id];
    let verdict = set(stops(&[ONE])).judge(&action("ask.it"), &facts(AGENT), NOON);
    let people = support::People::members(2);
    let around = Surroundings {
        now: seconds(5),
        actor: &Actor::system("stop"),
        roster: &people,
        selves: Selves::default(),
    };
    for orphaned in [Orphaned::Judge, Orphaned::Release, Orphaned::Deny, Orphaned::Keep] {
        let command = Command::Rejudge {
            verdict: &verdict,
            orphaned,
        };
        let event = transition(row, &command, &around).expect("it may be judged");
        let Some(Event::ApprovalEnded(end)) = event else {
            panic!("{orphaned:?}: {event:?}");
        };
        assert_eq!(
            (end.status, end.code, end.note.as_deref()),
            (ApprovalStatus::Denied, Some(ReasonCode::Stopped), Some("stopped")),
            "{orphaned:?}"
        );
    }
}

/// I1: a stop is on its row until it is lifted, whatever else happens to the row; it is pulled once and lifted once.
#[test]
fn i1_a_stop_folds_onto_its_target() {
    let mut log = begun();
    let before = log.rows.clone();
    for target in [EVERYTHING, ONE] {
        assert!(
            push(&mut log, lifted(target)).is_err(),
            "{target:?} is not stopped"
        );
        push(&mut log, pulled(target)).expect("it is not stopped");
        assert!(push(&mut log, pulled(target)).is_err(), "{target:?} is stopped");
    }
    let settings = WorkspaceSet {
        settings: Settings::default(),
    };
    let dana = person(operator(1));
    log.push(seconds(9), &dana, WORKSPACE, Event::WorkspaceUpdated(settings));
    log.push(seconds(9), &dana, AGENT, put("bot"));
    let now = Stops::of(&log.rows);
    let on: Vec<_> = now.iter().map(|(target, _)| target).collect();
    assert_eq!(on, [EVERYTHING, ONE]);
    assert_eq!(now.over(AGENT).map(|(target, _)| target), Some(EVERYTHING));
    let stop = now.on(ONE).expect("it is stopped");
    assert_eq!((&stop.by, stop.seq), (&person(ROBIN), 5));
    push(&mut log, lifted(EVERYTHING)).expect("it is stopped");
    let now = Stops::of(&log.rows);
    assert_eq!(now.over(AGENT).map(|(target, _)| target), Some(ONE));
    assert_eq!(now.over(OTHER), None);
    push(&mut log, lifted(ONE)).expect("it is stopped");
    assert_eq!(log.rows, before, "nothing of it is left");
    assert_eq!(log.refold(), log.rows);
}

/// A record about another target than its subject is none of ours.
#[test]
fn a_stop_is_about_its_subject() {
    let mut log = begun();
    let everybody = EVERYTHING.subject(WORKSPACE);
    for (subject, target) in [
        (everybody, ONE),
        (AGENT.to_string(), EVERYTHING),
        (OTHER.to_string(), ONE),
        (raw(7).to_string(), ONE),
        (AgentId(raw(7)).to_string(), StopTarget::Agent(AgentId(raw(7)))),
    ] {
        let record = log.next(seconds(9), &person(ROBIN), &subject, pulled(target));
        assert!(log.append(record).is_err(), "{subject} {target:?}");
    }
}

/// Pulling and lifting move the epoch that everything judged rests on; rows that nothing stopped read as they always did.
#[test]
fn a_stop_moves_its_epoch_and_is_of_the_third_level() {
    let mut log = begun();
    let epochs = log.head.epochs;
    for (event, stop) in [(pulled(ONE), 1), (lifted(ONE), 2)] {
        assert!(event.moves().stop && event.moves().anything());
        assert_eq!(event.feature_level(), 3);
        push(&mut log, event).expect("it follows");
        assert_eq!(log.head.epochs.stop, stop);
    }
    assert_eq!(
        (log.head.epochs.policy, log.head.epochs.authority),
        (epochs.policy, epochs.authority)
    );
    let rows = serde_json::to_string(&log.rows).expect("rows are JSON");
    assert!(!rows.contains("stop"), "{rows}");
    let read: Rows = serde_json::from_str(&rows).expect("and read back");
    assert_eq!(read, log.rows);
}

/// What lets something go on is known by its event, so that one place can keep it from happening.
#[test]
fn what_lets_an_action_go_on_is_known() {
    let end = |status| ApprovalEnd {
        status,
        code: None,
        note: None,
        run_by: None,
        superseded_by: None,
        counted: Vec::new(),
    };
    let voted = |end| {
        Event::ApprovalVoted(ApprovalVoted {
            ballot: Ballot::Approve,
            digest: signoff_core::payload::Hash32([0; 32]),
            view: None,
            not_counted: Vec::new(),
            end,
            stage: None,
        })
    };
    let settled = |state| Event::ExecutionSettled(ExecutionSettled { state });
    let allowed = ActionAllowed {
        action: support::facts(),
        run_by: seconds(9),
        standing: None,
    };
    for (event, expected) in [
        (Event::ActionAllowed(allowed), true),
        (Event::ApprovalEnded(end(ApprovalStatus::Approved)), true),
        (Event::ApprovalEnded(end(ApprovalStatus::Answered)), true),
        (Event::ApprovalEnded(end(ApprovalStatus::Denied)), false),
        (voted(Some(end(ApprovalStatus::Approved))), true),
        (voted(Some(end(ApprovalStatus::Denied))), false),
        (voted(None), false),
        (Event::ExecutionConsumed(ExecutionTouched { origin: None }), true),
        (
            Event::ExecutionStarted(ExecutionStarted {
                origin: None,
                runner: None,
            }),
            true,
        ),
        (settled(ExecutionState::Ready), true),
        (settled(ExecutionState::Executed), false),
        (Event::ExecutionRevoked(ExecutionRevoked::default()), false),
        (Event::ExecutionReleased(Nothing {}), false),
    ] {
        assert_eq!(event.lets_go_on(), expected, "{}", event.type_name());
    }
}
