//! The outbox: turns what was stored into messages and sends them, at least once, each channel at its own pace.
//!
//! Of several nodes one at a time serves a channel, under a lease that it renews while it works. A node that was paused
//! past its lease starts no call and keeps nothing of one that was under way: another has the channel by then.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, TryStreamExt as _};
use signoff_core::{
    actor::Actor,
    channel::{ChannelKind, SwitchedOff},
    event::{ChannelPut, Event},
    fold::RowKey,
    id::{ActionId, ChannelId},
    rows::ChannelRow,
    time::{Micros, Timestamp},
};
use signoff_notify::{DeliveryOutcome, Message, Transport, deliver, retry_delay, tells};
use signoff_store::{Addressee, Claim, DeliveryRow, DeliveryState, Lease, Wants};
use tokio::{sync::Mutex, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    Engine, EngineError, EngineResult,
    channels::{channel_put, transport},
    engine::jitter,
    tell::{ends, fan_out},
    tenant::Tenant,
    turn::Draft,
};

/// The least time between two messages to one person or conversation, unless they or the channel say otherwise.
pub(crate) const WINDOW: Micros = Micros::seconds(60);
/// How many deliveries to one addressee become one message.
const GATHERED_MAX: u32 = 5_000;
/// How many messages a channel sends at a time to programs.
const AT_ONCE: usize = 8;
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
        fan_out(engine, tenant).await?;
    }
    let now = engine.now();
    let at_work: Vec<ChannelId> = busy.iter().copied().collect();
    let due = engine.store().due_deliveries(now, &at_work, DUE_MAX).await?;
    let crowded = due.len() == DUE_MAX as usize;
    let mut by_channel: BTreeMap<ChannelId, Vec<DeliveryRow>> = BTreeMap::new();
    for delivery in due {
        by_channel.entry(delivery.channel).or_default().push(delivery);
    }
    for (channel, deliveries) in by_channel {
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
        // Those channels are at work now: what is behind them is seen at once.
        return Ok(Duration::ZERO);
    }
    // What is due and waits for its busy channel, or for an earlier message, is woken by the end of that.
    let longest = if engine.store().is_shared() {
        SLEEP_SHARED
    } else {
        SLEEP_MAX
    };
    let Some(next) = engine.store().next_delivery(now).await? else {
        return Ok(longest);
    };
    let micros = u64::try_from(engine.now().until(next).0).unwrap_or(0);
    Ok(Duration::from_micros(micros).min(longest))
}

/// One channel on its way out.
struct Way<'a> {
    tenant: &'a Tenant,
    held: &'a Held,
    row: &'a ChannelRow,
    transport: &'a Transport,
}

/// Whether a channel says anything of this kind of event.
fn says(transport: &Transport, kind: &str) -> bool {
    match transport {
        Transport::Webhook(webhook) => tells(webhook.template, kind),
        Transport::Callback(callback) => tells(callback.template, kind),
        _ => true,
    }
}

/// A channel's lease, while several messages go out under it.
struct Held {
    served: Mutex<Served>,
}

impl Held {
    /// Runs the work while the lease holds, renewing it; none once it is another node's. The lease is looked at before the
    /// work is, each time anything happens: a process that was paused past it sends nothing more.
    async fn keep<T>(&self, engine: &Engine, work: impl Future<Output = T>) -> EngineResult<Option<T>> {
        // Polled beside each other: the work may hold the lease while this waits for it.
        tokio::select! {
            biased;
            lost = self.renew_until_lost(engine) => lost.map(|()| None),
            done = work => Ok(Some(done)),
        }
    }

    async fn renew_until_lost(&self, engine: &Engine) -> EngineResult<()> {
        loop {
            let (renew_at, ends_at) = {
                let served = self.served.lock().await;
                (served.renew_at(), served.ends_at())
            };
            let renewed = async {
                tokio::time::sleep_until(renew_at.into()).await;
                self.served.lock().await.renew(engine).await
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(ends_at.into()) => return Ok(()),
                renewed = renewed => if !renewed? { return Ok(()) },
            }
        }
    }

