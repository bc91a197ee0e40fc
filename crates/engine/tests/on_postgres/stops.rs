//! The kill switch on several nodes.

use signoff_core::{event::ExecutionState, judge::ReasonCode, stop::StopTarget};

use super::*;

/// I8: the kill switch is pulled on B while agents submit, people vote and permissions are taken on A and C. Once B has
/// acknowledged, nothing that any node records lets anything covered go on, until it is lifted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_kill_switch_pulled_on_one_node_holds_on_all_once_acknowledged() {
    let nodes = Arc::new(nodes(3).await);
    let reads = policy("reads", &["db.*"], PolicyEffect::Allow);
    nodes[1].apply(vec![reads, refunds(1)]).await;
    let agents = join_all((0..4).map(|at| {
        let node = &nodes[at % 3];
        async move { node.agent(&format!("a{at}")).await }
    }))
    .await;
    let dana = nodes[1].operator("dana", Role::Member).await;
    known(&nodes, &agents).await;
    known(&nodes, std::slice::from_ref(&dana)).await;
    let running = Arc::new(AtomicBool::new(true));
    let load: Vec<_> = (0..8)
        .map(|client| {
            let (nodes, agent) = (Arc::clone(&nodes), agents[client % 4].clone());
            let (dana, running) = (dana.clone(), Arc::clone(&running));
            tokio::spawn(async move {
                while running.load(Ordering::Relaxed) {
                    let (here, there) = (&nodes[[0, 2][client % 2]], &nodes[[2, 0][client % 2]]);
                    let asked = |name| here.engine.submit(&agent, submit(name, json!({})), None);
                    asked("db.read").await.unwrap();
                    let Some(id) = asked("stripe.refund").await.unwrap().approval_id else {
                        continue;
                    };
                    drop(there.approve(&dana, id).await);
                    drop(here.engine.consume(&agent, id.action().execution(), None).await);
                }
            })
        })
        .collect();
    for round in 0..10 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let target = ["workspace", "a0"][round % 2];
        let (pulls, lifts) = (&nodes[1], &nodes[round % 3]);
        pulls
            .engine
            .pull_stop(&pulls.admin, target, None, None)
            .await
            .unwrap();
        // By answer: asked of another node, after the acknowledgement.
        for node in [&nodes[0], &nodes[2]] {
            let submitted = node.engine.submit(&agents[0], submit("db.read", json!({})), None);
            assert_eq!(
                submitted.await.unwrap().code,
                Some(ReasonCode::Stopped),
                "round {round}"
            );
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        lifts
            .engine
            .lift_stop(&lifts.admin, target, None, None)
            .await
            .unwrap();
    }
    running.store(false, Ordering::Relaxed);
    for client in load {
        client.await.unwrap();
    }
    // And by the order of the log.
    let (mut stopped, mut went_on) = (BTreeSet::new(), 0);
    for view in nodes[2].log().await {
        match &view.record.event {
            Event::StopPulled(pulled) => assert!(stopped.insert(pulled.target)),
            Event::StopLifted(lifted) => assert!(stopped.remove(&lifted.target)),
            event if event.lets_go_on() => {
                let agent = view.agent.as_ref().expect("it is about a request").id;
                let covered =
                    stopped.contains(&StopTarget::Workspace) || stopped.contains(&StopTarget::Agent(agent));
                assert!(!covered, "record {}: {}", view.record.seq, view.summary);
                went_on += 1;
            }
            _ => {}
        }
    }
    assert!(went_on > 0, "the load never ran");
    nodes[0].assert_verifies().await;
}

/// A dry run on another node follows within two seconds; what waits and what is ready ends, wherever it came from, also
/// where the node that was told to stop is gone right after it answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stop_covers_ends_on_every_node() {
    let mut nodes = nodes(3).await;
    nodes[0].apply(vec![refunds(1)]).await;
    let agent = nodes[0].agent("a").await;
    let dana = nodes[1].operator("dana", Role::Member).await;
    known(&nodes, &[agent.clone(), dana.clone()]).await;
    let pending = nodes[2].ask(&agent, "stripe.refund").await;
    let ready = nodes[2].ask(&agent, "stripe.refund").await;
    nodes[0].approve(&dana, ready).await.unwrap();
    let gone = nodes.remove(1);
    let stopped = gone.engine.pull_stop(&gone.admin, "a", None, None).await.unwrap();
    assert_eq!((stopped.in_flight.pending, stopped.in_flight.ready), (1, 1));
    gone.engine.stop().await;
    let until = std::time::Instant::now() + Duration::from_secs(2);
    loop {
        let judged = nodes[1]
            .engine
            .check(&agent, &submit("stripe.refund", json!({})))
            .await
            .unwrap();
        let row = nodes[0].engine.approval(&agent, pending).await.unwrap().row;
        let execution = ready.action().execution();
        let state = nodes[0]
            .engine
            .execution(&agent, execution)
            .await
            .unwrap()
            .row
            .state;
        let ended = judged.verdict.code == Some(ReasonCode::Stopped)
            && row.code == Some(ReasonCode::Stopped)
            && state == ExecutionState::Revoked;
        if ended {
            break;
        }
        assert!(
            std::time::Instant::now() < until,
            "{:?} {:?} {state}",
            judged.verdict.code,
            row.code
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    nodes[0].assert_verifies().await;
}
