//! The outbox: turns what was stored into messages and sends them, at least once, each channel at its own pace.
//!
//! Of several nodes one at a time serves a channel, under a lease that it renews while it works. A node that was paused
//! past its lease starts no call and keeps nothing of one that was under way: another has the channel by then.

mod lease;
mod send;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use signoff_core::{id::ChannelId, time::Micros};
use signoff_store::DeliveryRow;
use tokio::task::{self, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{Engine, EngineResult, tell::fan_out};

/// The least time between two messages to one person or conversation, unless they or the channel say otherwise.
pub(crate) const WINDOW: Micros = Micros::seconds(60);
/// How many due deliveries are looked at in one round.
const DUE_MAX: u32 = 256;
const PAUSE: Duration = Duration::from_secs(1);
const SLEEP_MAX: Duration = Duration::from_mins(1);
/// The longest sleep where another node may be gone that had work: with the lease, a dead node's work waits 13 seconds.
const SLEEP_SHARED: Duration = Duration::from_secs(1);
/// How long nudges gather: whoever is woken by the same commit goes first, and many messages become one round.
const GATHER: Duration = Duration::from_millis(10);

pub(crate) async fn run(engine: Engine, stop: CancellationToken) {
    let mut running = JoinSet::new();
    let mut busy = HashMap::new();
    loop {
        let sleep = match round(&engine, &mut running, &mut busy).await {
            Ok(sleep) => sleep,
            Err(error) => {
                tracing::error!(%error, "the outbox could not be looked at");
                PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = engine.inner.aftermath.nudges.outbox.notified() => tokio::time::sleep(GATHER).await,
            Some(done) = running.join_next_with_id() => {
                let task = match done {
                    Ok((task, ())) => task,
                    Err(error) => {
                        tracing::error!(%error, "a delivery broke off");
                        error.id()
                    }
                };
                busy.remove(&task);
            }
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// Fans out what is new, starts what is due, and says how long nothing will be.
async fn round(
    engine: &Engine,
    running: &mut JoinSet<()>,
    busy: &mut HashMap<task::Id, ChannelId>,
) -> EngineResult<Duration> {
    let mut stuck = false;
    for tenant in engine.inner.tenants.values() {
        // What is wrong with one workspace's data is no reason to hold up the others.
        if let Err(error) = fan_out(engine, tenant).await {
            tracing::error!(workspace = %tenant.id, %error, "what is to be told could not be made into messages");
            stuck = true;
        }
    }
    let now = engine.now();
    let at_work: Vec<ChannelId> = busy.values().copied().collect();
    let due = engine.store().due_deliveries(now, &at_work, DUE_MAX).await?;
    let crowded = due.len() == DUE_MAX as usize;
    let mut by_channel: BTreeMap<ChannelId, Vec<DeliveryRow>> = BTreeMap::new();
    for delivery in due {
        by_channel.entry(delivery.channel).or_default().push(delivery);
    }
    for (channel, deliveries) in by_channel {
        let engine = engine.clone();
        let serving = running.spawn(async move {
            if let Err(error) = engine.serve(deliveries).await {
                tracing::error!(%error, "what became of a delivery could not be kept; it will be tried again");
                tokio::time::sleep(PAUSE).await;
            }
        });
        busy.insert(serving.id(), channel);
    }
    if crowded {
        // Those channels are at work now: what is behind them is seen at once.
        return Ok(Duration::ZERO);
    }
    // What is due and waits for its busy channel, or for an earlier message, is woken by the end of that.
    let longest = match (stuck, engine.store().is_shared()) {
        (true, _) => PAUSE,
        (false, true) => SLEEP_SHARED,
        (false, false) => SLEEP_MAX,
    };
    let Some(next) = engine.store().next_delivery(now).await? else {
        return Ok(longest);
    };
    let micros = u64::try_from(engine.now().until(next).0).unwrap_or(0);
    Ok(Duration::from_micros(micros).min(longest))
}
