//! The Postgres backend: the suite of every backend, and what is its own.

mod nodes;
mod plans;
mod schema;

use async_trait::async_trait;
use signoff_core::id::WorkspaceId;
use sqlx::AssertSqlSafe;

use super::PostgresStore;
use crate::{
    Store,
    conformance::{Subject, Tampered, postgres::Database},
};

/// A store on a database of its own, which goes with it.
pub(crate) struct Fixture {
    pub(crate) store: PostgresStore,
    pub(crate) database: Database,
}

pub(crate) async fn open() -> Fixture {
    let database = Database::fresh().await;
    let store = database.open().await;
    Fixture { store, database }
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
        let mut connection = self.database.connect().await;
        if column == "id" && table != "events" {
            // All come to have the same key: one takes the place of the others.
            let alone = AssertSqlSafe(format!(
                "DELETE FROM {table} WHERE workspace = $1 AND ctid <> (SELECT min(ctid) FROM {table} WHERE workspace = $1)"
            ));
            let query = sqlx::query(alone).bind(workspace.0.0.to_vec());
            query.execute(&mut connection).await.unwrap();
        }
        // Names in a test's own words, never anything from outside.
        let sql = AssertSqlSafe(format!("UPDATE {table} SET {column} = $1 WHERE workspace = $2"));
        let query = match value {
            Tampered::Text(text) => sqlx::query(sql).bind(text),
            Tampered::Bytes(bytes) => sqlx::query(sql).bind(bytes),
            Tampered::Integer(number) => sqlx::query(sql).bind(number),
        };
        let query = query.bind(workspace.0.0.to_vec());
        query.execute(&mut connection).await.unwrap().rows_affected()
    }

    async fn raise_feature_level(&self, level: u32) {
        let query = sqlx::query("UPDATE installation SET feature_level = $1").bind(i64::from(level));
        query.execute(&mut self.database.connect().await).await.unwrap();
    }
}

mod conformance {
    crate::conformance!(crate::postgres::tests::open);
}
