//! An engine on a temporary store, of the backend of this run, with a clock that tests turn.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by several test programs; a failed step is a failed test"
)]

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use signoff_core::{
    action::Action,
    id::ApprovalId,
    policy::{PolicyDoc, PolicyEffect},
    requirement::Role,
};
use signoff_egress::{Egress, EgressConfig};
use signoff_engine::{
    Engine, EngineOptions, KeyShape,
    request::{ApplyPolicies, CreateAgent, CreateOperator, Decide, Decision, EventFilter, Submit},
    view::{ApprovalView, Caller, EventView, PoliciesApplied},
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
