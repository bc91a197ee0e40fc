//! Promises to several nodes on one store: leases and their fences, where logs stand, who wrote last.

use super::outbox::{FanOut, fan_out_to};
use std::time::Duration;

use signoff_core::{
    event::{Ballot, Event, FEATURE_LEVEL, Nothing},
    id::{ActionId, RawId, WorkspaceId},
    time::Micros,
};

use super::{
    Subject, Tampered,
    scribe::{START, Scribe, facts, operator, raw},
    world::{AGENT, ALLOWED, APPROVED, CHANNEL, DANA, OPEN, build},
};
use crate::{Claim, StoreError, Wants};

/// Somebody who wants a piece of work for so many seconds.
pub fn claim_of(workspace: WorkspaceId, subject: RawId, holder: u128, seconds: i64) -> Claim {
    Claim {
        workspace,
        subject,
        holder: raw(holder),
        lasts: Micros::seconds(seconds),
    }
}

/// One holder at a time; whoever comes after the end, or after it was given back, has a higher number.
pub async fn a_lease_has_one_holder_and_fences_rise(subject: &dyn Subject) {
    let store = subject.store();
    let at = Scribe::new(1).workspace;
    let claim = |holder, seconds| claim_of(at, CHANNEL.0, holder, seconds);
    let first = store.claim(&claim(1, 60)).await.unwrap().unwrap();
    let now = store.clock().now();
    assert_eq!(
        (first.workspace, first.subject, first.holder),
        (at, CHANNEL.0, raw(1))
    );
    assert!(first.until > now && first.until <= now.plus(Micros::seconds(61)));
    assert_eq!(store.claim(&claim(2, 60)).await.unwrap(), None);
    let other = claim_of(at, raw(0x77), 2, 60);
    let elsewhere = store.claim(&other).await.unwrap().unwrap();
    let renewed = store.claim(&claim(1, 60)).await.unwrap().unwrap();
    store.release(&first).await.unwrap();
    assert_eq!(
        store.claim(&claim(2, 60)).await.unwrap(),
        None,
        "only the last lease can be given back"
    );
    store.release(&renewed).await.unwrap();
    store.release(&renewed).await.unwrap();
    let second = store.claim(&claim(2, 60)).await.unwrap().unwrap();
    let fences = [first.fence, elsewhere.fence, renewed.fence, second.fence];
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
}

/// A lease ends by itself, and a sweep neither ends one that lasts nor lets numbers come again.
pub async fn a_lease_ends_by_its_time(subject: &dyn Subject) {
    let store = subject.store();
    let claim = |holder, lasts| Claim {
        lasts: Micros(lasts),
        ..claim_of(Scribe::new(1).workspace, CHANNEL.0, holder, 0)
    };
    let first = store.claim(&claim(1, 30_000)).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    let second = store.claim(&claim(2, 60_000_000)).await.unwrap().unwrap();
    assert!(second.fence > first.fence);
    store.release(&first).await.unwrap();
    store.sweep(store.clock().now()).await.unwrap();
    assert_eq!(store.claim(&claim(1, 1)).await.unwrap(), None);
    store.release(&second).await.unwrap();
    store
        .sweep(store.clock().now().plus(Micros::seconds(90_000)))
        .await
        .unwrap();
    let third = store.claim(&claim(1, 1)).await.unwrap().unwrap();
    assert!(third.fence > second.fence);
}

/// Of many that claim at once one gets it.
pub async fn claims_that_race_have_one_winner(subject: &dyn Subject) {
    let store = subject.store();
    for round in 0..10 {
        let claims: Vec<_> = (0..4)
            .map(|holder| claim_of(Scribe::new(1).workspace, raw(round), holder, 60))
            .collect();
        let (a, b, c, d) = tokio::join!(
            store.claim(&claims[0]),
            store.claim(&claims[1]),
            store.claim(&claims[2]),
            store.claim(&claims[3])
        );
        let won = [a, b, c, d].into_iter().filter_map(Result::unwrap).count();
        assert_eq!(won, 1);
    }
}

