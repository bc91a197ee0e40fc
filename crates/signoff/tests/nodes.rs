//! Three real nodes on one Postgres of their own, killed, stopped and woken at random, with the database crashing in the
//! middle: nothing acknowledged is lost, one end each, at most one taker, the log verifies and the folded tables are what
//! it adds up to (I1, I3, I4, I8, I9).
//!
//! `SIGNOFF_TEST_CHAOS_SECONDS` makes it longer than the half minute of every run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step is a failed test"
)]

mod on_postgres {
    use std::{
        collections::BTreeMap,
        future::Future,
        io::{BufRead, BufReader},
        path::Path,
        process::{Child, Command, Stdio},
        sync::{
            Arc, Mutex,
            atomic::{AtomicBool, AtomicU64, Ordering},
        },
        time::{Duration, Instant},
    };

    use serde_json::{Value, json};
    use signoff_client::{
        Client, Error, SubmitOptions,
        api::{
            Secret, WaitQuery,
            action::{Submit, SubmitAnswer},
            agent::AgentCreate,
            approval::{Approval, ApprovalStatus, Decide, DecisionKind},
            execution::ExecutionStatus,
            policy::PolicyApply,
        },
    };
    use tokio::sync::mpsc;

    const NODES: usize = 3;
    const AGENTS: usize = 6;
    /// The rest asks for nothing but what policy allows, as fast as it is answered.
    const PATIENT_AGENTS: usize = 3;
    const ADMIN_KEY: &str = "chaos-test-admin-key-0123456789abcdef";
    const MASTER_KEY: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
    /// How long a call may take before the caller turns to another node.
    const PATIENCE: Duration = Duration::from_secs(4);

    /// A Postgres server that only this test has, because it crashes.
    struct Database {
        directory: tempfile::TempDir,
        url: String,
    }

    impl Database {
        fn start() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let said = script("start", directory.path().to_str().unwrap());
            let url = said
                .trim()
                .rsplit_once('=')
                .expect("it says where it runs")
                .1
                .to_owned();
            Self { directory, url }
        }

