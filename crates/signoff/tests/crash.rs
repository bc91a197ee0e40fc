//! The real binary, killed with SIGKILL fifty times under load: nothing acknowledged is lost, nothing happens twice, the
//! log verifies and the folded tables are what it adds up to (I1, I3, I9).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step is a failed test"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use signoff_client::api::action::{Submit, SubmitAnswer, VerdictKind};
use signoff_client::api::agent::AgentCreate;
use signoff_client::api::approval::{ApprovalStatus, Decide, DecisionKind};
use signoff_client::api::execution::ExecutionStatus;
use signoff_client::api::policy::{Effect, PolicyApply, PolicyBody};
use signoff_client::api::{Secret, WaitQuery};
use signoff_client::{Client, SubmitOptions};
use signoff_testkit::Place;

const ROUNDS: usize = 50;
const AGENTS: usize = 6;
const ADMIN_KEY: &str = "crash-test-admin-key-0123456789abcdef";

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(place: &Place) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_signoff"))
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--log", "error"])
            .envs(place.settings())
            .env("SIGNOFF_ADMIN_KEY", ADMIN_KEY)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let told: Value = serde_json::from_str(&line).expect("the server says where it runs");
        Self {
            url: told["url"].as_str().unwrap().to_owned(),
            child,
        }
    }

    fn client(&self, key: &str) -> Client {
        Client::new(&self.url, Some(&Secret::new(key))).unwrap()
    }

    /// SIGKILL: no handler, no flush, no goodbye.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server acknowledged about one request, by its idempotency key.
#[derive(Debug, Default, Clone)]
struct Acknowledged {
    action: String,
    approved: bool,
    consumed: bool,
}

type Ledger = Arc<Mutex<BTreeMap<String, Acknowledged>>>;

fn named(action: &str) -> Submit {
    Submit {
        action: action.to_owned(),
        ..Submit::default()
    }
}

async fn submit(client: &Client, key: &str, action: &str) -> Option<SubmitAnswer> {
    let options = SubmitOptions {
        idempotency_key: Some(key.to_owned()),
        ..SubmitOptions::default()
    };
    client.action_submit(&named(action), &options).await.ok()
}

/// One agent: asks, has it approved, takes it, until the server is gone.
async fn work(agent: Client, admin: Client, prefix: String, ledger: Ledger) {
    for number in 0.. {
        let key = format!("{prefix}-{number}");
        let action = if number % 3 == 0 {
            "db.read"
        } else {
            "stripe.refund"
        };
        let Some(answer) = submit(&agent, &key, action).await else {
            return;
        };
        ledger
            .lock()
            .unwrap()
            .entry(key.clone())
            .or_default()
            .action
            .clone_from(&answer.action_id);
        if let Some(approval) = &answer.approval_id {
            let Ok(seen) = admin.approval_view(approval, &WaitQuery::default()).await else {
                return;
            };
            let decide = Decide {
                decision: DecisionKind::Approve,
                digest: Some(seen.digest),
                comment: None,
                reason: None,
                question: None,
                edit: None,
                standing: None,
                always: None,
                view: None,
            };
            let Ok(_) = admin.approval_decide(approval, &decide, None).await else {
                return;
            };
            ledger.lock().unwrap().get_mut(&key).unwrap().approved = true;
        }
        let execution = answer.action_id.replace("act_", "exe_");
        if agent.execution_consume(&execution, Some(&key)).await.is_err() {
            return;
        }
        ledger.lock().unwrap().get_mut(&key).unwrap().consumed = true;
    }
}

async fn set_up(server: &Server) -> Vec<String> {
    let admin = server.client(ADMIN_KEY);
    let policy = |name: &str, action: &str, effect| PolicyBody {
        name: name.to_owned(),
        actions: Some(vec![action.to_owned()]),
        effect,
        ..serde_json::from_value(serde_json::json!({"name": name, "effect": "deny"})).unwrap()
    };
    let apply = PolicyApply {
        policies: vec![
            policy("reads", "db.read", Effect::Allow),
            policy("refunds", "stripe.*", Effect::RequireApproval),
        ],
        ..PolicyApply::default()
    };
    admin.policy_apply(&apply).await.unwrap();
    let mut keys = Vec::new();
    for number in 0..AGENTS {
        let create = AgentCreate {
            name: format!("agent-{number}"),
            ..AgentCreate::default()
        };
        let made = admin.agent_create(&create, None).await.unwrap();
        keys.push(made.api_key.unwrap().expose().to_owned());
    }
    keys
}

/// Everything that was acknowledged is there, and once.
async fn check(server: &Server, keys: &[String], ledger: &Ledger) {
    let ledger = ledger.lock().unwrap().clone();
    for (key, acknowledged) in ledger {
        let agent: usize = key.split('-').next().unwrap().parse().unwrap();
        let client = server.client(&keys[agent]);
        let number: usize = key.rsplit('-').next().unwrap().parse().unwrap();
        let action = if number.is_multiple_of(3) {
            "db.read"
        } else {
            "stripe.refund"
        };
        let answer = submit(&client, &key, action)
            .await
            .expect("the same key gets an answer again");
        assert_eq!(
            answer.action_id, acknowledged.action,
            "{key} became another action"
        );
        if acknowledged.approved {
            assert_eq!(
                answer.verdict,
                VerdictKind::Allowed,
                "{key}: an acknowledged approval is lost"
            );
            let approval = client
                .approval_view(&answer.approval_id.unwrap(), &WaitQuery::default())
                .await
                .unwrap();
            assert_eq!(approval.status, ApprovalStatus::Approved);
        }
        if acknowledged.consumed {
            let execution = acknowledged.action.replace("act_", "exe_");
            let status = client.execution_view(&execution).await.unwrap().status;
            assert_eq!(
                status,
                ExecutionStatus::Consumed,
                "{key}: an acknowledged consume is lost"
            );
            assert!(
                client
                    .execution_consume(&execution, Some("another"))
                    .await
                    .is_err(),
                "{key} was taken twice"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i9_fifty_kills_lose_nothing_and_repeat_nothing() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let place = Place::fresh().await;
    let mut server = Server::start(&place);
    let keys = set_up(&server).await;
    let everything: Ledger = Arc::default();
    for round in 0..ROUNDS {
        let ledger: Ledger = Arc::default();
        let agents: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|(at, key)| {
                tokio::spawn(work(
                    server.client(key),
                    server.client(ADMIN_KEY),
                    format!("{at}-{round}"),
                    Arc::clone(&ledger),
                ))
            })
            .collect();
        // At no moment in particular: from in the middle of the first batch to well under way.
        tokio::time::sleep(Duration::from_millis(20 + (round as u64 * 37) % 180)).await;
        server.kill();
        for agent in agents {
            agent.await.unwrap();
        }
        server = Server::start(&place);
        check(&server, &keys, &ledger).await;
        everything.lock().unwrap().extend(ledger.lock().unwrap().clone());
    }
    let total = everything.lock().unwrap().len();
    assert!(
        total >= ROUNDS,
        "only {total} requests were acknowledged: no load"
    );
    let verified = server.client(ADMIN_KEY).audit_verify(true).await.unwrap();
    assert!(verified.ok, "{:#?}", verified.problems);
    println!(
        "{total} acknowledged requests over {ROUNDS} kills; {} records verify",
        verified.events
    );
}
