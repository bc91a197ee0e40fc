//! How an action is written on the command line: shared by `gate`, `check` and `policy explain`.

use clap::Args;
use signoff_api::action::Submit;
use signoff_api::{Decimal, Priority, Risk};

use crate::fields;

/// What is about to be done.
#[derive(Debug, Clone, Args)]
pub(crate) struct ActionArgs {
    /// Name of the action, such as stripe.refund
    action: String,
    /// Context to judge by: k=v is text, k:=JSON is typed; also a JSON object, or @FILE with one
    #[arg(long, value_name = "K=V", num_args = 1.., value_parser = fields::check)]
    context: Vec<String>,
    /// Arguments of the action, written like --context
    #[arg(long, value_name = "K=V", num_args = 1.., value_parser = fields::check)]
    inputs: Vec<String>,
    /// Name of the agent it is for; an agent's own key needs none
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Why, in the agent's words; approvers read it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// What it is, in the agent's words
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The larger aim it serves
    #[arg(long, value_name = "TEXT")]
    intent: Option<String>,
    /// On whose behalf: a person's address or name
    #[arg(long, value_name = "WHO")]
    requested_by: Option<String>,
    /// low, medium, high or critical [default: medium]
    #[arg(long, value_name = "LEVEL")]
    priority: Option<Priority>,
    /// minimal, low, medium, high or critical [default: medium]
    #[arg(long, value_name = "LEVEL")]
    risk: Option<Risk>,
    /// Estimated cost in USD, such as 500.00
    #[arg(long, value_name = "USD", value_parser = cost)]
    cost: Option<Decimal>,
    /// Ask a person even if policy would allow it
    #[arg(long)]
    require_approval: bool,
}

impl ActionArgs {
    /// The same on the wire.
    pub(crate) fn submit(self) -> anyhow::Result<Submit> {
        Ok(Submit {
            inputs: fields::object(&self.inputs)?,
            context: fields::object(&self.context)?,
            action: self.action,
            agent: self.agent,
            reason: self.reason,
            description: self.description,
            intent: self.intent,
            requested_by: self.requested_by,
            priority: self.priority,
            risk: self.risk,
            estimated_cost: self.cost,
            require_approval: self.require_approval.then_some(true),
            ..Submit::default()
        })
    }
}

fn cost(text: &str) -> Result<Decimal, String> {
    serde_json::from_value(serde_json::Value::from(text))
        .map_err(|_| "write a decimal such as 500.00".to_owned())
}
