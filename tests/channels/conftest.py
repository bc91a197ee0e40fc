"""Servers that trust an authority of the tests' own and may call this machine, and receivers that end with their test."""

import os

import pytest
import trustme

from harness import Caller, Server
from receivers import MailServer, Receiver, tls_context

# Nothing outside is ever spoken to: only loopback is opened.
FLAGS = ("--egress-allow", "127.0.0.0/8")


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A CA. Servers that are started afterwards trust it, and it alone."""
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    os.environ["SSL_CERT_FILE"] = str(path)
    return authority


@pytest.fixture
def fresh_server(authority):
    """A server of the test's own: `fresh_server(*flags)`."""
    servers = []

    def start(*flags):
        servers.append(Channels(*(flags or FLAGS)))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def server(fresh_server):
    """A server on which everything asks Ada, and no channel is there yet."""
    return fresh_server()


@pytest.fixture
def receivers():
    """Makes what is sent to: `receivers.http(…)`, `receivers.mail(…)`."""
    made = Made()
    yield made
    for one in made.all:
        one.stop()


@pytest.fixture
def certificate(authority):
    """A server's certificate: `certificate("localhost")`."""
    return lambda *names: tls_context(authority, *names)


class Made:
    def __init__(self):
        self.all = []

    def http(self, *args, **more):
        self.all.append(Receiver(*args, **more))
        return self.all[-1]

    def mail(self, *args, **more):
        self.all.append(MailServer(*args, **more))
        return self.all[-1]


class Channels(Server):
    """A server, and what the tests do with its channels."""

    def __init__(self, *flags):
        super().__init__(*flags)
        self.agent_key = self.agent("support-bot")
        self.policies({"name": "all", "actions": ["*"], "effect": "require_approval"})

    def channel(self, kind, settings, **more):
        """A new channel; nothing is gathered, so that each message can be looked at."""
        body = {"name": more.pop("name", kind), "settings": {kind: settings}, "window": "0s", **more}
        return self.operator("POST", "/v1/channels", body)

    def try_out(self, channel):
        """What came of a test message."""
        return self.operator("POST", f"/v1/channels/{channel['id']}/test", {})

    def ask(self, action="stripe.refund", **more):
        """An agent asks; the id of the approval."""
        body = {"action": action, "inputs": {"amount": "500.00", "customer": "cus_1"}, **more}
        answer = Caller(self.url, self.agent_key)("POST", "/v1/actions", body)
        return answer["approval_id"]

    def deliveries(self, **query):
        query = "&".join(f"{name}={value}" for name, value in query.items())
        return self.operator("GET", f"/v1/deliveries?{query}")["items"]
