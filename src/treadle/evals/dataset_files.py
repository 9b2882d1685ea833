"""Reads datasets from files: YAML, JSON, JSON Lines, Python.

Errors name the file, the case, the field and a remedy.

1. Nothing in a YAML or JSON file runs, except what `custom` and `agent` name: Python beside it.
2. Duplicate keys, unknown keys and YAML aliases are refused: the first two are mistakes that would
   go unseen, and a few lines of aliases can expand to gigabytes.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..core.errors import UsageError
from ..core.strict_json import value_of
from ..runtime.import_string import import_string
from ..this_user import expand_home
from .checks import Check, parse_check
from .convert_fields import convert_fields
from .dataset import Case, Dataset

MAX_BYTES = 10_000_000
MAX_YAML_BYTES = 2_000_000
"""PyYAML reads about 100 KB a second."""
MAX_DEPTH = 50
"""Of lists and mappings in YAML: its parser takes quadratic time."""


class _WrittenCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A case as it is written in a file."""

    input: str | tuple[str, ...]
    checks: tuple[Any, ...] = ()
    name: str = ""
    tags: tuple[str, ...] = ()
    limits: dict[str, int | float | bool | None] = {}
    approve: Literal["all", "none"] | dict[str, bool] | None = None
    answer: str = ""
    min_pass: float | None = None


class _WrittenDataset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dataset as it is written in a file."""

    cases: tuple[Any, ...]
    name: str = ""
    agent: str = ""


def load_dataset(place: str) -> Dataset:
    """The dataset in a file, or at `path.py:name` (by default the name is `dataset`).

    Raises UsageError.
    """
    path = expand_home(place)
    if ".py" in (path.suffix, path.name.rpartition(":")[0][-3:]):
        return import_string(str(path), Dataset, name="dataset")
    parsers: dict[str, Callable[[str], object]] = {
        ".yaml": _parse_yaml,
        ".yml": _parse_yaml,
        ".json": _parse_json,
        ".jsonl": lambda text: list(_parse_json_lines(text)),
    }
    if path.suffix not in parsers:
        raise UsageError(
            f"{place}: a dataset is a file that ends in {', '.join(parsers)} or .py:name"
        )
    try:
        value = parsers[path.suffix](_read_text(path))
        _refuse_surrogates(value)
        if isinstance(value, list):
            value = {"cases": value}
        written: _WrittenDataset = convert_fields(_WrittenDataset, value, "the file")
        cases = [_make_case(each, number, path) for number, each in enumerate(written.cases, 1)]
        agent = written.agent
        if agent.partition(":")[0].endswith(".py"):
            agent = str(path.parent / agent)
        return Dataset(written.name or path.stem, cases, agent)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _refuse_surrogates(value: object) -> None:
    """Raises UsageError for half of a surrogate pair: JSON and YAML can hold one, a log can't."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise UsageError(
            f"it holds \\u{ord(half):x}, half of a surrogate pair, which alone is no text"
        ) from None


def _make_case(value: object, number: int, path: Path) -> Case:
    where = f"case {number}"
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        where += f" ({value['name']})"
    written: _WrittenCase = convert_fields(_WrittenCase, value, where)
    checks: list[Check] = []
    for index, check in enumerate(written.checks, 1):
        try:
            checks.append(parse_check(check, lambda place: _load_function(place, path.parent)))
        except UsageError as error:
            raise UsageError(f"{where}, check {index}: {error}") from None
    fields: dict[str, Any] = msgspec.structs.asdict(written) | {"checks": tuple(checks)}
    return Case(**fields)


def _load_function(place: str, folder: Path) -> Any:
    function = import_string(place, object, folder=folder)
    if not callable(function):
        raise UsageError(f"custom: {place} is a {type(function).__name__}, not a function")
    return function


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UsageError(f"it has more than {MAX_BYTES:,} bytes; split it")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"it can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"it is not text in UTF-8 (byte {error.start:,})") from None


def _parse_json_lines(text: str) -> Iterator[object]:
    # Not splitlines(): a JSON text may contain other line separators.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield _parse_json(line)
        except UsageError as error:
            raise UsageError(f"line {number}: {error}") from None


def _parse_json(text: str) -> object:
    try:
        return value_of(text)
    except ValueError as error:
        raise UsageError(f"it is not JSON: {error}") from None


def _parse_yaml(text: str) -> object:
    if len(text) > MAX_YAML_BYTES:
        raise UsageError(f"it has more than {MAX_YAML_BYTES:,} characters; write it as JSON Lines")
    try:
        import yaml
    except ImportError:
        raise UsageError(
            "YAML needs a library: pip install 'treadle[evals]'; or write it as JSON Lines"
        ) from None
    loader = yaml.SafeLoader(text)  # it makes plain values only
    try:
        _refuse_aliases(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check_node(node)
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"it is not YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


def _refuse_aliases(text: str) -> None:
    """Raises UsageError for aliases, and for what is nested too deeply."""
    import yaml

    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            raise UsageError(f"line {line}: aliases (*name) are not read; write it out")
        if depth > MAX_DEPTH:
            raise UsageError(f"line {line}: nested deeper than {MAX_DEPTH}")


def _check_node(node: Any) -> None:
    """Raises UsageError for a duplicate key. Makes a date the text that it is written as."""
    if isinstance(node.value, str):
        if node.tag.endswith(":timestamp"):
            node.tag = "tag:yaml.org,2002:str"
        return
    keys: set[str] = set()
    for child in node.value:
        value = child
        if isinstance(child, tuple):
            key, value = child
            text = str(key.value)
            if text in keys:
                line = key.start_mark.line + 1
                raise UsageError(f"line {line}: the key {key.value!r} comes twice")
            keys.add(text)
        _check_node(value)
