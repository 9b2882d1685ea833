"""What each check says of a trial. Pure, but for a custom check's own function."""

import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import islice
from typing import Any, assert_never

import msgspec

from . import checks as c
from .json_diff import find_differences
from .numbers import find_numbers
from .trajectory import (
    ExpectedCall,
    check_approvals_asked,
    check_never_called,
    check_no_errors,
    compare_calls,
)
from .trial import Trial

MAX_TEXT = 60
"""Characters of a text in a check's name."""
MAX_DIFFERENCES = 5
"""Of two JSON values that are named."""


class Verdict(msgspec.Struct, frozen=True):
    check: str
    """The check in a few words."""
    passed: bool
    why: str = ""
    """What is wrong; "" where it passed, or a judge's reason."""


def grade(check: c.Check, trial: Trial) -> Verdict:
    """Whether the trial passes. Not for a Judge, which has to be asked (judge.py)."""
    match check:
        case c.Judge():
            raise TypeError("a judge is asked, by judge.judged()")
        case c.Custom(function=function):
            wrong = _custom(function, trial)
        case c.Equal() | c.Contains() | c.Lacks() | c.Matches() | c.Number() | c.Json():
            wrong = _of_answer(check, trial.answer)
        case c.Tools() | c.Never() | c.Asked() | c.NoErrors():
            wrong = _of_calls(check, trial)
        case c.MaxModelCalls() | c.MaxTokens() | c.MaxCost() | c.MaxSeconds():
            wrong = _of_totals(check, trial)
        case c.Status(status=status):
            wrong = "" if trial.status == status else _ended(trial)
        case never:
            assert_never(never)
    return Verdict(
        describe_check(check), not wrong, wrong.encode("utf8", "backslashreplace").decode()
    )  # it must be written


def describe_check(check: c.Check) -> str:
    """The check in a few words: its name in a file, and what it wants."""
    if isinstance(check, c.Custom):
        return check.name or getattr(check.function, "__name__", "custom")
    name = next(name for name, kind in c.CHECK_TYPES.items() if isinstance(check, kind))
    match check:
        case c.NoErrors():
            return name
        case c.Number(value=value, within=within):
            return f"{name} {value:.12g}" + (f" ± {within:g}" if within else "")
        case c.Tools(calls=calls, order=order):
            wanted = ", ".join(call if isinstance(call, str) else call.name for call in calls)
            return f"{name} {order}: {_cut(wanted) or 'none'}"
        case (
            c.Contains(texts=names)
            | c.Lacks(texts=names)
            | c.Never(tools=names)
            | c.Asked(tools=names)
        ):
            return f"{name} {_cut(', '.join(_all(names))) or 'none'}"
        case c.Json(value=value):
            return f"{name} {_cut(json.dumps(value, ensure_ascii=False, default=str))}"
        case _:
            value = getattr(check, check.__struct_fields__[0])
            return f"{name} {_cut(value) if isinstance(value, str) else format(value, 'g')}"


def _of_answer(
    check: c.Equal | c.Contains | c.Lacks | c.Matches | c.Number | c.Json, answer: str
) -> str:
    match check:
        case c.Equal(text=text):
            return "" if answer.strip() == text.strip() else f"the answer is {_quoted(answer)}"
        case c.Contains(texts=texts, exact_case=exact):
            gone = [text for text in _all(texts) if not _within(text, answer, exact)]
            return f"{', '.join(map(_quoted, gone))} isn't in the answer" if gone else ""
        case c.Lacks(texts=texts, exact_case=exact):
            there = [text for text in _all(texts) if _within(text, answer, exact)]
            return f"{', '.join(map(_quoted, there))} is in the answer" if there else ""
        case c.Matches(pattern=pattern):
            return "" if re.search(pattern, answer) else "the pattern isn't in the answer"
        case c.Number(value=value, within=within):
            found = find_numbers(answer)
            # By their decimals: 0.1 is no binary number, and "within 0.01" means what it says.
            if any(abs(each - Decimal(repr(value))) <= Decimal(repr(within)) for each in found):
                return ""
            shown = _cut(", ".join(map(str, found)))
            return f"its numbers are {shown}" if found else "there is no number in the answer"
        case c.Json():
            return _of_json(check, answer)


def _of_json(check: c.Json, answer: str) -> str:
    try:
        given = msgspec.json.decode(_unfenced(answer))
    except (ValueError, RecursionError) as error:
        return f"the answer isn't JSON: {error}"
    return "; ".join(
        islice(find_differences(check.value, given, check.match == "exact"), MAX_DIFFERENCES)
    )


def _unfenced(answer: str) -> str:
    """Without the marks of a block of code that is all of it."""
    fence, newline, rest = answer.strip().partition("\n")
    whole = newline and fence.rstrip() in ("```", "```json") and rest.endswith("```")
    return rest[:-3] if whole else answer


def _of_calls(check: c.Tools | c.Never | c.Asked | c.NoErrors, trial: Trial) -> str:
    match check:
        case c.Tools(calls=calls, order=order, arguments=arguments):
            wanted = [
                ExpectedCall(call)
                if isinstance(call, str)
                else ExpectedCall(call.name, call.arguments)
                for call in calls
            ]
            return compare_calls(trial.made, wanted, order, arguments)
        case c.Never(tools=tools):
            return check_never_called(trial.made, *_all(tools))
        case c.Asked(tools=tools):
            return check_approvals_asked(trial.made, *_all(tools))
        case c.NoErrors():
            return check_no_errors(trial.made)


def _of_totals(
    check: c.MaxModelCalls | c.MaxTokens | c.MaxCost | c.MaxSeconds, trial: Trial
) -> str:
    took = trial.took
    match check:
        case c.MaxModelCalls(steps=most):
            return f"it took {trial.steps} steps" if trial.steps > most else ""
        case c.MaxTokens(tokens=most):
            return f"it took {took.tokens:,} tokens" if took.tokens > most else ""
        case c.MaxCost(usd=most_usd):
            if took.cost_usd is None:
                return "no price is known for the model"
            return f"it cost ${took.cost_usd:.6g}" if took.cost_usd > most_usd else ""
        case c.MaxSeconds(seconds=most_s):
            return f"it took {took.seconds:.1f} s" if took.seconds > most_s else ""


def _custom(function: Callable[[Trial], Any], trial: Trial) -> str:
    try:
        said = function(trial)
    except AssertionError as error:
        return str(error) or "an assertion failed"
    except (
        Exception
    ) as error:  # somebody else's code: its bug is this check's failure, not the end of the run
        return f"the check raised {type(error).__name__}: {error}"
    if said is None or isinstance(said, bool):
        return "it says no" if said is False else ""
    return (
        said
        if isinstance(said, str)
        else f"the check gave a {type(said).__name__}, not a bool, a text or None"
    )


def _ended(trial: Trial) -> str:
    why = trial.error or trial.reason
    return f"it ended as {trial.status}" + (f": {why}" if why else "")


def _all(names: c.Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _within(text: str, answer: str, exact: bool) -> bool:
    return text in answer if exact else text.casefold() in answer.casefold()


def _quoted(text: str) -> str:
    return f'"{_cut(text, 200)}"'


def _cut(text: str, most: int = MAX_TEXT) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def failed_verdicts(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Those that didn't pass."""
    return tuple(each for each in verdicts if not each.passed)
