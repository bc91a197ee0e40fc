//! Several nodes on one database: who waits for whom, what they hear of each other, and by which clock they go.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use signoff_core::{
    event::{Event, Nothing},
    record::Epochs,
    time::{Micros, Timestamp},
};

use super::open;
use crate::{
    Clock, Heard, Store as _, StoreError, SystemClock,
    conformance::{
        Subject as _,
        scribe::{Scribe, operator},
        world::{DANA, build},
    },
    postgres::{PostgresClock, PostgresOptions, PostgresStore},
};

const EPOCHS: Epochs = Epochs {
    policy: 1,
    authority: 2,
    stop: 0,
};

/// This machine's clock, so many seconds off.
struct Off(i64);

impl Clock for Off {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Micros::seconds(self.0))
    }
}

fn sign_in(scribe: &mut Scribe) {
    scribe.record(operator(DANA), DANA, Event::SignedIn(Nothing {}));
}

/// A node that stops in the middle of a batch holds up the workspace for two seconds, not for ever: the server ends it, and
/// what it was at never happened.
#[tokio::test]
async fn a_stopped_holder_holds_nobody_up() {
    let fixture = open().await;
    let mut scribe = build(&fixture.store, 1, "a").await;
    let other = fixture.database.open().await;
    let mut sleeper = fixture.store.begin().await.unwrap();
    sleeper.read(&scribe.wants()).await.unwrap();
    let mut never = build_next(&scribe);
    sleeper.write(&never.take()).await.unwrap();
    let started = Instant::now();
    let waiting = async {
        // Waiting for a lock ends after two seconds as well: such a batch is tried again.
        loop {
            let mut batch = other.begin().await.unwrap();
            match batch.read(&scribe.wants()).await {
                Ok(state) => {
                    assert_eq!(state.heads[&scribe.workspace], scribe.head);
                    return batch;
                }
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
        }
    };
    let (batch, ()) = tokio::join!(waiting, tokio::time::sleep(Duration::from_secs(3)));
    assert!(
        started.elapsed() < Duration::from_millis(3_500),
        "{:?}",
        started.elapsed()
    );
    drop(batch);
    let result = sleeper.commit().await;
    assert!(
        matches!(&result, Err(error) if error.is_transient()),
        "{result:?}"
    );
    sign_in(&mut scribe);
    scribe.commit(&other).await;
    assert_eq!(
        fixture.store.head(scribe.workspace).await.unwrap(),
        Some(scribe.head)
    );
}

/// The same scribe once more, one record further.
fn build_next(scribe: &Scribe) -> Scribe {
    let mut next = Scribe::new(1);
    (next.head, next.rows, next.time) = (scribe.head, scribe.rows.clone(), scribe.time);
    sign_in(&mut next);
    next
}

/// A batch of one workspace does not wait for that of another.
#[tokio::test]
async fn workspaces_do_not_wait_for_each_other() {
    let fixture = open().await;
    let store = &fixture.store;
    let mut scribes = Vec::new();
    for workspace in 1..=4 {
        scribes.push(build(store, workspace, "a").await);
    }
    let mut open_batches = Vec::new();
    for scribe in &mut scribes {
        let mut batch = store.begin().await.unwrap();
        batch.read(&scribe.wants()).await.unwrap();
        sign_in(scribe);
        batch.write(&scribe.take()).await.unwrap();
        open_batches.push(batch);
    }
    for batch in open_batches {
        batch.commit().await.unwrap();
    }
    for scribe in &scribes {
        assert_eq!(store.head(scribe.workspace).await.unwrap(), Some(scribe.head));
    }
}

/// The time of a batch that waited is not before that of the one it waited for.
#[tokio::test]
async fn a_batch_is_dated_after_the_one_it_waited_for() {
    let fixture = open().await;
    let scribe = build(&fixture.store, 1, "a").await;
    let other = fixture.database.open().await;
    let mut first = fixture.store.begin().await.unwrap();
    first.read(&scribe.wants()).await.unwrap();
    let begun = other.clock().now();
    let second = async {
        let mut second = other.begin().await.unwrap();
        second.read(&scribe.wants()).await.unwrap();
        second.now()
    };
    let finish = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        first.commit().await.unwrap();
    };
    let (now, ()) = tokio::join!(second, finish);
    assert!(now >= begun.plus(Micros(290_000)), "{now:?} {begun:?}");
}

