"""`treadle eval`."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from cli.commandline import AGENTS, Treadle

CASES = """
cases:
  - {name: three, input: "1+2?", tags: [sum], checks: [contains: "is 3", tools: [add]]}
"""
TEN = "\n".join(
    [
        "cases:",
        *(f'  - {{name: c{n}, input: "say {n}", checks: [contains: "{n}"]}}' for n in range(10)),
    ]
)
MORE = """
def long(request):
    return says(" ".join([request.messages[-1].text] * 90))

def hangs(request):
    import os, signal
    if "say 3" in request.messages[-1].text:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    return echo(request)

tall = made(*[long] * 40)
many = made(*[echo] * 40)
stops = made(*[hangs] * 40)
passes = made(*[says("True")] * 20)
"""


@pytest.fixture
def cases(treadle: Treadle):
    treadle.agents.write_text(AGENTS + MORE)

    def write(text: str, name: str = "d.yaml") -> str:
        path = treadle.agents.parent / name
        path.write_text(text, "utf8")
        return str(path)

    return write


def test_a_run_shows_each_trial_a_table_and_the_exit_code_for_ci(treadle: Treadle, cases) -> None:
    ran = treadle("eval", cases(CASES), "--run", "r1", agent="agent")
    assert (ran.code, ran.out.splitlines()[1].split()[:4]) == (0, ["✓", "three", "1/1", "2"])
    assert "1 of 1 trial passed: 100%, 95% interval 20.7% to 100%" in ran.out
    assert "run r1: 1 case, 1 of each\n✓ three 1 (2 steps, " in ran.err
    assert "The sum is 3." in treadle("show", "eval/d/r1/three/1").out


def test_what_fails_is_shown_with_its_reason_and_where_to_look(treadle: Treadle, cases) -> None:
    ran = treadle("eval", cases(CASES), "--run", "r1", agent="echoes")
    assert ran.code == 1
    assert '✗ three 1: contains is 3: "is 3" isn\'t in the answer' in ran.err
    assert ran.err.endswith("look at a failure: treadle show eval/d/r1/three/1\n")
    assert treadle("eval", cases(CASES), "--min-pass", "0", agent="echoes").code == 0


def test_cases_are_chosen_repeated_and_counted(treadle: Treadle, cases) -> None:
    ran = treadle(
        "eval",
        cases(TEN),
        "--case",
        "c1",
        "--case",
        "c[23]",
        "-n",
        "2",
        "-j",
        "1",
        "-q",
        agent="many",
    )
    assert [line.split()[1:3] for line in ran.out.splitlines()[1:4]] == [
        ["c1", "2/2"],
        ["c2", "2/2"],
        ["c3", "2/2"],
    ]
    assert ran.err == ""
    ran = treadle("eval", cases(TEN), "--tag", "sum", agent="many")
    assert (ran.code, ran.out) == (2, "")
    assert "no case of d is like that" in ran.err


def test_a_baseline_is_kept_and_what_got_worse_is_found(treadle: Treadle, cases) -> None:
    base = str(treadle.agents.parent / "base.json")
    assert treadle("eval", cases(TEN), "--save-baseline", base, agent="many").code == 0
    same = treadle("eval", cases(TEN), "--against", base, agent="many")
    assert same.code == 0
    assert "tokens" in same.out
    assert "WORSE" not in same.out
    worse = treadle("eval", cases(TEN), "--against", base, agent="tall")
    assert worse.code == 1
    assert "10 of 10 trials passed" in worse.out
    assert "WORSE, most of all c" in worse.out
    found = json.loads(treadle("eval", cases(TEN), "--against", base, "--json", agent="tall").out)
    assert (found["version"], len(found["cases"]), found["comparison"]["regressions"]) == (
        1,
        10,
        ["tokens"],
    )


def test_what_json_prints_is_a_baseline_too(treadle: Treadle, cases) -> None:
    base = cases(treadle("eval", cases(TEN), "--json", agent="many").out, "printed.json")
    assert (
        "against the baseline, 10 cases:"
        in treadle("eval", cases(TEN), "--against", base, agent="many").out
    )


def test_a_page_is_written(treadle: Treadle, cases) -> None:
    page = treadle.agents.parent / "report.html"
    ran = treadle("eval", cases(CASES), "--html", str(page), agent="escapes")
    assert page.read_text("utf8").startswith("<!doctype html>")
    assert "\x1b" not in ran.out + ran.err


def test_a_file_that_can_t_be_written_is_refused_before_anything_runs(
    treadle: Treadle, cases
) -> None:
    for word in ("--html", "--save-baseline"):
        ran = treadle(
            "eval", cases(CASES), word, str(treadle.agents.parent / "no" / "file"), agent="agent"
        )
        assert ran.code == 2
        assert "no/file can't be written: " in ran.err
    assert treadle("threads").out == ""


def test_a_page_that_can_t_be_made_is_refused_before_anything_runs(
    treadle: Treadle, cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)  # as where it isn't installed
    page = str(treadle.agents.parent / "report.html")
    ran = treadle("eval", cases(CASES), "--html", page, agent="agent")
    assert (ran.code, ran.out) == (2, "")
    assert "the page needs a library: pip install 'treadle[evals]'" in ran.err
    assert treadle("threads").out == ""


def test_the_pass_rate_that_was_asked_for_is_enough(treadle: Treadle, cases) -> None:
    eleven = "\n".join(
        [
            "cases:",
            *(
                f'  - {{name: c{n}, input: x, checks: [contains: "{n % 20 < 11}"]}}'
                for n in range(20)
            ),
        ]
    )
    assert treadle("eval", cases(eleven), "--min-pass", "0.55", agent="passes").code == 0


def test_a_dry_run_asks_nobody(treadle: Treadle, cases) -> None:
    ran = treadle("eval", cases(CASES), "--dry-run", "-n", "5", agent="agent")
    assert ran.out.startswith(
        "an estimate for 5 trials of 1 case with scripted; none was run\nabout 10 model calls, "
    )
    assert treadle("threads").out == ""
    found = json.loads(treadle("eval", cases(CASES), "--dry-run", "--json", agent="agent").out)
    assert (found["trials"], found["measured"], found["cost_usd"]) == (1, 0, 0.0)


def test_a_dataset_names_its_agent(treadle: Treadle, cases) -> None:
    assert treadle("eval", cases(f"agent: agents.py:agent\n{CASES}")).code == 0


@pytest.mark.slow
def test_ctrl_c_reports_what_is_done_and_the_same_run_goes_on(treadle: Treadle, cases) -> None:
    words = ["eval", cases(TEN), "-j", "1", "--run", "r", "--agent"]
    program = "from treadle.cli.main import main; main()"
    stopped = subprocess.run(
        [sys.executable, "-c", program, *words, f"{treadle.agents}:stops"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONUTF8": "1"},
    )
    assert stopped.returncode == 130
    assert re.search(
        "the run was stopped: [34] of 10 trials are done", stopped.stdout
    )  # the fourth was under way
    assert "go on with it: the same command with --run r" in stopped.stderr
    whole = treadle(*words[:-1], agent="many")
    assert whole.code == 0
    assert "10 of 10 trials passed" in whole.out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("no.yaml",), "no.yaml: it can't be read: No such file"),
        (("d.txt",), "a dataset is a file that ends in"),
        (("FILE", "--against", "no.json"), "no.json can't be read"),
        (("FILE", "-n", "0"), "Invalid value for '--repeats'"),
        (("FILE", "--agent", "no.py"), "/no.py\n"),
    ],
)
def test_what_can_t_be_run_is_a_usage_error(
    treadle: Treadle, cases, words: tuple[str, ...], told: str
) -> None:
    path = cases(CASES)
    ran = treadle("eval", *(path if word == "FILE" else word for word in words))
    assert ran.code == 2
    assert told in ran.err
