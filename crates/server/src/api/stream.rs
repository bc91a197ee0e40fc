//! `/v1/stream`: what happens, as it happens. Bounded: who reads too slowly is told to look again.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use signoff_api::stream::{Notice as WireNotice, StreamQuery};
use signoff_engine::view::{Caller, Notice};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Refused;
use super::convert::ToWire;
use super::principal::{As, SeeWorkspace};
use super::query::Query;
use crate::Doors;

const LAST_EVENT_ID: &str = "last-event-id";
/// Notices read at once for a reader that comes back.
const BACKLOG_BATCH: u32 = 200;
/// A reader that missed more looks at everything again instead.
const BACKLOG_MAX: usize = 2_000;
/// How often a quiet stream says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a reader waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new().routes(routes!(stream_read))
}

/// Follow what happens
///
/// Server-sent events: `event` is the type, `id` the sequence, `data` a notice. Go on after an interruption with
/// `Last-Event-ID` or `after`. The event `resync` says that some were left out: read again what you show.
#[utoipa::path(
    get, path = "/v1/stream", tag = "stream",
    params(StreamQuery, ("last-event-id" = Option<u64>, Header, description = "Go on after this sequence")),
    responses((status = 200, description = "A stream that does not end", body = WireNotice, content_type = "text/event-stream")),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn stream_read(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refused> {
    let after = last_event_id(&headers)?.or(query.after);
    let feed = Feed::open(doors, caller.caller, after)?;
    let events = stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Refused> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let sequence = value.to_str().ok().and_then(|text| text.parse().ok());
    sequence
        .map(Some)
        .ok_or_else(|| Refused::parameter("`last-event-id` is the `id` of an event of this stream"))
}

/// One reader's way through the log: first what it missed, then what comes.
struct Feed {
    doors: Doors,
    caller: Caller,
    live: Receiver<Notice>,
    /// Where the reader left off, until what it missed has been read.
    resume: Option<u64>,
    missed: VecDeque<Notice>,
    told: usize,
    last_told: u64,
    greeted: bool,
}

impl Feed {
    /// Listens first, then reads: nothing falls between.
    fn open(doors: Doors, caller: Caller, after: Option<u64>) -> Result<Self, Refused> {
        let live = doors.engine().notices(&caller)?;
        let missed = VecDeque::new();
        Ok(Self {
            doors,
            caller,
            live,
            resume: after,
            missed,
            told: 0,
            last_told: 0,
            greeted: false,
        })
    }

    /// The next event; nothing when the server goes down, the log can't be read, or the key opens it no more.
    async fn next(&mut self) -> Option<Event> {
        if !self.greeted {
            self.greeted = true;
            return Some(Event::default().retry(RETRY).comment("signoff"));
        }
        loop {
            if let Some(notice) = self.missed.pop_front() {
                return self.tell(&notice);
            }
            if let Some(after) = self.resume {
                if self.told >= BACKLOG_MAX {
                    self.resume = None;
                    return Some(resync());
                }
                self.missed = self
                    .doors
                    .engine()
                    .notices_since(&self.caller, after, BACKLOG_BATCH)
                    .await
                    .ok()?
                    .into();
                self.told += self.missed.len();
                self.resume = self.missed.back().map(|last| last.seq);
                continue;
            }
            let received = tokio::select! {
                received = self.live.recv() => received,
                () = self.doors.stopping().cancelled() => return None,
            };
            match received {
                Ok(notice) if notice.workspace == self.caller.workspace && notice.seq > self.last_told => {
                    return self.tell(&notice);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some(resync()),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn tell(&mut self, notice: &Notice) -> Option<Event> {
        // A key that was revoked meanwhile reads no further.
        self.doors.engine().me(&self.caller).ok()?;
        self.last_told = notice.seq;
        let event = Event::default()
            .id(notice.seq.to_string())
            .event(notice.event_type);
        event.json_data(notice.to_wire()).ok()
    }
}

fn resync() -> Event {
    Event::default().event("resync").data("{}")
}
