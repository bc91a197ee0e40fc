//! Promises of [`Batch`](crate::Batch): what it reads, writes and leaves behind.

use super::outbox::fan_out_to;
use std::time::Duration;

use signoff_core::{
    event::Ballot,
    fold::RowKey,
    id::{ActionId, AgentId, OperatorId},
    payload::PayloadName,
    record::Epochs,
    time::Micros,
};

use super::{
    Subject,
    scribe::{Scribe, facts, raw},
    world::{ALLOWED, APPROVED, DANA, OPEN, build, counting, everything, idempotency_name, session_hash},
};
use crate::{
    Batch, IdempotencyName, IdempotencyRow, PersonRow, RecordQuery, SecretKind, SecretRow, SessionRow, Wants,
};

/// Rows of every kind come back as the projection left them.
pub async fn every_kind_of_row_comes_back(subject: &dyn Subject) {
    let scribe = build(subject.store(), 1, "a").await;
    let mut batch = subject.store().begin().await.unwrap();
    let state = batch.read(&scribe.wants_all()).await.unwrap();
    assert_eq!(state.rows[&scribe.workspace], scribe.rows);
    for (table, len) in [
        ("workspaces", usize::from(scribe.rows.workspace.is_some())),
        ("policies", scribe.rows.policies.len()),
        ("agents", scribe.rows.agents.len()),
        ("applications", scribe.rows.applications.len()),
        ("operators", scribe.rows.operators.len()),
        ("groups", scribe.rows.groups.len()),
        ("keys", scribe.rows.keys.len()),
        ("channels", scribe.rows.channels.len()),
        ("grants", scribe.rows.grants.len()),
        ("standing_approvals", scribe.rows.standing.len()),
        ("approvals", scribe.rows.approvals.len()),
        ("executions", scribe.rows.executions.len()),
        ("counters", scribe.rows.counters.len()),
        ("counted", scribe.rows.counted.len()),
    ] {
        assert!(len > 0, "the test has no row for {table}");
    }
}

/// A row is what it was written as last, and nothing is left of what it was.
pub async fn a_row_written_again_takes_the_place_of_the_first(subject: &dyn Subject) {
    let mut scribe = build(subject.store(), 1, "a").await;
    scribe.vote(OPEN, DANA, Ballot::Approve);
    scribe.commit(subject.store()).await;
    let mut batch = subject.store().begin().await.unwrap();
    let state = batch.read(&scribe.wants_all()).await.unwrap();
    assert_eq!(state.rows[&scribe.workspace], scribe.rows);
    drop(batch);
    assert_eq!(
        subject
            .store()
            .pending_count(scribe.workspace, None)
            .await
            .unwrap(),
        0
    );
}

/// A batch without commit never happened, in no table.
pub async fn a_batch_that_is_dropped_leaves_nothing(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = everything(1, "a");
    let (workspace, session, name) = (scribe.workspace, session_hash(&scribe), idempotency_name(&scribe));
    scribe.changes.workspace_key = Some(vec![1]);
    scribe.changes.people.push(PersonRow {
        id: DANA,
        name: "Dana".into(),
        email: "dana@example.com".into(),
    });
    scribe.changes.sessions.push(session_row(
        session,
        &scribe,
        store.clock().now().plus(Micros::seconds(60)),
    ));
    let wants = Wants {
        idempotency: [name.clone()].into(),
        ..scribe.wants_all()
    };
    let row = IdempotencyRow {
        name,
        fingerprint: [0; 32],
        outcome: "{}".into(),
        expires_at: None,
    };
    scribe.changes.idempotency.push(row);
    let mut batch = store.begin().await.unwrap();
    batch.write(&scribe.take()).await.unwrap();
    drop(batch);

    assert_eq!(store.workspaces().await.unwrap(), []);
    assert_eq!(store.head(workspace).await.unwrap(), None);
    assert_eq!(store.workspace_key(workspace).await.unwrap(), None);
    assert_eq!(store.session(&session).await.unwrap(), None);
    assert_eq!(
        store
            .person_by_email(workspace, "dana@example.com")
            .await
            .unwrap(),
        None
    );
    let query = RecordQuery {
        limit: 10,
        ..RecordQuery::default()
    };
    assert_eq!(store.records(workspace, &query).await.unwrap(), []);
    assert_eq!(
        store
            .payloads(workspace, &(1..40).collect::<Vec<_>>())
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        fan_out_to(store, workspace, &[], 0, store.clock().now(), 10)
            .await
            .unwrap(),
        Some(0)
    );
    let mut batch = store.begin().await.unwrap();
    let state = batch.read(&wants).await.unwrap();
    assert!(state.rows.is_empty() && state.idempotency.is_empty() && state.heads.is_empty());
}

