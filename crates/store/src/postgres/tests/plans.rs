//! How Postgres goes about the questions over tables of some size: by an index that fits, never through all rows.

use signoff_core::{
    action::{Priority, Risk},
    event::{ApprovalStatus, ExecutionState},
};
use sqlx::{AssertSqlSafe, Execute as _, PgConnection, Postgres, QueryBuilder, Row as _, postgres::PgRow};

use super::{Fixture, open};
use crate::{
    ApprovalQuery, ExecutionQuery, RecordQuery, Search,
    conformance::{
        scribe::{START, Scribe},
        world::{AGENT, DANA, OPEN},
    },
    postgres::{
        approvals, batch, counted, cut, deliveries, executions, inbox, leases, records, side, verify, write,
    },
};

/// One large workspace, in which naming the workspace narrows nothing, over two months.
const FILL: &str = "
INSERT INTO heads SELECT id, 60000, id, 0, 0, 0, 0, '' FROM (SELECT decode(lpad('1', 32, '0'), 'hex') AS id) AS w;
INSERT INTO events SELECT decode(lpad('1', 32, '0'), 'hex'), n, decode(md5(n::text), 'hex'),
    1795000000000000 + n * 40000000::bigint, (ARRAY['action.allowed.v1', 'approval.voted.v1', 'execution.consumed.v1'])[n % 3 + 1],
    decode(md5((n / 3)::text), 'hex'), CASE WHEN n % 3 = 1 THEN 'usr_' || n % 40 ELSE 'agt_' || n % 20 END,
    CASE WHEN n % 3 = 0 THEN decode(md5((n % 20)::text), 'hex') END,
    CASE WHEN n % 3 = 0 THEN 'stripe.refund.' || n % 200 END,
    (ARRAY['allowed', 'approve', NULL])[n % 3 + 1], decode(md5(n::text), 'hex'), decode(repeat('00', 500), 'hex')
    FROM generate_series(1, 60000) AS n;
INSERT INTO payloads SELECT workspace, seq, 'inputs', subject, hash, bytes, time FROM events;
INSERT INTO approvals SELECT decode(lpad('1', 32, '0'), 'hex'), decode(md5(n::text), 'hex'), decode(repeat('00', 800), 'hex'),
    CASE WHEN n % 200 = 0 THEN 'pending' ELSE 'approved' END, decode(md5((n % 20)::text), 'hex'), 'stripe.refund.' || n % 200,
    (ARRAY['low', 'medium', 'high'])[n % 3 + 1], (ARRAY['low', 'medium', 'high'])[n % 3 + 1], 'refunds', n * 2, n, n, 'operator',
    CASE WHEN n % 200 = 0 THEN n END FROM generate_series(1, 30000) AS n;
INSERT INTO executions SELECT workspace, id, row, CASE WHEN next_at IS NULL THEN 'reported' ELSE 'ready' END, agent, next_at
    FROM approvals;
INSERT INTO counted SELECT decode(lpad('1', 32, '0'), 'hex'), decode(md5(n::text), 'hex'), decode(repeat('00', 200), 'hex'),
    decode(md5((n % 5)::text), 'hex'), (ARRAY['', 'context.amount'])[n % 2 + 1], decode(md5((n % 20)::text), 'hex'),
    1795000000000000 + n * 40000000::bigint, n, 100, 0 FROM generate_series(1, 30000) AS n;
INSERT INTO idempotency SELECT decode(lpad('1', 32, '0'), 'hex'), 'agt_' || n % 20, 'submit', n::text, '', '{}',
    CASE WHEN n % 20 = 0 THEN n END FROM generate_series(1, 30000) AS n;
INSERT INTO sessions SELECT decode(md5(n::text), 'hex'), decode(lpad('1', 32, '0'), 'hex'), '', 0, n
    FROM generate_series(1, 20000) AS n;
INSERT INTO outbox SELECT decode(lpad('1', 32, '0'), 'hex'), n, 'approval.pending' FROM generate_series(1, 20000) AS n;
INSERT INTO deliveries (workspace, channel, seq, kind, state, attempts, created_at, next_at, ended_at, last_status, recipient,
    request) SELECT decode(lpad('1', 32, '0'), 'hex'), decode(md5((n % 5)::text), 'hex'), n, 'approval.pending',
    'delivered', 1, 0, CASE WHEN n % 200 = 0 THEN n END, n, 200, decode(md5((n % 50)::text), 'hex'),
    decode(md5((n / 4)::text), 'hex') FROM generate_series(1, 30000) AS n;
INSERT INTO leases SELECT decode(lpad('1', 32, '0'), 'hex'), decode(md5(n::text), 'hex'), '', n, n
    FROM generate_series(1, 20000) AS n;
INSERT INTO slack_inbox SELECT decode(lpad('1', 32, '0'), 'hex'), decode(md5((n % 5)::text), 'hex'),
    decode(md5(n::text), 'hex'), NULL, '', n, n, CASE WHEN n % 200 > 0 THEN n END FROM generate_series(1, 20000) AS n;
