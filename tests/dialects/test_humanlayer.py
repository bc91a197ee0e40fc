"""HumanLayer's published clients, unmodified: Python's, sync and async, and TypeScript's by node."""

import asyncio
import json
import os
import subprocess
import threading
from pathlib import Path

import pytest
from humanlayer import (
    AsyncHumanLayer,
    ContactChannel,
    Escalation,
    FunctionCallSpec,
    FunctionCallStatus,
    HumanContactSpec,
    HumanContactStatus,
    HumanLayer,
    HumanLayerException,
    ResponseOption,
    SlackContactChannel,
)

TYPESCRIPT = Path(__file__).parent / "humanlayer-ts"
LATER = ResponseOption(name="later", title="Not now", description="ask again next week")


def base(server):
    return server.dialect("humanlayer") + "/humanlayer/v1"


def client(server, key=None, **more):
    # The client sleeps between two looks; the answer itself is held back, so there is nothing to sleep for.
    key = key or server.agent(f"bot-{os.urandom(4).hex()}")
    return HumanLayer(api_key=key, api_base_url=base(server), sleep=lambda _: None, **more)


@pytest.fixture
def hl(server):
    return client(server)


def decided(server, id, **decision):
    decide = server.approve if decision.pop("approve") else server.deny
    return lambda _=None: decide(id, **decision)


def test_a_function_runs_once_a_person_approved_it(server, hl):
    ran = []

    @hl.require_approval()
    def send_email(to, body):
        ran.append((to, body))
        return "sent"

    with server.when_asked(lambda id: server.approve(id, "fine")) as asked:
        assert send_email(to="a@example.com", body="hi") == "sent"
    assert ran == [("a@example.com", "hi")]
    approval = server.approval(asked.id)
    assert approval["action"] == "send_email"
    assert approval["inputs"] == {"to": "a@example.com", "body": "hi"}
    assert approval["accepts"] == []


def test_a_denial_is_what_the_function_returns(server, hl):
    @hl.require_approval(contact_channel=ContactChannel(slack=SlackContactChannel(channel_or_user_id="C1", context_about_channel_or_user="#ops", bot_token="xoxb-secret")))
    def drop(table):
        raise AssertionError("must not run")

    with server.when_asked(lambda id: server.deny(id, "not on a Friday")) as asked:
        assert drop(table="users") == "User in #ops denied drop with message: not on a Friday"
    assert "xoxb-secret" not in json.dumps([server.approval(asked.id), server.events()])


def test_policy_denies_without_asking_and_nothing_runs(server, hl):
    server.policies({"name": "never", "actions": ["drop"], "effect": "deny"})

    @hl.require_approval()
    def drop(table):
        raise AssertionError("must not run")

    assert "User denied drop with message: " in drop(table="users")
    assert server.approvals(status="pending") == []


def test_an_explicit_ask_asks_even_where_policy_allows(server, hl):
    server.policies({"name": "all", "actions": ["*"], "effect": "allow"})
    call = hl.create_function_call(FunctionCallSpec(fn="f", kwargs={"a": 1}))
    assert call.status.approved is None
    server.waiting(1)


def test_what_nobody_decides_is_a_denial_with_words(server, hl):
    server.policies({"name": "soon", "actions": ["*"], "effect": "require_approval", "approval": {"timeout": "1s"}})
    status = hl.fetch_approval(FunctionCallSpec(fn="f", kwargs={})).as_completed()
    assert status.approved is False
    assert "xpired" in status.comment and "no decision" in status.comment
    assert "no answer" in hl.human_as_tool()("anybody there?")


def test_arguments_by_position_are_pointed_out(server, hl):
    @hl.require_approval()
    def pay(amount):
        return amount

    seen = []

    def look(id):
        seen.append(server.approval(id))
        server.deny(id, "no")

    with server.when_asked(look):
        pay(500)
    assert "no arguments are visible" in seen[0]["description"]
    assert seen[0]["context"]["humanlayer"]["arguments_visible"] is False


