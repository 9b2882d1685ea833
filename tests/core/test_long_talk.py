"""A long talk with large results keeps what it must: benchmarks/long_talk.py with fewer turns."""

import importlib.util
import sys
from pathlib import Path

import pytest

from treadle import ContextWindow
from treadle.models.request_rules import find_faults

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "long_talk.py"
spec = importlib.util.spec_from_file_location("long_talk", PATH)
assert spec
assert spec.loader
long_talk = sys.modules["long_talk"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(long_talk)

CONTEXT_TOKENS = 7000
TURNS = 60


@pytest.fixture(scope="module")
def talk():
    return long_talk.talk(TURNS, 24, (1, 6), (1, 10, 35))


@pytest.fixture(scope="module")
def kept(talk):
    return long_talk.with_treadle(talk, ContextWindow(), context_tokens=CONTEXT_TOKENS)


@pytest.fixture(scope="module")
def by_hand(talk):
    return long_talk.by_hand(talk, long_talk.last_50)


def outcomes(talk, kept):
    """What became of each question, by kind of fact: names, numbers, decisions, tasks."""
    found = {}
    for fact, _, outcome in long_talk.asked_and_right(talk, kept):
        if fact.source != "passing":
            found.setdefault(fact.kind, []).append(outcome)
    return found


@pytest.mark.slow
def test_every_name_number_decision_and_open_task_is_known_to_the_end(talk, kept):
    found = outcomes(talk, kept)
    assert {kind: set(each) for kind, each in found.items()} == {
        "name": {"right"},
        "number": {"right"},
        "decision": {"right"},
        "task": {"right"},
    }
    assert min(map(len, found.values())) >= 8


@pytest.mark.slow
def test_it_is_known_from_minutes_since_a_window_alone_has_forgotten_it(talk, kept):
    assert sum(map(long_talk.is_summary, kept.requests)) >= 3
    dropped = long_talk.with_treadle(
        talk, ContextWindow(max_messages=50, summarize=False), context_tokens=CONTEXT_TOKENS
    )
    assert sum(each.count("unknown") for each in outcomes(talk, dropped).values()) >= 15
    assert all(not find_faults(request, CONTEXT_TOKENS) for request in dropped.requests)


def test_no_prompt_is_ever_illegal_or_larger_than_the_context(kept):
    assert len(kept.requests) > 2 * TURNS
    faults = [find_faults(request, CONTEXT_TOKENS) for request in kept.requests]
    assert not any(faults), faults


def test_a_window_made_by_hand_is_both(by_hand):
    wrong = [
        fault for request in by_hand.requests for fault in find_faults(request, CONTEXT_TOKENS)
    ]
    assert any("follows no call" in fault for fault in wrong)
    assert any("tokens are more than" in fault for fault in wrong)


def test_prompts_don_t_grow_once_the_window_is_full(kept):
    def largest(turns):
        return max(
            r.tokens for turn, r in zip(kept.turns, kept.requests, strict=True) if turn in turns
        )

    middle, last = range(TURNS // 3, TURNS * 2 // 3), range(TURNS * 2 // 3, TURNS)
    assert largest(last) <= 1.1 * largest(middle)


def test_most_of_a_prompt_has_the_beginning_of_the_one_before(kept, by_hand):
    assert long_talk.same_beginning(kept.requests) > 0.6
    assert long_talk.same_beginning(by_hand.requests) < 0.3
