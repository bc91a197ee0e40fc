"""Teams, PagerDuty, text messages and push: what arrives, as the vendors' documentation has it."""

import base64
import json

import hostile


def ask(server):
    return server.ask(reason="The parcel was lost.", priority="high", risk="high")


def texts(card):
    """Every text in a card with the kind of element it stands in."""
    found = []

    def look(value):
        if isinstance(value, dict):
            if "text" in value:
                found.append((value.get("type"), value["text"]))
            for inner in value.values():
                look(inner)
        if isinstance(value, list):
            for inner in value:
                look(inner)

    look(card)
    return found


def test_teams_gets_a_card_that_opens_the_console(server, receivers):
    teams = receivers.http(202)
    server.channel("teams", {"url": f"{teams.url}/workflows/canary?sig=canary"})
    approval = ask(server)
    request = teams.one()
    assert request.path == "/workflows/canary?sig=canary"
    assert request.json["type"] == "message"
    attachment = request.json["attachments"][0]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["actions"][0]["url"].endswith(f"/approvals/{approval}")
    shown = [text for _, text in texts(card)]
    assert "Approval needed" in shown and "The parcel was lost." in shown
    server.deny(approval, "Not without a ticket.")
    ended = texts(teams.wait(2)[1].json)
    assert ("TextRun", "Ada Lovelace denied it") in ended and ("TextRun", "Not without a ticket.") in ended


def test_pagerduty_has_one_alert_from_question_to_end(server, receivers):
    pagerduty = receivers.http(202, body=b'{"status":"success","message":"Event processed"}')
    key = "canary0123456789abcdef0123456789"
    channel = server.channel("pagerduty", {"routing_key": key, "url": f"{pagerduty.url}/v2/enqueue"})
    assert key not in str(channel)
    approval = ask(server)
    asked = pagerduty.one().json
    assert (asked["routing_key"], asked["event_action"], asked["dedup_key"]) == (key, "trigger", approval)
    assert asked["payload"]["severity"] == "error" and asked["payload"]["source"]
    assert 0 < len(asked["payload"]["summary"]) <= 1024
    assert asked["links"][0]["href"] == asked["client_url"]
    server.deny(approval, "no")
    assert pagerduty.wait(2)[1].json == {"routing_key": key, "event_action": "resolve", "dedup_key": approval}


def test_every_alert_is_closed_however_its_end_is_told(server, receivers):
    pagerduty = receivers.http(202)
    settings = {"routing_key": "canary0123456789", "url": pagerduty.url}
    server.channel("pagerduty", settings, window="2s")
    first = server.ask(inputs={"amount": "0"})
    pagerduty.one()
    others = [server.ask(inputs={"amount": str(amount)}) for amount in (1, 2, 3)]

    def triggered(key):
        return lambda request: request.json["event_action"] == "trigger" and key in request.json["dedup_key"]

    pagerduty.one(triggered(first))
    pagerduty.one(triggered("signoff-digest-"))
    # The ends of all but one come in a message of their own; the last one closes what they share.
    for approval in [first, *others[:2]]:
        server.deny(approval, "no")
    pagerduty.one(lambda request: request.json["event_action"] == "resolve" and request.json["dedup_key"] == first)
    shared = [request.json for request in pagerduty.items if request.json["dedup_key"].startswith("signoff-digest-")]
    assert [event["event_action"] for event in shared] == ["trigger"]
    server.deny(others[2], "no")
    pagerduty.one(
        lambda request: request.json["event_action"] == "resolve" and "signoff-digest-" in request.json["dedup_key"]
    )


def test_twilio_gets_a_short_text_with_the_whole_link(server, receivers):
    twilio = receivers.http(201, body=b'{"sid": "SM01"}')
    server.channel(
        "sms",
        {"account_sid": "AC01", "auth_token": "canary-token", "from": "+15550000000", "to": ["+15551234567"],
         "api_url": twilio.url},
    )
    approval = ask(server)
    request = twilio.one()
    assert request.path == "/2010-04-01/Accounts/AC01/Messages.json"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"AC01:canary-token").decode()
    form = request.form
    assert (form["To"], form["From"]) == ("+15551234567", "+15550000000")
    assert len(form["Body"]) <= 320 and form["Body"].endswith(f"/approvals/{approval}")
    assert "Risk high." in form["Body"]


