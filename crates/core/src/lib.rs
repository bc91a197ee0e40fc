//! Signoff's domain: actions, policies, verdicts, the two machines, events, digests, the log's hashes.
//!
//! Deliberately absent: I/O, clocks, randomness, async. Time and identifiers come in as arguments, so that every rule
//! can be tested as a table and every log folds to the same rows for ever.

pub mod action;
pub mod actor;
pub mod approval;
pub mod authority;
pub mod channel;
pub mod condition;
pub mod counted;
pub mod decimal;
pub mod digest;
pub mod event;
pub mod execution;
pub mod fold;
pub mod grant;
pub mod http;
pub mod id;
pub mod json;
pub mod judge;
pub mod lint;
pub mod name;
pub mod payload;
pub mod policy;
pub mod record;
pub mod redact;
pub mod requirement;
pub mod rows;
pub mod sentence;
pub mod standing;
pub mod stop;
pub mod time;
