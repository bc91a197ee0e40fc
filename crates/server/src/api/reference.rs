//! `/openapi.json` and `/docs`: the description for machines and for people, without any network.

mod page;

use std::sync::LazyLock;

use askama::Template;
use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use signoff_api::Code;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Refused;
use super::principal::OPEN;
use crate::Doors;

const NO_SCRIPT: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

static DOCUMENT: LazyLock<String> = LazyLock::new(|| super::openapi().to_json().unwrap_or_default());

static PAGE: LazyLock<Option<String>> = LazyLock::new(|| {
    let document = serde_json::from_str(&DOCUMENT).ok()?;
    page::Reference::of(&document).render().ok()
});

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(openapi_view))
        .routes(routes!(docs_view))
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", tag = "server",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
    extensions(("x-signoff-operation" = json!(OPEN)))
)]
pub(crate) async fn openapi_view() -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
    (headers, Bytes::from_static(DOCUMENT.as_bytes())).into_response()
}

/// The reference for people
#[utoipa::path(
    get, path = "/docs", tag = "server",
    responses((status = 200, description = "A page made of this document", body = String, content_type = "text/html")),
    extensions(("x-signoff-operation" = json!(OPEN)))
)]
pub(crate) async fn docs_view() -> Result<Response, Refused> {
    let page = PAGE
        .as_deref()
        .ok_or_else(|| Refused::new(Code::Internal, "the reference can't be written"))?;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, NO_SCRIPT),
        (CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, page).into_response())
}
