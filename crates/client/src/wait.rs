//! Waiting for a decision: long-polls that survive restarts and end at the caller's own deadline.

use std::time::Duration;

use signoff_api::approval::Approval;
use signoff_api::{Until, WaitQuery};
use tokio::time::Instant;

use crate::error::Error;
use crate::retry::{Patience, is_passing};
use crate::transport::Client;

/// How long one poll is held; well below what intermediaries cut off.
const POLL_SECONDS: u64 = 30;
/// The same where changes count: one that falls between two polls shows only when the next one ends.
const POLL_SECONDS_OF_CHANGES: u64 = 5;
/// A held poll that comes back undecided sooner than this is a server that is going down: do not spin.
const TOO_SOON: Duration = Duration::from_millis(500);

/// How to wait.
#[derive(Debug, Clone, Copy)]
pub struct WaitOptions {
    /// Stop waiting then, whatever the approval does; none: as long as it takes.
    pub deadline: Option<Instant>,
    /// How long to bear a server that does not answer.
    pub grace: Duration,
    /// Whether to hear only of the end, or also of votes and questions on the way there.
    pub until: Until,
}

impl Default for WaitOptions {
    fn default() -> Self {
        Self {
            deadline: None,
            grace: Duration::from_mins(2),
            until: Until::Decided,
        }
    }
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Waited {
    /// The approval has ended, as shown.
    Decided(Box<Approval>),
    /// The caller's own deadline came first; the approval goes on.
    OutOfTime,
}

/// What happens during a wait, for a progress line.
#[derive(Debug)]
pub enum Progress<'a> {
    /// The approval as last seen.
    Seen(&'a Approval),
    /// The server does not answer; trying again.
    Lost(&'a Error),
}

impl Client {
    /// Waits until an approval has ended, over restarts of the server, up to the caller's deadline.
    ///
    /// The first poll is not held, so that `progress` learns at once where the approval stands. An error means that
    /// nothing is known: the approval goes on and can be waited for again.
    pub async fn wait_for_decision(
        &self,
        id: &str,
        options: WaitOptions,
        mut progress: impl FnMut(Progress<'_>),
    ) -> crate::Result<Waited> {
        let mut patience: Option<Patience> = None;
        let mut seen = false;
        loop {
            let Some(seconds) = poll_seconds(&options) else {
                return Ok(Waited::OutOfTime);
            };
            let seconds = if seen { seconds } else { 0 };
            let query = WaitQuery {
                wait: Some(seconds),
                until: Some(options.until),
            };
            let started = Instant::now();
            match at_most(options.deadline, self.approval_view(id, &query)).await {
                None => return Ok(Waited::OutOfTime),
                Some(Ok(approval)) => {
                    (patience, seen) = (None, true);
                    progress(Progress::Seen(&approval));
                    if approval.is_terminal {
                        return Ok(Waited::Decided(Box::new(approval)));
                    }
                    if started.elapsed() < TOO_SOON.min(Duration::from_secs(seconds)) {
                        tokio::time::sleep(TOO_SOON).await;
                    }
                }
                Some(Err(error)) if is_passing(&error) => {
                    progress(Progress::Lost(&error));
                    let patience = patience.get_or_insert_with(|| Patience::lasting(options.grace));
                    match at_most(options.deadline, patience.pause()).await {
                        None => return Ok(Waited::OutOfTime),
                        Some(false) => return Err(error),
                        Some(true) => {}
                    }
                }
                Some(Err(error)) => return Err(error),
            }
        }
    }
}

/// Seconds to hold the next poll; nothing when the deadline has come.
fn poll_seconds(options: &WaitOptions) -> Option<u64> {
    let longest = match options.until {
        Until::Decided => POLL_SECONDS,
        Until::Changed => POLL_SECONDS_OF_CHANGES,
    };
    let Some(deadline) = options.deadline else {
        return Some(longest);
    };
    let left = deadline
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())?;
    Some((left.as_secs() + 1).min(longest))
}

/// The future's value, or nothing when the deadline comes first.
async fn at_most<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

#[cfg(test)]
mod tests {
    use signoff_api::approval::ApprovalStatus;

    use super::*;
    use crate::fake::{Answer, FakeServer, approval};

    async fn wait(answers: Vec<Answer>, options: WaitOptions) -> (crate::Result<Waited>, usize, usize) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = FakeServer::start(answers).await;
        let client = Client::new(&server.url, None).unwrap();
        let mut lost = 0;
        let waited = client
            .wait_for_decision("apr_1", options, |progress| {
                lost += usize::from(matches!(progress, Progress::Lost(_)));
            })
            .await;
        let polls = server.seen.lock().unwrap().len();
        (waited, lost, polls)
    }

    fn status(waited: crate::Result<Waited>) -> ApprovalStatus {
        match waited.unwrap() {
            Waited::Decided(approval) => approval.status,
            Waited::OutOfTime => panic!("out of time"),
        }
    }

    #[tokio::test]
    async fn polls_again_until_the_approval_has_ended() {
        let answers = vec![
            Answer::Json(200, approval("pending", false)),
            Answer::Json(200, approval("approved", true)),
        ];
        let (waited, lost, polls) = wait(answers, WaitOptions::default()).await;
        assert_eq!((status(waited), lost, polls), (ApprovalStatus::Approved, 0, 2));
    }

    #[tokio::test]
    async fn outlives_a_restart_of_the_server() {
        let unavailable = r#"{"type":"x","title":"t","status":503,"code":"unavailable","detail":"d"}"#;
        let answers = vec![
            Answer::Hang,
            Answer::Json(503, unavailable.to_owned()),
            Answer::Json(502, "<html>".to_owned()),
            Answer::Json(200, approval("denied", true)),
        ];
        let (waited, lost, _) = wait(answers, WaitOptions::default()).await;
        assert_eq!((status(waited), lost), (ApprovalStatus::Denied, 3));
    }

    #[tokio::test]
    async fn an_outage_longer_than_the_grace_is_an_error_and_never_a_yes() {
        let options = WaitOptions {
            grace: Duration::from_millis(300),
            ..WaitOptions::default()
        };
        let (waited, lost, _) = wait(vec![], options).await;
        assert!(waited.unwrap_err().is_unreachable());
        assert!(lost >= 2);
    }

    #[tokio::test]
    async fn the_own_deadline_ends_a_silent_poll() {
        let deadline = Instant::now() + Duration::from_millis(200);
        let options = WaitOptions {
            deadline: Some(deadline),
            ..WaitOptions::default()
        };
        let (waited, ..) = wait(vec![Answer::Silence], options).await;
        assert_eq!(waited.unwrap(), Waited::OutOfTime);
    }

    #[tokio::test]
    async fn a_refusal_ends_the_wait_at_once() {
        let missing = r#"{"type":"x","title":"t","status":404,"code":"not_found","detail":"d"}"#;
        let (waited, lost, _) = wait(
            vec![Answer::Json(404, missing.to_owned())],
            WaitOptions::default(),
        )
        .await;
        assert!(waited.unwrap_err().is(signoff_api::Code::NotFound));
        assert_eq!(lost, 0);
    }
}
