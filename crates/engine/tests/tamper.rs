//! What somebody with access to the database changes shows: every byte of the log, every folded row, every secret.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use common::{House, policy};
use signoff_core::{policy::PolicyEffect, requirement::Role};
use signoff_engine::{request::CreateChannel, view::Verification};
use signoff_testkit::{Backdoor, Cell};

async fn lived_in() -> House {
    let house = House::new().await;
    house
        .apply(vec![policy(
            "refunds",
            &["stripe.*"],
            PolicyEffect::RequireApproval,
        )])
        .await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    house
        .engine
        .put_group(&house.admin, "finance", vec!["dana@example.com".into()])
        .await
        .unwrap();
    let webhook = CreateChannel::webhook("ops", "https://example.com/hook", Vec::new(), None);
    house
        .engine
        .create_channel(&house.admin, webhook, None)
        .await
        .unwrap();
    house.ask(&agent, "stripe.refund").await;
    let id = house.ask(&agent, "stripe.refund").await;
    house.approve(&dana, id).await.unwrap();
    house
        .engine
        .consume(&agent, id.action().execution(), None)
        .await
        .unwrap();
    house.assert_verifies().await;
    house
}

async fn verify(house: &House) -> Verification {
    house.engine.verify(&house.admin, true).await.unwrap()
}

/// Runs a statement, which must change something.
async fn execute(database: &mut Backdoor, sql: &str, values: &[Cell]) {
    assert!(
        database.execute(sql, values).await > 0,
        "nothing was changed by {sql}"
    );
}

/// I1: one byte changed anywhere in the stored log is named.
#[tokio::test]
async fn i1_a_changed_byte_of_the_log_is_named() {
    let house = lived_in().await;
    let mut database = house.backdoor().await;
    let change = "UPDATE events SET bytes = ? WHERE seq = ?";
    let records = database.rows("SELECT seq, bytes FROM events ORDER BY seq").await;
    for (at, record) in records.iter().enumerate() {
        let (seq, bytes) = (record[0].integer(), record[1].bytes());
        // A different place in each record, so that all parts of a record come up.
        let mut changed = bytes.to_owned();
        let place = (at * 37 + 11) % changed.len();
        changed[place] ^= 1;
        execute(&mut database, change, &[changed.as_slice().into(), seq.into()]).await;
        let verification = verify(&house).await;
        let named = verification
            .faults
            .iter()
            .any(|fault| fault.seq == u64::try_from(seq).ok());
        assert!(
            !verification.ok && named,
            "record {seq}, byte {place}: {:?}",
            verification.faults
        );
        assert!(!house.engine.verify(&house.admin, false).await.unwrap().ok);
        execute(&mut database, change, &[bytes.into(), seq.into()]).await;
    }
    house.assert_verifies().await;
}

#[tokio::test]
async fn records_taken_out_or_put_on_top_are_named() {
    let house = lived_in().await;
    let mut database = house.backdoor().await;
    execute(
        &mut database,
        "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
        &[],
    )
    .await;
    assert!(!verify(&house).await.ok, "the last record was taken out");
    let house = lived_in().await;
    let mut database = house.backdoor().await;
    execute(&mut database, "DELETE FROM events WHERE seq = 3", &[]).await;
    let faults = verify(&house).await.faults;
    assert_eq!(faults[0].seq, Some(3), "{faults:?}");
}

/// Verification names this table.
async fn assert_names(house: &House, table: &str, what: &str) {
    let verification = verify(house).await;
    let named = verification
        .faults
        .iter()
        .any(|fault| fault.table.as_deref() == Some(table) || fault.detail.contains(table));
    assert!(
        !verification.ok && named,
        "{what} in {table}: {:?}",
        verification.faults
    );
}

