//! Conditions in CEL, the Common Expression Language (cel-spec 0.24): checked when a policy is saved as far as they can be
//! without an action, and bounded before they run on one.

use std::{collections::BTreeSet, sync::Arc};

use cel::{
    Context, ExecutionError, IdedExpr, Value as CelValue,
    common::{
        types::{CelBool, CelDouble, CelInt, CelString, CelTimestamp},
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use serde_json::{Map, Value, json};

use super::{
    Outcome, Report, Sight, Unusable, cost,
    functions::env,
    reader::{Reader, no_amount, no_truth},
    structured::shortened,
    values,
    velocity::{self, Asked},
};

/// The longest expression.
pub const SOURCE_BYTES_MAX: usize = 4 * 1024;
/// How many rounds all loops of one expression may take together, those inside others multiplied.
pub const STEPS_MAX: usize = 1_000;
/// How deep brackets may nest.
const BRACKETS_MAX: usize = 30;
/// How deep what was read may nest: a chain of fields or sums is one level for each.
const DEPTH_MAX: usize = 60;
/// The library reads and evaluates by calling itself, and takes this much stack for each level at most, unoptimised. A
/// stack that runs over would end the process.
const STACK_BYTES_PER_LEVEL: usize = 64 * 1024;
const STACK_BYTES_TO_READ: usize = 32 * 1024 * 1024;

/// An expression that is ready to be evaluated.
#[derive(Debug)]
pub(super) struct Compiled {
    source: String,
    expression: IdedExpr,
    /// What evaluating may take.
    stack_bytes: usize,
    /// What it looks at, for the report.
    paths: Vec<Vec<String>>,
    /// What it starts from.
    variables: BTreeSet<String>,
    /// An object is asked for as a whole, not for one of its fields.
    takes_whole: bool,
    /// It goes through lists, or puts text together.
    is_bounded: bool,
    asks_for_time: bool,
    /// What it asks of the past.
    asked: Vec<Asked>,
}

/// Reads a condition and checks it.
pub(super) fn compile(source: &str) -> Result<Compiled, Unusable> {
    compile_as(source, |node| {
        no_truth(node).map(|what| format!("it gives {what}, and a condition is true or false"))
    })
}

/// Reads an expression that gives an amount, and checks it.
pub(super) fn compile_amount(source: &str) -> Result<Compiled, Unusable> {
    compile_as(source, |node| {
        no_amount(node).map(|what| format!("it gives {what}, and a cost is a number or money(…)"))
    })
}

/// Reads an expression and checks it, also by what it can't give.
fn compile_as(source: &str, unfit: fn(&IdedExpr) -> Option<String>) -> Result<Compiled, Unusable> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(format!(
            "the expression is {} bytes long; the limit is {SOURCE_BYTES_MAX}",
            source.len()
        )
        .into());
    }
    if source.trim().is_empty() {
        return Err("the expression is empty".to_owned().into());
    }
    if brackets(source) > BRACKETS_MAX {
        return Err(format!("brackets nest deeper than {BRACKETS_MAX}").into());
    }
    stacker::grow(STACK_BYTES_TO_READ, || read(source, unfit))
}

