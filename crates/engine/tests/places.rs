//! A log that goes on in another place, a store that newer nodes raised, a clock that is off: what was approved waits for
//! a person, what can't be understood is not written, and a node that may not serve says so.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use common::{House, policy, submit};
use serde_json::json;
use signoff_core::{
    event::{Event, FEATURE_LEVEL},
    execution::Refusal,
    policy::PolicyEffect,
    requirement::Role,
    time::Micros,
};
use signoff_engine::{EngineError, request::EventFilter};

async fn epochs_raised(house: &House) -> usize {
    let filter = EventFilter {
        event_type: Some("log.epoch_raised".into()),
        limit: 200,
        ..EventFilter::default()
    };
    let page = house.engine.events(&house.admin, &filter).await.unwrap();
    let raised = page
        .items
        .iter()
        .filter(|view| matches!(view.record.event, Event::EpochRaised(_)));
    raised.count()
}

/// I3, I8: a restored copy does not know what happened after it was made, so nothing approved before runs unasked.
#[tokio::test]
async fn i8_what_was_approved_before_a_restore_waits_for_a_person() {
    let house = House::new().await;
    house
        .apply(vec![policy(
            "refunds",
            &["stripe.*"],
            PolicyEffect::RequireApproval,
        )])
        .await;
    let agent = house.agent("support").await;
    let dana = house.operator("dana", Role::Member).await;
    let id = house.ask(&agent, "stripe.refund").await;
    let pending = house.ask(&agent, "stripe.refund").await;
    house.approve(&dana, id).await.unwrap();
    let execution = id.action().execution();

    let mut door = house.backdoor().await;
    assert_eq!(
        door.execute("UPDATE heads SET place = ?", &["elsewhere".into()])
            .await,
        1
    );
    drop(door);
    house.clock.advance(Micros::seconds(1));
    let house = house.reopen().await;
    assert_eq!(
        epochs_raised(&house).await,
        1,
        "noticed by itself, before anybody is served"
    );

    house.clock.advance(Micros::seconds(1));
    let refused = house.engine.consume(&agent, execution, None).await.unwrap_err();
    assert!(
        matches!(refused, EngineError::Execution(Refusal::Held)),
        "{refused}"
    );
    let held = house.engine.held(&house.admin).await.unwrap();
    assert_eq!(
        held.iter().map(|view| view.row.id).collect::<Vec<_>>(),
        [execution]
    );
    assert!(house.engine.approval(&dana, id).await.unwrap().held);
    let not_they = house.engine.release(&dana, execution, None).await.unwrap_err();
    assert!(matches!(not_they, EngineError::Forbidden(_)), "{not_they}");
    house.engine.release(&house.admin, execution, None).await.unwrap();
    house.engine.consume(&agent, execution, None).await.unwrap();
    assert!(house.engine.held(&house.admin).await.unwrap().is_empty());

    // What is approved from now on is of this place.
    house.clock.advance(Micros::seconds(1));
    house.approve(&dana, pending).await.unwrap();
    house
        .engine
        .consume(&agent, pending.action().execution(), None)
        .await
        .unwrap();
    house.assert_verifies().await;
    let house = house.reopen().await;
    assert_eq!(epochs_raised(&house).await, 1, "once");
}

#[tokio::test]
async fn an_admin_can_say_that_the_database_failed_over() {
    let house = House::new().await;
    house
        .apply(vec![policy(
            "refunds",
            &["stripe.*"],
            PolicyEffect::RequireApproval,
        )])
        .await;
    let agent = house.agent("support").await;
    let dana = house.operator("dana", Role::Member).await;
    let id = house.ask(&agent, "stripe.refund").await;
    house.approve(&dana, id).await.unwrap();
    assert!(matches!(
        house.engine.declare_failover(&dana).await,
        Err(EngineError::Forbidden(_))
    ));
    assert_eq!(house.engine.declare_failover(&house.admin).await.unwrap(), 1);
    let refused = house
        .engine
        .consume(&agent, id.action().execution(), None)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, EngineError::Execution(Refusal::Held)),
        "{refused}"
    );
    house.assert_verifies().await;
}

/// A node of an earlier version stops writing once a newer one brought what it does not know, and says so.
#[tokio::test]
async fn i8_a_node_that_is_too_old_writes_nothing_and_is_not_ready() {
    let house = House::new().await;
    house
        .apply(vec![policy("reads", &["crm.*"], PolicyEffect::Allow)])
        .await;
    let agent = house.agent("support").await;
    let before = house.kept.store.heads().await.unwrap();
    let raised = house
        .kept
        .store
        .raise_feature_level(FEATURE_LEVEL + 1)
        .await
        .unwrap();
    assert_eq!(raised, FEATURE_LEVEL + 1);
    let refused = house
        .engine
        .submit(&agent, submit("crm.read", json!({})), None)
        .await
        .unwrap_err();
    assert!(matches!(refused, EngineError::Unavailable), "{refused}");
    assert_eq!(house.kept.store.heads().await.unwrap(), before);
    let checks = house.engine.ready().await;
    let version = checks.iter().find(|check| check.name == "version").unwrap();
    assert!(
        !version.ok && version.detail.as_ref().unwrap().contains("upgrade this node"),
        "{version:?}"
    );
    assert_eq!(
        house.engine.finish_upgrade(&house.admin).await.unwrap(),
        FEATURE_LEVEL + 1,
        "a level is never lowered"
    );
}

mod on_postgres {
    use std::sync::Arc;

    use signoff_core::time::{Micros, Timestamp};
    use signoff_store::{
        Clock, SystemClock,
        postgres::{PostgresClock, PostgresOptions, PostgresStore},
    };
    use signoff_testkit::{Backend, FakeClock, Place, TemporaryStore};

    use super::common::start;

    /// A machine whose clock is ten seconds ahead.
    struct Ahead;

    impl Clock for Ahead {
        fn now(&self) -> Timestamp {
            SystemClock.now().plus(Micros::seconds(10))
        }
    }

    #[tokio::test]
    async fn a_node_whose_clock_is_off_is_not_ready() {
        let place = Arc::new(Place::on(Backend::Postgres).await);
        let settings = place.settings();
        let url = settings
            .iter()
            .find(|(name, _)| *name == "SIGNOFF_DATABASE")
            .unwrap();
        let mut options = PostgresOptions::new(url.1.to_str().unwrap());
        options.clock = PostgresClock::Database(Arc::new(Ahead));
        let kept = TemporaryStore {
            store: Arc::new(PostgresStore::open(options).await.unwrap()),
            clock: FakeClock::default(),
            place,
        };
        let engine = start(&kept, false).await;
        let checks = engine.ready().await;
        let clock = checks.iter().find(|check| check.name == "clock").unwrap();
        assert!(!clock.ok, "{checks:?}");
        let detail = clock.detail.as_ref().unwrap();
        assert!(detail.contains("seconds ahead of the database's"), "{detail}");
        let apart = engine.now().until(SystemClock.now());
        assert!(
            apart.0.abs() < 5_000_000,
            "what is recorded goes by the database's: {apart:?}"
        );
    }
}
