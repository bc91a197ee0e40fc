//! How statements go to the server: prepared once on a direct connection; behind a pooler unnamed and in a transaction each,
//! because the next statement may meet another server connection.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use sqlx::{
    Postgres, Transaction,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{BEGIN, PostgresStore};
use crate::{StoreResult, error::is_lost_connection};

pub(super) type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// What all users of the connections share.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) pooled: bool,
    /// When a connection was last seen to be broken. Those that were idle then may be broken as well.
    broken: Arc<Mutex<Option<Instant>>>,
}

impl Link {
    pub(super) fn new(pooled: bool) -> Self {
        Self {
            pooled,
            broken: Arc::default(),
        }
    }

    /// Remembers that a connection broke, if that is what a result says.
    pub(super) fn seen<T>(&self, result: sqlx::Result<T>) -> StoreResult<T> {
        if result.as_ref().is_err_and(is_lost_connection) {
            *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        Ok(result?)
    }

    /// Whether a connection that was idle since then is to be asked before it is used.
    pub(super) fn is_doubtful(&self, idle_since: Option<Instant>) -> bool {
        let broken = *self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.is_some_and(|at| idle_since.is_none_or(|since| since <= at))
    }
}

impl PostgresStore {
    /// A transaction that writes, within bounds of time.
    pub(super) async fn begin_write(&self) -> StoreResult<Transaction<'static, Postgres>> {
        self.link.seen(self.pool.begin_with(BEGIN).await)
    }

    /// A transaction that reads, all of one moment.
    pub(super) async fn begin_read(&self) -> StoreResult<Transaction<'static, Postgres>> {
        self.link.seen(
            self.pool
                .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await,
        )
    }

    /// All rows that a statement answers.
    pub(super) async fn all(&self, statement: Statement<'_>) -> StoreResult<Vec<PgRow>> {
        if !self.link.pooled {
            return self.link.seen(statement.fetch_all(&self.pool).await);
        }
        let mut transaction = self.link.seen(self.pool.begin().await)?;
        let rows = self.all_in(&mut transaction, statement).await?;
        self.link.seen(transaction.commit().await)?;
        Ok(rows)
    }

    /// The row that a statement answers, if it does.
    pub(super) async fn one(&self, statement: Statement<'_>) -> StoreResult<Option<PgRow>> {
        Ok(self.all(statement).await?.pop())
    }

    /// Sends a statement that answers with how many rows it touched.
    pub(super) async fn run(&self, statement: Statement<'_>) -> StoreResult<u64> {
        if !self.link.pooled {
            return Ok(self
                .link
                .seen(statement.execute(&self.pool).await)?
                .rows_affected());
        }
        let mut transaction = self.link.seen(self.pool.begin().await)?;
        let count = self.run_in(&mut transaction, statement).await?;
        self.link.seen(transaction.commit().await)?;
        Ok(count)
    }

    /// All rows that a statement of a transaction answers.
    pub(super) async fn all_in(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        statement: Statement<'_>,
    ) -> StoreResult<Vec<PgRow>> {
        let statement = statement.persistent(!self.link.pooled);
        self.link.seen(statement.fetch_all(&mut **transaction).await)
    }

    /// Sends a statement of a transaction.
    pub(super) async fn run_in(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        statement: Statement<'_>,
    ) -> StoreResult<u64> {
        let statement = statement.persistent(!self.link.pooled);
        let result = self.link.seen(statement.execute(&mut **transaction).await)?;
        Ok(result.rows_affected())
    }
}
