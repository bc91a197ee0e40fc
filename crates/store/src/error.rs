//! What can go wrong with keeping things. Inner: never shown to people as it is.

use sqlx::{error::DatabaseError, migrate::MigrateError, postgres::PgDatabaseError, sqlite::SqliteError};

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or broke.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// What is stored can't be read: damaged, or written by a newer version.
    #[error("stored data can't be read: {0}")]
    Damaged(String),
    /// What was to be written can't be kept, or does not belong together: a bug above the store. Nothing was written.
    #[error("can't be kept: {0}")]
    Refused(String),
    /// Another process has the data directory.
    #[error("another process is using {0}")]
    InUse(String),
    /// The schema is newer than this binary.
    #[error("the database was written by a newer version of Signoff; use that version")]
    NewerSchema,
    /// Another node wrote what this build does not know.
    #[error(
        "the database is at feature level {0}, which this version of Signoff does not know; upgrade this node"
    )]
    NewerFeatures(u32),
    /// The database is not set up in a way that keeps promises.
    #[error("{0}")]
    Unsuitable(String),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migration(String),
    /// The file system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// A result of the store.
pub type StoreResult<T> = Result<T, StoreError>;

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// `SQLITE_BUSY`, without what extended codes add above the first byte.
const SQLITE_BUSY: i64 = 5;

impl StoreError {
    /// Whether trying again may help: the connection, the server or a lock was in the way, not what was asked. Nothing
    /// was written, except perhaps by a commit.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => is_transient_answer(&**error),
            Self::Database(error) => is_lost_connection(error),
            _ => false,
        }
    }
}

/// Whether the connection broke, or there was none to be had.
pub(crate) fn is_lost_connection(error: &sqlx::Error) -> bool {
    use sqlx::Error::{BeginFailed, Database, Io, PoolTimedOut, Protocol, WorkerCrashed};
    match error {
        Io(_) | PoolTimedOut | WorkerCrashed | BeginFailed | Protocol(_) => true,
        // The server said goodbye: it was told to end, is starting, or ended this session.
        Database(error) => error.try_downcast_ref::<PgDatabaseError>().is_some_and(|error| {
            error.code().starts_with("08") || error.code().starts_with("57P0") || error.code() == "25P03"
        }),
        _ => false,
    }
}

fn is_transient_answer(error: &dyn DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<SqliteError>().is_some() {
        return code.parse::<i64>().is_ok_and(|code| code & 0xff == SQLITE_BUSY);
    }
    // Connection, rolled back by the server, out of resources; locks, statements and idle transactions over their time.
    let classes = ["08", "40", "53", "57P0"];
    classes.iter().any(|class| code.starts_with(class))
        || ["55P03", "57014", "25P03", "25P02"].contains(&&*code)
}

pub(crate) fn migration_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => StoreError::NewerSchema,
        other => StoreError::Migration(other.to_string()),
    }
}
