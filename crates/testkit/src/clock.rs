//! A clock that stands until a test turns it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use signoff_core::time::{Micros, Timestamp};
use signoff_store::Clock;

/// A clock for tests. Clones show the same time.
#[derive(Debug, Clone)]
pub struct FakeClock(Arc<AtomicI64>);

impl FakeClock {
    /// Where a clock stands at first: 2026-11-18T11:06:40Z.
    pub const START: Timestamp = Timestamp(1_795_000_000_000_000);

    /// A clock that stands at this time.
    pub fn at(time: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(time.0)))
    }

    /// Turns it to this time, also backwards, as a real clock may jump.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.0, Ordering::SeqCst);
    }

    /// Turns it on, and answers the time it then shows.
    pub fn advance(&self, by: Micros) -> Timestamp {
        Timestamp(self.0.fetch_add(by.0, Ordering::SeqCst)).plus(by)
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::at(Self::START)
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_until_it_is_turned() {
        let clock = FakeClock::default();
        assert_eq!(FakeClock::START.to_string(), "2026-11-18T11:06:40.000000Z");
        assert_eq!((clock.now(), clock.now()), (FakeClock::START, FakeClock::START));
        let other = clock.clone();
        let later = FakeClock::START.plus(Micros::seconds(90));
        assert_eq!(clock.advance(Micros::seconds(90)), later);
        assert_eq!(other.now(), later);
        other.set(Timestamp(1));
        assert_eq!(clock.now(), Timestamp(1));
    }
}
