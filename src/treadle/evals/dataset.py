"""Cases and datasets, as they are written in Python. files.py reads them from files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from ..core.errors import UsageError
from ..core.limits import Limits
from .checks import Check, suggest_names

MAX_CASES = 10_000
NAME_PATTERN = re.compile(r"[^\s/\x00-\x1f\x7f]{1,80}")
"""Of a dataset, a case, a run: they make up thread names."""
_LIMITS = tuple(each.name for each in fields(Limits))


@dataclass(frozen=True)
class Case:
    """What is said to the agent, and what must come of it."""

    input: str | Sequence[str]
    """Several messages are a conversation: one turn each."""
    checks: Sequence[Check] = ()
    name: str = ""
    """In tables and thread names. "": made from the first words of the input."""
    tags: Sequence[str] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    """Which of the agent's limits are others here, by the names of Limits."""
    approve: Literal["all", "none"] | Mapping[str, bool] | None = None
    """What becomes of calls that need approval, all or by tool. What isn't said, waits, and so the case ends."""
    answer: str = ""
    """To whatever the agent asks the person. "": nobody answers, and so the case ends."""

    @property
    def messages(self) -> tuple[str, ...]:
        return (self.input,) if isinstance(self.input, str) else tuple(self.input)

    def allows(self, tool: str) -> bool | None:
        """Whether calls of the tool are approved; None where nobody says."""
        if self.approve is None or isinstance(self.approve, str):
            return {"all": True, "none": False, None: None}[self.approve]
        return self.approve.get(tool)


@dataclass(frozen=True)
class Dataset:
    """Cases, each under a name of its own. Raises UsageError for what can't be one."""

    name: str
    cases: Sequence[Case]
    agent: str = ""
    """Where its agent is, as path/file.py:name; "" where it names none."""

    def __post_init__(self) -> None:
        if not NAME_PATTERN.fullmatch(self.name):
            raise UsageError(
                f"a dataset's name has no spaces and no slash, and at most 80 characters: {self.name!r}"
            )
        if not 1 <= len(self.cases) <= MAX_CASES:
            raise UsageError(
                f"dataset {self.name} has {len(self.cases):,} cases; it needs 1 to {MAX_CASES:,}"
            )
        object.__setattr__(self, "cases", _named(self.cases))

    def only(self, tags: Sequence[str], names: Sequence[str]) -> "Dataset":
        """Its cases that have one of the tags and a name that fits one of the globs; none given lets all pass."""
        chosen = [
            case
            for case in self.cases
            if (not tags or set(tags) & set(case.tags))
            and (not names or any(fnmatchcase(case.name, n) for n in names))
        ]
        if not chosen:
            known = sorted({tag for case in self.cases for tag in case.tags})
            raise UsageError(
                f"no case of {self.name} is like that; its tags: {', '.join(known) or 'none'};"
                f" its cases: {', '.join(case.name for case in self.cases[:20])}{'…' * (len(self.cases) > 20)}"
            )
        return replace(self, cases=chosen)


def _named(cases: Sequence[Case]) -> tuple[Case, ...]:
    taken = {case.name for case in cases if case.name}
    named: list[Case] = []
    for number, case in enumerate(cases, 1):
        _refuse(case, number, [each.name for each in named])
        name = case.name or _free(_slug(case.messages[0]), taken)
        taken.add(name)
        named.append(replace(case, name=name))
    return tuple(named)


def _refuse(case: Case, number: int, before: Sequence[str]) -> None:
    """Raises UsageError for a case that can't be."""
    where = f"case {number}" + (f" ({case.name})" if case.name else "")
    if not case.messages or not all(
        isinstance(text, str) and text.strip() for text in case.messages
    ):
        raise UsageError(f"{where}: its input is one message or a list of messages, none empty")
    if case.name and not NAME_PATTERN.fullmatch(case.name):
        raise UsageError(f"{where}: its name has no spaces and no slash, and at most 80 characters")
    if case.name in before:
        raise UsageError(f"{where}: case {before.index(case.name) + 1} has that name already")
    for limit in case.limits:
        if limit not in _LIMITS:
            raise UsageError(
                f"{where}: limits: there is no limit {limit!r}{suggest_names(str(limit), _LIMITS)}"
            )


def _slug(text: str) -> str:
    return "-".join(re.findall(r"\w+", text.casefold())[:6])[:40] or "case"


def _free(name: str, taken: set[str]) -> str:
    number = 1
    while (name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return name if number == 1 else f"{name}-{number}"
