//! What a batch writes: each table with one statement over many rows, all of them sent to the database's thread at once.

use std::collections::BTreeMap;

use signoff_core::{
    fold::RowKey,
    id::WorkspaceId,
    record::{Head, Sealed},
};

use super::{PLACE, batch::SqliteBatch, cells::bind, script::Script};
use crate::{
    Changes, RecordIndex, Row, StoreResult,
    cells::{Cell, Table, blob, cells, signed},
    model::raw_of,
};

impl SqliteBatch {
    pub(super) async fn write_changes(&mut self, changes: &Changes) -> StoreResult<()> {
        let Some((workspace, head)) = changes.check()? else {
            return Ok(());
        };
        let mut script = Script::default();
        script.head(workspace, &head);
        script.records(workspace, &changes.records);
        script.folded_rows(workspace, &changes.rows)?;
        script.removed_rows(workspace, &changes.removed);
        script.payloads(workspace, changes);
        script.side(workspace, changes);
        script.people(workspace, changes);
        script.sessions(workspace, changes);
        self.statements += script.statements;
        let small = script.is_small();
        let query = script.text.build().persistent(small);
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }
}

impl Script {
    fn head(&mut self, workspace: WorkspaceId, head: &Head) {
        let sql = "INSERT OR REPLACE INTO heads \
                   (workspace, seq, hash, time, policy_epoch, authority_epoch, stop_epoch, place) ";
        self.insert(sql, "", &[head], |values, head| {
            values
                .push_bind(blob(workspace))
                .push_bind(signed(head.seq))
                .push_bind(head.hash.0.as_slice())
                .push_bind(head.time.0);
            values
                .push_bind(signed(head.epochs.policy))
                .push_bind(signed(head.epochs.authority))
                .push_bind(signed(head.epochs.stop))
                .push_bind(PLACE);
        });
    }

    fn records(&mut self, workspace: WorkspaceId, records: &[Sealed]) {
        let head = "INSERT INTO events (workspace, seq, id, time, type, subject, actor, agent, action, decision, hash, bytes) ";
        self.insert(head, "", records, |values, sealed| {
            let index = RecordIndex::of(&sealed.record);
            values
                .push_bind(blob(workspace))
                .push_bind(signed(sealed.record.seq));
            values
                .push_bind(sealed.record.id.0.0.to_vec())
                .push_bind(sealed.record.time.0);
            values
                .push_bind(sealed.record.event.type_name())
                .push_bind(index.subject.0.to_vec());
            values
                .push_bind(index.actor)
                .push_bind(index.agent.map(|agent| agent.0.0.to_vec()));
            values.push_bind(index.action).push_bind(index.decision);
            values
                .push_bind(sealed.hash.0.as_slice())
                .push_bind(sealed.bytes.as_slice());
        });
    }

    fn folded_rows(&mut self, workspace: WorkspaceId, rows: &[Row]) -> StoreResult<()> {
        let mut by_table: BTreeMap<Table, Vec<Vec<Cell>>> = BTreeMap::new();
        for row in rows {
            let (table, cells) = cells(row)?;
            by_table.entry(table).or_default().push(cells);
        }
        for (table, rows) in by_table {
            let head = format!(
                "INSERT INTO {} (workspace, {}) ",
                table.name(),
                table.columns().join(", ")
            );
            self.insert(&head, &table.upsert(), &rows, |values, cells| {
                values.push_bind(blob(workspace));
                for cell in cells {
                    bind(values, cell);
                }
            });
        }
        Ok(())
    }

    fn removed_rows(&mut self, workspace: WorkspaceId, removed: &[RowKey]) {
        let mut by_table: BTreeMap<Table, Vec<RowKey>> = BTreeMap::new();
        for key in removed {
            by_table.entry(Table::of(*key)).or_default().push(*key);
        }
        for (table, keys) in by_table {
            let head = format!("DELETE FROM {}", table.name());
            self.delete(&head, workspace, "id", &keys, |values, key| {
                values.push_bind(raw_of(*key).0.to_vec());
            });
        }
    }

