"""The public names of Treadle: the page that lists them, and the list of the last release.

`python docs/public_names.py 0.2.0` (or `just stable 0.2.0`) writes the list of a release. A test
compares today's names with it: what is gone or changed fails, and says what to do.
"""

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import click
import msgspec

from treadle.cli.commands import commands
from treadle.cli.parameters import Group
from treadle.core.events import Event

DOCS = Path(__file__).resolve().parent
REFERENCE = DOCS / "reference"
PLACES = {
    "treadle": "agents, tools, flows, limits, results, errors",
    "treadle.events": "what a log holds, and its form in files",
    "treadle.models": "models, and what they are asked",
    "treadle.tools": "the tools that ship",
    "treadle.graphs": "graphs",
    "treadle.patterns": "recipes for several agents",
    "treadle.notes": "notes and embedders",
    "treadle.stores": "stores, and what a store of one's own needs",
    "treadle.observe": "readers of logs: traces, costs, statistics",
    "treadle.evals": "datasets, checks and reports",
    "treadle.engines": "what brings threads to workers",
    "treadle.workers": "processes that resume what is due",
    "treadle.serve": "agents over HTTP",
    "treadle.mcp": "tools of MCP servers",
    "treadle.testing": "scripted models, assertions, suites of tests",
}
"""The modules whose `__all__` is public, and what is in each."""
ABOUT_VALUES = {
    "Attachment": "A picture, a file or a sound.",
    "Block": "A piece of what a model says: text, a thought, or a call.",
    "Event": "Any of the events.",
    "Label": "What a tool's results bring along, or its calls may do.",
    "MESSAGES": "The dialect of Anthropic's Messages.",
    "Purpose": "What a model call is for.",
    "GivenEngine": "An engine, or the address of one.",
    "Work": "What a worker does with a job.",
    "RESPONSES": "The dialect of OpenAI's Responses.",
    "Replied": "What a model says: a text, or blocks in their order.",
    "START": "The node before the first ones.",
    "END": "The node after the last ones.",
    "ask_user": "A tool that asks the person a question.",
    "calculator": "A tool that works out sums, and converts units.",
    "current_time": "A tool that tells the time in any time zone.",
    "date_calculator": "A tool that counts with dates.",
    "web_fetch": "A tool that reads a page of the web.",
    "web_search": "A tool that searches the web.",
}
"""One sentence for values that can have no docstring."""
DEPRECATE = (
    "If it must go: keep it for a release, let it raise a DeprecationWarning that names what to"
    " use instead, and say so in CHANGELOG.md. Once that release is out it may go: `just stable"
    " VERSION` writes the list of a release. docs/stable.md has the policy"
)

Names = Mapping[str, str]
"""By full name, what it is: `class(name, settings=)`, `async method(thread)`, `field`."""


def public_names() -> dict[str, str]:
    """All that is public today: names, commands and events."""
    found: dict[str, str] = {}
    for place in PLACES:
        module = importlib.import_module(place)
        for name in module.__all__:
            value = getattr(module, name)
            found[f"{place}.{name}"] = _describe(value)
            if inspect.isclass(value):
                members = _members(value).items()
                found |= {f"{place}.{name}.{member}": kind for member, kind in members}
    found |= {f"treadle {name}": _options(command) for name, command in _commands(commands)}
    for kind in get_args(Event):
        found[f"event {kind.__struct_config__.tag}"] = f"event(*, {', '.join(_fields(kind))})"
    return dict(sorted(found.items()))


def _describe(value: Any) -> str:
    if inspect.isclass(value) and issubclass(value, msgspec.Struct):
        return f"class({', '.join(_fields(value))})"
    if inspect.isclass(value):
        return f"class{_signature(value)}"
    if inspect.iscoroutinefunction(value):
        return f"async function{_signature(value)}"
    if inspect.isroutine(value):
        return f"function{_signature(value)}"
    return "value"


def _fields(kind: type[msgspec.Struct]) -> list[str]:
    """The fields of a struct, in their order; those with a default end with "="."""
    names, defaults = kind.__struct_fields__, kind.__struct_defaults__
    required = len(names) - len(defaults)
    told = list(names[:required])
    for name, default in zip(names[required:], defaults, strict=True):
        told.append(name if default is msgspec.NODEFAULT else f"{name}=")
    return told


def _signature(value: Any) -> str:
    """The parameters: `(said, *, thread=)`. What is optional ends with "="; types aren't told."""
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return ""
    told: list[str] = []
    for each in parameters:
        is_keyword = each.kind is each.KEYWORD_ONLY
        if is_keyword and not any(one.startswith("*") for one in told):
            told.append("*")
        marks = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}
        optional = "" if each.default is each.empty else "="
        if each.name != "self" or told:
            told.append(f"{marks.get(each.kind, '')}{each.name}{optional}")
    return f"({', '.join(told)})"


