"""AgentSentinel's published client, unmodified: approvals in all their ends, policies that it enforces itself, its ledger."""

import asyncio
import threading

import httpx
import pytest
from agent_sentinel import (
    ApprovalClient,
    ApprovalPriority,
    ApprovalStatus,
    PolicyEngine,
    PolicyViolationError,
    guarded_action,
)
from agent_sentinel.approval import ApprovalRequest, RiskLevel
from agent_sentinel.cost_backend import RemoteCostBackend
from agent_sentinel.errors import AgentSentinelError, NetworkError
from agent_sentinel.errors import TimeoutError as ClientTimeout
from agent_sentinel.integrations import registry
from agent_sentinel.intervention import InterventionOutcome, InterventionTracker, InterventionType
from agent_sentinel.kill_switch import KillSwitchClient
from agent_sentinel.ledger import Ledger
from agent_sentinel.sync import manual_flush

TRADE = {
    "action_name": "execute_trade",
    "action_description": "Execute trade: buy 100 shares",
    "agent_id": "trading-agent",
    "run_id": "run-789",
    "estimated_cost": 15000.0,
    "timeout_seconds": 60,
    "action_inputs": {"symbol": "AAPL", "quantity": 100},
}


@pytest.fixture
def key(server):
    return server.application()


@pytest.fixture
def base(server):
    return server.dialect("agentsentinel")


@pytest.fixture(autouse=True)
def client(base, key, tmp_path, monkeypatch):
    """The client's parts keep what they know in their classes: each test has it to itself."""
    monkeypatch.setenv("AGENT_SENTINEL_HOME", str(tmp_path))
    monkeypatch.setattr(Ledger, "_initialized", False)
    InterventionTracker.initialize(str(tmp_path / "interventions.jsonl"))
    ApprovalClient.configure(platform_url=base, api_token=key, poll_interval=0.05)
    KillSwitchClient.configure(platform_url=base, api_token=key, cache_ttl=0.0)
    yield
    ApprovalClient.reset()
    KillSwitchClient.reset()
    PolicyEngine.reset(clear_pin=True)


@pytest.fixture
def rest(base, key):
    with httpx.Client(base_url=f"{base}/api/v1", headers={"authorization": f"Bearer {key}"}, timeout=10) as rest:
        yield rest


def submit(**more):
    return ApprovalClient.submit_request(ApprovalRequest(**{**TRADE, **more}))


# ---- approvals -----------------------------------------------------------------------------------------------------


def test_an_approval_that_nobody_asked_for_by_policy_waits_for_a_person(server):
    with server.when_asked(lambda id: server.approve(id, comment="within limits")) as asked:
        answer = ApprovalClient.request_approval_sync(
            **TRADE, risk_level=RiskLevel.HIGH, priority=ApprovalPriority.CRITICAL, context={"desk": "A"}
        )
    assert answer.status == ApprovalStatus.APPROVED and answer.approval_id == asked.id
    assert answer.decided_by_email == "ada@example.com" and answer.decision_notes == "within limits"
    assert answer.decided_at is not None
    seen = server.approval(asked.id)
    assert (seen["risk"], seen["priority"], seen["agent"]["name"]) == ("high", "critical", "trading-agent")
    assert seen["inputs"] == TRADE["action_inputs"] and seen["context"] == {"desk": "A"}
    assert seen["trace"]["run_id"] == "run-789" and float(seen["estimated_cost"]) == 15000
    execution = server.operator("GET", f"/v1/executions/{asked.id.replace('apr_', 'exe_')}")
    assert execution["status"] == "consumed"
    assert ApprovalClient.poll_status(asked.id).status == ApprovalStatus.APPROVED, "the same request, read again"
    server.verify()


def test_a_rejection_comes_with_its_reason(server):
    with server.when_asked(lambda id: server.deny(id, "too much at once")):
        answer = asyncio.run(ApprovalClient.request_approval_async(**TRADE))
    assert (answer.status, answer.decision_notes) == (ApprovalStatus.REJECTED, "too much at once")
    assert answer.decided_by_email == "ada@example.com"


def test_what_policy_denies_is_rejected_and_nobody_is_asked(server):
    server.policies({"name": "no-trades", "actions": ["execute_trade"], "effect": "deny"})
    answer = ApprovalClient.request_approval_sync(**TRADE)
    assert answer.status == ApprovalStatus.REJECTED and "no-trades" in answer.decision_notes
    server.waiting(0)


