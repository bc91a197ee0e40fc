"""Alter's published client, unmodified."""

import asyncio
import hashlib
import hmac
import http.server
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
import uuid

import alter_sdk.exceptions as wrong
import pytest
from alter_sdk import Agent, App, HttpMethod, PendingApproval
from alter_sdk.models import ApprovalResult
from harness import NO_PROXY, Server, free_port, parsed

CREDENTIAL = "canary-5c1f09e2a7d84b36"
# Longer than any test waits for something that happens.
SECONDS = 30
ASKS = {"name": "writes", "http": {"methods": ["POST", "PUT"]}, "effect": "require_approval"}
NEVER = {"name": "never", "http": {"methods": ["DELETE"]}, "effect": "deny"}


class Upstream:
    """A provider that keeps what it is sent. `/status/N` answers with N, everything else says what came."""

    def __init__(self):
        received = self.received = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                received.append((self.command, self.path, dict(self.headers), body))
                status = int(self.path.split("/")[2]) if self.path.startswith("/status/") else 200
                answer = b'{"id": 18446744073709551617, "ok": true}'
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("x-twice", "a")
                self.send_header("x-twice", "b")
                self.send_header("set-cookie", "session=1")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def shared_server():
    server = Server("--egress-allow", "127.0.0.1/32")
    yield server
    server.stop()


@pytest.fixture
def upstream():
    upstream = Upstream()
    yield upstream
    upstream.stop()


@pytest.fixture
def house(server, upstream, monkeypatch):
    """What a team has that moves: the base URL in the environment, a grant, an agent's key."""
    monkeypatch.setenv("ALTER_BASE_URL", server.dialect("alter"))
    server.policies(ASKS, NEVER)
    return House(server, upstream)


class House:
    def __init__(self, server, upstream):
        self.server, self.upstream = server, upstream
        self.tag = secrets.token_hex(4)
        self.grant_name = f"stripe-{self.tag}"
        self.agent_name = f"bot-{self.tag}"
        self.key = self.server.agent(self.agent_name, dialect="alter")
        self.grant = self.add_grant(self.grant_name)

    def add_grant(self, name, **more):
        grant = {
            "name": name,
            "credential": {"type": "bearer"},
            "value": CREDENTIAL,
            "origins": [self.upstream.url],
            "agents": ["*"],
            **more,
        }
        return self.server.operator("POST", "/v1/grants", grant)

    @property
    def grant_id(self):
        return as_uuid(self.grant["id"])

    def url(self, path="/v1/refunds"):
        return self.upstream.url + path

    def application(self, **more):
        body = {"name": f"app-{self.tag}", "agents": ["*"], "register_new": True, "dialect": "alter", **more}
        return self.server.automation("POST", "/v1/applications", body)["api_key"]

    def operator_key(self):
        path = f"/v1/operators/{self.server.operator.id}/tokens"
        return self.server.automation("POST", path, {"dialect": "alter"})["token"]

    def agent_id(self, name=None):
        return as_uuid(self.server.operator("GET", f"/v1/agents/{name or self.agent_name}")["id"])


def as_uuid(id):
    return str(uuid.UUID(id.split("_")[1]))


def as_ours(prefix, id):
    return f"{prefix}_{uuid.UUID(str(id)).hex}"


def asked(client, act):
    """What `act` comes to with a client that is closed afterwards."""

    async def run():
        async with client:
            return await act(client)

    return asyncio.run(run())


def refund(house, **more):
    """One governed call, by the agent."""
    more = {"grant_id": house.grant_id, "json": {"charge": "ch_1"}, "reason": "ticket 4421", **more}
    method, url = more.pop("method", HttpMethod.POST), more.pop("url", house.url())
    return asked(Agent(house.key), lambda agent: agent.proxy_request(method, url, **more))


def awaited(house, id, seconds=SECONDS):
    return asked(Agent(house.key), lambda agent: agent.await_approval(str(id), timeout=seconds, poll_interval=0.05))


def status_of(house, id, **more):
    return asked(Agent(house.key), lambda agent: agent.get_approval_status(str(id), **more))


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


class Raw:
    def __init__(self, status, body):
        self.status, self.body = status, body
        self.code = (body or {}).get("detail", {}).get("error")


def signed(key, method, path, body=b"", at=None, nonce=None):
    at, nonce = str(int(at or time.time())), nonce or secrets.token_hex(16)
    digest = hashlib.sha256(body).hexdigest()
    text = "\n".join([method, path, at, nonce, digest, ""])
    signing_key = hmac.new(key.encode(), b"alter-signing-v1", hashlib.sha256).digest()
    return {
        "x-api-key": key,
        "x-alter-timestamp": at,
        "x-alter-nonce": nonce,
        "x-alter-content-sha256": digest,
        "x-alter-signature": hmac.new(signing_key, text.encode(), hashlib.sha256).hexdigest(),
        "content-type": "application/json",
    }