/// I1: a folded row or an index column changed behind the log's back is named.
#[tokio::test]
async fn i1_a_changed_row_is_named() {
    for (table, from, to) in [
        ("policies", "require_approval", "allow"),
        ("operators", "member", "admin"),
        ("agents", "\"name\":\"a\"", "\"name\":\"b\""),
        ("groups", "finance", "finanze"),
        ("approvals", "\"quorum\":1", "\"quorum\":2"),
        ("executions", "consumed", "reported"),
        ("counters", "\"pending\":1", "\"pending\":0"),
        ("workspaces", "deny", "allow"),
        ("channels", "example.com", "evil.example"),
    ] {
        let house = lived_in().await;
        let changed = house.backdoor().await.replace(table, from, to).await;
        assert!(changed > 0, "there is nothing in {table}");
        assert_names(&house, table, from).await;
    }
    for (table, sql) in [
        ("approvals", "DELETE FROM approvals WHERE status = 'pending'"),
        ("keys", "DELETE FROM keys"),
    ] {
        let house = lived_in().await;
        execute(&mut house.backdoor().await, sql, &[]).await;
        assert_names(&house, table, sql).await;
    }
    for sql in [
        "UPDATE approvals SET status = 'approved' WHERE status = 'pending'",
        "UPDATE approvals SET next_at = NULL WHERE next_at IS NOT NULL",
        "UPDATE events SET actor = 'usr_nobody' WHERE seq = 5",
        "UPDATE events SET time = time + 1 WHERE seq = 5",
        "UPDATE heads SET authority_epoch = authority_epoch + 1",
        "UPDATE heads SET seq = seq - 1",
    ] {
        let house = lived_in().await;
        execute(&mut house.backdoor().await, sql, &[]).await;
        assert!(!verify(&house).await.ok, "{sql}");
    }
}

/// Swapping a stored hash shows, and opens nothing.
#[tokio::test]
async fn a_swapped_secret_is_named_and_opens_nothing() {
    let house = lived_in().await;
    let mut database = house.backdoor().await;
    execute(
        &mut database,
        "UPDATE secrets SET value = ? WHERE kind = 'key'",
        &[[0; 32].as_slice().into()],
    )
    .await;
    let faults = verify(&house).await.faults;
    assert!(
        faults
            .iter()
            .all(|fault| fault.kind == "secret" && fault.row.is_some()),
        "{faults:?}"
    );
    assert_eq!(faults.len(), 2);
    let house = lived_in().await;
    let mut database = house.backdoor().await;
    execute(&mut database, "DELETE FROM secrets WHERE kind = 'channel'", &[]).await;
    assert!(!verify(&house).await.ok);
    // An attacker's own key in place of an admin's: not taken by a server that reads it anew.
    let house = lived_in().await;
    let mut database = house.backdoor().await;
    let rows = database
        .rows("SELECT id, value FROM secrets WHERE kind = 'key' ORDER BY id")
        .await;
    let swap = "UPDATE secrets SET value = ? WHERE id = ?";
    execute(&mut database, swap, &[rows[0][1].clone(), rows[1][0].clone()]).await;
    drop(database);
    let house = house.reopen().await;
    assert!(!verify(&house).await.ok);
}

/// A payload changed or swapped is named; one that was erased leaves a log that verifies.
#[tokio::test]
async fn a_changed_payload_is_named_and_a_missing_one_is_counted() {
    let house = lived_in().await;
    let mut database = house.backdoor().await;
    execute(
        &mut database,
        "UPDATE payloads SET salt = ? WHERE name = 'inputs'",
        &[[0; 32].as_slice().into()],
    )
    .await;
    let faults = verify(&house).await.faults;
    assert!(
        !faults.is_empty() && faults.iter().all(|fault| fault.kind == "payload"),
        "{faults:?}"
    );
    let house = lived_in().await;
    let mut database = house.backdoor().await;
    execute(&mut database, "DELETE FROM payloads WHERE name = 'inputs'", &[]).await;
    let verification = verify(&house).await;
    assert!(
        verification.ok && verification.payloads_missing == 2,
        "{verification:?}"
    );
}
