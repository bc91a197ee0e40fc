//! `/v1/webhooks`: signed messages to the outside, and their deliveries.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use signoff_api::webhook::{Delivery, Webhook, WebhookCreate, WebhookCreated, WebhookUpdate, WebhookUpdated};
use signoff_api::{Code, Page, PageQuery};
use signoff_core::channel::ChannelKind;
use signoff_core::id::ChannelId;
use signoff_engine::view::{Caller, ChannelView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::Body;
use super::convert::{self, ToWire};
use super::cursor::Listing;
use super::idempotency::{IdempotencyKey, IdempotencyParam};
use super::path::At;
use super::principal::{As, Govern};
use super::query::{NoQuery, Query, limit};
use super::{Answer, Refused};
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(webhook_list, webhook_create))
        .routes(routes!(webhook_view, webhook_update, webhook_remove))
        .routes(routes!(delivery_list))
}

/// The channel, if it is a webhook: others are no business of this door.
fn found(doors: &Doors, caller: &Caller, id: ChannelId) -> Result<ChannelView, Refused> {
    let view = doors.engine().channel(caller, id)?;
    if view.kind == ChannelKind::Webhook {
        Ok(view)
    } else {
        Err(Refused::new(Code::NotFound, format!("there is no webhook {id}")))
    }
}

/// List webhooks
///
/// By name.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks", params(PageQuery),
    responses((status = 200, description = "One page", body = Page<Webhook>)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn webhook_list(
    caller: As<Govern>,
    State(doors): State<Doors>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<Webhook>> {
    let listing = Listing::new(caller.caller.workspace, "webhooks", &());
    let beyond = listing.read(query.cursor.as_deref())?;
    let page = doors.engine().channels(
        &caller.caller,
        Some(ChannelKind::Webhook),
        beyond,
        limit(query.limit)?,
    )?;
    Ok(Json(listing.page(
        page.items.iter().map(convert::webhook).collect(),
        page.next,
    )))
}

/// Create a webhook
///
/// Its signing secret is in the answer, this once.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", params(IdempotencyParam), request_body = WebhookCreate,
    responses((status = 201, description = "The webhook with its secret", body = WebhookCreated)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn webhook_create(
    caller: As<Govern>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(given): Body<WebhookCreate>,
) -> Result<(StatusCode, Json<WebhookCreated>), Refused> {
    let create = convert::webhook_create(given)?;
    let created = doors
        .engine()
        .create_channel(&caller.caller, create, key.get())
        .await?;
    let webhook = WebhookCreated {
        webhook: convert::webhook(&created.made),
        secret: convert::secret(created.secret),
    };
    Ok((StatusCode::CREATED, Json(webhook)))
}

/// Read a webhook
#[utoipa::path(
    get, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = String, Path, description = "`chn_…`")),
    responses((status = 200, description = "The webhook", body = Webhook)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn webhook_view(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(id): At<ChannelId>,
    _: Query<NoQuery>,
) -> Answer<Webhook> {
    Ok(Json(convert::webhook(&found(&doors, &caller.caller, id)?)))
}

/// Change a webhook
///
/// What is the same already is not written again; with `dry_run` it only says what would change.
#[utoipa::path(
    patch, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = String, Path, description = "`chn_…`")),
    request_body = WebhookUpdate,
    responses((status = 200, description = "The webhook, and what changed", body = WebhookUpdated)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn webhook_update(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(id): At<ChannelId>,
    _: Query<NoQuery>,
    Body(given): Body<WebhookUpdate>,
) -> Answer<WebhookUpdated> {
    let update = convert::webhook_update(given)?;
    found(&doors, &caller.caller, id)?;
    let engine = doors.engine();
    let (webhook, changed) = engine.update_channel(&caller.caller, id, update).await?;
    Ok(Json(WebhookUpdated {
        changed,
        webhook: convert::webhook(&webhook),
    }))
}

/// Remove a webhook
///
/// What was not delivered yet is not delivered any more.
#[utoipa::path(
    delete, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = String, Path, description = "`chn_…`")),
    responses((status = 204, description = "Removed")),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn webhook_remove(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(id): At<ChannelId>,
    _: Query<NoQuery>,
) -> Result<StatusCode, Refused> {
    found(&doors, &caller.caller, id)?;
    doors.engine().remove_channel(&caller.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deliveries of a webhook
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}/deliveries", tag = "webhooks",
    params(("id" = String, Path, description = "`chn_…`"), PageQuery),
    responses((status = 200, description = "One page", body = Page<Delivery>)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn delivery_list(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(id): At<ChannelId>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<Delivery>> {
    found(&doors, &caller.caller, id)?;
    let listing = Listing::new(caller.caller.workspace, "deliveries", &id);
    let beyond = listing.read(query.cursor.as_deref())?;
    let page = doors
        .engine()
        .deliveries(&caller.caller, id, beyond, limit(query.limit)?)
        .await?;
    Ok(Json(listing.page(page.items.to_wire(), page.next)))
}
