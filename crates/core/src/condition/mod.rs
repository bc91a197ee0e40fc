//! Conditions of policies: comparisons of a field with a value, and expressions in CEL. Whatever the form, a condition
//! answers the same: whether it holds, what it saw, and what went wrong. Vectors: `spec/conditions.json`,
//! `spec/expressions.json`.

mod amount;
mod cost;
mod expression;
mod functions;
mod money;
mod names;
mod reader;
mod structured;
mod values;
mod velocity;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    action::{Priority, Risk},
    counted::{Counter, Past},
    time::Timestamp,
};

pub(crate) use amount::CostExpression;
pub use expression::{SOURCE_BYTES_MAX, STEPS_MAX};
pub(crate) use money::billionths;
pub use structured::{Comparison, Operator};
pub(crate) use structured::{compile_regex, decimal};
pub use velocity::{COUNTERS_MAX, WINDOW_MAX};

/// One condition, as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Condition {
    /// CEL: `context.amount <= 50`.
    Expression(String),
    /// `{field, operator, value}`.
    Comparison(Comparison),
}

/// A condition that is ready to be evaluated.
#[derive(Debug)]
pub struct Compiled(Form);

#[derive(Debug)]
enum Form {
    Expression(Box<expression::Compiled>),
    Comparison(Box<structured::Compiled>),
}

/// What conditions can see.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// The action's name as sent.
    pub action: &'a str,
    /// The action's context.
    pub context: &'a Map<String, Value>,
    /// The action's inputs.
    pub inputs: &'a Map<String, Value>,
    /// The agent as `{id, name, labels, owner}`.
    pub agent: &'a Value,
    /// The call that the action stands for, as `{method, url, host, path, query, headers, json, form}`; none for actions
    /// that carry none.
    pub http: Option<&'a Value>,
    /// What it would cost, in dollars: a decimal. 0 where nobody says; empty where it could not be computed, so that
    /// looking at it is an error.
    pub cost: &'a str,
    /// As claimed, or the floor of a policy.
    pub risk: Risk,
    /// As claimed, or the floor of a policy.
    pub priority: Priority,
    /// When it is judged.
    pub now: Timestamp,
    /// What was done before, for `count_last` and `sum_last`; none where it is not known.
    pub past: Option<Past<'a>>,
}

/// How one condition came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It could not be evaluated, which never opens the gate.
    Error,
}

/// One condition with what it saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The condition as text.
    pub expression: String,
    /// How it came out.
    pub result: Outcome,
    /// The value it saw, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saw: Option<Value>,
    /// What went wrong, for [`Outcome::Error`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Why a condition can't be used: where in its text, and a sentence with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{why}", place(*.at))]
pub struct Unusable {
    /// Line and column, from 1; none where the whole is meant.
    pub at: Option<(usize, usize)>,
    /// What is wrong.
    pub why: String,
}

fn place(at: Option<(usize, usize)>) -> String {
    at.map_or_else(String::new, |(line, column)| {
        format!("line {line}, column {column}: ")
    })
}

impl From<String> for Unusable {
    fn from(why: String) -> Self {
        Self { at: None, why }
    }
}

impl Condition {
    /// The condition as people read it: `amount lte 50`, or the expression itself.
    pub fn text(&self) -> String {
        match self {
            Self::Expression(source) => source.clone(),
            Self::Comparison(comparison) => comparison.text(),
        }
    }

    /// Checks and prepares.
    ///
    /// # Errors
    /// What can't work, and where.
    pub fn compile(&self) -> Result<Compiled, Unusable> {
        Ok(Compiled(match self {
            Self::Expression(source) => Form::Expression(Box::new(expression::compile(source)?)),
            Self::Comparison(comparison) => Form::Comparison(Box::new(comparison.compile()?)),
        }))
    }
}

impl From<Comparison> for Condition {
    fn from(comparison: Comparison) -> Self {
        Self::Comparison(comparison)
    }
}

impl Compiled {
    /// Evaluates; never fails, an error is an outcome.
    pub fn evaluate(&self, sight: &Sight<'_>) -> Report {
        match &self.0 {
            Form::Expression(expression) => expression.evaluate(sight),
            Form::Comparison(comparison) => comparison.evaluate(sight),
        }
    }

    /// How it comes out, without what it saw.
    pub fn outcome(&self, sight: &Sight<'_>) -> Outcome {
        let held = match &self.0 {
            Form::Expression(expression) => expression.test(sight),
            Form::Comparison(comparison) => comparison.test(sight),
        };
        match held {
            Ok(true) => Outcome::True,
            Ok(false) => Outcome::False,
            Err(_) => Outcome::Error,
        }
    }

    /// What it asks of the past.
    pub fn counters(&self) -> impl Iterator<Item = &Counter> {
        match &self.0 {
            Form::Expression(expression) => expression.asked(),
            Form::Comparison(_) => &[],
        }
        .iter()
        .map(|asked| &asked.counter)
    }

    /// Whether it asks for the time: what it says may change though nothing else does.
    pub fn asks_for_time(&self) -> bool {
        match &self.0 {
            Form::Expression(expression) => expression.asks_for_time(),
            Form::Comparison(_) => false,
        }
    }
}
