//! `/healthz` and `/readyz`: whether the process is up, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use signoff_api::status::{Health, Readiness, ReadinessCheck};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::convert::ToWire;
use super::principal::OPEN;
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(health_view))
        .routes(routes!(readiness_view))
}

/// Whether the process is up
#[utoipa::path(
    get, path = "/healthz", tag = "server",
    responses((status = 200, description = "It is", body = Health)),
    extensions(("x-signoff-operation" = json!(OPEN)))
)]
pub(crate) async fn health_view(State(doors): State<Doors>) -> Json<Health> {
    Json(Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now: doors.engine().now().to_wire(),
    })
}

/// Whether the server can do its work
#[utoipa::path(
    get, path = "/readyz", tag = "server",
    responses(
        (status = 200, description = "It can", body = Readiness),
        (status = 503, description = "It can't, and why", body = Readiness)
    ),
    extensions(("x-signoff-operation" = json!(OPEN)))
)]
pub(crate) async fn readiness_view(State(doors): State<Doors>) -> (StatusCode, Json<Readiness>) {
    let mut checks: Vec<_> = doors
        .engine()
        .ready()
        .await
        .into_iter()
        .map(|check| ReadinessCheck {
            name: check.name.to_owned(),
            ok: check.ok,
            detail: check.detail,
        })
        .collect();
    if doors.stopping().is_cancelled() {
        let detail = Some("the server is going down".to_owned());
        checks.push(ReadinessCheck {
            name: "server".to_owned(),
            ok: false,
            detail,
        });
    }
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, checks }))
}
