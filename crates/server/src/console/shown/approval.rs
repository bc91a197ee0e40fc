//! The page of one approval from the engine's view of it.

use serde_json::Value;
use signoff_core::action::{Claims, Cost};
use signoff_core::condition::{self, Outcome as Held};
use signoff_core::event::{ApprovalStatus, Ballot, ExecutionState, Via};
use signoff_core::sentence::money;
use signoff_core::time::Micros;
use signoff_engine::request::Always;
use signoff_engine::view::{AlwaysView, ApprovalView, DeliveryState, EventView, GrantView};

use super::{moment, who, who_text};
use crate::api::convert::ToWire;
use crate::console::inert::{Inert, Show};
use crate::console::tree::Tree;
use crate::console::view::approval::{HistoryRow, Outcome, Outlook, Question, Told, Vote};
use crate::console::view::matter::{Claim, Condition, Fact, Matter, PolicyName};
use crate::console::view::{Level, SentenceView, span};

/// What is judged. Holds nothing that changes with time. `grant` is the one that its call names.
pub fn matter(view: &ApprovalView, grant: Option<&GrantView>, show: Show) -> Matter {
    let row = &view.row;
    Matter {
        sentence: SentenceView::from(&view.sentence),
        assumption: view.sentence.assumption,
        action: row.action.clone(),
        risk: Level::risk(row.risk.as_str()),
        priority: Level::priority(row.priority.as_str()),
        policy: row.policy.as_ref().map(|policy| PolicyName {
            name: Inert::all(&policy.name),
            version: policy.version,
        }),
        facts: facts(view),
        call: view
            .content
            .call
            .as_ref()
            .map(|call| Box::new(super::call::call(call, grant, show))),
        is_allowed: false,
        claims: claims(&view.content.claims, row.cost.as_ref(), show),
        conditions: conditions(&view.content.conditions),
        inputs: Tree::new(&Value::Object(view.content.inputs.clone()), show),
        context: Tree::new(&Value::Object(view.content.context.clone()), show),
        is_erased: view.content.erased,
        is_full: show == Show::All,
    }
}

fn facts(view: &ApprovalView) -> Vec<Fact> {
    let row = &view.row;
    let fact = |label, text: &str| Fact {
        label,
        value: Inert::all(text),
        note: None,
    };
    let owner = view
        .owner
        .as_ref()
        .map(|owner| format!("owned by {}", signoff_core::sentence::tame(&who_text(owner))));
    let mut facts = vec![
        Fact {
            note: owner,
            ..fact("Agent", &view.agent.name)
        },
        fact("Action", &row.action),
    ];
    if let Some(application) = row.application {
        facts.push(fact("Asked through", &application.to_string()));
    }
    if let Some(replaced) = row.replaces {
        facts.push(fact("Replaces", &replaced.to_string()));
    }
    let within = length(row.valid_for);
    let valid = match row.call {
        Some(_) => format!("Signoff makes the call itself, once, within {within}"),
        None => format!("must be used within {within}, once"),
    };
    facts.push(fact("If approved", &valid));
    facts
}

fn length(length: Micros) -> String {
    span(length.as_seconds())
}

/// What the agent says.
pub fn claims(said: &Claims, cost: Option<&Cost>, show: Show) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut add = |label, text: Option<&str>| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            claims.push(Claim {
                label,
                text: Inert::new(text, show),
            });
        }
    };
    add("Reason", said.reason.as_deref());
    add("Description", said.description.as_deref());
    add("Intent", said.intent.as_deref());
    add("On behalf of", said.requested_by.as_deref());
    let cost = cost.map(|cost| cost_text(cost.as_str()));
    add("Estimated cost", cost.as_deref());
    if let Some(trace) = &said.trace {
        add("Run", trace.run_id.as_deref());
        add("Task", trace.task_id.as_deref());
        add("Mission", trace.mission_id.as_deref());
        add("Parent", trace.parent.as_deref());
    }
    claims
}

/// A cost with its currency.
pub fn cost_text(cost: &str) -> String {
    money(cost, Some("USD")).unwrap_or_else(|| format!("{cost} USD"))
}

/// The policy's conditions, each with what it saw.
pub fn conditions(reports: &[condition::Report]) -> Vec<Condition> {
    reports.iter().map(condition).collect()
}

