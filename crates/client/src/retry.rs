//! Trying again: only what may be repeated, with growing pauses, for as long as the caller has patience.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long to bear a server that does not answer.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// When it ends.
    until: Instant,
    /// The next pause, grown each time.
    pause: Duration,
}

impl Patience {
    /// Patience that ends `span` from now.
    pub fn lasting(span: Duration) -> Self {
        Self {
            until: Instant::now() + span,
            pause: FIRST_PAUSE,
        }
    }

    /// Pauses before another try; false when patience is at its end.
    pub async fn pause(&mut self) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        tokio::time::sleep(spread(self.pause)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}

/// Whether the same call may well succeed a little later.
pub fn is_passing(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::NoAnswer { .. } => true,
        // An intermediary in front of a server that restarts answers in its own words.
        Error::Unexpected { status, .. } => matches!(status, 502..=504),
        Error::Problem(problem) => {
            matches!(problem.status, 429 | 502..=504) && !problem.is(signoff_api::Code::TooManyPending)
                || problem.is(signoff_api::Code::IdempotencyRunning)
        }
        Error::Misused(_) => false,
    }
}

/// Repeats a call that may be repeated (it reads, or it carries an idempotency key) while its failure may pass.
pub async fn retry<T, F, Fut>(span: Duration, mut call: F) -> crate::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = crate::Result<T>>,
{
    let mut patience = Patience::lasting(span);
    loop {
        match call().await {
            Err(error) if is_passing(&error) => {
                if !patience.pause().await {
                    return Err(error);
                }
            }
            settled => return settled,
        }
    }
}

/// Moves a pause by up to a quarter, so that many waiters do not come back in one moment.
fn spread(pause: Duration) -> Duration {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    pause + pause / 400 * (nanos / 1_000 % 100)
}
