//! A request as HumanLayer's clients read it. Nothing that is not approved ever reads as approved, and whatever ends
//! without an approval is a denial with words: these clients ask for ever, and some fail on a denial without any.

use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use signoff_core::action::Action;
use signoff_core::event::ApprovalStatus;
use signoff_core::json;
use signoff_core::policy::Effect;
use signoff_core::time::Timestamp;
use signoff_engine::view::{ActionView, ApprovalView, Content};

use super::ask::{ARGUMENT, CONTEXT, Kind};
use super::choice;
use crate::Doors;
use crate::dialects::permission::Permission;

/// Whether an answer waits for the decision.
#[derive(Debug, Clone, Copy)]
pub(super) enum Held {
    /// As it stands.
    No,
    /// At most so long.
    For(Duration),
}

/// What became of a request.
enum End {
    /// Nothing yet.
    Open,
    /// A person, or policy that changed, let it go on; with their words.
    Approved(Option<String>),
    /// It may not go on, and why.
    Denied(String),
}

/// A request in HumanLayer's terms.
pub(super) struct Seen {
    object: Map<String, Value>,
    spec: Map<String, Value>,
    /// As the client wrote it.
    state: Option<String>,
}

impl Seen {
    /// An approval; none if it did not come by this dialect, is of the other kind, or was erased.
    pub(super) fn of(kind: Kind, doors: &Doors, view: &ApprovalView) -> Option<Self> {
        let mut seen = Self::spec(kind, &view.row.action, &view.content)?;
        let url = doors.engine().approval_url(view.row.id);
        seen.object.insert("signoff_url".to_owned(), json!(url));
        seen.status(kind, view.row.created_at, view.row.decided_at, end(view));
        Some(seen)
    }

    /// A request on its way in, before anything became of it.
    pub(super) fn asked(kind: Kind, action: &Action) -> Option<Self> {
        let content = Content {
            inputs: action.inputs.clone(),
            context: action.context.clone(),
            claims: action.claims.clone(),
            ..Content::default()
        };
        Self::spec(kind, &action.name, &content)
    }

    /// Whether both ask the same, in whichever run.
    pub(super) fn asks_the_same(&self, other: &Self) -> bool {
        // Kept contents have numbers in their canonical form.
        let written = |seen: &Self| json::canonical(&seen.spec).ok();
        written(self).is_some_and(|spec| Some(spec) == written(other)) && self.state == other.state
    }

    /// What policy answered by itself.
    pub(super) fn decided_at_once(kind: Kind, view: &ActionView) -> Option<Self> {
        let mut seen = Self::spec(kind, &view.action, &view.content)?;
        let end = match view.submitted.effect {
            Effect::Allow => End::Approved(Some("Allowed by policy.".to_owned())),
            Effect::Deny => {
                let why = view.submitted.reason.clone();
                End::Denied(why.unwrap_or_else(|| "Denied by policy.".to_owned()))
            }
            Effect::Ask => End::Open,
        };
        seen.status(kind, view.created_at, Some(view.created_at), end);
        Some(seen)
    }

    fn spec(kind: Kind, action: &str, content: &Content) -> Option<Self> {
        let ours = content.context.get(CONTEXT)?.as_object()?;
        if ours.get("kind")?.as_str()? != kind.word() {
            return None;
        }
        let take = |name: &str| ours.get(name).cloned().unwrap_or_default();
        let input = |name: &str| content.inputs.get(name).cloned().unwrap_or_default();
        let mut spec = Map::from_iter([("channel".to_owned(), take("channel"))]);
        match kind {
            Kind::Call => {
                let kwargs = match take("single_argument") {
                    Value::Bool(true) => input(ARGUMENT),
                    _ => Value::Object(content.inputs.clone()),
                };
                spec.insert("fn".to_owned(), json!(action));
                spec.insert("kwargs".to_owned(), kwargs);
                spec.insert("reject_options".to_owned(), take("reject_options"));
            }
            Kind::Contact => {
                for name in ["msg", "subject", "response_options"] {
                    spec.insert(name.to_owned(), input(name));
                }
            }
        }
        let trace = content.claims.trace.as_ref();
        let run_id = trace.and_then(|trace| trace.run_id.clone()).unwrap_or_default();
        let object = Map::from_iter([
            ("run_id".to_owned(), json!(run_id)),
            ("call_id".to_owned(), take("call_id")),
        ]);
        Some(Self {
            object,
            spec,
            state: ours.get("state").and_then(Value::as_str).map(str::to_owned),
        })
    }

