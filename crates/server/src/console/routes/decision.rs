//! What a form of the decision asks for, checked before the engine is asked: what was seen, the second gesture, words.

use serde::Deserialize;
use signoff_api::limits::TEXT_CHARS_MAX;
use signoff_core::event::View;
use signoff_core::payload::Hash32;
use signoff_engine::request::{Decide, Decision};
use signoff_engine::view::ApprovalView;

use crate::console::inert::Show;
use crate::console::shown;
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
}

/// What to ask the engine for.
#[derive(Debug)]
pub(super) enum Wish {
    /// A vote or a question.
    Decide(Decide),
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
    /// The step that the form belongs to.
    pub(super) fn kind(&self) -> Option<&'static str> {
        ["approve", "deny", "ask", "cancel"]
            .into_iter()
            .find(|kind| *kind == self.decision)
    }

    /// What was typed, with the line breaks that people meant.
    pub(super) fn words(&self) -> String {
        self.text.replace("\r\n", "\n").trim().to_owned()
    }

    /// What the form asks for, held against what its sender has seen.
    pub(super) fn wish(&self, view: &ApprovalView) -> Result<Wish, Objection> {
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
        let (matter, seen) = self.seen(view)?;
        let digest: Hash32 = self.digest.parse().map_err(|_| Objection::Changed)?;
        let needs_words = view.row.requirement.require_decision_reason;
        let decision = match (kind, said) {
            ("approve", comment) => {
                self.confirmed(&matter)?;
                if needs_words && comment.is_none() {
                    return Err(Objection::Field("This policy asks for a reason.".to_owned()));
                }
                Decision::Approve { digest, comment }
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
        Ok(Wish::Decide(Decide {
            decision,
            view: Some(seen),
        }))
    }

    /// The rendering that the sender looked at: one of the two that are valid now.
    fn seen(&self, view: &ApprovalView) -> Result<(Matter, View), Objection> {
        for show in [Show::All, Show::Start] {
            let matter = shown::approval::matter(view, show);
            let Ok(seen) = matter.seen() else { continue };
            if seen.digest == self.view {
                let digest = seen.digest.parse().map_err(|_| Objection::Changed)?;
                return Ok((
                    matter,
                    View {
                        digest,
                        build: BUILD.to_owned(),
                        locale: LOCALE.to_owned(),
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
