//! Promises about what is told outside (I10: told after stored, at least once, with a stable name).

use signoff_core::{
    event::{Event, Nothing},
    id::{ActionId, ChannelId, OperatorId, WorkspaceId},
    time::{Micros, Timestamp},
};

use super::{
    Subject,
    nodes::claim_of,
    scribe::{START, Scribe, operator, raw},
    world::{CHANNEL, DANA, build},
};
use crate::{Addressee, DeliveryRow, DeliveryState, FannedOut, Lease, Store, StoreResult};

const OTHER: ChannelId = ChannelId(raw(0xf2));
const NEVER: Timestamp = Timestamp(i64::MAX);

/// A channel that is told these kinds; none means all.
#[derive(Debug, Clone)]
pub(crate) struct FanOut {
    pub(crate) channel: ChannelId,
    pub(crate) kinds: Vec<String>,
}

/// Makes deliveries to these channels out of what is in the outbox; answers how many rows it took, none where the head's
/// authority is another by now.
pub(crate) async fn fan_out_to(
    store: &dyn Store,
    workspace: WorkspaceId,
    channels: &[FanOut],
    authority: u64,
    now: Timestamp,
    limit: u32,
) -> StoreResult<Option<u64>> {
    loop {
        let taken = store.outbox(workspace, limit).await?;
        if taken.is_empty() {
            return Ok(Some(0));
        }
        let mut deliveries = Vec::new();
        for row in &taken {
            let wants = |to: &&FanOut| to.kinds.is_empty() || to.kinds.contains(&row.kind);
            for to in channels.iter().filter(wants) {
                let new = DeliveryRow::new((workspace, to.channel), (row.seq, &row.kind), now, now);
                deliveries.push(new);
            }
        }
        match store.fan_out(workspace, &taken, &deliveries, authority).await? {
            FannedOut::Done => return Ok(Some(taken.len() as u64)),
            FannedOut::Moved => return Ok(None),
            FannedOut::Elsewhere => {}
        }
    }
}

fn to(channel: ChannelId, kinds: &[&str]) -> FanOut {
    FanOut {
        channel,
        kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
    }
}

/// Commits records that are told as these kinds; answers their sequences.
async fn happen(store: &dyn Store, scribe: &mut Scribe, kinds: &[&str]) -> Vec<u64> {
    let mut sequences = Vec::new();
    for kind in kinds {
        let seq = scribe.record(operator(DANA), DANA, Event::SignedIn(Nothing {}));
        scribe.tell(seq, kind);
        sequences.push(seq);
    }
    scribe.commit(store).await;
    sequences
}

/// Fans out to channels as they are by now.
async fn fan_out(store: &dyn Store, scribe: &Scribe, channels: &[FanOut], limit: u32) -> u64 {
    let authority = scribe.head.epochs.authority;
    let taken = fan_out_to(store, scribe.workspace, channels, authority, START, limit);
    taken.await.unwrap().expect("the channels are as they are")
}

/// The lease of somebody who delivers.
async fn lease(store: &dyn Store, scribe: &Scribe) -> Lease {
    let claim = claim_of(scribe.workspace, CHANNEL.0, 1, 60);
    store.claim(&claim).await.unwrap().expect("nobody else is at it")
}

async fn due(store: &dyn Store) -> Vec<(ChannelId, u64, String)> {
    let rows = store.due_deliveries(NEVER, &[], 1_000).await.unwrap();
    let mut due: Vec<_> = rows
        .into_iter()
        .map(|row| (row.channel, row.seq, row.kind))
        .collect();
    due.sort();
    due
}

