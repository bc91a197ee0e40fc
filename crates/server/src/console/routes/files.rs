//! Style sheets and the script. Their addresses change with their content, so they may be kept for ever.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};

use crate::api::Refused;
use crate::console::assets;

/// One file.
pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, Refused> {
    let asset =
        assets::at(&format!("/console/assets/{name}")).ok_or_else(|| Refused::not_found("asset", &name))?;
    let headers = [
        (CONTENT_TYPE, asset.content_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, asset.bytes.as_slice()).into_response())
}
