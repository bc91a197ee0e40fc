//! Several engines on one Postgres, as several nodes are: who waits on one is woken by what another wrote, nothing rests
//! on what another changed since, and whatever is cut in between, what was acknowledged is there once.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

mod on_postgres {
    mod calls;
    mod identical;
    mod lost_commits;
    mod messages;
    mod proxy;
    mod standing;
    mod stops;
    mod velocity;

    use std::{
        collections::{BTreeMap, BTreeSet},
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use futures_util::future::join_all;
    use secrecy::ExposeSecret as _;
    use serde_json::json;
    use signoff_core::{
        event::{ApprovalStatus, Event},
        id::RawId,
        policy::{ApprovalTerms, Effect, PolicyDoc, PolicyEffect},
        requirement::Role,
        time::Micros,
    };
    use signoff_engine::{
        Engine, EngineError,
        request::{CreateChannel, Submit, Until, UpdateOperator},
        view::Caller,
    };
    use signoff_store::Claim;
    use signoff_testkit::{Answer, Backend, FakeClock, Place, TemporaryStore, WebhookReceiver};

    use super::common::{ADMIN_KEY, House, policy, start, submit};

    /// So many nodes on one database, on one clock.
    async fn nodes(count: usize) -> Vec<House> {
        let place = Arc::new(Place::on(Backend::Postgres).await);
        let clock = FakeClock::default();
        join_all((0..count).map(|_| node(Arc::clone(&place), clock.clone()))).await
    }

    async fn node(place: Arc<Place>, clock: FakeClock) -> House {
        house(TemporaryStore::open_at(place, clock).await).await
    }

    async fn house(kept: TemporaryStore) -> House {
        let engine = start(&kept, false).await;
        let admin = engine.authenticate(ADMIN_KEY).await.unwrap();
        let clock = kept.clock.clone();
        House {
            engine,
            kept,
            clock,
            admin,
        }
    }

    fn refunds(quorum: u32) -> PolicyDoc {
        let approval = ApprovalTerms {
            quorum: Some(quorum),
            ..ApprovalTerms::default()
        };
        PolicyDoc {
            approval,
            ..policy("refunds", &["stripe.*"], PolicyEffect::RequireApproval)
        }
    }

    /// Waits until all nodes know them. Doors see to that when somebody knocks; these tests go past the doors.
    async fn known(nodes: &[House], callers: &[Caller]) {
        for node in nodes {
            for caller in callers {
                while node.engine.me(caller).is_err() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nodes_that_start_at_once_make_one_workspace_between_them() {
        let nodes = nodes(3).await;
        let stores = join_all(nodes.iter().map(|node| node.kept.store.workspaces())).await;
        assert!(stores.iter().all(|found| found.as_ref().unwrap().len() == 1));
        let link = |node: &House| node.engine.setup_token().unwrap().expose_secret().to_owned();
        assert_eq!(
            link(&nodes[0]),
            link(&nodes[2]),
            "a first-run link works on every node"
        );
        nodes[1].assert_verifies().await;
    }

    /// What one node acknowledged another knows when it is asked, without anybody waiting in between.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_key_made_on_one_node_opens_on_another_at_once() {
        let nodes = nodes(3).await;
        for round in 0..20 {
            let (here, there) = (&nodes[round % 3], &nodes[(round + 1) % 3]);
            let create = signoff_engine::request::CreateAgent {
                name: format!("agent-{round}"),
                ..Default::default()
            };
            let made = here.engine.create_agent(&here.admin, create, None).await.unwrap();
            let key = made.secret.unwrap();
            assert!(
                there.engine.authenticate(key.expose_secret()).await.is_ok(),
                "round {round}"
            );
        }
    }

    /// Agents wait on A, people decide on B, the clock runs on C.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_waits_on_one_node_is_woken_by_what_another_decides() {
        let nodes = nodes(3).await;
        nodes[0].apply(vec![refunds(1)]).await;
        let agent = nodes[0].agent("a").await;
        let dana = nodes[1].operator("dana", Role::Member).await;
        for round in 0..30 {
            let id = nodes[0].ask(&agent, "stripe.refund").await;
            let waiting = {
                let (engine, agent) = (nodes[0].engine.clone(), agent.clone());
                tokio::spawn(async move {
                    engine
                        .wait(&agent, id, Until::Decided, Duration::from_secs(30))
                        .await
                })
            };
            while nodes[0].engine.numbers().waiters == 0 {
                tokio::task::yield_now().await;
            }
            let expected = if round % 3 == 2 {
                nodes[2].clock.advance(Micros::seconds(3_600));
                nodes[2].engine.tick().await.unwrap();
                ApprovalStatus::Expired
            } else {
                nodes[1].approve(&dana, id).await.unwrap();
                ApprovalStatus::Approved
            };
            assert_eq!(
                waiting.await.unwrap().unwrap().row.status,
                expected,
                "round {round}"
            );
        }
        nodes[2].assert_verifies().await;
    }

    /// Behind a pooler nothing is announced: nodes look, and come to the same.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nodes_that_hear_nothing_of_each_other_look() {
        let place = Arc::new(Place::on(Backend::Postgres).await);
        let writes = node(Arc::clone(&place), FakeClock::default()).await;
        writes.apply(vec![refunds(1)]).await;
        let agent = writes.agent("a").await;
        let dana = writes.operator("dana", Role::Member).await;
        let kept = TemporaryStore {
            store: place.open_pooled(Arc::new(writes.clock.clone())).await,
            clock: writes.clock.clone(),
            place: Arc::clone(&place),
        };
        let looks = house(kept).await;
        let id = looks.ask(&agent, "stripe.refund").await;
        let waiting = looks
            .engine
            .wait(&agent, id, Until::Decided, Duration::from_secs(30));
        let (waited, decided) = tokio::join!(waiting, async {
            while looks.engine.numbers().waiters == 0 {
                tokio::task::yield_now().await;
            }
            writes.approve(&dana, id).await
        });
        decided.unwrap();
        assert_eq!(waited.unwrap().row.status, ApprovalStatus::Approved);
        // A dry run judges by the snapshot, which follows by itself.
        writes
            .apply(vec![policy("never", &["stripe.*"], PolicyEffect::Deny)])
            .await;
        while looks
            .engine
            .check(&agent, &submit("stripe.refund", json!({})))
            .await
            .unwrap()
            .verdict
            .effect
            != Effect::Deny
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        looks.assert_verifies().await;
    }

    /// Whoever watches sees every record once and in order, whichever node wrote it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_watches_a_node_is_told_of_every_record_in_order() {
        let nodes = nodes(3).await;
        nodes[0].apply(vec![refunds(1)]).await;
        let mut feeds = Vec::new();
        for node in &nodes {
            feeds.push(node.engine.notices(&node.admin).unwrap());
        }
        let agents = join_all(nodes.iter().enumerate().map(|(at, node)| {
            let name = format!("a{at}");
            async move { node.agent(&name).await }
        }))
        .await;
        known(&nodes, &agents).await;
        let submits = nodes
            .iter()
            .zip(&agents)
            .flat_map(|(node, agent)| (0..40).map(move |_| node.ask(agent, "stripe.refund")));
        join_all(submits).await;
        let last = nodes[0]
            .kept
            .store
            .heads()
            .await
            .unwrap()
            .values()
            .next()
            .unwrap()
            .seq;
        for feed in &mut feeds {
            let mut previous = None;
            while previous != Some(last) {
                let notice = tokio::time::timeout(Duration::from_secs(20), feed.recv()).await;
                let seq = notice.expect("the feed goes on").unwrap().seq;
                assert!(
                    previous.is_none_or(|before| seq == before + 1),
                    "{previous:?} then {seq}"
                );
                previous = Some(seq);
            }
        }
    }

