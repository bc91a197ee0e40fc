//! The agent of the demonstration: checks, asks, waits, answers questions, and acts once if it may.

use anyhow::Context;
use serde_json::{Value, json};
use signoff_api::action::{Accepts, Submit, Verdict, VerdictKind};
use signoff_api::approval::{Answer, Approval, ApprovalStatus};
use signoff_api::execution::{Outcome, Report};
use signoff_api::{Decimal, Risk, Until};
use signoff_client::{Client, Progress, SubmitOptions, WaitOptions, Waited, retry};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::stage::AGENT;
use super::story::Story;
use super::upstream::Upstream;
use crate::progress::Waiting;
use crate::{output, random};

const ANSWER: &str = "Charges ch_1042 and ch_1043: same card, same order, same amount, 40 seconds apart. \
    The customer wrote in ticket T-1042 that one of them is wrong.";

/// The request while it waits.
pub(super) struct Asking {
    /// `apr_…`.
    pub(super) approval_id: String,
}

/// What came of it.
pub(super) struct Asked {
    /// `apr_…`.
    pub(super) approval_id: String,
    /// How it ended.
    pub(super) status: ApprovalStatus,
    /// Whether the agent acted and said so.
    pub(super) reported: bool,
}

/// Shows what policy says of three actions. A check leaves no trace.
pub(super) async fn check_beforehand(story: &mut Story, client: &Client) -> anyhow::Result<()> {
    story.heading(&format!(
        "{AGENT} looks at what it may do; a check asks nobody and leaves no trace"
    ));
    story.blank();
    let delete = Submit {
        action: "customer.delete".to_owned(),
        inputs: json!({"customer": "cus_ABC123"}).as_object().cloned(),
        ..Submit::default()
    };
    let cases = [
        ("refund $20.00", refund("20.00")),
        ("delete cus_ABC123", delete),
        ("refund $500.00", refund("500.00")),
    ];
    for (words, action) in cases {
        let verdict = client.action_check(&action).await?;
        story.plain(&format!("  {words:<20} {}", said(&verdict)));
    }
    story.blank();
    Ok(())
}

fn said(verdict: &Verdict) -> String {
    let policy = verdict
        .policy
        .as_ref()
        .map_or("no policy", |policy| policy.name.as_str());
    match verdict.verdict {
        VerdictKind::Allowed => format!("allowed by {policy}"),
        VerdictKind::Denied => format!("denied by {policy}"),
        VerdictKind::PendingApproval => format!("{policy} asks a person"),
    }
}

/// Submits the refund that needs a person.
pub(super) async fn ask(story: &mut Story, client: &Client) -> anyhow::Result<Asking> {
    let options = SubmitOptions {
        idempotency_key: Some(random::key("demo")?),
        ..SubmitOptions::default()
    };
    let answer = client.action_submit(&refund("500.00"), &options).await?;
    let approval_id = answer
        .approval_id
        .context("the refund was decided by policy alone, though a person should be asked")?;
    story.heading(&format!("{AGENT} asks for $500.00 back to cus_ABC123, and waits"));
    story.blank();
    Ok(Asking { approval_id })
}

fn refund(amount: &str) -> Submit {
    Submit {
        action: "stripe.refund".to_owned(),
        inputs: json!({"customer": "cus_ABC123", "amount": amount, "currency": "USD", "charge": "ch_1043"})
            .as_object()
            .cloned(),
        context: json!({"ticket": "T-1042", "order": "1042", "customer_since": "2021-03-14"})
            .as_object()
            .cloned(),
        reason: Some("The customer was charged twice for order 1042.".to_owned()),
        intent: Some("Answer ticket T-1042.".to_owned()),
        risk: Some(Risk::Medium),
        estimated_cost: Some(Decimal(amount.to_owned())),
        accepts: Some(vec![Accepts::InfoRequests]),
        ..Submit::default()
    }
}

