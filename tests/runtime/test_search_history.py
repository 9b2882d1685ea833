import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import agent, found, legal_log, live
from treadle import ContextWindow, ToolError, tool
from treadle.core import events as e
from treadle.core.transcript import SUMMARY_INSTRUCTIONS
from treadle.models.scripted import ScriptedModel, calls, says
from treadle.runtime.search_history import Passage, search, split_passages


@tool(read_only=True)
def read(page: int) -> str:
    """Read a page."""
    return (
        f"page {page}. "
        + "lorem ipsum " * 400
        + (f"The spindle code is K-{page}7. " if page == 3 else "")
    )


def test_what_the_prompt_has_left_out_is_found_again():
    pages = iter(
        [
            *(calls(("read", {"page": n})) for n in range(12)),
            calls(("search_history", {"query": "spindle code"})),
        ]
    )
    last = says("It is K-37.")
    model = ScriptedModel(
        [
            lambda request: (
                says("in short")
                if request.messages[0].text == SUMMARY_INSTRUCTIONS
                else next(pages, last)
            )
        ]
        * 40,
        context_tokens=6000,
        max_output_tokens=600,
    )
    result = live(
        agent(model, read, context_window=ContextWindow(search_history=True)).run(
            "Read them all. What is the code?"
        )
    )
    assert result.answer == "It is K-37."
    assert all("K-37" not in message.text for message in model.seen[-2].messages)
    told = found(result, e.ToolReturned)[-1].content
    assert "K-37" in told
    assert told.startswith("[record ")
    assert "result of read]" in told


def test_it_says_who_said_it_and_not_what_it_found_itself():
    made = [
        Passage(3, "user", "The lamp is on shelf seven"),
        Passage(5, "assistant", "I note: lamp, shelf seven"),
        Passage(9, "result of read", "no light here"),
    ]
    best = search(made, "where is the lamp?", 5)
    assert {each.who for each in best[:2]} == {"user", "assistant"}
    assert search(made, "kangaroo", 5) == []
    assert len(search(made, "lamps", 1)) == 1


def test_what_stands_beside_a_hit_is_found_with_it_and_dates_are_understood():
    june = 1_686_096_000.0  # the 7th, 2023
    made = [
        Passage(3, "user", "Which shawl did she knit?", 1.0),
        Passage(5, "assistant", "A red one", 2.0),
        Passage(7, "user", "Thanks", 3.0),
        Passage(9, "user", "We went camping", june),
    ]
    assert [each.seq for each in search(made, "shawl", 5)] == [3, 5]
    assert [each.text for each in search(made, "what happened in June", 1)] == ["We went camping"]


def test_its_own_results_are_no_source():
    call = e.Call("a", "search_history", "{}")
    log = [e.ModelReplied((call,), e.Usage(), 0.0), e.ToolReturned("a", "the lamp", 0.0)]
    assert (
        list(split_passages([e.Record("t", n, 0.0, event) for n, event in enumerate(log, 1)])) == []
    )


def test_a_query_without_words_is_told_so():
    with pytest.raises(ToolError, match="no words"):
        search([], "?!", 5)


@given(st.lists(st.integers(0, 10**6), max_size=30), st.text(max_size=30))
def test_any_log_can_be_searched_for_any_text(choices, query):
    said = list(split_passages(legal_log(choices)))
    assert all(0 < len(each.text) <= 1200 for each in said)
    with contextlib.suppress(ToolError):
        assert len(search(said, query, 3)) <= 3
