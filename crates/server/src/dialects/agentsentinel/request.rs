//! A request for approval on its way in.

use serde::Deserialize;
use serde_json::{Map, Value};
use signoff_api::Decimal;
use signoff_core::action::{Accepts, Action, Claims, Cost, Priority, Risk, TIMEOUT_MAX, Trace};
use signoff_core::time::Micros;
use signoff_engine::EngineError;

use super::fault::Fault;
use crate::api::convert::ToCore;

/// What the client sends: all keys, most of them null.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    action_name: String,
    #[serde(default)]
    action_description: Option<String>,
    #[serde(default)]
    pub(super) agent_id: Option<String>,
    #[serde(default)]
    run_id: Option<String>,
    #[serde(default)]
    task_id: Option<String>,
    #[serde(default)]
    mission_id: Option<String>,
    #[serde(default)]
    estimated_cost: Option<Decimal>,
    #[serde(default)]
    risk_level: Option<signoff_api::Risk>,
    #[serde(default)]
    priority: Option<signoff_api::Priority>,
    #[serde(default)]
    timeout_seconds: Option<i64>,
    #[serde(default)]
    action_inputs: Option<Map<String, Value>>,
    #[serde(default)]
    context: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) callback_url: Option<String>,
}

impl Request {
    /// The action: a person is asked even where no policy asks, since asking is what this request is.
    pub(super) fn action(self) -> Result<Action, Fault> {
        let mut context = self.context.unwrap_or_default();
        if let Some(url) = self.callback_url {
            // What no channel allows nobody calls; whoever decides sees it.
            context.entry("callback_url").or_insert(Value::String(url));
        }
        let trace = Trace {
            run_id: self.run_id,
            task_id: self.task_id,
            mission_id: self.mission_id,
            parent: None,
        };
        Ok(Action {
            inputs: self.action_inputs.unwrap_or_default(),
            context,
            claims: Claims {
                description: self.action_description,
                trace: (trace != Trace::default()).then_some(trace),
                ..Claims::default()
            },
            priority: self.priority.map_or(Priority::Medium, ToCore::to_core),
            risk: self.risk_level.map_or(Risk::Medium, ToCore::to_core),
            cost: self.estimated_cost.as_ref().map(cost).transpose()?.flatten(),
            timeout: timeout(self.timeout_seconds),
            require_approval: true,
            accepts: Accepts {
                info_requests: true,
                ..Accepts::default()
            },
            ..Action::named(self.action_name)
        })
    }
}

/// What it costs. The client says 0 where nobody said anything.
pub(super) fn cost(given: &Decimal) -> Result<Option<Cost>, Fault> {
    let cost = Cost::parse(given.as_str()).map_err(|why| EngineError::invalid("/estimated_cost", why))?;
    let zero = cost.as_str().bytes().all(|byte| matches!(byte, b'0' | b'.'));
    Ok((!zero).then_some(cost))
}

/// 0 is unset to the client. Nobody is asked for longer than Signoff asks anybody.
fn timeout(seconds: Option<i64>) -> Option<Micros> {
    let seconds = seconds.filter(|seconds| *seconds > 0)?;
    Some(Micros::seconds(seconds.min(TIMEOUT_MAX.as_seconds())))
}
