//! The log: what is asked of it, its events made readable, whether it is intact.

use serde_json::Value;
use signoff_api::audit as wire;
use signoff_api::stream;
use signoff_core::record::Record;
use signoff_core::time::{Micros, Timestamp};
use signoff_engine::request::EventFilter;
use signoff_engine::view::{EventView, Fault, Notice, Verification};

use super::super::problem::Refused;
use super::ToWire;

/// A filter over the log, without its place and length of the page.
pub(crate) fn event_filter(given: &wire::AuditQuery, now: Timestamp) -> Result<EventFilter, Refused> {
    Ok(EventFilter {
        agent: given.agent.clone(),
        action: given.action.clone(),
        actor: given.operator.clone(),
        decision: given.decision.clone(),
        event_type: given.kind.as_deref().map(event_type),
        subject: given.subject.clone(),
        since: given.since.as_deref().map(|text| since(text, now)).transpose()?,
        ..EventFilter::default()
    })
}

/// `approval.ended.v1` is a type; `approval.ended` and `approval.*` are beginnings of types.
fn event_type(text: &str) -> String {
    let versioned = text
        .rsplit_once(".v")
        .is_some_and(|(_, v)| v.bytes().all(|b| b.is_ascii_digit()) && !v.is_empty());
    match text.strip_suffix('*') {
        Some(start) => start.to_owned(),
        None if versioned || text.ends_with('.') => text.to_owned(),
        None => format!("{text}."),
    }
}

/// A time, or a duration back from now.
pub(crate) fn since(text: &str, now: Timestamp) -> Result<Timestamp, Refused> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    match Micros::parse(text) {
        Ok(span) if span.0 >= 0 => Ok(Timestamp(now.0.saturating_sub(span.0).max(0))),
        _ => Err(Refused::parameter(
            "`since` is an RFC 3339 time such as 2026-01-31T00:00:00Z, or a duration back from now such as 24h",
        )),
    }
}

impl ToWire for EventView {
    type Wire = wire::Event;

    fn to_wire(&self) -> wire::Event {
        let record = &self.record;
        wire::Event {
            id: record.id.to_string(),
            sequence: record.seq,
            at: record.time.to_wire(),
            kind: record.event.type_name().to_owned(),
            actor: self.actor.to_wire(),
            subject: record.subject.clone(),
            summary: self.summary.clone(),
            action: self.action.clone(),
            agent: self.agent.as_ref().map(|agent| agent.name.clone()),
            data: data(record),
            text: self.text.clone(),
            policy: record.policy.map(|policy| wire::EventPolicy {
                id: policy.id.to_string(),
                version: policy.version,
            }),
            hash: self.hash.to_string(),
        }
    }
}

/// The event's own data, as in the record.
fn data(record: &Record) -> Value {
    let mut event = serde_json::to_value(&record.event).unwrap_or_default();
    event.get_mut("data").map(Value::take).unwrap_or_default()
}

impl ToWire for Verification {
    type Wire = wire::Verification;

    fn to_wire(&self) -> wire::Verification {
        wire::Verification {
            ok: self.ok,
            events: self.records,
            with_store: self.with_store,
            rows: self.with_store.then_some(self.rows),
            erased: self.erased,
            head: wire::Head {
                sequence: self.head.seq,
                hash: self.head.hash.to_string(),
            },
            problems: self.faults.to_wire(),
        }
    }
}

impl ToWire for Fault {
    type Wire = wire::Flaw;

    fn to_wire(&self) -> wire::Flaw {
        wire::Flaw {
            kind: self.kind.to_owned(),
            sequence: self.seq,
            table: self.table.clone(),
            row: self.row.clone(),
            detail: self.detail.clone(),
        }
    }
}

impl ToWire for Notice {
    type Wire = stream::Notice;

    fn to_wire(&self) -> stream::Notice {
        stream::Notice {
            sequence: self.seq,
            id: self.id.clone(),
            at: self.at.to_wire(),
            kind: self.event_type.to_owned(),
            subject: self.subject.clone(),
            status: self.status.map(|status| status.as_str().to_owned()),
            agent_id: self.agent.map(|agent| agent.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types_are_whole_or_beginnings() {
        for (given, expected) in [
            ("approval.ended.v1", "approval.ended.v1"),
            ("approval.ended", "approval.ended."),
            ("approval.*", "approval."),
            ("approval.", "approval."),
            ("*", ""),
        ] {
            assert_eq!(event_type(given), expected);
        }
    }

    #[test]
    fn since_is_a_time_or_a_span_back_from_now() {
        let now = Timestamp(10_000_000_000);
        assert_eq!(since("1970-01-01T00:00:01Z", now).unwrap(), Timestamp(1_000_000));
        assert_eq!(
            since("1h", now).unwrap(),
            Timestamp(10_000_000_000 - 3_600_000_000)
        );
        assert_eq!(since("30d", now).unwrap(), Timestamp(0));
        for wrong in ["", "-1h", "yesterday", "2026-01-31"] {
            assert!(since(wrong, now).is_err(), "{wrong}");
        }
    }
}
