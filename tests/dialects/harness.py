"""A server with data of its own, and the few calls of the native API that the tests need. Of the standard library alone:
it is used in the environment of every client."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

BINARY = os.environ.get("SIGNOFF_BIN") or str(
    Path(os.environ.get("CARGO_TARGET_DIR") or Path.home() / ".cache/signoff-target") / "debug/signoff"
)
# Nothing of the person who runs the tests may steer where calls go.
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Longer than the server holds any answer back.
ANSWER_SECONDS_MAX = 75
STOP_SECONDS_MAX = 20

ADMIN = {"name": "Ada Lovelace", "email": "ada@example.com", "role": "admin"}


class Refused(Exception):
    """An answer that is no success: `status`, `body` as parsed."""

    def __init__(self, method, path, status, body):
        super().__init__(f"{method} {path}: {status} {body}")
        self.status = status
        self.body = body


class Caller:
    """Calls the API with a key."""

    def __init__(self, url, key):
        self.url = url
        self.key = key

    def __call__(self, method, path, body=None, headers=None):
        """The parsed body of the answer; raises `Refused` if that is no success."""
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **(headers or {})}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with NO_PROXY.open(request, timeout=ANSWER_SECONDS_MAX) as answer:
                return parsed(answer.read())
        except urllib.error.HTTPError as refused:
            raise Refused(method, path, refused.code, parsed(refused.read())) from None


def parsed(raw):
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")


class Server:
    """`signoff serve` on a free port of this machine. `stop` ends it and deletes its data; `pause` ends it and keeps them,
    `resume` starts it again at the same place."""

    def __init__(self, *flags):
        self.data = tempfile.mkdtemp(prefix="signoff-dialects-")
        self.admin_key = secrets.token_hex(32)
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.flags = flags
        self.child = None
        try:
            self.resume()
            # An automation: makes agents, applications, policies.
            self.automation = Caller(self.url, self.admin_key)
            # A person: decides.
            self.operator = self.person(ADMIN)
        except BaseException:
            self.stop()
            raise

    def dialect(self, name):
        """The base URL that a person sets in a client."""
        return f"{self.url}/dialects/{name}"

    def resume(self):
        env = {**os.environ, "SIGNOFF_ADMIN_KEY": self.admin_key, "SIGNOFF_LOG": "warn"}
        command = [BINARY, "--json", "serve", "--data", self.data, "--listen", self.address, *self.flags]
        self.child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        # It says where it is as soon as it answers; nothing comes if it ended.
        if not self.child.stdout.readline():
            raise RuntimeError(f"the server ended with {self.child.wait()} before it answered")

    def pause(self):
        if self.child is None:
            return
        self.child.terminate()
        try:
            self.child.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise
        finally:
            self.child.stdout.close()
            self.child = None

    def stop(self):
        try:
            self.pause()
        finally:
            shutil.rmtree(self.data, ignore_errors=True)

    # ---- who asks and who decides ------------------------------------------------------------------------------

    def person(self, operator):
        """A new operator's own caller; its `key` is the token, its `id` the operator's."""
        made = self.automation("POST", "/v1/operators", operator)
        token = self.automation("POST", f"/v1/operators/{made['id']}/tokens", {})
        caller = Caller(self.url, token["token"])
        caller.id = made["id"]
        return caller

    def agent(self, name, **more):
        """The key of a new agent."""
        return self.automation("POST", "/v1/agents", {"name": name, **more})["api_key"]

    def application(self, name=None, agents=("*",), register_new=True):
        """The key of a new application, which speaks for agents by name."""
        name = name or f"app-{secrets.token_hex(4)}"
        body = {"name": name, "agents": list(agents), "register_new": register_new}
        return self.automation("POST", "/v1/applications", body)["api_key"]

    def policies(self, *policies, **settings):
        """Puts a whole policy set in force. Nothing else is allowed unless a setting says so."""
        body = {"policies": list(policies), "settings": {"unmatched": "deny", **settings}}
        return self.operator("PUT", "/v1/policies", body)

    # ---- what waits ----------------------------------------------------------------------------------------------

    def approvals(self, **query):
        """Approvals, newest first."""
        query = "&".join(f"{name}={value}" for name, value in query.items())
        return self.operator("GET", f"/v1/approvals?{query}")["items"]

    def waiting(self, count=1):
        """The pending approvals, oldest first; there must be this many."""
        items = self.approvals(status="pending", order="oldest")
        assert len(items) == count, f"{len(items)} approvals wait, not {count}: {items}"
        return items

    def approval(self, id):
        return self.operator("GET", f"/v1/approvals/{id}")

    def approve(self, id, comment=None, by=None):
        """As a person would: approves what is shown."""
        by = by or self.operator
        shown = by("GET", f"/v1/approvals/{id}")
        return self.decide(id, {"decision": "approve", "digest": shown["digest"], "comment": comment}, by)

    def deny(self, id, reason, by=None):
        return self.decide(id, {"decision": "deny", "comment": reason}, by)

    def ask_back(self, id, question, by=None):
        return self.decide(id, {"decision": "request_info", "comment": question}, by)

    def decide(self, id, decision, by=None):
        return (by or self.operator)("POST", f"/v1/approvals/{id}/decide", decision)

    def ended(self, id, seconds=30):
        """The approval once it has come to its end."""
        view = self.operator("GET", f"/v1/approvals/{id}?wait={seconds}&until=decided")
        assert view["status"] not in ("pending", "info_requested"), f"still {view['status']} after {seconds} s"
        return view

    def events(self, **query):
        """The last records of the log, oldest first."""
        query = "&".join(f"{name}={value}" for name, value in {"limit": 200, **query}.items())
        return self.operator("GET", f"/v1/audit/events?{query}")["items"][::-1]

    def verify(self):
        """Fails unless the log is intact and adds up to what is stored."""
        answer = self.operator("GET", "/v1/audit/verify?with_store=true")
        assert answer["ok"], answer

    @contextlib.contextmanager
    def when_asked(self, decide):
        """Beside what the test does: waits for the first approval that is pending and gives its id to `decide`."""
        known = {item["id"] for item in self.approvals(status="pending")}
        asked = Asked(self, known, decide)
        asked.start()
        yield asked
        # Not where the test failed: then nobody may ever ask.
        asked.join(ANSWER_SECONDS_MAX)
        assert not asked.is_alive(), "nobody asked"
        if asked.fault:
            raise asked.fault


class Asked(threading.Thread):
    """Listens to the stream of events until somebody is asked, then decides."""

    def __init__(self, server, known, decide):
        super().__init__(daemon=True)
        self.server, self.known, self.decide = server, known, decide
        self.id = self.fault = None
        headers = {"authorization": f"Bearer {server.operator.key}", "accept": "text/event-stream"}
        request = urllib.request.Request(f"{server.url}/v1/stream", headers=headers)
        # Open before the test goes on, so that nothing is missed.
        self.stream = NO_PROXY.open(request, timeout=ANSWER_SECONDS_MAX)

    def run(self):
        try:
            with self.stream:
                for _ in self.stream:
                    new = [item["id"] for item in self.server.approvals(status="pending") if item["id"] not in self.known]
                    if new:
                        self.id = new[0]
                        self.decide(self.id)
                        return
        except BaseException as fault:
            self.fault = fault


def free_port():
    """A free port of this machine; what listened there has let it go."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
