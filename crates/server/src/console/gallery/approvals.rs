//! The page of an approval in every state.

use askama::Template;
use signoff_core::event::ApprovalStatus;
use signoff_engine::view::{ApprovalView, May};

use super::pages::{list, shell};
use super::people::{asked, quorum, stages};
use super::requests::{Ask, NOW, ago, critical, ended, hostile, long};
use crate::console::inert::{Inert, Show};
use crate::console::shown;
use crate::console::view::Status;
use crate::console::view::approval::{
    Approval, ApprovalPage, HistoryRow, Kept, Outlook, Reach, Step, StepForm,
};

pub(super) fn all_permitted() -> May {
    May {
        approve: Ok(()),
        edit: Ok(()),
        standing: Ok(()),
        always: true,
        deny: Ok(()),
        request_info: Ok(()),
        cancel: true,
        release: true,
    }
}

pub(super) fn approval(view: &ApprovalView, may: &May, show: Show, step: Step) -> Approval {
    let matter = shown::approval::matter(view, None, show);
    let seen = matter.seen().expect("renders");
    let entry = |sequence, what: &str, seconds| HistoryRow {
        sequence,
        href: format!("/audit/{sequence}"),
        what: Inert::all(what),
        who: Inert::all("support-bot"),
        at: shown::moment(ago(seconds), NOW),
    };
    Approval {
        id: view.row.id.to_string(),
        href: format!("/approvals/{}", view.row.id),
        carry: String::new(),
        digest: view.row.digest.to_string(),
        matter,
        seen,
        status: Status::new(view.row.status.as_str()),
        is_escalated: view.row.escalated_at.is_some(),
        time_left: shown::inbox::time_left(view),
        created: shown::moment(view.row.created_at, NOW),
        outcome: shown::approval::outcome(view, false),
        requirement: shown::people::requirement(view, |_| None),
        thread: shown::approval::thread(view),
        told: shown::approval::told(view),
        told_nobody: shown::approval::told_nobody(view),
        history: vec![
            entry(
                40,
                "support-bot asked for stripe.refund; policy small-refunds asks a person",
                184,
            ),
            entry(41, "webhook pager was told", 180),
        ],
        may: shown::people::may(may),
        needs_words: view.row.requirement.require_decision_reason,
        step,
        kept: None,
        run: None,
        settle: None,
        next_href: None,
    }
}

pub(super) fn approval_page(view: &ApprovalView, approval: Approval) -> String {
    let title = approval.matter.sentence.text.clone();
    ApprovalPage {
        shell: shell(&title, "inbox"),
        list: list(Some(view)),
        approval,
    }
    .render()
    .expect("renders")
}

/// A form that approves more, or something else, than the request as it is.
fn reaching(kind: &str) -> Step {
    let mut step = Step::named(kind);
    if let Step::Form(form) = &mut step {
        form.reach = Reach {
            inputs: "{\n  \"amount\": 120,\n  \"charge\": \"ch_3PqX\"\n}".to_owned(),
            context: "{\n  \"ticket\": \"SUP-4390\"\n}".to_owned(),
            outlooks: [
                ("action", "“stripe.refund” by support-bot, whatever else it says"),
                ("policy", "everything that the policy “refunds” asks for"),
            ]
            .map(|(scope, text)| Outlook {
                scope,
                text: Inert::all(text),
                covered: "In the last 30 days 41 such requests: people approved 38 and denied 2. Waiting now and let through with it: 3."
                    .to_owned(),
                policy: Inert::all("{\n  \"name\": \"refunds\",\n  \"effect\": \"allow\"\n}"),
            })
            .to_vec(),
            ..Reach::default()
        };
    }
    step
}

pub(super) fn all() -> Vec<(&'static str, String)> {
    let may = all_permitted();
    let page = |view: &ApprovalView, show, step| approval_page(view, approval(view, &may, show, step));
    let plain = Ask::default().view();
    let form = |kind: &str| Step::named(kind);
    let refused = May {
        approve: Err(signoff_core::approval::Refusal::NotNamed),
        edit: Err(signoff_core::approval::Refusal::NotNamed),
        standing: Err(signoff_core::approval::Refusal::NotNamed),
        always: false,
        deny: Err(signoff_core::approval::Refusal::NotNamed),
        request_info: Err(signoff_core::approval::Refusal::NotNamed),
        cancel: false,
        release: false,
    };
    let late = ended(
        Ask::default().view(),
        ApprovalStatus::Denied,
        Some("Grace Hopper"),
        Some("The customer was refunded yesterday already, see SUP-4390."),
    );
    let mut late_approval = approval(&late, &may, Show::Start, Step::Choose);
    late_approval.kept = Some(Kept {
        problem: "Your approval came too late: Grace Hopper had denied it 1 min before. Nothing was changed."
            .to_owned(),
        text: "Fine with me, the photographs are convincing.".to_owned(),
    });
    late_approval.next_href = Some("/approvals/apr_2".to_owned());
    let typed = Step::Form(Box::new(StepForm {
        kind: "deny",
        text: String::new(),
        problem: Some("Say why: the agent and the log need a reason.".to_owned()),
        reach: Reach::default(),
    }));
    vec![
        ("approval", page(&plain, Show::Start, Step::Choose)),
        ("approval-edit", page(&plain, Show::Start, reaching("edit"))),
        (
            "approval-standing",
            page(&plain, Show::Start, reaching("standing")),
        ),
        ("approval-always", page(&plain, Show::Start, reaching("always"))),
        ("approval-approve", page(&plain, Show::Start, form("approve"))),
        ("approval-deny", page(&plain, Show::Start, typed)),
        ("approval-ask", page(&plain, Show::Start, form("ask"))),
        (
            "approval-hostile",
            page(&hostile().view(), Show::Start, Step::Choose),
        ),
        (
            "approval-hostile-approve",
            page(&hostile().view(), Show::All, form("approve")),
        ),
        ("approval-long", page(&long().view(), Show::Start, Step::Choose)),
        (
            "approval-long-full",
            page(&long().view(), Show::All, form("approve")),
        ),
        ("approval-stages", page(&stages(), Show::Start, Step::Choose)),
        ("approval-quorum", page(&quorum(), Show::Start, Step::Choose)),
        (
            "approval-quorum-approve",
            page(&quorum(), Show::Start, form("approve")),
        ),
        ("approval-asked", page(&asked(), Show::Start, Step::Choose)),
        (
            "approval-refused",
            approval_page(&plain, approval(&plain, &refused, Show::Start, Step::Choose)),
        ),
        (
            "approval-approved",
            page(
                &ended(
                    Ask::default().view(),
                    ApprovalStatus::Approved,
                    Some("Ada Lovelace"),
                    None,
                ),
                Show::Start,
                Step::Choose,
            ),
        ),
        (
            "approval-expired",
            page(
                &ended(critical().view(), ApprovalStatus::Expired, None, None),
                Show::Start,
                Step::Choose,
            ),
        ),
        ("approval-late", approval_page(&late, late_approval)),
    ]
}
