//! The policy set: read, applied as whole versions, its history.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use serde::Serialize;
use signoff_core::{
    authority::Operation,
    event::{Event, PolicyPut, PolicyRemoved, PolicySetApplied, WorkspaceSet},
    fold::{RowKey, Rows},
    id::PolicyId,
    judge::{PolicySet, Prepared},
    policy::{Effect, Orphaned, POLICIES_MAX, PolicyDoc, PolicyRef, Settings},
    record::Record,
    rows::PolicyRow,
};
use signoff_store::{ApprovalQuery, RecordQuery, Wants};

use crate::{
    Engine, EngineError, EngineResult,
    approvals::{PAGE_MAX, check_limit},
    content::{Opened, asked},
    idempotency::{Once, want},
    request::{ApplyPolicies, SettingsChange},
    snapshot::Snapshot,
    tenant::Tenant,
    turn::{Draft, Turn, mint_id},
    view::{
        Caller, Page, PoliciesApplied, PolicySetVersionView, PolicySetView, PolicyVersionView, WorkspaceView,
    },
};

/// What applying a set would do.
struct Plan {
    puts: Vec<(PolicyId, u64, u64, PolicyDoc)>,
    removes: Vec<(PolicyId, u64)>,
    settings: Option<Settings>,
    answer: PoliciesApplied,
}

impl Plan {
    fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.removes.is_empty() && self.settings.is_none()
    }
}

fn in_force(snapshot: &Snapshot) -> impl Iterator<Item = &PolicyRow> {
    snapshot.rows.policies.values().filter(|row| !row.removed)
}

fn set_view(version: u64, settings: Settings, rows: &Rows) -> PolicySetView {
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

impl SettingsChange {
    /// The settings after the change; none where nothing changes.
    fn applied_to(&self, present: &Settings) -> EngineResult<Option<Settings>> {
        let mut next = present.clone();
        if let Some(name) = &self.name {
            let name = name.trim();
            if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
                return Err(EngineError::invalid(
                    "/name",
                    "a workspace's name has 1 to 200 characters",
                ));
            }
            name.clone_into(&mut next.name);
        }
        if let Some(approvers) = &self.default_approvers {
            if approvers.is_empty() || approvers.len() > signoff_core::policy::LIST_LEN_MAX {
                return Err(EngineError::invalid(
                    "/default_approvers",
                    "name at least one approver and at most 200",
                ));
            }
            next.default_approvers.clone_from(approvers);
        }
        next.unmatched = self.unmatched.unwrap_or(next.unmatched);
        next.orphaned = self.orphaned.unwrap_or(next.orphaned);
        Ok((next != *present).then_some(next))
    }
}

