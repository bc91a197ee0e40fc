//! The pages of policies in every state.

use std::collections::BTreeMap;

use askama::Template;
use serde_json::{Value, json};
use signoff_api::policy::PolicyBody;
use signoff_core::id::{ActionId, AgentId, ApprovalId, RawId};
use signoff_core::lint::{Finding, LintCode, Severity};
use signoff_core::sentence::compose;
use signoff_engine::view::{
    ChangeGroup, ChangeKind, CutShort, Example, Judgements, Named, PastOutcome, PendingChange, Simulated,
    SimulatedVerdict, Simulation, Tally,
};

use super::pages::shell;
use super::requests::{Ask, NOW, ago, person};
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::shown::policy::{asking, lines, mark, matchers, sentence, stages, terms};
use crate::console::view::policy::{
    Findings, PoliciesPage, PolicyLine, PolicyPage, VersionLine, WaitingLine,
};
use crate::console::view::trial::{Conflict, EditForm, EditPage, PlanLine, Preview, Slip};

fn body(json: Value) -> PolicyBody {
    serde_json::from_value(json).expect("a policy")
}

fn refunds() -> PolicyBody {
    body(
        json!({"name": "small-refunds", "actions": ["stripe.refund*", "stripe.credit"], "agents": ["support-*"],
        "labels": {"team": "support"}, "risk": ["low", "medium"], "effect": "conditional", "guard": true,
        "description": "Small ones pass. <b>Harmless</b>\u{202e}",
        "conditions": ["inputs.amount <= 50 && inputs.currency == 'usd'", {"field": "customer.years", "operator": "gte", "value": 2}],
        "otherwise": "require_approval", "require_reason": true, "valid_for": "15m",
        "approval": {"timeout": "30m", "notify": ["channel:finance"], "stages": [
            {"name": "manager", "approvers": [{"context": "customer.manager_email", "domains": ["example.com"]}]},
            {"approvers": ["group:finance", "role:admin"], "quorum": 2}]}}),
    )
}

fn line(body: &PolicyBody, waiting: Option<u64>, bad: Option<bool>) -> PolicyLine {
    PolicyLine {
        name: Inert::all(&body.name),
        href: shown::policy::href(&body.name),
        sentence: Inert::all(&sentence(body)),
        effect: mark(body.effect),
        is_guard: body.guard.unwrap_or_default(),
        is_off: body.enabled == Some(false),
        waiting: waiting.map(|count| (format!("{count} waiting"), "/?policy=small-refunds".to_owned())),
        findings: bad.map(|bad| ("1 finding".to_owned(), bad)),
    }
}

fn findings() -> Findings {
    let finding = |severity, policy: &str, message: &str| Finding {
        severity,
        code: LintCode::Unmeetable,
        policy: Some(policy.to_owned()),
        pointer: "/approval".to_owned(),
        other: None,
        message: message.to_owned(),
        next: "add people to the group, or lower the quorum".to_owned(),
    };
    let found = [
        finding(
            Severity::Error,
            "small-refunds",
            "2 people must approve, and 1 can",
        ),
        finding(
            Severity::Note,
            "a-policy-with-a-long-name".repeat(4).as_str(),
            "it trusts what the agent says of the cost",
        ),
    ];
    shown::trial::findings(found.iter())
}

