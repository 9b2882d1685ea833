"""Rules, checks and prices are other people's code: whatever they raise, the turn goes on or ends in
words, and is never left open or called cancelled."""

import asyncio
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

from fakes import agent, found, live
from treadle import Tool, tool
from treadle.core import events as e
from treadle.core.errors import UsageError
from treadle.models.scripted import ScriptedModel, calls, says


class Odd(BaseException):
    pass


ERRORS = [KeyError, SystemExit, Odd, asyncio.CancelledError, GeneratorExit]


@pytest.fixture(params=ERRORS, ids=lambda error: error.__name__)
def error(request):
    return request.param


def test_a_rule_that_raises_asks_a_person(error):
    def rule(arguments):
        raise error("boo")

    @tool(needs_approval=rule)
    def send() -> str:
        """Sends."""
        return "sent"

    result = live(agent(ScriptedModel([calls("send")]), send).run("go"))
    assert result.status == "waiting"
    assert f"the approval rule of send raised {error.__name__}" in result.waiting[0].reason


def test_a_rule_whose_verdict_has_no_truth_asks_a_person(error):
    class Verdict:
        def __bool__(self):
            raise error("boo")

    @tool(needs_approval=lambda arguments: Verdict())
    def send() -> str:
        """Sends."""
        return "sent"

    assert live(agent(ScriptedModel([calls("send")]), send).run("go")).status == "waiting"


def refuse(error):
    def check(value):
        if value == "bad":
            raise error("boo")
        return value

    return check


def test_a_validator_of_arguments_that_raises_is_told_to_the_model(error):
    def send(to: Any) -> str:
        """Sends."""
        return "sent"

    send.__annotations__["to"] = Annotated[str, AfterValidator(refuse(error))]
    script = [calls(("send", {"to": "bad"})), calls(("send", {"to": "good"})), says("done")]
    result = live(agent(ScriptedModel(script), tool(send)).run("go"))
    assert result.answer == "done"
    [failed] = found(result, e.ToolFailed)
    assert failed.kind == "arguments"
    assert f"their check raised {error.__name__}" in failed.message


def test_a_check_of_a_tool_that_raises_is_told_to_the_model(error):
    def check(given):
        raise error("boo")

    made = Tool("send", "Sends.", {"type": "object"}, lambda: "sent", check)
    result = live(agent(ScriptedModel([calls("send"), says("done")]), made).run("go"))
    assert found(result, e.ToolFailed)[0].message.startswith("bad arguments: their check raised")


def test_arguments_that_a_person_edits_are_checked_with_the_same_border(error):
    def refuse_bad(given):
        refuse(error)(given["to"])
        return given

    made = Tool(
        "send", "Sends.", {"type": "object"}, lambda to: to, refuse_bad, needs_approval=True
    )
    agents = agent(ScriptedModel([calls(("send", {"to": "x"})), says("done")]), made)
    call = live(agents.run("go", thread="t")).waiting[0]
    with pytest.raises(UsageError, match="those arguments won't do"):
        live(agents.post("t", e.ApprovalGiven(call.id, True, "ann", arguments='{"to": "bad"}')))


def test_a_validator_of_the_answer_that_raises_is_told_to_the_model(error):
    kind = Annotated[str, AfterValidator(refuse(error))]
    script = [says('{"value": "bad"}'), says('{"value": "good"}')]
    result = live(agent(ScriptedModel(script), output=kind).run("go"))
    assert result.output == "good"
    assert error.__name__ in found(result, e.AnswerRejected)[0].message


class Priced(ScriptedModel):
    """Asks this for its price."""

    def __init__(self, script, price):
        super().__init__(script)
        self.price = price

    def cost_usd(self, usage):
        return self.price(usage)


def test_a_price_that_raises_fails_the_turn_in_words(error):
    def price(usage):
        raise error("boo")

    agents = agent(Priced([says("hello")], price))
    with pytest.raises((RuntimeError, KeyError)):
        live(agents.run("go", thread="t"))
    last = live(agents.resume("t"))
    assert last.status == "failed"
    assert error.__name__ in last.reason


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -1.0, "5", True])
def test_what_is_no_price_is_refused_before_anything_is_paid(price):
    model = Priced([says("hello")], lambda usage: price)
    agents = agent(model)
    with pytest.raises(UsageError, match="it must be US dollars, 0 or more, or None"):
        live(agents.run("go", thread="t"))
    assert model.seen == []
    assert live(agents.resume("t")).status == "failed"


def test_a_listener_that_raises_changes_nothing(error):
    def listener(record):
        raise error("boo")

    agents = agent(ScriptedModel([says("hello")]), listeners=[listener])
    assert live(agents.run("go")).answer == "hello"


def test_a_result_that_cannot_be_shown_is_told_to_the_model(error):
    class Result:
        def __str__(self):
            raise error("boo")

        __repr__ = __str__

    @tool
    def look() -> Any:
        """Looks."""
        return Result()

    result = live(agent(ScriptedModel([calls("look"), says("done")]), look).run("go"))
    assert result.answer == "done"
