"""The public door: docs use nothing else, the last release fits, and lazy names are where they say."""

import ast
import importlib
import re
from pathlib import Path

import public_names as p
import pytest

import treadle
from treadle.cli import init, save_test
from treadle.testing import render_test

ROOT = Path(__file__).parents[2]
IMPORT = re.compile(
    r"^[ \t]*(?:from (treadle[\w.]*) import (\([^)]*\)|[^\n#]*)|import (treadle[\w.]*))", re.M
)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
NOW = p.public_names()
RELEASE, BEFORE = p.last_release()


def shown_sources() -> dict[str, str]:
    """What a user is shown to import: by place, the code of pages and examples, and what is written."""
    found = {}
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        if "decisions" in path.parts:
            continue
        blocks = [block for block in BLOCK.findall(path.read_text("utf8")) if "# src/" not in block]
        found[str(path.relative_to(ROOT))] = "\n".join(blocks)
    for path in sorted((ROOT / "examples").rglob("*.py")):
        found[str(path.relative_to(ROOT))] = path.read_text("utf8")
    for module in (init, save_test, render_test):
        assert module.__file__
        found[module.__name__] = quoted(Path(module.__file__).read_text("utf8"))
    for path in sorted((ROOT / "src" / "treadle" / "cli" / "starter").glob("*.txt")):
        found[path.name] = path.read_text("utf8")
    return found


def quoted(source: str) -> str:
    """The texts of a module that writes programs."""
    texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    return "\n".join(text for text in texts if isinstance(text, str))


def test_what_is_shown_imports_only_from_public_places():
    wrong = []
    for place, source in shown_sources().items():
        for module, names, whole in IMPORT.findall(source):
            if whole or module not in p.PLACES:
                wrong.append(f"{place}: {whole or module}")
                continue
            public = importlib.import_module(module).__all__
            for name in re.findall(r"(\w+)(?: as \w+)?", names):
                if name not in ("as", "e", *public) and f"{module}.{name}" not in p.PLACES:
                    wrong.append(f"{place}: {module}.{name}")
    assert wrong == []


def test_what_the_last_release_has_is_there_and_fits():
    assert p.find_breaks(BEFORE, NOW, RELEASE) == []


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({"treadle.x": "value"}, {}, "treadle.x is gone, and 0.2.0 has it. If it must go: keep it"),
        (
            {"x": "function(a)"},
            {"x": "function(b)"},
            "x was function(a) in 0.2.0, and is function(b)",
        ),
        ({"x": "function(a)"}, {"x": "async function(a)"}, "x was function(a)"),
        ({"x": "function(a)"}, {"x": "function(a, b)"}, "Add what is new as optional"),
        ({"x": "function(a, b)"}, {"x": "function(b, a)"}, "x was"),
        ({"x": "function(a=)"}, {"x": "function(a)"}, "x was"),
        ({"x": "function(*, a=)"}, {"x": "function(*, b=)"}, "x was"),
        ({"x": "function(*, a=)"}, {"x": "function(*, a=, b)"}, "x was"),
        ({"x": "command(t, *, --json=)"}, {"x": "command(t, *)"}, "DeprecationWarning"),
    ],
)
def test_what_is_gone_or_no_longer_fits_is_told_with_what_to_do(before, now, told):
    [sentence] = p.find_breaks(before, now, "0.2.0")
    assert told in sentence
    assert "`just stable VERSION`" in sentence


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("function(a)", "function(a, b=)"),
        ("function(a, b=)", "function(a, b=, *, c=)"),
        ("function(a, *, b)", "function(a, *, b=)"),
        ("class(a, b)", "class(a, b=, **more)"),
        ("function(*, a=)", "function(a=)"),
    ],
)
def test_what_is_added_as_optional_fits(before, now):
    assert p.find_breaks({"x": before}, {"x": now}, "0.2.0") == []
    assert p.find_new({"x": before}, {"x": now, "y": "class()", "y.z": "field"}) == ["y"]


def test_each_place_has_its_names_once_and_each_name_a_sentence():
    for place in p.PLACES:
        module = importlib.import_module(place)
        assert len(module.__all__) == len(set(module.__all__)), place
        for name in module.__all__:
            assert p._sentence(module, name), f"{place}.{name} has no docstring"


def lazy_packages() -> list[Path]:
    paths = sorted((ROOT / "src" / "treadle").glob("*/__init__.py"))
    return [path for path in paths if "import_on_use" in path.read_text("utf8")]


@pytest.mark.parametrize("path", lazy_packages(), ids=lambda path: path.parent.name)
def test_names_that_are_imported_on_use_are_those_that_type_checkers_see(path):
    tree = ast.parse(path.read_text("utf8"))
    [choice] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        name.name: "." * node.level + (node.module or "")
        for node in choice.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    [given] = [node for node in ast.walk(choice.orelse[0]) if isinstance(node, ast.Dict)]
    modules = ast.literal_eval(given).items()
    assert {name: module for module, names in modules for name in names.split()} == seen
    package = importlib.import_module(f"treadle.{path.parent.name}")
    assert set(seen) <= set(package.__all__)
    beside = {module.stem for module in path.parent.glob("*.py")}
    assert not beside & set(seen), "a module of the same name would be found instead"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing


def test_treadle_itself_has_what_it_says():
    assert [name for name in treadle.__all__ if not hasattr(treadle, name)] == []
