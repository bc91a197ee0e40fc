//! Calls that Signoff makes: with the credential, at most once, as they were judged, and never what was refused.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use common::{House, policy};
use secrecy::SecretString;
use serde_json::json;
use signoff_core::{
    action::Action,
    approval::Refusal,
    event::{ApprovalStatus, CallFault, ExecutionState, RevokedBecause},
    grant::{CredentialKind, Grant, IdempotentProvider, Redaction, Unfit},
    http::{Call, GivenCall},
    id::{ApprovalId, ExecutionId},
    policy::{Effect, PolicyEffect},
    requirement::Role,
    time::Micros,
};
use signoff_engine::{
    EngineError, EngineResult,
    request::{Decide, Decision, Edit, Scope, Settle, Submit, UpdateGrant},
    view::{CallResult, Called, Caller},
};
use signoff_testkit::{Answer, Recorder};

/// Must appear nowhere but at the upstream.
const CANARY: &str = "canary-9f2c77-secret-of-the-grant";

fn grant(origin: &str) -> Grant {
    Grant {
        name: "stripe".into(),
        credential: CredentialKind::Bearer,
        origins: vec![origin.to_owned()],
        methods: Vec::new(),
        paths: Vec::new(),
        agents: vec!["billing".into()],
        labels: BTreeMap::new(),
        timeout: Some(Micros::seconds(2)),
        idempotent: None,
        redact: Redaction::default(),
        disabled: false,
    }
}

fn call(method: &str, url: &str, body: Option<&str>) -> Submit {
    let given = GivenCall {
        method: method.into(),
        url: url.into(),
        headers: BTreeMap::from([
            ("content-type".to_owned(), "application/json".to_owned()),
            ("Authorization".to_owned(), "Bearer the-agents-own".to_owned()),
            ("X-Forwarded-For".to_owned(), "10.0.0.1".to_owned()),
        ]),
        body: body.map(|body| body.as_bytes().to_vec()),
        grant: Some("Stripe".into()),
    };
    let call = Call::new(given).unwrap();
    Submit::of(Action {
        http: Some(Arc::new(call.clone())),
        ..Action::named(call.action_name())
    })
}

struct World {
    house: House,
    upstream: Recorder,
    agent: Caller,
    dana: Caller,
}

/// A house with one upstream, one grant and one agent that holds it; the policy asks for every POST.
async fn world(answer: impl Fn() -> Answer + Send + Sync + 'static) -> World {
    let house = House::new().await;
    let upstream = Recorder::start(move |_| answer()).await;
    let agent = house.agent("billing").await;
    let dana = house.operator("dana", Role::Member).await;
    let origin = upstream.url("");
    let value = SecretString::from(CANARY);
    let made = house
        .engine
        .create_grant(&house.admin, grant(&origin), value, None);
    made.await.unwrap();
    let mut asks = policy("posts", &["http.post"], PolicyEffect::RequireApproval);
    asks.approval.allow_edit = Some(signoff_core::policy::EditTerms::Any(true));
    house.apply(vec![asks]).await;
    World {
        house,
        upstream,
        agent,
        dana,
    }
}

impl World {
    async fn submit(&self, method: &str, path: &str, body: Option<&str>) -> EngineResult<Called> {
        let submit = call(method, &self.upstream.url(path), body);
        let engine = &self.house.engine;
        engine.call(&self.agent, submit, None, Duration::ZERO, None).await
    }

    async fn ask(&self, body: &str) -> ApprovalId {
        let called = self.submit("POST", "/v1/refunds?a=1", Some(body)).await.unwrap();
        assert_eq!(called.submitted.effect, Effect::Ask);
        called.submitted.approval_id.unwrap()
    }

    async fn decide(&self, id: ApprovalId, scope: Scope) {
        let engine = &self.house.engine;
        let digest = engine.approval(&self.dana, id).await.unwrap().row.digest;
        let decision = Decision::Approve {
            digest,
            comment: None,
            scope,
        };
        let decide = Decide { decision, view: None };
        engine.decide(&self.dana, id, decide, None).await.unwrap();
    }

    async fn result(&self, id: ExecutionId) -> CallResult {
        let engine = &self.house.engine;
        engine
            .call_result(&self.agent, id, Duration::from_secs(20))
            .await
            .unwrap()
    }

