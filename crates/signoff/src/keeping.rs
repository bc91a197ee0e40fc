//! Where everything is kept: SQLite in the data directory, or the Postgres database that several nodes share; and the
//! master key of either.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use secrecy::SecretString;
use signoff_api::Secret;
use signoff_store::postgres::{PostgresOptions, PostgresStore};
use signoff_store::sqlite::SqliteStore;
use signoff_store::{Store, SystemClock};

use crate::config::{Config, Database};

/// The file beside the database with the key that everything secret is wrapped with.
pub(crate) const MASTER_KEY_FILE: &str = "master.key";

/// What to call the place in front of people; never the database's URL, which may hold a password.
pub(crate) fn name(config: &Config) -> String {
    match &config.database {
        Some(_) => "the database".to_owned(),
        None => format!("`{}`", config.data.display()),
    }
}

/// Opens the store that the settings name, and finds its master key.
pub(crate) async fn open(config: &Config) -> anyhow::Result<(Arc<dyn Store>, SecretString)> {
    let given = config.master_key.clone();
    let (store, key): (Arc<dyn Store>, Secret) = if let Some(database) = &config.database {
        let key = match given {
            Some(key) => key,
            None => shared_master_key(&config.data)?,
        };
        (Arc::new(open_postgres(database).await?), key)
    } else {
        prepare_directory(&config.data)?;
        let store = SqliteStore::open(&config.data, Arc::new(SystemClock)).await;
        let store = store.with_context(|| format!("can't open the data in `{}`", config.data.display()))?;
        let key = match given {
            Some(key) => key,
            None => master_key(&config.data, store.workspaces().await?.is_empty())?,
        };
        (Arc::new(store), key)
    };
    Ok((store, SecretString::from(key.expose())))
}

/// Opens a Postgres database and brings its schema up to date.
pub(crate) async fn open_postgres(database: &Database) -> anyhow::Result<PostgresStore> {
    let mut options = PostgresOptions::new(database.url.expose());
    options.pooled = database.pooled;
    PostgresStore::open(options)
        .await
        .context("can't open the database")
}

fn prepare_directory(data: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("can't make the data directory `{}`", data.display()))
}

/// The key of a database that several nodes share is given to each of them, never made by one.
fn shared_master_key(data: &Path) -> anyhow::Result<Secret> {
    let path = data.join(MASTER_KEY_FILE);
    if path.try_exists()? {
        return read_master_key(&path);
    }
    bail!(
        "with --database the master key must be given, the same to every node: 64 hexadecimal digits in \
         SIGNOFF_MASTER_KEY or --master-key-file. Make one with `openssl rand -hex 32` and keep it apart from \
         the database's backups"
    )
}

/// Reads a master key from a file.
pub(crate) fn read_master_key(path: &Path) -> anyhow::Result<Secret> {
    let text = fs::read_to_string(path).with_context(|| format!("can't read `{}`", path.display()))?;
    Ok(Secret::new(text.trim().to_owned()))
}

/// Reads the master key, or makes one for data that does not exist yet.
fn master_key(data: &Path, is_new: bool) -> anyhow::Result<Secret> {
    let path = data.join(MASTER_KEY_FILE);
    if path.try_exists()? {
        return read_master_key(&path);
    }
    if !is_new {
        bail!(
            "`{}` is missing: without it the database beside it can't be read; bring it back from your backup",
            path.display()
        );
    }
    let key = crate::random::digits()?;
    let partial = data.join(format!("{MASTER_KEY_FILE}.new"));
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)?;
        writeln!(file, "{key}")?;
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        File::open(data)?.sync_all()
    };
    write().with_context(|| format!("can't write `{}`", path.display()))?;
    Ok(Secret::new(key))
}