ANALYZE";

async fn filled() -> Fixture {
    let fixture = open().await;
    let mut connection = fixture.database.connect().await;
    sqlx::raw_sql(FILL).execute(&mut connection).await.unwrap();
    fixture
}

/// The plan for whatever values come: a statement's parameters are unknown when it is made.
async fn plan(connection: &mut PgConnection, sql: &str) -> String {
    let count = (1..=40)
        .rev()
        .find(|n| sql.contains(&format!("${n}")))
        .unwrap_or(0);
    let prepare = AssertSqlSafe(format!("PREPARE asked AS {sql}"));
    sqlx::raw_sql(prepare).execute(&mut *connection).await.unwrap();
    let nulls = vec!["NULL"; count].join(", ");
    let arguments = if count == 0 {
        String::new()
    } else {
        format!("({nulls})")
    };
    let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE asked{arguments}"));
    let rows = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
    sqlx::raw_sql("DEALLOCATE asked")
        .execute(connection)
        .await
        .unwrap();
    lines(&rows)
}

/// No table of size is gone through from end to end, `index` serves, and rows come in order where `sorted` says so.
async fn check(connection: &mut PgConnection, sql: &str, index: &str, sorted: bool) {
    judge(sql, &plan(connection, sql).await, index, sorted);
}

fn judge(sql: &str, plan: &str, index: &str, sorted: bool) {
    for line in plan.lines().filter(|line| line.contains("Seq Scan on")) {
        // Tables of one row, partitions of months to come.
        let small = ["on installation", "_default", "_2027_", "on heads"];
        assert!(small.iter().any(|small| line.contains(small)), "{sql}\n{plan}");
    }
    // Merging what comes in order is no sorting.
    let sorts = plan.lines().any(|line| line.contains("Sort  ("));
    assert!(!sorted || !sorts, "{sql}\n{plan}");
    assert!(plan.contains(index), "no {index} in:\n{sql}\n{plan}");
}

/// The same for a question that is planned for its values.
async fn check_page(
    connection: &mut PgConnection,
    mut sql: QueryBuilder<Postgres>,
    index: &str,
    sorted: bool,
) {
    let text = format!("EXPLAIN {}", sql.sql().as_str());
    let arguments = sql.build().take_arguments().unwrap().unwrap();
    let explain = sqlx::query_with(AssertSqlSafe(text.clone()), arguments).persistent(false);
    let rows = explain.fetch_all(connection).await.unwrap();
    judge(&text, &lines(&rows), index, sorted);
}

fn lines(rows: &[PgRow]) -> String {
    rows.iter()
        .map(|row| row.get::<String, _>(0))
        .collect::<Vec<_>>()
        .join("\n")
}

async fn connect(fixture: &Fixture) -> PgConnection {
    let mut connection = fixture.database.connect().await;
    let generic = "SET plan_cache_mode = force_generic_plan";
    sqlx::raw_sql(generic).execute(&mut connection).await.unwrap();
    connection
}

async fn check_records(connection: &mut PgConnection) {
    let of = |set: fn(&mut RecordQuery)| {
        let mut query = RecordQuery {
            limit: 50,
            ..RecordQuery::default()
        };
        set(&mut query);
        query
    };
    for (query, index, sorted) in [
        (of(|_| {}), "pkey", true),
        (of(|q| q.subject = Some(OPEN.0)), "subject", false),
        (of(|q| q.agents = Some(vec![AGENT])), "agent", false),
        (of(|q| q.action = Some("stripe.refund.7".into())), "action", false),
        (of(|q| q.action = Some("stripe.*".into())), "", false),
        (of(|q| q.actor = Some(DANA.to_string())), "actor", false),
        (of(|q| q.event_type = Some("approval.voted.v1".into())), "", false),
        (of(|q| q.decision = Some("denied".into())), "", false),
        (of(|q| q.since = Some(START)), "time", false),
    ] {
        for (newest_first, beyond) in [(false, None), (true, None), (false, Some(7)), (true, Some(7))] {
            let query = RecordQuery {
                beyond,
                newest_first,
                ..query.clone()
            };
            let sql = records::page(Scribe::new(1).workspace, &query);
            check_page(connection, sql, index, sorted && beyond.is_none()).await;
        }
    }
    check(connection, records::AT, "pkey", false).await;
    check(connection, records::SUBMISSIONS, "subject", false).await;
    check(connection, records::PAYLOADS, "pkey", false).await;
    for index in [
        "approvals_pkey",
        "executions_pkey",
        "_subject_seq_idx",
        "payloads_",
    ] {
        check(connection, approvals::REQUEST, index, false).await;
    }
    check(connection, verify::RECORDS, "pkey", false).await;
    check(connection, cut::LAST_OF_CHUNK, "pkey", true).await;
    check(connection, approvals::TOUCHED, "approvals_pkey", false).await;
}

