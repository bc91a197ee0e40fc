//! Promises of [`Store::folded`](crate::Store::folded): whatever was changed behind the store's back shows.

use signoff_core::{fold::RowKey, id::WorkspaceId, payload::Hash32};

use super::{
    Subject, Tampered,
    scribe::Scribe,
    world::{KEY, OPEN, build},
};
use crate::{Folded, SecretKind, SecretRow};

async fn folded(subject: &dyn Subject, workspace: WorkspaceId) -> Folded {
    subject.store().folded(workspace).await.unwrap()
}

/// A store nobody meddled with: the folded rows are the fold of the log, secrets and head are there, nothing is wrong.
pub async fn what_is_folded_comes_back_without_faults(subject: &dyn Subject) {
    let scribe = build(subject.store(), 1, "a").await;
    let stored = folded(subject, scribe.workspace).await;
    assert_eq!(stored.faults, Vec::<String>::new());
    assert_eq!(stored.rows, scribe.rows);
    assert_eq!(stored.head, Some(scribe.head));
    assert_eq!(
        stored.secrets,
        [SecretRow {
            kind: SecretKind::Key,
            id: KEY.0,
            value: b"a".to_vec()
        }]
    );
    let nobody = folded(subject, Scribe::new(9).workspace).await;
    assert!(nobody.head.is_none() && nobody.faults.is_empty() && nobody.secrets.is_empty());
    assert_eq!(nobody.rows, signoff_core::fold::Rows::default());
}

/// Changes one column and looks for a fault that names the table and the column.
async fn change_is_told(
    subject: &dyn Subject,
    scribe: &Scribe,
    table: &'static str,
    column: &'static str,
    to: Tampered,
) {
    assert!(
        subject.tamper(scribe.workspace, table, column, to).await > 0,
        "{table}.{column}"
    );
    let stored = folded(subject, scribe.workspace).await;
    let fault = |fault: &String| fault.contains(table) && fault.contains(&format!("`{column}`"));
    assert!(
        stored.faults.iter().any(fault),
        "{table}.{column}: {:?}",
        stored.faults
    );
}

/// A column that queries go by disagrees with its row: each of them is told.
pub async fn a_changed_column_is_told(subject: &dyn Subject) {
    let id = || Tampered::Bytes(vec![9; 16]);
    let text = |text: &str| Tampered::Text(text.to_owned());
    // Each in a workspace of its own, because the first column that disagrees is the one that is told.
    let changes = [
        ("approvals", "status", text("cancelled")),
        ("approvals", "agent", id()),
        ("approvals", "action", text("mail.send")),
        ("approvals", "priority", text("low")),
        ("approvals", "risk", text("low")),
        ("approvals", "policy", text("nothing")),
        ("approvals", "submitted_seq", Tampered::Integer(1)),
        ("approvals", "created_at", Tampered::Integer(1)),
        ("approvals", "decided_at", Tampered::Integer(1)),
        ("approvals", "decider", text("stranger")),
        ("approvals", "next_at", Tampered::Integer(1)),
        ("executions", "state", text("lapsed")),
        ("executions", "agent", id()),
        ("executions", "next_at", Tampered::Integer(1)),
        ("policies", "id", id()),
        ("groups", "id", id()),
    ];
    for (workspace, (table, column, to)) in (1..).zip(changes) {
        let scribe = build(subject.store(), workspace, "a").await;
        change_is_told(subject, &scribe, table, column, to).await;
    }
}

/// A row whose content was changed differs from the fold, or is told.
pub async fn a_changed_row_shows(subject: &dyn Subject) {
    let scribe = build(subject.store(), 1, "a").await;
    let group = scribe.rows.groups.values().next().unwrap();
    let fewer = signoff_core::rows::GroupRow {
        members: vec![group.members[0]],
        ..group.clone()
    };
    let bytes = serde_json::to_vec(&fewer).unwrap();
    subject
        .tamper(scribe.workspace, "groups", "row", Tampered::Bytes(bytes))
        .await;
    let stored = folded(subject, scribe.workspace).await;
    assert_ne!(stored.rows.groups, scribe.rows.groups);
    assert_eq!(stored.rows.groups[&group.id], fewer);

    let mut loose = serde_json::to_vec(group).unwrap();
    loose.push(b' ');
    subject
        .tamper(scribe.workspace, "groups", "row", Tampered::Bytes(loose))
        .await;
    let stored = folded(subject, scribe.workspace).await;
    assert!(
        stored.faults[0].contains("groups"),
        "not the bytes that were written: {:?}",
        stored.faults
    );
}

