//! A limit over the recent past on several nodes: whichever node is asked, what was let through and what is pending together
//! stay within it.

use futures_util::future::join_all;
use serde_json::json;
use signoff_core::{
    condition::Condition,
    policy::{Effect, Otherwise, PolicyDoc, PolicyEffect},
};
use signoff_engine::EngineError;

use super::super::common::{policy, submit};
use super::{known, nodes};

fn limited(condition: &str) -> PolicyDoc {
    PolicyDoc {
        conditions: vec![Condition::Expression(condition.into())],
        otherwise: Some(Otherwise::Deny),
        ..policy("refunds", &["stripe.refund"], PolicyEffect::Conditional)
    }
}

/// 64 small refunds at once on three nodes, of one agent and of several under a limit for all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refunds_at_once_on_three_nodes_share_the_limit() {
    for scope in ["agent", "policy"] {
        let nodes = nodes(3).await;
        let condition =
            format!("sum_last(\"context.amount\", \"24h\", \"{scope}\") + context.amount <= 1000");
        nodes[0].apply(vec![limited(&condition)]).await;
        let mut agents = Vec::new();
        for name in ["a", "b", "c"] {
            agents.push(nodes[0].agent(name).await);
        }
        known(&nodes, &agents).await;
        let submits = (0..64).map(|at| {
            let agent = if scope == "agent" {
                &agents[0]
            } else {
                &agents[at % 3]
            };
            let refund = submit("stripe.refund", json!({"amount": "100.00"}));
            nodes[(at / 3) % 3].engine.submit(agent, refund, None)
        });
        let effects: Vec<Effect> = join_all(submits)
            .await
            .into_iter()
            .map(|one| one.unwrap().effect)
            .collect();
        let allowed = effects.iter().filter(|effect| **effect == Effect::Allow).count();
        assert_eq!(allowed, 10, "{scope}");
        nodes[1].assert_verifies().await;
    }
}

/// Places are freed on one node and taken on another, round after round: never more are taken than there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_freed_on_one_node_are_taken_once_on_others() {
    let nodes = nodes(3).await;
    let asks = policy("refunds", &["stripe.refund"], PolicyEffect::RequireApproval);
    let limit = PolicyDoc {
        conditions: vec![Condition::Expression("count_last(\"24h\") >= 5".into())],
        ..policy("limit", &["stripe.*"], PolicyEffect::Deny)
    };
    nodes[0].apply(vec![asks, limit]).await;
    let agent = nodes[0].agent("a").await;
    known(&nodes, std::slice::from_ref(&agent)).await;
    let mut open = Vec::new();
    for round in 0..15 {
        // Two leave on one node while others come on the other two.
        let leaving: Vec<_> = open.drain(..open.len().min(2)).collect();
        let freed = leaving.len();
        let cancels = leaving
            .iter()
            .map(|id| nodes[round % 3].engine.cancel(&agent, *id, None, None));
        let submits = (0..12).map(|at| {
            let refund = submit("stripe.refund", json!({}));
            nodes[(round + 1 + at % 2) % 3]
                .engine
                .submit(&agent, refund, None)
        });
        let (cancelled, submitted) = tokio::join!(join_all(cancels), join_all(submits));
        assert!(cancelled.iter().all(Result::is_ok), "{freed} of them leave");
        open.extend(submitted.into_iter().filter_map(|one| one.unwrap().approval_id));
        assert!(open.len() <= 5, "round {round}: {} are open", open.len());
    }
    // Nobody races: all places that are left are given, and not one more.
    let mut refused = None;
    for _ in 0..6 {
        let submitted = nodes[1]
            .engine
            .submit(&agent, submit("stripe.refund", json!({})), None)
            .await;
        match submitted.map(|one| one.approval_id) {
            Ok(Some(id)) => open.push(id),
            other => refused = Some(other),
        }
    }
    assert_eq!(open.len(), 5);
    assert!(matches!(refused, Some(Ok::<_, EngineError>(None))));
    nodes[2].assert_verifies().await;
}