/// What was done under a lease that is over, was taken by another or was given back is not kept.
pub async fn an_attempt_needs_the_lease_in_force(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = Scribe::new(1);
    let seq = scribe.record(operator(DANA), DANA, Event::SignedIn(Nothing {}));
    scribe.tell(seq, "approval.pending");
    scribe.commit(store).await;
    let (at, to) = (
        scribe.workspace,
        FanOut {
            channel: CHANNEL,
            kinds: Vec::new(),
        },
    );
    assert_eq!(fan_out_to(store, at, &[to], 0, START, 10).await.unwrap(), Some(1));
    let before = store.deliveries(at, CHANNEL, None, 10).await.unwrap();
    let mut row = before[0].clone();
    row.attempts = 1;
    let short = Claim {
        lasts: Micros(30_000),
        ..claim_of(at, CHANNEL.0, 1, 0)
    };
    let expired = store.claim(&short).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(
        !store
            .record_attempts(std::slice::from_ref(&row), &expired)
            .await
            .unwrap()
    );
    let taken = store
        .claim(&claim_of(at, CHANNEL.0, 2, 60))
        .await
        .unwrap()
        .unwrap();
    assert!(
        !store
            .record_attempts(std::slice::from_ref(&row), &expired)
            .await
            .unwrap()
    );
    let forged = crate::Lease {
        fence: taken.fence + 1,
        ..taken.clone()
    };
    assert!(
        !store
            .record_attempts(std::slice::from_ref(&row), &forged)
            .await
            .unwrap()
    );
    assert_eq!(store.deliveries(at, CHANNEL, None, 10).await.unwrap(), before);
    assert!(
        store
            .record_attempts(std::slice::from_ref(&row), &taken)
            .await
            .unwrap()
    );
    assert_eq!(
        store.deliveries(at, CHANNEL, None, 10).await.unwrap(),
        [row.clone()]
    );
    store.release(&taken).await.unwrap();
    row.attempts = 2;
    assert!(
        !store
            .record_attempts(std::slice::from_ref(&row), &taken)
            .await
            .unwrap()
    );
}

/// Where all logs stand, in one look.
pub async fn heads_are_those_of_all_workspaces(subject: &dyn Subject) {
    let store = subject.store();
    assert!(store.heads().await.unwrap().is_empty());
    let scribes = [build(store, 1, "a").await, build(store, 2, "b").await];
    let expected = scribes
        .iter()
        .map(|scribe| (scribe.workspace, scribe.head))
        .collect();
    assert_eq!(store.heads().await.unwrap(), expected);
}

/// A node that was told of new records asks which approvals they changed; those that are only new it asks for otherwise.
pub async fn touched_approvals_are_those_that_something_happened_to(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let start = scribe.head.seq;
    let touched = async |scribe: &Scribe, after, until| {
        let rows = store
            .touched_approvals(scribe.workspace, after, until)
            .await
            .unwrap();
        let mut ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        assert!(
            rows.iter()
                .all(|row| scribe.rows.approvals.get(&row.id) == Some(row))
        );
        ids.sort();
        ids
    };
    assert_eq!(
        touched(&scribe, 0, start).await,
        [OPEN.approval(), APPROVED.approval()]
    );
    let fresh = ActionId(raw(0x31));
    scribe.ask(fresh, facts("mail.send", AGENT));
    scribe.commit(store).await;
    assert_eq!(touched(&scribe, start, scribe.head.seq).await, []);
    let asked = scribe.head.seq;
    scribe.vote(fresh, DANA, Ballot::Approve);
    scribe.commit(store).await;
    assert_eq!(touched(&scribe, start, scribe.head.seq).await, [fresh.approval()]);
    assert_eq!(touched(&scribe, asked, scribe.head.seq).await, [fresh.approval()]);
    assert_eq!(touched(&scribe, start, asked).await, []);
    assert_eq!(
        store
            .touched_approvals(Scribe::new(2).workspace, 0, 100)
            .await
            .unwrap(),
        []
    );
}

