//! The pages before one is signed in: first run, sign-in, and a link that signs in.

use askama::Template;

use super::Shell;
use crate::console::inert::Inert;

/// First run: making the first admin.
#[derive(Debug, Clone, Template)]
#[template(path = "setup.html")]
pub struct SetupPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The token of the first-run link.
    pub token: String,
    /// Name as typed.
    pub name: String,
    /// Address as typed.
    pub email: String,
    /// What was wrong, by field: "name", "email", "password" or "".
    pub problems: Vec<(&'static str, String)>,
}

impl SetupPage {
    /// What was wrong with a field.
    pub fn problem(&self, field: &str) -> Option<&str> {
        self.problems
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, text)| text.as_str())
    }
}

/// Sign-in with a password.
#[derive(Debug, Clone, Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage {
    /// What surrounds it.
    pub shell: Shell,
    /// Where to go afterwards: an absolute path of this server.
    pub next: String,
    /// Address as typed.
    pub email: String,
    /// What was wrong.
    pub problem: Option<String>,
    /// What to know first, such as that one was signed out.
    pub notice: Option<String>,
}

/// A link that signs in; opening it does nothing, pressing the button does.
#[derive(Debug, Clone, Template)]
#[template(path = "enter.html")]
pub struct EnterPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The link's token.
    pub token: String,
    /// Who it signs in, where that may be told.
    pub name: Option<Inert>,
    /// Where to go afterwards.
    pub next: String,
}