def _members(kind: type) -> dict[str, str]:
    """What the class itself, or one of ours above it, has that may be used."""
    found: dict[str, str] = {}
    for above in reversed(kind.__mro__):
        if not above.__module__.startswith("treadle"):
            continue
        for name in inspect.get_annotations(above):
            found[name] = "field"
        for name, value in vars(above).items():
            if isinstance(value, staticmethod | classmethod):
                value = value.__func__
            if inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value):
                found[name] = f"async method{_signature(value)}"
            elif inspect.isfunction(value):
                found[name] = f"method{_signature(value)}"
            elif isinstance(value, property) or hasattr(value, "__get__"):
                found.setdefault(name, "field")
    if is_dataclass(kind) or issubclass(kind, msgspec.Struct):
        found.pop("_", None)
    return {name: told for name, told in found.items() if not name.startswith("_")}


def _commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        if isinstance(command, Group):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def _options(command: click.Command) -> str:
    told: list[str] = []
    for each in command.params:
        if isinstance(each, click.Argument):
            told.append(f"{each.name}" + ("" if each.required else "="))
    told.append("*")
    for each in command.params:
        if isinstance(each, click.Option):
            told += [f"{name}=" for name in each.opts if name.startswith("--")]
    return f"command({', '.join(told)})"


def find_breaks(before: Names, now: Names, release: str) -> list[str]:
    """What of a release is gone or no longer fits: a sentence for each, with what to do."""
    found = []
    for name, told in before.items():
        if name not in now:
            found.append(f"{name} is gone, and {release} has it. {DEPRECATE}.")
        elif not still_fits(told, now[name]):
            found.append(
                f"{name} was {told} in {release}, and is {now[name]}: who used it can't any more."
                f" Add what is new as optional, by keyword. {DEPRECATE}."
            )
    return found


def find_new(before: Names, now: Names) -> list[str]:
    """The names that the release hasn't; not the members of what is new itself."""
    new = [name for name in now if name not in before]
    return [name for name in new if name.rpartition(".")[0] not in new]


def still_fits(before: str, now: str) -> bool:
    """Whether what fitted one signature fits the other."""
    head_before, were, keywords_before = _parse(before)
    head_now, are, keywords = _parse(now)
    if head_before != head_now:
        return False
    for index, name in enumerate(were):
        if index >= len(are) or _bare(are[index]) != _bare(name):
            return False
    by_name = {_bare(each): each for each in (*are, *keywords)}
    for each in (*were, *keywords_before):
        same = by_name.get(_bare(each))
        if same is None or (each.endswith("=") and not same.endswith("=")):
            return False
    known = {_bare(each) for each in (*were, *keywords_before)}
    added = [each for name, each in by_name.items() if name not in known]
    return all(each.endswith("=") or each.startswith("*") for each in added)


def _parse(told: str) -> tuple[str, list[str], list[str]]:
    """What it is; the parameters by position; those by keyword only."""
    head, _, rest = told.partition("(")
    parameters = [each for each in rest.rstrip(")").split(", ") if each]
    if "*" not in parameters:
        return head, parameters, []
    at = parameters.index("*")
    return head, parameters[:at], parameters[at + 1 :]


def _bare(parameter: str) -> str:
    return parameter.rstrip("=")


def last_release() -> tuple[str, dict[str, str]]:
    """The version of the newest list, and the list."""
    paths = REFERENCE.glob("stable-*.json")
    newest = max(paths, key=lambda path: tuple(map(int, re.findall(r"\d+", path.stem))))
    return newest.stem.removeprefix("stable-"), json.loads(newest.read_text("utf8"))


def stable_page(text: str) -> str:
    """docs/stable.md, with its lists written anew: each between two comments."""
    release, before = last_release()
    now = public_names()
    new = find_new(before, now)
    lists = {"new": _new_list(release, new), "names": _tables(new), "commands": _command_table()}
    return re.sub(
        r"(<!-- (new|names|commands), .*? -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}\n{lists[found[2]]}\n\n{found[3]}",
        text,
        flags=re.S,
    )


def _new_list(release: str, new: list[str]) -> str:
    if not new:
        return f"Nothing is new since {release}."
    return f"New since {release}: {', '.join(f'`{name}`' for name in new)}."


def _tables(new: list[str]) -> str:
    parts = []
    for place, about in PLACES.items():
        module = importlib.import_module(place)
        parts.append(f"### {place}: {about}")
        rows = [f"| `{name}` | {_sentence(module, name)} |" for name in module.__all__]
        parts.append("\n".join(["| name | |", "| --- | --- |", *rows]))
    return "\n\n".join(parts)


def _sentence(module: ModuleType, name: str) -> str:
    """The first sentence of its docstring."""
    if name in ABOUT_VALUES:
        return ABOUT_VALUES[name]
    about = re.sub(r"\s+", " ", inspect.getdoc(getattr(module, name)) or "")
    sentence = re.split(r"(?<=[.:]) (?=[A-Z`])", about)[0].rstrip(":")
    return sentence.replace("|", "\\|")


def _command_table() -> str:
    rows = [
        f"| `treadle {name}` | {command.get_short_help_str(200)} |"
        for name, command in _commands(commands)
    ]
    return "\n".join(["| command | |", "| --- | --- |", *rows])


if __name__ == "__main__":
    path = REFERENCE / f"stable-{sys.argv[1]}.json"
    path.write_text(json.dumps(public_names(), indent=0) + "\n", "utf8")
    print(f"wrote {path}")
