//! Messages of several nodes: each is sent by one of them at a time, and by another once that one is gone.

use super::*;

/// I10: three nodes tell a webhook of everything, each thing once while nothing fails, in order; and what a node that
/// died had taken, another sends once the lease is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_messages_are_sent_by_one_node_at_a_time_and_taken_over_from_a_dead_one() {
    let nodes = nodes(3).await;
    nodes[0].apply(vec![refunds(1)]).await;
    let agent = nodes[0].agent("a").await;
    let receiver = WebhookReceiver::start().await;
    let create = CreateChannel::webhook("ops", &receiver.url("/hook"), Vec::new(), None);
    let made = nodes[1]
        .engine
        .create_channel(&nodes[1].admin, create, None)
        .await
        .unwrap();
    known(&nodes, std::slice::from_ref(&agent)).await;
    let asks = (0..30).map(|number| nodes[number % 3].ask(&agent, "stripe.refund"));
    join_all(asks).await;
    let messages = receiver.wait_for(30).await;
    let ids: Vec<_> = messages
        .iter()
        .map(|message| message.header("webhook-id").to_owned())
        .collect();
    assert_eq!(
        ids.iter().collect::<BTreeSet<_>>().len(),
        30,
        "each once: {ids:?}"
    );

    let dead = Claim {
        workspace: nodes[0].kept.store.workspaces().await.unwrap()[0],
        subject: made.made.id.0,
        holder: RawId([7; 16]),
        lasts: Micros::seconds(12),
    };
    // The channel may be held for a moment by who sent last.
    let lease = loop {
        if let Some(lease) = nodes[0].kept.store.claim(&dead).await.unwrap() {
            break lease;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    nodes[0].ask(&agent, "stripe.refund").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(
        receiver.received().len(),
        30,
        "nobody sends what another has taken"
    );
    nodes[0].clock.advance(Micros::seconds(13));
    receiver.wait_for(31).await;
    let delivery = nodes[0]
        .kept
        .store
        .deliveries(dead.workspace, made.made.id, None, 1)
        .await
        .unwrap()
        .remove(0);
    // The dead node wakes: its number is an old one, and nothing of it is kept.
    assert!(
        !nodes[0]
            .kept
            .store
            .record_attempts(std::slice::from_ref(&delivery), &lease)
            .await
            .unwrap()
    );
}

/// A receiver that answers slowly keeps its channel, and the lease is renewed under it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_message_is_not_sent_twice() {
    let nodes = nodes(2).await;
    nodes[0].apply(vec![refunds(1)]).await;
    let agent = nodes[0].agent("a").await;
    let receiver = WebhookReceiver::start().await;
    receiver.answer_next([Answer::status(204).after(Duration::from_secs(6))]);
    let create = CreateChannel::webhook("slow", &receiver.url("/hook"), Vec::new(), None);
    nodes[0]
        .engine
        .create_channel(&nodes[0].admin, create, None)
        .await
        .unwrap();
    nodes[0].ask(&agent, "stripe.refund").await;
    receiver.wait_for(1).await;
    // Past the first renewal of whoever sends it.
    tokio::time::sleep(Duration::from_secs(5)).await;
    nodes[0].clock.advance(Micros::seconds(10));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(receiver.received().len(), 1);
}
