"""The page's table of what each dialect can carry is the suite's, and each row can be seen in it."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from conformance.differences import ROWS, Row
from conformance.suite import DIALECTS, run
from conformance.test_conversations import CONVERSATIONS

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf8")
BY_NAME = {conversation.name: conversation for conversation in CONVERSATIONS}
FIRST_LINE = "| | chat completions | Responses | Messages |\n|---|---|---|---|\n"


def test_the_page_has_each_row_as_it_is_here_and_in_this_order():
    table = PAGE.partition(FIRST_LINE)[2].partition("\n\n")[0].splitlines()
    of_the_suite = [row.line for row in ROWS]
    assert [line for line in table if line in of_the_suite] == of_the_suite


def test_every_difference_of_a_conversation_is_a_row_and_every_row_a_conversation_shows():
    named = {each.row for conversation in CONVERSATIONS for each in conversation.differs}
    assert named <= {row.what for row in ROWS}
    assert {row.conversation for row in ROWS} <= BY_NAME.keys()
    assert max(Counter(row.what for row in ROWS).values()) == 1


def find(body: Any, path: str) -> Any:
    """What stands there; None if nothing does."""
    for name in path.split("."):
        body = body[int(name)] if isinstance(body, list) else (body or {}).get(name)
    return body


@pytest.mark.parametrize("row", [row for row in ROWS if row.fields], ids=lambda row: row.what)
def test_a_row_s_fields_stand_where_it_says(row: Row):
    for dialect in DIALECTS:
        body = run(BY_NAME[row.conversation], dialect).bodies[0]
        path = row.fields[dialect]
        if path:
            assert find(body, path) is not None, (dialect, path)
        else:
            others = [each for each in row.fields.values() if each]
            assert all(find(body, each) is None for each in others)
            assert find(body, "output_config.format") is None
