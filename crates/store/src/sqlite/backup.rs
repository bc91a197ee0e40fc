//! Copies of the database: made while a server runs, opened to be looked at, put in place of what was lost.
//!
//! A copy says of every log that it was last written elsewhere, from the moment it is whole: however it gets into a data
//! directory, the server that opens it there knows that it may have missed something.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{FILE_NAME, MIGRATIONS, PLACE, SqliteStore, files};
use crate::{StoreError, StoreResult, SystemClock, error::migration_error};

/// What heads of a copy say of where they were written.
const COPIED: &str = "copied";
/// What a restored database is called until it is whole.
const PARTIAL_NAME: &str = "signoff.db.partial";

/// Copies the database of a data directory into a file that is there and empty, as it stands at one moment. Nothing of
/// the directory is changed or locked, so a server may run on it.
///
/// # Errors
/// If there is no database, it can't be read, or the copy can't be written.
pub async fn back_up(directory: &Path, copy: &Path) -> StoreResult<()> {
    let from = directory.join(FILE_NAME);
    let to = copy.to_str().ok_or_else(|| {
        StoreError::Unsuitable(format!(
            "the path `{}` is no text that SQLite takes",
            copy.display()
        ))
    })?;
    let reader = pool(plain(&from).read_only(true)).await?;
    // One statement, one read transaction: records of batches that commit meanwhile are all left out.
    let copied = sqlx::query("VACUUM INTO ?").bind(to).execute(&reader).await;
    reader.close().await;
    copied?;
    let writer = pool(writing(copy)).await?;
    let marked = mark(&writer).await;
    writer.close().await;
    marked?;
    File::open(copy)?.sync_all()?;
    Ok(())
}

/// Opens a copy to look at it, after checking the file itself. Nothing can be written through it.
///
/// # Errors
/// [`StoreError::Damaged`] for what is no whole database of Signoff, [`StoreError::NewerSchema`] or
/// [`StoreError::Migration`] for one of another version.
pub async fn open_copy(copy: &Path) -> StoreResult<SqliteStore> {
    let reader = pool(plain(copy).read_only(true)).await?;
    let lock = File::open(copy)?;
    check_file(&reader).await?;
    check_schema(&reader).await?;
    Ok(SqliteStore {
        // Both sides the same: what tries to write is refused by SQLite.
        write: reader.clone(),
        read: reader,
        clock: Arc::new(SystemClock),
        _lock: lock,
    })
}

/// A copy on its way into a data directory, which no server can open meanwhile. Dropped before it is put in place, it
/// leaves a file there that nothing reads and the next attempt writes over.
#[derive(Debug)]
pub struct Restoring {
    directory: PathBuf,
    _lock: File,
}

impl Restoring {
    /// Copies the file into the directory, which is made if it is missing, and brings the copy's schema up to date. Those
    /// who were signed in at the time of the copy are not any more: some may have signed out since.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where a server runs on the directory, [`StoreError::Unsuitable`] where it has a database
    /// already, [`StoreError::Damaged`] for a file that is no whole database.
    pub async fn begin(copy: &Path, directory: &Path) -> StoreResult<Self> {
        files::make_directory(directory)?;
        let lock = files::lock(directory)?;
        let mut from = File::open(copy)?;
        if copy.canonicalize()? == directory.canonicalize()?.join(PARTIAL_NAME) {
            let why = "this is what an interrupted restore left; restore from the backup itself";
            return Err(StoreError::Unsuitable(why.into()));
        }
        for name in [FILE_NAME.to_owned(), format!("{FILE_NAME}-wal")] {
            if directory.join(&name).try_exists()? {
                let why = format!(
                    "`{}` is there already; restore into an empty directory",
                    directory.join(&name).display()
                );
                return Err(StoreError::Unsuitable(why));
            }
        }
        let restoring = Self {
            directory: directory.to_owned(),
            _lock: lock,
        };
        restoring.clear()?;
        let partial = restoring.path();
        files::keep_private(&partial)?;
        let mut to = fs::OpenOptions::new().write(true).open(&partial)?;
        io::copy(&mut from, &mut to)?;
        to.sync_all()?;
        restoring.prepare().await?;
        Ok(restoring)
    }