/// What is in the outbox becomes one delivery for each channel, and is then no longer there.
pub async fn what_is_in_the_outbox_is_told_once(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = Scribe::new(1);
    let seqs = happen(store, &mut scribe, &["approval.pending", "approval.decided"]).await;
    let channels = [to(CHANNEL, &[]), to(OTHER, &[])];
    assert_eq!(fan_out(store, &scribe, &channels, 100).await, 2);
    assert_eq!(fan_out(store, &scribe, &channels, 100).await, 0);
    let row = |channel, seq, kind: &str| (channel, seq, kind.to_owned());
    let expected = [
        row(CHANNEL, seqs[0], "approval.pending"),
        row(CHANNEL, seqs[1], "approval.decided"),
        row(OTHER, seqs[0], "approval.pending"),
        row(OTHER, seqs[1], "approval.decided"),
    ];
    assert_eq!(due(store).await, expected);
    let first = &store.due_deliveries(START, &[], 1).await.unwrap()[0];
    assert_eq!(
        (first.state, first.attempts, first.created_at),
        (DeliveryState::Waiting, 0, START)
    );
    assert_eq!(
        (first.next_at, first.ended_at, first.last_status),
        (Some(START), None, None)
    );
    // Told twice under one name is told once.
    let seq = scribe.record(operator(DANA), DANA, Event::SignedIn(Nothing {}));
    scribe.tell(seq, "approval.expired");
    scribe.tell(seq, "approval.expired");
    scribe.commit(store).await;
    assert_eq!(fan_out(store, &scribe, &channels[..1], 100).await, 1);
    assert_eq!(due(store).await.len(), 5);
}

/// Kinds are compared in full. Patterns such as `approval.*` are for whoever knows the kinds to resolve; unresolved
/// they name nothing, so that a channel is never told more than it asked for.
pub async fn a_channel_is_told_the_kinds_it_named(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = Scribe::new(1);
    let kinds = ["approval.pending", "approval.decided", "execution.reported"];
    let seqs = happen(store, &mut scribe, &kinds).await;
    let channels = [
        to(CHANNEL, &["approval.pending", "execution.reported"]),
        to(OTHER, &["approval.*", "*", "Approval.Pending", "approval"]),
        to(ChannelId(raw(0xf3)), &[]),
    ];
    assert_eq!(fan_out(store, &scribe, &channels, 100).await, 3);
    let told = due(store).await;
    let of = |channel| {
        told.iter()
            .filter(|told| told.0 == channel)
            .map(|told| told.1)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(CHANNEL), [seqs[0], seqs[2]]);
    assert_eq!(of(OTHER), Vec::<u64>::new());
    assert_eq!(of(ChannelId(raw(0xf3))), seqs);
}

/// Taken oldest first, at most so many at once, and nothing is skipped.
pub async fn the_oldest_go_first(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = Scribe::new(1);
    let mut seqs = happen(store, &mut scribe, &["approval.pending"; 5]).await;
    scribe.tell(seqs[1], "approval.escalated");
    scribe.commit(store).await;
    let channels = [to(CHANNEL, &[])];
    let mut told = 0;
    for (expected, limit) in [(0, 0), (2, 2), (2, 2), (2, 2), (0, 2)] {
        assert_eq!(fan_out(store, &scribe, &channels, limit).await, expected);
        told += usize::try_from(expected).unwrap();
        let mut so_far: Vec<u64> = due(store).await.into_iter().map(|told| told.1).collect();
        so_far.sort_unstable();
        assert_eq!(so_far.len(), told);
        assert!(
            so_far
                .iter()
                .zip([seqs[0], seqs[1], seqs[1], seqs[2]])
                .all(|(seq, oldest)| *seq == oldest)
        );
    }
    seqs.extend(happen(store, &mut scribe, &["approval.pending"]).await);
    assert_eq!(fan_out(store, &scribe, &channels, 100).await, 1);
}

/// Two workers that fan out at the same time share the work.
pub async fn fanning_out_at_once_tells_nothing_twice(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = Scribe::new(1);
    happen(store, &mut scribe, &["approval.pending"; 40]).await;
    let channels = [to(CHANNEL, &[]), to(OTHER, &[])];
    let work = async || {
        let mut taken = 0;
        loop {
            match fan_out(store, &scribe, &channels, 7).await {
                0 => return taken,
                some => taken += some,
            }
        }
    };
    let (a, b, c) = tokio::join!(work(), work(), work());
    assert_eq!(a + b + c, 40);
    assert_eq!(due(store).await.len(), 80);
}

/// Without a channel that wants it, a row leaves the outbox all the same: a channel hears of what happens after it was
/// made, not of what was never told to anybody.
pub async fn what_nobody_wants_is_dropped(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = Scribe::new(1);
    happen(store, &mut scribe, &["approval.pending"]).await;
    assert_eq!(fan_out(store, &scribe, &[], 100).await, 1);
    assert_eq!(fan_out(store, &scribe, &[to(CHANNEL, &[])], 100).await, 0);
    assert_eq!(due(store).await, []);
}