/// Two batches that were both begun on one head: the second one is refused whole, and its commit does not succeed either.
#[tokio::test]
async fn a_sequence_is_never_written_twice() {
    let fixture = open().await;
    let mut scribe = build(&fixture.store, 1, "a").await;
    let mut late = Scribe::new(1);
    (late.head, late.rows) = (scribe.head, scribe.rows.clone());
    // Of another time, so that no key of a partition sees that they are of one place.
    late.time = scribe.time.plus(Micros(1));
    sign_in(&mut late);
    sign_in(&mut scribe);
    scribe.commit(&fixture.store).await;
    let mut batch = fixture.store.begin().await.unwrap();
    let result = batch.write(&late.take()).await;
    assert!(matches!(result, Err(StoreError::Refused(_))), "{result:?}");
    assert!(batch.commit().await.is_err());
    assert_eq!(
        fixture.store.head(scribe.workspace).await.unwrap(),
        Some(scribe.head)
    );
    let folded = fixture.store.folded(scribe.workspace).await.unwrap();
    assert_eq!((folded.rows, folded.faults), (scribe.rows, Vec::new()));
}

/// Announcements reach the other node; after its connection was lost and is back it is told that it may have missed some.
#[tokio::test]
async fn nodes_hear_of_each_other() {
    let fixture = open().await;
    let other = fixture.database.open().await;
    let mut listener = other.listen().await.unwrap().unwrap();
    let workspace = Scribe::new(1).workspace;
    fixture
        .store
        .announce(&[(workspace, 7, EPOCHS), (Scribe::new(2).workspace, 9, EPOCHS)])
        .await
        .unwrap();
    assert_eq!(heard(&mut *listener).await, Heard::Moved(workspace, 7, EPOCHS));
    assert_eq!(
        heard(&mut *listener).await,
        Heard::Moved(Scribe::new(2).workspace, 9, EPOCHS)
    );
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' \
               AND datname = current_database()";
    sqlx::query(end)
        .execute(&mut fixture.database.connect().await)
        .await
        .unwrap();
    assert_eq!(heard(&mut *listener).await, Heard::Again);
    fixture.store.announce(&[(workspace, 8, EPOCHS)]).await.unwrap();
    assert_eq!(heard(&mut *listener).await, Heard::Moved(workspace, 8, EPOCHS));
    let closing = tokio::time::timeout(Duration::from_secs(5), async {
        tokio::join!(other.close(), listener.next()).1
    });
    assert!(closing.await.unwrap().is_err());
}

async fn heard(listener: &mut dyn crate::Listener) -> Heard {
    tokio::time::timeout(Duration::from_secs(10), listener.next())
        .await
        .unwrap()
        .unwrap()
}

/// Connections that broke while nobody used them are not handed out.
#[tokio::test]
async fn a_restart_of_the_server_fails_few() {
    let fixture = open().await;
    let scribe = build(&fixture.store, 1, "a").await;
    let store = &fixture.store;
    let (a, b, c, d) = tokio::join!(store.begin(), store.begin(), store.begin(), store.begin());
    drop((a.unwrap(), b.unwrap(), c.unwrap(), d.unwrap()));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
               AND pid <> pg_backend_pid()";
    sqlx::query(end)
        .execute(&mut fixture.database.connect().await)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut failed = 0;
    for _ in 0..10 {
        match store.head(scribe.workspace).await {
            Ok(head) => assert_eq!(head, Some(scribe.head)),
            Err(error) => {
                assert!(error.is_transient(), "{error:?}");
                failed += 1;
            }
        }
    }
    assert!(failed <= 1, "{failed}");
}

/// Batches go by the database's clock, whatever this machine's says, and how far that is off is told.
#[tokio::test]
async fn a_machine_that_is_off_is_told_and_does_no_harm() {
    let fixture = open().await;
    for off in [10, -10] {
        let mut options = PostgresOptions::new(fixture.database.url());
        options.clock = PostgresClock::Database(Arc::new(Off(off)));
        let store = PostgresStore::open(options).await.unwrap();
        let skew = store.health().await.unwrap().clock_skew;
        assert!((skew.0 - off * 1_000_000).abs() < 500_000, "{skew:?}");
        let near = |time: Timestamp| (time.0 - SystemClock.now().0).abs() < 500_000;
        assert!(near(store.clock().now()));
        let mut batch = store.begin().await.unwrap();
        assert!(near(batch.now()));
        batch.read(&Scribe::new(1).wants()).await.unwrap();
        assert!(near(batch.now()));
    }
    let mut options = PostgresOptions::new(fixture.database.url());
    options.clock = PostgresClock::Given(Arc::new(Off(5_000)));
    let store = PostgresStore::open(options).await.unwrap();
    let mut batch = store.begin().await.unwrap();
    batch.read(&Scribe::new(1).wants()).await.unwrap();
    assert!((batch.now().0 - Off(5_000).now().0).abs() < 500_000);
    assert_eq!(store.health().await.unwrap().clock_skew, Micros(0));
}

/// A database that can only be read is no working store.
#[tokio::test]
async fn a_database_that_can_not_be_written_is_not_healthy() {
    let fixture = open().await;
    assert!(fixture.store().health().await.is_ok());
    let mut connection = fixture.database.connect().await;
    sqlx::raw_sql("ALTER TABLE sessions RENAME TO gone")
        .execute(&mut connection)
        .await
        .unwrap();
    assert!(fixture.store.health().await.is_err());
}
