"""Readers of logs in which a driver wrote what its calls did after it had lost the thread."""

from pathlib import Path

from treadle import Record
from treadle.core.codec import decode_record
from treadle.core.count_thread import count_thread
from treadle.core.result import make_summary
from treadle.observe.cost import cost_entries, sum_costs
from treadle.observe.spans import build_spans
from treadle.observe.stats import compute_stats
from treadle.observe.timeline import Timeline

GOLDEN = Path(__file__).parents[1] / "golden" / "format-2-late.jsonl"


def records() -> list[Record]:
    return [decode_record(line) for line in GOLDEN.read_bytes().splitlines()]


def test_costs_have_what_the_lost_call_used_and_no_longer_its_worst_case():
    lost, *others = cost_entries(records())
    assert (lost.outcome, lost.cost_usd, lost.reserved_usd) == ("lost", 0.002, 0.0)
    assert lost.usage.total_tokens == 22
    assert [each.outcome for each in others] == ["replied", "replied"]
    total = sum_costs([lost, *others])
    assert (str(total.cost_usd), str(total.lost_usd), total.lost) == ("0.008", "0.0", 1)
    [before, *_] = cost_entries(records()[:5])
    assert (before.outcome, before.reserved_usd) == ("lost", 0.01)


def test_summaries_count_it_once():
    totals = count_thread(records()).totals
    assert totals.counts["lost_calls"] == 1
    assert totals.counts["lost_tokens"] == 0
    assert totals.counts["model_failures"] == 0
    assert sum(totals.lost_usd) == 0
    assert totals.usage.total_tokens == 22 + 27 + 62
    assert make_summary(records(), 0.0).tokens == 22 + 27 + 62


def test_statistics_count_the_calls_and_no_failure_of_the_model():
    found = compute_stats(records())
    assert found.model_failures == {}
    assert (found.tools["pay"].calls, found.tools["pay"].errors) == (2, {"raised": 1})


def test_a_trace_notes_it_in_the_turn_and_begins_no_span_for_it():
    spans = build_spans(records())
    notes = [each for span in spans for each in span.events if each.name == "treadle.learned_late"]
    assert [each.attributes["treadle.claim"] for each in notes] == ["claim-1", "claim-2", "claim-2"]
    assert notes[0].attributes["gen_ai.usage.output_tokens"] == 4
    assert [each.attributes.get("gen_ai.tool.call.id") for each in notes[1:]] == [
        "c00007000",
        "c00007001",
    ]
    tools = [span for span in spans if span.name == "execute_tool pay"]
    assert len(tools) == 2, "those that were interrupted"


def test_each_line_says_whose_word_it_is():
    timeline = Timeline()
    lines = [str(timeline.line(record)) for record in records()]
    said = [line for line in lines if "learned late, by the driver of claim claim-" in line]
    assert len(said) == 3
