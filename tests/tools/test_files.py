import os
import socket
import stat

import pytest

from treadle.core.errors import ToolError
from treadle.models.local.dialect import MAX_RESULT_CHARS
from treadle.tools import files as module
from treadle.tools.files import FileTools, file_tools, read_file, split_pages, write_file
from treadle.tools.inside import open_inside


@pytest.fixture
def root(tmp_path):
    """A folder with a sibling that has nearly the same name and holds a secret."""
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "notes.txt").write_text("one\nTwo\nthree\n")
    (folder / "src").mkdir()
    (folder / "src" / "main.py").write_text("print('two')\n")
    (tmp_path / "root-other").mkdir()
    (tmp_path / "root-other" / "secret.txt").write_text("secret two")
    return folder


@pytest.fixture
def tools(root):
    return FileTools(root)


def open_descriptors():
    return len(os.listdir("/dev/fd"))


def test_a_file_is_read_as_it_is(tools, root):
    assert tools.read_file("notes.txt") == "one\nTwo\nthree\n"
    assert tools.read_file("src/../notes.txt") == tools.read_file(str(root / "notes.txt"))


def test_the_folder_is_looked_up_at_the_call(root, monkeypatch):
    monkeypatch.chdir(root)
    assert read_file.function("notes.txt").startswith("one")
    monkeypatch.chdir(root / "src")
    with pytest.raises(ToolError, match=r"there is no 'notes\.txt'; list_files"):
        read_file.function("notes.txt")


