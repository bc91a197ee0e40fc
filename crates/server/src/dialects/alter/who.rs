//! For whom a request asks. An agent's key asks for its agent. An application's key asks for the agent that the request
//! names, by its id or as a label, else for the agent that is called as the application is.

use axum::http::StatusCode;
use serde_json::{Map, Value};
use signoff_core::actor::Principal;
use signoff_core::id::AgentId;
use signoff_engine::EngineError;

use super::fault::Fault;
use super::ids;
use super::signed::Signed;
use crate::Doors;
use crate::api::shape::read_json;

/// The name under which a label of the client's stands in the context.
const CALLER_FIELD: &str = "caller";

impl<const MAX: usize> Signed<MAX> {
    /// The agent's name or id, as the engine takes it; none where the key says it all.
    ///
    /// # Errors
    /// If it is not known, switched off, or nobody that this key may speak for.
    pub(super) fn agent(&self, doors: &Doors) -> Result<Option<String>, Fault> {
        let named = self.request.caller_named();
        let id = named.and_then(ids::raw).map(AgentId);
        match (&self.caller.principal, id) {
            (Principal::Agent(own), Some(id)) if *own != id => Err(Fault::new(
                StatusCode::BAD_REQUEST,
                "caller_agent_mismatch",
                "the key belongs to another agent than the request names",
            )),
            (Principal::Application(_), Some(id)) => {
                let name = id.to_string();
                // A name that only looks like an id must not become that of a new agent.
                match doors.engine().spoken_for(&self.caller, Some(&name)) {
                    Ok(Some(agent)) if agent.row.id == id => Ok(Some(name)),
                    Ok(_)
                    | Err(
                        EngineError::Forbidden(_) | EngineError::NotFound { .. } | EngineError::Invalid(_),
                    ) => Err(unresolved(
                        "the agent that the request names is not known, switched off, or not one of this application's",
                    )),
                    Err(error) => Err(error.into()),
                }
            }
            (Principal::Application(_), None) => {
                let own = || doors.engine().me(&self.caller).map(|me| me.actor.name);
                let name = match named {
                    Some(label) => Some(label.to_owned()),
                    None => own()?,
                };
                match doors.engine().spoken_for(&self.caller, name.as_deref()) {
                    Ok(_) => Ok(name),
                    Err(error @ EngineError::NotFound { .. }) => Err(unresolved(&error.to_string())),
                    Err(error) => Err(error.into()),
                }
            }
            (Principal::Agent(_) | Principal::Operator { .. } | Principal::Automation(_), _) => Ok(None),
        }
    }

    /// What the client says around a request: text by name, for policies and people.
    ///
    /// # Errors
    /// If it is anything else.
    pub(super) fn surroundings(&self) -> Result<Map<String, Value>, Fault> {
        let mut context: Map<String, Value> = match self.request.context() {
            Some(text) => read_json(text.as_bytes())
                .map_err(|wrong| Fault::invalid(format!("`x-alter-context`: {}", wrong.problem().detail)))?,
            None => Map::new(),
        };
        if let Some(name) = context.iter().find(|(_, value)| !value.is_string()) {
            return Err(Fault::invalid(format!(
                "`x-alter-context`: `{}` is no text",
                name.0
            )));
        }
        // An application's label is the agent itself.
        if let (Principal::Agent(_), Some(label)) = (&self.caller.principal, self.request.caller_named()) {
            context.entry(CALLER_FIELD).or_insert_with(|| label.into());
        }
        Ok(context)
    }
}

fn unresolved(why: &str) -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "caller_agent_unresolved", why)
}