def test_an_approval_expires(server):
    id = submit(timeout_seconds=1)
    assert ApprovalClient.poll_status(id).status in (ApprovalStatus.PENDING, ApprovalStatus.EXPIRED)
    server.ended(id)
    expired = ApprovalClient.poll_status(id)
    assert expired.status == ApprovalStatus.EXPIRED and expired.decided_at is not None
    # Too late to be harmful.
    assert ApprovalClient.cancel_request(id).status == ApprovalStatus.EXPIRED


def test_the_clients_own_time_limit_leaves_nothing_waiting(server):
    # Both clocks run out at once: the last poll reads the end, or the client calls the request off.
    try:
        assert ApprovalClient.request_approval_sync(**{**TRADE, "timeout_seconds": 1}).status == ApprovalStatus.EXPIRED
    except ClientTimeout:
        pass
    [approval] = server.approvals(limit=1)
    assert server.ended(approval["id"])["status"] in ("expired", "cancelled")


def test_a_request_is_called_off(server):
    id = submit()
    assert ApprovalClient.cancel_request(id).status == ApprovalStatus.CANCELLED
    assert server.approval(id)["status"] == "cancelled"
    assert ApprovalClient.cancel_request(id).status == ApprovalStatus.CANCELLED
    assert ApprovalClient.poll_status(id).status == ApprovalStatus.CANCELLED


def test_questions_are_answered_by_the_handler_as_often_as_they_are_asked(server, base, key):
    questions = []

    def answered(question):
        questions.append(question)
        return f"answer {len(questions)}"

    ApprovalClient.configure(
        platform_url=base, api_token=key, poll_interval=0.05, info_request_handler=answered
    )

    def converse(id):
        for number in (1, 2):
            server.ask_back(id, f"question {number}?")
            for _ in range(200):
                info = server.approval(id)["info"]
                if len(info) == number and info[-1].get("answer"):
                    break
                threading.Event().wait(0.05)
            else:
                raise AssertionError(f"question {number} was not answered")
        server.approve(id)

    with server.when_asked(converse):
        answer = ApprovalClient.request_approval_sync(**TRADE)
    assert answer.status == ApprovalStatus.APPROVED
    assert questions == ["question 1?", "question 2?"]


def test_a_question_is_answered_by_hand(server):
    id = submit()
    server.ask_back(id, "which account?")
    asked = ApprovalClient.poll_status(id)
    assert (asked.status, asked.info_request_message) == (ApprovalStatus.INFO_REQUESTED, "which account?")
    back = ApprovalClient.respond_to_info_request(id, "the second one")
    assert back.status == ApprovalStatus.PENDING and back.info_request_message is None
    with pytest.raises(NetworkError):
        ApprovalClient.respond_to_info_request(id, "nobody asked")


def test_an_approver_may_be_asked_beforehand_whether_one_is_needed(server):
    server.policies(
        {"name": "dear", "actions": ["buy"], "cost_over": "100", "effect": "require_approval"},
        {"name": "cheap", "actions": ["buy"], "effect": "allow"},
    )
    needed = lambda cost: ApprovalClient.check_approval_required("buy", cost, agent_id="buyer", run_id="run-1")
    assert needed(1e-05) is None
    assert needed(100.01)["policy"] == "dear"
    denied = ApprovalClient.check_approval_required("sell", 1.0, agent_id="buyer")
    assert denied["requires_approval"] and denied["verdict"] == "denied", "going on is not what a denial means"
    server.waiting(0)


def test_a_policy_changed_meanwhile_ends_what_waits(server):
    id = submit()
    server.policies({"name": "no-trades", "actions": ["execute_trade"], "effect": "deny"})
    server.ended(id)
    assert ApprovalClient.poll_status(id).status == ApprovalStatus.REJECTED


def test_what_lapsed_or_was_stopped_never_reads_as_approved(server):
    server.policies(
        {"name": "ask", "actions": ["execute_trade"], "effect": "require_approval", "valid_for": 1}
    )
    lapsed, stopped = submit(), submit()
    server.approve(lapsed)
    for _ in range(200):
        if server.operator("GET", f"/v1/executions/{lapsed.replace('apr_', 'exe_')}")["status"] == "lapsed":
            break
        threading.Event().wait(0.05)
    assert ApprovalClient.poll_status(lapsed).status == ApprovalStatus.EXPIRED
    server.approve(stopped)
    server.operator("POST", "/v1/stops", {"target": "workspace"})
    try:
        status = ApprovalClient.poll_status(stopped).status
        assert status in (ApprovalStatus.REJECTED, ApprovalStatus.CANCELLED)
    finally:
        server.operator("POST", "/v1/stops/workspace/lift", {})


