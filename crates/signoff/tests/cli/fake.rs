//! A server that knows one request for approval: enough of the API to see what the command line makes of it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What the server was asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Method and path without the query.
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// What the one request is like.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    /// `pending_approval`, `allowed` or `denied`.
    pub(crate) verdict: &'static str,
    /// Where the approval stands.
    pub(crate) status: String,
    /// The reason of the decision.
    pub(crate) reason: String,
    /// A problem's code instead of the permission.
    pub(crate) consume_problem: Option<&'static str>,
    /// A problem's code instead of taking note of the report.
    pub(crate) report_problem: Option<&'static str>,
    /// Drops every connection, as a server that is down.
    pub(crate) down: bool,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            verdict: "pending_approval",
            status: "pending".to_owned(),
            reason: "fine".to_owned(),
            consume_problem: None,
            report_problem: None,
            down: false,
        }
    }
}

struct State {
    desk: Mutex<Desk>,
    changed: Condvar,
    seen: Mutex<Vec<Request>>,
}

/// The server while the test runs.
pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<State>,
}

impl Server {
    pub(crate) fn start(desk: Desk) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            desk: Mutex::new(desk),
            changed: Condvar::new(),
            seen: Mutex::new(Vec::new()),
        });
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                thread::spawn(move || state.serve(stream));
            }
        });
        Self { url, state }
    }

    /// Brings the approval into another state.
    pub(crate) fn decide(&self, status: &str) {
        self.change(|desk| status.clone_into(&mut desk.status));
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Desk)) {
        change(&mut self.state.desk.lock().unwrap());
        self.state.changed.notify_all();
    }

    /// Everything that was asked so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The requests of one kind.
    pub(crate) fn seen_of(&self, line: &str) -> Vec<Request> {
        self.seen()
            .into_iter()
            .filter(|request| request.line == line)
            .collect()
    }

    /// Waits until this was asked.
    #[track_caller]
    pub(crate) fn await_request(&self, line: &str) {
        let patience = Instant::now() + Duration::from_secs(20);
        while self.seen_of(line).is_empty() {
            assert!(
                Instant::now() < patience,
                "never asked: {line}; only {:?}",
                self.seen()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl State {
    fn serve(&self, mut stream: TcpStream) {
        let Some((request, query)) = read(&mut stream) else {
            return;
        };
        self.seen.lock().unwrap().push(request.clone());
        if self.desk.lock().unwrap().down {
            return;
        }
        let (status, body) = self.answer(&request, &query);
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        // The asker may be gone by now.
        let _ = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body.as_bytes()));
    }

    fn answer(&self, request: &Request, query: &str) -> (u16, Value) {
        match request.line.as_str() {
            "POST /v1/actions" => (200, submit_answer(&self.desk.lock().unwrap())),
            "POST /v1/actions/check" => {
                let verdict = self.desk.lock().unwrap().verdict;
                (200, json!({"verdict": verdict, "policy": null, "conditions": []}))
            }
            "GET /v1/approvals/apr_1" => (200, self.approval(query)),
            "POST /v1/approvals/apr_1/cancel" => self.cancel(),
            "POST /v1/executions/exe_1/consume" => self.execution(|desk| desk.consume_problem),
            "POST /v1/executions/exe_1/report" => self.execution(|desk| desk.report_problem),
            "GET /v1/approvals"
            | "GET /v1/agents"
            | "GET /v1/operators"
            | "GET /v1/webhooks"
            | "GET /v1/audit/events" => (200, json!({"items": [], "next_cursor": null})),
            _ => problem(404, "not_found"),
        }
    }

    /// Holds the answer while nothing is decided, as a long poll does.
    fn approval(&self, query: &str) -> Value {
        let held = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("wait=")?.parse().ok())
            .unwrap_or(0);
        let until = Instant::now() + Duration::from_secs(held);
        let mut desk = self.desk.lock().unwrap();
        while !is_terminal(&desk.status) && !desk.down {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            desk = self.changed.wait_timeout(desk, left).unwrap().0;
        }
        approval(&desk)
    }

    fn cancel(&self) -> (u16, Value) {
        let mut desk = self.desk.lock().unwrap();
        if is_terminal(&desk.status) {
            return problem(409, "already_decided");
        }
        "cancelled".clone_into(&mut desk.status);
        (200, approval(&desk))
    }

    fn execution(&self, refusal: impl Fn(&Desk) -> Option<&'static str>) -> (u16, Value) {
        if let Some(code) = refusal(&self.desk.lock().unwrap()) {
            return problem(409, code);
        }
        let body = json!({
            "id": "exe_1", "action_id": "act_1", "status": "consumed", "action": "a.b",
            "agent": {"id": "agt_1", "name": "bot"}, "inputs": {}, "context": {}, "digest": "sha256:0",
            "created_at": "2026-11-21T10:00:00.000000Z",
        });
        (200, body)
    }
}

