//! Stored credentials.

use super::{Fold, FoldError, RowKey};
use crate::{event::Event, grant::GrantRow, id::GrantId};

impl Fold<'_> {
    pub(super) fn apply_grant(&mut self) -> Result<(), FoldError> {
        let now = self.record.time;
        match &self.record.event {
            Event::GrantPut(put) => {
                let id: GrantId = self.subject()?;
                self.changed.insert(RowKey::Grant(id));
                let present = self.rows.grants.get(&id);
                // A version is locked to its value, so none is ever given twice.
                if put.version != present.map_or(0, |row| row.version) + 1 {
                    return Err(self.impossible("at another version"));
                }
                let created_at = present.map_or(now, |row| row.created_at);
                // However a grant is changed, it stays stopped.
                let stop = present.and_then(|row| row.stop.clone());
                let row = GrantRow {
                    id,
                    grant: put.grant.clone(),
                    fingerprint: put.fingerprint.clone(),
                    digest: put.digest,
                    version: put.version,
                    removed: false,
                    created_at,
                    changed_at: now,
                    changed_seq: self.record.seq,
                    stop,
                };
                self.rows.grants.insert(id, row);
            }
            Event::GrantRefreshed(refreshed) => {
                let id = self.subject()?;
                row_mut!(self.grants, Grant, id)?.digest = refreshed.digest;
            }
            Event::GrantRemoved(removed) => {
                let id = self.subject()?;
                let seq = self.record.seq;
                let row = row_mut!(self.grants, Grant, id)?;
                row.removed = true;
                row.digest = removed.digest;
                (row.changed_at, row.changed_seq) = (now, seq);
            }
            _ => {}
        }
        Ok(())
    }
}
