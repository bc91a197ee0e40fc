"""AgentWarden's published client, unmodified: what its own guide does, and how each check can end."""

import threading

import httpx
import pytest
from agentwarden import (
    AgentNotFoundError,
    AgentWarden,
    APIError,
    ApprovalRequiredError,
    AuthenticationError,
    PermissionDeniedError,
)

ALLOW = {"name": "small-refunds", "actions": ["stripe.refund.small"], "effect": "allow"}
ASK = {"name": "deploys", "actions": ["deploy.*"], "effect": "require_approval"}
DENY = {"name": "never", "actions": ["db.drop"], "effect": "deny"}
CONTEXT = {"version": "v2.1.0", "environment": "production", "requested_by": "ai-agent"}


@pytest.fixture
def key(server):
    return server.application()


@pytest.fixture
def guard(server, key):
    server.policies(ALLOW, ASK, DENY)
    with AgentWarden(api_key=key, base_url=server.dialect("agentwarden")) as guard:
        yield guard


@pytest.fixture
def rest(server, key):
    """The documented calls beside the client, with its key."""
    with httpx.Client(base_url=server.dialect("agentwarden"), headers={"x-api-key": key}, timeout=10) as rest:
        yield rest


def deploy(guard, **more):
    return guard.check("devops-agent", "deploy.production", {**CONTEXT, **more})


def outcomes(server):
    return [event["summary"] for event in server.events(agent="devops-agent")]


def test_what_policy_allows_is_allowed_and_what_it_does_not_cover_is_not(guard):
    assert guard.check("support-bot", "stripe.refund.small", {"amount": 20})
    for action in ("db.drop", "stripe.refund.large"):
        refused = guard.check("support-bot", action, {"amount": 500})
        assert not refused.allowed and not refused.requires_approval and refused.reason


def test_a_wrong_key_is_an_authentication_error(server, guard):
    with AgentWarden(api_key="no-such-key", base_url=server.dialect("agentwarden")) as stranger:
        with pytest.raises(AuthenticationError):
            stranger.check("support-bot", "stripe.refund.small")
        with pytest.raises(AuthenticationError):
            stranger.log("support-bot", "stripe.refund.small", "success")


def test_an_agent_that_the_key_does_not_speak_for_is_not_found(server, guard):
    base = server.dialect("agentwarden")
    known_only = server.application(agents=["*"], register_new=False)
    some_only = server.application(agents=["support-*"])
    own = server.agent("a-bot-of-its-own")
    for key, name in ((known_only, "nobody-yet"), (some_only, "devops-agent"), (own, "devops-agent")):
        with AgentWarden(api_key=key, base_url=base) as other:
            with pytest.raises(AgentNotFoundError):
                other.check(name, "stripe.refund.small")
    with AgentWarden(api_key=own, base_url=base) as itself:
        assert itself.check("a-bot-of-its-own", "stripe.refund.small").allowed


def test_an_identical_check_while_pending_is_the_same_request(server, guard):
    for _ in range(3):
        pending = deploy(guard)
        assert pending.requires_approval and not pending.allowed
    # The order of fields and the case of names make no other question; another value does.
    guard.check("DevOps-Agent", "Deploy.production", dict(reversed(CONTEXT.items())))
    [approval] = server.waiting()
    assert approval["action"] == "deploy.production"
    deploy(guard, version="v2.1.1")
    guard.check("devops-agent", "deploy.production", None)
    server.waiting(3)


def test_an_approval_is_handed_out_once(server, guard):
    deploy(guard)
    [approval] = server.waiting()
    server.approve(approval["id"], comment="go on")
    assert not deploy(guard, version="v2.1.1").allowed, "another context is not covered"
    assert deploy(guard).allowed
    again = deploy(guard)
    assert not again.allowed and again.requires_approval
    assert {item["context"]["version"] for item in server.waiting(2)} == {"v2.1.0", "v2.1.1"}
    server.verify()


