//! The page where a person makes the code that links them to Slack.

use askama::Template;

use super::{Moment, Shell};

/// How to link oneself, and the code once it was made.
#[derive(Clone, Template)]
#[template(path = "slack_code.html")]
pub struct SlackCodePage {
    /// What surrounds it.
    pub shell: Shell,
    /// The code, once.
    pub code: Option<CodeShown>,
}

/// A code as it is typed.
#[derive(Clone)]
pub struct CodeShown {
    /// Never logged.
    pub text: String,
    /// Until when it is good.
    pub until: Moment,
}
