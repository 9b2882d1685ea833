"""Runs a conversation in one dialect, against the strict server of that dialect."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from textwrap import dedent
from types import ModuleType
from typing import Any

from chat_server import AT_OPENAI
from conformance import chat, messages, responses
from conformance.conversation import Conversation, Dialect
from conformance.lines import ASIDE, one_line, read_log
from treadle import Agent, MemoryStore, ScriptedModel, tool
from treadle.core.errors import ModelError, TurnFailed
from treadle.core.events import AgentDescribed, Audio, File, Image, ModelCalled, Record
from treadle.models.anthropic.dialect import MESSAGES
from treadle.models.dialect import Dialect as ModelDialect
from treadle.models.remote_model import RemoteModel
from treadle.models.responses.accepted_fields import find_accepted_fields as responses_fields
from treadle.models.responses.dialect import RESPONSES
from treadle.runtime.log import open_log
from treadle.runtime.world import World

PICTURE = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0xLjQ="
SOUND = "data:audio/wav;base64,UklGRg=="


@tool(read_only=True)
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool(read_only=True)
def name() -> str:
    """The name of the place."""
    return "Paris"


@tool(read_only=True)
def fail() -> str:
    """Fail."""
    raise ValueError("no luck")


@tool(read_only=True)
def draw(what: str) -> tuple[str, Image]:
    """Draw something."""
    return f"Here is {what}.", Image(PICTURE)


@tool(read_only=True)
def hand() -> File:
    """Hand over the file."""
    return File("a.pdf", PDF)


@tool(read_only=True)
def hear() -> Audio:
    """Listen."""
    return Audio(SOUND)


@tool(read_only=True)
def note(text: str) -> None:
    """Note it."""


TOOLS = (add, name, fail, draw, hand, hear, note)


@dataclass(frozen=True)
class Spoken:
    """One dialect: how its server is scripted, how its prompts are read, how it is spoken to."""

    module: ModuleType
    dialect: ModelDialect
    model: str


DIALECTS: dict[Dialect, Spoken] = {
    "chat": Spoken(chat, AT_OPENAI, "gpt-5-mini"),
    "responses": Spoken(
        responses,
        ModelDialect(
            **{
                **vars(RESPONSES),
                "find_accepted": lambda host, model: responses_fields("api.openai.com", model),
            }
        ),
        "gpt-5-mini",
    ),
    "messages": Spoken(messages, MESSAGES, "claude-sonnet-5-5"),
}


@dataclass(frozen=True)
class Ran:
    """What came of a conversation."""

    log: list[str]
    prompt: list[str]
    """The last one, as it was sent."""
    shown: list[str]
    """What the log had to show of by then."""
    faults: list[str]
    bodies: list[Any]
    records: tuple[Record, ...]


def run(conversation: Conversation, dialect: Dialect) -> Ran:
    """Speak it in this dialect, over HTTP."""
    return asyncio.run(_run(conversation, dialect))


async def _run(conversation: Conversation, dialect: Dialect) -> Ran:
    store = MemoryStore()
    settings = {"store": store, **conversation.agent}
    async with DIALECTS[dialect].module.serve(conversation.replies) as server:
        names = ["", "another"] if conversation.two_models else [""]
        agent = make_agent([make_model(dialect, server, each) for each in names], **settings)
        if conversation.history:
            await agent.import_history(conversation.history, thread="t")
        said = list(conversation.said)
        if conversation.before:
            other = ScriptedModel(conversation.before, name="elsewhere")
            await make_agent([other], **settings).run(said.pop(0), thread="t")
        for each in said:
            with suppress(ModelError, TurnFailed):
                await agent.run(each, thread="t")
        return await read_run(conversation, dialect, server, store)


def make_model(dialect: Dialect, server: Any, name: str = "") -> RemoteModel:
    """The dialect's model, behind this server."""
    spoken = DIALECTS[dialect]
    url = server.server.url
    return RemoteModel(
        name or spoken.model, base_url=url, api_key="k-secret", dialect=spoken.dialect
    )


def make_agent(models: Sequence[Any], **settings: Any) -> Agent:
    """An agent with all tools, whose waits take no time."""
    return Agent(**{"tools": TOOLS, "world": World(sleep=_no_wait), "model": models, **settings})


async def read_run(
    conversation: Conversation, dialect: Dialect, server: Any, store: MemoryStore
) -> Ran:
    """What the log, the server and the last request say by now."""
    bodies = [asked.body for asked in server.server.asked]
    records = (await open_log("t", store, World())).records
    counts = any(getattr(each, "counts", None) for each in conversation.replies)
    return Ran(
        read_log(records, counts),
        DIALECTS[dialect].module.read_prompt(bodies[-1]),
        _shown_before_last(records),
        list(server.faults),
        bodies,
        tuple(records),
    )


async def _no_wait(seconds: float) -> None:
    """A back-off takes no time."""


def _shown_before_last(records: Sequence[Record]) -> list[str]:
    """What the last model call had to show: the system prompt, and the lines of the log."""
    events = [record.event for record in records]
    last = max(n for n, event in enumerate(events) if isinstance(event, ModelCalled))
    system = [each.instructions for each in events if isinstance(each, AgentDescribed)][-1]
    lines = [f"system: {system}"] if system else []
    lines += [line for line in read_log(records[:last]) if line.split(":")[0] not in ASIDE]
    return [one_line(line) for line in lines]


def log_lines(conversation: Conversation, dialect: Dialect) -> list[str]:
    """The log that this dialect is to leave behind."""
    return _as_in(dialect, conversation, ("log", "both"), _lines(conversation.log))


def prompt_lines(conversation: Conversation, dialect: Dialect, shown: list[str]) -> list[str]:
    """The last prompt that is to be sent in this dialect; `shown` is all that its log has."""
    if conversation.prompt is None:
        return _as_in(dialect, conversation, ("prompt",), shown)
    return _as_in(dialect, conversation, ("prompt", "both"), _lines(conversation.prompt))


def _lines(text: str) -> list[str]:
    return dedent(text).strip().splitlines()


def _as_in(
    dialect: Dialect, conversation: Conversation, of: tuple[str, ...], lines: list[str]
) -> list[str]:
    """The lines with those that this dialect has instead of some."""
    text = "\n".join(lines)
    for each in conversation.differs:
        if dialect in each.dialects and each.of in of:
            there, instead = "\n".join(_lines(each.lines)), "\n".join(_lines(each.instead))
            assert there in text, f"{conversation.name}: {there!r} isn't among its lines"
            text = text.replace(there, instead, 1)
    return [line for line in text.splitlines() if line]
