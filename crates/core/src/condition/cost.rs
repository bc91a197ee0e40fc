//! How much an expression may take, known before it runs: there is no way to stop one. What is counted are the rounds of its
//! loops over what stands in the action, and how much text they may touch.

use cel::{
    IdedExpr,
    common::ast::{ComprehensionExpr, EntryExpr, Expr, operators},
};
use serde_json::Value;

use super::{Sight, expression::STEPS_MAX, names};

/// How many bytes of text an expression may touch in all its rounds.
const TOUCHED_MAX: usize = 64 * 1024 * 1024;

/// Refuses what would take too long on this action.
///
/// # Errors
/// A sentence.
pub(super) fn check(expression: &IdedExpr, sight: &Sight<'_>) -> Result<(), String> {
    let steps = steps(expression, sight);
    if steps > STEPS_MAX {
        return Err(format!(
            "it would take more than {STEPS_MAX} steps: the lists it goes through are too long together"
        ));
    }
    let longest = of_all(sight, longest_text);
    let joined = 1 + count_additions(expression);
    let touched = longest
        .saturating_mul(steps.max(1))
        .saturating_mul(joined.saturating_mul(joined));
    if touched > TOUCHED_MAX {
        return Err("it would go through too much text".into());
    }
    Ok(())
}

/// Rounds of all loops, those inside others multiplied.
fn steps(node: &IdedExpr, sight: &Sight<'_>) -> usize {
    if let Expr::Comprehension(comprehension) = &node.expr {
        let rounds = length(&comprehension.iter_range, sight);
        let inside = [
            &comprehension.accu_init,
            &comprehension.loop_cond,
            &comprehension.loop_step,
            &comprehension.result,
        ];
        let inside = inside
            .into_iter()
            .map(|part| steps(part, sight))
            .fold(1, usize::saturating_add);
        return rounds
            .saturating_mul(inside)
            .saturating_add(steps(&comprehension.iter_range, sight));
    }
    let mut sum = 0_usize;
    for_each_child(node, &mut |child| sum = sum.saturating_add(steps(child, sight)));
    sum
}

fn count_additions(node: &IdedExpr) -> usize {
    let own = matches!(&node.expr, Expr::Call(call) if call.func_name == operators::ADD);
    let mut sum = usize::from(own);
    for_each_child(node, &mut |child| sum += count_additions(child));
    sum
}

/// How many rounds a loop over this takes at most.
fn length(range: &IdedExpr, sight: &Sight<'_>) -> usize {
    match &range.expr {
        Expr::List(list) => list.elements.len(),
        Expr::Map(map) => map.entries.len(),
        Expr::Comprehension(comprehension) => length(&comprehension.iter_range, sight),
        _ => match path(range) {
            Some(path) if names::VARIABLES.contains(&path[0]) => {
                sight.look_up(&path).map_or(0, |found| entries(&found))
            }
            // What a loop's own variable leads to, or what was computed: as long as the longest there is.
            _ => of_all(sight, longest_list),
        },
    }
}

fn entries(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(object) => object.len(),
        _ => 0,
    }
}

fn of_all(sight: &Sight<'_>, measure: fn(&Value) -> usize) -> usize {
    let objects = sight.context.values().chain(sight.inputs.values());
    let most = objects.map(measure).max().unwrap_or(0);
    let roots = sight.context.len().max(sight.inputs.len());
    most.max(roots)
        .max(measure(sight.agent))
        .max(sight.http.map_or(0, measure))
}

fn longest_list(value: &Value) -> usize {
    let inside = match value {
        Value::Array(items) => items.iter().map(longest_list).max(),
        Value::Object(object) => object.values().map(longest_list).max(),
        _ => None,
    };
    entries(value).max(inside.unwrap_or(0))
}

fn longest_text(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(longest_text).max().unwrap_or(0),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| key.len().max(longest_text(value)))
            .max()
            .unwrap_or(0),
        _ => 0,
    }
}

/// The names of a chain of fields, the variable first: `a.b.c`.
pub(super) fn path(node: &IdedExpr) -> Option<Vec<&str>> {
    match &node.expr {
        Expr::Ident(name) => Some(vec![name]),
        Expr::Select(select) => {
            let mut names = path(&select.operand)?;
            names.push(&select.field);
            Some(names)
        }
        _ => None,
    }
}

/// Calls for each part of a node, in the order of the text.
pub(super) fn for_each_child<'e>(node: &'e IdedExpr, call: &mut dyn FnMut(&'e IdedExpr)) {
    match &node.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Call(function) => {
            function.target.iter().for_each(|target| call(target));
            function.args.iter().for_each(call);
        }
        Expr::Comprehension(comprehension) => {
            let ComprehensionExpr {
                iter_range,
                accu_init,
                loop_cond,
                loop_step,
                result,
                ..
            } = &**comprehension;
            [iter_range, accu_init, loop_cond, loop_step, result]
                .into_iter()
                .for_each(call);
        }
        Expr::List(list) => list.elements.iter().for_each(call),
        Expr::Map(map) => map.entries.iter().for_each(|entry| of_entry(&entry.expr, call)),
        Expr::Struct(fields) => fields
            .entries
            .iter()
            .for_each(|entry| of_entry(&entry.expr, call)),
        Expr::Select(select) => call(&select.operand),
    }
}

fn of_entry<'e>(entry: &'e EntryExpr, call: &mut dyn FnMut(&'e IdedExpr)) {
    match entry {
        EntryExpr::MapEntry(entry) => {
            call(&entry.key);
            call(&entry.value);
        }
        EntryExpr::StructField(field) => call(&field.value),
    }
}
