//! Everything that a SQLite database holds, carried into an empty Postgres database in one transaction: there it is whole or
//! not at all, and no server starts on half of it.
//!
//! What was carried is read back and compared, row by row, before the commit. The log's chain and fold are for the engine to
//! verify afterwards.

use std::{collections::BTreeMap, str::FromStr as _};

use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, Postgres, Sqlite, Transaction,
    postgres::{PgArguments, PgConnectOptions},
    query::Query,
    sqlite::SqliteArguments,
};

use crate::{StoreError, StoreResult, fields::Fields, sqlite::SqliteStore};

/// What is carried, and how many rows at once: few where a row may be large.
const TABLES: [(&str, u32); 27] = [
    ("heads", 1_000),
    ("workspaces", 1_000),
    ("policies", 500),
    ("agents", 1_000),
    ("applications", 1_000),
    ("operators", 1_000),
    ("groups", 1_000),
    ("keys", 1_000),
    ("channels", 1_000),
    ("grants", 1_000),
    ("standing_approvals", 1_000),
    ("counters", 1_000),
    ("approvals", 500),
    ("executions", 500),
    ("counted", 1_000),
    ("events", 500),
    ("payloads", 50),
    ("idempotency", 200),
    ("secrets", 1_000),
    ("people", 1_000),
    ("sessions", 1_000),
    ("workspace_keys", 1_000),
    ("outbox", 1_000),
    ("deliveries", 1_000),
    ("slack_inbox", 100),
    ("link_codes", 1_000),
    // A few rows of many megabytes.
    ("checkpoints", 1),
];
/// What is not carried as rows, and why.
#[cfg(test)]
const LEFT_OUT: [(&str, &str); 3] = [
    (
        "installation",
        "the target has its row; the level in it is carried",
    ),
    (
        "leases",
        "nobody works at anything any more; only fences go on where they were",
    ),
    ("_sqlx_migrations", "each backend has migrations of its own"),
];
/// Tables of which each month is a partition. Older months than these go to the default partition.
const PARTED: [&str; 2] = ["events", "payloads"];
const MONTHS_BACK: i64 = 36;

/// Begins the transaction. It may take as long as it takes, but it does not wait for somebody else's.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '5s'; \
     SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
     SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; SET LOCAL jit = off";
/// Servers that start meanwhile wait here, and give up.
const LOCK: &str = "SELECT feature_level FROM installation WHERE one = 1 FOR UPDATE";
/// Past months of the log that have no partition yet.
const MONTHS: &str = "SELECT to_char(month, '_YYYY_MM') AS name, (extract(epoch FROM month) * 1000000)::bigint AS start, \
     (extract(epoch FROM month + interval '1 month') * 1000000)::bigint AS until \
     FROM generate_series(date_trunc('month', greatest(to_timestamp($1::bigint / 1000000) AT TIME ZONE 'UTC', \
     (now() AT TIME ZONE 'UTC') - make_interval(months => $2::int))), now() AT TIME ZONE 'UTC', interval '1 month') AS month \
     WHERE to_regclass('events' || to_char(month, '_YYYY_MM')) IS NULL";
/// The target is now where these logs are written. Those that were displaced stay so.
const SETTLE: &str = "UPDATE heads SET place = signoff_place() WHERE place = $1";

/// How far the copying is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The table.
    pub table: &'static str,
    /// Rows that were carried and read back.
    pub rows: u64,
    /// Of so many.
    pub of: u64,
}

/// Carries everything; answers how many rows each table has, on both sides. The store must be open, so that nobody else
/// writes to it, and the database must have the schema of this build ([`PostgresStore::open`]) and no data.
///
/// [`PostgresStore::open`]: crate::postgres::PostgresStore::open
///
/// # Errors
/// [`StoreError::Unsuitable`] for a database that has data, [`StoreError::Damaged`] where what was read back is not what
/// was carried, else what either database says. The target is then as it was before, unless the answer to the commit
/// itself was lost. The address is in no error.
pub async fn copy(
    from: &SqliteStore,
    to: &str,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> StoreResult<BTreeMap<&'static str, u64>> {
    let mut connection = connect(to).await?;
    let mut transaction = connection.begin_with(BEGIN).await?;
    ask(&mut transaction, sqlx::query(LOCK)).await?;
    for (table, _) in TABLES {
        check_empty(&mut transaction, table).await?;
    }
    make_partitions(from, &mut transaction).await?;
    let mut copied = BTreeMap::new();
    for (table, at_once) in TABLES {
        let carrier = Carrier::new(from, table, at_once).await?;
        let rows = carrier.carry(&mut transaction, progress).await?;
        copied.insert(table, rows);
    }
    carry_numbers(from, &mut transaction).await?;
    ask(&mut transaction, sqlx::query(SETTLE).bind(SqliteStore::place())).await?;
    transaction.commit().await?;
    // Plans for tables that were empty a moment ago; they come by themselves, later.
    if let Err(error) = sqlx::query("ANALYZE").execute(&mut connection).await {
        tracing::warn!(%error, "the database took no statistics of what it was given");
    }
    connection.close().await?;
    Ok(copied)
}

