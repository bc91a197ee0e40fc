//! A workspace as a file: plan, apply, converge; what can't be meant is refused before anything changes.

use serde_json::{Value, json};

use super::Server;
use crate::run::{Ran, end, finish, signal, start};

const WHOLE: &str = "\
settings: {unmatched: deny}
operators:
  - {email: dana@example.com, name: Dana, role: admin}
  - {email: bo@example.com, name: Bo, role: member}
groups:
  - {name: finance, members: [dana@example.com, bo@example.com]}
agents:
  - {name: bot, owner: bo@example.com, labels: {team: support}}
policies:
  - {name: refunds, actions: ['stripe.refund*'], effect: require_approval,
     approval: {approvers: ['group:finance'], quorum: 2}}
  - {name: never, actions: ['db.drop*'], effect: deny}
";

impl Server {
    /// Applies a text as a file, as the admin.
    pub(super) fn apply_yaml(&self, yaml: &str, options: &[&str]) -> Ran {
        self.apply_yaml_with(yaml, options, &[])
    }

    pub(super) fn apply_yaml_with(&self, yaml: &str, options: &[&str], environment: &[(&str, &str)]) -> Ran {
        let path = self.place.directory().join("signoff.yaml");
        std::fs::write(&path, yaml).unwrap();
        let mut command = self.as_admin(&[&["apply", "-f", path.to_str().unwrap()], options].concat());
        command.envs(environment.iter().copied());
        finish(command)
    }
}

