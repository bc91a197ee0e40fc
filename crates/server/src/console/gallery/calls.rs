//! Calls before and after the decision, and those that need a person.

use std::sync::Arc;

use askama::Template;
use signoff_core::actor::Actor;
use signoff_core::event::{ApprovalStatus, CallFault, ExecutionState, RevokedBecause};
use signoff_core::http::{Call, CallFacts, GivenCall};
use signoff_core::rows::{CallRun, ExecutionRow, Settled};
use signoff_core::sentence::compose_call;
use signoff_engine::view::{Answer, ApprovalView, CallResult, ExecutionView, GrantView};

use super::approvals::{all_permitted, approval, approval_page};
use super::grants::grant;
use super::pages::shell;
use super::requests::{Ask, NOW, ago, ended};
use crate::console::inert::Show;
use crate::console::shown;
use crate::console::view::approval::{Reach, Step};
use crate::console::view::run::{ExecutionPage, ExecutionsPage};

/// A call and its body.
fn call(method: &str, url: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Call {
    Call::new(GivenCall {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.map(<[u8]>::to_vec),
        grant: Some("stripe-live".to_owned()),
    })
    .expect("a call")
}

fn refund_call() -> Call {
    let body = br#"{"amount": 50000, "charge": "ch_3PqLz2eZvKYlo2C1", "metadata": {"ticket": "SUP-4421", "card": {"number": "4242424242424242", "brand": "visa"}}, "reason": "requested_by_customer"}"#;
    call(
        "POST",
        "https://api.stripe.com/v1/refunds?expand[]=charge&expand[]=payment_intent&note=broken+lamp",
        &[
            ("content-type", "application/json"),
            ("stripe-version", "2024-06-20"),
            ("x-customer-token", "tok_hidden_from_people"),
        ],
        Some(body),
    )
}

fn view(call: Call) -> ApprovalView {
    let facts = CallFacts {
        method: call.method().to_owned(),
        origin: call.origin(),
        grant: Some(grant().row.id),
    };
    let mut view = Ask {
        number: 6,
        agent: "billing-bot",
        action: "stripe.refund",
        inputs: serde_json::json!({}),
        policy: Some("stripe-calls"),
        ..Ask::default()
    }
    .view();
    view.sentence = compose_call(&view.agent.name, &call, Some("500.00"));
    let row = Arc::make_mut(&mut view.row);
    row.call = Some(facts);
    row.accepts.edits = true;
    Arc::make_mut(&mut view.content).call = Some(Arc::new(call));
    view
}

fn multipart_call() -> Call {
    let mut body = Vec::new();
    body.extend_from_slice(b"--x\r\nContent-Disposition: form-data; name=\"invoice\"; filename=\"inv\xe2\x80\xaefdp.exe\"\r\nContent-Type: application/pdf\r\n\r\n%PDF-1.7\n\0\x01\x02\x03");
    body.extend(std::iter::repeat_n(0x5a, 900));
    body.extend_from_slice(b"\r\n--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n<b>Harmless</b> note, two lines\nof text\r\n--x--\r\n");
    call(
        "PUT",
        "https://files.example.com:8443/upload/2026/11",
        &[("content-type", "multipart/form-data; boundary=x")],
        Some(&body),
    )
}

fn hostile_call() -> Call {
    call(
        "DELETE",
        "http://xn--pypal-4ve.com/v1/%F0%9F%92%A9/../accounts?to=ada%E2%80%AE&to=mallory&x=%3Cscript%3Ealert(1)%3C/script%3E",
        &[
            ("content-type", "application/json"),
            ("x-note", "<script>alert(1)</script>"),
        ],
        Some("{\"amount\": 1, \"amount\": 9007199254740993, \"memo\": \"paid\u{202e}\u{200b}\"}".as_bytes()),
    )
}

fn run(
    view: &ApprovalView,
    state: ExecutionState,
    change: impl FnOnce(&mut ExecutionRow, &mut CallRun),
) -> ApprovalView {
    let mut view = ended(view.clone(), ApprovalStatus::Approved, Some("Ada Lovelace"), None);
    let facts = view.row.call.clone().expect("a call");
    let row = view.execution.as_mut().expect("approved");
    let mut call = CallRun::new(facts, 1);
    call.started_at = Some(ago(58));
    call.attempts = 1;
    row.state = state;
    row.ended_at = state.is_end().then(|| ago(57));
    change(row, &mut call);
    row.call = Some(Box::new(call));
    view
}

fn result(view: &ApprovalView, answer: Option<Answer>) -> CallResult {
    let row = view.execution.clone().expect("approved");
    CallResult {
        state: row.state,
        row,
        answer,
        erased: false,
    }
}

fn whole(view: &ApprovalView) -> ExecutionView {
    let row = view.execution.clone().expect("approved");
    ExecutionView {
        state: row.state,
        agent: view.agent.clone(),
        approval_id: Some(view.row.id),
        content: Arc::clone(&view.content),
        report: None,
        held: false,
        row,
    }
}

fn answer() -> Answer {
    Answer {
        status: 402,
        headers: vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("request-id".to_owned(), "req_Xa81<script>alert(1)</script>".to_owned()),
            ("x-customer-token".to_owned(), "tok_hidden_from_people".to_owned()),
        ],
        body: br#"{"error": {"code": "charge_already_refunded", "message": "Charge has already been refunded."}, "metadata": {"card": {"number": "4242424242424242"}}}"#
            .to_vec()
            .into(),
        truncated: true,
    }
}