/// Checks every policy of a set, and that names are unique.
fn check_set(policies: &[PolicyDoc]) -> EngineResult<()> {
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

fn check_one(doc: &PolicyDoc) -> EngineResult<()> {
    doc.check()
        .map_err(|problem| EngineError::PolicyInvalid(vec![(problem.pointer, problem.why)]))
}

/// What changes between the set in force and a new one. Policies of the same name keep their id and age.
fn plan(
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

/// Writes a plan as one version of the set.
fn carry_out(
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
    if plan.puts.is_empty() && plan.removes.is_empty() {
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

#[derive(Serialize)]
struct SameApply<'a> {
    policies: &'a [PolicyDoc],
    expected_version: Option<u64>,
    orphaned: Option<&'static str>,
    settings: [Option<String>; 4],
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
        check_set(&apply.policies)?;
        let same = SameApply {
            policies: &apply.policies,
            expected_version: apply.expected_version,
            orphaned: apply.orphaned.map(Orphaned::as_str),
            settings: [
                apply.settings.name.clone(),
                apply.settings.unmatched.map(|unmatched| unmatched.to_string()),
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
        let pending_affected = if outlook.is_empty() {
            0
        } else {
            self.affected(&tenant, &snapshot, &outlook).await?
        };
        if apply.dry_run {
            return Ok(PoliciesApplied {
                pending_affected,
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
                    pending_affected,
                    ..outlook.answer.clone()
                });
            }
            let plan = plan(&turn.snapshot(), &apply, turn.now())?;
            let version = carry_out(turn, &caller, &plan, apply.orphaned)?;
            turn.remember(once.as_ref(), &version)?;
            Ok(PoliciesApplied {
                version,
                pending_affected,
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

    /// All versions of a policy, newest first; also of one that was removed.
    ///
    /// # Errors
    /// If there never was one.
    pub async fn policy_versions(&self, caller: &Caller, name: &str) -> EngineResult<Vec<PolicyVersionView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let removed = || {
            let of_name = snapshot
                .rows
                .policies
                .values()
                .filter(|row| row.doc.name.eq_ignore_ascii_case(name) || row.id.to_string() == name);
            of_name.max_by_key(|row| row.updated_at)
        };
        let row = snapshot
            .find_policy(name)
            .or_else(removed)
            .ok_or_else(|| EngineError::not_found("policy", name))?;
        let query = RecordQuery {
            subject: Some(row.id.0),
            newest_first: true,
            limit: PAGE_MAX,
            ..RecordQuery::default()
        };
        let mut versions = Vec::new();
        for stored in self.store().records(tenant.id, &query).await? {
            let record: Record = serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
            let (version, policy) = match record.event {
                Event::PolicyPut(put) => (put.version, Some(put.policy)),
                Event::PolicyRemoved(removed) => (removed.version, None),
                _ => continue,
            };
            versions.push(PolicyVersionView {
                version,
                at: record.time,
                policy,
                by: snapshot.named(&record.actor),
            });
        }
        Ok(versions)
    }

    /// All versions of the set, newest first.
    ///
    /// # Errors
    /// If the page is too large.
    pub async fn policy_set_versions(
        &self,
        caller: &Caller,
        beyond: Option<u64>,
        limit: u32,
    ) -> EngineResult<Page<PolicySetVersionView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let limit = check_limit(limit)?;
        let snapshot = tenant.snapshot();
        let mut items = Vec::new();
        for record in self
            .policy_records(&tenant, "policy_set.", beyond, true, limit + 1)
            .await?
        {
            if let Event::PolicySetApplied(applied) = record.event {
                let by = snapshot.named(&record.actor);
                items.push(PolicySetVersionView {
                    version: applied.version,
                    at: record.time,
                    by,
                    seq: record.seq,
                    orphaned: applied.orphaned,
                });
            }
        }
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| more).map(|item| item.seq);
        Ok(Page { items, next })
    }

    /// The set as it was in one version, folded from the log.
    ///
    /// # Errors
    /// If there never was one.
    pub async fn policy_set_at(&self, caller: &Caller, version: u64) -> EngineResult<PolicySetView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let missing = || EngineError::not_found("policy set", version);
        let mut all = Vec::new();
        for kind in ["policy_set.", "workspace.", "policy."] {
            let mut beyond = None;
            loop {
                let page = self
                    .policy_records(&tenant, kind, beyond, false, PAGE_MAX)
                    .await?;
                let full = page.len() == PAGE_MAX as usize;
                beyond = page.last().map(|record| record.seq).or(beyond);
                all.extend(page);
                if !full {
                    break;
                }
            }
        }
        let is_it = |record: &&Record| matches!(&record.event, Event::PolicySetApplied(applied) if applied.version == version);
        let end = all
            .iter()
            .find(is_it)
            .map(|record| record.seq)
            .ok_or_else(missing)?;
        all.sort_by_key(|record| record.seq);
        let mut rows = Rows::default();
        for record in all.iter().filter(|record| record.seq <= end) {
            rows.fold(record).map_err(|_| EngineError::Internal)?;
        }
        let settings = rows
            .workspace
            .as_ref()
            .map(|row| row.settings.clone())
            .unwrap_or_default();
        Ok(set_view(version, settings, &rows))
    }

    async fn policy_records(
        &self,
        tenant: &Tenant,
        kind: &str,
        beyond: Option<u64>,
        newest_first: bool,
        limit: u32,
    ) -> EngineResult<Vec<Record>> {
        let query = RecordQuery {
            event_type: Some(kind.into()),
            beyond,
            newest_first,
            limit,
            ..RecordQuery::default()
        };
        let stored = self.store().records(tenant.id, &query).await?;
        stored
            .iter()
            .map(|stored| serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal))
            .collect()
    }

    /// How many pending approvals are judged otherwise under a plan.
    async fn affected(&self, tenant: &Tenant, snapshot: &Snapshot, plan: &Plan) -> EngineResult<u64> {
        let candidate = candidate(snapshot, plan)?;
        let mut count = 0;
        let mut beyond = None;
        loop {
            let query = ApprovalQuery {
                statuses: open_statuses(),
                beyond,
                oldest_first: true,
                limit: PAGE_MAX,
                ..ApprovalQuery::default()
            };
            let rows = self.store().approvals(tenant.id, &query).await?;
            let sequences: Vec<u64> = rows.iter().map(|row| row.submitted_seq).collect();
            let opened = Opened::read(self.store(), tenant, &sequences).await?;
            for row in &rows {
                let (Ok(action), Some(facts)) = (
                    asked(row, &opened.content(row.submitted_seq)),
                    snapshot.facts(row.agent),
                ) else {
                    continue;
                };
                let verdict = candidate.judge(&action, facts);
                let names = |policy: &Option<PolicyRef>| {
                    policy.as_ref().map(|policy| policy.name.to_ascii_lowercase())
                };
                let same = verdict.effect == Effect::Ask
                    && names(&verdict.policy) == names(&row.policy)
                    && verdict.requirement == row.requirement;
                count += u64::from(!same);
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE_MAX as usize => beyond = Some(last.submitted_seq),
                _ => return Ok(count),
            }
        }
    }

    /// The workspace.
    ///
    /// # Errors
    /// If the caller may not see it.
    pub async fn workspace(&self, caller: &Caller) -> EngineResult<WorkspaceView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let first = self
            .store()
            .records_at(tenant.id, &[1])
            .await?
            .into_iter()
            .next()
            .ok_or(EngineError::Internal)?;
        let first: Record = serde_json::from_slice(&first.bytes).map_err(|_| EngineError::Internal)?;
        let snapshot = tenant.snapshot();
        Ok(WorkspaceView {
            id: tenant.id,
            settings: snapshot.settings().clone(),
            policy_set: snapshot.rows.workspace.as_ref().map_or(0, |row| row.policy_set),
            created_at: first.time,
        })
    }

    /// Changes settings of the workspace.
    ///
    /// # Errors
    /// If they can't work.
    pub async fn update_workspace(
        &self,
        caller: &Caller,
        change: SettingsChange,
    ) -> EngineResult<WorkspaceView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let caller_then = caller.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            let mut plan = plan_of_nothing(&turn.snapshot())?;
            plan.settings = change.applied_to(turn.snapshot().settings())?;
            carry_out(turn, &caller_then, &plan, None).map(drop)
        })
        .await?;
        self.workspace(caller).await
    }
}

