//! `GET`: how a call or a question stands, found by the id that the client gave it; and all that wait.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use signoff_core::actor::Principal;
use signoff_core::event::ApprovalStatus;
use signoff_core::id::ActionId;
use signoff_engine::request::{ApprovalFilter, Until};
use signoff_engine::view::Caller;

use super::ask::Kind;
use super::fault::Fault;
use super::show::{self, Held, Seen};
use crate::Doors;
use crate::dialects::vendor::Known;

/// How long an answer is held back while nobody has decided. Clients give up on one after 30 seconds.
const HELD: Duration = Duration::from_secs(10);
/// How many one list of what waits has at most.
const PENDING_MAX: usize = 2_000;
const PENDING_PER_READ: u32 = 200;

/// An id in a path, in whatever form it was written.
pub(super) type CallId = Result<Path<String>, PathRejection>;

pub(super) fn call_id(given: CallId) -> Result<String, Fault> {
    given
        .map(|Path(id)| id)
        .map_err(|_| Fault::invalid("/call_id", "the call_id in the path is not UTF-8"))
}

pub(super) async fn function_call(
    known: Known<Fault>,
    State(doors): State<Doors>,
    path: CallId,
) -> Result<Response, Fault> {
    polled(&doors, &known.caller, Kind::Call, path).await
}

pub(super) async fn human_contact(
    known: Known<Fault>,
    State(doors): State<Doors>,
    path: CallId,
) -> Result<Response, Fault> {
    polled(&doors, &known.caller, Kind::Contact, path).await
}

pub(super) async fn pending_calls(
    known: Known<Fault>,
    State(doors): State<Doors>,
) -> Result<Response, Fault> {
    pending(&doors, &known.caller, Kind::Call).await
}

pub(super) async fn pending_contacts(
    known: Known<Fault>,
    State(doors): State<Doors>,
) -> Result<Response, Fault> {
    pending(&doors, &known.caller, Kind::Contact).await
}

async fn polled(doors: &Doors, caller: &Caller, kind: Kind, path: CallId) -> Result<Response, Fault> {
    let call_id = call_id(path)?;
    let action = find(doors, caller, kind, &call_id).await?;
    // Who asks waits for the decision; who decides looks at what there is to decide.
    let held = match caller.principal {
        Principal::Agent(_) | Principal::Application(_) => Held::For(HELD),
        Principal::Operator { .. } | Principal::Automation(_) => Held::No,
    };
    let view = seen(doors, caller, kind, &call_id, action, held).await?;
    Ok(show::answer(&view))
}

/// The action behind an id. Agents share no ids, so an operator is told if several used the same.
pub(super) async fn find(
    doors: &Doors,
    caller: &Caller,
    kind: Kind,
    call_id: &str,
) -> Result<ActionId, Fault> {
    let found = doors.engine().submitted_under(caller, &kind.key(call_id)).await?;
    match found.as_slice() {
        [] => Err(Fault::not_found(kind.word(), call_id)),
        [one] => Ok(*one),
        _ => {
            let why = "several agents gave this call_id to a request of theirs; decide it in the console";
            Err(Fault::invalid("/call_id", why))
        }
    }
}

/// How it stands, held back as long as nobody has decided where that is asked for.
pub(super) async fn seen(
    doors: &Doors,
    caller: &Caller,
    kind: Kind,
    call_id: &str,
    id: ActionId,
    held: Held,
) -> Result<Seen, Fault> {
    let action = doors.engine().action(caller, id).await?;
    let seen = match (action.submitted.approval_id, held) {
        (None, _) => Seen::decided_at_once(kind, &action),
        (Some(id), Held::No) => Seen::of(kind, doors, &doors.engine().approval(caller, id).await?),
        (Some(id), Held::For(time)) => {
            Seen::of(kind, doors, &doors.wait(caller, id, Until::Decided, time).await?)
        }
    };
    // Once its contents were erased nothing of it can be said any more.
    seen.ok_or_else(|| Fault::not_found(kind.word(), call_id))
}

async fn pending(doors: &Doors, caller: &Caller, kind: Kind) -> Result<Response, Fault> {
    let mut filter = ApprovalFilter {
        statuses: vec![ApprovalStatus::Pending, ApprovalStatus::InfoRequested],
        oldest_first: true,
        limit: PENDING_PER_READ,
        ..ApprovalFilter::default()
    };
    let mut listed = Vec::new();
    loop {
        let page = doors.engine().approvals(caller, &filter).await?;
        let of_kind = page.items.iter().filter_map(|view| Seen::of(kind, doors, view));
        listed.extend(of_kind.map(|seen| seen.to_json()));
        match page.next {
            Some(next) if listed.len() < PENDING_MAX => filter.beyond = Some(next),
            _ => break,
        }
    }
    let json = [(CONTENT_TYPE, "application/json")];
    Ok((json, format!("[{}]", listed.join(","))).into_response())
}
