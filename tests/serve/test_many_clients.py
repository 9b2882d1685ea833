"""Each client that people have: three turns, kill -9 of the server in the second, an approval in the third.

One thread comes of it, what was paid was paid once, and the client's view, the page's and the terminal's agree.
Needs an environment with the clients: `just clients` makes one, and runs this.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from serve.server_process import KEY, Server

pytestmark = pytest.mark.clients
HERE = Path(__file__).parent / "clients"
WHERE = os.environ.get("TREADLE_CLIENTS", "")
if not WHERE:
    pytest.skip("other clients are tried by `just clients`", allow_module_level=True)

CLIENTS = sorted(
    path.name for path in HERE.iterdir() if path.suffix in (".py", ".mjs") and path.stem != "talk"
)


@pytest.mark.parametrize("name", CLIENTS)
def test_one_thread_comes_of_three_turns_and_a_kill(name, tmp_path):
    server = Server(tmp_path)
    server.start()
    try:
        answers = converse(name, server, tmp_path)
        thread = approve(server)
        assert server.paid() == ["212.5"]
        assert answers[0] == "You said: hello"
        assert answers[1].startswith("word0 word1")
        assert answers[1].endswith("word119")
        assert "[Waits for a person]" in answers[2]
        shown = subprocess.run(
            [sys.executable, "-m", "treadle", "show", thread, "--db", tmp_path / "page.db"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for text in ("» hello", "» a long tale", "» order lamps", "The payment went through."):
            assert text in shown
    finally:
        server.kill()


def converse(name: str, server: Server, folder: Path) -> list[str]:
    """The client's answers; the server dies and comes back while the second one is written."""
    at_work = folder / "client"
    shutil.copytree(HERE, at_work)
    command = [f"{WHERE}/bin/python", name]
    if name.endswith(".mjs"):
        command = [f"{WHERE}/bin/node", name]
        (at_work / "node_modules").symlink_to(f"{WHERE}/node_modules")
    environment = os.environ | {
        "SERVER": server.address,
        "SERVER_KEY": KEY,
        "LLM_USER_PATH": str(folder / "llm"),
    }
    environment.pop("PYTHONPATH", None)
    answers: list[str] = []
    with subprocess.Popen(
        command, cwd=at_work, env=environment, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout
        for line in client.stdout:
            told = json.loads(line)
            if told.get("says") == "a long tale":
                wait_until_asked(server)
                server.kill()
                server.start()
            if "answer" in told:
                answers.append(str(told["answer"]).strip())
    assert client.returncode == 0
    return answers


def ask(server: Server, path: str, body: object = None) -> object:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(server.address + path, data, headers), timeout=60
    ) as answer:
        return json.loads(answer.read())


def wait_until_asked(server: Server) -> None:
    """Wait until the second turn is being written."""
    for _ in range(300):
        threads = ask(server, "/api/threads")["threads"]
        if threads and threads[0]["status"] == "unfinished" and threads[0]["records"] > 9:
            time.sleep(0.5)
            return
        time.sleep(0.1)
    raise AssertionError("the second turn never began")


def approve(server: Server) -> str:
    """Allow what waits, and wait for the end of its turn; the only thread that there is."""
    [waiting] = ask(server, "/api/waiting")
    decision = waiting["decision"]
    said = {"call_id": decision["id"], "digest": decision["digest"], "allowed": True}
    ask(server, f"/api/threads/{decision['thread_id']}/approvals", said)
    for _ in range(300):
        [thread] = ask(server, "/api/threads")["threads"]
        if thread["status"] == "answered":
            return thread["thread_id"]
        time.sleep(0.1)
    raise AssertionError(thread)
