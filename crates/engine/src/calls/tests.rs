//! What happens between approval and the first byte, and after a process ended in the middle of a call.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use common::{House, policy};
use secrecy::SecretString;
use signoff_core::{
    action::Action,
    event::{CallFault, ExecutionState, RevokedBecause},
    grant::{CredentialKind, Grant, IdempotentProvider, Redaction},
    http::{Call, GivenCall},
    id::{ApprovalId, ExecutionId},
    policy::PolicyEffect,
    requirement::Role,
    rows::ExecutionRow,
    time::Micros,
};
use signoff_testkit::{Answer, Cell, Recorder};

use crate::{
    request::{Submit, UpdateGrant},
    view::Caller,
};

struct World {
    house: House,
    upstream: Recorder,
    agent: Caller,
    dana: Caller,
}

fn call(method: &str, url: &str, body: &[u8]) -> Submit {
    let given = GivenCall {
        method: method.into(),
        url: url.into(),
        headers: BTreeMap::from([("x-order".to_owned(), "42".to_owned())]),
        body: Some(body.to_vec()),
        grant: Some("bank".into()),
    };
    Submit::of(Action {
        http: Some(Arc::new(Call::new(given).unwrap())),
        ..Action::named("money.send")
    })
}

/// A house whose workers rest, so that what is approved stays ready until a test has it made.
async fn world() -> World {
    world_in(House::new().await).await
}

async fn world_in(house: House) -> World {
    rest(&house).await;
    let upstream = Recorder::start(|_| Answer::status(200)).await;
    let (agent, dana) = (
        house.agent("bot").await,
        house.operator("dana", Role::Member).await,
    );
    let grant = Grant {
        name: "bank".into(),
        credential: CredentialKind::Bearer,
        origins: vec![upstream.url("")],
        methods: Vec::new(),
        paths: Vec::new(),
        agents: vec!["*".into()],
        labels: BTreeMap::new(),
        timeout: None,
        idempotent: None,
        redact: Redaction::default(),
        disabled: false,
    };
    let value = SecretString::from("a-credential-of-the-bank");
    house
        .engine
        .create_grant(&house.admin, grant, value, None)
        .await
        .unwrap();
    house
        .apply(vec![policy("sends", &["money.*"], PolicyEffect::RequireApproval)])
        .await;
    World {
        house,
        upstream,
        agent,
        dana,
    }
}

/// Workers end; what writes goes on.
async fn rest(house: &House) {
    house.engine.inner.stop_workers.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
}

impl World {
    async fn ready(&self, method: &str, body: &[u8]) -> ExecutionId {
        let submit = call(method, &self.upstream.url("/transfers"), body);
        let submitted = self.house.engine.submit(&self.agent, submit, None).await.unwrap();
        let id: ApprovalId = submitted.approval_id.unwrap();
        self.house.approve(&self.dana, id).await.unwrap();
        let row = self.row(id.action().execution()).await;
        assert_eq!(row.state, ExecutionState::Ready);
        row.id
    }

    async fn row(&self, id: ExecutionId) -> ExecutionRow {
        let engine = &self.house.engine;
        engine
            .store()
            .execution(engine.inner.home.id, id)
            .await
            .unwrap()
            .unwrap()
    }

