//! Promises about approvals and executions outside of batches.

use signoff_core::{
    action::{Priority, Risk},
    actor::ActorKind,
    event::{ApprovalStatus, Ballot, Event, ExecutionState, Nothing},
    id::{ActionId, AgentId, ExecutionId},
    payload::PayloadName,
    policy::PolicyRef,
    rows::ApprovalRow,
    time::{Micros, Timestamp},
};

use super::{
    Subject, filters,
    scribe::{START, STEP, Scribe, facts, operator, raw},
    world::{AGENT, ALLOWED, APPROVED, DANA, ERIN, OPEN, OTHER_AGENT, build, policy_ref},
};
use crate::{ApprovalFact, ApprovalQuery, Due, ExecutionQuery, RecordQuery, Store};

/// One row by its id; what only was allowed has no row before it is carried out.
pub async fn one_is_found_by_its_id(subject: &dyn Subject) {
    let mut scribe = build(subject.store(), 1, "a").await;
    let store = subject.store();
    let untouched = ActionId(raw(0x44));
    scribe.allow(untouched, facts("mail.send", AGENT));
    scribe.commit(store).await;
    for id in [OPEN, APPROVED, ALLOWED, untouched] {
        let row = store.approval(scribe.workspace, id.approval()).await.unwrap();
        assert_eq!(row.as_ref(), scribe.rows.approvals.get(&id.approval()), "{id}");
        let row = store.execution(scribe.workspace, id.execution()).await.unwrap();
        assert_eq!(row.as_ref(), scribe.rows.executions.get(&id.execution()), "{id}");
    }
}

/// An approval is read with its execution and every payload of the request, whichever record carries it, and with nothing
/// of anybody else's.
pub async fn a_request_is_read_whole(subject: &dyn Subject) {
    let mut scribe = build(subject.store(), 1, "a").await;
    let elsewhere = build(subject.store(), 2, "b").await;
    let store = subject.store();
    let said = Event::InfoRequested(Nothing {});
    let words: &[(PayloadName, &[u8])] = &[(PayloadName::Text, b"for whom?")];
    let asked = scribe.record_with(operator(DANA), OPEN.approval(), said, words);
    scribe.commit(store).await;
    for id in [OPEN, APPROVED, ALLOWED] {
        let request = store.request(scribe.workspace, id.approval()).await.unwrap();
        let Some(approval) = scribe.rows.approvals.get(&id.approval()) else {
            assert_eq!(request, None, "{id}");
            continue;
        };
        let mut request = request.unwrap();
        assert_eq!(request.approval, *approval, "{id}");
        assert_eq!(
            request.execution.as_ref(),
            scribe.rows.executions.get(&id.execution()),
            "{id}"
        );
        let query = RecordQuery {
            subject: Some(id.0),
            limit: 100,
            ..RecordQuery::default()
        };
        let records = store.records(scribe.workspace, &query).await.unwrap();
        let sequences: Vec<u64> = records.iter().map(|record| record.seq).collect();
        let expected = store.payloads(scribe.workspace, &sequences).await.unwrap();
        assert_eq!(
            expected.iter().any(|payload| payload.seq == asked),
            id == OPEN,
            "{id}"
        );
        request
            .payloads
            .sort_by_key(|payload| (payload.seq, payload.name));
        assert_eq!(request.payloads, expected, "{id}");
    }
    let nobody = Scribe::new(3).workspace;
    assert_eq!(store.request(nobody, OPEN.approval()).await.unwrap(), None);
    let same = store.request(elsewhere.workspace, OPEN.approval()).await.unwrap();
    assert_eq!(
        same.as_ref().map(|request| &request.approval),
        elsewhere.rows.approvals.get(&OPEN.approval())
    );
}

