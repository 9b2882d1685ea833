"""Prompts, answers and tool results in the form of OpenTelemetry's GenAI conventions. Pure.

Every secret is redacted. System prompts and tool schemas are missing: the log has only hashes of
them. A prompt holds the messages of its turn; earlier messages are in the spans of earlier turns.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import msgspec

from ..core import events as e
from ..core.redact import redact, redact_value
from . import conventions as c
from .short_text import parse_arguments

Message = dict[str, Any]

FINISH_REASONS = {"tool_calls": "tool_call", "function_call": "tool_call"}
"""Finish reasons that the conventions name otherwise than the providers."""


@dataclass(frozen=True)
class Content:
    """Says that spans include texts, and which secrets to redact besides what looks like one."""

    secrets: Set[str] | Callable[[], Set[str]] = frozenset()
    """A function where they may be others later, as a model is made."""

    def known(self) -> Set[str]:
        return self.secrets() if callable(self.secrets) else self.secrets


class SpanMessages:
    """The messages of the open turn, as span attributes; none if no content is wanted."""

    def __init__(self, content: Content | None) -> None:
        self._content = content
        self._turn: list[str] = []
        """As JSON, each redacted only once: every request of a turn repeats them all."""
        self._in_summary = False
        """The open model call asks for a summary, so its reply is no part of the conversation."""
        self._steps: set[str] = set()
        """The ids of a flow's steps: no model asked for them, and none sees their results."""

    def add(self, event: e.Event) -> None:
        """Add what this event says to the turn's messages."""
        if getattr(event, "call_id", "") in self._steps:
            return
        match event:
            case e.StepAsked(call=call):
                self._steps.add(call.id)
            case e.UserSaid() if event.opens_turn:
                self._turn = self._encode(user_message(event))
            case e.UserSaid(answers=""):
                self._turn += self._encode(user_message(event))
            case e.UserSaid(in_call=False, answers=call_id, text=text):
                self._turn += self._encode(tool_message(call_id, text))
            case e.ToolDeferred(call_id=call_id, message=text):
                self._turn += self._encode(tool_message(call_id, text))
            case e.ModelCalled(purpose=purpose):
                self._in_summary = purpose == "compact"
            case e.ModelReplied() if not self._in_summary:
                self._turn += self._encode(assistant_message(event))
            case e.ToolReturned(call_id=call_id, content=text):
                self._turn += self._encode(tool_message(call_id, text))
            case e.ToolFailed(call_id=call_id, message=text, retry_after_s=None):
                self._turn += self._encode(tool_message(call_id, text))
            case e.OutcomeDecided(call_id=call_id, outcome="ran" | "tell", content=text):
                self._turn += self._encode(tool_message(call_id, text))
            case e.TurnEnded():
                self._turn = self._turn[:1]  # the span of the whole turn shows only its question
            case e.AnswerRejected(message=text):
                parts = [{"type": "text", "content": text}]
                self._turn += self._encode({"role": "user", "parts": parts})

    def prompt(self) -> c.Attributes:
        """The open request's messages; none for a summary, whose prompt is the whole thread."""
        if self._in_summary:
            return {}
        return self._attribute(c.INPUT_MESSAGES, self._turn)

    def reply(self, event: e.ModelReplied) -> c.Attributes:
        """The model's reply."""
        return self._attribute(c.OUTPUT_MESSAGES, self._encode(assistant_message(event)))

    def call_arguments(self, call: e.Call) -> c.Attributes:
        """A call's arguments."""
        return self._value_attribute(c.CALL_ARGUMENTS, parse_arguments(call.arguments))

    def call_result(self, text: str) -> c.Attributes:
        """A call's result."""
        return self._value_attribute(c.CALL_RESULT, text)

    def turn(self, answer: str) -> c.Attributes:
        """The turn's first message, and its answer so far."""
        attributes = self._attribute(c.INPUT_MESSAGES, self._turn[:1])
        if answer:
            message = {
                "role": "assistant",
                "parts": [{"type": "text", "content": answer}],
                "finish_reason": "stop",
            }
            attributes |= self._attribute(c.OUTPUT_MESSAGES, self._encode(message))
        return attributes

    def error_text(self, text: str) -> str:
        """Why something failed; "" if no content is wanted, since it may quote prompts."""
        if self._content is None:
            return ""
        return redact(text, self._content.known())

    def _encode(self, message: Message) -> list[str]:
        """The message as redacted JSON; nothing if no content is wanted."""
        if self._content is None:
            return []
        return [msgspec.json.encode(redact_value(message, self._content.known())).decode()]

    def _attribute(self, name: str, messages: Sequence[str]) -> c.Attributes:
        if self._content is None:
            return {}
        return {name: f"[{','.join(messages)}]"}

    def _value_attribute(self, name: str, value: Any) -> c.Attributes:
        if self._content is None:
            return {}
        clean = redact_value(value, self._content.known())
        if not isinstance(clean, str):
            clean = msgspec.json.encode(clean).decode()
        return {name: clean}


def user_message(event: e.UserSaid) -> Message:
    """A person's message. Pictures and files inside it are only named, not included."""
    parts: list[Message] = []
    if event.text:
        parts.append({"type": "text", "content": event.text})
    for part in event.parts:
        match part:
            case e.Image(url=url) if not url.startswith("data:"):
                parts.append({"type": "uri", "modality": "image", "uri": url})
            case e.Audio():
                parts.append({"type": "text", "content": "[a sound]"})
            case e.Image():
                parts.append({"type": "text", "content": "[an image]"})
            case e.File(name=name):
                parts.append({"type": "text", "content": f"[the file {name}]"})
    return {"role": "user", "parts": parts}


def assistant_message(event: e.ModelReplied) -> Message:
    """The model's reply, with the calls that it asks for."""
    parts: list[Message] = []
    if event.thinking:
        parts.append({"type": "reasoning", "content": event.thinking})
    text = event.text or event.refusal
    if text:
        parts.append({"type": "text", "content": text})
    for call in event.calls:
        arguments = parse_arguments(call.arguments)
        parts.append(
            {"type": "tool_call", "id": call.id, "name": call.name, "arguments": arguments}
        )
    reason = FINISH_REASONS.get(event.finish_reason, event.finish_reason)
    return {"role": "assistant", "parts": parts, "finish_reason": reason}


def tool_message(call_id: str, content: str) -> Message:
    """The result of a call, as the model gets it."""
    return {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "id": call_id, "response": content}],
    }
