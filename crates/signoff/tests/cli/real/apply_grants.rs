//! Grants as a file: terms in it, values beside it; what is missing is said before anything changes.

use serde_json::{Value, json};

use super::Server;
use super::calls::upstream;
use crate::run::Ran;

const CANARY: &str = "canary-f11e0fca11ed";
const EGRESS: &[&str] = &["--egress-allow", "127.0.0.1/32"];

fn file(origin: &str) -> String {
    format!(
        "grants:
  - name: pinger
    credential: {{type: header, name: X-Api-Key}}
    value: {{env: PINGER_KEY}}
    origins: ['{origin}']
    methods: [GET, post]
    paths: ['/ping*']
    agents: ['b*']
    labels: {{team: support}}
    timeout: 30s
    idempotent: {{header: Idempotency-Key}}
    redact: {{headers: [x-secret], json: [/card]}}
"
    )
}

impl Server {
    #[track_caller]
    fn plan(&self, yaml: &str, environment: &[(&str, &str)]) -> Value {
        let ran = self.apply_yaml_with(yaml, &["--dry-run", "--json"], environment);
        assert_eq!(ran.code, 0, "{ran:?}");
        says_no_value(&ran);
        ran.json()
    }

    #[track_caller]
    fn done(&self, yaml: &str, environment: &[(&str, &str)]) -> Ran {
        let ran = self.apply_yaml_with(yaml, &["--yes"], environment);
        assert_eq!(ran.code, 0, "{ran:?}");
        says_no_value(&ran);
        ran
    }
}

/// I7: no plan, no answer and no error has a value.
#[track_caller]
fn says_no_value(ran: &Ran) {
    assert!(!format!("{ran:?}").contains("canary"), "{ran:?}");
}

