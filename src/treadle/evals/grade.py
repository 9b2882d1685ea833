"""Grades a trial by each check. Pure, except for the function of a custom check."""

import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import islice
from typing import Any, assert_never

import msgspec

from ..core.call import call_digest
from ..core.raised import describe_raised, message_of
from ..models.known_secrets import redact_known
from ..observe.amounts import format_seconds
from . import checks as c
from .find_numbers import find_numbers
from .json_diff import find_differences
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
"""How many differences of two JSON values are named."""


class Verdict(msgspec.Struct, frozen=True):
    """Whether a trial passed a check."""

    check: str
    """The check in a few words."""
    passed: bool | None
    """None: nobody could tell, since the judge didn't answer."""
    why: str = ""
    """What is wrong; "" if it passed. A judge's verdict always has its reason."""
    digest: str = ""
    """The same for checks that expect the same, in whole; "" in old reports."""


def make_verdict(check: c.Check, passed: bool | None, why: str = "") -> Verdict:
    """What came of this check."""
    return Verdict(describe_check(check), passed, why, digest_check(check))


def grade(check: c.Check, trial: Trial) -> Verdict:
    """The verdict of a check. Raises TypeError for a Judge: judge.py asks a model."""
    match check:
        case c.Judge():
            raise TypeError("a judge is asked, by judge.ask_judge()")
        case c.Custom(function=function):
            problem = _call_custom(function, trial)
        case c.Equal() | c.Contains() | c.Lacks() | c.Matches() | c.Number() | c.Json():
            problem = _check_answer(check, trial.answer)
        case c.Tools() | c.Never() | c.Asked() | c.NoErrors():
            problem = _check_calls(check, trial)
        case c.MaxSteps() | c.MaxTokens() | c.MaxCost() | c.MaxSeconds():
            problem = _check_totals(check, trial)
        case c.Status(status=status):
            problem = _check_status(status, trial)
        case never:
            assert_never(never)
    # Reports are UTF-8; half of a surrogate pair is not.
    encodable = problem.encode("utf8", "backslashreplace").decode()
    return make_verdict(check, not problem, encodable)