fn list(is_empty: bool, may_change: bool) -> String {
    let others = [
        body(
            json!({"name": "production-deploys", "actions": ["deploy.production"], "effect": "require_approval"}),
        ),
        body(json!({"name": "never-drop", "actions": ["db.drop*"], "effect": "deny", "enabled": false})),
        body(
            json!({"name": "reads", "actions": ["*.read", "*.list", "*.get", "*.head"], "effect": "allow",
            "conditions": [{"field": "inputs.to", "operator": "matches", "value": "^a-very-long-pattern-".repeat(12)}]}),
        ),
    ];
    let mut rows = vec![line(&refunds(), Some(3), Some(true))];
    rows.extend(others.iter().map(|body| line(body, None, None)));
    PoliciesPage {
        shell: shell("Policies", "policies"),
        version: u64::from(!is_empty) * 7,
        is_applied: may_change && !is_empty,
        may_change,
        search: String::new(),
        total: "4 policies".to_owned(),
        is_empty,
        rows: if is_empty { Vec::new() } else { rows },
        pages: vec![("Next page", "/policies?from=100".to_owned())],
        findings: if is_empty { Findings::default() } else { findings() },
        settings: vec![
            ("What no policy covers", Inert::all("is refused")),
            (
                "Who decides where a policy names nobody",
                Inert::all("the members and admins"),
            ),
        ],
        example: "policies:\n- name: small-refunds\n  effect: deny\n",
    }
    .render()
    .expect("renders")
}

fn one() -> String {
    let body = refunds();
    let before =
        json!({"name": "small-refunds", "approval": {"quorum": 1}, "conditions": ["x".repeat(3_000)]});
    let after = serde_json::to_value(&body).expect("JSON");
    let versions = [true, false].map(|changed| VersionLine {
        version: if changed { 2 } else { 1 },
        at: shown::moment(ago(4_000), NOW),
        by: Inert::all("Dana\u{202e} Scully"),
        is_removal: false,
        is_first: !changed,
        differences: changed.then(|| shown::difference::differences(Some(&before), Some(&after))),
    });
    let asked = Ask::default().view();
    PolicyPage {
        shell: shell("small-refunds", "policies"),
        line: line(&body, Some(3), Some(true)),
        version: 2,
        changed: shown::moment(ago(4_000), NOW),
        description: body.description.as_deref().map(Inert::all),
        findings: findings(),
        matchers: matchers(&body),
        terms: terms(&body),
        stages: stages(&body, &[]).iter().map(|stage| Inert::all(stage)).collect(),
        asking: asking(&body),
        waiting: vec![WaitingLine {
            href: "/approvals/apr_1".to_owned(),
            sentence: (&asked.sentence).into(),
            time_left: shown::inbox::time_left(&asked),
        }],
        yaml: lines(&crate::written::to_yaml(&body).expect("YAML")),
        json: lines(&serde_json::to_string_pretty(&body).expect("JSON")),
        versions: versions.into(),
        more_versions: 3,
        edit_href: Some("/policies/edit?policy=small-refunds".to_owned()),
    }
    .render()
    .expect("renders")
}

fn example(outcome: PastOutcome, amount: &str, simulated: Simulated) -> Example {
    let verdict = |simulated| SimulatedVerdict {
        simulated,
        policy: Some("small-refunds".to_owned()),
        code: None,
        conditions: Vec::new(),
    };
    let inputs = json!({"amount": amount, "currency": "usd", "customer": "cus_\u{200b}ABC123"});
    Example {
        action_id: ActionId(RawId([5; 16])),
        approval_id: (outcome != PastOutcome::Allowed).then_some(ApprovalId(RawId([5; 16]))),
        at: ago(90_000),
        action: "stripe.refund".to_owned(),
        agent: Named {
            id: AgentId(RawId([6; 16])),
            name: "support-bot".to_owned(),
        },
        sentence: compose("support-bot", "stripe.refund", &inputs, &json!({}), None),
        outcome,
        policy: Some("small-refunds".to_owned()),
        decided_by: Some(person("Dana Scully")),
        present: verdict(Simulated::Asked),
        proposed: verdict(simulated),
    }
}

