//! I10: told after stored, at least once, with a stable id, and signed.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::{sync::Mutex, time::Duration};

use common::{House, policy};
use secrecy::ExposeSecret;
use signoff_core::{policy::PolicyEffect, requirement::Role, time::Micros};
use signoff_engine::{
    EngineError,
    request::{CreateChannel, UpdateChannel},
    view::{ChannelView, DeliveryState, DeliveryView},
};
use signoff_testkit::{Answer, Received, Recorder, WebhookReceiver};

async fn hook(house: &House, receiver: &Recorder, events: &[&str]) -> (ChannelView, String) {
    let create = CreateChannel::webhook(
        "ops",
        &receiver.url("/hook"),
        events.iter().map(|event| (*event).to_owned()).collect(),
        None,
    );
    let made = house
        .engine
        .create_channel(&house.admin, create, None)
        .await
        .unwrap();
    (made.made, made.secret.unwrap().expose_secret().to_owned())
}

async fn deliveries(house: &House, webhook: &ChannelView) -> Vec<DeliveryView> {
    house
        .engine
        .deliveries(&house.admin, webhook.id, None, 50)
        .await
        .unwrap()
        .items
}

/// Waits until the oldest delivery was tried so often.
async fn tried(house: &House, webhook: &ChannelView, times: u32) {
    for _ in 0..200 {
        let all = deliveries(house, webhook).await;
        if all.last().is_some_and(|oldest| oldest.attempts >= times) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!(
        "never tried {times} times: {:?}",
        deliveries(house, webhook).await
    );
}

/// Waits until every delivery is at its end.
async fn settled(house: &House, webhook: &ChannelView) -> Vec<DeliveryView> {
    for _ in 0..200 {
        let all = deliveries(house, webhook).await;
        if !all.is_empty() && all.iter().all(|one| one.state != DeliveryState::Waiting) {
            return all;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("deliveries never ended: {:?}", deliveries(house, webhook).await);
}

#[tokio::test]
async fn i10_something_outside_learns_of_a_request_and_of_its_end() {
    let house = House::new().await;
    let receiver = WebhookReceiver::start().await;
    let (webhook, secret) = hook(&house, &receiver, &[]).await;
    house
        .apply(vec![policy(
            "refunds",
            &["stripe.*"],
            PolicyEffect::RequireApproval,
        )])
        .await;
    let (agent, dana) = (
        house.agent("support-bot").await,
        house.operator("dana", Role::Member).await,
    );
    let id = house.ask(&agent, "stripe.refund").await;
    receiver.wait_for(1).await;
    house.approve(&dana, id).await.unwrap();
    let messages = receiver.wait_for(2).await;
    assert_eq!(receiver.types(), ["approval.pending", "approval.decided"]);
    let verifier = standardwebhooks::Webhook::new(&secret).unwrap();
    for message in &messages {
        // The clock of the test stands, so the published library signs again instead of checking the time too.
        let timestamp = message.header("webhook-timestamp").parse().unwrap();
        let expected = verifier
            .sign(message.header("webhook-id"), timestamp, &message.body)
            .unwrap();
        assert_eq!(message.header("webhook-signature"), expected);
    }
    let body = messages[1].json();
    assert_eq!(body["data"]["approval"]["id"], id.to_string());
    assert_eq!(body["data"]["approval"]["status"], "approved");
    assert_eq!(body["data"]["approval"]["decided_by"]["name"], "dana");
    // The first message says how things stood then, whatever happened since.
    assert_eq!(messages[0].json()["data"]["approval"]["status"], "pending");
    let ends = settled(&house, &webhook).await;
    assert!(ends.iter().all(|one| one.state == DeliveryState::Delivered));
    assert_eq!(house.engine.approval(&dana, id).await.unwrap().told.len(), 2);
}

#[tokio::test]
async fn i10_a_receiver_that_is_down_is_told_later_under_the_same_id() {
    let house = House::new().await;
    // Down for the first message twice, whatever else comes beside it.
    let tried_first = Mutex::new((None, 0));
    let receiver = Recorder::start(move |message| {
        let id = message.header("webhook-id").to_owned();
        let mut tried_first = tried_first.lock().unwrap();
        let (first, times) = &mut *tried_first;
        *times += usize::from(*first.get_or_insert_with(|| id.clone()) == id);
        let down = first.as_ref() == Some(&id) && *times <= 2;
        Answer::status(if down { 503 } else { 204 })
    })
    .await;
    let (webhook, _) = hook(&house, &receiver, &["approval.pending"]).await;
    house
        .apply(vec![policy(
            "refunds",
            &["stripe.*"],
            PolicyEffect::RequireApproval,
        )])
        .await;
    let agent = house.agent("a").await;
    house.ask(&agent, "stripe.refund").await;
    for attempt in 1..=2 {
        tried(&house, &webhook, attempt).await;
        house.pass(Micros::seconds(3_600), &agent, "stripe.refund").await;
    }
    house.all_tried().await;
    let all = settled(&house, &webhook).await;
    assert!(all.iter().all(|one| one.state == DeliveryState::Delivered));
    let came = receiver.received();
    let id = |message: &Received| message.header("webhook-id").to_owned();
    let first = came.iter().filter(|message| id(message) == id(&came[0]));
    assert_eq!(first.count(), 3, "tried three times under one id");
    assert_eq!(came.len(), 5, "the others came once");
}

#[tokio::test]
async fn a_receiver_that_is_gone_switches_its_webhook_off() {
    let house = House::new().await;
    let receiver = WebhookReceiver::start().await;
    receiver.answer_next([Answer::status(410)]);
    let (webhook, _) = hook(&house, &receiver, &[]).await;
    house
        .apply(vec![policy(
            "refunds",
            &["stripe.*"],
            PolicyEffect::RequireApproval,
        )])
        .await;
    let agent = house.agent("a").await;
    house.ask(&agent, "stripe.refund").await;
    settled(&house, &webhook).await;
    for _ in 0..100 {
        if house.engine.channel(&house.admin, webhook.id).unwrap().disabled {
            house.assert_verifies().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the webhook is still on");
}

#[tokio::test]
async fn addresses_that_nobody_opened_and_unknown_events_are_refused() {
    let house = House::new().await;
    for (url, events) in [
        ("http://10.0.0.1/hook", vec![]),
        ("ftp://example.com/", vec![]),
        ("https://user:word@example.com/", vec![]),
        ("https://example.com/", vec!["approval.nonsense".to_owned()]),
    ] {
        let create = CreateChannel::webhook("x", url, events, None);
        let made = house.engine.create_channel(&house.admin, create, None).await;
        assert!(matches!(made, Err(EngineError::Invalid(_))), "{url}");
    }
}

#[tokio::test]
async fn what_of_a_webhook_changed_is_told_and_written_once() {
    let house = House::new().await;
    let before = WebhookReceiver::start().await;
    let (webhook, first) = hook(&house, &before, &["approval.*"]).await;
    let secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let update = |dry_run| UpdateChannel {
        settings: [("url", before.url("/elsewhere")), ("secret", secret.to_owned())]
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text.into()))
            .collect(),
        events: Some(vec!["approval.*".to_owned()]),
        dry_run,
        ..UpdateChannel::default()
    };
    let change = async |update| {
        let engine = &house.engine;
        engine
            .update_channel(&house.admin, webhook.id, update)
            .await
            .unwrap()
            .1
    };
    assert_eq!(
        change(update(true)).await,
        ["secret", "url"],
        "a dry run changes nothing"
    );
    assert_eq!(change(update(false)).await, ["secret", "url"]);
    assert!(
        change(update(false)).await.is_empty(),
        "what is the same already is not written again"
    );
    assert_ne!(first, secret);
    assert!(
        house.engine.verify(&house.admin, true).await.unwrap().ok,
        "the log knows the new secret"
    );
    let unknown = UpdateChannel {
        events: Some(vec!["approval.nonsense".to_owned()]),
        ..UpdateChannel::default()
    };
    let refused = house
        .engine
        .update_channel(&house.admin, webhook.id, unknown)
        .await;
    assert!(matches!(refused, Err(EngineError::Invalid(_))));
}
