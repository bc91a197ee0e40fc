//! Policies as files, without a server: tested, linted, and the examples as they are given to newcomers.

use serde_json::json;

use crate::run::{Ran, finish, signoff};

fn example(name: &str) -> String {
    format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The example with all of its sections, as if every `#` in front of one were taken away.
fn whole_example() -> String {
    let text = std::fs::read_to_string(example("signoff.yaml")).unwrap();
    let (head, tail) = text.split_once("# Take the `#` away").unwrap();
    let tail: String = tail
        .lines()
        .skip(2)
        .map(|line| {
            line.trim_start_matches('#')
                .strip_prefix(' ')
                .unwrap_or("")
                .to_owned()
                + "\n"
        })
        .collect();
    head.to_owned() + &tail
}

fn run(arguments: &[&str]) -> Ran {
    finish(signoff(arguments))
}

#[test]
fn the_example_passes_its_tests_and_lint() {
    let (file, cases) = (example("signoff.yaml"), example("signoff.test.yaml"));
    let ran = run(&["policy", "test", &cases, "-f", &file]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "8 passed, 0 failed\n"),
        "{ran:?}"
    );
    let ran = run(&["policy", "lint", &file]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, "nothing found\n"), "{ran:?}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signoff.yaml");
    std::fs::write(&path, whole_example()).unwrap();
    let ran = run(&["policy", "lint", path.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, "nothing found\n"), "{ran:?}");
}

#[test]
fn a_case_that_fails_says_what_governed_and_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cases.json");
    let cases = json!({"cases": [
        {"name": "large", "action": "stripe.refund", "inputs": {"amount": 51},
         "expect": {"verdict": "allowed", "policy": "payouts", "conditions": [true]}},
        {"action": "two words", "expect": {"verdict": "denied"}},
        {"action": "db.drop", "expect": {"verdict": "denied", "code": "policy_denied"}},
    ]});
    std::fs::write(&path, cases.to_string()).unwrap();
    let arguments = [
        "policy",
        "test",
        path.to_str().unwrap(),
        "-f",
        &example("signoff.yaml"),
    ];
    let ran = run(&arguments);
    assert_eq!(ran.code, 1, "{ran:?}");
    for line in [
        "✗ large (",
        "verdict: expected allowed, found pending_approval",
        "policy: expected `payouts`, found `small-refunds`",
        "conditions: expected true, found false",
        "inputs.amount lte 50 does not hold, saw 51",
        "✗ case 2: two words",
        "1 passed, 2 failed",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    let told = run(&[&["--json"], arguments.as_slice()].concat()).json();
    assert_eq!((&told["passed"], &told["failed"]), (&json!(1), &json!(2)));
}

#[test]
fn lint_exits_1_for_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signoff.yaml");
    std::fs::write(
        &path,
        "policies:\n  - {name: a, actions: [db.read], effect: allow}\n  - {name: b, actions: ['db.*'], effect: deny}\n",
    )
    .unwrap();
    let ran = run(&["policy", "lint", path.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("warning: a: it never governs: `b` denies"),
        "{}",
        ran.stdout
    );
    let told = run(&["policy", "lint", path.to_str().unwrap(), "--json"]).json();
    assert_eq!(told["findings"][0]["code"], "unreachable");
}

#[test]
fn the_schema_is_printed_as_it_is_committed() {
    let ran = run(&["schema"]);
    let committed = format!("{}/../../spec/signoff.schema.json", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(ran.stdout, std::fs::read_to_string(committed).unwrap());
}

const CALLS: &str = r"
policies:
  - name: all-deletes
    http: {methods: [DELETE, PUT]}
    effect: require_approval
  - name: refunds
    http: {methods: [POST], url: /v1/refunds}
    cost: money(http.json.amount) / 100
    cost_over: 50
    floor: {risk: high}
    effect: require_approval
    context_schema: {required: [customer], properties: {customer: {type: string, description: id of the customer}}}
  - name: small-refunds
    http: {methods: [POST], url: /v1/refunds}
    effect: allow
";

const CALL_CASES: &str = r#"
cases:
  - http: {method: delete, url: "https://api.example.com/v1/users/7"}
    expect: {verdict: pending_approval, policy: all-deletes}
  - http: {method: POST, url: "https://api.stripe.com/v1/refunds", json: {amount: 5000}}
    expect: {verdict: allowed, policy: small-refunds}
  - http: {method: POST, url: "https://api.stripe.com/v1/refunds", json: {amount: 5001}}
    context: {customer: cus_1}
    expect: {verdict: pending_approval, policy: refunds}
  - name: thin
    http: {method: POST, url: "https://api.stripe.com/v1/refunds", json: {amount: 5001}}
    expect: {verdict: bounced, policy: refunds, incomplete: [/context/customer]}
  - name: taken for whole
    http: {method: POST, url: "https://api.stripe.com/v1/refunds"}
    expect: {verdict: pending_approval}
"#;

#[test]
fn calls_costs_and_thin_requests_are_tested_without_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let (file, cases) = (
        directory.path().join("signoff.yaml"),
        directory.path().join("cases.yaml"),
    );
    std::fs::write(&file, CALLS).unwrap();
    std::fs::write(&cases, CALL_CASES).unwrap();
    let ran = run(&[
        "policy",
        "test",
        cases.to_str().unwrap(),
        "-f",
        file.to_str().unwrap(),
    ]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for line in [
        "✗ taken for whole (",
        "verdict: expected pending_approval, found bounced",
        "/context/customer: `customer` is missing: text (id of the customer)",
        "cost: refunds can't compute it",
        "risk: high, raised by refunds",
        "4 passed, 1 failed",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    let ran = run(&["policy", "lint", file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, "nothing found\n"), "{ran:?}");
}
