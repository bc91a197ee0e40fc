//! The same question asked again and again, on several nodes at once.

use super::*;

/// I3: it is one request, and what was approved is handed out to one of those who ask again; the others then have one next
/// request together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_one_question_is_one_request_and_one_permission_on_three_nodes() {
    let nodes = nodes(3).await;
    nodes[0].apply(vec![refunds(1)]).await;
    let agent = nodes[0].agent("a").await;
    let dana = nodes[0].operator("dana", Role::Member).await;
    known(&nodes, &[agent.clone(), dana.clone()]).await;
    let ask = || async {
        let question = || submit("stripe.refund", json!({"amount": 5}));
        let asked = (0..9).map(|n| nodes[n % 3].engine.submit_identical(&agent, question()));
        let answers = join_all(asked).await.into_iter();
        answers.map(Result::unwrap).collect::<Vec<_>>()
    };
    let mut asked = ask().await;
    for round in 0..20 {
        let waits = asked.iter().filter(|answer| answer.effect == Effect::Ask);
        let requests: BTreeSet<_> = waits.filter_map(|answer| answer.approval_id).collect();
        assert_eq!(requests.len(), 1, "round {round}: {requests:?}");
        for id in requests {
            nodes[round % 3].approve(&dana, id).await.unwrap();
        }
        asked = ask().await;
        let allowed = asked.iter().filter(|answer| answer.effect == Effect::Allow);
        assert_eq!(allowed.count(), 1, "round {round}");
    }
    nodes[2].assert_verifies().await;
}
