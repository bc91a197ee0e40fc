//! When a way to a person fails, the next one: what is asked must be heard by somebody.

use std::collections::{BTreeSet, HashMap};

use signoff_core::id::{ActionId, ChannelId, OperatorId};
use signoff_store::{DeliveryRow, DeliveryState, FannedOut};

use super::route::{Router, asks};
use crate::{Engine, EngineResult, tenant::Tenant};

/// After how many tries in vain somebody is told by another way too, while the first goes on being tried.
const TRIES_ALONE: u32 = 2;

/// What a person was asked about a request: by which channels, and whether one of them brought it or may do so soon.
#[derive(Default)]
struct Asked {
    by: BTreeSet<ChannelId>,
    hopeful: bool,
}

fn is_in_vain(row: &DeliveryRow) -> bool {
    match row.state {
        DeliveryState::Failed => true,
        DeliveryState::Waiting => row.attempts >= TRIES_ALONE,
        DeliveryState::Delivered | DeliveryState::Skipped => false,
    }
}

impl Engine {
    /// Tells people what they are asked by the next way that there is to them, where these, which one channel tried, failed
    /// and no other channel brought it. Whoever chose their channels is told by all of them from the beginning.
    ///
    /// To be called before what became of them is kept: if the process ends in between, they are tried and looked at again.
    pub(crate) async fn tell_otherwise(&self, tenant: &Tenant, tried: &[DeliveryRow]) -> EngineResult<()> {
        let vain: Vec<(&DeliveryRow, ActionId, OperatorId)> = tried
            .iter()
            .filter(|row| asks(&row.kind) && is_in_vain(row))
            .filter_map(|row| Some((row, row.request?, row.recipient?)))
            .collect();
        let Some(channel) = vain.first().map(|(row, ..)| row.channel) else {
            return Ok(());
        };
        let requests: BTreeSet<ActionId> = vain.iter().map(|(_, request, _)| *request).collect();
        let requests: Vec<ActionId> = requests.into_iter().collect();
        let mut asked: HashMap<(ActionId, OperatorId), Asked> = HashMap::new();
        for row in self.store().told_of(tenant.id, &requests).await? {
            let (Some(request), Some(person)) = (row.request, row.recipient) else {
                continue;
            };
            if asks(&row.kind) {
                let asked = asked.entry((request, person)).or_default();
                asked.by.insert(row.channel);
                let is_over = is_in_vain(&row) || row.state == DeliveryState::Skipped;
                asked.hopeful |= row.channel != channel && !is_over;
            }
        }
        loop {
            let snapshot = tenant.snapshot();
            let now = self.now();
            let router = Router::new(&snapshot, now);
            let next = |(row, request, person): &(&DeliveryRow, ActionId, OperatorId)| {
                let asked = asked.get(&(*request, *person)).filter(|asked| !asked.hopeful)?;
                let mut ways = router.ways(*person, true).into_iter();
                let to = ways.find(|to| !asked.by.contains(&to.channel))?;
                let next_at = router.not_before(to.recipient, row.urgent);
                Some(DeliveryRow {
                    recipient: to.recipient,
                    request: row.request,
                    urgent: row.urgent,
                    ..DeliveryRow::new((tenant.id, to.channel), (row.seq, &row.kind), now, next_at)
                })
            };
            let deliveries: Vec<DeliveryRow> = vain.iter().filter_map(next).collect();
            if deliveries.is_empty() {
                return Ok(());
            }
            let authority = snapshot.epochs.authority;
            let done = self
                .store()
                .fan_out(tenant.id, &[], &deliveries, authority)
                .await?;
            if done != FannedOut::Moved {
                self.inner.aftermath.nudges.outbox.notify_one();
                return Ok(());
            }
            drop(tenant.reload(self.store()).await?);
        }
    }
}
