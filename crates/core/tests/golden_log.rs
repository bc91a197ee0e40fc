//! Logs with every type of event that a release knew, kept for ever: they must verify and fold to the same rows in every
//! later build. The files are `spec/golden_log.VERSION.jsonl`, one record's canonical bytes a line, and
//! `spec/golden_fold.VERSION.json`, where it ends and what it adds up to.
//!
//! `SIGNOFF_WRITE_GOLDEN=1 cargo test -p signoff-core --test golden_log` writes them. After a release that is only right
//! for files of a new version: old logs can't be changed, so neither can these.

use std::{collections::BTreeSet, path::PathBuf, sync::Mutex};

use serde::Serialize;
use serde_json::Value;
use signoff_core::{
    event::Event,
    fold::Rows,
    json,
    record::{ChainVerifier, Head, Record, hash_of},
};

mod golden;
mod support;

use support::Log;

const REWRITE: &str = "SIGNOFF_WRITE_GOLDEN=1 cargo test -p signoff-core --test golden_log";

fn path(name: &str) -> PathBuf {
    // From the package, where tests run: a build may have been made in another checkout.
    PathBuf::from("../../spec").join(name)
}

/// A golden file, written first if the environment says so.
#[expect(
    clippy::disallowed_methods,
    reason = "golden files may be missing, which a compiled-in file can't be"
)]
fn golden_file(name: &str, fresh: &str) -> String {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    let path = path(name);
    if std::env::var("SIGNOFF_WRITE_GOLDEN").is_ok() {
        std::fs::write(&path, fresh).expect("spec/ can be written");
    }
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("spec/{name}: {error}; write it with `{REWRITE}`"))
}

fn golden_log(version: &str, log: &Log) -> String {
    let lines: Vec<String> = log
        .sealed
        .iter()
        .map(|sealed| String::from_utf8_lossy(&sealed.bytes).into_owned() + "\n")
        .collect();
    golden_file(&format!("golden_log.{version}.jsonl"), &lines.concat())
}

/// The rows as lists, for people to read and for a difference to be seen in.
#[derive(Serialize)]
struct Folded<'a> {
    head: &'a Head,
    workspace: Value,
    policies: Value,
    agents: Value,
    applications: Value,
    operators: Value,
    groups: Value,
    keys: Value,
    channels: Value,
    approvals: Value,
    executions: Value,
    counters: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    standing_approvals: Option<Value>,
    /// Since v5.
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<Value>,
    /// Since v4.
    #[serde(skip_serializing_if = "Option::is_none")]
    counted: Option<Value>,
}

fn readable(head: &Head, rows: &Rows) -> String {
    fn list<'a, T: Serialize + 'a>(rows: impl IntoIterator<Item = &'a T>) -> Value {
        let values = rows
            .into_iter()
            .map(|row| serde_json::to_value(row).expect("rows are JSON"));
        values.collect()
    }
    // Destructured, so that a new table can't be forgotten here.
    let Rows {
        workspace,
        policies,
        agents,
        applications,
        operators,
        groups,
        keys,
        channels,
        grants,
        approvals,
        executions,
        counters,
        standing,
        counted,
    } = rows;
    let folded = Folded {
        head,
        workspace: list(workspace),
        policies: list(policies.values()),
        agents: list(agents.values()),
        applications: list(applications.values()),
        operators: list(operators.values()),
        groups: list(groups.values()),
        keys: list(keys.values()),
        channels: list(channels.values()),
        approvals: list(approvals.values()),
        executions: list(executions.values()),
        counters: list(counters.values()),
        standing_approvals: (!standing.is_empty()).then(|| list(standing.values())),
        grants: (!grants.is_empty()).then(|| list(grants.values())),
        counted: (!counted.is_empty()).then(|| list(counted.values())),
    };
    serde_json::to_string_pretty(&folded).expect("rows are JSON") + "\n"
}

