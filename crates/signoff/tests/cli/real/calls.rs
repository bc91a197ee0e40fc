//! Grants and calls on the command line: a key goes in by a pipe, and a call is made that never shows it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use super::Server;
use crate::run::{Ran, end, finish, start};

const CANARY: &str = "canary-1c0ffee5eed5";

/// An upstream that says `pong`, and what it was sent.
pub(super) fn upstream() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = vec![0; 8192];
            let length = stream.read(&mut request).unwrap_or_default();
            let text = String::from_utf8_lossy(&request[..length]).to_ascii_lowercase();
            noted.lock().unwrap().push(text);
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\npong");
        }
    });
    (origin, seen)
}

impl Server {
    /// Runs as the admin with this on standard input.
    pub(super) fn piped(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.as_admin(arguments);
        command.stdin(Stdio::piped());
        let mut child = start(command);
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        end(child)
    }
}

/// I7: what is piped in reaches the upstream and nobody else.
#[test]
fn i7_a_call_is_made_with_a_credential_that_nobody_sees() {
    let server = Server::bare(&["--egress-allow", "127.0.0.1/32"]);
    let agent = server.agent("bot");
    let (origin, seen) = upstream();
    let create = [
        "grants", "create", "pinger", "--origin", &origin, "--agent", "bot",
    ];
    let empty = server.piped(&create, "\n");
    assert_eq!(empty.code, 3, "{empty:?}");
    let made = server.piped(&create, &format!("{CANARY}\n"));
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stdout.starts_with("grt_"), "{made:?}");
    let url = format!("{origin}/ping");
    let call = |more: &[&str]| {
        server.run(
            &agent,
            &[&["call", "POST", &url, "--grant", "pinger", "--body", "x"], more].concat(),
        )
    };
    let called = call(&["-H", "authorization: Bearer mine"]);
    assert_eq!((called.code, called.stdout.as_str()), (0, "pong"), "{called:?}");
    assert!(called.stderr.contains("not sent: authorization"), "{called:?}");
    let sent = seen.lock().unwrap()[0].clone();
    assert!(
        sent.starts_with("post /ping ") && sent.contains(&format!("authorization: bearer {CANARY}")),
        "{sent}"
    );

    let asked = call(&["--require-approval", "--wait", "0"]);
    assert_eq!((asked.code, asked.stdout.as_str()), (2, ""), "{asked:?}");
    let approval = server.pending();
    let id = approval.replace("apr_", "exe_");
    assert!(asked.stderr.contains(&id), "where its result will be: {asked:?}");
    let dana = server.person("dana");
    let shown = server.run(&dana, &["approvals", "show", &approval]);
    assert!(
        shown.stdout.contains(&format!("POST {url}")) && shown.stdout.contains("pinger"),
        "{shown:?}"
    );
    let approved = server.run(&dana, &["approvals", "approve", &approval]);
    assert_eq!(approved.code, 0, "{approved:?}");
    let result = server.run(&agent, &["executions", "result", &id, "--wait", "20"]);
    assert_eq!((result.code, result.stdout.as_str()), (0, "pong"), "{result:?}");
    assert_eq!(server.admin(&["executions", "show", &id])["call"]["status"], 200);

    let stopped = server.run(&dana, &["stop", "--grant", "pinger"]);
    assert!(
        stopped.stderr.contains("calls with the grant pinger"),
        "{stopped:?}"
    );
    let refused = call(&[]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(server.admin(&["resume", "--grant", "pinger"])["kind"], "grant");
    let unchanged = finish(server.as_admin(&["grants", "update", "pinger"]));
    assert!(
        unchanged.code == 3 && unchanged.stderr.contains("say what to change"),
        "{unchanged:?}"
    );
    server.admin(&["grants", "update", "pinger", "--disable"]);
    assert_eq!(call(&[]).code, 3, "the server turns it down");
    assert_eq!(seen.lock().unwrap().len(), 2);

    let settle = server.admin(&["executions", "list"]);
    assert_eq!(settle["items"], serde_json::json!([]), "nothing is unknown");
    let listed = server.admin(&["grants", "list"]);
    assert_eq!(listed["items"][0]["disabled"], true);
    let export = server.admin(&["audit", "list", "--limit", "200"]).to_string();
    for text in [
        made.stdout,
        made.stderr,
        called.stdout,
        called.stderr,
        listed.to_string(),
        export,
        shown.stdout,
    ] {
        assert!(!text.contains(CANARY), "{text}");
    }
    let removed = finish(server.as_admin(&["grants", "remove", "pinger"]));
    assert_eq!(removed.code, 0, "{removed:?}");
}
