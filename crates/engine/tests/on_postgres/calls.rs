//! Calls on several nodes.

use std::{collections::HashMap, sync::Mutex};

use secrecy::SecretString;
use signoff_core::{
    action::Action,
    event::ExecutionState,
    grant::{CredentialKind, Grant, OauthClientAuth, OauthFlow, Redaction},
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

/// A provider that replaces refresh tokens takes the second use of one for a theft, and ends the grant: of several nodes one
/// at a time exchanges, with what the last one stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_is_used_once_whichever_node_needs_a_token() {
    const CALLS: usize = 24;
    let nodes = nodes(3).await;
    let good = Mutex::new(0);
    let upstream = Recorder::start(move |received| {
        if received.path != "/token" {
            return Answer::status(200);
        }
        let mut good = good.lock().unwrap();
        let body = String::from_utf8_lossy(&received.body);
        if !body.contains(&format!("refresh_token=refresh-{good}&")) {
            *good = usize::MAX;
            return Answer {
                status: 400,
                ..Answer::json(&json!({"error": "invalid_grant"}))
            };
        }
        *good += 1;
        // Good for nothing but the call that asked: each call needs another.
        let token = json!({
            "access_token": format!("token-{good}"), "token_type": "Bearer", "expires_in": 0,
            "refresh_token": format!("refresh-{good}"),
        });
        Answer::json(&token).after(Duration::from_millis(20))
    })
    .await;
    let credential = CredentialKind::Oauth2 {
        token_url: upstream.url("/token"),
        client_id: "signoff".into(),
        scopes: vec!["write".into()],
        flow: OauthFlow::RefreshToken,
        client_auth: OauthClientAuth::Body,
    };
    let made = Grant {
        credential,
        ..grant(upstream.url(""))
    };
    let value = SecretString::from("refresh-0");
    let (admin, engine) = (&nodes[0].admin, &nodes[0].engine);
    engine.create_grant(admin, made, value, None).await.unwrap();
    let allowed = policy("transfers", &["stripe.*"], PolicyEffect::Allow);
    nodes[0].apply(vec![allowed]).await;
    let agent = nodes[0].agent("a").await;
    known(&nodes, std::slice::from_ref(&agent)).await;
    let one = |n: usize| {
        let (engine, agent) = (&nodes[n % 3].engine, &agent);
        let submit = transfer(upstream.url(&format!("/{n}")));
        async move {
            let submitted = engine.submit(agent, submit, None).await.unwrap();
            let id = submitted.execution_id.unwrap();
            let wait = Duration::from_secs(30);
            let told = engine.call_result(agent, id, wait).await.unwrap();
            assert_eq!(told.state, ExecutionState::Executed, "{n}: {:?}", told.row);
        }
    };
    join_all((0..CALLS).map(one)).await;
    let received = upstream.received();
    let (exchanges, calls): (Vec<_>, Vec<_>) = received.iter().partition(|one| one.path == "/token");
    assert_eq!(calls.len(), CALLS);
    let tokens: BTreeSet<_> = calls.iter().map(|one| one.header("authorization")).collect();
    assert!(tokens.len() >= 3, "each node needed tokens: {tokens:?}");
    assert!(exchanges.len() >= tokens.len());
    nodes[1].assert_verifies().await;
}