def raw(house, method, path, body=None, headers=None, key=None):
    """A request as the client would not send it."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    headers = headers or signed(key or house.key, method, path, data)
    url = house.server.dialect("alter") + path
    request = urllib.request.Request(url, data if method != "GET" else None, headers, method=method)
    try:
        with NO_PROXY.open(request, timeout=SECONDS) as answer:
            return Raw(answer.status, parsed(answer.read()))
    except urllib.error.HTTPError as refused:
        return Raw(refused.code, parsed(refused.read()))


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


def narrowed(house, act, **constraints):
    return asked(Agent(house.key), lambda agent: act(agent.with_constraints(**constraints)))


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


# ---- one key for many agents -------------------------------------------------------------------------------------


def test_an_application_asks_for_the_agent_that_it_names(house):
    key = house.application()
    write = {"grant_id": house.grant_id, "json": {}, "reason": "r"}

    async def act(app):
        return [
            await app.proxy_request("POST", house.url(), **write),
            await app.proxy_request("POST", house.url(), caller=f"billing-{house.tag}", **write),
            await app.get_agent(house.agent_id()).proxy_request("POST", house.url(), **write),
        ]

    made = asked(App(key), act)
    asks = [house.server.approval(as_ours("apr", pending.approval_id))["agent"]["name"] for pending in made]
    assert asks == [f"app-{house.tag}", f"billing-{house.tag}", house.agent_name]
    house.server.approve(as_ours("apr", made[1].approval_id))
    result = asked(App(key), lambda app: app.await_approval(str(made[1].approval_id), timeout=SECONDS))
    assert result.status_code == 200
    with pytest.raises(wrong.AgentNotFoundError):
        asked(App(key), lambda app: app.get_agent(str(uuid.uuid4())).proxy_request("POST", house.url(), **write))


def test_an_application_speaks_for_no_more_agents_than_it_may(house):
    key = house.application(name=f"narrow-{house.tag}", agents=[f"mine-{house.tag}"], register_new=False)
    house.server.agent(f"mine-{house.tag}")
    get = lambda caller: asked(App(key, caller=caller), lambda app: app.proxy_request("GET", house.url(), grant_id=house.grant_id))
    assert get(f"mine-{house.tag}").status_code == 200
    with pytest.raises(wrong.PolicyViolationError):
        get(house.agent_name)
    with pytest.raises(wrong.AgentNotFoundError):
        get(house.agent_id())


# ---- agents and their keys ---------------------------------------------------------------------------------------


def test_an_operators_token_sets_agents_up(house):
    name = f"support-{house.tag}"

    async def act(app):
        key = secrets.token_hex(8)
        make = lambda **more: app.agents.create(name=name, scopes={}, metadata={"team": "care"}, display_name="Support",
                                                idempotency_key=key, **more)
        made = await make()
        replay = await make()
        assert replay.api_key is None and replay.id == made.id
        with pytest.raises(wrong.IdempotencyKeyBodyMismatchError):
            await make(type="service")
        with pytest.raises(wrong.AgentNameExistsError):
            await app.agents.create(name=name, scopes={})
        assert (made.name, made.status, made.metadata, made.display_name) == (name, "active", {"team": "care"}, "Support")
        async with Agent(made.api_key) as agent:
            assert (await agent.me()).id == made.id
        id = str(made.id)
        changed = await app.agents.update(id, metadata={"team": "billing"})
        assert changed.metadata == {"team": "billing"} and changed.display_name == "Support"
        assert changed.version > made.version
        assert (await app.agents.suspend(id)).status == "inactive"
        assert (await app.agents.resume(id)).status == "active"
        assert (await app.agents.get(id)).name == (await app.agents.get_by_name(name)).name == name
        assert await app.agents.get_by_name("nobody") is None
        with pytest.raises(wrong.AgentNotFoundError):
            await app.agents.get(str(uuid.uuid4()))
        second = await app.agents.mint_key(id)
        listed = await app.agents.list_keys(id)
        assert [key.status for key in listed.items] == ["active", "active"]
        gone = await app.agents.revoke_key(id, str(made.key_id))
        assert gone.status == "revoked"
        with pytest.raises(wrong.LastActiveKeyError):
            await app.agents.revoke_key(id, str(second.key_id))
        with pytest.raises(wrong.KeyRevokedError):
            async with Agent(made.api_key) as agent:
                await agent.list_grants()
        assert (await app.agents.delete(id)).status == "revoked"
        assert (await app.agents.delete(id)).status == "revoked"
        with pytest.raises(wrong.AgentRevokedError):
            await app.agents.resume(id)
        with pytest.raises(wrong.AgentRevokedError):
            async with Agent(second.api_key) as agent:
                await agent.me()
        names = lambda page: [agent.name for agent in page.agents]
        assert name not in names(await app.agents.list(limit=1000))
        assert name in names(await app.agents.list(limit=1000, include_revoked=True))
        page = await app.agents.list(limit=1)
        assert len(page.agents) == 1 and page.total >= 1

    asked(App(house.operator_key()), act)


def test_what_agents_may_do_is_not_set_up_here(house):
    async def act(app):
        for more in ({"scopes": {"stripe": ["write"]}}, {"scopes": {}, "policy": {"requires_approval": True}}):
            with pytest.raises(wrong.BackendError) as refused:
                await app.agents.create(name=f"wide-{house.tag}", **more)
            assert refused.value.details["error"] == "not_supported"
        assert await app.agents.get_by_name(f"wide-{house.tag}") is None

    asked(App(house.operator_key()), act)


def test_no_agent_and_no_application_sets_anything_up(house):
    act = lambda app: app.agents.create(name=f"more-{house.tag}", scopes={})
    with pytest.raises(wrong.InsufficientScopeError):
        asked(App(house.application()), act)
    with pytest.raises(wrong.AgentCannotMintSubagentsError):
        asked(App(house.key), act)
    with pytest.raises(wrong.InsufficientScopeError):
        asked(App(house.application(name=f"b-{house.tag}")), lambda app: app.agents.delete(house.agent_id()))
    with pytest.raises(wrong.InsufficientScopeError):
        asked(Agent(house.operator_key()), lambda agent: agent.proxy_request("GET", house.url(), grant_id=house.grant_id))
    with pytest.raises(wrong.MeRequiresAgentKeyError):
        asked(Agent(house.application(name=f"c-{house.tag}")), lambda agent: agent.me())


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
