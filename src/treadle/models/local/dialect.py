"""The small model's prompts and replies: tools as text and JSON Schema, JSON replies as tool calls.

Pure.

If it gets `tools=`, the embedded model answers in prose. So the server's sampler enforces that each
reply is one step, a JSON object {"thought", "tool", "arguments"} with one of the tools or
`final_answer`.

1. A message has the same bytes in every request, so that the server reads only what is new.
2. The thought comes first, and the question is repeated after every result; otherwise the model
   wanders.
3. The thought of a step is a Thinking block of the reply, and so stays in the prompt.
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
"""The most of a tool result: about 1,700 tokens, which two cores read in half a minute."""
MAX_QUESTION_CHARS = 600
MAX_DESCRIPTION_CHARS = 100

_RULES = """\
You work in steps. Every reply is one JSON object on one line: \
{"thought": ..., "tool": ..., "arguments": ...}
thought: what you do now, in a few words. tool: the one tool to use; its result comes next.
Use final_answer as soon as the conversation holds the answer, and for small talk. \
Never guess what a tool can find out. Never do arithmetic yourself.

Tools:
"""


def render_messages(request: Request) -> Iterator[dict[str, str]]:
    """The prompt in the form that the small model understands, oldest message first."""
    messages = list(request.messages)
    system: list[str] = []
    if request.tools:
        system.append(write_system_prompt(request))
    while messages and messages[0].role == "system":
        system.append(messages.pop(0).text)
    if system:
        yield {"role": "system", "content": "\n\n".join(system)}
    question = ""
    asked: dict[str, tuple[str, Call]] = {}
    for message in messages:
        match message.role:
            case "tool":
                thought, call = asked.pop(message.call_id, ("", Call("", "tool", "{}")))
                yield {"role": "assistant", "content": _render_call(request, thought, call)}
                result = _render_result(request, call.name, message.text, question)
                yield {"role": "user", "content": result}
            case "assistant" if message.calls:
                thought = _thought(message)
                asked |= {call.id: (thought, call) for call in message.calls}
            case "assistant":
                yield {"role": "assistant", "content": _render_answer(request, message)}
            case role:
                if role == "user":
                    question = message.text
                yield {"role": role, "content": message.text}


def write_system_prompt(request: Request) -> str:
    """The rules, the tools and two examples: a greeting without a tool, and a step with one."""
    final = request.output_schema or PROSE_SCHEMA
    end = ToolSchema(FINAL_ANSWER, "Answer the user in a short sentence of your own.", final)
    lines = [_tool_line(tool) for tool in (*request.tools, end)]
    return _RULES + "\n".join(lines) + "\n\n" + "\n".join(_examples(request))


def write_step(thought: str, tool: str, arguments: Any) -> str:
    """One step as the model itself writes it: spaces after `,` and `:`, no needless escapes."""
    step = {"thought": thought, "tool": tool, "arguments": arguments}
    return json.dumps(step, ensure_ascii=False)


def _examples(request: Request) -> Iterator[str]:
    yield "Examples:"
    if not request.output_schema:
        yield "User: Hi!"
        yield write_step(
            "I greet back; no tool.", FINAL_ANSWER, {"text": "Hello! What can I do for you?"}
        )
    if _has_calculator(request):
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


def _has_calculator(request: Request) -> bool:
    return any(tool.name == "calculator" for tool in request.tools)


def _tool_line(tool: ToolSchema) -> str:
    """A tool in one short line, since two cores read 40 tokens a second.

    The schema has the rest.
    """
    required = tool.parameters.get("required", ())
    parameters = []
    for name, schema in tool.parameters.get("properties", {}).items():
        parameter = str(name)
        if name not in required:
            parameter += "?"
        if isinstance(schema, dict) and schema.get("type", "string") == "string":
            description = _first_sentence(schema.get("description", ""))
            parameter += f": {description}" if description else ""
        parameters.append(parameter)
    return f"- {tool.name}({'; '.join(parameters)}): {_first_sentence(tool.description)}."


def _first_sentence(text: str) -> str:
    """The first sentence, without its full stop."""
    first = re.split(r"(?<=[.!?:])\s+(?=[A-Z])|\n\n", " ".join(text.split()))[0]
    return first[:MAX_DESCRIPTION_CHARS].rstrip(".: ")


def _render_call(request: Request, thought: str, call: Call) -> str:
    if request.tools:
        return write_step(thought, call.name, _parse_object(call.arguments))
    # A model that is asked for prose would go on with JSON if it saw its earlier steps as JSON.
    return f"I use {call.name}({call.arguments[:MAX_QUESTION_CHARS]})."


def _render_result(request: Request, name: str, text: str, question: str) -> str:
    if len(text) > MAX_RESULT_CHARS:
        left_out = len(text) - MAX_RESULT_CHARS
        text = f"{text[:MAX_RESULT_CHARS]}\n[{left_out} more characters are left out]"
    if len(question) > MAX_QUESTION_CHARS:
        question = question[:MAX_QUESTION_CHARS] + " [...]"
    rendered = f"Result of {name}: {text}\n\nThe question: {question}"
    if request.tools:
        rendered += "\nNext step, or final_answer if this is enough."
    if request.tools and _has_calculator(request):
        rendered += " Any arithmetic still needs the calculator."
    return rendered


def _render_answer(request: Request, message: Message) -> str:
    if not request.tools:
        return message.text
    arguments: Any = {"text": message.text}
    if request.output_schema:
        arguments = _parse_object(message.text)
    return write_step(_thought(message), FINAL_ANSWER, arguments)


def _parse_object(text: str) -> Any:
    try:
        return value_of(text or "{}")
    except ValueError:
        return {"text": text}


def build_body(request: Request) -> dict[str, Any]:
    """The fields of the body that depend on the request: messages, limit, `response_format`."""
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
    """Takes the text as it is generated, and emits the part of it that the user may see.

    `finish` gives the Reply.
    """

    def __init__(self, request: Request, emit: Callable[[str | Thinking], None]) -> None:
        self._steps = bool(request.tools)
        self._prose = not request.output_schema
        self._emit = emit
        self._text = ""
        self._shown = 0

    def feed(self, piece: str | Thinking) -> None:
        if isinstance(piece, Thinking):  # of a thinking model: no part of the step
            self._emit(piece)
            return
        self._text += piece
        if not self._steps:
            self._emit(piece)
        elif self._prose:
            self._show(_visible_text(_parse_partial(self._text)))

    def finish(self, raw: Reply) -> Reply:
        """The reply in the form that any other model would have given.

        Raises ModelUnavailable if it is no step.
        """
        if not self._steps:
            return raw
        if raw.finish_reason == "length":
            text = ""
            if self._prose:
                text = _visible_text(_parse_partial(raw.text))
            return structs.replace(raw, content=text)
        step = _parse_step(raw.text)
        thinking: tuple[Thinking, ...] = ()
        if step["thought"]:
            thinking = (Thinking(str(step["thought"])),)
        arguments = json.dumps(step["arguments"], ensure_ascii=False)
        if step["tool"] != FINAL_ANSWER:
            call = Call("", step["tool"], arguments)
            return structs.replace(raw, content=(*thinking, call), finish_reason="tool_calls")
        text = arguments
        if self._prose:
            text = _visible_text(step)
        self._show(text)
        if thinking:
            return structs.replace(raw, content=(*thinking, Text(text)))
        return structs.replace(raw, content=text)

    def _show(self, text: str) -> None:
        if len(text) > self._shown:
            self._emit(text[self._shown :])
            self._shown = len(text)


def _parse_step(text: str) -> Any:
    try:
        # Strict: half of a surrogate pair couldn't be written into the log.
        step = msgspec.json.decode(text)
        if step.keys() >= {"thought", "tool", "arguments"}:
            return step
    except (ValueError, AttributeError):
        pass
    raise ModelUnavailable(f"the embedded model's answer is no step: {text[:200]!r}")


def _parse_partial(text: str) -> Any:
    """What is complete of a JSON text that is still being written; its last string may be cut."""
    from pydantic_core import from_json

    try:
        return from_json(text, allow_partial="trailing-strings")
    except ValueError:  # before the first character
        return None


def _visible_text(step: Any) -> str:
    """The text of a final answer, as far as it is written; empty for a tool call."""
    if not isinstance(step, dict) or step.get("tool") != FINAL_ANSWER:
        return ""
    arguments = step.get("arguments")
    if not isinstance(arguments, dict):
        return ""
    return str(arguments.get("text", ""))


def _thought(message: Message) -> str:
    """The thought of a step."""
    return thinking_of(message.content)
