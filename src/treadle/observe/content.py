"""What was said, in the shape of OpenTelemetry's GenAI conventions, with every secret redacted. Pure.

The log has no system prompt and no tool schemas, only their hashes, so there are none here. A prompt is given as the
messages of its turn; what came before is in the spans of the turns before.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

import msgspec

from ..core import events as e
from . import conventions as c
from .redact import redact, redact_value

Message = dict[str, Any]

FINISH_REASONS = {"tool_calls": "tool_call", "function_call": "tool_call"}
"""Where a message's finish reason has another name than the provider's."""


@dataclass(frozen=True)
class Content:
    """That texts go out, and how: without these secrets, and without what looks like one."""

    secrets: Set[str] = frozenset()


class Transcript:
    """The messages of the turn under way, as attributes; none at all where no content is wanted."""

    def __init__(self, content: Content | None) -> None:
        self._content = content
        self._said: list[str] = []
        """As JSON, redacted once: each request of a long turn says all of it again."""
        self._aside = False
        """The call in flight is for a summary: it is asked outside of the conversation."""
        self._steps: set[str] = set()
        """Of a flow: no model asked for them, and none is told."""

    def add(self, event: e.Event) -> None:
        """Take in what this event says."""
        if getattr(event, "call_id", "") in self._steps:
            return
        match event:
            case e.StepAsked(call=call):
                self._steps.add(call.id)
            case e.UserSaid(answers=""):
                self._said = self._written(user_message(event))
            case e.UserSaid(answers=call_id, text=text):
                self._said += self._written(tool_message(call_id, text))
            case e.ModelCalled(purpose=purpose):
                self._aside = purpose == "compact"
            case e.ModelReplied() if not self._aside:
                self._said += self._written(assistant_message(event))
            case e.ToolReturned(call_id=call_id, content=text):
                self._said += self._written(tool_message(call_id, text))
            case e.ToolFailed(call_id=call_id, message=text, retry_after_s=None):
                self._said += self._written(tool_message(call_id, text))
            case e.OutcomeDecided(call_id=call_id, outcome="ran" | "tell", content=text):
                self._said += self._written(tool_message(call_id, text))
            case e.TurnEnded():
                self._said = self._said[:1]  # what the whole turn still says
            case e.AnswerRejected(message=text):
                self._said += self._written(
                    {"role": "user", "parts": [{"type": "text", "content": text}]}
                )

    def asked(self) -> c.Attributes:
        """What the model is asked now; nothing for a summary, whose prompt is made of the whole thread."""
        return {} if self._aside else self._messages(c.INPUT_MESSAGES, self._said)

    def replied(self, event: e.ModelReplied) -> c.Attributes:
        return self._messages(c.OUTPUT_MESSAGES, self._written(assistant_message(event)))

    def called(self, call: e.Call) -> c.Attributes:
        """A call's arguments."""
        return self._attribute(c.CALL_ARGUMENTS, parse_arguments(call.arguments))

    def told(self, text: str) -> c.Attributes:
        """A call's result."""
        return self._attribute(c.CALL_RESULT, text)

    def turn(self, answer: str) -> c.Attributes:
        """What the whole turn was asked, and its answer so far."""
        given = {
            "role": "assistant",
            "parts": [{"type": "text", "content": answer}],
            "finish_reason": "stop",
        }
        answers = self._messages(c.OUTPUT_MESSAGES, self._written(given)) if answer else {}
        return {**self._messages(c.INPUT_MESSAGES, self._said[:1]), **answers}

    def words(self, text: str) -> str:
        """Why something failed; "" where no content is wanted, since such words quote arguments and prompts."""
        return redact(text, self._content.secrets) if self._content else ""

    def _written(self, message: Message) -> list[str]:
        """The message as JSON; nothing where no content is wanted."""
        if self._content is None:
            return []
        return [msgspec.json.encode(redact_value(message, self._content.secrets)).decode()]

    def _messages(self, name: str, written: Sequence[str]) -> c.Attributes:
        return {} if self._content is None else {name: f"[{','.join(written)}]"}

    def _attribute(self, name: str, value: Any) -> c.Attributes:
        if self._content is None:
            return {}
        clean = redact_value(value, self._content.secrets)
        return {name: clean if isinstance(clean, str) else msgspec.json.encode(clean).decode()}


def user_message(event: e.UserSaid) -> Message:
    """A person's message. Pictures and files that are in the message itself are named, not carried along."""
    parts: list[Message] = [{"type": "text", "content": event.text}] if event.text else []
    for part in event.parts:
        match part:
            case e.Image(url=url) if not url.startswith("data:"):
                parts.append({"type": "uri", "modality": "image", "uri": url})
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
    """What the model was told of a call."""
    return {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "id": call_id, "response": content}],
    }


def parse_arguments(text: str) -> Any:
    """The JSON object that a model wrote; what isn't one as it is."""
    try:
        value = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text
