//! A Slack workspace beside an engine: its app, its people, and hands that press and type.

#![allow(dead_code, reason = "what one test program needs")]

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use signoff_core::{
    action::{Accepts, Risk},
    actor::Principal,
    channel::ChannelKind,
    id::{ApprovalId, ChannelId, OperatorId, RawId},
    requirement::Role,
    time::Micros,
};
use signoff_engine::{
    EngineResult,
    request::{CreateChannel, UpdateChannel},
    slack::{Signed, Taken},
    view::{ApprovalView, Caller},
};
use signoff_store::{Claim, Lease};
use signoff_testkit::{Cell, FakeSlack};

use crate::{
    common::{House, submit},
    rules::policies,
};

pub(crate) const TEAM: &str = "T0ACME";
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
/// How long a test waits for what must not happen.
pub(crate) const WAIT: Duration = Duration::from_millis(300);
const PATIENCE: u32 = 500;

pub(crate) struct Desk {
    pub(crate) house: House,
    pub(crate) slack: FakeSlack,
    pub(crate) channel: ChannelId,
    pub(crate) agent: Caller,
    pub(crate) dana: Caller,
    pub(crate) erin: Caller,
    pub(crate) viewer: Caller,
}

pub(crate) fn id_of(caller: &Caller) -> OperatorId {
    match &caller.principal {
        Principal::Operator { id, .. } => *id,
        other => panic!("no operator: {other:?}"),
    }
}

fn fresh() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

impl Desk {
    pub(crate) async fn new() -> Self {
        Self::with_quorum(1).await
    }

    pub(crate) async fn with_quorum(quorum: u32) -> Self {
        let (house, slack) = (House::new().await, FakeSlack::start().await);
        let settings = json!({
            "bot_token": "xoxb-canary-5d1f", "signing_secret": SECRET, "team": TEAM, "conversation": "C0OPS",
            "api_url": slack.api_url()
        });
        let create = CreateChannel {
            name: "ops".into(),
            kind: ChannelKind::Slack,
            settings: settings.as_object().unwrap().clone(),
            events: Vec::new(),
            named_only: false,
            window: Some(Micros(0)),
        };
        let made = house
            .engine
            .create_channel(&house.admin, create, None)
            .await
            .unwrap();
        house.apply(policies(quorum)).await;
        let [dana, erin, viewer]: [Caller; 3] = people(&house).await.try_into().unwrap();
        let desk = Self {
            agent: house.agent("bot").await,
            channel: made.made.id,
            house,
            slack,
            dana,
            erin,
            viewer,
        };
        desk.link(&desk.dana, "U0DANA").await;
        desk.link(&desk.erin, "U0ERIN").await;
        desk.link(&desk.viewer, "U0VIEW").await;
        desk
    }

    pub(crate) async fn reopen(self) -> Self {
        Self {
            house: self.house.reopen().await,
            ..self
        }
    }

    /// Nothing is handled from here on; what comes is kept all the same.
    pub(crate) async fn stop_workers(&self) {
        self.house.engine.stop().await;
    }

    pub(crate) fn clock(&self, seconds: i64) {
        self.house.clock.advance(Micros::seconds(seconds));
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.house.engine.now().0 / 1_000_000
    }

    pub(crate) async fn ask(&self, action: &str) -> ApprovalId {
        let mut asked = submit(action, json!({"amount": 20}));
        asked.action.risk = if action == "refund.large" {
            Risk::High
        } else {
            Risk::Low
        };
        asked.action.accepts = Accepts {
            info_requests: true,
            ..Accepts::default()
        };
        let submitted = self.house.engine.submit(&self.agent, asked, None).await.unwrap();
        submitted.approval_id.unwrap()
    }

    pub(crate) async fn view(&self, id: ApprovalId) -> ApprovalView {
        self.house.engine.approval(&self.house.admin, id).await.unwrap()
    }

