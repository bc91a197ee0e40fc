//! What applying a policy set would do, and doing it as one version.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use signoff_core::{
    authority::Operation,
    event::{Event, PolicyPut, PolicyRemoved, PolicySetApplied, WorkspaceSet},
    fold::RowKey,
    id::PolicyId,
    judge::{PolicySet, Prepared},
    policy::{Orphaned, POLICIES_MAX, PolicyDoc, PolicyRef, Settings},
    rows::PolicyRow,
    stop::Stops,
};

use crate::{
    EngineError, EngineResult,
    request::ApplyPolicies,
    snapshot::Snapshot,
    turn::{Draft, Turn, mint_id},
    view::{Caller, PoliciesApplied},
};

/// What applying a set would do.
pub(crate) struct Plan {
    pub(super) puts: Vec<(PolicyId, u64, u64, PolicyDoc)>,
    pub(super) removes: Vec<(PolicyId, u64)>,
    pub(crate) settings: Option<Settings>,
    pub(super) answer: PoliciesApplied,
}

impl Plan {
    pub(super) fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.removes.is_empty() && self.settings.is_none()
    }
}

pub(super) fn in_force(snapshot: &Snapshot) -> impl Iterator<Item = &PolicyRow> {
    snapshot.rows.policies.values().filter(|row| !row.removed)
}

/// Checks every policy of a set, and that names are unique.
///
/// # Errors
/// All that is wrong, each with its place.
pub fn check_set(policies: &[PolicyDoc]) -> EngineResult<()> {
    if policies.len() > POLICIES_MAX {
        return Err(EngineError::invalid(
            "/policies",
            format!("a set has at most {POLICIES_MAX} policies"),
        ));
    }
    let mut problems = Vec::new();
    let mut names = HashSet::new();
    for (at, policy) in policies.iter().enumerate() {
        if let Err(problem) = policy.check() {
            problems.push((
                format!("/policies/{at}{}", problem.pointer),
                format!("`{}`: {}", policy.name, problem.why),
            ));
        }
        if !names.insert(policy.name.to_ascii_lowercase()) {
            problems.push((
                format!("/policies/{at}/name"),
                format!("the name `{}` stands twice in the set", policy.name),
            ));
        }
    }
    problems.truncate(100);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(EngineError::PolicyInvalid(problems))
    }
}

pub(super) fn check_one(doc: &PolicyDoc) -> EngineResult<()> {
    doc.check()
        .map_err(|problem| EngineError::PolicyInvalid(vec![(problem.pointer, problem.why)]))
}

/// What changes between the set in force and a new one. Policies of the same name keep their id and age.
pub(super) fn plan(
    snapshot: &Snapshot,
    apply: &ApplyPolicies,
    now: signoff_core::time::Timestamp,
) -> EngineResult<Plan> {
    let workspace = snapshot.rows.workspace.as_ref().ok_or(EngineError::Internal)?;
    if let Some(expected) = apply.expected_version
        && expected != workspace.policy_set
    {
        return Err(EngineError::VersionConflict {
            present: workspace.policy_set,
        });
    }
    let mut present: HashMap<String, &PolicyRow> = in_force(snapshot)
        .map(|row| (row.doc.name.to_ascii_lowercase(), row))
        .collect();
    let mut next_age = workspace.next_age;
    let mut plan = Plan {
        puts: Vec::new(),
        removes: Vec::new(),
        settings: apply.settings.applied_to(&workspace.settings)?,
        answer: PoliciesApplied::of(workspace.policy_set, apply.dry_run),
    };
    for doc in &apply.policies {
        match present.remove(&doc.name.to_ascii_lowercase()) {
            Some(row) if row.doc == *doc => plan.answer.unchanged.push(doc.name.clone()),
            Some(row) => {
                plan.answer.changed.push(doc.name.clone());
                plan.puts.push((row.id, row.version + 1, row.age, doc.clone()));
            }
            None => {
                plan.answer.added.push(doc.name.clone());
                plan.puts.push((PolicyId(mint_id(now)), 1, next_age, doc.clone()));
                next_age += 1;
            }
        }
    }
    let mut gone: Vec<_> = present.into_values().collect();
    gone.sort_by_key(|row| (row.age, row.id));
    plan.answer.removed = gone.iter().map(|row| row.doc.name.clone()).collect();
    plan.removes = gone.iter().map(|row| (row.id, row.version)).collect();
    Ok(plan)
}

pub(crate) fn plan_of_nothing(snapshot: &Snapshot) -> EngineResult<Plan> {
    let version = snapshot
        .rows
        .workspace
        .as_ref()
        .ok_or(EngineError::Internal)?
        .policy_set;
    Ok(Plan {
        puts: Vec::new(),
        removes: Vec::new(),
        settings: None,
        answer: PoliciesApplied::of(version, false),
    })
}

pub(crate) fn put_one(turn: &mut Turn<'_>, caller: &Caller, doc: &PolicyDoc) -> EngineResult<()> {
    let plan = plan_of_one(&turn.snapshot(), doc, turn.now())?;
    carry_out(turn, caller, &plan, None).map(drop)
}

