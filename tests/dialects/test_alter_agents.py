"""Alter's published client, unmodified: agents, their keys, and one key for many of them."""

import secrets
import uuid

import alter_sdk.exceptions as wrong
import pytest
from alter_house import SECONDS, as_ours, asked, house, shared_server, upstream
from alter_sdk import Agent, App

# ---- one key for many agents -------------------------------------------------------------------------------------


def test_an_application_asks_for_the_agent_that_it_names(house):
    key = house.application()
    write = {"grant_id": house.grant_id, "json": {}, "reason": "r"}

    async def act(app):
        return [
            await app.proxy_request("POST", house.url(), **write),
            await app.proxy_request("POST", house.url(), caller=f"billing-{house.tag}", **write),
            await app.get_agent(house.agent_id()).proxy_request("POST", house.url(), **write),
        ]

    made = asked(App(key), act)
    asks = [house.server.approval(as_ours("apr", pending.approval_id))["agent"]["name"] for pending in made]
    assert asks == [f"app-{house.tag}", f"billing-{house.tag}", house.agent_name]
    house.server.approve(as_ours("apr", made[1].approval_id))
    result = asked(App(key), lambda app: app.await_approval(str(made[1].approval_id), timeout=SECONDS))
    assert result.status_code == 200
    with pytest.raises(wrong.AgentNotFoundError):
        asked(App(key), lambda app: app.get_agent(str(uuid.uuid4())).proxy_request("POST", house.url(), **write))


def test_an_application_speaks_for_no_more_agents_than_it_may(house):
    key = house.application(name=f"narrow-{house.tag}", agents=[f"mine-{house.tag}"], register_new=False)
    house.server.agent(f"mine-{house.tag}")
    get = lambda caller: asked(App(key, caller=caller), lambda app: app.proxy_request("GET", house.url(), grant_id=house.grant_id))
    assert get(f"mine-{house.tag}").status_code == 200
    with pytest.raises(wrong.PolicyViolationError):
        get(house.agent_name)
    with pytest.raises(wrong.AgentNotFoundError):
        get(house.agent_id())


# ---- agents and their keys ---------------------------------------------------------------------------------------


def test_an_operators_token_sets_agents_up(house):
    name = f"support-{house.tag}"

    async def act(app):
        key = secrets.token_hex(8)
        make = lambda **more: app.agents.create(name=name, scopes={}, metadata={"team": "care"}, display_name="Support",
                                                idempotency_key=key, **more)
        made = await make()
        replay = await make()
        assert replay.api_key is None and replay.id == made.id
        with pytest.raises(wrong.IdempotencyKeyBodyMismatchError):
            await make(type="service")
        with pytest.raises(wrong.AgentNameExistsError):
            await app.agents.create(name=name, scopes={})
        assert (made.name, made.status, made.metadata, made.display_name) == (name, "active", {"team": "care"}, "Support")
        async with Agent(made.api_key) as agent:
            assert (await agent.me()).id == made.id
        id = str(made.id)
        changed = await app.agents.update(id, metadata={"team": "billing"})
        assert changed.metadata == {"team": "billing"} and changed.display_name == "Support"
        assert changed.version > made.version
        assert (await app.agents.suspend(id)).status == "inactive"
        assert (await app.agents.resume(id)).status == "active"
        assert (await app.agents.get(id)).name == (await app.agents.get_by_name(name)).name == name
        assert await app.agents.get_by_name("nobody") is None
        with pytest.raises(wrong.AgentNotFoundError):
            await app.agents.get(str(uuid.uuid4()))
        second = await app.agents.mint_key(id)
        listed = await app.agents.list_keys(id)
        assert [key.status for key in listed.items] == ["active", "active"]
        gone = await app.agents.revoke_key(id, str(made.key_id))
        assert gone.status == "revoked"
        with pytest.raises(wrong.LastActiveKeyError):
            await app.agents.revoke_key(id, str(second.key_id))
        with pytest.raises(wrong.KeyRevokedError):
            async with Agent(made.api_key) as agent:
                await agent.list_grants()
        assert (await app.agents.delete(id)).status == "revoked"
        assert (await app.agents.delete(id)).status == "revoked"
        with pytest.raises(wrong.AgentRevokedError):
            await app.agents.resume(id)
        with pytest.raises(wrong.AgentRevokedError):
            async with Agent(second.api_key) as agent:
                await agent.me()
        names = lambda page: [agent.name for agent in page.agents]
        assert name not in names(await app.agents.list(limit=1000))
        assert name in names(await app.agents.list(limit=1000, include_revoked=True))
        page = await app.agents.list(limit=1)
        assert len(page.agents) == 1 and page.total >= 1

    asked(App(house.operator_key()), act)


def test_what_agents_may_do_is_not_set_up_here(house):
    async def act(app):
        for more in ({"scopes": {"stripe": ["write"]}}, {"scopes": {}, "policy": {"requires_approval": True}}):
            with pytest.raises(wrong.BackendError) as refused:
                await app.agents.create(name=f"wide-{house.tag}", **more)
            assert refused.value.details["error"] == "not_supported"
        assert await app.agents.get_by_name(f"wide-{house.tag}") is None

    asked(App(house.operator_key()), act)


def test_no_agent_and_no_application_sets_anything_up(house):
    act = lambda app: app.agents.create(name=f"more-{house.tag}", scopes={})
    with pytest.raises(wrong.InsufficientScopeError):
        asked(App(house.application()), act)
    with pytest.raises(wrong.AgentCannotMintSubagentsError):
        asked(App(house.key), act)
    with pytest.raises(wrong.InsufficientScopeError):
        asked(App(house.application(name=f"b-{house.tag}")), lambda app: app.agents.delete(house.agent_id()))
    with pytest.raises(wrong.InsufficientScopeError):
        asked(Agent(house.operator_key()), lambda agent: agent.proxy_request("GET", house.url(), grant_id=house.grant_id))
    with pytest.raises(wrong.MeRequiresAgentKeyError):
        asked(Agent(house.application(name=f"c-{house.tag}")), lambda agent: agent.me())