/// Whoever locks a head sees all that was written before: a second batch waits for the first.
pub async fn a_batch_waits_for_the_one_before(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let wants = scribe.wants();
    let mut first = store.begin().await.unwrap();
    first.read(&wants).await.unwrap();
    scribe.allow(ActionId(raw(0x99)), facts("mail.send", AgentId(raw(0xa1))));
    first.write(&scribe.take()).await.unwrap();
    let second = async {
        let mut second = store.begin().await.unwrap();
        second.read(&wants).await.unwrap().heads[&scribe.workspace]
    };
    let finish = async {
        // Long enough for a second batch that does not wait to read the old head.
        tokio::time::sleep(Duration::from_millis(50)).await;
        first.commit().await.unwrap();
    };
    let (seen, ()) = tokio::join!(second, finish);
    assert_eq!(seen, scribe.head);
}

/// The time of a batch that has locked nothing is that of its begin, however long it takes.
pub async fn a_batch_takes_its_time_once(subject: &dyn Subject) {
    let before = subject.store().clock().now();
    let mut scribe = everything(1, "a");
    let mut batch = subject.store().begin().await.unwrap();
    let now = batch.now();
    assert!(now >= before);
    tokio::time::sleep(Duration::from_millis(2)).await;
    batch.write(&scribe.take()).await.unwrap();
    assert_eq!(batch.now(), now);
}

/// N concurrent commands cost a constant number of statements.
pub async fn statements_do_not_grow_with_the_commands(subject: &dyn Subject) {
    let mut counts = Vec::new();
    for (workspace, commands) in [(1, 1), (2, 200)] {
        // One round to have something to read and to replace, one that is counted.
        let mut scribe = Scribe::new(workspace);
        commands_of(&mut scribe, subject, commands, 0x1_0000, 0);
        scribe.commit(subject.store()).await;
        let mut wants = scribe.wants_all();
        wants.idempotency = (0..commands).map(|n| name_of(&scribe, n)).collect();
        wants.submissions = (0..commands)
            .map(|n| (scribe.workspace, ActionId(raw(0x1_0000 + n))))
            .collect();
        let mut batch = subject.store().begin().await.unwrap();
        let state = batch.read(&wants).await.unwrap();
        assert_eq!(state.submissions.len(), usize::try_from(commands).unwrap());
        assert_eq!(state.idempotency.len(), usize::try_from(commands).unwrap());
        let read = batch.statements();
        commands_of(&mut scribe, subject, commands, 0x2_0000, 1);
        batch.write(&scribe.take()).await.unwrap();
        counts.push((read, batch.statements()));
        batch.commit().await.unwrap();
    }
    assert_eq!(
        counts[0], counts[1],
        "(after reading, after writing) for 1 and for 200 commands"
    );
}

/// For each command what any command may bring: two requests, a vote, a payload, and every side row.
fn commands_of(scribe: &mut Scribe, subject: &dyn Subject, commands: u128, ids: u128, round: u8) {
    let later = subject.store().clock().now().plus(Micros::seconds(3_600));
    for n in 0..commands {
        let (agent, who) = (AgentId(raw(0xa_0000 + n)), OperatorId(raw(0xd_0000 + n)));
        let (allowed, asks) = (ActionId(raw(ids + n)), ActionId(raw(ids + 0x8000 + n)));
        let counts = |name| {
            let mut facts = facts(name, agent);
            facts.counted = vec![counting("1.5")];
            facts
        };
        let first = scribe.allow(allowed, counts("mail.send"));
        let seq = scribe.ask(asks, counts("stripe.refund"));
        scribe.vote(asks, who, Ballot::Approve);
        let text: &[(PayloadName, &[u8])] = &[(PayloadName::Context, b"{}")];
        let event = signoff_core::event::Event::PayloadErased(signoff_core::event::PayloadErased {
            sequences: vec![],
        });
        scribe.record_with(super::scribe::operator(who), asks.approval(), event, text);
        scribe.tell(seq, "approval.pending");
        let (name, hash) = (name_of(scribe, n), hash_of(scribe, n, round));
        let session = session_row(hash, scribe, later);
        let ended = hash_of(scribe, n, 0);
        let changes = &mut scribe.changes;
        changes.erased.push(first);
        changes.idempotency.push(IdempotencyRow {
            name,
            fingerprint: [0; 32],
            outcome: "{}".into(),
            expires_at: None,
        });
        changes.secrets.push(SecretRow {
            kind: SecretKind::Password,
            id: who.0,
            value: vec![round],
        });
        changes.people.push(PersonRow {
            id: who,
            name: "x".into(),
            email: format!("{n}@example.com"),
        });
        changes.sessions.push(session);
        changes.ended_sessions.push(ended);
        changes.signed_out.push(who);
    }
}

