"""A thread that was begun in one dialect goes on in each of the others, and comes back."""

import asyncio
from itertools import permutations

import pytest

from conformance.conversation import Calls, Conversation, Dialect, Says, Searches, Thinks, reply
from conformance.lines import SEALED
from conformance.suite import DIALECTS, Ran, make_agent, make_model, read_run
from treadle import MemoryStore

BEGUN = Conversation(
    "all that a reply can hold",
    said=("Draw a cat, add 1 and 2, and look it up.", "Thanks."),
    replies=(
        reply(
            Thinks("Three things."),
            Searches("x", "https://a.test", "A"),
            Says("I draw."),
            Calls("draw", {"what": "a cat"}),
            Calls("add", {"a": 1, "b": 2}),
        ),
        reply(Thinks(), Says("There it is.")),
        reply(Says("You are welcome again.")),
    ),
    log="",
)
ASIDE = ("thinks", "searches", "finds")
"""What only its own model understands."""


async def speak(first: Dialect, second: Dialect) -> tuple[Ran, Ran]:
    """The first turn in one dialect, the second in the other, the third in the first again."""
    store = MemoryStore()
    async with (
        DIALECTS[first].module.serve(BEGUN.replies) as began,
        DIALECTS[second].module.serve([reply(Says("You are welcome."))]) as went_on,
    ):
        agent = make_agent([make_model(first, began)], store=store)
        other = make_agent([make_model(second, went_on)], store=store)
        await agent.run("Draw a cat, add 1 and 2, and look it up.", thread="t")
        await other.run("Thanks.", thread="t")
        after_two = await read_run(BEGUN, second, went_on, store)
        await agent.run("And thanks.", thread="t")
        return after_two, await read_run(BEGUN, first, began, store)


@pytest.mark.parametrize(("first", "second"), list(permutations(DIALECTS, 2)))
def test_a_thread_goes_on_in_another_dialect_and_comes_back(first: Dialect, second: Dialect):
    other, back = asyncio.run(speak(first, second))
    assert other.faults == back.faults == []
    said = [line for line in other.prompt if not line.startswith("beside:")]
    picture = " [picture image/png iVBORw0KGgo=]"
    shown = [line for line in other.shown if line.partition(":")[0] not in ASIDE]
    if second == "chat":
        shown = [line.removesuffix(picture) for line in shown]
        assert picture.strip() in " ".join(other.prompt)
    assert said == shown
    assert other.log[-1] == "ends: answered"
    # Its own thoughts are there again for the model that began.
    assert "thinks: Three things." in back.prompt
    assert f"thinks: {SEALED}" in back.prompt
    assert "says: You are welcome." in back.prompt