/// How deep brackets nest, those in quotes counted with the others: it is an upper bound that is wanted.
fn brackets(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for character in source.bytes() {
        match character {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn depth(node: &IdedExpr) -> usize {
    let mut deepest = 0;
    cost::for_each_child(node, &mut |child| deepest = deepest.max(depth(child)));
    deepest + 1
}

fn read(source: &str, unfit: fn(&IdedExpr) -> Option<String>) -> Result<Compiled, Unusable> {
    let parser = env().parser().error_recovery_limit(4);
    let (mut expression, places) = parser
        .parse_with_source_info(source)
        .map_err(|errors| unreadable(source, &errors))?;
    let depth = depth(&expression);
    if depth > DEPTH_MAX {
        return Err(format!("it nests {depth} levels deep; the limit is {DEPTH_MAX}").into());
    }
    let mut reader = Reader::new(source, &places);
    reader.read(&expression)?;
    reader.check_past()?;
    if let Some(why) = unfit(&expression) {
        return Err(reader.at(&expression, why));
    }
    let Reader {
        paths,
        variables,
        takes_whole,
        is_bounded,
        asks_for_time,
        asked,
        ..
    } = reader;
    if !asked.is_empty() {
        velocity::replace(&mut expression, &asked);
    }
    Ok(Compiled {
        source: source.to_owned(),
        stack_bytes: (depth + 4) * STACK_BYTES_PER_LEVEL,
        expression,
        paths,
        variables,
        takes_whole,
        is_bounded,
        asks_for_time,
        asked,
    })
}

/// The first thing that the parser says, with what people often mean.
fn unreadable(source: &str, errors: &cel::ParseErrors) -> Unusable {
    let Some(first) = errors.errors.first() else {
        return "the expression can't be read".to_owned().into();
    };
    let column = usize::try_from(first.pos.1).unwrap_or(0);
    let at = usize::try_from(first.pos.0)
        .ok()
        .map(|line| (line.max(1), column.max(1)));
    let words: Vec<&str> = source.split_whitespace().collect();
    let hint = if words.contains(&"and") {
        "; write && for `and`"
    } else if words.contains(&"or") {
        "; write || for `or`"
    } else if words.contains(&"not") {
        "; write ! for `not`"
    } else if words.contains(&"=") {
        "; write == to compare"
    } else {
        ""
    };
    if first.msg.contains("recursion") || first.msg.starts_with("OtherError") {
        return "it nests too deep".to_owned().into();
    }
    let message: String = first
        .msg
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect();
    Unusable {
        at,
        why: format!("{}{hint}", message.trim_start_matches("Syntax error: ")),
    }
}

/// What the language says of an error, in a sentence of ours where its own shows the inside.
pub(super) fn said(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("`{key}` is missing; ask has(…) first"),
        ExecutionError::FunctionError { message, .. } => message.clone(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".into(),
        ExecutionError::Overflow(..) => "a number is too large".into(),
        ExecutionError::IndexOutOfBounds(_) => "the list is shorter than that".into(),
        ExecutionError::NoSuchOverload(overload) => overload.to_string(),
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => format!(
            "`{operator}` can't join values of these types; a decimal and a whole number need money(…) or double(…)"
        ),
        other => other.to_string().chars().take(200).collect(),
    }
}

/// What one expression starts from.
struct View<'a> {
    sight: &'a Sight<'a>,
    takes_whole: bool,
    asked: &'a [Asked],
}

impl VariableResolver for View<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let object = |object: &'b Map<String, Value>| -> Box<dyn Val + 'b> {
            if self.takes_whole {
                Box::new(values::map(object))
            } else {
                Box::new(values::Root(object))
            }
        };
        let sight = self.sight;
        Some(CowVal::Owned(match variable {
            "action" => Box::new(CelString::from(sight.action)),
            "agent" => object(sight.agent.as_object()?),
            "context" => object(sight.context),
            "cost" if sight.cost.is_empty() => return None,
            "cost" => number(sight.cost),
            "http" => object(sight.http?.as_object()?),
            "inputs" => object(sight.inputs),
            "now" => Box::new(CelTimestamp::from(
                chrono::DateTime::from_timestamp_micros(sight.now.0)?.fixed_offset(),
            )),
            "priority" => Box::new(CelString::from(sight.priority.as_str())),
            "risk" => Box::new(CelString::from(sight.risk.as_str())),
            name => velocity::value(self.asked, name, sight)?,
        }))
    }
}

fn number<'a>(decimal: &str) -> Box<dyn Val + 'a> {
    match decimal.parse::<i64>() {
        Ok(whole) => Box::new(CelInt::from(whole)),
        Err(_) => Box::new(CelDouble::from(decimal.parse().unwrap_or(f64::NAN))),
    }
}