    pub(crate) async fn until(&self, id: ApprovalId, done: impl Fn(&ApprovalView) -> bool) -> ApprovalView {
        for _ in 0..PATIENCE {
            let view = self.view(id).await;
            if done(&view) {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!(
            "it never came to that: {:?}; told {:?}",
            self.view(id).await.row.status,
            self.replies()
        );
    }

    pub(crate) async fn ended(&self, id: ApprovalId) -> ApprovalView {
        self.until(id, |view| view.row.status.is_terminal()).await
    }

    /// The value of a button of the message about it.
    pub(crate) async fn value(&self, id: ApprovalId) -> String {
        format!("{id}:{}", self.view(id).await.row.digest)
    }

    /// The value of a button in a message that was sent.
    pub(crate) fn button(message: &Value, id: &str) -> Option<String> {
        let blocks = message["blocks"].as_array()?.iter();
        let mut elements = blocks.filter_map(|block| block["elements"].as_array()).flatten();
        let button = elements.find(|element| element["action_id"] == id)?;
        Some(button["value"].as_str()?.to_owned())
    }

    async fn calls(&self, method: &str, count: usize) -> Vec<Value> {
        for _ in 0..PATIENCE {
            let calls = self.slack.calls(method);
            if calls.len() >= count {
                return calls;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("Slack was never asked for {method}: {:?}", self.slack.received());
    }

    pub(crate) async fn posted(&self, count: usize) -> Vec<Value> {
        self.calls("chat.postMessage", count).await
    }

    pub(crate) async fn updated(&self, count: usize) -> Vec<Value> {
        self.calls("chat.update", count).await
    }

    /// The form that was opened after so many.
    pub(crate) async fn form(&self, before: usize) -> Value {
        self.calls("views.open", before + 1).await[before].clone()
    }

    /// What single people were told, in order.
    pub(crate) fn replies(&self) -> Vec<String> {
        let all = self.slack.received();
        let replies = all.iter().filter(|call| call.path.starts_with("/answers/"));
        replies
            .map(|call| {
                let reply = call.json();
                assert_eq!(reply["response_type"], "ephemeral");
                reply["blocks"][0]["text"]["text"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    pub(crate) async fn told(&self) -> String {
        self.told_next(0).await
    }

    /// What was told after so many.
    pub(crate) async fn told_next(&self, before: usize) -> String {
        for _ in 0..PATIENCE {
            if let Some(reply) = self.replies().get(before) {
                return reply.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nobody was told: {:?}", self.replies());
    }

    pub(crate) fn signed(&self, at: i64, body: &[u8]) -> Signed {
        self.signed_with(SECRET, at, body)
    }

    #[expect(clippy::unused_self, reason = "reads like the others")]
    pub(crate) fn signed_with(&self, secret: &str, at: i64, body: &[u8]) -> Signed {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("v0:{at}:").as_bytes());
        mac.update(body);
        let signature = hex::encode(mac.finalize().into_bytes());
        Signed {
            timestamps: vec![at.to_string().into_bytes()],
            signatures: vec![format!("v0={signature}").into_bytes()],
        }
    }

    pub(crate) async fn send(&self, body: &[u8]) -> EngineResult<Taken> {
        let signed = self.signed(self.seconds(), body);
        self.house
            .engine
            .slack_interaction(self.channel, &signed, body)
            .await
    }

    pub(crate) fn press_body(&self, user: &str, button: &str, value: &str) -> Vec<u8> {
        self.body_of(user, (TEAM, TEAM), button, value)
    }

    pub(crate) fn body_of(
        &self,
        user: &str,
        (installed, home): (&str, &str),
        button: &str,
        value: &str,
    ) -> Vec<u8> {
        let number = fresh();
        let payload = json!({
            "type": "block_actions", "team": {"id": installed, "domain": "acme"},
            "user": {"id": user, "username": "dana", "team_id": home}, "trigger_id": format!("1.2.{number}"),
            "channel": {"id": "C0OPS"}, "message": {"ts": "1712345678.000100", "blocks": []},
            "response_url": self.slack.url(&format!("/answers/{number}")),
            "actions": [{"action_id": button, "value": value, "action_ts": "1712345679.1"}]
        });
        format!("payload={}", encoded(&payload.to_string())).into_bytes()
    }

    pub(crate) async fn press(&self, user: &str, button: &str, value: &str) -> EngineResult<Taken> {
        self.send(&self.press_body(user, button, value)).await
    }

    /// Sends a form that was opened, as Slack gives it back.
    pub(crate) async fn submit(&self, form: &Value, words: &str) -> EngineResult<Taken> {
        let view = &form["view"];
        let payload = json!({
            "type": "view_submission", "team": {"id": TEAM}, "user": {"id": "U0DANA", "team_id": TEAM},
            "trigger_id": "1.2.form",
            "view": {
                "id": format!("V{}", fresh()), "hash": "1.x", "callback_id": view["callback_id"],
                "private_metadata": view["private_metadata"],
                "state": {"values": {"signoff_words": {"signoff_words": {"value": words}}}}
            }
        });
        self.send(format!("payload={}", encoded(&payload.to_string())).as_bytes())
            .await
    }

    #[expect(clippy::unused_self, reason = "reads like the others")]
    pub(crate) fn command_body(&self, user: &str, text: &str) -> Vec<u8> {
        let number = fresh();
        format!(
            "team_id={TEAM}&user_id={user}&command=%2Fsignoff&text={}&trigger_id=9.9.{number}",
            encoded(text)
        )
        .into_bytes()
    }

    pub(crate) async fn send_command(&self, body: &[u8]) -> String {
        let signed = self.signed(self.seconds(), body);
        let reply = self.house.engine.slack_command(self.channel, &signed, body).await;
        reply.unwrap().text
    }

    pub(crate) async fn type_command(&self, user: &str, text: &str) -> String {
        self.send_command(&self.command_body(user, text)).await
    }

    pub(crate) async fn code(&self, who: &Caller) -> String {
        let made = self.house.engine.create_link_code(who).await.unwrap();
        made.code.expose_secret().to_owned()
    }

    pub(crate) async fn link(&self, who: &Caller, user: &str) {
        let code = self.code(who).await;
        let said = self.type_command(user, &format!("link {code}")).await;
        assert!(said.starts_with("You are "), "{said}");
    }

    /// Keeps what this body asks for from being handled, until it is let go.
    pub(crate) async fn hold(&self, body: &[u8]) -> Lease {
        let payload = String::from_utf8(body.to_vec()).unwrap();
        let trigger = payload.split("1%2E2%2E").nth(1).unwrap();
        let number: String = trigger.chars().take_while(char::is_ascii_digit).collect();
        let user = payload.split("U0").nth(1).unwrap();
        let user: String = user.chars().take_while(char::is_ascii_alphanumeric).collect();
        let text = format!("signoff.slack.pressed.v1\0{TEAM}\0U0{user}\01.2.{number}\01712345679.1");
        let key = Sha256::digest(text.as_bytes());
        let claim = Claim {
            workspace: self.dana.workspace,
            subject: RawId(key[..16].try_into().unwrap()),
            holder: RawId([0xee; 16]),
            lasts: Micros::seconds(3_600),
        };
        self.house.kept.store.claim(&claim).await.unwrap().unwrap()
    }

    pub(crate) async fn let_go(&self, lease: Lease) {
        self.house.kept.store.release(&lease).await.unwrap();
    }

    /// Some channel that is not Slack's.
    pub(crate) async fn webhook(&self) -> ChannelId {
        let create = CreateChannel {
            name: "hook".into(),
            kind: ChannelKind::Webhook,
            settings: json!({"url": self.slack.url("/hook")})
                .as_object()
                .unwrap()
                .clone(),
            events: vec!["execution.lapsed".into()],
            named_only: false,
            window: None,
        };
        let engine = &self.house.engine;
        engine
            .create_channel(&self.house.admin, create, None)
            .await
            .unwrap()
            .made
            .id
    }

    pub(crate) async fn switch_channel(&self, off: bool) {
        let update = UpdateChannel {
            disabled: Some(off),
            ..UpdateChannel::default()
        };
        let engine = &self.house.engine;
        engine
            .update_channel(&self.house.admin, self.channel, update)
            .await
            .unwrap();
    }

    /// What is kept of presses, as it stands in the database.
    pub(crate) async fn bodies(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = self
            .house
            .backdoor()
            .await
            .rows("SELECT key, body FROM slack_inbox WHERE handled_at IS NULL")
            .await;
        rows.iter()
            .map(|row| (row[0].bytes().to_vec(), row[1].bytes().to_vec()))
            .collect()
    }

    /// Takes the mark off that these were handled, as if the node had died before it set them.
    pub(crate) async fn unmark(&self, bodies: &[(Vec<u8>, Vec<u8>)]) {
        let mut backdoor = self.house.backdoor().await;
        for (key, body) in bodies {
            let values: [Cell; 2] = [body.as_slice().into(), key.as_slice().into()];
            let sql = "UPDATE slack_inbox SET handled_at = NULL, body = ? WHERE key = ?";
            assert_eq!(backdoor.execute(sql, &values).await, 1);
        }
    }
}

const PEOPLE: [(&str, Role); 3] = [
    ("dana", Role::Member),
    ("erin", Role::Member),
    ("vera", Role::Viewer),
];

async fn people(house: &House) -> Vec<Caller> {
    let mut people = Vec::new();
    for (name, role) in PEOPLE {
        people.push(house.operator(name, role).await);
    }
    people
}
