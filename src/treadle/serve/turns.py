"""The API's writing part: messages, cancelling, resuming, forks, what ends a thread."""

from typing import Any, Literal

import msgspec

from ..core import events as e
from ..core.errors import UsageError
from ..flows.flow import Flow
from ..runtime.agent import Agent
from ..runtime.delete import delete_threads
from ..runtime.fork import fork
from ..runtime.post import Amounts
from ..runtime.world import World
from .routes import Asked
from .served import Runner


class PartImage(msgspec.Struct, tag="image", tag_field="type"):
    """A picture: an https or data URL."""

    url: str


class PartFile(msgspec.Struct, tag="file", tag_field="type"):
    """A file: a data URL."""

    url: str
    name: str = ""


class PartText(msgspec.Struct, tag="text", tag_field="type"):
    """A text between others."""

    text: str


Part = PartText | PartImage | PartFile


class NewThread(msgspec.Struct, forbid_unknown_fields=True):
    """What is said in a new thread, or what a flow is begun with."""

    text: str = ""
    parts: list[Part] = []
    """In place of `text`: texts, pictures and files in their order."""
    agent: str = ""
    """Whom it is said to; "": the first one that is served."""
    thread: str | None = None
    """The thread's name; None: a new one."""
    arguments: dict[str, Any] | None = None
    """Those of a flow, in place of `text`."""


class NewMessage(msgspec.Struct, forbid_unknown_fields=True):
    """What is said in a thread."""

    text: str = ""
    parts: list[Part] = []


class Begun(msgspec.Struct):
    """Where what was said has come."""

    thread_id: str
    seq: int = 0
    """Of the message, in the thread's log; 0 in a new thread."""
    opened: bool = True
    """Whether it has opened a turn; else it steers the one that was open."""


class Reason(msgspec.Struct, forbid_unknown_fields=True):
    """Why, if somebody says it."""

    reason: str = ""


class Resuming(msgspec.Struct, forbid_unknown_fields=True):
    """How to go on."""

    take: bool = False
    """Take it from a living driver."""
    retry_failed: bool = False
    """Of a flow that has failed: run again what failed."""


class NewFork(msgspec.Struct, forbid_unknown_fields=True):
    """Where a new thread leaves the old one."""

    at: int | None = None
    """The seq of the last record that is shared, or of the message that is edited."""
    edit: str | None = None
    """What is said in place of the message `at`."""
    resume: bool = True


class Forked(msgspec.Struct):
    """The new thread."""

    thread_id: str
    ran: list[str]
    """The calls of the shared part that have had their effect: they don't run again."""


class More(msgspec.Struct, forbid_unknown_fields=True):
    """What a turn at its limit may use more; the fields are those of `agent.raise_limit`."""

    amounts: dict[Literal["steps", "tool_calls", "tokens", "cost_usd", "seconds"], int | float]


class Deleted(msgspec.Struct):
    """What is gone."""

    threads: list[str]


async def begin(asked: Asked) -> Begun:
    """Begin a thread: say something to an agent, or begin a flow. It goes on in the background, or
    in a worker.

    With an `Idempotency-Key` the same request again begins nothing, and gives the same thread.
    """
    body: NewThread = asked.body
    runner, engine = asked.served.find(body.agent), asked.served.engine
    if body.thread:
        await asked.served.refuse_others(runner, body.thread)
    if isinstance(runner, Flow):
        arguments = body.arguments or {}
        begun = runner.options(thread=body.thread, key=asked.key, by=asked.person, engine=engine)
        if engine:
            return Begun((await begun.submit(**arguments)).thread_id)
        return Begun(await begun.start(**arguments))
    if body.arguments is not None:
        raise UsageError(f"{runner.name} is an agent, which takes a `text` and no `arguments`")
    said = _read_said(body, asked.person)
    if engine:
        submitted = await runner.submit(said, thread=body.thread, key=asked.key, engine=engine)
        return Begun(submitted.thread_id)
    thread = await runner.start(said, thread=body.thread, key=asked.key, when_busy="steer")
    return Begun(thread)


async def say(asked: Asked) -> Begun:
    """Say something in a thread, whatever it is at.

    The next model call of its open turn sees it; after the turn's end it opens the next one.
    """
    runner, _ = await asked.served.find_of_thread(asked.thread)
    steered = await as_agent(runner).steer(
        asked.thread, _read_said(asked.body, asked.person), key=asked.key
    )
    if steered.to_resume:
        await asked.served.go_on(runner, steered.to_resume)
    return Begun(steered.thread_id, steered.seq, steered.opened)


async def cancel(asked: Asked) -> None:
    """End the thread's turn, in whatever process it runs."""
    reason = f"by {asked.person}"
    if asked.body.reason:
        reason += f": {asked.body.reason}"
    runner, _ = await asked.served.find_of_thread(asked.thread)
    await runner.post(asked.thread, e.TurnEnded("cancelled", reason))


async def resume(asked: Asked) -> None:
    """Go on with the thread's unfinished turn, in the background or in a worker."""
    runner, root = await asked.served.find_of_thread(asked.thread)
    body: Resuming = asked.body
    if body.retry_failed and not isinstance(runner, Flow):
        raise UsageError(f"{runner.name} is an agent: `retry_failed` is for flows")
    await asked.served.go_on(runner, root.thread_id, body.take, body.retry_failed)


async def fork_thread(asked: Asked) -> Forked:
    """Make a thread that shares this one's beginning, with another message if one is given."""
    body: NewFork = asked.body
    runner, _ = await asked.served.find_of_thread(asked.thread)
    edit = None
    if body.edit is not None:
        edit = e.UserSaid(body.edit, by=asked.person)
    made = await fork(asked.served.store, asked.thread, at=body.at, edit=edit, world=World())
    if body.resume:
        await asked.served.go_on(runner, made.thread_id)
    return Forked(made.thread_id, [f"{call.name}({call.arguments})" for call in made.ran])


async def raise_limit(asked: Asked) -> None:
    """Let a turn that is at a limit use more, and go on."""
    runner, root = await asked.served.find_of_thread(asked.thread)
    amounts: Amounts = asked.body.amounts
    await runner.raise_limit(asked.thread, asked.person, **amounts)
    await asked.served.go_on(runner, root.thread_id)


async def adopt(asked: Asked) -> None:
    """Take an imported thread, with its children, as one's own."""
    runner, root = await asked.served.find_of_thread(asked.thread)
    said = e.TrustChanged(True, asked.person, asked.body.reason)
    await runner.post(root.thread_id, said)


async def delete(asked: Asked) -> Deleted:
    """Delete the thread with its children for good. One that works is cancelled first."""
    gone = await delete_threads(asked.served.store, [asked.thread], stop=True)
    return Deleted(list(gone.threads))


def as_agent(runner: Runner) -> Agent:
    """The runner, which must be an agent. Raises UsageError."""
    if isinstance(runner, Flow):
        raise UsageError(f"{runner.name} is a flow, which takes no messages")
    return runner


def _read_said(body: NewThread | NewMessage, person: str) -> e.UserSaid:
    if body.text and body.parts:
        raise UsageError("say it as `text` or as `parts`, not both")
    if not body.parts:
        return e.UserSaid(body.text, by=person)
    content: list[str | e.Image | e.File] = []
    for part in body.parts:
        match part:
            case PartText(text=text):
                content.append(text)
            case PartImage(url=url):
                content.append(e.Image(url))
            case PartFile(url=url, name=name):
                content.append(e.File(url, name))
    return e.UserSaid(tuple(content), by=person)
