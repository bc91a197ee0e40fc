//! What there is on SQLite alone: the data directory, and the demonstration, which always keeps its data in one.

mod backup;
mod data_directory;
mod demo;
mod rotate_master_key;