    /// Where the copy lies, to be looked at before it is put in place.
    pub fn path(&self) -> PathBuf {
        self.directory.join(PARTIAL_NAME)
    }

    /// Puts it in place. From here on a server starts on it.
    ///
    /// # Errors
    /// If the file system refuses; the directory then has no database.
    pub fn finish(self) -> StoreResult<()> {
        File::open(self.path())?.sync_all()?;
        fs::rename(self.path(), self.directory.join(FILE_NAME))?;
        File::open(&self.directory)?.sync_all()?;
        Ok(())
    }

    /// Takes it away again.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn abandon(self) -> StoreResult<()> {
        self.clear()
    }

    /// Also what SQLite left beside an attempt that was interrupted: it would be taken for a part of this one.
    fn clear(&self) -> StoreResult<()> {
        for suffix in ["", "-journal", "-wal", "-shm"] {
            match fs::remove_file(self.directory.join(format!("{PARTIAL_NAME}{suffix}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    async fn prepare(&self) -> StoreResult<()> {
        let writer = pool(writing(&self.path())).await?;
        let prepared = self.prepare_with(&writer).await;
        writer.close().await;
        prepared
    }

    async fn prepare_with(&self, writer: &SqlitePool) -> StoreResult<()> {
        // Before anything else is asked of it.
        check_file(writer).await?;
        check_is_ours(writer).await?;
        MIGRATIONS.run(writer).await.map_err(migration_error)?;
        mark(writer).await?;
        sqlx::query("DELETE FROM sessions").execute(writer).await?;
        Ok(())
    }
}

impl SqliteStore {
    /// For a copy into another backend.
    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.read
    }

    /// What heads say that were written here.
    pub(crate) const fn place() -> &'static str {
        PLACE
    }
}

fn plain(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(30))
        .pragma("temp_store", "memory")
}

/// Without a write-ahead log, also where the file had one: a copy is one file.
fn writing(path: &Path) -> SqliteConnectOptions {
    plain(path).journal_mode(SqliteJournalMode::Delete)
}

async fn pool(options: SqliteConnectOptions) -> StoreResult<SqlitePool> {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None);
    Ok(pool.test_before_acquire(false).connect_with(options).await?)
}

/// Marks every log as one that was last written elsewhere.
async fn mark(writer: &SqlitePool) -> StoreResult<()> {
    sqlx::query("UPDATE heads SET place = ?")
        .bind(COPIED)
        .execute(writer)
        .await?;
    Ok(())
}

/// Checks pages, rows and indexes; names at most 20 faults.
async fn check_file(reader: &SqlitePool) -> StoreResult<()> {
    let rows = sqlx::query("PRAGMA integrity_check(20)")
        .fetch_all(reader)
        .await?;
    let faults: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if faults == ["ok"] {
        return Ok(());
    }
    Err(StoreError::Damaged(faults.join("; ")))
}

/// Whether it is a database of Signoff at all, before migrations make it one.
async fn check_is_ours(reader: &SqlitePool) -> StoreResult<()> {
    let query = sqlx::query_scalar(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('_sqlx_migrations', 'heads', 'events')",
    );
    let tables: i64 = query.fetch_one(reader).await?;
    if tables == 3 {
        return Ok(());
    }
    Err(StoreError::Damaged("it is no database of Signoff".into()))
}

/// Whether its schema is that of this build, to the letter.
async fn check_schema(reader: &SqlitePool) -> StoreResult<()> {
    check_is_ours(reader).await?;
    let query = sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version");
    let applied: Vec<i64> = query.fetch_all(reader).await?;
    let known: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    if applied != known {
        return Err(if applied.starts_with(&known) {
            StoreError::NewerSchema
        } else {
            StoreError::Migration("it was written by an older version of Signoff; use that version".into())
        });
    }
    let fresh = pool(SqliteConnectOptions::new().in_memory(true)).await?;
    MIGRATIONS.run(&fresh).await.map_err(migration_error)?;
    let expected = schema(&fresh).await?;
    fresh.close().await;
    // A trigger that somebody put in would write what no record tells of.
    if schema(reader).await? == expected {
        Ok(())
    } else {
        Err(StoreError::Damaged("its tables are not those of Signoff".into()))
    }
}