    /// I4: 64 clients on three nodes decide the same approval: one end, and exactly the votes that led to it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn i4_64_clients_on_three_nodes_bring_one_end_with_the_exact_quorum() {
        let rounds: usize = std::env::var("SIGNOFF_TEST_ROUNDS").map_or(15, |text| text.parse().unwrap());
        let nodes = Arc::new(nodes(3).await);
        nodes[0].apply(vec![refunds(3)]).await;
        let agent = nodes[0].agent("a").await;
        let mut people = Vec::new();
        for number in 0..16 {
            people.push(
                nodes[number % 3]
                    .operator(&format!("p{number}"), Role::Member)
                    .await,
            );
        }
        known(&nodes, &people).await;
        known(&nodes, std::slice::from_ref(&agent)).await;
        for round in 0..rounds {
            let id = nodes[round % 3].ask(&agent, "stripe.refund").await;
            let votes = (0..64).map(|client| {
                let (nodes, person) = (Arc::clone(&nodes), people[client % 16].clone());
                tokio::spawn(async move {
                    let node = &nodes[client % 3];
                    // Four tries of each person; every eighth person says no.
                    let counted = if client % 8 == 7 && round % 2 == 1 {
                        node.deny(&person, id).await
                    } else {
                        node.approve(&person, id).await
                    };
                    counted.is_ok()
                })
            });
            let counted = join_all(votes)
                .await
                .into_iter()
                .filter(|vote| *vote.as_ref().unwrap())
                .count();
            let row = nodes[(round + 1) % 3]
                .engine
                .approval(&agent, id)
                .await
                .unwrap()
                .row;
            assert!(row.status.is_terminal(), "round {round}: {}", row.status);
            let for_it = row.votes.iter().filter(|vote| vote.counted).count();
            match row.status {
                ApprovalStatus::Approved => assert_eq!(for_it, 3, "round {round}"),
                ApprovalStatus::Denied => assert_eq!(for_it, 1, "round {round}"),
                other => panic!("round {round}: {other}"),
            }
            assert_eq!(
                counted,
                row.votes.len(),
                "what was acknowledged is what stands, round {round}"
            );
            let people_heard: BTreeSet<_> = row.votes.iter().map(|vote| vote.actor.id.clone()).collect();
            assert_eq!(people_heard.len(), row.votes.len(), "one person, one vote");
        }
        nodes[1].assert_verifies().await;
    }

    /// I4: of many takers on three nodes one gets the permission.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn i4_a_permission_is_taken_once_whichever_node_is_asked() {
        let nodes = Arc::new(nodes(3).await);
        nodes[0].apply(vec![refunds(1)]).await;
        let agent = nodes[0].agent("a").await;
        let dana = nodes[1].operator("dana", Role::Member).await;
        known(&nodes, &[agent.clone(), dana.clone()]).await;
        for round in 0..10 {
            let id = nodes[0].ask(&agent, "stripe.refund").await;
            nodes[1].approve(&dana, id).await.unwrap();
            let takers = (0..12).map(|taker| {
                let (nodes, agent) = (Arc::clone(&nodes), agent.clone());
                tokio::spawn(async move {
                    let execution = id.action().execution();
                    nodes[taker % 3]
                        .engine
                        .consume(&agent, execution, None)
                        .await
                        .is_ok()
                })
            });
            let taken = join_all(takers)
                .await
                .into_iter()
                .filter(|taken| *taken.as_ref().unwrap())
                .count();
            assert_eq!(taken, 1, "round {round}");
        }
    }

    /// I8: once B has acknowledged a tighter policy, nothing that A records rests on the one before.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn i8_a_policy_tightened_on_one_node_holds_on_all_once_acknowledged() {
        let nodes = Arc::new(nodes(3).await);
        nodes[1]
            .apply(vec![policy("sends", &["mail.*"], PolicyEffect::Allow)])
            .await;
        let agents = join_all((0..2).map(|at| {
            let node = &nodes[at];
            async move { node.agent(&format!("a{at}")).await }
        }))
        .await;
        known(&nodes, &agents).await;
        let running = Arc::new(AtomicBool::new(true));
        let load: Vec<_> = (0..8)
            .map(|client| {
                let (nodes, agent) = (Arc::clone(&nodes), agents[client % 2].clone());
                let running = Arc::clone(&running);
                tokio::spawn(async move {
                    while running.load(Ordering::Relaxed) {
                        let node = &nodes[[0, 2][client % 2]];
                        node.engine
                            .submit(&agent, submit("mail.send", json!({})), None)
                            .await
                            .unwrap();
                    }
                })
            })
            .collect();
        let mut tightened = Vec::new();
        for round in 0..10 {
            let effect = [PolicyEffect::Deny, PolicyEffect::Allow][round % 2];
            let applied = nodes[1].apply(vec![policy("sends", &["mail.*"], effect)]).await;
            tightened.push((applied.version, effect));
            let (engine, agent) = (&nodes[0].engine, &agents[0]);
            let verdict = engine
                .submit(agent, submit("mail.send", json!({})), None)
                .await
                .unwrap()
                .effect;
            let allowed = verdict == Effect::Allow;
            assert_eq!(allowed, effect == PolicyEffect::Allow, "by answer, round {round}");
        }
        running.store(false, Ordering::Relaxed);
        for client in load {
            client.await.unwrap();
        }
        // And by the order of the log: each verdict is that of the policy in force at its place.
        let mut in_force = PolicyEffect::Allow;
        for view in nodes[2].log().await {
            match &view.record.event {
                Event::PolicyPut(put) => in_force = put.policy.effect,
                Event::ActionAllowed(_) => assert_eq!(in_force, PolicyEffect::Allow, "{}", view.record.seq),
                Event::ActionDenied(_) => assert_eq!(in_force, PolicyEffect::Deny, "{}", view.record.seq),
                _ => {}
            }
        }
        nodes[0].assert_verifies().await;
    }

    /// I8: an operator switched off on B decides nothing on A any more.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn i8_an_operator_revoked_on_one_node_decides_nowhere() {
        let nodes = nodes(2).await;
        nodes[0].apply(vec![refunds(1)]).await;
        let agent = nodes[0].agent("a").await;
        for round in 0..10 {
            let name = format!("p{round}");
            let person = nodes[0].operator(&name, Role::Member).await;
            let id = nodes[0].ask(&agent, "stripe.refund").await;
            let digest = nodes[0].engine.approval(&person, id).await.unwrap().row.digest;
            let off = UpdateOperator {
                disabled: Some(true),
                ..UpdateOperator::default()
            };
            let who = format!("{name}@example.com");
            nodes[1]
                .engine
                .update_operator(&nodes[1].admin, &who, off)
                .await
                .unwrap();
            let decide = signoff_engine::request::Decide {
                decision: signoff_engine::request::Decision::Approve {
                    digest,
                    comment: None,
                    scope: signoff_engine::request::Scope::Once,
                },
                view: None,
            };
            let refused = nodes[0]
                .engine
                .decide(&person, id, decide, None)
                .await
                .unwrap_err();
            assert!(
                matches!(refused, EngineError::Unauthorized),
                "round {round}: {refused}"
            );
        }
    }

    /// The deadlines of a node that is gone are met by another.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn another_node_meets_the_deadlines_of_one_that_is_gone() {
        let mut nodes = nodes(2).await;
        nodes[0].apply(vec![refunds(1)]).await;
        let agent = nodes[0].agent("a").await;
        known(&nodes, std::slice::from_ref(&agent)).await;
        let id = nodes[0].ask(&agent, "stripe.refund").await;
        let gone = nodes.remove(0);
        gone.engine.stop().await;
        let waiting = nodes[0]
            .engine
            .wait(&agent, id, Until::Decided, Duration::from_secs(30));
        nodes[0].clock.advance(Micros::seconds(3_600));
        assert_eq!(waiting.await.unwrap().row.status, ApprovalStatus::Expired);
    }
}
