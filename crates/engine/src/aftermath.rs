//! What follows a commit: fresh snapshots, woken waiters, notices, nudged workers. In this order, before the answers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use signoff_core::{
    event::{Event, ExecutionState},
    id::WorkspaceId,
    record::Head,
};
use signoff_store::Store;
use tokio::sync::{Notify, broadcast};

use crate::{turn::Ledger, view::Notice, waiters::Waiters};

/// Taps on the shoulders of the workers.
#[derive(Default)]
pub(crate) struct Nudges {
    /// Something may be due earlier than before.
    pub(crate) clock: Notify,
    /// There is something to tell.
    pub(crate) outbox: Notify,
    /// There is a call to make.
    pub(crate) calls: Notify,
    /// Something came from Slack.
    pub(crate) slack: Notify,
    /// Policy, authority or a stop changed.
    pub(crate) rejudge: Notify,
    /// Somebody asked.
    pub(crate) asked: Notify,
    /// The log moved beyond what those who watch were told of, or somebody began to wait.
    pub(crate) follow: Notify,
    /// There is something to announce to other nodes.
    pub(crate) announce: Notify,
}

/// Counted since start.
#[derive(Default)]
#[allow(missing_docs, reason = "the names of `Numbers`")]
pub(crate) struct Counters {
    pub(crate) allowed: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) asked: AtomicU64,
    pub(crate) decisions: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) commands: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) delivery_failures: AtomicU64,
}

/// What follows a commit.
#[derive(Clone)]
pub(crate) struct Aftermath {
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) notices: broadcast::Sender<Notice>,
    pub(crate) nudges: Arc<Nudges>,
    pub(crate) counters: Arc<Counters>,
    /// Nothing is announced to this node: whoever begins to wait says so to the one who looks.
    pub(crate) deaf: Arc<AtomicBool>,
    /// How far each log moved since other nodes were last told.
    pub(crate) moved: Arc<Mutex<BTreeMap<WorkspaceId, Head>>>,
}

impl Aftermath {
    pub(crate) async fn follow(&self, store: &dyn Store, ledger: Ledger, commands: usize) {
        self.counters.batches.fetch_add(1, Ordering::Relaxed);
        self.counters
            .commands
            .fetch_add(commands as u64, Ordering::Relaxed);
        if ledger.head.seq > ledger.began_at.seq && store.is_shared() {
            self.moved
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(ledger.tenant.id, ledger.head);
            self.nudges.announce.notify_one();
        }
        if ledger.moved {
            if let Err(error) = ledger.tenant.reload(store).await {
                // The next batch compares epochs and reads again; until then only dry runs see the old state.
                tracing::error!(%error, "the snapshot could not be read anew");
            }
            self.nudges.rejudge.notify_one();
        }
        self.wake(&ledger);
        let Ledger {
            tenant,
            began_at,
            head,
            notices,
            ..
        } = ledger;
        let in_order = tenant.tell(began_at.seq, head.seq, || {
            for notice in notices {
                drop(self.notices.send(notice));
            }
        });
        if !in_order {
            // Another node wrote before us: what it wrote is read and told first.
            self.nudges.follow.notify_one();
        }
    }

    fn wake(&self, ledger: &Ledger) {
        let (mut changed, mut due) = (false, false);
        for row in ledger.changed_approvals() {
            self.waiters.wake(row);
            changed = true;
        }
        let mut calls = false;
        for row in ledger.changed_calls() {
            self.waiters.wake_changed(row.id.action().approval());
            calls |= row.state == ExecutionState::Ready;
        }
        if calls {
            self.nudges.calls.notify_one();
        }
        for sealed in &ledger.changes.records {
            let counter = match &sealed.record.event {
                Event::ActionAllowed(_) => &self.counters.allowed,
                Event::ActionDenied(_) => &self.counters.denied,
                Event::ApprovalRequested(_) => {
                    due = true;
                    &self.counters.asked
                }
                Event::ApprovalVoted(_) | Event::InfoRequested(_) => &self.counters.decisions,
                _ => continue,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if changed {
            self.nudges.clock.notify_one();
        }
        if due {
            self.nudges.asked.notify_one();
        }
        if !ledger.changes.outbox.is_empty() {
            self.nudges.outbox.notify_one();
        }
    }
}
