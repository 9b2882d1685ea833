"""docs/patterns.md: its blocks run, and its counts are the examples' own."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

from treadle import Agent, MemoryStore, patterns
from treadle.models.scripted import ScriptedModel, calls, says

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "patterns.md").read_text("utf8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def by_agent(script):
    """Answers by who is asked, for runs that come side by side."""

    def answer(request):
        return script[request.messages[0].text.partition(".")[0]].pop(0)

    return [answer] * sum(map(len, script.values()))


SCRIPT = {
    "You are a shop's desk": [
        calls(("till", {"task": "Pay C-17 250."}), ("scribe", {"task": "Tell C-17."})),
        says("Paid, and told."),
    ],
    "Pay with the tool": [calls(("refund", {"customer": "C-17", "amount": 250})), says("Paid.")],
    "Write the letter": [says("Dear C-17,")],
    "You plan dinners": [says('{"steps": ["boil eggs"]}'), says('{"steps": ["fry eggs"]}')],
    "You cook": [
        says('{"result": "no water", "succeeded": false}'),
        says('{"result": "fried", "succeeded": true}'),
        says("Fried eggs for two."),
    ],
    "You write poems": [says("Rain."), says("Rain, rain.")],
    "You judge poems": [
        says('{"feedback": "more", "good_enough": false}'),
        says('{"feedback": "", "good_enough": true}'),
    ],
    "Answer with one word": [says("Flu"), says("cold"), says("flu.")],
    "Say it briefly": [says("A list of facts."), says("Facts.")],
    "One word: the mood of this review": [says("glad")] * 3,
    "Sum all of these up": [says("They are glad.")],
}
SHOWN = (
    "refund desk.c00005000",
    "Paid, and told.",
    "Fried eggs for two. ['plan', 'step', 'plan', 'step', 'answer']",
    "Rain, rain. True accepted",
    "2 of 3\nFacts.\n",
    "They are glad. 3 of 3 items answered",
)


def test_its_blocks_run_in_their_order(capsys):
    script = {who: list(answers) for who, answers in SCRIPT.items()}
    settings = {"model": ScriptedModel(by_agent(script)), "store": MemoryStore()}
    names = {"Agent": lambda *given, **more: Agent(*given, **(settings | more))}
    for block in BLOCKS:
        exec(block.replace("import Agent, ", "import "), names)
    assert not any(script.values()), "the blocks asked less often than the script has answers"
    out = capsys.readouterr().out
    for text in SHOWN:
        assert text in out


def lines(source: str) -> int:
    """Of code: without blank ones, comments and docstrings."""
    empty = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    )
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in empty:
            found |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            found -= set(range(node.lineno, (node.end_lineno or 0) + 1))
    return len(found)


ROWS = re.findall(r"^\|.*\[(\d+)\]\(\.\./(examples/\w+\.py)\), (\d+): `([\w ]+)` \|$", PAGE, re.M)


@pytest.mark.parametrize(("count", "path", "names", "used"), ROWS)
def test_its_counts_are_the_examples(count, path, names, used):
    source = (ROOT / path).read_text("utf8")
    assert lines(source) == int(count)
    assert len(used.split()) == int(names)
    words = set(re.findall(r"\w+", source))
    assert set(used.split()) <= words


def test_it_has_a_row_for_each_of_the_four_workflows():
    assert len(ROWS) == 4


def test_every_recipe_is_on_the_page():
    told = set(re.findall(r"`(\w+)`", PAGE))
    assert {name for name in patterns.__all__ if name[0].islower() and name != "plain"} <= told


def test_its_links_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
