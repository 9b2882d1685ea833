"""`treadle init`: what it writes passes its own tests."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_what_it_writes_passes_its_own_tests(treadle, tmp_path):
    ran = treadle("init", str(tmp_path / "shop"))
    assert ran.code == 0
    assert "then `pip install -r requirements.txt && python -m pytest`" in ran.out
    made = sorted(
        str(path.relative_to(tmp_path / "shop")) for path in (tmp_path / "shop").rglob("*.*")
    )
    assert made == [
        ".github",
        ".github/workflows/test.yml",
        ".gitignore",
        "README.md",
        "assistant.py",
        "requirements.txt",
        "test_assistant.py",
    ]
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(tests, cwd=tmp_path / "shop", capture_output=True, text=True)
    assert (done.returncode, "4 passed" in done.stdout) == (0, True), done.stdout


def test_what_it_writes_passes_the_check_of_labels(treadle, tmp_path):
    treadle("init", str(tmp_path / "shop"))
    checked = treadle("check", str(tmp_path / "shop" / "assistant.py"))
    assert (checked.code, "look at these" in checked.out) == (0, False)


@pytest.mark.parametrize("taken", ["assistant.py", "README.md"])
def test_nothing_is_written_over(treadle, tmp_path, taken):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / taken).write_text("mine")
    ran = treadle("init", str(folder))
    assert ran.code == 2
    assert f"{taken} is in {folder} already, and nothing was written" in ran.err
    assert [path.name for path in folder.iterdir()] == [taken]
    assert (folder / taken).read_text() == "mine"


def test_where_a_folder_can_t_be_made_no_file_is_written(treadle, tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / ".github").write_text("mine")
    ran = treadle("init", str(folder))
    assert ran.code == 1
    assert ran.err.startswith("error: ")
    assert [path.name for path in folder.iterdir()] == [".github"]


def test_the_way_into_the_folder_is_a_command_to_copy(treadle, tmp_path):
    assert f"next: cd '{tmp_path}/my shop', then" in treadle("init", str(tmp_path / "my shop")).out


def test_a_file_is_no_folder(treadle, tmp_path):
    (tmp_path / "a").write_text("")
    assert "is no folder" in treadle("init", str(tmp_path / "a")).err
