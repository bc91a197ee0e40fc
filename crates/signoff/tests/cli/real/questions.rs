//! A question on the way: asked, shown where the agent waits, answered, decided.

use super::Server;
use crate::run::{end, start};

#[test]
fn a_question_reaches_the_agent_and_its_answer_the_approver() {
    let server = Server::start();
    let (agent, dana) = (server.agent("bot"), server.person("dana"));
    let gate = start(server.command(
        &agent,
        &[
            "gate",
            "deploy.production",
            "--accept-questions",
            "--",
            "echo",
            "deployed",
        ],
    ));
    let id = server.pending();
    let asked = server.run(&dana, &["approvals", "ask", &id, "Which commit?"]);
    assert_eq!(asked.code, 0, "{asked:?}");
    assert_eq!(server.status(&id), "info_requested");
    assert_eq!(
        server.run(&agent, &["approvals", "answer", &id, "abc123"]).code,
        0
    );
    let shown = server.run(&dana, &["approvals", "show", &id]);
    assert!(
        shown.stdout.contains("Which commit?") && shown.stdout.contains("abc123"),
        "{}",
        shown.stdout
    );
    assert_eq!(server.run(&dana, &["approvals", "approve", &id]).code, 0);
    let ran = end(gate);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "deployed\n"), "{ran:?}");
    assert!(
        ran.stderr.contains("dana asks: “Which commit?”"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains(&format!("signoff approvals answer {id}")),
        "{}",
        ran.stderr
    );
}

#[test]
fn who_can_not_answer_is_not_asked() {
    let server = Server::start();
    let (agent, dana) = (server.agent("bot"), server.person("dana"));
    let gate = start(server.command(&agent, &["gate", "deploy.production"]));
    let id = server.pending();
    let asked = server.run(&dana, &["approvals", "ask", &id, "Which commit?"]);
    assert_eq!(asked.code, 1, "{asked:?}");
    assert_eq!(
        server
            .run(&dana, &["approvals", "deny", &id, "--reason", "no"])
            .code,
        0
    );
    assert_eq!(end(gate).code, 1);
}
