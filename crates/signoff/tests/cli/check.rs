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

#[test]
fn a_call_is_written_with_options() {
    let server = Server::start(Desk::default());
    let ran = finish(as_agent(
        &server.url,
        &[
            "check",
            "http.delete",
            "--http-url",
            "https://api.example.com/v1",
            "--http-method",
            "DELETE",
            "--http-header",
            "x-one: 1",
            "--http-json",
            r#"{"amount": 5}"#,
            "--grant",
            "stripe",
        ],
    ));
    assert!(ran.code != 3, "{ran:?}");
    let body = &server.seen()[0].body;
    assert_eq!(
        body["http"],
        serde_json::json!({"method": "DELETE", "url": "https://api.example.com/v1", "headers": {"x-one": "1"},
            "json": {"amount": 5}, "grant": "stripe"})
    );
    let ran = finish(as_agent(&server.url, &["check", "a.b", "--http-method", "PUT"]));
    assert_eq!(ran.code, 3, "a method without a URL: {ran:?}");
}
