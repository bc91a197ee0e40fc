//! The schema and what is in force on its connections.

use std::{collections::BTreeMap, sync::Arc};

use sqlx::Row as _;

use super::open;
use crate::{Store as _, StoreError, SystemClock, sqlite::SqliteStore};

/// Every table has a class in `tables.txt`, and every class a table.
#[tokio::test]
async fn every_table_has_a_class() {
    let lines = include_str!("../../../tables.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    let classes: BTreeMap<&str, &str> = lines.map(|line| line.split_once(' ').unwrap()).collect();
    for (table, class) in &classes {
        assert!(["folded", "log", "side"].contains(class), "{table} is {class}");
    }
    let fixture = open().await;
    let query =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let tables: Vec<String> = sqlx::query_scalar(query)
        .fetch_all(&mut fixture.connect().await)
        .await
        .unwrap();
    assert_eq!(tables, classes.keys().copied().collect::<Vec<_>>());
    let folded = crate::cells::Table::ALL.map(crate::cells::Table::name);
    let mut listed: Vec<_> = classes
        .iter()
        .filter(|(_, class)| **class == "folded")
        .map(|(table, _)| *table)
        .collect();
    listed.retain(|table| *table != "heads");
    let mut folded = folded.to_vec();
    folded.sort_unstable();
    assert_eq!(
        folded, listed,
        "what `folded()` compares is what is listed as folded"
    );
}

/// I9: write-ahead log and full synchronisation are in force on the writer, and readers can't write.
#[tokio::test]
async fn what_is_acknowledged_is_on_disk() {
    let fixture = open().await;
    for (pool, pragma, expected) in [
        (&fixture.store.write, "PRAGMA journal_mode", "wal"),
        (&fixture.store.write, "PRAGMA synchronous", "2"),
        (&fixture.store.write, "PRAGMA foreign_keys", "1"),
        (&fixture.store.write, "PRAGMA busy_timeout", "5000"),
        (&fixture.store.write, "PRAGMA secure_delete", "1"),
        (&fixture.store.read, "PRAGMA journal_mode", "wal"),
        (&fixture.store.read, "PRAGMA busy_timeout", "5000"),
    ] {
        let row = sqlx::query(pragma).fetch_one(pool).await.unwrap();
        let value = row
            .try_get::<String, _>(0)
            .or_else(|_| row.try_get::<i64, _>(0).map(|n| n.to_string()))
            .unwrap();
        assert_eq!(value, expected, "{pragma}");
    }
    assert_eq!(fixture.store.write.options().get_max_connections(), 1);
    assert!(
        sqlx::query("DELETE FROM heads")
            .execute(&fixture.store.read)
            .await
            .is_err()
    );
}

/// Opening again is harmless and finds what was there.
#[tokio::test]
async fn what_was_written_is_there_after_opening_again() {
    let fixture = open().await;
    let scribe = crate::conformance::world::build(&fixture.store, 1, "a").await;
    fixture.store.close().await;
    let super::Fixture { store, directory } = fixture;
    drop(store);
    for _ in 0..2 {
        let store = SqliteStore::open(directory.path(), Arc::new(SystemClock))
            .await
            .unwrap();
        assert_eq!(store.folded(scribe.workspace).await.unwrap().rows, scribe.rows);
        store.close().await;
    }
}

/// A database that a newer version wrote is refused, not guessed at.
#[tokio::test]
async fn a_newer_schema_is_refused() {
    let fixture = open().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'of a newer version', 1, x'00', 0)";
    sqlx::query(newer)
        .execute(&mut fixture.connect().await)
        .await
        .unwrap();
    let super::Fixture { store, directory } = fixture;
    store.close().await;
    drop(store);
    let result = SqliteStore::open(directory.path(), Arc::new(SystemClock)).await;
    assert!(
        matches!(result, Err(StoreError::NewerSchema)),
        "{:?}",
        result.err()
    );
}

