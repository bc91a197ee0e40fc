//! An engine on a temporary store, of the backend of this run, with a clock that tests turn.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by several test programs; a failed step is a failed test"
)]

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use signoff_core::{
    action::Action,
    id::ApprovalId,
    policy::{PolicyDoc, PolicyEffect},
    requirement::Role,
    time::Micros,
};
use signoff_egress::{Egress, EgressConfig};
use signoff_engine::{
    Engine, EngineOptions, KeyShape,
    request::{ApplyPolicies, CreateAgent, CreateOperator, Decide, Decision, EventFilter, Submit},
    view::{ApprovalView, Caller, DeliveryState, DeliveryView, EventView, PoliciesApplied},
};
use signoff_testkit::{Backdoor, FakeClock, TemporaryStore};

pub(crate) const ADMIN_KEY: &str = "an-admin-key-for-tests-0123456789abcdef";
pub(crate) const MASTER_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

pub(crate) struct House {
    pub(crate) engine: Engine,
    pub(crate) kept: TemporaryStore,
    pub(crate) clock: FakeClock,
    pub(crate) admin: Caller,
}

/// Starts an engine on this store.
pub(crate) async fn start(kept: &TemporaryStore, auto_approve: bool) -> Engine {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Receivers of tests listen here; a real server says so with --egress-allow.
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let egress = EgressConfig {
        allow,
        ..EgressConfig::default()
    };
    let options = EngineOptions {
        store: kept.store.clone(),
        master_key: SecretString::from(MASTER_KEY),
        egress: Egress::new(egress).unwrap(),
        public_url: "http://127.0.0.1:7070".into(),
        admin_key: Some(SecretString::from(ADMIN_KEY)),
        auto_approve,
    };
    Engine::start(options).await.unwrap()
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(false).await
    }

    pub(crate) async fn with(auto_approve: bool) -> Self {
        Self::on(TemporaryStore::open().await, auto_approve).await
    }

    async fn on(kept: TemporaryStore, auto_approve: bool) -> Self {
        let engine = start(&kept, auto_approve).await;
        let admin = engine.authenticate(ADMIN_KEY).await.unwrap();
        let clock = kept.clock.clone();
        Self {
            engine,
            kept,
            clock,
            admin,
        }
    }

    /// Stops, and opens the same data again.
    pub(crate) async fn reopen(self) -> Self {
        let Self { engine, kept, .. } = self;
        engine.stop().await;
        drop(engine);
        Self::on(kept.reopen().await, false).await
    }

    /// A way to the data that goes past the engine and its store.
    pub(crate) async fn backdoor(&self) -> Backdoor {
        self.kept.backdoor().await
    }

    pub(crate) async fn agent(&self, name: &str) -> Caller {
        let create = CreateAgent {
            name: name.into(),
            ..CreateAgent::default()
        };
        let made = self.engine.create_agent(&self.admin, create, None).await.unwrap();
        self.engine
            .authenticate(made.secret.unwrap().expose_secret())
            .await
            .unwrap()
    }

    pub(crate) async fn operator(&self, name: &str, role: Role) -> Caller {
        let create = CreateOperator {
            name: name.into(),
            email: format!("{name}@example.com"),
            role,
            groups: Vec::new(),
            password: None,
        };
        let made = self
            .engine
            .create_operator(&self.admin, create, None)
            .await
            .unwrap();
        let id = made.row.id.to_string();
        let token = self
            .engine
            .create_token(&self.admin, &id, "test".into(), KeyShape::Native, None)
            .await
            .unwrap();
        self.engine
            .authenticate(token.secret.unwrap().expose_secret())
            .await
            .unwrap()
    }

    pub(crate) async fn apply(&self, policies: Vec<PolicyDoc>) -> PoliciesApplied {
        let apply = ApplyPolicies {
            policies,
            ..ApplyPolicies::default()
        };
        self.engine
            .apply_policies(&self.admin, apply, None)
            .await
            .unwrap()
    }

    pub(crate) async fn ask(&self, agent: &Caller, action: &str) -> ApprovalId {
        let submitted = self
            .engine
            .submit(agent, submit(action, json!({})), None)
            .await
            .unwrap();
        submitted.approval_id.expect("it asks")
    }

    /// Lets time pass once nothing that is due is under way any more: when a message arrived is kept by the clock that then
    /// shows, and a lease that ends meanwhile sends it once more. The agent's request for `nudge` wakes the worker, which else
    /// would sleep by the real clock.
    pub(crate) async fn pass(&self, time: Micros, agent: &Caller, nudge: &str) {
        self.all_tried().await;
        self.clock.advance(time);
        self.ask(agent, nudge).await;
    }

    /// Waits until all that is to be told was made into deliveries, and every one that is due was tried.
    pub(crate) async fn all_tried(&self) {
        let mut database = self.backdoor().await;
        for _ in 0..500 {
            let outbox = database.rows("SELECT count(*) FROM outbox").await;
            if outbox[0][0].integer() == 0 && self.due().await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("these are due and were not tried: {:?}", self.due().await);
    }

    /// What is due, and waits for no earlier message about the same request.
    async fn due(&self) -> Vec<DeliveryView> {
        let now = self.clock.advance(Micros(0));
        let channels = self.engine.channels(&self.admin, None, None, 100).unwrap();
        let mut due = Vec::new();
        for channel in channels.items {
            let (mut waiting, mut beyond) = (Vec::new(), None);
            loop {
                let page = self.engine.deliveries(&self.admin, channel.id, beyond, 200).await;
                let page = page.unwrap();
                waiting.extend(
                    page.items
                        .into_iter()
                        .filter(|one| one.state == DeliveryState::Waiting),
                );
                beyond = page.next;
                if beyond.is_none() {
                    break;
                }
            }
            let first = |one: &DeliveryView| {
                let mut earlier = waiting.iter().filter(|other| other.seq < one.seq);
                earlier.all(|other| other.subject != one.subject)
            };
            let is_due = |one: &&DeliveryView| one.next_at.is_none_or(|at| at <= now) && first(one);
            due.extend(waiting.iter().filter(is_due).cloned());
        }
        due
    }

    pub(crate) async fn approve(
        &self,
        operator: &Caller,
        id: ApprovalId,
    ) -> Result<ApprovalView, signoff_engine::EngineError> {
        let digest = self.engine.approval(operator, id).await.unwrap().row.digest;
        let decide = Decide {
            decision: Decision::Approve {
                digest,
                comment: None,
                scope: signoff_engine::request::Scope::Once,
            },
            view: None,
        };
        self.engine.decide(operator, id, decide, None).await
    }

    pub(crate) async fn deny(
        &self,
        operator: &Caller,
        id: ApprovalId,
    ) -> Result<ApprovalView, signoff_engine::EngineError> {
        let decide = Decide {
            decision: Decision::Deny {
                digest: None,
                reason: "no".into(),
            },
            view: None,
        };
        self.engine.decide(operator, id, decide, None).await
    }

    /// Every record, oldest first.
    pub(crate) async fn log(&self) -> Vec<EventView> {
        let (mut all, mut beyond) = (Vec::new(), None);
        loop {
            let filter = EventFilter {
                oldest_first: true,
                beyond,
                limit: 200,
                ..EventFilter::default()
            };
            let page = self.engine.events(&self.admin, &filter).await.unwrap();
            all.extend(page.items);
            match page.next {
                Some(next) => beyond = Some(next),
                None => return all,
            }
        }
    }

    /// The log is whole and the store is what it adds up to.
    pub(crate) async fn assert_verifies(&self) {
        let verification = self.engine.verify(&self.admin, true).await.unwrap();
        assert!(verification.ok, "{:#?}", verification.faults);
    }
}

pub(crate) fn policy(name: &str, actions: &[&str], effect: PolicyEffect) -> PolicyDoc {
    PolicyDoc {
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        ..PolicyDoc::new(name, effect)
    }
}

pub(crate) fn submit(action: &str, context: Value) -> Submit {
    let mut asked = Action::named(action);
    if let Value::Object(context) = context {
        asked.context = context;
    }
    Submit::of(asked)
}