async fn check_approvals(connection: &mut PgConnection) {
    use ApprovalStatus::{Approved, Denied, InfoRequested, Pending};
    let of = |set: fn(&mut ApprovalQuery)| {
        let mut query = ApprovalQuery {
            limit: 50,
            ..ApprovalQuery::default()
        };
        set(&mut query);
        query
    };
    for (query, index) in [
        (of(|_| {}), "approvals_by_time"),
        (of(|q| q.statuses = vec![Pending]), "approvals_open"),
        (
            of(|q| q.statuses = vec![Pending, InfoRequested]),
            "approvals_open",
        ),
        (of(|q| q.statuses = vec![Approved, Denied]), "approvals_by_time"),
        (of(|q| q.agents = Some(vec![AGENT])), "approvals_by_"),
        (of(|q| q.priority = Some(Priority::High)), "approvals_by_time"),
        (of(|q| q.risk = Some(Risk::High)), "approvals_by_time"),
        (of(|q| q.action = Some("stripe.*".into())), "approvals_by_time"),
        (of(|q| q.policy = Some("refunds".into())), "approvals_by_time"),
        (
            of(|q| {
                q.search = Some(Search {
                    action: "refund".into(),
                    agents: vec![AGENT],
                });
            }),
            "approvals_by_time",
        ),
    ] {
        for oldest_first in [false, true] {
            let query = ApprovalQuery {
                oldest_first,
                ..query.clone()
            };
            let sql = approvals::page(Scribe::new(1).workspace, &query);
            check_page(connection, sql, index, false).await;
        }
    }
    check(connection, approvals::COUNT_OPEN, "approvals_open", false).await;
    // Planned for its values: a look at the last tenth.
    let workspace = format!("'\\x{:032x}'::bytea", 1);
    let facts = approvals::FACTS.replace("$1", &workspace).replace("$2", "27000");
    check(connection, &facts, "approvals_open", false).await;
    check(connection, &facts, "approvals_facts", false).await;
    for index in ["approvals_due", "executions_due"] {
        check(connection, approvals::DUE, index, false).await;
        check(connection, approvals::NEXT_DUE, index, true).await;
    }
}

async fn check_executions(connection: &mut PgConnection) {
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
            check_page(connection, sql, "executions_open", false).await;
        }
        let sql = executions::count(workspace, ExecutionState::Consumed, agent);
        check_page(connection, sql, "executions_open", false).await;
    }
}

/// In one test, because filling the tables takes a while.
#[tokio::test]
async fn no_question_goes_through_a_whole_table() {
    let fixture = filled().await;
    let connection = &mut connect(&fixture).await;
    check_records(connection).await;
    check_approvals(connection).await;
    check_executions(connection).await;
    check(connection, deliveries::DUE, "deliveries_due", false).await;
    check(connection, deliveries::NEXT, "deliveries_due", true).await;
    check(connection, deliveries::OF_CHANNEL, "deliveries_pkey", true).await;
    check(connection, deliveries::TOLD, "deliveries_by_record", false).await;
    check(connection, deliveries::OUTBOX, "outbox_pkey", true).await;
    check(connection, deliveries::ATTEMPTS, "on deliveries", false).await;
    check(connection, deliveries::GATHERED, "using deliveries_", false).await;
    check(connection, deliveries::LAST_TOLD, "deliveries_told", false).await;
    check(connection, deliveries::TOLD_OF, "deliveries_by_request", false).await;
    check(connection, deliveries::HOLD, "using deliveries_", false).await;
    check(connection, deliveries::TAKE, "outbox_pkey", false).await;
    check(connection, leases::CLAIM, "leases_pkey", false).await;
    check(connection, side::SWEEP_IDEMPOTENCY, "idempotency_expiry", false).await;
    check(connection, side::SWEEP_SESSIONS, "sessions_expiry", false).await;
    check(connection, side::SWEEP_LEASES, "leases_expiry", false).await;
    check(connection, inbox::RECEIVED, "slack_inbox_waiting", true).await;
    check(connection, inbox::RECEIVE, "Insert on slack_inbox", false).await;
    check(connection, inbox::HANDLED, "slack_inbox_pkey", false).await;
    check(connection, side::SWEEP_INBOX, "slack_inbox_expiry", false).await;
    let as_in_batches = "SET enable_seqscan = off; SET jit = off";
    sqlx::raw_sql(as_in_batches)
        .execute(&mut *connection)
        .await
        .unwrap();
    check(connection, batch::HEADS, "heads_pkey", false).await;
    for index in [
        "approvals_pkey",
        "executions_pkey",
        "counters_pkey",
        "idempotency_pkey",
        "_subject_seq_idx",
    ] {
        check(connection, batch::WANTED, index, false).await;
    }
    for index in ["counted_of_agent", "counted_of_policy"] {
        check(connection, counted::FIGURES, index, false).await;
    }
    check(connection, batch::WANTED, "counted_pkey", false).await;
    check(connection, write::TOGETHER[&Vec::new()], "heads_pkey", false).await;
}
