"""The last pass over a request: what every provider and chat template takes. Pure.

1. Roles take turns: neighbours of one role become one message. Many templates refuse two messages
   of a person in a row, which a failed turn, an empty reply or a summary leaves behind.
2. A request whose history has tool calls has tools. Where none may be called, the choice says so.
3. A provider whose tool messages hold only text gets pictures, files and sounds beside them
   (`put_beside_results`); so do all with what no tool message holds.
4. A person or a tool speaks last. A reply that the provider itself has paused is the exception: it
   goes back as it is, and its own model goes on with it (`end_with_person`).
5. A model that takes no system prompt gets it before the first words of the person
   (`put_into_first`).
6. A person may have said nothing. Most providers refuse an empty message (`fill_empty`).
7. Calls go back under the provider's own ids, to the model that made them and where each names one
   call (`use_provider_ids`): Kimi, for one, reads more in its ids than a name.
8. Where no model of a provider takes sounds, words stand in their place (`tell_of_sounds`).
9. A person speaks after a tool's result only where the model takes that (`bridge_results`).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from . import events as e
from .arguments import parse_json_object
from .errors import ToolError
from .finish_reasons import PAUSED
from .model import Message, ToolSchema
from .strict_json import value_of
from .tools_on_demand import wrap_arguments
from .values import (
    Attachment,
    Audio,
    Block,
    Content,
    File,
    Image,
    Part,
    Replied,
    Text,
    calls_of,
    text_of,
)

BESIDE = "What the calls above gave besides text:"
BRIDGE = Message("assistant", "I have these results.")
"""Stands between results and a person's words for Mistral's models, which want words there."""
GO_ON = "Go on."
SAID_NOTHING = "(nothing was said)"
"""Stands for an empty message where the provider would refuse it at each later request."""
NO_SOUND = "(Here was a sound. This model takes none.)"
PICTURE_ALONE = "[a picture, without words]"
"""Stands for the words of a reply that is a picture: a reply without any is of no use."""
GONE = "A tool of earlier in this conversation. It can't be called now."


def make_turns(
    messages: Iterable[Message], before: tuple[Message, ...] = ()
) -> tuple[Message, ...]:
    """The messages, with neighbours of one role as one.

    `before` are those that come first, if they take turns already.
    """
    made = [*before]
    for message in messages:
        if not message.content and message.role == "assistant":
            continue  # it held nothing but what another model understands
        if made and _belong_together(made[-1], message):
            made[-1] = _join(made[-1], message)
        else:
            made.append(message)
    return tuple(made)


def end_with_person(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages; after a reply that another model has paused, a person asks to go on."""
    if messages and messages[-1].role == "assistant" and not messages[-1].model:
        return (*messages, Message("user", GO_ON))
    return messages


def _belong_together(first: Message, second: Message) -> bool:
    return first.role == second.role and first.role in ("user", "assistant") and not first.calls


def _join(first: Message, second: Message) -> Message:
    opaque = first.opaque | second.opaque
    content = _join_contents(first, second)
    model, place = first.model or second.model, first.place or second.place
    prompt_hash = first.prompt_hash or second.prompt_hash
    return Message(first.role, content, "", opaque, model, prompt_hash, place=place)


def _join_contents(one: Message, other: Message) -> Content:
    first, second, is_reply = one.content, other.content, one.role == "assistant"
    if "" in (first, second):
        return first or second
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    parts = list(_as_parts(second, is_reply))
    # The texts of a reply's blocks are one text. What a provider goes on with stays as it came.
    if text_of(first) and not (one.model and other.model):
        for index, part in enumerate(parts):
            if isinstance(part, Text):
                parts[index] = Text(f"\n\n{part.text}", part.opaque)
                break
    return (*_as_parts(first, is_reply), *parts)


def _as_parts(content: Content, is_reply: bool) -> tuple[Part, ...]:
    if not isinstance(content, str):
        return content
    return (Text(content),) if is_reply else (content,)


def tools_in_history(messages: Iterable[Message]) -> tuple[ToolSchema, ...]:
    """The tools that these messages call, as far as their calls tell."""
    names = dict.fromkeys(call.name for message in messages for call in message.calls)
    parameters = {"type": "object", "properties": {}}
    return tuple(ToolSchema(name, GONE, parameters) for name in names)


def put_beside_results(
    messages: Sequence[Message], kinds: tuple[type[Attachment], ...] = (Image, File, Audio)
) -> tuple[Message, ...]:
    """The messages, with these kinds of parts of tool results in a user's message after them."""
    if not any(message.role == "tool" and message.parts for message in messages):
        return tuple(messages)
    made: list[Message] = []
    beside: list[Message] = []
    for message in messages:
        if message.role == "tool":
            moved = tuple(part for part in message.parts if isinstance(part, kinds))
            if moved:
                beside.append(Message("user", (BESIDE, *moved)))
                message = _without(message, kinds)
        else:
            made += beside
            beside = []
        made.append(message)
    return make_turns((*made, *beside))


