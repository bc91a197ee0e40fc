"""AgentLattice's published client, unmodified."""

import asyncio
import os

import pytest
from agentlattice import (
    ActionOptions,
    AgentLattice,
    AgentLatticeDeniedError,
    AgentLatticeError,
    AgentLatticeTimeoutError,
    ReportOutcome,
)

ALLOW = {"name": "reads", "actions": ["read.*"], "effect": "allow"}
ASK = {"name": "deploys", "actions": ["deploy.*"], "effect": "require_approval"}
DENY = {"name": "drops", "actions": ["db.drop"], "effect": "deny"}
SMALL = {
    "name": "small",
    "actions": ["pay"],
    "effect": "conditional",
    "conditions": [{"field": "amount", "operator": "lte", "value": 50}],
}


def client(server, key=None, **more):
    more = {"gate_poll_interval_ms": 20, **more}
    key = key or server.agent(f"bot-{os.urandom(4).hex()}")
    return AgentLattice(api_key=key, base_url=server.dialect("agentlattice"), **more)


@pytest.fixture
def al(server):
    server.policies(ALLOW, ASK, DENY, SMALL)
    return client(server)


def test_every_verdict(server, al):
    done = al.execute_sync("read.table", ActionOptions(metadata={"table": "users"}, data_accessed=[{"kind": "pii"}]))
    assert (done.status, done.policy_name) == ("executed", "reads")
    asked = al.execute_sync("deploy.production")
    assert asked.status == "requested" and asked.approval_id.startswith("apr_") and asked.timeout_at
    denied = al.execute_sync("db.drop")
    assert (denied.status, denied.denial_reason, denied.policy_name) == ("denied", "POLICY_DENIED", "drops")
    assert al.execute_sync("nobody.knows").status == "policy_not_found"


def test_a_gate_opens_when_a_person_approves(server, al):
    with server.when_asked(lambda id: server.approve(id, "fine")) as asked:
        al.gate_sync("deploy.production", ActionOptions(metadata={"version": "2.1.0"}))
    approval = server.approval(asked.id)
    assert approval["context"] == {"version": "2.1.0"} and approval["accepts"] == []
    al.gate_sync("read.table")


def test_a_gate_stays_shut(server, al):
    with pytest.raises(AgentLatticeDeniedError) as denied:
        with server.when_asked(lambda id: server.deny(id, "window closed")):
            al.gate_sync("deploy.production")
    assert denied.value.reason == "DENIED_BY_REVIEWER"
    with pytest.raises(AgentLatticeDeniedError) as denied:
        al.gate_sync("db.drop")
    assert (denied.value.reason, denied.value.policy) == ("POLICY_DENIED", "drops")
    with pytest.raises(AgentLatticeError) as unknown:
        al.gate_sync("nobody.knows")
    assert unknown.value.code == "POLICY_NOT_FOUND"


def test_conditions_pass_escalate_and_deny(server, al):
    passed = al.execute_sync("pay", ActionOptions(metadata={"amount": 20}))
    assert passed.status == "executed" and [one.result for one in passed.conditions_evaluated] == [True]
    failed = al.execute_sync("pay", ActionOptions(metadata={"amount": 500}))
    assert failed.status == "requested" and [one.result for one in failed.conditions_evaluated] == [False]
    # A missing field holds nothing.
    assert al.execute_sync("pay").status == "requested"
    server.policies({**SMALL, "otherwise": "deny"})
    with pytest.raises(AgentLatticeDeniedError) as denied:
        al.gate_sync("pay", ActionOptions(metadata={"amount": 500}))
    assert denied.value.reason == "CONDITIONS_DENIED"
    assert [one.result for one in denied.value.conditions] == [False]


def test_nobody_decides(server, al):
    server.policies({**ASK, "approval": {"timeout": "1s"}})
    with pytest.raises(AgentLatticeTimeoutError):
        al.gate_sync("deploy.production")


def test_the_same_event_is_the_same_request(server, al):
    once = ActionOptions(event_id="order-7", metadata={"n": 1})
    first = al.execute_sync("deploy.production", once)
    again = al.execute_sync("deploy.production", once)
    assert (again.audit_event_id, again.approval_id) == (first.audit_event_id, first.approval_id)
    server.waiting(1)
    server.approve(first.approval_id)
    assert al.execute_sync("deploy.production", once).status == "executed"
    with pytest.raises(AgentLatticeError) as other:
        al.execute_sync("deploy.production", ActionOptions(event_id="order-7", metadata={"n": 2}))
    assert other.value.code == "IDEMPOTENCY_MISMATCH"


