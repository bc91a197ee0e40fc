"""One server per file of tests, with policies that most of them need; a test that needs another makes it."""

import pytest

from harness import Server


@pytest.fixture(scope="module")
def shared_server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def server(shared_server):
    """A running server without policies (what no policy covers is denied) and without anything that waits."""
    for item in shared_server.approvals(status="pending,info_requested", limit=200):
        shared_server.operator("POST", f"/v1/approvals/{item['id']}/cancel", {})
    shared_server.policies()
    return shared_server


@pytest.fixture
def fresh_server():
    """A server that the test may stop, restart and fill as it likes: `fresh_server(*flags)`."""
    servers = []

    def start(*flags):
        servers.append(Server(*flags))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
