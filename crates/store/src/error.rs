//! What can go wrong with keeping things. Inner: never shown to people as it is.

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
