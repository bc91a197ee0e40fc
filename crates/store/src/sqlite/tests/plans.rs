//! How SQLite goes about the questions: by an index that fits, never through all rows.

use signoff_core::{
    action::{Priority, Risk},
    event::{ApprovalStatus, ExecutionState},
    fold::RowKey,
    id::{ActionId, AgentId},
};
use sqlx::{AssertSqlSafe, QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::open;
use crate::{
    ApprovalQuery, ExecutionQuery, RecordQuery, Search,
    cells::Table,
    conformance::{
        scribe::{START, Scribe, raw},
        world::{AGENT, DANA, OPEN, idempotency_name},
    },
    model::raw_of,
    sqlite::{approvals, batch, deliveries, executions, inbox, records, side},
};

async fn plan(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows = sqlx::query(sql).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}

/// Every step over a table must be a search; `index` must be among the indexes, and the order must come from it where
/// `sorted` says that no sorting is allowed.
async fn check(connection: &mut SqliteConnection, sql: &str, index: &str, sorted: bool) {
    let steps = plan(connection, sql).await;
    let text = steps.join("\n");
    for step in &steps {
        let over_index =
            step.starts_with("SCAN") && ["CONSTANT ROW", "VALUES"].iter().any(|what| step.contains(what));
        let over_answer = ["SCAN (subquery", "SCAN (join"]
            .iter()
            .any(|what| step.starts_with(what));
        assert!(
            !step.starts_with("SCAN") || over_index || over_answer,
            "{sql}\n{text}"
        );
        assert!(!sorted || !step.contains("USE TEMP B-TREE"), "{sql}\n{text}");
    }
    assert!(text.contains(index), "no {index} in:\n{sql}\n{text}");
}

/// A page of fifty records, asked for as said.
fn records_of(set: impl FnOnce(&mut RecordQuery)) -> RecordQuery {
    let mut query = RecordQuery {
        limit: 50,
        ..RecordQuery::default()
    };
    set(&mut query);
    query
}

#[tokio::test]
async fn records_are_found_by_index() {
    let fixture = open().await;
    let mut connection = fixture.connect().await;
    let workspace = Scribe::new(1).workspace;
    let text = |text: &str| Some(text.to_owned());
    for (query, index, sorted) in [
        (records_of(|_| {}), "sqlite_autoindex_events_1", true),
        (
            records_of(|q| q.subject = Some(OPEN.0)),
            "events_by_subject",
            true,
        ),
        (
            records_of(|q| q.agents = Some(vec![AGENT])),
            "events_by_agent",
            false,
        ),
        (
            records_of(|q| q.action = text("stripe.refund")),
            "events_by_action",
            false,
        ),
        (
            records_of(|q| q.action = text("stripe.*")),
            "events_by_action",
            false,
        ),
        (
            records_of(|q| q.action = text("*.refund")),
            "events_by_action",
            false,
        ),
        (
            records_of(|q| q.actor = Some(DANA.to_string())),
            "events_by_operator",
            true,
        ),
        (
            records_of(|q| q.event_type = text("approval.ended.v1")),
            "events_by_type",
            true,
        ),
        (
            records_of(|q| q.event_type = text("approval.ended")),
            "events_by_type",
            false,
        ),
        (
            records_of(|q| q.event_type = text("operator.")),
            "events_by_type",
            false,
        ),
        (
            records_of(|q| q.decision = text("denied")),
            "events_by_decision",
            true,
        ),
        (records_of(|q| q.since = Some(START)), "events_by_time", true),
    ] {
        for (newest_first, beyond) in [(false, None), (true, None), (false, Some(7)), (true, Some(7))] {
            let query = RecordQuery {
                beyond,
                newest_first,
                ..query.clone()
            };
            check(
                &mut connection,
                records::page(workspace, &query).sql().as_str(),
                index,
                sorted,
            )
            .await;
        }
    }
    let sql = records::at_query(workspace, &[1, 2, 3]);
    check(
        &mut connection,
        sql.sql().as_str(),
        "sqlite_autoindex_events_1",
        true,
    )
    .await;
    let sql = records::submissions_query(workspace, &[OPEN.0, raw(7)]);
    check(&mut connection, sql.sql().as_str(), "events_by_subject", true).await;
    let sql = records::payloads_query(workspace, &[1, 2, 3]);
    check(
        &mut connection,
        sql.sql().as_str(),
        "sqlite_autoindex_payloads_1",
        true,
    )
    .await;
}

/// A page of fifty approvals, asked for as said.
fn approvals_of(set: impl FnOnce(&mut ApprovalQuery)) -> ApprovalQuery {
    let mut query = ApprovalQuery {
        limit: 50,
        ..ApprovalQuery::default()
    };
    set(&mut query);
    query
}

#[tokio::test]
async fn approvals_are_found_by_index() {
    use ApprovalStatus::{Approved, Denied, InfoRequested, Pending};
    let fixture = open().await;
    let mut connection = fixture.connect().await;
    let workspace = Scribe::new(1).workspace;
    for (query, index) in [
        (approvals_of(|_| {}), "approvals_by_time"),
        (approvals_of(|q| q.statuses = vec![Pending]), "approvals_open"),
        (
            approvals_of(|q| q.statuses = vec![InfoRequested]),
            "approvals_open",
        ),
        (
            approvals_of(|q| q.statuses = vec![Pending, InfoRequested]),
            "approvals_open",
        ),
        (
            approvals_of(|q| q.statuses = vec![InfoRequested, Pending]),
            "approvals_open",
        ),
        (
            approvals_of(|q| q.statuses = vec![Approved, Denied]),
            "approvals_by_time",
        ),
        (
            approvals_of(|q| q.agents = Some(vec![AGENT])),
            "approvals_by_agent",
        ),
        (
            approvals_of(|q| q.priority = Some(Priority::High)),
            "approvals_by_time",
        ),
        (approvals_of(|q| q.risk = Some(Risk::High)), "approvals_by_time"),
        (
            approvals_of(|q| q.action = Some("stripe.*".into())),
            "approvals_by_time",
        ),
        (
            approvals_of(|q| q.policy = Some("refunds".into())),
            "approvals_by_time",
        ),
        (
            approvals_of(|q| {
                q.search = Some(Search {
                    action: "refund".into(),
                    agents: vec![AGENT],
                });
            }),
            "approvals_by_time",
        ),
    ] {
        for (oldest_first, beyond) in [(false, None), (true, None), (false, Some(7)), (true, Some(7))] {
            let query = ApprovalQuery {
                beyond,
                oldest_first,
                ..query.clone()
            };
            check(
                &mut connection,
                approvals::page(workspace, &query).sql().as_str(),
                index,
                true,
            )
            .await;
        }
    }
    let several = approvals_of(|q| q.agents = Some(vec![AGENT, AgentId(raw(2))]));
    check(
        &mut connection,
        approvals::page(workspace, &several).sql().as_str(),
        "approvals_by_",
        false,
    )
    .await;
    check(
        &mut connection,
        approvals::COUNT_OPEN,
        "COVERING INDEX approvals_open",
        true,
    )
    .await;
    check(
        &mut connection,
        approvals::FACTS,
        "COVERING INDEX approvals_facts",
        true,
    )
    .await;
    check(&mut connection, approvals::FACTS, "approvals_open", true).await;
    for index in ["sqlite_autoindex_approvals", "events_by_subject", "payloads"] {
        check(&mut connection, approvals::REQUEST, index, false).await;
    }
}

#[tokio::test]
async fn what_is_on_its_way_is_looked_at_alone() {
    let fixture = open().await;
    let mut connection = fixture.connect().await;
    let workspace = Scribe::new(1).workspace;
    for agent in [None, Some(AGENT)] {
        for beyond in [None, Some(OPEN.execution())] {
            let query = ExecutionQuery {
                state: ExecutionState::Ready,
                agent,
                beyond,
                limit: 200,
            };
            let sql = executions::page(workspace, &query);
            check(&mut connection, sql.sql().as_str(), "executions_open", true).await;
        }
        let sql = executions::count(workspace, ExecutionState::Consumed, agent);
        let index = "COVERING INDEX executions_open";
        check(&mut connection, sql.sql().as_str(), index, true).await;
    }
}

#[tokio::test]
async fn the_clock_and_the_messenger_look_at_what_is_due_alone() {
    let fixture = open().await;
    let mut connection = fixture.connect().await;
    for index in ["approvals_due", "executions_due"] {
        check(&mut connection, approvals::DUE, index, true).await;
        check(&mut connection, approvals::NEXT_DUE, index, true).await;
    }
    for index in ["deliveries_due", "deliveries_by_request"] {
        let due = deliveries::due_query(
            START,
            &[signoff_core::id::ChannelId(signoff_core::id::RawId([1; 16]))],
            10,
        );
        check(&mut connection, due.sql().as_str(), index, false).await;
    }
    check(&mut connection, deliveries::GATHERED, "deliveries_waiting", false).await;
    check(&mut connection, deliveries::LAST_TOLD, "deliveries_told", true).await;
    let told = deliveries::told_of_query(
        Scribe::new(1).workspace,
        &[ActionId(signoff_core::id::RawId([1; 16]))],
    );
    check(
        &mut connection,
        told.sql().as_str(),
        "deliveries_by_request",
        true,
    )
    .await;
    check(&mut connection, deliveries::NEXT, "deliveries_due", true).await;
    check(&mut connection, deliveries::OUTBOX, "PRIMARY KEY", true).await;
    check(&mut connection, deliveries::OF_CHANNEL, "PRIMARY KEY", true).await;
    let told = deliveries::told_query(Scribe::new(1).workspace, &[1, 2]);
    check(&mut connection, told.sql().as_str(), "deliveries_by_record", true).await;
    check(
        &mut connection,
        side::SWEEP_IDEMPOTENCY,
        "idempotency_expiry",
        true,
    )
    .await;
    check(&mut connection, side::SWEEP_SESSIONS, "sessions_expiry", true).await;
    check(&mut connection, inbox::RECEIVED, "slack_inbox_waiting", true).await;
    check(&mut connection, inbox::TAKE_CODE, "link_codes_by_hash", true).await;
    check(&mut connection, side::SWEEP_INBOX, "slack_inbox_expiry", true).await;
    check(&mut connection, side::SWEEP_LINK_CODES, "link_codes_expiry", true).await;
}

#[tokio::test]
async fn batches_look_rows_up_by_their_keys() {
    let fixture = open().await;
    let mut connection = fixture.connect().await;
    let workspace = Scribe::new(1).workspace;
    let keys = [
        RowKey::Approval(OPEN.approval()),
        RowKey::Execution(OPEN.execution()),
        RowKey::Operator(DANA),
    ];
    for key in keys {
        let table = Table::of(key);
        let keys = [(workspace, raw_of(key)), (workspace, raw(7))];
        let index = format!("sqlite_autoindex_{}_1", table.name());
        check(
            &mut connection,
            &asked(|text| batch::push_rows(text, table, &keys)),
            &index,
            true,
        )
        .await;
    }
    let (one, mut two) = (
        idempotency_name(&Scribe::new(1)),
        idempotency_name(&Scribe::new(1)),
    );
    two.key = "other".into();
    check(
        &mut connection,
        &asked(|text| batch::push_idempotency(text, &[&one, &two])),
        "sqlite_autoindex_idempotency_1",
        true,
    )
    .await;
    let wanted = [(workspace, OPEN), (workspace, ActionId(raw(9)))];
    let sql = asked(|text| batch::push_submissions(text, &[&wanted[0], &wanted[1]]));
    check(&mut connection, &sql, "events_by_subject", true).await;
}

/// A part of what a batch asks, by itself.
fn asked(push: impl FnOnce(&mut QueryBuilder<Sqlite>)) -> String {
    let mut text = QueryBuilder::new("SELECT ");
    push(&mut text);
    text.sql().as_str().to_owned()
}
