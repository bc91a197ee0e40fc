//! What is due by one channel goes out: to programs each alone, to people together.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _};
use signoff_core::{
    actor::Actor,
    channel::{ChannelKind, SwitchedOff},
    event::{ChannelPut, Event},
    fold::RowKey,
    id::{ActionId, ChannelId},
    rows::ChannelRow,
    time::Micros,
};
use signoff_notify::{DeliveryOutcome, Message, Transport, deliver, retry_delay, tells};
use signoff_store::{Addressee, DeliveryRow, DeliveryState, Wants};

use super::{PAUSE, WINDOW, lease::Held};
use crate::{
    Engine, EngineError, EngineResult,
    channels::{channel_put, transport},
    engine::jitter,
    tell::{Gathered, ends},
    tenant::Tenant,
    turn::Draft,
};

/// How many deliveries to one addressee become one message.
const GATHERED_MAX: u32 = 5_000;
/// How many messages a channel sends at a time to programs.
const AT_ONCE: usize = 8;

/// What is said of deliveries whose channel is not there any more.
const SWITCHED_OFF: &str = "the channel was switched off or removed";
/// What is said of a delivery that can't be put into words.
const UNREADABLE: &str = "what it tells of can't be read: stored data is damaged or was changed; `signoff audit verify --with-store` says where";

/// One channel on its way out.
struct Way<'a> {
    tenant: &'a Tenant,
    held: &'a Held,
    row: &'a ChannelRow,
    transport: &'a Transport,
}

impl Way<'_> {
    /// Whether the channel is still on: what is left of a round stays unsent once it was switched off.
    fn is_live(&self) -> bool {
        let snapshot = self.tenant.snapshot();
        let row = snapshot.rows.channels.get(&self.row.id);
        row.is_some_and(|row| !row.removed && !row.disabled)
    }
}

/// Whether a channel says anything of this kind of event.
fn says(transport: &Transport, kind: &str) -> bool {
    match transport {
        Transport::Webhook(webhook) => tells(webhook.template, kind),
        Transport::Callback(callback) => tells(callback.template, kind),
        _ => true,
    }
}

impl Engine {
    /// Sends what is due by one channel, under its lease.
    pub(super) async fn serve(&self, deliveries: Vec<DeliveryRow>) -> EngineResult<()> {
        let Some(first) = deliveries.first() else {
            return Ok(());
        };
        let tenant = self
            .inner
            .tenants
            .get(&first.workspace)
            .cloned()
            .ok_or(EngineError::Internal)?;
        let Some(held) = Held::take(self, &tenant, first.channel).await? else {
            // Another node is at it; should it be gone, its lease ends soon.
            tokio::time::sleep(PAUSE).await;
            return Ok(());
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
        held.release(self).await
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
            return self.fail(tenant, held, due, SWITCHED_OFF).await;
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
                match self.message_to_program(way.tenant, &delivery).await {
                    Err(EngineError::Internal) => self.put_off_unreadable(way, vec![delivery]).await,
                    message => self.attempt(way, &message?, vec![delivery]).await,
                }
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
        let Some((message, open)) = self.message(way, open, &before).await? else {
            return Ok(());
        };
        let deliveries: Vec<DeliveryRow> = open.into_iter().map(|one| one.delivery).collect();
        let Some(message) = message else {
            let why = "there is no address of theirs for this channel any more";
            return self.fail(way.tenant, way.held, deliveries, why).await;
        };
        self.attempt(way, &message, deliveries).await
    }

    /// The message about all of these, without those that can't be read; none where nothing is left to tell. There is no
    /// message in it for whom no address is left.
    async fn message(
        &self,
        way: &Way<'_>,
        open: Vec<Gathered>,
        before: &[DeliveryRow],
    ) -> EngineResult<Option<(Option<Message>, Vec<Gathered>)>> {
        let composed = match open.as_slice() {
            [] => return Ok(None),
            // An alert that several share is closed with the last of them.
            [one] if way.row.kind != ChannelKind::Pagerduty || !ends(&one.delivery.kind) => {
                self.message_to_people(way.tenant, way.row, one, before).await
            }
            many => self.digest(way.tenant, way.row, many, before).await,
        };
        if !matches!(composed, Err(EngineError::Internal)) {
            return Ok(Some((composed?, open)));
        }
        let mut unreadable = Vec::new();
        let mut readable = Vec::new();
        for one in open {
            match self.message_to_people(way.tenant, way.row, &one, before).await {
                Err(EngineError::Internal) => unreadable.push(one.delivery),
                alone => {
                    alone?;
                    readable.push(one);
                }
            }
        }
        // Where each can be read alone, and not together, nothing is known to be left out.
        if unreadable.is_empty() {
            return Err(EngineError::Internal);
        }
        self.put_off_unreadable(way, unreadable).await?;
        Box::pin(self.message(way, readable, before)).await
    }

    /// What can't be read holds nothing else up: it is tried again like what a receiver did not take, and given up in the end.
    async fn put_off_unreadable(&self, way: &Way<'_>, mut deliveries: Vec<DeliveryRow>) -> EngineResult<()> {
        let jitter = jitter();
        for delivery in &mut deliveries {
            delivery.attempts += 1;
            self.put_off(delivery, (None, jitter), None, UNREADABLE.into());
        }
        way.held.record(self, &deliveries).await
    }

    /// Gives them up, and tells their people otherwise.
    async fn fail(
        &self,
        tenant: &Tenant,
        held: &Held,
        mut deliveries: Vec<DeliveryRow>,
        why: &str,
    ) -> EngineResult<()> {
        for delivery in &mut deliveries {
            self.end(delivery, DeliveryState::Failed, None, Some(why.to_owned()));
        }
        self.tell_otherwise(tenant, &deliveries).await?;
        held.record(self, &deliveries).await
    }

    /// Sends one message once, and keeps what became of it for all that it tells.
    async fn attempt(
        &self,
        way: &Way<'_>,
        message: &Message,
        mut deliveries: Vec<DeliveryRow>,
    ) -> EngineResult<()> {
        if !way.is_live() {
            return self.fail(way.tenant, way.held, deliveries, SWITCHED_OFF).await;
        }
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
        self.tell_otherwise(way.tenant, &deliveries).await?;
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
