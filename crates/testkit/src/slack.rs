//! A stand-in for Slack's API: takes what a bot may call, remembers it, and answers as Slack does.

use std::{
    collections::{HashMap, VecDeque},
    ops::Deref,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{Answer, Received, Recorder};

/// The stand-in. Its methods lie under `/api/`; everything else is taken for an address of answers.
pub struct FakeSlack {
    recorder: Recorder,
    next: Arc<Mutex<HashMap<String, VecDeque<Answer>>>>,
}

impl FakeSlack {
    /// Starts it.
    pub async fn start() -> Self {
        let next = Arc::new(Mutex::new(HashMap::<String, VecDeque<Answer>>::new()));
        let (answers, count) = (Arc::clone(&next), AtomicU64::new(0));
        let answer = move |received: &Received| {
            let method = received.path.trim_start_matches("/api/");
            let told = answers
                .lock()
                .unwrap()
                .get_mut(method)
                .and_then(VecDeque::pop_front);
            told.unwrap_or_else(|| usual(method, received, count.fetch_add(1, Ordering::Relaxed)))
        };
        Self {
            recorder: Recorder::start(answer).await,
            next,
        }
    }

    /// Answers the next calls of a method so.
    pub fn answer_next(&self, method: &str, answers: impl IntoIterator<Item = Answer>) {
        let mut next = self.next.lock().unwrap();
        next.entry(method.to_owned()).or_default().extend(answers);
    }

    /// Refuses the next call of a method with this error.
    pub fn refuse_next(&self, method: &str, error: &str) {
        self.answer_next(method, [Answer::json(&json!({"ok": false, "error": error}))]);
    }

    /// What is configured as the API's address.
    pub fn api_url(&self) -> String {
        self.url("/api")
    }

    /// What one method was called with so far, in order.
    pub fn calls(&self, method: &str) -> Vec<Value> {
        let path = format!("/api/{method}");
        let all = self.received();
        all.iter()
            .filter(|call| call.path == path)
            .map(Received::json)
            .collect()
    }
}

impl Deref for FakeSlack {
    type Target = Recorder;
    fn deref(&self) -> &Recorder {
        &self.recorder
    }
}

fn usual(method: &str, received: &Received, count: u64) -> Answer {
    let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
    match method {
        "chat.postMessage" => Answer::json(&json!({
            "ok": true, "channel": body["channel"], "ts": format!("1712345678.{count:06}"), "message": body
        })),
        "chat.update" => Answer::json(&json!({"ok": true, "channel": body["channel"], "ts": body["ts"]})),
        "conversations.open" => {
            let user = body["users"].as_str().unwrap_or_default();
            Answer::json(&json!({"ok": true, "channel": {"id": user.replacen('U', "D", 1)}}))
        }
        _ => Answer::json(&json!({"ok": true})),
    }
}
