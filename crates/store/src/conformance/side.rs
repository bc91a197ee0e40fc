//! Promises about what lives beside the log.

use signoff_core::{
    fold::Rows,
    id::OperatorId,
    time::{Micros, Timestamp},
};

use super::{
    Subject,
    batches::session_row,
    scribe::{Scribe, raw},
    world::{DANA, ERIN, KEY, build, idempotency_name, session_hash},
};
use crate::{
    IdempotencyName, IdempotencyRow, PersonRow, Rewrapping, SecretKind, SecretRow, SessionRow, StoreError,
    Wants,
};

const HOUR: Micros = Micros::seconds(3_600);

fn hash(number: u8) -> [u8; 32] {
    [number; 32]
}

/// A session is found by its hash alone, with all that belongs to it, and not after its time.
pub async fn a_session_lives_until_it_expires(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let now = store.clock().now();
    let lives = session_row(hash(1), &scribe, now.plus(HOUR));
    let gone = session_row(hash(2), &scribe, now.plus(Micros(-1)));
    scribe.changes.sessions.extend([lives.clone(), gone]);
    scribe.commit(store).await;
    assert_eq!(store.session(&hash(1)).await.unwrap(), Some(lives));
    assert_eq!(store.session(&hash(2)).await.unwrap(), None);
    assert_eq!(store.session(&hash(3)).await.unwrap(), None);
}

/// Signing out ends one session; a changed password ends all of a person, and the one that is begun with it lives.
pub async fn sessions_end_one_by_one_and_all_of_an_operator(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let later = store.clock().now().plus(HOUR);
    let of = |number, operator| SessionRow {
        operator,
        ..session_row(hash(number), &Scribe::new(1), later)
    };
    scribe
        .changes
        .sessions
        .extend([of(1, DANA), of(2, DANA), of(3, DANA), of(4, ERIN)]);
    scribe.commit(store).await;
    let living = async || {
        let mut living = Vec::new();
        for number in 1..=5 {
            if store.session(&hash(number)).await.unwrap().is_some() {
                living.push(number);
            }
        }
        living
    };
    assert_eq!(living().await, [1, 2, 3, 4]);
    scribe.changes.ended_sessions.extend([hash(2), hash(9)]);
    scribe.commit(store).await;
    assert_eq!(living().await, [1, 3, 4]);
    scribe.changes.signed_out.push(DANA);
    scribe.changes.sessions.push(of(5, DANA));
    scribe.commit(store).await;
    assert_eq!(living().await, [4, 5]);
    assert_eq!(store.session(&session_hash(&scribe)).await.unwrap(), None);
}

/// A sweep takes what expired by the time it is given, however much that is, and says how much.
pub async fn a_sweep_takes_what_expired_and_nothing_else(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let now = store.clock().now();
    let row = |key: String, expires_at| IdempotencyRow {
        name: IdempotencyName {
            key,
            ..idempotency_name(&Scribe::new(1))
        },
        fingerprint: [0; 32],
        outcome: "{}".into(),
        expires_at,
    };
    let lives = row("lives".into(), Some(now.plus(HOUR)));
    let stays = row("stays".into(), None);
    scribe
        .changes
        .idempotency
        .extend((0..6_000).map(|n| row(format!("old-{n}"), Some(now.plus(Micros(-1))))));
    scribe.changes.idempotency.extend([lives.clone(), stays.clone()]);
    scribe
        .changes
        .sessions
        .push(session_row(hash(1), &scribe, now.plus(Micros(-1))));
    scribe
        .changes
        .sessions
        .push(session_row(hash(2), &scribe, now.plus(HOUR)));
    scribe.commit(store).await;
    assert_eq!(store.sweep(Timestamp(0)).await.unwrap(), 0);
    assert_eq!(store.sweep(now).await.unwrap(), 6_001);
    assert_eq!(store.sweep(now).await.unwrap(), 0);
    assert!(store.session(&hash(2)).await.unwrap().is_some());
    let names = [lives.name, stays.name.clone(), idempotency_name(&scribe)];
    let wants = Wants {
        idempotency: names.into(),
        ..scribe.wants()
    };
    assert_eq!(
        store
            .begin()
            .await
            .unwrap()
            .read(&wants)
            .await
            .unwrap()
            .idempotency
            .len(),
        3
    );
    // The two that remain with a time: one of the session of the world, and those above.
    assert_eq!(store.sweep(now.plus(HOUR).plus(HOUR)).await.unwrap(), 3);
    assert_eq!(
        store
            .begin()
            .await
            .unwrap()
            .read(&wants)
            .await
            .unwrap()
            .idempotency
            .len(),
        2
    );
}

/// The wrapped key of a workspace is kept with its first batch, once.
pub async fn the_workspace_key_comes_back(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    assert_eq!(
        store.workspace_key(scribe.workspace).await.unwrap(),
        Some(b"a".to_vec())
    );
    assert_eq!(store.workspace_key(Scribe::new(2).workspace).await.unwrap(), None);
    // A second key would make everything that was encrypted under the first unreadable.
    scribe.changes.workspace_key = Some(b"other".to_vec());
    assert!(store.begin().await.unwrap().write(&scribe.take()).await.is_err());
    assert_eq!(
        store.workspace_key(scribe.workspace).await.unwrap(),
        Some(b"a".to_vec())
    );
}

