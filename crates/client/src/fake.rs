//! A scripted server for tests: one TCP listener that gives the answers it was told to, in order.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What to do with one connection.
pub(crate) enum Answer {
    /// Answer with a status and a JSON body.
    Json(u16, String),
    /// Close without a word.
    Hang,
    /// Hold the connection open for ever.
    Silence,
}

pub(crate) struct FakeServer {
    pub(crate) url: String,
    /// First line and headers of each request.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
}

impl FakeServer {
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                    let mut buffer = [0; 4096];
                    match stream.read(&mut buffer).await {
                        Ok(n) if n > 0 => head.extend_from_slice(&buffer[..n]),
                        _ => break,
                    }
                }
                record
                    .lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&head).into_owned());
                match answer {
                    Answer::Json(status, body) => {
                        let text = format!(
                            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n\
                             content-length: {}\r\n\r\n{body}",
                            body.len()
                        );
                        stream.write_all(text.as_bytes()).await.unwrap();
                    }
                    Answer::Hang => drop(stream),
                    Answer::Silence => {
                        tokio::spawn(async move {
                            let _held = stream;
                            std::future::pending::<()>().await;
                        });
                    }
                }
            }
        });
        Self { url, seen }
    }
}

/// An approval as JSON, in the state given.
pub(crate) fn approval(status: &str, terminal: bool) -> String {
    format!(
        r#"{{"id":"apr_1","action_id":"act_1","status":"{status}","is_terminal":{terminal},"has_result":false,
        "action":"a.b","agent":{{"id":"agt_1","name":"bot"}},"summary":"s","inputs":{{}},"context":{{}},
        "priority":"medium","risk":"medium","digest":"sha256:0","url":"http://x","policy":null,
        "requirement":{{"approvers":[],"quorum":1,"deny_quorum":1,"self_approval":false,
        "require_decision_reason":false}},"escalated":false,"created_at":"t","decide_by":null,"decided_by":null}}"#
    )
}
