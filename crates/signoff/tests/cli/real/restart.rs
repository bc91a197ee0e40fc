//! I9 on the command line: what was acknowledged survives the end of the server, and who waits goes on waiting.

use super::Server;
use crate::run::{end, start};

#[test]
fn i9_a_waiting_gate_outlives_a_killed_server() {
    let mut server = Server::start();
    let (agent, dana) = (server.agent("bot"), server.person("dana"));
    let gate = start(server.command(&agent, &["gate", "deploy.production", "--", "echo", "deployed"]));
    let id = server.pending();
    server.kill();
    std::thread::sleep(std::time::Duration::from_millis(500));
    server.restart();
    assert_eq!(server.status(&id), "pending");
    assert_eq!(server.run(&dana, &["approvals", "approve", &id]).code, 0);
    let ran = end(gate);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "deployed\n"), "{ran:?}");
    let verified = server.admin(&["audit", "verify", "--with-store"]);
    assert_eq!(verified["ok"], true, "{verified}");
}
