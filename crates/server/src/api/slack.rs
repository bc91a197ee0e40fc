//! `/v1/operators/…/slack`: who an operator is at Slack, proved by a code that is shown here and typed there.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret as _;
use signoff_api::Secret;
use signoff_api::operator::SlackCode;
use signoff_core::id::ChannelId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Refused;
use super::body::{Nothing, OptionalBody};
use super::path::At;
use super::principal::{As, LinkSelf, OwnContact};
use super::query::{NoQuery, Query};
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(slack_code_create))
        .routes(routes!(slack_unlink))
}

/// Create a code to link yourself to Slack
///
/// Typed at Slack within 10 minutes, as `/signoff link CODE`, it proves once that its user is you. People make one for
/// themselves alone; the last one counts.
#[utoipa::path(
    post, path = "/v1/operators/me/slack-code", tag = "operators",
    responses((status = 201, description = "The code, shown this once", body = SlackCode)),
    extensions(("x-signoff-operation" = json!(LinkSelf::NAME)))
)]
pub(crate) async fn slack_code_create(
    caller: As<LinkSelf>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Result<(StatusCode, Json<SlackCode>), Refused> {
    let made = doors.engine().create_link_code(&caller.caller).await?;
    let code = SlackCode {
        code: Secret::from(made.code.expose_secret().to_owned()),
        expires_at: made.expires_at.to_string(),
    };
    Ok((StatusCode::CREATED, Json(code)))
}

/// Unlink an operator from Slack
///
/// Buttons that they press there count for nothing any more. People unlink themselves; an admin unlinks anyone. Nothing
/// happens where they were not linked.
#[utoipa::path(
    delete, path = "/v1/operators/{operator}/slack/{channel}", tag = "operators",
    params(
        ("operator" = String, Path, description = "`usr_…`, e-mail address or `me`"),
        ("channel" = String, Path, description = "`chn_…`, of the kind `slack`")
    ),
    responses((status = 204, description = "Not linked")),
    extensions(("x-signoff-operation" = json!(OwnContact::NAME)))
)]
pub(crate) async fn slack_unlink(
    caller: As<OwnContact>,
    State(doors): State<Doors>,
    At((operator, channel)): At<(String, ChannelId)>,
    _: Query<NoQuery>,
) -> Result<StatusCode, Refused> {
    doors
        .engine()
        .unlink_slack(&caller.caller, &operator, channel)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
