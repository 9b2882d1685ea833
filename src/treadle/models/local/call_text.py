"""Reads the tool calls that models write as text, each in the form of its own chat template. Pure.

1. `<tool_call>{"name": …, "arguments": {…}}</tool_call>`: Qwen3, Granite 4, Hermes.
2. `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>`: Qwen3-Coder.
3. `<|tool_call_start|>[name(key="value")]<|tool_call_end|>`: LFM2 and LFM2.5.
4. `<|tool_call|>[{"name": …, "arguments": {…}}]`, to the end of the reply: Granite 3.

llama.cpp reads them too, but the release of October 2026 refuses LFM2.5's template as soon as a
request has tools ("failed to parse grammar").
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...core.events import Call
from ...core.model import ToolSchema
from ...core.strict_json import value_of

_MARKS = {
    "<tool_call>": "</tool_call>",
    "<|tool_call_start|>": "<|tool_call_end|>",
    "<|tool_call|>": "",
}
"""What stands before calls, and what stands after them: "" for the reply's end."""
_THOUGHT_ENDS = "</think>"
_THOUGHT_BEGINS = "<think>"
_FUNCTION = re.compile(r"<function=([^>\s]+)>(.*?)(?:</function>|$)", re.DOTALL)
_PARAMETER = re.compile(
    r"<parameter=([^>\s]+)>\n?(.*?)\n?(?:</parameter>|(?=<parameter=)|$)", re.DOTALL
)
_END_OF_TURN = re.compile(
    r"(<\|(im_end|end_of_text|endoftext|eot_id|end)\|>|</s>|<end_of_turn>)\s*\Z"
)


def calls_by_itself(template: str) -> bool:
    """Whether a chat template offers tools, and asks for calls in one of the forms above."""
    if not re.search(r"\btools\b", template) or "<arg_key>" in template:  # GLM's own form
        return False
    return any(mark in template for mark in _MARKS)


def begins_in_thought(template: str) -> bool:
    """Whether the prompt ends with `<think>`, so that a reply begins in the middle of a thought."""
    _, _, end = template.rpartition("add_generation_prompt")
    return any(_THOUGHT_BEGINS in line and _THOUGHT_ENDS not in line for line in end.splitlines())


def split_thought(text: str, begun: bool) -> tuple[str, str]:
    """The thought at the beginning of a reply, and what comes after it; both may be cut.

    `begun`: the reply begins in the middle of the thought.
    """
    bare = text.lstrip()
    if bare.startswith(_THOUGHT_BEGINS):
        begun, bare = True, bare.removeprefix(_THOUGHT_BEGINS)
    elif _THOUGHT_BEGINS.startswith(bare):  # nothing, or the mark is still being written
        return "", ""
    if not begun:
        return "", text
    thought, _, rest = bare.partition(_THOUGHT_ENDS)
    return thought.strip(), rest.lstrip()


def split_calls(text: str) -> tuple[str, list[str], bool]:
    """What is said, the texts of the calls, and whether the last of these is whole."""
    said: list[str] = []
    bodies: list[str] = []
    rest = without_end(text)
    while True:
        starts = [(rest.find(mark), mark) for mark in _MARKS if mark in rest]
        if not starts:
            return "".join([*said, rest]), bodies, True
        at, mark = min(starts)
        said.append(rest[:at].rstrip())
        rest = rest[at + len(mark) :]
        end = _MARKS[mark]
        if not end or end not in rest:
            return "".join(said), [*bodies, rest], not end
        body, _, rest = rest.partition(end)
        bodies.append(body)


def visible_part(text: str) -> str:
    """What may be shown of a text that is still being written: no call, no mark half written."""
    said, bodies, _ = split_calls(text)
    said = said.strip()
    if bodies:
        return said
    for mark in (*_MARKS, "<|im_end|>", "<|end_of_text|>"):
        for size in range(len(mark), 0, -1):
            if said.endswith(mark[:size]):
                return said[:-size].rstrip()
    return said


def without_end(text: str) -> str:
    """The text without the mark of a turn's end, which llama.cpp shows with the others."""
    return _END_OF_TURN.sub("", text)


