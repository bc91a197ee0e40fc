//! Past the store, as somebody with access to the database gets at it.

use std::path::Path;

use sqlx::{
    AssertSqlSafe, ColumnIndex, Connection as _, Decode, PgConnection, Row, SqliteConnection, Type,
    TypeInfo as _, ValueRef as _, sqlite::SqliteConnectOptions,
};

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Of a column of bytes.
    Bytes(Vec<u8>),
    /// Of a column of numbers.
    Integer(i64),
    /// Of a column of text.
    Text(String),
    /// Of a column without one.
    Null,
}

impl Cell {
    /// Its bytes. Panics if it has none.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("no bytes: {other:?}"),
        }
    }

    /// Its number. Panics if it is none.
    pub fn integer(&self) -> i64 {
        match self {
            Self::Integer(number) => *number,
            other => panic!("no number: {other:?}"),
        }
    }
}

impl From<&[u8]> for Cell {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_owned())
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A connection to the database behind a store. Statements are in the words that the backends share; `?` stands for the
/// next value, on both.
pub struct Backdoor(Connection);

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Binds every value to a query, in its own type.
macro_rules! bound {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values.iter().cloned() {
            query = match value {
                Cell::Bytes(bytes) => query.bind(bytes),
                Cell::Integer(number) => query.bind(number),
                Cell::Text(text) => query.bind(text),
                Cell::Null => panic!("NULL is written into the statement: it has no type here"),
            };
        }
        query
    }};
}

impl Backdoor {
    pub(crate) async fn to_sqlite(file: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(file);
        let connection = SqliteConnection::connect_with(&options).await.unwrap();
        Self(Connection::Sqlite(connection))
    }

    pub(crate) fn to_postgres(connection: PgConnection) -> Self {
        Self(Connection::Postgres(connection))
    }

    /// Runs a statement, and answers how many rows it was about.
    pub async fn execute(&mut self, sql: &str, values: &[Cell]) -> u64 {
        match &mut self.0 {
            Connection::Sqlite(connection) => {
                let query = bound!(sqlx::query(AssertSqlSafe(sql.to_owned())), values);
                query.execute(connection).await.unwrap().rows_affected()
            }
            Connection::Postgres(connection) => {
                let query = bound!(sqlx::query(AssertSqlSafe(numbered(sql))), values);
                query.execute(connection).await.unwrap().rows_affected()
            }
        }
    }

    /// The rows that a query finds, cell by cell.
    pub async fn rows(&mut self, sql: &str) -> Vec<Vec<Cell>> {
        let query = AssertSqlSafe(sql.to_owned());
        match &mut self.0 {
            Connection::Sqlite(connection) => {
                let found = sqlx::query(query).fetch_all(connection).await.unwrap();
                found.iter().map(cells).collect()
            }
            Connection::Postgres(connection) => {
                let found = sqlx::query(query).fetch_all(connection).await.unwrap();
                found.iter().map(cells).collect()
            }
        }
    }

    /// Replaces a text by another one in the documents of all rows that a table has (its column `row`), and answers how
    /// many rows those are.
    pub async fn replace(&mut self, table: &str, from: &str, to: &str) -> u64 {
        let replaced = match &self.0 {
            Connection::Sqlite(_) => "CAST(replace(CAST(row AS TEXT), ?, ?) AS BLOB)",
            Connection::Postgres(_) => "convert_to(replace(convert_from(row, 'UTF8'), ?, ?), 'UTF8')",
        };
        let sql = format!("UPDATE {table} SET row = {replaced}");
        self.execute(&sql, &[from.into(), to.into()]).await
    }
}

/// Postgres counts its placeholders.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    let number = |said: String, (at, part): (usize, &str)| format!("{said}${}{part}", at + 1);
    parts.enumerate().fold(first, number)
}

fn cells<R: Row>(row: &R) -> Vec<Cell>
where
    usize: ColumnIndex<R>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
{
    let cell = |at: usize| {
        let value = row.try_get_raw(at).unwrap();
        if value.is_null() {
            return Cell::Null;
        }
        match value.type_info().name() {
            "BLOB" | "BYTEA" => Cell::Bytes(row.get(at)),
            "INTEGER" | "INT8" => Cell::Integer(row.get(at)),
            "TEXT" => Cell::Text(row.get(at)),
            other => panic!("a column of type {other}"),
        }
    };
    (0..row.len()).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{FakeClock, Place};

    #[test]
    fn placeholders_are_numbered() {
        assert_eq!(
            numbered("SET a = ?, b = ? WHERE c = 1"),
            "SET a = $1, b = $2 WHERE c = 1"
        );
        assert_eq!(numbered("DELETE FROM a"), "DELETE FROM a");
    }

    #[tokio::test]
    async fn what_is_written_past_the_store_is_read_again() {
        let place = Place::fresh().await;
        let store = place.open(Arc::new(FakeClock::default())).await;
        let mut backdoor = place.backdoor().await;
        let values: [Cell; 3] = [
            b"w".as_slice().into(),
            b"i".as_slice().into(),
            b"{\"a\":1}".as_slice().into(),
        ];
        let insert = "INSERT INTO agents (workspace, id, row) VALUES (?, ?, ?)";
        assert_eq!(backdoor.execute(insert, &values).await, 1);
        assert_eq!(backdoor.replace("agents", "\"a\"", "\"b\"").await, 1);
        let rows = backdoor.rows("SELECT row, 'x' AS text FROM agents").await;
        assert_eq!(rows, [[b"{\"b\":1}".as_slice().into(), Cell::from("x")]]);
        store.close().await;
    }
}
