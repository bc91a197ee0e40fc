//! `signoff policy simulate`: a file tried on what a server has recorded.

use serde_json::json;

use super::Server;
use crate::run::{Ran, finish};

impl Server {
    /// Simulates a text as a file, as the admin.
    fn simulate(&self, yaml: &str, options: &[&str]) -> Ran {
        let path = self.place.directory().join("new.yaml");
        std::fs::write(&path, yaml).unwrap();
        let fixed = ["policy", "simulate", "-f", path.to_str().unwrap()];
        finish(self.as_admin(&[&fixed, options].concat()))
    }
}

const LOOSE: &str = "policies: [{name: small, actions: ['stripe.refund'], effect: allow}]";

#[test]
fn a_file_that_loosens_what_people_denied_says_so_and_fails_where_it_should() {
    let server = Server::start();
    let key = server.agent("bot");
    for amount in ["20", "500"] {
        let inputs = format!("amount:={amount}");
        let asked = [
            "gate",
            "stripe.refund",
            "--inputs",
            &inputs,
            "--wait",
            "0s",
            "--keep",
        ];
        server.run(&key, &asked);
    }
    let id = server.pending();
    server.admin(&["approvals", "deny", &id, "--reason", "too much"]);

    let ran = server.simulate(LOOSE, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for expected in [
        "2 actions since",
        "! a reviewer denied it, and it would pass: 1",
        "then denied by admin-key; in force",
        "· denied by a reviewer  1 ",
        "in force asked by `small`; proposed allowed by `small`",
        &id,
        "1 of 2 actions would be judged otherwise",
    ] {
        assert!(ran.stdout.contains(expected), "{expected}: {}", ran.stdout);
    }
    let ran = server.simulate(LOOSE, &["--fail-on-loosened", "--json", "--since", "1h"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.json()["changes"][0]["code"], "denied_by_reviewer_now_allowed");

    // The same rules as those in force loosen nothing.
    let same = json!({"policies": server.admin(&["policy", "list"])["items"].as_array().unwrap().iter()
        .map(|item| {
            let mut body = item.clone();
            for field in ["id", "version", "created_at", "updated_at", "status"] {
                body.as_object_mut().unwrap().remove(field);
            }
            body
        }).collect::<Vec<_>>()});
    let ran = server.simulate(&same.to_string(), &["--fail-on-loosened"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("nothing would be judged otherwise"),
        "{}",
        ran.stdout
    );
    assert_eq!(
        server.admin(&["policy", "list"])["version"],
        1,
        "nothing was put in force"
    );
}

#[test]
fn what_cant_be_tried_or_was_not_looked_at_is_said() {
    let server = Server::start();
    let ran = server.simulate("settings: {unmatched: ask}", &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("has no `policies`"), "{}", ran.stderr);
    let ran = server.simulate("policies: [{name: a, effect: alow}]", &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("did you mean `allow`?"), "{}", ran.stderr);
    let ran = server.simulate(LOOSE, &["--since", "500d"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("at most 400 days"), "{}", ran.stderr);
    let key = server.agent("bot");
    for _ in 0..2 {
        server.run(&key, &["gate", "db.drop_all"]);
    }
    let ran = server.simulate(LOOSE, &["--limit", "1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("cut short"), "{}", ran.stderr);
}