/// A row that can't be read is a fault with a name; all other rows are still compared.
pub async fn an_unreadable_row_is_told_and_hides_no_other(subject: &dyn Subject) {
    let scribe = build(subject.store(), 1, "a").await;
    for (at, table) in ["workspaces", "keys", "counters", "approvals"]
        .into_iter()
        .enumerate()
    {
        subject
            .tamper(
                scribe.workspace,
                table,
                "row",
                Tampered::Bytes(b"{\"half\":".to_vec()),
            )
            .await;
        let stored = folded(subject, scribe.workspace).await;
        assert!(
            stored.faults.iter().any(|fault| fault.contains(table)),
            "{table}: {:?}",
            stored.faults
        );
        assert!(stored.faults.len() > at);
        assert_eq!(stored.rows.policies, scribe.rows.policies);
        assert_eq!(stored.rows.executions, scribe.rows.executions);
    }
    // Outside of a verification, what can't be read is an error, never an absence.
    assert!(
        subject
            .store()
            .approval(scribe.workspace, OPEN.approval())
            .await
            .is_err()
    );
    assert!(subject.store().authority(scribe.workspace).await.is_err());
    let mut wants = scribe.wants();
    wants
        .rows
        .insert((scribe.workspace, RowKey::Approval(OPEN.approval())));
    assert!(subject.store().begin().await.unwrap().read(&wants).await.is_err());
}

/// A column that finds records disagrees with the record: each of them is told, with the record.
pub async fn a_changed_index_of_a_record_is_told(subject: &dyn Subject) {
    let text = |text: &str| Tampered::Text(text.to_owned());
    let changes = [
        ("id", Tampered::Bytes(vec![9; 16])),
        ("time", Tampered::Integer(1)),
        ("type", text("action.allowed.v1")),
        ("subject", Tampered::Bytes(vec![9; 16])),
        ("actor", text("nobody")),
        ("agent", Tampered::Bytes(vec![9; 16])),
        ("action", text("nothing")),
        ("decision", text("approve")),
    ];
    for (workspace, (column, to)) in (1..).zip(changes) {
        let scribe = build(subject.store(), workspace, "a").await;
        let count = subject.tamper(scribe.workspace, "events", column, to).await;
        assert_eq!(count, scribe.head.seq);
        let stored = folded(subject, scribe.workspace).await;
        let fault = format!("record 1: the column `{column}`");
        assert!(
            stored.faults.iter().any(|told| told.starts_with(&fault)),
            "{column}: {:?}",
            stored.faults
        );
        assert_eq!(stored.rows, scribe.rows);
    }
}

/// A record that can't be read is a fault with its sequence.
pub async fn an_unreadable_record_is_told(subject: &dyn Subject) {
    let scribe = build(subject.store(), 1, "a").await;
    subject
        .tamper(scribe.workspace, "events", "bytes", Tampered::Bytes(vec![0xff]))
        .await;
    let stored = folded(subject, scribe.workspace).await;
    assert_eq!(stored.faults.len() as u64, scribe.head.seq);
    assert!(stored.faults[2].starts_with("record 3: "), "{:?}", stored.faults);
}

/// Secret bytes come as they are stored, so that their digests can be compared with the log.
pub async fn a_changed_secret_shows(subject: &dyn Subject) {
    let scribe = build(subject.store(), 1, "a").await;
    subject
        .tamper(
            scribe.workspace,
            "secrets",
            "value",
            Tampered::Bytes(b"swapped".to_vec()),
        )
        .await;
    assert_eq!(
        folded(subject, scribe.workspace).await.secrets[0].value,
        b"swapped"
    );
    subject
        .tamper(
            scribe.workspace,
            "secrets",
            "kind",
            Tampered::Text("unheard-of".into()),
        )
        .await;
    let stored = folded(subject, scribe.workspace).await;
    assert!(stored.secrets.is_empty());
    assert!(stored.faults[0].contains("secrets"), "{:?}", stored.faults);
}

/// The head comes as it is stored, and one that can't be read is told.
pub async fn a_changed_head_shows(subject: &dyn Subject) {
    let scribe = build(subject.store(), 1, "a").await;
    subject
        .tamper(scribe.workspace, "heads", "hash", Tampered::Bytes(vec![1; 32]))
        .await;
    assert_eq!(
        folded(subject, scribe.workspace).await.head.unwrap().hash,
        Hash32([1; 32])
    );
    subject
        .tamper(scribe.workspace, "heads", "policy_epoch", Tampered::Integer(-1))
        .await;
    let stored = folded(subject, scribe.workspace).await;
    assert!(
        stored.head.is_none() && stored.faults[0].contains("heads"),
        "{:?}",
        stored.faults
    );
    assert!(subject.store().head(scribe.workspace).await.is_err());
}
