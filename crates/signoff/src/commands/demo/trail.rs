//! The audit trail of the demonstration: the whole log in sentences, and whether it is intact.

use signoff_api::audit::{AuditQuery, Event, Verification};
use signoff_client::Client;

use super::story::Story;
use crate::commands::audit::verified;

/// The whole log, oldest first, and what its verification found.
pub(super) struct Trail {
    events: Vec<Event>,
    /// What the server found, tables included.
    pub(super) verification: Verification,
}

impl Trail {
    /// Reads and verifies it.
    pub(super) async fn read(admin: &Client) -> anyhow::Result<Self> {
        let mut query = AuditQuery {
            limit: Some(200),
            ..AuditQuery::default()
        };
        let mut events = Vec::new();
        loop {
            let page = admin.audit_list(&query).await?;
            events.extend(page.items);
            match page.next_cursor {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        events.reverse();
        Ok(Self {
            events,
            verification: admin.audit_verify(true).await?,
        })
    }

    /// Tells it.
    pub(super) fn tell(&self, story: &mut Story) {
        story.heading("The log, from its first record");
        story.blank();
        for event in &self.events {
            story.plain(&format!(
                "  {:>3}  {}  {}",
                event.sequence,
                clock(&event.at),
                event.summary
            ));
            if let Some(text) = &event.text {
                story.quiet(&format!("                 “{text}”"));
            }
        }
        story.blank();
        let verification = &self.verification;
        if verification.ok {
            let rows = verification.rows.unwrap_or_default();
            let events = verification.events;
            let text = format!(
                "verified: {events} records, each bound to the one before; {rows} stored rows agree with them"
            );
            story.verdict(true, &text);
            story.quiet(&format!(
                "  head {} {}",
                verification.head.sequence, verification.head.hash
            ));
        } else {
            for text in verified(verification).lines() {
                story.verdict(false, text);
            }
        }
    }
}

/// The time of day of an RFC 3339 time; the text itself when it has another form.
fn clock(at: &str) -> &str {
    at.get(11..19).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_cut_out() {
        assert_eq!(clock("2026-11-21T10:20:30.123456Z"), "10:20:30");
        assert_eq!(clock("soon"), "soon");
    }
}
