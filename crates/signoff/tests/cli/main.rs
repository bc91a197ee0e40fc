//! The binary as people and scripts meet it: exit codes, what goes to which stream, what is asked of the server.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod check;
mod fake;
mod gate;
mod help;
mod interrupt;
mod lists;
mod policy_files;
mod real;
mod run;
