"""Slack, with its own SDK on the other side: it signs what the door takes, and its models check what is posted."""

import itertools
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from slack_sdk.models.blocks import ActionsBlock, Block, SectionBlock
from slack_sdk.models.views import View
from slack_sdk.signature import SignatureVerifier

import hostile
from harness import NO_PROXY, Refused
from receivers import Kept, Request

TEAM, SECRET, TOKEN = "T0ACME", "8f742231b10e8888abcd99yyyzzz85a5", "xoxb-canary-5d1f-0001"


class SlackApi(Kept):
    """What a bot calls, and where answers go."""

    def __init__(self):
        super().__init__()
        numbers, api = itertools.count(1), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                request = Request(self, self.rfile.read(int(self.headers["content-length"])))
                sent = request.json
                said = {"ok": True, "channel": sent.get("channel"), "ts": f"1712345678.{next(numbers):06}"}
                if request.path.endswith("/conversations.open"):
                    said["channel"] = {"id": sent["users"].replace("U", "D", 1)}
                api.keep(request)
                said = json.dumps(said).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def calls(self, method, count=1):
        return [call.json for call in self.wait(count, lambda call: call.path == f"/api/{method}")]

    def told(self, count=1):
        """What whoever pressed was told alone."""
        return [call.json for call in self.wait(count, lambda call: call.path.startswith("/answers/"))]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Desk:
    """A server with a Slack channel, and hands at Slack."""

    def __init__(self, server, slack):
        self.server, self.slack, self.numbers = server, slack, itertools.count(1)
        settings = {"bot_token": TOKEN, "signing_secret": SECRET, "team": TEAM, "conversation": "C0OPS",
                    "api_url": f"{slack.url}/api"}
        self.channel = server.channel("slack", settings)
        assert TOKEN not in str(self.channel) and SECRET not in str(self.channel)

    def send(self, door, fields, at=None, signature=None):
        """What Slack sends, signed by its own library."""
        body = urllib.parse.urlencode(fields)
        at = str(int(time.time()) if at is None else at)
        signature = signature or SignatureVerifier(SECRET).generate_signature(timestamp=at, body=body)
        url = f"{self.server.url}/slack/{self.channel['id']}/{door}"
        headers = {"x-slack-request-timestamp": at, "x-slack-signature": signature,
                   "content-type": "application/x-www-form-urlencoded"}
        request = urllib.request.Request(url, body.encode(), headers)
        with NO_PROXY.open(request, timeout=10) as answer:
            return answer.read()

    def command(self, user, text):
        fields = {"team_id": TEAM, "user_id": user, "text": text, "trigger_id": f"9.{next(self.numbers)}"}
        return json.loads(self.send("commands", fields))["text"]

    def link(self, user):
        code = self.server.operator("POST", "/v1/operators/me/slack-code", {})["code"]
        assert self.command(user, f"link {code}").startswith("You are Ada Lovelace")

    def press(self, user, message, action, **more):
        number = next(self.numbers)
        payload = {
            "type": "block_actions", "team": {"id": TEAM}, "user": {"id": user, "team_id": TEAM},
            "trigger_id": f"1.{number}", "channel": {"id": "C0OPS"},
            "message": {"ts": "1.2", "blocks": message["blocks"]}, "response_url": f"{self.slack.url}/answers/{number}",
            "actions": [{"action_id": action, "value": buttons(message)[action], "action_ts": f"2.{number}"}],
        }
        self.send("interactions", {"payload": json.dumps(payload)}, **more)

    def submit(self, user, view, words):
        payload = {
            "type": "view_submission", "team": {"id": TEAM}, "user": {"id": user, "team_id": TEAM},
            "view": {
                "id": f"V{next(self.numbers)}", "hash": "1", "callback_id": view["callback_id"],
                "private_metadata": view["private_metadata"],
                "state": {"values": {"signoff_words": {"signoff_words": {"value": words}}}},
            },
        }
        return self.send("interactions", {"payload": json.dumps(payload)})

    def status(self, approval, wait=20):
        return self.server.operator("GET", f"/v1/approvals/{approval}?wait={wait}")["status"]


def buttons(message):
    blocks = [block for block in message["blocks"] if block["type"] == "actions"]
    return {element["action_id"]: element.get("value") for block in blocks for element in block["elements"]}


def check(message):
    """What Slack's own models say of the blocks."""
    blocks = Block.parse_all(message["blocks"])
    assert len(blocks) == len(message["blocks"]) <= 50
    for block in blocks:
        block.validate_json()
    assert any(isinstance(block, SectionBlock) for block in blocks)
    assert any(isinstance(block, ActionsBlock) for block in blocks)


@pytest.fixture
def desk(server):
    slack = SlackApi()
    yield Desk(server, slack)
    slack.stop()


def in_conversation(desk, method, count=1):
    """Calls about the conversation, not those to Ada herself."""
    fits = lambda call: call.path == f"/api/{method}" and call.json["channel"] == "C0OPS"  # noqa: E731
    return [call.json for call in desk.slack.wait(count, fits)]


