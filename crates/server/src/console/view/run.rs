//! What became of a call: where it stands, what came back, and what a person has to say where nobody knows.

use askama::Template;

use super::approval::HistoryRow;
use super::call::Header;
use super::matter::Seen;
use super::{Moment, SentenceView, Shell};
use crate::console::body::Body;
use crate::console::inert::Inert;

/// Where a call stands.
#[derive(Debug, Clone)]
pub struct Run {
    /// In a sentence.
    pub text: Inert,
    /// "open", "good", "bad" or "still": the mark's class.
    pub tone: &'static str,
    /// The symbol of its mark.
    pub symbol: &'static str,
    /// What is known: label and value.
    pub facts: Vec<(&'static str, Inert)>,
    /// When it was begun.
    pub begun: Option<Moment>,
    /// When it ended.
    pub ended: Option<Moment>,
    /// What came back.
    pub answer: Option<AnswerShown>,
    /// It was kept, and was erased.
    pub is_erased: bool,
    /// Who said what became of it, where nobody knew.
    pub settled: Option<Settled>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct AnswerShown {
    /// The status.
    pub status: u16,
    /// "good", "bad" or "still": the mark's class.
    pub tone: &'static str,
    /// Headers, in order.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Body,
    /// There was more, or it broke off.
    pub is_truncated: bool,
    /// Bytes that are kept and not shown here.
    pub hidden_text: Option<String>,
}

/// What a person said of a call whose end was not known.
#[derive(Debug, Clone)]
pub struct Settled {
    /// Who.
    pub who: Inert,
    /// When.
    pub at: Moment,
    /// Why.
    pub words: Option<Inert>,
}

/// The form of an admin who found out what became of a call.
#[derive(Debug, Clone)]
pub struct SettleForm {
    /// Where it goes.
    pub href: String,
    /// Whether this person may say so.
    pub may: bool,
    /// What is known of the call, in sentences.
    pub known: Vec<Inert>,
    /// What was chosen before, if the form comes back.
    pub state: String,
    /// What was typed before.
    pub typed: String,
    /// What was wrong with it.
    pub problem: Option<String>,
}

/// The page of an execution that no person approved.
#[derive(Debug, Clone, Template)]
#[template(path = "execution.html")]
pub struct ExecutionPage {
    /// What surrounds it.
    pub shell: Shell,
    /// Its id.
    pub id: String,
    /// Its page.
    pub href: String,
    /// When it was asked for.
    pub created: Moment,
    /// What is carried out, as rendered.
    pub seen: Seen,
    /// Where it stands, in a sentence, where it is nothing that Signoff calls.
    pub standing: String,
    /// Where the call stands.
    pub run: Option<Run>,
    /// What an admin may say, where nobody knows its end.
    pub settle: Option<SettleForm>,
    /// Records of the log about it.
    pub history: Vec<HistoryRow>,
}

/// Calls that need a person.
#[derive(Debug, Clone, Template)]
#[template(path = "executions.html")]
pub struct ExecutionsPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The calls, the latest asked for first.
    pub rows: Vec<Unsettled>,
    /// Whether this person may settle them.
    pub may_settle: bool,
    /// How many there are, where there are more than are listed.
    pub more: Option<String>,
}

/// A call whose end nobody knows.
#[derive(Debug, Clone)]
pub struct Unsettled {
    /// Its page.
    pub href: String,
    /// What was asked.
    pub sentence: SentenceView,
    /// Why nobody knows.
    pub why: &'static str,
    /// When it was begun.
    pub begun: Option<Moment>,
}
