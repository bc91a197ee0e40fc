//! The kill switch: while it is pulled nothing that it covers goes on, whatever was on its way; and nothing of that comes
//! back to life afterwards.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{House, policy, submit};
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use serde_json::json;
use signoff_core::{
    event::{ApprovalStatus, Event, ExecutionState, ReportOutcome},
    id::{ApprovalId, ExecutionId},
    judge::ReasonCode,
    policy::{Effect, Orphaned, PolicyEffect},
    requirement::Role,
    stop::StopTarget,
};
use signoff_engine::{
    EngineError, KeyShape,
    request::{ApplyPolicies, CreateApplication, Report, Submit, Until, UpdateAgent},
    view::{Caller, EventView, Stopped},
};

const EVERYTHING: &str = "workspace";

/// How long what is on its way may take to end.
const SOON: Duration = Duration::from_secs(2);

impl House {
    /// One policy that allows, one that asks.
    async fn ruled() -> Self {
        let house = Self::new().await;
        house.rule().await;
        house
    }

    async fn rule(&self) {
        self.apply(vec![
            policy("reads", &["db.*"], PolicyEffect::Allow),
            policy("refunds", &["stripe.*"], PolicyEffect::RequireApproval),
        ])
        .await;
    }

    async fn pull(&self, target: &str) -> Stopped {
        let pulled = self.engine.pull_stop(&self.admin, target, None, None);
        pulled.await.unwrap()
    }

    async fn lift(&self, target: &str) {
        let lifted = self.engine.lift_stop(&self.admin, target, None, None);
        lifted.await.unwrap();
    }

    /// Something approved that nobody took.
    async fn ready(&self, agent: &Caller, dana: &Caller) -> ExecutionId {
        let id = self.ask(agent, "stripe.refund").await;
        self.approve(dana, id).await.unwrap();
        id.action().execution()
    }

    async fn effect(&self, agent: &Caller, action: &str) -> (Effect, Option<ReasonCode>) {
        let submitted = self.engine.submit(agent, submit(action, json!({})), None);
        let submitted = submitted.await.unwrap();
        (submitted.effect, submitted.code)
    }

    async fn state(&self, id: ExecutionId) -> ExecutionState {
        self.engine.execution(&self.admin, id).await.unwrap().row.state
    }
}

fn report() -> Report {
    Report {
        outcome: ReportOutcome::Success,
        detail: None,
        result: None,
    }
}

/// By the order of the log: between pulling and lifting nothing that is covered goes on. Answers how much did otherwise.
fn assert_nothing_went_on(log: &[EventView]) -> usize {
    let mut stopped = BTreeSet::new();
    let mut went_on = 0;
    for view in log {
        match &view.record.event {
            Event::StopPulled(pulled) => assert!(stopped.insert(pulled.target), "pulled twice"),
            Event::StopLifted(lifted) => assert!(stopped.remove(&lifted.target), "lifted twice"),
            event if event.lets_go_on() => {
                let agent = view.agent.as_ref().expect("it is about a request").id;
                let covered =
                    stopped.contains(&StopTarget::Workspace) || stopped.contains(&StopTarget::Agent(agent));
                assert!(!covered, "record {}: {}", view.record.seq, view.summary);
                went_on += 1;
            }
            _ => {}
        }
    }
    went_on
}

