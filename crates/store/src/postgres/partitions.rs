//! The months of the log: partitions are made ahead of time and dropped when a cut has emptied them. The only file that
//! writes statements with names and numbers in them, all of its own making.
//!
//! Making one must not hold up batches. It is attached rather than created in place, which takes a lock on the parent that
//! goes with reading and writing; what does conflict is a lock on the default partition, which must be looked through for
//! rows of the month, and each lock is waited for shortly: what does not succeed is tried again an hour later, and until
//! then the default partition takes the rows.

use std::time::Duration;

use signoff_core::time::Timestamp;
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use super::PostgresStore;
use crate::{Clock as _, StoreError, StoreResult, fields::Fields as _};

const PARENTS: [&str; 2] = ["events", "payloads"];
/// How many months ahead of the present one.
const MONTHS_AHEAD: i64 = 3;
/// How often the start tries, in case somebody has a lock just then.
const TRIES_AT_START: usize = 5;
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '200ms'; \
     SET LOCAL statement_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = '5s'";
/// One node at a time; the others need not wait.
const LOCK: &str = "SELECT pg_try_advisory_xact_lock(7235941250011)::int::bigint AS got";
const MISSING: &str = "SELECT parent, parent || to_char(month, '_YYYY_MM') AS name, \
     (extract(epoch FROM month) * 1000000)::bigint AS start, \
     (extract(epoch FROM month + interval '1 month') * 1000000)::bigint AS until \
     FROM unnest($1::text[]) AS parent, \
     generate_series(date_trunc('month', to_timestamp($2::bigint / 1000000) AT TIME ZONE 'UTC'), \
     date_trunc('month', to_timestamp($2::bigint / 1000000) AT TIME ZONE 'UTC') + make_interval(months => $3::int), \
     interval '1 month') AS month \
     WHERE to_regclass(quote_ident(parent || to_char(month, '_YYYY_MM'))) IS NULL ORDER BY month, parent";
/// Partitions of months that are over: by their names, which sort as the months do.
const PAST: &str = "SELECT child.relname::text AS name FROM pg_inherits \
     JOIN pg_class child ON child.oid = inhrelid \
     WHERE inhparent = ANY($1::text[]::regclass[]::oid[]) AND child.relname ~ '_[0-9]{4}_[0-9]{2}$' \
     AND right(child.relname, 7) < to_char(to_timestamp($2::bigint / 1000000) AT TIME ZONE 'UTC', 'YYYY_MM') \
     ORDER BY child.relname";

/// A month of a table.
struct Month {
    parent: String,
    name: String,
    start: i64,
    until: i64,
}

impl PostgresStore {
    pub(super) async fn make_partitions_at_start(&self) -> StoreResult<()> {
        for attempt in 1.. {
            match self.make_partitions(self.clock.now()).await {
                Err(error) if error.is_transient() && attempt < TRIES_AT_START => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                other => return tolerate(other),
            }
        }
        Ok(())
    }

    pub(super) async fn make_partitions_as_time_goes_on(&self) -> StoreResult<()> {
        tolerate(self.make_partitions(self.clock.now()).await)
    }

    /// Makes what is missing from the present month on, each in a transaction of its own.
    async fn make_partitions(&self, now: Timestamp) -> StoreResult<()> {
        let query = sqlx::query(MISSING)
            .bind(PARENTS.map(str::to_owned).to_vec())
            .bind(now.0)
            .bind(MONTHS_AHEAD);
        for row in self.all(query).await? {
            let month = Month {
                parent: row.string("parent")?,
                name: row.string("name")?,
                start: row.int("start")?,
                until: row.int("until")?,
            };
            self.make_partition(&month).await?;
        }
        Ok(())
    }

