"""Alter's published client, unmodified."""

import json
import secrets
import threading
import time
import uuid

import alter_sdk.exceptions as wrong
import pytest
from alter_house import (
    ASKS,
    CREDENTIAL,
    SECONDS,
    as_ours,
    as_uuid,
    asked,
    awaited,
    house,
    narrowed,
    raw,
    refund,
    shared_server,
    signed,
    status_of,
    upstream,
)
from alter_sdk import Agent, App, PendingApproval
from alter_sdk.models import ApprovalResult
from harness import free_port


# ---- a call and its approval -------------------------------------------------------------------------------------


def test_what_policy_allows_is_made_at_once_with_the_credential(house):
    got = refund(house, method="GET", url=house.url("/v1/x?keep=%2F&limit=1"), json=None,
                 query_params={"limit": 5, "tags": ["a", "b c"]}, extra_headers={"X-Trace": "t"})
    assert isinstance(got, ApprovalResult) and got.status_code == 200 and got.approval_id is None
    assert got.body_json() == {"id": 18446744073709551617, "ok": True}
    assert got.headers["x-twice"] == "a, b" and "set-cookie" not in got.headers
    assert got.body_truncated is False and got.duration_ms >= 0
    [(method, path, headers, body)] = house.upstream.received
    assert (method, body) == ("GET", b"")
    assert path == "/v1/x?keep=%2F&limit=5&tags=a&tags=b%20c"
    assert headers["authorization"] == f"Bearer {CREDENTIAL}" and headers["x-trace"] == "t"


def test_an_approved_call_is_made_once_byte_for_byte(house):
    body = {"z": 2**63 + 1, "a": [10**30, 5e-324, "é\u2028"], "n": {"b": None, "a": False}}
    pending = refund(house, json=body)
    assert isinstance(pending, PendingApproval)
    assert pending.approval_group_id == pending.approval_id and len(pending.gates) == 1
    assert pending.approval_url == f"{house.server.url}/approvals/{as_ours('apr', pending.approval_id)}"
    assert 3500 < pending.expires_in <= 3600
    first = status_of(house, pending.approval_id)
    assert (first.status, first.has_result, first.gates[0].status) == ("pending", False, "pending")
    [waiting] = house.server.waiting()
    shown = house.server.approval(waiting["id"])
    assert shown["reason"] == "ticket 4421" and shown["agent"]["name"] == house.agent_name
    assert house.upstream.received == []
    house.server.approve(waiting["id"], "fine")
    got = awaited(house, pending.approval_id)
    assert got.status_code == 200 and str(got.approval_id) == str(pending.approval_id)
    [(_, _, headers, sent)] = house.upstream.received
    assert sent == json.dumps(body, separators=(",", ":")).encode()
    assert headers["content-type"] == "application/json"
    # Fetched again it is the same, also from a server that was started anew; nothing is called again.
    house.server.pause()
    house.server.resume()
    assert awaited(house, pending.approval_id).body_b64 == got.body_b64
    last = status_of(house, pending.approval_id)
    assert (last.status, last.has_result, last.decision_reason) == ("executed", True, "fine")
    assert last.decided_at and last.executed_at and last.is_terminal
    assert len(house.upstream.received) == 1
    house.server.verify()


def test_a_poll_is_held_until_the_call_is_over(house):
    pending = refund(house)
    approval = as_ours("apr", pending.approval_id)
    timer = threading.Timer(0.5, lambda: house.server.approve(approval))
    timer.start()
    begun = time.monotonic()
    status = status_of(house, pending.approval_id, wait=20)
    assert status.status == "executed" and time.monotonic() - begun < 15
    timer.join()


def test_a_denial_tells_its_reason(house):
    pending = refund(house)
    house.server.deny(as_ours("apr", pending.approval_id), "not this customer")
    with pytest.raises(wrong.ApprovalDeniedError, match="not this customer"):
        awaited(house, pending.approval_id)
    status = status_of(house, pending.approval_id)
    assert (status.status, status.decision_reason) == ("denied", "not this customer")
    assert status.gates[0].status == "denied" and not status.has_result
    refused = raw(house, "GET", f"/sdk/approvals/{pending.approval_id}/result")
    assert (refused.status, refused.code) == (409, "approval_denied")
    assert house.upstream.received == []