/// An applied migration that reads differently now is refused as well.
#[tokio::test]
async fn a_changed_migration_is_refused() {
    let fixture = open().await;
    let changed = "UPDATE _sqlx_migrations SET checksum = x'00'";
    sqlx::query(changed)
        .execute(&mut fixture.connect().await)
        .await
        .unwrap();
    let super::Fixture { store, directory } = fixture;
    store.close().await;
    drop(store);
    let result = SqliteStore::open(directory.path(), Arc::new(SystemClock)).await;
    assert!(
        matches!(result, Err(StoreError::Migration(_))),
        "{:?}",
        result.err()
    );
}

/// What is no database of ours is refused, and left as it is.
#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(crate::sqlite::FILE_NAME);
    let text = "this is a letter, not a database. ".repeat(40);
    std::fs::write(&path, &text).unwrap();
    let result = SqliteStore::open(directory.path(), Arc::new(SystemClock)).await;
    assert!(result.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

/// What can't be what it should be is damage, named, never a default.
#[tokio::test]
async fn damaged_values_are_errors() {
    let fixture = open().await;
    let scribe = crate::conformance::world::build(&fixture.store, 1, "a").await;
    let mut connection = fixture.connect().await;
    let (store, at) = (&fixture.store, scribe.workspace);
    let sequences: Vec<u64> = (1..100).collect();
    for statement in [
        "UPDATE payloads SET name = 'unheard-of'",
        "UPDATE payloads SET name = 'text', salt = x'00'",
        "UPDATE payloads SET salt = zeroblob(32), subject = x'00'",
    ] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        let result = store.payloads(at, &sequences).await;
        assert!(
            matches!(result, Err(StoreError::Damaged(_))),
            "{statement}: {result:?}"
        );
    }
    sqlx::query("UPDATE events SET hash = x'00' WHERE seq = 1")
        .execute(&mut connection)
        .await
        .unwrap();
    let query = crate::RecordQuery {
        limit: 1,
        ..crate::RecordQuery::default()
    };
    assert!(matches!(
        store.records(at, &query).await,
        Err(StoreError::Damaged(_))
    ));
    sqlx::query("UPDATE approvals SET status = 'unheard-of'")
        .execute(&mut connection)
        .await
        .unwrap();
    assert!(matches!(
        store.approval_facts(at, None).await,
        Err(StoreError::Damaged(_))
    ));
    let name = crate::conformance::world::idempotency_name(&scribe);
    sqlx::query("UPDATE idempotency SET fingerprint = x'00'")
        .execute(&mut connection)
        .await
        .unwrap();
    let wants = crate::Wants {
        idempotency: [name].into(),
        ..scribe.wants()
    };
    let result = store.begin().await.unwrap().read(&wants).await;
    assert!(matches!(result, Err(StoreError::Damaged(_))), "{result:?}");
}

/// One writer, so one batch may carry several workspaces.
#[tokio::test]
async fn a_batch_may_mix_workspaces() {
    let fixture = open().await;
    let mut scribes = [1, 2].map(|workspace| crate::conformance::world::everything(workspace, "a"));
    let mut batch = fixture.store.begin().await.unwrap();
    for scribe in &mut scribes {
        batch.write(&scribe.take()).await.unwrap();
    }
    batch.commit().await.unwrap();
    let wants = crate::Wants {
        workspaces: scribes.iter().map(|scribe| scribe.workspace).collect(),
        rows: scribes
            .iter()
            .flat_map(|scribe| scribe.wants_all().rows)
            .collect(),
        ..crate::Wants::default()
    };
    let state = fixture.store.begin().await.unwrap().read(&wants).await.unwrap();
    assert!(
        scribes
            .iter()
            .all(|scribe| state.rows[&scribe.workspace] == scribe.rows)
    );
    assert!(
        scribes
            .iter()
            .all(|scribe| state.heads[&scribe.workspace] == scribe.head)
    );
}
