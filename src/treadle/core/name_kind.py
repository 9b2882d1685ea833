"""Says in a few words what a value is, for errors about a wrong one. Never shows all of it."""

import inspect
from types import ModuleType
from typing import Any

from .redact import redact

_MAX_CHARS = 40


def name_kind(value: Any) -> str:
    """Such as: the class Shop, the text 'add', the Agent 'helper', a dict."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, str):
        return f"the text {_shorten(value)!r}"
    if isinstance(value, ModuleType):
        return f"the module {value.__name__}"
    kind = type(value).__name__
    name = getattr(value, "name", None)
    if isinstance(name, str) and name:
        return f"the {kind} {_shorten(name)!r}"
    function = getattr(value, "__name__", None)
    if isinstance(function, str):
        return f"the {kind} {_shorten(function)}"
    article = "an" if kind[0].lower() in "aeiou" else "a"
    return f"{article} {kind}"


def function_name(function: Any) -> str:
    """The name of a function, of a partial's, or of the class of an object that can be called."""
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__name__", type(inner).__name__))


def _shorten(text: str) -> str:
    if len(text) <= _MAX_CHARS:
        return redact(text)
    return redact(text[: 100 * _MAX_CHARS])[:_MAX_CHARS] + "…"


def why_no_tool(given: Any) -> str:
    """Why this can't be made a tool, and what to give instead; "" for a function."""
    instead = _instead_of(given)
    return instead and f"{name_kind(given)} is no tool: {instead}"


def _instead_of(given: Any) -> str:
    if isinstance(given, type):
        return "a class only makes objects; give a function, or a method of an object"
    if callable(getattr(given, "as_tool", None)):
        return "give what its as_tool() makes"
    if callable(given):
        return ""
    if isinstance(given, str):
        return "a name isn't looked up; give the function or the Tool itself"
    if isinstance(given, ModuleType):
        return "give a function or a Tool that is in it"
    if isinstance(given, dict):
        return "make one of a JSON Schema with Tool(name, description, parameters, function)"
    if isinstance(given, list | tuple | set | frozenset):
        return "put * before it, so that each of its tools is given: tools=[*these, another]"
    return "give a function or a Tool"


def is_generator(function: Any) -> bool:
    """Whether it has a `yield`: a call of it runs nothing. Also of a partial or an object."""
    inner = getattr(function, "func", function)
    if not inspect.isroutine(inner):
        inner = type(inner).__call__
    return inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner)
