//! What a form of the decision asks for, checked before the engine is asked: what was seen, the second gesture, words.

use serde::Deserialize;
use serde_json::{Map, Value};
use signoff_api::limits::TEXT_CHARS_MAX;
use signoff_core::condition::Condition;
use signoff_core::event::View;
use signoff_core::payload::Hash32;
use signoff_core::standing::StandingTerms;
use signoff_core::time::Micros;
use signoff_engine::request::{Always, Decide, Decision, Edit, Scope};
use signoff_engine::view::{ApprovalView, GrantView};

use crate::console::inert::Show;
use crate::console::shown;
use crate::console::view::approval::{Reach, STEPS};
use crate::console::view::matter::{Gesture, Matter};

/// Recorded with each decision, for whoever wants to render the same view again.
const BUILD: &str = concat!("signoff-console ", env!("CARGO_PKG_VERSION"));
const LOCALE: &str = "en";

/// A form of the decision, as sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct DecisionForm {
    decision: String,
    digest: String,
    view: String,
    confirm: String,
    text: String,
    inputs: String,
    context: String,
    body: Option<String>,
    valid_for: String,
    uses: String,
    condition: String,
    always: String,
}

/// What to ask the engine for.
#[derive(Debug)]
pub(super) enum Wish {
    /// A vote or a question.
    Decide(Box<Decide>),
    /// Call it off.
    Cancel(Option<String>),
}

/// Why the form is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Objection {
    /// No form of ours sends this.
    Unknown,
    /// Something else is shown by now.
    Changed,
    /// Bytes were not shown.
    Hidden,
    /// A field is not as it should be.
    Field(String),
}

impl DecisionForm {
    /// A form that decides on the request as it is.
    pub(super) fn plain(decision: &str, digest: &str, view: &str, confirm: &str, text: &str) -> Self {
        Self {
            decision: decision.to_owned(),
            digest: digest.to_owned(),
            view: view.to_owned(),
            confirm: confirm.to_owned(),
            text: text.to_owned(),
            ..Self::default()
        }
    }

