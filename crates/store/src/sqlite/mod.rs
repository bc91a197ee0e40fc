//! SQLite inside the process: one writing connection, a pool for reading, one file that no second process may open.

mod approvals;
mod backup;
mod batch;
mod cells;
mod counted;
mod cut;
mod deliveries;
mod executions;
mod files;
mod inbox;
mod leases;
mod records;
mod script;
mod side;
mod store;
#[cfg(test)]
mod tests;
mod verify;
mod write;

use std::{fs::File, path::Path, str::FromStr, sync::Arc, time::Duration};

pub use backup::{Restoring, back_up, open_copy};
use sqlx::{
    SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Clock, StoreResult, error::migration_error};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The file inside the data directory.
pub const FILE_NAME: &str = "signoff.db";
const READERS_MAX: u32 = 4;
/// How many pages the write-ahead log gathers before they go into the database file: 16 MiB.
const CHECKPOINT_PAGES: &str = "4000";
/// The largest write-ahead log that is kept between uses, in bytes.
const LOG_BYTES_KEPT: &str = "67108864";

/// What heads say of where they were written, on this backend; a restored copy says otherwise.
const PLACE: &str = "here";

/// The SQLite backend.
pub struct SqliteStore {
    write: SqlitePool,
    read: SqlitePool,
    clock: Arc<dyn Clock>,
    /// Held for the life of the store, so that a second process is refused.
    _lock: File,
}

impl SqliteStore {
    /// Opens or makes the database in a data directory and brings its schema up to date. The directory is made if it
    /// is missing; what is made is for its owner alone.
    ///
    /// # Errors
    /// If another process has it ([`StoreError::InUse`]), if it was written by a newer version
    /// ([`StoreError::NewerSchema`]), or if the file system refuses.
    pub async fn open(directory: &Path, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        files::make_directory(directory)?;
        let lock = files::lock(directory)?;
        let path = directory.join(FILE_NAME);
        files::keep_private(&path)?;
        let write = connect(&path, false).await?;
        MIGRATIONS.run(&write).await.map_err(migration_error)?;
        let read = connect(&path, true).await?;
        Ok(Self {
            write,
            read,
            clock,
            _lock: lock,
        })
    }
}

async fn connect(path: &Path, read_only: bool) -> StoreResult<SqlitePool> {
    let options = SqliteConnectOptions::from_str("sqlite://")?
        .filename(path)
        .create_if_missing(!read_only)
        .read_only(read_only)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: an acknowledged write survives power loss (I9).
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("temp_store", "memory")
        .pragma("cache_size", if read_only { "-8192" } else { "-32768" })
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", LOG_BYTES_KEPT)
        // What is erased is overwritten, not only unlinked.
        .pragma("secure_delete", "on")
        .statement_cache_capacity(100);
    let size = if read_only { READERS_MAX } else { 1 };
    let pool = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(size)
        .idle_timeout(None)
        .max_lifetime(None);
    Ok(pool.test_before_acquire(false).connect_with(options).await?)
}
