//! Two workspaces with something in every table, carried over.

use crate::conformance::outbox::{FanOut, fan_out_to};
use std::{collections::BTreeSet, sync::Arc};

use signoff_core::time::{Micros, Timestamp};

use super::*;
use crate::{
    Claim, InboxRow, Lease, LinkCodeRow, Store,
    conformance::{
        postgres::Database,
        scribe::{START, Scribe, raw},
        world::{self, CHANNEL, DANA},
    },
    postgres::PostgresStore,
};

/// The clock of the source: shortly after what is written to it.
struct Fixed;

impl crate::Clock for Fixed {
    fn now(&self) -> Timestamp {
        START.plus(Micros::seconds(3_600))
    }
}

struct Source {
    store: SqliteStore,
    scribe: Scribe,
    lease: Lease,
    directory: tempfile::TempDir,
}

impl Source {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path(), Arc::new(Fixed))
            .await
            .unwrap();
        world::build(&store, 2, "second").await;
        let scribe = world::build(&store, 1, "first").await;
        let channel = FanOut {
            channel: CHANNEL,
            kinds: Vec::new(),
        };
        let authority = scribe.head.epochs.authority;
        let now = store.clock().now();
        // One of two becomes a delivery, the other one waits on.
        let taken = fan_out_to(&store, scribe.workspace, &[channel], authority, now, 1).await;
        assert_eq!(taken.unwrap(), Some(1));
        store
            .keep_checkpoint(scribe.workspace, 2, b"state")
            .await
            .unwrap();
        store.receive(&received(&scribe)).await.unwrap();
        store.keep_link_code(&link_code(&scribe)).await.unwrap();
        let mut lease = None;
        for _ in 0..5 {
            lease = store.claim(&claim(&scribe)).await.unwrap();
        }
        Self {
            store,
            scribe,
            lease: lease.unwrap(),
            directory,
        }
    }

    /// Past the store.
    async fn write(&self, sql: &'static str) {
        let path = self.directory.path().join(crate::sqlite::FILE_NAME);
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

fn received(scribe: &Scribe) -> InboxRow {
    InboxRow {
        workspace: scribe.workspace,
        channel: CHANNEL,
        key: [1; 32],
        operator: None,
        body: b"sealed".to_vec(),
        received_at: START,
        expires_at: START,
        handled_at: None,
    }
}

fn link_code(scribe: &Scribe) -> LinkCodeRow {
    LinkCodeRow {
        workspace: scribe.workspace,
        operator: DANA,
        hash: [2; 32],
        expires_at: START,
    }
}

fn claim(scribe: &Scribe) -> Claim {
    Claim {
        workspace: scribe.workspace,
        subject: raw(7),
        holder: raw(8),
        lasts: Micros::seconds(60),
    }
}

async fn target() -> (Database, PostgresStore) {
    let database = Database::fresh().await;
    let store = database.open().await;
    (database, store)
}

async fn number(database: &Database, sql: &'static str) -> i64 {
    let mut connection = database.connect().await;
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn everything_is_carried() {
    let source = Source::new().await;
    let (database, to) = target().await;
    let mut told = Vec::new();
    let copied = copy(&source.store, database.url(), &mut |progress| told.push(progress)).await;
    let copied = copied.unwrap();
    let empty: Vec<_> = copied.iter().filter(|(_, rows)| **rows == 0).collect();
    assert!(
        empty.is_empty(),
        "the source has nothing there, so nothing is shown: {empty:?}"
    );
    assert!(told.iter().all(|progress| progress.rows <= progress.of));

    let workspace = source.scribe.workspace;
    for store in [&source.store as &dyn Store, &to] {
        assert_eq!(store.head(workspace).await.unwrap(), Some(source.scribe.head));
        assert_eq!(
            store.checkpoint(workspace, 2).await.unwrap(),
            Some(b"state".to_vec())
        );
    }
    let folded = |store: Arc<dyn Store>| async move { store.folded(workspace).await.unwrap() };
    let (before, after) = (folded(Arc::new(source.store)).await, folded(Arc::new(to)).await);
    assert!(after.faults.is_empty(), "{:?}", after.faults);
    assert_eq!(before.rows, after.rows);
    // Moving is no restore.
    let here = "SELECT count(*) FROM heads WHERE place = signoff_place()";
    assert_eq!(number(&database, here).await, 2);
}

#[tokio::test]
async fn fences_go_on_and_a_displaced_log_stays_so() {
    let source = Source::new().await;
    source.write("UPDATE heads SET place = 'copied' WHERE seq = (SELECT max(seq) FROM heads) AND workspace = x'00000000000000000000000000000001'").await;
    let (database, to) = target().await;
    copy(&source.store, database.url(), &mut |_| {}).await.unwrap();
    let lease = to.claim(&claim(&source.scribe)).await.unwrap().unwrap();
    assert!(
        lease.fence > source.lease.fence,
        "{lease:?} after {:?}",
        source.lease
    );
    let copied = "SELECT count(*) FROM heads WHERE place = 'copied'";
    assert_eq!(number(&database, copied).await, 1);
}

#[tokio::test]
async fn months_that_are_over_have_partitions() {
    let source = Source::new().await;
    // Three months, and ten years.
    source
        .write("UPDATE events SET time = time - 7776000000000")
        .await;
    source
        .write("UPDATE events SET time = time - 315360000000000 WHERE seq = 1")
        .await;
    let (database, _to) = target().await;
    copy(&source.store, database.url(), &mut |_| {}).await.unwrap();
    let elsewhere = "SELECT count(*) FROM events_default";
    assert_eq!(
        number(&database, elsewhere).await,
        2,
        "the first record of each workspace"
    );
    let apart = "SELECT count(*) FROM payloads p LEFT JOIN events e USING (workspace, seq) WHERE e.time IS DISTINCT FROM p.time";
    assert_eq!(number(&database, apart).await, 0);
    assert_eq!(
        number(&database, "SELECT count(*) FROM payloads_default").await,
        0
    );
}

#[tokio::test]
async fn a_target_with_data_is_refused_and_left_as_it_is() {
    let source = Source::new().await;
    let (database, to) = target().await;
    world::build(&to, 9, "there").await;
    let refused = copy(&source.store, database.url(), &mut |_| {}).await;
    assert!(matches!(refused, Err(StoreError::Unsuitable(_))), "{refused:?}");
    assert_eq!(to.workspaces().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_can_not_be_carried_leaves_nothing_behind() {
    let source = Source::new().await;
    // Postgres keeps no such text; the last table but some.
    source.write("UPDATE people SET name = 'a' || char(0)").await;
    let (database, to) = target().await;
    assert!(copy(&source.store, database.url(), &mut |_| {}).await.is_err());
    assert!(to.workspaces().await.unwrap().is_empty());
    assert_eq!(number(&database, "SELECT count(*) FROM events").await, 0);
}

#[test]
fn every_table_is_carried_or_left_out_for_a_reason() {
    let listed = include_str!("../../tables.txt").lines();
    let listed: BTreeSet<_> = listed
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let carried = TABLES.iter().map(|(name, _)| *name);
    let left_out = LEFT_OUT.iter().inspect(|(_, why)| assert!(!why.is_empty()));
    let known: Vec<_> = carried.chain(left_out.map(|(name, _)| *name)).collect();
    assert_eq!(known.len(), listed.len(), "each once");
    assert_eq!(known.into_iter().collect::<BTreeSet<_>>(), listed);
}
