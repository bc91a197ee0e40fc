//! What would come of a change of policies: the plan, what lint says, and what it would have changed in the past. Changes
//! nothing.

use signoff_api::policy::PolicyBody;
use signoff_core::time::Micros;
use signoff_engine::request::{ApplyPolicies, Simulate};
use signoff_engine::view::{PoliciesApplied, PolicySetView};
use signoff_engine::{EngineError, EngineResult, SIMULATE_ACTIONS_MAX};

use super::policies::lint;
use super::visitor::Visitor;
use crate::api::convert::ToWire;
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::shown::difference::differences;
use crate::console::shown::trial::many;
use crate::console::view::policy::Difference;
use crate::console::view::trial::{PlanLine, Preview};

/// How far back a change is tried.
const SPAN: Micros = Micros::seconds(30 * 86_400);
/// How many actions of a trial are listed.
const EXAMPLES: usize = 60;

/// Looks at a change: the plan, what lint says, and what it would have changed in the past.
pub(super) async fn look(visitor: &Visitor, apply: ApplyPolicies) -> EngineResult<Preview> {
    let (engine, caller) = (visitor.engine(), &visitor.caller);
    let before = engine.policies(caller)?;
    let applied = engine.apply_policies(caller, apply.clone(), None).await?;
    let approvers = apply.settings.default_approvers.clone();
    let findings = lint(visitor, Some(apply.policies.clone()), approvers).await?;
    let mut preview = Preview {
        plan: plan(&before, &apply, &applied),
        settings: settings(&before, &apply),
        unchanged: many(
            applied.unchanged.len() as u64,
            "policy stays as it is",
            "policies stay as they are",
        ),
        waiting: shown::trial::waiting(applied.pending),
        findings: shown::trial::findings(findings.iter()),
        trial: None,
        no_trial: None,
    };
    if preview.is_nothing() {
        return Ok(preview);
    }
    let simulate = Simulate {
        policies: apply.policies,
        settings: apply.settings,
        since: visitor.now().plus(Micros(-SPAN.0)),
        actions_max: SIMULATE_ACTIONS_MAX,
        examples_max: EXAMPLES,
    };
    match engine.simulate(caller, simulate).await {
        Ok(found) => preview.trial = Some(shown::trial::trial(&found, visitor.now())),
        Err(error @ (EngineError::Busy { .. } | EngineError::Unavailable)) => {
            preview.no_trial = Some(Inert::all(&format!("{error}; look again in a few seconds")));
        }
        Err(other) => return Err(other),
    }
    Ok(preview)
}

fn plan(before: &PolicySetView, apply: &ApplyPolicies, applied: &PoliciesApplied) -> Vec<PlanLine> {
    let old = |name: &str| {
        let mut rows = before.policies.iter();
        let row = rows.find(|row| row.doc.name.eq_ignore_ascii_case(name));
        row.map(|row| row.doc.to_wire())
    };
    let new = |name: &str| {
        let mut docs = apply.policies.iter();
        let doc = docs.find(|doc| doc.name.eq_ignore_ascii_case(name));
        doc.map(ToWire::to_wire)
    };
    let value = |body: Option<&PolicyBody>| body.and_then(|body| serde_json::to_value(body).ok());
    let line = |sign, word, name: &String| {
        let (old, new) = (old(name), new(name));
        let is_change = old.is_some() && new.is_some();
        PlanLine {
            sign,
            word,
            name: Inert::all(name),
            sentence: new
                .as_ref()
                .or(old.as_ref())
                .map(|body| Inert::all(&shown::policy::sentence(body))),
            differences: if is_change {
                differences(value(old.as_ref()).as_ref(), value(new.as_ref()).as_ref())
            } else {
                Vec::new()
            },
        }
    };
    let added = applied.added.iter().map(|name| line("+", "added", name));
    let changed = applied.changed.iter().map(|name| line("~", "changed", name));
    let removed = applied.removed.iter().map(|name| line("−", "removed", name));
    added.chain(changed).chain(removed).collect()
}

/// Settings that the change brings.
fn settings(before: &PolicySetView, apply: &ApplyPolicies) -> Vec<Difference> {
    let mut after = before.settings.clone();
    let change = &apply.settings;
    after.unmatched = change.unmatched.unwrap_or(after.unmatched);
    after.unmatched_calls = change.unmatched_calls.unwrap_or(after.unmatched_calls);
    after.orphaned = change.orphaned.unwrap_or(after.orphaned);
    if let Some(approvers) = &change.default_approvers {
        after.default_approvers.clone_from(approvers);
    }
    let value = |settings: &signoff_core::policy::Settings| serde_json::to_value(settings.to_wire()).ok();
    differences(value(&before.settings).as_ref(), value(&after).as_ref())
}
