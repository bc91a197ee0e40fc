//! How SQLite goes about the questions: by an index that fits, never through all rows.

use signoff_core::{
    action::{Priority, Risk},
    event::ApprovalStatus,
    fold::RowKey,
    id::{ActionId, AgentId, OperatorId},
};
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::open;
use crate::{
    ApprovalQuery, RecordQuery,
    conformance::{
        scribe::{START, Scribe, raw},
        world::{AGENT, DANA, OPEN, idempotency_name},
    },
    model::raw_of,
    sqlite::{approvals, batch, cells::Table, deliveries, records, side},
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

#[tokio::test]
async fn records_are_found_by_index() {
    let fixture = open().await;
    let mut connection = fixture.connect().await;
    let workspace = Scribe::new(1).workspace;
    let all = RecordQuery {
        limit: 50,
        ..RecordQuery::default()
    };
    let text = |text: &str| Some(text.to_owned());
    let operator = Some(OperatorId(raw(1)).to_string());
    for (query, index, sorted) in [
        (all.clone(), "sqlite_autoindex_events_1", true),
        (
            RecordQuery {
                subject: Some(OPEN.0),
                ..all.clone()
            },
            "events_by_subject",
            true,
        ),
        (
            RecordQuery {
                agents: Some(vec![AGENT]),
                ..all.clone()
            },
            "events_by_agent",
            false,
        ),
        (
            RecordQuery {
                action: text("stripe.refund"),
                ..all.clone()
            },
            "events_by_action",
            false,
        ),
        (
            RecordQuery {
                action: text("stripe.*"),
                ..all.clone()
            },
            "events_by_action",
            false,
        ),
        (
            RecordQuery {
                action: text("*.refund"),
                ..all.clone()
            },
            "events_by_action",
            false,
        ),
        (
            RecordQuery {
                actor: operator,
                ..all.clone()
            },
            "events_by_operator",
            true,
        ),
        (
            RecordQuery {
                event_type: text("approval.ended"),
                ..all.clone()
            },
            "events_by_type",
            false,
        ),
        (
            RecordQuery {
                event_type: text("operator."),
                ..all.clone()
            },
            "events_by_type",
            false,
        ),
        (
            RecordQuery {
                decision: text("denied"),
                ..all.clone()
            },
            "events_by_decision",
            true,
        ),
        (
            RecordQuery {
                since: Some(START),
                ..all.clone()
            },
            "events_by_time",
            true,
        ),
    ] {
        for (newest_first, beyond) in [(false, None), (true, None), (false, Some(7)), (true, Some(7))] {
            let query = RecordQuery {
                newest_first,
                beyond,
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
    let sql = records::payloads_query(workspace, &[1, 2, 3]);
    check(
        &mut connection,
        sql.sql().as_str(),
        "sqlite_autoindex_payloads_1",
        true,
    )
    .await;
}

#[tokio::test]
async fn approvals_are_found_by_index() {
    let fixture = open().await;
    let mut connection = fixture.connect().await;
    let workspace = Scribe::new(1).workspace;
    let all = ApprovalQuery {
        limit: 50,
        ..ApprovalQuery::default()
    };
    use ApprovalStatus::{Approved, Denied, InfoRequested, Pending};
    for (query, index) in [
        (all.clone(), "approvals_by_time"),
        (
            ApprovalQuery {
                statuses: vec![Pending],
                ..all.clone()
            },
            "approvals_open",
        ),
        (
            ApprovalQuery {
                statuses: vec![InfoRequested],
                ..all.clone()
            },
            "approvals_open",
        ),
        (
            ApprovalQuery {
                statuses: vec![Pending, InfoRequested],
                ..all.clone()
            },
            "approvals_open",
        ),
        (
            ApprovalQuery {
                statuses: vec![InfoRequested, Pending],
                ..all.clone()
            },
            "approvals_open",
        ),
        (
            ApprovalQuery {
                statuses: vec![Approved, Denied],
                ..all.clone()
            },
            "approvals_by_time",
        ),
        (
            ApprovalQuery {
                agents: Some(vec![AGENT]),
                ..all.clone()
            },
            "approvals_by_agent",
        ),
        (
            ApprovalQuery {
                priority: Some(Priority::High),
                ..all.clone()
            },
            "approvals_by_time",
        ),
        (
            ApprovalQuery {
                risk: Some(Risk::High),
                ..all.clone()
            },
            "approvals_by_time",
        ),
        (
            ApprovalQuery {
                action: Some("stripe.*".into()),
                ..all.clone()
            },
            "approvals_by_time",
        ),
        (
            ApprovalQuery {
                policy: Some("refunds".into()),
                ..all
            },
            "approvals_by_time",
        ),
    ] {
        for (oldest_first, beyond) in [(false, None), (true, None), (false, Some(7)), (true, Some(7))] {
            let query = ApprovalQuery {
                oldest_first,
                beyond,
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
    let several = ApprovalQuery {
        agents: Some(vec![AGENT, AgentId(raw(2))]),
        ..ApprovalQuery::default()
    };
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
}

#[tokio::test]
async fn the_clock_and_the_messenger_look_at_what_is_due_alone() {
    let fixture = open().await;
    let mut connection = fixture.connect().await;
    for index in ["approvals_due", "executions_due"] {
        check(&mut connection, approvals::DUE, index, true).await;
        check(&mut connection, approvals::NEXT_DUE, index, true).await;
    }
    check(&mut connection, deliveries::DUE, "deliveries_due", true).await;
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
            batch::rows_query(table, &keys).sql().as_str(),
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
    let sql = batch::idempotency_query(&[&one, &two]);
    check(
        &mut connection,
        sql.sql().as_str(),
        "sqlite_autoindex_idempotency_1",
        true,
    )
    .await;
    let wanted = [(workspace, OPEN), (workspace, ActionId(raw(9)))];
    let sql = batch::submissions_query(&[&wanted[0], &wanted[1]]);
    check(&mut connection, sql.sql().as_str(), "events_by_subject", true).await;
}