OUTSIDE = [
    "../root-other/secret.txt",
    "/etc/passwd",
    "src/../../root-other/secret.txt",
    "..",
    "/",
    "link",
    "links/secret.txt",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside_the_folder_is_read_listed_searched_or_written(tools, root, path):
    (root / "link").symlink_to(root.parent / "root-other" / "secret.txt")
    (root / "links").symlink_to(root.parent / "root-other")
    for use in (tools.read_file, tools.list_files, lambda p: tools.search_files("secret", p)):
        with pytest.raises(ToolError, match="outside"):
            use(path)
    with pytest.raises(ToolError, match="outside"):
        tools.write_file(path, "mine")
    assert (root.parent / "root-other" / "secret.txt").read_text() == "secret two"


def test_a_dangling_link_to_the_outside_makes_no_file_there(tools, root):
    (root / "new").symlink_to(root.parent / "made-outside")
    with pytest.raises(ToolError, match="outside"):
        tools.write_file("new", "x")
    assert not (root.parent / "made-outside").exists()


def test_links_that_stay_inside_are_followed(tools, root):
    (root / "link").symlink_to("notes.txt")
    (root / "code").symlink_to("src")
    assert tools.read_file("link") == tools.read_file("notes.txt")
    assert tools.read_file("code/main.py") == "print('two')\n"
    tools.write_file("link", "changed")
    assert (root / "notes.txt").read_text() == "changed"
    assert (root / "link").is_symlink()


class RivalRoot(os.PathLike):
    """A root that puts a link to the outside in place between a path's check and its opening."""

    def __init__(self, root, name):
        self.root, self.name, self.looks = root, name, 0

    def __fspath__(self):
        self.looks += 1
        if self.looks == 2:
            (self.root / self.name).rename(self.root / f"aside {self.name[-3:]}")
            outside = self.root.parent / "root-other"
            (self.root / self.name).symlink_to(
                outside if self.name == "dir" else outside / "secret.txt"
            )
        return str(self.root)


@pytest.mark.parametrize("name", ["dir", "dir/secret.txt"])
def test_a_link_put_in_after_the_look_is_never_followed(root, name):
    (root / "dir").mkdir()
    (root / "dir" / "secret.txt").write_text("inside")
    with pytest.raises(ToolError, match=r"link|folder"):
        open_inside(RivalRoot(root, name), "dir/secret.txt")
    assert (root / name).is_symlink()


def test_writing_never_goes_through_a_link_put_in_after_the_look(root):
    (root / "dir").mkdir()
    with pytest.raises(ToolError, match="folder"):
        FileTools(RivalRoot(root, "dir")).write_file("dir/secret.txt", "mine")
    with pytest.raises(ToolError, match="link"):
        FileTools(RivalRoot(root, "notes.txt")).write_file("notes.txt", "mine")
    assert (root.parent / "root-other" / "secret.txt").read_text() == "secret two"


def test_pipes_sockets_devices_folders_and_loops_are_refused_without_waiting(
    tools, root, monkeypatch
):
    monkeypatch.chdir(root)  # a socket's path has to be short
    os.mkfifo("pipe")
    (root / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        for path, told in [
            ("pipe", "is a pipe"),
            ("sock", "sock"),
            ("src", "is a folder"),
            (".", "folder"),
            ("loop", "link"),
        ]:
            with pytest.raises(ToolError, match=told):
                tools.read_file(path)
        with pytest.raises(ToolError, match="is a pipe"):
            tools.write_file("pipe", "x")
        assert "pipe" not in tools.list_files()
    with pytest.raises(ToolError, match="is a device"):
        FileTools("/dev").read_file("null")


@pytest.mark.parametrize(
    "path", ["", "a\0b", "\ud800", "x" * 5000, "notes.txt/more", "~/x", "nope/x"]
)
def test_what_is_no_path_to_a_file_is_told_to_the_model(tools, path):
    with pytest.raises(ToolError, match=r"folder|no path|too long|there is no"):
        tools.read_file(path)


def test_a_folder_that_is_gone_is_told(tmp_path):
    for use in (
        FileTools(tmp_path / "gone").list_files,
        lambda: FileTools(tmp_path / "gone").write_file("a", "b"),
    ):
        with pytest.raises(ToolError, match="folder these tools work in can't be opened"):
            use()


def test_a_long_file_comes_in_pages_that_join_to_the_whole(tools, root):
    text = "".join(f"line {n}\n" for n in range(3000)) + "x" * 20_000
    (root / "long.txt").write_text(text)
    assert "".join(split_pages(text)) == text
    assert max(map(len, split_pages(text))) <= module.PAGE_CHARS
    count = len(split_pages(text))
    first = tools.read_file("long.txt")
    assert first.startswith("line 0\n")
    assert first.endswith(f"[page 1 of {count} of long.txt; ask for page=2 to read on]")
    assert len(first) <= MAX_RESULT_CHARS  # the embedded model is shown no more
    assert "this is the end" in tools.read_file("long.txt", count)
    with pytest.raises(ToolError, match=f"no page {count + 1}, only {count}"):
        tools.read_file("long.txt", count + 1)


def test_pages_are_counted_from_one():
    with pytest.raises(ToolError, match="page"):
        read_file.arguments_of('{"path": "a", "page": 0}')


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "[the file is empty]"),
        (b"\xef\xbb\xbfhello", "hello"),
        ("grüße".encode("utf-16"), "grüße"),
        (
            "naïve text".encode("latin-1"),
            "naïve text\n[lines that are not valid UTF-8 were read as Windows' Latin]",
        ),
        (
            "Köln und\n".encode() + "ein naïver Text".encode("cp1252"),
            "Köln und\nein naïver Text"
            "\n[lines that are not valid UTF-8 were read as Windows' Latin]",
        ),
        (
            "naïve text".encode("utf-16") + b"\0",
            "naïve text�\n[� stands for bytes that are not valid UTF-16]",
        ),
        ("� is a character".encode(), "� is a character"),
        (b"a\r\nb", "a\r\nb"),
    ],
)
def test_text_is_decoded_and_what_is_lost_is_said(tools, root, data, text):
    (root / "file").write_bytes(data)
    assert tools.read_file("file") == text


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\x02\0\0",
        bytes(range(128, 256)),
        b"\xff\xfe\0\0",
        "Привет, мир".encode("cp1251"),
    ],
)
def test_binaries_and_unknown_encodings_are_refused(tools, root, data):
    (root / "file").write_bytes(data)
    with pytest.raises(ToolError, match="is not text in UTF-8 or UTF-16; only that can be read"):
        tools.read_file("file")