/// Requests that differ in everything that can be asked for.
async fn many(store: &dyn Store, workspace: u128) -> Scribe {
    let mut scribe = build(store, workspace, "a").await;
    let names = [
        "stripe.refund",
        "Stripe.Charge",
        "db.drop",
        "mail.send",
        "deploy.production",
        "stripe.refunds",
    ];
    for n in 0..24_usize {
        let id = ActionId(raw(0x1000 + n as u128));
        let mut facts = facts(
            names[n % names.len()],
            if n % 3 == 0 { OTHER_AGENT } else { AGENT },
        );
        facts.priority = Priority::ALL[n % Priority::ALL.len()];
        facts.risk = Risk::ALL[n % Risk::ALL.len()];
        facts.policy = match n % 4 {
            0 => None,
            1 => Some(PolicyRef {
                name: "Other-Policy".into(),
                ..policy_ref()
            }),
            _ => Some(policy_ref()),
        };
        scribe.ask(id, facts);
        match n % 6 {
            0 => drop(scribe.vote(id, DANA, Ballot::Approve)),
            1 => drop(scribe.vote(id, ERIN, Ballot::Deny)),
            2 => drop(scribe.end(id, ApprovalStatus::Expired)),
            3 => drop(scribe.end(id, ApprovalStatus::Denied)),
            4 => {
                let asked = Event::InfoRequested(Nothing {});
                scribe.record(operator(DANA), id.approval(), asked);
            }
            _ => {}
        }
    }
    scribe.commit(store).await;
    scribe
}

fn all(set: impl FnOnce(&mut ApprovalQuery)) -> ApprovalQuery {
    let mut query = ApprovalQuery {
        limit: 1_000,
        ..ApprovalQuery::default()
    };
    set(&mut query);
    query
}

fn filter_table() -> Vec<ApprovalQuery> {
    use ApprovalStatus::{Approved, Denied, Expired, InfoRequested, Pending, Superseded};
    let mut table = vec![all(|_| {})];
    let statuses: [&[_]; 7] = [
        &[Pending],
        &[InfoRequested],
        &[Pending, InfoRequested],
        &[InfoRequested, Pending],
        &[Approved, Pending],
        &[Denied, Expired],
        &[Superseded],
    ];
    for statuses in statuses {
        table.push(all(|q| q.statuses = statuses.to_vec()));
        table.push(all(|q| {
            q.statuses = statuses.to_vec();
            q.agents = Some(vec![AGENT]);
        }));
    }
    let agents = [
        vec![],
        vec![AGENT],
        vec![OTHER_AGENT, AGENT],
        vec![AgentId(raw(1))],
    ];
    table.extend(agents.map(|agents| all(|q| q.agents = Some(agents))));
    let globs = [
        "stripe.refund",
        "stripe.*",
        "stripe.refund?",
        "*o*",
        "stripe.charge",
        "Stripe.Charge",
        "nothing",
    ];
    table.extend(globs.map(|glob| all(|q| q.action = Some(glob.into()))));
    table.extend(
        Priority::ALL
            .iter()
            .map(|priority| all(|q| q.priority = Some(*priority))),
    );
    table.extend(Risk::ALL.iter().map(|risk| all(|q| q.risk = Some(*risk))));
    let policies = ["refunds", "other-policy", "nothing"];
    table.extend(policies.map(|policy| all(|q| q.policy = Some(policy.into()))));
    let searches = [
        ("fund", vec![]),
        ("nothing", vec![AGENT]),
        ("%_", vec![]),
        ("charge", vec![OTHER_AGENT]),
    ];
    table.extend(searches.map(|(action, agents)| {
        all(|q| {
            q.search = Some(crate::Search {
                action: action.into(),
                agents,
            });
        })
    }));
    table.push(all(|q| {
        q.statuses = vec![Pending, InfoRequested];
        q.agents = Some(vec![AGENT]);
        q.action = Some("s*".into());
        q.policy = Some("refunds".into());
    }));
    table
}

/// Every filter, and some together, oldest and newest first, in one page and in small ones.
pub async fn every_filter_in_both_directions(subject: &dyn Subject) {
    let scribe = many(subject.store(), 1).await;
    let read =
        async |query: &ApprovalQuery| subject.store().approvals(scribe.workspace, query).await.unwrap();
    for query in filter_table() {
        for oldest_first in [false, true] {
            let query = ApprovalQuery {
                oldest_first,
                ..query.clone()
            };
            let expected = filters::approvals(&scribe, &query);
            assert_eq!(read(&query).await, expected, "{query:?}");
            let mut paged: Vec<ApprovalRow> = Vec::new();
            let mut page = ApprovalQuery {
                limit: 2,
                ..query.clone()
            };
            loop {
                let found = read(&page).await;
                page.beyond = found.last().map(|row| row.submitted_seq);
                let len = found.len();
                paged.extend(found);
                if len < 2 {
                    break;
                }
            }
            assert_eq!(paged, expected, "{query:?}");
        }
    }
}

