//! Grants: the list, one of them, and the forms. A value goes in through a form and stands on no page.

use askama::Template;

use super::approval::HistoryRow;
use super::{Moment, Shell};
use crate::console::inert::Inert;

/// The grants.
#[derive(Debug, Clone, Template)]
#[template(path = "grants.html")]
pub struct GrantsPage {
    /// What surrounds it.
    pub shell: Shell,
    /// By name.
    pub rows: Vec<GrantLine>,
    /// Where the next page is.
    pub next_href: Option<String>,
    /// Whether this person may change them.
    pub may_change: bool,
    /// What was done a moment ago, by this person.
    pub notice: Option<&'static str>,
}

/// One grant of the list.
#[derive(Debug, Clone)]
pub struct GrantLine {
    /// Its name.
    pub name: Inert,
    /// Its page.
    pub href: String,
    /// How it goes into a call.
    pub kind: Inert,
    /// Where it may go.
    pub origins: Vec<Inert>,
    /// Who holds it.
    pub holders: Vec<Inert>,
    /// Tells its values apart.
    pub fingerprint: String,
    /// Nothing is called with it until an admin lifts the stop.
    pub is_stopped: bool,
    /// It was turned off.
    pub is_off: bool,
}

/// One grant.
#[derive(Debug, Clone, Template)]
#[template(path = "grant.html")]
pub struct GrantPage {
    /// What surrounds it.
    pub shell: Shell,
    /// As in the list.
    pub line: GrantLine,
    /// Its id.
    pub id: String,
    /// Which version it is.
    pub version: u64,
    /// When it was made.
    pub created: Moment,
    /// When it was last changed.
    pub changed: Moment,
    /// What it says: label and values.
    pub pairs: Vec<(&'static str, Vec<Inert>)>,
    /// Where it is stopped, or let go on.
    pub stop_href: String,
    /// Whether this person may stop it.
    pub may_stop: bool,
    /// Whether this person may change it.
    pub may_change: bool,
    /// What was done a moment ago, by this person.
    pub notice: Option<&'static str>,
    /// Records of the log about it, newest first.
    pub history: Vec<HistoryRow>,
    /// Where all of them are.
    pub history_href: String,
}

/// Taking a grant away.
#[derive(Debug, Clone, Template)]
#[template(path = "grant_remove.html")]
pub struct GrantRemovePage {
    /// What surrounds it.
    pub shell: Shell,
    /// As in the list.
    pub line: GrantLine,
}

/// The form of a grant, new or not.
#[derive(Debug, Clone, Template)]
#[template(path = "grant_edit.html")]
pub struct GrantEditPage {
    /// What surrounds it.
    pub shell: Shell,
    /// Its name as it is; none for a new one.
    pub present: Option<Inert>,
    /// Where the form goes.
    pub action: String,
    /// Where one goes back to.
    pub back: String,
    /// What stands in the form; never the value.
    pub form: GrantFields,
    /// What is wrong with it.
    pub problems: Vec<Inert>,
}

/// What stands in the form.
#[derive(Debug, Clone, Default)]
pub struct GrantFields {
    /// The version that it was made from.
    pub version: String,
    /// Its name.
    pub name: String,
    /// `bearer`, `header`, `query`, `basic` or `oauth2`.
    pub kind: String,
    /// For a header of its own: which.
    pub header: String,
    /// What stands before the value there.
    pub prefix: String,
    /// For a parameter of the query: which.
    pub parameter: String,
    /// For basic: who.
    pub username: String,
    /// For OAuth: where tokens are fetched.
    pub token_url: String,
    /// Who fetches them.
    pub client_id: String,
    /// What they are for.
    pub scopes: String,
    /// `client_credentials` or `refresh_token`.
    pub flow: String,
    /// `basic` or `body`.
    pub client_auth: String,
    /// One a line.
    pub origins: String,
    /// Between spaces.
    pub methods: String,
    /// One a line.
    pub paths: String,
    /// One a line.
    pub agents: String,
    /// One `key=value` a line.
    pub labels: String,
    /// A duration.
    pub timeout: String,
    /// The header that names a call for its provider.
    pub repeat_header: String,
    /// For how long it knows one.
    pub repeat_window: String,
    /// One a line.
    pub redact_headers: String,
    /// One a line.
    pub redact_json: String,
    /// Nobody can use it.
    pub disabled: bool,
}

impl GrantFields {
    /// The kinds to choose from, with their words and whether each is chosen.
    pub fn kinds(&self) -> [(&'static str, &'static str, &'static str, bool); 5] {
        let chosen = if self.kind.is_empty() {
            "bearer"
        } else {
            self.kind.as_str()
        };
        [
            ("bearer", "Bearer token", "Authorization: Bearer …"),
            ("header", "A header of its own", "such as X-Api-Key: …"),
            (
                "query",
                "A query parameter",
                "such as ?key=…; stands in logs of the other side",
            ),
            ("basic", "User and password", "Authorization: Basic …"),
            ("oauth2", "OAuth 2.0", "tokens are fetched and renewed by Signoff"),
        ]
        .map(|(kind, words, note)| (kind, words, note, kind == chosen))
    }
}
