"""What Alter's tests share: a provider, a team that moves, and requests as the client would not send them."""

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

import pytest
from alter_sdk import Agent, HttpMethod
from harness import NO_PROXY, Server, parsed

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


def narrowed(house, act, **constraints):
    return asked(Agent(house.key), lambda agent: act(agent.with_constraints(**constraints)))