async fn schema(reader: &SqlitePool) -> StoreResult<Vec<(String, String, Option<String>)>> {
    let query = sqlx::query_as("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name");
    Ok(query.fetch_all(reader).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store as _;

    async fn store(directory: &Path) -> SqliteStore {
        SqliteStore::open(directory, Arc::new(SystemClock)).await.unwrap()
    }

    /// A file for a copy, as the caller makes it.
    fn empty(path: &Path) {
        File::create(path).unwrap();
    }

    #[tokio::test]
    async fn a_copy_is_made_beside_an_open_store_and_opens_read_only() {
        let directory = tempfile::tempdir().unwrap();
        let open = store(&directory.path().join("data")).await;
        let copy = directory.path().join("copy.db");
        empty(&copy);
        back_up(&directory.path().join("data"), &copy).await.unwrap();
        let opened = open_copy(&copy).await.unwrap();
        assert!(opened.workspaces().await.unwrap().is_empty());
        let refused = sqlx::query("DELETE FROM heads").execute(&opened.write).await;
        assert!(refused.is_err());
        opened.close().await;
        open.close().await;
        let beside: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(beside.len(), 2, "one file and the data: {beside:?}");
    }

    #[tokio::test]
    async fn what_is_no_whole_database_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let open = store(&directory.path().join("data")).await;
        open.close().await;
        drop(open);
        let copy = directory.path().join("copy.db");
        empty(&copy);
        back_up(&directory.path().join("data"), &copy).await.unwrap();
        let bytes = fs::read(&copy).unwrap();

        let mut flipped = bytes.clone();
        for byte in &mut flipped[8_192..9_192] {
            *byte ^= 0xff;
        }
        let cases = [
            ("empty", Vec::new()),
            ("text", b"something else".repeat(1_000)),
            ("half", bytes[..bytes.len() / 2].to_vec()),
            ("flipped", flipped),
        ];
        for (name, bytes) in cases {
            fs::write(&copy, bytes).unwrap();
            assert!(open_copy(&copy).await.is_err(), "{name}");
            let to = directory.path().join(name);
            assert!(Restoring::begin(&copy, &to).await.is_err(), "{name}");
            assert!(!to.join(FILE_NAME).exists(), "{name}");
        }
        fs::write(&copy, &bytes).unwrap();
        let writer = pool(plain(&copy)).await.unwrap();
        let trigger = "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM secrets; END";
        sqlx::query(trigger).execute(&writer).await.unwrap();
        writer.close().await;
        assert!(matches!(open_copy(&copy).await, Err(StoreError::Damaged(_))));
    }

    #[tokio::test]
    async fn a_directory_with_a_database_or_a_server_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let open = store(&data).await;
        let copy = directory.path().join("copy.db");
        empty(&copy);
        back_up(&data, &copy).await.unwrap();
        let refused = Restoring::begin(&copy, &data).await;
        assert!(matches!(refused, Err(StoreError::InUse(_))), "{refused:?}");
        open.close().await;
        drop(open);
        let refused = Restoring::begin(&copy, &data).await;
        assert!(matches!(refused, Err(StoreError::Unsuitable(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn an_interrupted_restore_leaves_no_database_and_the_next_one_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let (data, to) = (directory.path().join("data"), directory.path().join("to"));
        let open = store(&data).await;
        let copy = directory.path().join("copy.db");
        empty(&copy);
        back_up(&data, &copy).await.unwrap();
        open.close().await;
        drop(open);

        drop(Restoring::begin(&copy, &to).await.unwrap());
        assert!(!to.join(FILE_NAME).exists());
        let refused = Restoring::begin(&to.join(PARTIAL_NAME), &to).await;
        assert!(matches!(refused, Err(StoreError::Unsuitable(_))), "{refused:?}");
        fs::write(to.join("signoff.db.partial-journal"), b"of an earlier attempt").unwrap();
        Restoring::begin(&copy, &to).await.unwrap().finish().unwrap();
        let names: Vec<_> = fs::read_dir(&to)
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        assert_eq!(names.len(), 2, "the database and the lock: {names:?}");
        store(&to).await.health().await.unwrap();
    }
}
