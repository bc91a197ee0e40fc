//! Why the engine did not do what it was asked: for the person who asked, without internals.

use signoff_core::{approval, event::ApprovalStatus, execution, time::Timestamp};
use signoff_store::StoreError;

use crate::view::ActorView;

/// A result of the engine.
pub type EngineResult<T> = Result<T, EngineError>;

/// Why not.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// No key, an unknown or revoked one, an expired session.
    #[error("no valid key or session")]
    Unauthorized,
    /// E-mail address or password are wrong; it is not said which.
    #[error("the e-mail address or the password is wrong")]
    WrongPassword,
    /// Known, but not permitted.
    #[error("{0}")]
    Forbidden(String),
    /// I6: an agent's or application's key can't decide.
    #[error("an agent's or application's key can't decide")]
    AskersNeverDecide,
    /// It does not exist, or not for this caller.
    #[error("there is no {kind} `{name}`")]
    NotFound {
        /// What was looked for, such as `approval`.
        kind: &'static str,
        /// As given, cut to 80 characters.
        name: String,
    },
    /// The request can't be carried out as it is: a JSON pointer and a sentence each.
    #[error("{}", first(.0))]
    Invalid(Vec<(String, String)>),
    /// The request says too little for the policy that governs: a JSON pointer and a sentence for each lack. Nobody was
    /// asked and nothing is recorded.
    #[error("the policy `{policy}` needs to be told more before it lets anything through or asks anybody")]
    Incomplete {
        /// Its name.
        policy: String,
        /// What is missing or wrong, at least one.
        lacks: Vec<(String, String)>,
    },
    /// A grant does not go with a call. What an agent does not hold does not exist for it.
    #[error("the grant `{name}` can't be used: {why}")]
    Grant {
        /// As given.
        name: String,
        /// Why not.
        why: signoff_core::grant::Unfit,
    },
    /// A policy can't be saved as it is: a JSON pointer and a sentence each.
    #[error("{}", first(.0))]
    PolicyInvalid(Vec<(String, String)>),
    /// The approval reached its one end before.
    #[error("the approval is already {status}")]
    Ended {
        /// Which end.
        status: ApprovalStatus,
        /// Who brought it.
        by: Option<ActorView>,
        /// When.
        at: Option<Timestamp>,
    },
    /// The decision machine refused.
    #[error("{0}")]
    Decision(approval::Refusal),
    /// The execution machine refused.
    #[error("{0}")]
    Execution(execution::Refusal),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyMismatch,
    /// The request with this idempotency key is still running.
    #[error("a request with the same idempotency key is still running")]
    IdempotencyRunning,
    /// It changed meanwhile.
    #[error("the version is {present} by now")]
    VersionConflict {
        /// The version in force.
        present: u64,
    },
    /// Names are unique.
    #[error("there is already {kind} `{name}`")]
    NameTaken {
        /// What, with its article, such as `an agent`.
        kind: &'static str,
        /// As given.
        name: String,
    },
    /// Something else needs it.
    #[error("{0}")]
    StillNeeded(String),
    /// The agent has too many pending approvals.
    #[error("the agent has {limit} pending approvals, which is the limit")]
    TooManyPending {
        /// How many are allowed.
        limit: u64,
    },
    /// Too many attempts.
    #[error("too many attempts")]
    RateLimited {
        /// When to try again.
        retry_after_seconds: u64,
    },
    /// Something of this kind runs already, and one at a time is enough.
    #[error("{what}")]
    Busy {
        /// What runs, as a sentence.
        what: &'static str,
        /// When to try again.
        retry_after_seconds: u64,
    },
    /// A stop is in force: one sentence for whoever asked.
    #[error("{0}")]
    Stopped(String),
    /// Nodes of an earlier version may still run: what they don't know is not written yet.
    #[error("this needs feature level {0}, to which the installation was not raised yet")]
    FeatureLevel(u32),
    /// The server is stopping, overloaded, or its store fails: nothing was decided. Trying again is safe with an
    /// idempotency key.
    #[error("the server can't do this right now")]
    Unavailable,
    /// A bug or damaged data; details are in the server's log.
    #[error("internal error")]
    Internal,
}

fn first(problems: &[(String, String)]) -> &str {
    problems
        .first()
        .map_or("the request is not valid", |(_, why)| why)
}

impl EngineError {
    /// One thing that is wrong, and where.
    pub fn invalid(pointer: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid(vec![(pointer.into(), why.into())])
    }

    /// Something that does not exist.
    pub fn not_found(kind: &'static str, name: impl std::fmt::Display) -> Self {
        Self::NotFound {
            kind,
            name: name.to_string().chars().take(80).collect(),
        }
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged(why) => {
                tracing::error!(%why, "stored data can't be read");
                Self::Internal
            }
            other => {
                tracing::error!(error = %other, "the store failed");
                Self::Unavailable
            }
        }
    }
}

impl From<approval::Refusal> for EngineError {
    fn from(refusal: approval::Refusal) -> Self {
        match refusal {
            approval::Refusal::Ended(status) => Self::Ended {
                status,
                by: None,
                at: None,
            },
            other => Self::Decision(other),
        }
    }
}

impl From<execution::Refusal> for EngineError {
    fn from(refusal: execution::Refusal) -> Self {
        Self::Execution(refusal)
    }
}
