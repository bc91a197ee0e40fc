//! How AgentLattice's client is told no: a code in capitals.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use signoff_api::Code;

use crate::api::Refused;
use crate::dialects::vendor::{self, Envelope};

/// A refusal in AgentLattice's form.
#[derive(Debug)]
pub(super) struct Fault(Refused);

impl Fault {
    /// A body, header or parameter that says something that can't be.
    pub(super) fn invalid(pointer: &str, why: impl Into<String>) -> Self {
        Self(Refused::invalid(pointer, why))
    }

    /// What was named does not exist, or not for this caller.
    pub(super) fn not_found(kind: &'static str, name: &str) -> Self {
        Self(Refused::not_found(kind, name))
    }

    /// Known, but not for this key.
    pub(super) fn forbidden(why: &str) -> Self {
        Self(Refused::new(Code::Forbidden, why))
    }

    /// The server has as much to do as it can take.
    pub(super) fn busy(why: &str) -> Self {
        Self(Refused::new(Code::Busy, why))
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
        // The client reads the answer to an action with 409 as if it were a result.
        let status = match vendor::status(&self.0) {
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        };
        let body = json!({
            "error": problem.code.to_ascii_uppercase(), "message": problem.detail, "next": problem.next,
            "errors": problem.errors,
        });
        (status, Json(body)).into_response()
    }
}