#[test]
fn a_file_is_applied_once_and_then_there_is_nothing_to_do() {
    let server = Server::bare(&[]);
    let ran = server.apply_yaml(WHOLE, &["--dry-run", "--exit-code"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    for line in [
        "operators\n  + dana@example.com",
        "groups\n  + finance",
        "agents\n  + bot",
        "policies\n  + refunds",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    assert!(
        ran.stdout.contains("6 to create, 0 to change, 0 to remove"),
        "{}",
        ran.stdout
    );
    assert_eq!(
        server.admin(&["policy", "list"])["version"],
        0,
        "a dry run changes nothing"
    );

    let ran = server.apply_yaml(WHOLE, &[]);
    assert_eq!(ran.code, 3, "nobody is here to be asked: {ran:?}");
    assert!(ran.stderr.contains("--yes"), "{}", ran.stderr);

    let ran = server.apply_yaml(WHOLE, &["--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stderr.contains("version 1 of the policies is in force"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("signoff agents rotate-key bot"),
        "{}",
        ran.stderr
    );
    assert!(!format!("{ran:?}").contains("sgo_"), "no key is told: {ran:?}");
    assert_eq!(server.admin(&["policy", "list"])["items"][0]["name"], "refunds");
    assert_eq!(
        server.admin(&["agents", "list"])["items"][0]["owner"]["name"],
        "Bo"
    );

    for options in [&["--dry-run", "--exit-code"][..], &["--yes"]] {
        let ran = server.apply_yaml(WHOLE, options);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.contains("nothing to do"), "{}", ran.stdout);
    }
    assert_eq!(server.admin(&["policy", "list"])["version"], 1);
}

#[test]
fn a_plan_says_every_field_and_what_is_not_in_the_file_goes() {
    let server = Server::bare(&[]);
    assert_eq!(server.apply_yaml(WHOLE, &["--yes"]).code, 0);
    let changed = WHOLE
        .replace("quorum: 2", "quorum: 1, timeout: 2h")
        .replace("unmatched: deny", "unmatched: ask")
        .replace("name: Bo, role: member", "name: Bo, role: viewer")
        .replace("  - {name: never, actions: ['db.drop*'], effect: deny}\n", "")
        .replace(
            "agents:\n  - {name: bot, owner: bo@example.com, labels: {team: support}}",
            "agents: []",
        );
    let plan = server.apply_yaml(&changed, &["--dry-run", "--json"]).json();
    let found = |kind: &str, name: &str| {
        let listed = plan["changes"].as_array().unwrap();
        let found = listed
            .iter()
            .find(|one| one["kind"] == kind && one["name"] == name);
        found.unwrap_or_else(|| panic!("{kind} {name}: {plan:#}")).clone()
    };
    assert_eq!(
        found("operator", "bo@example.com")["fields"],
        json!([{"field": "role", "old": "member", "new": "viewer"}])
    );
    assert_eq!(found("agent", "bot")["change"], "disable");
    assert_eq!(found("setting", "unmatched")["fields"][0]["new"], "ask");
    assert_eq!(
        found("policy", "refunds")["fields"],
        json!([
            {"field": "approval.quorum", "old": 2, "new": 1}, {"field": "approval.timeout", "old": null, "new": "2h"}
        ])
    );
    assert_eq!(found("policy", "never")["change"], "remove");
    assert_eq!(plan["summary"], json!({"create": 0, "update": 3, "remove": 2}));
    let ran = server.apply_yaml(&changed, &["--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("approval.quorum: 2 → 1"), "{}", ran.stdout);
    assert_eq!(server.admin(&["agents", "list"])["items"][0]["disabled"], true);
    assert!(
        server
            .apply_yaml(&changed, &["--dry-run"])
            .stdout
            .contains("nothing to do")
    );
    // A section that is left out is not touched.
    let ran = server.apply_yaml("agents: []\n", &["--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let left = server.admin(&["policy", "list"]);
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1));
    // A group goes with the last policy that names it.
    let ran = server.apply_yaml("groups: []\n", &["--yes"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("names the group `finance`"), "{}", ran.stderr);
    let ran = server.apply_yaml("groups: []\npolicies: []\n", &["--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_rename_inside_one_apply_releases_nothing() {
    let server = Server::bare(&[]);
    let file = "policies:\n  - {name: deploys, actions: ['deploy.*'], effect: require_approval}\n";
    assert_eq!(server.apply_yaml(file, &["--yes"]).code, 0);
    let agent = server.agent("bot");
    let gate = start(server.command(&agent, &["gate", "deploy.production", "--", "echo", "deployed"]));
    let id = server.pending();
    let renamed = file.replace("deploys", "deployments");
    let ran = server.apply_yaml(&renamed, &["--yes", "--orphaned", "release", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let plan = ran.json();
    assert_eq!(
        plan["pending"],
        json!({"allowed": 0, "denied": 0, "asked": 1}),
        "{plan:#}"
    );
    assert_eq!(plan["policy_version"], 2, "one version: {plan:#}");
    let judged = (0..200).any(|_| {
        let approval = server.admin(&["approvals", "show", &id]);
        assert_eq!(approval["status"], "pending");
        std::thread::sleep(std::time::Duration::from_millis(25));
        approval["policy"]["name"] == "deployments"
    });
    signal(&gate, "INT");
    assert_eq!(end(gate).stdout, "");
    assert!(judged, "never judged under the new name");
}

#[test]
fn what_becomes_of_pending_approvals_is_told_before() {
    let server = Server::bare(&[]);
    let file = "policies:\n  - {name: deploys, actions: ['deploy.*'], effect: require_approval}\n";
    assert_eq!(server.apply_yaml(file, &["--yes"]).code, 0);
    let agent = server.agent("bot");
    let gate = start(server.command(&agent, &["gate", "deploy.production", "--", "echo", "deployed"]));
    server.pending();
    for (effect, expected) in [("allow", "1 allowed"), ("deny", "1 denied")] {
        let ran = server.apply_yaml(&file.replace("require_approval", effect), &["--dry-run"]);
        assert!(ran.stdout.contains(expected), "{effect}: {}", ran.stdout);
    }
    let ran = server.apply_yaml("policies: []\n", &["--dry-run", "--orphaned", "release"]);
    assert!(ran.stdout.contains("1 allowed"), "{}", ran.stdout);
    let ran = server.apply_yaml("agents: []\n", &["--dry-run"]);
    assert!(ran.stdout.contains("1 cancelled"), "{}", ran.stdout);
    assert_eq!(
        server
            .apply_yaml(&file.replace("require_approval", "allow"), &["--yes"])
            .code,
        0
    );
    assert_eq!(end(gate).stdout, "deployed\n");
}

#[test]
fn nobody_locks_themselves_out() {
    let server = Server::bare(&[]);
    assert_eq!(server.apply_yaml(WHOLE, &["--yes"]).code, 0);
    let without = "operators:\n  - {email: bo@example.com, name: Bo, role: member}\n";
    let ran = server.apply_yaml(without, &["--yes"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("nobody would govern"), "{}", ran.stderr);
    let token = server.admin(&["operators", "create-token", "dana@example.com"]);
    let path = server.place.directory().join("signoff.yaml");
    for (text, expected) in [
        (without.replace("member", "admin"), "would disable you"),
        (
            without.replace("member", "admin") + "  - {email: dana@example.com, name: Dana, role: member}\n",
            "an admin no more",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let ran = server.run(
            token["token"].as_str().unwrap(),
            &["apply", "-f", path.to_str().unwrap(), "--yes"],
        );
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    for (text, expected) in [
        (
            "groups: [{name: a, members: [x@example.com]}]",
            "no operator has the address",
        ),
        ("agents: [{name: a}, {name: A}]", "stands twice"),
        (
            "channels: [{name: a, kind: webhook, url: 'https://x.org', secret: {env: NO_SUCH_VARIABLE}}]",
            "NO_SUCH_VARIABLE",
        ),
        (
            "policies:\n  - {name: a, effect: deny, gard: true}",
            "did you mean `guard`?",
        ),
    ] {
        let ran = server.apply_yaml(text, &["--yes"]);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    let ran = server.apply_yaml("policies: []", &["--yes", "--expected-version", "7"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        server
            .apply_yaml(WHOLE, &["--dry-run"])
            .stdout
            .contains("nothing to do"),
        "nothing was changed"
    );
}

#[test]
fn channels_take_their_secrets_from_the_environment() {
    let server = Server::bare(&["--egress-allow", "127.0.0.0/8"]);
    let file =
        "channels:\n  - {name: finance, kind: webhook, url: {env: HOOK_URL}, secret: {env: HOOK_SECRET}}\n";
    let secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let with = [
        ("HOOK_URL", "http://127.0.0.1:9/secret-path"),
        ("HOOK_SECRET", secret),
    ];
    let ran = server.apply_yaml_with(file, &["--yes"], &with);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = server.apply_yaml_with(file, &["--dry-run"], &with);
    assert!(ran.stdout.contains("nothing to do"), "{ran:?}");
    let other = [
        ("HOOK_URL", "http://127.0.0.1:9/other-path"),
        ("HOOK_SECRET", secret),
    ];
    let ran = server.apply_yaml_with(file, &["--yes"], &other);
    assert!(ran.stdout.contains("~ finance\n      url:"), "{ran:?}");
    assert!(
        !format!("{ran:?}").contains("-path") && !format!("{ran:?}").contains("whsec_"),
        "{ran:?}"
    );
    let ran = server.apply_yaml_with(file, &["--dry-run"], &other);
    assert!(ran.stdout.contains("nothing to do"), "{ran:?}");
    assert_eq!(server.apply_yaml("channels: []", &["--yes"]).code, 0);
    assert_eq!(server.admin(&["webhooks", "list"])["items"], json!([]));
}

/// Channels of other kinds are no part of a file: what names one names something, and it is there afterwards.
#[test]
fn a_file_leaves_channels_of_other_kinds_alone() {
    let server = Server::bare(&["--egress-allow", "127.0.0.0/8"]);
    server.admin(&["channels", "add", "push", "phones", "url=http://127.0.0.1:9"]);
    let file = "channels: []\npolicies:\n  - {name: refunds, actions: [stripe.refund], effect: require_approval, \
                approval: {approvers: ['role:admin'], notify: ['channel:phones', 'channel:nowhere', {to: [finance, 'dana@example.com'], risk: high}]}}\n";
    let ran = server.apply_yaml(file, &["--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let said = format!("{ran:?}");
    for (place, about) in [
        ("1", "there is no channel `nowhere`"),
        ("2/to/0", "`finance` names nobody"),
    ] {
        assert!(said.contains(&format!("notify/{place}: {about}")), "{said}");
    }
    assert!(!said.contains("no channel `phones`"), "{said}");
    assert_eq!(server.admin(&["channels", "list"])["items"][0]["name"], "phones");
}

#[test]
fn what_breaks_off_in_the_middle_says_so_and_converges() {
    let server = Server::bare(&[]);
    // An agent name that only the server refuses; what comes before it is done.
    let broken = WHOLE.replace("{name: bot,", "{name: 'bot*',");
    let ran = server.apply_yaml(&broken, &["--yes"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for line in [
        "done before it broke off",
        "+ operators: dana@example.com",
        "not done:",
        "+ agents: bot*",
        "+ policies: refunds",
    ] {
        assert!(ran.stderr.contains(line), "{line}: {}", ran.stderr);
    }
    let plan = server.apply_yaml(WHOLE, &["--dry-run", "--json"]).json();
    assert_eq!(plan["summary"]["create"], 3, "{plan:#}");
    assert_eq!(server.apply_yaml(WHOLE, &["--yes"]).code, 0);
    assert!(
        server
            .apply_yaml(WHOLE, &["--dry-run"])
            .stdout
            .contains("nothing to do")
    );
}

#[test]
fn lint_knows_who_there_is() {
    let server = Server::bare(&[]);
    // Its owner could not approve for it, and two must.
    let ran = server.apply_yaml(WHOLE, &["--yes"]);
    assert!(
        ran.stderr.contains("nobody can approve what `bot` asks"),
        "{}",
        ran.stderr
    );
    let whole = WHOLE.replace(", owner: bo@example.com", "");
    assert_eq!(server.apply_yaml(&whole, &["--yes"]).code, 0);
    let found = server.admin(&["policy", "lint"]);
    assert_eq!(found["findings"], json!([]));
    let quorum = whole.replace("quorum: 2", "quorum: 3");
    let ran = server.apply_yaml(&quorum, &["--yes"]);
    assert!(
        ran.stderr
            .contains("error: refunds/approval: nobody can approve: 3 must"),
        "{}",
        ran.stderr
    );
    let ran = finish(server.as_admin(&["policy", "lint", "--json"]));
    let found: Value = ran.json();
    assert_eq!(
        (ran.code, &found["findings"][0]["code"]),
        (1, &json!("unmeetable")),
        "{found:#}"
    );
    let ran = finish(server.as_admin(&["doctor"]));
    assert!(ran.stdout.contains("✗ policies"), "{}", ran.stdout);
    // A file that does not say who is in the group is not judged by that; with --server it is.
    let path = server.place.directory().join("policies.yaml");
    let policies = &quorum[quorum.find("policies:").unwrap()..];
    std::fs::write(&path, policies).unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(finish(server.as_admin(&["policy", "lint", path])).code, 0);
    assert_eq!(
        finish(server.as_admin(&["policy", "lint", path, "--server"])).code,
        1
    );
}

#[test]
fn cases_are_tested_on_the_policies_in_force() {
    let server = Server::bare(&[]);
    assert_eq!(server.apply_yaml(WHOLE, &["--yes"]).code, 0);
    let path = server.place.directory().join("cases.yaml");
    let cases = "cases:\n  - {action: db.drop_all, agent: bot, expect: {verdict: deny, policy: never}}\n  \
        - {action: stripe.refund, expect: {verdict: allow}}\n";
    std::fs::write(&path, cases).unwrap();
    let ran = finish(server.as_admin(&["policy", "test", "--server", path.to_str().unwrap()]));
    assert_eq!(ran.code, 1, "{ran:?}");
    for line in [
        "expected allowed, found pending_approval",
        "→ refunds (ask)",
        "1 passed, 1 failed",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
}
