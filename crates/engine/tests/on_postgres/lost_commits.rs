//! Connections that are cut at COMMIT, before the server saw it or before its answer came back.

use super::*;

/// I9: answers to COMMIT get lost, again and again; every submit is in the log exactly once, and those that were
/// told it failed are not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i9_a_lost_answer_to_a_commit_is_looked_up() {
    let place = Arc::new(Place::on(Backend::Postgres).await);
    let direct = node(Arc::clone(&place), FakeClock::default()).await;
    direct
        .apply(vec![policy("sends", &["mail.*"], PolicyEffect::Allow)])
        .await;
    let agent = direct.agent("a").await;
    let proxy = proxy::Proxy::start(place.database_address()).await;
    let through = place
        .open_through(proxy.address(), Arc::new(direct.clock.clone()))
        .await;
    let kept = TemporaryStore {
        store: through,
        clock: direct.clock.clone(),
        place: Arc::clone(&place),
    };
    let node = Arc::new(house(kept).await);
    let mut acknowledged = BTreeSet::new();
    for round in 0..24 {
        // One half before the server saw the COMMIT, one half after.
        proxy.cut_next_commit(round % 2 == 1);
        let submits = (0..4).map(|_| {
            let (node, agent) = (Arc::clone(&node), agent.clone());
            tokio::spawn(async move { send(&node.engine, &agent).await })
        });
        for submitted in join_all(submits).await {
            acknowledged.insert(submitted.unwrap().expect("a batch is tried again"));
        }
    }
    assert!(proxy.cuts() >= 20, "the proxy cut {} commits", proxy.cuts());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for view in direct.log().await {
        if matches!(view.record.event, Event::ActionAllowed(_)) {
            *seen.entry(view.record.subject.clone()).or_default() += 1;
        }
    }
    assert_eq!(seen.keys().cloned().collect::<BTreeSet<_>>(), acknowledged);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    direct.assert_verifies().await;
}

async fn send(engine: &Engine, agent: &Caller) -> Result<String, EngineError> {
    let asked: Submit = submit("mail.send", json!({}));
    Ok(engine.submit(agent, asked, None).await?.action_id.to_string())
}