def test_strangers_see_and_decide_nothing(server, base, rest):
    id = submit()
    other = {"authorization": f"Bearer {server.application()}"}
    for method, path in (("GET", "poll"), ("POST", "cancel")):
        assert httpx.request(method, f"{base}/api/v1/approvals/{id}/{path}", headers=other).status_code == 404
    assert httpx.get(f"{base}/api/v1/approvals/{id}/poll").status_code == 401
    for path in ("approve", "reject", "decide"):
        assert rest.post(f"/approvals/{id}/{path}", json={}).status_code in (404, 405)
    assert server.approval(id)["status"] == "pending"


def test_statistics_are_of_ones_own(server, base, rest):
    server.approve(submit(priority=ApprovalPriority.HIGH))
    server.deny(submit(), "no")
    submit()
    own = rest.get("/approvals/stats").json()
    assert own["total_pending"] == 1 and own["approval_rate"] == own["rejection_rate"] == 0.5
    assert own["by_priority"] == {"high": 1, "medium": 2} and own["by_risk_level"] == {"medium": 3}
    assert own["avg_decision_seconds"] >= 0
    other = {"authorization": f"Bearer {server.application()}"}
    assert httpx.get(f"{base}/api/v1/approvals/stats", headers=other).json()["total_pending"] == 0
    operator = {"authorization": f"Bearer {server.operator.key}"}
    assert httpx.get(f"{base}/api/v1/approvals/stats", headers=operator).json()["total_pending"] == 1


# ---- policies ------------------------------------------------------------------------------------------------------


def synced(base, key, agent="trading-agent"):
    PolicyEngine.enable_remote_sync(platform_url=base, api_token=key, agent_id=agent, run_id="run-789")


def test_policies_are_enforced_by_the_client_as_far_as_it_can(server, base, key):
    server.policies(
        {"name": "never", "actions": ["drop_database"], "effect": "deny"},
        {"name": "not-this-one", "actions": ["close_account"], "agents": ["other-*"], "effect": "deny"},
        {"name": "funds", "actions": ["transfer_funds"], "effect": "require_approval"},
    )
    synced(base, key)
    ran = []

    @guarded_action(name="drop_database", agent_id="trading-agent")
    def drop():
        ran.append("drop")

    @guarded_action(name="close_account", agent_id="trading-agent")
    def close():
        ran.append("close")

    @guarded_action(name="transfer_funds", cost_usd=0.1, agent_id="trading-agent")
    def transfer(amount):
        ran.append(amount)
        return "sent"

    with pytest.raises(AgentSentinelError):
        drop()
    close()
    with server.when_asked(lambda id: server.approve(id)) as asked:
        assert transfer(500) == "sent"
    assert ran == ["close", 500]
    assert server.approval(asked.id)["inputs"]["args"] == ["500"]
    with server.when_asked(lambda id: server.deny(id, "not again")):
        with pytest.raises(PolicyViolationError):
            transfer(501)
    assert ran == ["close", 500]


def test_what_the_client_cannot_express_is_not_told_it_and_there_is_always_a_policy(server, rest):
    server.policies()
    told = rest.get("/policies/sync", params={"agent_id": "anyone"}).json()
    [policy] = told["policies"]
    assert policy["enabled"] and "denied_actions" not in policy and "approval_actions" not in policy
    server.policies(
        {"name": "globs", "actions": ["db.drop*"], "effect": "deny"},
        {"name": "sometimes", "actions": ["refund"], "effect": "conditional", "conditions": ["context.amount <= 50"]},
        {"name": "dear", "actions": ["buy"], "cost_over": "100", "effect": "require_approval"},
        {"name": "buy", "actions": ["buy"], "effect": "require_approval"},
        {"name": "exact", "actions": ["db.drop_all", "refund.large"], "effect": "require_approval", "approval": {"timeout": "10m"}},
    )
    [policy] = rest.get("/policies/sync").json()["policies"]
    assert policy["denied_actions"] == ["db.drop_all"], "a glob denies it, whatever else says"
    assert policy["approval_actions"] == ["refund.large"] and policy["approval_timeout_seconds"] == 600


def test_the_kill_switch_is_signoffs_stop(server):
    assert not KillSwitchClient.is_killed("agent", "trading-agent", fail_closed=True)
    submit()
    for target, killed in (("trading-agent", (True, False, False)), ("workspace", (True, True, True))):
        server.operator("POST", "/v1/stops", {"target": target})
        try:
            asked = [("agent", "trading-agent"), ("agent", "another"), ("run", "run-789")]
            assert tuple(KillSwitchClient.is_killed(*what, fail_closed=True) for what in asked) == killed
        finally:
            server.operator("POST", f"/v1/stops/{target}/lift", {})
    assert not KillSwitchClient.is_killed("mission", "m-1", fail_closed=True)