fn condition(report: &condition::Report) -> Condition {
    Condition {
        expression: Inert::all(&report.expression),
        saw: report.saw.as_ref().map(|value| Inert::all(&value.to_string())),
        result: match report.result {
            Held::True => "true",
            Held::False => "false",
            Held::Error => "error",
        },
        error: report.error.as_deref().map(Inert::all),
    }
}

/// How an approval ended; none while it is open.
pub fn outcome(view: &ApprovalView, may_release: bool) -> Option<Outcome> {
    let row = &view.row;
    let at = row.decided_at.filter(|_| row.status.is_terminal())?;
    Some(Outcome {
        text: Inert::all(&end_text(view)),
        at: moment(at, view.now),
        words: view.decision_reason.as_deref().map(Inert::all),
        next: next_text(view),
        may_release: may_release && is_held(view),
    })
}

/// How it ended in a few words: "Denied by Ada Lovelace".
pub fn end_text(view: &ApprovalView) -> String {
    let by = match (view.row.note.as_deref(), &view.decided_by) {
        (Some("auto_approve"), _) => "Signoff itself, without a person (--auto-approve)".to_owned(),
        (Some("policy_changed" | "orphaned"), _) => "a change of policy".to_owned(),
        (Some("agent_disabled"), _) => "Signoff, because the agent was turned off".to_owned(),
        (Some("stopped"), _) => "Signoff, because of a stop".to_owned(),
        (_, Some(actor)) => who_text(actor),
        (_, None) => "policy".to_owned(),
    };
    match view.row.status {
        ApprovalStatus::Pending | ApprovalStatus::InfoRequested => "Still waiting".to_owned(),
        ApprovalStatus::Approved => format!("Approved by {by}"),
        ApprovalStatus::Answered => format!("Answered by {by}"),
        ApprovalStatus::Denied => format!("Denied by {by}"),
        ApprovalStatus::Expired => "Nobody decided in time".to_owned(),
        ApprovalStatus::Cancelled => format!("Cancelled by {by}"),
        ApprovalStatus::Superseded => "Replaced by a newer request of the same agent".to_owned(),
    }
}

/// Whether it waits for somebody to release it, and still can be.
fn is_held(view: &ApprovalView) -> bool {
    view.held && view.execution.as_ref().is_some_and(|run| run.run_by > view.now)
}

fn next_text(view: &ApprovalView) -> String {
    let Some(run) = &view.execution else {
        return match view.row.status {
            ApprovalStatus::Denied | ApprovalStatus::Expired => {
                "The agent was told no. It may ask again.".to_owned()
            }
            ApprovalStatus::Superseded => "Decide on the newer request instead.".to_owned(),
            _ => String::new(),
        };
    };
    if is_held(view) {
        return format!(
            "Held: the database was restored or failed over since this was approved, so it may have run already. An \
             admin looks, and releases it within {}.",
            length(view.now.until(run.run_by))
        );
    }
    if run.call.is_some() {
        // What became of it stands in a part of its own.
        return String::new();
    }
    match run.state {
        ExecutionState::Ready if run.run_by > view.now => {
            format!(
                "The agent was told yes and may act once within {}.",
                length(view.now.until(run.run_by))
            )
        }
        ExecutionState::Ready | ExecutionState::Lapsed => {
            "The agent did not act in time; the permission has lapsed.".to_owned()
        }
        ExecutionState::Consumed | ExecutionState::Executing => "The agent has started.".to_owned(),
        ExecutionState::Reported => match run.outcome {
            Some(outcome) => format!("The agent acted and reports: {outcome}."),
            None => "The agent acted.".to_owned(),
        },
        ExecutionState::Executed => "It was carried out.".to_owned(),
        ExecutionState::Failed => "It was not carried out: the call failed before it was sent.".to_owned(),
        ExecutionState::Indeterminate => {
            "Whether it was carried out is not known; an admin must settle it.".to_owned()
        }
        ExecutionState::Revoked => "The permission was taken back before the agent acted.".to_owned(),
    }
}

/// The votes, oldest first.
pub fn votes(view: &ApprovalView) -> Vec<Vote> {
    view.votes
        .iter()
        .map(|vote| {
            let (word, tone) = match (vote.ballot, vote.via) {
                (Ballot::Approve, None) => ("approved", "good"),
                (Ballot::Approve, Some(Via::Link { .. })) => ("approved by a personal link", "good"),
                (Ballot::Approve, Some(Via::Channel { .. })) => ("approved in a message", "good"),
                (Ballot::Deny, None) => ("denied", "bad"),
                (Ballot::Deny, Some(Via::Link { .. })) => ("denied by a personal link", "bad"),
                (Ballot::Deny, Some(Via::Channel { .. })) => ("denied in a message", "bad"),
            };
            Vote {
                who: who(&vote.actor),
                word,
                tone,
                is_counted: vote.counted,
                comment: vote.comment.as_deref().map(Inert::all),
                at: moment(vote.at, view.now),
            }
        })
        .collect()
}

