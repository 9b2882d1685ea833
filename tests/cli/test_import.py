"""`db import` makes threads that wait for `adopt`; `db restore` takes a backup as it is."""

from pathlib import Path

from cli.commandline import Treadle
from cli.test_team import PAYER


def exported(treadle: Treadle, tmp_path: Path, agent: str = "sends") -> str:
    """The file of a thread that waits for an approval, from another database."""
    file = str(tmp_path / "t.jsonl")
    there = str(tmp_path / "there.db")
    assert treadle("go", "-t", "t", "--db", there, agent=agent).code == 4
    assert treadle("db", "export", "t", "-o", file, "--db", there).code == 0
    return file


def test_everything_that_shows_an_imported_thread_says_that_it_waits_and_how_to_adopt_it(
    treadle: Treadle, tmp_path: Path
) -> None:
    file = exported(treadle, tmp_path)
    done = treadle("db", "import", file)
    assert (done.code, done.out) == (0, "")
    assert "then adopt it: treadle adopt t" in done.err
    listed = treadle("threads", "--status", "imported")
    assert " imported " in listed.out
    assert "treadle adopt THREAD" in listed.err
    assert (
        "it was imported, and does nothing before you adopt it: treadle adopt t"
        in treadle("show", "t").out
    )
    told = treadle("explain", "t", agent="sends").out
    assert "adopt thread t, which was imported" in told
    assert "treadle adopt t" in told
    assert treadle("tail", "t", "--until-end").code == 4
    resumed = treadle("resume", "t", agent="sends")
    assert resumed.code == 4
    assert "or from elsewhere: treadle adopt t" in resumed.err
    for words in (["approve", "t"], ["and now?", "-t", "t"]):
        refused = treadle(*words, agent="sends")
        assert refused.code == 2
        assert "nobody has adopted it" in refused.err


def test_an_adopted_thread_goes_on(treadle: Treadle, tmp_path: Path) -> None:
    treadle("db", "import", exported(treadle, tmp_path))
    done = treadle("adopt", "t", "--by", "ann", "--why", "from Bob")
    assert (done.code, done.out) == (0, "")
    assert "go on: treadle resume t --agent MODULE:NAME (with the agent agent)\n" in done.err
    assert "adopted by ann: from Bob" in treadle("show", "t").out
    assert treadle("approve", "t").code == 0
    assert "no imported one that waits" in treadle("adopt", "t").err
    assert treadle("threads", "--status", "imported").out == ""


def test_a_person_at_the_terminal_is_asked(treadle: Treadle, tmp_path: Path) -> None:
    treadle("db", "import", exported(treadle, tmp_path))
    assert treadle("resume", "t", agent="sends", typed="n\n").code == 4
    ran = treadle("resume", "t", agent="echoes", typed="y\ny\n")
    assert "Adopt it, with its children?" in ran.err
    assert ran.code == 0


def test_a_thread_goes_with_its_children_and_to_adopt_one_is_to_adopt_all(
    treadle: Treadle, tmp_path: Path
) -> None:
    file = exported(treadle, tmp_path, "team")
    assert PAYER in Path(file).read_text("utf8")
    treadle("db", "import", file)
    assert treadle("adopt", PAYER).code == 0
    assert treadle("approve", "t").code == 0
    assert treadle("db", "check").code == 0


def test_a_backup_is_restored_as_it_is_and_as_often_as_one_likes(
    treadle: Treadle, tmp_path: Path
) -> None:
    file = exported(treadle, tmp_path, "team")
    assert "3 threads, " in treadle("db", "restore", file).err
    assert "here already: 3 threads" in treadle("db", "restore", file).err
    assert treadle("approve", "t").code == 0
    again = str(tmp_path / "again.jsonl")
    assert treadle("db", "export", "-o", again).code == 0
    refused = treadle("db", "restore", again, "--db", str(tmp_path / "there.db"))
    assert refused.code == 2
    assert "differs from the backup; nothing was written" in refused.err
    assert treadle("db", "import", file).code == 2


def test_the_newer_of_two_databases_needs_no_restoring(treadle: Treadle, tmp_path: Path) -> None:
    file = exported(treadle, tmp_path)
    treadle("db", "restore", file)
    treadle("approve", "t")
    assert "here already: 1 thread" in treadle("db", "restore", file).err
