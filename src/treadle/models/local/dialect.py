"""A small model's prompt and its answers: tools to text and JSON Schema, JSON back to calls. Pure; does no I/O.

The embedded model answers plain `tools=` in prose, so each step is one JSON object that the server's sampler enforces:
{"thought", "tool", "arguments"}, over the known tools and `final_answer`.

1. A message gives the same bytes in every request: the server then reads only what is new.
2. The thought comes first, and the question again after every result: without either the model wanders.
3. A call's thought is a Thinking block of the reply, so that it stays in the prompt.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import structs

from ...core.errors import ModelUnavailable
from ...core.events import Call, Text, Thinking
from ...core.model import Message, Reply, Request, ToolSchema
from ...core.strict_json import value_of
from ...core.values import thinking_of
from .grammar_schema import FINAL_ANSWER, PROSE_SCHEMA, build_reply_schema

MAX_RESULT_CHARS = 6000
"""Of one tool result: about 1,700 tokens, which two cores take half a minute to read."""
MAX_QUESTION_CHARS = 600
MAX_DESCRIPTION_CHARS = 100

_RULES = """\
You work in steps. Every reply is one JSON object on one line: {"thought": ..., "tool": ..., "arguments": ...}
thought: what you do now, in a few words. tool: the one tool to use; its result comes next.
Use final_answer as soon as the conversation holds the answer, and for small talk. Never guess what a tool can find \
out. Never do arithmetic yourself.

Tools:
"""


def render_messages(request: Request) -> Iterator[dict[str, str]]:
    """The messages as the small model understands them, oldest first."""
    messages = list(request.messages)
    own: list[str] = []
    while messages and messages[0].role == "system":
        own.append(messages.pop(0).text)
    steps = bool(request.tools)
    if steps:
        own.insert(0, write_system_prompt(request))
    if own:
        yield {"role": "system", "content": "\n\n".join(own)}
    hint = " Any arithmetic still needs the calculator." if _calculates(request) else ""
    question = ""
    asked: dict[str, tuple[str, Call]] = {}
    for message in messages:
        match message.role:
            case "tool":
                thought, call = asked.pop(message.call_id, ("", Call("", "tool", "{}")))
                # Asked for prose, it would go on with JSON if its own steps before were shown as that.
                said = (
                    write_step(thought, call.name, _object(call.arguments))
                    if steps
                    else f"I use {_short(call)}."
                )
                yield {"role": "assistant", "content": said}
                go = f"\nNext step, or final_answer if this is enough.{hint}" if steps else ""
                yield {"role": "user", "content": _result(call.name, message.text, question) + go}
            case "assistant" if message.calls:
                thought = _thought(message)
                asked |= {call.id: (thought, call) for call in message.calls}
            case "assistant":
                yield {
                    "role": "assistant",
                    "content": _answered(message, request) if steps else message.text,
                }
            case role:
                question = message.text if role == "user" else question
                yield {"role": role, "content": message.text}


def write_system_prompt(request: Request) -> str:
    """The rules, the tools and two examples: a greeting that needs no tool, and a step with one."""
    final = request.output_schema or PROSE_SCHEMA
    end = ToolSchema(FINAL_ANSWER, "Answer the user in a short sentence of your own.", final)
    lines = [_line(tool) for tool in (*request.tools, end)]
    return _RULES + "\n".join(lines) + "\n\n" + "\n".join(_examples(request))


def write_step(thought: str, tool: str, arguments: Any) -> str:
    """One reply as the model writes it itself: spaces after `,` and `:`, nothing escaped that needn't be."""
    return json.dumps(
        {"thought": thought, "tool": tool, "arguments": arguments}, ensure_ascii=False
    )


def _examples(request: Request) -> Iterator[str]:
    yield "Examples:"
    if not request.output_schema:
        yield "User: Hi!"
        yield write_step(
            "I greet back; no tool.", FINAL_ANSWER, {"text": "Hello! What can I do for you?"}
        )
    if _calculates(request):
        yield "User: What is 20% of 50, plus 7?"
        yield write_step(
            "I need to work out 20% of 50, plus 7.", "calculator", {"expression": "20% of 50 + 7"}
        )
        if not request.output_schema:
            yield "Result of calculator: 17"
            yield write_step(
                "I have the result.", FINAL_ANSWER, {"text": "20% of 50, plus 7, is 17."}
            )
            yield "User: Is 17 or 20 the greater one?"
            yield write_step(
                "I know both, so I need no tool.", FINAL_ANSWER, {"text": "20 is greater than 17."}
            )


def _calculates(request: Request) -> bool:
    return any(tool.name == "calculator" for tool in request.tools)