async fn connect(to: &str) -> StoreResult<PgConnection> {
    // The error of reading it could repeat parts of it.
    let options = PgConnectOptions::from_str(to)
        .map_err(|_| StoreError::Unsuitable("the database's address can't be read".into()))?;
    let options = options.application_name("signoff migrate-store");
    Ok(PgConnection::connect_with(&options).await?)
}

type Target<'a> = Transaction<'a, Postgres>;

async fn ask(
    target: &mut Target<'_>,
    query: Query<'_, Postgres, PgArguments>,
) -> StoreResult<Vec<sqlx::postgres::PgRow>> {
    Ok(query.fetch_all(&mut **target).await?)
}

async fn count(target: &mut Target<'_>, table: &str) -> StoreResult<u64> {
    let sql = AssertSqlSafe(format!("SELECT count(*) AS rows FROM {table}"));
    let rows = ask(target, sqlx::query(sql)).await?;
    rows.first().map_or(Ok(0), |row| row.count("rows"))
}

async fn check_empty(target: &mut Target<'_>, table: &str) -> StoreResult<()> {
    if count(target, table).await? == 0 {
        return Ok(());
    }
    Err(StoreError::Unsuitable(format!(
        "the target has data already (in the table `{table}`); create an empty database for it"
    )))
}

/// Gives the months of the log that are over a partition each, so that retention can drop them whole later on.
async fn make_partitions(from: &SqliteStore, target: &mut Target<'_>) -> StoreResult<()> {
    let oldest: Option<i64> = sqlx::query_scalar("SELECT min(time) FROM events")
        .fetch_one(from.reader())
        .await?;
    let Some(oldest) = oldest else { return Ok(()) };
    for row in ask(target, sqlx::query(MONTHS).bind(oldest).bind(MONTHS_BACK)).await? {
        let (name, start, until) = (row.string("name")?, row.int("start")?, row.int("until")?);
        for parent in PARTED {
            let sql = format!(
                "CREATE TABLE {parent}{name} PARTITION OF {parent} FOR VALUES FROM ({start}) TO ({until})"
            );
            ask(target, sqlx::query(AssertSqlSafe(sql))).await?;
        }
    }
    Ok(())
}

/// The feature level, and the number that the next fence must be above.
async fn carry_numbers(from: &SqliteStore, target: &mut Target<'_>) -> StoreResult<()> {
    let level: i64 = sqlx::query_scalar("SELECT feature_level FROM installation WHERE one = 1")
        .fetch_one(from.reader())
        .await?;
    let sql = "UPDATE installation SET feature_level = $1 WHERE one = 1";
    ask(target, sqlx::query(sql).bind(level)).await?;
    let fence: Option<i64> = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'leases'")
        .fetch_optional(from.reader())
        .await?;
    if let Some(fence) = fence.filter(|fence| *fence > 0) {
        ask(target, sqlx::query("SELECT setval('fences', $1)").bind(fence)).await?;
    }
    Ok(())
}

/// What a column holds, in either database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Text,
    Bytes,
}

/// The value of one column of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

type Values = Vec<Value>;

/// Carries one table, in the order of its key, a page at a time.
struct Carrier<'a> {
    from: &'a SqliteStore,
    table: &'static str,
    at_once: u32,
    columns: Vec<(String, Kind)>,
    /// Which of the columns are its key, in order.
    key: Vec<usize>,
}

impl<'a> Carrier<'a> {
    /// The columns are what the source says they are; the target has the same, under the same names.
    async fn new(from: &'a SqliteStore, table: &'static str, at_once: u32) -> StoreResult<Self> {
        let sql = "SELECT name, upper(type) AS kind, pk FROM pragma_table_info(?) ORDER BY cid";
        let rows = sqlx::query(sql).bind(table).fetch_all(from.reader()).await?;
        let mut columns = Vec::new();
        let mut key = BTreeMap::new();
        for row in &rows {
            let kind = match row.string("kind")?.as_str() {
                "INTEGER" => Kind::Integer,
                "TEXT" => Kind::Text,
                "BLOB" => Kind::Bytes,
                other => {
                    return Err(StoreError::Damaged(format!(
                        "`{table}` has a column of type `{other}`"
                    )));
                }
            };
            if row.int("pk")? > 0 {
                key.insert(row.int("pk")?, columns.len());
            }
            columns.push((row.string("name")?, kind));
        }
        if table == "payloads" {
            // Of the record that they belong to, so that both lie in the same month.
            columns.push(("time".to_owned(), Kind::Integer));
        }
        Ok(Self {
            from,
            table,
            at_once,
            columns,
            key: key.into_values().collect(),
        })
    }

