//! `/v1/channels`: how people and programs are told, and what became of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use signoff_api::channel::{
    Channel, ChannelCreate, ChannelCreated, ChannelTested, ChannelUpdate, ChannelUpdated, Redelivered,
    SecretRotate,
};
use signoff_api::webhook::Delivery;
use signoff_api::{Page, PageQuery};
use signoff_core::id::ChannelId;
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
        .routes(routes!(channel_list, channel_create))
        .routes(routes!(channel_view, channel_update, channel_remove))
        .routes(routes!(channel_test))
        .routes(routes!(channel_rotate_secret))
        .routes(routes!(channel_deliveries))
        .routes(routes!(channel_redeliver))
}

/// List channels
///
/// By name.
#[utoipa::path(
    get, path = "/v1/channels", tag = "channels", params(PageQuery),
    responses((status = 200, description = "One page", body = Page<Channel>)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn channel_list(
    caller: As<Govern>,
    State(doors): State<Doors>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<Channel>> {
    let listing = Listing::new(caller.caller.workspace, "channels", &());
    let beyond = listing.read(query.cursor.as_deref())?;
    let limit = limit(query.limit)?;
    let page = doors.engine().channels(&caller.caller, None, beyond, limit)?;
    Ok(Json(listing.page(page.items.to_wire(), page.next)))
}

/// Create a channel
///
/// What is secret of its settings is kept encrypted and not shown again.
#[utoipa::path(
    post, path = "/v1/channels", tag = "channels", params(IdempotencyParam), request_body = ChannelCreate,
    responses((status = 201, description = "The channel", body = ChannelCreated)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn channel_create(
    caller: As<Govern>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(given): Body<ChannelCreate>,
) -> Result<(StatusCode, Json<ChannelCreated>), Refused> {
    let create = convert::channel_create(given)?;
    let engine = doors.engine();
    let created = engine.create_channel(&caller.caller, create, key.get()).await?;
    let channel = ChannelCreated {
        channel: created.made.to_wire(),
        secret: convert::secret(created.secret),
    };
    Ok((StatusCode::CREATED, Json(channel)))
}

/// Read a channel
#[utoipa::path(
    get, path = "/v1/channels/{id}", tag = "channels", params(("id" = String, Path, description = "`chn_…`")),
    responses((status = 200, description = "The channel", body = Channel)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn channel_view(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(id): At<ChannelId>,
    _: Query<NoQuery>,
) -> Answer<Channel> {
    Ok(Json(doors.engine().channel(&caller.caller, id)?.to_wire()))
}

/// Change a channel
///
/// What is the same already is not written again; with `dry_run` it only says what would change. Its kind stays.
#[utoipa::path(
    patch, path = "/v1/channels/{id}", tag = "channels", params(("id" = String, Path, description = "`chn_…`")),
    request_body = ChannelUpdate,
    responses((status = 200, description = "The channel, and what changed", body = ChannelUpdated)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn channel_update(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(id): At<ChannelId>,
    _: Query<NoQuery>,
    Body(given): Body<ChannelUpdate>,
) -> Answer<ChannelUpdated> {
    let kind = doors.engine().channel(&caller.caller, id)?.kind;
    let update = convert::channel_update(given, kind)?;
    let (channel, changed) = doors.engine().update_channel(&caller.caller, id, update).await?;
    Ok(Json(ChannelUpdated {
        changed,
        channel: channel.to_wire(),
    }))
}

/// Remove a channel
///
/// What was not delivered yet is not delivered any more.
#[utoipa::path(
    delete, path = "/v1/channels/{id}", tag = "channels", params(("id" = String, Path, description = "`chn_…`")),
    responses((status = 204, description = "Removed")),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn channel_remove(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(id): At<ChannelId>,
    _: Query<NoQuery>,
) -> Result<StatusCode, Refused> {
    doors.engine().remove_channel(&caller.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send a test message
///
/// Now, to the channel's own destination, else to the caller. The answer says what came of it.
#[utoipa::path(
    post, path = "/v1/channels/{id}/test", tag = "channels", params(("id" = String, Path, description = "`chn_…`")),
    responses((status = 200, description = "What came of it", body = ChannelTested)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn channel_test(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(id): At<ChannelId>,
    _: Query<NoQuery>,
) -> Answer<ChannelTested> {
    let tested = doors.engine().test_channel(&caller.caller, id).await?;
    Ok(Json(tested.to_wire()))
}

/// Rotate the signing secret
///
/// The new secret is in the answer, this once; the old one signs beside it for a while, so that receivers can follow.
#[utoipa::path(
    post, path = "/v1/channels/{id}/rotate-secret", tag = "channels",
    params(("id" = String, Path, description = "`chn_…`")), request_body = SecretRotate,
    responses((status = 200, description = "The channel with its new secret", body = ChannelCreated)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn channel_rotate_secret(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(id): At<ChannelId>,
    _: Query<NoQuery>,
    Body(given): Body<SecretRotate>,
) -> Answer<ChannelCreated> {
    let lasts = convert::old_secret_lasts(&given)?;
    let engine = doors.engine();
    let rotated = engine.rotate_channel_secret(&caller.caller, id, lasts).await?;
    Ok(Json(ChannelCreated {
        channel: rotated.made.to_wire(),
        secret: convert::secret(rotated.secret),
    }))
}

/// Deliveries of a channel
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/channels/{id}/deliveries", tag = "channels",
    params(("id" = String, Path, description = "`chn_…`"), PageQuery),
    responses((status = 200, description = "One page", body = Page<Delivery>)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn channel_deliveries(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(id): At<ChannelId>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<Delivery>> {
    let listing = Listing::new(caller.caller.workspace, "deliveries", &id);
    let beyond = listing.read(query.cursor.as_deref())?;
    let limit = limit(query.limit)?;
    let page = doors
        .engine()
        .deliveries(&caller.caller, id, beyond, limit)
        .await?;
    Ok(Json(listing.page(page.items.to_wire(), page.next)))
}

/// Send again
///
/// What was told of one event, whether it was delivered or given up; the message has the same id.
#[utoipa::path(
    post, path = "/v1/channels/{id}/deliveries/{seq}/redeliver", tag = "channels",
    params(
        ("id" = String, Path, description = "`chn_…`"),
        ("seq" = u64, Path, description = "The delivery's `seq`")
    ),
    responses((status = 202, description = "It is on its way", body = Redelivered)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn channel_redeliver(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At((id, seq)): At<(ChannelId, u64)>,
    _: Query<NoQuery>,
) -> Result<(StatusCode, Json<Redelivered>), Refused> {
    let messages = doors.engine().redeliver(&caller.caller, id, seq).await?;
    Ok((StatusCode::ACCEPTED, Json(Redelivered { messages })))
}