fn fields(change: &Value) -> Vec<&str> {
    let fields = change["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    fields
        .iter()
        .map(|field| field["field"].as_str().unwrap())
        .collect()
}

#[test]
fn i7_a_grant_is_made_once_its_value_is_there() {
    let server = Server::bare(EGRESS);
    let agent = server.agent("bot");
    let (origin, seen) = upstream();
    let (file, key) = (file(&origin), [("PINGER_KEY", CANARY)]);

    // Without its value nothing happens, and the plan says what to do.
    let missing = server.apply_yaml(&file, &["--dry-run"]);
    assert_eq!(missing.code, 0, "{missing:?}");
    assert!(
        missing
            .stdout
            .contains("MISSING: pinger: its value is missing: set `PINGER_KEY`"),
        "{missing:?}"
    );
    let before = server.admin(&["audit", "list", "--limit", "1"]);
    let with_agents = format!("{file}agents: []\n");
    let refused = server.apply_yaml(&with_agents, &["--yes"]);
    assert!(
        refused.code == 3 && refused.stderr.contains("set `PINGER_KEY`"),
        "{refused:?}"
    );
    assert_eq!(
        server.admin(&["audit", "list", "--limit", "1"])["items"],
        before["items"]
    );

    let plan = server.plan(&file, &key);
    let change = &plan["changes"][0];
    assert_eq!(
        (&change["kind"], &change["name"], &change["change"]),
        (&json!("grant"), &json!("pinger"), &json!("create"))
    );
    assert_eq!(plan["missing"], json!([]));
    let made = server.done(&file, &key);
    for line in [
        "grants\n  + pinger",
        "credential.name: x-api-key",
        "methods: [\"GET\",\"POST\"]",
        "labels.team: support",
        "value: (from the environment's PINGER_KEY)",
    ] {
        assert!(made.stdout.contains(line), "{line}: {}", made.stdout);
    }
    let called = server.run(
        &agent,
        &["call", "GET", &format!("{origin}/ping"), "--grant", "pinger"],
    );
    assert_eq!(called.stdout, "pong", "{called:?}");
    assert!(seen.lock().unwrap()[0].contains(&format!("x-api-key: {CANARY}")));

    // Again nothing is to be done, with the value or without it.
    for environment in [&key[..], &[]] {
        let again = server.done(&file, environment);
        assert!(again.stdout.contains("nothing to do"), "{again:?}");
    }
    assert_eq!(server.admin(&["grants", "show", "pinger"])["version"], 1);
}

#[test]
fn i7_terms_and_values_change_and_what_is_not_in_the_file_goes() {
    let server = Server::bare(EGRESS);
    let agent = server.agent("bot");
    let (origin, seen) = upstream();
    server.done(&file(&origin), &[("PINGER_KEY", CANARY)]);
    let version = || server.admin(&["grants", "show", "pinger"])["version"].clone();

    // Terms change without the value at hand; what the file leaves out is taken away.
    let fewer = format!(
        "grants:\n  - {{name: Pinger, credential: {{type: bearer}}, origins: ['{origin}'], agents: [bot]}}\n"
    );
    let plan = server.plan(&fewer, &[]);
    assert_eq!(
        fields(&plan["changes"][0]),
        [
            "agents",
            "credential.name",
            "credential.type",
            "idempotent.header",
            "idempotent.window",
            "labels.team",
            "methods",
            "paths",
            "redact.headers",
            "redact.json",
            "timeout"
        ]
    );
    let changed = server.done(&fewer, &[]);
    assert!(
        changed
            .stdout
            .contains("what was approved with a grant as it is now"),
        "{changed:?}"
    );
    assert_eq!(version(), 2);
    let called = server.run(
        &agent,
        &["call", "GET", &format!("{origin}/x"), "--grant", "pinger"],
    );
    assert_eq!(called.stdout, "pong", "{called:?}");
    assert!(seen.lock().unwrap()[0].contains(&format!("authorization: bearer {CANARY}")));
    assert!(server.done(&fewer, &[]).stdout.contains("nothing to do"));

    // Another value alone is a change, from a file too; the plan tells it by its fingerprint.
    let secret = server.place.directory().join("key.txt");
    std::fs::write(&secret, "canary-another\n").unwrap();
    let another = fewer.replace(
        "origins:",
        &format!("value: {{file: '{}'}}, origins:", secret.display()),
    );
    let plan = server.plan(&another, &[]);
    assert_eq!(fields(&plan["changes"][0]), ["value"]);
    assert!(
        plan["changes"][0]["fields"][0]["new"]
            .as_str()
            .unwrap()
            .starts_with("fingerprint ")
    );
    server.done(&another, &[]);
    assert_eq!(version(), 3);
    assert!(server.done(&another, &[]).stdout.contains("nothing to do"));

    // Who does not name grants leaves them; who names none removes them.
    server.done("agents: [{name: bot}]\n", &[]);
    let plan = server.plan("grants: []\n", &[]);
    assert_eq!(plan["changes"][0]["change"], "remove");
    server.done("grants: []\n", &[]);
    assert_eq!(server.admin(&["grants", "list"])["items"], json!([]));
    assert_eq!(server.admin(&["audit", "verify", "--with-store"])["ok"], true);
}

/// A refresh token that a provider replaced since is not written over by the one that the file knows.
#[test]
fn the_same_value_is_not_sent_again_and_another_kind_needs_its_own() {
    let server = Server::bare(&[]);
    let oauth = |flow: &str, more: &str| {
        format!(
            "grants:
  - name: crm
    credential: {{type: oauth2, token_url: 'https://id.example.com/token', client_id: me, flow: {flow}}}
    value: {{env: CRM_TOKEN}}{more}
    origins: ['https://crm.example.com']
"
        )
    };
    let client = "\n    client_secret: {env: CRM_SECRET}";
    let both = [("CRM_TOKEN", "canary-token"), ("CRM_SECRET", "canary-secret")];
    let half = server.apply_yaml_with(&oauth("refresh_token", client), &["--yes"], &both[..1]);
    assert!(
        half.code == 3 && half.stderr.contains("set `CRM_SECRET`"),
        "{half:?}"
    );
    server.done(&oauth("refresh_token", client), &both);
    let events = || {
        let page = server.admin(&["audit", "list", "--type", "grant.put.v1"]);
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(events(), 1);
    let plan = server.plan(
        &oauth("refresh_token", &format!("{client}\n    disabled: true")),
        &both,
    );
    assert_eq!(fields(&plan["changes"][0]), ["disabled"]);
    let other = oauth("client_credentials", "");
    let without = server.apply_yaml(&other, &["--yes"]);
    assert!(
        without.code == 3
            && without
                .stderr
                .contains("another kind of credential needs its own value"),
        "{without:?}"
    );
    assert_eq!(events(), 1);
    server.done(
        &other,
        &both[1..]
            .iter()
            .map(|(_, value)| ("CRM_TOKEN", *value))
            .collect::<Vec<_>>(),
    );
    assert_eq!(events(), 2);
}

#[test]
fn what_is_no_grant_is_refused_before_anything_changes() {
    let server = Server::bare(&[]);
    let grant = |more: &str| {
        format!("agents: [{{name: bot}}]\ngrants:\n  - {{name: g, credential: {{type: bearer}}, {more}}}\n")
    };
    let key = [("KEY", "canary-key")];
    for (more, why) in [
        (
            "origins: [], value: {env: KEY}",
            "say where the credential may go",
        ),
        (
            "origins: ['https://a.example'], value: canary-written",
            "say where it is, `{env: NAME}`",
        ),
        (
            "origins: ['https://a.example'], value: {file: '-'}",
            "standard input",
        ),
        (
            "origins: ['https://a.example'], value: {file: /nowhere/at/all}",
            "there is no file",
        ),
        (
            "origins: ['https://a.example']",
            "say where it is: `value: {env: NAME}`",
        ),
        (
            "origins: ['https://a.example'], value: {env: KEY}, orgins: []",
            "did you mean `origins`?",
        ),
        (
            "origins: ['https://a.example'], value: {env: KEY}, timeout: 1h",
            "timeout",
        ),
    ] {
        let ran = server.apply_yaml_with(&grant(more), &["--yes"], &key);
        assert!(ran.code == 3 || ran.code == 1, "{more}: {ran:?}");
        assert!(ran.stderr.contains(why), "{more}: {ran:?}");
        says_no_value(&ran);
        assert_eq!(server.admin(&["agents", "list"])["items"], json!([]), "{more}");
    }
    let twice = "grants:\n  - {name: g, credential: {type: bearer}, origins: ['https://a.example']}\n  \
        - {name: G, credential: {type: bearer}, origins: ['https://a.example']}\n";
    let ran = server.apply_yaml(twice, &["--yes"]);
    assert!(ran.code == 3 && ran.stderr.contains("stands twice"), "{ran:?}");
}
