//! How AgentSentinel's client is told no. It reads the status alone; `reason_code` is what its MCP proxy passes on.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::api::Refused;
use crate::dialects::vendor::{self, Envelope};

/// A refusal in AgentSentinel's form.
#[derive(Debug)]
pub(super) enum Fault {
    /// One of ours.
    Refused(Refused),
    /// What Signoff deliberately does not have.
    NotServed(String),
}

impl Envelope for Fault {
    /// Replays, tool registration and the MCP proxy have a scheme of their own.
    const SCHEMES: &'static [&'static str] = &["Bearer", "ApiKey"];
}

impl<T: Into<Refused>> From<T> for Fault {
    fn from(refused: T) -> Self {
        Self::Refused(refused.into())
    }
}

impl Fault {
    pub(super) fn not_served(why: &str) -> Self {
        Self::NotServed(why.to_owned())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refused) => {
                let problem = refused.problem();
                let body = json!({"detail": problem.detail, "reason_code": problem.code});
                (vendor::status(&refused), Json(body)).into_response()
            }
            Self::NotServed(why) => {
                let body = json!({"detail": why, "reason_code": "not_served"});
                (StatusCode::NOT_FOUND, Json(body)).into_response()
            }
        }
    }
}
