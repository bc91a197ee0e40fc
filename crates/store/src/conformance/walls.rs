//! I11: workspaces are walls. Two workspaces with the same ids and other content, and one that is empty: whatever is
//! asked of one answers from it alone.

use super::outbox::{FanOut, fan_out_to};
use signoff_core::{
    event::{Event, ExecutionState},
    record::Record,
    time::Timestamp,
};

use super::{
    Subject,
    scribe::{START, Scribe, operator},
    world::{AGENT, ALLOWED, APPROVED, CHANNEL, DANA, OPEN, build, idempotency_name, session_hash},
};
use crate::{ApprovalQuery, Due, ExecutionQuery, RecordQuery, Store, Wants};

/// What may still be taken.
const READY: ExecutionQuery = ExecutionQuery {
    state: ExecutionState::Ready,
    agent: None,
    beyond: None,
    limit: 100,
};

/// Neighbours with the same ids, and an empty workspace beside them.
async fn neighbours(store: &dyn Store) -> ([Scribe; 2], Scribe) {
    (
        [build(store, 1, "a").await, build(store, 2, "b").await],
        Scribe::new(3),
    )
}

/// Rows by id, lists, counts and statistics.
pub async fn folded_rows_stay_inside(subject: &dyn Subject) {
    let store = subject.store();
    let (scribes, empty) = neighbours(store).await;
    assert_ne!(scribes[0].rows, scribes[1].rows);
    for scribe in &scribes {
        let (at, rows) = (scribe.workspace, &scribe.rows);
        assert_eq!(
            store.approval(at, OPEN.approval()).await.unwrap(),
            rows.approvals.get(&OPEN.approval()).cloned()
        );
        let execution = store.execution(at, APPROVED.execution()).await.unwrap();
        assert_eq!(execution, rows.executions.get(&APPROVED.execution()).cloned());
        let all = ApprovalQuery {
            limit: 100,
            oldest_first: true,
            ..ApprovalQuery::default()
        };
        let agents = ApprovalQuery {
            agents: Some(vec![AGENT]),
            ..all.clone()
        };
        for (query, len) in [(all, 2), (agents, 1)] {
            let found = store.approvals(at, &query).await.unwrap();
            assert_eq!(found.len(), len);
            assert!(found.iter().all(|row| rows.approvals.get(&row.id) == Some(row)));
        }
        assert_eq!(store.pending_count(at, None).await.unwrap(), 1);
        assert_eq!(store.pending_count(at, Some(AGENT)).await.unwrap(), 1);
        let ready = store.executions(at, &READY).await.unwrap();
        assert_eq!(ready, [rows.executions[&APPROVED.execution()].clone()]);
        assert_eq!(store.execution_count(at, READY.state, None).await.unwrap(), 1);
        let facts = store.approval_facts(at, None).await.unwrap();
        let mark = &rows.workspace.as_ref().unwrap().settings.name;
        assert_eq!(facts.len(), 2);
        assert!(
            facts
                .iter()
                .all(|fact| fact.action.ends_with(&format!(".{mark}")))
        );
        assert_eq!(store.folded(at).await.unwrap().rows, *rows);
        assert_eq!(store.head(at).await.unwrap(), Some(scribe.head));
    }
    let at = empty.workspace;
    assert_eq!(store.approval(at, OPEN.approval()).await.unwrap(), None);
    assert_eq!(store.execution(at, APPROVED.execution()).await.unwrap(), None);
    assert_eq!(
        store
            .approvals(
                at,
                &ApprovalQuery {
                    limit: 9,
                    ..ApprovalQuery::default()
                }
            )
            .await
            .unwrap(),
        []
    );
    assert_eq!(store.pending_count(at, None).await.unwrap(), 0);
    assert_eq!(store.executions(at, &READY).await.unwrap(), []);
    assert_eq!(store.execution_count(at, READY.state, None).await.unwrap(), 0);
    assert_eq!(store.approval_facts(at, None).await.unwrap(), []);
    assert_eq!(store.head(at).await.unwrap(), None);
    let due = store.due(Timestamp(i64::MAX), 100).await.unwrap();
    let of = |due: &&Due, scribe: &Scribe| match due {
        Due::Approval(at, ..) | Due::Execution(at, ..) => *at == scribe.workspace,
    };
    assert!(
        scribes
            .iter()
            .all(|scribe| due.iter().filter(|due| of(due, scribe)).count() == 2)
    );
}

