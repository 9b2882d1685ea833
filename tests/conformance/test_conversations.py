"""Forty conversations and more, each in three dialects, against servers as strict as the real ones."""

import pytest

from conformance.conversation import Conversation, Dialect
from conformance.conversations import (
    answers,
    broken_lines,
    counts,
    ends,
    histories,
    long_talks,
    parts,
    provider_tools,
    settings,
    thinking,
    tools,
)
from conformance.suite import DIALECTS, log_lines, prompt_lines, run

FAMILIES = (
    tools,
    thinking,
    parts,
    ends,
    broken_lines,
    counts,
    provider_tools,
    answers,
    settings,
    histories,
    long_talks,
)
CONVERSATIONS: list[Conversation] = [each for family in FAMILIES for each in family.CONVERSATIONS]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda each: each.name)
def test_log_and_prompt_are_the_same_in_each_dialect(conversation: Conversation, dialect: Dialect):
    ran = run(conversation, dialect)
    assert ran.faults == []
    assert ran.log == log_lines(conversation, dialect)
    assert ran.prompt == prompt_lines(conversation, dialect, ran.shown)


def test_there_are_at_least_forty_and_each_has_a_name_of_its_own():
    names = {each.name for each in CONVERSATIONS}
    assert len(names) == len(CONVERSATIONS) >= 40
