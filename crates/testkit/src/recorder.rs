//! An HTTP server that remembers each request, byte for byte, and answers as it is told.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// How long a test waits for a request that does not come.
const PATIENCE: Duration = Duration::from_secs(20);
/// The largest body that is taken, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// As sent.
    pub method: Method,
    /// Without the query.
    pub path: String,
    /// Without the question mark; empty if there was none.
    pub query: String,
    /// As sent.
    pub headers: HeaderMap,
    /// As sent.
    pub body: Vec<u8>,
}

impl Received {
    /// A header as text. Panics if it is missing or no text.
    pub fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("no header `{name}` in {:?}", self.headers));
        value.to_str().unwrap()
    }

    /// The body as JSON. Panics if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What a server answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// With this status.
    pub status: u16,
    /// And these headers.
    pub headers: Vec<(&'static str, String)>,
    /// And this body.
    pub body: Vec<u8>,
    /// After this long.
    pub delay: Duration,
}

impl Answer {
    /// A status and nothing else, at once.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            delay: Duration::ZERO,
        }
    }

    /// 200 with JSON.
    pub fn json(value: &serde_json::Value) -> Self {
        let headers = vec![(CONTENT_TYPE.as_str(), "application/json".to_owned())];
        Self {
            headers,
            body: value.to_string().into_bytes(),
            ..Self::status(200)
        }
    }

    /// The same, later.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    fn response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap();
        let mut response = (status, Body::from(self.body)).into_response();
        response.headers_mut().remove(CONTENT_TYPE);
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }
}

type Responder = Arc<dyn Fn(&Received) -> Answer + Send + Sync>;

struct Memory {
    received: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
    answer: Responder,
}

/// A server on 127.0.0.1 and a free port that remembers what it was sent. Ends when it is dropped.
pub struct Recorder {
    address: SocketAddr,
    memory: Arc<Memory>,
    serving: JoinHandle<()>,
}

impl Recorder {
    /// Starts it; requests are answered by the function, after they are remembered.
    pub async fn start(answer: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let memory = Memory {
            received: Mutex::new(Vec::new()),
            count: watch::Sender::new(0),
            answer: Arc::new(answer),
        };
        let memory = Arc::new(memory);
        let router = Router::new().fallback(remember).with_state(Arc::clone(&memory));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            memory,
            serving,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An address on it; the path starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came so far, in order.
    pub fn received(&self) -> Vec<Received> {
        self.memory.received.lock().unwrap().clone()
    }

    /// Waits until so many requests came, and answers with all of them. Panics if they do not come.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut arrived = self.memory.count.subscribe();
        let waited = timeout(PATIENCE, arrived.wait_for(|arrived| *arrived >= count)).await;
        assert!(
            waited.is_ok(),
            "{} of {count} requests came within {PATIENCE:?}",
            self.received().len()
        );
        self.received()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn remember(State(memory): State<Arc<Memory>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let received = Received {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: body.to_vec(),
    };
    let answer = (memory.answer)(&received);
    memory.received.lock().unwrap().push(received);
    memory.count.send_modify(|count| *count += 1);
    sleep(answer.delay).await;
    answer.response()
}
