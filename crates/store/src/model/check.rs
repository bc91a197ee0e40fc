//! What no backend may be asked to keep. Checked before the first statement, so that all backends refuse the same and
//! no statement of a batch fails for what it carries.

use signoff_core::{
    id::WorkspaceId,
    record::{Head, Sealed},
};

use super::{Changes, DeliveryRow, Row};
use crate::{StoreError, StoreResult};

fn refused<T>(why: impl Into<String>) -> StoreResult<T> {
    Err(StoreError::Refused(why.into()))
}

impl Changes {
    /// Whose log it is and where it then stands; none where there is nothing to write.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for what does not belong together or can't be kept.
    pub(crate) fn check(&self) -> StoreResult<Option<(WorkspaceId, Head)>> {
        let Some((workspace, head)) = self.head else {
            return if self.is_empty() {
                Ok(None)
            } else {
                refused("changes that name no workspace")
            };
        };
        check_records(workspace, &head, &self.records)?;
        // I1: no event, no change.
        if self.records.is_empty() && !(self.rows.is_empty() && self.removed.is_empty()) {
            return refused("folded rows without the record they follow from");
        }
        let first = self.records.first().map_or(u64::MAX, |sealed| sealed.record.seq);
        if self
            .payloads
            .iter()
            .any(|payload| payload.seq < first || payload.seq > head.seq)
        {
            return refused("a payload without its record");
        }
        // I11: nothing crosses the wall by way of a row that names its workspace itself.
        let foreign = self.idempotency.iter().any(|row| row.name.workspace != workspace)
            || self.sessions.iter().any(|session| session.workspace != workspace);
        if foreign {
            return refused("a side row of another workspace");
        }
        self.check_texts()?;
        Ok(Some((workspace, head)))
    }

    fn check_texts(&self) -> StoreResult<()> {
        let names = self.idempotency.iter().map(|row| &row.name);
        let texts = names
            .flat_map(|name| [&name.principal, &name.operation, &name.key])
            .chain(self.idempotency.iter().map(|row| &row.outcome))
            .chain(
                self.people
                    .iter()
                    .flat_map(|person| [&person.name, &person.email]),
            )
            .chain(self.outbox.iter().map(|row| &row.kind))
            .chain(self.rows.iter().flat_map(indexed_texts));
        check_all(texts)
    }

    fn is_empty(&self) -> bool {
        // Taken apart in full, so that a new field can't be forgotten here.
        let Self {
            head: _,
            records,
            rows,
            removed,
            payloads,
            erased,
            idempotency,
            outbox,
            secrets,
            people,
            sessions,
            ended_sessions,
            signed_out,
            workspace_key,
        } = self;
        records.is_empty()
            && rows.is_empty()
            && removed.is_empty()
            && payloads.is_empty()
            && erased.is_empty()
            && idempotency.is_empty()
            && outbox.is_empty()
            && secrets.is_empty()
            && people.is_empty()
            && sessions.is_empty()
            && ended_sessions.is_empty()
            && signed_out.is_empty()
            && workspace_key.is_none()
    }
}

impl DeliveryRow {
    /// # Errors
    /// [`StoreError::Refused`] for what can't be kept.
    pub(crate) fn check(&self) -> StoreResult<()> {
        check_all(self.last_error.iter().chain(&self.reference).chain([&self.kind]))
    }
}

/// The records must be those that lead to the head, without a gap.
fn check_records(workspace: WorkspaceId, head: &Head, records: &[Sealed]) -> StoreResult<()> {
    if records.iter().any(|sealed| sealed.record.workspace != workspace) {
        return refused("a record of another workspace");
    }
    if records
        .windows(2)
        .any(|pair| pair[1].record.seq != pair[0].record.seq + 1 || pair[1].record.prev != pair[0].hash)
    {
        return refused("records that do not follow one another");
    }
    match records.last() {
        Some(last) if last.record.seq != head.seq || last.hash != head.hash => {
            refused("a head that is not at the last record")
        }
        _ if i64::try_from(head.seq).is_err() => refused("a sequence beyond what can be counted"),
        _ => Ok(()),
    }
}

/// Texts of a row that become columns of their own; the row itself is JSON, where U+0000 is an escape.
fn indexed_texts(row: &Row) -> Vec<&String> {
    match row {
        Row::Approval(row) => row
            .policy
            .iter()
            .map(|policy| &policy.name)
            .chain([&row.action])
            .collect(),
        Row::Counted(row) => vec![&row.field],
        _ => Vec::new(),
    }
}

fn check_all<'a>(mut texts: impl Iterator<Item = &'a String>) -> StoreResult<()> {
    // Postgres keeps no U+0000 in text, and SQLite's own functions stop there.
    if texts.any(|text| text.contains('\0')) {
        return refused("a text with the character U+0000");
    }
    Ok(())
}