/// I8: what is asked under a stop is a recorded denial that says why, whatever policy says; dry runs say the same; who is
/// not covered is not touched; after lifting policy answers again.
#[tokio::test]
async fn i8_what_is_asked_under_a_stop_is_denied() {
    let house = House::ruled().await;
    let (a, b) = (house.agent("a").await, house.agent("b").await);
    let reason = Some("it runs wild");
    let stopped = house
        .engine
        .pull_stop(&house.admin, "A", reason, None)
        .await
        .unwrap();
    assert!(stopped.is_new && stopped.may_lift);
    assert_eq!(stopped.stop.reason.as_deref(), reason);
    for action in ["db.read", "stripe.refund", "unheard.of"] {
        let before = house.log().await.len();
        let submitted = house
            .engine
            .submit(&a, submit(action, json!({})), None)
            .await
            .unwrap();
        assert_eq!(
            (submitted.effect, submitted.code),
            (Effect::Deny, Some(ReasonCode::Stopped)),
            "{action}"
        );
        let said = submitted.reason.unwrap();
        assert!(
            said.starts_with("agent a was stopped by automation at ")
                && said.ends_with("until an admin lifts the stop"),
            "{said}"
        );
        assert!(!said.contains("wild"), "why is not for agents to know");
        let log = house.log().await;
        assert_eq!(log.len(), before + 1);
        assert_eq!(log[before].record.event.type_name(), "action.denied.v1");
        let view = house.engine.action(&a, submitted.action_id).await.unwrap();
        assert_eq!(view.submitted.code, Some(ReasonCode::Stopped));
        let judged = house.engine.check(&a, &submit(action, json!({}))).await.unwrap();
        assert_eq!(judged.reason, Some(said.clone()));
        let explained = house
            .engine
            .explain(&a, &submit(action, json!({})))
            .await
            .unwrap();
        assert_eq!(explained.judged.reason, Some(said));
        assert!(explained.matches.iter().all(|found| !found.governs));
    }
    assert_eq!(house.effect(&b, "db.read").await.0, Effect::Allow);
    house.lift("a").await;
    assert_eq!(house.effect(&a, "db.read").await.0, Effect::Allow);
    house.assert_verifies().await;
}

/// A stop of everything covers whoever comes, agents that nobody knew included.
#[tokio::test]
async fn a_stop_of_everything_covers_new_agents() {
    let house = House::ruled().await;
    let create = CreateApplication {
        name: "suite".into(),
        agents: vec!["*".into()],
        register_new: true,
        key: KeyShape::Native,
    };
    let made = house
        .engine
        .create_application(&house.admin, create, None)
        .await
        .unwrap();
    let key = made.secret.unwrap();
    let suite = house.engine.authenticate(key.expose_secret()).await.unwrap();
    house.pull(EVERYTHING).await;
    let asked = Submit {
        agent: Some("never-seen".into()),
        ..submit("db.read", json!({}))
    };
    let judged = house.engine.check(&suite, &asked).await.unwrap();
    assert_eq!(judged.verdict.code, Some(ReasonCode::Stopped));
    let submitted = house.engine.submit(&suite, asked, None).await.unwrap();
    assert_eq!(submitted.code, Some(ReasonCode::Stopped));
    assert!(submitted.reason.unwrap().starts_with("everything was stopped"));
}

/// I8: what waits is denied by Signoff within two seconds, and whoever waits for it is told; what became of orphans does
/// not matter.
#[tokio::test]
async fn i8_what_is_pending_is_denied() {
    for orphaned in [Orphaned::Judge, Orphaned::Keep, Orphaned::Release] {
        let house = House::ruled().await;
        let apply = ApplyPolicies {
            policies: vec![policy("refunds", &["stripe.*"], PolicyEffect::RequireApproval)],
            orphaned: Some(orphaned),
            ..ApplyPolicies::default()
        };
        house
            .engine
            .apply_policies(&house.admin, apply, None)
            .await
            .unwrap();
        let (a, b) = (house.agent("a").await, house.agent("b").await);
        let (of_a, of_b) = (
            house.ask(&a, "stripe.refund").await,
            house.ask(&b, "stripe.refund").await,
        );
        let stopped = house.pull("a").await;
        assert_eq!((stopped.in_flight.pending, stopped.in_flight.ready), (1, 0));
        let ended = house.engine.wait(&a, of_a, Until::Decided, SOON).await.unwrap();
        assert_eq!(
            (ended.row.status, ended.row.code, ended.row.note.as_deref()),
            (ApprovalStatus::Denied, Some(ReasonCode::Stopped), Some("stopped")),
            "{orphaned:?}"
        );
        assert_eq!(ended.row.decided_by.as_ref().unwrap().id.as_deref(), Some("stop"));
        let other = house.engine.approval(&b, of_b).await.unwrap();
        assert_eq!(other.row.status, ApprovalStatus::Pending);
    }
}