impl Sight<'_> {
    /// What stands at the end of a chain of fields.
    pub(super) fn look_up<S: AsRef<str>>(&self, path: &[S]) -> Option<std::borrow::Cow<'_, Value>> {
        use std::borrow::Cow;
        let (root, fields) = path.split_first()?;
        let mut fields = fields.iter();
        let object = match root.as_ref() {
            "context" => self.context,
            "inputs" => self.inputs,
            "agent" => self.agent.as_object()?,
            "http" => self.http?.as_object()?,
            "action" => return Some(Cow::Owned(json!(self.action))),
            "cost" if self.cost.is_empty() => return None,
            "cost" => return Some(Cow::Owned(json!(self.cost))),
            "now" => return Some(Cow::Owned(json!(self.now))),
            "priority" => return Some(Cow::Owned(json!(self.priority))),
            "risk" => return Some(Cow::Owned(json!(self.risk))),
            _ => return None,
        };
        let Some(first) = fields.next() else {
            return Some(Cow::Owned(Value::Object(object.clone())));
        };
        fields
            .try_fold(object.get(first.as_ref())?, |value, field| {
                value.get(field.as_ref())
            })
            .map(Cow::Borrowed)
    }
}

impl Compiled {
    pub(super) fn asked(&self) -> &[Asked] {
        &self.asked
    }

    pub(super) fn asks_for_time(&self) -> bool {
        self.asks_for_time
    }

    /// Evaluates; never fails, an error is an outcome.
    pub(super) fn evaluate(&self, sight: &Sight<'_>) -> Report {
        let (result, error) = match self.test(sight) {
            Ok(true) => (Outcome::True, None),
            Ok(false) => (Outcome::False, None),
            Err(error) => (Outcome::Error, Some(error)),
        };
        Report {
            expression: self.source.clone(),
            result,
            saw: self.saw(sight),
            error,
        }
    }

    pub(super) fn test(&self, sight: &Sight<'_>) -> Result<bool, String> {
        self.with_value(sight, truth)
    }

    /// As written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Whether it starts from a variable.
    pub(super) fn names(&self, variable: &str) -> bool {
        self.variables.contains(variable)
    }

    /// What is made of the value that it gives.
    pub(super) fn with_value<T>(
        &self,
        sight: &Sight<'_>,
        make: impl FnOnce(&dyn Val) -> Result<T, String>,
    ) -> Result<T, String> {
        stacker::maybe_grow(self.stack_bytes, 2 * self.stack_bytes, || {
            self.resolve(sight, make)
        })
    }

    fn resolve<T>(
        &self,
        sight: &Sight<'_>,
        make: impl FnOnce(&dyn Val) -> Result<T, String>,
    ) -> Result<T, String> {
        if self.is_bounded {
            cost::check(&self.expression, sight)?;
        }
        let view = View {
            sight,
            takes_whole: self.takes_whole,
            asked: &self.asked,
        };
        let mut context = Context::with_env(Arc::clone(env()));
        context.set_variable_resolver(&view);
        let value = CelValue::resolve_val(&self.expression, &context).map_err(|error| match &error {
            ExecutionError::UndeclaredReference(name) if name.as_str() == "http" => {
                "the action carries no call".into()
            }
            ExecutionError::UndeclaredReference(name) if name.as_str() == "cost" => {
                "the cost could not be computed".into()
            }
            ExecutionError::UndeclaredReference(name) => {
                velocity::why_not(&self.asked, name, sight).unwrap_or_else(|| said(&error))
            }
            error => said(error),
        })?;
        make(value.as_ref())
    }

    /// The one value it looked at, or each by its name.
    fn saw(&self, sight: &Sight<'_>) -> Option<Value> {
        let fields = self
            .paths
            .iter()
            .filter_map(|path| Some((path.join("."), shortened(&*sight.look_up(path)?))));
        let past = self.asked.iter().filter_map(|asked| asked.saw(sight));
        let seen: Map<String, Value> = fields.chain(past).collect();
        match (self.paths.len() + self.asked.len(), seen.len()) {
            (_, 0) => None,
            (1, _) => seen.into_iter().next().map(|(_, value)| value),
            _ => Some(Value::Object(seen)),
        }
    }
}

fn truth(value: &dyn Val) -> Result<bool, String> {
    value
        .downcast_ref::<CelBool>()
        .map(|truth| *truth.inner())
        .ok_or_else(|| {
            format!(
                "it gives a value of type {}, which is neither true nor false",
                value.get_type().name()
            )
        })
}
