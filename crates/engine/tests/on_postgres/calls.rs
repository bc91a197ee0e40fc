//! Calls on several nodes.

use std::collections::HashMap;

use secrecy::SecretString;
use signoff_core::{
    action::Action,
    event::ExecutionState,
    grant::{CredentialKind, Grant, Redaction},
    http::{Call, GivenCall},
};
use signoff_testkit::Recorder;

use super::*;

fn grant(origin: String) -> Grant {
    Grant {
        name: "bank".into(),
        credential: CredentialKind::Bearer,
        origins: vec![origin],
        methods: Vec::new(),
        paths: Vec::new(),
        agents: vec!["*".into()],
        labels: BTreeMap::new(),
        timeout: None,
        idempotent: None,
        redact: Redaction::default(),
        disabled: false,
    }
}

fn transfer(url: String) -> Submit {
    let given = GivenCall {
        method: "POST".into(),
        url,
        headers: BTreeMap::new(),
        body: None,
        grant: Some("bank".into()),
    };
    Submit::of(Action {
        http: Some(Arc::new(Call::new(given).unwrap())),
        ..Action::named("stripe.transfer")
    })
}

/// I3: every node sees what was approved and is eager to make it; it is made once, and all of them can say how it went.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_an_approved_call_is_made_once_by_three_eager_nodes() {
    const CALLS: usize = 40;
    let nodes = nodes(3).await;
    let upstream = Recorder::start(|_| Answer::status(200)).await;
    let value = SecretString::from("a-credential-of-the-bank");
    let made = grant(upstream.url(""));
    nodes[0]
        .engine
        .create_grant(&nodes[0].admin, made, value, None)
        .await
        .unwrap();
    nodes[0].apply(vec![refunds(1)]).await;
    let agent = nodes[0].agent("a").await;
    let dana = nodes[0].operator("dana", Role::Member).await;
    known(&nodes, &[agent.clone(), dana.clone()]).await;
    let one = |n: usize| {
        let (nodes, agent, dana) = (&nodes, &agent, &dana);
        let submit = transfer(upstream.url(&format!("/{n}")));
        async move {
            let submitted = nodes[n % 3].engine.submit(agent, submit, None).await.unwrap();
            let id = submitted.approval_id.unwrap();
            nodes[(n + 1) % 3].approve(dana, id).await.unwrap();
            let eager = nodes.iter().map(|node| node.engine.make_calls());
            for done in join_all(eager).await {
                done.unwrap();
            }
            let wait = Duration::from_secs(20);
            let told = nodes[(n + 2) % 3]
                .engine
                .call_result(agent, id.action().execution(), wait);
            let told = told.await.unwrap();
            assert_eq!(told.state, ExecutionState::Executed, "{n}");
            assert_eq!(told.answer.unwrap().status, 200);
        }
    };
    join_all((0..CALLS).map(one)).await;
    let mut times: HashMap<String, usize> = HashMap::new();
    for received in upstream.received() {
        *times.entry(received.path).or_default() += 1;
    }
    assert_eq!(times.len(), CALLS);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    nodes[2].assert_verifies().await;
}