def test_nobody_decides_in_time(house):
    house.server.policies({**ASKS, "approval": {"timeout": "1s"}})
    pending = refund(house)
    with pytest.raises(wrong.ApprovalExpiredError):
        awaited(house, pending.approval_id)
    assert status_of(house, pending.approval_id).status == "expired"
    assert raw(house, "GET", f"/sdk/approvals/{pending.approval_id}/result").code == "approval_expired"
    assert house.upstream.received == []


def test_what_is_cancelled_or_stopped_reads_as_denied(house):
    pending = refund(house)
    house.server.operator("POST", f"/v1/approvals/{as_ours('apr', pending.approval_id)}/cancel", {})
    with pytest.raises(wrong.ApprovalDeniedError, match="cancelled"):
        awaited(house, pending.approval_id)
    pending = refund(house)
    house.server.operator("POST", "/v1/stops", {"target": house.agent_name, "reason": "drill"})
    with pytest.raises(wrong.ApprovalDeniedError):
        awaited(house, pending.approval_id)
    with pytest.raises(wrong.PolicyViolationError) as refused:
        refund(house)
    assert refused.value.policy_error == "stopped"
    assert house.upstream.received == []


def test_the_providers_refusal_is_a_result_and_no_answer_is_a_failure(house):
    pending = refund(house, url=house.url("/status/503"))
    house.server.approve(as_ours("apr", pending.approval_id))
    assert awaited(house, pending.approval_id).status_code == 503
    nowhere = f"http://127.0.0.1:{free_port()}"
    gone = house.add_grant(f"gone-{house.tag}", origins=[nowhere])
    pending = refund(house, url=f"{nowhere}/v1", grant_id=as_uuid(gone["id"]))
    house.server.approve(as_ours("apr", pending.approval_id))
    with pytest.raises(wrong.ApprovalExecutionFailedError, match="can't be reached"):
        awaited(house, pending.approval_id)
    status = status_of(house, pending.approval_id)
    assert status.status == "failed" and "can't be reached" in status.execution_error
    assert status.gates[0].status == "approved"
    # The same without a person: no answer of the provider is an error at once.
    with pytest.raises(wrong.BackendError) as failed:
        refund(house, method="GET", url=f"{nowhere}/v1", json=None, grant_id=as_uuid(gone["id"]))
    assert failed.value.details["status_code"] == 502


def test_a_grant_that_changed_since_is_not_used(house):
    pending = refund(house)
    house.server.operator("PATCH", f"/v1/grants/{house.grant_name}", {"methods": ["GET"]})
    house.server.approve(as_ours("apr", pending.approval_id))
    with pytest.raises(wrong.ApprovalExecutionFailedError):
        awaited(house, pending.approval_id)
    assert house.upstream.received == []


def test_the_clients_own_deadline_changes_nothing(house):
    pending = refund(house)
    with pytest.raises(wrong.ApprovalTimeoutError):
        awaited(house, pending.approval_id, seconds=1.5)
    house.server.approve(as_ours("apr", pending.approval_id))
    assert awaited(house, pending.approval_id).status_code == 200


def test_each_stage_is_a_gate(house):
    second = house.server.person({"name": "Grace", "email": f"grace-{house.tag}@example.com", "role": "member"})
    stages = [{"approvers": ["role:admin"]}, {"approvers": [f"grace-{house.tag}@example.com"]}]
    house.server.policies({**ASKS, "approval": {"stages": stages}})
    pending = refund(house)
    assert len(pending.gates) == 2
    approval = as_ours("apr", pending.approval_id)
    house.server.approve(approval)
    status = status_of(house, pending.approval_id)
    assert (status.status, [gate.status for gate in status.gates]) == ("pending", ["approved", "pending"])
    house.server.approve(approval, by=second)
    awaited(house, pending.approval_id)
    assert [gate.status for gate in status_of(house, pending.approval_id).gates] == ["approved", "approved"]


def test_a_deny_is_a_policy_violation(house):
    with pytest.raises(wrong.PolicyViolationError, match="never") as refused:
        refund(house, method="DELETE", json=None)
    assert refused.value.policy_error == "policy_denied"
    assert house.upstream.received == []


def test_context_and_run_are_judged_and_shown(house):
    house.server.policies({**ASKS, "effect": "conditional", "conditions": ["context.tool == 'refund'"],
                           "otherwise": "deny"})
    got = refund(house, context={"tool": "refund", "run_id": "r1"}, caller="nightly")
    assert got.status_code == 200
    with pytest.raises(wrong.PolicyViolationError) as refused:
        refund(house, context={"tool": "drop"})
    assert refused.value.policy_error == "conditions_denied"


