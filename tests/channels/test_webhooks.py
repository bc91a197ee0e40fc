"""Webhooks as the published libraries of Standard Webhooks and of Svix verify them."""

import base64
import json
import subprocess
from pathlib import Path

import pytest
import standardwebhooks
import svix
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from harness import Refused

JAVASCRIPT = Path(__file__).parent / "js/verify.js"


def verified_by_each(secret, request):
    """What the libraries read out of a message; each raises if it is not genuine."""
    own = standardwebhooks.Webhook(secret).verify(request.body, request.headers)
    named = {f"svix-{name.removeprefix('webhook-')}": value for name, value in request.headers.items()}
    # It hands nothing back.
    svix.Webhook(secret).verify(request.body, named)
    asked = {"secret": secret, "headers": request.headers, "body": request.body.decode()}
    node = subprocess.run(["node", JAVASCRIPT], input=json.dumps(asked), capture_output=True, text=True, check=True)
    assert own == json.loads(node.stdout)
    return own


def verify_v1a(public_key, request):
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    content = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    entries = [entry.split(",", 1) for entry in request.headers["webhook-signature"].split(" ")]
    signatures = [base64.b64decode(signature) for version, signature in entries if version == "v1a"]
    assert len(signatures) == 1
    key.verify(signatures[0], content)
    with pytest.raises(InvalidSignature):
        key.verify(signatures[0], content + b" ")


def test_every_library_verifies_every_event(server, receivers):
    program = receivers.http(204)
    channel = server.channel("webhook", {"url": f"{program.url}/canary", "asymmetric": True})
    approval = server.ask()
    server.deny(approval, "Not without a ticket.")
    asked, ended = program.wait(2)
    for request, event in ((asked, "approval.pending"), (ended, "approval.decided")):
        message = verified_by_each(channel["secret"], request)
        assert message["type"] == event and message["data"]["approval"]["id"] == approval
        assert request.headers["webhook-id"] == message["data"]["event_id"]
        verify_v1a(channel["public_key"], request)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(channel["secret"]).verify(asked.body + b" ", asked.headers)


def test_two_secrets_sign_while_they_change(server, receivers):
    program = receivers.http(204)
    channel = server.channel("webhook", {"url": program.url})
    changed = server.operator("POST", f"/v1/channels/{channel['id']}/rotate-secret", {"old_secret_lasts": "1h"})
    assert changed["secret"] != channel["secret"]
    server.ask()
    request = program.one()
    for secret in (channel["secret"], changed["secret"]):
        verified_by_each(secret, request)
    changed_at_once = server.operator("POST", f"/v1/channels/{channel['id']}/rotate-secret", {"old_secret_lasts": "0s"})
    server.ask(inputs={"amount": "501.00"})
    request = program.wait(2)[1]
    verified_by_each(changed_at_once["secret"], request)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(changed["secret"]).verify(request.body, request.headers)


def test_agentwardens_receiver_is_told_of_decisions_alone(server, receivers):
    program = receivers.http(200, body=b'{"status":"ok"}')
    channel = server.channel("webhook", {"url": program.url, "template": "agentwarden"})
    denied = server.ask(context={"ticket": "T-1"})
    server.deny(denied, "Not without a ticket.")
    approved = server.ask(inputs={"amount": "501.00"})
    server.approve(approved)
    first, second = program.wait(2)
    message = verified_by_each(channel["secret"], first)
    wanted = {"approval_id": denied, "decision": "denied", "action": "stripe.refund", "context": {"ticket": "T-1"}}
    assert wanted.items() <= message.items() and message["comment"] == "Not without a ticket."
    assert (second.json["approval_id"], second.json["decision"], second.json["context"]) == (approved, "approved", {})
    program.stays(2)


def test_a_message_keeps_its_id_until_it_is_taken(server, receivers):
    program = receivers.http()
    program.answers = [(503, {"retry-after": "1"}, b""), (500, {}, b""), (204, {}, b"")]
    channel = server.channel("webhook", {"url": program.url})
    server.ask()
    first, second = program.wait(2)
    for request in (first, second):
        verified_by_each(channel["secret"], request)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] and first.body == second.body
    assert int(second.headers["webhook-timestamp"]) >= int(first.headers["webhook-timestamp"])


def test_a_request_is_told_of_where_it_says(server, receivers):
    program = receivers.http(204)
    channel = server.channel("callback", {"allow": [f"{program.url}/hooks"], "asymmetric": True})
    approval = server.ask(callback_url=f"{program.url}/hooks/run-7")
    server.deny(approval, "no")
    for request in program.wait(2):
        assert request.path == "/hooks/run-7"
        assert verified_by_each(channel["secret"], request)["data"]["approval"]["id"] == approval
        verify_v1a(channel["public_key"], request)
    for elsewhere in ("/other", "/hooks/../other", "/hookss"):
        with pytest.raises(Refused, match="no channel of the kind callback allows this URL"):
            server.ask(callback_url=program.url + elsewhere, inputs={"amount": elsewhere})
    program.stays(2)
