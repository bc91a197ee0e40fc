//! HumanLayer's clients: a call of a function that a person must approve, a question that a person must answer.
//!
//! Both are actions here. A call is an action of the function's name with the arguments as its inputs; a question is the
//! action `contact_human`, and what a person writes beside their approval is the answer. Each is found again by the id
//! that the client gave it, which is its idempotency key.

mod ask;
mod choice;
mod decide;
mod fault;
mod find;
mod opaque;
mod show;
mod wire;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use signoff_api::Code;
use tower::ServiceExt as _;

use super::vendor;
use crate::Doors;
use crate::api::Refused;
use fault::Fault;

/// The routes below `/dialects/humanlayer`, with and without the prefix of the vendor's own base URL.
pub(super) fn router() -> Router<Doors> {
    let routes = || {
        Router::new()
            .route("/function_calls", post(ask::function_call))
            .route("/function_calls/{call_id}", get(find::function_call))
            .route("/contact_requests", post(ask::human_contact))
            .route("/contact_requests/{call_id}", get(find::human_contact))
            .route("/human_contacts", post(ask::human_contact))
            .route("/human_contacts/{call_id}", get(find::human_contact))
            .route("/agent/function_calls/pending", get(find::pending_calls))
            .route("/agent/human_contacts/pending", get(find::pending_contacts))
            .route(
                "/agent/function_calls/{call_id}/respond",
                post(decide::function_call),
            )
            .route(
                "/agent/human_contacts/{call_id}/respond",
                post(decide::human_contact),
            )
            .route(
                "/agent/function_calls/{call_id}/escalate_email",
                post(decide::escalate_call),
            )
            .route(
                "/agent/human_contacts/{call_id}/escalate_email",
                post(decide::escalate_contact),
            )
    };
    let both = routes().nest("/humanlayer/v1", routes());
    let bounded = vendor::bounded::<Fault>(both);
    let once_more = bounded.clone();
    bounded.fallback(move |State(doors): State<Doors>, request: Request| {
        let routes = once_more.clone().with_state(doors);
        async move { collapsed(routes, request).await }
    })
}

/// Clients put base and path together as they are: a base with a slash at its end comes with two.
async fn collapsed(routes: Router, mut request: Request) -> Response {
    let path = request.uri().path();
    let single = path.split('/').filter(|part| !part.is_empty());
    let single = single.fold(String::new(), |path, part| path + "/" + part);
    let wanted = match request.uri().query() {
        Some(query) => format!("{single}?{query}"),
        None => single,
    };
    match wanted.parse::<Uri>() {
        Ok(uri) => {
            *request.uri_mut() = uri;
            match routes.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
        Err(_) => Fault::from(Refused::new(Code::NotFound, "there is nothing at this path")).into_response(),
    }
}
