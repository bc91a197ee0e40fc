//! Other keys for the values of grants, while calls are made with them: nothing is lost, nothing else changes.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use common::House;
use secrecy::SecretString;
use signoff_core::{
    action::Action,
    actor::ActorKind,
    event::{Event, ExecutionState},
    grant::{CredentialKind, Grant, Redaction},
    http::{Call, GivenCall},
};
use signoff_engine::{
    EngineError,
    request::{Submit, UpdateGrant},
    view::{Called, Caller, GrantKeysRotated},
};
use signoff_testkit::{Answer, Recorder};

/// Must reach the upstream with every call.
const CANARY: &str = "canary-7e11a1e-value-of-the-grant";

fn grant(name: &str, origin: &str) -> Grant {
    Grant {
        name: name.into(),
        credential: CredentialKind::Bearer,
        origins: vec![origin.to_owned()],
        methods: Vec::new(),
        paths: Vec::new(),
        agents: vec!["*".into()],
        labels: BTreeMap::new(),
        timeout: None,
        idempotent: None,
        redact: Redaction::default(),
        disabled: false,
    }
}

async fn keep(house: &House, name: &str, origin: &str) {
    let value = SecretString::from(CANARY);
    let made = house
        .engine
        .create_grant(&house.admin, grant(name, origin), value, None);
    made.await.unwrap();
}

async fn rotate(house: &House) -> GrantKeysRotated {
    house.engine.rotate_grant_keys(&house.admin, None).await.unwrap()
}

/// What is stored of each grant.
async fn sealed(house: &House) -> BTreeSet<Vec<u8>> {
    let mut database = house.backdoor().await;
    let rows = database
        .rows("SELECT value FROM secrets WHERE kind = 'grant'")
        .await;
    rows.iter().map(|row| row[0].bytes().to_vec()).collect()
}

async fn call(house: &House, agent: &Caller, upstream: &Recorder, name: &str) -> Called {
    let given = GivenCall {
        method: "GET".into(),
        url: upstream.url("/v1"),
        headers: BTreeMap::new(),
        body: None,
        grant: Some(name.into()),
    };
    let made = Call::new(given).unwrap();
    let submit = Submit::of(Action {
        http: Some(Arc::new(made.clone())),
        ..Action::named(made.action_name())
    });
    let engine = &house.engine;
    let wait = Duration::from_secs(20);
    engine.call(agent, submit, None, wait, None).await.unwrap()
}

/// More than one command's worth: every value is sealed anew, under the same version, and each of them is in the log.
#[tokio::test]
async fn every_value_is_sealed_anew_and_stays_what_it_was() {
    let house = House::new().await;
    let upstream = Recorder::start(|_| Answer::status(200)).await;
    let agent = house.agent("billing").await;
    for at in 0..120 {
        keep(&house, &format!("grant-{at}"), &upstream.url("")).await;
    }
    let removed = house.engine.remove_grant(&house.admin, "grant-7").await;
    removed.unwrap();
    assert!(
        sealed(&house).await.contains(&Vec::new()),
        "I7: its value is gone"
    );
    let before = sealed(&house).await;
    let rotated = rotate(&house).await;
    assert_eq!((rotated.rotated, rotated.changed), (119, 0));
    assert!(rotated.unopened.is_empty());
    let after = sealed(&house).await;
    assert_eq!(after.len(), 120);
    assert_eq!(before.intersection(&after).count(), 1, "the one that was removed");
    let log = house.log().await;
    let records = log
        .iter()
        .filter(|event| matches!(event.record.event, Event::GrantRefreshed(_)));
    let actors: Vec<_> = records.map(|event| event.record.actor.kind).collect();
    assert_eq!(actors, vec![ActorKind::Automation; 119], "who did it is known");
    let view = house.engine.grant(&house.admin, "grant-119").unwrap();
    assert_eq!(view.row.version, 1);
    house.assert_verifies().await;
    let house = house.reopen().await;
    for name in ["grant-0", "grant-119"] {
        let called = call(&house, &agent, &upstream, name).await;
        assert_eq!(called.result.unwrap().row.state, ExecutionState::Executed);
    }
    let seen = upstream.received();
    assert!(
        seen.len() == 2
            && seen
                .iter()
                .all(|seen| seen.header("authorization").contains(CANARY))
    );
}

