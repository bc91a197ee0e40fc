//! What came from Slack: decided from what was kept, each thing once, whichever node does it; then whoever pressed is told.
//!
//! Each is served under a lease of its own, so that a form of one person never waits for Slack's answer to another. What was
//! decided and not marked, because a node died in between, is decided again under the same idempotency key: once.

use std::{collections::HashSet, time::Duration};

use signoff_core::{id::RawId, time::Micros};
use signoff_notify::slack::respond;
use signoff_store::{Claim, InboxRow};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Engine, EngineError, EngineResult,
    slack::{At, Outcome},
};

/// How many are looked at in one round.
const ROUND_MAX: u32 = 64;
const PAUSE: Duration = Duration::from_secs(1);
const SLEEP_MAX: Duration = Duration::from_mins(1);
/// How long one is taken for: longer than a decision and a call take.
const LEASE: Micros = Micros::seconds(60);

pub(crate) async fn run(engine: Engine, stop: CancellationToken) {
    let mut running: JoinSet<[u8; 32]> = JoinSet::new();
    let mut busy: HashSet<[u8; 32]> = HashSet::new();
    loop {
        let sleep = match round(&engine, &mut running, &mut busy, &stop).await {
            Ok(sleep) => sleep,
            Err(error) => {
                tracing::error!(%error, "what came from Slack could not be looked at");
                PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = engine.inner.aftermath.nudges.slack.notified() => {}
            Some(done) = running.join_next() => match done {
                Ok(key) => drop(busy.remove(&key)),
                // A task that panicked names nothing: all that are idle may go on.
                Err(error) => {
                    tracing::error!(%error, "something that came from Slack broke off");
                    if running.is_empty() { busy.clear() }
                }
            },
            () = tokio::time::sleep(sleep) => {}
        }
    }
    // What was begun is finished: it was acknowledged.
    while running.join_next().await.is_some() {}
}

/// Starts what is there, and says how long to wait for more without being told.
async fn round(
    engine: &Engine,
    running: &mut JoinSet<[u8; 32]>,
    busy: &mut HashSet<[u8; 32]>,
    stop: &CancellationToken,
) -> EngineResult<Duration> {
    let rows = engine.store().received(engine.now(), ROUND_MAX).await?;
    for row in rows {
        if busy.insert(row.key) {
            let (engine, stop) = (engine.clone(), stop.clone());
            running.spawn(async move {
                let (key, came) = (row.key, row.received_at);
                if let Err(error) = engine.serve_received(row).await {
                    tracing::error!(%error, "something that came from Slack could not be handled; it will be tried again");
                    // The older it is, the longer it has been failing.
                    let age = u64::try_from(came.until(engine.now()).0).unwrap_or(0);
                    let pause = Duration::from_micros(age / 8).clamp(PAUSE, SLEEP_MAX);
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                }
                key
            });
        }
    }
    Ok(if engine.store().is_shared() {
        PAUSE
    } else {
        SLEEP_MAX
    })
}

impl Engine {
    async fn serve_received(&self, row: InboxRow) -> EngineResult<()> {
        let mut subject = [0; 16];
        subject.copy_from_slice(&row.key[..16]);
        let claim = Claim {
            workspace: row.workspace,
            subject: RawId(subject),
            holder: self.inner.node,
            lasts: LEASE,
        };
        let Some(lease) = self.store().claim(&claim).await? else {
            // Another node is at it; should it be gone, its lease ends soon.
            tokio::time::sleep(PAUSE).await;
            return Ok(());
        };
        // Between the look at what is there and the lease another node may have handled it.
        let waiting = self.store().received(row.received_at, ROUND_MAX).await?;
        if waiting.contains(&row) {
            self.handle_received(&row).await?;
        }
        self.store().release(&lease).await.map_err(Into::into)
    }

    async fn handle_received(&self, row: &InboxRow) -> EngineResult<()> {
        let tenant = self.inner.tenants.get(&row.workspace);
        let at = At::of(tenant.ok_or(EngineError::Internal)?, row.channel);
        let opened = at.and_then(|at| Some((at.open(row)?, at)));
        let Some((interaction, at)) = opened else {
            tracing::warn!(channel = %row.channel, "the channel of what came from Slack is gone, or it can't be opened; it was dropped");
            return self.mark_handled(row).await;
        };
        let outcome = self.handle_interaction(&at, row, &interaction).await?;
        self.mark_handled(row).await?;
        if let Outcome::Tell(reply) = outcome {
            let to = (&interaction.place, interaction.presser.user.as_str());
            if let Err(fault) = respond(&self.inner.egress, &at.app, to, &reply).await {
                tracing::warn!(channel = %row.channel, %fault, "whoever pressed a button at Slack could not be told what came of it");
            }
        }
        Ok(())
    }

    async fn mark_handled(&self, row: &InboxRow) -> EngineResult<()> {
        let store = self.store();
        store
            .handled(row.workspace, row.channel, &row.key, self.now())
            .await
            .map_err(Into::into)
    }
}