/// The statuses of approvals that are not at their end.
pub(crate) fn open_statuses() -> Vec<signoff_core::event::ApprovalStatus> {
    use signoff_core::event::ApprovalStatus as S;
    vec![S::Pending, S::InfoRequested]
}

fn plan_of_nothing(snapshot: &Snapshot) -> EngineResult<Plan> {
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

fn put_one(turn: &mut Turn<'_>, caller: &Caller, doc: &PolicyDoc) -> EngineResult<()> {
    let snapshot = turn.snapshot();
    let mut plan = plan_of_nothing(&snapshot)?;
    match snapshot.find_policy(&doc.name) {
        Some(row) if row.doc == *doc => {}
        Some(row) => plan.puts.push((row.id, row.version + 1, row.age, doc.clone())),
        None => {
            let count = in_force(&snapshot).count();
            if count >= POLICIES_MAX {
                return Err(EngineError::invalid(
                    "",
                    format!("a set has at most {POLICIES_MAX} policies"),
                ));
            }
            let age = snapshot.rows.workspace.as_ref().map_or(1, |row| row.next_age);
            plan.puts
                .push((PolicyId(mint_id(turn.now())), 1, age, doc.clone()));
        }
    }
    carry_out(turn, caller, &plan, None).map(drop)
}

/// The set that a plan leads to, for judging in advance.
fn candidate(snapshot: &Snapshot, plan: &Plan) -> EngineResult<PolicySet> {
    let mut by_age: BTreeMap<(u64, PolicyId), (u64, &PolicyDoc)> = in_force(snapshot)
        .map(|row| ((row.age, row.id), (row.version, &row.doc)))
        .collect();
    let gone: HashSet<PolicyId> = plan.removes.iter().map(|(id, _)| *id).collect();
    by_age.retain(|(_, id), _| !gone.contains(id));
    for (id, version, age, doc) in &plan.puts {
        by_age.insert((*age, *id), (*version, doc));
    }
    let prepared = by_age.into_iter().map(|((_, id), (version, doc))| {
        let reference = PolicyRef {
            id,
            name: doc.name.clone(),
            version,
        };
        Prepared::new(reference, doc.clone()).map(Arc::new)
    });
    let prepared = prepared
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| EngineError::Internal)?;
    let settings = plan
        .settings
        .clone()
        .unwrap_or_else(|| snapshot.settings().clone());
    PolicySet::new(prepared, settings).map_err(|_| EngineError::Internal)
}
