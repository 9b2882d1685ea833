"""Takes the working directory off the module path of `python -m treadle`, before any import.

Python puts it there first, so that a folder's `json.py` or `typing.py` would run. The `treadle`
command doesn't need this, and a program that imports Treadle keeps its path. Imports only what the
interpreter has loaded by itself.
"""

import os
import sys


def leave_working_directory() -> None:
    """Does something only while Python looks for this package's `__main__`."""
    words = sys.orig_argv
    if sys.argv[:1] != ["-m"] or sys.flags.safe_path or "-m" not in words:
        return
    if words[words.index("-m") + 1] == "treadle":
        try:
            here = os.getcwd()
        except FileNotFoundError:  # it was deleted, so nothing of it runs
            return
        sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != here]


leave_working_directory()
