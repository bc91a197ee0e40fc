//! What stands in the path: an id or a name. Whatever can't be one names nothing that exists.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use signoff_api::Code;

use super::problem::Refused;

/// The parts of the path, as ids, names or numbers.
#[derive(Debug)]
pub(crate) struct At<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(at)| Self(at))
            .map_err(|_| Refused::new(Code::NotFound, "nothing can have the id in this path"))
    }
}
