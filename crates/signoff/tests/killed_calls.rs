//! The real binary, killed with SIGKILL at every point of a call that somebody can see from outside: none is doubled, none is
//! lost without a word, and nobody is asked what became of one that surely never left (I2, I3, I9).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step is a failed test"
)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signoff_testkit::Place;

/// How often each point is tried; more by hand with `SIGNOFF_KILLS`.
const ROUNDS: usize = 3;
const ADMIN_KEY: &str = "killed-calls-admin-key-0123456789abcdef";
const CREDENTIAL: &str = "canary-credential-of-killed-calls";
const PATIENCE: Duration = Duration::from_secs(40);

/// Where the process is killed, as its upstream sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Point {
    /// The approval was acknowledged, and nothing else waited for.
    Approved,
    /// Somebody connects.
    Connected,
    /// The head of the request is there.
    HeadRead,
    /// All of it is there, and nothing was answered.
    Read,
    /// Half of an answer was sent.
    HalfAnswered,
    /// All of an answer was sent.
    Answered,
}

const POINTS: [Point; 6] = [
    Point::Approved,
    Point::Connected,
    Point::HeadRead,
    Point::Read,
    Point::HalfAnswered,
    Point::Answered,
];

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(place: &Place) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_signoff"))
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--log", "error"])
            .args(["--egress-allow", "127.0.0.0/8"])
            .envs(place.settings())
            .env("SIGNOFF_ADMIN_KEY", ADMIN_KEY)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        told.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).expect("the server says where it runs");
        let url = told["url"].as_str().unwrap();
        let address = url.strip_prefix("http://").unwrap().to_owned();
        Self { child, address }
    }

    /// One request; status 0 where the server is gone.
    fn ask(&self, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(&self.address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let body = body.to_string();
            write!(
                stream,
                "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
                 connection: close\r\ncontent-length: {}\r\n\r\n{body}",
                self.address,
                body.len()
            )?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        let Ok(text) = answer() else {
            return (0, Value::Null);
        };
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return (0, Value::Null);
        };
        let status = head[9..12].parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(ADMIN_KEY, method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// SIGKILL: no handler, no flush, no goodbye.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An upstream that says how far a request has come, and waits to be told to go on.
struct Upstream {
    port: u16,
    /// How often the whole of each request was read, by its path.
    seen: Arc<Mutex<HashMap<String, usize>>>,
    reached: mpsc::Receiver<Point>,
    go_on: mpsc::Sender<()>,
    watched: Arc<Mutex<Option<Point>>>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, reached) = mpsc::channel();
        let (go_on, told) = mpsc::channel();
        let (seen, watched) = (
            Arc::<Mutex<HashMap<String, usize>>>::default(),
            Arc::<Mutex<Option<Point>>>::default(),
        );
        let (saw, watching) = (Arc::clone(&seen), Arc::clone(&watched));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let pause = |point| {
                    let at = watching.lock().unwrap().take_if(|watched| *watched == point);
                    if at.is_some() {
                        tell.send(point).unwrap();
                        told.recv().unwrap();
                    }
                };
                // Whoever was killed in the middle is no trouble of ours.
                let _ = serve(stream.unwrap(), &saw, pause);
            }
        });
        Self {
            port,
            seen,
            reached,
            go_on,
            watched,
        }
    }

    fn seen(&self, path: &str) -> usize {
        self.seen.lock().unwrap().get(path).copied().unwrap_or_default()
    }
}

fn serve(
    mut stream: TcpStream,
    seen: &Mutex<HashMap<String, usize>>,
    pause: impl Fn(Point),
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    pause(Point::Connected);
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut length, mut credential) = (String::new(), 0, false);
    if reader.read_line(&mut first)? == 0 {
        // Killed before a byte of it left.
        return Ok(());
    }
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        credential |= line.contains(CREDENTIAL);
    }
    pause(Point::HeadRead);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    assert!(credential, "the credential goes with {path}");
    assert_eq!(
        body,
        format!("{{\"for\":\"{path}\"}}").as_bytes(),
        "as it was approved"
    );
    *seen.lock().unwrap().entry(path).or_default() += 1;
    pause(Point::Read);
    stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 4\r\n")?;
    pause(Point::HalfAnswered);
    stream.write_all(b"\r\ndone")?;
    pause(Point::Answered);
    Ok(())
}

struct World {
    server: Server,
    place: Place,
    upstream: Upstream,
    agent: String,
}

