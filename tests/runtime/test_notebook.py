"""What a notebook shows: text, and HTML in which nothing that a model wrote is markup."""

from dataclasses import dataclass

from fakes import agent, live
from treadle import ScriptedModel, tool
from treadle.graphs.graph import Graph
from treadle.graphs.nodes import END, START, Choice, Edge, Node
from treadle.models.scripted import calls, says

HOSTILE = '<script>alert(1)</script> & "x"'
SAFE = "&lt;script&gt;alert(1)&lt;/script&gt; &amp;"


@tool
def look(what: str) -> str:
    """Looks."""
    return "ok"


def test_a_result_and_a_thread_show_themselves_and_run_nothing():
    agents = agent(ScriptedModel([calls(("look", {"what": "x"})), says(HOSTILE)]), look)
    result = live(agents.run("hi", thread="<t>"))
    shown = result._repr_mimebundle_(include=None, exclude=None)
    assert "<script" not in shown["text/html"]
    assert SAFE in shown["text/html"]
    assert "&lt;t&gt;" in shown["text/html"]
    assert shown["text/plain"].startswith(f"answered\n{HOSTILE}\nthread: <t>\n")
    summary = live(agents.summary("<t>"))._repr_mimebundle_()
    assert "tool calls: 1 look" in summary["text/plain"]
    assert "thread &lt;t&gt;" in summary["text/html"]


def test_a_result_that_is_printed_is_short():
    """Its records alone are pages: the descriptions and schemas of all tools."""
    printed = repr(live(agent(ScriptedModel([says("Hi.")]), look).run("hi", thread="t")))
    assert printed.startswith("Result(thread_id='t', status='answered', answer='Hi.'")
    assert "records" not in printed
    assert len(printed) < 500


def test_what_a_model_wrote_controls_no_terminal_of_ipython():
    shown = live(
        agent(ScriptedModel([says("\x1b]0;evil\x07\nnext")])).run("hi")
    )._repr_mimebundle_()
    assert shown["text/plain"].startswith("answered\n\\x1b]0;evil\\x07\nnext\n")
    assert "\x1b" not in shown["text/html"]


def test_what_a_model_wrote_hides_nothing_in_a_notebook():
    hidden = "pay \u202e001\u202c\u200b\U000e0041"
    shown = live(agent(ScriptedModel([says(hidden)])).run("hi"))._repr_mimebundle_()
    assert "pay \\u202e001\\u202c\\u200b\\U000e0041" in shown["text/plain"]
    assert shown["text/html"].isascii()


def test_a_graph_shows_itself_as_mermaid_and_in_tables():
    @dataclass
    class Work:
        count: int = 0

    def add(count: int) -> int:
        return count + 1

    def enough(count: int) -> str:
        return "yes"

    edges = [Edge(START, "add"), Choice("add", enough, {"<no>": "add", "yes": END})]
    graph = Graph(Work, [Node(add, "count")], edges)
    shown = graph._repr_mimebundle_()
    assert shown["text/vnd.mermaid"] == shown["text/plain"] == graph.mermaid()
    assert "&lt;no&gt;" in shown["text/html"]
    assert "<no>" not in shown["text/html"]