/// I3, I7: calls that are made meanwhile are made with the same value, and grants that change meanwhile keep what they
/// were changed to.
#[tokio::test]
async fn calls_and_changes_meanwhile_are_not_disturbed() {
    let house = House::new().await;
    let upstream = Recorder::start(|_| Answer::status(200)).await;
    let agent = house.agent("billing").await;
    for at in 0..60 {
        keep(&house, &format!("grant-{at}"), &upstream.url("")).await;
    }
    let calls = async {
        for at in 0..30 {
            let called = call(&house, &agent, &upstream, &format!("grant-{at}")).await;
            assert_eq!(called.result.unwrap().row.state, ExecutionState::Executed, "{at}");
        }
    };
    let changes = async {
        for at in 30..60 {
            let update = UpdateGrant {
                methods: Some(vec!["GET".into()]),
                ..UpdateGrant::default()
            };
            let name = format!("grant-{at}");
            let engine = &house.engine;
            engine.update_grant(&house.admin, &name, update).await.unwrap();
        }
    };
    let rotations = async {
        for _ in 0..5 {
            let rotated = rotate(&house).await;
            assert_eq!(rotated.rotated + rotated.changed, 60);
            assert!(rotated.unopened.is_empty());
        }
    };
    tokio::join!(calls, changes, rotations);
    for at in 30..60 {
        let name = format!("grant-{at}");
        let row = house.engine.grant(&house.admin, &name).unwrap().row;
        assert_eq!((row.version, row.grant.methods), (2, vec!["GET".to_owned()]));
        call(&house, &agent, &upstream, &name).await;
    }
    let seen = upstream.received();
    assert_eq!(seen.len(), 60);
    assert!(
        seen.iter()
            .all(|seen| seen.header("authorization").contains(CANARY))
    );
    house.assert_verifies().await;
}

/// A value that was changed behind the log's back is named, left as it is, and made whole by giving it again.
#[tokio::test]
async fn one_that_does_not_open_is_named_and_left() {
    let house = House::new().await;
    let upstream = Recorder::start(|_| Answer::status(200)).await;
    for name in ["fine", "broken"] {
        keep(&house, name, &upstream.url("")).await;
    }
    let id = house.engine.grant(&house.admin, "broken").unwrap().row.id;
    let mut database = house.backdoor().await;
    let swap = "UPDATE secrets SET value = ? WHERE kind = 'grant' AND id = ?";
    let changed = database
        .execute(
            swap,
            &[b"something else".as_slice().into(), id.0.0.as_slice().into()],
        )
        .await;
    assert_eq!(changed, 1);
    let agent = house.agent("billing").await;
    let rotated = rotate(&house).await;
    assert_eq!(rotated.rotated, 1);
    let named: Vec<_> = rotated.unopened.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(named, ["broken"]);
    assert!(sealed(&house).await.contains(b"something else".as_slice()));
    let again = UpdateGrant {
        value: Some(SecretString::from(CANARY)),
        ..UpdateGrant::default()
    };
    let engine = &house.engine;
    engine.update_grant(&house.admin, "broken", again).await.unwrap();
    assert!(rotate(&house).await.unopened.is_empty());
    let called = call(&house, &agent, &upstream, "broken").await;
    assert_eq!(called.result.unwrap().row.state, ExecutionState::Executed);
    house.assert_verifies().await;
}

/// An idempotency key is one rotation, whoever holds another one.
#[tokio::test]
async fn a_repeated_request_seals_nothing_a_second_time() {
    let house = House::new().await;
    let engine = &house.engine;
    keep(&house, "one", "https://api.example.com").await;
    let first = engine.rotate_grant_keys(&house.admin, Some("k")).await.unwrap();
    let stored = sealed(&house).await;
    let again = engine.rotate_grant_keys(&house.admin, Some("k")).await.unwrap();
    assert_eq!((&first, &stored), (&again, &sealed(&house).await));
    engine.rotate_grant_keys(&house.admin, Some("l")).await.unwrap();
    assert_ne!(stored, sealed(&house).await);
    let agent = house.agent("billing").await;
    let refused = engine.rotate_grant_keys(&agent, None).await.unwrap_err();
    assert!(matches!(refused, EngineError::Forbidden(_)), "{refused:?}");
}
