//! Every refusal as a problem document. Inner rooms do not speak HTTP; this is the one file that maps them to it.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use signoff_api::{Code, PROBLEM_MEDIA_TYPE, Problem};
use signoff_core::event::{ApprovalStatus, ExecutionState};
use signoff_core::grant::Unfit;
use signoff_core::{approval, execution};
use signoff_engine::EngineError;
use signoff_engine::view::ActorView;

/// Seconds after which it is worth trying again when the server can't do its work now.
const UNAVAILABLE_RETRY_SECONDS: u64 = 1;

/// A request that is answered with a problem document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    problem: Box<Problem>,
    retry_after_seconds: Option<u64>,
}

impl Refused {
    /// A refusal with its code's title, status and hint.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    /// A value that is out of range or of the wrong type, and where it stands in the body.
    pub(crate) fn invalid(pointer: impl Into<String>, why: impl Into<String>) -> Self {
        let why = why.into();
        Problem::new(Code::InvalidRequest, why.clone())
            .with_error(pointer, why)
            .into()
    }

    /// A parameter or header that is not as it should be.
    pub(crate) fn parameter(why: impl Into<String>) -> Self {
        Problem::new(Code::InvalidRequest, why)
            .with_next("correct the parameter and send it again")
            .into()
    }

    /// Several places at fault in the body, at least one.
    pub(crate) fn faults(code: Code, faults: Vec<(String, String)>) -> Self {
        let first = faults
            .first()
            .map_or_else(|| code.title().to_owned(), |(_, why)| why.clone());
        let problem = Problem::new(code, first);
        faults
            .into_iter()
            .fold(problem, |problem, (pointer, why)| {
                problem.with_error(pointer, why)
            })
            .into()
    }

    /// Something that does not exist, or not for this caller.
    pub(crate) fn not_found(kind: &'static str, name: &str) -> Self {
        EngineError::not_found(kind, name).into()
    }

