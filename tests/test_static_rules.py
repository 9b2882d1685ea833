"""Static rules: no code is made of text, no query is built unseen, no markup of what somebody wrote.

Ruff's rules (`S` in pyproject.toml) say it of the Python that ships. What they don't see is here, and what must have
no exception.
"""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import treadle

SOURCE = Path(treadle.__file__).parent
ROOT = Path(__file__).parent.parent
PYTHON = sorted(SOURCE.rglob("*.py"))
PAGES = sorted(path for kind in ("*.js", "*.html", "*.svg") for path in SOURCE.rglob(kind))

EVALUATES = {"eval", "exec", "compile", "__import__"}
UNPICKLES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
SHELLS = {"system", "popen", "create_subprocess_shell", "getoutput", "getstatusoutput"}
NEVER_EXCEPTED = {"S102", "S301", "S302", "S307", "S506", "S602", "S604", "S605", "S701", "S704"}
"""exec, unpickling, eval, YAML that makes objects, shells, templates that don't escape."""

MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|createContextualFragment|DOMParser|srcdoc"
    r"|document\s*\.\s*write|\beval\b|\bFunction\s*\(|javascript:|setAttribute\(\s*[\"'](on|style)"
    r"|set(Timeout|Interval)\(\s*[\"'`]"
)
"""What makes markup or code of a text in a browser."""
INLINE = re.compile(
    r"<script(?![^>]*\ssrc=)|\son\w+\s*=|javascript:|\|\s*safe\b|autoescape\s+false", re.IGNORECASE
)
"""Code in a page, and a template's text that isn't escaped."""


def name_of(called: ast.expr) -> str:
    match called:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_code_is_made_of_text_and_no_shell_is_asked(path):
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        match node:
            case ast.Import(names=names):
                assert not {each.name.split(".")[0] for each in names} & UNPICKLES, node.lineno
            case ast.ImportFrom(module=module, level=0):
                assert (module or "").split(".")[0] not in UNPICKLES, node.lineno
            case ast.Call(func=ast.Name(id=name)):
                assert name not in EVALUATES, node.lineno
            case ast.Call(func=ast.Attribute(attr=name)):
                assert name not in SHELLS, node.lineno
        if isinstance(node, ast.keyword) and node.arg == "shell":
            assert ast.unparse(node.value) == "False", node.value.lineno
        if isinstance(node, ast.keyword) and node.arg == "autoescape":
            assert ast.unparse(node.value) == "True", node.value.lineno
        if isinstance(node, ast.Call) and name_of(node.func) == "Environment":
            assert "autoescape" in [each.arg for each in node.keywords], node.lineno


def test_ruff_checks_all_that_ships_and_each_exception_says_why():
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in rules["select"]
    assert [each for each in rules["ignore"] if each.startswith("S")] == ["S101"]
    assert not any(each.startswith(("src", "*")) for each in rules["per-file-ignores"])
    for path in PYTHON:
        for number, line in enumerate(path.read_text("utf8").splitlines(), 1):
            where = f"{path.relative_to(SOURCE)}, line {number}"
            assert not re.search(r"ruff: noqa(: .*\bS\d|$)", line), where
            if not re.search(r"# noqa(: .*\bS\d|$)", line):
                continue
            excepted = re.search(r"# noqa: ([A-Z0-9, ]+?)  # \S", line)
            assert excepted, f"{where} names no rule, or gives no reason"
            assert not set(excepted[1].split(", ")) & NEVER_EXCEPTED, where


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_page_makes_markup_or_code_of_what_somebody_wrote(path):
    text = path.read_text("utf8")
    rule = MARKUP if path.suffix == ".js" else INLINE
    found = [line for line in text.splitlines() if rule.search(line)]
    assert found == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (MARKUP, "box.innerHTML = text;"),
        (MARKUP, "box.insertAdjacentHTML('beforeend', text)"),
        (MARKUP, "document.write(text)"),
        (MARKUP, "new Function(text)"),
        (MARKUP, "setTimeout('act()', 5)"),
        (MARKUP, 'element.setAttribute("onclick", text)'),
        (INLINE, "<script>act()</script>"),
        (INLINE, '<img src="x" onerror="act()">'),
        (INLINE, '<a href="javascript:act()">'),
        (INLINE, "{{ answer | safe }}"),
        (INLINE, "{% autoescape false %}"),
    ],
)
def test_the_rules_see_what_they_forbid(rule, text):
    assert rule.search(text)


def test_the_pages_are_looked_at():
    names = {path.name for path in PAGES}
    assert {"index.html", "dom.js", "report.html"} <= names
