//! The page of an execution that no person approved, and the list of those that need one.

use serde_json::Value;
use signoff_core::action::Cost;
use signoff_core::event::ExecutionState;
use signoff_core::sentence::{self, Sentence};
use signoff_core::time::Timestamp;
use signoff_engine::request::EventFilter;
use signoff_engine::view::{ActionView, ExecutionView, GrantView};

use super::approval::{claims, conditions};
use super::moment;
use crate::console::inert::{Inert, Show};
use crate::console::tree::Tree;
use crate::console::view::matter::{Fact, Matter, PolicyName};
use crate::console::view::run::Unsettled;
use crate::console::view::{Level, SentenceView};

/// Records on one page.
const RECORDS: u32 = 50;

fn sentence(view: &ExecutionView, cost: Option<&str>) -> Sentence {
    let content = &view.content;
    match &content.call {
        Some(call) => sentence::compose_call(&view.agent.name, call, cost),
        None => sentence::compose(
            &view.agent.name,
            &view.row.action,
            &Value::Object(content.inputs.clone()),
            &Value::Object(content.context.clone()),
            cost,
        ),
    }
}

/// What is carried out.
pub fn matter(view: &ExecutionView, action: &ActionView, grant: Option<&GrantView>, show: Show) -> Matter {
    let (facts, content) = (&action.facts, &view.content);
    let said = sentence(view, facts.cost.as_ref().map(Cost::as_str));
    let fact = |label, text: &str| Fact {
        label,
        value: Inert::all(text),
        note: None,
    };
    Matter {
        sentence: SentenceView::from(&said),
        assumption: said.assumption,
        action: view.row.action.clone(),
        risk: Level::risk(facts.risk.as_str()),
        priority: Level::priority(facts.priority.as_str()),
        policy: view.row.policy.as_ref().map(|policy| PolicyName {
            name: Inert::all(&policy.name),
            version: policy.version,
        }),
        facts: vec![fact("Agent", &view.agent.name), fact("Action", &view.row.action)],
        call: content
            .call
            .as_ref()
            .map(|call| Box::new(super::call::call(call, grant, show))),
        is_allowed: view.approval_id.is_none(),
        claims: claims(&content.claims, facts.cost.as_ref(), show),
        conditions: conditions(&content.conditions),
        inputs: Tree::new(&Value::Object(content.inputs.clone()), show),
        context: Tree::new(&Value::Object(content.context.clone()), show),
        is_erased: content.erased,
        is_full: show == Show::All,
    }
}

/// Where something stands that the agent carries out itself.
pub fn standing(view: &ExecutionView) -> String {
    match view.state {
        ExecutionState::Ready => "The agent may carry it out.".to_owned(),
        ExecutionState::Consumed => "The agent has started.".to_owned(),
        ExecutionState::Reported => match view.row.outcome {
            Some(outcome) => format!("The agent acted and reports: {outcome}."),
            None => "The agent acted.".to_owned(),
        },
        ExecutionState::Lapsed => "The agent did not act in time.".to_owned(),
        other => format!("It is {other}."),
    }
}

/// The records about it.
pub fn records(id: &str) -> EventFilter {
    EventFilter {
        subject: Some(id.to_owned()),
        limit: RECORDS,
        ..EventFilter::default()
    }
}

/// A call whose end nobody knows, as one line.
pub fn unsettled(view: &ExecutionView, now: Timestamp) -> Unsettled {
    let call = view.row.call.as_ref();
    let fault = call.and_then(|call| call.fault);
    Unsettled {
        href: format!("/executions/{}", view.row.id),
        sentence: SentenceView::from(&sentence(view, None)),
        why: fault.map_or("its end was not recorded", super::run::fault_text),
        begun: call.and_then(|call| call.started_at).map(|at| moment(at, now)),
    }
}
