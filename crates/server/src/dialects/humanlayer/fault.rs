//! How HumanLayer's clients are told no: they show the text, and some look for words in it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use signoff_api::Code;

use crate::api::Refused;
use crate::dialects::vendor::{self, Envelope};

/// The words that clients know a second answer by.
const ANSWERED: &str = "call already has a response";

/// A refusal in HumanLayer's form.
#[derive(Debug)]
pub(super) struct Fault(Refused);

impl Fault {
    /// A body or path that says something that can't be.
    pub(super) fn invalid(pointer: &str, why: impl Into<String>) -> Self {
        Self(Refused::invalid(pointer, why))
    }

    /// There is no such call or contact, or not for this caller.
    pub(super) fn not_found(kind: &'static str, call_id: &str) -> Self {
        Self(Refused::not_found(kind, call_id))
    }

    /// It was answered before, or will not be any more.
    pub(super) fn answered() -> Self {
        Self(Refused::new(Code::AlreadyDecided, "nothing was changed"))
    }
}

impl Envelope for Fault {}

impl<T: Into<Refused>> From<T> for Fault {
    fn from(refused: T) -> Self {
        Self(refused.into())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let problem = self.0.problem();
        let code = problem.known_code();
        let status = match code {
            Some(Code::AlreadyDecided | Code::ApprovalExpired) => StatusCode::BAD_REQUEST,
            Some(Code::IdempotencyMismatch) => StatusCode::CONFLICT,
            _ => match vendor::status(&self.0) {
                StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
                status => status,
            },
        };
        let message = match code {
            Some(Code::AlreadyDecided | Code::ApprovalExpired) => format!("{ANSWERED}: {}", problem.detail),
            Some(Code::IdempotencyMismatch) => "this call_id was used for another call".to_owned(),
            _ => problem.detail.clone(),
        };
        let body = json!({"error": {"message": message, "code": problem.code, "next": problem.next}});
        (status, Json(body)).into_response()
    }
}