    /// The types of what happened to an execution, in order.
    async fn events(&self, of: ExecutionId) -> Vec<String> {
        let log = self.house.log().await;
        let of = of.to_string();
        log.into_iter()
            .filter(|event| event.record.subject == of)
            .map(|event| event.record.event.type_name().to_owned())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allowed_call_is_made_once_with_the_credential_and_answers() {
    let world = world(|| Answer::json(&json!({"balance": 12}))).await;
    let called = world.submit("GET", "/v1/balance?b=2&a=1", None).await.unwrap();
    assert_eq!(
        called.submitted.effect,
        Effect::Allow,
        "a held grant is let through"
    );
    assert_eq!(
        called.submitted.dropped_headers,
        ["authorization", "x-forwarded-for"]
    );
    let result = called.result.unwrap();
    assert_eq!(result.state, ExecutionState::Executed);
    let answer = result.answer.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"{\"balance\":12}"[..]));
    let received = world.upstream.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].header("authorization"), format!("Bearer {CANARY}"));
    assert_eq!(
        (received[0].path.as_str(), received[0].query.as_str()),
        ("/v1/balance", "b=2&a=1")
    );
    assert!(received[0].headers.get("x-forwarded-for").is_none());
    // Asked for again it is not made again.
    let again = world.result(called.submitted.execution_id.unwrap()).await;
    assert_eq!(again.answer.unwrap().body, answer.body);
    assert_eq!(world.upstream.received().len(), 1);
}

/// I2, I3: what was approved is sent, byte for byte, once; and neither before nor without approval.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_an_approved_call_is_made_exactly_once_with_the_approved_bytes() {
    let world = world(|| Answer::status(201)).await;
    let body = "{\"b\": 1.10, \"a\": 123456789012345678901234567890, \"a\": 2}";
    let id = world.ask(body).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.upstream.received().len(), 0, "nobody has approved it");
    world.decide(id, Scope::Once).await;
    let result = world.result(id.action().execution()).await;
    assert_eq!(result.answer.unwrap().status, 201);
    let received = world.upstream.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].body, body.as_bytes());
    assert_eq!(received[0].header("authorization"), format!("Bearer {CANARY}"));
    world.house.engine.make_calls().await.unwrap();
    assert_eq!(world.upstream.received().len(), 1);
    let consumed = world
        .house
        .engine
        .consume(&world.agent, id.action().execution(), None)
        .await;
    assert!(matches!(consumed, Err(EngineError::Execution(_))), "{consumed:?}");
    world.house.assert_verifies().await;
}

/// I2: an edited call is the edited bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_an_edited_call_sends_the_edited_bytes() {
    let world = world(|| Answer::status(200)).await;
    let id = world.ask("{\"amount\":500}").await;
    let edit = Edit {
        body: Some(b"{\"amount\": 50}".to_vec()),
        ..Edit::default()
    };
    world.decide(id, Scope::Edited(edit)).await;
    world.result(id.action().execution()).await;
    let received = world.upstream.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].body, b"{\"amount\": 50}");
    world.house.assert_verifies().await;
}

/// A denied, expired, cancelled or superseded call never reaches anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_what_was_refused_is_never_called() {
    let world = world(|| Answer::status(200)).await;
    let engine = &world.house.engine;
    let denied = world.ask("{}").await;
    let decision = Decision::Deny {
        digest: None,
        reason: "no".into(),
    };
    let decide = Decide { decision, view: None };
    engine.decide(&world.dana, denied, decide, None).await.unwrap();
    let cancelled = world.ask("{}").await;
    engine.cancel(&world.agent, cancelled, None, None).await.unwrap();
    let superseded = world.ask("{}").await;
    let mut amended = call("POST", &world.upstream.url("/v1/refunds"), Some("{}"));
    amended.replaces = Some(superseded);
    let amended = engine.submit(&world.agent, amended, None).await.unwrap();
    engine
        .cancel(&world.agent, amended.approval_id.unwrap(), None, None)
        .await
        .unwrap();
    let expired = world.ask("{}").await;
    world.house.clock.advance(Micros::seconds(3_601));
    engine.tick().await.unwrap();
    world
        .house
        .apply(vec![policy("never", &["http.delete"], PolicyEffect::Deny)])
        .await;
    assert_eq!(
        world
            .submit("DELETE", "/v1/x", None)
            .await
            .unwrap()
            .submitted
            .effect,
        Effect::Deny
    );
    for (id, status) in [
        (denied, ApprovalStatus::Denied),
        (cancelled, ApprovalStatus::Cancelled),
        (superseded, ApprovalStatus::Superseded),
        (expired, ApprovalStatus::Expired),
    ] {
        assert_eq!(engine.approval(&world.dana, id).await.unwrap().row.status, status);
    }
    engine.make_calls().await.unwrap();
    assert_eq!(world.upstream.received().len(), 0);
}

