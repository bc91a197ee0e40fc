//! The page of keys.

use axum::response::Response;

use super::page;
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::console::view::problem::KeysPage;

/// The page of keys.
pub(super) async fn show(visitor: Visitor) -> Result<Response, Trouble> {
    Ok(page::ok(&KeysPage {
        shell: visitor.shell("Keyboard", "").await?,
    }))
}
