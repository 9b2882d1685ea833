"""Deleting threads: all that is theirs goes, what others need stays, and nobody works on."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from fakes import Door, agent, live, world
from treadle import Agent, MemoryStore, ScriptedModel, SQLiteStore, UsageError, tool
from treadle.core import events as e
from treadle.core.errors import SeqTaken, ThreadDeleted, UnknownThread
from treadle.models.scripted import calls, says
from treadle.notes.extraction import extract_notes
from treadle.notes.note import Note
from treadle.notes.note_store import NoteStore, note_store_for
from treadle.notes.notes import Notes
from treadle.runtime.children import open_tree
from treadle.runtime.delete import delete_threads, plan_deletion
from treadle.runtime.log import open_log
from treadle.runtime.require_log import require_log
from treadle.runtime.retention import delete_expired
from treadle.runtime.world import World
from treadle.stores.archive import find_damage
from treadle.stores.store import Row

CHILD = "c00005000"
SECRET = "Zarathustra47110"  # base64, too: in a picture
"""A text that is to be nowhere once its thread is deleted."""


@tool(needs_approval=True)
def pay() -> str:
    """Pay."""
    return "paid"


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryStore()
    else:
        with closing(SQLiteStore(tmp_path / "t.db")) as made:
            yield made


def desk(store, *script) -> Agent:
    """An agent that asks a checker, which works as a child."""
    checker = Agent(name="checker", model=ScriptedModel([says("checked")] * 3), store=store)
    own = script or (calls(("checker", {"task": "check"})), says("done"))
    return agent(ScriptedModel(list(own)), checker.as_tool(), store=store, name="desk")


def names(store, **filters) -> set[str]:
    return {info.thread_id for info in live(store.threads(**filters))}


def test_a_thread_goes_with_its_children_and_leaves_others_alone(store):
    team = desk(store)
    live(team.run("order 17", thread="order"))
    live(Agent(model=ScriptedModel([says("hi")]), store=store).run("hello", thread="other"))
    assert names(store, parent="order") == {f"order.{CHILD}"}
    done = live(team.delete("order"))
    assert done.threads == ("order", f"order.{CHILD}")
    assert names(store) == {"other"}
    with pytest.raises(UnknownThread):
        live(team.resume("order"))
    with pytest.raises(UnknownThread):
        live(team.delete("order"))
    assert live(find_damage(store)) == []


def test_a_name_that_was_deleted_can_be_used_anew(store):
    small = Agent(model=ScriptedModel([says("one"), says("two")]), store=store)
    live(small.run("hello", thread="t"))
    live(small.delete("t"))
    assert live(small.run("again", thread="t")).answer == "two"
    assert [each.records for each in live(store.threads())] == [7]


def test_a_child_alone_is_not_deleted(store):
    live(desk(store).run("order 17", thread="order"))
    with pytest.raises(UsageError, match="works for call c00005000 of thread order: delete that"):
        live(delete_threads(store, [f"order.{CHILD}"]))
    assert names(store) == {"order", f"order.{CHILD}"}


def test_a_fork_keeps_what_it_shares_and_takes_it_along_in_the_end(store):
    team = desk(store, calls(("checker", {"task": "check"})), says("done"), says("other"))
    live(team.run("order 17", thread="order"))
    fork = live(team.fork("order")).thread_id
    plan = live(plan_deletion(store, ["order"]))
    assert (plan.forks, plan.kept) == ((fork,), (f"order.{CHILD}",))
    done = live(team.delete("order"))
    assert done.threads == ("order",)
    assert names(store) == {fork, f"order.{CHILD}"}
    assert len(live(open_tree(live(require_log(fork, store, World()))))) == 2
    with pytest.raises(UsageError, match=f"shared by the fork {fork}"):
        live(delete_threads(store, [f"order.{CHILD}"]))
    last = live(team.delete(fork))
    assert set(last.threads) == {fork, f"order.{CHILD}"}
    assert names(store) == set()


def test_two_forks_share_a_child_until_the_last_one_goes(store):
    team = desk(store)
    live(team.run("order 17", thread="order"))
    first = live(team.fork("order")).thread_id
    second = live(team.fork(first)).thread_id
    for name in ("order", first):
        live(team.delete(name))
        assert f"order.{CHILD}" in names(store)
    assert set(live(team.delete(second)).threads) == {second, f"order.{CHILD}"}


def test_a_fork_that_left_before_the_child_began_keeps_nothing(store):
    team = desk(store)
    live(team.run("order 17", thread="order"))
    fork = live(team.fork("order", at=3)).thread_id
    assert live(team.delete("order")).kept == ()
    assert names(store) == {fork}


def test_what_somebody_drives_is_refused_and_stopped_where_that_is_wanted(store):
    async def whole() -> None:
        started = asyncio.Event()

        @tool
        async def slow() -> str:
            """Work."""
            started.set()
            await asyncio.sleep(1000)
            return "never"

        busy = agent(ScriptedModel([calls("slow")]), slow, store=store)
        running = asyncio.create_task(busy.run("go", thread="t"))
        await started.wait()
        with pytest.raises(UsageError, match="somebody alive drives t at this moment"):
            await busy.delete("t")
        assert len(await store.read("t")) > 3
        await busy.delete("t", stop=True)
        assert await store.threads() == []
        assert (await running).status == "cancelled"
        with pytest.raises(UnknownThread):
            await busy.resume("t")
        assert await store.threads() == []

    live(whole())


def test_whoever_still_works_on_a_deleted_thread_stops_and_writes_nothing(store):
    """Its driver wasn't seen to be alive: it is another machine's, say."""

    async def whole() -> None:
        log = await open_log("t", store, world())
        await log.append(e.ThreadStarted("a", "k"), e.ThreadClaimed("c"), e.UserSaid("hi"))
        await store.delete({"t": 3})
        with pytest.raises(ThreadDeleted, match="thread t was deleted; nothing more is written"):
            await log.append(e.TurnEnded("answered"))
        assert await store.read("t") == []
        with pytest.raises(ThreadDeleted):
            await log.refresh()

    live(whole())


def test_a_thread_begun_anew_under_the_name_is_no_continuation_of_the_deleted_one(store):
    async def whole() -> None:
        log = await open_log("t", store, world())
        await log.append(e.ThreadStarted("a", "k"), e.ThreadClaimed("c"), e.UserSaid("hi"))
        await store.delete({"t": 3})
        new = await open_log("t", store, World(now=lambda: 5e9))
        events = (e.ThreadStarted("a", "k2"), e.ThreadClaimed("d"), e.UserSaid("ho"))
        await new.append(*events, e.TurnEnded("cancelled"))
        with pytest.raises(ThreadDeleted):
            await log.append(e.TurnEnded("answered"))
        assert len(await store.read("t")) == 4

    live(whole())


def test_a_drive_whose_thread_is_deleted_is_woken_and_ends(store):
    async def whole() -> None:
        started = asyncio.Event()

        @tool
        async def slow() -> str:
            """Work."""
            started.set()
            await asyncio.sleep(1000)
            return "never"

        busy = agent(ScriptedModel([calls("slow")]), slow, store=store)
        running = asyncio.create_task(busy.run("go", thread="t"))
        await started.wait()
        await store.delete({"t": len(await store.read("t"))})
        with pytest.raises(ThreadDeleted, match="was deleted"):
            await running
        assert await store.threads() == []

    live(whole())


def test_nothing_is_deleted_once_somebody_has_written_to_one_of_the_threads(store):
    async def whole() -> None:
        for name in ("a", "b"):
            await store.append(name, [Row(1, 0.5, b"{}")])
        await store.append("b", [Row(2, 0.5, b"{}")])
        with pytest.raises(SeqTaken):
            await store.delete({"a": 1, "b": 1})
        assert {info.thread_id for info in await store.threads()} == {"a", "b"}

    live(whole())


def test_a_waiting_thread_says_what_nobody_will_be_able_to_decide(store):
    waits = agent(ScriptedModel([calls("pay")]), pay, store=store)
    live(waits.run("go", thread="t"))
    [pending] = live(plan_deletion(store, ["t"])).waiting
    assert (pending.name, pending.status) == ("pay", "waiting")
    live(waits.delete("t"))
    with pytest.raises(UnknownThread):
        live(waits.post("t", e.ApprovalGiven(pending.id, True, "ann")))


def write_note(notes: NoteStore, text: str, thread: str) -> str:
    note = Note("", text, "user", thread_id=thread, seq=3, origin="agent")
    return live(notes.write(note, key=text, now=1.0)).note.id


@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_notes_made_from_it_go_by_choice_and_else_no_longer_name_it(store, tmp_path, elsewhere):
    notes = NoteStore(tmp_path / "notes.db") if elsewhere else note_store_for(store)
    noted = Agent(model=ScriptedModel([says("a")] * 2), store=store, notes=Notes(notes))
    for name in ("one", "two"):
        live(noted.run("hello", thread=name))
    gone, kept = write_note(notes, "rides a bike", "one"), write_note(notes, "has a cat", "two")
    done = live(noted.delete("one", notes=True))
    assert done.notes == 1
    assert live(notes.get(gone)) is None
    assert live(noted.delete("two")).notes == 0
    left = live(notes.get(kept))
    assert left
    assert (left.text, left.thread_id, left.seq) == ("has a cat", "", 0)
    notes.close()


def test_the_thread_in_which_a_model_has_read_it_goes_too(store):
    listens = Agent(model=ScriptedModel([says("hi"), says("[]")]), store=store)
    live(listens.run(f"my name is {SECRET}", thread="t"))
    extracted = live(extract_notes(listens, "t", Notes(NoteStore(":memory:"))))
    assert extracted.threads
    assert set(live(listens.delete("t")).threads) == {"t", *extracted.threads}
    assert names(store) == set()


def files_with(folder: Path, text: str) -> list[str]:
    """The files of this folder in which these bytes are."""
    return [path.name for path in sorted(folder.iterdir()) if text.encode() in path.read_bytes()]


def test_no_byte_of_it_is_left_in_any_file(tmp_path):
    """Among many threads, so that SQLite has moved rows from page to page."""
    path = tmp_path / "t.db"

    async def whole() -> None:
        store = SQLiteStore(path)
        notes = note_store_for(store)
        picture = e.Image(f"data:image/png;base64,{SECRET}")
        for number in range(60):
            mine = number % 3 == 0
            text = f"{SECRET} {number} " * (400 if number % 2 else 1) if mine else "plain " * 50
            name = f"{SECRET}-{number}" if mine else f"{number:032x}"
            said = e.UserSaid((text, picture), key=f"{name}-key") if mine else e.UserSaid(text)
            who = Agent(
                name=SECRET if mine else "b", model=ScriptedModel([says(text)]), store=store
            )
            await who.run(said, thread=name)
        note = Note("", f"{SECRET} noted", "user", thread_id=f"{SECRET}-0", about=SECRET)
        placed = await notes.write(note, key="k", now=1.0)
        await notes.save_vectors(SECRET, {placed.note.id: SECRET.encode() * 9})
        assert files_with(tmp_path, SECRET)
        gone = [info.thread_id for info in await store.threads(agent=SECRET)]
        assert len(gone) == 20
        done = await delete_threads(store, gone, notes=True)
        assert (len(done.threads), done.notes, done.left) == (20, 1, "")
        assert files_with(tmp_path, SECRET) == []
        assert await store.was_deleted(f"{SECRET}-0", f"{SECRET}-0-key")
        assert not await store.was_deleted(f"{SECRET}-0", "other")
        store.close()
        notes.close()

    asyncio.run(whole())
    assert files_with(tmp_path, SECRET) == []
    assert {each.name for each in tmp_path.iterdir()} <= {"t.db", "t.db-drivers"}


def test_retention_takes_what_is_old_with_its_children_and_forks_as_one(store):
    async def whole() -> None:
        clock = [0.0]
        now = World(now=lambda: clock[0])
        team = desk(store, *[says("a")] * 4, calls(("checker", {"task": "t"})), says("b"))
        made = Agent(model=team.model, tools=team.tools, name="desk", store=store, world=now)
        for name in ("old", "forked", "young"):
            clock[0] = 0.0 if name != "young" else 50.0
            await made.run("hello", thread=name)
        clock[0] = 60.0
        await made.fork("forked")
        clock[0] = 0.0
        await made.run("ask", thread="again")
        await made.run("check", thread="again")
        done = await delete_expired(store, "30s", now=lambda: 70.0)
        assert set(done.threads) == {"old", *(n for n in done.threads if n.startswith("again"))}
        assert len(done.threads) == 3
        left = {info.thread_id for info in await store.threads(parent="")}
        assert {"forked", "young"} < left
        assert (await delete_expired(store, "30s", now=lambda: 70.0)).threads == ()

    live(whole())


def test_the_age_is_the_store_s_setting_unless_another_is_given(tmp_path):
    with pytest.raises(UsageError, match="'soon' is no age"):
        SQLiteStore(tmp_path / "t.db", retention="soon")
    with pytest.raises(UsageError, match='retention is an int; give an age such as "90d"'):
        MemoryStore(retention=90)  # type: ignore[arg-type]
    store = MemoryStore(retention="1h")
    small = Agent(model=ScriptedModel([says("a")]), store=store, world=World(now=lambda: 0.0))
    live(small.run("hello", thread="t"))
    assert live(delete_expired(store, now=lambda: 3599.0)).threads == ()
    assert live(delete_expired(store, now=lambda: 3601.0)).threads == ("t",)
    with pytest.raises(UsageError, match="say how old"):
        live(delete_expired(MemoryStore()))


def test_a_store_that_cannot_delete_says_so():
    store = Door(MemoryStore())
    with pytest.raises(UsageError, match="a Door can't delete threads"):
        live(delete_threads(store, ["t"]))
    with pytest.raises(UnknownThread):
        live(require_log("t", store, World()))
