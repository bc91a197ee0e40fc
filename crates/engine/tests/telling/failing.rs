//! What happens when nobody listens.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use signoff_core::{
    channel::{ChannelKind, SwitchedOff},
    id::ChannelId,
    time::Micros,
};
use signoff_engine::{
    EngineError,
    request::{CreateChannel, UpdateChannel, UpdateContact},
    view::DeliveryState,
};
use signoff_testkit::{Answer, Received, Recorder, WebhookReceiver};

use crate::{
    common::House,
    told::{Told, channel, make, standing, text},
};

/// Waits until the three oldest deliveries of a channel were tried so often.
async fn oldest_tried(house: &House, channel: ChannelId, attempts: usize) {
    for _ in 0..1_000 {
        let page = house
            .engine
            .deliveries(&house.admin, channel, None, 200)
            .await
            .unwrap();
        let oldest = page
            .items
            .iter()
            .rev()
            .filter(|one| one.kind == "approval.pending")
            .take(3);
        if oldest.filter(|one| one.attempts as usize == attempts).count() == 3 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("they were not tried {attempts} times");
}

/// Waits until the latest delivery of a channel was tried so often.
async fn tried(house: &House, channel: ChannelId, attempts: u32) {
    for _ in 0..1_000 {
        let page = house
            .engine
            .deliveries(&house.admin, channel, None, 1)
            .await
            .unwrap();
        if page.items.first().is_some_and(|one| one.attempts == attempts) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it was not tried {attempts} times");
}

/// R12: a receiver that is away for 76 hours gets everything under the same ids, each request's messages in order; others
/// wait for nothing meanwhile.
#[tokio::test]
async fn r12_what_a_receiver_missed_arrives_in_order_and_delays_nobody() {
    let told = Told::new().await;
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let away = Recorder::start(move |_| {
        let status = if is_down.load(Ordering::SeqCst) { 503 } else { 204 };
        Answer::status(status)
    })
    .await;
    let well = WebhookReceiver::start().await;
    let of = |name: &str, url: String| {
        let mut create = CreateChannel::webhook(name, &url, Vec::new(), None);
        create.events = vec!["approval.pending".into(), "approval.decided".into()];
        create
    };
    let away_id = make(&told.house, of("away", away.url("/hook"))).await;
    make(&told.house, of("well", well.url("/hook"))).await;
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(told.house.ask(&told.agent, "stripe.refund").await);
    }
    told.house.deny(&told.dana, asked[0]).await.unwrap();
    well.wait_for(4).await;
    // Hours pass; nudges wake the worker, which else would sleep by the real clock.
    for (attempt, hours) in [1, 2, 4, 6, 11, 15, 17].into_iter().enumerate() {
        oldest_tried(&told.house, away_id, attempt + 1).await;
        told.pass(hours * 3_600).await;
    }
    oldest_tried(&told.house, away_id, 8).await;
    assert!(!standing(&told.house, away_id).await.contains_key("delivered"));
    down.store(false, Ordering::SeqCst);
    told.pass(25 * 3_600).await;
    // What woke the worker is told there too, and never ends; these do.
    let missing = async || {
        let mut missing = 4;
        for id in &asked {
            let view = told.house.engine.approval(&told.dana, *id).await.unwrap();
            let there = view.told.iter().filter(|one| one.channel.id == away_id);
            missing -= there.filter(|one| one.state == DeliveryState::Delivered).count();
        }
        missing
    };
    for _ in 0..100 {
        if missing().await == 0 {
            break;
        }
        // Less than a lease lasts: what is under way is kept.
        told.pass(1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(missing().await, 0);
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut first_of: BTreeMap<String, usize> = BTreeMap::new();
    for (at, message) in away.received().iter().enumerate() {
        let body = message.json();
        let of = format!("{} {}", body["data"]["approval"]["id"], body["type"]);
        ids.entry(of.clone())
            .or_default()
            .push(message.header("webhook-id").to_owned());
        first_of.entry(of).or_insert(at);
    }
    for (of, ids) in &ids {
        assert!(
            ids.iter().all(|id| *id == ids[0]),
            "{of}: one id on every attempt"
        );
    }
    let (pending, decided) = (
        format!("\"{}\" \"approval.pending\"", asked[0]),
        format!("\"{}\" \"approval.decided\"", asked[0]),
    );
    assert!(ids[&pending].len() > 3, "it was tried again and again");
    let beginnings = away
        .received()
        .iter()
        .take(first_of[&decided])
        .filter(|message| {
            let body = message.json();
            body["type"] == "approval.pending" && body["data"]["approval"]["id"] == asked[0].to_string()
        })
        .count();
    assert_eq!(
        beginnings,
        ids[&pending].len(),
        "the end is not told before the beginning arrived"
    );
}

/// 410 ends it at once, three days in vain end it too; admins hear of it by another way.
#[tokio::test]
async fn a_channel_that_is_gone_or_fails_is_switched_off_and_admins_are_told() {
    let told = Told::new().await;
    let update = UpdateContact {
        push_topic: Some(Some("zoe-9Xa1".into())),
        ..UpdateContact::default()
    };
    let engine = &told.house.engine;
    engine
        .update_contact(&told.house.admin, "zoe@example.com", update)
        .await
        .unwrap();
    let gone = WebhookReceiver::start().await;
    gone.answer_next([Answer::status(410)]);
    let gone_id = make(
        &told.house,
        CreateChannel::webhook("gone", &gone.url("/"), Vec::new(), None),
    )
    .await;
    told.house.ask(&told.agent, "stripe.refund").await;
    let off = async |id| {
        for _ in 0..200 {
            let view = engine.channel(&told.house.admin, id).unwrap();
            if view.disabled {
                return view.switched_off;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it is still on");
    };
    assert_eq!(off(gone_id).await, Some(SwitchedOff::Gone));
    let is_notice = |message: &Received| {
        let message = text(message);
        message.contains("zoe-9Xa1") && message.contains("switched off") && message.contains("gone")
    };
    for _ in 0..200 {
        if told.phones.received().iter().any(is_notice) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(told.phones.received().iter().any(is_notice));

    let failing = Recorder::start(|_| Answer::status(500)).await;
    let create = CreateChannel::webhook(
        "failing",
        &failing.url("/"),
        vec!["approval.decided".into()],
        None,
    );
    let failing_id = make(&told.house, create).await;
    let id = told.house.ask(&told.agent, "stripe.refund").await;
    told.house.deny(&told.dana, id).await.unwrap();
    for attempt in 1..=10 {
        // A clock that jumps while a message is under way ends its lease: it would be sent once more.
        tried(&told.house, failing_id, attempt).await;
        told.pass(27 * 3_600).await;
    }
    assert_eq!(off(failing_id).await, Some(SwitchedOff::Failing));
    assert_eq!(failing.received().len(), 10, "the schedule of Standard Webhooks");
    told.house.assert_verifies().await;

    // What failed can be sent again once the channel is on.
    let page = engine
        .deliveries(&told.house.admin, failing_id, None, 10)
        .await
        .unwrap();
    let seq = page.items[0].seq;
    let refused = engine.redeliver(&told.house.admin, failing_id, seq).await;
    assert!(matches!(refused, Err(EngineError::Invalid(_))), "{refused:?}");
}

/// What was changed behind the log's back can't be put into words: it alone is put off, everything else is told.
#[tokio::test]
async fn what_can_not_be_read_holds_nothing_else_up() {
    let told = Told::new().await;
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let program =
        Recorder::start(move |_| Answer::status(if is_down.load(Ordering::SeqCst) { 503 } else { 204 }))
            .await;
    let create = CreateChannel::webhook(
        "program",
        &program.url("/"),
        vec!["approval.pending".into()],
        None,
    );
    let program_id = make(&told.house, create).await;
    told.house.ask(&told.agent, "stripe.refund").await;
    told.until(told.push, &[("delivered", 1)]).await;
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(told.house.ask(&told.agent, "stripe.refund").await);
    }
    told.until(told.push, &[("delivered", 1), ("waiting", 3)]).await;
    program.wait_for(4).await;
    let row = told
        .house
        .engine
        .approval(&told.dana, asked[1])
        .await
        .unwrap()
        .row;
    let sql = format!(
        "UPDATE payloads SET bytes = ? WHERE name = 'inputs' AND seq = {}",
        row.submitted_seq
    );
    let changed = told
        .house
        .backdoor()
        .await
        .execute(&sql, &[[7_u8; 32].as_slice().into()])
        .await;
    assert_eq!(changed, 1);
    down.store(false, Ordering::SeqCst);
    told.pass(61).await;
    told.until(told.push, &[("delivered", 3), ("waiting", 1)]).await;
    assert_eq!(told.phones.received().len(), 2, "the others came in one message");
    // What woke the worker is told there too.
    told.until(program_id, &[("delivered", 4), ("waiting", 1)]).await;
    for id in [told.push, program_id] {
        let page = told
            .house
            .engine
            .deliveries(&told.house.admin, id, None, 10)
            .await
            .unwrap();
        let waiting: Vec<_> = page
            .items
            .iter()
            .filter(|one| one.state == DeliveryState::Waiting)
            .collect();
        assert_eq!(waiting[0].subject, asked[1].to_string());
        let why = waiting[0].last_error.as_deref().unwrap();
        assert!(
            why.contains("can't be read") && waiting[0].next_at > Some(told.house.engine.now()),
            "{why}"
        );
    }
}

/// Once a receiver said that it wants no more, it gets no more: not even what was due at the same time.
#[tokio::test]
async fn nothing_is_sent_to_a_receiver_that_said_it_is_gone() {
    let told = Told::new().await;
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let receiver =
        Recorder::start(move |_| Answer::status(if is_gone.load(Ordering::SeqCst) { 410 } else { 503 }))
            .await;
    let create = CreateChannel::webhook("gone", &receiver.url("/"), vec!["approval.pending".into()], None);
    let id = make(&told.house, create).await;
    let many = 40;
    for _ in 0..many {
        told.house.ask(&told.agent, "stripe.refund").await;
    }
    receiver.wait_for(many).await;
    told.house.all_tried().await;
    gone.store(true, Ordering::SeqCst);
    told.pass(3_600).await;
    told.until(id, &[("failed", many + 1)]).await;
    let refused = receiver.received().len() - many;
    assert!((1..=8).contains(&refused), "{refused} were under way at once");
}

/// Where the first way to a person fails, the next one is taken: at once if it was refused for good, else after two tries,
/// while the first goes on being tried. Both hear the end.
#[tokio::test]
async fn who_is_not_reached_by_one_way_is_told_by_the_next() {
    let told = Told::new().await;
    let tablets = WebhookReceiver::start().await;
    // Of one kind, the older channel is the first.
    told.house.clock.advance(Micros::seconds(1));
    let create = channel("tablets", ChannelKind::Push, json!({"url": tablets.url("")}));
    let second = make(&told.house, create).await;
    told.phones
        .answer_next([Answer::status(503), Answer::status(503)]);
    let id = told.house.ask(&told.agent, "stripe.refund").await;
    tried(&told.house, told.push, 1).await;
    told.house.all_tried().await;
    assert!(
        standing(&told.house, second).await.is_empty(),
        "once is no more than a hiccup"
    );
    told.pass(20).await;
    tablets.wait_for(1).await;
    told.until(second, &[("delivered", 1)]).await;
    told.until(told.push, &[("waiting", 1)]).await;
    told.pass(400).await;
    told.until(told.push, &[("delivered", 1)]).await;
    let view = told.house.engine.approval(&told.dana, id).await.unwrap();
    let names: Vec<_> = view.told.iter().map(|one| one.channel.name.as_str()).collect();
    assert_eq!(names.len(), 2, "{names:?}");

    told.phones.answer_next([Answer::status(400)]);
    told.pass(61).await;
    told.house.ask(&told.agent, "stripe.refund").await;
    told.until(told.push, &[("delivered", 1), ("failed", 1)]).await;
    told.until(second, &[("delivered", 2)]).await;
    // Nobody is rung twice by one way, and what was switched off reaches nobody.
    let update = UpdateChannel {
        disabled: Some(true),
        ..UpdateChannel::default()
    };
    let engine = &told.house.engine;
    engine
        .update_channel(&told.house.admin, second, update)
        .await
        .unwrap();
    told.phones.answer_next([Answer::status(400)]);
    told.pass(61).await;
    told.house.ask(&told.agent, "stripe.refund").await;
    told.until(told.push, &[("delivered", 1), ("failed", 2)]).await;
    told.house.all_tried().await;
    assert_eq!(told.standing(second).await, [("delivered", 2)].into());
}