/// Attempts come when they are due, soonest first; what ended is not tried again.
pub async fn due_deliveries_come_soonest_first(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = Scribe::new(1);
    assert_eq!(store.next_delivery(Timestamp(0)).await.unwrap(), None);
    happen(store, &mut scribe, &["approval.pending"; 4]).await;
    fan_out(store, &scribe, &[to(CHANNEL, &[])], 100).await;
    assert_eq!(store.next_delivery(Timestamp(0)).await.unwrap(), Some(START));
    let lease = lease(store, &scribe).await;
    let delays = [Some(30), Some(10), None, Some(20)];
    for (mut row, delay) in store
        .due_deliveries(START, &[], 10)
        .await
        .unwrap()
        .into_iter()
        .zip(delays)
    {
        row.next_at = delay.map(|seconds| START.plus(Micros::seconds(seconds)));
        assert!(
            store
                .record_attempts(std::slice::from_ref(&row), &lease)
                .await
                .unwrap()
        );
    }
    let seconds = async |now: i64, limit| {
        let rows = store
            .due_deliveries(START.plus(Micros::seconds(now)), &[], limit)
            .await
            .unwrap();
        rows.iter()
            .map(|row| START.until(row.next_at.unwrap()).as_seconds())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        store.next_delivery(Timestamp(0)).await.unwrap(),
        Some(START.plus(Micros::seconds(10)))
    );
    assert_eq!(seconds(9, 10).await, Vec::<i64>::new());
    assert_eq!(seconds(10, 10).await, [10]);
    assert_eq!(seconds(60, 10).await, [10, 20, 30]);
    assert_eq!(seconds(60, 2).await, [10, 20]);
}

/// What became of an attempt is kept whole, of this delivery and no other.
pub async fn an_attempt_is_kept(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = Scribe::new(1);
    happen(store, &mut scribe, &["approval.pending"; 2]).await;
    fan_out(store, &scribe, &[to(CHANNEL, &[])], 100).await;
    let mut rows = store
        .deliveries(scribe.workspace, CHANNEL, None, 10)
        .await
        .unwrap();
    let lease = lease(store, &scribe).await;
    rows[0] = DeliveryRow {
        attempts: 3,
        next_at: Some(START.plus(Micros::seconds(60))),
        last_status: Some(503),
        last_error: Some("the receiver answered 503".into()),
        ..rows[0].clone()
    };
    assert!(
        store
            .record_attempts(std::slice::from_ref(&rows[0]), &lease)
            .await
            .unwrap()
    );
    assert_eq!(
        store
            .deliveries(scribe.workspace, CHANNEL, None, 10)
            .await
            .unwrap(),
        rows
    );
    for state in [DeliveryState::Delivered, DeliveryState::Failed] {
        let ended_at = Some(START.plus(Micros::seconds(90)));
        rows[0] = DeliveryRow {
            state,
            attempts: 4,
            next_at: None,
            ended_at,
            last_status: Some(200),
            ..rows[0].clone()
        };
        assert!(
            store
                .record_attempts(std::slice::from_ref(&rows[0]), &lease)
                .await
                .unwrap()
        );
        assert_eq!(
            store
                .deliveries(scribe.workspace, CHANNEL, None, 10)
                .await
                .unwrap(),
            rows
        );
    }
    let bad = DeliveryRow {
        last_error: Some("\0".into()),
        ..rows[0].clone()
    };
    assert!(
        store
            .record_attempts(std::slice::from_ref(&bad), &lease)
            .await
            .is_err()
    );
    // Of a delivery that is not there nothing is kept.
    let absent = DeliveryRow {
        seq: 999,
        ..rows[0].clone()
    };
    store
        .record_attempts(std::slice::from_ref(&absent), &lease)
        .await
        .unwrap();
    assert_eq!(
        store
            .deliveries(scribe.workspace, CHANNEL, None, 10)
            .await
            .unwrap(),
        rows
    );
}

/// A channel's deliveries, newest first, page by page.
pub async fn deliveries_of_a_channel_come_newest_first(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = Scribe::new(1);
    let mut seqs = happen(store, &mut scribe, &["approval.pending"; 5]).await;
    fan_out(store, &scribe, &[to(CHANNEL, &[]), to(OTHER, &[])], 100).await;
    seqs.reverse();
    let page = async |before, limit| {
        let rows = store
            .deliveries(scribe.workspace, CHANNEL, before, limit)
            .await
            .unwrap();
        assert!(
            rows.iter()
                .all(|row| row.channel == CHANNEL && row.workspace == scribe.workspace)
        );
        rows.into_iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 10).await, seqs);
    assert_eq!(page(None, 2).await, seqs[..2]);
    assert_eq!(page(Some(seqs[1]), 2).await, seqs[2..4]);
    assert_eq!(page(Some(seqs[4]), 2).await, Vec::<u64>::new());
}