def test_a_search_finds_words_of_an_old_file(tools, root):
    (root / "old.txt").write_bytes("Viele schöne Grüße aus Köln\n".encode("cp1252"))
    assert tools.search_files("Grüße") == "old.txt:1: Viele schöne Grüße aus Köln"


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tools, root):
    with open(root / "huge", "wb") as file:
        file.truncate(module.MAX_FILE_BYTES + 1)
    with pytest.raises(ToolError, match="larger than 10,000,000 bytes"):
        tools.read_file("huge")
    assert (
        tools.search_files("zzz")
        == "[no line contains 'zzz']\n[1 not searched: not text, too large, or not readable]"
    )


def test_listing_shows_what_is_right_in_the_folder(tools, root):
    (root / ".hidden").write_text("")
    (root / "link").symlink_to("notes.txt")
    (root / "out").symlink_to("/etc/passwd")
    assert tools.list_files() == "link (14 bytes)\nnotes.txt (14 bytes)\nsrc/"
    assert tools.list_files("src") == "src/main.py (13 bytes)"
    assert ".hidden (0 bytes)" in tools.list_files(hidden=True)


@pytest.mark.parametrize(
    "pattern", ["*.py", "src/*.py", "**/*.py", "./src/main.py", "src/**/*.py", "ma?n.py"]
)
def test_a_pattern_finds_files_below(tools, pattern):
    assert tools.list_files(pattern=pattern) == "src/main.py (13 bytes)"


@pytest.mark.parametrize("pattern", ["*.rs", "s*.txt", "rc/*.py", "src"])
def test_a_pattern_that_nothing_fits_says_so(tools, pattern):
    assert tools.list_files(pattern=pattern) == "[no file fits; try a wider pattern]"


def test_a_long_listing_is_cut_and_says_so(tools, root):
    for number in range(module.MAX_LISTED + 5):
        (root / "src" / f"{number:04}.txt").touch()
    lines = tools.list_files(pattern="*.txt").split("\n")
    assert lines[0] == "notes.txt (14 bytes)"
    shown = f"{module.MAX_LISTED} of {module.MAX_LISTED + 6} shown"
    assert lines[-1] == f"[{shown}; give a narrower path or pattern]"
    assert len(lines) == module.MAX_LISTED + 1


def test_git_and_caches_are_not_gone_into(tools, root):
    for folder in (".git", "node_modules", "__pycache__"):
        (root / folder).mkdir()
        (root / folder / "two.txt").write_text("two")
    assert "two.txt" not in tools.list_files(pattern="*.txt", hidden=True)
    assert "two.txt" not in tools.search_files("two", hidden=True)


def test_a_name_can_not_pass_for_a_line_of_ours(tools, root):
    (root / "a\n[the end]").write_text("two")
    (root / os.fsdecode(b"b\xff")).write_text("two")
    listed = tools.list_files()
    assert r"'a\n[the end]' (3 bytes)" in listed
    assert listed.encode()
    assert tools.search_files("two").encode()


def test_searching_gives_path_line_and_text(tools):
    assert tools.search_files("two") == "notes.txt:2: Two\nsrc/main.py:1: print('two')"
    assert tools.search_files("two", pattern="*.py") == "src/main.py:1: print('two')"
    assert tools.search_files("TWO", path="notes.txt") == "notes.txt:2: Two"
    assert tools.search_files("t.o") == "[no line contains 't.o']"


@pytest.mark.parametrize("text", ["", "  ", "a\nb"])
def test_searching_wants_a_piece_of_one_line(tools, text):
    with pytest.raises(ToolError, match="piece of one line"):
        tools.search_files(text)