def test_a_button_decides_and_the_message_says_so(desk):
    desk.link("U0ADA")
    approval = desk.server.ask(risk="low")
    message = in_conversation(desk, "chat.postMessage")[0]
    check(message)
    assert list(buttons(message)) == ["signoff_approve", "signoff_deny", "signoff_ask", "signoff_open"]
    started = time.monotonic()
    desk.press("U0ADA", message, "signoff_approve")
    assert time.monotonic() - started < 3
    assert desk.status(approval) == "approved"
    assert desk.slack.told()[0]["text"] == "You approved it."
    outcome = in_conversation(desk, "chat.update")[0]
    check(outcome)
    assert list(buttons(outcome)) == ["signoff_open"] and "Ada Lovelace approved it" in json.dumps(outcome)


def test_a_denial_asks_why_in_a_form_that_slack_accepts(desk):
    desk.link("U0ADA")
    approval = desk.server.ask(risk="low")
    message = in_conversation(desk, "chat.postMessage")[0]
    desk.press("U0ADA", message, "signoff_deny")
    view = desk.slack.calls("views.open")[0]["view"]
    View(**view).validate_json()
    assert json.loads(desk.submit("U0ADA", view, "  "))["response_action"] == "errors"
    assert desk.status(approval, wait=0) == "pending"
    assert desk.submit("U0ADA", view, "not without a ticket") == b""
    assert desk.status(approval) == "denied"
    assert "not without a ticket" in json.dumps(in_conversation(desk, "chat.update")[0])


def test_whoever_is_not_linked_decides_nothing(desk):
    approval = desk.server.ask(risk="low")
    message = in_conversation(desk, "chat.postMessage")[0]
    desk.press("U0EVE", message, "signoff_approve")
    assert "/signoff link CODE" in desk.slack.told()[0]["text"]
    assert desk.status(approval, wait=0) == "pending"


def test_above_the_limit_there_are_no_buttons(desk):
    desk.server.ask(risk="high")
    message = in_conversation(desk, "chat.postMessage")[0]
    check(message)
    assert list(buttons(message)) == ["signoff_open"]


def test_what_slack_did_not_sign_is_refused(desk):
    desk.link("U0ADA")
    approval = desk.server.ask(risk="low")
    message = in_conversation(desk, "chat.postMessage")[0]
    now = int(time.time())
    for more in (
        {"at": now - 301},
        {"at": now + 310},
        {"signature": "v0=" + "0" * 64},
        {"signature": SignatureVerifier("another").generate_signature(timestamp=str(now), body="")},
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            desk.press("U0ADA", message, "signoff_approve", **more)
        assert refused.value.code == 401
    assert desk.status(approval, wait=0) == "pending"


def test_hostile_text_is_text_and_slack_accepts_the_blocks(desk):
    hostile.ask(desk.server)
    message = in_conversation(desk, "chat.postMessage")[0]
    check(message)
    texts = [text for text in every_text(message["blocks"])]
    for kind, text in texts:
        assert kind == "plain_text" or text.startswith("Decide by\n<!date^"), text
        for absent in hostile.ABSENT:
            assert absent.startswith("<") or absent not in text, (absent, text)
    assert "<" not in message["text"]
    assert message["parse"] == "none" and message["unfurl_links"] is False and message["link_names"] is False


def every_text(value):
    if isinstance(value, dict):
        if isinstance(value.get("text"), str) and "type" in value:
            yield value["type"], value["text"]
        for inner in value.values():
            yield from every_text(inner)
    if isinstance(value, list):
        for inner in value:
            yield from every_text(inner)


def test_an_incoming_webhook_shows_it(server, receivers):
    hook = receivers.http(200, body=b"ok")
    server.channel("slack_webhook", {"url": f"{hook.url}/services/T/B/canary"})
    server.ask(risk="low")
    message = hook.one().json
    check(message)
    assert list(buttons(message)) == ["signoff_open"]


def test_a_revoked_token_switches_the_channel_off(server, receivers):
    slack = receivers.http(200, body=b'{"ok": false, "error": "token_revoked"}')
    channel = server.channel(
        "slack",
        {"bot_token": TOKEN, "signing_secret": SECRET, "team": TEAM, "conversation": "C0OPS", "api_url": slack.url},
    )
    server.ask()
    slack.one()
    for _ in range(100):
        if server.operator("GET", f"/v1/channels/{channel['id']}")["status"] == "disabled":
            break
        time.sleep(0.1)
    else:
        pytest.fail("it was not switched off")
    deliveries = server.operator("GET", f"/v1/channels/{channel['id']}/deliveries")["items"]
    assert deliveries and TOKEN not in json.dumps(deliveries)


def test_codes_are_for_people(server):
    with pytest.raises(Refused) as refused:
        server.automation("POST", "/v1/operators/me/slack-code", {})
    assert refused.value.status == 403