/// I7: the credential is nowhere but at its upstream, though that echoes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_the_credential_stays_in() {
    let echo = || {
        let mut answer = Answer::json(&json!({"you_sent": CANARY, "again": format!("x{CANARY}x")}));
        answer.headers.push(("x-echo", format!("Bearer {CANARY}")));
        answer
    };
    let world = world(echo).await;
    let called = world.submit("GET", "/v1/echo", None).await.unwrap();
    let answer = called.result.clone().unwrap().answer.unwrap();
    assert!(
        !String::from_utf8_lossy(&answer.body).contains(CANARY),
        "{:?}",
        answer.body
    );
    assert!(String::from_utf8_lossy(&answer.body).contains("[credential]"));
    let engine = &world.house.engine;
    let mut places = vec![
        format!("{called:?}"),
        format!("{:?}", answer.headers),
        format!("{:?}", engine.grants(&world.house.admin, None, 10).unwrap().items),
    ];
    places.extend(
        world
            .house
            .log()
            .await
            .into_iter()
            .map(|event| format!("{event:?}")),
    );
    for place in places {
        assert!(!place.contains(CANARY), "{place}");
    }
    let mut door = world.house.backdoor().await;
    for table in [
        "events",
        "grants",
        "secrets",
        "payloads",
        "executions",
        "idempotency",
        "outbox",
    ] {
        for row in door.rows(&format!("SELECT * FROM {table}")).await {
            let text = format!("{row:?}");
            let hidden = row.iter().all(|cell| !contains(cell, CANARY.as_bytes()));
            assert!(hidden && !text.contains(CANARY), "{table}");
        }
    }
    world.house.assert_verifies().await;
}

fn contains(cell: &signoff_testkit::Cell, canary: &[u8]) -> bool {
    match cell {
        signoff_testkit::Cell::Bytes(bytes) => bytes.windows(canary.len()).any(|part| part == canary),
        _ => false,
    }
}

