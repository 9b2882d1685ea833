"""What a refused request shows of the fields that a model accepts. Pure.

1. Only what Treadle sent by itself is changed: never the user's own fields, messages or tools.
2. A lesson is tried once, and kept if the model then replies (learned.py).
3. A provider's words are read loosely, since each has its own; a wrong guess costs one request.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from msgspec import structs

from ..core.errors import ContextOverflow, ModelError, ModelRejected
from ..core.model import Message, Request
from .accepted_fields import EFFORT, AcceptedFields, find_refused_field
from .output_room import OutputRoom, find_output_room
from .provider_errors import without_urls

OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_CONTENT = frozenset(("model", "messages", "input", "instructions", "system", "tools", "stream"))
"""Fields without which there is no request."""
_REASONING = ("reasoning_content", "reasoning", "reasoning_text")
_WANTED = re.compile(
    r"miss|requir|must (be|contain|have|include)|need|expected|pass(ed)? back", re.I
)
_UNSIGNED_CALL = re.compile(r"missing.{0,10}\bthought_signature", re.I)
_THOUGHTS_WANTED = re.compile(
    r"\bthinking\b.{0,80}\bpass(ed)? back|thinking block.{0,40}\b(missing|required)", re.I | re.S
)
_UNKNOWN = re.compile(
    r"un(?:supported|recogni[sz]ed|known|expected)|not (?:supported|permitted|allowed)|extra"
    r"|additional|invalid|instead|(?:isn't|not) available|no longer|remove|disallowed|forbidden",
    re.I,
)
_JSON_SCHEMA = re.compile(
    r"response.?format|json.?schema|structured.?output|json.?mode|response mime", re.I
)
_NO_SYSTEM = re.compile(
    r"(?:system|developer)(?: role| message| prompt| instruction)?s? ?(?:is|are)? ?not"
    r" (?:supported|allowed|enabled|available)"
    r"|not support.{0,20}(?:system|developer)"
    r"|only user(?:,| and) (?:assistant|model)"
    r"|(?:got|unexpected|unknown|invalid|unsupported)[^.]{0,40}\b(?:system|developer)\b"
    r"|roles must alternate",
    re.I,
)
_NAMES = re.compile(r"property keys should match", re.I)
_BETWEEN = re.compile(r"role .?user.? after role .?tool|roles must alternate", re.I)
_NO_NULL = re.compile(r"\bcontent\b.{0,60}\b(?:string|null|none|required|missing|empty)\b", re.I)
_UNREADABLE = re.compile(r"encrypted.content.{0,400}(verif|decrypt|pars)", re.I | re.S)
"""How a provider says that it can't read a thought that it once gave."""
_TEMPLATE_STATUS = 500
"""Some local servers say so of a chat template that refuses the messages."""


@dataclass(frozen=True)
class Sent:
    """A request that was refused."""

    request: Request
    body: Mapping[str, Any]
    """What was sent of it."""
    own: Set[str]
    """The user's own fields."""

    def added(self, name: str) -> bool:
        """Whether Treadle sent this field by itself."""
        return name in self.body and name not in self.own


@dataclass(frozen=True)
class Lesson:
    """What a refusal has shown."""

    accepted: AcceptedFields
    words: str
    """What is done now, after the model's name."""


def learn(refusal: ModelError, sent: Sent, accepted: AcceptedFields) -> Lesson | None:
    """What to send instead; None where the refusal is about something else."""
    said = without_urls(str(refusal))
    text = f"{said} {without_urls(refusal.body)}"
    is_template = refusal.status == _TEMPLATE_STATUS and bool(_NO_SYSTEM.search(text))
    if isinstance(refusal, ContextOverflow) or refusal.status == 402:
        return _less_output(said, sent, accepted)
    if not isinstance(refusal, ModelRejected) and not is_template:
        return None
    return (
        _less_output(said, sent, accepted)
        or _without_own_field(said, accepted)
        or _other_effort(text, sent, accepted)
        or _other_limit(text, sent, accepted)
        or _other_reply_fields(text, sent, accepted)
        or _unsigned_thoughts(text, sent, accepted)
        or _signed_calls(text, sent, accepted)
        or _plain_names(text, sent, accepted)
        or _bridged(text, sent, accepted)
        or _other_role(text, sent, accepted)
        or _no_null(text, sent, accepted)
        or _no_schema(text, sent, accepted)
        or _without_field(text, sent, accepted)
    )


