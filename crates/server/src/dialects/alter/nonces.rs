//! Nonces that were seen: each is good once. In memory, of one process; only holders of a key fill it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one is remembered at least: as long as a signature is good before and after its time.
const REMEMBERED: Duration = Duration::from_mins(10);
/// How many are remembered of one key, and of all, in that time.
const OF_ONE_KEY_MAX: usize = 250_000;
const TOGETHER_MAX: usize = 1_000_000;

/// What becomes of a nonce.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nonce {
    /// Never seen, remembered from now on.
    Fresh,
    /// Seen before.
    Seen,
    /// There is no room to remember it, so it is not known to be fresh.
    NoRoom,
}

/// Those seen of late, in two generations: the older one is forgotten as a whole.
#[derive(Default)]
pub(super) struct Nonces(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    since: Option<Instant>,
    now: Generation,
    before: Generation,
}

#[derive(Default)]
struct Generation {
    by_key: HashMap<[u8; 32], HashSet<[u8; 16]>>,
    count: usize,
}

impl Generation {
    fn has(&self, key: &[u8; 32], nonce: &[u8; 16]) -> bool {
        self.by_key.get(key).is_some_and(|seen| seen.contains(nonce))
    }
}

impl Nonces {
    /// Takes the nonce of a request that was signed with the key of this hash.
    pub(super) fn take(&self, key: [u8; 32], nonce: [u8; 16], now: Instant) -> Nonce {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = seen.since.map(|since| now.saturating_duration_since(since));
        if age.is_none_or(|age| age >= REMEMBERED) {
            let last = std::mem::take(&mut seen.now);
            // Whoever was silent for so long left nothing that is still good.
            seen.before = if age.is_some_and(|age| age < 2 * REMEMBERED) {
                last
            } else {
                Generation::default()
            };
            seen.since = Some(now);
        }
        if seen.now.has(&key, &nonce) || seen.before.has(&key, &nonce) {
            return Nonce::Seen;
        }
        let count = seen.now.count;
        let of_key = seen.now.by_key.entry(key).or_default();
        if count >= TOGETHER_MAX || of_key.len() >= OF_ONE_KEY_MAX {
            return Nonce::NoRoom;
        }
        of_key.insert(nonce);
        seen.now.count += 1;
        Nonce::Fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_once_for_each_key_and_is_remembered_long_enough() {
        let nonces = Nonces::default();
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(nonces.take([1; 32], [7; 16], start), Nonce::Fresh);
        assert_eq!(nonces.take([2; 32], [7; 16], start), Nonce::Fresh);
        assert_eq!(nonces.take([1; 32], [8; 16], after(599)), Nonce::Fresh);
        assert_eq!(nonces.take([1; 32], [7; 16], after(599)), Nonce::Seen);
        assert_eq!(nonces.take([1; 32], [8; 16], after(601)), Nonce::Seen);
        assert_eq!(nonces.take([1; 32], [8; 16], after(1_198)), Nonce::Seen);
        assert_eq!(nonces.take([1; 32], [8; 16], after(2_500)), Nonce::Fresh);
    }

    #[test]
    fn a_key_that_fills_its_room_takes_none_from_others() {
        let nonces = Nonces::default();
        let now = Instant::now();
        for number in 0..OF_ONE_KEY_MAX as u128 {
            assert_eq!(nonces.take([1; 32], number.to_be_bytes(), now), Nonce::Fresh);
        }
        assert_eq!(nonces.take([1; 32], [0xff; 16], now), Nonce::NoRoom);
        assert_eq!(nonces.take([2; 32], [0xff; 16], now), Nonce::Fresh);
    }
}