/// Records by any filter, and payloads.
pub async fn the_log_stays_inside(subject: &dyn Subject) {
    let store = subject.store();
    let (scribes, empty) = neighbours(store).await;
    let all = |set: fn(&mut RecordQuery)| {
        let mut query = RecordQuery {
            limit: 1_000,
            ..RecordQuery::default()
        };
        set(&mut query);
        query
    };
    let queries = [
        all(|_| {}),
        all(|q| q.subject = Some(OPEN.0)),
        all(|q| q.agents = Some(vec![AGENT])),
        all(|q| q.action = Some("stripe.*".into())),
        all(|q| q.actor = Some(DANA.to_string())),
        all(|q| q.event_type = Some("approval.".into())),
        all(|q| q.decision = Some("allowed".into())),
        all(|q| q.since = Some(START)),
    ];
    for query in queries {
        for scribe in &scribes {
            let found = store.records(scribe.workspace, &query).await.unwrap();
            assert_eq!(
                found.iter().map(|r| r.seq).collect::<Vec<_>>(),
                super::filters::records(scribe, &query)
            );
            assert!(found.len() < 100 && !found.is_empty());
            for stored in found {
                let record: Record = serde_json::from_slice(&stored.bytes).unwrap();
                assert_eq!(record.workspace, scribe.workspace, "{query:?}");
            }
        }
        assert_eq!(
            store.records(empty.workspace, &query).await.unwrap(),
            [],
            "{query:?}"
        );
    }
    let sequences: Vec<u64> = (1..100).collect();
    let subjects = [OPEN.0, ALLOWED.0, APPROVED.0];
    for scribe in &scribes {
        let at = store.records_at(scribe.workspace, &sequences).await.unwrap();
        let asked = store.submissions(scribe.workspace, &subjects).await.unwrap();
        assert_eq!((at.len() as u64, asked.len()), (scribe.head.seq, 3));
        for stored in at.iter().chain(&asked) {
            let record: Record = serde_json::from_slice(&stored.bytes).unwrap();
            assert_eq!(record.workspace, scribe.workspace);
        }
    }
    assert_eq!(store.records_at(empty.workspace, &sequences).await.unwrap(), []);
    assert_eq!(store.submissions(empty.workspace, &subjects).await.unwrap(), []);
    for (scribe, mark) in scribes.iter().zip([b"a", b"b"]) {
        let payloads = store.payloads(scribe.workspace, &sequences).await.unwrap();
        assert_eq!(payloads.len(), 2);
        assert!(payloads.iter().all(|payload| payload.bytes == mark));
    }
    assert_eq!(store.payloads(empty.workspace, &sequences).await.unwrap(), []);
}

/// A batch that names rows of one workspace gets none of the other, and nothing for the empty one.
pub async fn batches_read_inside(subject: &dyn Subject) {
    let store = subject.store();
    let (scribes, empty) = neighbours(store).await;
    for (scribe, mark) in scribes.iter().zip(["a", "b"]) {
        let wants = Wants {
            idempotency: [idempotency_name(scribe)].into(),
            submissions: [(scribe.workspace, ALLOWED)].into(),
            ..scribe.wants_all()
        };
        let state = store.begin().await.unwrap().read(&wants).await.unwrap();
        assert_eq!(
            state.rows.into_iter().collect::<Vec<_>>(),
            [(scribe.workspace, scribe.rows.clone())]
        );
        assert_eq!(
            state.heads.into_iter().collect::<Vec<_>>(),
            [(scribe.workspace, scribe.head)]
        );
        assert_eq!(state.idempotency[&idempotency_name(scribe)].outcome, mark);
        assert_eq!(
            state.submissions[&(scribe.workspace, ALLOWED)].workspace,
            scribe.workspace
        );
    }
    let rows = scribes[0]
        .wants_all()
        .rows
        .into_iter()
        .map(|(_, key)| (empty.workspace, key))
        .collect();
    let wants = Wants {
        rows,
        idempotency: [idempotency_name(&empty)].into(),
        submissions: [(empty.workspace, ALLOWED)].into(),
        ..empty.wants()
    };
    let state = store.begin().await.unwrap().read(&wants).await.unwrap();
    assert!(state.rows.is_empty() && state.heads.is_empty());
    assert!(state.idempotency.is_empty() && state.submissions.is_empty());
}

/// Keys, secrets, people, sessions and everything snapshots are built from.
pub async fn side_rows_stay_inside(subject: &dyn Subject) {
    let store = subject.store();
    let (scribes, empty) = neighbours(store).await;
    for (scribe, mark) in scribes.iter().zip(["a", "b"]) {
        let at = scribe.workspace;
        let authority = store.authority(at).await.unwrap();
        assert_eq!(authority.rows.workspace, scribe.rows.workspace);
        assert_eq!(
            (authority.rows.policies.len(), authority.rows.channels.len()),
            (1, 1)
        );
        assert_eq!(authority.rows.policies, scribe.rows.policies);
        assert_eq!(authority.rows.keys, scribe.rows.keys);
        assert_eq!(
            authority
                .people
                .iter()
                .map(|person| person.name.as_str())
                .collect::<Vec<_>>(),
            [mark]
        );
        assert_eq!(authority.secrets[0].value, mark.as_bytes());
        assert_eq!(store.folded(at).await.unwrap().secrets, authority.secrets);
        assert_eq!(
            store.workspace_key(at).await.unwrap(),
            Some(mark.as_bytes().to_vec())
        );
        assert_eq!(
            store.person_by_email(at, "dana@example.com").await.unwrap(),
            Some(DANA)
        );
        assert_eq!(
            store
                .session(&session_hash(scribe))
                .await
                .unwrap()
                .unwrap()
                .workspace,
            at
        );
    }
    let authority = store.authority(empty.workspace).await.unwrap();
    assert!(authority.head.is_none() && authority.secrets.is_empty() && authority.people.is_empty());
    assert_eq!(authority.rows, signoff_core::fold::Rows::default());
    assert_eq!(store.workspace_key(empty.workspace).await.unwrap(), None);
    assert_eq!(
        store
            .person_by_email(empty.workspace, "dana@example.com")
            .await
            .unwrap(),
        None
    );
}

