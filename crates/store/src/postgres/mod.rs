//! Postgres, for several nodes on one database: batches lock the head of their workspace, everything else goes beside them.
//!
//! Deliberately absent: state that lives longer than a transaction on a connection (session locks, temporary tables), so
//! that a pooler may stand between. Only migrations and listening need a connection of their own; behind a pooler there are
//! none ([`PostgresOptions::pooled`]).

mod approvals;
mod ask;
mod batch;
mod connect;
mod counted;
mod cut;
mod deliveries;
mod executions;
mod inbox;
mod leases;
mod notices;
mod partitions;
mod records;
mod side;
mod sql;
mod store;
#[cfg(test)]
mod tests;
mod time;
mod verify;
mod write;

use std::{fmt, sync::Arc};

use sqlx::{PgPool, migrate::Migrator};

use self::{ask::Link, time::StoreClock};
use crate::{Clock, StoreResult, SystemClock};

pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Begins every transaction that writes. Whoever stops in the middle is ended by the server, so that no workspace waits
/// for long; the plans are those made once, by keys, however empty the tables were then. What such plans are said to cost
/// would have the server compile them each time (JIT), which takes hundreds of times longer than running them.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '2s'; \
     SET LOCAL statement_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '2s'; \
     SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; SET LOCAL jit = off";

/// The address of a database, which may hold a password: never printed.
#[derive(Clone)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Takes an address.
    pub fn new(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(…)")
    }
}

/// How to get at a database, and by which clock to go.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`.
    pub url: DatabaseUrl,
    /// Behind a pooler that gives each transaction another connection, such as `PgBouncer` in transaction mode: nothing is
    /// prepared, nothing migrated, nobody listens.
    pub pooled: bool,
    /// What transactions go by.
    pub clock: PostgresClock,
    /// How many connections this process opens at most.
    pub connections_max: u32,
}

impl PostgresOptions {
    /// A direct connection, the database's clock, at most 16 connections.
    pub fn new(url: &str) -> Self {
        Self {
            url: DatabaseUrl::new(url),
            pooled: false,
            clock: PostgresClock::Database(Arc::new(SystemClock)),
            connections_max: 16,
        }
    }
}

/// What transactions go by.
#[derive(Clone)]
pub enum PostgresClock {
    /// The database's clock, the same for all nodes. This one is the machine's, which is compared with it.
    Database(Arc<dyn Clock>),
    /// This one, for tests.
    Given(Arc<dyn Clock>),
}

impl fmt::Debug for PostgresClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database(_) => "Database",
            Self::Given(_) => "Given",
        })
    }
}

/// The Postgres backend.
pub struct PostgresStore {
    pool: PgPool,
    link: Link,
    clock: Arc<StoreClock>,
}

impl PostgresStore {
    /// Connects, checks that the server keeps what it acknowledges, brings the schema up to date under a lock, and makes
    /// the partitions of the months to come.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`](crate::StoreError::Unsuitable) for a server that is too old or set up in a way that loses
    /// what was acknowledged, [`StoreError::NewerSchema`](crate::StoreError::NewerSchema) for a database of a newer
    /// version, [`StoreError::Migration`](crate::StoreError::Migration) where the schema is not up to date and can't be
    /// brought there, else what the database says. The address is in none of them.
    pub async fn open(options: PostgresOptions) -> StoreResult<Self> {
        let link = Link::new(options.pooled);
        let pool = connect::pool(&options, &link).await?;
        let clock = Arc::new(StoreClock::new(options.clock));
        let store = Self { pool, link, clock };
        store.check_server().await?;
        store.bring_up_to_date().await?;
        store.measure_clock().await?;
        store.make_partitions_at_start().await?;
        Ok(store)
    }
}