    /// The step that the form belongs to.
    pub(super) fn kind(&self) -> Option<&'static str> {
        STEPS.into_iter().find(|kind| *kind == self.decision)
    }

    /// What was typed, with the line breaks that people meant.
    pub(super) fn words(&self) -> String {
        self.text.replace("\r\n", "\n").trim().to_owned()
    }

    /// What the form asks for, held against what its sender has seen.
    pub(super) fn wish(&self, view: &ApprovalView, grant: Option<&GrantView>) -> Result<Wish, Objection> {
        let words = self.words();
        let kind = self.kind().ok_or(Objection::Unknown)?;
        if words.chars().count() > TEXT_CHARS_MAX {
            return Err(Objection::Field(format!(
                "This is too long: {TEXT_CHARS_MAX} characters are the limit."
            )));
        }
        let said = (!words.is_empty()).then(|| words.clone());
        if kind == "cancel" {
            return Ok(Wish::Cancel(said));
        }
        let (matter, seen) = self.seen(view, grant)?;
        let digest: Hash32 = self.digest.parse().map_err(|_| Objection::Changed)?;
        let needs_words = view.row.requirement.require_decision_reason;
        let decision = match (kind, said) {
            ("approve" | "edit" | "standing" | "always", comment) => {
                self.confirmed(&matter)?;
                if needs_words && comment.is_none() {
                    return Err(Objection::Field("This policy asks for a reason.".to_owned()));
                }
                Decision::Approve {
                    digest,
                    comment,
                    scope: self.scope(kind, view, grant)?,
                }
            }
            ("deny", Some(reason)) => Decision::Deny {
                digest: Some(digest),
                reason,
            },
            ("deny", None) => {
                return Err(Objection::Field(
                    "Say why: the agent and the log need a reason.".to_owned(),
                ));
            }
            (_, Some(question)) => Decision::RequestInfo { question },
            (_, None) => return Err(Objection::Field("Write the question.".to_owned())),
        };
        Ok(Wish::Decide(Box::new(Decide {
            decision,
            view: Some(seen),
        })))
    }

    /// What was typed beside the words, for the form to come back with.
    pub(super) fn reach(&self) -> Reach {
        Reach {
            inputs: self.inputs.clone(),
            context: self.context.clone(),
            body: self.body.as_deref().map(plain_lines),
            body_note: None,
            valid_for: self.valid_for.clone(),
            uses: self.uses.clone(),
            condition: self.condition.clone(),
            always: self.always.clone(),
            outlooks: Vec::new(),
        }
    }

    /// What the approval holds for.
    fn scope(&self, kind: &str, view: &ApprovalView, grant: Option<&GrantView>) -> Result<Scope, Objection> {
        match kind {
            "edit" => Ok(Scope::Edited(Edit {
                inputs: Some(object("The inputs", &self.inputs)?),
                context: Some(object("The context", &self.context)?),
                body: self.body(view, grant)?,
            })),
            "standing" => Ok(Scope::Standing(self.standing()?)),
            "always" if self.always == "policy" => Ok(Scope::Always(Always::Policy)),
            "always" if self.always == "action" => Ok(Scope::Always(Always::Action)),
            "always" => Err(Objection::Field("Choose what is allowed from now on.".to_owned())),
            _ => Ok(Scope::Once),
        }
    }

    /// The body as it should be; none where it stays as it is.
    fn body(&self, view: &ApprovalView, grant: Option<&GrantView>) -> Result<Option<Vec<u8>>, Objection> {
        let (Some(typed), Some(call)) = (&self.body, &view.content.call) else {
            return Ok(None);
        };
        let before = shown::call::typed_body(call, grant).map_err(|why| Objection::Field(why.to_owned()))?;
        let typed = plain_lines(typed);
        Ok((typed != before).then(|| typed.into_bytes()))
    }

    fn standing(&self) -> Result<StandingTerms, Objection> {
        let field = |why: String| Objection::Field(why);
        let valid_for =
            Micros::parse(self.valid_for.trim()).map_err(|why| field(format!("For how long: {why}")))?;
        let uses = match self.uses.trim() {
            "" => None,
            number => Some(
                number
                    .parse()
                    .map_err(|_| field("How often is a whole number, or nothing.".to_owned()))?,
            ),
        };
        let condition = self.condition.trim();
        Ok(StandingTerms {
            valid_for,
            uses,
            condition: (!condition.is_empty()).then(|| Condition::Expression(condition.to_owned())),
        })
    }

    /// The rendering that the sender looked at: one of the two that are valid now.
    fn seen(&self, view: &ApprovalView, grant: Option<&GrantView>) -> Result<(Matter, View), Objection> {
        for show in [Show::All, Show::Start] {
            let matter = shown::approval::matter(view, grant, show);
            let Ok(seen) = matter.seen() else { continue };
            if seen.digest == self.view {
                let digest = seen.digest.parse().map_err(|_| Objection::Changed)?;
                return Ok((
                    matter,
                    View {
                        digest,
                        build: BUILD.to_owned(),
                        locale: LOCALE.to_owned(),
                        via: None,
                    },
                ));
            }
        }
        Err(Objection::Changed)
    }

    /// The second gesture where one is due, and nothing hidden.
    fn confirmed(&self, matter: &Matter) -> Result<(), Objection> {
        if matter.hidden_bytes() > 0 {
            return Err(Objection::Hidden);
        }
        let field = |why: &str| Err(Objection::Field(why.to_owned()));
        match matter.gesture() {
            Gesture::Tick if self.confirm != "yes" => field("Confirm that you have read what will happen."),
            Gesture::Type if !self.confirm.trim().eq_ignore_ascii_case(&matter.action) => {
                field("Type the action’s name exactly as it stands above.")
            }
            _ => Ok(()),
        }
    }
}

/// Forms send line breaks of two characters, whatever was in the field.
fn plain_lines(typed: &str) -> String {
    typed.replace("\r\n", "\n")
}

/// An object as typed, as strict as the API.
fn object(what: &str, typed: &str) -> Result<Map<String, Value>, Objection> {
    let typed = typed.trim();
    let typed = if typed.is_empty() { "{}" } else { typed };
    let wrong = |why: String| Objection::Field(format!("{what} can’t be read: {why}"));
    signoff_core::json::check(typed.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    match serde_json::from_str(typed) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(wrong("write an object, {…}".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}
