//! A server on a free port, with principals of every kind and policies of every effect.

use std::time::Duration;

use reqwest::{Method, StatusCode, header::HeaderMap};
use secrecy::SecretString;
use serde_json::{Value, json};
use signoff_egress::{Egress, EgressConfig};
use signoff_engine::{Engine, EngineOptions};
use signoff_server::Doors;
use signoff_testkit::{EchoUpstream, Place};
use tokio_util::sync::CancellationToken;

/// A value that must be found nowhere.
pub(crate) const CANARY: &str = "canary-7f3a9c51e0b24d68";
const ADMIN_KEY: &str = "an-admin-key-for-tests-of-32-characters-or-more";

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Stranger,
    Agent,
    OtherAgent,
    Application,
    Viewer,
    Member,
    Admin,
    Automation,
}

/// A running server and the keys of everybody.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) engine: Engine,
    pub(crate) stopping: CancellationToken,
    pub(crate) http: reqwest::Client,
    /// Ids of the operators: viewer, member, admin.
    pub(crate) operators: [String; 3],
    agent: String,
    other_agent: String,
    application: String,
    tokens: [String; 3],
    /// Says what it was sent.
    pub(crate) upstream: EchoUpstream,
    _place: Place,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self {
            status,
            headers,
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// One text of the answer, such as an id.
    pub(crate) fn text_of(&self, field: &str) -> String {
        self.json()[field]
            .as_str()
            .unwrap_or_else(|| panic!("no `{field}` in {}", self.text))
            .to_owned()
    }

    pub(crate) fn code(&self) -> String {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{}",
            self.text
        );
        self.text_of("code")
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        self
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let place = Place::fresh().await;
        let options = EngineOptions {
            store: place.open_by_its_own_clock().await,
            master_key: SecretString::from("5a".repeat(32)),
            egress: Egress::new(EgressConfig {
                allow: vec!["127.0.0.1/32".parse().unwrap()],
                ..EgressConfig::default()
            })
            .unwrap(),
            public_url: "http://signoff.test".into(),
            admin_key: Some(SecretString::from(ADMIN_KEY)),
            auto_approve: false,
        };
        let engine = Engine::start(options).await.unwrap();
        let stopping = CancellationToken::new();
        let router = signoff_server::router(Doors::new(engine.clone(), stopping.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let mut world = Self {
            url,
            engine,
            stopping,
            http,
            operators: Default::default(),
            agent: String::new(),
            other_agent: String::new(),
            application: String::new(),
            tokens: Default::default(),
            upstream: EchoUpstream::start().await,
            _place: place,
        };
        world.populate().await;
        world
    }

    async fn populate(&mut self) {
        self.agent = self
            .admin("POST", "/v1/agents", json!({"name": "bot"}))
            .await
            .text_of("api_key");
        self.other_agent = self
            .admin("POST", "/v1/agents", json!({"name": "other"}))
            .await
            .text_of("api_key");
        let application = json!({"name": "app", "agents": ["app-*"], "register_new": true});
        self.application = self
            .admin("POST", "/v1/applications", application)
            .await
            .text_of("api_key");
        for (at, role) in ["viewer", "member", "admin"].into_iter().enumerate() {
            let operator = json!({"name": role, "email": format!("{role}@example.com"), "role": role});
            self.operators[at] = self.admin("POST", "/v1/operators", operator).await.text_of("id");
            let tokens = format!("/v1/operators/{}/tokens", self.operators[at]);
            self.tokens[at] = self.admin("POST", &tokens, json!({})).await.text_of("token");
        }
        let policies = json!({"policies": [
            {"name": "allow", "actions": ["allow.*"], "effect": "allow"},
            {"name": "ask", "actions": ["ask.*"], "effect": "require_approval"},
            {"name": "deny", "actions": ["deny.*"], "effect": "deny"}
        ]});
        self.admin("PUT", "/v1/policies", policies).await;
    }

    pub(crate) fn key(&self, who: Who) -> Option<&str> {
        match who {
            Who::Stranger => None,
            Who::Agent => Some(&self.agent),
            Who::OtherAgent => Some(&self.other_agent),
            Who::Application => Some(&self.application),
            Who::Viewer => Some(&self.tokens[0]),
            Who::Member => Some(&self.tokens[1]),
            Who::Admin => Some(&self.tokens[2]),
            Who::Automation => Some(ADMIN_KEY),
        }
    }

    /// A request that is not sent yet.
    pub(crate) fn request(&self, who: Who, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method: Method = method.parse().unwrap();
        let request = self.http.request(method, format!("{}{path}", self.url));
        match self.key(who) {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    pub(crate) async fn call(&self, who: Who, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let request = self.request(who, method, path);
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(body.to_string()),
            None => request,
        };
        Reply::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, who: Who, path: &str) -> Reply {
        self.call(who, "GET", path, None).await
    }

    pub(crate) async fn post(&self, who: Who, path: &str, body: Value) -> Reply {
        self.call(who, "POST", path, Some(&body)).await
    }

    async fn admin(&self, method: &str, path: &str, body: Value) -> Reply {
        self.call(Who::Automation, method, path, Some(&body)).await.ok()
    }

    /// Submits an action and answers what came back. An application asks for an agent of its own.
    pub(crate) async fn submit(&self, who: Who, action: &str) -> Value {
        let mut body = json!({"action": action, "context": {"n": 1}, "accepts": ["info_requests"]});
        if who == Who::Application {
            body["agent"] = json!("app-bot");
        }
        self.post(who, "/v1/actions", body).await.ok().json()
    }

    /// A grant for the upstream, held by every agent unless `more` says otherwise.
    pub(crate) async fn grant(&self, name: &str, more: Value) -> Value {
        let mut grant = json!({
            "name": name, "credential": {"type": "bearer"}, "value": CANARY, "origins": [self.upstream.url("")],
            "agents": ["*"]
        });
        let more = more.as_object().unwrap().clone();
        grant.as_object_mut().unwrap().extend(more);
        self.admin("POST", "/v1/grants", grant).await.json()
    }

    /// Approves what waits, or denies it.
    pub(crate) async fn decide(&self, approval: &str, approve: bool) {
        let path = format!("/v1/approvals/{approval}");
        let digest = self.get(Who::Member, &path).await.ok().text_of("digest");
        let decision = if approve {
            json!({"decision": "approve", "digest": digest})
        } else {
            json!({"decision": "deny", "reason": "not today"})
        };
        self.post(Who::Member, &format!("{path}/decide"), decision)
            .await
            .ok();
    }

    /// Where the log stands.
    pub(crate) async fn head(&self) -> u64 {
        let newest = self
            .get(Who::Automation, "/v1/audit/events?limit=1")
            .await
            .ok()
            .json();
        newest["items"][0]["sequence"].as_u64().unwrap()
    }
}