    async fn settled(&self, id: ExecutionId) -> ExecutionRow {
        for _ in 0..200 {
            let row = self.row(id).await;
            if !row.is_to_be_made() {
                return row;
            }
            self.house.engine.make_calls().await.unwrap();
            // Where nodes share a store, one that is gone is waited for a little.
            self.house.clock.advance(Micros::seconds(1));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the call has no end");
    }

    /// Begins a call and ends the process before a byte of it left, as its successor finds it.
    async fn dies_in_the_middle(self, id: ExecutionId) -> Self {
        let engine = &self.house.engine;
        let begun = engine
            .begin(&engine.inner.home, &self.row(id).await)
            .await
            .unwrap();
        assert!(begun.is_some());
        self.reopened().await
    }

    async fn reopened(self) -> Self {
        let Self {
            house,
            upstream,
            agent,
            dana,
        } = self;
        let house = house.reopen().await;
        Self {
            house,
            upstream,
            agent,
            dana,
        }
    }
}

/// I2: one changed byte of what is stored, wherever, and the call is refused, with a record that says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_one_changed_byte_between_approval_and_execution_is_refused() {
    for name in ["call", "body", "inputs"] {
        for spoilt in ["bytes", "salt", "swapped"] {
            let world = world().await;
            let other = world.ready("POST", b"{\"to\":\"EVIL\"}").await;
            let id = world.ready("POST", b"{\"to\":\"ACME\"}").await;
            let seq = |row: &ExecutionRow| i64::try_from(row.submitted_seq).unwrap();
            let (own, others) = (seq(&world.row(id).await), seq(&world.row(other).await));
            let mut door = world.house.backdoor().await;
            let of = |seq: i64| format!("WHERE seq = {seq} AND name = '{name}'");
            let read = |cell: &Cell| cell.bytes().to_vec();
            let rows = door
                .rows(&format!("SELECT bytes, salt FROM payloads {}", of(own)))
                .await;
            let (mut bytes, mut salt) = (read(&rows[0][0]), read(&rows[0][1]));
            match spoilt {
                "bytes" => bytes[40] ^= 1,
                "salt" => salt[7] ^= 1,
                _ => {
                    let rows = door
                        .rows(&format!("SELECT bytes, salt FROM payloads {}", of(others)))
                        .await;
                    (bytes, salt) = (read(&rows[0][0]), read(&rows[0][1]));
                }
            }
            let set = if world.house.kept.store.is_shared() {
                format!("UPDATE payloads SET bytes = $1, salt = $2 {}", of(own))
            } else {
                format!("UPDATE payloads SET bytes = ?, salt = ? {}", of(own))
            };
            let changed = door.execute(&set, &[Cell::Bytes(bytes), Cell::Bytes(salt)]).await;
            assert_eq!(changed, 1, "{name} {spoilt}");
            let cancelled = world.row(other).await.id;
            let row = world.settled(id).await;
            assert_eq!(row.state, ExecutionState::Revoked, "{name} {spoilt}");
            assert_eq!(row.call.unwrap().revoked, Some(RevokedBecause::Content));
            world.settled(cancelled).await;
            let received = world.upstream.received();
            assert!(
                received.iter().all(|call| call.body != b"{\"to\":\"ACME\"}"),
                "{name} {spoilt}"
            );
            assert_eq!(received.len(), 1, "the other one is as it was: {name} {spoilt}");
        }
    }
}

/// A grant that is given another address behind the log's back sends its credential nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_a_grant_that_was_changed_behind_the_log_opens_nothing() {
    let world = world().await;
    let thief = Recorder::start(|_| Answer::status(200)).await;
    let id = world.ready("POST", b"{}").await;
    let (from, to) = (
        world.upstream.address().port().to_string(),
        thief.address().port().to_string(),
    );
    let mut door = world.house.backdoor().await;
    assert_eq!(door.replace("grants", &from, &to).await, 1);
    drop(door);
    let world = world.reopened().await;
    let row = world.settled(id).await;
    assert_eq!(
        row.state,
        ExecutionState::Revoked,
        "it is not for this origin any more"
    );
    // Nor does another call, to the address that was put in.
    let submit = call("GET", &thief.url("/steal"), b"");
    let mut submit = submit;
    submit.action.name = "http.get".into();
    let called = world
        .house
        .engine
        .call(&world.agent, submit, None, Duration::ZERO, None)
        .await
        .unwrap();
    let result = called.result.unwrap();
    assert_eq!(result.state, ExecutionState::Failed);
    assert_eq!(result.row.call.unwrap().fault, Some(CallFault::Credential));
    assert_eq!((world.upstream.received().len(), thief.received().len()), (0, 0));
}

