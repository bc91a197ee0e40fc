//! Promises about the log and its payloads.

use signoff_core::{
    event::{ApprovalStatus, Ballot, Event, Nothing, PayloadErased},
    id::{ActionId, AgentId, OperatorId},
    payload::PayloadName,
    record::{ChainVerifier, hash_of},
    time::Micros,
};

use super::{
    Subject, filters,
    scribe::{START, STEP, Scribe, facts, operator, raw},
    world::{AGENT, ALLOWED, APPROVED, DANA, ERIN, OPEN, OTHER_AGENT, POLICY, build},
};
use crate::{RecordQuery, Store, StoredPayload, StoredRecord, subject_digits};

async fn read(store: &dyn Store, scribe: &Scribe, query: &RecordQuery) -> Vec<StoredRecord> {
    store.records(scribe.workspace, query).await.unwrap()
}

fn sequences(records: &[StoredRecord]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

/// What was hashed is what is kept: the log as read verifies.
pub async fn records_come_back_byte_for_byte(subject: &dyn Subject) {
    let scribe = build(subject.store(), 1, "a").await;
    let query = RecordQuery {
        limit: 1_000,
        ..RecordQuery::default()
    };
    let mut verifier = ChainVerifier::new(scribe.workspace);
    for (stored, record) in read(subject.store(), &scribe, &query)
        .await
        .iter()
        .zip(&scribe.records)
    {
        assert_eq!(stored.hash, hash_of(&stored.bytes));
        assert_eq!(verifier.next(&stored.bytes, stored.hash).unwrap(), *record);
    }
    assert_eq!(*verifier.head(), scribe.head);
    let query = RecordQuery { limit: 0, ..query };
    assert_eq!(read(subject.store(), &scribe, &query).await, []);
}

/// A reader who goes on where the last page ended sees each record once, whatever is written meanwhile.
pub async fn pages_are_stable_while_records_arrive(subject: &dyn Subject) {
    for newest_first in [false, true] {
        let mut scribe = build(subject.store(), if newest_first { 1 } else { 2 }, "a").await;
        let there_at_first = scribe.head.seq;
        let mut query = RecordQuery {
            newest_first,
            limit: 3,
            ..RecordQuery::default()
        };
        let mut seen = Vec::new();
        loop {
            let page = sequences(&read(subject.store(), &scribe, &query).await);
            let Some(last) = page.last() else { break };
            query.beyond = Some(*last);
            seen.extend(page);
            if seen.len() < 9 {
                scribe.record(operator(DANA), DANA, Event::SignedIn(Nothing {}));
                scribe.commit(subject.store()).await;
            }
        }
        let expected: Vec<u64> = if newest_first {
            (1..=there_at_first).rev().collect()
        } else {
            (1..=scribe.head.seq).collect()
        };
        assert_eq!(seen, expected, "newest first: {newest_first}");
    }
}

/// A workspace with records of many kinds, by several people, about several requests.
async fn busy(store: &dyn Store, workspace: u128) -> Scribe {
    let mut scribe = build(store, workspace, "a").await;
    let names = [
        "stripe.refund",
        "Stripe.Charge",
        "db.drop",
        "mail.send",
        "deploy.production",
    ];
    for (n, name) in (0_u128..).zip(names) {
        let agent = if n % 2 == 0 { AGENT } else { OTHER_AGENT };
        let (asks, allowed) = (ActionId(raw(0x100 + n)), ActionId(raw(0x200 + n)));
        scribe.ask(asks, facts(name, agent));
        scribe.allow(allowed, facts(name, agent));
        match n {
            0 => drop(scribe.vote(asks, DANA, Ballot::Approve)),
            1 => drop(scribe.vote(asks, ERIN, Ballot::Deny)),
            2 => drop(scribe.end(asks, ApprovalStatus::Expired)),
            3 => drop(scribe.end(asks, ApprovalStatus::Denied)),
            _ => {}
        }
        if n < 2 {
            scribe.consume(allowed);
        }
        scribe.record(operator(ERIN), ERIN, Event::SignedIn(Nothing {}));
    }
    scribe.commit(store).await;
    scribe
}

fn all(set: impl FnOnce(&mut RecordQuery)) -> RecordQuery {
    let mut query = RecordQuery {
        limit: 1_000,
        ..RecordQuery::default()
    };
    set(&mut query);
    query
}

fn filter_table(scribe: &Scribe) -> Vec<RecordQuery> {
    let mut table = vec![all(|_| {})];
    let subjects = [
        ALLOWED,
        OPEN,
        APPROVED,
        ActionId(raw(0x101)),
        ActionId(raw(0x9999)),
    ];
    table.extend(subjects.map(|id| all(|q| q.subject = Some(id.0))));
    let agents = [
        vec![],
        vec![AGENT],
        vec![AGENT, OTHER_AGENT],
        vec![AgentId(raw(1))],
    ];
    table.extend(agents.map(|agents| all(|q| q.agents = Some(agents))));
    let globs = [
        "stripe.refund",
        "stripe.*",
        "*",
        "*.send*",
        "db.dro?",
        "db.dro",
        "s*r*",
        "?????*",
        "nothing.*",
    ];
    table.extend(globs.map(|glob| all(|q| q.action = Some(glob.into()))));
    let actors = [
        DANA.to_string(),
        AGENT.to_string(),
        OperatorId(raw(3)).to_string(),
        "test".into(),
        "clock".into(),
    ];
    table.extend(actors.map(|actor| all(|q| q.actor = Some(actor))));
    let types = [
        "approval.ended",
        "approval.ended.v1",
        "approval.",
        "action.",
        "operator.signed_in",
        "app",
        "a.",
        ".",
    ];
    table.extend(types.map(|event_type| all(|q| q.event_type = Some(event_type.into()))));
    let odd_types = ["approval..", "approval.ended.v2", "approval.ended.", "v1", ""];
    table.extend(odd_types.map(|event_type| all(|q| q.event_type = Some(event_type.into()))));
    let decisions = [
        "allowed", "approve", "deny", "denied", "expired", "approved", "nothing",
    ];
    table.extend(decisions.map(|decision| all(|q| q.decision = Some(decision.into()))));
    let last = scribe.records.last().unwrap().time;
    let middle = START.plus(Micros(STEP.0 * 15));
    let times = [START, middle, middle.plus(Micros(1)), last, last.plus(Micros(1))];
    table.extend(times.map(|since| all(|q| q.since = Some(since))));
    let together = |q: &mut RecordQuery| {
        q.agents = Some(vec![AGENT]);
        q.event_type = Some("approval.".into());
    };
    let people = |q: &mut RecordQuery| {
        q.action = Some("stripe.*".into());
        q.actor = Some(DANA.to_string());
    };
    let lately = |q: &mut RecordQuery| {
        q.since = Some(middle);
        q.decision = Some("allowed".into());
        q.action = Some("*".into());
    };
    let nobody = |q: &mut RecordQuery| {
        q.subject = Some(OPEN.0);
        q.agents = Some(vec![OTHER_AGENT]);
    };
    table.extend([all(together), all(people), all(lately), all(nobody)]);
    table
}

/// Every filter, and some together, oldest and newest first, in one page and in small ones.
pub async fn every_filter_in_both_directions(subject: &dyn Subject) {
    let scribe = busy(subject.store(), 1).await;
    for query in filter_table(&scribe) {
        for newest_first in [false, true] {
            let query = RecordQuery {
                newest_first,
                ..query.clone()
            };
            let expected = filters::records(&scribe, &query);
            assert_eq!(
                sequences(&read(subject.store(), &scribe, &query).await),
                expected,
                "{query:?}"
            );
            let mut paged: Vec<u64> = Vec::new();
            let mut page = RecordQuery {
                limit: 2,
                ..query.clone()
            };
            loop {
                let found = sequences(&read(subject.store(), &scribe, &page).await);
                assert_eq!(found, filters::records(&scribe, &page), "{page:?}");
                page.beyond = found.last().copied();
                paged.extend(&found);
                if found.len() < 2 {
                    break;
                }
            }
            assert_eq!(paged, expected, "{query:?}");
        }
    }
}

/// A bracket or a backslash in a glob stands for itself, on every backend.
pub async fn in_globs_only_star_and_question_mark_are_special(subject: &dyn Subject) {
    let mut scribe = build(subject.store(), 1, "a").await;
    let names = [
        "a.b", "a%b", "a_b", "[ab].x", "a.x", "a\\.x", "^.x", "a{b,c}", "A.B",
    ];
    for (n, name) in (0x300_u128..).zip(names) {
        scribe.allow(ActionId(raw(n)), facts(name, AGENT));
        scribe.ask(ActionId(raw(n + 0x100)), facts(name, AGENT));
    }
    scribe.commit(subject.store()).await;
    for glob in [
        "a?b", "a%*", "a_*", "a_b", "[ab]*", "[ab]?x", "[^a]*", "a\\*", "^*", "a{*", "*[*", "a*b", "%*",
        "_?b",
    ] {
        let query = RecordQuery {
            action: Some(glob.into()),
            limit: 100,
            ..RecordQuery::default()
        };
        let expected = filters::records(&scribe, &query);
        assert_eq!(
            sequences(&read(subject.store(), &scribe, &query).await),
            expected,
            "{glob}"
        );
        let query = crate::ApprovalQuery {
            action: Some(glob.into()),
            limit: 100,
            ..crate::ApprovalQuery::default()
        };
        let found = subject.store().approvals(scribe.workspace, &query).await.unwrap();
        assert_eq!(found, filters::approvals(&scribe, &query), "{glob}");
    }
}

/// Records by their places, in order, and only those that are there.
pub async fn records_are_found_by_their_sequence(subject: &dyn Subject) {
    let scribe = build(subject.store(), 1, "a").await;
    let at = async |sequences: &[u64]| {
        let found = subject
            .store()
            .records_at(scribe.workspace, sequences)
            .await
            .unwrap();
        assert!(found.iter().all(|stored| stored.hash == hash_of(&stored.bytes)));
        found.iter().map(|stored| stored.seq).collect::<Vec<_>>()
    };
    assert_eq!(at(&[7, 2, 2, 999, 0]).await, [2, 7]);
    assert_eq!(at(&[]).await, Vec::<u64>::new());
    let many: Vec<u64> = (0..70_000).rev().collect();
    assert_eq!(at(&many).await, (1..=scribe.head.seq).collect::<Vec<_>>());
}

/// Whatever became of a request, what was asked stands in its first record: allowed, denied or to be decided.
pub async fn a_request_is_found_by_its_first_record(subject: &dyn Subject) {
    let scribe = busy(subject.store(), 1).await;
    let first = |id: &ActionId| {
        scribe
            .records
            .iter()
            .find(|record| subject_digits(&record.subject) == id.0)
            .unwrap()
    };
    let asked = [
        APPROVED,
        ALLOWED,
        OPEN,
        ActionId(raw(0x102)),
        ActionId(raw(0x201)),
    ];
    let mut subjects: Vec<_> = asked.iter().map(|id| id.0).collect();
    // No requests: a person, a policy, nobody.
    subjects.extend([DANA.0, POLICY.0, raw(0x9999)]);
    let found = subject
        .store()
        .submissions(scribe.workspace, &subjects)
        .await
        .unwrap();
    let mut expected: Vec<u64> = asked.iter().map(|id| first(id).seq).collect();
    expected.sort_unstable();
    assert_eq!(sequences(&found), expected);
    assert_eq!(
        subject.store().submissions(scribe.workspace, &[]).await.unwrap(),
        []
    );
    let many: Vec<_> = (0..70_000_u128).map(raw).collect();
    assert!(
        subject
            .store()
            .submissions(scribe.workspace, &many)
            .await
            .unwrap()
            .len()
            > expected.len()
    );
}

fn by_name(payloads: &[StoredPayload]) -> Vec<(u64, PayloadName, &[u8])> {
    payloads
        .iter()
        .map(|payload| (payload.seq, payload.name, payload.bytes.as_slice()))
        .collect()
}

/// Payloads come back whole, by record and in a fixed order, and only those asked for.
pub async fn payloads_come_back(subject: &dyn Subject) {
    let mut scribe = build(subject.store(), 1, "a").await;
    let everything: Vec<u8> = (0..=255).collect();
    let texts: &[(PayloadName, &[u8])] = &[(PayloadName::Context, &everything), (PayloadName::Inputs, b"")];
    let seq = scribe.record_with(operator(DANA), DANA, Event::SignedIn(Nothing {}), texts);
    let written = scribe.changes.payloads.clone();
    scribe.commit(subject.store()).await;
    let read = async |sequences: &[u64]| {
        subject
            .store()
            .payloads(scribe.workspace, sequences)
            .await
            .unwrap()
    };
    let found = read(&[seq, seq + 1, 1]).await;
    assert_eq!(
        by_name(&found),
        [
            (seq, PayloadName::Inputs, [].as_slice()),
            (seq, PayloadName::Context, &everything)
        ]
    );
    assert!(found.iter().all(|payload| written.contains(payload)));
    assert_eq!(read(&[]).await, []);
    assert_eq!(
        read(&[seq - 1, seq, seq - 2])
            .await
            .iter()
            .map(|p| p.seq)
            .collect::<Vec<_>>(),
        [seq - 2, seq - 1, seq, seq]
    );
}

/// Erasing takes bytes and salt away, and nothing else: the log still verifies.
pub async fn an_erased_payload_is_gone_and_its_record_stays(subject: &dyn Subject) {
    let mut scribe = build(subject.store(), 1, "a").await;
    let (kept, erased) = (scribe.head.seq, scribe.head.seq - 1);
    let before = read(
        subject.store(),
        &scribe,
        &RecordQuery {
            limit: 100,
            ..RecordQuery::default()
        },
    )
    .await;
    scribe.record(
        operator(DANA),
        OPEN,
        Event::PayloadErased(PayloadErased {
            sequences: vec![erased],
        }),
    );
    scribe.changes.erased.push(erased);
    scribe.commit(subject.store()).await;
    let left = subject
        .store()
        .payloads(scribe.workspace, &[kept, erased])
        .await
        .unwrap();
    assert_eq!(left.iter().map(|payload| payload.seq).collect::<Vec<_>>(), [kept]);
    let after = read(
        subject.store(),
        &scribe,
        &RecordQuery {
            limit: 100,
            ..RecordQuery::default()
        },
    )
    .await;
    assert_eq!(after[..before.len()], before);
}

/// A verification asks for the payloads of many records at once.
pub async fn many_payloads_are_read_at_once(subject: &dyn Subject) {
    let scribe = build(subject.store(), 1, "a").await;
    let all: Vec<u64> = (1..=70_000).collect();
    let found = subject.store().payloads(scribe.workspace, &all).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(subject.store().told(scribe.workspace, &all).await.unwrap(), []);
}
