//! Deciding at Slack: who presses is who proved to be somebody, each press counts once, and what may not be decided there is
//! not.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod deciding;
mod desk;
mod linking;
mod rules;
