//! The clock that all nodes share: the database's, followed by this machine's with an offset, so that asking for the time
//! costs no round trip.

use std::sync::atomic::{AtomicI64, Ordering};

use signoff_core::time::{Micros, Timestamp};
use sqlx::postgres::PgRow;

use super::{PostgresClock, PostgresStore, sql::now};
use crate::{
    Clock, Health, StoreError, StoreResult,
    fields::{self, Fields as _},
};

/// How many times the clocks are compared at the start; the quickest answer tells most.
const MEASUREMENTS: usize = 3;
const NOW: &str = concat!("SELECT ", now!(), " AS now");
/// Fails where nothing can be written: on a standby, in a database that is read only, without the right to.
const TRY_TO_WRITE: &str = "WITH tried AS (DELETE FROM sessions WHERE hash = ''::bytea) \
     SELECT pg_current_xact_id()::text AS written";
const FEATURE_LEVEL: &str = "SELECT feature_level FROM installation WHERE one = 1";
const RAISE_FEATURE_LEVEL: &str = "UPDATE installation SET feature_level = greatest(feature_level, $1) WHERE one = 1 \
     RETURNING feature_level";

pub(super) struct StoreClock {
    source: PostgresClock,
    /// How far the database's clock is ahead of the machine's, in microseconds.
    offset: AtomicI64,
}

/// When the machine asked the database for its time, what that said, and when the answer was there.
pub(super) struct Comparison {
    asked: Timestamp,
    said: Timestamp,
    answered: Timestamp,
}

impl StoreClock {
    pub(super) fn new(source: PostgresClock) -> Self {
        Self {
            source,
            offset: AtomicI64::new(0),
        }
    }

    /// The time for statements that else take the database's.
    pub(super) fn given(&self) -> Option<i64> {
        match &self.source {
            PostgresClock::Given(clock) => Some(clock.now().0),
            PostgresClock::Database(_) => None,
        }
    }

    /// What the machine's clock says.
    pub(super) fn machine(&self) -> Timestamp {
        match &self.source {
            PostgresClock::Given(clock) | PostgresClock::Database(clock) => clock.now(),
        }
    }

    pub(super) fn compare(&self, asked: Timestamp, said: i64) -> Comparison {
        Comparison {
            asked,
            said: Timestamp(said),
            answered: self.machine(),
        }
    }

    /// The true offset lies between what it would be had the answer taken no time, and had the question taken none. An
    /// offset that lies there already is as good as any other; one that does not moves just so far.
    pub(super) fn follow(&self, seen: &Comparison) {
        let (least, most) = (seen.said.0 - seen.answered.0, seen.said.0 - seen.asked.0);
        if least > most {
            // The machine's clock was set back between the two.
            return;
        }
        let offset = self.offset.load(Ordering::Relaxed);
        self.offset.store(offset.clamp(least, most), Ordering::Relaxed);
    }

    fn set(&self, seen: &Comparison) {
        self.offset.store(seen.offset(), Ordering::Relaxed);
    }
}

impl Comparison {
    fn offset(&self) -> i64 {
        self.said.0 - self.asked.0.midpoint(self.answered.0)
    }

    fn took(&self) -> i64 {
        self.answered.0 - self.asked.0
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        match &self.source {
            PostgresClock::Given(clock) => clock.now(),
            PostgresClock::Database(machine) => {
                Timestamp(machine.now().0 + self.offset.load(Ordering::Relaxed))
            }
        }
    }
}

fn only_level(rows: &[PgRow]) -> StoreResult<u32> {
    let row = rows
        .first()
        .ok_or_else(|| StoreError::Damaged("the installation has no feature level".into()))?;
    fields::feature_level(row)
}

impl PostgresStore {
    pub(super) async fn measure_clock(&self) -> StoreResult<()> {
        let mut best: Option<Comparison> = None;
        for _ in 0..MEASUREMENTS {
            let seen = self.compare_clocks().await?;
            if best.as_ref().is_none_or(|best| seen.took() < best.took()) {
                best = Some(seen);
            }
        }
        if let Some(seen) = &best {
            self.clock.set(seen);
        }
        Ok(())
    }

    async fn compare_clocks(&self) -> StoreResult<Comparison> {
        let mut transaction = self.begin_read().await?;
        // Once before, so that the time of preparing is in no answer.
        self.all_in(&mut transaction, sqlx::query(NOW)).await?;
        let asked = self.clock.machine();
        let rows = self.all_in(&mut transaction, sqlx::query(NOW)).await?;
        let row = rows
            .first()
            .ok_or_else(|| StoreError::Damaged("the database does not tell the time".into()))?;
        Ok(self.clock.compare(asked, row.int("now")?))
    }

    pub(super) async fn check_health(&self) -> StoreResult<Health> {
        let mut transaction = self.begin_write().await?;
        self.all_in(&mut transaction, sqlx::query(TRY_TO_WRITE)).await?;
        let level = self.all_in(&mut transaction, sqlx::query(FEATURE_LEVEL)).await?;
        let feature_level = only_level(&level)?;
        self.link.seen(transaction.rollback().await)?;
        let clock_skew = if self.clock.given().is_some() {
            Micros(0)
        } else {
            let seen = self.compare_clocks().await?;
            self.clock.follow(&seen);
            Micros(-seen.offset())
        };
        Ok(Health {
            clock_skew,
            feature_level,
        })
    }

    pub(super) async fn lift_feature_level(&self, level: u32) -> StoreResult<u32> {
        let mut transaction = self.begin_write().await?;
        let query = sqlx::query(RAISE_FEATURE_LEVEL).bind(i64::from(level));
        let raised = self.all_in(&mut transaction, query).await?;
        self.link.seen(transaction.commit().await)?;
        only_level(&raised)
    }
}
