//! The outbox: turns what was stored into messages and sends them, at least once, each channel at its own pace.
//!
//! Of several nodes one at a time serves a channel, under a lease that it renews while it works. A node that was paused
//! past its lease starts no call and keeps nothing of one that was under way: another has the channel by then.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use signoff_core::{actor::Actor, event::Event, fold::RowKey, id::ChannelId, time::Micros};
use signoff_notify::{Content, DeliveryOutcome, Destination, Message, deliver, retry_delay};
use signoff_store::{Claim, DeliveryRow, DeliveryState, FanOut, Lease, Wants};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Engine, EngineError, EngineResult,
    engine::jitter,
    tenant::Tenant,
    turn::Draft,
    webhooks::{channel_put, kinds, transport},
};

/// How many outbox rows become deliveries in one transaction.
const FAN_OUT_MAX: u32 = 500;
/// How many due deliveries are looked at in one round.
const DUE_MAX: u32 = 256;
const PAUSE: Duration = Duration::from_secs(1);
const SLEEP_MAX: Duration = Duration::from_mins(1);
/// The longest sleep where another node may be gone that had work: with the lease, a dead node's work waits 13 seconds.
const SLEEP_SHARED: Duration = Duration::from_secs(1);
/// How long nudges gather: whoever is woken by the same commit goes first, and many messages become one round.
const GATHER: Duration = Duration::from_millis(10);
/// How long a channel is taken for, and when that is renewed.
const LEASE: Duration = Duration::from_secs(12);
const RENEW_AFTER: Duration = Duration::from_secs(4);

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
            () = engine.inner.aftermath.nudges.outbox.notified() => tokio::time::sleep(GATHER).await,
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
        let authority = snapshot.epochs.authority;
        loop {
            let store = engine.store();
            match store
                .fan_out(tenant.id, &channels, authority, engine.now(), FAN_OUT_MAX)
                .await?
            {
                Some(taken) if taken == u64::from(FAN_OUT_MAX) => {}
                Some(_) => break,
                None => {
                    // Another node set a channel: what is told goes to the channels of its time.
                    tenant.reload(store).await?;
                    engine.inner.aftermath.nudges.outbox.notify_one();
                    break;
                }
            }
        }
    }
    let due = engine.store().due_deliveries(engine.now(), DUE_MAX).await?;
    let crowded = due.len() == DUE_MAX as usize;
    let mut by_channel: BTreeMap<ChannelId, Vec<DeliveryRow>> = BTreeMap::new();
    for delivery in due {
        by_channel.entry(delivery.channel).or_default().push(delivery);
    }
    for (channel, deliveries) in by_channel {
        // One message at a time to each channel.
        if busy.insert(channel) {
            let engine = engine.clone();
            running.spawn(async move {
                if let Err(error) = engine.serve(deliveries).await {
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
    let longest = if engine.store().is_shared() {
        SLEEP_SHARED
    } else {
        SLEEP_MAX
    };
    let Some(next) = engine.store().next_delivery().await? else {
        return Ok(longest);
    };
    let micros = u64::try_from(engine.now().until(next).0).unwrap_or(0);
    Ok(if micros == 0 {
        longest
    } else {
        Duration::from_micros(micros).min(longest)
    })
}

/// A channel that this node serves, for a while.
struct Served {
    claim: Claim,
    lease: Lease,
    /// Before it was asked for, by this machine's monotonic clock: the lease in the database ends later than ours.
    since: Instant,
}

impl Served {
    /// None where another node serves the channel.
    async fn claim(engine: &Engine, claim: Claim) -> EngineResult<Option<Self>> {
        let since = Instant::now();
        let lease = engine.store().claim(&claim).await?;
        Ok(lease.map(|lease| Self { claim, lease, since }))
    }

    /// Takes it for longer; false once it is another node's.
    async fn renew(&mut self, engine: &Engine) -> EngineResult<bool> {
        let Some(renewed) = Self::claim(engine, self.claim.clone()).await? else {
            return Ok(false);
        };
        *self = renewed;
        Ok(true)
    }

    fn renew_at(&self) -> Instant {
        self.since + RENEW_AFTER
    }

    fn ends_at(&self) -> Instant {
        self.since + LEASE
    }
}

impl Engine {
    /// Sends what is due to one channel, one message after another.
    async fn serve(&self, deliveries: Vec<DeliveryRow>) -> EngineResult<()> {
        let Some(first) = deliveries.first() else {
            return Ok(());
        };
        let claim = Claim {
            workspace: first.workspace,
            subject: first.channel.0,
            holder: self.inner.node,
            lasts: Micros(i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX)),
        };
        let Some(mut served) = Served::claim(self, claim).await? else {
            // Another node is at it; should it be gone, its lease ends soon.
            tokio::time::sleep(PAUSE).await;
            return Ok(());
        };
        for delivery in deliveries {
            if Instant::now() >= served.renew_at() && !served.renew(self).await? {
                return Ok(());
            }
            // Between the look at what is due and the lease another node may have sent it.
            let present = self.store().told(delivery.workspace, &[delivery.seq]).await?;
            if present.contains(&delivery) && !self.attempt(delivery, &mut served).await? {
                return Ok(());
            }
        }
        self.store().release(&served.lease).await.map_err(Into::into)
    }

    /// Sends one message and keeps what became of it; false once the channel is another node's.
    async fn attempt(&self, mut delivery: DeliveryRow, served: &mut Served) -> EngineResult<bool> {
        use std::sync::atomic::Ordering::Relaxed;
        let tenant = self
            .inner
            .tenants
            .get(&delivery.workspace)
            .cloned()
            .ok_or(EngineError::Internal)?;
        let snapshot = tenant.snapshot();
        let is_live = snapshot.live_channels().any(|row| row.id == delivery.channel);
        let transport = transport(&tenant, &snapshot, delivery.channel).filter(|_| is_live);
        let outcome = match transport {
            None => DeliveryOutcome::Gone {
                status: None,
                detail: "the channel was switched off or removed".into(),
            },
            Some(transport) => {
                let told = self.told(&tenant, &delivery).await?;
                let message = Message {
                    id: told.event_id.clone(),
                    to: Destination::Channel,
                    content: Content::Event(Box::new(told)),
                    thread: None,
                };
                let now = jiff::Timestamp::from_microsecond(self.now().0).unwrap_or_default();
                let sending = deliver(&self.inner.egress, &transport, &message, now);
                match self.under_lease(served, sending).await? {
                    Some(outcome) => outcome,
                    None => return Ok(false),
                }
            }
        };
        delivery.attempts += 1;
        let counters = &self.inner.aftermath.counters;
        let gone = matches!(outcome, DeliveryOutcome::Gone { .. }) && is_live;
        match outcome {
            DeliveryOutcome::Delivered { status, .. } => {
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
            DeliveryOutcome::Gone { status, detail } | DeliveryOutcome::Rejected { status, detail } => {
                self.end(&mut delivery, DeliveryState::Failed, status, Some(detail));
            }
        }
        if !self.store().record_attempt(&delivery, &served.lease).await? {
            return Ok(false);
        }
        if gone {
            self.switch_off(&tenant, delivery.channel).await?;
        }
        Ok(true)
    }

    /// Runs a call while the lease holds, renewing it; none once it is another node's. The lease is looked at before the
    /// call is, each time anything happens: a process that was paused past it sends nothing more.
    async fn under_lease<T>(
        &self,
        served: &mut Served,
        call: impl Future<Output = T>,
    ) -> EngineResult<Option<T>> {
        tokio::pin!(call);
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(served.ends_at().into()) => return Ok(None),
                () = tokio::time::sleep_until(served.renew_at().into()) => {
                    if !served.renew(self).await? {
                        return Ok(None);
                    }
                }
                outcome = &mut call => return Ok(Some(outcome)),
            }
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
