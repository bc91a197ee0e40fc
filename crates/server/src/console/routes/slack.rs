//! The page where a person makes the code that links them to Slack.

use axum::response::Response;
use secrecy::ExposeSecret as _;

use super::origin::FromHere;
use super::page;
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::console::shown;
use crate::console::view::slack::{CodeShown, SlackCodePage};

/// How it goes; makes nothing.
pub(super) async fn show(visitor: Visitor) -> Result<Response, Trouble> {
    Ok(page::ok(&SlackCodePage {
        shell: visitor.shell("Slack", "").await?,
        code: None,
    }))
}

/// Makes a code and shows it, this once.
pub(super) async fn make(visitor: Visitor, _: FromHere) -> Result<Response, Trouble> {
    let made = visitor.engine().create_link_code(&visitor.caller).await;
    let made = made.map_err(|error| visitor.trouble(error))?;
    Ok(page::ok(&SlackCodePage {
        shell: visitor.shell("Slack", "").await?,
        code: Some(CodeShown {
            text: made.code.expose_secret().to_owned(),
            until: shown::moment(made.expires_at, visitor.now()),
        }),
    }))
}
