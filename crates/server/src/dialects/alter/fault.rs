//! How Alter's client is told no: a code that it makes an exception of, a sentence, and what belongs to the code.

use std::borrow::Cow;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use signoff_core::grant::Unfit;
use signoff_engine::EngineError;

use crate::api::Refused;

/// A refusal in Alter's form.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    code: Cow<'static, str>,
    message: String,
    more: Map<String, Value>,
    retry_after_seconds: Option<u64>,
}

impl Fault {
    pub(super) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            more: Map::new(),
            retry_after_seconds: None,
        }
    }

    /// A request that can't be carried out as it is.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", message)
    }

    /// A key that opens nothing, or a signature that does not fit.
    pub(super) fn unauthorized(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    /// With a further field beside code and message.
    pub(super) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.more.insert(field.to_owned(), value.into());
        self
    }

    /// The same refusal under a code of its own.
    pub(super) fn named(mut self, status: StatusCode, code: &'static str) -> Self {
        self.status = status;
        self.code = code.into();
        self
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        let problem = refused.problem();
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let status = match status {
            // JSON that can't be read alike by everybody is a shape like any other to this client.
            StatusCode::BAD_REQUEST => StatusCode::UNPROCESSABLE_ENTITY,
            // It would take it for a grant that is gone.
            StatusCode::GONE => StatusCode::CONFLICT,
            status => status,
        };
        let next = problem.next.iter();
        next.fold(
            Self::new(status, problem.code.clone(), problem.detail.clone()),
            |fault, next| fault.with("hint", next.clone()),
        )
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        let known = |status, code| Self::new(status, code, message.clone());
        match &error {
            EngineError::Unauthorized => known(StatusCode::UNAUTHORIZED, "invalid_key"),
            EngineError::NotFound { kind: "agent", .. } => known(StatusCode::NOT_FOUND, "agent_not_found"),
            EngineError::NotFound { kind: "key", .. } => known(StatusCode::NOT_FOUND, "key_not_found"),
            EngineError::NotFound {
                kind: "approval" | "action" | "execution",
                ..
            } => known(StatusCode::NOT_FOUND, "approval_not_found"),
            EngineError::Grant { why, .. } => unfit(*why, message),
            EngineError::Invalid(faults) if faults.iter().any(|(pointer, _)| pointer == "/http/url") => {
                known(StatusCode::UNPROCESSABLE_ENTITY, "blocked_destination")
            }
            EngineError::Stopped(_) => known(StatusCode::FORBIDDEN, "stopped"),
            EngineError::NameTaken { .. } => known(StatusCode::CONFLICT, "agent_name_exists"),
            EngineError::IdempotencyMismatch => known(StatusCode::CONFLICT, "idempotency_key_body_mismatch"),
            EngineError::RateLimited { retry_after_seconds } => Self {
                retry_after_seconds: Some(*retry_after_seconds),
                ..known(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded")
            },
            EngineError::TooManyPending { limit } => {
                known(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded")
                    .with("scope", "pending_approvals")
                    .with("limit", *limit)
            }
            // The client tries a 503 again, as it should.
            EngineError::Busy {
                retry_after_seconds, ..
            } => Self {
                retry_after_seconds: Some(*retry_after_seconds),
                ..known(StatusCode::SERVICE_UNAVAILABLE, "busy")
            },
            _ => Refused::from(error).into(),
        }
    }
}

/// Why a grant does not go with a call. What the agent does not hold does not exist for it.
fn unfit(why: Unfit, message: String) -> Fault {
    let (status, code) = match why {
        Unfit::NotHeld => (StatusCode::NOT_FOUND, "grant_not_found"),
        Unfit::Disabled => (StatusCode::FORBIDDEN, "grant_revoked"),
        Unfit::Origin => (StatusCode::UNPROCESSABLE_ENTITY, "blocked_destination"),
        Unfit::Method => (StatusCode::FORBIDDEN, "grant_method_not_allowed"),
        Unfit::Path => (StatusCode::FORBIDDEN, "grant_path_not_allowed"),
        Unfit::Taken => (StatusCode::UNPROCESSABLE_ENTITY, "reserved_query_parameter"),
    };
    Fault::new(status, code, message)
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut detail = self.more;
        detail.insert("error".into(), Value::from(self.code.as_ref()));
        detail.insert("message".into(), Value::from(self.message));
        let mut response = (self.status, Json(json!({"detail": detail}))).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