def without_unread_thoughts(refusal: ModelError, request: Request) -> Request | None:
    """The request without all that only the model itself understands, where it can't read that.

    None where the refusal is about something else.
    """
    is_unread = isinstance(refusal, ModelRejected) and _UNREADABLE.search(str(refusal))
    if not is_unread or not any(message.model for message in request.messages):
        return None
    messages = tuple(message.for_model("none") for message in request.messages)
    return structs.replace(request, messages=messages)


def _less_output(text: str, sent: Sent, accepted: AcceptedFields) -> Lesson | None:
    asked = sent.body.get(accepted.output_limit)
    if not isinstance(asked, int) or accepted.output_limit in sent.own:
        return None
    estimate = sent.request.tokens
    room = find_output_room(text, asked, estimate)
    if room is None:
        return None
    if room.context_tokens is None:
        words = f"takes replies of at most {room.tokens} tokens, so no more is asked for"
        return Lesson(replace(accepted, output_cap=room.tokens), words)
    words = (
        f"has room for {room.context_tokens} tokens of prompt and reply together, so replies are"
        " asked for that fit"
    )
    context_tokens = _context_by_estimate(room, estimate)
    return Lesson(replace(accepted, context_tokens=context_tokens), words)


def _context_by_estimate(room: OutputRoom, estimate: int) -> int:
    """The context's size, less where our estimate of the prompt is too low."""
    return min(room.context_tokens or 0, room.tokens + estimate)


def _without_own_field(text: str, accepted: AcceptedFields) -> Lesson | None:
    """Without a field that Treadle adds to every request, or its part of one that the user sets."""
    name = find_refused_field(text, accepted.always)
    if name is None:
        return None
    rest = {key: value for key, value in accepted.always.items() if key != name}
    words = f"doesn't take {name}, so that isn't sent to it any more"
    return Lesson(replace(accepted, always=rest), words)


def _other_effort(text: str, sent: Sent, accepted: AcceptedFields) -> Lesson | None:
    """Some models take tools only without reasoning, which their refusal says."""
    if not sent.request.tools or EFFORT in sent.own or EFFORT not in text:
        return None
    if EFFORT in accepted.with_tools:
        rest = {key: value for key, value in accepted.with_tools.items() if key != EFFORT}
        return Lesson(replace(accepted, with_tools=rest), "")
    return Lesson(replace(accepted, with_tools={**accepted.with_tools, EFFORT: "none"}), "")


def _other_limit(text: str, sent: Sent, accepted: AcceptedFields) -> Lesson | None:
    """The limit of the output under its other name; none at all once both are refused."""
    name = accepted.output_limit
    if not sent.added(name) or not _names(name, text) or not _UNKNOWN.search(text):
        return None
    left_out = accepted.left_out | {name}
    named = [other for other in OUTPUT_LIMITS if other != name and _names(other, text)]
    for other in (*named, *OUTPUT_LIMITS[:2]):
        if other not in left_out:
            words = f"takes no {name}, so {other} is sent"
            return Lesson(replace(accepted, output_limit=other, left_out=left_out), words)
    words = f"takes no {name} either, so nothing limits its replies but itself"
    return Lesson(replace(accepted, left_out=left_out), words)


def _other_reply_fields(text: str, sent: Sent, accepted: AcceptedFields) -> Lesson | None:
    """A field of earlier replies that is wanted in each, or in none."""
    for name in dict.fromkeys((*_REASONING, *_own_fields(sent.request.messages))):
        if not _names(name, text):
            continue
        if name in _REASONING and _WANTED.search(text):
            fields = {**accepted.reply_fields, name: ""}
            words = f"wants {name} in each of its replies, so it is sent empty where it is missing"
            return Lesson(replace(accepted, reply_fields=fields), words)
        if _UNKNOWN.search(text) and name not in sent.body:
            fields = {**accepted.reply_fields, name: None}
            words = f"doesn't take {name} back, so it is left out of its replies"
            return Lesson(replace(accepted, reply_fields=fields), words)
    return None


def _unsigned_thoughts(text: str, sent: Sent, accepted: AcceptedFields) -> Lesson | None:
    """In Anthropic Messages, of servers that don't sign what their models think."""
    replied = any(message.role == "assistant" for message in sent.request.messages)
    if accepted.unsigned_thoughts or not replied or not _THOUGHTS_WANTED.search(text):
        return None
    words = "wants its thoughts back, so they are sent though they aren't signed"
    return Lesson(replace(accepted, unsigned_thoughts=True), words)


