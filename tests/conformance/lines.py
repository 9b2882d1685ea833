"""Says in lines what a log holds. A prompt is read in the same words (chat.py and its neighbours).

user: What is in it? [picture image/png]
thinks: I look.
calls: look {"place":"a"}
gives: a cat
says: A cat.
ends: answered
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from treadle.core import events as e
from treadle.models.data_url import split_data_url

ASIDE = ("ends", "sums up", "fails", "limit", "rejects", "counts", "value")
"""What is in a log and isn't shown to a model."""
SEALED = "[sealed]"


def read_log(records: Iterable[e.Record], counts: bool = False) -> list[str]:
    """A line for each thing that can be seen of a thread; results in the order of their calls."""
    lines: list[str] = []
    waiting: dict[str, list[str]] = {}
    purpose = "step"
    for record in records:
        event = record.event
        match event:
            case e.ModelReplied() if purpose == "compact":
                lines.append(f"sums up: {event.text}")
            case e.ToolReturned():
                waiting[event.call_id] = [f"gives: {say_parts((event.content, *event.parts))}"]
            case e.ToolFailed(retry_after_s=None):
                waiting[event.call_id] = [f"gives: error: {event.message}"]
            case _:
                said = list(_lines_of(event, counts))
                if said or isinstance(event, e.ModelCalled):
                    lines += [line for each in waiting.values() for line in each]
                    waiting = {}
                lines += said
        if isinstance(event, e.ModelCalled):
            purpose = event.purpose
        if isinstance(event, e.ModelReplied):
            waiting = {call.id: [] for call in event.calls}
    lines += [line for each in waiting.values() for line in each]
    return [one_line(line) for line in lines]


def one_line(text: str) -> str:
    """The text with a space for each run of white space."""
    return " ".join(text.split())


def _lines_of(event: e.Event, counts: bool) -> Iterator[str]:
    match event:
        case e.UserSaid():
            yield f"user: {say_parts(event.content)}"
        case e.ModelReplied():
            yield from _reply_lines(event)
            if counts:
                yield f"counts: {_counts(event.usage)}"
        case e.ModelFailed():
            yield f"fails: {event.kind}"
        case e.LimitReached():
            yield f"limit: {event.limit}"
        case e.AnswerRejected():
            yield "rejects: the answer"
        case e.TurnEnded():
            yield f"ends: {event.status}"


def _reply_lines(event: e.ModelReplied) -> Iterator[str]:
    blocks: Any = event.content
    if isinstance(blocks, str):
        blocks = (e.Text(blocks),)
    for block in blocks:
        match block:
            case e.Thinking():
                yield f"thinks: {block.text or SEALED}"
            case e.Text() if block.text.strip():
                yield f"says: {block.text.strip()}"
            case e.Call():
                yield say_call(block.name, block.arguments)
            case e.ProviderCall():
                if block.arguments:
                    yield f"searches: {json.loads(block.arguments)['query']}"
                for source in block.sources:
                    yield f"finds: {source.url}"
    if event.refusal:
        yield f"says: {event.refusal}"


def say_call(name: str, arguments: str) -> str:
    """The call; its arguments as JSON in one form, where they are JSON."""
    try:
        arguments = json.dumps(json.loads(arguments or "{}"))
    except ValueError:
        arguments = repr(arguments)
    return f"calls: {name} {arguments}"


def _counts(usage: e.Usage) -> str:
    said = f"{usage.input_tokens} in, {usage.output_tokens} out"
    for name in ("cached_tokens", "cache_write_tokens", "reasoning_tokens"):
        if getattr(usage, name):
            said += f", {name.removesuffix('_tokens')} {getattr(usage, name)}"
    return said


def say_parts(content: Any) -> str:
    """Texts and parts as one line."""
    if isinstance(content, str):
        return content
    return " ".join(filter(None, (_say_part(part) for part in content)))


def _say_part(part: Any) -> str:
    if isinstance(part, e.Image):
        return say_picture(part.url)
    if isinstance(part, e.File):
        return say_file(part.name, part.url)
    if isinstance(part, e.Audio):
        return "[sound]"
    return str(part)


def say_picture(url: str) -> str:
    return f"[picture {_name(url)}]"


def say_file(name: str, url: str) -> str:
    return f"[file {name}: {_name(url)}]"


def _name(url: str) -> str:
    media_type, data = split_data_url(url)
    return f"{media_type} {data[:12]}" if media_type else url