/// I8: a vote that comes before Signoff got there does not approve.
#[tokio::test]
async fn i8_a_vote_under_a_stop_approves_nothing() {
    let house = House::ruled().await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    for round in 0..20 {
        let id = house.ask(&agent, "stripe.refund").await;
        house.pull(EVERYTHING).await;
        let voted = house.approve(&dana, id).await;
        assert!(
            matches!(
                voted,
                Err(EngineError::Ended {
                    status: ApprovalStatus::Denied,
                    ..
                })
            ),
            "round {round}: {voted:?}"
        );
        house.lift(EVERYTHING).await;
    }
    assert_nothing_went_on(&house.log().await);
}

/// I8: a permission that nobody took is taken back, by the agent's own try or without it, and stays so after lifting;
/// what was allowed is allowed again, because policy is asked again.
#[tokio::test]
async fn i8_a_permission_is_taken_back_and_does_not_come_back() {
    let house = House::ruled().await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    let mut taken_back = Vec::new();
    for tries in [true, false] {
        let id = house.ready(&agent, &dana).await;
        let allowed = house
            .engine
            .submit(&agent, submit("db.read", json!({})), None)
            .await
            .unwrap();
        let allowed = allowed.execution_id.unwrap();
        let stopped = house.pull("a").await;
        assert_eq!((stopped.in_flight.pending, stopped.in_flight.ready), (0, 1));
        if tries {
            for id in [id, allowed] {
                let refused = house.engine.consume(&agent, id, None).await.unwrap_err();
                let first =
                    matches!(&refused, EngineError::Stopped(why) if why.starts_with("agent a was stopped"));
                // Signoff may have been quicker than the agent.
                assert!(first || matches!(refused, EngineError::Execution(_)), "{refused}");
                assert!(first || id != allowed);
            }
        }
        let until = tokio::time::Instant::now() + SOON;
        while house.state(id).await != ExecutionState::Revoked {
            assert!(
                tokio::time::Instant::now() < until,
                "still {}",
                house.state(id).await
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        house.lift("a").await;
        assert!(house.engine.consume(&agent, id, None).await.is_err());
        house.engine.consume(&agent, allowed, None).await.unwrap();
        taken_back.push(id.to_string());
    }
    let log = house.log().await;
    let revoked = log
        .iter()
        .filter(|view| matches!(view.record.event, Event::ExecutionRevoked(_)));
    let revoked: Vec<_> = revoked.collect();
    let subjects: Vec<_> = revoked.iter().map(|view| view.record.subject.clone()).collect();
    assert_eq!(subjects, taken_back);
    for view in revoked {
        assert_eq!(view.record.actor.id.as_deref(), Some("stop"));
        assert!(view.summary.ends_with("because of a stop"), "{}", view.summary);
    }
    house.assert_verifies().await;
}

/// I8: lifted at once, before any worker had its time: what was on its way has ended all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_nothing_survives_a_stop_however_short() {
    let house = House::ruled().await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    for round in 0..20 {
        let target = ["a", EVERYTHING][round % 2];
        let (pending, ready) = (
            house.ask(&agent, "stripe.refund").await,
            house.ready(&agent, &dana).await,
        );
        house.pull(target).await;
        house.lift(target).await;
        let row = house.engine.approval(&agent, pending).await.unwrap().row;
        assert_eq!(row.status, ApprovalStatus::Denied, "round {round}");
        assert_eq!(house.state(ready).await, ExecutionState::Revoked, "round {round}");
        assert!(house.engine.consume(&agent, ready, None).await.is_err());
    }
    house.assert_verifies().await;
}

/// I8: what was asked need not be readable to be refused, nor keeps it anybody from letting the rest go on.
#[tokio::test]
async fn i8_what_can_not_be_read_is_denied_all_the_same() {
    let house = House::ruled().await;
    let agent = house.agent("a").await;
    let id = house.ask(&agent, "stripe.refund").await;
    let mut door = house.backdoor().await;
    assert!(
        door.execute("DELETE FROM payloads WHERE name = 'inputs'", &[])
            .await
            > 0
    );
    drop(door);
    house.pull("a").await;
    house.lift("a").await;
    let row = house.engine.approval(&agent, id).await.unwrap().row;
    assert_eq!(
        (row.status, row.code),
        (ApprovalStatus::Denied, Some(ReasonCode::Stopped))
    );
}

/// What was taken before is named, and can be reported while everything is stopped.
#[tokio::test]
async fn what_is_in_an_agents_hands_is_named_and_can_be_reported() {
    let house = House::ruled().await;
    let (a, b) = (house.agent("a").await, house.agent("b").await);
    let dana = house.operator("dana", Role::Member).await;
    let mut taken = Vec::new();
    for agent in [&a, &a, &b] {
        let id = house.ready(agent, &dana).await;
        house.engine.consume(agent, id, None).await.unwrap();
        taken.push(id);
    }
    house.engine.report(&a, taken[0], report(), None).await.unwrap();
    house.ask(&b, "stripe.refund").await;
    house.ready(&b, &dana).await;
    let outlook = house.engine.stop_outlook(&dana, EVERYTHING).await.unwrap();
    assert!(outlook.stop.is_none());
    assert_eq!((outlook.in_flight.pending, outlook.in_flight.ready), (1, 1));
    let of_a = house.pull("a").await.in_flight;
    assert_eq!((of_a.pending, of_a.ready, of_a.consumed), (0, 0, vec![taken[1]]));
    let of_all = house.pull(EVERYTHING).await.in_flight;
    assert_eq!((of_all.pending, of_all.ready, of_all.more), (1, 1, false));
    let named: BTreeSet<_> = of_all.consumed.into_iter().collect();
    assert_eq!(named, BTreeSet::from([taken[1], taken[2]]));
    assert!(of_all.executing.is_empty());
    house.engine.report(&a, taken[1], report(), None).await.unwrap();
    assert_eq!(house.state(taken[1]).await, ExecutionState::Reported);
    let stops = house.engine.stops(&dana).await.unwrap();
    assert_eq!(stops.len(), 2);
    house.assert_verifies().await;
}

/// Pulled twice it is pulled once, lifted twice it is lifted once; keys of repeated calls answer as they did.
#[tokio::test]
async fn a_stop_is_pulled_once_and_lifted_once() {
    let house = House::ruled().await;
    house.agent("a").await;
    let dana = house.operator("dana", Role::Member).await;
    let first = house
        .engine
        .pull_stop(&dana, "a", Some("odd"), Some("k"))
        .await
        .unwrap();
    assert!(first.is_new && !first.may_lift, "only an admin lifts it");
    let head = house.log().await.len();
    for key in [None, Some("k"), Some("other")] {
        let again = house
            .engine
            .pull_stop(&dana, "a", Some("odd"), key)
            .await
            .unwrap();
        assert_eq!(again.is_new, key == Some("k"), "{key:?}");
        assert_eq!((again.stop.at, &again.stop.by), (first.stop.at, &first.stop.by));
        assert_eq!(again.stop.reason.as_deref(), Some("odd"));
    }
    let other = house.engine.pull_stop(&dana, EVERYTHING, None, Some("k")).await;
    assert!(matches!(other, Err(EngineError::IdempotencyMismatch)));
    assert_eq!(house.log().await.len(), head, "nothing was recorded");
    let lift = |key| house.engine.lift_stop(&house.admin, "a", Some("fine"), key);
    lift(Some("l")).await.unwrap();
    assert_eq!(lift(Some("l")).await.unwrap().at, first.stop.at);
    for refused in [lift(None).await.err(), lift(Some("m")).await.err()] {
        assert!(
            matches!(refused, Some(EngineError::NotFound { .. })),
            "{refused:?}"
        );
    }
    // A call that is repeated after the stop was lifted does not read as if it were in force.
    let late = house.engine.pull_stop(&dana, "a", Some("odd"), Some("k")).await;
    assert!(matches!(late, Err(EngineError::NotFound { .. })), "{late:?}");
    assert_eq!(house.log().await.len(), head + 1);
}

/// I6: no agent stops or lifts anything; viewers only look; members stop, admins lift.
#[tokio::test]
async fn i6_people_stop_and_admins_lift() {
    let house = House::ruled().await;
    let agent = house.agent("a").await;
    let viewer = house.operator("vera", Role::Viewer).await;
    let member = house.operator("dana", Role::Member).await;
    let admin = house.operator("ada", Role::Admin).await;
    for (caller, sees, stops, lifts) in [
        (&agent, false, false, false),
        (&viewer, true, false, false),
        (&member, true, true, false),
        (&admin, true, true, true),
    ] {
        let refused = |error: EngineError| matches!(error, EngineError::Forbidden(_));
        let seen = house.engine.stops(caller).await;
        assert_eq!(seen.map_err(refused).is_ok(), sees);
        let pulled = house.engine.pull_stop(caller, "a", None, None).await;
        assert_eq!(pulled.is_ok(), stops, "{pulled:?}");
        assert!(pulled.err().is_none_or(refused));
        let lifted = house.engine.lift_stop(caller, "a", None, None).await;
        assert_eq!(lifted.is_ok(), lifts, "{lifted:?}");
        assert!(lifted.err().is_none_or(refused));
    }
}

/// What names nothing and what is too long is refused by its field, and nothing is stopped.
#[tokio::test]
async fn a_stop_of_nothing_is_refused() {
    let house = House::ruled().await;
    let long = "x".repeat(16 * 1024 + 1);
    for (target, reason) in [
        ("nobody", None),
        ("agt_00000000000000000000000000000000", None),
        ("Workspace", None),
        ("", None),
        (EVERYTHING, Some(long.as_str())),
    ] {
        let refused = house.engine.pull_stop(&house.admin, target, reason, None).await;
        let expected = match reason {
            None => matches!(refused, Err(EngineError::NotFound { .. })),
            Some(_) => matches!(refused, Err(EngineError::Invalid(_))),
        };
        assert!(expected, "{target}: {refused:?}");
        assert!(
            house
                .engine
                .lift_stop(&house.admin, target, reason, None)
                .await
                .is_err()
        );
    }
    assert!(house.engine.stops(&house.admin).await.unwrap().is_empty());
}

/// A stop outlives changes of the agent and a restart, and what is covered ends after it too.
#[tokio::test]
async fn a_stop_outlives_changes_and_restarts() {
    let house = House::ruled().await;
    let agent = house.agent("a").await;
    house.pull("a").await;
    let update = UpdateAgent {
        labels: Some([("team".to_owned(), "x".to_owned())].into()),
        ..UpdateAgent::default()
    };
    house
        .engine
        .update_agent(&house.admin, "a", update)
        .await
        .unwrap();
    let house = house.reopen().await;
    assert_eq!(
        house.effect(&agent, "db.read").await,
        (Effect::Deny, Some(ReasonCode::Stopped))
    );
    house.assert_verifies().await;
    house.lift("a").await;
    assert_eq!(house.effect(&agent, "db.read").await.0, Effect::Allow);
}

/// A submit that is repeated under a stop is told no, whatever it was told before.
#[tokio::test]
async fn a_repeated_submit_is_refused_under_a_stop() {
    let house = House::ruled().await;
    let agent = house.agent("a").await;
    let again = || {
        house
            .engine
            .submit(&agent, submit("db.read", json!({})), Some("k"))
    };
    let first = again().await.unwrap();
    assert_eq!(first.effect, Effect::Allow);
    house.pull("a").await;
    let second = again().await.unwrap();
    assert_eq!(
        (second.action_id, second.effect, second.code, second.execution_id),
        (first.action_id, Effect::Deny, Some(ReasonCode::Stopped), None)
    );
    house.lift("a").await;
    assert_eq!(again().await.unwrap().execution_id, first.execution_id);
}

/// Nodes of an earlier version may still run: a stop that they would not know is not written.
#[tokio::test]
async fn a_stop_needs_its_feature_level() {
    let house = House::ruled().await;
    let mut door = house.backdoor().await;
    let sql = "UPDATE installation SET feature_level = 2";
    assert_eq!(door.execute(sql, &[]).await, 1);
    drop(door);
    let refused = house.engine.pull_stop(&house.admin, EVERYTHING, None, None).await;
    assert!(
        matches!(refused, Err(EngineError::FeatureLevel(3))),
        "{refused:?}"
    );
    house.engine.finish_upgrade(&house.admin).await.unwrap();
    house.pull(EVERYTHING).await;
}

/// I8: eight agents submit, ask, vote and take while stops are pulled and lifted twenty times: by the order of the log
/// nothing covered goes on in between, and what was acknowledged as stopped is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_nothing_goes_on_between_pulling_and_lifting() {
    race(false).await;
}

