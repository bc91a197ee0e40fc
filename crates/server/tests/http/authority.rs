//! Who may do what: the table of `spec/authority.json` against core, and every operation of the API against the table.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use signoff_core::actor::{Auth, Principal};
use signoff_core::authority::{Operation, Permit, permit};
use signoff_core::id::{AgentId, ApplicationId, OperatorId, RawId};
use signoff_core::requirement::Role;

use crate::examples;
use crate::world::{Reply, Who, World};

const OPERATIONS: [(&str, Operation); 16] = [
    ("ask", Operation::Ask),
    ("answer_info", Operation::AnswerInfo),
    ("see_actions", Operation::SeeActions),
    ("see_workspace", Operation::SeeWorkspace),
    ("explain", Operation::Explain),
    ("cancel", Operation::Cancel),
    ("decide", Operation::Decide),
    ("revoke_standing", Operation::RevokeStanding),
    ("settle", Operation::Settle),
    ("stop", Operation::Stop),
    ("lift_stop", Operation::LiftStop),
    ("govern", Operation::Govern),
    ("own_tokens", Operation::OwnTokens),
    ("own_contact", Operation::OwnContact),
    ("link_self", Operation::LinkSelf),
    ("who_am_i", Operation::WhoAmI),
];

const KINDS: [(&str, Who); 7] = [
    ("stranger", Who::Stranger),
    ("agent", Who::Agent),
    ("application", Who::Application),
    ("viewer", Who::Viewer),
    ("member", Who::Member),
    ("admin", Who::Admin),
    ("automation", Who::Automation),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Cell {
    All,
    Own,
    Never,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "about")]
    _about: String,
    operations: BTreeMap<String, BTreeMap<String, Cell>>,
}

