"""docs/tutorial: in an empty folder, each page's files run by its commands, and show what it says.

A Python block whose first line is `# name.py` is that file. A `sh` block is run; the block after it,
without a language, is all that one sees then: a line `...` stands for any lines, `…` for anything.
"""

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial"
CHAPTERS = sorted(TUTORIAL.glob("[0-9]*.md"))
PAGES = sorted(TUTORIAL.glob("*.md"))

_SPEC = importlib.util.spec_from_file_location("extract", TUTORIAL / "extract.py")
assert _SPEC
assert _SPEC.loader
extract = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(extract)

QUOTED = "src/treadle/"
TRACEBACK = "Traceback (most recent call last):"
SECTIONS = ["The failure", "The layer", "In Treadle"]
LAYER_LINES = 62


SHARED = ("standin.py", "log.py")
MOST_LINES = 245
"""Besides the files that chapters share."""


@dataclass(frozen=True)
class Block:
    language: str
    text: str

    @property
    def file(self) -> str:
        """The file that the block is, or is quoted from; "" if it is none."""
        found = extract.FILE.match(self.text)
        return found[1] if found and self.language == "python" else ""

    @property
    def is_quoted(self) -> bool:
        return self.file.startswith(QUOTED)


def blocks_of(page: Path) -> list[Block]:
    return [Block(*found) for found in extract.FENCE.findall(page.read_text("utf8"))]


def files_of(page: Path) -> list[Block]:
    """The files that a reader writes."""
    return [block for block in blocks_of(page) if block.file and not block.is_quoted]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command in this folder, by the Python that runs the tests, as a reader would run it.

    It has Treadle as that Python has it: as a wheel in CI, or from PYTHONPATH.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        "PATH": path,
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(folder),
        "COLUMNS": "100",
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment | {"TREADLE_DB": str(folder / "treadle.db")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=60,
    )


def pattern_of(shown: str) -> re.Pattern[str]:
    """What an output must match to be the one that a page shows."""
    lines = []
    for line in shown.splitlines():
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(r".*?".join(map(re.escape, line.rstrip().split("…"))) + r"[ ]*\n")
    return re.compile("".join(lines))


def test_there_are_fourteen_chapters_and_the_index_has_every_page():
    assert [path.name[:2] for path in CHAPTERS] == [f"{number:02}" for number in range(1, 15)]
    index = (TUTORIAL / "README.md").read_text("utf8")
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", index)) == {path.name for path in PAGES} - {
        "README.md"
    }


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_in_an_empty_folder_and_shows_what_it_says(page, tmp_path):
    blocks = [*blocks_of(page), Block("", "")]
    for block, after in pairwise(blocks):
        if block.file and not block.is_quoted:
            (tmp_path / block.file).write_text(block.text, "utf8")
        if block.language != "sh":
            continue
        shown = ""
        if after.language == "":
            shown = after.text
        done = run(block.text, tmp_path)
        assert pattern_of(shown).fullmatch(done.stdout), f"{block.text}{done.stdout}"
        assert (done.returncode != 0) == (TRACEBACK in shown), block.text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_quotes_of_treadle_is_there_and_its_links_lead_somewhere(page):
    for block in blocks_of(page):
        if block.is_quoted:
            _, quoted = block.text.split("\n", 1)
            assert stripped(quoted) in stripped((ROOT / block.file).read_text("utf8")), quoted
    prose = extract.FENCE.sub("", page.read_text("utf8"))
    for link in re.findall(r"\]\((?!http)([^)#]+)", prose):
        assert (page.parent / link).exists(), link


def stripped(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_a_chapter_is_short_and_complete_in_itself(page):
    text = page.read_text("utf8")
    _, end = text.split("## In Treadle")
    assert [name for name in re.findall(r"^## (.*)$", text, re.M) if name in SECTIONS] == SECTIONS
    assert TRACEBACK not in end
    own = re.sub(r"<details>.*?</details>", "", text, flags=re.S)
    for block in files_of(page):
        if block.file in SHARED:
            own = own.replace(block.text, "")
        assert len(block.text.splitlines()) <= LAYER_LINES, block.file
        if "treadle" not in block.file:
            assert not re.search(r"^(?:from|import) treadle", block.text, re.M), block.file
    assert 120 <= len(own.splitlines()) <= MOST_LINES
    assert any(block.is_quoted for block in blocks_of(page))


@pytest.mark.parametrize("name", SHARED)
def test_a_file_that_chapters_share_is_the_same_in_all_of_them(name):
    texts = {block.text for page in PAGES for block in files_of(page) if block.file == name}
    assert len(texts) == 1


def test_a_chapter_s_files_can_be_had_without_copying_them(tmp_path):
    done = run(f"{sys.executable} {TUTORIAL / 'extract.py'} 8", tmp_path)
    assert done.returncode == 0, done.stdout
    [page] = TUTORIAL.glob("08*.md")
    assert {path.name for path in tmp_path.iterdir()} == {block.file for block in files_of(page)}
    again = run(f"{sys.executable} {TUTORIAL / 'extract.py'} 8", tmp_path)
    assert "FileExistsError" in again.stdout


def test_the_real_model_of_the_index_fits_the_loop_of_chapter_1():
    chat = pytest.importorskip("openai.types.chat")
    wants = {"name": "stock", "arguments": '{"item": "lamp"}'}
    call = {"id": "call_1", "type": "function", "function": wants}
    replies = [{"content": None, "tool_calls": [call]}, {"content": "17."}]
    asked = []

    def create(**request):
        asked.append({**request, "messages": list(request["messages"])})
        message = {"role": "assistant", **replies.pop(0)}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        return chat.ChatCompletion.model_validate({**body, "choices": [choice]})

    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    names = {"client": client, "SCHEMAS": [{"type": "function", "function": {"name": "stock"}}]}
    [program] = [block.text for block in blocks_of(TUTORIAL / "README.md") if "def " in block.text]
    [loop] = [block.text for block in files_of(CHAPTERS[0]) if block.file == "loop.py"]
    exec(program, names)
    exec(loop, names)
    assert names["run"](names["model"], {"stock": lambda item: 17}, "Lamps?") == "17."
    assert asked[1]["tools"] == names["SCHEMAS"]
    assert asked[1]["messages"][1]["tool_calls"] == [call]
    assert asked[1]["messages"][2]["content"] == "17"
