//! What became of a channel's messages, and sending one again.

use std::collections::HashMap;

use signoff_core::{authority::Operation, id::ChannelId, record::Record};

use super::present;
use crate::{
    Engine, EngineError, EngineResult,
    approvals::check_limit,
    view::{Caller, DeliveryView, Named, Page},
};

impl Engine {
    /// Messages by a channel, newest first.
    ///
    /// # Errors
    /// If there is no such channel.
    pub async fn deliveries(
        &self,
        caller: &Caller,
        id: ChannelId,
        beyond: Option<u64>,
        limit: u32,
    ) -> EngineResult<Page<DeliveryView>> {
        let tenant = self.tenant(caller)?;
        self.channel(caller, id)?;
        let limit = check_limit(limit)?;
        let mut rows = self.store().deliveries(tenant.id, id, beyond, limit + 1).await?;
        // The cursor is a sequence: messages about one record stay on one page.
        let next = if rows.len() > limit as usize {
            let cut = rows[limit as usize].seq;
            let whole = rows.iter().take_while(|row| row.seq != cut).count();
            rows.truncate(if whole == 0 { limit as usize } else { whole });
            rows.last().map(|row| row.seq)
        } else {
            None
        };
        let sequences: Vec<u64> = rows.iter().map(|row| row.seq).collect();
        let mut records = HashMap::new();
        for stored in self.store().records_at(tenant.id, &sequences).await? {
            let record: Record = serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
            records.insert(stored.seq, (record.id.to_string(), record.subject));
        }
        let snapshot = tenant.snapshot();
        let items = rows.into_iter().map(|row| {
            let (event, subject) = records.get(&row.seq).cloned().unwrap_or_default();
            DeliveryView {
                id: event,
                seq: row.seq,
                kind: row.kind,
                subject,
                recipient: row.recipient.map(|id| Named {
                    id,
                    name: snapshot
                        .person(id)
                        .map_or_else(|| id.to_string(), |person| person.name.clone()),
                }),
                together: row.gathered_in.is_some(),
                state: row.state,
                attempts: row.attempts,
                last_status: row.last_status,
                last_error: row.last_error,
                next_at: row.next_at,
                ended_at: row.ended_at,
                created_at: row.created_at,
            }
        });
        Ok(Page {
            items: items.collect(),
            next,
        })
    }

    /// Names of the channels that Signoff itself switched off, in alphabetical order.
    ///
    /// # Errors
    /// If the caller may not see channels.
    pub fn switched_off_channels(&self, caller: &Caller) -> EngineResult<Vec<String>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let snapshot = tenant.snapshot();
        let rows = snapshot.rows.channels.values();
        let off = rows.filter(|row| !row.removed && row.disabled && row.switched_off.is_some());
        let mut names: Vec<String> = off.map(|row| row.name.clone()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Sends again what was told of one record by a channel, delivered or given up. Answers how many messages.
    ///
    /// # Errors
    /// If there is no such channel, it is switched off, or it was never told of the record, or all of it waits to be sent.
    pub async fn redeliver(&self, caller: &Caller, id: ChannelId, seq: u64) -> EngineResult<u64> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let snapshot = tenant.snapshot();
        if present(&snapshot, id)?.disabled {
            return Err(EngineError::invalid(
                "",
                "the channel is switched off; switch it on first, then send again",
            ));
        }
        let again = self.store().redeliver(tenant.id, id, seq, self.now()).await?;
        if again == 0 {
            return Err(EngineError::not_found("delivery that ended", seq));
        }
        self.inner.aftermath.nudges.outbox.notify_one();
        Ok(again)
    }
}
