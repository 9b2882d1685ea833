import asyncio
from typing import Any

import pytest

from fakes import agent, live, names, world
from treadle import Agent, Context, MemoryStore, Record, ScriptedModel, tool
from treadle.core import events as e
from treadle.core.errors import IllegalEvent, UnknownThread, UsageError
from treadle.core.state import fold
from treadle.models.scripted import calls, says
from treadle.runtime.fork import Fork, find_started_calls, fork
from treadle.runtime.log import open_log


@tool
def pay(amount: int, context: Context) -> str:
    """Pay."""
    return f"paid {amount} under {context.idempotency_key}"


@tool(needs_approval=True)
def wire(amount: int) -> str:
    """Wire."""
    return f"wired {amount}"


class Threads:
    """A store with a parent of two turns in it, the second of which waits for approval."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.world = world()
        script = [
            calls(("pay", {"amount": 1})),
            says("paid"),
            calls(("pay", {"amount": 2}), ("wire", {"amount": 3})),
        ]
        self.parent = self.agent(*script)
        live(self.parent.run("pay one", thread="parent"))
        live(self.parent.run("pay two and wire three", thread="parent"))

    def agent(self, *script: Any) -> Agent:
        return agent(ScriptedModel(script), pay, wire, store=self.store, world=self.world)

    def fork(self, **where: Any) -> Fork:
        return live(fork(self.store, "parent", world=self.world, **where))

    def records(self, thread: str = "parent") -> list[Record]:
        return live(open_log(thread, self.store, self.world)).records


@pytest.fixture
def threads() -> Threads:
    return Threads()


def keys(records: list[Record]) -> dict[str, str]:
    return {
        record.event.call_id: record.event.key
        for record in records
        if isinstance(record.event, e.ToolStarted)
    }


def facts(records: list[Record]) -> list[tuple[int, float, e.Event]]:
    return [(record.seq, record.at, record.event) for record in records]


def test_a_fork_shares_the_records_up_to_the_one_it_is_made_at(threads: Threads) -> None:
    parent = threads.records()
    for at in range(1, len(parent) + 1):
        child = threads.records(threads.fork(at=at).thread_id)
        assert facts(child[:at]) == facts(parent[:at])
        assert len(child) == at + 1
        forked = child[-1].event
        assert isinstance(forked, e.ThreadForked)
        assert (forked.parent_thread_id, forked.at_seq) == ("parent", at)


def test_without_a_place_it_shares_all(threads: Threads) -> None:
    assert len(threads.records(threads.fork().thread_id)) == len(threads.records()) + 1


def test_nothing_is_written_to_the_parent_and_both_go_on_by_themselves(threads: Threads) -> None:
    before = threads.records()
    child = threads.fork().thread_id
    waiting = fold(threads.records(child)).turn
    assert waiting is not None
    [call] = [call for call in waiting.calls.values() if call.status == "waiting"]
    live(threads.parent.post(child, e.ApprovalGiven(call.id, False, "ann")))
    assert live(threads.agent(says("not wired")).resume(child)).answer == "not wired"
    assert threads.records() == before
    live(threads.parent.post("parent", e.ApprovalGiven(call.id, True, "ann")))
    assert live(threads.agent(says("wired")).resume("parent")).answer == "wired"
    assert names(threads.records(child))[-1] == "TurnEnded"


def test_shared_calls_keep_their_idempotency_keys_and_new_ones_get_others(threads: Threads) -> None:
    """The same call at the same place in the log: in the parent, and in two forks."""
    asks = (calls(("pay", {"amount": 9})), says("ok"))
    forks = [threads.fork(edit="pay nine").thread_id for _ in range(2)]
    for child in forks:
        live(threads.agent(*asks).resume(child))
    first, second = (keys(threads.records(child)) for child in forks)
    shared = keys(threads.records()).items() & first.items()
    assert len(shared) == 1
    assert shared <= second.items()
    assert len(set(first.values()) | set(second.values())) == 3
    assert (
        len(
            {key for made in (first, second) for key in made.values()}
            & set(keys(threads.records()).values())
        )
        == 1
    )


@pytest.mark.parametrize("allowed", ["before", "after"])
def test_an_open_call_that_has_yet_to_begin_has_a_key_of_its_own_in_each_fork(
    threads: Threads, allowed: str
) -> None:
    """Under one key, a service would do the first one's effect and give the others its result."""
    state = fold(threads.records())
    [wired] = [call for call in state.calls.values() if call.name == "wire"]
    approval = e.ApprovalGiven(wired.id, True, "ann")
    if allowed == "before":
        live(threads.parent.post("parent", approval))
    forks = [threads.fork().thread_id for _ in range(2)]
    ran = set()
    for thread in ("parent", *forks):
        if thread != "parent" or allowed == "after":
            live(threads.agent().resume(thread))
            live(threads.parent.post(thread, approval))
        live(threads.agent(says("ok")).resume(thread))
        ran.add(keys(threads.records(thread))[wired.id])
    assert len(ran) == 3


def test_the_same_call_made_again_in_a_fork_has_another_key(threads: Threads) -> None:
    asks = (calls(("pay", {"amount": 2})), says("ok"))
    child = threads.fork(edit="pay two and wire three").thread_id  # the very message of the parent
    live(threads.agent(*asks).resume(child))
    mine, theirs = keys(threads.records(child)), keys(threads.records())
    assert next(iter(mine.values())) == next(iter(theirs.values()))
    assert not set([*mine.values()][1:]) & set(theirs.values())


def test_an_edit_says_something_else_instead_of_the_message(threads: Threads) -> None:
    model = ScriptedModel([says("as you like")])
    child = threads.fork(edit="do nothing").thread_id
    agents = agent(model, pay, wire, store=threads.store, world=threads.world)
    result = live(agents.resume(child))
    assert result.answer == "as you like"
    told = [message.text for message in model.seen[0].messages if message.role == "user"]
    assert told == ["pay one", "do nothing"]


