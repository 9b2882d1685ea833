"""The search for what breaks the property tests."""

import shlex
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from fuzz import MUTANTS, ROOT, broken, files_of, find_mutant, make_mutant, seconds_of

BREAKS = dedent("""
    from hypothesis import given, strategies as st

    @given(st.integers())
    def test_none_is_large(number):
        assert number < 1000

    @given(st.integers())
    def test_each_is_itself(number):
        assert number == number

    def test_that_is_no_property():
        raise AssertionError
""")


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200)])
def test_how_long_is_said_in_seconds_minutes_or_hours(text, seconds):
    assert seconds_of(text) == seconds


def test_what_is_no_time_is_told():
    with pytest.raises(SystemExit, match="not 'soon'"):
        seconds_of("soon")


def test_it_finds_the_files_with_property_tests():
    assert "tests/crash/test_team_prefixes.py" in files_of([])
    assert files_of(["tests/crash"]) == [
        file for file in files_of([]) if file.startswith("tests/crash/")
    ]
    assert files_of(["tests/test_fuzz.py", "tests/core/test_turn.py"]) == [
        "tests/core/test_turn.py"
    ]


@pytest.mark.slow
def test_what_a_seed_breaks_is_shown_again_by_the_command_that_is_named(tmp_path, capfd):
    (tmp_path / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    (tmp_path / "test_numbers.py").write_text(BREAKS)
    [command] = broken("test_numbers.py", 7, tmp_path)
    assert command.endswith("--hypothesis-seed=7 'test_numbers.py::test_none_is_large'")
    assert "number=1000" in capfd.readouterr().out
    again = [sys.executable, *shlex.split(command)[1:]]
    assert subprocess.run(again, cwd=tmp_path, capture_output=True).returncode == 1


PATCHES = sorted(MUTANTS.rglob("*.patch"))


def test_there_are_mutants_for_the_properties_and_for_the_simulator():
    places = [patch.parent.name for patch in PATCHES]
    counted = [places.count(name) for name in ("mutants", "races", "workers")]
    assert counted == [12, 21, 2]


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_mutant_s_patch_says_what_it_breaks_and_fits_the_code_of_today(patch):
    assert patch.read_text().splitlines()[0].endswith(".")
    check = ["git", "apply", "--check", str(patch)]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


PATCH = """Numbers are too large.
--- a/src/numbers_of/__init__.py
+++ b/src/numbers_of/__init__.py
@@ -1 +1 @@
-LARGEST = 10
+LARGEST = 2000
"""
TEST = dedent("""
    from hypothesis import given, strategies as st
    from numbers_of import LARGEST

    @given(st.integers(0, LARGEST))
    def test_none_is_large(number):
        assert number < 1000
""")


@pytest.mark.slow
def test_a_mutant_is_searched_for_in_a_copy_of_its_own(tmp_path):
    tree, copy = tmp_path / "tree", tmp_path / "copy"
    for folder in ("src/numbers_of", "tests"):
        (tree / folder).mkdir(parents=True)
    copy.mkdir()
    (tree / "src/numbers_of/__init__.py").write_text("LARGEST = 10\n")
    (tree / "tests/conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    (tree / "tests/test_numbers.py").write_text(TEST)
    (tree / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / "large.patch").write_text(PATCH)
    make_mutant(tmp_path / "large.patch", tree, copy)
    found = find_mutant(copy, [["tests/test_numbers.py"]], 60)
    assert found.startswith("tests/test_numbers.py::test_none_is_large, seed ")
    assert (tree / "src/numbers_of/__init__.py").read_text() == "LARGEST = 10\n"
    assert find_mutant(copy, [["tests/test_numbers.py"]], 0) == ""
