import re

import pytest

from fakes import agent
from treadle import Rule, ScriptedModel, tool
from treadle.core.codec import encode_record
from treadle.core.errors import ModelUnavailable, UsageError
from treadle.core.events import ModelCalled
from treadle.evals.checks import MaxSteps
from treadle.evals.grade import grade
from treadle.evals.trajectory import ExpectedCall
from treadle.evals.trial import Trial
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.sync import run_sync
from treadle.testing.assertions import (
    assert_approvals_asked,
    assert_never_called,
    assert_no_errors,
    assert_trajectory,
    assert_within,
)
from treadle.testing.recording import Recording


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool
def send(to: str) -> str:
    """Send."""
    raise OSError("no line")


SCRIPT = (
    calls(("add", {"a": 1, "b": 2})),
    calls(("send", {"to": "bob\x1b[2J"})),
    says("3, and nothing was sent."),
)


def desk(*script, **settings):
    return agent(
        ScriptedModel(script or SCRIPT, **settings.pop("of_model", {})), add, send, **settings
    )


def failure(check, *given, **settings) -> str:
    with pytest.raises(AssertionError) as caught:
        check(*given, **settings)
    return str(caught.value)


RESULT = desk().run_sync("go")


def test_calls_are_names_or_names_with_arguments():
    assert_trajectory(RESULT, ["add", ("send", {"to": "bob\x1b[2J"})])
    assert_trajectory(RESULT, [ExpectedCall("add", {"a": 1}), "send"], arguments="subset")
    assert_trajectory(RESULT, ["send"], order="in_order")


def test_a_failure_is_the_difference_and_obeys_no_control_characters():
    said = failure(assert_trajectory, RESULT, [("add", {"a": 1, "b": 3}), ("send", {"to": "bob"})])
    assert said.splitlines() == [
        "wanted the same calls in the same order, arguments exact: 2 wanted, 2 made; they part"
        " at line 1",
        "  ≠ add: b is 2, wanted 3",
        '  ≠ send: to is "bob\\u001b[2J", wanted "bob"',
    ]
    hidden = desk(calls(("nope\u202e", {})), says("x")).run_sync("go")
    assert "\u202e" not in failure(assert_trajectory, hidden, [])


def test_what_was_never_called_and_what_failed():
    assert_never_called(RESULT, "delete_*", "pay")
    assert "there were 1\n  + add(a=1, b=2)" in failure(assert_never_called, RESULT, "a*")
    assert "failed:raised: OSError: no line" in failure(assert_no_errors, RESULT)
    assert_no_errors(desk(says("x")).run_sync("go"))


def test_approvals_asked():
    assert_approvals_asked(RESULT)
    asked = desk(rules=[Rule("add", "ask")]).run_sync("go")
    assert_approvals_asked(asked, "add")
    assert "for nothing; they were for add" in failure(assert_approvals_asked, asked)


@pytest.mark.parametrize(
    ("allowed", "over"),
    [
        ({"steps": 2}, "steps: 3 of 2"),
        ({"tokens": 10}, r"tokens: \d+ of 10"),
        ({"cost_usd": 0.5}, r"cost_usd: [\d.]+ of 0.5"),
        ({"seconds": -1}, r"seconds: [\de.-]+ of -1"),
        (
            {"steps": 1, "tokens": 10, "cost_usd": 9e9},
            r"steps: 3 of 1; tokens: \d+ of 10",
        ),
    ],
)
def test_what_was_used_beyond_what_is_allowed(allowed, over):
    result = desk(of_model={"price_usd": (1.0, 1.0)}).run_sync("go")
    assert_within(result, steps=3, tokens=10_000, cost_usd=10_000, seconds=60)
    assert re.fullmatch(
        f"used more than was allowed: {over}", failure(assert_within, result, **allowed)
    )


def test_an_unknown_cost_is_within_none():
    result = desk(of_model={"price_usd": None}).run_sync("go")
    assert_within(result, steps=3)
    assert (
        failure(assert_within, result, cost_usd=100)
        == "used more than was allowed: cost_usd: unknown of 100"
    )


def test_a_retry_is_no_further_step():
    result = desk(ModelUnavailable("refused", retry_after_s=0.0), says("x")).run_sync("go")
    assert_within(result, steps=1)


def test_it_works_on_results_records_recordings_and_files(tmp_path):
    desk_ = desk()
    thread = desk_.run_sync("go").thread_id
    records = tuple(run_sync(open_log(thread, desk_.store, desk_.world)).records)
    file = tmp_path / "t.jsonl"
    file.write_bytes(b"\n".join(map(encode_record, records)))
    for recorded in (records, list(records), iter(records), Recording(records), file, str(file)):
        assert_within(recorded, steps=3, seconds=60)
    for recorded in (records, Recording(records), file, str(file)):
        assert_trajectory(recorded, ["add", "send"])
        assert failure(assert_trajectory, recorded, ["add"])


def test_a_step_is_what_limits_count_also_in_an_evaluation():
    model = ScriptedModel(
        [lambda request: says("word " * 60)] * 20, context_tokens=1200, max_output_tokens=100
    )
    talking = agent(model, instructions="Be.")
    for number in range(9):
        run_sync(talking.run(f"{number} {'talk ' * 60}", thread="t"))
    records = run_sync(open_log("t", talking.store, talking.world)).records
    assert "compact" in {
        record.event.purpose for record in records if isinstance(record.event, ModelCalled)
    }
    assert_within(records, steps=9)
    assert grade(MaxSteps(9), Trial("c", 1, "t", "answered", records=records)).passed
    assert (
        grade(MaxSteps(8), Trial("c", 1, "t", "answered", records=records)).why == "it took 9 steps"
    )


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (lambda: assert_trajectory(RESULT, "add"), "wanted is the text 'add'; give a list"),
        (
            lambda: assert_trajectory(RESULT, [add]),
            "a wanted call is the Tool 'add'; give its name",
        ),
        (lambda: assert_trajectory(RESULT, [("add", {}, 1)]), "a wanted call is a tuple"),
        (lambda: assert_never_called(RESULT), "assert_never_called names no tool"),
        (lambda: assert_never_called(RESULT, add), "a tool is the Tool 'add'; give its name"),
        (lambda: assert_approvals_asked(RESULT, ["add"]), "a tool is a list; give its name"),
        (lambda: assert_within(RESULT), "assert_within names no limit; there are: steps, tokens"),
    ],
)
def test_what_asserts_nothing_or_something_else_is_refused(check, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        check()
