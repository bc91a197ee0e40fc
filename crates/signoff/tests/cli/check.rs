//! `signoff check`: its exit codes are its answer.

use crate::fake::{Desk, Server};
use crate::run::{as_agent, finish};

#[test]
fn the_exit_code_is_the_verdict() {
    for (verdict, code) in [("allowed", 0), ("denied", 1), ("pending_approval", 4)] {
        let server = Server::start(Desk {
            verdict,
            ..Desk::default()
        });
        let ran = finish(as_agent(
            &server.url,
            &["check", "a.b", "--context", "x:=1", "--json"],
        ));
        assert_eq!(ran.code, code, "{ran:?}");
        assert_eq!(ran.json()["verdict"], verdict);
        let body = &server.seen()[0].body;
        assert_eq!(body["context"]["x"], 1, "{body}");
    }
}