# ---- which grant -------------------------------------------------------------------------------------------------


def test_a_provider_is_the_name_of_a_grant_and_never_guessed(house):
    get = {"method": "GET", "json": None, "grant_id": None}
    assert refund(house, **get, provider=house.grant_name).status_code == 200
    house.add_grant(f"two-{house.tag}:live")
    assert refund(house, **get, provider=f"two-{house.tag}").status_code == 200
    house.add_grant(f"two-{house.tag}:test")
    with pytest.raises(wrong.AmbiguousGrantError) as unclear:
        refund(house, **get, provider=f"two-{house.tag}")
    assert {candidate["label"] if isinstance(candidate, dict) else candidate.label
            for candidate in unclear.value.candidates} == {"live", "test"}
    assert refund(house, **get, provider=f"two-{house.tag}", label="test").status_code == 200
    for more in ({"provider": "nobody"}, {"provider": house.grant_name, "label": "x"},
                 {"provider": house.grant_name, "account": "a@example.com"},
                 {"grant_id": str(uuid.uuid4())}):
        with pytest.raises(wrong.GrantNotFoundError):
            refund(house, **{**get, **more})


def test_a_grant_goes_no_further_than_it_says(house):
    narrow = house.add_grant(f"narrow-{house.tag}", methods=["GET"], paths=["/v1/*"], agents=[house.agent_name])
    id = as_uuid(narrow["id"])
    with pytest.raises(wrong.PolicyViolationError) as refused:
        refund(house, grant_id=id)
    assert refused.value.policy_error == "grant_method_not_allowed"
    with pytest.raises(wrong.PolicyViolationError) as refused:
        refund(house, grant_id=id, method="GET", json=None, url=house.url("/v2/x"))
    assert refused.value.policy_error == "grant_path_not_allowed"
    with pytest.raises(wrong.BlockedDestinationError):
        refund(house, url="https://elsewhere.example/v1")
    other = Agent(house.server.agent(f"other-{house.tag}", dialect="alter"))
    with pytest.raises(wrong.GrantNotFoundError):
        asked(other, lambda agent: agent.proxy_request("GET", house.url(), grant_id=id))
    house.server.operator("PATCH", f"/v1/grants/{narrow['name']}", {"disabled": True})
    with pytest.raises(wrong.GrantRevokedError):
        refund(house, grant_id=id, method="GET", json=None)
    assert house.upstream.received == []


def test_grants_are_listed_without_their_values(house):
    listed = asked(Agent(house.key), lambda agent: agent.list_grants(provider_id=house.grant_name))
    [grant] = listed.grants
    assert (str(grant.grant_id), grant.managed_secret_slug, grant.status) == (house.grant_id, house.grant_name, "active")
    assert CREDENTIAL not in repr(listed)
    house.add_grant(f"hidden-{house.tag}", agents=["nobody"])
    assert not asked(Agent(house.key), lambda agent: agent.list_grants(provider_id=f"hidden-{house.tag}")).grants


def test_no_credential_is_given_away(house):
    with pytest.raises(wrong.RestrictedGrantRequiresProxyError):
        asked(Agent(house.key), lambda agent: agent.request("GET", house.url(), grant_id=house.grant_id))
    for method, code in (("GET", "restricted_grant_requires_proxy"), ("POST", "hitl_grant_requires_proxy")):
        body = {"grant_id": house.grant_id, "reason": None, "request": {"method": method, "url": house.url()}}
        refused = raw(house, "POST", "/sdk/token", body)
        assert (refused.status, refused.code) == (400, code)
        assert CREDENTIAL not in json.dumps(refused.body)
    assert house.upstream.received == []


# ---- keys and signatures -----------------------------------------------------------------------------------------


def test_a_request_is_good_once_and_as_it_was_signed(house):
    path = "/sdk/grants/list"
    headers = signed(house.key, "POST", path, b'{"limit":1,"offset":0}')
    good = lambda: raw(house, "POST", path, b'{"limit":1,"offset":0}', headers)
    assert raw(house, "POST", path, b'{"limit":9,"offset":0}', headers).code == "invalid_signature"
    assert raw(house, "POST", path + "?a=1", b'{"limit":1,"offset":0}', headers).code == "invalid_signature"
    assert good().status == 200
    again = good()
    assert (again.status, again.code) == (401, "invalid_signature")
    for seconds in (-400, 400):
        late = raw(house, "GET", "/sdk/scopes", headers=signed(house.key, "GET", "/sdk/scopes", at=time.time() + seconds))
        assert late.status == 401 and "clock" in late.body["detail"]["message"]
    unsigned = raw(house, "GET", "/sdk/scopes", headers={"x-api-key": house.key})
    assert (unsigned.status, unsigned.code) == (401, "invalid_signature")


