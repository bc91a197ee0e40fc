//! The console's routes. Pages are read by GET, which decides nothing (I5); everything that changes something is a POST
//! from a page of this very server, by somebody who is signed in.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};

use crate::Doors;
use crate::api::Refused;

mod approval;
mod audit;
mod calls;
mod channel_edit;
mod channels;
mod contact;
mod decide;
mod decision;
mod fields;
mod files;
mod grant_edit;
mod grants;
mod inbox;
mod keys;
mod link;
mod origin;
mod page;
mod policies;
mod policy_edit;
mod policy_preview;
mod session;
mod slack;
mod stats;
mod stop;
mod stream;
mod trouble;
mod visitor;

/// Largest form, in bytes: 4,000 characters of text in the widest encoding, and the rest of the form.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// The same where the body of a call may be changed: each of its 64 KiB may take three in a form.
const DECISION_BYTES_MAX: usize = 4 * FORM_BYTES_MAX;

/// The console's routes.
pub fn router() -> Router<Doors> {
    Router::new()
        .route("/", get(inbox::show))
        .route("/approvals", get(|| async { Redirect::permanent("/") }))
        .route("/approvals/{id}", get(approval::show).post(decide::decide))
        .route(
            "/approvals/{id}/decide",
            decision(get(decide::back).post(decide::decide)),
        )
        .route("/approvals/{id}/release", get(decide::back).post(decide::release))
        .route("/policies", get(policies::list))
        .route("/policies/edit", get(policy_edit::form))
        .route("/policies/preview", change(post(policy_edit::preview)))
        .route("/policies/save", change(post(policy_edit::save)))
        .route("/policies/{name}", get(policies::show))
        .route("/grants", get(grants::list))
        .route("/grants/new", get(grant_edit::blank).post(grant_edit::create))
        .route("/grants/{id}", get(grants::show))
        .route("/grants/{id}/edit", get(grant_edit::form).post(grant_edit::save))
        .route(
            "/grants/{id}/remove",
            get(grants::remove_form).post(grants::remove),
        )
        .route("/executions", get(calls::list))
        .route("/executions/{id}", get(calls::show))
        .route("/executions/{id}/settle", get(calls::back).post(calls::settle))
        .route("/audit", get(audit::list))
        .route("/audit/{sequence}", get(audit::record))
        .route("/stats", get(stats::show))
        .route("/stop", get(stop::show).post(stop::pull))
        .route("/stop/lift", get(stop::back).post(stop::lift))
        .route("/keys", get(keys::show))
        .merge(channel_pages())
        .route("/account/contact", get(contact::show).post(contact::save))
        .route("/account/slack", get(slack::show).post(slack::make))
        .route("/d/{token}", get(link::show).post(link::decide))
        .route("/setup", get(session::setup_form).post(session::set_up))
        .route("/sign-in", get(session::sign_in_form).post(session::sign_in))
        .route("/sign-out", post(session::sign_out))
        .route("/enter", get(session::enter_form).post(session::enter))
        .route("/console/stream", get(stream::stream))
        .route("/console/assets/{name}", get(files::asset))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}

fn channel_pages() -> Router<Doors> {
    Router::new()
        .route("/channels", get(channels::list))
        .route(
            "/channels/new",
            get(channel_edit::blank).post(channel_edit::create),
        )
        .route("/channels/{id}", get(channels::show))
        .route(
            "/channels/{id}/edit",
            get(channel_edit::form).post(channel_edit::save),
        )
        .route(
            "/channels/{id}/remove",
            get(channels::remove_form).post(channels::remove),
        )
        .route(
            "/channels/{id}/rotate-secret",
            get(channels::back).post(channels::rotate_secret),
        )
        .route("/channels/{id}/test", get(channels::back).post(channels::test))
        .route(
            "/channels/{id}/switch",
            get(channels::back).post(channels::switch),
        )
        .route(
            "/channels/{id}/redeliver",
            get(channels::back).post(channels::redeliver),
        )
}

/// A form that may hold a changed body: larger than others.
fn decision(form: MethodRouter<Doors>) -> MethodRouter<Doors> {
    form.layer(DefaultBodyLimit::max(DECISION_BYTES_MAX))
}

/// A form that holds a change of policies: larger than others.
fn change(form: MethodRouter<Doors>) -> MethodRouter<Doors> {
    let form = form.get(policy_edit::back);
    form.layer(DefaultBodyLimit::max(policy_edit::EDIT_BYTES_MAX))
}

/// A refusal of a path or method that no door knows, in the form that the asker reads.
pub(crate) fn refused(headers: &HeaderMap, refused: Refused) -> Response {
    trouble::Trouble::new(headers, refused).into_response()
}
