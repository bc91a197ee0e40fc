//! The outbox: turns what was stored into messages and sends them, at least once, each channel at its own pace.

use std::{collections::HashSet, time::Duration};

use signoff_core::{actor::Actor, event::Event, fold::RowKey, id::ChannelId, time::Micros};
use signoff_notify::{DeliveryOutcome, deliver, render, retry_delay};
use signoff_store::{DeliveryRow, DeliveryState, FanOut, Wants};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Engine, EngineError, EngineResult,
    engine::jitter,
    tenant::Tenant,
    turn::Draft,
    webhooks::{channel_put, endpoint, kinds},
};

/// How many outbox rows become deliveries in one transaction.
const FAN_OUT_MAX: u32 = 500;
/// How many due deliveries are looked at in one round.
const DUE_MAX: u32 = 256;
const PAUSE: Duration = Duration::from_secs(1);
const SLEEP_MAX: Duration = Duration::from_mins(1);

pub(crate) async fn run(engine: Engine, stop: CancellationToken) {
    let mut running: JoinSet<ChannelId> = JoinSet::new();
    let mut busy: HashSet<ChannelId> = HashSet::new();
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
            () = engine.inner.aftermath.nudges.outbox.notified() => {}
            Some(done) = running.join_next() => match done {
                Ok(channel) => drop(busy.remove(&channel)),
                // A task that panicked names no channel: all that are idle may go on.
                Err(error) => {
                    tracing::error!(%error, "a delivery broke off");
                    if running.is_empty() { busy.clear() }
                }
            },
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// Fans out what is new, starts what is due, and says how long nothing will be.
async fn round(
    engine: &Engine,
    running: &mut JoinSet<ChannelId>,
    busy: &mut HashSet<ChannelId>,
) -> EngineResult<Duration> {
    for tenant in engine.inner.tenants.values() {
        let snapshot = tenant.snapshot();
        let channels: Vec<FanOut> = snapshot
            .live_channels()
            .map(|row| FanOut {
                channel: row.id,
                kinds: kinds(row),
            })
            // To the store no kinds means all of them.
            .filter(|channel| !channel.kinds.is_empty())
            .collect();
        while engine
            .store()
            .fan_out(tenant.id, &channels, engine.now(), FAN_OUT_MAX)
            .await?
            == u64::from(FAN_OUT_MAX)
        {}
    }
    let due = engine.store().due_deliveries(engine.now(), DUE_MAX).await?;
    let crowded = due.len() == DUE_MAX as usize;
    for delivery in due {
        // One message at a time to each channel: the next follows when this one came to its end.
        if busy.insert(delivery.channel) {
            let (engine, channel) = (engine.clone(), delivery.channel);
            running.spawn(async move {
                if let Err(error) = engine.attempt(delivery).await {
                    tracing::error!(%error, "what became of a delivery could not be kept; it will be tried again");
                    tokio::time::sleep(PAUSE).await;
                }
                channel
            });
        }
    }
    if crowded {
        return Ok(PAUSE);
    }
    // What is due and waits for its busy channel is woken by the end of that channel's message.
    let Some(next) = engine.store().next_delivery().await? else {
        return Ok(SLEEP_MAX);
    };
    let micros = u64::try_from(engine.now().until(next).0).unwrap_or(0);
    Ok(if micros == 0 {
        SLEEP_MAX
    } else {
        Duration::from_micros(micros).min(SLEEP_MAX)
    })
}

impl Engine {
    async fn attempt(&self, mut delivery: DeliveryRow) -> EngineResult<()> {
        use std::sync::atomic::Ordering::Relaxed;
        let tenant = self
            .inner
            .tenants
            .get(&delivery.workspace)
            .cloned()
            .ok_or(EngineError::Internal)?;
        let snapshot = tenant.snapshot();
        let is_live = snapshot.live_channels().any(|row| row.id == delivery.channel);
        let endpoint = endpoint(&tenant, &snapshot, delivery.channel).filter(|_| is_live);
        let outcome = match endpoint {
            None => DeliveryOutcome::Gone,
            Some(endpoint) => {
                let told = self.told(&tenant, &delivery).await?;
                let seconds = self.now().0.div_euclid(1_000_000);
                deliver(
                    &self.inner.egress,
                    &endpoint,
                    &told.event_id,
                    seconds,
                    render(&told),
                )
                .await
            }
        };
        delivery.attempts += 1;
        let counters = &self.inner.aftermath.counters;
        let gone = outcome == DeliveryOutcome::Gone && is_live;
        match outcome {
            DeliveryOutcome::Delivered { status } => {
                counters.delivered.fetch_add(1, Relaxed);
                self.end(&mut delivery, DeliveryState::Delivered, Some(status), None);
            }
            DeliveryOutcome::Retry {
                after,
                status,
                detail,
            } => {
                counters.delivery_failures.fetch_add(1, Relaxed);
                self.put_off(&mut delivery, after, status, detail);
            }
            DeliveryOutcome::Refused { reason } => {
                counters.delivery_failures.fetch_add(1, Relaxed);
                self.put_off(
                    &mut delivery,
                    None,
                    None,
                    format!("refused by the address guard: {reason}"),
                );
            }
            DeliveryOutcome::Gone => {
                let (status, why) = if gone {
                    (Some(410), "the receiver is gone")
                } else {
                    (None, "the webhook was switched off or removed")
                };
                self.end(&mut delivery, DeliveryState::Failed, status, Some(why.into()));
            }
        }
        self.store().record_attempt(&delivery).await?;
        if gone {
            self.switch_off(&tenant, delivery.channel).await
        } else {
            Ok(())
        }
    }

    fn end(
        &self,
        delivery: &mut DeliveryRow,
        state: DeliveryState,
        status: Option<u16>,
        error: Option<String>,
    ) {
        delivery.state = state;
        delivery.next_at = None;
        delivery.ended_at = Some(self.now());
        delivery.last_status = status;
        delivery.last_error = error;
    }

    fn put_off(
        &self,
        delivery: &mut DeliveryRow,
        after: Option<Duration>,
        status: Option<u16>,
        detail: String,
    ) {
        let wait = retry_delay(delivery.attempts as usize, jitter(), after);
        let Some(wait) = wait else {
            return self.end(delivery, DeliveryState::Failed, status, Some(detail));
        };
        let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
        delivery.next_at = Some(self.now().plus(Micros(micros)));
        delivery.last_status = status;
        delivery.last_error = Some(detail);
    }

    /// 410: the receiver wants no more messages.
    async fn switch_off(&self, tenant: &Tenant, channel: ChannelId) -> EngineResult<()> {
        self.write(tenant, Wants::default(), move |turn| {
            let snapshot = turn.snapshot();
            let Some(row) = snapshot
                .rows
                .channels
                .get(&channel)
                .filter(|row| !row.removed && !row.disabled)
            else {
                return Ok(());
            };
            turn.bring(RowKey::Channel(channel));
            let event = Event::ChannelPut(channel_put(row, true));
            turn.emit(Draft::new(event, Actor::system("deliver"), channel))
                .map(drop)
        })
        .await
    }
}