def _line(tool: ToolSchema) -> str:
    """One tool in a line, as short as can be: two cores read 40 tokens a second. The schema holds the rest."""
    required = tool.parameters.get("required", ())
    parameters = []
    for name, schema in tool.parameters.get("properties", {}).items():
        mark = "" if name in required else "?"
        about = (
            _sentence(schema.get("description", ""))
            if schema.get("type", "string") == "string"
            else ""
        )
        parameters.append(f"{name}{mark}: {about}" if about else f"{name}{mark}")
    return f"- {tool.name}({'; '.join(parameters)}): {_sentence(tool.description)}."


def _sentence(text: str) -> str:
    """The first one, without its full stop."""
    first = re.split(r"(?<=[.!?:])\s+(?=[A-Z])|\n\n", " ".join(text.split()))[0]
    return first[:MAX_DESCRIPTION_CHARS].rstrip(".: ")


def _answered(message: Message, request: Request) -> str:
    arguments = _object(message.text) if request.output_schema else {"text": message.text}
    return write_step(_thought(message), FINAL_ANSWER, arguments)


def _thought(message: Message) -> str:
    """The thought of a step; older logs have it among the message's own fields."""
    return thinking_of(message.content) or str(message.opaque.get("thought", ""))


def _short(call: Call) -> str:
    return f"{call.name}({call.arguments[:MAX_QUESTION_CHARS]})"


def _result(name: str, text: str, question: str) -> str:
    if len(text) > MAX_RESULT_CHARS:
        text = f"{text[:MAX_RESULT_CHARS]}\n[{len(text) - MAX_RESULT_CHARS} more characters are left out]"
    if len(question) > MAX_QUESTION_CHARS:
        question = question[:MAX_QUESTION_CHARS] + " [...]"
    return f"Result of {name}: {text}\n\nThe question: {question}"


def _object(text: str) -> Any:
    try:
        return value_of(text or "{}")
    except ValueError:
        return {"text": text}


def build_body(request: Request) -> dict[str, Any]:
    """What of the request's body depends on the request: messages, their limit and, mostly, a `response_format`."""
    body: dict[str, Any] = {
        "messages": list(render_messages(request)),
        "max_tokens": request.max_output_tokens,
    }
    if schema := build_reply_schema(request):
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "step", "schema": schema},
        }
    return body


class AnswerReader:
    """Fed the text as it is generated, it emits what the user may see of it; `finish` gives the Reply."""

    def __init__(self, request: Request, emit: Callable[[str | Thinking], None]) -> None:
        self._steps = bool(request.tools)
        self._prose = not request.output_schema
        self._emit = emit
        self._whole = ""
        self._shown = 0

    def feed(self, piece: str | Thinking) -> None:
        if isinstance(piece, Thinking):  # a thinking model: its thoughts are no part of the step
            self._emit(piece)
            return
        self._whole += piece
        if not self._steps:
            self._emit(piece)
        elif self._prose:
            self._show(_visible(_partial(self._whole)))

    def finish(self, raw: Reply) -> Reply:
        """The reply as any other model would have given it. Raises ModelUnavailable for what fits no schema."""
        if not self._steps:
            return raw
        if raw.finish_reason == "length":
            text = _visible(_partial(raw.text)) if self._prose else ""
            return structs.replace(raw, content=text)
        try:
            answer = msgspec.json.decode(
                raw.text
            )  # strict: half a surrogate pair could never be logged
            thought, tool, arguments = answer["thought"], answer["tool"], answer["arguments"]
        except (ValueError, TypeError, KeyError):
            raise ModelUnavailable(
                f"the embedded model's answer is no step: {raw.text[:200]!r}"
            ) from None
        thinking = (Thinking(thought),) if thought else ()
        if tool != FINAL_ANSWER:
            call = Call("", tool, json.dumps(arguments, ensure_ascii=False))
            return structs.replace(raw, content=(*thinking, call), finish_reason="tool_calls")
        text = _visible(answer) if self._prose else json.dumps(arguments, ensure_ascii=False)
        self._show(text)
        return structs.replace(raw, content=(*thinking, Text(text)) if thinking else text)

    def _show(self, text: str) -> None:
        if len(text) > self._shown:
            self._emit(text[self._shown :])
            self._shown = len(text)


def _partial(text: str) -> Any:
    """What is there so far of a JSON text that is still being written; its last string may be half."""
    from pydantic_core import from_json

    try:
        return from_json(text, allow_partial="trailing-strings")
    except ValueError:  # before the first character
        return None


def _visible(answer: Any) -> str:
    """The answer's text, as far as it is there; nothing of a tool call."""
    if (
        isinstance(answer, dict)
        and answer.get("tool") == FINAL_ANSWER
        and isinstance(answer.get("arguments"), dict)
    ):
        return str(answer["arguments"].get("text", ""))
    return ""
