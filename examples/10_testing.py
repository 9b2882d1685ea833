"""Testing: a tool alone, the calls of a scripted model, limits. `python -m pytest` runs it too."""

from treadle import Agent, Limits, MemoryStore, Result, ScriptedModel, tool
from treadle.models import Reply
from treadle.testing import assert_never_called, assert_no_errors, assert_trajectory, calls, says


@tool(read_only=True)
def stock(item: str) -> int:
    """How many of an item are in stock."""
    return {"lamp": 17}[item]


LOOK = calls(("stock", {"item": "lamp"}))


def run(*script: Reply) -> Result:
    """What comes of a question when the model says this; no network, no key."""
    model = ScriptedModel(script)
    agent = Agent(tools=[stock], limits=Limits(steps=3), model=model, store=MemoryStore())
    return agent.run_sync("How many lamps?")


def test_the_tool_alone() -> None:
    assert stock.function("lamp") == 17


def test_the_calls_it_makes() -> None:
    result = run(LOOK, says("There are 17."))
    assert_trajectory(result, [("stock", {"item": "lamp"})])
    assert_no_errors(result)
    assert result.answer == "There are 17."


def test_a_call_that_is_wrong() -> None:
    # An unknown tool, then malformed JSON: the model is told of both.
    result = run(calls("refund"), calls(("stock", '{"item": ')), says("I can't say."))
    assert (result.status, result.summary().tool_errors) == ("answered", 2)
    assert_never_called(result, "delete_*")


def test_a_model_that_never_ends() -> None:
    result = run(*[LOOK] * 3, says("17, I think."))  # at a limit it is asked for an answer
    assert (result.status, result.answer) == ("limit", "17, I think.")


def main() -> None:
    for name, test in globals().items():
        if name.startswith("test_"):
            test()
            print(f"{name}: passed")
    try:
        assert_trajectory(run(LOOK, says("There are 17.")), [("stock", {"item": "desk"})])
    except AssertionError as error:
        print(f"as it should, this fails: {error}")


if __name__ == "__main__":
    main()
