//! Databases for tests: each its own, on the server that `SIGNOFF_TEST_POSTGRES` names, made from a template that is
//! migrated once for each schema, and dropped with its value.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    Store as _,
    postgres::{MIGRATIONS, PostgresOptions, PostgresStore},
};

/// The address of a server's maintenance database, with the right to create databases.
pub const VARIABLE: &str = "SIGNOFF_TEST_POSTGRES";
/// Held while the template is made.
const TEMPLATE_LOCK: i64 = 5_120_417_099;

/// A database of its own, dropped with this value.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
}

impl Database {
    /// A database with the present schema and nothing in it.
    pub async fn fresh() -> Self {
        let template = template().await;
        Self::make(&format!(" TEMPLATE {template}")).await
    }

    /// A database without anything, for tests of the migration itself.
    pub async fn empty() -> Self {
        Self::make(" TEMPLATE template0 ENCODING 'UTF8'").await
    }

    async fn make(from: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let moment = since.unwrap_or_default().as_micros();
        let name = format!("signoff_test_{}_{moment}_{count}", std::process::id());
        let mut connection = maintenance().await;
        send(&mut connection, format!("CREATE DATABASE {name}{from}")).await;
        connection.close().await.unwrap();
        let url = url_of(&name);
        Self { name, url }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A store on it.
    pub async fn open(&self) -> PostgresStore {
        PostgresStore::open(PostgresOptions::new(&self.url))
            .await
            .unwrap()
    }

    /// A connection that goes past the store.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        // A thread of its own, because a test's runtime can't be waited for from inside.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut connection = maintenance().await;
                send(
                    &mut connection,
                    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
                )
                .await;
            });
        });
        // What is left over does no harm, and a panic here would hide why the test failed.
        drop(dropping.join());
    }
}

fn server() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{VARIABLE} is not set: start a server with tests/postgres (eval \"$(tests/postgres start DIR)\")"
        )
    })
}

/// The address of another database on the same server.
fn url_of(name: &str) -> String {
    let server = server();
    let (address, parameters) = server
        .split_once('?')
        .map_or((&*server, None), |(a, p)| (a, Some(p)));
    let (before, _) = address.rsplit_once('/').expect("the address names a database");
    match parameters {
        Some(parameters) => format!("{before}/{name}?{parameters}"),
        None => format!("{before}/{name}"),
    }
}

async fn maintenance() -> PgConnection {
    PgConnection::connect(&server()).await.unwrap()
}

async fn send(connection: &mut PgConnection, sql: String) {
    // Names of this module's making.
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .unwrap();
}

/// The template of the present schema, made by whoever needs it first.
async fn template() -> String {
    let mut digest = [0_u8; 8];
    for migration in MIGRATIONS.iter() {
        for (place, byte) in migration.checksum.iter().enumerate() {
            let kept = &mut digest[place % 8];
            *kept = kept.rotate_left(3) ^ byte;
        }
    }
    let name = format!("signoff_template_{}", hex::encode(digest));
    let mut connection = maintenance().await;
    let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK);
    lock.execute(&mut connection).await.unwrap();
    let there = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(&name);
    if there.fetch_optional(&mut connection).await.unwrap().is_none() {
        // Under another name until it is whole.
        let draft = format!("{name}_draft");
        send(
            &mut connection,
            format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)"),
        )
        .await;
        send(
            &mut connection,
            format!("CREATE DATABASE {draft} TEMPLATE template0 ENCODING 'UTF8'"),
        )
        .await;
        let store = PostgresStore::open(PostgresOptions::new(&url_of(&draft)))
            .await
            .unwrap();
        store.close().await;
        send(
            &mut connection,
            format!("ALTER DATABASE {draft} RENAME TO {name}"),
        )
        .await;
    }
    // The lock ends with the connection.
    connection.close().await.unwrap();
    name
}