/// The outbox of one workspace goes to its own channels alone, though the channels' ids are the same.
pub async fn deliveries_stay_inside(subject: &dyn Subject) {
    let store = subject.store();
    let (scribes, empty) = neighbours(store).await;
    let channels = [FanOut {
        channel: CHANNEL,
        kinds: Vec::new(),
    }];
    assert_eq!(
        fan_out_to(store, empty.workspace, &channels, 0, START, 100)
            .await
            .unwrap(),
        Some(0)
    );
    let sequences: Vec<u64> = (1..100).collect();
    let (here, there) = (scribes[0].workspace, scribes[1].workspace);
    let authority = scribes[0].head.epochs.authority;
    assert_eq!(
        fan_out_to(store, here, &channels, authority, START, 100)
            .await
            .unwrap(),
        Some(2)
    );
    assert_eq!(store.told(there, &sequences).await.unwrap(), []);
    assert_eq!(store.deliveries(there, CHANNEL, None, 10).await.unwrap(), []);
    let authority = scribes[1].head.epochs.authority;
    assert_eq!(
        fan_out_to(store, there, &channels, authority, START, 100)
            .await
            .unwrap(),
        Some(2)
    );
    let claim = super::nodes::claim_of(here, CHANNEL.0, 1, 60);
    let lease = store.claim(&claim).await.unwrap().unwrap();
    let elsewhere = super::nodes::claim_of(there, CHANNEL.0, 2, 60);
    assert!(
        store.claim(&elsewhere).await.unwrap().is_some(),
        "a lease is of one workspace"
    );
    for mut row in store.deliveries(here, CHANNEL, None, 10).await.unwrap() {
        row.attempts = 7;
        assert!(
            store
                .record_attempts(std::slice::from_ref(&row), &lease)
                .await
                .unwrap()
        );
    }
    for (at, attempts) in [(here, 7), (there, 0)] {
        for rows in [
            store.told(at, &sequences).await.unwrap(),
            store.deliveries(at, CHANNEL, None, 10).await.unwrap(),
        ] {
            assert_eq!(rows.len(), 2);
            assert!(
                rows.iter()
                    .all(|row| row.workspace == at && row.attempts == attempts)
            );
        }
    }
    assert_eq!(store.told(empty.workspace, &sequences).await.unwrap(), []);
}

/// Whatever one workspace writes, deletes and ends, the other is as it was.
pub async fn writing_changes_nothing_outside(subject: &dyn Subject) {
    let store = subject.store();
    let ([mut here, there], _) = neighbours(store).await;
    let before = store.folded(there.workspace).await.unwrap();
    let sequences: Vec<u64> = (1..100).collect();
    let payloads = store.payloads(there.workspace, &sequences).await.unwrap();
    here.vote(OPEN, DANA, signoff_core::event::Ballot::Approve);
    let erased = Event::PayloadErased(signoff_core::event::PayloadErased {
        sequences: sequences.clone(),
    });
    here.record(operator(DANA), OPEN, erased);
    here.changes.erased.extend(&sequences);
    here.changes.signed_out.push(DANA);
    here.changes
        .ended_sessions
        .extend([session_hash(&here), session_hash(&there)]);
    here.changes.people.push(crate::PersonRow {
        id: DANA,
        name: "Else".into(),
        email: "else@example.com".into(),
    });
    here.commit(store).await;
    assert_eq!(store.session(&session_hash(&here)).await.unwrap(), None);
    assert!(store.session(&session_hash(&there)).await.unwrap().is_some());
    assert_eq!(store.payloads(here.workspace, &sequences).await.unwrap(), []);
    assert_eq!(
        store.payloads(there.workspace, &sequences).await.unwrap(),
        payloads
    );
    assert_eq!(
        store
            .person_by_email(there.workspace, "dana@example.com")
            .await
            .unwrap(),
        Some(DANA)
    );
    let after = store.folded(there.workspace).await.unwrap();
    assert_eq!(after.rows, before.rows);
    assert_eq!(
        (after.head, after.secrets, after.faults),
        (before.head, before.secrets, before.faults)
    );
}
