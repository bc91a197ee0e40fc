//! The SQLite backend: the suite of every backend, and what is its own.

mod files;
mod plans;
mod schema;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use signoff_core::id::WorkspaceId;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{FILE_NAME, SqliteStore};
use crate::{
    Store, SystemClock,
    conformance::{Subject, Tampered},
};

/// A store in a directory of its own, which goes with it.
pub(crate) struct Fixture {
    pub(crate) store: SqliteStore,
    directory: tempfile::TempDir,
}

pub(crate) async fn open() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path(), Arc::new(SystemClock))
        .await
        .unwrap();
    Fixture { store, directory }
}

impl Fixture {
    fn file(&self) -> PathBuf {
        self.directory.path().join(FILE_NAME)
    }

    /// A connection that goes past the store.
    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.file());
        SqliteConnection::connect_with(&options).await.unwrap()
    }
}

#[async_trait]
impl Subject for Fixture {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    async fn tamper(
        &self,
        workspace: WorkspaceId,
        table: &'static str,
        column: &'static str,
        value: Tampered,
    ) -> u64 {
        // Names in a test's own words, never anything from outside.
        let sql = AssertSqlSafe(format!(
            "UPDATE OR REPLACE {table} SET {column} = ? WHERE workspace = ?"
        ));
        let query = match value {
            Tampered::Text(text) => sqlx::query(sql).bind(text),
            Tampered::Bytes(bytes) => sqlx::query(sql).bind(bytes),
            Tampered::Integer(number) => sqlx::query(sql).bind(number),
        };
        let query = query.bind(workspace.0.0.to_vec());
        query
            .execute(&mut self.connect().await)
            .await
            .unwrap()
            .rows_affected()
    }

    async fn raise_feature_level(&self, level: u32) {
        let query = sqlx::query("UPDATE installation SET feature_level = ?").bind(level);
        query.execute(&mut self.connect().await).await.unwrap();
    }
}

mod conformance {
    crate::conformance!(crate::sqlite::tests::open);

    /// A promise that nobody runs is none: every case of the suite stands in the macro's list.
    #[test]
    fn every_promise_is_run() {
        let list = include_str!("../../conformance/mod.rs");
        let modules = [
            include_str!("../../conformance/approvals.rs"),
            include_str!("../../conformance/batches.rs"),
            include_str!("../../conformance/nodes.rs"),
            include_str!("../../conformance/outbox.rs"),
            include_str!("../../conformance/records.rs"),
            include_str!("../../conformance/refusals.rs"),
            include_str!("../../conformance/side.rs"),
            include_str!("../../conformance/verification.rs"),
            include_str!("../../conformance/walls.rs"),
        ];
        let cases = modules
            .iter()
            .flat_map(|text| text.split("\npub async fn ").skip(1));
        let names: Vec<_> = cases.map(|rest| &rest[..rest.find('(').unwrap()]).collect();
        assert!(names.len() > 50, "{names:?}");
        for name in names {
            assert!(
                list.contains(&format!("{name},")),
                "`{name}` is not in the list of `conformance!`"
            );
        }
    }
}