fn is_terminal(status: &str) -> bool {
    !matches!(status, "pending" | "info_requested")
}

fn submit_answer(desk: &Desk) -> Value {
    let mut answer = json!({
        "verdict": desk.verdict, "action_id": "act_1",
        "policy": {"id": "pol_1", "name": "rule", "version": 1}, "conditions": [],
    });
    match desk.verdict {
        "allowed" => answer["execution_id"] = "exe_1".into(),
        "denied" => {
            answer["code"] = "policy_denied".into();
            answer["reason"] = "never".into();
        }
        _ => {
            answer["approval_id"] = "apr_1".into();
            answer["approval_url"] = "http://console.example/approvals/apr_1".into();
        }
    }
    answer
}

fn approval(desk: &Desk) -> Value {
    let mut approval = json!({
        "id": "apr_1", "action_id": "act_1", "status": desk.status, "is_terminal": is_terminal(&desk.status),
        "has_result": false, "action": "a.b", "agent": {"id": "agt_1", "name": "bot"},
        "summary": "bot wants to run a.b", "inputs": {}, "context": {}, "priority": "medium", "risk": "medium",
        "digest": "sha256:0", "url": "http://console.example/approvals/apr_1",
        "policy": {"id": "pol_1", "name": "rule", "version": 1},
        "requirement": {"approvers": ["role:member"], "quorum": 1, "deny_quorum": 1, "self_approval": false,
            "require_decision_reason": false},
        "escalated": false, "created_at": "2026-11-21T10:00:00.000000Z", "decide_by": null, "decided_by": null,
    });
    match desk.status.as_str() {
        "approved" => {
            approval["execution_id"] = "exe_1".into();
            approval["decided_by"] = json!({"kind": "operator", "id": "usr_1", "name": "Dana"});
            approval["decision_reason"] = desk.reason.as_str().into();
        }
        "denied" => {
            approval["decided_by"] = json!({"kind": "operator", "id": "usr_1", "name": "Dana"});
            approval["decision_reason"] = desk.reason.as_str().into();
            approval["code"] = "denied_by_reviewer".into();
        }
        "expired" => approval["code"] = "approval_timeout".into(),
        "pending" => approval["expires_in"] = 1_800.into(),
        _ => {}
    }
    approval
}

fn problem(status: u16, code: &str) -> (u16, Value) {
    let kind = format!("urn:signoff:problem:{code}");
    (
        status,
        json!({"type": kind, "title": code, "status": status, "code": code, "detail": format!("it is {code}")}),
    )
}

fn read(stream: &mut TcpStream) -> Option<(Request, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0_usize);
    while bytes.len() < end + length {
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
    let first = String::from_utf8_lossy(&bytes[..end]).lines().next()?.to_owned();
    let mut words = first.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        line: format!("{method} {path}"),
        head,
        body: serde_json::from_slice(&bytes[end..]).unwrap_or(Value::Null),
    };
    Some((request, query.to_owned()))
}
