"""Starts a child Python process. Every process that Treadle starts is started here.

1. It runs no code from the working directory: isolated mode keeps that directory, the script's
   folder and PYTHONPATH off the path. Its own working directory is the root, since native libraries
   search the working directory too.
2. Its environment has only what an operating system needs to run a program, and so no keys.
3. It gets its settings through standard input, which no other process can read.
"""

import asyncio
import os
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import IO

_KEPT_VARIABLES = (
    *("PATH", "HOME", "LANG", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "WINDIR"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
)
_KEPT_PREFIXES = ("LC_", "OMP_", "GGML_", "CUDA_")


def start_interpreter(script: Path, errors: int | IO[bytes]) -> "subprocess.Popen[bytes]":
    """A Python process that runs the script. Its standard input and output are pipes.

    Standard error goes to `errors`. The script can import the standard library and what is
    installed for this interpreter.
    """
    return subprocess.Popen(  # noqa: S603  # our own interpreter and arguments, without a shell
        [sys.executable, "-I", str(script.absolute())],
        cwd=Path(sys.executable).anchor or None,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
    )


async def run_script(script: Path, given: bytes) -> bytes:
    """What the script prints, given this on standard input; empty if it fails.

    Cancelling it kills the process at once, whatever it is at.
    """
    process = start_interpreter(script, subprocess.DEVNULL)
    try:
        printed, _ = await asyncio.to_thread(process.communicate, given)
    finally:
        process.kill()  # does nothing where it has ended
    return printed if process.returncode == 0 else b""


def find_package_folder(name: str) -> Path | None:
    """The folder where a package is installed, which a child interpreter may not have on its path.

    Never the working directory.
    """
    if sys.modules.get(name, sys) is None:  # an import of it is forbidden
        return None
    folders = [each for each in sys.path if Path(each).absolute() != Path.cwd()]
    found = PathFinder.find_spec(name, folders)
    if found is None or not found.origin:
        return None
    return Path(found.origin).absolute().parent.parent


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _KEPT_VARIABLES or name.upper().startswith(_KEPT_PREFIXES)
    }
