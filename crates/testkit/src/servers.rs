//! The two servers on the other side of Signoff: an upstream that says what it was sent, and a receiver of webhooks.

use std::{
    collections::VecDeque,
    ops::Deref,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::{Answer, Received, Recorder};

/// An upstream that answers each request with what it was: method, path, query, headers, body.
pub struct EchoUpstream(Recorder);

impl EchoUpstream {
    /// Starts it.
    pub async fn start() -> Self {
        Self(Recorder::start(echo).await)
    }
}

impl Deref for EchoUpstream {
    type Target = Recorder;
    fn deref(&self) -> &Recorder {
        &self.0
    }
}

fn echo(received: &Received) -> Answer {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: serde_json::Map<String, Value> = received
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value.as_bytes()).into()))
        .collect();
    Answer::json(&json!({
        "method": received.method.as_str(),
        "path": received.path,
        "query": received.query,
        "headers": headers,
        "body": text(&received.body),
    }))
}

/// A receiver of webhooks. Answers 204, unless a test says otherwise.
pub struct WebhookReceiver {
    recorder: Recorder,
    next: Arc<Mutex<VecDeque<Answer>>>,
}

impl WebhookReceiver {
    /// Starts it.
    pub async fn start() -> Self {
        let next = Arc::new(Mutex::new(VecDeque::<Answer>::new()));
        let answers = Arc::clone(&next);
        let answer = move |_: &Received| {
            answers
                .lock()
                .unwrap()
                .pop_front()
                .unwrap_or_else(|| Answer::status(204))
        };
        Self {
            recorder: Recorder::start(answer).await,
            next,
        }
    }

    /// Answers the next messages so, one after another.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.next.lock().unwrap().extend(answers);
    }

    /// The ids of the messages so far (`webhook-id`), in order, repeated where a message came again.
    pub fn ids(&self) -> Vec<String> {
        self.received()
            .iter()
            .map(|message| message.header("webhook-id").to_owned())
            .collect()
    }

    /// The types of the messages so far, in order.
    pub fn types(&self) -> Vec<String> {
        let text = |message: &Received| message.json()["type"].as_str().unwrap_or_default().to_owned();
        self.received().iter().map(text).collect()
    }
}

impl Deref for WebhookReceiver {
    type Target = Recorder;
    fn deref(&self) -> &Recorder {
        &self.recorder
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;

    async fn send(to: &Recorder, request: &str) -> String {
        let mut stream = TcpStream::connect(to.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn post(path: &str, id: &str, body: &str) -> String {
        let len = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nwebhook-id: {id}\r\ncontent-length: {len}\r\n\r\n{body}"
        )
    }

    #[tokio::test]
    async fn the_upstream_says_what_it_was_sent() {
        let upstream = EchoUpstream::start().await;
        let answer = send(&upstream, &post("/v1/refunds?x=1", "m1", "{\"b\": 1,  \"a\":2}")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 200 ") && head.contains("content-type: application/json"),
            "{head}"
        );
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&body["method"], &body["path"], &body["query"]),
            (&json!("POST"), &json!("/v1/refunds"), &json!("x=1"))
        );
        assert_eq!(body["headers"]["webhook-id"], "m1");
        let received = upstream.wait_for(1).await;
        assert_eq!(received[0].body, b"{\"b\": 1,  \"a\":2}", "byte for byte");
        assert_eq!(upstream.url("/x"), format!("http://{}/x", upstream.address()));
    }

    #[tokio::test]
    async fn the_receiver_answers_as_it_is_told_and_remembers() {
        let receiver = WebhookReceiver::start().await;
        receiver.answer_next([
            Answer::status(503),
            Answer::status(200).after(Duration::from_millis(1)),
        ]);
        for (id, expected) in [("m1", "503"), ("m1", "200"), ("m2", "204")] {
            let answer = send(&receiver, &post("/hook", id, "{\"type\": \"approval.pending\"}")).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{answer}");
        }
        assert_eq!(receiver.ids(), ["m1", "m1", "m2"]);
        assert_eq!(receiver.types(), ["approval.pending"; 3]);
    }

    #[tokio::test]
    async fn a_dropped_server_listens_no_more() {
        let upstream = EchoUpstream::start().await;
        let address = upstream.address();
        drop(upstream);
        for _ in 0..200 {
            if TcpStream::connect(address).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it still listens");
    }
}
