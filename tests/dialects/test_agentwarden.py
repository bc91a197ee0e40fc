"""AgentWarden's published client, unmodified."""

import pytest
from agentwarden import AgentWarden, AuthenticationError

ALLOW = {"name": "small-refunds", "actions": ["stripe.refund.small"], "effect": "allow"}


@pytest.fixture
def guard(server):
    with AgentWarden(api_key=server.application(), base_url=server.dialect("agentwarden")) as guard:
        yield guard


def test_what_policy_allows_is_allowed_and_what_it_does_not_cover_is_not(server, guard):
    server.policies(ALLOW)
    assert guard.check("support-bot", "stripe.refund.small", {"amount": 20}).allowed
    refused = guard.check("support-bot", "stripe.refund.large", {"amount": 500})
    assert not refused.allowed and not refused.requires_approval
    assert refused.reason


def test_a_wrong_key_is_an_authentication_error(server):
    with AgentWarden(api_key="no-such-key", base_url=server.dialect("agentwarden")) as guard:
        with pytest.raises(AuthenticationError):
            guard.check("support-bot", "stripe.refund.small")
