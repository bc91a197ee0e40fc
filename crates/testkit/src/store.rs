//! A store that goes with its test.

use std::sync::Arc;

use signoff_store::Store;

use crate::{Backdoor, FakeClock, Place};

/// A store on the backend of this run, on a clock that the test turns. What it keeps is removed with it.
pub struct TemporaryStore {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Its clock.
    pub clock: FakeClock,
    /// Where it keeps everything.
    pub place: Arc<Place>,
}

impl TemporaryStore {
    /// A fresh one, its clock at [`FakeClock::START`].
    pub async fn open() -> Self {
        Self::open_at(Arc::new(Place::fresh().await), FakeClock::default()).await
    }

    /// One that keeps everything here. On Postgres several may be open at one place, as several nodes are.
    pub async fn open_at(place: Arc<Place>, clock: FakeClock) -> Self {
        let store = place.open(Arc::new(clock.clone())).await;
        Self { store, clock, place }
    }

    /// A way to what it keeps that goes past it.
    pub async fn backdoor(&self) -> Backdoor {
        self.place.backdoor().await
    }

    /// Closes it and opens the same data again, as after a restart. Panics if somebody else still holds the store.
    pub async fn reopen(self) -> Self {
        let Self { store, clock, place } = self;
        store.close().await;
        assert_eq!(Arc::strong_count(&store), 1, "the store is still held elsewhere");
        drop(store);
        Self::open_at(place, clock).await
    }
}

#[cfg(test)]
mod tests {
    use signoff_core::time::Micros;

    use super::*;

    #[tokio::test]
    async fn it_opens_again_with_the_same_clock() {
        let first = TemporaryStore::open().await;
        let later = first.clock.advance(Micros::seconds(5));
        let path = first.place.directory().to_owned();
        let second = first.reopen().await;
        assert_eq!(second.store.clock().now(), later);
        second.store.health().await.unwrap();
        second.store.close().await;
        drop(second);
        assert!(!path.exists());
    }
}
