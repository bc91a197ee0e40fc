//! A plan in words.

use std::fmt::Write as _;

use serde_json::Value;
use signoff_api::lint::Finding;
use signoff_api::policy::PendingChange;

use super::plan::{Change, Kind, Plan, What};
use crate::{inert, output};

/// How much of a value is shown, in characters.
const VALUE_CHARS_MAX: usize = 160;

/// The whole plan, kind by kind.
pub(super) fn plan(plan: &Plan, version: u64) -> String {
    if plan.changes.is_empty() {
        return format!("nothing to do: everything is as the file says, version {version} of the policies");
    }
    let mut text = String::new();
    let mut kind = None;
    for change in &plan.changes {
        if kind.replace(change.kind) != Some(change.kind) {
            let _ = writeln!(text, "{}", change.kind.heading());
        }
        push(&mut text, change);
    }
    let _ = write!(text, "\n{}", summary(plan));
    text
}

fn push(text: &mut String, change: &Change) {
    let sign = change.what.sign();
    let disabled = if change.what == What::Disable {
        " (disabled)"
    } else {
        ""
    };
    // A setting is its own only field.
    if change.kind == Kind::Setting {
        for field in &change.fields {
            let (old, new) = (shown(&field.old), shown(&field.new));
            let _ = writeln!(text, "  {sign} {}: {old} → {new}", inert::line(&field.path));
        }
        return;
    }
    let _ = writeln!(text, "  {sign} {}{disabled}", inert::line(&change.name));
    for field in &change.fields {
        let name = inert::line(&field.path);
        let (old, new) = (shown(&field.old), shown(&field.new));
        let _ = match change.what {
            What::Create => writeln!(text, "      {name}: {new}"),
            _ => writeln!(text, "      {name}: {old} → {new}"),
        };
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let text = inert::line(&text);
    if text.chars().count() > VALUE_CHARS_MAX {
        let cut: String = text.chars().take(VALUE_CHARS_MAX).collect();
        format!("{cut}… ({} more)", text.chars().count() - VALUE_CHARS_MAX)
    } else {
        text
    }
}

fn summary(plan: &Plan) -> String {
    let count = |what: What| plan.changes.iter().filter(|change| change.what == what).count();
    let mut parts = vec![
        format!("{} to create", count(What::Create)),
        format!("{} to change", count(What::Update)),
        format!("{} to remove", count(What::Remove)),
    ];
    if count(What::Disable) > 0 {
        parts.push(format!("{} to disable", count(What::Disable)));
    }
    let mut lines = vec![parts.join(", ")];
    lines.push(pending(plan.pending));
    if plan.withdrawn > 0 {
        lines.push(format!(
            "pending approvals of disabled agents: {} cancelled",
            plan.withdrawn
        ));
    }
    let is_of_a_grant = |change: &&Change| change.kind == Kind::Grant && change.what != What::Create;
    if plan.changes.iter().any(|change| is_of_a_grant(&change)) {
        lines.push(
            "what was approved with a grant as it is now is not carried out after its change".to_owned(),
        );
    }
    for missing in &plan.missing {
        lines.push(format!("MISSING: {}", inert::line(missing)));
    }
    lines.join("\n")
}

/// What becomes of pending approvals.
pub(crate) fn pending(pending: PendingChange) -> String {
    if pending == PendingChange::default() {
        return "no pending approval changes".to_owned();
    }
    let parts = [
        (pending.allowed, "allowed"),
        (pending.denied, "denied"),
        (pending.asked, "still asked, under other terms"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("pending approvals: {}", parts.join(", "))
}

/// One finding of lint.
pub(crate) fn finding(finding: &Finding) -> String {
    let place = match &finding.policy {
        Some(policy) => format!("{policy}{}", finding.pointer),
        None => format!("settings{}", finding.pointer),
    };
    format!(
        "{}: {}: {} [{}]\n  → {}",
        finding.severity,
        inert::line(&place),
        inert::line(&finding.message),
        inert::line(&finding.code),
        inert::line(&finding.next)
    )
}

/// What was done.
pub(super) fn done(plan: &Plan, version: Option<u64>) {
    let count = plan.changes.len();
    let changes = if count == 1 {
        "1 change".to_owned()
    } else {
        format!("{count} changes")
    };
    match version {
        Some(version) => output::talk(&format!(
            "done: {changes}; version {version} of the policies is in force"
        )),
        None => output::talk(&format!("done: {changes}")),
    }
    for line in next_steps(plan) {
        output::talk(&format!("  → {line}"));
    }
}

/// What people still have to do; secrets are theirs to make.
pub(super) fn next_steps(plan: &Plan) -> Vec<String> {
    let created = plan.changes.iter().filter(|change| change.what == What::Create);
    created
        .filter_map(|change| {
            let name = inert::line(&change.name);
            match change.kind {
                Kind::Operator => Some(format!(
                    "{name} has no token and no password yet: signoff operators create-token {name}"
                )),
                Kind::Agent => Some(format!(
                    "{name} has no key that anybody saw: signoff agents rotate-key {name}"
                )),
                _ => None,
            }
        })
        .collect()
}

/// What was done and what was not, where it broke off.
pub(super) fn broken_off(plan: &Plan, count: usize) {
    let line = |change: &Change| {
        let kind = change.kind.heading();
        format!("  {} {kind}: {}", change.what.sign(), inert::line(&change.name))
    };
    let (done, left) = plan.changes.split_at(count);
    output::talk(if done.is_empty() {
        "nothing was changed"
    } else {
        "done before it broke off:"
    });
    for change in done {
        output::talk(&line(change));
    }
    output::talk("not done:");
    for change in left {
        output::talk(&line(change));
    }
    output::talk("running it again does the rest");
}