def test_of_many_checks_at_once_one_is_let_through(server, guard, key):
    deploy(guard)
    [approval] = server.waiting()
    server.approve(approval["id"])
    answers, gate = [], threading.Barrier(8)

    def check():
        with AgentWarden(api_key=key, base_url=server.dialect("agentwarden")) as racer:
            gate.wait()
            answers.append(deploy(racer))

    racers = [threading.Thread(target=check) for _ in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sum(answer.allowed for answer in answers) == 1
    assert all(answer.requires_approval for answer in answers if not answer.allowed)
    server.waiting(1)


def test_a_denial_is_told_once_with_its_reason(server, guard):
    deploy(guard)
    server.deny(server.waiting()[0]["id"], "not on a Friday")
    told = deploy(guard)
    assert (told.allowed, told.requires_approval, told.reason) == (False, False, "not on a Friday")
    server.waiting(0)
    assert deploy(guard).requires_approval
    server.waiting(1)


def test_what_expired_or_was_called_off_reads_as_a_refusal_once(server, guard):
    server.policies({**ASK, "approval": {"timeout": 1}})
    deploy(guard)
    expired = server.ended(server.waiting()[0]["id"])
    assert expired["status"] == "expired"
    told = deploy(guard)
    assert not told.allowed and not told.requires_approval and told.reason
    server.policies(ASK)
    deploy(guard)
    [approval] = server.waiting()
    server.operator("POST", f"/v1/approvals/{approval['id']}/cancel", {"reason": "no longer needed"})
    told = deploy(guard)
    assert not told.allowed and not told.requires_approval and told.reason == "no longer needed"


def test_an_unused_approval_lapses(server, guard):
    server.policies({**ASK, "valid_for": 1})
    deploy(guard)
    [approval] = server.waiting()
    server.approve(approval["id"])
    # Nothing wakes anybody when it lapses but the record of it.
    assert wait_for(lambda: any("was not used in time" in line for line in outcomes(server)))
    again = deploy(guard)
    assert not again.allowed and again.requires_approval


def wait_for(holds, seconds=20):
    pause = threading.Event()
    for _ in range(seconds * 10):
        if holds():
            return True
        pause.wait(0.1)
    return False


def test_execute_runs_once_it_may_and_reports_how_it_went(server, guard):
    ran = []

    def run():
        return guard.execute("devops-agent", "deploy.staging-2", lambda: ran.append(1) or "done", CONTEXT)

    with pytest.raises(ApprovalRequiredError):
        run()
    with pytest.raises(ApprovalRequiredError):
        run()
    [approval] = server.waiting()
    server.approve(approval["id"])
    assert run() == "done" and ran == [1]
    execution = server.operator("GET", f"/v1/executions/{approval['id'].replace('apr_', 'exe_')}")
    assert execution["status"] == "reported" and execution["report"]["outcome"] == "success"
    with pytest.raises(ApprovalRequiredError):
        run()
    server.deny(server.waiting()[0]["id"], "once is enough")
    with pytest.raises(PermissionDeniedError) as denied:
        run()
    assert denied.value.reason == "once is enough" and ran == [1]
    summaries = outcomes(server)
    assert any(line.endswith("noted deploy.staging-2: pending_approval") for line in summaries)
    assert any(line.endswith("noted deploy.staging-2: blocked") for line in summaries)
    server.verify()


def test_execute_reports_what_its_callback_raises(server, guard):
    def fail():
        raise RuntimeError("the cluster is away")

    for context in (CONTEXT, None):
        with pytest.raises(ApprovalRequiredError):
            guard.execute("devops-agent", "deploy.failing", fail, context)
        [approval] = server.waiting()
        server.approve(approval["id"])
        with pytest.raises(RuntimeError):
            guard.execute("devops-agent", "deploy.failing", fail, context)
        execution = server.operator("GET", f"/v1/executions/{approval['id'].replace('apr_', 'exe_')}")
        assert execution["report"]["outcome"] == "failure"
        assert execution["report"]["detail"] == "the cluster is away"


def test_the_guides_loop_polls_an_approval_and_takes_it_by_reading_it(server, guard, rest):
    body = {"agent_id": "devops-agent", "action": "deploy.production", "context": CONTEXT}
    asked = rest.post("/sdk/check", json=body).json()
    assert asked["requires_approval"] and not asked["allowed"] and asked["expires_at"]
    path = f"/sdk/approvals/{asked['approval_id']}"
    assert rest.get(path).json()["status"] == "pending"
    server.approve(asked["approval_id"], comment="looks good")
    # Looking on takes nothing.
    token = {"authorization": f"Bearer {server.operator.key}"}
    looked = httpx.get(server.dialect("agentwarden") + path, headers=token).json()
    assert looked["status"] == "approved"
    read = rest.get(path).json()
    assert (read["status"], read["comment"], read["context"]) == ("approved", "looks good", CONTEXT)
    assert read["agent_id"] == "devops-agent" and read["decided_at"] and read["created_at"]
    assert rest.get(path).json()["status"] == "spent"
    # As the guide logs it, without the context.
    logged = guard.log("devops-agent", "deploy.production", "success")
    assert logged.id == asked["approval_id"].replace("apr_", "exe_")
    assert guard.log("devops-agent", "deploy.production", "success").id.startswith("act_"), "reported once"
    assert deploy(guard).requires_approval
    other = {"x-api-key": server.application()}
    assert httpx.get(server.dialect("agentwarden") + path, headers=other).status_code == 404


def test_a_denial_that_was_polled_is_told(server, guard, rest):
    deploy(guard)
    [approval] = server.waiting()
    server.deny(approval["id"], "no")
    polled = rest.get(f"/sdk/approvals/{approval['id']}").json()
    assert (polled["status"], polled["comment"]) == ("denied", "no")
    assert rest.get(f"/sdk/approvals/{approval['id']}").json()["status"] == "denied"
    assert deploy(guard).requires_approval, "it is another request"


def test_a_matching_log_takes_the_approval(server, guard):
    deploy(guard)
    [approval] = server.waiting()
    server.approve(approval["id"])
    logged = guard.log("devops-agent", "deploy.production", "success", CONTEXT)
    assert logged.id == approval["id"].replace("apr_", "exe_")
    assert not deploy(guard).allowed


def test_a_log_answers_what_the_client_reads_and_any_short_word_is_kept(server, guard):
    guard.check("support-bot", "stripe.refund.small", {"amount": 20})
    logged = guard.log("support-bot", "stripe.refund.small", "success", {"amount": 20})
    assert logged.id.startswith("exe_") and logged.organization_id
    assert (logged.agent_id, logged.action, logged.status) == ("support-bot", "stripe.refund.small", "success")
    assert logged.context == {"amount": 20} and isinstance(logged.created_at, str)
    noted = guard.log("support-bot", "stripe.refund.large", "denied")
    assert noted.id.startswith("act_") and noted.context is None
    [event] = server.events(agent="support-bot", type="action.noted")[-1:]
    assert event["summary"].endswith("noted stripe.refund.large: denied")
    with pytest.raises(APIError):
        guard.log("support-bot", "stripe.refund.large", "x" * 65)
    server.verify()


def test_a_permission_becomes_a_policy_and_takes_an_operator(server, guard, key):
    server.agent("permitted-bot")
    url = server.dialect("agentwarden") + "/api/agents/permitted-bot/permissions"
    body = {"action": "report.send", "requires_approval": True}
    for headers, status in (({}, 401), ({"authorization": "Bearer nothing"}, 401), ({"x-api-key": key}, 403)):
        assert httpx.post(url, json=body, headers=headers).status_code == status
    token = {"authorization": f"Bearer {server.operator.key}"}
    assert httpx.post(url, json=body, headers=token).status_code == 201
    assert guard.check("permitted-bot", "report.send").requires_approval
    assert not guard.check("another-bot", "report.send").requires_approval
    # There requests wait for as long as it takes.
    [approval] = [item for item in server.waiting() if item["action"] == "report.send"]
    assert not approval.get("expires_at") and not approval.get("decide_by")
    answer = httpx.post(url, json={**body, "requires_approval": False}, headers=token)
    assert answer.status_code == 200 and answer.json()["policy"] == "agentwarden/permitted-bot/report.send"
    assert server.ended(approval["id"])["status"] == "approved", "what waited is judged again"
    assert guard.check("permitted-bot", "report.send").allowed
    unknown = url.replace("permitted-bot", "no-such-bot")
    assert httpx.post(unknown, json=body, headers=token).status_code == 404


def test_a_stop_refuses_what_was_approved(server, guard):
    deploy(guard)
    [approval] = server.waiting()
    server.approve(approval["id"])
    server.operator("POST", "/v1/stops", {"target": "workspace", "reason": "an incident"})
    try:
        refused = deploy(guard)
        assert not refused.allowed and not refused.requires_approval and refused.reason
    finally:
        server.operator("POST", "/v1/stops/workspace/lift", {})
