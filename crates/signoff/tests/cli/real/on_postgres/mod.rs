//! What there is on Postgres alone.

mod migrate_store;