def test_what_a_key_is_worth_is_told_by_name(house):
    random = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(40))
    with pytest.raises(wrong.InvalidKeyError):
        asked(Agent(f"alter_key_{random}"), lambda agent: agent.list_grants())
    house.server.operator("PATCH", f"/v1/agents/{house.agent_name}", {"disabled": True})
    with pytest.raises(wrong.AgentInactiveError):
        refund(house)
    assert asked(Agent(house.key), lambda agent: agent.me()).status == "inactive"
    house.server.operator("PATCH", f"/v1/agents/{house.agent_name}", {"disabled": False})
    old = house.key
    rotated = house.server.operator("POST", f"/v1/agents/{house.agent_name}/rotate-key", {"dialect": "alter"})
    house.key = rotated["api_key"]
    assert asked(Agent(house.key), lambda agent: agent.me()).name == house.agent_name
    with pytest.raises(wrong.KeyRevokedError):
        asked(Agent(old), lambda agent: agent.list_grants())


def test_an_approval_is_its_askers_alone(house):
    pending = refund(house)
    other = house.server.agent(f"other-{house.tag}", dialect="alter")
    for path in (f"/sdk/approvals/{pending.approval_id}", f"/sdk/approvals/{pending.approval_id}/result"):
        refused = raw(house, "GET", path, key=other)
        assert (refused.status, refused.code) == (404, "approval_not_found")
    assert raw(house, "GET", f"/sdk/approvals/{uuid.uuid4()}").code == "approval_not_found"
    assert raw(house, "GET", "/sdk/approvals/garbage").code == "approval_not_found"
    assert raw(house, "GET", f"/sdk/approvals/{pending.approval_id}?wait=26").status == 422
    undecided = raw(house, "GET", f"/sdk/approvals/{pending.approval_id}/result")
    assert (undecided.status, undecided.code) == (409, "approval_not_executed")


def test_an_agent_decides_nothing(house):
    pending = refund(house)
    for decision in ("approve", "deny", "decide", "cancel"):
        for method in ("POST", "PUT", "PATCH"):
            path = f"/sdk/approvals/{pending.approval_id}/{decision}"
            assert raw(house, method, path, {"decision": "approve"}).status == 501
    assert status_of(house, pending.approval_id).status == "pending"


@pytest.mark.parametrize(("body", "status"), [
    (b"", 422),
    (b"[]", 422),
    (b'{"method":"GET"}', 422),
    (b'{"method":"GET","url":"URL","grant_id":"GRANT","reasn":"x"}', 422),
    (b'{"method":"GET","url":"URL","grant_id":"GRANT","provider_id":"x"}', 422),
    (b'{"method":"GET","url":"URL"}', 422),
    (b'{"method":"POST","url":"URL","grant_id":"GRANT","body":{"a":1,"a":2}}', 422),
    (b'{"method":"POST","url":"URL","grant_id":"GRANT","body":{"a":"\\ud800"}}', 422),
    (b'{"method":"POST","url":"URL","grant_id":"GRANT","body":1e999}', 422),
    (b'{"method":"GET","url":"URL","url":"URL","grant_id":"GRANT"}', 422),
    (b'{"method":"GET","url":"URL","grant_id":"GRANT","headers":{" Authorization ":"x"}}', 422),
    (b'{"method":"GET","url":"URL","grant_id":"GRANT","headers":{"Cookie":"x"}}', 422),
    (b'{"method":"GET","url":"URL","grant_id":"GRANT","headers":{"x y":"x"}}', 422),
    (b'{"method":"GET","url":"URL","grant_id":"GRANT","headers":{"x":"a\\r\\nb: c"}}', 422),
    (b'{"method":"GET","url":"URL","grant_id":"GRANT","headers":{"x":"\\u0000"}}', 422),
    (b'{"method":"GET","url":"URL#f","grant_id":"GRANT"}', 422),
    (b'{"method":"GET","url":"http://u:p@127.0.0.1/","grant_id":"GRANT"}', 422),
    (b'{"method":"CONNECT","url":"URL","grant_id":"GRANT"}', 422),
    (b'{"method":"GET","url":"URL","grant_id":"GRANT","query_params":{"x":{}}}', 422),
    (b'{"method":"GET","url":"URL","grant_id":"GRANT","user_token":"jwt"}', 501),
])
def test_what_is_not_as_it_should_be_reaches_nobody(house, body, status):
    body = body.replace(b"URL", house.url().encode()).replace(b"GRANT", house.grant_id.encode())
    refused = raw(house, "POST", "/sdk/proxy", body)
    assert refused.status == status and refused.code and refused.body["detail"]["message"], refused.body
    assert house.upstream.received == [] and house.server.approvals(status="pending") == []