/// "Who was told" of a request: the deliveries of its records, in their order.
pub async fn who_was_told_is_found_by_record(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let seqs = happen(
        store,
        &mut scribe,
        &["approval.pending", "approval.escalated", "approval.decided"],
    )
    .await;
    fan_out(
        store,
        &scribe,
        &[to(OTHER, &[]), to(CHANNEL, &["approval.pending"])],
        100,
    )
    .await;
    let told = async |sequences: &[u64]| {
        let rows = store.told(scribe.workspace, sequences).await.unwrap();
        rows.into_iter()
            .map(|row| (row.seq, row.channel))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told(&[seqs[1], seqs[0]]).await,
        [(seqs[0], CHANNEL), (seqs[0], OTHER), (seqs[1], OTHER)]
    );
    assert_eq!(told(&[]).await, []);
    assert_eq!(told(&[1]).await, []);
}

/// The channels must be at least as new as what is told: with an epoch that is not the head's by now, nothing is taken.
pub async fn nothing_is_told_to_channels_of_another_epoch(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let (channels, at) = ([to(CHANNEL, &[])], scribe.workspace);
    let before = scribe.head.epochs.authority;
    let put = Event::ChannelPut(signoff_core::event::ChannelPut {
        name: "second".into(),
        origin: "https://hooks.example".into(),
        events: vec!["approval.*".into()],
        kind: signoff_core::channel::ChannelKind::Webhook,
        named_only: false,
        window: None,
        switched_off: None,
        disabled: false,
        digest: signoff_core::payload::Hash32([9; 32]),
    });
    scribe.record(operator(DANA), OTHER, put);
    happen(store, &mut scribe, &["approval.pending"]).await;
    assert_ne!(scribe.head.epochs.authority, before);
    for epoch in [before, scribe.head.epochs.authority + 1] {
        assert_eq!(
            fan_out_to(store, at, &channels, epoch, START, 100).await.unwrap(),
            None
        );
        assert_eq!(due(store).await, []);
    }
    assert_eq!(fan_out(store, &scribe, &channels, 100).await, 3);
    assert_eq!(due(store).await.len(), 3);
    // Where nothing waits there is nothing to be old for.
    assert_eq!(
        fan_out_to(store, at, &channels, before, START, 100)
            .await
            .unwrap(),
        Some(0)
    );
}

const ANA: OperatorId = OperatorId(raw(0xa1));

fn delivery(scribe: &Scribe, seq: u64, recipient: Option<OperatorId>, request: u8) -> DeliveryRow {
    DeliveryRow {
        recipient,
        request: Some(ActionId(raw(request.into()))),
        ..DeliveryRow::new(
            (scribe.workspace, CHANNEL),
            (seq, "approval.pending"),
            START,
            START,
        )
    }
}

async fn put(store: &dyn Store, scribe: &mut Scribe, of: &[(Option<OperatorId>, u8)]) -> Vec<DeliveryRow> {
    let seqs = happen(store, scribe, &vec!["approval.pending"; of.len()]).await;
    let rows: Vec<_> = seqs
        .iter()
        .zip(of)
        .map(|(seq, (recipient, request))| delivery(scribe, *seq, *recipient, *request))
        .collect();
    let taken = store.outbox(scribe.workspace, 100).await.unwrap();
    let authority = scribe.head.epochs.authority;
    let done = store.fan_out(scribe.workspace, &taken, &rows, authority).await;
    assert_eq!(done.unwrap(), FannedOut::Done);
    rows
}

