//! What can be known of an expression without an action: that its names exist, that its patterns, zones and times of day
//! can be read, and that it can be true or false.

use std::collections::BTreeSet;

use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, LiteralValue, SourceInfo, operators},
};

use super::{
    Unusable, cost,
    expression::said,
    functions::{clock, zone},
    names,
    structured::compile_regex,
    velocity::{self, Asked},
};

/// How many values a report shows.
const SEEN_MAX: usize = 20;

/// Goes through an expression once.
pub(super) struct Reader<'e> {
    source: &'e str,
    places: &'e SourceInfo,
    /// Variables of the loops around.
    loops: Vec<&'e str>,
    pub(super) paths: Vec<Vec<String>>,
    /// What it starts from.
    pub(super) variables: BTreeSet<String>,
    /// An object is asked for as a whole.
    pub(super) takes_whole: bool,
    /// It goes through lists, or puts text together.
    pub(super) is_bounded: bool,
    pub(super) asks_for_time: bool,
    /// What it asks of the past.
    pub(super) asked: Vec<Asked>,
    /// The first of its loops.
    first_loop: Option<&'e IdedExpr>,
}

impl<'e> Reader<'e> {
    pub(super) fn new(source: &'e str, places: &'e SourceInfo) -> Self {
        Self {
            source,
            places,
            loops: Vec::new(),
            paths: Vec::new(),
            variables: BTreeSet::new(),
            takes_whole: false,
            is_bounded: false,
            asks_for_time: false,
            asked: Vec::new(),
            first_loop: None,
        }
    }

    pub(super) fn at(&self, node: &IdedExpr, why: String) -> Unusable {
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

    /// Checks a node and all that stands in it.
    pub(super) fn read(&mut self, node: &'e IdedExpr) -> Result<(), Unusable> {
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
                self.first_loop.get_or_insert(node);
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
            self.variables.insert(name.to_owned());
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
        if velocity::FUNCTIONS.contains(&name) {
            let asked = velocity::read(node, call).map_err(|why| self.at(node, why))?;
            self.asked.push(asked);
            return Ok(());
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

    /// What asks for the past is evaluated while others wait, so it has no loops.
    pub(super) fn check_past(&self) -> Result<(), Unusable> {
        if let Some(first) = self.first_loop
            && !self.asked.is_empty()
        {
            let why = "count_last and sum_last don't go together with loops such as all, exists, filter and map; \
                       write the loop as a condition of its own";
            return Err(self.at(first, why.into()));
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
            | operators::MULTIPLY
            | operators::DIVIDE
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
            "money" | "sum" | "sum_last" => true,
            operators::ADD
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::NEGATE => call.args.iter().any(is_amount),
            operators::CONDITIONAL => call.args.iter().skip(1).any(is_amount),
            _ => false,
        },
        _ => false,
    }
}

/// What an expression gives, where that can't be an amount.
pub(super) fn no_amount(node: &IdedExpr) -> Option<&'static str> {
    match &node.expr {
        Expr::Literal(LiteralValue::Null) => Some("null"),
        Expr::Literal(LiteralValue::Boolean(_)) => Some("true or false"),
        Expr::Literal(LiteralValue::Bytes(_)) => Some("bytes"),
        Expr::List(_) => Some("a list"),
        Expr::Map(_) => Some("a map"),
        Expr::Ident(name) if names::VARIABLES.contains(&name.as_str()) => Some("no single number"),
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
            call.args.iter().skip(1).find_map(no_amount)
        }
        Expr::Call(call) if names::is_truth(&call.func_name) => Some("true or false"),
        Expr::Comprehension(loops) if matches!(loops.accu_init.expr, Expr::List(_)) => Some("a list"),
        _ => None,
    }
}

/// What an expression gives, where that can't be true or false.
pub(super) fn no_truth(node: &IdedExpr) -> Option<&'static str> {
    match &node.expr {
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
