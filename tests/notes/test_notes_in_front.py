"""An agent with notes: what a new thread is told of them, and that its log says which."""

from fakes import agent, found, live
from notes.fakes import written
from treadle import Agent, MemoryStore, Notes
from treadle.core import events as e
from treadle.models.scripted import ScriptedModel, calls, says


def shop(*script, store=None, **settings):
    store = store or MemoryStore()
    notes = Notes(**settings)
    agents = agent(ScriptedModel(script), store=store, notes=notes)
    kept = notes.bind(store, agents.world)
    for text in ("Ann is vegan", "the budget is 300 euros"):
        written(kept, text)
    return agents, kept


def test_a_new_thread_begins_with_the_notes_that_have_to_do_with_it_and_the_log_says_which():
    agents, kept = shop(says("No meat."), says("No fish either."))
    result = live(agents.run("Is Ann vegan?", thread="t"))
    log = live(records(agents, "t"))
    [recalled] = [record.event for record in log if isinstance(record.event, e.NotesRecalled)]
    [note] = [note for note in live(kept.store.notes()) if note.text == "Ann is vegan"]
    assert recalled.ids == (note.id,)
    seen = agents.model.seen[0].messages
    assert [message.role for message in seen] == ["user"]
    assert seen[0].text == f"{recalled.text}\n\nIs Ann vegan?"
    assert "Ann is vegan" in seen[0].text
    assert "300 euros" not in seen[0].text
    assert result.answer == "No meat."
    live(agents.run("And the budget?", thread="t"))
    assert len([r for r in live(records(agents, "t")) if isinstance(r.event, e.NotesRecalled)]) == 1
    assert live(agents.replay("t")) is None


async def records(agents, thread):
    from treadle.runtime.log import open_log

    return (await open_log(thread, agents.store, agents.world)).records


def test_where_no_note_has_to_do_with_it_none_is_put_before_it():
    agents, _ = shop(says("Hello."))
    result = live(agents.run("xyzzy", thread="t"))
    assert not [r for r in live(records(agents, "t")) if isinstance(r.event, e.NotesRecalled)]
    assert len(agents.model.seen[0].messages) == 1
    assert result.status == "answered"


def test_forgetting_a_note_changes_no_thread_that_began_with_it():
    agents, kept = shop(says("No meat."), says("Still none."))
    live(agents.run("Is Ann vegan?", thread="t"))
    for note in live(kept.store.notes()):
        live(kept.store.forget(note.id))
    live(agents.run("Sure?", thread="t"))
    assert "Ann is vegan" in agents.model.seen[1].messages[0].text


def test_its_tools_keep_and_find_notes_in_the_file_of_its_threads():
    agents, _ = shop(
        calls(("remember", {"text": "Ann likes plums"})), says("noted"), says("Plums.")
    )
    live(agents.run("Ann likes plums.", thread="t"))
    assert [tool.name for tool in agents.model.seen[0].tools] == ["remember", "recall", "forget"]
    live(agents.run("What fruit, plums or pears?", thread="u"))
    assert "Ann likes plums" in agents.model.seen[2].messages[0].text


def test_the_budget_binds():
    agents, _ = shop(says("ok"), budget_tokens=10)
    live(agents.run("Is Ann vegan?", thread="t"))
    assert len(agents.model.seen[0].messages) == 1


def test_a_child_is_told_by_its_caller_alone():
    store = MemoryStore()
    helper, _ = shop(says("no meat"), store=store)
    top = agent(
        ScriptedModel([calls(("helper", {"task": "Is Ann vegan?"})), says("none")]),
        Agent(model=helper.model, notes=helper.notes, name="helper").as_tool(),
        store=store,
    )
    result = live(top.run("go"))
    assert found(result, e.ToolReturned)[0].content.endswith("no meat")
    assert len(helper.model.seen[0].messages) == 1
