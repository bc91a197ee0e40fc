//! SQLite inside the process: one writing connection, a pool for reading, one file that no second process may open.

mod batch;
mod cells;
mod deliveries;
mod reads;

use std::{
    fs::File,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use sqlx::{
    SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Clock, StoreError, StoreResult};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The file inside the data directory.
pub const FILE_NAME: &str = "signoff.db";
const READERS_MAX: u32 = 4;

/// The SQLite backend.
pub struct SqliteStore {
    write: SqlitePool,
    read: SqlitePool,
    clock: Arc<dyn Clock>,
    /// Held for the life of the store, so that a second process is refused.
    _lock: File,
}

impl SqliteStore {
    /// Opens or makes the database in a data directory and brings its schema up to date.
    ///
    /// # Errors
    /// If another process has it, if it was written by a newer version, or if the file system refuses.
    pub async fn open(directory: &Path, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        let lock = lock(directory)?;
        let write = connect(&directory.join(FILE_NAME), false).await?;
        MIGRATIONS.run(&write).await.map_err(migration_error)?;
        let read = connect(&directory.join(FILE_NAME), true).await?;
        Ok(Self { write, read, clock, _lock: lock })
    }

    /// Closes both pools; waits for what is under way.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

fn lock(directory: &Path) -> StoreResult<File> {
    let path: PathBuf = directory.join("signoff.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse(directory.display().to_string())),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
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
        .pragma("cache_size", "-32768")
        .pragma("secure_delete", "on")
        .statement_cache_capacity(200);
    let size = if read_only { READERS_MAX } else { 1 };
    let pool = SqlitePoolOptions::new().min_connections(1).max_connections(size).idle_timeout(None).max_lifetime(None);
    Ok(pool.test_before_acquire(false).connect_with(options).await?)
}

fn migration_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => StoreError::NewerSchema,
        other => StoreError::Migration(other.to_string()),
    }
}