    async fn make_partition(&self, month: &Month) -> StoreResult<()> {
        let Some(mut transaction) = self.begin_alone().await? else {
            return Ok(());
        };
        let Month {
            parent,
            name,
            start,
            until,
        } = month;
        let there = format!(
            "SELECT (to_regclass('{name}') IS NOT NULL)::int::bigint AS made, \
             EXISTS (SELECT 1 FROM {parent}_default WHERE time >= {start} AND time < {until})::int::bigint AS late"
        );
        let rows = self.ask(&mut transaction, there).await?;
        let (made, late) = match rows.first() {
            Some(row) => (row.int("made")? == 1, row.int("late")? == 1),
            None => (true, false),
        };
        if late && !made {
            tracing::warn!(
                partition = name,
                "rows of this month are in the default partition already; the month stays there"
            );
        }
        if made || late {
            return self.link.seen(transaction.rollback().await);
        }
        let like = format!("CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING STORAGE)");
        self.ask(&mut transaction, like).await?;
        let attach =
            format!("ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({until})");
        self.ask(&mut transaction, attach).await?;
        self.link.seen(transaction.commit().await)
    }

    /// Drops partitions of months that are over and in which no workspace has a row left.
    ///
    /// Why that is safe: a partition is dropped only while it is locked against everybody and seen to be empty under that
    /// lock, so no row of any workspace goes with it, whatever a cut believed. Empty and over means that every workspace's
    /// oldest record is of a later month or lies in the default partition. A row that comes late, dated into a month whose
    /// partition is gone, goes to the default partition.
    pub(super) async fn drop_empty_partitions(&self) -> StoreResult<()> {
        let query = sqlx::query(PAST)
            .bind(PARENTS.map(str::to_owned).to_vec())
            .bind(self.clock.now().0);
        for row in self.all(query).await? {
            tolerate(self.drop_partition(&row.string("name")?).await)?;
        }
        Ok(())
    }

    async fn drop_partition(&self, name: &str) -> StoreResult<()> {
        let is_empty = format!("SELECT (NOT EXISTS (SELECT 1 FROM {name}))::int::bigint AS empty");
        // A look without a lock first: most are not.
        if !self.says_yes(None, &is_empty).await? {
            return Ok(());
        }
        let Some(mut transaction) = self.begin_alone().await? else {
            return Ok(());
        };
        self.ask(
            &mut transaction,
            format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE"),
        )
        .await?;
        if !self.says_yes(Some(&mut transaction), &is_empty).await? {
            return self.link.seen(transaction.rollback().await);
        }
        self.ask(&mut transaction, format!("DROP TABLE {name}")).await?;
        self.link.seen(transaction.commit().await)
    }

    async fn says_yes(
        &self,
        transaction: Option<&mut Transaction<'static, Postgres>>,
        question: &str,
    ) -> StoreResult<bool> {
        let rows = if let Some(transaction) = transaction {
            self.ask(transaction, question.to_owned()).await?
        } else {
            let query = sqlx::query(AssertSqlSafe(question.to_owned())).persistent(false);
            self.all(query).await?
        };
        Ok(rows.first().map(|row| row.int("empty")).transpose()? == Some(1))
    }

    /// A transaction for changing partitions; none where another node is at it.
    async fn begin_alone(&self) -> StoreResult<Option<Transaction<'static, Postgres>>> {
        let mut transaction = self.link.seen(self.pool.begin_with(BEGIN).await)?;
        let rows = self.all_in(&mut transaction, sqlx::query(LOCK)).await?;
        if rows.first().map(|row| row.int("got")).transpose()? == Some(1) {
            return Ok(Some(transaction));
        }
        self.link.seen(transaction.rollback().await)?;
        Ok(None)
    }

    /// Sends a statement that comes once.
    async fn ask(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        sql: String,
    ) -> StoreResult<Vec<sqlx::postgres::PgRow>> {
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        self.link.seen(query.fetch_all(&mut **transaction).await)
    }
}

/// A lock that could not be had, or a right that is missing, is no reason to stop: the default partition serves meanwhile.
fn tolerate(result: StoreResult<()>) -> StoreResult<()> {
    match result {
        Err(StoreError::Database(error @ sqlx::Error::Database(_))) => {
            tracing::warn!(%error, "a partition could not be made or dropped; it will be tried again");
            Ok(())
        }
        other => other,
    }
}