/// What an agent does not hold does not exist for it; what it holds goes where it may, and nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_go_only_where_and_with_whom_they_may() {
    let world = world(|| Answer::status(200)).await;
    let engine = &world.house.engine;
    let stranger = world.house.agent("other").await;
    let refused = |called: EngineResult<Called>| match called {
        Err(EngineError::Grant { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    let get = call("GET", &world.upstream.url("/v1/x"), None);
    let by_other = engine
        .call(&stranger, get.clone(), None, Duration::ZERO, None)
        .await;
    assert_eq!(refused(by_other), Unfit::NotHeld);
    let elsewhere = call("GET", "https://example.com/v1/x", None);
    let elsewhere = engine
        .call(&world.agent, elsewhere, None, Duration::ZERO, None)
        .await;
    assert_eq!(refused(elsewhere), Unfit::Origin);
    let change = UpdateGrant {
        methods: Some(vec!["get".into()]),
        paths: Some(vec!["/v1/*".into()]),
        ..UpdateGrant::default()
    };
    engine
        .update_grant(&world.house.admin, "stripe", change)
        .await
        .unwrap();
    assert_eq!(refused(world.submit("PUT", "/v1/x", None).await), Unfit::Method);
    assert_eq!(refused(world.submit("GET", "/v2/x", None).await), Unfit::Path);
    assert!(world.submit("GET", "/v1/x", None).await.is_ok());
    let off = UpdateGrant {
        disabled: Some(true),
        ..UpdateGrant::default()
    };
    engine
        .update_grant(&world.house.admin, "stripe", off)
        .await
        .unwrap();
    assert_eq!(refused(world.submit("GET", "/v1/x", None).await), Unfit::Disabled);
    engine.remove_grant(&world.house.admin, "stripe").await.unwrap();
    assert_eq!(refused(world.submit("GET", "/v1/x", None).await), Unfit::NotHeld);
    assert_eq!(world.upstream.received().len(), 1);
    world.house.assert_verifies().await;
}

/// Whoever looks at a call that its grant no longer goes with is told that approving it would be in vain; and it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_its_grant_no_longer_goes_with_says_so() {
    let world = world(|| Answer::status(200)).await;
    let engine = &world.house.engine;
    let id = world.ask("{}").await;
    let switched = |disabled| UpdateGrant {
        disabled: Some(disabled),
        ..UpdateGrant::default()
    };
    let admin = &world.house.admin;
    let may = async || {
        let view = engine.approval(&world.dana, id).await.unwrap();
        engine.may(&world.dana, &view)
    };
    engine
        .update_grant(admin, "stripe", switched(true))
        .await
        .unwrap();
    let off = Refusal::GrantUnfit(Unfit::Disabled);
    let (approve, edit) = (may().await.approve, may().await.edit);
    assert_eq!((approve, edit), (Err(off.clone()), Err(off)));
    assert_eq!(may().await.deny, Ok(()));
    engine
        .update_grant(admin, "stripe", switched(false))
        .await
        .unwrap();
    assert_eq!(may().await.approve, Ok(()));
    engine.remove_grant(admin, "stripe").await.unwrap();
    assert_eq!(
        may().await.approve.unwrap_err().to_string(),
        "this call could not be made any more: the agent does not hold the grant; deny it, or set the grant right first"
    );
    world.decide(id, Scope::Once).await;
    let result = world.result(id.action().execution()).await;
    assert_eq!(result.state, ExecutionState::Revoked);
    assert_eq!(result.row.call.unwrap().revoked, Some(RevokedBecause::Grant));
    assert!(world.upstream.received().is_empty());
    world.house.assert_verifies().await;
}

/// A call that brings no answer is failed where it can't have done anything, else a person must say what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_an_answer_is_settled_by_a_person() {
    let world = world(|| Answer::status(200).after(Duration::from_secs(4))).await;
    let engine = &world.house.engine;
    let safe = world.submit("GET", "/slow", None).await.unwrap().result.unwrap();
    assert_eq!(safe.state, ExecutionState::Failed, "a GET changes nothing");
    assert_eq!(safe.row.call.unwrap().fault, Some(CallFault::TimedOut));
    let id = world.ask("{}").await;
    world.decide(id, Scope::Once).await;
    let execution = id.action().execution();
    let lost = world.result(execution).await;
    assert_eq!(lost.state, ExecutionState::Indeterminate);
    let settle = Settle {
        state: ExecutionState::Executed,
        note: Some("it is in the books".into()),
    };
    let by_member = engine.settle(&world.dana, execution, settle.clone(), None).await;
    assert!(
        matches!(by_member, Err(EngineError::Forbidden(_))),
        "{by_member:?}"
    );
    engine
        .settle(&world.house.admin, execution, settle, None)
        .await
        .unwrap();
    assert_eq!(world.result(execution).await.state, ExecutionState::Executed);
    assert_eq!(world.upstream.received().len(), 2);
    // Nobody listens: provably not sent.
    let gone = Recorder::start(|_| Answer::status(200)).await;
    let origin = gone.url("");
    drop(gone);
    let change = UpdateGrant {
        origins: Some(vec![origin.clone()]),
        ..UpdateGrant::default()
    };
    engine
        .update_grant(&world.house.admin, "stripe", change)
        .await
        .unwrap();
    let submit = call("PUT", &format!("{origin}/x"), Some("{}"));
    let called = engine
        .call(&world.agent, submit, None, Duration::ZERO, None)
        .await
        .unwrap();
    let result = called.result.unwrap();
    assert_eq!(result.state, ExecutionState::Failed);
    assert_eq!(result.row.call.unwrap().fault, Some(CallFault::Unreachable));
    world.house.assert_verifies().await;
}

/// A person may have it made again, with a warning; then it is made once more, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_may_have_a_lost_call_made_again() {
    let times = std::sync::atomic::AtomicU32::new(0);
    let world = world(move || {
        let first = times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        let late = if first {
            Duration::from_secs(4)
        } else {
            Duration::ZERO
        };
        Answer::status(200).after(late)
    })
    .await;
    let id = world.ask("{}").await;
    world.decide(id, Scope::Once).await;
    let execution = id.action().execution();
    assert_eq!(world.result(execution).await.state, ExecutionState::Indeterminate);
    world.house.clock.advance(Micros::seconds(7_200));
    let settle = Settle {
        state: ExecutionState::Ready,
        note: None,
    };
    world
        .house
        .engine
        .settle(&world.house.admin, execution, settle, None)
        .await
        .unwrap();
    let again = world.result(execution).await;
    assert_eq!(again.state, ExecutionState::Executed);
    assert_eq!(again.row.call.unwrap().attempts, 2);
    assert_eq!(world.upstream.received().len(), 2);
    world.house.assert_verifies().await;
}

/// The key of a call whose provider knows one again is the same whenever it is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_knows_calls_again_is_told_which_it_is() {
    let world = world(|| Answer::status(200)).await;
    let change = UpdateGrant {
        idempotent: Some(Some(IdempotentProvider {
            header: "Idempotency-Key".into(),
            window: Micros::seconds(86_400),
        })),
        ..UpdateGrant::default()
    };
    let engine = &world.house.engine;
    engine
        .update_grant(&world.house.admin, "stripe", change)
        .await
        .unwrap();
    let id = world.ask("{}").await;
    world.decide(id, Scope::Once).await;
    world.result(id.action().execution()).await;
    let received = world.upstream.received();
    assert_eq!(
        received[0].header("idempotency-key"),
        id.action().execution().to_string()
    );
}

