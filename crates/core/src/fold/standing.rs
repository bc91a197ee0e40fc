//! Standing approvals: given, used by the actions they let through, taken back.

use super::{Fold, FoldError, RowKey};
use crate::{
    event::{ActionAllowed, Event},
    id::StandingId,
    standing::{Revoked, StandingRow},
};

impl Fold<'_> {
    pub(super) fn apply_standing(&mut self) -> Result<(), FoldError> {
        let record = self.record;
        let id: StandingId = self.subject()?;
        if let Event::StandingGranted(granted) = &record.event {
            if let Some(row) = self.rows.standing.get(&id) {
                return Err(self.impossible(row.state(record.time).as_str()));
            }
            self.changed.insert(RowKey::Standing(id));
            let row = StandingRow {
                id,
                agent: granted.agent,
                action: granted.action.clone(),
                policy: granted.policy.clone(),
                approval: granted.approval,
                granted_by: record.actor.clone(),
                created_at: record.time,
                expires_at: granted.expires_at,
                uses_max: granted.uses,
                uses: 0,
                condition: granted.condition.clone(),
                revoked: None,
            };
            self.rows.standing.insert(id, row);
            return Ok(());
        }
        let row = row_mut!(self.standing, Standing, id)?;
        if row.revoked.is_some() {
            return Err(self.impossible("revoked"));
        }
        row.revoked = Some(Revoked {
            by: record.actor.clone(),
            at: record.time,
        });
        Ok(())
    }

    /// One use, which it must still have: I8, an answer that ran out lets nothing through.
    pub(super) fn use_standing(&mut self, allowed: &ActionAllowed) -> Result<(), FoldError> {
        let (record, Some(id)) = (self.record, allowed.standing) else {
            return Ok(());
        };
        let row = row_mut!(self.standing, Standing, id)?;
        let facts = &allowed.action;
        let answers = facts
            .policy
            .as_ref()
            .is_some_and(|policy| row.answers(facts.agent, &facts.name, policy, record.time));
        if !answers {
            let state = row.state(record.time);
            return Err(self.impossible(state.as_str()));
        }
        row.uses += 1;
        Ok(())
    }
}
