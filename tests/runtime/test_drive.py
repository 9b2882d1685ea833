"""No secret leaves a turn, whoever has raised it: not to the log, the model, a caller or logging."""

import logging
import traceback
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel, field_validator

from fakes import live
from treadle import Agent, MemoryStore, UsageError, tool
from treadle.models.known_secrets import redact_error
from treadle.models.scripted import ScriptedModel, calls, says

SECRET = "plain words of a token"


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", SECRET)


class Checked(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def refuse(cls, n: int) -> int:
        raise ValueError(f"not with {SECRET}")


@tool
def take(value: Checked) -> str:
    """Take."""
    return "taken"


def raise_secret(arguments: Any) -> bool:
    raise ValueError(f"no rule with {SECRET}")


@tool(needs_approval=raise_secret)
def ask() -> str:
    """Ask."""
    return "asked"


def everything(agent: Agent, model: ScriptedModel) -> str:
    """All that the log, the model and the caller get to see of a turn."""
    store = agent.store
    assert isinstance(store, MemoryStore)

    async def run() -> str:
        try:
            said = repr(await agent.run("go", thread="t"))
        except Exception as error:
            said = "".join(traceback.format_exception(error))
        said += "".join(row.event.decode() for row in await store.read("t"))
        return said + str([msgspec.to_builtins(seen.messages) for seen in model.seen])

    return live(run())


@pytest.mark.parametrize(
    ("script", "tools", "output"),
    [
        ([calls(("take", {"value": {"n": 1}})), says("ok")], [take], str),
        ([calls("ask"), says("ok")], [ask], str),
        ([says('{"n": 1}')] * 5, [], Checked),
        ([RuntimeError(f"a bug with {SECRET}")], [], str),
    ],
    ids=["check of arguments", "approval rule", "check of answers", "model"],
)
def test_a_secret_that_other_people_s_code_raises_is_in_nothing_that_leaves(script, tools, output):
    model = ScriptedModel(script)
    agent = Agent(model=model, tools=tools, output=output, store=MemoryStore())
    shown = everything(agent, model)
    assert "[redacted]" in shown
    assert SECRET not in shown


def test_what_a_person_is_told_of_an_edit_has_no_secret():
    model = ScriptedModel([calls(("take", {"value": {"n": 1}}))])
    settings = Agent(model=model, tools=[take], store=MemoryStore()).run_settings
    with pytest.raises(UsageError, match=r"not with \[redacted\]"):
        settings.refuse_edit("take", '{"value": {"n": 2}}')


def test_a_listener_s_secret_is_not_in_the_logging(caplog):
    def listen(_: Any) -> None:
        raise ValueError(f"no listener with {SECRET}")

    live(
        Agent(model=ScriptedModel([says("ok")]), store=MemoryStore(), listeners=[listen]).run("go")
    )
    assert "no listener with [redacted]" in caplog.text
    assert SECRET not in caplog.text


def test_an_error_keeps_its_type_and_loses_its_secrets_wherever_they_stand():
    inner = KeyError(SECRET)
    outer = ConnectionError(f"with {SECRET}")
    outer.__cause__ = inner
    outer.add_note(f"and {SECRET}")
    assert redact_error(outer) is outer
    assert SECRET not in "".join(traceback.format_exception(outer))


def test_an_error_that_keeps_its_words_elsewhere_becomes_a_plain_one():
    class Odd(Exception):
        def __str__(self) -> str:
            return f"odd {SECRET}"

    shown = redact_error(Odd())
    assert type(shown) is RuntimeError
    assert SECRET not in "".join(traceback.format_exception(shown))
    assert "Odd: odd [redacted]" in str(shown)


def test_an_async_listener_is_refused():
    async def listen(_: Any) -> None: ...

    listeners: Any = [listen]
    with pytest.raises(UsageError, match="is async, and listeners aren't awaited"):
        Agent(model=ScriptedModel([says("ok")]), store=MemoryStore(), listeners=listeners)


def test_a_listener_that_gives_a_coroutine_is_named(caplog):
    async def listen(_: Any) -> None: ...

    agent: Any = Agent(
        model=ScriptedModel([says("ok")]), store=MemoryStore(), listeners=[lambda x: listen(x)]
    )
    with caplog.at_level(logging.ERROR):
        assert live(agent.run("go")).answer == "ok"
    assert "gave a coroutine, and nobody awaits it" in caplog.text
