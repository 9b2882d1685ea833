"""In a flow, a run that ended without an answer is an error that holds it."""

import pytest

from fakes import live, world
from treadle import (
    Agent,
    Limits,
    MemoryStore,
    NotAnswered,
    OutcomeDecided,
    ScriptedModel,
    StepFailed,
    TurnFailed,
    ask,
    flow,
    step,
)
from treadle.core.model import Reply
from treadle.models.scripted import says


def clerk(**settings):
    return Agent(**{"name": "clerk", "model": ScriptedModel([says("a lamp")] * 3), **settings})


def made(function, **settings):
    return flow(**{"store": MemoryStore(), "world": world(), **settings})(function)


async def at_limit() -> str:
    return (await clerk(limits=Limits(tokens=1, last_word=False)).run("go")).answer


def test_an_agent_at_its_limit_fails_the_flow_that_goes_on_as_if_it_had_answered():
    one = made(at_limit)
    with pytest.raises(TurnFailed, match="step clerk: the agent clerk gave no answer: limit, tok"):
        live(one.options(thread="t").run())
    assert live(one.resume("t")).status == "failed"


def test_code_that_asks_for_the_status_goes_on():
    async def order() -> list[str]:
        try:
            await step.options(id="first")(clerk(limits=Limits(tokens=1, last_word=False)), "go")
        except NotAnswered as error:
            return [error.result.status, error.kind, error.step, error.result.thread_id]
        return []

    one = made(order)
    assert live(one.options(thread="t").run()).output == ["limit", "limit", "first", "t.first"]
    assert live(one.resume("t")).output == ["limit", "limit", "first", "t.first"]


def test_a_flow_at_its_limit_is_no_answer_either():
    async def below() -> int:
        return await step.options(id="one")(lambda: 1) + await step.options(id="two")(lambda: 2)

    async def order() -> int:
        return (await made(below, limits=Limits(tool_calls=1)).run()).output

    with pytest.raises(TurnFailed, match="step below: the flow below gave no answer: limit, tool"):
        live(made(order).run())


def test_a_refusal_is_no_answer():
    async def order() -> str:
        model = ScriptedModel([Reply("", refusal="no")])
        return (await clerk(model=model).run("go")).answer

    with pytest.raises(TurnFailed, match="the agent clerk gave no answer: refused, no"):
        live(made(order).run())


def test_the_error_of_a_failed_turn_names_its_step():
    async def order() -> str:
        try:
            await clerk(model=ScriptedModel([says(" ")] * 3)).run("go")
        except TurnFailed as error:
            return error.step
        return ""

    assert live(made(order).run()).output == "clerk"
    assert issubclass(NotAnswered, StepFailed)


@pytest.mark.parametrize(
    ("content", "output"),
    [("12", 12), ("a dozen", "it won't do")],
)
def test_what_a_person_says_of_an_inner_flow_is_its_value(content, output):
    async def below() -> int:
        return len(await ask("how many?"))

    inner = made(below)

    async def order() -> object:
        try:
            return (await inner.run()).output
        except StepFailed as error:
            return "it won't do" if "won't do" in str(error) else str(error)

    one = made(order)
    assert live(one.options(thread="t").run()).status == "waiting"
    fork = live(one.fork("t")).thread_id
    live(one.post(fork, OutcomeDecided("below", "ran", "ann", content)))
    assert live(one.resume(fork)).output == output
    assert live(one.replay(fork)) is None
