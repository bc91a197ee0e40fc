//! The policy set: read, and applied as whole versions.

mod history;
mod lint;
mod pending;
mod plan;
mod simulate;

pub(crate) use plan::{carry_out, plan_of_nothing, put_one, with_policy};

use serde::Serialize;
use signoff_core::{
    authority::Operation,
    counted::Moment,
    fold::Rows,
    judge::Verdict,
    policy::{Effect, Orphaned, PolicyDoc, PolicyRef, Settings},
    rows::{ApprovalRow, PolicyRow},
};
use signoff_store::{ApprovalQuery, Wants};

use crate::{
    Engine, EngineError, EngineResult,
    approvals::PAGE_MAX,
    content::{Opened, asked},
    idempotency::{Once, want},
    request::ApplyPolicies,
    snapshot::Snapshot,
    tenant::Tenant,
    view::{Caller, PendingChange, PoliciesApplied, PolicySetView},
};

use plan::{Plan, candidate, check_one, plan, plan_of_one};

pub use plan::check_set as check_policies;
pub use simulate::{SIMULATE_ACTIONS_MAX, SIMULATE_EXAMPLES_MAX, SIMULATE_SPAN_MAX};

pub(super) fn set_view(version: u64, settings: Settings, rows: &Rows) -> PolicySetView {
    let mut policies: Vec<PolicyRow> = rows
        .policies
        .values()
        .filter(|row| !row.removed)
        .cloned()
        .collect();
    policies.sort_by_key(|row| (row.age, row.id));
    PolicySetView {
        version,
        settings,
        policies,
    }
}

#[derive(Serialize)]
struct SameApply<'a> {
    policies: &'a [PolicyDoc],
    expected_version: Option<u64>,
    orphaned: Option<&'static str>,
    settings: [Option<String>; 5],
}