/// A reader of the inbox who goes on where the last page ended sees each request once, whatever arrives meanwhile.
pub async fn pages_are_stable_while_requests_arrive(subject: &dyn Subject) {
    let mut scribe = many(subject.store(), 1).await;
    let mut query = ApprovalQuery {
        limit: 3,
        ..ApprovalQuery::default()
    };
    let expected = filters::approvals(
        &scribe,
        &ApprovalQuery {
            limit: 1_000,
            ..query.clone()
        },
    );
    let mut seen = Vec::new();
    loop {
        let page = subject.store().approvals(scribe.workspace, &query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.beyond = Some(last.submitted_seq);
        seen.extend(page.into_iter().map(|row| row.id));
        scribe.ask(
            ActionId(raw(0x5000 + seen.len() as u128)),
            facts("mail.send", AGENT),
        );
        scribe.commit(subject.store()).await;
    }
    assert_eq!(seen, expected.iter().map(|row| row.id).collect::<Vec<_>>());
}

/// Open is what waits for people or for the agent's answer.
pub async fn what_is_open_is_counted(subject: &dyn Subject) {
    let mut scribe = many(subject.store(), 1).await;
    let open = |scribe: &Scribe| {
        scribe
            .rows
            .approvals
            .values()
            .filter(|row| !row.status.is_terminal())
            .count()
    };
    let count = async |scribe: &Scribe| {
        usize::try_from(
            subject
                .store()
                .pending_count(scribe.workspace, None)
                .await
                .unwrap(),
        )
        .unwrap()
    };
    assert!(open(&scribe) > 2);
    assert_eq!(count(&scribe).await, open(&scribe));
    scribe.end(OPEN, ApprovalStatus::Cancelled);
    scribe.commit(subject.store()).await;
    assert_eq!(count(&scribe).await, open(&scribe));
}

fn fact_of(row: &ApprovalRow) -> ApprovalFact {
    ApprovalFact {
        status: row.status,
        priority: row.priority,
        risk: row.risk,
        action: row.action.to_ascii_lowercase(),
        created_at: row.created_at,
        decided_at: row.decided_at,
        decider: row.decided_by.as_ref().map(|actor| actor.kind),
    }
}

/// Statistics count what was submitted since, and everything that is open however old it is.
pub async fn facts_are_those_since_and_all_that_are_open(subject: &dyn Subject) {
    let scribe = many(subject.store(), 1).await;
    let middle = scribe.records[scribe.records.len() / 2].time;
    for since in [None, Some(START), Some(middle), Some(scribe.time)] {
        let rows = scribe.rows.approvals.values();
        let wanted =
            rows.filter(|row| since.is_none_or(|since| row.created_at >= since) || !row.status.is_terminal());
        let mut expected: Vec<_> = wanted.map(fact_of).collect();
        let mut found = subject
            .store()
            .approval_facts(scribe.workspace, since)
            .await
            .unwrap();
        expected.sort_by_key(|fact| fact.created_at);
        found.sort_by_key(|fact| fact.created_at);
        assert_eq!(found, expected, "{since:?}");
        assert_eq!(
            found.iter().any(|fact| fact.decider == Some(ActorKind::Operator)),
            since != Some(scribe.time)
        );
    }
}

/// The clock's work of all workspaces, soonest first, approvals and executions alike.
pub async fn what_is_due_comes_soonest_first(subject: &dyn Subject) {
    let store = subject.store();
    assert_eq!(store.next_due().await.unwrap(), None);
    let scribes = [many(store, 1).await, many(store, 2).await];
    let mut expected = Vec::new();
    for scribe in &scribes {
        let approvals = scribe.rows.approvals.values();
        expected.extend(
            approvals.filter_map(|row| Some(Due::Approval(scribe.workspace, row.id, row.next_at()?))),
        );
        let executions = scribe.rows.executions.values();
        expected.extend(
            executions.filter_map(|row| Some(Due::Execution(scribe.workspace, row.id, row.next_at()?))),
        );
    }
    let at = |due: &Due| match due {
        Due::Approval(_, _, at) | Due::Execution(_, _, at) => *at,
    };
    expected.sort_by_key(at);
    let times = |list: &[Due]| list.iter().map(at).collect::<Vec<_>>();
    let (first, last) = (at(&expected[0]), at(expected.last().unwrap()));
    assert_eq!(store.next_due().await.unwrap(), Some(first));
    assert_eq!(store.due(first.plus(Micros(-1)), 100).await.unwrap(), []);
    assert!(!store.due(first, 100).await.unwrap().is_empty());
    let found = store.due(last, 1_000).await.unwrap();
    assert_eq!(times(&found), times(&expected));
    assert!(expected.iter().all(|due| found.contains(due)));
    assert_eq!(times(&store.due(last, 3).await.unwrap()), times(&expected[..3]));
}

/// What came to its end leaves the clock nothing to do.
pub async fn what_ended_is_never_due(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    let never = Timestamp(i64::MAX);
    assert_eq!(store.due(never, 10).await.unwrap().len(), 2);
    scribe.end(OPEN, ApprovalStatus::Expired);
    scribe.consume(APPROVED);
    scribe.commit(store).await;
    assert_eq!(store.due(never, 10).await.unwrap(), []);
    assert_eq!(store.next_due().await.unwrap(), None);
    scribe.time = scribe.time.plus(STEP);
    scribe.ask(ActionId(raw(0x61)), facts("mail.send", AGENT));
    scribe.commit(store).await;
    assert_eq!(
        store.next_due().await.unwrap(),
        scribe.rows.approvals[&ActionId(raw(0x61)).approval()].next_at()
    );
}

/// What agents or Signoff have in hand, or may still take: newest first, in pages, of one agent or of all. And what is
/// open of one agent.
pub async fn what_is_on_its_way_is_found_by_its_state(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = build(store, 1, "a").await;
    for n in 0..12_u128 {
        let id = ActionId(raw(0x2000 + n));
        let agent = if n % 3 == 0 { OTHER_AGENT } else { AGENT };
        scribe.ask(id, facts("mail.send", agent));
        if n % 4 != 1 {
            scribe.vote(id, DANA, Ballot::Approve);
        }
        if n % 4 == 2 {
            scribe.consume(id);
        }
    }
    scribe.commit(store).await;
    for agent in [None, Some(AGENT), Some(OTHER_AGENT)] {
        let of = |row: &AgentId| agent.is_none_or(|agent| agent == *row);
        for state in [
            ExecutionState::Ready,
            ExecutionState::Consumed,
            ExecutionState::Executing,
        ] {
            let rows = scribe.rows.executions.values().rev();
            let expected: Vec<_> = rows
                .filter(|row| row.state == state && of(&row.agent))
                .cloned()
                .collect();
            let count = store
                .execution_count(scribe.workspace, state, agent)
                .await
                .unwrap();
            assert_eq!(count, expected.len() as u64, "{state} {agent:?}");
            let mut query = ExecutionQuery {
                state,
                agent,
                beyond: None,
                limit: 2,
            };
            let mut found = Vec::new();
            loop {
                let page = store.executions(scribe.workspace, &query).await.unwrap();
                let Some(last) = page.last() else { break };
                assert!(page.len() <= 2);
                query.beyond = Some(last.id);
                found.extend(page);
            }
            assert_eq!(found, expected, "{state} {agent:?}");
            assert!(state == ExecutionState::Executing || !found.is_empty());
        }
        let open = scribe.rows.approvals.values();
        let open = open.filter(|row| !row.status.is_terminal() && of(&row.agent));
        let counted = store.pending_count(scribe.workspace, agent).await.unwrap();
        assert_eq!(counted, open.count() as u64, "{agent:?}");
    }
    let ended = ExecutionQuery {
        state: ExecutionState::Reported,
        agent: None,
        beyond: Some(ExecutionId(raw(u128::MAX))),
        limit: 9,
    };
    assert_eq!(store.executions(scribe.workspace, &ended).await.unwrap(), []);
}
