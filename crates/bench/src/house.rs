//! Signoff as `signoff serve` puts it together, with agents, an operator and policies to measure with.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use signoff_core::{
    action::Action,
    condition::{Comparison, Condition, Operator},
    grant::{CredentialKind, Grant, Redaction},
    policy::{PolicyDoc, PolicyEffect, Unmatched},
    requirement::Role,
};
use signoff_egress::{Egress, EgressConfig};
use signoff_engine::{
    Engine, EngineOptions, KeyShape,
    request::{ApplyPolicies, CreateAgent, CreateOperator, SettingsChange},
    view::Caller,
};
use signoff_server::Doors;
use signoff_store::{
    Store, SystemClock,
    postgres::{PostgresOptions, PostgresStore},
    sqlite::SqliteStore,
};
use tokio_util::sync::CancellationToken;

use crate::child::Ready;

const ADMIN_KEY: &str = "an-admin-key-for-benchmarks-0123456789";
const MASTER_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// The action that policy allows without a condition.
pub(crate) const ALLOWED: &str = "refund.small";
/// The action for which policy asks.
pub(crate) const ASKING: &str = "refund.large";
/// The grant that calls are made with.
pub(crate) const GRANT: &str = "upstream";
/// How large what an agent sends along is, as canonical JSON, in bytes.
const PAYLOAD_BYTES: usize = 1024;

/// A running engine and who may use it.
pub(crate) struct House {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn Store>,
    /// The agents' keys.
    pub(crate) agents: Vec<String>,
    /// The token of an operator who may decide.
    pub(crate) operator: String,
}

impl House {
    /// Opens a data directory without making anybody.
    async fn open(data: &Path) -> anyhow::Result<Self> {
        Self::on(Arc::new(SqliteStore::open(data, Arc::new(SystemClock)).await?)).await
    }

    /// A node on a Postgres database, without making anybody.
    pub(crate) async fn node(database: &str) -> anyhow::Result<Self> {
        Self::on(Arc::new(
            PostgresStore::open(PostgresOptions::new(database)).await?,
        ))
        .await
    }

    async fn on(store: Arc<dyn Store>) -> anyhow::Result<Self> {
        let options = EngineOptions {
            store: store.clone(),
            master_key: SecretString::from(MASTER_KEY),
            egress: Egress::new(EgressConfig {
                allow: vec!["127.0.0.0/8".parse()?],
                ..EgressConfig::default()
            })?,
            public_url: "http://127.0.0.1:7070".to_owned(),
            admin_key: Some(SecretString::from(ADMIN_KEY)),
            auto_approve: false,
        };
        let engine = Engine::start(options).await?;
        Ok(Self {
            engine,
            store,
            agents: Vec::new(),
            operator: String::new(),
        })
    }

    /// Opens an empty data directory and makes so many agents, an operator, and a set of policies of which so many are
    /// about other things than refunds.
    pub(crate) async fn build(data: &Path, agents: usize, policies: usize) -> anyhow::Result<Self> {
        Self::open(data).await?.furnished(agents, policies).await
    }

    /// The same with so many agents, an operator and policies.
    pub(crate) async fn furnished(self, agents: usize, policies: usize) -> anyhow::Result<Self> {
        let mut house = self;
        let admin = house.engine.authenticate(ADMIN_KEY).await?;
        for at in 0..agents {
            let create = CreateAgent {
                name: format!("agent-{at}"),
                ..CreateAgent::default()
            };
            let made = house.engine.create_agent(&admin, create, None).await?;
            house.agents.push(shown(made.secret)?);
        }
        let create = CreateOperator {
            name: "Dana".to_owned(),
            email: "dana@example.com".to_owned(),
            role: Role::Member,
            groups: Vec::new(),
            password: None,
        };
        let operator = house
            .engine
            .create_operator(&admin, create, None)
            .await?
            .row
            .id
            .to_string();
        house.operator = shown(
            house
                .engine
                .create_token(&admin, &operator, "bench".to_owned(), KeyShape::Native, None)
                .await?
                .secret,
        )?;
        let apply = ApplyPolicies {
            policies: policy_set(policies),
            ..ApplyPolicies::default()
        };
        house.engine.apply_policies(&admin, apply, None).await?;
        Ok(house)
    }

    /// Gives every agent a grant for an origin, and lets calls pass that no policy is about.
    async fn open_up(&self, origin: String) -> anyhow::Result<()> {
        let admin = self.engine.authenticate(ADMIN_KEY).await?;
        let settings = SettingsChange {
            unmatched_calls: Some(Unmatched::Allow),
            ..SettingsChange::default()
        };
        self.engine.update_workspace(&admin, settings).await?;
        let grant = Grant {
            name: GRANT.to_owned(),
            credential: CredentialKind::Bearer,
            origins: vec![origin],
            methods: Vec::new(),
            paths: Vec::new(),
            agents: vec!["*".to_owned()],
            labels: BTreeMap::new(),
            timeout: None,
            idempotent: None,
            redact: Redaction::default(),
            disabled: false,
        };
        let value = SecretString::from("a-credential-for-benchmarks-0123456789");
        self.engine.create_grant(&admin, grant, value, None).await?;
        Ok(())
    }