def test_ntfy_gets_a_message_to_its_topic(server, receivers):
    ntfy = receivers.http(200, body=b"{}")
    server.channel("push", {"url": ntfy.url, "topic": "canary-ops", "token": "tk_canary"})
    approval = ask(server)
    request = ntfy.one()
    assert request.path == "/" and request.headers["authorization"] == "Bearer tk_canary"
    assert request.json["topic"] == "canary-ops" and request.json["priority"] == 4
    assert request.json["click"].endswith(f"/approvals/{approval}")
    assert request.json["actions"][0]["url"] == request.json["click"]


def test_hostile_text_stays_text_everywhere(server, receivers):
    teams, pagerduty = receivers.http(202), receivers.http(202)
    twilio, ntfy = receivers.http(201, body=b"{}"), receivers.http(200, body=b"{}")
    server.channel("teams", {"url": teams.url})
    server.channel("pagerduty", {"routing_key": "canary0123456789", "url": pagerduty.url})
    server.channel(
        "sms",
        {"account_sid": "AC01", "auth_token": "canary-token", "from": "MG01", "to": ["+15551234567"], "api_url": twilio.url},
    )
    server.channel("push", {"url": ntfy.url, "topic": "ops"})
    hostile.ask(server)
    card = teams.one()
    assert len(card.body) < 28 * 1024
    assert {kind for kind, _ in texts(card.json)} == {"TextRun"}
    assert twilio.one().form["To"] == "+15551234567" and len(twilio.one().form["Body"]) <= 320
    assert "\n" not in twilio.one().form["Body"]
    assert len(ntfy.one().json["message"].encode()) < 4096
    for receiver in (teams, pagerduty, ntfy):
        shown = json.dumps(receiver.one().json, ensure_ascii=False)
        for absent in hostile.ABSENT:
            # Angle brackets are nothing to these three.
            assert absent.startswith("<") or absent not in shown, (receiver.one(), absent)


def test_what_a_vendor_answers_is_told_in_words_without_secrets(server, receivers):
    said = {"code": 20003, "message": "canary"}
    twilio = receivers.http(401, body=json.dumps(said).encode())
    channel = server.channel(
        "sms",
        {"account_sid": "AC01", "auth_token": "canary-token", "from": "MG01", "to": ["+15551234567"], "api_url": twilio.url},
    )
    came_of_it = server.try_out(channel)
    assert not came_of_it["delivered"] and "set the channel's `auth_token` anew" in came_of_it["detail"]
    assert "canary" not in str(came_of_it)
    gone = receivers.http(410)
    came_of_it = server.try_out(server.channel("teams", {"url": f"{gone.url}/canary"}))
    assert (came_of_it["delivered"], came_of_it["status"]) == (False, 410) and "canary" not in str(came_of_it)


def test_people_get_their_own_link_at_their_own_address(server, receivers):
    twilio, ntfy = receivers.http(201, body=b"{}"), receivers.http(200, body=b"{}")
    server.channel("sms", {"account_sid": "AC01", "auth_token": "canary-token", "from": "MG01", "api_url": twilio.url})
    server.channel("push", {"url": ntfy.url})
    contact = {"phone": "+15551234567", "push_topic": "canary-of-ada-0123456789", "channels": ["sms", "push"]}
    server.operator("PATCH", "/v1/operators/me/contact", contact)
    approval = server.ask(priority="low", risk="low")
    text, push = twilio.one().form, ntfy.one().json
    assert (text["To"], push["topic"]) == ("+15551234567", "canary-of-ada-0123456789")
    links = {text["Body"].split()[-1], push["click"]}
    # It decides by itself: neither is the page where one signs in.
    assert all(link.startswith(f"{server.url}/d/") for link in links), links
    assert "This link is for Ada Lovelace" in push["message"] and len(text["Body"]) <= 320
    server.deny(approval, "no")
    # What is over only costs, or disturbs.
    twilio.stays(1)
    ntfy.stays(1, seconds=0)
