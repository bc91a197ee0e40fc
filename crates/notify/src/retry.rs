//! When a message is tried again: the schedule of the Standard Webhooks specification, as a pure function.

use std::time::Duration;

/// The waits before the second and each later attempt.
const WAITS: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];

/// How often a message is tried at most, the first attempt included.
pub const ATTEMPTS_MAX: usize = WAITS.len() + 1;

/// The longest `Retry-After` that is honoured.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// How long to wait after `attempts` failed ones; `None` when there will be no other.
///
/// `jitter` is a random number from the caller. It only ever lengthens a wait, by 1 to 11 percent: receivers that
/// came back are not hit by all messages at once, and the last attempt falls later than 76 hours after the first.
/// `asked` is what the receiver wants (`Retry-After`), honoured up to [`RETRY_AFTER_MAX`] but never to shorten.
pub fn retry_delay(attempts: usize, jitter: u32, asked: Option<Duration>) -> Option<Duration> {
    let wait = match attempts {
        0 => return Some(Duration::ZERO),
        failed => *WAITS.get(failed - 1)?,
    };
    // In hundredths of a percent, from 100 to 1099.
    let longer = wait * (100 + jitter % 1000) / 10_000;
    let asked = asked.unwrap_or_default().min(RETRY_AFTER_MAX);
    Some((wait + longer).max(asked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_schedule_is_that_of_the_specification() {
        let waits: Vec<u64> = (1..ATTEMPTS_MAX)
            .map(|failed| retry_delay(failed, 0, None).expect("another attempt").as_secs() * 100 / 101)
            .collect();
        // Rounding to whole seconds shortens the first ones by at most one.
        let expected = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
        for (saw, expected) in waits.iter().zip(expected) {
            assert!(saw.abs_diff(expected) <= 1, "{waits:?}");
        }
        assert_eq!(retry_delay(0, 9, None), Some(Duration::ZERO));
        assert_eq!(retry_delay(ATTEMPTS_MAX, 0, None), None);
        assert_eq!(retry_delay(usize::MAX, 0, None), None);
    }

    /// R12: a receiver that is away for 76 hours still gets everything.
    #[test]
    fn the_last_attempt_outlasts_76_hours() {
        let total: Duration = (0..ATTEMPTS_MAX)
            .filter_map(|failed| retry_delay(failed, 0, None))
            .sum();
        assert!(total > Duration::from_hours(76), "{total:?}");
    }

    proptest! {
        #[test]
        fn jitter_lengthens_within_bounds(failed in 1..ATTEMPTS_MAX, jitter in any::<u32>()) {
            let plain = WAITS[failed - 1];
            let wait = retry_delay(failed, jitter, None).expect("another attempt");
            prop_assert!(wait >= plain * 101 / 100 && wait <= plain * 111 / 100);
        }

        #[test]
        fn what_the_receiver_asks_never_shortens_and_is_bounded(
            failed in 1..ATTEMPTS_MAX, jitter in any::<u32>(), seconds in any::<u64>()
        ) {
            let plain = retry_delay(failed, jitter, None).expect("another attempt");
            let asked = retry_delay(failed, jitter, Some(Duration::from_secs(seconds))).expect("another attempt");
            prop_assert!(asked >= plain && asked <= plain.max(RETRY_AFTER_MAX));
        }
    }
}
