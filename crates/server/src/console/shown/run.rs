//! What became of a call, in words.

use signoff_core::event::{CallFault, ExecutionState, RevokedBecause};
use signoff_core::rows::{CallRun, ExecutionRow};
use signoff_core::time::Timestamp;
use signoff_engine::view::{Answer, CallResult, EventView, GrantView};

use super::call::{headers, rules};
use super::{moment, who};
use crate::console::body::Body;
use crate::console::inert::{Inert, Show, bytes_text};
use crate::console::view::run::{AnswerShown, Run, SettleForm, Settled};

/// Why a call has no answer.
pub fn fault_text(fault: CallFault) -> &'static str {
    match fault {
        CallFault::Forbidden => "the address is not called",
        CallFault::Unreachable => "nothing could be reached there",
        CallFault::TimedOut => "no answer came in time",
        CallFault::Broken => "the connection broke",
        CallFault::Interrupted => "Signoff ended in the middle of it",
        CallFault::Credential => "the credential could not be had",
    }
}

/// Why a permission was taken back.
pub fn revoked_text(because: RevokedBecause) -> &'static str {
    match because {
        RevokedBecause::Agent => "the agent was turned off",
        RevokedBecause::Stopped => "of a stop",
        RevokedBecause::Grant => {
            "the grant was changed, removed or turned off since, or does not go with the call"
        }
        RevokedBecause::Policy => "policy denies it by now",
        RevokedBecause::Content => "what is stored is not what was approved",
    }
}

/// Where a call stands, in a sentence; with the tone and the symbol of its mark.
fn standing(
    row: &ExecutionRow,
    state: ExecutionState,
    call: &CallRun,
) -> (String, &'static str, &'static str) {
    use ExecutionState as S;
    let because = || {
        call.fault
            .map(|fault| format!(": {}", fault_text(fault)))
            .unwrap_or_default()
    };
    let is_settled = call.settled.is_some();
    match state {
        S::Ready if is_settled => ("To be made once more".to_owned(), "open", "clock"),
        S::Ready => ("To be made now".to_owned(), "open", "clock"),
        S::Executing => ("Being made".to_owned(), "open", "clock"),
        S::Executed if is_settled => ("It ran, as a person found out".to_owned(), "good", "check"),
        S::Failed if is_settled => (
            "It did not run, as a person found out".to_owned(),
            "still",
            "stop",
        ),
        S::Executed => {
            let status = call
                .status
                .map(|status| format!(": answered with {status}"))
                .unwrap_or_default();
            let is_fine = call.status.is_some_and(|status| status < 400);
            (
                format!("Made{status}"),
                if is_fine { "good" } else { "still" },
                "check",
            )
        }
        S::Failed => (format!("Not made{}. Nothing was sent", because()), "bad", "cross"),
        S::Indeterminate => (
            format!("Nobody knows whether it arrived{}", because()),
            "bad",
            "question",
        ),
        S::Lapsed => (
            "Not made in time; the permission lapsed".to_owned(),
            "still",
            "stop",
        ),
        S::Revoked => {
            let why = call
                .revoked
                .map(|why| format!(" because {}", revoked_text(why)))
                .unwrap_or_default();
            (
                format!("Not made: the permission was taken back{why}"),
                "bad",
                "stop",
            )
        }
        S::Consumed | S::Reported => (format!("The execution is {}", row.state), "still", "stop"),
    }
}

/// Where a call stands with what came back. `settled` is the record that settled it.
pub fn run(
    result: &CallResult,
    grant: Option<&GrantView>,
    settled: Option<&EventView>,
    show: Show,
    now: Timestamp,
) -> Option<Run> {
    let row = &result.row;
    let call = row.call.as_ref()?;
    let (text, tone, symbol) = standing(row, result.state, call);
    let mut facts = Vec::new();
    if call.attempts > 1 {
        facts.push(("Attempts", Inert::all(&call.attempts.to_string())));
    }
    Some(Run {
        text: Inert::all(&text),
        tone,
        symbol,
        facts,
        begun: call.started_at.map(|at| moment(at, now)),
        ended: row.ended_at.map(|at| moment(at, now)),
        answer: result.answer.as_ref().map(|answer| answered(answer, grant, show)),
        is_erased: result.erased,
        settled: call.settled.as_ref().map(|by| Settled {
            who: settled.map_or_else(|| Inert::all("an admin"), |event| who(&event.actor)),
            at: moment(by.at, now),
            words: settled.and_then(|event| event.text.as_deref()).map(Inert::all),
        }),
    })
}

fn answered(answer: &Answer, grant: Option<&GrantView>, show: Show) -> AnswerShown {
    let rules = rules(grant);
    let header = |wanted: &str| {
        let mut found = answer.headers.iter().filter(|(name, _)| name == wanted);
        found.next().map(|(_, value)| value.as_str())
    };
    let body = Body::read(
        header("content-type"),
        header("content-encoding"),
        &answer.body,
        &rules,
        show,
    );
    let lines = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let headers = headers(lines, &rules, show);
    let cut = headers.iter().filter_map(|header| header.value.as_ref());
    let hidden = body.hidden_bytes() + cut.map(|value| value.hidden_bytes).sum::<usize>();
    AnswerShown {
        status: answer.status,
        tone: match answer.status {
            ..300 => "good",
            300..400 => "still",
            _ => "bad",
        },
        headers,
        body,
        is_truncated: answer.truncated,
        hidden_text: (hidden > 0).then(|| bytes_text(hidden)),
    }
}

/// What an admin is asked where nobody knows the end of a call; none where it is known.
pub fn settle(result: &CallResult, grant: Option<&GrantView>, may: bool) -> Option<SettleForm> {
    let call = result.row.call.as_ref()?;
    if result.state != ExecutionState::Indeterminate {
        return None;
    }
    let why = call.fault.map_or("its end was not recorded", fault_text);
    let mut known = vec![format!(
        "The first bytes may have left: {why}. Whether {} did what was asked is not known.",
        call.facts.origin
    )];
    known.push(if call.facts.is_safe() {
        format!(
            "{} changes nothing where it is kept to, so a second call does no harm.",
            call.facts.method
        )
    } else {
        "Look there first: in its log or its dashboard, by time and amount.".to_owned()
    });
    if let Some(promise) = grant.and_then(|view| view.row.grant.idempotent.as_ref()) {
        known.push(format!(
            "Its provider is said to know a call again by {} for {}.",
            promise.header, promise.window
        ));
    }
    Some(SettleForm {
        href: format!("/executions/{}/settle", result.row.id),
        may,
        known: known.iter().map(|words| Inert::all(words)).collect(),
        state: String::new(),
        typed: String::new(),
        problem: None,
    })
}
