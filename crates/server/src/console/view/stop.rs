//! The kill switch: what is stopped, and stopping or letting go on one target.

use askama::Template;

use super::{Moment, Shell};
use crate::console::inert::Inert;

/// What every page says at its top while something is stopped.
#[derive(Debug, Clone)]
pub struct StoppedNote {
    /// What, in a few words: "Everything is stopped".
    pub what: Inert,
    /// Who stopped it, where it is one stop.
    pub by: Option<Inert>,
    /// Since when, the latest where there are several.
    pub at: Moment,
}

/// All that is stopped, and what can be.
#[derive(Debug, Clone, Template)]
#[template(path = "stops.html")]
pub struct StopsPage {
    /// What surrounds it.
    pub shell: Shell,
    /// What is stopped, the widest first.
    pub stops: Vec<Stopped>,
    /// The grants, by name.
    pub grants: Vec<Stoppable>,
    /// The agents, by name.
    pub agents: Vec<Stoppable>,
    /// Where the next page of agents is.
    pub next_href: Option<String>,
    /// Whether the whole workspace is stopped.
    pub is_everything: bool,
    /// Whether this person may stop.
    pub may_stop: bool,
}

/// A stop in force.
#[derive(Debug, Clone)]
pub struct Stopped {
    /// What: "Everything", or the name of the agent or grant.
    pub name: Inert,
    /// Who stopped it.
    pub by: Inert,
    /// Since when.
    pub at: Moment,
    /// Why, if they said so.
    pub reason: Option<Inert>,
    /// Its page.
    pub href: String,
}

/// What a stop does not reach.
#[derive(Debug, Clone)]
pub struct BeyondReach {
    /// What it is, and that nobody can recall it.
    pub text: String,
    /// Each: its id, and where more of it stands.
    pub links: Vec<(String, String)>,
}

/// An agent or a grant in the list.
#[derive(Debug, Clone)]
pub struct Stoppable {
    /// Its name.
    pub name: Inert,
    /// Its page.
    pub href: String,
    /// Whether it is stopped by itself.
    pub is_stopped: bool,
    /// Whether its keys open nothing.
    pub is_off: bool,
}

/// One target: stopping it, or how it was stopped and letting go on.
#[derive(Debug, Clone, Template)]
#[template(path = "stop.html")]
#[expect(clippy::struct_excessive_bools, reason = "independent of one another")]
pub struct StopPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The target as the form sends it.
    pub target: String,
    /// The name of the agent or grant; none for everything.
    pub name: Option<Inert>,
    /// Whether it is a grant.
    pub is_grant: bool,
    /// The stop in force.
    pub stop: Option<Stopped>,
    /// What Signoff ends, in sentences.
    pub ends: Vec<String>,
    /// What is on its way and out of reach.
    pub beyond: Vec<BeyondReach>,
    /// Whether this person may stop.
    pub may_stop: bool,
    /// Whether this person may let go on.
    pub may_lift: bool,
    /// Whether everything is stopped, where this is about one agent or grant.
    pub is_covered: bool,
    /// What was wrong with the form.
    pub problem: Option<String>,
    /// What was typed.
    pub typed: String,
}