/// Waits for the end, answers what people want to know, and acts if the answer is yes.
pub(super) async fn wait_and_act(
    story: &mut Story,
    client: &Client,
    asking: &Asking,
    upstream: &Upstream,
) -> anyhow::Result<Asked> {
    let approval = wait(client, &asking.approval_id).await?;
    tell_decision(story, &approval);
    let mut asked = Asked {
        approval_id: approval.id.clone(),
        status: approval.status,
        reported: false,
    };
    if approval.status == ApprovalStatus::Approved {
        act(story, client, &approval, upstream).await?;
        asked.reported = true;
    } else {
        story.plain(&format!("  {AGENT} stops: the payment service is not called"));
    }
    story.blank();
    Ok(asked)
}

async fn wait(client: &Client, id: &str) -> anyhow::Result<Approval> {
    let mut line = Waiting::start(&format!("{AGENT} waits for a decision"), None, false);
    let (questions, unanswered) = unbounded_channel();
    let options = WaitOptions {
        until: Until::Changed,
        ..WaitOptions::default()
    };
    let waiting = client.wait_for_decision(id, options, |progress| {
        line.note(&progress);
        if let Progress::Seen(approval) = progress
            && approval.status == ApprovalStatus::InfoRequested
        {
            // The other end is gone only when this wait is over.
            let _ = questions.send(());
        }
    });
    let waited = tokio::select! {
        waited = waiting => waited?,
        never = answer_questions(client, id, unanswered) => match never? {},
    };
    match waited {
        Waited::Decided(approval) => Ok(*approval),
        Waited::OutOfTime => anyhow::bail!("the wait ended without a decision"),
    }
}

/// Answers for as long as somebody asks.
async fn answer_questions(
    client: &Client,
    id: &str,
    mut unanswered: UnboundedReceiver<()>,
) -> anyhow::Result<std::convert::Infallible> {
    while unanswered.recv().await.is_some() {
        let answer = Answer {
            answer: ANSWER.to_owned(),
        };
        match client.approval_answer(id, &answer).await {
            Ok(_) => output::talk(&format!("{AGENT} answers: “{ANSWER}”")),
            // A decision may come before the answer, or the same question may be seen twice.
            Err(error) if error.problem().is_some() => {}
            Err(error) => return Err(error.into()),
        }
    }
    std::future::pending().await
}

fn tell_decision(story: &mut Story, approval: &Approval) {
    let by = approval
        .decided_by
        .as_ref()
        .map(|by| format!(" by {}", by.name.as_deref().unwrap_or(&by.id)))
        .unwrap_or_default();
    let words = approval
        .decision_reason
        .as_ref()
        .map(|reason| format!(": “{reason}”"))
        .unwrap_or_default();
    let good = approval.status == ApprovalStatus::Approved;
    story.verdict(good, &format!("{}{by}{words}", approval.status));
    story.blank();
}

/// Takes the permission, sends exactly what was approved, says how it went.
async fn act(
    story: &mut Story,
    client: &Client,
    approval: &Approval,
    upstream: &Upstream,
) -> anyhow::Result<()> {
    let id = approval
        .execution_id
        .as_deref()
        .context("the approval names no execution")?;
    let (taking, reporting) = (random::key("demo")?, random::key("demo")?);
    let patience = WaitOptions::default().grace;
    let execution = retry(patience, || client.execution_consume(id, Some(&taking))).await?;
    story.plain(&format!("  {AGENT} takes the permission; it can be taken once"));
    // Never repeated: whether a lost answer means a refund, only the payment service knows.
    let paid = upstream.refund(&execution.inputs).await;
    let (outcome, detail) = match &paid {
        Ok(answer) => (Outcome::Success, said_by_the_service(answer)),
        Err(error) => (Outcome::Failure, format!("{error:#}")),
    };
    story.plain(&format!("  the payment service answers: {detail}"));
    let report = Report {
        outcome,
        detail: Some(detail),
        result: paid.as_ref().ok().and_then(|answer| answer.as_object().cloned()),
    };
    retry(patience, || {
        client.execution_report(id, &report, Some(&reporting))
    })
    .await?;
    story.plain(&format!("  {AGENT} reports: {outcome}"));
    paid.map(drop)
}

/// Such as `re_1 succeeded, amount 500.00, customer cus_ABC123`.
fn said_by_the_service(answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let sent = &answer["echo"];
    format!(
        "{} {}, amount {}, customer {}",
        text(&answer["id"]),
        text(&answer["status"]),
        text(&sent["amount"]),
        text(&sent["customer"])
    )
}
