"""Cases and datasets, as they are written in Python. dataset_files.py reads them from files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from ..core.errors import UsageError
from ..core.limits import Limits
from .checks import Check
from .convert_fields import suggest_names

MAX_CASES = 10_000
NAME_PATTERN = re.compile(r"[^\s/\x00-\x1f\x7f]{1,80}")
"""Of datasets, cases and runs: the names of threads are made of them."""
_LIMITS = tuple(each.name for each in fields(Limits))


@dataclass(frozen=True)
class Case:
    """What is said to the agent, and the checks that its trials must pass."""

    input: str | Sequence[str]
    """Several messages are a conversation: one turn each."""
    checks: Sequence[Check] = ()
    name: str = ""
    """In tables and thread names. "": made of the first words of the input."""
    tags: Sequence[str] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    """Limits that replace the agent's, by the names of Limits."""
    approve: Literal["all", "none"] | Mapping[str, bool] | None = None
    """Which calls are approved.

    All, none, or by tool. Any other call waits, which ends the case.
    """
    answer: str = ""
    """The answer to every question of the agent. "": a question waits, which ends the case."""
    min_pass: float | None = None
    """The share of its trials that must pass, 0 to 1. None: as the run says, by default all."""

    @property
    def messages(self) -> tuple[str, ...]:
        if isinstance(self.input, str):
            return (self.input,)
        return tuple(self.input)

    def allows(self, tool: str) -> bool | None:
        """Whether calls of the tool are approved; None if the case doesn't say."""
        if self.approve is None or isinstance(self.approve, str):
            return {"all": True, "none": False, None: None}[self.approve]
        return self.approve.get(tool)


@dataclass(frozen=True)
class Dataset:
    """Cases, each with a name of its own. Raises UsageError for a dataset that is not valid."""

    name: str
    cases: Sequence[Case]
    agent: str = ""
    """The place of its agent, as path/file.py:name; "" if it names none."""

    def __post_init__(self) -> None:
        if not NAME_PATTERN.fullmatch(self.name):
            raise UsageError(
                "a dataset's name has no spaces and no slash, and at most 80 characters:"
                f" {self.name!r}"
            )
        if not 1 <= len(self.cases) <= MAX_CASES:
            raise UsageError(
                f"dataset {self.name} has {len(self.cases):,} cases; it needs 1 to {MAX_CASES:,}"
            )
        object.__setattr__(self, "cases", _name_cases(self.cases))

    def only(self, tags: Sequence[str], names: Sequence[str]) -> "Dataset":
        """The cases with one of these tags and a name that matches one of these globs.

        Empty lists match all.
        """
        chosen = list(self.cases)
        if tags:
            chosen = [case for case in chosen if set(tags) & set(case.tags)]
        if names:
            chosen = [case for case in chosen if any(fnmatchcase(case.name, n) for n in names)]
        if not chosen:
            known = sorted({tag for case in self.cases for tag in case.tags})
            first = ", ".join(case.name for case in self.cases[:20])
            more = "…" * (len(self.cases) > 20)
            raise UsageError(
                f"no case of {self.name} is like that; its tags: {', '.join(known) or 'none'};"
                f" its cases: {first}{more}"
            )
        return replace(self, cases=chosen)


def _name_cases(cases: Sequence[Case]) -> tuple[Case, ...]:
    """The cases, each with a name. Raises UsageError for one that is not valid."""
    taken = {case.name for case in cases if case.name}
    named: list[Case] = []
    for number, case in enumerate(cases, 1):
        _validate(case, number, [each.name for each in named])
        name = case.name or _free_name(_slug(case.messages[0]), taken)
        taken.add(name)
        named.append(replace(case, name=name))
    return tuple(named)


def _validate(case: Case, number: int, before: Sequence[str]) -> None:
    """Raises UsageError for a case that is not valid.

    `before` are the names of the cases before it.
    """
    where = f"case {number}"
    if case.name:
        where += f" ({case.name})"
    texts = [text for text in case.messages if isinstance(text, str) and text.strip()]
    if not case.messages or len(texts) < len(case.messages):
        raise UsageError(f"{where}: its input is one message or a list of messages, none empty")
    if case.name and not NAME_PATTERN.fullmatch(case.name):
        raise UsageError(f"{where}: its name has no spaces and no slash, and at most 80 characters")
    if case.name in before:
        raise UsageError(f"{where}: case {before.index(case.name) + 1} has that name already")
    if case.min_pass is not None and not 0 <= case.min_pass <= 1:
        raise UsageError(
            f"{where}: min_pass is the share of trials that must pass, 0 to 1: {case.min_pass!r}"
        )
    if isinstance(case.approve, str) and case.approve not in ("all", "none"):
        raise UsageError(
            f"{where}: approve is all, none, or tools with true or false: {case.approve!r}"
        )
    for limit, value in case.limits.items():
        if limit not in _LIMITS:
            hint = suggest_names(str(limit), _LIMITS)
            raise UsageError(f"{where}: limits: there is no limit {limit!r}{hint}")
        try:
            Limits(**{limit: value})
        except UsageError as error:
            raise UsageError(f"{where}: limits: {error}") from None


def _slug(text: str) -> str:
    return "-".join(re.findall(r"\w+", text.casefold())[:6])[:40] or "case"


def _free_name(name: str, taken: set[str]) -> str:
    free = name
    number = 1
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free