/// The set in force with one policy added or changed, for judging in advance.
pub(crate) fn with_policy(
    snapshot: &Snapshot,
    doc: &PolicyDoc,
    now: signoff_core::time::Timestamp,
) -> EngineResult<PolicySet> {
    candidate(snapshot, &plan_of_one(snapshot, doc, now)?)
}

/// What changes where one policy is added or changed.
pub(super) fn plan_of_one(
    snapshot: &Snapshot,
    doc: &PolicyDoc,
    now: signoff_core::time::Timestamp,
) -> EngineResult<Plan> {
    let mut plan = plan_of_nothing(snapshot)?;
    match snapshot.find_policy(&doc.name) {
        Some(row) if row.doc == *doc => {}
        Some(row) => plan.puts.push((row.id, row.version + 1, row.age, doc.clone())),
        None => {
            let count = in_force(snapshot).count();
            if count >= POLICIES_MAX {
                return Err(EngineError::invalid(
                    "",
                    format!("a set has at most {POLICIES_MAX} policies"),
                ));
            }
            let age = snapshot.rows.workspace.as_ref().map_or(1, |row| row.next_age);
            plan.puts.push((PolicyId(mint_id(now)), 1, age, doc.clone()));
        }
    }
    Ok(plan)
}

/// Writes a plan as one version of the set.
pub(crate) fn carry_out(
    turn: &mut Turn<'_>,
    caller: &Caller,
    plan: &Plan,
    orphaned: Option<Orphaned>,
) -> EngineResult<u64> {
    let actor = turn.principal(caller, Operation::Govern)?.0.actor();
    turn.bring(RowKey::Workspace);
    let workspace = turn
        .snapshot()
        .rows
        .workspace
        .clone()
        .ok_or(EngineError::Internal)?;
    if let Some(settings) = &plan.settings {
        let event = Event::WorkspaceUpdated(WorkspaceSet {
            settings: settings.clone(),
        });
        turn.emit(Draft::new(event, actor.clone(), workspace.id))?;
    }
    for (id, version, age, doc) in &plan.puts {
        turn.bring(RowKey::Policy(*id));
        let put = PolicyPut {
            version: *version,
            age: *age,
            policy: doc.clone(),
        };
        turn.emit(Draft::new(Event::PolicyPut(put), actor.clone(), id))?;
    }
    for (id, version) in &plan.removes {
        turn.bring(RowKey::Policy(*id));
        turn.emit(Draft::new(
            Event::PolicyRemoved(PolicyRemoved { version: *version }),
            actor.clone(),
            id,
        ))?;
    }
    let same_rule = orphaned.is_none_or(|orphaned| orphaned == workspace.orphaned);
    if plan.puts.is_empty() && plan.removes.is_empty() && same_rule {
        return Ok(workspace.policy_set);
    }
    let before = in_force(&turn.snapshot()).count();
    let added = plan.puts.iter().filter(|(_, version, ..)| *version == 1).count();
    let applied = PolicySetApplied {
        version: workspace.policy_set + 1,
        policies: (before + added - plan.removes.len()) as u64,
        orphaned: orphaned.unwrap_or_else(|| {
            plan.settings
                .as_ref()
                .map_or(workspace.settings.orphaned, |settings| settings.orphaned)
        }),
    };
    turn.emit(Draft::new(Event::PolicySetApplied(applied), actor, workspace.id))?;
    Ok(workspace.policy_set + 1)
}

/// The set that a plan leads to, for judging in advance.
pub(super) fn candidate(snapshot: &Snapshot, plan: &Plan) -> EngineResult<PolicySet> {
    candidate_under(snapshot, plan, snapshot.policies.stops().clone())
}

/// The same under other stops than those in force.
pub(super) fn candidate_under(snapshot: &Snapshot, plan: &Plan, stops: Stops) -> EngineResult<PolicySet> {
    let compiled = snapshot.policies.policies().iter();
    let compiled: HashMap<(PolicyId, u64), &Arc<Prepared>> = compiled
        .map(|policy| ((policy.reference.id, policy.reference.version), policy))
        .collect();
    let mut by_age: BTreeMap<(u64, PolicyId), (u64, &PolicyDoc)> = in_force(snapshot)
        .map(|row| ((row.age, row.id), (row.version, &row.doc)))
        .collect();
    let gone: HashSet<PolicyId> = plan.removes.iter().map(|(id, _)| *id).collect();
    by_age.retain(|(_, id), _| !gone.contains(id));
    for (id, version, age, doc) in &plan.puts {
        by_age.insert((*age, *id), (*version, doc));
    }
    let prepared = by_age.into_iter().map(|((_, id), (version, doc))| {
        if let Some(policy) = compiled.get(&(id, version)) {
            return Ok(Arc::clone(policy));
        }
        let reference = PolicyRef {
            id,
            name: doc.name.clone(),
            version,
        };
        match snapshot.prepared(&reference) {
            Some(known) => Ok(Arc::clone(known)),
            None => Prepared::new(reference, doc.clone()).map(Arc::new),
        }
    });
    let prepared = prepared
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| EngineError::Internal)?;
    let settings = plan
        .settings
        .clone()
        .unwrap_or_else(|| snapshot.settings().clone());
    let set = PolicySet::new(prepared, settings, stops).map_err(|_| EngineError::Internal)?;
    Ok(set.among(Arc::clone(snapshot.policies.people())))
}
