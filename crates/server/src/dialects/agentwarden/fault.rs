//! How AgentWarden's client is told no: it reads the status alone, and turns 401 and 404 into errors of their own.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use signoff_api::Code;
use signoff_core::actor::Principal;
use signoff_engine::EngineError;
use signoff_engine::view::Caller;

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

impl Fault {
    /// Of what an agent asks or logs: an agent that the key does not speak for is one that is not there.
    pub(super) fn of_agent(caller: &Caller, error: EngineError) -> Self {
        let asks = matches!(caller.principal, Principal::Agent(_) | Principal::Application(_));
        let not_theirs = match &error {
            EngineError::Forbidden(_) => asks,
            EngineError::Invalid(faults) => faults.iter().any(|(pointer, _)| pointer == "/agent"),
            _ => false,
        };
        if not_theirs {
            Self(Refused::new(Code::NotFound, error.to_string()))
        } else {
            error.into()
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let problem = self.0.problem();
        let body = json!({"error": problem.code, "detail": problem.detail, "next": problem.next});
        (vendor::status(&self.0), Json(body)).into_response()
    }
}
