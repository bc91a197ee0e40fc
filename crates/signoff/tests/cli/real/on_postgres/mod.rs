//! What there is on Postgres alone.

mod migrate_store;
mod rotate_master_key;
