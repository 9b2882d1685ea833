"""A thread that killed eight processes: how the command line shows it, and lets it go on."""

from cli.commandline import Treadle
from cli.test_chat import events
from cli.test_show import stored
from treadle.core import events as e
from treadle.core.state import MAX_CLAIMS

CALL = e.Call("c00005000", "add", '{"a": 1, "b": 2}')
TOOLS = {"add": e.ToolDescription("Add.", {}, idempotent=True)}


def crashed(thread_id: str, *opening: e.Event, call: e.Call = CALL) -> None:
    """The log that so many processes leave which an idempotent tool has killed."""
    started = e.ToolStarted(call.id, "key")
    stored(
        thread_id,
        *(opening or (e.ThreadStarted("agent", "k"),)),
        e.ThreadClaimed("first"),
        e.UserSaid("go"),
        e.AgentDescribed("agent", "scripted", "Be brief.", TOOLS),
        e.ModelCalled("scripted", "hash", 10, 10),
        e.ModelReplied((call,), e.Usage(10, 5), 0.1),
        started,
        *(each for n in range(MAX_CLAIMS) for each in (e.ThreadClaimed(f"w{n}"), started)),
    )


def parent_of_one_parked() -> None:
    kid = e.Call("c00005000", "kid", '{"task": "x"}')
    waits = e.PendingDecision("mine.c00005000", "", "", "", "parked", "8 processes died")
    stored(
        "mine",
        *(e.ThreadStarted("agent", "k"), e.ThreadClaimed("w"), e.UserSaid("go")),
        *(e.ModelCalled("scripted", "hash", 10, 10), e.ModelReplied((kid,), e.Usage(), 0.1)),
        *(e.ToolStarted(kid.id, "key"), e.ChildStarted(kid.id, waits.thread_id)),
        e.ChildWaits(kid.id, (waits,)),
    )
    crashed(waits.thread_id, e.ThreadStarted("agent", "k", "mine", kid.id, 1))


def test_a_parked_thread_is_named_wherever_it_is_shown(treadle: Treadle) -> None:
    crashed("mine")
    before = events("mine")
    assert " parked " in treadle("threads").out
    assert "see treadle explain THREAD, then treadle approve THREAD" in treadle("threads").err
    assert treadle("threads", "--status", "parked").out.startswith("mine ")
    assert treadle("threads", "--status", "waiting").out == ""
    why = "8 processes in a row have taken the thread and left no progress; open: the call c00005000 of add"
    shown = treadle("show", "mine").out
    assert f"thread mine is parked: {why}; let it go on: treadle approve mine" in shown
    told = treadle("explain", "mine", agent="echoes").out
    assert "thread mine: waiting" in told
    assert f"let thread mine go on, or cancel it: it is parked, because {why}" in told
    assert "treadle resume would:\n  nothing, until somebody lets the thread go on" in told
    assert "how:\n  treadle approve mine" in told
    resumed = treadle("resume", "mine", agent="echoes")
    assert resumed.code == 4
    assert f"waits for you: parked: {why}" in resumed.err
    assert "or from elsewhere: treadle approve mine" in resumed.err
    assert events("mine") == before


def test_approve_lets_a_parked_thread_go_on_once(treadle: Treadle) -> None:
    crashed("mine")
    denied = treadle("approve", "mine", "--deny")
    assert denied.code == 2
    assert "stays parked until it is let go on or cancelled; nothing was written" in denied.err
    ran = treadle("approve", "mine", "--by", "ann", "--why", "mended")
    assert (ran.code, ran.out) == (0, "")
    assert "allowed: thread mine may go on\n" in ran.err
    assert events("mine")[-1] == e.ApprovalGiven("", True, "ann", "mended")
    assert "✓ ann lets the parked thread go on: mended" in treadle("show", "mine").out
    again = treadle("approve", "mine")
    assert again.code == 2
    assert "ann let it go on at " in again.err
    assert "let it go on" not in treadle("explain", "mine", agent="echoes").out
    assert treadle("resume", "mine", agent="echoes").out == "4: 3\n"


def test_a_person_at_the_terminal_is_asked_whether_it_may_go_on(treadle: Treadle) -> None:
    crashed("mine")
    left = treadle("resume", "mine", agent="echoes", typed="n\n")
    assert left.code == 4
    assert "thread mine is parked:" in left.err
    assert "may have had its effect" not in left.err
    ran = treadle("resume", "mine", agent="echoes", typed="y\n")
    assert (ran.code, ran.out) == (0, "4: 3\n")


def test_a_parked_thread_can_be_cancelled(treadle: Treadle) -> None:
    crashed("mine")
    assert treadle("cancel", "mine", "--by", "ann").code == 0
    assert " cancelled " in treadle("threads").out


def test_a_child_that_is_parked_is_decided_at_its_parent(treadle: Treadle) -> None:
    parent_of_one_parked()
    child = "mine.c00005000"
    assert " waiting " in treadle("threads").out
    assert f"thread {child} is parked: 8 processes" in treadle("show", "mine").out
    assert f"let thread {child} go on" in treadle("explain", "mine", agent="echoes").out
    ran = treadle("approve", "mine", "--by", "ann")
    assert ran.code == 0
    assert f"allowed: thread {child} may go on" in ran.err
    assert "go on: treadle resume mine" in ran.err
    assert events(child)[-1] == e.ApprovalGiven("", True, "ann")
    assert treadle("approve", "mine").code == 2


def test_a_decision_at_the_terminal_is_bound_to_what_was_shown(treadle: Treadle) -> None:
    treadle("send it", "-t", "yes", agent="sends", typed="y\n")
    treadle("send it", "-t", "no", agent="sends", typed="n\nrude\n")
    treadle("send it", "-t", "always", agent="twice", typed="a\n\n\n\n\n")
    for thread in ("yes", "no", "always"):
        given = [event for event in events(thread) if isinstance(event, e.ApprovalGiven)]
        assert given
        assert all(event.digest for event in given)
