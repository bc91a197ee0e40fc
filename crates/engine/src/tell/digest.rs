//! Several requests in one message.

use signoff_core::{
    action::Cost,
    channel::ChannelKind,
    rows::{ApprovalRow, ChannelRow},
};
use signoff_notify::{Content as Says, DIGEST_ITEMS_MAX, DIGEST_OVER_MAX, Digest, DigestItem, Message};
use signoff_store::{DeliveryRow, DeliveryState};

use super::{
    compose::{Gathered, destination, message_id, person, workspace},
    route::asks,
};
use crate::{Engine, EngineError, EngineResult, approvals::compose, content::Opened, tenant::Tenant};

impl Engine {
    /// Several in one message.
    pub(crate) async fn digest(
        &self,
        tenant: &Tenant,
        channel: &ChannelRow,
        gathered: &[Gathered],
        before: &[DeliveryRow],
    ) -> EngineResult<Option<Message>> {
        let snapshot = tenant.snapshot();
        let first = gathered.first().ok_or(EngineError::Internal)?;
        let Some(to) = destination(&snapshot, channel, first.delivery.recipient) else {
            return Ok(None);
        };
        let record = self.record_at(tenant, first.delivery.seq).await?;
        // One line for each request: as it stands, whatever is told of it.
        let mut rows: Vec<(&ApprovalRow, &DeliveryRow)> = Vec::new();
        for one in gathered {
            if let Some(row) = one
                .approval
                .as_ref()
                .filter(|row| rows.iter().all(|(known, _)| known.id != row.id))
            {
                rows.push((row, &one.delivery));
            }
        }
        let open = |row: &ApprovalRow| !row.status.is_terminal();
        rows.sort_by_key(|(row, _)| {
            let first = std::cmp::Reverse((open(row), row.priority, row.risk));
            (first, row.decide_by.map_or(i64::MAX, |at| at.0))
        });
        let (count, pending) = (rows.len(), rows.iter().filter(|(row, _)| open(row)).count());
        let (waiting, over) = match channel.kind {
            ChannelKind::Pagerduty => {
                let waiting = self.store().pending_count(tenant.id, None).await?;
                (
                    usize::try_from(waiting).unwrap_or(usize::MAX),
                    over(&rows, before),
                )
            }
            // Nobody else keeps an alert that has to be closed.
            _ => (pending, Vec::new()),
        };
        rows.truncate(DIGEST_ITEMS_MAX);
        let sequences: Vec<u64> = rows.iter().flat_map(|(row, _)| row.content_seqs()).collect();
        let opened = Opened::read(self.store(), tenant, &sequences).await?;
        let items = rows.iter().map(|(row, delivery)| {
            let content = opened.asked_content(row);
            let agent = snapshot.agent_name(row.agent);
            let cost = row.cost.as_ref().map(Cost::as_str);
            let may_decide = open(row) && row.decides_elsewhere();
            let link = self.link_for(tenant, row, delivery).filter(|_| may_decide);
            let decider = row.decided_by.as_ref().map(|actor| person(actor, &snapshot));
            DigestItem {
                summary: compose(&agent, &row.action, &content, cost).text(),
                status: row.status.to_string(),
                priority: row.priority.to_string(),
                risk: row.risk.to_string(),
                decide_by: row.decide_by.map(|at| at.to_string()),
                decided_by: decider.and_then(|person| person.name),
                url: link.unwrap_or_else(|| self.approval_url(row.id)),
            }
        });
        Ok(Some(Message {
            id: message_id(&record, &first.delivery),
            to,
            content: Says::Digest(Digest {
                workspace: workspace(tenant, &snapshot),
                inbox_url: self.public_url().to_owned(),
                items: items.collect(),
                count,
                pending,
                waiting,
                over,
            }),
            thread: None,
        }))
    }
}

/// Those that ended and were asked about one by one; if there are none, one that ended all the same.
fn over(rows: &[(&ApprovalRow, &DeliveryRow)], before: &[DeliveryRow]) -> Vec<String> {
    let ended = || rows.iter().filter(|(row, _)| row.status.is_terminal());
    let alone = ended().filter(|(_, delivery)| {
        let mut asked = before
            .iter()
            .filter(|row| row.is_beside(delivery) && asks(&row.kind));
        asked.any(|row| row.state == DeliveryState::Delivered && row.gathered_in.is_none())
    });
    let mut over: Vec<String> = alone
        .map(|(row, _)| row.id.to_string())
        .take(DIGEST_OVER_MAX)
        .collect();
    if over.is_empty() {
        over.extend(ended().map(|(row, _)| row.id.to_string()).next());
    }
    over
}