impl World {
    fn new(place: Place) -> Self {
        let (server, upstream) = (Server::start(&place), Upstream::start());
        let agent = server.admin("POST", "/v1/agents", &json!({"name": "bot"}));
        let grant = json!({
            "name": "bank", "credential": {"type": "bearer"}, "value": CREDENTIAL, "agents": ["bot"], "timeout": "3s",
            "origins": [format!("http://127.0.0.1:{}", upstream.port)],
        });
        server.admin("POST", "/v1/grants", &grant);
        let policy = json!({"name": "posts", "actions": ["http.post"], "effect": "require_approval"});
        server.admin("POST", "/v1/policies", &policy);
        let agent = agent["api_key"].as_str().unwrap().to_owned();
        Self {
            server,
            place,
            upstream,
            agent,
        }
    }

    /// Asks for a call and has it approved; the server may be killed before it answers that.
    fn approved(&self, path: &str) -> String {
        let call = json!({
            "grant": "bank", "method": "POST", "url": format!("http://127.0.0.1:{}{path}", self.upstream.port),
            "body": format!("{{\"for\":\"{path}\"}}"),
        });
        let (status, asked) = self.server.ask(&self.agent, "POST", "/v1/proxy", &call);
        assert_eq!(status, 202, "{asked}");
        let approval = asked["approval_id"].as_str().unwrap();
        let seen = self
            .server
            .admin("GET", &format!("/v1/approvals/{approval}"), &Value::Null);
        let decide = json!({"decision": "approve", "digest": seen["digest"]});
        self.server
            .admin("POST", &format!("/v1/approvals/{approval}/decide"), &decide);
        approval.replace("apr_", "exe_")
    }

    /// Kills at a point, starts again, and answers with the end of the call.
    fn round(&mut self, point: Point, path: &str) -> String {
        *self.upstream.watched.lock().unwrap() = Some(point).filter(|point| *point != Point::Approved);
        let execution = self.approved(path);
        if point != Point::Approved {
            let reached = self.upstream.reached.recv_timeout(PATIENCE);
            assert_eq!(reached, Ok(point));
        }
        self.server.kill();
        if point != Point::Approved {
            self.upstream.go_on.send(()).unwrap();
        }
        self.server = Server::start(&self.place);
        let until = Instant::now() + PATIENCE;
        loop {
            let (_, found) = self.server.ask(
                ADMIN_KEY,
                "GET",
                &format!("/v1/executions/{execution}"),
                &Value::Null,
            );
            let status = found["status"].as_str().unwrap_or("gone").to_owned();
            if !["ready", "executing", "gone"].contains(&status.as_str()) {
                return status;
            }
            assert!(Instant::now() < until, "{point:?}: still {status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Where nodes share a store, a dead one's calls wait for its lease: the engine's tests show that they are taken over.
mod on_sqlite {
    use super::*;

    #[test]
    fn i3_a_call_is_never_doubled_and_never_lost_wherever_the_process_dies() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut world = World::new(runtime.block_on(Place::fresh()));
        let rounds = std::env::var("SIGNOFF_KILLS")
            .ok()
            .and_then(|text| text.parse().ok());
        let mut ends: HashMap<(Point, String), usize> = HashMap::new();
        for round in 0..rounds.unwrap_or(ROUNDS) {
            for point in POINTS {
                let path = format!("/{point:?}/{round}");
                let end = world.round(point, &path);
                let seen = world.upstream.seen(&path);
                assert!(seen <= 1, "{path} was made {seen} times");
                match end.as_str() {
                    "executed" => assert_eq!(seen, 1, "{path}"),
                    // Nobody knows: the kill fell between sending and recording.
                    "indeterminate" => {}
                    other => panic!("{path}: {other}"),
                }
                if matches!(point, Point::HeadRead | Point::Read | Point::HalfAnswered) {
                    assert_eq!(
                        end, "indeterminate",
                        "{path}: it was under way, and brought no answer"
                    );
                }
                *ends.entry((point, end)).or_default() += 1;
            }
        }
        let verified = world
            .server
            .admin("GET", "/v1/audit/verify?with_store=true", &Value::Null);
        assert_eq!(verified["ok"], true, "{verified}");
        println!("{ends:?}");
        // A whole answer that was sent may have been kept or not; a call that only was approved is made after all.
        let made = ends.get(&(Point::Approved, "executed".to_owned()));
        assert!(
            made.is_some(),
            "what was not begun is made by the next process: {ends:?}"
        );
    }
}
