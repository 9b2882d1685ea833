import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from treadle.core.errors import ToolError
from treadle.tools.docs import Index, IndexLimits, docs_tool, search_docs
from treadle.tools.passages import read_text, split_passages, walk_text_files


def write(root, **files):
    """Files by name; `__` stands for a slash and the last `_` for the dot."""
    for name, text in files.items():
        path = root / ".".join(name.replace("__", "/").rsplit("_", 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def search(root, query, max_results=5, **limits):
    return docs_tool(root, IndexLimits(**limits)).function(query=query, max_results=max_results)


def paths(told):
    """Which places were found, best first."""
    return [line.split(" ")[1] for line in told.splitlines() if line[:1].isdigit()]


def test_a_hit_says_file_lines_headings_and_words(tmp_path):
    write(
        tmp_path,
        guide__setup_md="# Guide\n\nWelcome.\n\n## On Linux\n\nTurn the crank twice.\n"
        "\n## On a Mac\n\nNo.\n",
    )
    told = search(tmp_path, "cranks")
    assert told == "1. guide/setup.md:5-7  Guide > On Linux\n   ## On Linux Turn the crank twice."


def test_what_has_all_words_comes_before_what_has_one_often(tmp_path):
    write(
        tmp_path,
        often_md="loom " * 50,
        both_md="A page on many things: a loom, and its treadle, among others.",
    )
    assert paths(search(tmp_path, "What is the treadle of a loom?")) == [
        "both.md:1-1",
        "often.md:1-1",
    ]


def test_a_heading_counts_more_than_the_text(tmp_path):
    filler = "and so it goes on for a while. " * 8
    write(
        tmp_path,
        a_md=f"# Other\n\nSome retries, more retries. {filler}",
        b_md=f"# Retries\n\n{filler}{filler}",
    )
    assert paths(search(tmp_path, "retries")) == ["b.md:1-3", "a.md:1-3"]


@pytest.mark.parametrize(
    "query",
    [
        "what is c++?",
        '"unbalanced',
        "a AND",
        "NOT loom",
        "loom*",
        "body:loom",
        "NEAR(loom)",
        "loom OR (",
        "^loom",
        "l'oom",
        "{loom} : -",
        "loom\0",
        "\ud800 loom",
        "__ loom",
        "loom " * 500,
    ],
)
def test_any_text_may_be_asked(tmp_path, query):
    write(tmp_path, a_md="the loom, written in c")
    assert isinstance(search(tmp_path, query), str)


@pytest.mark.parametrize("query", ["", "  ", "?!", "+"])
def test_a_query_without_words_is_told(tmp_path, query):
    with pytest.raises(ToolError, match="no words"):
        search(tmp_path, query)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("the runner was running", "runs"),
        ("Café Zürich", "cafe zurich"),
        ("settings: max_chars is read-only", "max_chars"),
        ("数据库连接超时", "连接"),  # a run of characters without spaces
        ("サーバーの設定", "設定"),
        ("데이터베이스를 연결", "데이터베이스"),
        ("configurability", "config"),  # the beginning of a word
        ("see src/loop.py", "loop.py"),
    ],
)
def test_words_are_found_in_their_other_forms(tmp_path, text, query):
    write(tmp_path, a_md=text, b_md="something else")
    assert paths(search(tmp_path, query)) == ["a.md:1-1"]
    assert text in search(tmp_path, query)


def test_nothing_found_is_an_answer(tmp_path):
    write(tmp_path, a_md="x")
    assert (
        search(tmp_path, "zebra") == "Nothing about 'zebra' in 1 files; try fewer or other words."
    )


def test_changed_new_and_deleted_files_are_seen_at_the_next_call(tmp_path):
    write(tmp_path, a_md="old words", b_md="old words too", c_md="words that stay")
    find = docs_tool(tmp_path).function
    assert len(paths(find(query="words"))) == 3
    write(tmp_path, a_md="newer text", d_md="newer words")
    (tmp_path / "b.md").unlink()
    assert sorted(paths(find(query="words"))) == ["c.md:1-1", "d.md:1-1"]
    assert sorted(paths(find(query="newer"))) == ["a.md:1-1", "d.md:1-1"]


def test_a_file_that_has_not_changed_is_not_read_again(tmp_path):
    write(tmp_path, a_md="first")
    os.utime(tmp_path / "a.md", ns=(1, 1))
    find = docs_tool(tmp_path).function
    assert paths(find(query="first"))
    write(tmp_path, a_md="other")
    os.utime(tmp_path / "a.md", ns=(1, 1))
    assert paths(find(query="first"))


def test_links_hidden_files_and_binaries_stay_out(tmp_path):
    root = tmp_path / "root"
    write(
        root,
        real_md="secret real",
        _env_txt="",
        blob_txt=b"secret\0\1",
        node_modules__x_js="secret",
        photo_png="secret",
    )
    write(root, venv__pyvenv_cfg="secret", venv__lib__x_py="secret")
    (root / ".env").write_text("secret")
    (root / ".git").mkdir()
    (root / ".git" / "config.txt").write_text("secret")
    write(tmp_path, outside__key_txt="secret")
    (root / "link.txt").symlink_to(tmp_path / "outside" / "key.txt")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "circle").symlink_to(root)
    os.mkfifo(root / "pipe.txt")
    assert paths(search(root, "secret")) == ["real.md:1-1"]


def test_a_link_put_in_a_file_s_place_after_the_listing_is_not_followed(tmp_path):
    write(tmp_path, key_txt="secret")
    (tmp_path / "link.txt").symlink_to(tmp_path / "key.txt")
    assert read_text(tmp_path / "link.txt", 1000) == ""
    assert read_text(tmp_path / "key.txt", 1000) == "secret"


