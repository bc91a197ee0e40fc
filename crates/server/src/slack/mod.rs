//! Slack: `/slack/CHANNEL/interactions` and `/slack/CHANNEL/commands`, the two addresses that an app is given.
//!
//! No key and no session opens anything here: Slack's signature does, over the bytes as they came, with the secret of that
//! channel. What is not signed so is answered alike, whatever is wrong with it.

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::json;
use signoff_api::Code;
use signoff_core::id::ChannelId;
use signoff_engine::EngineError;
use signoff_engine::slack::{INBOUND_BYTES_MAX, Signed, Taken, WORDS_ID};

use crate::Doors;
use crate::api::Refused;
use crate::api::body::read;

const TIMESTAMP: &str = "x-slack-request-timestamp";
const SIGNATURE: &str = "x-slack-signature";

/// The routes that Slack calls.
pub(crate) fn router() -> Router<Doors> {
    Router::new()
        .route("/slack/{channel}/interactions", post(interactions))
        .route("/slack/{channel}/commands", post(commands))
}

/// A button was pressed, or a form sent. Acknowledged once it is kept.
async fn interactions(
    State(doors): State<Doors>,
    channel: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refused> {
    let (channel, signed) = (named(channel)?, signed(request.headers()));
    let body = read(request, INBOUND_BYTES_MAX).await?;
    let taken = doors.engine().slack_interaction(channel, &signed, &body).await;
    Ok(match taken.map_err(refused)? {
        Taken::Kept => StatusCode::OK.into_response(),
        Taken::WordsMissing => {
            let errors = json!({"response_action": "errors", "errors": {WORDS_ID: "Write something here."}});
            as_json(errors.to_string())
        }
    })
}

/// `/signoff …` was typed.
async fn commands(
    State(doors): State<Doors>,
    channel: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refused> {
    let (channel, signed) = (named(channel)?, signed(request.headers()));
    let body = read(request, INBOUND_BYTES_MAX).await?;
    let reply = doors.engine().slack_command(channel, &signed, &body).await;
    Ok(as_json(reply.map_err(refused)?.to_body()))
}

fn as_json(body: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Both headers, as often as they came.
fn signed(headers: &HeaderMap) -> Signed {
    let all = |name: &str| {
        let values = headers.get_all(name).iter();
        values.map(|value| value.as_bytes().to_vec()).collect()
    };
    Signed {
        timestamps: all(TIMESTAMP),
        signatures: all(SIGNATURE),
    }
}

/// A name that no channel has is told from a wrong signature by nobody.
fn named(channel: Result<Path<String>, PathRejection>) -> Result<ChannelId, Refused> {
    let channel = channel.ok().and_then(|Path(text)| text.parse().ok());
    channel.ok_or_else(|| refused(EngineError::Unauthorized))
}

fn refused(error: EngineError) -> Refused {
    match error {
        EngineError::Unauthorized => Refused::new(
            Code::Unauthorized,
            "this is not signed as Slack signs for a channel here",
        ),
        other => other.into(),
    }
}
