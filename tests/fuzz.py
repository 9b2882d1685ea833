"""Searches for examples that break the property tests:

`python tests/fuzz.py 10m`, with a new seed for each round.

The tests themselves always try the same examples. What is found here goes into its test as an
`@example`.

`python tests/fuzz.py --mutants` asks how much such a search sees: each of tests/mutants/*.patch takes
back one known mend, in a copy of the tree, and is to be found there within two minutes.
"""

import contextlib
import itertools
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
MUTANTS = ROOT / "tests" / "mutants"
MUTANT_S = 120.0
"""How long each mutant is searched for."""
MAX_MISSED = 2
WHERE = (("tests/crash",), ("tests/stores", "tests/flows", "tests/runtime", "tests/core"))
"""The tests that look for mutants: of whole threads, and of parts, side by side."""
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


def search(files: Sequence[str], seed: int, *options: str) -> list[str]:
    """The command that tries the property tests of these files with this seed."""
    tests = ["-m", "pytest", "-q", "-m", "hypothesis", "-p", "no:cacheprovider"]
    return [sys.executable, *tests, f"--hypothesis-seed={seed}", *options, *files]


def broken(file: str, seed: int, root: Path = ROOT) -> list[str]:
    """The commands that show again what this seed breaks in a file, whose output is printed; none if all holds."""
    command = search([file], seed, "--hypothesis-profile=fuzz")
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    print(done.stdout, done.stderr, flush=True)
    failed = find_failed(done.stdout)
    if not failed:
        sys.exit(f"the tests of {file} can't run")
    again = f"--hypothesis-profile=fuzz --hypothesis-seed={seed}"
    return [f"python -m pytest {again} '{test}'" for test in failed]


def find_failed(output: str) -> list[str]:
    return re.findall(r"^FAILED (.*?)(?: - |$)", output, re.M)


def make_mutant(patch: Path, root: Path, copy: Path) -> None:
    """A copy of the tree's code and tests, with this patch on it."""
    for folder in ("src", "tests"):
        shutil.copytree(root / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", copy)
    subprocess.run(["git", "apply", "--unsafe-paths", str(patch)], cwd=copy, check=True)


def find_mutant(copy: Path, groups: Sequence[Sequence[str]], seconds: float) -> str:
    """Which test has found it, and with which seed; "" if none has within this time.

    The groups of files are searched side by side, each in rounds: all of its files in one process,
    which is started once for them, in another order each time.
    """
    ends = time.monotonic() + seconds
    found: list[str] = []

    def tries(files: Sequence[str]) -> None:
        while not found and time.monotonic() < ends:
            seed = random.getrandbits(32)
            shuffled = random.sample(files, len(files))
            if failed := fails(
                shuffled, seed, copy, lambda: bool(found) or time.monotonic() >= ends
            ):
                found.append(f"{failed}, seed {seed}")

    with ThreadPoolExecutor(len(groups)) as pool:
        workers = [pool.submit(tries, files) for files in groups]
    for worker in workers:
        worker.result()
    return found[0] if found else ""


def fails(files: Sequence[str], seed: int, copy: Path, is_over: Callable[[], bool]) -> str:
    """The first test of the files that fails with this seed; "" if none does before it is over."""
    command = search(files, seed, "--hypothesis-profile=mutants", "-x")
    env = os.environ | {"PYTHONPATH": str(copy / "src")}
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.Popen(command, cwd=copy, env=env, stdout=output, stderr=output)
        while done.poll() is None and not is_over():
            with contextlib.suppress(subprocess.TimeoutExpired):
                done.wait(0.2)
        if done.poll() is None:
            done.kill()
            done.wait()
            return ""
        output.seek(0)
        said = output.read()
    if done.returncode == 0:
        return ""
    failed = find_failed(said)
    if not failed:
        raise RuntimeError(f"the tests of {', '.join(files)} can't run:\n{said}")
    return failed[0]


def find_mutants() -> int:
    """Search for each mutant. 1 if more were missed than may be."""
    missed: list[str] = []
    patches = sorted(MUTANTS.glob("*.patch"))
    for patch in patches:
        groups = [files_of(rooms) for rooms in WHERE]
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            make_mutant(patch, ROOT, Path(folder))
            found = find_mutant(Path(folder), groups, MUTANT_S)
        took_s = time.monotonic() - began
        if not found:
            missed.append(patch.stem)
        print(f"{patch.stem}: {took_s:.0f} s, {found or 'not found'}", flush=True)
    print(f"{len(patches) - len(missed)} of {len(patches)} mutants found")
    return len(missed) > MAX_MISSED


def main(duration: str = "10m", *paths: str) -> int:
    """Go round the files until the time is up. 1 if anything broke, with what shows it again."""
    if duration == "--mutants":
        return find_mutants()
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
