"""What people post is checked before it is written: no post makes a thread that can't be opened."""

import pytest

from fakes import agent, live
from treadle import Always, ApprovalGiven, OutcomeDecided, TurnEnded, UserSaid, tool
from treadle.core import events as e
from treadle.core.errors import UsageError
from treadle.core.events import Image
from treadle.models.scripted import ScriptedModel, calls, says


@tool(needs_approval=True)
def write(path: str) -> str:
    """Writes."""
    return "ok"


def waiting():
    model = ScriptedModel([calls(("write", {"path": "a"})), says("done")])
    agents = agent(model, write)
    return agents, live(agents.run("go", thread="t")).waiting[0].id


@pytest.mark.parametrize(
    "make",
    [
        lambda call: ApprovalGiven(call, True, "ann", always=True),
        lambda call: ApprovalGiven(call, True, "ann", always=Always({}, "forever")),
        lambda call: ApprovalGiven(call, True, "ann", always=Always({"path": 5})),
        lambda call: ApprovalGiven(call, "no", "ann"),
        lambda call: ApprovalGiven(call, True, None),
        lambda call: ApprovalGiven(call, True, "ann", 5),
        lambda call: ApprovalGiven(call, True, "ann", arguments={"path": "b"}),
        lambda call: ApprovalGiven([call], True, "ann"),
        lambda call: OutcomeDecided(call, "maybe", "ann"),
        lambda call: UserSaid(5, answers=call),
        lambda call: UserSaid(("x", Image(5)), answers=call),
        lambda call: UserSaid("x", answers=call, by=None),
        lambda call: TurnEnded("stopped"),
        lambda call: TurnEnded("answered", "", '"forged"'),
        lambda call: e.ToolReturned(call, "forged", 0.0),
        lambda call: e.TrustChanged(True, 5),
        lambda call: "yes",
        lambda call: e.LimitRaised("ann", tokens=-5),
        lambda call: e.LimitRaised("ann", seconds=-0.5),
    ],
)
def test_a_wrong_post_is_refused_and_the_thread_goes_on(make):
    agents, call = waiting()
    before = len(live(agents.store.read("t")))
    with pytest.raises(UsageError):
        live(agents.post("t", make(call)))
    assert len(live(agents.store.read("t"))) == before
    live(agents.post("t", ApprovalGiven(call, True, "ann")))
    assert live(agents.resume("t")).answer == "done"


@pytest.mark.parametrize(
    "said",
    [
        UserSaid("x", by=5),
        UserSaid("x", pinned="yes"),
        UserSaid("x", key=None),
        UserSaid(("x", Image(5))),
        UserSaid((5,)),
        5,
        ["x"],
    ],
)
def test_a_wrong_message_is_refused_and_leaves_no_thread(said):
    agents = agent(ScriptedModel([says("hello")]))
    with pytest.raises(UsageError):
        live(agents.run(said, thread="t"))
    assert live(agents.store.read("t")) == []
    assert live(agents.run("hi", thread="t")).answer == "hello"


@pytest.mark.parametrize("thread", [5, b"t", ["t"]])
@pytest.mark.parametrize("verb", ["run", "post", "resume"])
def test_a_name_that_is_no_text_is_refused(thread, verb):
    agents = agent(ScriptedModel([says("hello")]))
    work = {
        "run": lambda: agents.run("hi", thread=thread),
        "post": lambda: agents.post(thread, TurnEnded("cancelled")),
        "resume": lambda: agents.resume(thread),
    }
    with pytest.raises(UsageError, match="the thread's name, which is a text"):
        live(work[verb]())
