//! Pages for what went wrong: what happened, what was kept, what to do. And the page of keys.

use askama::Template;

use super::Shell;
use crate::console::inert::Inert;

/// Something went wrong.
#[derive(Debug, Clone, Template)]
#[template(path = "problem.html")]
pub struct ProblemPage {
    /// What surrounds it.
    pub shell: Shell,
    /// HTTP status.
    pub status: u16,
    /// What happened, as a heading.
    pub title: String,
    /// What happened, in a sentence or two.
    pub detail: Inert,
    /// What was kept.
    pub kept: String,
    /// What was typed and not used, to copy.
    pub typed: Option<String>,
    /// What to do: words and address, the likeliest first.
    pub links: Vec<(String, String)>,
}

/// The keys of the console.
#[derive(Debug, Clone, Template)]
#[template(path = "keys.html")]
pub struct KeysPage {
    /// What surrounds it.
    pub shell: Shell,
}