def test_what_is_left_out_is_said(tmp_path):
    write(tmp_path, small_md="loom", large_md="loom " * 100)
    told = search(tmp_path, "loom", file_bytes=100)
    assert paths(told) == ["small.md:1-1"]
    assert told.endswith("(at least 1 files were too large or too many, and were not searched)")


@pytest.mark.parametrize("limits", [{"files": 3}, {"bytes": 12}])
def test_the_whole_is_bounded_too(tmp_path, limits):
    write(tmp_path, **{f"f{number}_md": "loom" for number in range(9)})
    told = search(tmp_path, "loom", 20, **limits)
    assert len(paths(told)) == 3
    assert "were not searched" in told


def test_the_shallow_files_come_first_where_there_are_too_many(tmp_path):
    write(tmp_path, a__deep__one_md="loom", a__deep__two_md="loom", z_md="loom")
    assert paths(search(tmp_path, "loom", files=1)) == ["z.md:1-1"]


def test_the_shipped_tool_searches_the_folder_that_is_set_at_the_call(tmp_path, monkeypatch):
    write(tmp_path, one__a_md="loom", two__b_md="loom")
    monkeypatch.setenv("TREADLE_DOCS", str(tmp_path / "one"))
    assert paths(search_docs.function(query="loom")) == ["a.md:1-1"]
    monkeypatch.delenv("TREADLE_DOCS")
    monkeypatch.chdir(tmp_path / "two")
    assert paths(search_docs.function(query="loom")) == ["b.md:1-1"]
    monkeypatch.setenv("TREADLE_DOCS", str(tmp_path / "three"))
    with pytest.raises(ToolError, match="does not exist"):
        search_docs.function(query="loom")
    assert search_docs.read_only


def test_an_sqlite_without_full_text_search_is_told(tmp_path):
    class Without(sqlite3.Connection):
        def execute(self, sql, *values):
            return super().execute(sql.replace("fts5", "no_such_module"), *values)

    index = Index(tmp_path, connect=lambda: sqlite3.connect(":memory:", factory=Without))
    for _ in range(2):
        with pytest.raises(ToolError, match=r"needs SQLite with FTS5.*read the files themselves"):
            index.search("loom", 5)


def test_calls_at_the_same_time_all_find_it(tmp_path):
    write(tmp_path, **{f"f{number}_md": f"loom {number}" for number in range(30)})
    find = docs_tool(tmp_path).function
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda number: find(query=f"loom {number}", max_results=1), range(30)))
    assert [paths(text) for text in told] == [[f"f{number}.md:1-1"] for number in range(30)]


@pytest.mark.parametrize(
    ("path", "text", "cut"),
    [
        (
            "a.md",
            "intro\n# A\nx\n## B\ny\n# C\nz",
            [("", 1, 1), ("A", 2, 3), ("A > B", 4, 5), ("C", 6, 7)],
        ),
        ("a.md", "# A\n## B\ny", [("A > B", 1, 3)]),
        ("a.md", "# A\n```\n# not one\n```\nx", [("A", 1, 5)]),
        ("a.md", "A\n===\nx\n\nB\n---\ny", [("A", 1, 3), ("A > B", 5, 7)]),
        ("a.rst", "A\n===\nx\n\nB\n~~~\ny", [("A", 1, 3), ("A > B", 5, 7)]),
        ("a.adoc", "== A\nx\n=== B\ny", [("A", 1, 2), ("A > B", 3, 4)]),
        ("a.org", "* A\nx\n** B\ny", [("A", 1, 2), ("A > B", 3, 4)]),
        ("a.md", "* item\n* item", [("", 1, 2)]),
        (
            "a.py",
            "import os\n\ndef f(x):\n    return x\n\nclass C:\n    pass",
            [("", 1, 1), ("def f(x)", 3, 4), ("class C", 6, 7)],
        ),
        ("a.ts", "export async function go() {\n}\n", [("export async function go()", 1, 2)]),
        ("a.csv", "name,age\nAnn,5", [("name,age", 1, 2)]),
        ("a.yaml", "# comment\na: 1\n---\nb: 2", [("", 1, 4)]),
        ("a.txt", "\n\n", []),
        ("a.txt", "a\r\nb\rc", [("", 1, 3)]),
    ],
)
def test_files_are_cut_at_their_headings(path, text, cut):
    assert [
        (part.heading, part.first_line, part.last_line) for part in split_passages(path, text)
    ] == cut


@pytest.mark.parametrize(
    "text", ["word " * 3000, "line of text\n" * 900, "a\n\n" * 4000, "x" * 20_000]
)
def test_long_text_is_cut_into_passages_that_hold_it_all(text):
    parts = list(split_passages("a.txt", text))
    assert all(len(part.text) <= 3000 for part in parts)
    assert "".join("".join(part.text.split()) for part in parts) == "".join(text.split())
    lines = text.split("\n")
    for part in parts:
        assert part.text.strip() in "\n".join(lines[part.first_line - 1 : part.last_line])


def test_html_is_searched_without_its_tags_and_with_its_own_lines(tmp_path):
    write(
        tmp_path, a_html="<html>\n<script>loom()</script>\n<h1>Weaving</h1>\n<p>the <b>loom</b></p>"
    )
    told = search(tmp_path, "loom")
    assert paths(told) == ["a.html:3-4"]
    assert "Weaving" in told
    assert "<b>" not in told


def test_walk_gives_paths_with_slashes_and_sizes(tmp_path):
    write(tmp_path, b__c_txt="four", a_md="xy")
    (tmp_path / "README").write_text("r")
    assert [(path, info.st_size) for path, info in walk_text_files(tmp_path)] == [
        ("README", 1),
        ("a.md", 2),
        ("b/c.txt", 4),
    ]
