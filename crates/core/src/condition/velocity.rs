//! `count_last("24h")` and `sum_last("context.amount", "24h")`: what was done before, as a condition sees it. All arguments
//! stand in the policy itself, so that it is known before an action comes what it will ask of the past.

use cel::{
    IdedExpr,
    common::{
        ast::{CallExpr, EntryExpr, Expr, LiteralValue},
        types::CelInt,
        value::Val,
    },
};
use serde_json::{Value, json};

use super::{Sight, money::Money};
use crate::{
    counted::{Amount, Counter, CounterScope, Figure},
    time::Micros,
};

/// The longest window.
pub const WINDOW_MAX: Micros = Micros::seconds(30 * 24 * 60 * 60);
/// How many different counters the conditions of one policy may ask for.
pub const COUNTERS_MAX: usize = 8;
/// The longest path of a field, in bytes.
const FIELD_BYTES_MAX: usize = 100;
/// What stands for a counter in an expression that was read; nobody can write such a name.
const NAME: &str = "@past";

pub(super) const FUNCTIONS: [&str; 2] = ["count_last", "sum_last"];

/// A counter with its call as people read it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The node of the call.
    node: u64,
    text: String,
    pub(super) counter: Counter,
}

/// Reads the arguments of a call.
///
/// # Errors
/// A sentence with what to write instead.
pub(super) fn read(node: &IdedExpr, call: &CallExpr) -> Result<Asked, String> {
    let sums = call.func_name == "sum_last";
    let usage = if sums {
        "sum_last(\"context.amount\", \"24h\")"
    } else {
        "count_last(\"24h\")"
    };
    if call.target.is_some() {
        return Err(format!("write {usage}"));
    }
    let written: Option<Vec<&str>> = call.args.iter().map(written).collect();
    let written = written.ok_or_else(|| {
        format!(
            "the arguments of `{}` stand in quotes, in the policy itself: {usage}",
            call.func_name
        )
    })?;
    let (field, rest) = match written.split_first() {
        Some((field, rest)) if sums => (Some(checked_field(field)?), rest),
        _ => (None, written.as_slice()),
    };
    let (window, scope) = match rest {
        [window] | [window, "agent"] => (window, CounterScope::Agent),
        [window, "policy"] => (window, CounterScope::Policy),
        [_, other] => {
            let other: String = other.chars().take(60).collect();
            return Err(format!(
                "`{other}` is neither \"agent\" (what this agent did) nor \"policy\" (what all agents did)"
            ));
        }
        _ => {
            return Err(format!(
                "write {usage}, with \"agent\" or \"policy\" after it if need be"
            ));
        }
    };
    let quoted: Vec<String> = written.iter().map(|text| json!(text).to_string()).collect();
    Ok(Asked {
        node: node.id,
        text: format!("{}({})", call.func_name, quoted.join(", ")),
        counter: Counter {
            field,
            window: checked_window(window)?,
            scope,
        },
    })
}

fn written(argument: &IdedExpr) -> Option<&str> {
    match &argument.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn checked_field(field: &str) -> Result<String, String> {
    let is_path = field.len() <= FIELD_BYTES_MAX
        && !field.contains(char::is_control)
        && field.split('.').all(|step| !step.is_empty());
    let known = field == "cost" || field.starts_with("context.") || field.starts_with("inputs.");
    if is_path && known {
        return Ok(field.to_owned());
    }
    let short: String = field.chars().filter(|c| !c.is_control()).take(60).collect();
    Err(if is_path {
        format!(
            "`{short}` is no field that can be summed up; did you mean \"context.{short}\"? There are context.…, inputs.… and cost"
        )
    } else {
        format!(
            "`{short}` is no dotted path of at most {FIELD_BYTES_MAX} bytes, such as \"context.amount\" or \"inputs.order.total\""
        )
    })
}

fn checked_window(text: &str) -> Result<Micros, String> {
    let window = Micros::parse(text)?;
    if window.0 <= 0 || window > WINDOW_MAX {
        return Err(format!(
            "the window \"{text}\" must be more than 0 and at most 30 days"
        ));
    }
    Ok(window)
}

/// Puts a name in the place of each call, which an evaluation looks up.
pub(super) fn replace(expression: &mut IdedExpr, asked: &[Asked]) {
    if let Some(at) = asked.iter().position(|asked| asked.node == expression.id)
        && matches!(&expression.expr, Expr::Call(call) if FUNCTIONS.contains(&call.func_name.as_str()))
    {
        expression.expr = Expr::Ident(format!("{NAME}{at}"));
        return;
    }
    match &mut expression.expr {
        Expr::Call(call) => {
            let target = call.target.as_deref_mut();
            target
                .into_iter()
                .chain(&mut call.args)
                .for_each(|part| replace(part, asked));
        }
        Expr::List(list) => list.elements.iter_mut().for_each(|part| replace(part, asked)),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    replace(&mut entry.key, asked);
                    replace(&mut entry.value, asked);
                }
            }
        }
        Expr::Select(select) => replace(&mut select.operand, asked),
        // There are no loops beside counters, and nothing else has parts.
        Expr::Comprehension(_) | Expr::Struct(_) | Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
    }
}

/// Which counter a name stands for.
fn named<'a>(asked: &'a [Asked], name: &str) -> Option<&'a Asked> {
    asked.get(name.strip_prefix(NAME)?.parse::<usize>().ok()?)
}

/// What stands in the place of a call.
pub(super) fn value(asked: &[Asked], name: &str, sight: &Sight<'_>) -> Option<Box<dyn Val + 'static>> {
    let asked = named(asked, name)?;
    let figure = asked.figure(sight).ok()?;
    Some(match asked.counter.field {
        Some(_) => Box::new(Money::of_billionths(figure.billionths)),
        None => Box::new(CelInt::from(i64::try_from(figure.entries).unwrap_or(i64::MAX))),
    })
}

/// Why nothing stands there.
pub(super) fn why_not(asked: &[Asked], name: &str, sight: &Sight<'_>) -> Option<String> {
    named(asked, name)?.figure(sight).err()
}

impl Asked {
    /// What the past comes to; an action whose own field is unusable is not to be let through for having none.
    fn figure(&self, sight: &Sight<'_>) -> Result<Figure, String> {
        if let Some(field) = &self.counter.field {
            sight.amount(field)?;
        }
        let past = sight.past;
        past.and_then(|past| past.figures.of(past.policy, &self.counter))
            .ok_or_else(|| "what was done before is not known here".into())
    }

    /// The figure for a report, under the call as it was written.
    pub(super) fn saw(&self, sight: &Sight<'_>) -> Option<(String, Value)> {
        let figure = self.figure(sight).ok()?;
        let value = match self.counter.field {
            Some(_) => json!(figure.sum()),
            None => json!(figure.entries),
        };
        Some((self.text.clone(), value))
    }
}

impl Sight<'_> {
    /// The amount that a field says, for a sum.
    ///
    /// # Errors
    /// A sentence, if the field is missing or says no amount that can be added up.
    pub(crate) fn amount(&self, field: &str) -> Result<Amount, String> {
        let path: Vec<&str> = field.split('.').collect();
        let Some(found) = self.look_up(&path) else {
            return Err(format!("`{field}` is missing, and is to be summed up"));
        };
        Amount::of(&found).ok_or_else(|| {
            format!("`{field}` is no amount of zero or more, below 10^18, with at most nine digits after the point")
        })
    }
}