    async fn carry(
        &self,
        target: &mut Target<'_>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> StoreResult<u64> {
        let sql = AssertSqlSafe(format!("SELECT count(*) AS rows FROM {}", self.table));
        let of = sqlx::query(sql)
            .fetch_one(self.from.reader())
            .await?
            .count("rows")?;
        let mut tell = |rows| {
            progress(Progress {
                table: self.table,
                rows,
                of,
            });
        };
        let mut rows = 0;
        let mut after: Option<Values> = None;
        tell(rows);
        loop {
            let page = self.read_source(after.as_ref()).await?;
            let Some(last) = page.last() else { break };
            self.write(target, &page).await?;
            if self.read_target(target, after.as_ref()).await? != page {
                return Err(self.differs("what was read back is not what was carried"));
            }
            rows += page.len() as u64;
            after = Some(self.key.iter().map(|place| last[*place].clone()).collect());
            tell(rows);
        }
        if rows != of || count(target, self.table).await? != of {
            return Err(self.differs("not all rows were carried"));
        }
        Ok(rows)
    }

    fn differs(&self, why: &str) -> StoreError {
        StoreError::Damaged(format!("the table `{}`: {why}", self.table))
    }

    async fn read_source(&self, after: Option<&Values>) -> StoreResult<Vec<Values>> {
        let from = match self.table {
            "payloads" => {
                "(SELECT *, (SELECT time FROM events WHERE events.workspace = payloads.workspace \
                 AND events.seq = payloads.seq) AS time FROM payloads)"
            }
            table => table,
        };
        let sql = AssertSqlSafe(self.page(from, after.is_some(), |_| "?".to_owned()));
        let mut query: Query<'_, Sqlite, SqliteArguments> = sqlx::query(sql);
        for value in after.into_iter().flatten() {
            query = match value.clone() {
                Value::Integer(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
            };
        }
        let rows = query.fetch_all(self.from.reader()).await?;
        rows.iter().map(|row| self.values(row)).collect()
    }

    async fn read_target(&self, target: &mut Target<'_>, after: Option<&Values>) -> StoreResult<Vec<Values>> {
        let sql = self.page(self.table, after.is_some(), |place| format!("${place}"));
        let mut query: Query<'_, Postgres, PgArguments> = sqlx::query(AssertSqlSafe(sql));
        for value in after.into_iter().flatten() {
            query = match value.clone() {
                Value::Integer(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
            };
        }
        let rows = ask(target, query).await?;
        rows.iter().map(|row| self.values(row)).collect()
    }

    /// Asks for one page after a key, in its order, which is that of the bytes in both databases.
    fn page(&self, from: &str, is_later: bool, parameter: impl Fn(usize) -> String) -> String {
        let columns: Vec<_> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let key: Vec<_> = self.key.iter().map(|place| columns[*place]).collect();
        let (columns, key_columns) = (columns.join(", "), key.join(", "));
        let beyond = if is_later {
            let parameters: Vec<_> = (1..=key.len()).map(parameter).collect();
            format!(" WHERE ({key_columns}) > ({})", parameters.join(", "))
        } else {
            String::new()
        };
        let limit = self.at_once;
        format!("SELECT {columns} FROM {from}{beyond} ORDER BY {key_columns} LIMIT {limit}")
    }

    fn values(&self, row: &impl Fields) -> StoreResult<Values> {
        let value = |(name, kind): &(String, Kind)| {
            Ok(match kind {
                Kind::Integer => Value::Integer(row.integer(name)?),
                Kind::Text => Value::Text(row.text(name)?),
                Kind::Bytes => Value::Bytes(row.bytes(name)?),
            })
        };
        self.columns.iter().map(value).collect()
    }

    /// Writes a page with one statement: each column is an array.
    async fn write(&self, target: &mut Target<'_>, page: &[Values]) -> StoreResult<()> {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let arrays = self.columns.iter().enumerate().map(|(place, (_, kind))| {
            let kind = match kind {
                Kind::Integer => "bigint",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            format!("${}::{kind}[]", place + 1)
        });
        let arrays: Vec<_> = arrays.collect();
        let sql = format!(
            "INSERT INTO {} ({}) SELECT * FROM unnest({})",
            self.table,
            names.join(", "),
            arrays.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (place, (_, kind)) in self.columns.iter().enumerate() {
            let column = page.iter().map(|row| &row[place]);
            query = match kind {
                Kind::Integer => query.bind(column.map(Value::integer).collect::<Vec<_>>()),
                Kind::Text => query.bind(column.map(Value::text).collect::<Vec<_>>()),
                Kind::Bytes => query.bind(column.map(Value::bytes).collect::<Vec<_>>()),
            };
        }
        ask(target, query).await.map(drop)
    }
}

impl Value {
    const fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => *value,
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(value) => value.as_deref(),
            _ => None,
        }
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(value) => value.as_deref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
