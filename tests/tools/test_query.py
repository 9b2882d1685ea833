import asyncio
import os
import sqlite3
import time

import pytest

from treadle.core.errors import ToolError
from treadle.tools.query import DataTools, QueryLimits, data_tool

BURNS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def ask(root, file, sql="", **limits):
    return asyncio.run(DataTools(root, QueryLimits(**limits)).query_data(file, sql))


def write_stock(folder):
    (folder / "stock.csv").write_text("item,price,stock\nlamp,12.50,40\nshelf,39.95,25\n")


@pytest.mark.slow
def test_a_question_about_a_table_is_answered_by_one_select(tmp_path):
    write_stock(tmp_path)
    sql = "SELECT item FROM stock ORDER BY price * stock DESC LIMIT 1"
    assert ask(tmp_path, "stock.csv", sql) == "item\nshelf"


@pytest.mark.slow
def test_several_files_are_named_with_commas_and_a_comma_may_be_in_a_name(tmp_path):
    write_stock(tmp_path)
    (tmp_path / "a,b.csv").write_text("x\n1\n")
    assert ask(tmp_path, "a,b.csv") == "Tables: a_b(x) [rows: 1]"
    (tmp_path / "c.csv").write_text("y\n2\n")
    assert ask(tmp_path, "stock.csv, c.csv, stock.csv") == (
        "Tables: c(y) [rows: 1]; stock(item, price, stock) [rows: 2]"
    )


def test_a_query_that_burns_is_ended_when_its_time_is_up(tmp_path):
    write_stock(tmp_path)
    began = time.monotonic()
    with pytest.raises(ToolError, match=r"took longer than 0\.8 s; join and select less"):
        ask(tmp_path, "stock.csv", BURNS, total_s=0.8)
    assert time.monotonic() - began < 15


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="memory is bounded on POSIX only")
def test_a_query_that_takes_too_much_memory_is_ended(tmp_path):
    write_stock(tmp_path)
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300)"
    grows = f"{rows} SELECT zeroblob(1000000) || i AS b FROM n ORDER BY b"
    with pytest.raises(ToolError, match=r"memory|without an answer"):
        ask(tmp_path, "stock.csv", grows, max_memory_bytes=150_000_000)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("../stock.csv", "is outside the folder"),
        ("/etc/passwd", "is outside the folder"),
        ("link.csv", "is outside the folder"),
        ("none.csv", "there is no 'none.csv'; list_files shows what there is"),
        (".", "is a folder, not a file"),
        ("pipe", "is a pipe, not a file"),
        ("stock.csv, none.csv", "there is no 'none.csv'"),
        ("", "is a folder, not a file"),
    ],
)
def test_only_files_of_the_folder_are_asked(tmp_path, file, told):
    write_stock(tmp_path)
    root = tmp_path / "root"
    root.mkdir()
    write_stock(root)
    (root / "link.csv").symlink_to(tmp_path / "stock.csv")
    os.mkfifo(root / "pipe")
    with pytest.raises(ToolError, match=told):
        ask(root, file, "SELECT 1")


@pytest.mark.slow
def test_a_link_inside_the_folder_is_followed(tmp_path):
    write_stock(tmp_path)
    (tmp_path / "link.csv").symlink_to("stock.csv")
    assert ask(tmp_path, "link.csv") == "Tables: link(item, price, stock) [rows: 2]"


def test_files_that_are_too_large_together_are_refused(tmp_path):
    write_stock(tmp_path)
    with pytest.raises(ToolError, match=r"'stock\.csv' is too large: at most 20 bytes"):
        ask(tmp_path, "stock.csv", max_bytes=20)


@pytest.mark.slow
def test_a_database_in_use_is_read_with_its_newest_changes_and_left_as_it_was(tmp_path):
    shop = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    shop.executescript("PRAGMA journal_mode=WAL; CREATE TABLE t(a); INSERT INTO t VALUES (7)")
    before = {
        path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".db-shm"
    }
    assert before["shop.db-wal"]
    assert ask(tmp_path, "shop.db", "SELECT a FROM t") == "a\n7"
    shop.execute("BEGIN IMMEDIATE")
    shop.execute("INSERT INTO t VALUES (8)")  # nobody waits for the lock, nobody sees the row
    assert ask(tmp_path, "shop.db", "SELECT a FROM t") == "a\n7"
    shop.execute("ROLLBACK")
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {name: after[name] for name in before} == before
    shop.close()


@pytest.mark.slow
def test_a_change_that_a_crash_left_half_written_is_not_seen(tmp_path):
    shop = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    shop.executescript(
        "CREATE TABLE t(a); INSERT INTO t SELECT zeroblob(9000) FROM json_each('[1,2]')"
    )
    shop.executescript("PRAGMA cache_size=1; BEGIN; UPDATE t SET a = randomblob(9000)")
    assert (tmp_path / "shop.db-journal").stat().st_size > 0
    assert ask(tmp_path, "shop.db", "SELECT count(*) FROM t WHERE a = zeroblob(9000)") == (
        "count(*)\n2"
    )
    shop.close()


@pytest.mark.slow
def test_nothing_of_the_working_directory_runs_and_no_copy_stays(tmp_path, monkeypatch):
    write_stock(tmp_path)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "json.py").write_text("raise SystemExit('run')")
    (tmp_path / "sqlite3.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    assert ask(".", "stock.csv", "SELECT count(*) AS n FROM stock") == "n\n2"
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_copies_that_a_killed_process_has_left_are_removed(tmp_path, monkeypatch):
    write_stock(tmp_path)
    temporary = tmp_path / "temporary"
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    for name in ("treadle-query-old", "treadle-query-new", "another-old"):
        (temporary / name).mkdir(parents=True)
        (temporary / name / "0").write_text("private")
        if name.endswith("old"):
            os.utime(temporary / name, (0, 0))
    ask(tmp_path, "stock.csv")
    assert {each.name for each in temporary.iterdir()} == {"treadle-query-new", "another-old"}


def test_the_tool_only_reads_and_has_a_time_limit():
    tool = data_tool(limits=QueryLimits(total_s=3))
    assert tool.read_only
    assert tool.name == "query_data"
    assert tool.timeout_s == 18.0
    assert tool.parameters["required"] == ["file"]
