"""How the crash tests drive their children, and what they read of a thread afterwards."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SCENARIO = Path(__file__).with_name("scenario.py")


class Lives:
    """A process that forks one child at a time and says how it ended."""

    def __init__(self, play: str = "crash.scenario", scenario: Path = SCENARIO) -> None:
        path = os.pathsep.join(filter(None, sys.path))
        self._server = subprocess.Popen(
            [sys.executable, str(scenario), play],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )

    def begin(self, **order: Any) -> None:
        assert self._server.stdin
        self._server.stdin.write(json.dumps(order, default=str) + "\n")
        self._server.stdin.flush()

    def said(self) -> dict[str, Any]:
        """The next line; waits for it."""
        assert self._server.stdout
        line: dict[str, Any] = json.loads(self._server.stdout.readline())
        return line

    def live(self, **order: Any) -> dict[str, Any]:
        """One whole life: what it said, and `exit`, negative for the signal that killed it."""
        self.begin(**order)
        told: dict[str, Any] = {}
        while "exit" not in told:
            told |= self.said()
        return told

    def close(self) -> None:
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.close()
        self._server.wait(timeout=20)
        self._server.stdout.close()
