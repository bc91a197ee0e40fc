//! What can go wrong with a call, told apart by what the caller should do about it.

use signoff_api::{Code, Problem};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered with a problem document.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// No connection could be made: the server never saw the request.
    #[error("can't reach {server}: {why}")]
    Unreachable {
        /// Base URL of the server.
        server: String,
        /// The innermost reason.
        why: String,
    },
    /// The request may have been seen; its answer did not come.
    #[error("no answer from {server}: {why}")]
    NoAnswer {
        /// Base URL of the server.
        server: String,
        /// The innermost reason.
        why: String,
    },
    /// Something answered that does not speak Signoff's API.
    #[error("unexpected answer from {server} (HTTP {status}): {why}")]
    Unexpected {
        /// Base URL of the server.
        server: String,
        /// HTTP status.
        status: u16,
        /// What is odd about it.
        why: String,
    },
    /// The call was never made: a bad URL, or a key that can't be a header.
    #[error("{0}")]
    Misused(String),
}

impl Error {
    /// The problem, if the server gave one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether it is this problem.
    pub fn is(&self, code: Code) -> bool {
        self.problem().is_some_and(|problem| problem.is(code))
    }

    /// Whether nothing is known of the server's mind: no connection, no answer, or a stranger's answer.
    pub const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::NoAnswer { .. } | Self::Unexpected { .. }
        )
    }
}