def test_an_edit_is_of_the_same_person(threads: Threads) -> None:
    said = e.UserSaid("pay two", by="ann", pinned=True)
    live(threads.agent(says("no")).run(said, thread="ann"))
    forked = live(fork(threads.store, "ann", edit="pay three", world=threads.world))
    edited = threads.records(forked.thread_id)[-1].event
    assert edited == e.UserSaid("pay three", by="ann", pinned=True)


def test_an_edit_of_the_words_keeps_pictures_and_files(threads: Threads) -> None:
    picture = e.Image("data:image/png;base64,aGk=")
    paper = e.File("a.txt", "data:text/plain;base64,aGk=")
    said = e.UserSaid((picture, "look", paper, "at this"), by="ann")
    live(threads.agent(says("no")).run(said, thread="ann"))
    for edit, content in [
        ("see", (picture, "see", paper)),
        (e.UserSaid("see"), (picture, "see", paper)),
        (e.UserSaid(("see",)), ("see",)),
        (e.UserSaid((paper, "see")), (paper, "see")),
    ]:
        forked = live(fork(threads.store, "ann", edit=edit, world=threads.world))
        assert threads.records(forked.thread_id)[-1].event.content == content


def test_an_edit_of_an_earlier_message_drops_all_after_it(threads: Threads) -> None:
    child = threads.fork(at=3, edit="pay nothing").thread_id
    assert names(threads.records(child)) == [
        "ThreadStarted",
        "ThreadClaimed",
        "ThreadForked",
        "UserSaid",
    ]
    assert live(threads.agent(says("fine")).resume(child)).answer == "fine"


def test_what_the_parent_wrote_after_the_fork_is_not_seen(threads: Threads) -> None:
    child = threads.fork(at=3).thread_id
    assert [call.name for call in find_started_calls(threads.records(child))] == []
    assert live(threads.agent(says("another answer")).resume(child)).answer == "another answer"


def test_it_tells_which_effects_the_shared_part_has_had(threads: Threads) -> None:
    done = threads.fork(edit="other").ran
    assert [(call.name, call.arguments) for call in done] == [("pay", '{"amount": 1}')]
    assert [call.arguments for call in threads.fork().ran] == ['{"amount": 1}', '{"amount": 2}']
    assert threads.fork(at=3).ran == ()


def test_effects_are_told_with_the_arguments_that_ran(threads: Threads) -> None:
    [call] = [
        call for call in fold(threads.records()).turn.calls.values() if call.status == "waiting"
    ]  # type: ignore[union-attr]
    live(
        threads.parent.post(
            "parent", e.ApprovalGiven(call.id, True, "ann", arguments='{"amount": 30}')
        )
    )
    live(threads.agent(says("done")).resume("parent"))
    assert threads.fork().ran[-1] == e.Call(call.id, "wire", '{"amount": 30}')


def test_a_fork_at_a_call_that_runs_holds_it_for_a_decision() -> None:
    """The parent may still finish it: the fork must not do it a second time by itself."""
    threads = Threads()
    gate, done = asyncio.Event(), []

    @tool
    async def slow() -> str:
        await gate.wait()
        done.append(1)
        return "done"

    async def whole() -> None:
        agents = agent(
            ScriptedModel([calls("slow"), says("ok")]),
            slow,
            store=threads.store,
            world=threads.world,
        )
        running = asyncio.create_task(agents.run("go", thread="running"))
        await asyncio.sleep(1)
        forked = await fork(threads.store, "running", world=threads.world)
        assert [call.name for call in forked.ran] == ["slow"]
        result = await agents.resume(forked.thread_id)
        assert (result.status, [call.status for call in result.waiting]) == ("waiting", ["unknown"])
        gate.set()
        assert (await running).answer == "ok"
        assert done == [1]

    live(whole())


def test_a_fork_of_a_fork_shares_both(threads: Threads) -> None:
    child = threads.fork(edit="pay nine").thread_id
    live(threads.agent(calls(("pay", {"amount": 9})), says("ok")).resume(child))
    grandchild = live(
        fork(threads.store, child, edit="pay ten", at=None, world=threads.world)
    ).thread_id
    live(threads.agent(calls(("pay", {"amount": 10})), says("ok")).resume(grandchild))
    events = threads.records(grandchild)
    assert sum(isinstance(record.event, e.ThreadForked) for record in events) == 2
    assert fold(events).turn.ended is not None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("at", "edit"), [(0, None), (99, None), (-1, None), (0, "x"), (2, "x"), (99, "x"), (-1, "x")]
)
def test_a_place_that_cannot_be_is_refused_and_says_which_can(
    threads: Threads, at: int, edit: str | None
) -> None:
    with pytest.raises(UsageError, match=r"1 to \d+|those that do: 3, 13"):
        threads.fork(at=at, edit=edit)


@pytest.mark.parametrize("edit", ["", " \n", 5, b"x", e.UserSaid("")])
def test_an_edit_that_says_nothing_or_is_no_message_is_refused(threads: Threads, edit: Any) -> None:
    with pytest.raises(UsageError, match=r"the message is empty|what is said must be"):
        threads.fork(edit=edit)


def test_an_unknown_thread_is_refused(threads: Threads) -> None:
    with pytest.raises(UnknownThread, match="'nobody'"):
        live(fork(threads.store, "nobody", world=threads.world))


def test_a_fork_record_in_the_wrong_place_is_refused() -> None:
    with pytest.raises(IllegalEvent, match="ThreadForked"):
        fold([Record("t", 1, 0.0, e.ThreadForked("p", 0, "k"))])
