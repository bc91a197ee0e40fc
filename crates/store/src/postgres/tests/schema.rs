//! The schema, what the server must be like, and the months of the log.

use crate::conformance::outbox::{FanOut, fan_out_to};
use std::{collections::BTreeMap, sync::Arc};

use signoff_core::time::{Micros, Timestamp};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::open;
use crate::{
    Clock, RecordQuery, Store as _, StoreError, SystemClock, Wants,
    conformance::{
        nodes::claim_of,
        postgres::Database,
        scribe::{START, Scribe, operator},
        world::{CHANNEL, DANA, build, idempotency_name, session_hash},
    },
    postgres::{PostgresClock, PostgresOptions, PostgresStore},
};

async fn send(connection: &mut PgConnection, sql: impl Into<String>) {
    let sql = AssertSqlSafe(sql.into());
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

async fn names(connection: &mut PgConnection, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
}

const TABLES: &str = "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition \
     AND relnamespace = 'public'::regnamespace ORDER BY relname COLLATE \"C\"";

/// Every table has a class in `tables.txt`, and every class a table; partitions are of their parent's class.
#[tokio::test]
async fn every_table_has_a_class() {
    let lines = include_str!("../../../tables.txt").lines();
    let classes: BTreeMap<&str, &str> = lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let tables = names(&mut open().await.database.connect().await, TABLES).await;
    assert_eq!(tables, classes.keys().copied().collect::<Vec<_>>());
}

/// Texts compare by their bytes, whatever the database's collation.
#[tokio::test]
async fn every_text_has_the_collation_of_bytes() {
    let other = "SELECT attrelid::regclass || '.' || attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid \
                 WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND atttypid = 'text'::regtype \
                 AND attrelid <> '_sqlx_migrations'::regclass \
                 AND attcollation <> (SELECT oid FROM pg_collation WHERE collname = 'C' LIMIT 1)";
    let found = names(&mut open().await.database.connect().await, other).await;
    assert_eq!(found, Vec::<String>::new());
}

/// Two nodes that start at once on an empty database: one migrates, the other waits and finds it done.
#[tokio::test]
async fn two_opens_at_once_migrate_once() {
    let database = Database::empty().await;
    let (one, two, three) = tokio::join!(database.open(), database.open(), database.open());
    build(&one, 1, "a").await;
    assert_eq!(two.workspaces().await.unwrap().len(), 1);
    assert_eq!(three.workspaces().await.unwrap().len(), 1);
    let applied = "SELECT description FROM _sqlx_migrations";
    let applied = names(&mut database.connect().await, applied).await;
    assert_eq!(applied.len(), crate::postgres::MIGRATIONS.iter().count());
}

/// A database that a newer version wrote is refused, not guessed at, directly and through a pooler.
#[tokio::test]
async fn a_newer_schema_is_refused() {
    let fixture = open().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'of a newer version', true, '', 0)";
    send(&mut fixture.database.connect().await, newer).await;
    for pooled in [false, true] {
        let mut options = PostgresOptions::new(fixture.database.url());
        options.pooled = pooled;
        let result = PostgresStore::open(options).await;
        assert!(
            matches!(result, Err(StoreError::NewerSchema)),
            "{pooled}: {:?}",
            result.err()
        );
    }
}

/// Through a pooler nothing is migrated, and the message says what to do.
#[tokio::test]
async fn a_pooler_does_not_migrate() {
    let database = Database::empty().await;
    let mut options = PostgresOptions::new(database.url());
    options.pooled = true;
    let result = PostgresStore::open(options.clone()).await;
    assert!(
        matches!(&result, Err(StoreError::Migration(why)) if why.contains("direct connection")),
        "{:?}",
        result.err()
    );
    database.open().await.close().await;
    let store = PostgresStore::open(options).await.unwrap();
    let scribe = build(&store, 1, "a").await;
    assert_eq!(store.folded(scribe.workspace).await.unwrap().rows, scribe.rows);
    assert!(store.listen().await.unwrap().is_none());
    store
        .announce(&[(scribe.workspace, 1, scribe.head.epochs)])
        .await
        .unwrap();
    // Nothing is left prepared on a connection that somebody else gets next.
    let prepared: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_prepared_statements")
        .persistent(false)
        .fetch_one(&store.pool)
        .await
        .unwrap();
    assert_eq!(prepared, 0);
}