fn simulation() -> Simulation {
    let group = |kind, count, examples| ChangeGroup {
        kind,
        count,
        examples,
    };
    let tally = |allowed, asked| Tally {
        allowed,
        asked,
        sent_back: 0,
        denied: 12,
    };
    let judged = Judgements {
        present: tally(1_200, 340),
        proposed: tally(1_501, 39),
    };
    Simulation {
        since: ago(30 * 86_400),
        until: NOW,
        reached: ago(20 * 86_400),
        cut_short: Some(CutShort::Time),
        actions: 1_555,
        erased: 2,
        unknown_agent: 1,
        outcomes: BTreeMap::from([(PastOutcome::Approved, judged)]),
        changes: vec![
            group(
                ChangeKind::DeniedByReviewerNowAllowed,
                3,
                vec![
                    example(PastOutcome::DeniedByReviewer, "500.00", Simulated::Allowed),
                    example(PastOutcome::DeniedByReviewer, "812.40", Simulated::Allowed),
                ],
            ),
            group(
                ChangeKind::AllowedNowAsked,
                298,
                vec![example(PastOutcome::Allowed, "12.00", Simulated::Asked)],
            ),
        ],
    }
}

fn preview(trial: bool) -> Preview {
    let body = refunds();
    let before = json!({"approval": {"quorum": 1}});
    let line = |sign, word, name: &str, differences| PlanLine {
        sign,
        word,
        name: Inert::all(name),
        sentence: Some(Inert::all(&sentence(&body))),
        differences,
    };
    let differences = shown::difference::differences(
        Some(&before),
        Some(&json!({"approval": {"quorum": 2, "timeout": "2h"}})),
    );
    Preview {
        plan: vec![
            line("+", "added", "new-rule", Vec::new()),
            line("~", "changed", "small-refunds", differences.clone()),
            line("−", "removed", "old-rule", Vec::new()),
        ],
        settings: shown::difference::differences(
            Some(&json!({"unmatched": "deny"})),
            Some(&json!({"unmatched": "ask"})),
        ),
        unchanged: "3 policies stay as they are".to_owned(),
        waiting: shown::trial::waiting(PendingChange {
            allowed: 2,
            denied: 1,
            asked: 1_000,
        }),
        findings: findings(),
        trial: trial.then(|| shown::trial::trial(&simulation(), NOW)),
        no_trial: (!trial).then(|| {
            Inert::all("another simulation of this workspace is running; look again in a few seconds")
        }),
    }
}

fn edit(problems: Vec<Slip>, conflict: Option<Conflict>, preview: Option<Preview>) -> String {
    let text = crate::written::to_yaml(&body(
        json!({"name": "small-refunds", "effect": "deny", "description": "</textarea><script>alert(1)</script>"}),
    ));
    EditPage {
        shell: shell("Change the policies", "policies"),
        heading: Inert::all("Change the policies"),
        form: EditForm {
            scope: "set",
            name: String::new(),
            base: 7,
            text: text.expect("YAML"),
            orphaned: "keep".to_owned(),
        },
        problems,
        conflict,
        preview,
    }
    .render()
    .expect("renders")
}

pub(super) fn all() -> Vec<(&'static str, String)> {
    let slips = vec![
        Slip {
            place: None,
            words: Inert::all("unknown field `gard`, did you mean `guard`? at line 4, column 5"),
        },
        Slip {
            place: Some("conditions.0, in the policy of line 12".to_owned()),
            words: Inert::all("`small-refunds`: there is no `contxt`; did you mean `context`?"),
        },
    ];
    let conflict = Conflict { base: 7, present: 9 };
    let nothing = Preview {
        plan: Vec::new(),
        settings: Vec::new(),
        trial: None,
        no_trial: None,
        ..preview(false)
    };
    vec![
        ("policies", list(false, true)),
        ("policies-viewer", list(false, false)),
        ("policies-none", list(true, true)),
        ("policies-none-viewer", list(true, false)),
        ("policy", one()),
        ("policy-edit", edit(Vec::new(), None, None)),
        ("policy-edit-problems", edit(slips, None, None)),
        ("policy-edit-conflict", edit(Vec::new(), Some(conflict), None)),
        ("policy-preview", edit(Vec::new(), None, Some(preview(true)))),
        (
            "policy-preview-busy",
            edit(Vec::new(), None, Some(preview(false))),
        ),
        ("policy-preview-nothing", edit(Vec::new(), None, Some(nothing))),
    ]
}