# ---- the ledger ----------------------------------------------------------------------------------------------------


def test_the_ledger_is_in_the_log_once(server, base, key, rest, tmp_path):
    server.policies()
    synced(base, key, agent="ledger-agent")

    @guarded_action(name="search_web", cost_usd=0.02, tags=["search"], impact="read")
    def search(query):
        return f"results for {query}"

    @guarded_action(name="call model: large", impact="read")
    def fail():
        raise ValueError("no such model")

    search("weather")
    with pytest.raises(ValueError):
        fail()
    ledger = Ledger.get_log_path()
    written = ledger.read_text()
    manual_flush(base, key, run_id="run-42")
    events = noted(server)
    assert [event["summary"].split(" noted ")[1] for event in events] == [
        "search_web: success",
        "call_model:_large: error",
    ]
    assert "run-42" in events[0]["text"] and "weather" in events[0]["text"]
    assert "call model: large" in events[1]["text"]
    # Sent again after an answer was lost.
    ledger.write_text(written)
    manual_flush(base, key, run_id="run-42")
    assert len(noted(server)) == 2
    server.verify()


def noted(server):
    [application] = [item for item in server.events(type="agent.put")][-1:]
    return [event for event in server.events(type="action.noted") if event["sequence"] > application["sequence"]]


def test_interventions_are_in_the_log_once(server, base, key):
    InterventionTracker.record(
        InterventionType.HARD_BLOCK,
        InterventionOutcome.BLOCKED,
        "drop_database",
        agent_id="blocked-agent",
        run_id="run-1",
        reason="denied",
    )
    written = InterventionTracker._intervention_file.read_text()
    for _ in range(2):
        InterventionTracker._intervention_file.write_text(written)
        manual_flush(base, key, run_id="run-1")
    [event] = server.events(type="action.noted", agent="blocked-agent")
    assert event["summary"].endswith("noted drop_database: blocked") and "hard_block" in event["text"]


def test_an_agents_own_key_speaks_for_itself(server, base):
    own = server.agent("sentinel-bot")
    ApprovalClient.configure(platform_url=base, api_token=own, poll_interval=0.05)
    id = submit(agent_id=None)
    assert server.approval(id)["agent"]["name"] == "sentinel-bot"
    with pytest.raises(NetworkError):
        submit(agent_id="somebody-else")


def test_a_request_without_an_agent_is_the_applications_own(server, base):
    ApprovalClient.configure(platform_url=base, api_token=server.application(name="trading-desk"), poll_interval=0.05)
    assert server.approval(submit(agent_id=None))["agent"]["name"] == "trading-desk"


# ---- what Signoff does not have ------------------------------------------------------------------------------------


def test_what_is_not_served_says_so_in_the_clients_form(base, key, rest, monkeypatch):
    for method, path in (
        ("POST", "/budgets/reserve"),
        ("POST", "/actions/register"),
        ("GET", "/replay/run-1/bundle"),
        ("GET", "/mcp/tools"),
        ("POST", "/mcp/call"),
    ):
        answer = rest.request(method, path)
        assert answer.status_code == 404 and answer.json()["reason_code"] == "not_served", path
        assert answer.json()["detail"]
    assert rest.get("/no/such/path").json()["reason_code"] == "not_found"
    assert rest.get("/ingest").status_code == 405 and rest.get("/ingest").json()["detail"]
    assert rest.post("/approvals", content=b"{").json()["reason_code"] == "invalid_json"
    # A budget that nobody keeps: the client goes by its own enforcement mode.
    backend = RemoteCostBackend(platform_url=base, api_key=key)
    PolicyEngine.set_enforcement_mode("fail_closed", pin=True)
    with pytest.raises(NetworkError):
        backend.try_reserve("search", 0.1)
    monkeypatch.setattr(registry, "discover_tools", lambda modules: [{"name": "search"}])
    with pytest.raises(httpx.HTTPStatusError):
        registry.auto_register_tools(platform_url=base, api_token=key, agent_id="a")


def test_results_of_replays_are_noted_under_the_other_scheme(server, base, key):
    headers = {"authorization": f"ApiKey {key}", "x-sentinel-agent-id": "replayed-agent"}
    body = {"status": "completed", "actions_replayed": 3, "actions_total": 3, "divergences_detected": 0}
    answer = httpx.post(f"{base}/api/v1/replay/run-7/results", json=body, headers=headers)
    assert answer.status_code == 201
    [event] = server.events(type="action.noted", agent="replayed-agent")
    assert event["summary"].endswith("noted agentsentinel.replay: completed") and "run-7" in event["text"]