fn page(view: &ApprovalView, show: Show, step: Step, answer: Option<Answer>) -> String {
    let grant = grant();
    let mut made = approval(view, &all_permitted(), show, step);
    made.matter = shown::approval::matter(view, Some(&grant), show);
    made.seen = made.matter.seen().expect("renders");
    if view.execution.is_some() {
        let result = result(view, answer);
        made.run = shown::run::run(&result, Some(&grant), None, show, NOW);
        made.settle = shown::run::settle(&result, Some(&grant), true);
    }
    approval_page(view, made)
}

fn editing(view: &ApprovalView, grant: Option<&GrantView>) -> Step {
    let mut step = Step::named("edit");
    if let (Step::Form(form), Some(call)) = (&mut step, &view.content.call) {
        let body = shown::call::typed_body(call, grant);
        form.reach = Reach {
            inputs: "{}".to_owned(),
            context: "{}".to_owned(),
            body_note: body.as_ref().err().copied(),
            body: body.ok(),
            ..Reach::default()
        };
    }
    step
}

/// What policy allowed, with nobody in between.
fn execution(view: &ApprovalView, answer: Option<Answer>, problem: Option<&str>) -> String {
    let grant = grant();
    let result = result(view, answer);
    let mut matter = shown::approval::matter(view, Some(&grant), Show::Start);
    matter.is_allowed = true;
    let mut settle = shown::run::settle(&result, Some(&grant), problem.is_some());
    if let Some(settle) = &mut settle {
        settle.problem = problem.map(str::to_owned);
        settle.typed = "The dashboard shows <b>Harmless</b> nothing.".to_owned();
        settle.state = "failed".to_owned();
    }
    ExecutionPage {
        shell: shell("A call", "inbox"),
        id: result.row.id.to_string(),
        href: "/executions/exe_1".to_owned(),
        created: shown::moment(ago(60), NOW),
        seen: matter.seen().expect("renders"),
        standing: String::new(),
        run: shown::run::run(&result, Some(&grant), None, Show::Start, NOW),
        settle,
        history: vec![],
    }
    .render()
    .expect("renders")
}

fn unsettled(views: &[&ApprovalView], may_settle: bool) -> String {
    ExecutionsPage {
        shell: shell("Calls that need a person", "inbox"),
        rows: views
            .iter()
            .map(|view| shown::execution::unsettled(&whole(view), NOW))
            .collect(),
        may_settle,
        more: (!views.is_empty()).then(|| "3 more are not listed; settle these first.".to_owned()),
    }
    .render()
    .expect("renders")
}