/// Messages about one request reach one recipient in their order: a later one waits until the earlier one arrived or was
/// given up. What goes to others, or is about others, does not wait for it.
pub async fn messages_about_one_request_keep_their_order(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let of = [(None, 1), (None, 1), (None, 2), (Some(ANA), 1)];
    let rows = put(store, &mut scribe, &of).await;
    let due = || async {
        let rows = store.due_deliveries(NEVER, &[], 100).await.unwrap();
        rows.into_iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    let seqs: Vec<_> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(due().await, [seqs[0], seqs[2], seqs[3]]);
    // However long the first one is put off.
    let lease = lease(store, &scribe).await;
    let mut first = rows[0].clone();
    first.next_at = Some(START.plus(Micros::seconds(90_000)));
    first.attempts = 1;
    assert!(store.record_attempts(&[first.clone()], &lease).await.unwrap());
    let at = START.plus(Micros::seconds(80_000));
    let due_then = store.due_deliveries(at, &[], 100).await.unwrap();
    assert_eq!(
        due_then.iter().map(|row| row.seq).collect::<Vec<_>>(),
        [seqs[2], seqs[3]]
    );
    assert_eq!(store.next_delivery(START).await.unwrap(), first.next_at);
    assert_eq!(store.due_deliveries(NEVER, &[CHANNEL], 100).await.unwrap(), []);
    first.state = DeliveryState::Failed;
    first.next_at = None;
    assert!(store.record_attempts(&[first], &lease).await.unwrap());
    assert_eq!(due().await, [seqs[1], seqs[2], seqs[3]]);
    // Sent again, it is in front again.
    let again = store.redeliver(scribe.workspace, CHANNEL, seqs[0], START);
    assert_eq!(again.await.unwrap(), 1);
    assert_eq!(due().await, [seqs[0], seqs[2], seqs[3]]);
    let requests = [ActionId(raw(2)), ActionId(raw(1))];
    let told = store.told_of(scribe.workspace, &requests).await.unwrap();
    assert_eq!(told.iter().map(|row| row.seq).collect::<Vec<_>>(), seqs);
    assert_eq!(store.told_of(scribe.workspace, &[]).await.unwrap(), []);
}

/// What waits for one addressee is held and gathered; what is urgent never is.
pub async fn what_waits_for_one_addressee_is_gathered(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let of = [(Some(ANA), 1), (Some(ANA), 2), (None, 3)];
    let mut rows = put(store, &mut scribe, &of).await;
    let ana = Addressee {
        workspace: scribe.workspace,
        channel: CHANNEL,
        recipient: Some(ANA),
    };
    let seqs = happen(store, &mut scribe, &["approval.pending"]).await;
    let urgent = DeliveryRow {
        urgent: true,
        ..delivery(&scribe, seqs[0], Some(ANA), 4)
    };
    let taken = store.outbox(scribe.workspace, 100).await.unwrap();
    let authority = scribe.head.epochs.authority;
    let done = store
        .fan_out(scribe.workspace, &taken, std::slice::from_ref(&urgent), authority)
        .await;
    assert_eq!(done.unwrap(), FannedOut::Done);
    // Another node that looked at the same outbox changes nothing.
    let twice = store
        .fan_out(scribe.workspace, &taken, std::slice::from_ref(&urgent), authority)
        .await;
    assert_eq!(twice.unwrap(), FannedOut::Elsewhere);

    assert_eq!(store.gathered(ana, START, 100).await.unwrap(), rows[..2]);
    assert_eq!(store.gathered(ana, START, 1).await.unwrap(), rows[..1]);
    let lease = lease(store, &scribe).await;
    let until = START.plus(Micros::seconds(60));
    assert!(store.hold(ana, until, &lease).await.unwrap());
    assert_eq!(store.gathered(ana, START, 100).await.unwrap(), []);
    let due = store.due_deliveries(START, &[], 100).await.unwrap();
    let mut due: Vec<_> = due.into_iter().map(|row| row.seq).collect();
    due.sort_unstable();
    assert_eq!(due, [rows[2].seq, urgent.seq]);
    assert_eq!(store.last_told(ana).await.unwrap(), None);
    for row in &mut rows[..2] {
        row.state = DeliveryState::Delivered;
        row.next_at = None;
        row.ended_at = Some(until);
        row.gathered_in = Some(row.seq);
        row.reference = Some("C1/17.5".into());
    }
    assert!(store.record_attempts(&rows[..2], &lease).await.unwrap());
    assert_eq!(store.last_told(ana).await.unwrap(), Some(until));
    let told = store
        .told_of(scribe.workspace, &[ActionId(raw(1))])
        .await
        .unwrap();
    assert_eq!(told, rows[..1]);
    let stale = Lease {
        fence: lease.fence + 1,
        ..lease
    };
    assert!(!store.hold(ana, NEVER, &stale).await.unwrap());
}
