//! Erasing what a finished request said. The log keeps its commitments and still verifies.

use std::collections::BTreeSet;

use signoff_core::{
    authority::Operation,
    event::{ApprovalStatus, Event, PayloadErased},
    fold::RowKey,
    id::ActionId,
};
use signoff_store::{RecordQuery, Wants};

use crate::{Engine, EngineError, EngineResult, approvals::PAGE_MAX, turn::Draft, view::Caller};

impl Engine {
    /// Deletes inputs, context and all words of a finished request, with their salts.
    ///
    /// # Errors
    /// If the request is still pending: nobody could decide on it any more.
    pub async fn erase(&self, caller: &Caller, id: ActionId) -> EngineResult<()> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        match self.first_record(&tenant, id).await?.map(|record| record.event) {
            // What an agent noted is erased like what it asked for.
            Some(Event::ActionNoted(_)) => {}
            _ => drop(self.submission(&tenant, caller, id).await?),
        }
        let mut sequences = BTreeSet::new();
        let mut beyond = None;
        loop {
            let query = RecordQuery {
                subject: Some(id.0),
                beyond,
                limit: PAGE_MAX,
                ..RecordQuery::default()
            };
            let records = self.store().records(tenant.id, &query).await?;
            sequences.extend(records.iter().map(|stored| stored.seq));
            match records.last() {
                Some(last) if records.len() == PAGE_MAX as usize => beyond = Some(last.seq),
                _ => break,
            }
        }
        let payloads = self
            .store()
            .payloads(tenant.id, &sequences.into_iter().collect::<Vec<_>>())
            .await?;
        let sequences: Vec<u64> = payloads
            .iter()
            .map(|payload| payload.seq)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        if sequences.is_empty() {
            return Ok(());
        }
        let mut wants = Wants::default();
        wants.rows.insert((tenant.id, RowKey::Approval(id.approval())));
        let caller = caller.clone();
        self.write(&tenant, wants, move |turn| {
            let (principal, _) = turn.principal(&caller, Operation::Govern)?;
            let status = turn
                .ledger
                .rows
                .approvals
                .get(&id.approval())
                .map(|row| row.status);
            if status.is_some_and(|status: ApprovalStatus| !status.is_terminal()) {
                return Err(EngineError::StillNeeded(
                    "the request is still pending; cancel or decide it first".into(),
                ));
            }
            let event = Event::PayloadErased(PayloadErased {
                sequences: sequences.clone(),
            });
            turn.emit(Draft::new(event, principal.actor(), id))?;
            turn.ledger.changes.erased.extend(&sequences);
            Ok(())
        })
        .await
    }
}
