//! Where a test keeps its data: a directory, and on Postgres a database too. Both go with the test.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use signoff_store::{
    Clock, Store, SystemClock,
    conformance::postgres::Database,
    postgres::{PostgresClock, PostgresOptions, PostgresStore},
    sqlite::{FILE_NAME, SqliteStore},
};

use crate::{Backdoor, Backend};

/// The master key of servers on Postgres, which keep none themselves.
const MASTER_KEY: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

/// An empty place for one test's data.
pub struct Place {
    directory: tempfile::TempDir,
    /// On Postgres alone.
    database: Option<Database>,
}

impl Place {
    /// One on the backend of this run.
    pub async fn fresh() -> Self {
        Self::on(Backend::chosen()).await
    }

    /// One on this backend, for a test that is about it.
    pub async fn on(backend: Backend) -> Self {
        let database = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(Database::fresh().await),
        };
        Self {
            directory: tempfile::tempdir().unwrap(),
            database,
        }
    }

    /// The same, for tests that wait for nothing.
    pub fn blocking_on(backend: Backend) -> Self {
        // On a thread of its own, because the caller's may be one of a runtime.
        let made = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(Self::on(backend))
        });
        made.join().unwrap()
    }

    /// Which backend it is.
    pub fn backend(&self) -> Backend {
        match self.database {
            None => Backend::Sqlite,
            Some(_) => Backend::Postgres,
        }
    }

    /// A directory for whatever else the test writes.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The data directory of a server; not made yet. On SQLite everything is in there.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The environment that makes `signoff serve` keep its data here.
    pub fn settings(&self) -> Vec<(&'static str, OsString)> {
        let mut settings = vec![("SIGNOFF_DATA", self.data().into())];
        if let Some(database) = &self.database {
            settings.push(("SIGNOFF_DATABASE", database.url().into()));
            settings.push(("SIGNOFF_MASTER_KEY", MASTER_KEY.into()));
        }
        settings
    }

    /// Opens the store that goes by this clock.
    pub async fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        match &self.database {
            None => Arc::new(SqliteStore::open(&self.data(), clock).await.unwrap()),
            Some(database) => open_postgres(database, PostgresClock::Given(clock)).await,
        }
    }

    /// Opens the store as a server does: by the machine's clock, or the database's.
    pub async fn open_by_its_own_clock(&self) -> Arc<dyn Store> {
        let clock = Arc::new(SystemClock);
        match &self.database {
            None => self.open(clock).await,
            Some(database) => open_postgres(database, PostgresClock::Database(clock)).await,
        }
    }

    /// Host and port of the database's server. Panics on SQLite.
    pub fn database_address(&self) -> String {
        let url = self.database.as_ref().expect("a place on Postgres").url();
        address_in(url).to_owned()
    }

    /// Opens the store by way of this address, where something stands between it and the database.
    pub async fn open_through(&self, address: SocketAddr, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        let url = self.database.as_ref().expect("a place on Postgres").url();
        let url = url.replacen(address_in(url), &address.to_string(), 1);
        let mut options = PostgresOptions::new(&url);
        options.clock = PostgresClock::Given(clock);
        Arc::new(PostgresStore::open(options).await.unwrap())
    }

    /// Opens the store as behind a pooler: nothing is announced, nothing is prepared.
    pub async fn open_pooled(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        let url = self.database.as_ref().expect("a place on Postgres").url();
        let mut options = PostgresOptions::new(url);
        options.pooled = true;
        options.clock = PostgresClock::Given(clock);
        Arc::new(PostgresStore::open(options).await.unwrap())
    }

    /// A way to the data that goes past the store.
    pub async fn backdoor(&self) -> Backdoor {
        match &self.database {
            None => Backdoor::to_sqlite(&self.data().join(FILE_NAME)).await,
            Some(database) => Backdoor::to_postgres(database.connect().await),
        }
    }
}

/// `HOST:PORT` in a URL of Postgres.
fn address_in(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next().unwrap_or(rest);
    rest.rsplit_once('@').map_or(rest, |(_, address)| address)
}

async fn open_postgres(database: &Database, clock: PostgresClock) -> Arc<dyn Store> {
    let mut options = PostgresOptions::new(database.url());
    options.clock = clock;
    Arc::new(PostgresStore::open(options).await.unwrap())
}
