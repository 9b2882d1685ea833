"""Starts a child interpreter. Every process that Treadle starts is started here.

1. Nothing of the working directory runs in it: isolated mode keeps the directory, the script's folder and PYTHONPATH
   off the path, and the child's own working directory is the root, since native libraries look there too.
2. Its environment is what an operating system needs to run a program: no keys.
3. What the child must know comes through its standard input, where no other process can read it.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

_KEPT = (
    *("PATH", "HOME", "LANG", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "WINDIR"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
)
_KEPT_BEGINNINGS = ("LC_", "OMP_", "GGML_", "CUDA_")


def start_interpreter(script: Path, errors: int | IO[bytes]) -> "subprocess.Popen[bytes]":
    """Python, running that file by itself; standard input and output are pipes, its errors go to `errors`.

    The script can import the standard library and what is installed beside this interpreter.
    """
    return subprocess.Popen(
        [sys.executable, "-I", str(script.absolute())],
        cwd=Path(sys.executable).anchor or None,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
    )


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _KEPT or name.upper().startswith(_KEPT_BEGINNINGS)
    }