impl Engine {
    /// The set in force.
    ///
    /// # Errors
    /// If the caller may not see it.
    pub fn policies(&self, caller: &Caller) -> EngineResult<PolicySetView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let version = snapshot.rows.workspace.as_ref().map_or(0, |row| row.policy_set);
        Ok(set_view(version, snapshot.settings().clone(), &snapshot.rows))
    }

    /// The policies in force, for whoever may have them explained: what a client is told beforehand of what it will be told.
    ///
    /// # Errors
    /// If the caller may not.
    pub fn policies_to_explain(&self, caller: &Caller) -> EngineResult<Vec<PolicyRow>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Explain)?;
        let snapshot = tenant.snapshot();
        Ok(set_view(0, snapshot.settings().clone(), &snapshot.rows).policies)
    }

    /// One policy by name or id.
    ///
    /// # Errors
    /// If there is none in force.
    pub fn policy(&self, caller: &Caller, name: &str) -> EngineResult<PolicyRow> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        tenant
            .snapshot()
            .find_policy(name)
            .cloned()
            .ok_or_else(|| EngineError::not_found("policy", name))
    }

    /// Puts a whole set in force, or says what would change.
    ///
    /// # Errors
    /// If any policy can't work: then nothing changes.
    pub async fn apply_policies(
        &self,
        caller: &Caller,
        apply: ApplyPolicies,
        key: Option<&str>,
    ) -> EngineResult<PoliciesApplied> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        check_policies(&apply.policies)?;
        let same = SameApply {
            policies: &apply.policies,
            expected_version: apply.expected_version,
            orphaned: apply.orphaned.map(Orphaned::as_str),
            settings: [
                apply.settings.name.clone(),
                apply.settings.unmatched.map(|unmatched| unmatched.to_string()),
                apply
                    .settings
                    .unmatched_calls
                    .map(|unmatched| unmatched.to_string()),
                apply
                    .settings
                    .default_approvers
                    .as_ref()
                    .map(|list| format!("{list:?}")),
                apply.settings.orphaned.map(|orphaned| orphaned.to_string()),
            ],
        };
        let once = Once::of(&tenant, caller, "apply_policies", key, &same)?;
        let snapshot = tenant.snapshot();
        let outlook = plan(&snapshot, &apply, self.now())?;
        let pending = if outlook.is_empty() {
            PendingChange::default()
        } else {
            self.affected(&tenant, &snapshot, &outlook, apply.orphaned)
                .await?
        };
        if apply.dry_run {
            return Ok(PoliciesApplied {
                pending,
                ..outlook.answer
            });
        }
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let caller = caller.clone();
        self.write(&tenant, wants, move |turn| {
            turn.principal(&caller, Operation::Govern)?;
            if let Some(version) = turn.before::<u64>(once.as_ref())? {
                return Ok(PoliciesApplied {
                    version,
                    pending,
                    ..outlook.answer.clone()
                });
            }
            let plan = plan(&turn.snapshot(), &apply, turn.now())?;
            let version = carry_out(turn, &caller, &plan, apply.orphaned)?;
            turn.remember(once.as_ref(), &version)?;
            Ok(PoliciesApplied {
                version,
                pending,
                ..plan.answer
            })
        })
        .await
    }

    /// Adds a policy.
    ///
    /// # Errors
    /// If the name is taken or the policy can't work.
    pub async fn create_policy(
        &self,
        caller: &Caller,
        doc: PolicyDoc,
        key: Option<&str>,
    ) -> EngineResult<PolicyRow> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        check_one(&doc)?;
        let once = Once::of(&tenant, caller, "create_policy", key, &doc)?;
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let name = doc.name.clone();
        let caller_then = caller.clone();
        self.write(&tenant, wants, move |turn| {
            turn.principal(&caller_then, Operation::Govern)?;
            if turn.before::<()>(once.as_ref())?.is_some() {
                return Ok(());
            }
            if turn.snapshot().find_policy(&doc.name).is_some() {
                return Err(EngineError::NameTaken {
                    kind: "a policy",
                    name: doc.name.clone(),
                });
            }
            put_one(turn, &caller_then, &doc)?;
            turn.remember(once.as_ref(), &())
        })
        .await?;
        self.policy(caller, &name)
    }

    /// Replaces a policy, or adds it where there is none of the name.
    ///
    /// # Errors
    /// If the policy can't work.
    pub async fn put_policy(&self, caller: &Caller, name: &str, doc: PolicyDoc) -> EngineResult<PolicyRow> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        check_one(&doc)?;
        let present = tenant
            .snapshot()
            .find_policy(name)
            .map(|row| row.doc.name.clone());
        if !present
            .unwrap_or_else(|| name.to_owned())
            .eq_ignore_ascii_case(&doc.name)
        {
            return Err(EngineError::invalid(
                "/name",
                "the name in the address and in the policy differ; a policy keeps its name",
            ));
        }
        let found = doc.name.clone();
        let caller_then = caller.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            put_one(turn, &caller_then, &doc)
        })
        .await?;
        self.policy(caller, &found)
    }

    /// Takes a policy out of the set.
    ///
    /// # Errors
    /// If there is none.
    pub async fn remove_policy(
        &self,
        caller: &Caller,
        name: &str,
        orphaned: Option<Orphaned>,
    ) -> EngineResult<()> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let (caller, name) = (caller.clone(), name.to_owned());
        self.write(&tenant, Wants::default(), move |turn| {
            let snapshot = turn.snapshot();
            let row = snapshot
                .find_policy(&name)
                .ok_or_else(|| EngineError::not_found("policy", &name))?;
            let mut plan = plan_of_nothing(&snapshot)?;
            plan.removes.push((row.id, row.version));
            carry_out(turn, &caller, &plan, orphaned).map(drop)
        })
        .await
    }

    /// How many pending approvals are judged otherwise where one policy is added or changed.
    pub(crate) async fn pending_under(
        &self,
        tenant: &Tenant,
        snapshot: &Snapshot,
        doc: &PolicyDoc,
    ) -> EngineResult<PendingChange> {
        let plan = plan_of_one(snapshot, doc, self.now())?;
        self.affected(tenant, snapshot, &plan, None).await
    }

    /// How many pending approvals are judged otherwise under a plan, and how.
    async fn affected(
        &self,
        tenant: &Tenant,
        snapshot: &Snapshot,
        plan: &Plan,
        orphaned: Option<Orphaned>,
    ) -> EngineResult<PendingChange> {
        let candidate = candidate(snapshot, plan)?;
        let orphaned = orphaned.unwrap_or(candidate.settings().orphaned);
        let mut change = PendingChange::default();
        let mut beyond = None;
        loop {
            let rows = self.store().approvals(tenant.id, &open_page(beyond)).await?;
            let sequences: Vec<u64> = rows.iter().flat_map(ApprovalRow::content_seqs).collect();
            let opened = Opened::read(self.store(), tenant, &sequences).await?;
            let now = self.now();
            let judgeable: Vec<_> = rows
                .iter()
                .filter_map(|row| {
                    let action = asked(row, &opened.asked_content(row)).ok()?;
                    Some((row, action, snapshot.facts(row.agent)?))
                })
                .collect();
            let asked_of = judgeable.iter().map(|(_, action, facts)| (action, *facts));
            let known = self.known_now(tenant, &candidate, asked_of, now).await?;
            for (row, action, facts) in &judgeable {
                let past = known.of(&candidate, (action, facts), &row.counted_rows())?;
                let past = Some(&past);
                let verdict = candidate.judge(action, facts, Moment { now, past });
                match becomes(row, &verdict, orphaned) {
                    Some(Effect::Allow) => change.allowed += 1,
                    Some(Effect::Deny) => change.denied += 1,
                    Some(Effect::Ask) => change.asked += 1,
                    None => {}
                }
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE_MAX as usize => beyond = Some(last.submitted_seq),
                _ => return Ok(change),
            }
        }
    }
}

/// What a pending approval becomes under another verdict, as the decision machine does it; none if it stays as it is.
fn becomes(row: &ApprovalRow, verdict: &Verdict, orphaned: Orphaned) -> Option<Effect> {
    let is_orphan = verdict.policy.is_none() && row.policy.is_some() && !row.require_approval;
    match orphaned {
        Orphaned::Keep if is_orphan => return None,
        Orphaned::Release if is_orphan => return Some(Effect::Allow),
        Orphaned::Deny if is_orphan => return Some(Effect::Deny),
        _ => {}
    }
    let name = |policy: &Option<PolicyRef>| policy.as_ref().map(|policy| policy.name.to_ascii_lowercase());
    let same_terms = name(&verdict.policy) == name(&row.policy)
        && verdict.requirement == row.requirement
        && verdict.valid_for == row.valid_for;
    (verdict.effect != Effect::Ask || !same_terms).then_some(verdict.effect)
}

/// A page of what is not at its end, oldest first.
pub(crate) fn open_page(beyond: Option<u64>) -> ApprovalQuery {
    ApprovalQuery {
        statuses: open_statuses(),
        beyond,
        oldest_first: true,
        limit: PAGE_MAX,
        ..ApprovalQuery::default()
    }
}

/// The statuses of approvals that are not at their end.
pub(crate) fn open_statuses() -> Vec<signoff_core::event::ApprovalStatus> {
    use signoff_core::event::ApprovalStatus as S;
    vec![S::Pending, S::InfoRequested]
}