def _signed_calls(text: str, sent: Sent, accepted: AcceptedFields) -> Lesson | None:
    """Gemini, behind a gateway, in a history with another model's calls."""
    has_calls = any(message.calls for message in sent.request.messages)
    if accepted.wants_signed_calls or not has_calls or not _UNSIGNED_CALL.search(text):
        return None
    words = "wants signed calls, so those of other models are marked as unsigned"
    return Lesson(replace(accepted, wants_signed_calls=True), words)


def _own_fields(messages: tuple[Message, ...]) -> list[str]:
    """The provider's own fields that these messages send back."""
    names: list[str] = []
    for message in messages:
        names += message.opaque
        if not isinstance(message.content, str):
            for part in message.content:
                names += getattr(part, "opaque", {})
    return names


def _plain_names(text: str, sent: Sent, accepted: AcceptedFields) -> Lesson | None:
    """Claude behind a gateway. One parameter of a tool has every request refused."""
    if accepted.plain_names or "messages" not in sent.body or not _NAMES.search(text):
        return None
    words = "takes no parameters with other characters in their names, so it is told other names"
    return Lesson(replace(accepted, plain_names=True), words)


def _bridged(text: str, sent: Sent, accepted: AcceptedFields) -> Lesson | None:
    """Mistral's models want words of their own between results and what a person says."""
    roles = [message.get("role") for message in sent.body.get("messages", ())]
    if accepted.bridges_results or ("tool", "user") not in pairwise(roles):
        return None
    if not _BETWEEN.search(text):
        return None
    words = "takes no message of a person right after a tool's result, so words stand between them"
    return Lesson(replace(accepted, bridges_results=True), words)


def _other_role(text: str, sent: Sent, accepted: AcceptedFields) -> Lesson | None:
    has_system = any(message.role == "system" for message in sent.request.messages)
    if not has_system or not _NO_SYSTEM.search(text) or accepted.system_role == "user":
        return None
    if accepted.system_role == "system" and re.search(r"use .{0,20}developer", text, re.I):
        words = "takes instructions of a developer, so they are sent as such"
        return Lesson(replace(accepted, system_role="developer"), words)
    words = "takes no system prompt, so the first message of the person begins with it"
    return Lesson(replace(accepted, system_role="user"), words)


def _no_null(text: str, sent: Sent, accepted: AcceptedFields) -> Lesson | None:
    """A content that must be a text. About pictures it says the same: then it isn't this."""
    messages = sent.request.messages
    has_null = any(message.calls and not message.text for message in messages)
    has_parts = any(message.parts for message in messages)
    if not has_null or has_parts or not accepted.takes_null or not _NO_NULL.search(text):
        return None
    words = "takes no reply of calls alone, so an empty text is sent beside them"
    return Lesson(replace(accepted, takes_null=False), words)


def _no_schema(text: str, sent: Sent, accepted: AcceptedFields) -> Lesson | None:
    if not sent.added("response_format") or not _JSON_SCHEMA.search(text):
        return None
    if sent.request.tools and re.search(r"\btools?\b|function", text, re.I):
        words = "takes no JSON Schema beside tools, so it is told of the form in words alone"
        return Lesson(replace(accepted, json_schema="without tools"), words)
    words = "takes no JSON Schema, so it is told of the form in words alone"
    return Lesson(replace(accepted, json_schema="never"), words)


def _without_field(text: str, sent: Sent, accepted: AcceptedFields) -> Lesson | None:
    for name in sent.body:
        if name in _CONTENT or name in OUTPUT_LIMITS or name in sent.own:
            continue
        if not _names(name, text):
            continue
        words = f"doesn't take {name}, so it is left out"
        return Lesson(replace(accepted, left_out=accepted.left_out | {name}), words)
    return None


def _names(name: str, text: str) -> bool:
    """Whether a text speaks of this field: a plain word counts only where it stands as a name."""
    word = re.escape(name)
    if "_" in name:
        return re.search(rf"(?<!\w){word}(?!\w)", text) is not None
    as_name = (
        rf"[\"'`.\[]{word}[\"'`.:\]]|(?:parameter|field|argument|property|option)s?:? {word}\b"
    )
    return re.search(as_name, text, re.I) is not None
