//! How the person who looks is reached.

use askama::Template;

use super::Shell;
use crate::console::inert::Inert;

/// The page, which is one form.
#[derive(Debug, Clone, Template)]
#[template(path = "contact.html")]
pub struct ContactPage {
    /// What surrounds it.
    pub shell: Shell,
    /// What is there now, or came back.
    pub form: ContactFields,
    /// Channels that can reach people.
    pub ways: Vec<Way>,
    /// Whether there is a topic already; it is not shown.
    pub has_push_topic: bool,
    /// What was just done.
    pub notice: Option<&'static str>,
    /// Why it was not kept.
    pub problems: Vec<Inert>,
}

impl ContactPage {
    /// Whether a channel of theirs is used at all.
    pub fn is_reached(&self) -> bool {
        self.ways.iter().any(|way| way.used)
    }
}

/// What stands in the form. The topic never does.
#[derive(Debug, Clone, Default)]
pub struct ContactFields {
    /// They choose the channels themselves.
    pub chosen: bool,
    /// For text messages.
    pub phone: String,
    /// When quiet begins, `22:00`.
    pub quiet_from: String,
    /// When it ends.
    pub quiet_to: String,
    /// Where they live.
    pub time_zone: String,
    /// The least time between two messages.
    pub window: String,
}

/// A channel that can reach people.
#[derive(Debug, Clone)]
pub struct Way {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Inert,
    /// What it is.
    pub kind: &'static str,
    /// What it lacks to reach this person.
    pub lacks: Option<&'static str>,
    /// Whether it is ticked.
    pub is_chosen: bool,
    /// Whether they are told by it at present.
    pub used: bool,
}
