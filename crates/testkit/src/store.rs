//! A store that goes with its test.

use std::{path::Path, sync::Arc};

use signoff_store::{Store as _, sqlite::SqliteStore};

use crate::FakeClock;

/// An SQLite store in a temporary directory, which is removed with it, on a clock that the test turns.
pub struct TemporaryStore {
    /// The store.
    pub store: Arc<SqliteStore>,
    /// Its clock.
    pub clock: FakeClock,
    directory: Arc<tempfile::TempDir>,
}

impl TemporaryStore {
    /// A fresh one, its clock at [`FakeClock::START`].
    pub async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::open_in(Arc::new(directory), FakeClock::default()).await
    }

    async fn open_in(directory: Arc<tempfile::TempDir>, clock: FakeClock) -> Self {
        let store = SqliteStore::open(directory.path(), Arc::new(clock.clone()))
            .await
            .unwrap();
        Self {
            store: Arc::new(store),
            clock,
            directory,
        }
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Closes it and opens the same data again, as after a restart. Panics if somebody else still holds the store.
    pub async fn reopen(self) -> Self {
        let Self {
            store,
            clock,
            directory,
        } = self;
        store.close().await;
        assert!(
            Arc::into_inner(store).is_some(),
            "the store is still held elsewhere"
        );
        Self::open_in(directory, clock).await
    }
}

#[cfg(test)]
mod tests {
    use signoff_core::time::Micros;
    use signoff_store::Store as _;

    use super::*;

    #[tokio::test]
    async fn it_opens_again_with_the_same_clock() {
        let first = TemporaryStore::open().await;
        let later = first.clock.advance(Micros::seconds(5));
        let path = first.directory().to_owned();
        let second = first.reopen().await;
        assert_eq!(second.store.clock().now(), later);
        second.store.health().await.unwrap();
        drop(second);
        assert!(!path.exists());
    }
}
