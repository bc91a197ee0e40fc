//! The policies: all of them, and one with its versions. Read by everybody who sees the workspace.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;
use signoff_api::policy::PolicySettings;
use signoff_core::authority::Operation;
use signoff_core::lint::{Finding, Severity};
use signoff_core::policy::PolicyDoc;
use signoff_core::requirement::Approver;
use signoff_core::rows::PolicyRow;
use signoff_engine::request::ApprovalFilter;
use signoff_engine::view::{PendingByPolicy, PolicyVersionView};
use signoff_engine::{EngineError, EngineResult};

use super::fields::{Asked, href, query};
use super::inbox::WAITING;
use super::page::ok;
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::api::convert::ToWire;
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::shown::trial::many;
use crate::console::view::policy::{PoliciesPage, PolicyLine, PolicyPage, VersionLine, WaitingLine};

/// Policies on one page.
const ROWS: usize = 100;
/// Versions on the page of a policy.
const VERSIONS: usize = 20;
/// Waiting requests on the page of a policy.
const WAITING_ROWS: u32 = 10;

/// A set to begin with: what passes, what waits, what never happens.
pub(super) const EXAMPLE: &str = "\
settings:
  unmatched: deny
policies:
- name: small-refunds
  actions: [\"stripe.refund*\"]
  effect: conditional
  conditions: [\"inputs.amount <= 50\"]
  otherwise: require_approval
  approval: {timeout: 30m}
- name: production-deploys
  actions: [deploy.production]
  effect: require_approval
- name: never-drop
  actions: [\"db.drop*\"]
  effect: deny
";

/// What the address says of the list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PoliciesQuery {
    q: String,
    from: usize,
    applied: Option<u64>,
}

/// All of them.
pub(super) async fn list(visitor: Visitor, Asked(asked): Asked<PoliciesQuery>) -> Result<Response, Trouble> {
    let made = list_page(&visitor, &asked).await;
    made.map(|shown| ok(&shown))
        .map_err(|error| visitor.trouble(error))
}

async fn list_page(visitor: &Visitor, asked: &PoliciesQuery) -> EngineResult<PoliciesPage> {
    let (engine, caller) = (visitor.engine(), &visitor.caller);
    let set = engine.policies(caller)?;
    let findings = lint(visitor, None, None).await?;
    let pending = engine.pending_by_policy(caller).await?;
    let by_policy = bad_by_policy(&findings);
    let wanted = asked.q.trim().to_ascii_lowercase();
    let holds = |text: &str| text.to_ascii_lowercase().contains(&wanted);
    let fits = |row: &&PolicyRow| holds(&row.doc.name) || row.doc.actions.iter().any(|action| holds(action));
    let found: Vec<&PolicyRow> = set.policies.iter().filter(fits).collect();
    let from = asked.from.min(found.len());
    let rows = found.iter().skip(from).take(ROWS);
    let rows = rows.map(|row| line(row, &pending, &by_policy)).collect();
    let page = |at: usize| {
        let at = if at == 0 { String::new() } else { at.to_string() };
        href("/policies", &query(&[("q", &asked.q), ("from", &at)]))
    };
    let mut pages = Vec::new();
    if from > 0 {
        pages.push(("Previous page", page(from.saturating_sub(ROWS))));
    }
    if found.len() > from + ROWS {
        pages.push(("Next page", page(from + ROWS)));
    }
    let settings = set.settings.to_wire();
    Ok(PoliciesPage {
        shell: visitor.shell("Policies", "policies").await?,
        version: set.version,
        is_applied: asked.applied == Some(set.version),
        may_change: engine.permit(caller, Operation::Govern).is_ok(),
        search: asked.q.clone(),
        total: many(found.len() as u64, "policy", "policies"),
        is_empty: set.policies.is_empty(),
        rows,
        pages,
        findings: shown::trial::findings(findings.iter()),
        settings: settings_in_words(&settings),
        example: EXAMPLE,
    })
}

fn settings_in_words(settings: &PolicySettings) -> Vec<(&'static str, Inert)> {
    use signoff_api::policy::{Orphaned, Unmatched};
    let in_words = |unmatched| match unmatched {
        Unmatched::Deny => "is refused",
        Unmatched::Ask => "is asked about",
        Unmatched::Allow => "passes",
    };
    let unmatched = in_words(settings.unmatched.unwrap_or_default());
    let unmatched_calls = in_words(settings.unmatched_calls.unwrap_or(Unmatched::Allow));
    let orphaned = match settings.orphaned.unwrap_or_default() {
        Orphaned::Judge => "gets what an identical new action would get",
        Orphaned::Release => "is approved",
        Orphaned::Deny => "is denied",
        Orphaned::Keep => "stays under its old terms",
    };
    let approvers = settings.default_approvers.clone().unwrap_or_default();
    let approvers: Vec<String> = approvers.iter().map(|name| shown::policy::named(name)).collect();
    vec![
        ("What no policy covers", Inert::all(unmatched)),
        (
            "A call with a grant that no policy covers",
            Inert::all(unmatched_calls),
        ),
        (
            "Who decides where a policy names nobody",
            Inert::all(&approvers.join(", ")),
        ),
        (
            "A waiting request that no policy covers any more",
            Inert::all(orphaned),
        ),
    ]
}

/// What is wrong with a set, or with the one in force. A large one takes a while, which holds up nobody else.
pub(super) async fn lint(
    visitor: &Visitor,
    policies: Option<Vec<PolicyDoc>>,
    approvers: Option<Vec<Approver>>,
) -> EngineResult<Vec<Finding>> {
    let (engine, caller) = (visitor.engine().clone(), visitor.caller.clone());
    let found = tokio::task::spawn_blocking(move || engine.lint(&caller, policies, approvers));
    found.await.map_err(|error| {
        tracing::error!(%error, "lint broke off");
        EngineError::Internal
    })?
}

/// How many findings there are about each policy, and how bad the worst is.
type BadByPolicy = BTreeMap<String, (u64, Severity)>;

fn bad_by_policy(findings: &[Finding]) -> BadByPolicy {
    let mut by_policy = BadByPolicy::new();
    for finding in findings {
        if let Some(name) = &finding.policy {
            let entry = by_policy.entry(name.to_ascii_lowercase());
            let (count, worst) = entry.or_insert((0, Severity::Note));
            *count += 1;
            *worst = (*worst).max(finding.severity);
        }
    }
    by_policy
}

fn line(row: &PolicyRow, pending: &PendingByPolicy, findings: &BadByPolicy) -> PolicyLine {
    let body = row.doc.to_wire();
    let waits = pending.count(row.id);
    let more = if pending.is_whole { "" } else { "at least " };
    PolicyLine {
        name: Inert::all(&body.name),
        href: shown::policy::href(&body.name),
        sentence: Inert::all(&shown::policy::sentence(&body)),
        effect: shown::policy::mark(body.effect),
        is_guard: row.doc.guard,
        is_off: row.doc.disabled,
        waiting: (waits > 0).then(|| {
            let inbox = href("/", &query(&[("policy", &body.name)]));
            (format!("{more}{waits} waiting"), inbox)
        }),
        findings: findings
            .get(&body.name.to_ascii_lowercase())
            .map(|(count, worst)| (many(*count, "finding", "findings"), *worst > Severity::Note)),
    }
}

/// One of them.
pub(super) async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response, Trouble> {
    let made = policy_page(&visitor, &name).await;
    made.map(|shown| ok(&shown))
        .map_err(|error| visitor.trouble(error).with_link("All policies", "/policies"))
}

async fn policy_page(visitor: &Visitor, name: &str) -> EngineResult<PolicyPage> {
    let (engine, caller) = (visitor.engine(), &visitor.caller);
    let row = engine.policy(caller, name)?;
    let mut findings = lint(visitor, None, None).await?;
    findings.retain(|finding| {
        let about = finding.policy.as_ref();
        about.is_some_and(|about| about.eq_ignore_ascii_case(&row.doc.name))
    });
    let pending = engine.pending_by_policy(caller).await?;
    let filter = ApprovalFilter {
        statuses: WAITING.to_vec(),
        policy: Some(row.doc.name.clone()),
        oldest_first: true,
        limit: WAITING_ROWS,
        ..ApprovalFilter::default()
    };
    let waiting = engine.approvals(caller, &filter).await?;
    let versions = engine.policy_versions(caller, &row.id.to_string()).await?;
    let defaults = engine.policies(caller)?.settings.to_wire().default_approvers;
    let body = row.doc.to_wire();
    let stages = shown::policy::stages(&body, &defaults.unwrap_or_default());
    let asks = !stages.is_empty();
    let edit_href = href("/policies/edit", &query(&[("policy", &body.name)]));
    Ok(PolicyPage {
        shell: visitor
            .shell(&signoff_core::sentence::tame(&body.name), "policies")
            .await?,
        line: line(&row, &pending, &bad_by_policy(&findings)),
        version: row.version,
        changed: shown::moment(row.updated_at, visitor.now()),
        description: body.description.as_deref().map(Inert::all),
        findings: shown::trial::findings(findings.iter()),
        matchers: shown::policy::matchers(&body),
        terms: shown::policy::terms(&body),
        stages: stages.iter().map(|stage| Inert::all(stage)).collect(),
        asking: if asks {
            shown::policy::asking(&body)
        } else {
            Vec::new()
        },
        waiting: waiting.items.iter().map(waiting_line).collect(),
        yaml: shown::policy::lines(&crate::written::to_yaml(&body).map_err(unwritten)?),
        json: shown::policy::lines(&serde_json::to_string_pretty(&body).map_err(unwritten)?),
        more_versions: versions.len().saturating_sub(VERSIONS),
        versions: version_lines(&versions, visitor),
        edit_href: engine
            .permit(caller, Operation::Govern)
            .is_ok()
            .then_some(edit_href),
    })
}

/// A policy that can't be written down is a fault of ours.
pub(super) fn unwritten(why: impl std::fmt::Display) -> EngineError {
    tracing::error!(%why, "a policy could not be written as text");
    EngineError::Internal
}

fn waiting_line(view: &signoff_engine::view::ApprovalView) -> WaitingLine {
    WaitingLine {
        href: format!("/approvals/{}", view.row.id),
        sentence: (&view.sentence).into(),
        time_left: shown::inbox::time_left(view),
    }
}

/// The newest versions, each with what it changed.
fn version_lines(versions: &[PolicyVersionView], visitor: &Visitor) -> Vec<VersionLine> {
    let value = |version: &PolicyVersionView| {
        let body = version.policy.as_ref().map(ToWire::to_wire);
        body.and_then(|body| serde_json::to_value(body).ok())
    };
    let shown_versions = versions.iter().take(VERSIONS).enumerate();
    let line = |(at, version): (usize, &PolicyVersionView)| {
        let before = versions.get(at + 1);
        let (is_first, is_removal) = (version.version == 1, version.policy.is_none());
        let differences = before
            .filter(|_| !is_removal)
            .map(|before| shown::difference::differences(value(before).as_ref(), value(version).as_ref()));
        VersionLine {
            version: version.version,
            at: shown::moment(version.at, visitor.now()),
            by: shown::who(&version.by),
            is_removal,
            is_first,
            differences,
        }
    };
    shown_versions.map(line).collect()
}