fn table() -> Table {
    let path = "../../spec/authority.json";
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn principal(who: Who) -> Option<Principal> {
    let person = |role| Principal::Operator {
        id: OperatorId(RawId([3; 16])),
        role,
        auth: Auth::Token,
    };
    Some(match who {
        Who::Stranger => return None,
        Who::Agent | Who::OtherAgent => Principal::Agent(AgentId(RawId([1; 16]))),
        Who::Application => Principal::Application(ApplicationId(RawId([2; 16]))),
        Who::Viewer => person(Role::Viewer),
        Who::Member => person(Role::Member),
        Who::Admin => person(Role::Admin),
        Who::Automation => Principal::Automation("admin_key".into()),
    })
}

/// The table as data is the table that core enforces.
#[test]
fn the_table_of_the_spec_is_the_table_of_core() {
    let table = table();
    assert_eq!(
        table.operations.len(),
        OPERATIONS.len() + 1,
        "a row for each operation, and `open`"
    );
    assert!(table.operations["open"].values().all(|cell| *cell == Cell::All));
    for (word, operation) in OPERATIONS {
        let row = &table.operations[word];
        assert_eq!(row.len(), KINDS.len(), "{word}");
        for (kind, who) in KINDS {
            let permit = principal(who).map_or(Permit::Never, |principal| permit(&principal, operation));
            let expected = match permit {
                Permit::All => Cell::All,
                Permit::Own => Cell::Own,
                Permit::Never => Cell::Never,
            };
            assert_eq!(row[kind], expected, "{word} by {kind}");
        }
    }
}

/// One operation of the API, as its description has it.
struct Described {
    id: String,
    method: String,
    row: String,
}

fn described() -> Vec<Described> {
    let document = serde_json::to_value(signoff_server::api::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|item| item.as_object().unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let described = operations.map(|(method, operation)| Described {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        row: text(&operation["x-signoff-operation"]),
    });
    described.collect()
}

/// What somebody has who is not the caller.
fn another(who: Who) -> Who {
    if who == Who::OtherAgent {
        Who::Agent
    } else {
        Who::OtherAgent
    }
}

/// Whose thing an operation is tried on first: the caller's own, or an agent's where the caller asks nothing.
fn owner(who: Who) -> Who {
    match who {
        Who::Stranger | Who::Automation => Who::Agent,
        other => other,
    }
}

/// Something to look at, decide on or cancel needs an asker; tokens need a person.
fn owner_of(operation: &str, who: Who) -> Who {
    let asks = matches!(who, Who::Agent | Who::OtherAgent | Who::Application);
    let is_personal = ["token", "slack", "contact"]
        .iter()
        .any(|prefix| operation.starts_with(prefix));
    if is_personal || asks {
        owner(who)
    } else {
        Who::Agent
    }
}

async fn try_it(world: &World, described: &Described, who: Who, owner: Who) -> Reply {
    let example = examples::of(world, &described.id, who, owner).await;
    let example = example.unwrap_or_else(|| panic!("no example covers `{}`: add one", described.id));
    let before = world.head().await;
    let reply = if described.id == "stream_read" {
        let response = world
            .request(who, &described.method, &example.path)
            .send()
            .await
            .unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        // A stream that was let in does not end by itself.
        let text = if status.is_success() {
            String::new()
        } else {
            response.text().await.unwrap()
        };
        Reply {
            status,
            headers,
            text,
        }
    } else if described.id == "proxy_through" {
        through(world, who, &example).await
    } else {
        world
            .call(who, &described.method, &example.path, example.body.as_ref())
            .await
    };
    // I5: reading decides nothing. And what was refused changed nothing.
    if described.method == "GET" || !reply.status.is_success() {
        assert_eq!(
            world.head().await,
            before,
            "{} by {who:?} left a record: {}",
            described.id,
            reply.text
        );
    }
    reply
}

/// An application names its agent in a header here, and the end of a call that is handed on is recorded after it.
async fn through(world: &World, who: Who, example: &examples::Example) -> Reply {
    let mut request = world.request(who, "POST", &example.path);
    if who == Who::Application {
        request = request.header("signoff-agent", "app-bot");
    }
    let reply = Reply::of(request.json(&example.body).send().await.unwrap()).await;
    if let Some(id) = reply.headers.get("signoff-execution-id") {
        let result = format!("/v1/executions/{}/result?wait=10", id.to_str().unwrap());
        world.get(Who::Automation, &result).await.ok();
    }
    reply
}

fn assert_allowed(described: &Described, who: Who, reply: &Reply) {
    let refused_by_state = ["execution_settle", "execution_release"].contains(&described.id.as_str());
    let settled = refused_by_state && reply.status == StatusCode::CONFLICT;
    assert!(
        reply.status.is_success() || settled,
        "{} by {who:?}: {} {}",
        described.id,
        reply.status,
        reply.text
    );
}

async fn walk(world: &World, described: &Described, cell: Cell, who: Who) {
    let reply = try_it(world, described, who, owner_of(&described.id, who)).await;
    match cell {
        Cell::Never => {
            let expected = if who == Who::Stranger {
                StatusCode::UNAUTHORIZED
            } else {
                StatusCode::FORBIDDEN
            };
            assert_eq!(
                reply.status, expected,
                "{} by {who:?}: {}",
                described.id, reply.text
            );
            // I6: who asks and tries to decide is told so.
            let asks = matches!(who, Who::Agent | Who::Application);
            if described.row == "decide" && asks {
                assert_eq!(reply.code(), "approval_link_not_yours");
            }
        }
        Cell::All => assert_allowed(described, who, &reply),
        Cell::Own => {
            assert_allowed(described, who, &reply);
            // Another's does not exist. Only what names one thing can name another's.
            let names_none = [
                "action_submit",
                "action_check",
                "approval_list",
                "policy_explain",
                "proxy_call",
                "proxy_through",
                "slack_code_create",
            ];
            let is_about_one = !names_none.contains(&described.id.as_str());
            if is_about_one {
                let reply = try_it(world, described, who, another(who)).await;
                assert_eq!(
                    reply.status,
                    StatusCode::NOT_FOUND,
                    "{} by {who:?}: {}",
                    described.id,
                    reply.text
                );
                assert_eq!(reply.code(), "not_found");
            }
        }
    }
}

/// Every operation of the API does for everybody what the table says, over a real socket: I6, I11 and section 8.
#[tokio::test(flavor = "multi_thread")]
async fn every_operation_keeps_to_the_table() {
    let (world, table) = (World::new().await, table());
    let all = described();
    assert!(all.len() > 50);
    for described in &all {
        let row = table.operations.get(&described.row);
        let row = row.unwrap_or_else(|| panic!("`{}` has no row in spec/authority.json", described.id));
        for (kind, who) in KINDS {
            walk(&world, described, row[kind], who).await;
        }
    }
}

/// Another agent's action, approval and execution do not exist, in lists neither.
#[tokio::test]
async fn an_agent_sees_nothing_of_another_agent() {
    let world = World::new().await;
    let theirs = world.submit(Who::OtherAgent, "ask.it").await;
    let (action, approval) = (
        theirs["action_id"].as_str().unwrap(),
        theirs["approval_id"].as_str().unwrap(),
    );
    for path in [
        format!("/v1/actions/{action}"),
        format!("/v1/approvals/{approval}?wait=1"),
    ] {
        let reply = world.get(Who::Agent, &path).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::NOT_FOUND, "not_found"),
            "{path}"
        );
        world.get(Who::OtherAgent, &path).await.ok();
    }
    for who in [Who::Agent, Who::Application] {
        let list = world.get(who, "/v1/approvals").await.ok().json();
        assert_eq!(list["items"].as_array().unwrap().len(), 0, "{who:?}");
    }
    assert_eq!(
        world.get(Who::OtherAgent, "/v1/approvals").await.ok().json()["items"][0]["id"],
        approval
    );
}
