//! How AgentWarden's client is told no: it reads the status alone.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::api::Refused;
use crate::dialects::vendor::{self, Envelope};

/// A refusal in AgentWarden's form.
#[derive(Debug)]
pub(super) struct Fault(Refused);

impl Envelope for Fault {}

impl<T: Into<Refused>> From<T> for Fault {
    fn from(refused: T) -> Self {
        Self(refused.into())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let problem = self.0.problem();
        let body = json!({"error": problem.code, "detail": problem.detail, "next": problem.next});
        (vendor::status(&self.0), Json(body)).into_response()
    }
}
