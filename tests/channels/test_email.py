"""Mail: a server that others wrote, TLS as it is done, and readers that others wrote."""

import re

import pytest

import hostile

PASSWORD = "canary-password"


def settings(server, security="none", **more):
    return {"host": "127.0.0.1", "port": server.port, "security": security, "from": "Signoff <signoff@example.org>", **more}


def link_in(mail):
    """The personal link, under the words that say what it does."""
    return re.search(r"Review and decide:\s+(\S+)", mail.text).group(1)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_request_and_its_end_arrive_in_one_thread(server, receivers, certificate, security):
    mailbox = receivers.mail(certificate("127.0.0.1"), security, PASSWORD)
    sign_in = {"username": "signoff", "password": PASSWORD}
    channel = server.channel("email", settings(mailbox, security, **sign_in))
    assert PASSWORD not in str(channel)

    server.person({"name": "Dana Höfer", "email": "dana@example.com", "role": "member"})

    approval = server.ask(reason="The parcel was lost.")
    asked = mailbox.one(lambda mail: mail.recipients == ["dana@example.com"])
    assert asked.private and asked.signed_in_as == "signoff" and asked.sender == "signoff@example.org"
    assert asked["to"].addresses[0].display_name == "Dana Höfer"
    assert asked["auto-submitted"] == "auto-generated" and asked["x-auto-response-suppress"] == "All"
    assert asked["subject"].startswith("Approval needed: support-bot wants to refund")
    for part in (asked.text, asked.html):
        assert "The parcel was lost." in part and "never count as a decision" in part
        assert "This link is for Dana Höfer; it counts as you." in part
    of_ada = mailbox.one(lambda mail: mail.recipients == ["ada@example.com"])
    assert link_in(of_ada) != link_in(asked) and of_ada["message-id"] != asked["message-id"]

    server.deny(approval, "Not without a ticket.")
    # Who decided knows; the others are told.
    ended = mailbox.wait(3)[2]
    assert ended.recipients == ["dana@example.com"]
    assert ended["in-reply-to"] == asked["message-id"] and asked["message-id"] in ended["references"]
    assert ended["subject"] == f"Re: {asked['subject']}"
    assert "Ada Lovelace denied it" in ended.text and "Not without a ticket." in ended.text
    assert ended["message-id"] != asked["message-id"] and link_in(asked) not in ended.text


def test_a_shared_mailbox_is_told_without_a_link_that_decides(server, receivers):
    mailbox = receivers.mail()
    server.channel("email", settings(mailbox, to=["ops@example.org", "night@example.org"]), events=["approval.*"])
    approval = server.ask()
    shared = mailbox.one(lambda mail: "ops@example.org" in mail.recipients)
    assert shared.recipients == ["ops@example.org", "night@example.org"]
    assert f"/approvals/{approval}" in shared.text and "This link is for" not in shared.text
    personal = mailbox.one(lambda mail: mail.recipients == ["ada@example.com"])
    assert link_in(personal) not in shared.text and link_in(personal) not in shared.html


def test_hostile_text_stays_text(server, receivers):
    mailbox = receivers.mail()
    server.channel("email", settings(mailbox))
    hostile.ask(server)
    mail = mailbox.one()
    assert mail.message.defects == [] and len(mail.raw) < 200_000
    # The whole of the envelope and of the head is ours.
    assert mail.recipients == ["ada@example.com"] and mail["bcc"] is None and mail["cc"] is None
    parts = [part for part in mail.message.walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    for part in parts:
        assert part.defects == []
        for absent in hostile.ABSENT:
            # Angle brackets are nothing to plain text.
            plain = absent.startswith("<") and part.get_content_type() == "text/plain"
            assert plain or absent not in part.get_content(), absent
    assert re.findall(r'(?:href|src)="(?!http://127\.0\.0\.1:)[^"]*"', mail.html) == []
    assert "[U+202E]" in mail.text and "https[://]evil" in mail.text


def test_a_server_that_is_not_who_it_should_be_is_told_nothing(server, receivers, certificate):
    impostor = receivers.mail(certificate("other.example.org"), "tls")
    plain = receivers.mail()
    cases = [
        (impostor, "tls", "TLS was not agreed"),
        # What is asked to use STARTTLS never goes on without.
        (plain, "starttls", "offers no STARTTLS"),
    ]
    for at, (mailbox, security, words) in enumerate(cases):
        sign_in = {"username": "signoff", "password": PASSWORD}
        channel = server.channel("email", settings(mailbox, security, to=["ops@example.org"], **sign_in), name=f"mail-{at}")
        came_of_it = server.try_out(channel)
        assert not came_of_it["delivered"] and words in came_of_it["detail"], came_of_it
        assert mailbox.items == []


def test_failures_say_what_to_do_and_no_secret(server, receivers, certificate):
    mailbox = receivers.mail(certificate("127.0.0.1"), "starttls", PASSWORD)
    wrong = {"username": "signoff", "password": "canary-wrong"}
    channel = server.channel("email", settings(mailbox, "starttls", to=["ops@example.org"], **wrong))
    came_of_it = server.try_out(channel)
    assert came_of_it["status"] == 535 and "set the channel's password anew" in came_of_it["detail"], came_of_it
    assert "canary" not in str(came_of_it)

    full = receivers.mail(answers={"ops@example.org": "552 5.2.2 canary"})
    channel = server.channel("email", settings(full, to=["ops@example.org"]), name="full")
    came_of_it = server.try_out(channel)
    assert "the mailbox is full" in came_of_it["detail"] and "canary" not in str(came_of_it), came_of_it


def test_a_private_mail_server_is_refused_unless_opened(fresh_server, receivers):
    server = fresh_server("--egress-allow", "10.99.0.0/16")
    mailbox = receivers.mail()
    for host in ("127.0.0.1", "127.1", "0x7f000001"):
        with pytest.raises(Exception, match="127.0.0.1 is not called"):
            server.channel("email", {**settings(mailbox), "host": host})
    # A name is looked at when it is connected to.
    channel = server.channel("email", {**settings(mailbox, to=["ops@example.org"]), "host": "localhost"})
    came_of_it = server.try_out(channel)
    assert not came_of_it["delivered"] and "is not called" in came_of_it["detail"], came_of_it
    assert mailbox.items == []


def test_many_at_once_are_one_mail(server, receivers):
    mailbox = receivers.mail()
    server.channel("email", settings(mailbox), window="3s")
    for amount in range(40):
        server.ask(inputs={"amount": str(amount)})
    first, digest = mailbox.wait(2)
    told = len(re.findall(r"^- ", digest.text, re.MULTILINE))
    assert told == 20 and re.search(r"And \d+ more, in the inbox", digest.text), digest.text
    assert "wait for a decision" in digest["subject"] and "The links in this message are for Ada Lovelace" in digest.text
    assert digest.message.defects == []
    mailbox.stays(2, seconds=4)