    /// The agents as callers.
    pub(crate) async fn callers(&self) -> anyhow::Result<Vec<Caller>> {
        let mut callers = Vec::with_capacity(self.agents.len());
        for key in &self.agents {
            callers.push(self.engine.authenticate(key).await?);
        }
        Ok(callers)
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) {
        self.engine.stop().await;
        self.store.close().await;
    }
}

fn shown(secret: Option<SecretString>) -> anyhow::Result<String> {
    Ok(secret.context("a new key is shown")?.expose_secret().to_owned())
}

/// Arguments of the server process.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The data directory.
    #[arg(long, required_unless_present = "database")]
    data: Option<PathBuf>,
    /// A Postgres database instead.
    #[arg(long)]
    database: Option<String>,
    /// How many agents to make; none opens what is there.
    #[arg(long, default_value_t = 0)]
    agents: usize,
    /// How many policies to make.
    #[arg(long, default_value_t = 10)]
    policies: usize,
    /// The origin that every agent may call.
    #[arg(long)]
    upstream: Option<String>,
}

/// The whole server, as `signoff serve` serves it.
pub(crate) async fn serve(args: Args) -> anyhow::Result<Ready> {
    let house = match (&args.database, &args.data) {
        (Some(database), _) => House::node(database).await?,
        (None, Some(data)) => House::open(data).await?,
        (None, None) => anyhow::bail!("no place for data"),
    };
    let house = match args.agents {
        0 => house,
        agents => house.furnished(agents, args.policies).await?,
    };
    if let Some(origin) = args.upstream {
        house.open_up(origin).await?;
    }
    let router = signoff_server::router(Doors::new(house.engine.clone(), CancellationToken::new()));
    Ok(Ready {
        router,
        agents: house.agents,
        operator: house.operator,
    })
}

/// The action that exactly one of the first `count` policies, at this place, is about.
pub(crate) fn action_of(at: usize) -> String {
    format!("svc{at:05}.write")
}

/// A set of so many policies of every kind, and those about refunds. Every action of [`action_of`] meets one of them and
/// the one about everything, however many others there are.
fn policy_set(count: usize) -> Vec<PolicyDoc> {
    let mut all: Vec<PolicyDoc> = (0..count.saturating_sub(3)).map(pool_policy).collect();
    let mut everything = PolicyDoc::new("huge", PolicyEffect::Deny);
    everything.conditions = vec![amount(Operator::Gt, 1_000_000)];
    all.push(everything);
    all.push(about("small-refunds", ALLOWED, PolicyEffect::Allow));
    all.push(about("large-refunds", ASKING, PolicyEffect::RequireApproval));
    all
}

fn pool_policy(at: usize) -> PolicyDoc {
    let action = action_of(at);
    let pattern = match at % 10 {
        0..=4 => action,
        5 | 6 => format!("svc{at:05}.*"),
        7 => format!("*{at:05}.write"),
        8 => format!("svc{at:05}*e"),
        _ => format!("svc{at:05}.writ?"),
    };
    let mut policy = about(&format!("policy-{at:05}"), &pattern, PolicyEffect::Conditional);
    policy.conditions = vec![amount(Operator::Lte, 500)];
    if at % 10 == 4 {
        policy.agents = vec!["agent-*".to_owned()];
    }
    policy
}

fn about(name: &str, action: &str, effect: PolicyEffect) -> PolicyDoc {
    let mut policy = PolicyDoc::new(name, effect);
    policy.actions = vec![action.to_owned()];
    policy
}

fn amount(operator: Operator, value: u32) -> Condition {
    Condition::Comparison(Comparison {
        field: "amount".to_owned(),
        operator,
        value: Some(json!(value)),
    })
}

/// What an agent sends along: 1 KB as JSON.
fn context() -> Map<String, Value> {
    let mut context = json!({
        "amount": 120, "currency": "USD", "customer": "cus_0123456789", "ticket": "https://example.com/tickets/4711",
        "items": [{"sku": "A-100", "count": 2}, {"sku": "B-220", "count": 1}], "notes": "",
    });
    let missing = PAYLOAD_BYTES.saturating_sub(context.to_string().len());
    context["notes"] = "the parcel arrived damaged; "
        .chars()
        .cycle()
        .take(missing)
        .collect::<String>()
        .into();
    context.as_object().cloned().unwrap_or_default()
}

/// What an agent asks, as the engine takes it.
pub(crate) fn action(name: &str) -> Action {
    let mut action = Action::named(name);
    action.context = context();
    action
}

/// The same as the body of a request.
pub(crate) fn body(name: &str) -> String {
    json!({"action": name, "context": context()}).to_string()
}