/// Whatever takes a permission back between approval and the first byte, with its reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_asked_again_before_the_first_byte() {
    let world = world().await;
    let engine = world.house.engine.clone();
    let id = world.ready("POST", b"{}").await;
    let change = UpdateGrant {
        timeout: Some(Micros::seconds(9)),
        ..UpdateGrant::default()
    };
    engine
        .update_grant(&world.house.admin, "bank", change)
        .await
        .unwrap();
    assert_eq!(
        world.settled(id).await.call.unwrap().revoked,
        Some(RevokedBecause::Grant)
    );
    let id = world.ready("POST", b"{}").await;
    world
        .house
        .apply(vec![policy("never", &["money.*"], PolicyEffect::Deny)])
        .await;
    assert_eq!(
        world.settled(id).await.call.unwrap().revoked,
        Some(RevokedBecause::Policy)
    );
    world
        .house
        .apply(vec![policy("sends", &["money.*"], PolicyEffect::RequireApproval)])
        .await;
    let id = world.ready("POST", b"{}").await;
    engine
        .pull_stop(&world.dana, "grant:bank", None, None)
        .await
        .unwrap();
    assert_eq!(
        world.settled(id).await.call.unwrap().revoked,
        Some(RevokedBecause::Stopped)
    );
    engine
        .lift_stop(&world.house.admin, "grant:bank", None, None)
        .await
        .unwrap();
    let id = world.ready("POST", b"{}").await;
    world.house.clock.advance(Micros::seconds(3_601));
    assert_eq!(world.settled(id).await.state, ExecutionState::Lapsed);
    let id = world.ready("POST", b"{}").await;
    engine.remove_grant(&world.house.admin, "bank").await.unwrap();
    assert_eq!(
        world.settled(id).await.call.unwrap().revoked,
        Some(RevokedBecause::Grant)
    );
    assert_eq!(world.upstream.received().len(), 0);
    world.house.assert_verifies().await;
}

/// I3: what a process left in the middle is made again only where that can do no harm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_what_a_process_left_is_repeated_only_where_that_is_harmless() {
    // A method that changes nothing.
    let world = world().await;
    let id = world.ready("GET", b"").await;
    let world = world.dies_in_the_middle(id).await;
    let row = world.settled(id).await;
    assert_eq!(
        (row.state, row.call.unwrap().attempts),
        (ExecutionState::Executed, 2)
    );
    assert_eq!(world.upstream.received().len(), 1);
    // One that may.
    rest(&world.house).await;
    let id = world.ready("POST", b"{}").await;
    let world = world.dies_in_the_middle(id).await;
    let row = world.settled(id).await;
    assert_eq!(row.state, ExecutionState::Indeterminate);
    assert_eq!(row.call.unwrap().fault, Some(CallFault::Interrupted));
    assert_eq!(world.upstream.received().len(), 1);
    // One that its provider knows again, under the same key.
    rest(&world.house).await;
    let change = UpdateGrant {
        idempotent: Some(Some(IdempotentProvider {
            header: "idempotency-key".into(),
            window: Micros::seconds(600),
        })),
        ..UpdateGrant::default()
    };
    world
        .house
        .engine
        .update_grant(&world.house.admin, "bank", change)
        .await
        .unwrap();
    let id = world.ready("POST", b"{}").await;
    let late = world.ready("POST", b"{}").await;
    let world = world.dies_in_the_middle(id).await;
    assert_eq!(world.settled(id).await.state, ExecutionState::Executed);
    let keys: Vec<String> = world
        .upstream
        .received()
        .iter()
        .skip(1)
        .map(|call| call.header("idempotency-key").to_owned())
        .collect();
    assert_eq!(keys.iter().filter(|key| **key == id.to_string()).count(), 1);
    world.settled(late).await;
    // The same, but the provider has forgotten by then.
    rest(&world.house).await;
    let before = world.upstream.received().len();
    let id = world.ready("POST", b"{}").await;
    let engine = &world.house.engine;
    assert!(
        engine
            .begin(&engine.inner.home, &world.row(id).await)
            .await
            .unwrap()
            .is_some()
    );
    world.house.clock.advance(Micros::seconds(601));
    let world = world.reopened().await;
    assert_eq!(world.settled(id).await.state, ExecutionState::Indeterminate);
    assert_eq!(world.upstream.received().len(), before);
    world.house.assert_verifies().await;
}