    fn payloads(&mut self, workspace: WorkspaceId, changes: &Changes) {
        let head = "INSERT INTO payloads (workspace, seq, name, subject, salt, bytes) ";
        self.insert(head, "", &changes.payloads, |values, payload| {
            values
                .push_bind(blob(workspace))
                .push_bind(signed(payload.seq))
                .push_bind(payload.name.as_str());
            values.push_bind(payload.subject.0.to_vec());
            values
                .push_bind(payload.salt.as_slice())
                .push_bind(payload.bytes.as_slice());
        });
        self.delete(
            "DELETE FROM payloads",
            workspace,
            "seq",
            &changes.erased,
            |values, seq| {
                values.push_bind(signed(*seq));
            },
        );
    }

    fn side(&mut self, workspace: WorkspaceId, changes: &Changes) {
        let head = "INSERT INTO idempotency \
                    (workspace, principal, operation, key, fingerprint, outcome, expires_at) ";
        let tail = " ON CONFLICT (workspace, principal, operation, key) DO UPDATE SET \
                    fingerprint = excluded.fingerprint, outcome = excluded.outcome, expires_at = excluded.expires_at";
        self.insert(head, tail, &changes.idempotency, |values, row| {
            values
                .push_bind(blob(workspace))
                .push_bind(row.name.principal.as_str());
            values
                .push_bind(row.name.operation.as_str())
                .push_bind(row.name.key.as_str());
            values
                .push_bind(row.fingerprint.as_slice())
                .push_bind(row.outcome.as_str());
            values.push_bind(row.expires_at.map(|at| at.0));
        });
        let head = "INSERT OR IGNORE INTO outbox (workspace, seq, kind) ";
        self.insert(head, "", &changes.outbox, |values, row| {
            values
                .push_bind(blob(workspace))
                .push_bind(signed(row.seq))
                .push_bind(row.kind.as_str());
        });
        let head = "INSERT OR REPLACE INTO secrets (workspace, kind, id, value) ";
        self.insert(head, "", &changes.secrets, |values, row| {
            values.push_bind(blob(workspace)).push_bind(row.kind.as_str());
            values
                .push_bind(row.id.0.to_vec())
                .push_bind(row.value.as_slice());
        });
        let key = changes.workspace_key.as_slice();
        self.insert(
            "INSERT INTO workspace_keys (workspace, wrapped) ",
            "",
            key,
            |values, wrapped| {
                values.push_bind(blob(workspace)).push_bind(wrapped.as_slice());
            },
        );
    }

    fn people(&mut self, workspace: WorkspaceId, changes: &Changes) {
        // Not OR REPLACE: that would take away whoever has the address already.
        let tail = " ON CONFLICT (workspace, id) DO UPDATE SET \
                    name = excluded.name, email = excluded.email, email_folded = excluded.email_folded";
        let head = "INSERT INTO people (workspace, id, name, email, email_folded) ";
        self.insert(head, tail, &changes.people, |values, row| {
            values.push_bind(blob(workspace)).push_bind(row.id.0.0.to_vec());
            values
                .push_bind(row.name.as_str())
                .push_bind(row.email.as_str())
                .push_bind(row.email.to_lowercase());
        });
    }

    fn sessions(&mut self, workspace: WorkspaceId, changes: &Changes) {
        // Ends before beginnings: a password change may sign everybody out and its own browser in again.
        self.delete(
            "DELETE FROM sessions",
            workspace,
            "operator",
            &changes.signed_out,
            |values, operator| {
                values.push_bind(operator.0.0.to_vec());
            },
        );
        self.delete(
            "DELETE FROM sessions",
            workspace,
            "hash",
            &changes.ended_sessions,
            |values, hash| {
                values.push_bind(hash.to_vec());
            },
        );
        let head = "INSERT INTO sessions (hash, workspace, operator, created_at, expires_at) ";
        self.insert(head, "", &changes.sessions, |values, row| {
            values
                .push_bind(row.hash.to_vec())
                .push_bind(blob(workspace))
                .push_bind(row.operator.0.0.to_vec());
            values.push_bind(row.created_at.0).push_bind(row.expires_at.0);
        });
    }
}