def test_reject_options_and_state_come_back(server, hl):
    state = {"z": 1, "a": [1.5, {"deep": None}], "id": 12345678901234567890}
    spec = FunctionCallSpec(fn="f", kwargs={"a": 1}, reject_options=[LATER], state=state)
    call = hl.create_function_call(spec, call_id="toolu_01/Ab c")
    assert call.spec.state == state
    id = server.waiting(1)[0]["id"]
    server.deny(id, "Not now: try on Monday")
    operator = client(server, server.operator.key)
    done = operator.backend.functions().get("toolu_01%2FAb c")
    assert done.spec.state == state
    assert (done.status.approved, done.status.comment) == (False, "try on Monday")
    assert done.status.reject_option_name == "later"


def test_the_same_id_asks_once_and_a_changed_call_is_a_conflict(server):
    key = server.agent("once")
    hl, anew = client(server, key), client(server, key)
    spec = FunctionCallSpec(fn="f", kwargs={"a": 1})
    first = hl.create_function_call(spec, call_id="once")
    assert hl.create_function_call(spec, call_id="once") == first
    # A process that was started anew has another run, and goes on with its calls.
    assert anew.run_id != hl.run_id and anew.create_function_call(spec, call_id="once") == first
    server.waiting(1)
    with pytest.raises(HumanLayerException, match="409"):
        hl.create_function_call(FunctionCallSpec(fn="f", kwargs={"a": 2}), call_id="once")
    # Another agent's ids are its own.
    client(server).create_function_call(FunctionCallSpec(fn="f", kwargs={"a": 2}), call_id="once")
    server.waiting(2)


def test_an_agent_never_responds_and_an_operator_does_once(server, hl):
    call = hl.create_function_call(FunctionCallSpec(fn="f", kwargs={"a": 1}))
    yes = FunctionCallStatus(approved=True, comment="ok")
    with pytest.raises(HumanLayerException, match="403"):
        hl.respond_to_function_call(call.call_id, yes)
    assert server.waiting(1)
    operator = client(server, server.operator.key)
    assert operator.respond_to_function_call(call.call_id, yes).status.approved is True
    assert hl.get_function_call(call.call_id).status.comment == "ok"
    with pytest.raises(HumanLayerException, match="call already has a response"):
        operator.respond_to_function_call(call.call_id, FunctionCallStatus(approved=False, comment="no"))


def test_a_question_is_answered_by_the_comment(server, hl):
    ask = hl.human_as_tool(response_options=[ResponseOption(name="blue"), ResponseOption(name="red")])
    with server.when_asked(lambda id: server.approve(id, "red")) as asked:
        assert ask("which colour?") == "red"
    approval = server.approval(asked.id)
    assert approval["action"] == "contact_human"
    assert approval["inputs"]["msg"] == "which colour?"
    with server.when_asked(lambda id: server.deny(id, "not my business")):
        assert ask("and now?") == "[no answer] not my business"
    # Never "": the client would take it for an answer.
    with server.when_asked(lambda id: server.approve(id)):
        assert ask("still?").startswith("[no answer]")


def test_a_question_is_answered_from_code_by_an_operator(server, hl):
    contact = hl.create_human_contact(HumanContactSpec(msg="which?", subject="colours", response_options=[LATER]))
    assert contact.status.response is None
    answer = HumanContactStatus(response="in a week", response_option_name="later")
    with pytest.raises(HumanLayerException, match="403"):
        hl.respond_to_human_contact(contact.call_id, answer)
    client(server, server.operator.key).respond_to_human_contact(contact.call_id, answer)
    done = hl.get_human_contact(contact.call_id)
    assert (done.status.response, done.status.response_option_name) == ("in a week", "later")
    with pytest.raises(HumanLayerException, match="404"):
        hl.get_function_call(contact.call_id)


