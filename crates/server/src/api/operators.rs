//! `/v1/operators`: people, their roles, and their personal tokens.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use signoff_api::operator::{Operator, OperatorCreate, OperatorUpdate, Token, TokenCreate, TokenCreated};
use signoff_api::{Page, PageQuery};
use signoff_core::id::KeyId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{Body, OptionalBody};
use super::convert::{self, ToWire};
use super::cursor::Listing;
use super::idempotency::{IdempotencyKey, IdempotencyParam};
use super::path::At;
use super::principal::{As, Govern, OwnTokens, SeeWorkspace};
use super::query::{NoQuery, Query, limit};
use super::{Answer, Refused};
use crate::Doors;

/// What a token is called unless said.
const TOKEN_NAME: &str = "token";
/// Longest name of a token, in characters.
const TOKEN_NAME_CHARS_MAX: usize = 200;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(operator_list, operator_create))
        .routes(routes!(operator_view, operator_update))
        .routes(routes!(token_list, token_create))
        .routes(routes!(token_revoke))
}

/// List operators
///
/// By name.
#[utoipa::path(
    get, path = "/v1/operators", tag = "operators", params(PageQuery),
    responses((status = 200, description = "One page", body = Page<Operator>)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn operator_list(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<Operator>> {
    let listing = Listing::new(caller.caller.workspace, "operators", &());
    let beyond = listing.read(query.cursor.as_deref())?;
    let page = doors
        .engine()
        .operators(&caller.caller, beyond, limit(query.limit)?)?;
    Ok(Json(listing.page(page.items.to_wire(), page.next)))
}

/// Add an operator
#[utoipa::path(
    post, path = "/v1/operators", tag = "operators", params(IdempotencyParam), request_body = OperatorCreate,
    responses((status = 201, description = "The operator", body = Operator)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn operator_create(
    caller: As<Govern>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(given): Body<OperatorCreate>,
) -> Result<(StatusCode, Json<Operator>), Refused> {
    let create = convert::operator_create(given)?;
    let made = doors
        .engine()
        .create_operator(&caller.caller, create, key.get())
        .await?;
    Ok((StatusCode::CREATED, Json(made.to_wire())))
}

/// Read an operator
#[utoipa::path(
    get, path = "/v1/operators/{operator}", tag = "operators",
    params(("operator" = String, Path, description = "`usr_…` or e-mail address")),
    responses((status = 200, description = "The operator", body = Operator)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn operator_view(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    At(operator): At<String>,
    _: Query<NoQuery>,
) -> Answer<Operator> {
    Ok(Json(
        doors.engine().operator(&caller.caller, &operator)?.to_wire(),
    ))
}

/// Change an operator
///
/// A new role counts for votes that were cast before; a new password ends their sessions.
#[utoipa::path(
    patch, path = "/v1/operators/{operator}", tag = "operators",
    params(("operator" = String, Path, description = "`usr_…` or e-mail address")), request_body = OperatorUpdate,
    responses((status = 200, description = "The operator as they are now", body = Operator)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn operator_update(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(operator): At<String>,
    _: Query<NoQuery>,
    Body(given): Body<OperatorUpdate>,
) -> Answer<Operator> {
    let update = convert::operator_update(given)?;
    Ok(Json(
        doors
            .engine()
            .update_operator(&caller.caller, &operator, update)
            .await?
            .to_wire(),
    ))
}

/// List personal tokens
#[utoipa::path(
    get, path = "/v1/operators/{operator}/tokens", tag = "operators",
    params(("operator" = String, Path, description = "`usr_…`, e-mail address or `me`"), PageQuery),
    responses((status = 200, description = "One page", body = Page<Token>)),
    extensions(("x-signoff-operation" = json!(OwnTokens::NAME)))
)]
pub(crate) async fn token_list(
    caller: As<OwnTokens>,
    State(doors): State<Doors>,
    At(operator): At<String>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<Token>> {
    let limit = limit(query.limit)?;
    let listing = Listing::new(caller.caller.workspace, "tokens", &operator);
    let tokens = doors.engine().tokens(&caller.caller, &operator).await?;
    Ok(Json(listing.slice(
        tokens.to_wire(),
        query.cursor.as_deref(),
        limit,
    )?))
}

/// Create a personal token
///
/// It is in the answer, this once. People make their own; an admin makes anyone's.
#[utoipa::path(
    post, path = "/v1/operators/{operator}/tokens", tag = "operators",
    params(("operator" = String, Path, description = "`usr_…`, e-mail address or `me`"), IdempotencyParam),
    request_body = Option<TokenCreate>,
    responses((status = 201, description = "The token", body = TokenCreated)),
    extensions(("x-signoff-operation" = json!(OwnTokens::NAME)))
)]
pub(crate) async fn token_create(
    caller: As<OwnTokens>,
    State(doors): State<Doors>,
    At(operator): At<String>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    OptionalBody(given): OptionalBody<TokenCreate>,
) -> Result<(StatusCode, Json<TokenCreated>), Refused> {
    let name = given.name.unwrap_or_else(|| TOKEN_NAME.to_owned());
    if name.chars().count() > TOKEN_NAME_CHARS_MAX {
        return Err(Refused::invalid(
            "/name",
            format!("a name has at most {TOKEN_NAME_CHARS_MAX} characters"),
        ));
    }
    let created = doors
        .engine()
        .create_token(
            &caller.caller,
            &operator,
            name,
            convert::key_shape(given.dialect),
            key.get(),
        )
        .await?;
    let token = created.made.to_wire();
    let created = TokenCreated {
        id: token.id,
        token: convert::secret(created.secret),
        name: token.name,
        hint: token.hint,
        created_at: token.created_at,
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Revoke a personal token
#[utoipa::path(
    delete, path = "/v1/operators/{operator}/tokens/{token}", tag = "operators",
    params(
        ("operator" = String, Path, description = "`usr_…`, e-mail address or `me`"),
        ("token" = String, Path, description = "`key_…`")
    ),
    responses((status = 204, description = "Revoked")),
    extensions(("x-signoff-operation" = json!(OwnTokens::NAME)))
)]
pub(crate) async fn token_revoke(
    caller: As<OwnTokens>,
    State(doors): State<Doors>,
    At((operator, token)): At<(String, KeyId)>,
    _: Query<NoQuery>,
) -> Result<StatusCode, Refused> {
    doors
        .engine()
        .revoke_token(&caller.caller, &operator, token)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