def failed_verdicts(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    return tuple(verdict for verdict in verdicts if verdict.passed is False)


def describe_check(check: c.Check) -> str:
    """The check in a few words: its name in a file, and what it expects."""
    if isinstance(check, c.Custom):
        return check.name or getattr(check.function, "__name__", "custom")
    name = next(name for name, kind in c.CHECK_TYPES.items() if isinstance(check, kind))
    match check:
        case c.NoErrors():
            return name
        case c.Number(value=value, within=0.0):
            return f"{name} {value:.12g}"
        case c.Number(value=value, within=within):
            return f"{name} {value:.12g} ± {within:g}"
        case c.Tools(calls=calls, order=order):
            names = [call if isinstance(call, str) else call.name for call in calls]
            return f"{name} {order}: {_shorten(', '.join(names)) or 'none'}"
        case c.Contains(texts=texts) | c.Lacks(texts=texts):
            return f"{name} {_shorten(', '.join(_as_tuple(texts))) or 'none'}"
        case c.Never(tools=tools) | c.Asked(tools=tools):
            return f"{name} {_shorten(', '.join(_as_tuple(tools))) or 'none'}"
        case c.Json(value=value):
            return f"{name} {_shorten(json.dumps(value, ensure_ascii=False, default=str))}"
        case _:
            value = getattr(check, check.__struct_fields__[0])
            return f"{name} {_shorten(value) if isinstance(value, str) else format(value, 'g')}"


def digest_check(check: c.Check) -> str:
    """The same for two checks of one kind whose fields are the same.

    Fields at their defaults don't count, so that a new field leaves old checks what they were. A
    function counts by its name alone.
    """
    if isinstance(check, c.Custom):
        return call_digest("custom", json.dumps(describe_check(check)))
    written = {
        each.encode_name: getattr(check, each.name)
        for each in msgspec.structs.fields(check)
        if getattr(check, each.name) != each.default
    }
    return call_digest(
        type(check).__name__, json.dumps(written, default=_plain_form, skipkeys=True)
    )


def _plain_form(value: Any) -> Any:
    """What stands for a value that has no JSON form of its own."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    return type(value).__name__


def _check_answer(
    check: c.Equal | c.Contains | c.Lacks | c.Matches | c.Number | c.Json, answer: str
) -> str:
    """What is wrong with the answer; "" if nothing is."""
    match check:
        case c.Equal(text=text):
            if answer.strip() != text.strip():
                return f"the answer is {_quote(answer)}"
        case c.Contains(texts=texts, exact_case=exact):
            missing = [text for text in _as_tuple(texts) if not _contains(answer, text, exact)]
            if missing:
                return f"{', '.join(map(_quote, missing))} isn't in the answer"
        case c.Lacks(texts=texts, exact_case=exact):
            found = [text for text in _as_tuple(texts) if _contains(answer, text, exact)]
            if found:
                return f"{', '.join(map(_quote, found))} is in the answer"
        case c.Matches(pattern=pattern):
            if not re.search(pattern, answer):
                return "the pattern isn't in the answer"
        case c.Number():
            return _check_number(check, answer)
        case c.Json():
            return _check_json(check, answer)
    return ""


def _check_number(check: c.Number, answer: str) -> str:
    found = find_numbers(answer)
    if not found:
        return "there is no number in the answer"
    # As decimals: in binary, 0.3 is not within 0.1 of 0.2.
    value = Decimal(repr(check.value))
    within = Decimal(repr(check.within))
    if any(abs(number - value) <= within for number in found):
        return ""
    return f"its numbers are {_shorten(', '.join(map(str, found)))}"


def _check_json(check: c.Json, answer: str) -> str:
    try:
        value = msgspec.json.decode(_strip_fence(answer))
    except (ValueError, RecursionError) as error:
        return f"the answer isn't JSON: {error}"
    differences = find_differences(check.value, value, check.match == "exact")
    return "; ".join(islice(differences, MAX_DIFFERENCES))


def _strip_fence(answer: str) -> str:
    """The answer without the fence of a code block that encloses all of it."""
    fence, newline, rest = answer.strip().partition("\n")
    if newline and fence.rstrip() in ("```", "```json") and rest.endswith("```"):
        return rest[:-3]
    return answer


def _check_calls(check: c.Tools | c.Never | c.Asked | c.NoErrors, trial: Trial) -> str:
    calls = trial.tool_calls
    match check:
        case c.Tools(calls=expected, order=order, arguments=arguments):
            wanted = [ExpectedCall(call) if isinstance(call, str) else call for call in expected]
            return compare_calls(calls, wanted, order, arguments)
        case c.Never(tools=tools):
            return check_never_called(calls, *_as_tuple(tools))
        case c.Asked(tools=tools):
            return check_approvals_asked(calls, *_as_tuple(tools))
        case c.NoErrors():
            return check_no_errors(calls)


def _check_totals(check: c.MaxSteps | c.MaxTokens | c.MaxCost | c.MaxSeconds, trial: Trial) -> str:
    totals = trial.totals
    match check:
        case c.MaxSteps(steps=most):
            if trial.steps > most:
                return f"it took {trial.steps} steps"
        case c.MaxTokens(tokens=most):
            if totals.tokens > most:
                return f"it took {totals.tokens:,} tokens"
        case c.MaxCost(usd=most_usd):
            if totals.cost_usd is None:
                return "no price is known for the model"
            if totals.cost_usd > most_usd:
                return f"it cost ${totals.cost_usd:.6g}"
        case c.MaxSeconds(seconds=most_s):
            if totals.seconds > most_s:
                return f"it took {format_seconds(totals.seconds)}"
    return ""


def _check_status(status: str, trial: Trial) -> str:
    if trial.status == status:
        return ""
    why = trial.error or trial.reason
    return f"it ended as {trial.status}" + (why and f": {why}")


def _call_custom(function: Callable[[Trial], Any], trial: Trial) -> str:
    try:
        verdict = function(trial)
    except AssertionError as error:
        return redact_known(message_of(error)) or "an assertion failed"
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # The user's code: its bug fails this check, it must not end the run.
        return redact_known(f"the check raised {describe_raised(error)}")
    if verdict is None or verdict is True:
        return ""
    if verdict is False:
        return "it says no"
    if isinstance(verdict, str):
        return verdict
    return f"the check gave a {type(verdict).__name__}, not a bool, a text or None"


def _as_tuple(names: c.Names) -> tuple[str, ...]:
    if isinstance(names, str):
        return (names,)
    return tuple(names)


def _contains(answer: str, text: str, exact_case: bool) -> bool:
    if exact_case:
        return text in answer
    return text.casefold() in answer.casefold()


def _quote(text: str) -> str:
    return f'"{_shorten(text, 200)}"'


def _shorten(text: str, width: int = MAX_TEXT) -> str:
    line = " ".join(text.split())
    if len(line) <= width:
        return line
    return f"{line[: width - 1]}…"