/// I1: the log of every release verifies, and folds to what it folded to then.
#[test]
fn i1_golden_logs_fold_to_the_golden_rows() {
    for (version, log) in golden::logs() {
        let mut verifier = ChainVerifier::new(support::WORKSPACE);
        let mut rows = Rows::default();
        for line in golden_log(version, &log).lines() {
            let record = verifier
                .next(line.as_bytes(), hash_of(line.as_bytes()))
                .expect("the golden log is intact");
            rows.fold(&record).expect("the golden log folds");
        }
        let folded = readable(verifier.head(), &rows);
        assert_eq!(
            folded,
            golden_file(&format!("golden_fold.{version}.json"), &folded)
        );
    }
}

/// I1: wherever a log is cut, what is left folds from the state at the cut to what the whole folds to.
#[test]
fn i1_a_log_folds_the_same_from_the_state_at_its_cut() {
    let log = golden::log();
    let mut cuts = log
        .sealed
        .iter()
        .rev()
        .filter_map(|sealed| match &sealed.record.event {
            Event::LogCut(cut) => Some(cut),
            _ => None,
        });
    let cut = cuts.next().expect("the golden log has a cut");
    let (before, after) = log.sealed.split_at(usize::try_from(cut.seq).expect("small"));
    let mut rows = Rows::default();
    for sealed in before {
        rows.fold(&sealed.record).expect("it folds");
    }
    let approvals = rows.approvals.len();
    rows.take_what_was_over(cut);
    assert!(rows.approvals.len() < approvals, "something was over by then");
    let state = serde_json::to_vec(&rows).expect("rows are JSON");
    let mut rows: Rows = serde_json::from_slice(&state).expect("and read back");
    let mut verifier = ChainVerifier::after(support::WORKSPACE, cut.head());
    for sealed in after {
        let record = verifier
            .next(&sealed.bytes, sealed.hash)
            .expect("the rest is intact");
        rows.fold(&record).expect("the rest folds");
    }
    assert_eq!(rows, log.rows);
    assert_eq!(*verifier.head(), log.head);
}

/// The same events give the same bytes today: what is hashed has not moved.
#[test]
fn records_are_written_as_they_were_then() {
    for (version, built) in golden::logs() {
        let golden = golden_log(version, &built);
        assert_eq!(golden.lines().count(), built.sealed.len());
        for (line, sealed) in golden.lines().zip(&built.sealed) {
            assert_eq!(
                line,
                String::from_utf8_lossy(&sealed.bytes),
                "record {}",
                sealed.record.seq
            );
            let read: Record = serde_json::from_str(line).expect("a record");
            assert_eq!(read, sealed.record);
        }
        assert_eq!(built.refold(), built.rows);
    }
}

/// No type of event can be added without a golden record of it.
#[test]
fn the_golden_log_has_every_type_of_event() {
    let source = include_str!("../src/event.rs");
    let known: BTreeSet<&str> = source
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("#[serde(rename = \"")?
                .strip_suffix("\")]")
        })
        .collect();
    assert!(
        known.len() >= 35,
        "the types are no longer found where this test looks for them"
    );
    let log = golden::log();
    let seen: BTreeSet<&str> = log
        .sealed
        .iter()
        .map(|sealed| sealed.record.event.type_name())
        .collect();
    assert_eq!(seen, known);
    for sealed in &log.sealed {
        let value: Value = serde_json::from_slice(&sealed.bytes).expect("a record is JSON");
        assert_eq!(value["type"], sealed.record.event.type_name());
    }
}

/// Absent, never null; nothing that a reader could see differently.
#[test]
fn golden_records_are_strict_json_without_nulls() {
    for line in golden_log("v4", &golden::log()).lines() {
        assert_eq!(json::check(line.as_bytes()), Ok(()), "{line}");
        assert!(!line.contains(":null"), "{line}");
    }
}

/// What a log of a version says, nodes of that version may write: newer ways of saying things wait for the upgrade.
#[test]
fn records_are_written_from_their_feature_level_on() {
    for ((version, log), level) in golden::logs().into_iter().zip(1..) {
        let levels: Vec<u32> = log
            .sealed
            .iter()
            .map(|sealed| sealed.record.event.feature_level())
            .collect();
        assert_eq!(levels.iter().max(), Some(&level), "{version}");
    }
}
