"""Datasets out of files: YAML, JSON, JSON Lines, Python. What is wrong is said with file, case, field and a way out.

1. Nothing in a YAML or JSON file runs, except what `custom` and `agent` name: those are Python beside it.
2. A key that comes twice, an unknown one, a YAML alias are refused: the first two are mistakes that would go unseen,
   the third can make gigabytes of a few lines.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..core.errors import UsageError
from ..core.strict_json import value_of
from ..runtime.import_string import import_string
from .checks import convert_fields, parse_check
from .dataset import Case, Dataset

MAX_BYTES = 10_000_000
MAX_YAML_BYTES = 2_000_000
"""PyYAML reads about 100 KB a second."""
MAX_DEPTH = 50
"""Of lists and mappings in YAML; its parser takes time with the square of it."""


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A case as a file says it."""

    input: str | tuple[str, ...]
    checks: tuple[Any, ...] = ()
    name: str = ""
    tags: tuple[str, ...] = ()
    limits: dict[str, int | float | bool | None] = {}
    approve: Literal["all", "none"] | dict[str, bool] | None = None
    answer: str = ""


class _Whole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cases: tuple[Any, ...]
    name: str = ""
    agent: str = ""


def load_dataset(place: str) -> Dataset:
    """The dataset in that file, or at `path.py:name` (`dataset` where no name is given). Raises UsageError."""
    path = Path(place).expanduser()
    if ".py" in (path.suffix, path.name.rpartition(":")[0][-3:]):
        return import_string(str(path), Dataset, name="dataset")
    readers: dict[str, Callable[[str], object]] = {
        ".yaml": _yaml,
        ".yml": _yaml,
        ".json": _json,
        ".jsonl": lambda text: list(_json_lines(text)),
    }
    if path.suffix not in readers:
        raise UsageError(
            f"{place}: a dataset is a file that ends in {', '.join(readers)} or .py:name"
        )
    try:
        value = readers[path.suffix](_text(path))
        _refuse_unwritable(value)
        if isinstance(value, list):
            value = {"cases": value}
        whole: _Whole = convert_fields(_Whole, value, "the file")
        cases = [_case(each, number, path) for number, each in enumerate(whole.cases, 1)]
        agent = (
            str(path.parent / whole.agent)
            if whole.agent.partition(":")[0].endswith(".py")
            else whole.agent
        )
        return Dataset(whole.name or path.stem, cases, agent)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _refuse_unwritable(value: object) -> None:
    """Raises UsageError for what JSON and YAML can say and no log can hold."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise UsageError(
            f"it holds \\u{ord(half):x}, half of a surrogate pair, which alone is no text"
        ) from None


def _case(written: object, number: int, path: Path) -> Case:
    name = written.get("name") if isinstance(written, dict) else None
    where = f"case {number}" + (f" ({name})" if isinstance(name, str) else "")
    each: _Written = convert_fields(_Written, written, where)
    checks = []
    for index, check in enumerate(each.checks, 1):
        try:
            checks.append(parse_check(check, lambda place: _function(place, path.parent)))
        except UsageError as error:
            raise UsageError(f"{where}, check {index}: {error}") from None
    return Case(
        each.input, tuple(checks), each.name, each.tags, each.limits, each.approve, each.answer
    )


def _function(place: str, folder: Path) -> Any:
    function = import_string(place, object, folder=folder)
    if not callable(function):
        raise UsageError(f"custom: {place} is a {type(function).__name__}, not a function")
    return function


def _text(path: Path) -> str:
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


def _json_lines(text: str) -> Iterator[object]:
    for number, line in enumerate(
        text.split("\n"), 1
    ):  # other ends of lines may stand in a JSON text
        if line.strip():
            try:
                yield _json(line)
            except UsageError as error:
                raise UsageError(f"line {number}: {error}") from None


def _json(text: str) -> object:
    try:
        return value_of(text)
    except ValueError as error:
        raise UsageError(f"it is not JSON: {error}") from None


def _yaml(text: str) -> object:
    if len(text) > MAX_YAML_BYTES:
        raise UsageError(f"it has more than {MAX_YAML_BYTES:,} characters; write it as JSON Lines")
    try:
        import yaml
    except ImportError:
        raise UsageError(
            "YAML needs a library: pip install 'treadle[evals]'; or write it as JSON Lines"
        ) from None
    loader = yaml.SafeLoader(text)  # safe: it makes plain values only
    try:
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
                event, yaml.CollectionEndEvent
            )
            if depth > MAX_DEPTH:
                raise UsageError(
                    f"line {event.start_mark.line + 1}: nested deeper than {MAX_DEPTH}"
                )
            if isinstance(event, yaml.AliasEvent):
                raise UsageError(
                    f"line {event.start_mark.line + 1}: aliases (*name) are not read; write it out"
                )
        node = loader.get_single_node()
        _plain(node)
        return loader.construct_document(node) if node else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"it is not YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


def _plain(node: Any) -> None:
    """Refuse a key that comes twice, and take a date for the text that it was written as."""
    if node is None or isinstance(node.value, str):
        if node is not None and node.tag.endswith(":timestamp"):
            node.tag = "tag:yaml.org,2002:str"
        return
    seen: set[str] = set()
    for each in node.value:
        key, value = each if isinstance(each, tuple) else (None, each)
        if key is not None and str(key.value) in seen:
            raise UsageError(f"line {key.start_mark.line + 1}: the key {key.value!r} comes twice")
        seen |= {str(key.value)} if key is not None else set()
        _plain(value)