/// A server that would lose what was acknowledged is refused, with what to do.
#[tokio::test]
async fn a_server_that_forgets_is_refused() {
    let fixture = open().await;
    let name: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(&mut fixture.database.connect().await)
        .await
        .unwrap();
    let off = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    send(&mut fixture.database.connect().await, off).await;
    let result = PostgresStore::open(PostgresOptions::new(fixture.database.url())).await;
    assert!(
        matches!(&result, Err(StoreError::Unsuitable(why)) if why.contains("synchronous_commit")),
        "{:?}",
        result.err()
    );
}

/// I7: whatever is wrong with an address, its password is in no error and nothing printed.
#[tokio::test]
async fn the_address_is_never_told() {
    for url in [
        "postgres://me:hunter2@127.0.0.1:1/nothing",
        "postgres://me:hunter2@[/nothing",
        "hunter2",
        "postgres://me:hunter2@127.0.0.1:port/x?sslmode=hunter2",
    ] {
        let options = PostgresOptions::new(url);
        assert!(!format!("{options:?}").contains("hunter2"));
        let error = PostgresStore::open(options).await.err().unwrap();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

/// While a newer version adds columns, this one goes on: every statement names its columns.
#[tokio::test]
async fn added_columns_disturb_nobody() {
    let fixture = open().await;
    let store = &fixture.store;
    let mut scribe = build(store, 1, "a").await;
    // Prepared with the old tables, and used with the new ones.
    use_everything(store, &mut scribe).await;
    let mut connection = fixture.database.connect().await;
    for table in names(&mut connection, TABLES).await {
        if table != "_sqlx_migrations" {
            send(
                &mut connection,
                format!("ALTER TABLE {table} ADD COLUMN added text"),
            )
            .await;
        }
    }
    use_everything(store, &mut scribe).await;
    fixture.store.close().await;
    let again = fixture.database.open().await;
    use_everything(&again, &mut scribe).await;
}

async fn use_everything(store: &PostgresStore, scribe: &mut Scribe) {
    let at = scribe.workspace;
    let wants = Wants {
        idempotency: [idempotency_name(scribe)].into(),
        ..scribe.wants_all()
    };
    for _ in 0..2 {
        let mut batch = store.begin().await.unwrap();
        batch.lock_installation().await.unwrap();
        assert_eq!(batch.read(&wants).await.unwrap().rows[&at], scribe.rows);
        drop(batch);
        let seq = scribe.record(
            operator(DANA),
            DANA,
            signoff_core::event::Event::SignedIn(signoff_core::event::Nothing {}),
        );
        scribe.tell(seq, "approval.pending");
        scribe.commit(store).await;
        let folded = store.folded(at).await.unwrap();
        assert_eq!((folded.rows, folded.faults), (scribe.rows.clone(), Vec::new()));
        assert_eq!(store.authority(at).await.unwrap().head, Some(scribe.head));
        let page = RecordQuery {
            limit: 100,
            ..RecordQuery::default()
        };
        assert_eq!(
            store.records(at, &page).await.unwrap().len() as u64,
            scribe.head.seq
        );
        let all: Vec<u64> = (1..=scribe.head.seq).collect();
        assert_eq!(store.payloads(at, &all).await.unwrap().len(), 2);
        assert!(store.session(&session_hash(scribe)).await.unwrap().is_some());
        let authority = scribe.head.epochs.authority;
        let to = [FanOut {
            channel: CHANNEL,
            kinds: Vec::new(),
        }];
        assert!(
            fan_out_to(store, at, &to, authority, START, 100)
                .await
                .unwrap()
                .is_some()
        );
        let lease = store
            .claim(&claim_of(at, CHANNEL.0, 1, 60))
            .await
            .unwrap()
            .unwrap();
        for row in store.deliveries(at, CHANNEL, None, 10).await.unwrap() {
            assert!(
                store
                    .record_attempts(std::slice::from_ref(&row), &lease)
                    .await
                    .unwrap()
            );
        }
        store.release(&lease).await.unwrap();
        store.due(Timestamp(i64::MAX), 10).await.unwrap();
        store.keep_checkpoint(at, 1, b"state").await.unwrap();
        store.health().await.unwrap();
        store.sweep(START).await.unwrap();
    }
}

const PARTITIONS: &str =
    "SELECT relname::text FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname";

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// The present month and the next three are there from the start, and later ones come with time; what lies outside goes to
/// the default partition, and a month of which rows are there already stays there.
#[tokio::test]
async fn months_are_made_ahead_of_time() {
    let database = Database::empty().await;
    let open_at = async |days: i64| {
        let mut options = PostgresOptions::new(database.url());
        options.clock = PostgresClock::Given(Arc::new(At(START.plus(Micros::seconds(days * 86_400)))));
        PostgresStore::open(options).await.unwrap()
    };
    let store = open_at(0).await;
    let mut connection = database.connect().await;
    let expected = |months: &[&str]| {
        let of = |parent: &'static str| months.iter().map(move |month| format!("{parent}_{month}"));
        of("events").chain(of("payloads")).collect::<Vec<_>>()
    };
    let first = ["2026_11", "2026_12", "2027_01", "2027_02", "default"];
    assert_eq!(names(&mut connection, PARTITIONS).await, expected(&first));
    let mut scribe = build(&store, 1, "a").await;
    // Far ahead: no month for it yet.
    scribe.time = START.plus(Micros::seconds(190 * 86_400));
    scribe.record(
        operator(DANA),
        DANA,
        signoff_core::event::Event::SignedIn(signoff_core::event::Nothing {}),
    );
    scribe.commit(&store).await;
    let late: i64 = sqlx::query_scalar("SELECT count(*) FROM events_default")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(late, 1);
    let later = open_at(120).await;
    later.sweep(START).await.unwrap();
    let now = [
        "2026_11", "2026_12", "2027_01", "2027_02", "2027_03", "2027_04", "2027_06", "default",
    ];
    let mut with_default = expected(&now);
    with_default.retain(|name| name != "events_2027_05");
    let mut found = names(&mut connection, PARTITIONS).await;
    // May lies in the default partition of events; of payloads there are none in it.
    found.retain(|name| name != "payloads_2027_05");
    assert_eq!(found, with_default);
    assert_eq!(later.folded(scribe.workspace).await.unwrap().rows, scribe.rows);

    // A cut that empties the first month drops it, once no workspace has anything in it.
    let other = build(&later, 2, "b").await;
    let (at, last) = (scribe.workspace, scribe.head.seq - 1);
    assert_eq!(later.drop_prefix(at, last, 1_000).await.unwrap(), last);
    assert!(
        names(&mut connection, PARTITIONS)
            .await
            .contains(&"events_2026_11".to_owned())
    );
    later
        .drop_prefix(other.workspace, other.head.seq, 1_000)
        .await
        .unwrap();
    let left = names(&mut connection, PARTITIONS).await;
    assert!(
        !left.contains(&"events_2026_11".to_owned()) && !left.contains(&"payloads_2026_11".to_owned()),
        "{left:?}"
    );
    assert_eq!(later.records_at(at, &[last + 1]).await.unwrap().len(), 1);
}

/// Making a month does not wait behind somebody who reads, nor hold up those who write for long.
#[tokio::test]
async fn a_month_that_is_locked_is_left_for_later() {
    let database = Database::fresh().await;
    let mut connection = database.connect().await;
    let mut reading = connection.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM events")
        .fetch_one(&mut *reading)
        .await
        .unwrap();
    let mut options = PostgresOptions::new(database.url());
    options.clock = PostgresClock::Given(Arc::new(At(SystemClock
        .now()
        .plus(Micros::seconds(86_400 * 400)))));
    let started = std::time::Instant::now();
    let store = PostgresStore::open(options).await.unwrap();
    build(&store, 1, "a").await;
    assert!(started.elapsed() < std::time::Duration::from_secs(10));
    reading.rollback().await.unwrap();
    store.sweep(START).await.unwrap();
    let row = sqlx::query(
        "SELECT count(*) AS made FROM pg_class WHERE relispartition AND relname LIKE 'events_20%'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert!(row.get::<i64, _>("made") >= 7);
}
