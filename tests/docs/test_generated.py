"""What pages repeat of the code is the code's: generated parts, and the places that are named."""

import ast
import importlib.util
import re
from pathlib import Path
from typing import get_args

import pytest

from treadle.core import events as e
from treadle.core.call import CallStatus
from treadle.core.state import Phase

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "treadle"
SPEC = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
generate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generate)


@pytest.mark.parametrize("path", generate.PAGES, ids=lambda path: path.name)
def test_a_generated_page_is_what_the_generator_gives(path):
    assert path.read_text("utf8") == generate.PAGES[path](), "run `just docs`"


def test_every_event_is_tried_in_the_diagrams():
    assert {type(event) for _, event in generate.SAMPLES} == set(get_args(e.Event))


def test_every_phase_and_status_is_explained_and_reached():
    phases, statuses = generate.find_ways()
    assert list(generate.PHASES) == list(get_args(Phase))
    assert list(generate.STATUSES) == list(get_args(CallStatus))
    assert {end for _, end in phases} == set(get_args(Phase)) - {"empty"}
    assert {end for _, end in statuses} == {*get_args(CallStatus), "[*]"}


def test_the_rooms_in_the_table_are_the_folders():
    folders = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert set(generate.ROOMS) == folders


def names(path: Path) -> set[str]:
    """What a module defines: functions, classes and their members, constants."""
    found: set[str] = set()
    waiting = [("", node) for node in ast.parse(path.read_text("utf8")).body]
    while waiting:
        prefix, node = waiting.pop()
        match node:
            case ast.ClassDef():
                found.add(node.name)
                waiting += [(f"{node.name}.", each) for each in node.body]
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found.add(prefix + node.name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(prefix + name)
    return found


ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text("utf8")
PLACES = sorted(set(re.findall(r"`([\w/]+\.py):([\w.]+)`", ARCHITECTURE)))


@pytest.mark.parametrize(("path", "name"), PLACES, ids=[":".join(place) for place in PLACES])
def test_every_place_that_the_architecture_names_is_there(path, name):
    file = SOURCE / path
    assert name in names(file if file.exists() else ROOT / path)


def test_every_file_and_folder_that_it_names_is_there():
    for path in re.findall(r"`((?:\w+/)+[\w.]*)`", ARCHITECTURE):
        assert (SOURCE / path).exists() or (ROOT / path).exists(), path


@pytest.mark.parametrize(
    "page", ["ARCHITECTURE.md", "docs/glossary.md", "docs/reference/events.md"]
)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text("utf8")):
        assert ((ROOT / page).parent / link).exists(), link


def test_the_glossary_explains_a_word_before_another_needs_it():
    page = (ROOT / "docs" / "glossary.md").read_text("utf8")
    entries = re.findall(r"^- \*\*(.+?)\*\*: (.*?)(?=^- \*\*|^## |\Z)", page, re.S | re.M)
    assert len(entries) > 50
    for index, (word, text) in enumerate(entries):
        plain = re.sub(r"`[^`]*`|\([^)]*\)", "", text)
        later = [name for names, _ in entries[index + 1 :] for name in names.split(", ")]
        early = [name for name in later if re.search(rf"\b{name}s?\b", plain, re.I)]
        assert not early, f"{word} is explained by {early}"
