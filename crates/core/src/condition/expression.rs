//! Conditions in CEL, the Common Expression Language (cel-spec 0.24): checked when a policy is saved as far as they can be
//! without an action, and bounded before they run on one.

use std::sync::Arc;

use cel::{
    Context, ExecutionError, IdedExpr, Value as CelValue,
    common::{
        ast::{CallExpr, Expr, LiteralValue, SourceInfo, operators},
        types::{CelBool, CelDouble, CelInt, CelString, CelTimestamp},
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use serde_json::{Map, Value, json};

use super::{
    Outcome, Report, Sight, Unusable, cost,
    functions::{clock, env, zone},
    names,
    structured::{compile_regex, shortened},
    values,
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
/// How many values a report shows.
const SEEN_MAX: usize = 20;

/// An expression that is ready to be evaluated.
#[derive(Debug)]
pub(super) struct Compiled {
    source: String,
    expression: IdedExpr,
    /// What evaluating may take.
    stack_bytes: usize,
    /// What it looks at, for the report.
    paths: Vec<Vec<String>>,
    /// An object is asked for as a whole, not for one of its fields.
    takes_whole: bool,
    /// It goes through lists, or puts text together.
    is_bounded: bool,
    asks_for_time: bool,
}

/// Reads an expression and checks it.
pub(super) fn compile(source: &str) -> Result<Compiled, Unusable> {
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
    stacker::grow(STACK_BYTES_TO_READ, || read(source))
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

fn read(source: &str) -> Result<Compiled, Unusable> {
    let parser = env().parser().error_recovery_limit(4);
    let (expression, places) = parser
        .parse_with_source_info(source)
        .map_err(|errors| unreadable(source, &errors))?;
    let depth = depth(&expression);
    if depth > DEPTH_MAX {
        return Err(format!("it nests {depth} levels deep; the limit is {DEPTH_MAX}").into());
    }
    let mut reader = Reader {
        source,
        places: &places,
        loops: Vec::new(),
        paths: Vec::new(),
        takes_whole: false,
        is_bounded: false,
        asks_for_time: false,
    };
    reader.read(&expression)?;
    if let Some(what) = no_truth(&expression) {
        return Err(reader.at(
            &expression,
            format!("it gives {what}, and a condition is true or false"),
        ));
    }
    let Reader {
        paths,
        takes_whole,
        is_bounded,
        asks_for_time,
        ..
    } = reader;
    Ok(Compiled {
        source: source.to_owned(),
        stack_bytes: (depth + 4) * STACK_BYTES_PER_LEVEL,
        expression,
        paths,
        takes_whole,
        is_bounded,
        asks_for_time,
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

/// Goes through an expression once.
struct Reader<'e> {
    source: &'e str,
    places: &'e SourceInfo,
    /// Variables of the loops around.
    loops: Vec<&'e str>,
    paths: Vec<Vec<String>>,
    takes_whole: bool,
    is_bounded: bool,
    asks_for_time: bool,
}

impl<'e> Reader<'e> {
    fn at(&self, node: &IdedExpr, why: String) -> Unusable {
        // A field's own place is that of its dot.
        let mut first = node;
        while let Expr::Select(select) = &first.expr {
            first = &select.operand;
        }
        let start = self.places.offset_for(first.id).map(|(start, _)| start as usize);
        let at = start.map(|start| {
            let before: Vec<char> = self.source.chars().take(start).collect();
            let line = before.iter().filter(|c| **c == '\n').count() + 1;
            let column = before.iter().rev().take_while(|c| **c != '\n').count() + 1;
            (line, column)
        });
        Unusable { at, why }
    }

    fn read(&mut self, node: &'e IdedExpr) -> Result<(), Unusable> {
        match &node.expr {
            Expr::Ident(name) => {
                self.variable(node, name)?;
                self.takes_whole |= self.is_global(name) && names::OBJECTS.contains(&name.as_str());
                self.see(node);
                Ok(())
            }
            Expr::Select(select) => {
                if let Some(path) = cost::path(node) {
                    self.variable(node, path[0])?;
                    self.see(node);
                    return Ok(());
                }
                self.read(&select.operand)
            }
            Expr::Call(call) => self.call(node, call),
            Expr::Comprehension(comprehension) => {
                self.is_bounded = true;
                self.read(&comprehension.iter_range)?;
                self.read(&comprehension.accu_init)?;
                let before = self.loops.len();
                self.loops.push(&comprehension.iter_var);
                self.loops.push(&comprehension.accu_var);
                self.loops.extend(comprehension.iter_var2.as_deref());
                for part in [
                    &comprehension.loop_cond,
                    &comprehension.loop_step,
                    &comprehension.result,
                ] {
                    self.read(part)?;
                }
                self.loops.truncate(before);
                Ok(())
            }
            Expr::Struct(_) => Err(self.at(node, "there are no messages to be made here".into())),
            Expr::Unspecified | Expr::Literal(_) | Expr::List(_) | Expr::Map(_) => self.parts(node),
        }
    }

    fn parts(&mut self, node: &'e IdedExpr) -> Result<(), Unusable> {
        let mut children = Vec::new();
        cost::for_each_child(node, &mut |child| children.push(child));
        children.into_iter().try_for_each(|child| self.read(child))
    }

    fn is_global(&self, name: &str) -> bool {
        !self.loops.contains(&name)
    }

    fn variable(&mut self, node: &IdedExpr, name: &str) -> Result<(), Unusable> {
        if !self.is_global(name) || name.starts_with('@') {
            return Ok(());
        }
        if names::VARIABLES.contains(&name) {
            self.asks_for_time |= name == "now";
            return Ok(());
        }
        let short: String = name.chars().take(60).collect();
        let meant = names::near_variable(name).map_or_else(|| format!("context.{short}"), str::to_owned);
        Err(self.at(
            node,
            format!(
                "there is no variable `{short}`; did you mean `{meant}`? There are {}",
                names::VARIABLES.join(", ")
            ),
        ))
    }

    /// Notes what is looked at.
    fn see(&mut self, node: &IdedExpr) {
        let Some(path) = cost::path(node).filter(|path| self.is_global(path[0])) else {
            return;
        };
        let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
        if self.paths.len() < SEEN_MAX && !path[0].starts_with('@') && !self.paths.contains(&path) {
            self.paths.push(path);
        }
    }

    fn call(&mut self, node: &'e IdedExpr, call: &'e CallExpr) -> Result<(), Unusable> {
        let name = call.func_name.as_str();
        if !names::is_function(name) {
            let short: String = name.chars().take(60).collect();
            let meant = names::near_function(name);
            let hint = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
            return Err(self.at(node, format!("there is no function `{short}`{hint}")));
        }
        self.is_bounded |= name == operators::ADD;
        self.literals(node, call)?;
        amounts_stand_first(call).map_err(|why| self.at(node, why))?;
        // Where only a field, a key or the size of an object is asked for, it need not be converted.
        let lone = match name {
            operators::INDEX => call.args.first(),
            operators::IN => call.args.get(1),
            "size" => call.args.first().or(call.target.as_deref()),
            _ => None,
        };
        let target = call.target.as_deref();
        for part in target.into_iter().chain(&call.args) {
            match &part.expr {
                Expr::Ident(root) if lone.is_some_and(|lone| std::ptr::eq(lone, part)) => {
                    self.variable(part, root)?;
                }
                _ => self.read(part)?,
            }
        }
        Ok(())
    }

    /// Patterns, zones and times of day that stand in the text are checked now; patterns must stand there, because one that
    /// an agent sends could be made to take long.
    fn literals(&self, node: &IdedExpr, call: &CallExpr) -> Result<(), Unusable> {
        let written = |at: usize| match call.args.get(at).map(|argument| &argument.expr) {
            Some(Expr::Literal(LiteralValue::String(text))) => Some(text.inner()),
            _ => None,
        };
        let zoned = |at: usize| written(at).map_or(Ok(()), |name| zone(name).map(drop));
        let checked = match call.func_name.as_str() {
            "matches" => match written(call.args.len().saturating_sub(1)) {
                Some(pattern) => compile_regex(pattern).map(drop),
                None => Err("`matches` needs its pattern in quotes, in the policy itself".into()),
            },
            "weekday" | "hour" | "date" => zoned(0).map_err(|error| said(&error)),
            "between" => [written(0), written(1)]
                .into_iter()
                .flatten()
                .try_for_each(|time| clock(time).map(drop))
                .and_then(|()| zoned(2))
                .map_err(|error| said(&error)),
            _ => Ok(()),
        };
        checked.map_err(|why| self.at(node, why))
    }
}

/// `50 < money(x)` would not be understood, and `50 == money(x)` never be true: the amount belongs on the left.
fn amounts_stand_first(call: &CallExpr) -> Result<(), String> {
    let compares = matches!(
        call.func_name.as_str(),
        operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS
            | operators::ADD
            | operators::SUBSTRACT
    );
    let [left, right] = call.args.as_slice() else {
        return Ok(());
    };
    if compares && is_amount(right) && !is_amount(left) {
        return Err("put money(…) around the left side too".into());
    }
    Ok(())
}

fn is_amount(node: &IdedExpr) -> bool {
    match &node.expr {
        Expr::Call(call) => match call.func_name.as_str() {
            "money" | "sum" => true,
            operators::ADD | operators::SUBSTRACT | operators::NEGATE => call.args.iter().any(is_amount),
            operators::CONDITIONAL => call.args.iter().skip(1).any(is_amount),
            _ => false,
        },
        _ => false,
    }
}

/// What an expression gives, where that can't be true or false.
fn no_truth(node: &IdedExpr) -> Option<&'static str> {
    match &node.expr {
        Expr::Literal(LiteralValue::Boolean(_)) => None,
        Expr::Literal(LiteralValue::String(_)) => Some("text"),
        Expr::Literal(LiteralValue::Null) => Some("null"),
        Expr::Literal(LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_)) => {
            Some("a number")
        }
        Expr::Literal(LiteralValue::Bytes(_)) => Some("bytes"),
        Expr::List(_) => Some("a list"),
        Expr::Map(_) => Some("a map"),
        Expr::Ident(name) if names::VARIABLES.contains(&name.as_str()) => Some("no single value"),
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
            call.args.iter().skip(1).find_map(no_truth)
        }
        Expr::Call(call) if names::is_no_truth(&call.func_name) => Some("a number, a text or an amount"),
        Expr::Comprehension(loops) if matches!(loops.accu_init.expr, Expr::List(_)) => Some("a list"),
        _ => None,
    }
}

/// What the language says of an error, in a sentence of ours where its own shows the inside.
fn said(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("`{key}` is missing; ask has(…) first"),
        ExecutionError::FunctionError { message, .. } => message.clone(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".into(),
        ExecutionError::Overflow(..) => "a number is too large".into(),
        ExecutionError::IndexOutOfBounds(_) => "the list is shorter than that".into(),
        ExecutionError::NoSuchOverload(overload) => overload.to_string(),
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => format!(
            "`{}` can't join values of these types; a decimal and a whole number need money(…) or double(…)",
            operator
        ),
        other => other.to_string().chars().take(200).collect(),
    }
}

/// What one expression starts from.
struct View<'a> {
    sight: &'a Sight<'a>,
    takes_whole: bool,
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
            "cost" => number(sight.cost),
            "http" => object(sight.http?.as_object()?),
            "inputs" => object(sight.inputs),
            "now" => Box::new(CelTimestamp::from(
                chrono::DateTime::from_timestamp_micros(sight.now.0)?.fixed_offset(),
            )),
            "priority" => Box::new(CelString::from(sight.priority.as_str())),
            "risk" => Box::new(CelString::from(sight.risk.as_str())),
            _ => return None,
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
    /// Whether the name is one of those that expressions start from.
    pub(super) fn knows(&self, name: &str) -> bool {
        names::VARIABLES.contains(&name)
    }

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
        stacker::maybe_grow(self.stack_bytes, 2 * self.stack_bytes, || self.resolve(sight))
    }

    fn resolve(&self, sight: &Sight<'_>) -> Result<bool, String> {
        if self.is_bounded {
            cost::check(&self.expression, sight)?;
        }
        let view = View {
            sight,
            takes_whole: self.takes_whole,
        };
        let mut context = Context::with_env(Arc::clone(env()));
        context.set_variable_resolver(&view);
        let value = CelValue::resolve_val(&self.expression, &context).map_err(|error| match &error {
            ExecutionError::UndeclaredReference(name) if name.as_str() == "http" => {
                "the action carries no call".into()
            }
            error => said(error),
        })?;
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

    /// The one value it looked at, or each by its name.
    fn saw(&self, sight: &Sight<'_>) -> Option<Value> {
        let seen: Map<String, Value> = self
            .paths
            .iter()
            .filter_map(|path| Some((path.join("."), shortened(&*sight.look_up(path)?))))
            .collect();
        match (self.paths.len(), seen.len()) {
            (_, 0) => None,
            (1, _) => seen.into_iter().next().map(|(_, value)| value),
            _ => Some(Value::Object(seen)),
        }
    }
}
