//! A standing approval used on several nodes at once.

use signoff_core::standing::StandingTerms;
use signoff_engine::request::{Decide, Decision, Scope};

use super::*;

/// I4, I8: one use left, three submits at once on three nodes: it is used once, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_one_use_left_is_used_once_by_three_nodes_at_once() {
    let nodes = nodes(3).await;
    nodes[0].apply(vec![refunds(1)]).await;
    let agent = nodes[0].agent("a").await;
    let dana = nodes[0].operator("dana", Role::Member).await;
    known(&nodes, &[agent.clone(), dana.clone()]).await;
    for round in 0..20 {
        let id = nodes[0].ask(&agent, "stripe.refund").await;
        let digest = nodes[0].engine.approval(&dana, id).await.unwrap().row.digest;
        let scope = Scope::Standing(StandingTerms {
            valid_for: Micros::seconds(3600),
            uses: Some(1),
            condition: None,
        });
        let decision = Decision::Approve {
            digest,
            comment: None,
            scope,
        };
        let decide = Decide { decision, view: None };
        nodes[round % 3]
            .engine
            .decide(&dana, id, decide, None)
            .await
            .unwrap();
        let submits = nodes.iter().map(|node| {
            node.engine
                .submit(&agent, submit("stripe.refund", json!({})), None)
        });
        let effects: Vec<Effect> = join_all(submits)
            .await
            .into_iter()
            .map(|done| done.unwrap().effect)
            .collect();
        let allowed = effects.iter().filter(|effect| **effect == Effect::Allow).count();
        assert!(allowed <= 1, "round {round}: {effects:?}");
        // A node that has not heard of it yet asks a person: then it is still there for the next one.
        if allowed == 0 {
            let next = nodes[round % 3]
                .engine
                .submit(&agent, submit("stripe.refund", json!({})), None);
            assert_eq!(next.await.unwrap().effect, Effect::Allow, "round {round}");
        }
    }
    nodes[1].assert_verifies().await;
}