@pytest.mark.parametrize("change", ["allow", "disabled", "removed"])
def test_a_changed_policy_releases_what_waits(server, al, change):
    changed = {"allow": [{**ASK, "effect": "allow"}], "disabled": [{**ASK, "enabled": False}], "removed": []}[change]
    with server.when_asked(lambda _: server.policies(ALLOW, *changed, orphaned="release")) as asked:
        al.gate_sync("deploy.production")
    approval = server.approval(asked.id)
    # Nobody resolved it.
    assert approval["status"] == "approved" and not approval.get("decided_by")


def test_a_dry_run_leaves_no_trace(server, al):
    before = len(server.events())
    assert al.can_i_sync("read.x").allowed
    ask = al.can_i_sync("deploy.x")
    assert (ask.allowed, ask.needs_approval, ask.policy_name) == (False, True, "deploys")
    deny = al.can_i_sync("db.drop")
    assert (deny.allowed, deny.needs_approval, deny.reason) == (False, False, "POLICY_DENIED")
    assert al.can_i_sync("pay").needs_approval
    assert al.can_i_sync("nobody.knows").reason == "POLICY_NOT_FOUND"
    assert len(server.events()) == before and server.approvals(status="pending") == []


def test_who_am_i_and_under_which_rules(server, al):
    me = al.whoami_sync()
    assert me.is_active and me.cb_state == "closed" and me.org_id
    assert {policy.name for policy in me.policies} == {"reads", "deploys", "drops", "small"}
    assert me.delegations == {"as_parent": [], "as_child": []}
    by_name = {policy.name: policy for policy in al.policies_sync(scope="own").policies}
    assert by_name["deploys"].approval_required and not by_name["reads"].approval_required
    assert by_name["small"].has_conditions and by_name["small"].version >= 1
    assert al.policies_sync(scope="org").scope == "org"
    posture = al.posture_sync()
    assert 0 <= posture.score <= 100 and all(part.score <= part.max for part in posture.components.values())


def test_the_kill_switch(server, al):
    server.operator("POST", "/v1/stops", {"target": "workspace", "reason": "fire"})
    try:
        stopped = al.execute_sync("read.table")
        assert (stopped.status, stopped.denial_reason) == ("denied", "STOPPED")
        assert not al.whoami_sync().is_active
    finally:
        server.operator("POST", "/v1/stops/workspace/lift", {})


def test_the_audit_of_an_agent_is_its_own(server, al):
    done = al.execute_sync("read.table")
    client(server).execute_sync("read.other")
    asked = al.execute_sync("deploy.production")
    server.deny(asked.approval_id, "no")
    rows = al.audit_sync().events
    assert [row.status for row in rows] == ["denied", "requested", "executed"]
    assert [row.id for row in rows[1:]] == [asked.audit_event_id, done.audit_event_id]
    assert all(row.policy_version for row in rows)
    page = al.audit_sync(limit=1)
    assert len(page.events) == 1 and page.next_cursor
    rest = al.audit_sync(cursor=page.next_cursor)
    assert [row.id for row in rest.events] == [row.id for row in rows[1:]] and rest.next_cursor is None
    assert [row.action_type for row in al.audit_sync(action_type="read.table").events] == ["read.table"]
    verified = al.verify_sync()
    assert verified.chain_valid and verified.chain_hash and verified.verified_through_row > 0
    assert verified.org_id == al.whoami_sync().org_id
    server.verify()


def test_outcomes_are_reported(server, al):
    done = al.execute_sync("read.table")
    told = al.report_sync(done.audit_event_id, ReportOutcome(status="partial", message="half", metadata={"rows": 3}))
    assert (told.audit_event_id, told.status) == (done.audit_event_id, "partial")
    assert al.audit_sync().events[0].status == "reported"
    asked = al.execute_sync("deploy.production")
    with pytest.raises(AgentLatticeError):
        al.report_sync(asked.audit_event_id, ReportOutcome(status="success"))
    server.approve(asked.approval_id)
    al.report_sync(asked.audit_event_id, ReportOutcome(status="failure", message="disk full"))
    execution = server.operator("GET", f"/v1/executions/{server.approval(asked.approval_id)['execution_id']}")
    assert execution["status"] == "reported"
    with pytest.raises(AgentLatticeError):
        al.report_sync("act_unknown", ReportOutcome(status="success"))


