//! Promises about what came from Slack, and about one-time codes.

use signoff_core::{
    id::{ChannelId, OperatorId},
    time::{Micros, Timestamp},
};

use super::{
    Subject,
    scribe::{Scribe, raw},
    world::{CHANNEL, DANA, ERIN, build},
};
use crate::{InboxRow, LinkCodeRow, Store};

const HOUR: Micros = Micros::seconds(3_600);

fn row(scribe: &Scribe, store: &dyn Store, key: u8, ago: i64) -> InboxRow {
    let now = store.clock().now();
    let received_at = Timestamp(now.0 - ago);
    InboxRow {
        workspace: scribe.workspace,
        channel: CHANNEL,
        key: [key; 32],
        operator: Some(DANA),
        body: vec![key, 0, 0xff],
        received_at,
        expires_at: received_at.plus(HOUR),
        handled_at: None,
    }
}

async fn keys(store: &dyn Store) -> Vec<u8> {
    let rows = store.received(store.clock().now(), 100).await.unwrap();
    rows.iter().map(|row| row.key[0]).collect()
}

/// What comes again changes nothing, handled or not, until it is swept; another channel's key is another thing.
pub async fn what_came_is_kept_once(subject: &dyn Subject) {
    let store = subject.store();
    let scribe = build(store, 1, "a").await;
    let first = row(&scribe, store, 1, 10);
    assert!(store.receive(&first).await.unwrap());
    let again = InboxRow {
        operator: Some(ERIN),
        body: b"other".to_vec(),
        ..first.clone()
    };
    assert!(!store.receive(&again).await.unwrap());
    let waiting = store.received(store.clock().now(), 100).await.unwrap();
    assert_eq!(waiting, std::slice::from_ref(&first));
    let elsewhere = InboxRow {
        channel: ChannelId(raw(0x99)),
        operator: None,
        ..row(&scribe, store, 1, 1_000_000)
    };
    assert!(store.receive(&elsewhere).await.unwrap());
    assert_eq!(
        store.received(store.clock().now(), 100).await.unwrap(),
        [elsewhere, first.clone()],
        "oldest first"
    );
    let now = store.clock().now();
    store
        .handled(first.workspace, first.channel, &first.key, now)
        .await
        .unwrap();
    assert!(
        !store.receive(&first).await.unwrap(),
        "a replay of what was handled"
    );
    assert_eq!(store.received(store.clock().now(), 100).await.unwrap().len(), 1);
    let kept_as_handled = InboxRow {
        handled_at: Some(now),
        body: Vec::new(),
        ..row(&scribe, store, 2, 0)
    };
    assert!(store.receive(&kept_as_handled).await.unwrap());
    assert_eq!(store.received(store.clock().now(), 100).await.unwrap().len(), 1);
}

/// Of many copies at the same time one is new.
pub async fn of_copies_at_once_one_is_new(subject: &dyn Subject) {
    let store = subject.store();
    let scribe = build(store, 1, "a").await;
    let first = row(&scribe, store, 1, 0);
    let all = at_once(store, &first).await;
    assert_eq!(all.into_iter().filter(|new| *new).count(), 1);
}

async fn at_once(store: &dyn Store, row: &InboxRow) -> Vec<bool> {
    let (a, b, c, d) = tokio::join!(
        store.receive(row),
        store.receive(row),
        store.receive(row),
        store.receive(row)
    );
    [a, b, c, d].map(|one| one.unwrap()).into()
}

/// Another workspace's is not touched by what is done here, and pages are bounded.
pub async fn what_came_belongs_to_one_workspace(subject: &dyn Subject) {
    let store = subject.store();
    let (here, there) = (build(store, 1, "a").await, build(store, 2, "b").await);
    for (at, key) in [(&here, 1), (&there, 1), (&here, 2), (&there, 3)] {
        assert!(
            store
                .receive(&row(at, store, key, i64::from(100 - key)))
                .await
                .unwrap()
        );
    }
    assert_eq!(store.received(store.clock().now(), 2).await.unwrap().len(), 2);
    store
        .handled(here.workspace, CHANNEL, &[1; 32], store.clock().now())
        .await
        .unwrap();
    let mut left = keys(store).await;
    left.sort_unstable();
    assert_eq!(left, [1, 2, 3]);
    let code = |scribe: &Scribe, operator| LinkCodeRow {
        workspace: scribe.workspace,
        operator,
        hash: [7; 32],
        expires_at: store.clock().now().plus(HOUR),
    };
    store.keep_link_code(&code(&here, DANA)).await.unwrap();
    store.keep_link_code(&code(&there, ERIN)).await.unwrap();
    let take = async |at: &Scribe| {
        let now = store.clock().now();
        store.take_link_code(at.workspace, &[7; 32], now).await.unwrap()
    };
    assert_eq!(take(&there).await, Some(ERIN));
    assert_eq!(take(&there).await, None);
    assert_eq!(take(&here).await, Some(DANA));
}

/// A sweep forgets what was received long ago, handled or not.
pub async fn what_came_is_forgotten_by_its_time(subject: &dyn Subject) {
    let store = subject.store();
    let scribe = build(store, 1, "a").await;
    let old = row(&scribe, store, 1, 2 * HOUR.0);
    let fresh = row(&scribe, store, 2, 0);
    for one in [&old, &fresh] {
        assert!(store.receive(one).await.unwrap());
    }
    let now = store.clock().now();
    assert_eq!(store.sweep(now).await.unwrap(), 1);
    assert_eq!(keys(store).await, [2]);
    assert!(store.receive(&old).await.unwrap(), "nothing remembers it");
}

/// A code is good once and for its time, and an operator has one: the last.
pub async fn a_code_is_good_once(subject: &dyn Subject) {
    let store = subject.store();
    let scribe = build(store, 1, "a").await;
    let now = store.clock().now();
    let code = |operator: OperatorId, hash: u8, expires_at| LinkCodeRow {
        workspace: scribe.workspace,
        operator,
        hash: [hash; 32],
        expires_at,
    };
    let take = async |hash: u8| {
        store
            .take_link_code(scribe.workspace, &[hash; 32], now)
            .await
            .unwrap()
    };
    let later = now.plus(HOUR);
    store.keep_link_code(&code(DANA, 1, later)).await.unwrap();
    store.keep_link_code(&code(ERIN, 2, later)).await.unwrap();
    store.keep_link_code(&code(DANA, 3, later)).await.unwrap();
    assert_eq!(take(9).await, None);
    assert_eq!(take(1).await, None, "replaced");
    assert_eq!(take(3).await, Some(DANA));
    assert_eq!(take(3).await, None, "used");
    assert_eq!(take(2).await, Some(ERIN));
    store.keep_link_code(&code(DANA, 4, now)).await.unwrap();
    assert_eq!(take(4).await, None, "its time has passed");
    store.keep_link_code(&code(DANA, 5, now)).await.unwrap();
    assert_eq!(store.sweep(now).await.unwrap(), 1);
}
