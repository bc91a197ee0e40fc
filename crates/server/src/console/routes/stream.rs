//! News for open pages: that something happened, never what; the page reads itself again.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use signoff_api::Code;
use signoff_engine::view::Notice;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::api::Refused;

/// Open pages that get news at once; further ones work, and are told to try again.
const STREAMS_MAX: usize = 1_000;
/// A silent stream says that it lives: the page takes three missing words for a lost connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends after this and the browser comes back, which asks again who looks.
const LIFETIME: Duration = Duration::from_mins(5);

static STREAMS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(STREAMS_MAX)));

struct Feed {
    visitor: Visitor,
    notices: Receiver<Notice>,
    stopping: CancellationToken,
    until: Instant,
    _permit: OwnedSemaphorePermit,
}

/// The stream.
pub(super) async fn stream(visitor: Visitor, headers: HeaderMap) -> Result<Response, Trouble> {
    let full = || {
        Trouble::new(
            &headers,
            Refused::new(
                Code::Unavailable,
                "too many pages are open; this one does not move by itself",
            ),
        )
    };
    let permit = Arc::clone(&STREAMS).try_acquire_owned().map_err(|_| full())?;
    let notices = visitor
        .engine()
        .notices(&visitor.caller)
        .map_err(|error| Trouble::new(&headers, error))?;
    let stopping = visitor.doors.stopping().clone();
    let feed = Feed {
        visitor,
        notices,
        stopping,
        until: Instant::now() + LIFETIME,
        _permit: permit,
    };
    let events = stream::unfold(feed, |mut feed| async move {
        feed.next().await.map(|event| (Ok::<_, Infallible>(event), feed))
    });
    let beat = KeepAlive::new()
        .interval(KEEP_ALIVE)
        .event(Event::default().event("beat").data(""));
    Ok(Sse::new(events).keep_alive(beat).into_response())
}

impl Feed {
    async fn next(&mut self) -> Option<Event> {
        loop {
            let notice = tokio::select! {
                () = self.stopping.cancelled() => return None,
                () = tokio::time::sleep_until(self.until) => return None,
                notice = self.notices.recv() => notice,
            };
            match notice {
                Ok(notice)
                    if notice.workspace == self.visitor.caller.workspace && concerns_pages(&notice) =>
                {
                    return Some(Event::default().event("notice").data(notice.subject));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some(Event::default().event("resync").data("")),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// Whether a page may look otherwise after it.
fn concerns_pages(notice: &Notice) -> bool {
    ["approval.", "execution.", "payload.", "stop."]
        .iter()
        .any(|kind| notice.event_type.starts_with(kind))
}