def test_a_part_is_handed_on_and_ends(server, al):
    with al.delegate_sync("reader", capabilities=["read.table", "deploy.a"], ttl=300) as sub:
        assert sub.execute_sync("read.table").status == "executed"
        sub.gate_sync("read.table")
        outside = sub.execute_sync("read.other")
        assert (outside.status, outside.denial_reason) == ("denied", "OUT_OF_SCOPE")
        with pytest.raises(AgentLatticeDeniedError):
            sub.gate_sync("db.drop")
        with pytest.raises(AgentLatticeError) as waits:
            sub.gate_sync("deploy.a")
        assert waits.value.code == "UNEXPECTED_STATUS"
        # Narrower further down, never wider.
        with pytest.raises(AgentLatticeError):
            asyncio.run(sub.delegate("wide", capabilities=["read.other"], ttl=10).__aenter__())
        live = al.delegations_sync(role="parent", active_only=True).delegations
        assert [one.scope for one in live] == [{"capabilities": ["deploy.a", "read.table"]}]
        assert al.whoami_sync().delegations["as_parent"][0].active
        inner = client(server, sub._api_key)
        assert [one.id for one in inner.delegations_sync(role="child").delegations] == [live[0].id]
    with pytest.raises(AgentLatticeError) as ended:
        sub.execute_sync("read.table")
    assert "401" in str(ended.value)
    assert al.delegations_sync(active_only=True).delegations == []
    assert not al.delegations_sync().delegations[0].active
    # What the part did stands in the agent's own log.
    assert "denied" in [row.status for row in al.audit_sync(action_type="read.other").events]


def test_parts_side_by_side_and_revoked(server, al):
    async def flow():
        first = al.delegate("a", capabilities=["read.a"], ttl=60)
        second = al.delegate("b", capabilities=["read.b"], ttl=60)
        async with al.parallel(first, second) as (a, b):
            assert (await a.execute("read.a")).status == "executed"
            assert (await b.execute("read.a")).denial_reason == "OUT_OF_SCOPE"
            async with a.delegate("deeper", capabilities=["read.a"], ttl=60) as deep:
                await deep.gate("read.a")
            live = (await al.delegations(active_only=True)).delegations
            assert len(live) == 2
            assert (await al.revoke(live[0].id)).revoked
        with pytest.raises(AgentLatticeError) as unknown:
            await al.revoke("key_unknown")
        assert unknown.value.code == "NOT_FOUND"

    asyncio.run(flow())


def test_registering(server):
    server.policies(ALLOW)
    url = server.dialect("agentlattice")
    agent, config = AgentLattice.register_sync(server.operator.key, "newcomer", description="reads", base_url=url)
    assert config["name"] == "newcomer" and config["id"].startswith("agt_")
    assert agent.execute_sync("read.table").status == "executed"
    with pytest.raises(AgentLatticeError) as taken:
        AgentLattice.register_sync(server.operator.key, "newcomer", base_url=url)
    assert taken.value.code == "NAME_TAKEN"
    with pytest.raises(AgentLatticeError) as refused:
        AgentLattice.register_sync(config["api_key"], "another", base_url=url)
    assert refused.value.code == "FORBIDDEN"


def test_a_wrong_key(server):
    with pytest.raises(AgentLatticeError) as refused:
        client(server, "no-such-key").execute_sync("read.table")
    assert refused.value.code == "UNAUTHORIZED"


def test_a_gate_outlives_a_restart(fresh_server):
    server = fresh_server()
    server.policies(ASK)
    al = client(server)

    async def flow():
        gate = asyncio.create_task(al.gate("deploy.production"))
        while not server.approvals(status="pending"):
            await asyncio.sleep(0.05)
        id = server.waiting(1)[0]["id"]
        await asyncio.to_thread(server.pause)
        await asyncio.to_thread(server.resume)
        await asyncio.to_thread(server.approve, id)
        await asyncio.wait_for(gate, 30)

    asyncio.run(flow())


def test_what_happens_is_told_live(server, al):
    async def flow():
        told = asyncio.Queue()
        org = (await al.whoami()).org_id
        await al.subscribe(org, told.put_nowait)
        other, foreign = client(server), asyncio.Queue()
        await other.subscribe("wsp_other", foreign.put_nowait)
        try:

            async def next_of(kind):
                while True:
                    event = await asyncio.wait_for(told.get(), 10)
                    if event.event_type == kind:
                        return event

            await al.execute("read.table")
            event = await next_of("action.executed")
            assert event.org_id == org and event.data["action_type"] == "read.table"
            assert event.agent_id == (await al.whoami()).config_id
            await other.execute("db.drop")
            await al.execute("db.drop")
            assert (await next_of("action.denied")).agent_id == event.agent_id
            asked = await al.execute("deploy.a")
            await asyncio.to_thread(server.deny, asked.approval_id, "no")
            assert (await next_of("action.denied")).data["status"] == "denied"
            async with al.delegate("part", capabilities=["read.a"], ttl=60):
                pass
            await next_of("delegation.revoked")
            await asyncio.to_thread(server.policies, ALLOW, DENY)
            await next_of("policy.changed")
            await asyncio.to_thread(server.operator, "POST", "/v1/stops", {"target": "workspace", "reason": "fire"})
            await next_of("enforcement.triggered")
            await asyncio.to_thread(server.operator, "POST", "/v1/stops/workspace/lift", {})
            # The key decides what is told, whatever workspace is named.
            assert foreign.empty() and told.empty()
        finally:
            await al.unsubscribe()
            await other.unsubscribe()

    asyncio.run(flow())
