//! Upstreams of these tests: they read one request to its end and then do as they were told.
#![allow(dead_code, reason = "every test binary uses its own part of it")]

pub(crate) mod dns;
pub(crate) mod namespace;
pub(crate) mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use signoff_egress::{Egress, EgressConfig, OutboundCall};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What an upstream makes of a request.
pub(crate) type Saying<T> = Arc<dyn Fn(&[u8]) -> T + Send + Sync>;

/// What an upstream does once it has read a request.
#[derive(Clone)]
pub(crate) enum Behaviour {
    /// Writes these bytes and closes.
    Answer(Vec<u8>),
    /// Writes what this makes of the request and closes.
    Reply(Saying<Vec<u8>>),
    /// Writes what this makes of the request, with a pause between the pieces, and closes.
    Pieces(Saying<Vec<Vec<u8>>>),
    /// Writes what this makes of the request after a while and closes.
    Late(Duration, Saying<Vec<u8>>),
    /// Writes the first bytes once and the second for ever, with a pause in between.
    Repeat(&'static [u8], &'static [u8]),
    /// Writes the first bytes once and the second for ever, as fast as it can.
    Flood(&'static [u8], &'static [u8]),
    /// Closes without a word.
    Close,
    /// Writes these bytes and resets the connection.
    Reset(&'static [u8]),
    /// Says nothing and keeps the connection.
    Hold,
    /// Answers one request after the other with these bytes and keeps the connection.
    KeepOpen(&'static [u8]),
}

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) seen: UnboundedReceiver<Vec<u8>>,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let (sender, seen) = unbounded_channel();
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, behaviour.clone(), sender.clone()));
            }
        });
        Self {
            address,
            seen,
            connections,
        }
    }

    /// An upstream that answers 200 with the whole request as its body.
    pub(crate) async fn echo() -> Self {
        Self::start(Behaviour::Reply(Arc::new(|request| {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.len());
            [head.as_bytes(), request].concat()
        })))
        .await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The next request, as text.
    pub(crate) async fn request(&mut self) -> String {
        let request = self.seen.recv().await.expect("a request");
        String::from_utf8_lossy(&request).into_owned()
    }
}

async fn serve(mut stream: TcpStream, behaviour: Behaviour, sender: UnboundedSender<Vec<u8>>) {
    let request = read_request(&mut stream).await;
    let _ = sender.send(request.clone());
    match behaviour {
        Behaviour::KeepOpen(answer) => {
            while stream.write_all(answer).await.is_ok() {
                let request = read_request(&mut stream).await;
                if request.is_empty() {
                    return;
                }
                let _ = sender.send(request);
            }
        }
        Behaviour::Answer(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Behaviour::Reply(reply) => {
            let _ = stream.write_all(&reply(&request)).await;
            let _ = stream.shutdown().await;
        }
        Behaviour::Late(pause, reply) => {
            tokio::time::sleep(pause).await;
            let _ = stream.write_all(&reply(&request)).await;
            let _ = stream.shutdown().await;
        }
        Behaviour::Pieces(pieces) => {
            for piece in pieces(&request) {
                let _ = stream.write_all(&piece).await;
                let _ = stream.flush().await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let _ = stream.shutdown().await;
        }
        Behaviour::Repeat(first, then) => {
            let _ = stream.write_all(first).await;
            while stream.write_all(then).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        Behaviour::Flood(first, then) => {
            let _ = stream.write_all(first).await;
            while stream.write_all(then).await.is_ok() {}
        }
        Behaviour::Close => {}
        Behaviour::Reset(bytes) => {
            let _ = stream.write_all(bytes).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            let _ = stream.set_zero_linger();
        }
        Behaviour::Hold => std::future::pending().await,
    }
}

/// Reads the head and as much of a body as it announces.
async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    while !is_whole(&request) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(length) => request.extend_from_slice(&buffer[..length]),
        }
    }
    request
}

fn is_whole(request: &[u8]) -> bool {
    if request.first() == Some(&0x16) {
        return true; // A TLS hello: nothing more will come.
    }
    let Some(head) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let announced = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let body: usize = announced.map_or(0, |length| length.parse().expect("a length"));
    request.len() >= head + 4 + body
}

/// A head, and a body of the announced length.
pub(crate) fn answer(head: &str, body: &[u8]) -> Behaviour {
    let mut bytes = format!("{head}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    Behaviour::Answer(bytes)
}

/// A client to which loopback is opened.
pub(crate) fn open() -> Egress {
    let allow = vec![
        "127.0.0.0/8".parse().expect("range"),
        "::1/128".parse().expect("range"),
    ];
    Egress::new(EgressConfig {
        allow,
        ..EgressConfig::default()
    })
    .expect("a client")
}

/// A call without headers, body and credential.
pub(crate) fn get(url: String) -> OutboundCall {
    OutboundCall {
        method: "GET".to_owned(),
        url,
        headers: Vec::new(),
        body: Bytes::new(),
        credential: None,
        timeout: Duration::from_secs(5),
    }
}