fn name_of(scribe: &Scribe, n: u128) -> IdempotencyName {
    IdempotencyName {
        key: n.to_string(),
        ..idempotency_name(scribe)
    }
}

fn hash_of(scribe: &Scribe, n: u128, round: u8) -> [u8; 32] {
    let mut hash = session_hash(scribe);
    hash[16..].copy_from_slice(&(n * 2 + u128::from(round)).to_be_bytes());
    hash
}

pub(super) fn session_row(
    hash: [u8; 32],
    scribe: &Scribe,
    expires_at: signoff_core::time::Timestamp,
) -> SessionRow {
    SessionRow {
        hash,
        workspace: scribe.workspace,
        operator: DANA,
        created_at: super::scribe::START,
        expires_at,
    }
}

/// An answered request is remembered as long as it was to be, and can then be answered anew.
pub async fn an_idempotency_row_is_found_until_it_expires(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let now = store.clock().now();
    let row = |key: &str, expires_at| IdempotencyRow {
        name: IdempotencyName {
            key: key.into(),
            ..idempotency_name(&scribe)
        },
        fingerprint: [3; 32],
        outcome: format!("{{\"key\":\"{key}\"}}"),
        expires_at,
    };
    let (past, future) = (now.plus(Micros(-1)), now.plus(Micros::seconds(3_600)));
    let rows = [
        row("gone", Some(past)),
        row("lives", Some(future)),
        row("stays", None),
    ];
    scribe.changes.idempotency.extend(rows.clone());
    scribe.commit(store).await;
    let wants = Wants {
        idempotency: rows.iter().map(|row| row.name.clone()).collect(),
        ..scribe.wants()
    };
    let mut batch = store.begin().await.unwrap();
    let state = batch.read(&wants).await.unwrap();
    assert_eq!(state.idempotency.len(), 2);
    for row in &rows[1..] {
        assert_eq!(state.idempotency[&row.name], *row);
    }
    drop(batch);
    for row in &rows {
        let name = &row.name;
        let principals = ["agt_other".to_owned(), name.principal.clone()];
        let found = store
            .remembered(name.workspace, &name.operation, &name.key, &principals)
            .await
            .unwrap();
        let expected = if row.name == rows[0].name {
            vec![]
        } else {
            vec![row.clone()]
        };
        assert_eq!(found, expected);
        let others = store
            .remembered(name.workspace, &name.operation, &name.key, &principals[..1])
            .await;
        assert_eq!(others.unwrap(), []);
    }

    let again = IdempotencyRow {
        fingerprint: [4; 32],
        expires_at: Some(future),
        ..rows[0].clone()
    };
    scribe.changes.idempotency.push(again.clone());
    scribe.commit(store).await;
    let state = store.begin().await.unwrap().read(&wants).await.unwrap();
    assert_eq!(state.idempotency[&again.name], again);
}