/// One key, one call, whatever came between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_gets_the_answer_of_the_first() {
    let world = world(|| Answer::json(&json!({"n": 1}))).await;
    let engine = &world.house.engine;
    let ask = || {
        let submit = call("PUT", &world.upstream.url("/v1/x"), Some("{\"a\":1}"));
        engine.call(&world.agent, submit, Some("key-1"), Duration::ZERO, None)
    };
    let first = ask().await.unwrap();
    let again = ask().await.unwrap();
    assert_eq!(first.submitted.execution_id, again.submitted.execution_id);
    assert_eq!(
        again.result.unwrap().answer.unwrap().body,
        first.result.unwrap().answer.unwrap().body
    );
    assert_eq!(world.upstream.received().len(), 1);
    let other = call("PUT", &world.upstream.url("/v1/x"), Some("{\"a\":2}"));
    let other = engine
        .call(&world.agent, other, Some("key-1"), Duration::ZERO, None)
        .await;
    assert!(
        matches!(other, Err(EngineError::IdempotencyMismatch)),
        "{other:?}"
    );
}

/// The kill switch on a grant: from the answer on nothing more is called with it, and what is on its way is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_stopped_grant_calls_nothing() {
    let world = world(|| Answer::status(200).after(Duration::from_secs(1))).await;
    let engine = world.house.engine.clone();
    let pending = world.ask("{}").await;
    let (agent, submit) = (
        world.agent.clone(),
        call("GET", &world.upstream.url("/slow"), None),
    );
    let background = engine.clone();
    let flying =
        tokio::spawn(async move { background.call(&agent, submit, None, Duration::ZERO, None).await });
    world.upstream.wait_for(1).await;
    let stopped = engine
        .pull_stop(&world.dana, "grant:stripe", Some("leak"), None)
        .await
        .unwrap();
    assert_eq!(stopped.in_flight.executing.len(), 1, "what is in flight is named");
    assert_eq!(stopped.in_flight.pending, 1);
    let refused = world.submit("GET", "/v1/x", None).await.unwrap();
    assert_eq!(refused.submitted.effect, Effect::Deny);
    assert!(
        refused
            .submitted
            .reason
            .unwrap()
            .contains("the grant stripe was stopped")
    );
    assert_eq!(
        flying.await.unwrap().unwrap().result.unwrap().state,
        ExecutionState::Executed
    );
    for _ in 0..100 {
        if engine.approval(&world.dana, pending).await.unwrap().row.status == ApprovalStatus::Denied {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        engine.approval(&world.dana, pending).await.unwrap().row.status,
        ApprovalStatus::Denied
    );
    assert_eq!(world.upstream.received().len(), 1);
    engine
        .lift_stop(&world.house.admin, "grant:stripe", None, None)
        .await
        .unwrap();
    assert_eq!(
        world.submit("GET", "/v1/x", None).await.unwrap().submitted.effect,
        Effect::Allow
    );
    world.house.assert_verifies().await;
}

/// A grant that was changed after people approved is another one: what they saw is not what would run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_a_lost_call_is_not_made_again_with_another_grant() {
    let world = world(|| Answer::status(200).after(Duration::from_secs(4))).await;
    let id = world.ask("{}").await;
    world.decide(id, Scope::Once).await;
    let execution = id.action().execution();
    assert_eq!(world.result(execution).await.state, ExecutionState::Indeterminate);
    let change = UpdateGrant {
        value: Some(SecretString::from("another-and-stronger-credential")),
        ..UpdateGrant::default()
    };
    let engine = &world.house.engine;
    engine
        .update_grant(&world.house.admin, "stripe", change)
        .await
        .unwrap();
    let settle = Settle {
        state: ExecutionState::Ready,
        note: None,
    };
    engine
        .settle(&world.house.admin, execution, settle, None)
        .await
        .unwrap();
    let result = world.result(execution).await;
    assert_eq!(result.state, ExecutionState::Revoked);
    assert_eq!(result.row.call.unwrap().revoked, Some(RevokedBecause::Grant));
    assert_eq!(
        world.events(execution).await.last().unwrap(),
        "execution.revoked.v1"
    );
    assert_eq!(world.upstream.received().len(), 1);
    world.house.assert_verifies().await;
}
