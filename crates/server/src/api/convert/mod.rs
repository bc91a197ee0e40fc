//! Between the wire and the domain, by hand: a domain type is no promise to those who speak JSON, a wire type no rule.

mod action;
mod approval;
mod audit;
mod call;
mod channel;
mod execution;
mod grant;
mod policy;
mod principal;
mod raises;
mod result;
mod simulation;
mod standing;
mod stats;
mod stop;
mod terms;
mod words;

pub(crate) use action::{submit, submit_answer};
pub(crate) use approval::{approval, decide, statuses};
pub(crate) use audit::{event_filter, since};
pub(crate) use channel::{
    channel_create, channel_update, contact_update, minute_of_day, old_secret_lasts, webhook, webhook_create,
    webhook_update,
};
pub(crate) use execution::{execution, report, settle};
pub(crate) use grant::{grant_create, grant_update};
pub(crate) use policy::{apply, policy_doc, settings, to_lint};
pub(crate) use principal::{key_shape, operator_create, operator_update, secret};
pub(crate) use result::{Extent, Reader, is_open};
pub(crate) use simulation::simulate;
pub(crate) use stop::check_reason;

use signoff_api::limits::TEXT_CHARS_MAX;
use signoff_api::{Actor, Code, NamedRef};
use signoff_core::payload::Hash32;
use signoff_core::time::{Micros, Timestamp};
use signoff_engine::view::{ActorView, Named};

use super::problem::Refused;

/// What the wire says of something the engine answered.
pub(crate) trait ToWire {
    /// Its wire type.
    type Wire;

    /// Says it.
    fn to_wire(&self) -> Self::Wire;
}

/// What a word of the wire is in the domain.
pub(crate) trait ToCore {
    /// Its domain type.
    type Core;

    /// Reads it.
    fn to_core(self) -> Self::Core;
}

impl<T: ToWire> ToWire for Vec<T> {
    type Wire = Vec<T::Wire>;

    fn to_wire(&self) -> Self::Wire {
        self.iter().map(ToWire::to_wire).collect()
    }
}

impl<T: ToWire> ToWire for Option<T> {
    type Wire = Option<T::Wire>;

    fn to_wire(&self) -> Self::Wire {
        self.as_ref().map(ToWire::to_wire)
    }
}

impl<Id: std::fmt::Display> ToWire for Named<Id> {
    type Wire = NamedRef;

    fn to_wire(&self) -> NamedRef {
        NamedRef {
            id: self.id.to_string(),
            name: self.name.clone(),
        }
    }
}

impl ToWire for ActorView {
    type Wire = Actor;

    fn to_wire(&self) -> Actor {
        Actor {
            kind: self.kind.to_wire(),
            id: self
                .id
                .clone()
                .unwrap_or_else(|| self.kind.to_wire().as_str().to_owned()),
            name: self.name.clone(),
        }
    }
}

impl ToWire for Timestamp {
    type Wire = String;

    fn to_wire(&self) -> String {
        self.to_string()
    }
}

/// What stands before the digits of a digest.
const DIGEST_PREFIX: &str = "sha256:";

impl ToWire for Hash32 {
    type Wire = String;

    fn to_wire(&self) -> String {
        format!("{DIGEST_PREFIX}{self}")
    }
}

/// Reads a digest of a body.
fn digest(faults: &mut Faults, pointer: &str, text: Option<&str>) -> Option<Hash32> {
    let parsed = text?
        .strip_prefix(DIGEST_PREFIX)
        .and_then(|digits| digits.parse().ok());
    if parsed.is_none() {
        faults.add(
            pointer,
            "a digest is `sha256:` and 64 lower-case hexadecimal digits",
        );
    }
    parsed
}

/// Whole seconds that are left, none below zero.
fn seconds_left(span: Micros) -> u64 {
    u64::try_from(span.as_seconds()).unwrap_or(0)
}

/// What is wrong with a body beyond its shape, collected so that all of it is said at once.
#[derive(Debug, Default)]
struct Faults(Vec<(String, String)>);

impl Faults {
    fn add(&mut self, pointer: impl Into<String>, why: impl Into<String>) {
        self.0.push((pointer.into(), why.into()));
    }

    /// Free text within the limit of the wire.
    fn check_text(&mut self, pointer: &str, text: Option<&str>) {
        self.check_chars(pointer, text, TEXT_CHARS_MAX);
    }

    fn check_chars(&mut self, pointer: &str, text: Option<&str>, max: usize) {
        let chars = text.map_or(0, |text| text.chars().count());
        if chars > max {
            self.add(
                pointer,
                format!("the text has {chars} characters; the limit is {max}"),
            );
        }
    }

    fn check_count(&mut self, pointer: &str, count: usize, max: usize) {
        if count > max {
            self.add(pointer, format!("{count} entries; the limit is {max}"));
        }
    }

    /// The value, or what is wrong.
    fn keep<T, E: std::fmt::Display>(&mut self, pointer: &str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|why| self.add(pointer, why.to_string())).ok()
    }

    fn done(self, code: Code) -> Result<(), Refused> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Refused::faults(code, self.0))
        }
    }
}