/// The same key of another principal or for another operation is another request.
pub async fn an_idempotency_row_belongs_to_one_principal_and_operation(subject: &dyn Subject) {
    let scribe = build(subject.store(), 1, "a").await;
    let name = idempotency_name(&scribe);
    let others = [
        IdempotencyName {
            principal: "agt_other".into(),
            ..name.clone()
        },
        IdempotencyName {
            operation: "decide".into(),
            ..name.clone()
        },
        IdempotencyName {
            key: "ORDER-7".into(),
            ..name.clone()
        },
    ];
    let mut idempotency: std::collections::BTreeSet<_> = others.into();
    idempotency.insert(name.clone());
    let wants = Wants {
        idempotency,
        ..scribe.wants()
    };
    let state = subject.store().begin().await.unwrap().read(&wants).await.unwrap();
    assert_eq!(state.idempotency.keys().collect::<Vec<_>>(), [&name]);
}

/// What policy allowed has no row until it is carried out: its first record stands in.
pub async fn a_submission_is_found_by_its_action(subject: &dyn Subject) {
    let scribe = build(subject.store(), 1, "a").await;
    let asked = [ALLOWED, OPEN, APPROVED, ActionId(raw(0x77))];
    let wants = Wants {
        submissions: asked.map(|id| (scribe.workspace, id)).into(),
        ..scribe.wants()
    };
    let state = subject.store().begin().await.unwrap().read(&wants).await.unwrap();
    let expected = scribe
        .records
        .iter()
        .find(|record| record.subject == ALLOWED.to_string())
        .unwrap();
    assert_eq!(
        state.submissions.keys().collect::<Vec<_>>(),
        [&(scribe.workspace, ALLOWED)]
    );
    assert_eq!(state.submissions[&(scribe.workspace, ALLOWED)], *expected);
}

/// The head is read under its lock and outside of batches alike, epochs included.
pub async fn the_head_carries_its_epochs(subject: &dyn Subject) {
    let scribe = build(subject.store(), 1, "a").await;
    assert_ne!(scribe.head.epochs, Epochs::default());
    assert_eq!(
        subject.store().head(scribe.workspace).await.unwrap(),
        Some(scribe.head)
    );
    assert_eq!(subject.store().workspaces().await.unwrap(), [scribe.workspace]);
    let mut batch: Box<dyn Batch> = subject.store().begin().await.unwrap();
    let mut wants = scribe.wants();
    wants.workspaces.insert(Scribe::new(2).workspace);
    wants.rows.insert((
        scribe.workspace,
        RowKey::Policy(signoff_core::id::PolicyId(raw(0x66))),
    ));
    let state = batch.read(&wants).await.unwrap();
    assert_eq!(
        state.heads.into_iter().collect::<Vec<_>>(),
        [(scribe.workspace, scribe.head)]
    );
}

/// What the projection took away is gone; what is under the same id in another table stays.
pub async fn removed_rows_are_gone(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let group = *scribe.rows.groups.keys().next().unwrap();
    scribe.rows.groups.clear();
    scribe.rows.executions.remove(&ALLOWED.execution());
    scribe.record(
        super::scribe::operator(DANA),
        DANA,
        signoff_core::event::Event::SignedIn(signoff_core::event::Nothing {}),
    );
    let mut changes = scribe.take();
    changes.removed = vec![
        RowKey::Group(group),
        RowKey::Execution(ALLOWED.execution()),
        RowKey::Approval(ALLOWED.approval()),
    ];
    let mut batch = store.begin().await.unwrap();
    batch.read(&scribe.wants()).await.unwrap();
    batch.write(&changes).await.unwrap();
    batch.commit().await.unwrap();
    assert_eq!(
        store
            .execution(scribe.workspace, ALLOWED.execution())
            .await
            .unwrap(),
        None
    );
    let folded = store.folded(scribe.workspace).await.unwrap();
    assert_eq!((folded.rows, folded.faults), (scribe.rows, Vec::new()));
}

/// A row that was written and taken away in one batch is gone; without a record nothing is taken away.
pub async fn a_row_is_removed_with_the_record_that_says_so(subject: &dyn Subject) {
    let store = subject.store();
    let scribe = build(store, 1, "a").await;
    let changes = crate::Changes {
        head: Some((scribe.workspace, scribe.head)),
        removed: vec![RowKey::Approval(OPEN.approval())],
        ..crate::Changes::default()
    };
    let result = store.begin().await.unwrap().write(&changes).await;
    assert!(matches!(result, Err(crate::StoreError::Refused(_))), "{result:?}");
    assert!(
        store
            .approval(scribe.workspace, OPEN.approval())
            .await
            .unwrap()
            .is_some()
    );
}
