"""Searches for examples that break the property tests:

`python tests/fuzz.py 10m`, with a new seed for each round.

The tests themselves always try the same examples. What is found here goes into its test as an
`@example`.
"""

import itertools
import random
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def seconds_of(text: str) -> float:
    """How long "90", "90s", "10m" or "2h" is."""
    found = re.fullmatch(r"(\d+)([smh]?)", text)
    if not found:
        sys.exit(f"how long? Give seconds, or a number with s, m or h, not {text!r}")
    return int(found[1]) * SECONDS[found[2]]


def files_of(paths: Sequence[str]) -> list[str]:
    """The test files at these places that have property tests."""
    found: set[Path] = set()
    for path in paths or ["tests"]:
        at = ROOT / path
        found |= {at} if at.is_file() else set(at.rglob("test_*.py"))
    return [
        str(path.relative_to(ROOT)) for path in sorted(found) if "\n@given(" in path.read_text()
    ]


def broken(file: str, seed: int, root: Path = ROOT) -> list[str]:
    """The commands that show again what this seed breaks in a file, whose output is printed; none if all holds."""
    searching = ["--hypothesis-profile=fuzz", f"--hypothesis-seed={seed}"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "hypothesis",
        "-p",
        "no:cacheprovider",
        *searching,
        file,
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    print(done.stdout, done.stderr, flush=True)
    failed = re.findall(r"^FAILED (.*?)(?: - |$)", done.stdout, re.M)
    if not failed:
        sys.exit(f"the tests of {file} can't run")
    return [f"python -m pytest {' '.join(searching)} '{test}'" for test in failed]


def main(duration: str = "10m", *paths: str) -> int:
    """Go round the files until the time is up. 1 if anything broke, with what shows it again."""
    ends = time.monotonic() + seconds_of(duration)
    files, commands = files_of(paths), list[str]()
    random.shuffle(files)
    for number, file in enumerate(itertools.cycle(files), 1):
        if time.monotonic() >= ends:
            print(f"{number - 1} rounds, {len(commands)} failures", *commands, sep="\n")
            return bool(commands)
        seed = random.getrandbits(32)
        print(f"round {number}: seed {seed}, {file}", flush=True)
        commands += broken(file, seed)
    sys.exit("there are no property tests there")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