pub(super) fn all() -> Vec<(&'static str, String)> {
    let plain = view(refund_call());
    let plain_body = view(call(
        "POST",
        "https://api.stripe.com/v1/refunds",
        &[("content-type", "application/x-www-form-urlencoded")],
        Some(b"charge=ch_3PqLz2eZvKYlo2C1&amount=50000&reason=requested_by_customer"),
    ));
    let done = run(&plain, ExecutionState::Executed, |_, call| {
        call.status = Some(402);
        call.finished_seq = Some(44);
    });
    let lost = run(&plain, ExecutionState::Indeterminate, |_, call| {
        call.fault = Some(CallFault::TimedOut);
        call.attempts = 2;
    });
    let settled = run(&plain, ExecutionState::Executed, |_, call| {
        call.fault = Some(CallFault::Interrupted);
        call.settled = Some(Settled {
            by: Actor::system("test"),
            at: ago(20),
            seq: 45,
        });
    });
    let failed = run(&plain, ExecutionState::Failed, |_, call| {
        call.fault = Some(CallFault::Forbidden);
    });
    let revoked = run(&plain, ExecutionState::Revoked, |_, call| {
        call.started_at = None;
        call.attempts = 0;
        call.revoked = Some(RevokedBecause::Grant);
    });
    let odd = run(&view(hostile_call()), ExecutionState::Indeterminate, |_, call| {
        call.fault = Some(CallFault::Broken);
    });
    let choose = || Step::Choose;
    vec![
        ("call", page(&plain, Show::Start, choose(), None)),
        ("call-form", page(&plain_body, Show::Start, choose(), None)),
        (
            "call-edit",
            page(&plain_body, Show::Start, editing(&plain_body, None), None),
        ),
        (
            "call-edit-hidden",
            page(&plain, Show::Start, editing(&plain, Some(&grant())), None),
        ),
        (
            "call-multipart",
            page(&view(multipart_call()), Show::Start, choose(), None),
        ),
        (
            "call-hostile",
            page(&view(hostile_call()), Show::Start, choose(), None),
        ),
        (
            "call-answered",
            page(&done, Show::Start, choose(), Some(answer())),
        ),
        ("call-unknown", page(&lost, Show::Start, choose(), None)),
        ("call-settled", page(&settled, Show::Start, choose(), None)),
        ("call-failed", page(&failed, Show::Start, choose(), None)),
        ("call-revoked", page(&revoked, Show::Start, choose(), None)),
        ("execution", execution(&done, Some(answer()), None)),
        (
            "execution-unknown",
            execution(&lost, None, Some("Say how you know: the log keeps it.")),
        ),
        ("execution-unknown-viewer", execution(&lost, None, None)),
        ("executions", unsettled(&[&lost, &odd], true)),
        ("executions-none", unsettled(&[], false)),
    ]
}

/// I7: what the grant hides is on no page, before and after; and nothing doubtful is approved with one press.
#[test]
fn what_a_grant_hides_is_on_no_page_of_a_call() {
    let pages = all();
    for (name, html) in &pages {
        assert!(!html.contains("4242424242424242"), "{name}");
        assert!(!html.contains("tok_hidden_from_people"), "{name}");
    }
    let page = |wanted: &str| {
        pages
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, html)| html)
            .expect("a page")
    };
    assert!(page("call").contains("redacted") && page("call-answered").contains("redacted"));
    let one_press = r#"name="decision" value="approve""#;
    assert!(page("call-form").contains(one_press));
    for name in ["call-hostile", "call-multipart", "call-unknown"] {
        assert!(!page(name).contains(one_press), "{name}");
    }
    assert!(page("call-hostile").contains("Two programs could read this body differently"));
    assert!(page("call-hostile").contains("Two programs could read this query differently"));
    assert!(
        page("call-edit").contains("name=\"body\"") && !page("call-edit-hidden").contains("name=\"body\"")
    );
}

/// Who has no say sees what is known and no form.
#[test]
fn only_who_may_settle_gets_the_form() {
    let pages = all();
    let has = |wanted: &str| {
        let page = pages.iter().find(|(name, _)| *name == wanted);
        page.is_some_and(|(_, html)| html.contains("value=\"executed\""))
    };
    assert!(has("call-unknown") && has("execution-unknown"));
    assert!(!has("execution-unknown-viewer") && !has("call-answered"));
}
