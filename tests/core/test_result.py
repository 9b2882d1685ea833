import pytest

from fakes import agent, live
from treadle import ScriptedModel, tool
from treadle.core import events as e
from treadle.core.errors import ModelUnavailable, NotAnswered
from treadle.core.result import read_result
from treadle.core.state import fold
from treadle.models.scripted import calls, says
from treadle.tools.ask import ask_user


@tool
def half(number: int) -> int:
    """Halve an even number."""
    if number % 2:
        raise ValueError("odd")
    return number // 2


def test_a_summary_counts_what_happened():
    script = [
        calls(("half", {"number": 4}), ("half", {"number": 3})),
        ModelUnavailable("503"),
        says("ok"),
    ]
    done = live(agent(ScriptedModel(script, price_usd=(1.0, 10.0)), half).run("go"))
    total = done.summary()
    assert (total.model_calls, total.model_retries) == (2, 1)
    assert (total.tool_calls, total.tool_successes, total.tool_errors, total.tool_retries) == (
        2,
        1,
        1,
        0,
    )
    assert total.tokens == done.usage.total_tokens
    assert total.cost_usd == done.usage.input_tokens + 10 * done.usage.output_tokens
    assert total.seconds == pytest.approx(0.5)


def test_the_result_has_its_own_turn_s_records_only():
    agents = agent(ScriptedModel([says("one"), says("two")]))
    live(agents.run("first", thread="t"))
    second = live(agents.run("second", thread="t"))
    assert second.records[0].event == e.UserSaid("second")
    assert second.steps == 1


def test_a_turn_whose_driver_is_gone_is_unfinished():
    events = (
        e.ThreadStarted("a", "k"),
        e.ThreadClaimed("w"),
        e.UserSaid("go"),
        e.ModelCalled("m", "h", 1, 1),
    )
    records = [e.Record("t", seq, 0.0, event) for seq, event in enumerate(events, 1)]
    assert read_result(records, fold(records)).status == "unfinished"


def test_what_waits_is_listed_with_its_reasons():
    model = ScriptedModel([calls(("ask_user", {"question": "Which?"}), ("half", {"number": 2}))])
    done = live(agent(model, ask_user, half).run("go"))
    assert (done.status, done.reason) == ("waiting", "ask_user: Which?")
    assert [call.name for call in done.waiting] == ["ask_user"]
    assert done.find_output() is None
    with pytest.raises(NotAnswered, match="waiting, ask_user"):
        _ = done.output