/// A master key takes the place of another one for all workspaces at once: nothing is ever wrapped half with this one and
/// half with that one, and no wrapping that somebody put there meanwhile is lost.
pub async fn all_workspace_keys_are_wrapped_anew_or_none(subject: &dyn Subject) {
    let store = subject.store();
    let here = build(store, 1, "a").await.workspace;
    let there = build(store, 2, "b").await.workspace;
    let one = |workspace, present: &[u8], next: &[u8]| Rewrapping {
        workspace,
        present: present.to_vec(),
        next: next.to_vec(),
    };
    for refused in [
        vec![],
        vec![one(here, b"a", b"A")],
        vec![one(here, b"a", b"A"), one(there, b"not b", b"B")],
        vec![one(here, b"a", b"A"), one(here, b"A", b"B")],
        vec![one(here, b"a", b"A"), one(Scribe::new(3).workspace, b"b", b"B")],
        vec![
            one(here, b"a", b"A"),
            one(there, b"b", b"B"),
            one(there, b"B", b"C"),
        ],
    ] {
        assert!(
            !store.replace_workspace_keys(&refused).await.unwrap(),
            "{refused:?}"
        );
        assert_eq!(store.workspace_key(here).await.unwrap().unwrap(), b"a");
        assert_eq!(store.workspace_key(there).await.unwrap().unwrap(), b"b");
    }
    let all = [one(there, b"b", b"B"), one(here, b"a", b"A")];
    assert!(store.replace_workspace_keys(&all).await.unwrap());
    assert_eq!(store.workspace_key(here).await.unwrap().unwrap(), b"A");
    assert_eq!(store.workspace_key(there).await.unwrap().unwrap(), b"B");
    assert!(
        !store.replace_workspace_keys(&all).await.unwrap(),
        "they are others by now"
    );
}

/// A new password or rotated key leaves nothing of the old one; kinds under one id are apart.
pub async fn a_secret_written_again_takes_the_place_of_the_first(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let row = |kind, value: &[u8]| SecretRow {
        kind,
        id: KEY.0,
        value: value.to_vec(),
    };
    scribe.changes.secrets.push(row(SecretKind::Password, b"first"));
    scribe.changes.secrets.push(row(SecretKind::Channel, &[0, 255]));
    scribe.commit(store).await;
    scribe.changes.secrets.push(row(SecretKind::Password, b"second"));
    scribe.commit(store).await;
    let mut secrets = store.authority(scribe.workspace).await.unwrap().secrets;
    secrets.sort_by_key(|secret| secret.kind);
    let expected = [
        row(SecretKind::Key, b"a"),
        row(SecretKind::Password, b"second"),
        row(SecretKind::Channel, &[0, 255]),
    ];
    assert_eq!(secrets, expected);
    assert_eq!(store.folded(scribe.workspace).await.unwrap().secrets.len(), 3);
    assert!(
        !format!("{secrets:?}").contains("second"),
        "I7: secrets are never printed"
    );
}

/// Addresses compare without case, also beyond ASCII; a changed one is found under its new form only.
pub async fn a_person_is_found_by_address_without_case(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let find = async |email: &str| {
        store
            .person_by_email(Scribe::new(1).workspace, email)
            .await
            .unwrap()
    };
    for email in ["Dana@Example.com", "dana@example.com", "DANA@EXAMPLE.COM"] {
        assert_eq!(find(email).await, Some(DANA), "{email}");
    }
    for email in ["dana@example.co", "dana%", "", "d_na@example.com"] {
        assert_eq!(find(email).await, None, "{email}");
    }
    scribe.changes.people.push(PersonRow {
        id: DANA,
        name: "Dana".into(),
        email: "DÄNA@example.com".into(),
    });
    scribe.commit(store).await;
    assert_eq!(find("däna@EXAMPLE.com").await, Some(DANA));
    assert_eq!(find("dana@example.com").await, None);
}

/// Two people never share an address, and whoever comes second does not push out the first.
pub async fn an_address_that_is_taken_takes_nobody_away(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let before = store.authority(scribe.workspace).await.unwrap().people;
    let head = scribe.head;
    scribe.changes.people.push(PersonRow {
        id: ERIN,
        name: "Erin".into(),
        email: "dana@EXAMPLE.com".into(),
    });
    let result = store.begin().await.unwrap().write(&scribe.take()).await;
    assert!(matches!(result, Err(StoreError::Database(_))), "{result:?}");
    assert_eq!(store.authority(scribe.workspace).await.unwrap().people, before);
    assert_eq!(store.head(scribe.workspace).await.unwrap(), Some(head));
}

/// Snapshots are built from this alone: all rows but requests and counters, secrets, people, and where the log stood.
pub async fn the_authority_is_all_that_snapshots_need(subject: &dyn Subject) {
    let store = subject.store();
    let scribe = build(store, 1, "a").await;
    let authority = store.authority(scribe.workspace).await.unwrap();
    let (approvals, executions, counters, counted) = Default::default();
    assert_eq!(
        authority.rows,
        Rows {
            approvals,
            executions,
            counted,
            counters,
            ..scribe.rows.clone()
        }
    );
    assert_eq!(authority.head, Some(scribe.head));
    assert_eq!(
        authority.people,
        [PersonRow {
            id: DANA,
            name: "a".into(),
            email: "Dana@Example.com".into()
        }]
    );
    assert_eq!(authority.secrets.len(), 1);
    assert!(
        authority
            .people
            .iter()
            .all(|person| person.id != OperatorId(raw(0)))
    );
}

/// Readiness asks the database, for reading and for writing.
pub async fn a_store_that_works_says_so(subject: &dyn Subject) {
    let health = subject.store().health().await.unwrap();
    assert!(
        health.clock_skew.0.abs() < 1_000_000,
        "the same machine: {health:?}"
    );
}