/// Questions and answers, oldest first.
pub fn thread(view: &ApprovalView) -> Vec<Question> {
    view.info
        .iter()
        .map(|info| Question {
            text: Inert::all(info.question.as_deref().unwrap_or("(erased)")),
            asked_by: who(&info.asked_by),
            asked_at: moment(info.asked_at, view.now),
            answer: info.answered_at.map(|at| {
                (
                    Inert::all(info.answer.as_deref().unwrap_or("(erased)")),
                    moment(at, view.now),
                )
            }),
        })
        .collect()
}

/// How long telling may take before its lack is worth a word.
const TOLD_WITHIN: Micros = Micros::seconds(10);

/// That nobody was told, once there was time to.
pub fn told_nobody(view: &ApprovalView) -> Option<&'static str> {
    let had_time = view.row.created_at.until(view.now) > TOLD_WITHIN;
    (view.told.is_empty() && had_time)
        .then_some("Nobody was told of this by a channel: it is found in the inbox alone.")
}

/// Who was told.
pub fn told(view: &ApprovalView) -> Vec<Told> {
    view.told
        .iter()
        .map(|told| {
            let (word, tone) = delivery(told.state);
            let what = match told.kind.split('.').nth(1) {
                Some("pending" | "requested") => "that it waits",
                Some("escalated") => "that it still waits",
                Some("info_requested") => "the question",
                Some("info_answered" | "answered") => "the answer",
                _ => "how it ended",
            };
            let channel = Inert::all(&told.channel.name);
            let (whom, channel) = match &told.recipient {
                Some(person) => (Inert::all(&person.name), Some(channel)),
                None => (channel, None),
            };
            Told {
                whom,
                what,
                how: super::channel::kind_words(told.how),
                channel,
                word,
                tone,
                error: told.error.as_deref().map(Inert::all),
                at: moment(told.at, view.now),
            }
        })
        .collect()
}

/// Where a message stands, and the class of its mark.
pub fn delivery(state: DeliveryState) -> (&'static str, &'static str) {
    match state {
        DeliveryState::Waiting => ("on its way", "still"),
        DeliveryState::Delivered => ("delivered", "good"),
        DeliveryState::Failed => ("given up", "bad"),
        DeliveryState::Skipped => ("not sent, it was over before", "still"),
    }
}

/// An object as one edits it.
pub fn typed(object: &serde_json::Map<String, Value>) -> String {
    serde_json::to_string_pretty(object).unwrap_or_default()
}

/// What allowing it for ever would come to.
pub fn outlook(view: &ApprovalView, always: Always, outlook: &AlwaysView) -> Outlook {
    let (scope, text) = match always {
        Always::Action => (
            "action",
            format!(
                "“{}” by {}, whatever else it says",
                view.row.action, view.agent.name
            ),
        ),
        Always::Policy => {
            let policy = view.row.policy.as_ref().map_or("", |policy| policy.name.as_str());
            (
                "policy",
                format!("everything that the policy “{policy}” asks for"),
            )
        }
    };
    let covered = &outlook.covered;
    let total = covered.approved + covered.denied + covered.expired + covered.other;
    let policy = serde_json::to_string_pretty(&outlook.policy.to_wire()).unwrap_or_default();
    Outlook {
        scope,
        text: Inert::all(&text),
        covered: format!(
            "In the last 30 days {total} such requests: people approved {} and denied {}. Waiting now and let through with it: {}.",
            covered.approved, covered.denied, outlook.pending
        ),
        policy: Inert::all(&policy),
    }
}

/// Records of the log, oldest first.
pub fn history(events: &[EventView], now: signoff_core::time::Timestamp) -> Vec<HistoryRow> {
    events
        .iter()
        .map(|event| HistoryRow {
            sequence: event.record.seq,
            href: format!("/audit/{}", event.record.seq),
            what: Inert::all(&event.summary),
            who: who(&event.actor),
            at: moment(event.record.time, now),
        })
        .collect()
}