    /// The same from a body in which what stood at `pointer` is the body itself.
    pub(crate) fn below(mut self, pointer: &str) -> Self {
        for error in &mut self.problem.errors {
            let rest = error.pointer.strip_prefix(pointer);
            if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
                error.pointer = rest.to_owned();
            }
        }
        self
    }

    /// The document itself.
    pub(crate) fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self {
            problem: Box::new(problem),
            retry_after_seconds: None,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&*self.problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<EngineError> for Refused {
    fn from(error: EngineError) -> Self {
        let detail = error.to_string();
        let code = match error {
            EngineError::Invalid(faults) => return Self::faults(Code::InvalidRequest, faults),
            EngineError::Incomplete { lacks, .. } => {
                let problem = Problem::new(Code::ContextIncomplete, detail);
                let named = lacks.into_iter().fold(problem, |problem, (pointer, why)| {
                    problem.with_error(pointer, why)
                });
                return named.into();
            }
            EngineError::PolicyInvalid(faults) => return Self::faults(Code::PolicyInvalid, faults),
            EngineError::Ended { status, by, at } => {
                let at = at.map(|at| at.to_string());
                return ended(status, by.as_ref(), at.as_deref());
            }
            EngineError::Decision(refusal) => return decision(&refusal),
            EngineError::Execution(refusal) => return execution(refusal),
            EngineError::RateLimited { retry_after_seconds } => {
                let refused = Self::new(Code::RateLimited, detail);
                return Self {
                    retry_after_seconds: Some(retry_after_seconds),
                    ..refused
                };
            }
            EngineError::Busy {
                retry_after_seconds, ..
            } => {
                let refused = Self::new(Code::Busy, detail);
                return Self {
                    retry_after_seconds: Some(retry_after_seconds),
                    ..refused
                };
            }
            EngineError::Unavailable => {
                let refused = Self::new(Code::Unavailable, detail);
                return Self {
                    retry_after_seconds: Some(UNAVAILABLE_RETRY_SECONDS),
                    ..refused
                };
            }
            EngineError::Unauthorized | EngineError::WrongPassword => Code::Unauthorized,
            EngineError::Forbidden(_) => Code::Forbidden,
            EngineError::AskersNeverDecide => Code::ApprovalLinkNotYours,
            EngineError::NotFound { .. } => Code::NotFound,
            EngineError::Grant {
                why: Unfit::NotHeld, ..
            } => Code::GrantNotHeld,
            EngineError::Grant { .. } => Code::GrantUnfit,
            EngineError::IdempotencyMismatch => Code::IdempotencyMismatch,
            EngineError::IdempotencyRunning => Code::IdempotencyRunning,
            EngineError::VersionConflict { .. } => Code::VersionConflict,
            EngineError::NameTaken { .. } => Code::NameTaken,
            EngineError::StillNeeded(_) => Code::StillNeeded,
            EngineError::TooManyPending { .. } => Code::TooManyPending,
            EngineError::Stopped(_) => Code::Stopped,
            EngineError::FeatureLevel(_) => Code::FeatureLevel,
            EngineError::Internal => Code::Internal,
        };
        Self::new(code, detail)
    }
}

/// The approval had its end before: which, who brought it, and when.
fn ended(status: ApprovalStatus, by: Option<&ActorView>, at: Option<&str>) -> Refused {
    let who = by.and_then(|by| by.name.clone().or_else(|| by.id.clone()));
    let who = who.map(|who| format!(" by {who}")).unwrap_or_default();
    let when = at.map(|at| format!(" at {at}")).unwrap_or_default();
    let code = if status == ApprovalStatus::Expired {
        Code::ApprovalExpired
    } else {
        Code::AlreadyDecided
    };
    Refused::new(code, format!("the approval is already {status}{who}{when}"))
}

fn decision(refusal: &approval::Refusal) -> Refused {
    use approval::Refusal as R;
    let code = match refusal {
        R::Ended(status) => return ended(*status, None, None),
        // A denial never gets here without words: the door asks for its reason.
        R::ReasonRequired => return Refused::invalid("/comment", refusal.to_string()),
        R::DeadlinePassed => Code::ApprovalExpired,
        R::DigestMismatch => Code::DigestMismatch,
        R::NotNamed | R::SignInFirst | R::NotYet(_) | R::SelfApproval | R::NotAPerson => {
            Code::RequirementNotMet
        }
        R::AlreadyVoted => Code::AlreadyVoted,
        R::NotAskable => Code::NotAskable,
        R::NotEditable | R::EditForbidden => Code::NotEditable,
        R::EditDenied(_) => Code::EditDenied,
        R::StandingForbidden | R::StandingOfOne | R::NothingStanding => Code::NotStanding,
        R::GrantUnfit(_) => Code::GrantUnfit,
        R::NotDue | R::AlreadyAsked | R::NothingAsked => Code::NotPending,
    };
    Refused::new(code, refusal.to_string())
}

fn execution(refusal: execution::Refusal) -> Refused {
    use execution::Refusal as R;
    let code = match refusal {
        R::NotFrom(ExecutionState::Consumed) => Code::AlreadyConsumed,
        R::NotFrom(ExecutionState::Reported) => Code::AlreadyReported,
        R::NotFrom(ExecutionState::Lapsed) | R::Lapsed => Code::Lapsed,
        R::NotFrom(ExecutionState::Revoked) => Code::Revoked,
        R::Held => Code::Held,
        R::Call => Code::MadeBySignoff,
        R::NoCall => Code::NotACall,
        R::NotFrom(_) | R::NotDue | R::NotConsumed | R::NotHeld | R::OtherRunner => Code::NotReady,
        R::NotAnEnd(_) => return Refused::invalid("/outcome", refusal.to_string()),
    };
    Refused::new(code, refusal.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_decision_says_how_it_stands_and_who_was_first() {
        let by = ActorView {
            kind: signoff_core::actor::ActorKind::Operator,
            id: Some("usr_1".into()),
            auth: None,
            name: Some("Dana".into()),
        };
        let at = Some(signoff_core::time::Timestamp(0));
        let ended = EngineError::Ended {
            status: ApprovalStatus::Denied,
            by: Some(by),
            at,
        };
        let refused = Refused::from(ended);
        assert!(refused.problem().is(Code::AlreadyDecided));
        assert_eq!(
            refused.problem().detail,
            "the approval is already denied by Dana at 1970-01-01T00:00:00.000000Z"
        );
        let late = EngineError::Ended {
            status: ApprovalStatus::Expired,
            by: None,
            at: None,
        };
        assert!(Refused::from(late).problem().is(Code::ApprovalExpired));
    }

    #[test]
    fn the_answer_carries_media_type_and_hints() {
        let response = Refused::from(EngineError::RateLimited {
            retry_after_seconds: 7,
        })
        .into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[RETRY_AFTER], "7");
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_MEDIA_TYPE);
        let response = Refused::from(EngineError::Unauthorized).into_response();
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
    }
}