def test_a_url_that_is_too_long_is_refused_by_name(house):
    body = {"method": "GET", "url": house.url(), "grant_id": house.grant_id, "query_params": {"x": "y" * 70_000}}
    assert raw(house, "POST", "/sdk/proxy", body).code == "query_too_long"


def test_a_header_grant_keeps_its_header(house):
    own = house.add_grant(f"own-{house.tag}", credential={"type": "header", "name": "X-Own-Key"})
    body = {"method": "GET", "url": house.url(), "grant_id": as_uuid(own["id"]), "headers": {"x-own-KEY": "mine"}}
    assert raw(house, "POST", "/sdk/proxy", body).code == "reserved_header"


# ---- less than the key may do ------------------------------------------------------------------------------------


def test_constraints_only_take_away(house):
    get = lambda agent: agent.proxy_request("GET", house.url(), grant_id=house.grant_id)
    assert narrowed(house, get, scopes=["proxy:execute"]).status_code == 200
    with pytest.raises(wrong.InsufficientScopeError) as refused:
        narrowed(house, get, scopes=["grants:read"])
    assert refused.value.missing == ["proxy:execute"]
    for scope in ("agents:write", "made:up"):
        with pytest.raises(wrong.BackendError) as refused:
            narrowed(house, get, scopes=[scope])
        assert refused.value.details["error"] == "constraint_not_narrowing"


def test_a_rule_is_applied_or_refused_never_ignored(house):
    post = {"rule_type": "json_match", "rule_body": {"when": {"method": "POST"}, "effect": "deny"}}
    get = lambda agent: agent.proxy_request("GET", house.url(), grant_id=house.grant_id)
    write = lambda agent: agent.proxy_request("POST", house.url(), grant_id=house.grant_id, json={}, reason="r")
    assert narrowed(house, get, rule=post).status_code == 200
    with pytest.raises(wrong.PolicyViolationError) as refused:
        narrowed(house, write, rule=post)
    assert refused.value.policy_error == "request_rule_denied"
    assert house.server.approvals(status="pending") == []
    for rule in (
        {"rule_type": "json_match", "rule_body": {"when": {"path": "/v1"}, "effect": "deny"}},
        {"rule_type": "content_match", "rule_body": {"match": {"families": ["write"]}, "effect": "deny"}},
    ):
        with pytest.raises(wrong.BackendError) as refused:
            narrowed(house, get, rule=rule)
        assert refused.value.details["error"] == "invalid_request_rule"


# ---- the rest ----------------------------------------------------------------------------------------------------


def test_the_rest_answers_in_the_clients_own_words(house):
    async def act(app):
        catalog = await app.scopes.list()
        assert catalog.resources["proxy"].verbs == ["execute"]
        with pytest.raises(wrong.BackendError) as refused:
            await app.keys.derive(scopes=["grants:read"], expires_in=60)
        assert refused.value.details["error"] == "not_supported"

    asked(App(house.application()), act)
    for method, path in (("POST", "/sdk/oauth/connect/session"), ("GET", "/sdk/nothing"),
                         ("PUT", "/sdk/proxy"), ("POST", "/sdk/identity/resolve")):
        refused = raw(house, method, path, {} if method != "GET" else None)
        assert (refused.status, refused.code) == (501, "not_supported"), path
    spans = {"spans": [{"trace_id": "t", "name": "n", "start_time": "2026-01-01T00:00:00Z"}]}
    assert raw(house, "POST", "/sdk/spans", spans).body == {"accepted": 0}
    report = {"method": "GET", "url": "https://a.test", "reason": None}
    assert raw(house, "POST", "/sdk/oauth/audit/api-call", report).status == 202
