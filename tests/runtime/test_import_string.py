"""Values out of the user's own code, and what is said where there is none."""

import re
import sys

import pytest

from treadle import UsageError
from treadle.runtime.import_string import import_string

MINE = "import beside\nn = 7\ntext = beside.text\nother = 'b'\n_hidden = 'c'\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "beside.py").write_text("text = 'a'\n")
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_and_a_module_from_a_folder(folder):
    assert import_string("mine.py:text", str, folder=folder) == "a"
    assert import_string(f"{folder}/mine.py", str, name="text") == "a"
    assert import_string("mine:text", str, folder=folder) == "a"


def test_a_file_is_loaded_once(folder):
    (folder / "counts.py").write_text("values = []\n")
    assert import_string("counts.py:values", list, folder=folder) is import_string(
        "./counts.py:values", list, folder=folder
    )


@pytest.mark.parametrize(
    ("place", "text", "told"),
    [
        ("mine.py:gone", "", "mine.py:gone: gone isn't there; there are: text, other"),
        ("mine.py:n", "", "mine.py:n: n is of the type int, not str; there are: text, other"),
        ("mine.py", "", "'mine.py' must be like module:name or path/file.py:name"),
        ("mine.py:1x", "", "'mine.py:1x' must be like"),
        ("none.py:x", "", "there is no file FOLDER/none.py"),
        (
            "new.py:x",
            "\nraise KeyError(1)",
            "new.py can't be loaded: KeyError: 1 (FOLDER/new.py, line 2)",
        ),
        (
            "new.py:x",
            "n = (",
            "FOLDER/new.py can't be loaded: SyntaxError: '(' was never closed (new.py, line 1)",
        ),
        (
            "new.py:x",
            "import sys\nsys.exit(0)",
            "it ends the program; let it do so only under `if __name__ == ",
        ),
        (
            "new:x",
            "1 / 0",
            "module new can't be loaded: ZeroDivisionError: division by zero (FOLDER/new.py,"
            " line 1)",
        ),
        (
            "new:x",
            "import nowhere",
            "new can't be loaded: ModuleNotFoundError: No module named 'nowhere' (FOLDER/",
        ),
        ("nowhere:x", "", "No module named 'nowhere'; looked in FOLDER and in what is installed"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(folder, place, text, told):
    (folder / "new.py").write_text(text)
    with pytest.raises(UsageError, match=re.escape(told.replace("FOLDER", str(folder.resolve())))):
        import_string(place, str, folder=folder)