/// I8: a stop that is pulled while nobody is there keeps even what is harmless from being made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_what_a_process_left_is_not_repeated_under_a_stop() {
    let world = world().await;
    let id = world.ready("GET", b"").await;
    let engine = &world.house.engine;
    assert!(
        engine
            .begin(&engine.inner.home, &world.row(id).await)
            .await
            .unwrap()
            .is_some()
    );
    engine
        .pull_stop(&world.dana, "workspace", None, None)
        .await
        .unwrap();
    let world = world.reopened().await;
    assert_eq!(world.settled(id).await.state, ExecutionState::Indeterminate);
    assert_eq!(world.upstream.received().len(), 0);
    world.house.assert_verifies().await;
}

mod on_postgres {
    use signoff_testkit::{Backend, FakeClock, Place, TemporaryStore};

    use super::*;

    async fn nodes() -> (World, House) {
        let place = Arc::new(Place::on(Backend::Postgres).await);
        let clock = FakeClock::default();
        let node = || async {
            let kept = TemporaryStore::open_at(Arc::clone(&place), clock.clone()).await;
            let engine = common::start(&kept, false).await;
            let admin = engine.authenticate(common::ADMIN_KEY).await.unwrap();
            House {
                engine,
                kept,
                clock: clock.clone(),
                admin,
            }
        };
        let world = world_in(node().await).await;
        let other = node().await;
        rest(&other).await;
        (world, other)
    }

    /// I3: a call is taken over only once its node is taken for gone, and that node then says nothing of it any more.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn i3_a_call_is_taken_over_from_a_node_that_is_gone() {
        let (world, other) = nodes().await;
        let (here, tenant) = (
            world.house.engine.clone(),
            Arc::clone(&world.house.engine.inner.home),
        );
        let safe = world.ready("GET", b"").await;
        let may_harm = world.ready("POST", b"{}").await;
        let mut begun = Vec::new();
        for id in [safe, may_harm] {
            begun.push(here.begin(&tenant, &world.row(id).await).await.unwrap().unwrap());
        }
        for _ in 0..3 {
            other.engine.make_calls().await.unwrap();
        }
        for id in [safe, may_harm] {
            assert_eq!(
                world.row(id).await.state,
                ExecutionState::Executing,
                "its node is alive"
            );
        }
        assert_eq!(world.upstream.received().len(), 0);
        // By the clock of the store, and by its own, which it goes by.
        world.house.clock.advance(Micros::seconds(13));
        tokio::time::sleep(Duration::from_secs(13)).await;
        other.engine.make_calls().await.unwrap();
        for _ in 0..200 {
            if !world.row(safe).await.is_to_be_made() && !world.row(may_harm).await.is_to_be_made() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(
            world.row(safe).await.state,
            ExecutionState::Executed,
            "made again by the other"
        );
        assert_eq!(world.row(may_harm).await.state, ExecutionState::Indeterminate);
        assert_eq!(world.upstream.received().len(), 1);
        // The node comes back. It has lost its name: what it begins from now on, it begins under another.
        let name = here.runner(&tenant).await.unwrap();
        assert_ne!(name, begun[0].runner);
        for made in &begun {
            here.make(&tenant, made, None).await;
        }
        assert_eq!(
            world.upstream.received().len(),
            1,
            "it sends nothing under the old one"
        );
        assert_eq!(world.row(safe).await.call.unwrap().attempts, 2);
        other.assert_verifies().await;
    }
}