def read_calls(body: str, tools: Sequence[ToolSchema]) -> Iterator[Call]:
    """The calls of one such text. What can't be read is the arguments: the model is told then."""
    bare = body.strip()
    if "<function=" in bare:
        for name, inner in _FUNCTION.findall(bare):
            yield Call("", name, _write(_read_parameters(inner, name, tools)))
        return
    try:
        value = value_of(bare)
    except ValueError:
        yield from _read_python(bare)
        return
    for item in value if isinstance(value, list) else [value]:
        yield _make_call(item, bare)


def read_bare_call(text: str, tools: Sequence[ToolSchema]) -> Call | None:
    """The call that a whole reply is, without any marks, as small models write it; else None.

    Only a call of a tool that there is: else it is an answer in JSON.
    """
    try:
        item = value_of(text.strip().removeprefix("```json").removesuffix("```"))
    except ValueError:
        return None
    if isinstance(item, dict) and item.get("name") in [tool.name for tool in tools]:
        return _make_call(item, text)
    return None


def _make_call(item: Any, text: str) -> Call:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        return Call("", _find_name(text), text)
    arguments = item.get("arguments", item.get("parameters", {}))
    if isinstance(arguments, str):  # JSON inside JSON, as OpenAI has it
        return Call("", item["name"], arguments)
    return Call("", item["name"], _write(arguments))


def _read_python(text: str) -> Iterator[Call]:
    """Calls in Python's form, such as `[time(zone="UTC"), add(a=1, b=[2])]`. Nothing is run."""
    try:
        tree = ast.parse(text, mode="eval").body
        nodes = tree.elts if isinstance(tree, ast.List | ast.Tuple) else [tree]
        calls = [_read_python_call(node) for node in nodes]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield Call("", _find_name(text), text)
        return
    yield from calls


def _read_python_call(node: ast.expr) -> Call:
    if not isinstance(node, ast.Call) or node.args:
        raise ValueError("this is no call with named arguments")
    arguments = {str(keyword.arg): _literal(keyword.value) for keyword in node.keywords}
    return Call("", ast.unparse(node.func), _write(arguments))


def _literal(node: ast.expr) -> Any:
    """The value of a constant, a list or a dictionary; true, false and null are JSON's."""
    match node:
        case ast.Name(id="true" | "false" | "null" as word):
            return value_of(word)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_literal(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            names = [str(_literal(key)) for key in keys if key]
            return dict(zip(names, map(_literal, values), strict=True))
    return ast.literal_eval(node)


def _read_parameters(text: str, name: str, tools: Sequence[ToolSchema]) -> dict[str, Any]:
    """The values by name: what the JSON says, but text where the tool's schema wants text."""
    parameters = next((tool.parameters for tool in tools if tool.name == name), {})
    arguments: dict[str, Any] = {}
    for key, value in _PARAMETER.findall(text):
        arguments[key] = value
        kinds = _find_kinds(parameters.get("properties", {}).get(key), parameters)
        try:
            read = value_of(value)
        except ValueError:
            continue
        if "string" not in kinds or _KINDS[type(read)] & kinds:
            arguments[key] = read
    return arguments


_KINDS = {
    bool: {"boolean"},
    int: {"integer", "number"},
    float: {"number"},
    dict: {"object"},
    list: {"array"},
    type(None): {"null"},
    str: {"text in quotes"},
}
"""What JSON Schema calls a value. Quotes are a part of a text that is due."""


def _find_kinds(schema: Any, root: Mapping[str, Any]) -> set[str]:
    """The types that a property may have; none where it says nothing of them."""
    kinds: set[str] = set()
    waiting = [schema]
    seen: list[Any] = []
    while waiting:
        part = waiting.pop()
        if not isinstance(part, dict) or part in seen:
            continue
        seen.append(part)
        kind = part.get("type", ())
        kinds.update([kind] if isinstance(kind, str) else kind)
        waiting += [*part.get("anyOf", ()), *part.get("oneOf", ()), *part.get("allOf", ())]
        _, _, definition = str(part.get("$ref", "")).rpartition("/")
        waiting += [root.get(place, {}).get(definition) for place in ("$defs", "definitions")]
    return kinds


def _find_name(text: str) -> str:
    """The name of the tool in a call that can't be read."""
    found = re.search(r"\"name\"\s*:\s*\"([\w.-]+)\"", text) or re.match(r"\W*([\w.-]+)\(", text)
    return found[1] if found else "unnamed"


def _write(arguments: Any) -> str:
    return json.dumps(arguments, ensure_ascii=False, default=str)
