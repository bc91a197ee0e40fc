//! What an action costs, as a policy computes it: `money(http.json.amount) / 100`.

use cel::common::value::Val;

use super::{
    Sight, Unusable,
    expression::{self, said},
    money::Money,
};
use crate::action::Cost;

/// What a cost is never made of: what it raises, for then it would come out otherwise each time.
const CLAIMS: [&str; 3] = ["cost", "priority", "risk"];

/// An expression that gives dollars: a number, an amount, or a decimal in quotes.
#[derive(Debug)]
pub(crate) struct CostExpression(expression::Compiled);

impl CostExpression {
    /// Reads an expression and checks it.
    ///
    /// # Errors
    /// What can't work, and where.
    pub(crate) fn compile(source: &str) -> Result<Self, Unusable> {
        let compiled = expression::compile_amount(source)?;
        if !compiled.asked().is_empty() {
            return Err(Unusable::from(
                "a cost is not made of count_last or sum_last: it would depend on itself".to_owned(),
            ));
        }
        if let Some(claim) = CLAIMS.into_iter().find(|claim| compiled.names(claim)) {
            return Err(Unusable::from(format!(
                "a cost is not made of `{claim}`, which is the agent's claim; use http, inputs, context, agent, action or now"
            )));
        }
        Ok(Self(compiled))
    }

    /// What an action costs.
    ///
    /// # Errors
    /// A sentence, if it can't be known.
    pub(crate) fn evaluate(&self, sight: &Sight<'_>) -> Result<Cost, String> {
        self.0.with_value(sight, |value: &dyn Val| {
            let money = Money::of(value).map_err(|error| said(&error))?;
            let text = money.to_string();
            Cost::parse(&text).map_err(|_| format!("it comes to {text}, and a cost is not negative"))
        })
    }

    /// As written.
    pub(crate) fn source(&self) -> &str {
        self.0.source()
    }

    /// Whether it asks for the time.
    pub(crate) fn asks_for_time(&self) -> bool {
        self.0.asks_for_time()
    }
}
