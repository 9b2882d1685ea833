"""CONTRIBUTING.md, SECURITY.md, RELIABILITY.md and the justfile name only what exists: files, recipes, tests."""

import ast
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf8")
SECURITY = (ROOT / "SECURITY.md").read_text("utf8")
RELIABILITY = (ROOT / "RELIABILITY.md").read_text("utf8")
JUSTFILE = (ROOT / "justfile").read_text("utf8")

RECIPES = re.findall(r"^([a-z][\w-]*)[^:=\n]*(?:=\"[^\"]*\"[^:=\n]*)?:(?!=)", JUSTFILE, re.M)
PROVEN_BY = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SECURITY + RELIABILITY)
PATH = re.compile(r"(?:tests|src|benchmarks|docs)/[\w./-]+")


def paths_in(text: str) -> set[str]:
    """The files and folders of the repository that a text names, but for patterns and templates."""
    found = {path.rstrip("./") for path in PATH.findall(text)}
    return {path for path in found if "NAME" not in path}


def test_the_recipes_are_those_that_people_expect():
    wanted = {
        "check",
        "test",
        "test-fast",
        "lint",
        "fix",
        "types",
        "fuzz",
        "simulate",
        "docs",
        "site",
        "stable",
        "release",
        "bench",
        "clients",
    }
    assert set(RECIPES) == wanted | {"default"}


def test_every_recipe_says_in_a_line_what_it_does():
    lines = JUSTFILE.splitlines()
    for index, line in enumerate(lines):
        name = re.match(r"[a-z][\w-]*", line)
        if name and name[0] != "default":
            assert lines[index - 1].startswith("# "), name[0]


def test_files_that_recipes_use_exist():
    for path in paths_in(JUSTFILE.replace("{{ name }}", "overhead")):
        assert (ROOT / path).exists(), path


def test_recipes_that_are_named_exist():
    for page in (CONTRIBUTING, (ROOT / ".github/pull_request_template.md").read_text("utf8")):
        named = set(re.findall(r"`just ([a-z-]+)", page))
        assert named
        assert named <= set(RECIPES)


def test_commands_of_contributing_name_files_that_exist():
    commands = re.findall(r"`(python [^`]+)`", CONTRIBUTING)
    assert commands
    for command in commands:
        for word in shlex.split(command):
            if "/" in word:
                assert (ROOT / word).exists(), command


@pytest.mark.parametrize(
    "page", [CONTRIBUTING, SECURITY, RELIABILITY], ids=["CONTRIBUTING", "SECURITY", "RELIABILITY"]
)
def test_files_that_are_named_exist(page):
    named = paths_in(page) | set(re.findall(r"\]\((?!http)([^)#]+)\)", page))
    for path in named:
        assert (ROOT / path).exists(), path


@pytest.mark.slow
def test_names_of_the_code_in_contributing_are_the_code_s():
    words: set[str] = set()
    for folder in ("src", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            words.update(re.findall(r"\w+", path.read_text("utf8")))
    _, steps = CONTRIBUTING.split("## How to add…")
    steps, _ = steps.split("## Commits and pull requests")
    for name in re.findall(r"`@?([A-Za-z_]{4,})(?:\([^`]*\))?`", steps):
        assert name in words


@pytest.mark.parametrize("file", sorted({file for file, _ in PROVEN_BY}))
def test_the_tests_that_show_a_promise_exist(file):
    tree = ast.parse((ROOT / file).read_text("utf8"))
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {name for path, name in PROVEN_BY if path == file} <= there


@pytest.mark.parametrize(
    ("page", "begins"),
    [(SECURITY, "## What holds today"), (RELIABILITY, "## What is promised")],
    ids=["SECURITY", "RELIABILITY"],
)
def test_every_promise_has_a_test(page, begins):
    _, promises = page.split(begins)
    promises, _ = promises.split("## What is not promised")
    rows = [line for line in promises.splitlines() if re.match(r"\| (?!promise|---)", line)]
    assert len(rows) > 20
    for row in rows:
        assert re.search(r"`tests/[\w/]+\.py::test_\w+`", row), row


def test_what_is_not_promised_and_the_gaps_are_said_by_name():
    for page in (SECURITY, RELIABILITY):
        for title in ("## What is not promised", "## Known gaps"):
            _, text = page.split(title)
            assert re.match(r"\s+(?:\w[^\n]*\n+)*- \*\*", text), title
