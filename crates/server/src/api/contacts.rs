//! `/v1/operators/{operator}/contact`: how a person is reached.

use axum::Json;
use axum::extract::State;
use signoff_api::channel::{Contact, ContactUpdate, ContactUpdated};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use super::body::Body;
use super::convert::{self, ToWire};
use super::path::At;
use super::principal::{As, OwnContact};
use super::query::{NoQuery, Query};
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new().routes(routes!(contact_view, contact_update))
}

/// Read how a person is reached
///
/// One's own; an admin anyone's.
#[utoipa::path(
    get, path = "/v1/operators/{operator}/contact", tag = "operators",
    params(("operator" = String, Path, description = "`usr_…`, e-mail address or `me`")),
    responses((status = 200, description = "How they are reached", body = Contact)),
    extensions(("x-signoff-operation" = json!(OwnContact::NAME)))
)]
pub(crate) async fn contact_view(
    caller: As<OwnContact>,
    State(doors): State<Doors>,
    At(operator): At<String>,
    _: Query<NoQuery>,
) -> Answer<Contact> {
    Ok(Json(doors.engine().contact(&caller.caller, &operator)?.to_wire()))
}

/// Change how a person is reached
///
/// What is left out stays; `clear` takes away.
#[utoipa::path(
    patch, path = "/v1/operators/{operator}/contact", tag = "operators",
    params(("operator" = String, Path, description = "`usr_…`, e-mail address or `me`")),
    request_body = ContactUpdate,
    responses((status = 200, description = "How they are reached now, and what changed", body = ContactUpdated)),
    extensions(("x-signoff-operation" = json!(OwnContact::NAME)))
)]
pub(crate) async fn contact_update(
    caller: As<OwnContact>,
    State(doors): State<Doors>,
    At(operator): At<String>,
    _: Query<NoQuery>,
    Body(given): Body<ContactUpdate>,
) -> Answer<ContactUpdated> {
    let update = convert::contact_update(given)?;
    let engine = doors.engine();
    let (contact, changed) = engine.update_contact(&caller.caller, &operator, update).await?;
    Ok(Json(ContactUpdated {
        changed,
        contact: contact.to_wire(),
    }))
}
