//! From what the engine answers to what pages show.

use signoff_core::actor::ActorKind;
use signoff_core::time::Timestamp;
use signoff_engine::view::ActorView;

use super::inert::Inert;
use super::view::Moment;

pub mod approval;
pub mod call;
pub mod channel;
pub mod contact;
pub mod difference;
pub mod execution;
pub mod grant;
pub mod inbox;
pub mod link;
pub mod people;
pub mod policy;
pub mod record;
pub mod run;
pub mod stats;
pub mod stop;
pub mod trial;

/// A time of the engine's as the pages' own; what lies outside of calendars shows as 1970.
pub fn instant(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// A time as seen from `now`.
pub fn moment(at: Timestamp, now: Timestamp) -> Moment {
    Moment::new(instant(at), instant(now))
}

/// Somebody by name, or by what they are where no name is known.
pub fn who(actor: &ActorView) -> Inert {
    Inert::all(&who_text(actor))
}

/// The same as plain text, for sentences.
pub fn who_text(actor: &ActorView) -> String {
    let id = actor.id.as_deref().unwrap_or_default();
    match (actor.kind, &actor.name) {
        (ActorKind::System, _) => "Signoff".to_owned(),
        (ActorKind::Stranger, _) => "somebody unknown".to_owned(),
        (ActorKind::Automation, None) => "automation".to_owned(),
        (ActorKind::Automation, Some(name)) => format!("{name} (automation)"),
        (_, Some(name)) if !name.is_empty() => name.clone(),
        _ => id.to_owned(),
    }
}