/// A log that was last written elsewhere is told, until this place writes it.
pub async fn a_log_written_elsewhere_is_displaced(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let other = build(store, 2, "b").await;
    let displaced = async |scribe: &Scribe| {
        let wants = Wants {
            workspaces: [scribe.workspace, other.workspace].into(),
            ..Wants::default()
        };
        let mut batch = store.begin().await.unwrap();
        let state = batch.read(&wants).await.unwrap();
        state.displaced.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(displaced(&scribe).await, []);
    let elsewhere = Tampered::Text("elsewhere".into());
    assert_eq!(
        subject
            .tamper(scribe.workspace, "heads", "place", elsewhere)
            .await,
        1
    );
    assert_eq!(displaced(&scribe).await, [scribe.workspace]);
    scribe.record(operator(DANA), DANA, Event::SignedIn(Nothing {}));
    scribe.commit(store).await;
    assert_eq!(displaced(&scribe).await, []);
}

/// Once the installation was raised to what this build does not know, its batches stop; they say to what.
pub async fn a_newer_feature_level_is_refused(subject: &dyn Subject) {
    let store = subject.store();
    let scribe = build(store, 1, "a").await;
    let state = store.begin().await.unwrap().read(&scribe.wants()).await.unwrap();
    assert_eq!(state.feature_level, FEATURE_LEVEL);
    subject.raise_feature_level(FEATURE_LEVEL + 3).await;
    let result = store.begin().await.unwrap().read(&scribe.wants()).await;
    assert!(
        matches!(result, Err(StoreError::NewerFeatures(level)) if level == FEATURE_LEVEL + 3),
        "{result:?}"
    );
    assert!(
        store.head(scribe.workspace).await.unwrap().is_some(),
        "reading goes on"
    );
}

/// Two nodes that start at once: the second one sees the workspace that the first one made.
pub async fn the_installation_is_locked_for_one_at_a_time(subject: &dyn Subject) {
    let store = subject.store();
    let mut first = store.begin().await.unwrap();
    assert_eq!(first.lock_installation().await.unwrap(), []);
    let mut scribe = super::world::everything(1, "a");
    first.write(&scribe.take()).await.unwrap();
    let second = async {
        let mut second = store.begin().await.unwrap();
        second.lock_installation().await.unwrap()
    };
    let finish = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        first.commit().await.unwrap();
    };
    let (seen, ()) = tokio::join!(second, finish);
    assert_eq!(seen, [scribe.workspace]);
}

/// The state of a cut is kept under its sequence, in place of an earlier one of the same; each workspace has its own.
pub async fn a_checkpoint_comes_back(subject: &dyn Subject) {
    let store = subject.store();
    let [one, two] = [1, 2].map(|workspace| Scribe::new(workspace).workspace);
    assert_eq!(store.checkpoint(one, 7).await.unwrap(), None);
    for state in [b"first".as_slice(), &[0, 255]] {
        store.keep_checkpoint(one, 7, state).await.unwrap();
        assert_eq!(store.checkpoint(one, 7).await.unwrap().as_deref(), Some(state));
    }
    store.keep_checkpoint(two, 7, b"other").await.unwrap();
    assert_eq!(store.checkpoint(one, 7).await.unwrap(), Some(vec![0, 255]));
    assert_eq!(store.checkpoint(one, 8).await.unwrap(), None);
}

/// A cut takes records with their payloads, oldest first and so many at once, and leaves everything after it, all folded
/// rows, its own checkpoint, and the neighbours.
pub async fn a_prefix_is_dropped_in_pieces(subject: &dyn Subject) {
    let store = subject.store();
    let (scribe, other) = (build(store, 1, "a").await, build(store, 2, "b").await);
    let at = scribe.workspace;
    let all: Vec<u64> = (1..=scribe.head.seq).collect();
    let payloads = store.payloads(at, &all).await.unwrap();
    let through = payloads[0].seq;
    for seq in [3, through] {
        store.keep_checkpoint(at, seq, b"state").await.unwrap();
    }
    let mut dropped = 0;
    loop {
        let count = store.drop_prefix(at, through, 4).await.unwrap();
        dropped += count;
        if count == 0 {
            break;
        }
        assert!(count <= 4);
        let left = store.records_at(at, &all).await.unwrap();
        assert_eq!(left.first().unwrap().seq, dropped + 1, "oldest first");
    }
    assert_eq!(dropped, through);
    assert_eq!(store.payloads(at, &all).await.unwrap(), payloads[1..]);
    assert_eq!(store.checkpoint(at, 3).await.unwrap(), None);
    assert!(store.checkpoint(at, through).await.unwrap().is_some());
    let folded = store.folded(at).await.unwrap();
    assert_eq!(
        (folded.rows, folded.head, folded.faults),
        (scribe.rows.clone(), Some(scribe.head), Vec::new())
    );
    let there = store.records_at(other.workspace, &all).await.unwrap();
    assert_eq!(there.len() as u64, other.head.seq);
    let approval = store.submissions(at, &[ALLOWED.0]).await.unwrap();
    assert_eq!(
        approval.is_empty(),
        scribe
            .records
            .iter()
            .position(|r| r.subject == ALLOWED.to_string())
            .unwrap()
            < through.try_into().unwrap()
    );
}
