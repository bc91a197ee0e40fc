//! Who waits for which approval. A commit wakes exactly those whose approval it changed.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use signoff_core::{id::ApprovalId, rows::ApprovalRow};
use tokio::sync::oneshot;

use crate::request::Until;

struct Waiter {
    number: u64,
    until: Until,
    wake: oneshot::Sender<()>,
}

/// All who wait.
#[derive(Default)]
pub(crate) struct Waiters {
    by_approval: Mutex<HashMap<ApprovalId, Vec<Waiter>>>,
    next: AtomicU64,
    count: AtomicU64,
}

/// A place in the row; leaving it takes it away.
pub(crate) struct Place<'a> {
    waiters: &'a Waiters,
    id: ApprovalId,
    number: u64,
    pub(crate) woken: oneshot::Receiver<()>,
}

impl Waiters {
    /// Takes a place. Register first, then read: a change in between is not missed.
    pub(crate) fn register(&self, id: ApprovalId, until: Until) -> Place<'_> {
        let (wake, woken) = oneshot::channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.locked()
            .entry(id)
            .or_default()
            .push(Waiter { number, until, wake });
        self.count.fetch_add(1, Ordering::Relaxed);
        Place {
            waiters: self,
            id,
            number,
            woken,
        }
    }

    /// Wakes those who wait for this.
    pub(crate) fn wake(&self, row: &ApprovalRow) {
        let mut all = self.locked();
        let Some(waiting) = all.get_mut(&row.id) else {
            return;
        };
        let ended = row.status.is_terminal();
        for waiter in waiting.extract_if(.., |waiter| ended || waiter.until == Until::Changed) {
            // Whoever waited may have gone.
            let _ = waiter.wake.send(());
        }
        if waiting.is_empty() {
            all.remove(&row.id);
        }
    }

    /// Wakes those who wait for anything that happens to this request.
    pub(crate) fn wake_changed(&self, id: ApprovalId) {
        let mut all = self.locked();
        let Some(waiting) = all.get_mut(&id) else {
            return;
        };
        for waiter in waiting.extract_if(.., |waiter| waiter.until == Until::Changed) {
            let _ = waiter.wake.send(());
        }
        if waiting.is_empty() {
            all.remove(&id);
        }
    }

    /// How many wait.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<ApprovalId, Vec<Waiter>>> {
        self.by_approval.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiters.count.fetch_sub(1, Ordering::Relaxed);
        let mut all = self.waiters.locked();
        if let Some(waiting) = all.get_mut(&self.id) {
            waiting.retain(|waiter| waiter.number != self.number);
            if waiting.is_empty() {
                all.remove(&self.id);
            }
        }
    }
}