def test_searching_cuts_long_lines_and_many_matches_and_says_so(tools, root):
    (root / "long").write_text("x" * 5000 + "needle" + "y" * 5000 + "\n" + "needle\n" * 200)
    lines = tools.search_files("needle").split("\n")
    assert "xxneedleyy" in lines[0]
    assert len(lines[0]) < 200
    assert lines[-1] == "[more matches were left out; look for a longer text]"
    assert len(lines) == module.MAX_MATCHES + 1


def test_writing_makes_a_file_and_the_folders_to_it(tools, root):
    assert tools.write_file("a/b/new.txt", "grüße") == "Wrote 7 bytes to a/b/new.txt, a new file."
    assert (root / "a" / "b" / "new.txt").read_text(encoding="utf-8") == "grüße"
    assert os.listdir(root / "a" / "b") == ["new.txt"]


def test_writing_replaces_all_and_keeps_the_permissions(tools, root):
    (root / "notes.txt").chmod(0o750)
    assert tools.write_file("notes.txt", "new") == "Wrote 3 bytes to notes.txt, in place of 14."
    assert (root / "notes.txt").read_text() == "new"
    assert stat.S_IMODE((root / "notes.txt").stat().st_mode) == 0o750


def test_a_reader_of_the_old_file_keeps_it_whole(tools, root):
    with open(root / "notes.txt") as reader:
        tools.write_file("notes.txt", "new")
        assert reader.read() == "one\nTwo\nthree\n"


def test_a_hard_link_to_elsewhere_keeps_its_content(tools, root):
    os.link(root / "notes.txt", root.parent / "elsewhere")
    tools.write_file("notes.txt", "new")
    assert (root.parent / "elsewhere").read_text() == "one\nTwo\nthree\n"


@pytest.mark.parametrize(
    ("path", "content", "told"),
    [
        ("src", "x", "is a folder"),
        ("new/", "x", "is a folder"),
        (".", "x", "is a folder"),
        ("notes.txt/x", "x", "no folder"),
        (".git/hooks/pre-commit", "x", "git"),
        ("src/.GIT/config", "x", "git"),
        ("locked", "x", "read-only"),
        ("new", "\ud800", "surrogate"),
        ("new", "x" * (module.MAX_FILE_BYTES + 1), "at most 10,000,000"),
        ("x" * 300, "x", "too long"),
    ],
)
def test_what_can_not_be_written_is_told_and_nothing_is_left(tools, root, path, content, told):
    (root / "locked").write_text("")
    (root / "locked").chmod(0o444)
    before = sorted(os.listdir(root))
    with pytest.raises(ToolError, match=told):
        tools.write_file(path, content)
    assert sorted(os.listdir(root)) == before


def test_no_descriptor_is_left_open(tools, root):
    os.mkfifo(root / "pipe")
    before = open_descriptors()
    for path in ("notes.txt", "src", "pipe", "nope/x", "../x", "src/main.py/x", "src/deep/new.txt"):
        for use in (tools.read_file, tools.list_files, lambda p: tools.write_file(p, "two")):
            try:
                use(path)
            except ToolError:
                continue
    tools.search_files("two")
    tools.list_files(pattern="*")
    assert open_descriptors() == before


def test_only_writing_needs_approval_and_is_never_repeated_unseen():
    made = {tool.name: tool for tool in file_tools("anywhere")}
    assert list(made) == ["read_file", "list_files", "search_files", "write_file"]
    assert [tool.read_only for tool in made.values()] == [True, True, True, False]
    assert (write_file.needs_approval, write_file.idempotent, write_file.parallel) == (
        True,
        False,
        False,
    )
    assert "self" not in read_file.parameters["properties"]


def test_a_pattern_that_leaves_no_file_to_search_is_told_and_not_taken_for_no_match(tools, root):
    (root / "quarters.txt").write_text("Q3: 990")
    assert "no file in 'quarters.txt' fits the pattern 'Q3'" in tools.search_files(
        "Q3", "quarters.txt", "Q3"
    )
    assert "no line contains 'Q9'" in tools.search_files("Q9", "quarters.txt", "*.txt")
    assert tools.search_files("Q3", "quarters.txt") == "quarters.txt:1: Q3: 990"