    fn status(&mut self, kind: Kind, asked: Timestamp, ended: Option<Timestamp>, end: End) {
        let options = match kind {
            Kind::Call => "reject_options",
            Kind::Contact => "response_options",
        };
        let options = self.spec.get(options).and_then(Value::as_array);
        let options = options.map_or(&[][..], Vec::as_slice);
        let ended = ended
            .filter(|_| !matches!(end, End::Open))
            .map(|at| at.to_string());
        let mut status = match kind {
            Kind::Call => call_status(options, end),
            Kind::Contact => contact_status(options, end),
        };
        status.insert("requested_at".to_owned(), json!(asked.to_string()));
        status.insert("responded_at".to_owned(), json!(ended));
        self.object.insert("status".to_owned(), Value::Object(status));
    }

    /// As text, with the state as the client wrote it.
    pub(super) fn to_json(&self) -> String {
        let opened = |object: &Map<String, Value>| {
            let mut text = Value::Object(object.clone()).to_string();
            text.pop();
            text
        };
        let state = self.state.as_deref().unwrap_or("null");
        format!(
            "{},\"spec\":{},\"state\":{state}}}}}",
            opened(&self.object),
            opened(&self.spec)
        )
    }
}

/// The whole object, as every answer has it.
pub(super) fn answer(seen: &Seen) -> Response {
    ([(CONTENT_TYPE, "application/json")], seen.to_json()).into_response()
}

fn call_status(options: &[Value], end: End) -> Map<String, Value> {
    let (approved, comment, option) = match end {
        End::Open => (None, None, None),
        End::Approved(comment) => (Some(true), comment, None),
        End::Denied(why) => {
            let said = choice::read(options, Some(&why));
            (Some(false), said.words.or(Some(why)), said.option)
        }
    };
    Map::from_iter([
        ("approved".to_owned(), json!(approved)),
        ("comment".to_owned(), json!(comment)),
        ("reject_option_name".to_owned(), json!(option)),
        ("slack_message_ts".to_owned(), Value::Null),
    ])
}

/// The answer is what a person wrote. An end without an answer is said in words that can't be taken for one.
fn contact_status(options: &[Value], end: End) -> Map<String, Value> {
    let (response, option) = match end {
        End::Open => (None, None),
        End::Approved(None) => (
            Some("[no answer] The question was closed without an answer.".to_owned()),
            None,
        ),
        End::Approved(Some(text)) => {
            let said = choice::read(options, Some(&text));
            (said.words.or(Some(text)), said.option)
        }
        End::Denied(why) => (Some(format!("[no answer] {why}")), None),
    };
    Map::from_iter([
        ("response".to_owned(), json!(response)),
        ("response_option_name".to_owned(), json!(option)),
    ])
}

fn end(view: &ApprovalView) -> End {
    let words = view
        .decision_reason
        .clone()
        .filter(|words| !words.trim().is_empty());
    match view.row.status {
        ApprovalStatus::Pending | ApprovalStatus::InfoRequested => End::Open,
        ApprovalStatus::Approved | ApprovalStatus::Answered => match Permission::of(view) {
            Permission::Given => End::Approved(words),
            Permission::Held => End::Open,
            Permission::RanOut => {
                End::Denied("Approved, but the permission ran out before it was picked up".to_owned())
            }
            Permission::TakenBack => {
                End::Denied("Approved, but taken back before it was picked up".to_owned())
            }
        },
        ApprovalStatus::Denied => End::Denied(words.unwrap_or_else(|| "Denied".to_owned())),
        ApprovalStatus::Expired => {
            let waited = view.row.decide_by.map(|at| view.row.created_at.until(at));
            let waited = waited.map(|time| format!(" after {time}")).unwrap_or_default();
            End::Denied(format!("Expired{waited}, no decision"))
        }
        ApprovalStatus::Cancelled => End::Denied(match words {
            Some(words) => format!("Cancelled: {words}"),
            None => "Cancelled, no decision".to_owned(),
        }),
        ApprovalStatus::Superseded => End::Denied("Another request took its place, no decision".to_owned()),
    }
}
