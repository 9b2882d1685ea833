"""`treadle show --prompt`: what the model saw, made again from the records before it.

The log holds no prompt, only its hash. The instructions and the tools come from the agent of today, so the hash is
compared, and a difference is said.
"""

from collections.abc import Sequence

import msgspec

from ..core import events as e
from ..core.errors import UsageError
from ..core.model import Message, Request, prompt_hash
from ..core.prompt import Prompt
from ..core.state import fold
from ..observe.explain import changes
from ..observe.visible import line_of, visible
from ..runtime.job import Job, request_of
from .agents import agent_as_recorded
from .terminal import Screen, put, put_json
from .thread_options import Show


def show_prompt(records: Sequence[e.Record], settings: Show) -> int:
    """Print it; the exit code is 1 where the agent of today would have given the model another one."""
    record = called_record(records, settings.prompt or "")
    assert isinstance(record.event, e.ModelCalled)
    before = [each for each in records if each.seq < record.seq]
    identity = fold(before).identity
    agent = agent_as_recorded(settings, identity)
    request = asked(before, record.event, agent.job)
    if settings.json:
        put_json(_json(request))
    else:
        _show(request)
    recorded, rebuilt = record.event.prompt_hash, prompt_hash(request.messages, request.tools)
    screen = Screen()
    if recorded == rebuilt:
        screen.note(f"this is what {line_of(record.event.model, 100)} saw; prompt {rebuilt}", "dim")
        return 0
    screen.note(
        f"NOT what the model saw: it saw prompt {recorded}, the agent of today gives {rebuilt}",
        "red",
    )
    for change in changes(identity, agent.job.identity(agent.name)):
        screen.note(f"since then {line_of(change, 200)}", "yellow")
    return 1


def called_record(records: Sequence[e.Record], which: str) -> e.Record:
    """The record of the model call of this number, or at this seq (`@12`). Raises UsageError."""
    calls = [record for record in records if isinstance(record.event, e.ModelCalled)]
    number = which.removeprefix("@")
    if number.isascii() and number.isdigit():
        if which.startswith("@"):
            found = [record for record in calls if record.seq == int(number)]
        else:
            found = calls[int(number) - 1 : int(number)] if int(number) else []
        if found:
            return found[0]
    seqs = ", ".join(f"@{record.seq}" for record in calls) or "none"
    raise UsageError(
        f"--prompt {which}: there are {len(calls)} model calls, from 1 or by record: {seqs}"
    )


def asked(before: Sequence[e.Record], fact: e.ModelCalled, job: Job) -> Request:
    """The request that this job would make after these records, for the purpose that `fact` has."""
    prompt = Prompt()
    for record in before:
        prompt.add(record)
    return request_of(prompt, job, fact.purpose, fact.upto_seq)


def _show(request: Request) -> None:
    for message in request.messages:
        _message(message)
    for tool in request.tools:
        put("── tool ──", "bold")
        put(visible(tool.wire.decode()))


def _message(message: Message) -> None:
    put(f"── {message.role}{f' {message.call_id}' if message.call_id else ''} ──", "bold")
    if message.text:
        put(visible(message.text))
    for part in message.parts:
        put(f"[{type(part).__name__.lower()}: {line_of(part.url, 100)}]", "dim")
    for call in message.calls:
        put(visible(f"{call.id} {call.name} {call.arguments}"))


def _json(request: Request) -> bytes:
    """As chat completions takes them."""
    messages = [msgspec.Raw(message.wire) for message in request.messages]
    return msgspec.json.encode(
        {"messages": messages, "tools": [msgspec.Raw(tool.wire) for tool in request.tools]}
    )
