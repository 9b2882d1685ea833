"""Makes cases for a dataset of turns that people found good or bad. Pure.

A case says again what the person said up to that turn. Its one check is a judge's, who is told what
people said of the answer of then: a beginning, to be replaced by checks without a model where one
will do.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Literal

from ..core import events as e
from ..core.feedback import read_feedback
from ..observe.turns import split_turns
from .actual_calls import actual_calls
from .checks import Judge
from .dataset import Case

Rating = Literal["good", "bad"]
_SEPARATORS = re.compile(r"[\s/\x00-\x1f\x7f]+")
MAX_NAME = 70
"""Characters of a thread's name in a case's, which has the turn's number behind it."""
_GOOD = "It says in substance what this answer says, which people found good"
_BAD = "It is better than this answer, which people found bad, and hasn't its fault"


def make_cases(records: Sequence[e.Record], rated: Rating | None = None) -> list[Case]:
    """A case for each turn of the thread that somebody found good, or bad; None: for either.

    A turn that anybody found bad is bad. One in which something else than text was said, before it
    or in it, makes no case. Raises IllegalEvent for a bad log.
    """
    words: dict[int, list[e.FeedbackGiven]] = {}
    for said in read_feedback(records):
        words.setdefault(said.turn_seq, []).append(said)
    cases: list[Case] = []
    messages: list[str] = []
    turns = (turn.result for turn in split_turns(records) if turn.number)
    for number, result in enumerate(turns, 1):
        opening = result.records[0]
        assert isinstance(opening.event, e.UserSaid)
        if opening.event.parts or not opening.event.text.strip():
            break
        messages.append(opening.event.text)
        found = words.get(opening.seq, [])
        rating = rate_of(found)
        if rating and rated in (None, rating):
            name = f"{_name_thread(opening.thread_id)}-{number}"
            before = [record for record in records if record.seq <= result.records[-1].seq]
            case = _make_case(name, messages, before)
            rubric = _rubric(rating, found, result.answer)
            cases.append(replace(case, checks=(Judge(rubric),), tags=(f"rated-{rating}",)))
    return cases


def _name_thread(thread_id: str) -> str:
    """The thread's name as a case's may have it; if it isn't the same, a hash tells it apart."""
    name = _SEPARATORS.sub("-", thread_id)[:MAX_NAME]
    if name == thread_id:
        return name
    mark = blake2b(thread_id.encode(), digest_size=4).hexdigest()
    return f"{name[: MAX_NAME - len(mark) - 1]}-{mark}"


def rate_of(found: Iterable[e.FeedbackGiven]) -> Rating | None:
    """What people found of one turn; None if nobody has said anything."""
    ratings = {said.good for said in found}
    if not ratings:
        return None
    return "bad" if False in ratings else "good"


def _rubric(rating: Rating, found: Sequence[e.FeedbackGiven], answer: str) -> str:
    rubric = _GOOD if rating == "good" else _BAD
    reasons = [said.reason for said in found if said.reason]
    if reasons:
        rubric += f" ({'; '.join(reasons)})"
    return f"{rubric}:\n{answer}"


def _make_case(name: str, messages: Sequence[str], records: Sequence[e.Record]) -> Case:
    """With what people decided and answered up to then."""
    names = {call.call_id: call.name for call in actual_calls(records)}
    approve: dict[str, bool] = {}
    answers = [""]
    for record in records:
        match record.event:
            case e.ApprovalGiven(call_id=call_id, allowed=allowed) if call_id in names:
                approve[names[call_id]] = allowed
            case e.UserSaid(answers=call_id, text=text) if call_id:
                answers.append(text)
    return Case(tuple(messages), name=name, approve=approve or None, answer=answers[-1])


def write_case(case: Case) -> dict[str, Any]:
    """The case as a dataset's file has it."""
    [judge] = case.checks
    assert isinstance(judge, Judge)
    written: dict[str, Any] = {"name": case.name, "input": list(case.messages)}
    written |= {"tags": list(case.tags), "checks": [{"judge": judge.rubric}]}
    if case.approve:
        written["approve"] = case.approve
    if case.answer:
        written["answer"] = case.answer
    return written
