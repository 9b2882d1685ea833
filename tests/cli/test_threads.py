"""Which thread a person means by a name, or by `last`."""

from contextlib import closing

from fakes import agent, live
from treadle import Agent, ScriptedModel, SQLiteStore
from treadle.cli.threads import resolve_thread
from treadle.models.scripted import calls, says


def test_the_last_thread_may_be_a_fork_of_a_child_but_no_child(tmp_path) -> None:
    with closing(SQLiteStore(tmp_path / "t.db")) as store:
        model = ScriptedModel([says("inner"), says("on")])
        inner = Agent(name="inner", model=model, store=store)
        script = [calls(("inner", {"task": "x"})), says("done")]
        top = agent(ScriptedModel(script), inner.as_tool(), store=store)
        live(top.run("go", thread="t"))
        [child] = store.list_children("t")
        live(store.append("other", live(store.read("t"))))
        assert resolve_thread(store, "last") == "other"
        forked = live(inner.fork(child)).thread_id
        live(inner.run("and?", thread=forked))
        assert resolve_thread(store, "last") == forked