        fn crash(&self) {
            script("crash", self.directory.path().to_str().unwrap());
        }
    }

    impl Drop for Database {
        fn drop(&mut self) {
            script("stop", self.directory.path().to_str().unwrap());
        }
    }

    fn script(command: &str, directory: &str) -> String {
        // Tests run in their package; a build may have been made in another checkout.
        let script = Path::new("../../tests/postgres").canonicalize().unwrap();
        let output = Command::new(script).args([command, directory]).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// One node: a process that comes and goes, always on the same port.
    struct Node {
        port: u16,
        process: Mutex<Option<Child>>,
        database: String,
    }

    impl Node {
        fn start(database: &str) -> Self {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let node = Self {
                port,
                process: Mutex::default(),
                database: database.to_owned(),
            };
            assert!(node.run(), "the node starts");
            node
        }

        /// False if it could not start, as while the database is down.
        fn run(&self) -> bool {
            let mut child = Command::new(env!("CARGO_BIN_EXE_signoff"))
                .args(["serve", "--json", "--log", "off", "--listen"])
                .arg(format!("127.0.0.1:{}", self.port))
                .env("SIGNOFF_ADMIN_KEY", ADMIN_KEY)
                .env("SIGNOFF_MASTER_KEY", MASTER_KEY)
                .env("SIGNOFF_DATABASE", &self.database)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap())
                .read_line(&mut line)
                .unwrap();
            let runs = serde_json::from_str::<Value>(&line).is_ok();
            if runs {
                *self.process.lock().unwrap() = Some(child);
            } else {
                drop(child.kill());
                child.wait().unwrap();
            }
            runs
        }

        fn kill(&self) {
            if let Some(mut child) = self.process.lock().unwrap().take() {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }

        fn signal(&self, name: &str) {
            if let Some(child) = &*self.process.lock().unwrap() {
                let sent = Command::new("kill")
                    .args([name, &child.id().to_string()])
                    .status();
                assert!(sent.unwrap().success());
            }
        }

        fn client(&self, key: &str) -> Client {
            Client::new(
                &format!("http://127.0.0.1:{}", self.port),
                Some(&Secret::new(key)),
            )
            .unwrap()
        }
    }

    impl Drop for Node {
        fn drop(&mut self) {
            self.kill();
        }
    }

    /// What was acknowledged, and what was noticed on the way.
    #[derive(Default)]
    struct Ledger {
        /// By the key of the submit.
        actions: Mutex<BTreeMap<String, SubmitAnswer>>,
        ends: Mutex<BTreeMap<String, ApprovalStatus>>,
        takers: Mutex<BTreeMap<String, u32>>,
        /// The longest time until a submit was acknowledged by anybody, in milliseconds.
        longest_millis: AtomicU64,
    }

    struct World {
        nodes: Vec<Node>,
        running: AtomicBool,
        ledger: Ledger,
        keys: Vec<String>,
    }

    impl World {
        /// Asks one node after another until one answers for good.
        async fn ask<T, F>(&self, first: usize, key: &str, call: impl Fn(Client) -> F) -> Result<T, Error>
        where
            F: Future<Output = Result<T, Error>>,
        {
            for turn in first.. {
                let client = self.nodes[turn % NODES].client(key);
                match tokio::time::timeout(PATIENCE, call(client)).await {
                    Ok(Err(error)) if signoff_client::is_passing(&error) => {}
                    Ok(settled) => return settled,
                    Err(_) => {}
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            unreachable!("it turns until somebody answers")
        }
    }

    async fn submit(world: &World, agent: usize, key: &str, action: &str) -> Result<SubmitAnswer, Error> {
        let submit = Submit {
            action: action.to_owned(),
            ..Submit::default()
        };
        let options = SubmitOptions {
            idempotency_key: Some(key.to_owned()),
            ..SubmitOptions::default()
        };
        world
            .ask(agent, &world.keys[agent], async |client: Client| {
                client.action_submit(&submit, &options).await
            })
            .await
    }

    fn action_of(agent: usize, number: usize) -> &'static str {
        if agent >= PATIENT_AGENTS {
            return "db.read";
        }
        ["db.read", "stripe.refund", "slow.thing"][number % 3]
    }

    /// One agent: asks on its node, waits there, takes the permission twice at once.
    async fn work(world: Arc<World>, agent: usize, decisions: mpsc::UnboundedSender<String>) {
        for number in 0.. {
            if !world.running.load(Ordering::Relaxed) {
                return;
            }
            let key = format!("{agent}-{number}");
            let action = action_of(agent, number);
            let asked = Instant::now();
            let answer = submit(&world, agent, &key, action).await.unwrap();
            let took = u64::try_from(asked.elapsed().as_millis()).unwrap();
            world.ledger.longest_millis.fetch_max(took, Ordering::Relaxed);
            world
                .ledger
                .actions
                .lock()
                .unwrap()
                .insert(key.clone(), answer.clone());
            if let Some(approval) = answer.approval_id {
                // The slow ones expire, on whichever node lives.
                if action == "stripe.refund" {
                    decisions.send(approval.clone()).unwrap();
                }
                let ended = wait(&world, agent, &approval).await;
                world.ledger.ends.lock().unwrap().insert(approval, ended.status);
                if ended.status != ApprovalStatus::Approved {
                    continue;
                }
            }
            if agent >= PATIENT_AGENTS {
                continue;
            }
            take(&world, agent, &answer.action_id.replace("act_", "exe_")).await;
        }
    }

    async fn wait(world: &World, agent: usize, approval: &str) -> Approval {
        let query = WaitQuery {
            wait: Some(2),
            ..WaitQuery::default()
        };
        loop {
            let seen = world.ask(agent, &world.keys[agent], async |client: Client| {
                client.approval_view(approval, &query).await
            });
            let seen = seen.await.unwrap();
            if seen.is_terminal {
                return seen;
            }
        }
    }

    /// Two takers on two nodes, each with a key of its own; at most one gets it.
    async fn take(world: &World, agent: usize, execution: &str) {
        let key = &world.keys[agent];
        let taker = |name: &'static str, at: usize| {
            let call = async move |client: Client| client.execution_consume(execution, Some(name)).await;
            world.ask(at, key, call)
        };
        let (one, other) = tokio::join!(taker("one", agent), taker("other", agent + 1));
        let got_it = u32::from(one.is_ok()) + u32::from(other.is_ok());
        *world
            .ledger
            .takers
            .lock()
            .unwrap()
            .entry(execution.to_owned())
            .or_default() += got_it;
    }

    /// People, on any node: two at once decide differently, one of them wins.
    async fn decide(world: Arc<World>, mut decisions: mpsc::UnboundedReceiver<String>) {
        let mut turn = 0;
        while let Some(approval) = decisions.recv().await {
            turn += 1;
            let seen = world.ask(turn, ADMIN_KEY, async |client: Client| {
                client.approval_view(&approval, &WaitQuery::default()).await
            });
            let digest = seen.await.unwrap().digest;
            let vote = |decision, reason: Option<&str>| Decide {
                decision,
                digest: Some(digest.clone()),
                comment: None,
                reason: reason.map(str::to_owned),
                question: None,
                edit: None,
                standing: None,
                always: None,
                view: None,
            };
            let (yes, no) = (
                vote(DecisionKind::Approve, None),
                vote(DecisionKind::Deny, Some("no")),
            );
            let cast = |at: usize, vote: Decide| {
                let (approval, world) = (approval.clone(), Arc::clone(&world));
                async move {
                    // Refused is as good: somebody else was first.
                    drop(
                        world
                            .ask(at, ADMIN_KEY, async |client: Client| {
                                client.approval_decide(&approval, &vote, None).await
                            })
                            .await,
                    );
                }
            };
            if turn % 4 == 0 {
                tokio::join!(cast(turn + 1, yes), cast(turn + 2, no));
            } else {
                cast(turn + 1, yes).await;
            }
        }
    }

    async fn set_up(node: &Node) -> Vec<String> {
        let admin = node.client(ADMIN_KEY);
        let policies = json!([
            {"name": "reads", "actions": ["db.read"], "effect": "allow"},
            {"name": "refunds", "actions": ["stripe.*"], "effect": "require_approval"},
            {"name": "slow", "actions": ["slow.*"], "effect": "require_approval", "approval": {"timeout": "2s"}},
        ]);
        let apply = PolicyApply {
            policies: serde_json::from_value(policies).unwrap(),
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

    /// Kills, stops and wakes nodes in an order that looks like none, and crashes the database once.
    async fn havoc(world: &World, database: &Database, seconds: u64) -> [u32; 3] {
        let (start, mut counts, mut dice) = (Instant::now(), [0; 3], 0x9e37_79b9_u64);
        let span = Duration::from_secs(seconds);
        while start.elapsed() < span {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let roll = dice >> 33;
            let node = &world.nodes[usize::try_from(roll % 3).unwrap()];
            if counts[2] == 0 && start.elapsed() > span / 2 {
                counts[2] += 1;
                tokio::task::block_in_place(|| database.crash());
            } else if roll % 5 < 2 {
                counts[0] += 1;
                node.kill();
                tokio::time::sleep(Duration::from_millis(roll % 300)).await;
                while !tokio::task::block_in_place(|| node.run()) {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            } else {
                counts[1] += 1;
                node.signal("-STOP");
                // Up to past every time-out and lease there is.
                tokio::time::sleep(Duration::from_millis(200 + roll % 5_000)).await;
                node.signal("-CONT");
            }
            tokio::time::sleep(Duration::from_millis(roll % 700)).await;
        }
        counts
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn i9_three_nodes_in_havoc_lose_nothing_and_repeat_nothing() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let seconds = std::env::var("SIGNOFF_TEST_CHAOS_SECONDS").map_or(25, |text| text.parse().unwrap());
        let database = Database::start();
        let nodes: Vec<_> = (0..NODES).map(|_| Node::start(&database.url)).collect();
        let keys = set_up(&nodes[0]).await;
        let world = Arc::new(World {
            nodes,
            running: AtomicBool::new(true),
            ledger: Ledger::default(),
            keys,
        });
        let (send, receive) = mpsc::unbounded_channel();
        let people = tokio::spawn(decide(Arc::clone(&world), receive));
        let agents: Vec<_> = (0..AGENTS)
            .map(|agent| tokio::spawn(work(Arc::clone(&world), agent, send.clone())))
            .collect();
        drop(send);
        let [killed, stopped, crashed] = havoc(&world, &database, seconds).await;
        world.running.store(false, Ordering::Relaxed);
        for agent in agents {
            agent.await.unwrap();
        }
        people.await.unwrap();
        let requests = check(&world).await;
        println!(
            "{requests} requests over {killed} kills, {stopped} stops and {crashed} crash of the database; the longest \
             until one was acknowledged: {} ms",
            world.ledger.longest_millis.load(Ordering::Relaxed)
        );
        assert!(requests > 50, "only {requests} requests: no load");
    }

    /// Everything that was acknowledged is there, once, on every node.
    async fn check(world: &World) -> usize {
        let actions = std::mem::take(&mut *world.ledger.actions.lock().unwrap());
        for (at, (key, answer)) in actions.iter().enumerate() {
            let (agent, number) = key.split_once('-').unwrap();
            let (agent, number): (usize, usize) = (agent.parse().unwrap(), number.parse().unwrap());
            if agent < PATIENT_AGENTS || at % 20 == 0 {
                let action = action_of(agent, number);
                let again = submit(world, agent, key, action).await.unwrap();
                assert_eq!(again.action_id, answer.action_id, "{key} became another action");
            }
        }
        let client = world.nodes[1].client(ADMIN_KEY);
        let ends = world.ledger.ends.lock().unwrap().clone();
        for (approval, status) in &ends {
            let seen = client
                .approval_view(approval, &WaitQuery::default())
                .await
                .unwrap();
            assert_eq!(seen.status, *status, "{approval}: an acknowledged end is another");
        }
        let takers = world.ledger.takers.lock().unwrap().clone();
        for (execution, takers) in &takers {
            assert!(*takers <= 1, "{execution} was taken {takers} times");
            if *takers == 1 {
                let status = client.execution_view(execution).await.unwrap().status;
                assert_eq!(
                    status,
                    ExecutionStatus::Consumed,
                    "{execution}: an acknowledged taking is lost"
                );
            }
        }
        for node in &world.nodes {
            let verified = node.client(ADMIN_KEY).audit_verify(true).await.unwrap();
            assert!(verified.ok, "{:#?}", verified.problems);
        }
        actions.len()
    }
}
