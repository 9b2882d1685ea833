"""Runs simulations: `python tests/simulate/run.py --seeds 1000`, or one of them again with `--seed 7`.
With `--workers`, an engine brings all threads to workers.

`--mutants` asks how much they see: each patch in tests/mutants/races/ brings one bug into a copy of the
tree, and is to be found there within 1,000 seeds.
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

from fuzz import MUTANTS, ROOT, make_mutant  # noqa: E402
from simulate.simulation import Simulation  # noqa: E402

RACES = MUTANTS / "races"
WORKED = RACES / "workers"
"""Those that take workers to be seen."""
BATCH = 25
BATCHES_PER_PROCESS = 40
"""Some of what was killed in a simulation stays in memory, and makes later ones slower."""
MUTANT_SEEDS = 1000


def try_seed(seed: int, workers: bool = False) -> str:
    """What is wrong with this seed; "" if nothing is."""
    try:
        Simulation(seed, workers=workers).run()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def try_seeds(first: int, last: int, workers: bool = False) -> list[tuple[int, str]]:
    """The seeds from first to before last that something is wrong with, and what."""
    logging.disable()  # Treadle warns of what the simulation does to it
    try:
        found = [(seed, try_seed(seed, workers)) for seed in range(first, last)]
    finally:
        logging.disable(logging.NOTSET)
    return [(seed, wrong) for seed, wrong in found if wrong]


def search(
    first: int, seeds: int, jobs: int, most: int, workers: bool
) -> Iterator[tuple[int, str]]:
    """The seeds that something is wrong with, in order, until there were `most`."""
    starts = range(first, first + seeds, BATCH)
    search_batch = partial(_try_batch, first + seeds, workers)
    found = 0
    # Not the executor of concurrent.futures: with fresh processes, that one stands still for good.
    with get_context("spawn").Pool(jobs, maxtasksperchild=BATCHES_PER_PROCESS) as pool:
        for number, batch in enumerate(pool.imap(search_batch, starts), 1):
            if number * BATCH % 1000 == 0:
                print(f"{number * BATCH} seeds", file=sys.stderr, flush=True)
            for seed, wrong in batch:
                yield seed, wrong
                found += 1
            if found >= most:
                return


def _try_batch(last: int, workers: bool, first: int) -> list[tuple[int, str]]:
    return try_seeds(first, min(first + BATCH, last), workers)


def show_seed(seed: int, workers: bool) -> int:
    """Run one seed again and print each of its steps. 1 if a promise is broken."""
    simulation = Simulation(seed, traced=True, workers=workers)
    wrong = ""
    try:
        simulation.run()
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    print(simulation.plan, simulation.database.faults, *simulation.trace, sep="\n")
    print(wrong or f"seed {seed}: all promises hold")
    return bool(wrong)


def show_search(first: int, seeds: int, jobs: int, most: int, workers: bool) -> int:
    began = time.monotonic()
    count = 0
    for seed, wrong in search(first, seeds, jobs, most, workers):
        count += 1
        how = f"--seed {seed}{' --workers' * workers}"
        print(f"seed {seed}: {wrong[:600]}\n  again: just simulate {how}", flush=True)
    took_s = time.monotonic() - began
    print(f"{seeds} seeds from {first}: {count} violations, {took_s:.0f} s")
    return bool(count)


def find_mutant(patch: Path, jobs: int) -> str:
    """The first seed that finds the bug of this patch, and the broken promise; "" if none does."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        make_mutant(patch, ROOT, copy)
        options = ["--seeds", str(MUTANT_SEEDS), "--jobs", str(jobs), "--most", "1"]
        if patch.parent == WORKED:
            options.append("--workers")
        done = subprocess.run(
            [sys.executable, str(copy / "tests/simulate/run.py"), *options],
            env=os.environ | {"PYTHONPATH": str(copy / "src")},
            capture_output=True,
            text=True,
        )
    if done.returncode == 0:
        return ""
    if not done.stdout.startswith("seed "):
        raise RuntimeError(
            f"the simulations of {patch.stem} can't run:\n{done.stdout}{done.stderr}"
        )
    return done.stdout.splitlines()[0]


def find_mutants(names: Sequence[str], jobs: int) -> int:
    """Search for each bug, or those of these names. 1 if any was missed."""
    missed = 0
    for patch in sorted(RACES.glob("**/*.patch")):
        if names and patch.stem not in names:
            continue
        found = find_mutant(patch, jobs)
        missed += not found
        print(f"{patch.stem}: {found[:160] or 'not found'}", flush=True)
    return bool(missed)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many to try")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run only this one, and print its steps")
    parser.add_argument("--workers", action="store_true", help="let workers resume all threads")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--most", type=int, default=10, help="stop after so many violations")
    parser.add_argument("--mutants", nargs="*", help="search for the bugs of the patches")
    given = parser.parse_args(arguments)
    if given.mutants is not None:
        return find_mutants(given.mutants, given.jobs)
    if given.seed is not None:
        return show_seed(given.seed, given.workers)
    return show_search(given.first, given.seeds, given.jobs, given.most, given.workers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