/// I8: the same on a server that approves by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_server_that_approves_by_itself_keeps_to_stops() {
    race(true).await;
}

async fn race(auto_approve: bool) {
    let house = Arc::new(House::with(auto_approve).await);
    house.rule().await;
    let dana = house.operator("dana", Role::Member).await;
    let (running, stopped) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let mut agents = Vec::new();
    for name in 0..8 {
        let agent = house.agent(&format!("agent-{name}")).await;
        let (house, dana) = (Arc::clone(&house), dana.clone());
        let (running, stopped) = (Arc::clone(&running), Arc::clone(&stopped));
        agents.push(tokio::spawn(async move {
            while running.load(Ordering::SeqCst) {
                let before = stopped.load(Ordering::SeqCst);
                let (effect, _) = house.effect(&agent, "db.read").await;
                let after = stopped.load(Ordering::SeqCst);
                assert!(
                    !(before && after && effect == Effect::Allow),
                    "allowed under a stop"
                );
                let asked = house
                    .engine
                    .submit(&agent, submit("stripe.refund", json!({})), None);
                let Some(id) = asked.await.unwrap().approval_id else {
                    continue;
                };
                drop(house.approve(&dana, id).await);
                drop(house.engine.consume(&agent, id.action().execution(), None).await);
            }
        }));
    }
    for round in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let target = if round % 4 == 3 { "agent-3" } else { EVERYTHING };
        house.pull(target).await;
        stopped.store(target == EVERYTHING, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(10)).await;
        stopped.store(false, Ordering::SeqCst);
        house.lift(target).await;
    }
    running.store(false, Ordering::SeqCst);
    for agent in agents {
        agent.await.unwrap();
    }
    assert!(
        assert_nothing_went_on(&house.log().await) > 0,
        "the race never ran"
    );
    house.assert_verifies().await;
}

/// Many are ended, page by page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_a_page_is_ended() {
    let house = House::ruled().await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    let asked: Vec<ApprovalId> = join_all((0..450).map(|_| house.ask(&agent, "stripe.refund"))).await;
    let (approved, pending) = asked.split_at(230);
    for done in join_all(approved.iter().map(|id| house.approve(&dana, *id))).await {
        done.unwrap();
    }
    let stopped = house.pull(EVERYTHING).await;
    assert_eq!(
        (stopped.in_flight.pending, stopped.in_flight.ready),
        (pending.len() as u64, approved.len() as u64)
    );
    house.lift(EVERYTHING).await;
    let outlook = house.engine.stop_outlook(&dana, EVERYTHING).await.unwrap();
    assert_eq!((outlook.in_flight.pending, outlook.in_flight.ready), (0, 0));
    house.assert_verifies().await;
}