def _without(message: Message, kinds: tuple[type[Attachment], ...]) -> Message:
    """The tool message without parts of these kinds; plain text, if only that is left."""
    kept = tuple(part for part in message.content if not isinstance(part, kinds))
    content: Content = message.text
    if any(isinstance(part, Attachment) for part in kept):
        content = kept
    return Message("tool", content, message.call_id)


def tell_of_sounds(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages, with words in the place of sounds."""
    return tuple(_tell_of_sounds(message) for message in messages)


def _tell_of_sounds(message: Message) -> Message:
    if not any(isinstance(part, Audio) for part in message.parts):
        return message
    content = [NO_SOUND if isinstance(part, Audio) else part for part in message.content]
    return replace(message, content=tuple(content))


def put_into_first(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages, with the system prompt at the beginning of the first one of a person."""
    if not messages or messages[0].role != "system":
        return tuple(messages)
    first = Message("user", messages[0].text)
    return make_turns((first, *messages[1:]))


def bridge_results(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages, with words of the model between results of tools and what a person says."""
    made: list[Message] = []
    for message in messages:
        if message.role == "user" and made and made[-1].role == "tool":
            made.append(BRIDGE)
        made.append(message)
    return tuple(made)


def fill_empty(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages, with words in place of those of a person who said nothing."""
    if not any(map(_says_nothing, messages)):
        return messages
    filled = Message("user", SAID_NOTHING)
    return tuple(filled if _says_nothing(message) else message for message in messages)


def _says_nothing(message: Message) -> bool:
    return message.role == "user" and message.content == ""


class GivenIds(msgspec.Struct, frozen=True):
    """The provider's own ids of calls in some messages."""

    taken: frozenset[str] = frozenset()
    """Those that have been used."""
    names: Mapping[str, str] = {}
    """Of the last reply: by our own id, the one that was used."""


NO_IDS = GivenIds()


def use_provider_ids(
    messages: Sequence[Message], before: GivenIds = NO_IDS
) -> tuple[tuple[Message, ...], GivenIds]:
    """The messages, with the provider's own ids of calls, where they are known and legal.

    A reply with an id that came before keeps our own: some providers repeat theirs. `before` are
    the ids of earlier messages; the second value has those of all.
    """
    taken = set(before.taken)
    names = before.names
    made: list[Message] = []
    for message in messages:
        if message.role == "tool":
            if message.call_id in names:
                message = message.answering(names[message.call_id])
        elif message.calls:
            names = message.provider_ids
            if taken.isdisjoint(names.values()):
                taken.update(names.values())
                message = message.with_provider_ids
            else:
                names = {}
        made.append(message)
    return tuple(made), GivenIds(frozenset(taken), names)


def legal_content(reply: e.ModelReplied, without_calls: bool) -> Replied:
    """The reply as it goes back to the model: its calls are legal, or left out."""
    if isinstance(reply.content, str):
        return reply.content or reply.refusal
    blocks: list[Block] = []
    for block in reply.content:
        if not isinstance(block, e.Call):
            blocks.append(block)
        elif not without_calls:
            blocks.append(_make_legal(block))
    content = tuple(blocks)
    has_more_than_text = any(not isinstance(block, e.Text) or block.opaque for block in content)
    says_something = bool(text_of(content) or calls_of(content)) or reply.finish_reason == PAUSED
    if has_more_than_text and says_something:
        return content
    return text_of(content) or reply.refusal


def one_line(text: str) -> str:
    """A JSON text without line breaks of its own: it can't forge a line of a prompt."""
    with suppress(ValueError):
        return msgspec.json.encode(value_of(text)).decode()
    return msgspec.json.encode(text).decode()


def _make_legal(call: e.Call) -> e.Call:
    """The call as a provider takes it back: a legal name, and arguments that are a JSON object."""
    characters = [char if _is_legal(char) else "_" for char in call.name]
    name = "".join(characters)[:64] or "_"
    arguments = _legal_arguments(call.arguments)
    if call.via:
        name, arguments = call.via, wrap_arguments(name, arguments)
    return e.Call(call.id, name, arguments, call.opaque, call.provider_id)


def _is_legal(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char in "_-")


def _legal_arguments(text: str) -> str:
    with suppress(ValueError, ToolError):
        if isinstance(value_of(text or "{}"), dict):
            return text
        return msgspec.json.encode(parse_json_object(text)).decode()
    return msgspec.json.encode({"not_json": text[:1000]}).decode()