def test_escalating_tells_those_whom_policy_names(server, hl):
    escalate = {"after": "20m", "to": ["channel:pager"]}
    server.policies({"name": "a", "actions": ["*"], "effect": "require_approval", "approval": {"escalate": escalate}})
    call = hl.create_function_call(FunctionCallSpec(fn="f", kwargs={"a": 1}))
    same = hl.escalate_email_function_call(call.call_id, Escalation(escalation_msg="please look"))
    assert same.spec == call.spec and same.status.approved is None
    assert [event["text"] for event in server.events(type="approval.escalated")][-1] == "please look"
    contact = hl.create_human_contact(HumanContactSpec(msg="which?"))
    assert hl.escalate_email_human_contact(contact.call_id, Escalation(escalation_msg="please")).call_id


def test_a_wrong_key_and_an_unknown_id_are_errors_with_words(server, hl):
    with pytest.raises(HumanLayerException, match="401"):
        client(server, "no-such-key").create_function_call(FunctionCallSpec(fn="f", kwargs={}))
    with pytest.raises(HumanLayerException, match="404"):
        hl.get_function_call("none")
    assert client(server, "no-such-key").require_approval()(len)().startswith("Error fetching approval")


def test_a_base_url_with_a_slash_at_its_end(server):
    hl = HumanLayer(api_key=server.agent("slash"), api_base_url=base(server) + "/")
    assert hl.create_function_call(FunctionCallSpec(fn="f", kwargs={"a": 1})).status.approved is None


def test_a_wait_outlives_a_restart_of_the_server(fresh_server):
    server = fresh_server()
    hl = client(server)
    call = hl.create_function_call(FunctionCallSpec(fn="f", kwargs={"a": 1}))
    server.pause()
    server.resume()
    server.approve(server.waiting(1)[0]["id"])
    assert hl.get_function_call(call.call_id).status.approved is True


def test_a_call_made_before_the_key_was_stopped_does_not_run(server, hl):
    @hl.require_approval()
    def pay(amount):
        raise AssertionError("must not run")

    def pull(_):
        server.operator("POST", "/v1/stops", {"target": "workspace", "reason": "fire"})

    try:
        with server.when_asked(pull):
            assert "User denied pay" in pay(amount=1)
    finally:
        server.operator("POST", "/v1/stops/workspace/lift", {})


def test_async_functions_and_questions(server):
    async def flow():
        async def no_sleep(_):
            await asyncio.sleep(0)

        hl = AsyncHumanLayer(api_key=server.agent("async"), api_base_url=base(server), sleep=no_sleep)

        @hl.require_approval(reject_options=[LATER])
        async def add(a, b):
            return a + b

        async def asked(decide):
            with server.when_asked(decide):
                return await add(a=1, b=2)

        assert await asked(lambda id: server.approve(id)) == 3
        assert await asked(lambda id: server.deny(id, "later")) == "User denied add with message: Not now"
        with server.when_asked(lambda id: server.approve(id, "42")):
            assert await hl.human_as_tool()("what is it?") == "42"
        with pytest.raises(Exception, match="403|FORBIDDEN|never|can't decide"):
            call = await hl.create_function_call(FunctionCallSpec(fn="f", kwargs={"a": 1}))
            await hl.respond_to_function_call(call.call_id, FunctionCallStatus(approved=True))

    asyncio.run(flow())


def test_the_typescript_client(server):
    """All of `humanlayer-ts/*.test.mjs`; a decider beside it answers by what is asked."""
    stop = threading.Event()
    decided_ids = set()

    def decide():
        while not stop.wait(0.1):
            for item in server.approvals(status="pending"):
                if item["id"] in decided_ids:
                    continue
                decided_ids.add(item["id"])
                text = json.dumps(item["inputs"])
                if "please deny" in text:
                    server.deny(item["id"], "not today")
                elif "leave it" not in text:
                    server.approve(item["id"], "fine")

    decider = threading.Thread(target=decide)
    decider.start()
    try:
        env = {**os.environ, "HUMANLAYER_API_BASE": base(server), "HUMANLAYER_API_KEY": server.agent("ts"), "OPERATOR_KEY": server.operator.key}
        ran = subprocess.run(["node", "--test", "."], cwd=TYPESCRIPT, env=env, capture_output=True, text=True, timeout=80)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "# fail 0" in ran.stdout and "# pass 0" not in ran.stdout
    finally:
        stop.set()
        decider.join()
