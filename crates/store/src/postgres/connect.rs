//! The pool, what the server must be like, and the schema.

use std::{
    str::FromStr as _,
    time::{Duration, Instant},
};

use sqlx::{
    Connection as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
};

use super::{MIGRATIONS, PostgresOptions, PostgresStore, ask::Link};
use crate::{StoreError, StoreResult, error::migration_error, fields::Fields as _};

/// How long somebody waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// The oldest server that works, as it numbers itself, and as people say it.
const VERSION_MIN: (i64, i64) = (150_000, 15);
const SETTINGS: &str = "SELECT current_setting('server_version_num')::bigint AS version, \
     current_setting('server_encoding') AS encoding, current_setting('synchronous_commit') AS synchronous_commit, \
     current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes";
const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";

pub(super) async fn pool(options: &PostgresOptions, link: &Link) -> StoreResult<PgPool> {
    // The error of reading it could repeat parts of it.
    let connect = PgConnectOptions::from_str(&options.url.0).map_err(|_| {
        StoreError::Unsuitable(
            "the database's address can't be read: it should look like postgres://USER:PASSWORD@HOST:PORT/DATABASE"
                .into(),
        )
    })?;
    let connect = connect
        .application_name("signoff")
        // Poolers know no such parameter, and nothing here is a floating-point number.
        .extra_float_digits(None)
        .statement_cache_capacity(if options.pooled { 0 } else { 200 });
    let asked = link.clone();
    let pool = PgPoolOptions::new()
        .max_connections(options.connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(move |connection, meta| {
            let doubtful = asked.is_doubtful(Instant::now().checked_sub(meta.idle_for));
            Box::pin(async move { Ok(!doubtful || connection.ping().await.is_ok()) })
        });
    Ok(pool.connect_with(connect).await?)
}

impl PostgresStore {
    pub(super) async fn check_server(&self) -> StoreResult<()> {
        let row = self.one(sqlx::query(SETTINGS)).await?;
        row.as_ref().map_or(Ok(()), check_settings)
    }

    pub(super) async fn bring_up_to_date(&self) -> StoreResult<()> {
        if self.link.pooled {
            return self.check_schema().await;
        }
        // sqlx holds an advisory lock meanwhile: of several nodes one migrates, the others wait.
        MIGRATIONS.run(&self.pool).await.map_err(migration_error)
    }

    /// Behind a pooler a session's lock would lie on a connection that others use as well.
    async fn check_schema(&self) -> StoreResult<()> {
        let outdated = || {
            StoreError::Migration(
                "the database's schema is not that of this version, and it can't be brought up to date through a \
                 connection pooler; start once with a direct connection to the database"
                    .into(),
            )
        };
        let present = self
            .one(sqlx::query(
                "SELECT (to_regclass('_sqlx_migrations') IS NOT NULL)::int::bigint AS there",
            ))
            .await?;
        if present.map(|row| row.int("there")).transpose()? != Some(1) {
            return Err(outdated());
        }
        let mut known = MIGRATIONS.iter();
        for row in self.all(sqlx::query(APPLIED)).await? {
            match known.next() {
                None => return Err(StoreError::NewerSchema),
                Some(migration) if migration.version != row.int("version")? => return Err(outdated()),
                Some(migration) if *migration.checksum != row.blob("checksum")? => return Err(outdated()),
                Some(_) => {}
            }
        }
        known.next().map_or(Ok(()), |_| Err(outdated()))
    }
}

fn check_settings(row: &PgRow) -> StoreResult<()> {
    let version = row.int("version")?;
    if version < VERSION_MIN.0 {
        return Err(StoreError::Unsuitable(format!(
            "the database server is Postgres {}; Signoff needs {} or newer",
            version / 10_000,
            VERSION_MIN.1
        )));
    }
    let encoding = row.string("encoding")?;
    if encoding != "UTF8" {
        return Err(StoreError::Unsuitable(format!(
            "the database's encoding is {encoding}; create it anew with ENCODING 'UTF8'"
        )));
    }
    if row.string("synchronous_commit")? == "off" {
        return Err(StoreError::Unsuitable(
            "synchronous_commit is off, so a crash of the database would lose what was acknowledged; set it to on, for \
             instance with ALTER DATABASE … SET synchronous_commit = on"
                .into(),
        ));
    }
    for setting in ["fsync", "full_page_writes"] {
        if row.string(setting)? == "off" {
            tracing::warn!(
                setting,
                "the database server has this off: a crash of its machine can damage the database"
            );
        }
    }
    Ok(())
}
