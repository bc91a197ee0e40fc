//! What no backend keeps: [`StoreError::Refused`], the same everywhere, before anything is written.

use signoff_core::{
    event::{Event, Nothing},
    payload::{Hash32, PayloadName},
};

use super::{
    Subject,
    batches::session_row,
    scribe::{Scribe, operator},
    world::{DANA, OPEN, build, everything, idempotency_name, session_hash},
};
use crate::{Changes, IdempotencyRow, OutboxRow, PersonRow, RecordQuery, StoreError, StoredPayload};

/// Writes changes that must be refused, and commits: nothing may have come of it.
async fn refused(subject: &dyn Subject, changes: Changes, why: &str) {
    let store = subject.store();
    let scribe = Scribe::new(1);
    let before = store.head(scribe.workspace).await.unwrap();
    let mut batch = store.begin().await.unwrap();
    let result = batch.write(&changes).await;
    assert!(matches!(result, Err(StoreError::Refused(_))), "{why}: {result:?}");
    batch.commit().await.unwrap();
    assert_eq!(store.head(scribe.workspace).await.unwrap(), before, "{why}");
    let after = before.map_or(0, |head| head.seq);
    let query = RecordQuery {
        beyond: Some(after),
        limit: 1,
        ..RecordQuery::default()
    };
    assert_eq!(
        store.records(scribe.workspace, &query).await.unwrap(),
        [],
        "{why}"
    );
}

/// Changes that name no workspace are a mistake, unless there are none.
pub async fn changes_without_a_workspace_are_refused(subject: &dyn Subject) {
    let mut batch = subject.store().begin().await.unwrap();
    batch.write(&Changes::default()).await.unwrap();
    drop(batch);
    let changes = Changes {
        head: None,
        ..everything(1, "a").take()
    };
    refused(subject, changes, "no workspace").await;
    refused(
        subject,
        Changes {
            signed_out: vec![DANA],
            ..Changes::default()
        },
        "no workspace",
    )
    .await;
}

/// I1: no event, no change.
pub async fn rows_without_a_record_are_refused(subject: &dyn Subject) {
    let rows = everything(1, "b").take().rows;
    let scribe = build(subject.store(), 1, "a").await;
    let changes = Changes {
        head: Some((scribe.workspace, scribe.head)),
        rows,
        ..Changes::default()
    };
    refused(subject, changes, "rows alone").await;
}

/// The log has no gaps, and the head is where it ends.
pub async fn records_that_do_not_lead_to_the_head_are_refused(subject: &dyn Subject) {
    let fresh = || everything(1, "a").take();
    let (workspace, head) = fresh().head.unwrap();
    let mut gap = fresh();
    gap.records.remove(3);
    refused(subject, gap, "a gap").await;
    let mut cut = fresh();
    cut.records.pop();
    refused(subject, cut, "a head beyond the last record").await;
    let other = signoff_core::record::Head {
        hash: Hash32([1; 32]),
        ..head
    };
    refused(
        subject,
        Changes {
            head: Some((workspace, other)),
            ..fresh()
        },
        "a head of other bytes",
    )
    .await;
    let foreign = Changes {
        records: everything(2, "a").take().records,
        ..fresh()
    };
    refused(subject, foreign, "records of another workspace").await;
}

/// A payload belongs to a record of the same batch.
pub async fn a_payload_without_its_record_is_refused(subject: &dyn Subject) {
    let mut scribe = build(subject.store(), 1, "a").await;
    let payload = |seq| StoredPayload {
        seq,
        name: PayloadName::Text,
        subject: OPEN.0,
        salt: [0; 32],
        bytes: b"x".to_vec(),
    };
    for (at, why) in [(1, "an earlier record"), (scribe.head.seq + 9, "no record")] {
        scribe.record(operator(DANA), DANA, Event::SignedIn(Nothing {}));
        scribe.changes.payloads.push(payload(at));
        refused(subject, scribe.take(), why).await;
    }
}

/// I11: no way through the wall by a row that names its workspace itself.
pub async fn side_rows_of_another_workspace_are_refused(subject: &dyn Subject) {
    let there = Scribe::new(2);
    let mut changes = everything(1, "a").take();
    let name = idempotency_name(&there);
    changes.idempotency.push(IdempotencyRow {
        name,
        fingerprint: [0; 32],
        outcome: "{}".into(),
        expires_at: None,
    });
    refused(subject, changes, "idempotency").await;
    let mut changes = everything(1, "a").take();
    changes
        .sessions
        .push(session_row(session_hash(&there), &there, super::scribe::START));
    refused(subject, changes, "a session").await;
}

/// U+0000 is refused at the door; should it come through, it is refused here, on every backend.
pub async fn the_null_character_is_refused(subject: &dyn Subject) {
    let bad = || "a\0b".to_owned();
    let fresh = || everything(1, "a").take();
    let row = IdempotencyRow {
        name: idempotency_name(&Scribe::new(1)),
        fingerprint: [0; 32],
        outcome: "{}".into(),
        expires_at: None,
    };
    let mut key = row.clone();
    key.name.key = bad();
    let outcome = IdempotencyRow {
        outcome: bad(),
        ..row
    };
    for row in [key, outcome] {
        refused(
            subject,
            Changes {
                idempotency: vec![row],
                ..fresh()
            },
            "idempotency",
        )
        .await;
    }
    let name = PersonRow {
        id: DANA,
        name: bad(),
        email: "dana@example.com".into(),
    };
    let email = PersonRow {
        id: DANA,
        name: "Dana".into(),
        email: bad(),
    };
    for person in [name, email] {
        refused(
            subject,
            Changes {
                people: vec![person],
                ..fresh()
            },
            "a person",
        )
        .await;
    }
    refused(
        subject,
        Changes {
            outbox: vec![OutboxRow { seq: 1, kind: bad() }],
            ..fresh()
        },
        "the outbox",
    )
    .await;
    let mut scribe = everything(1, "a");
    scribe.ask(
        signoff_core::id::ActionId(super::scribe::raw(0x55)),
        super::scribe::facts(&bad(), super::world::AGENT),
    );
    refused(subject, scribe.take(), "an action's name").await;
}
