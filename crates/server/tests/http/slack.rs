//! Slack's door over sockets: what is signed opens it, everything else is answered alike, and what it took is decided.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;
use signoff_testkit::FakeSlack;

use crate::world::{CANARY, Reply, Who, World};

const TEAM: &str = "T0ACME";
const PATIENCE: u32 = 500;

struct Desk {
    world: World,
    slack: FakeSlack,
    channel: String,
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn signature(secret: &str, at: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("v0:{at}:{body}").as_bytes());
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
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
    async fn new() -> Self {
        let (world, slack) = (World::new().await, FakeSlack::start().await);
        let channel = json!({
            "name": "ops", "window": "0s", "settings": {"slack": {
                "bot_token": format!("xoxb-{CANARY}"), "signing_secret": CANARY, "team": TEAM, "conversation": "C0OPS",
                "api_url": slack.api_url()
            }}
        });
        let made = world.post(Who::Admin, "/v1/channels", channel).await.ok();
        assert!(!made.text.contains(CANARY), "{}", made.text);
        let desk = Self {
            channel: made.text_of("id"),
            world,
            slack,
        };
        desk.link(Who::Member, "U0MEMBER").await;
        desk
    }

    /// Sends a body with these headers.
    async fn send(&self, door: &str, headers: &[(&str, String)], body: &str) -> Reply {
        let url = format!("{}/slack/{door}", self.world.url);
        let mut request = self.world.http.post(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        Reply::of(request.body(body.to_owned()).send().await.unwrap()).await
    }

    /// Sends it as Slack does.
    async fn signed(&self, door: &str, body: &str) -> Reply {
        let at = now();
        let headers = [
            ("x-slack-request-timestamp", at.to_string()),
            ("x-slack-signature", signature(CANARY, at, body)),
        ];
        self.send(&format!("{}/{door}", self.channel), &headers, body)
            .await
    }

    async fn link(&self, who: Who, user: &str) {
        let code = self
            .world
            .post(who, "/v1/operators/me/slack-code", json!({}))
            .await;
        assert_eq!(code.status, StatusCode::CREATED, "{}", code.text);
        let said = self
            .command(user, &format!("link {}", code.text_of("code")))
            .await;
        assert!(said.contains("You are "), "{said}");
    }

    async fn command(&self, user: &str, text: &str) -> String {
        let trigger = format!("1.{}", fresh());
        let body = format!(
            "team_id={TEAM}&user_id={user}&text={}&trigger_id={trigger}",
            encoded(text)
        );
        let reply = self.signed("commands", &body).await.ok();
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(reply.text_of("response_type"), "ephemeral");
        reply.text_of("text")
    }

    /// Asks, and waits for the message about it: its approval, and the message.
    async fn asked(&self, context: Value) -> (String, Value) {
        let before = self.slack.calls("chat.postMessage").len();
        let body =
            json!({"action": "ask.it", "context": context, "risk": "low", "accepts": ["info_requests"]});
        let submitted = self.world.post(Who::Agent, "/v1/actions", body).await.ok();
        for _ in 0..PATIENCE {
            if let Some(message) = self.slack.calls("chat.postMessage").get(before) {
                return (submitted.text_of("approval_id"), message.clone());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nothing was posted");
    }

    fn press(&self, user: &str, message: &Value, button: &str) -> String {
        let blocks = message["blocks"].as_array().unwrap().iter();
        let mut elements = blocks.filter_map(|block| block["elements"].as_array()).flatten();
        let found = elements.find(|element| element["action_id"] == button);
        let value = found.unwrap_or_else(|| panic!("no {button} in {message}"))["value"].clone();
        let payload = json!({
            "type": "block_actions", "team": {"id": TEAM}, "user": {"id": user, "team_id": TEAM},
            "trigger_id": format!("1.{}", fresh()), "channel": {"id": "C0OPS"},
            "message": {"ts": "1.2", "blocks": message["blocks"]},
            "response_url": self.slack.url("/answers"),
            "actions": [{"action_id": button, "value": value, "action_ts": "3.4"}]
        });
        format!("payload={}", encoded(&payload.to_string()))
    }

    async fn status(&self, approval: &str) -> String {
        let path = format!("/v1/approvals/{approval}");
        self.world.get(Who::Member, &path).await.ok().text_of("status")
    }
}

fn fresh() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// The message's own button, pressed by somebody who proved who they are: acknowledged at once, decided, and gone from the
/// message.
#[tokio::test(flavor = "multi_thread")]
async fn a_press_is_acknowledged_and_decides() {
    let desk = Desk::new().await;
    let (approval, message) = desk.asked(json!({"n": 1})).await;
    let started = std::time::Instant::now();
    let reply = desk
        .signed(
            "interactions",
            &desk.press("U0MEMBER", &message, "signoff_approve"),
        )
        .await;
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!((reply.status, reply.text.as_str()), (StatusCode::OK, ""));
    let path = format!("/v1/approvals/{approval}?wait=20");
    let decided = desk.world.get(Who::Member, &path).await.ok().json();
    assert_eq!(decided["status"], "approved", "{decided}");
    for _ in 0..PATIENCE {
        if let Some(update) = desk.slack.calls("chat.update").first() {
            assert!(!update.to_string().contains("signoff_approve"), "{update}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the message was never changed");
}

/// Name, door, headers and body of a request that Slack did not send.
type Forged = (&'static str, String, Vec<(&'static str, String)>, String);

fn forged(desk: &Desk, body: &str) -> Vec<Forged> {
    let body = body.to_owned();
    let (at, elsewhere) = (
        now(),
        "chn_00000000000000000000000000000000/interactions".to_owned(),
    );
    let here = format!("{}/interactions", desk.channel);
    let both = |at: u64, signature: String| {
        vec![
            ("x-slack-request-timestamp", at.to_string()),
            ("x-slack-signature", signature),
        ]
    };
    let good = signature(CANARY, at, &body);
    let mut doubled = both(at, good.clone());
    doubled.push(("x-slack-signature", good.clone()));
    let mut doubled_time = both(at, good.clone());
    doubled_time.push(("x-slack-request-timestamp", at.to_string()));
    vec![
        ("no headers", here.clone(), Vec::new(), body.clone()),
        (
            "no time",
            here.clone(),
            vec![("x-slack-signature", good.clone())],
            body.clone(),
        ),
        (
            "no signature",
            here.clone(),
            vec![("x-slack-request-timestamp", at.to_string())],
            body.clone(),
        ),
        (
            "old",
            here.clone(),
            both(at - 301, signature(CANARY, at - 301, &body)),
            body.clone(),
        ),
        (
            "ahead",
            here.clone(),
            both(at + 330, signature(CANARY, at + 330, &body)),
            body.clone(),
        ),
        (
            "another secret",
            here.clone(),
            both(at, signature("other", at, &body)),
            body.clone(),
        ),
        ("doubled", here.clone(), doubled, body.clone()),
        ("doubled time", here.clone(), doubled_time, body.clone()),
        (
            "upper case",
            here.clone(),
            both(at, good.to_uppercase().replace("V0", "v0")),
            body.clone(),
        ),
        (
            "another body",
            here.clone(),
            both(at, good.clone()),
            body.replace("U0MEMBER", "U0ADMIN"),
        ),
        (
            "written otherwise",
            here.clone(),
            both(at, good.clone()),
            body.replace("%7B", "%7b"),
        ),
        ("another channel", elsewhere, both(at, good.clone()), body.clone()),
        (
            "no channel",
            "ops/interactions".to_owned(),
            both(at, good.clone()),
            body.clone(),
        ),
        (
            "a key",
            here.clone(),
            vec![(
                "authorization",
                format!("Bearer {}", desk.world.key(Who::Admin).unwrap()),
            )],
            body.clone(),
        ),
    ]
}

/// I5, I12: bounded, and by POST alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_door_is_narrow() {
    let desk = Desk::new().await;
    let long = "x".repeat(300 * 1024);
    assert_eq!(
        desk.signed("interactions", &long).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(
        desk.signed("interactions", "payload=%7B").await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    for door in ["interactions", "commands"] {
        let url = format!("{}/slack/{}/{door}", desk.world.url, desk.channel);
        let reply = desk.world.http.get(url).send().await.unwrap();
        assert_eq!(
            reply.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "I5: reading decides nothing"
        );
    }
}

/// I6: what Slack did not sign opens nothing, and is not told why; no key and no session opens it either.
#[tokio::test(flavor = "multi_thread")]
async fn i6_what_is_not_slacks_is_answered_alike() {
    let desk = Desk::new().await;
    let (approval, message) = desk.asked(json!({"n": 1})).await;
    let body = desk.press("U0MEMBER", &message, "signoff_approve");
    let mut answers = std::collections::BTreeSet::new();
    for (case, door, headers, body) in forged(&desk, &body) {
        let reply = desk.send(&door, &headers, &body).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{case}: {}", reply.text);
        assert!(!reply.text.contains(CANARY), "{case}");
        answers.insert(reply.text);
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(desk.status(&approval).await, "pending");
}

/// A form without words stays open; one with words decides, and hostile words are words.
#[tokio::test(flavor = "multi_thread")]
async fn a_denial_carries_its_words() {
    let desk = Desk::new().await;
    let hostile = "<!channel> *now* <https://evil.example|ok>\u{202e}";
    let (approval, message) = desk.asked(json!({"note": hostile})).await;
    let shown = message.to_string();
    assert!(
        !shown.contains('\u{202e}') && !shown.contains("https://evil.example"),
        "{shown}"
    );
    desk.signed("interactions", &desk.press("U0MEMBER", &message, "signoff_deny"))
        .await
        .ok();
    let mut forms = Vec::new();
    for _ in 0..PATIENCE {
        forms = desk.slack.calls("views.open");
        if !forms.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let view = &forms.first().expect("a form")["view"];
    let sent = |words: &str| {
        let payload = json!({
            "type": "view_submission", "team": {"id": TEAM}, "user": {"id": "U0MEMBER", "team_id": TEAM},
            "view": {
                "id": "V01", "hash": "1", "callback_id": view["callback_id"], "private_metadata": view["private_metadata"],
                "state": {"values": {"signoff_words": {"signoff_words": {"value": words}}}}
            }
        });
        format!("payload={}", encoded(&payload.to_string()))
    };
    let open = desk.signed("interactions", &sent(" ")).await.ok();
    assert_eq!(open.json()["response_action"], "errors");
    assert_eq!(desk.status(&approval).await, "pending");
    let closed = desk.signed("interactions", &sent(hostile)).await.ok();
    assert_eq!(closed.text, "");
    let path = format!("/v1/approvals/{approval}?wait=20");
    let decided = desk.world.get(Who::Member, &path).await.ok().json();
    assert_eq!(decided["status"], "denied", "{decided}");
    assert!(decided.to_string().contains("<!channel> *now*"), "{decided}");
}

/// Unlinking is for oneself, and for admins.
#[tokio::test(flavor = "multi_thread")]
async fn people_unlink_themselves_and_admins_anyone() {
    let desk = Desk::new().await;
    let (member, channel) = (&desk.world.operators[1], &desk.channel);
    let path = format!("/v1/operators/{member}/slack/{channel}");
    let refused = desk.world.call(Who::Viewer, "DELETE", &path, None).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert!(
        desk.command("U0MEMBER", "whoami")
            .await
            .contains("You are member")
    );
    desk.world.call(Who::Admin, "DELETE", &path, None).await.ok();
    assert!(desk.command("U0MEMBER", "whoami").await.contains("doesn't know"));
    desk.link(Who::Member, "U0MEMBER").await;
    let own = format!("/v1/operators/me/slack/{channel}");
    desk.world.call(Who::Member, "DELETE", &own, None).await.ok();
    assert!(desk.command("U0MEMBER", "whoami").await.contains("doesn't know"));
    for who in [Who::Agent, Who::Application, Who::Automation] {
        let refused = desk
            .world
            .post(who, "/v1/operators/me/slack-code", json!({}))
            .await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{who:?}");
    }
}
