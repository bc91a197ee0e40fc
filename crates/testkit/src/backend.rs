//! Which backend the tests run on.

use std::env::{VarError, var};

/// The switch.
const SWITCH: &str = "SIGNOFF_TEST_STORE";

/// What keeps a test's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file in a directory of the test's own.
    Sqlite,
    /// A database of the test's own, on the server that `SIGNOFF_TEST_POSTGRES` names.
    Postgres,
}

impl Backend {
    /// What `SIGNOFF_TEST_STORE` says: `sqlite`, which nothing said means too, or `postgres`.
    ///
    /// A test that is about one backend alone does not ask: it names the backend itself and lies in a module called
    /// `on_sqlite` or `on_postgres`, by which `.config/nextest.toml` leaves it out of the other one's run.
    pub fn chosen() -> Self {
        match var(SWITCH).as_deref() {
            Err(VarError::NotPresent) | Ok("sqlite") => Self::Sqlite,
            Ok("postgres") => Self::Postgres,
            other => panic!("{SWITCH} is {other:?}; it can be `sqlite` or `postgres`"),
        }
    }
}