    /// Keeps what became of deliveries. Once the lease is another node's nothing is kept, and the work ends.
    async fn record(&self, engine: &Engine, deliveries: &[DeliveryRow]) -> EngineResult<()> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let served = self.served.lock().await;
        if engine.store().record_attempts(deliveries, &served.lease).await? {
            return Ok(());
        }
        Err(EngineError::Internal)
    }

    async fn hold(&self, engine: &Engine, to: Addressee, until: Timestamp) -> EngineResult<()> {
        let served = self.served.lock().await;
        engine.store().hold(to, until, &served.lease).await?;
        Ok(())
    }
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
    /// Sends what is due by one channel, under its lease.
    async fn serve(&self, deliveries: Vec<DeliveryRow>) -> EngineResult<()> {
        let Some(first) = deliveries.first() else {
            return Ok(());
        };
        let tenant = self
            .inner
            .tenants
            .get(&first.workspace)
            .cloned()
            .ok_or(EngineError::Internal)?;
        let claim = Claim {
            workspace: first.workspace,
            subject: first.channel.0,
            holder: self.inner.node,
            lasts: Micros(i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX)),
        };
        let Some(served) = Served::claim(self, claim).await? else {
            // Another node is at it; should it be gone, its lease ends soon.
            tokio::time::sleep(PAUSE).await;
            return Ok(());
        };
        let held = Held {
            served: Mutex::new(served),
        };
        // Between the look at what is due and the lease another node may have sent it.
        let sequences: Vec<u64> = deliveries.iter().map(|row| row.seq).collect();
        let present = self.store().told(first.workspace, &sequences).await?;
        let due: Vec<DeliveryRow> = deliveries
            .into_iter()
            .filter(|row| present.contains(row))
            .collect();
        let sending = self.send_all(&tenant, &held, due);
        match held.keep(self, sending).await? {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(error),
            None => return Ok(()),
        }
        let lease = held.served.lock().await.lease.clone();
        self.store().release(&lease).await.map_err(Into::into)
    }

    async fn send_all(&self, tenant: &Tenant, held: &Held, due: Vec<DeliveryRow>) -> EngineResult<()> {
        let Some(channel) = due.first().map(|row| row.channel) else {
            return Ok(());
        };
        let snapshot = tenant.snapshot();
        let row = snapshot.rows.channels.get(&channel).cloned();
        let live = row.filter(|row| !row.removed && !row.disabled);
        let live = live.and_then(|row| Some((row, transport(tenant, &snapshot, channel)?)));
        let Some((row, transport)) = live else {
            let mut due = due;
            for delivery in &mut due {
                let why = "the channel was switched off or removed".to_owned();
                self.end(delivery, DeliveryState::Failed, None, Some(why));
            }
            return held.record(self, &due).await;
        };
        let way = Way {
            tenant,
            held,
            row: &row,
            transport: &transport,
        };
        if row.kind.is_for_programs() {
            self.send_to_programs(&way, due).await
        } else {
            self.send_to_people(&way, due).await
        }
    }

    /// Several requests at a time, so that a receiver that takes long for one does not hold the others up; messages about one
    /// request in order.
    async fn send_to_programs(&self, way: &Way<'_>, due: Vec<DeliveryRow>) -> EngineResult<()> {
        let done = futures_util::stream::iter(due)
            .map(|delivery| async move {
                if !says(way.transport, &delivery.kind) {
                    let mut skipped = delivery;
                    self.end(&mut skipped, DeliveryState::Skipped, None, None);
                    return way.held.record(self, &[skipped]).await;
                }
                let message = self.message_to_program(way.tenant, &delivery).await?;
                self.attempt(way, &message, vec![delivery]).await
            })
            .buffer_unordered(AT_ONCE);
        done.try_collect::<()>().await
    }

    /// One addressee after the other: what is urgent alone and at once, the rest together, once a window.
    async fn send_to_people(&self, way: &Way<'_>, due: Vec<DeliveryRow>) -> EngineResult<()> {
        let (urgent, rest): (Vec<_>, Vec<_>) = due.into_iter().partition(|row| row.urgent);
        for delivery in urgent {
            self.send_together(way, vec![delivery]).await?;
        }
        let addressees: BTreeSet<Addressee> = rest.iter().map(DeliveryRow::addressee).collect();
        for to in addressees {
            let window = to
                .recipient
                .and_then(|id| way.tenant.snapshot().contact(id).window)
                .or(way.row.window)
                .unwrap_or(WINDOW);
            let now = self.now();
            let opens = self.store().last_told(to).await?.map(|at| at.plus(window));
            if let Some(opens) = opens.filter(|opens| *opens > now) {
                way.held.hold(self, to, opens).await?;
                continue;
            }
            let together = self.store().gathered(to, now, GATHERED_MAX).await?;
            self.send_together(way, together).await?;
        }
        Ok(())
    }

    /// One message about all of these, which go to one addressee; those that are over by now are left out.
    async fn send_together(&self, way: &Way<'_>, together: Vec<DeliveryRow>) -> EngineResult<()> {
        let requests: BTreeSet<ActionId> = together.iter().filter_map(|row| row.request).collect();
        let requests: Vec<ActionId> = requests.into_iter().collect();
        let before = self.store().told_of(way.tenant.id, &requests).await?;
        let gathered = self.gather(way.tenant, together).await?;
        let (over, open): (Vec<_>, Vec<_>) = gathered
            .into_iter()
            .partition(|one| one.is_over(way.row, &before));
        let mut over: Vec<DeliveryRow> = over.into_iter().map(|one| one.delivery).collect();
        for delivery in &mut over {
            self.end(delivery, DeliveryState::Skipped, None, None);
        }
        way.held.record(self, &over).await?;
        let message = match open.as_slice() {
            [] => return Ok(()),
            // An alert that several share is closed with the last of them.
            [one] if way.row.kind != ChannelKind::Pagerduty || !ends(&one.delivery.kind) => {
                let message = self.message_to_people(way.tenant, way.row, one, &before);
                message.await?
            }
            many => self.digest(way.tenant, way.row, many, &before).await?,
        };
        let mut deliveries: Vec<DeliveryRow> = open.into_iter().map(|one| one.delivery).collect();
        let Some(message) = message else {
            for delivery in &mut deliveries {
                let why = "there is no address of theirs for this channel any more".to_owned();
                self.end(delivery, DeliveryState::Failed, None, Some(why));
            }
            return way.held.record(self, &deliveries).await;
        };
        self.attempt(way, &message, deliveries).await
    }

    /// Sends one message once, and keeps what became of it for all that it tells.
    async fn attempt(
        &self,
        way: &Way<'_>,
        message: &Message,
        mut deliveries: Vec<DeliveryRow>,
    ) -> EngineResult<()> {
        let now = jiff::Timestamp::from_microsecond(self.now().0).unwrap_or_default();
        let outcome = deliver(&self.inner.egress, way.transport, message, now).await;
        self.count(&outcome, deliveries.len());
        let gone = matches!(outcome, DeliveryOutcome::Gone { .. });
        let first = deliveries
            .first()
            .map(|row| row.seq)
            .filter(|_| deliveries.len() > 1);
        let jitter = jitter();
        for delivery in &mut deliveries {
            delivery.attempts += 1;
            match &outcome {
                DeliveryOutcome::Delivered { status, reference } => {
                    delivery.gathered_in = first;
                    delivery.reference.clone_from(reference);
                    self.end(delivery, DeliveryState::Delivered, Some(*status), None);
                }
                DeliveryOutcome::Retry {
                    after,
                    status,
                    detail,
                } => self.put_off(delivery, (*after, jitter), *status, detail.clone()),
                DeliveryOutcome::Refused { reason } => {
                    let why = format!("refused by the address guard: {reason}");
                    self.put_off(delivery, (None, jitter), None, why);
                }
                DeliveryOutcome::Gone { status, detail } | DeliveryOutcome::Rejected { status, detail } => {
                    self.end(delivery, DeliveryState::Failed, *status, Some(detail.clone()));
                }
            }
        }
        way.held.record(self, &deliveries).await?;
        let rejected = matches!(outcome, DeliveryOutcome::Rejected { .. });
        let given_up = deliveries.iter().find(|row| row.state == DeliveryState::Failed);
        match given_up.filter(|_| !rejected) {
            Some(_) if gone => self.switch_off(way.tenant, way.row.id, SwitchedOff::Gone).await,
            Some(row) if !self.arrived_since(row).await? => {
                self.switch_off(way.tenant, way.row.id, SwitchedOff::Failing)
                    .await
            }
            _ => Ok(()),
        }
    }

    /// Whether anything arrived by the channel since this delivery was written.
    async fn arrived_since(&self, given_up: &DeliveryRow) -> EngineResult<bool> {
        let store = self.store();
        let latest = store
            .deliveries(given_up.workspace, given_up.channel, None, 200)
            .await?;
        Ok(latest.iter().any(|row| {
            row.state == DeliveryState::Delivered && row.ended_at.is_some_and(|at| at >= given_up.created_at)
        }))
    }

    fn count(&self, outcome: &DeliveryOutcome, deliveries: usize) {
        use std::sync::atomic::Ordering::Relaxed;
        let counters = &self.inner.aftermath.counters;
        match outcome {
            DeliveryOutcome::Delivered { .. } => {
                counters.delivered.fetch_add(deliveries as u64, Relaxed);
            }
            DeliveryOutcome::Retry { .. } | DeliveryOutcome::Refused { .. } => {
                counters.delivery_failures.fetch_add(1, Relaxed);
            }
            DeliveryOutcome::Gone { .. } | DeliveryOutcome::Rejected { .. } => {}
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
        (after, jitter): (Option<Duration>, u32),
        status: Option<u16>,
        detail: String,
    ) {
        let wait = retry_delay(delivery.attempts as usize, jitter, after);
        let Some(wait) = wait else {
            return self.end(delivery, DeliveryState::Failed, status, Some(detail));
        };
        let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
        delivery.next_at = Some(self.now().plus(Micros(micros)));
        delivery.last_status = status;
        delivery.last_error = Some(detail);
    }

    /// The receiver wants no more messages, or never takes any. Admins hear of it by what else there is.
    async fn switch_off(&self, tenant: &Tenant, channel: ChannelId, why: SwitchedOff) -> EngineResult<()> {
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
            let event = Event::ChannelPut(ChannelPut {
                switched_off: Some(why),
                ..channel_put(row, true)
            });
            turn.emit(Draft::new(event, Actor::system("deliver"), channel))
                .map(drop)
        })
        .await
    }
}
