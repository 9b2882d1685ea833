"""The pages of the Python reference: which names stand on which page. Docstrings say the rest."""

import re
from collections.abc import Iterator
from pathlib import Path

import treadle

DOCS = Path(__file__).resolve().parents[1]
FIRST = "Agents, tools and results"
TITLES = {
    "treadle.core.errors": "Errors",
    "treadle.core.events": "Events and messages",
    "treadle.core.values": "Events and messages",
    "treadle.evals": "Evaluation",
    "treadle.flows": "Flows",
    "treadle.graphs": "Graphs",
    "treadle.models": "Models",
    "treadle.notes": "Notes",
    "treadle.observe": "Traces, costs and statistics",
    "treadle.patterns": "Patterns",
    "treadle.stores": "Stores and threads",
    "treadle.testing": "Testing",
    "treadle.tools": "Tools that ship",
}
"""The page for names of these modules and of those below them; any other is on the first page."""

IMPORT = re.compile(r"^\s*from (treadle\.[\w.]+) import (?:\(([^)]*)\)|([^(\n]*))$", re.M)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)


def reference_pages() -> dict[str, str]:
    """Place on the site to Markdown: every name of `treadle`, and each that a page imports from
    below it; with an index."""
    groups: dict[str, list[str]] = {FIRST: []}
    for name in treadle.__all__:
        module = getattr(getattr(treadle, name), "__module__", "treadle")
        groups.setdefault(_title(module), []).append(f"treadle.{name}")
    for module, name in sorted(set(_imported())):
        if name not in treadle.__all__:
            groups.setdefault(_title(module), []).append(f"{module}.{name}")
    index = ["# Python reference", "Every public name, from its docstring."]
    pages = {}
    for title, names in groups.items():
        place = title.lower().replace(", ", "-").replace(" ", "-") + ".md"
        links = [f"[`{name.removeprefix('treadle.')}`]({place}#{name})" for name in names]
        index += [f"## {title}", " · ".join(links)]
        body = [f"::: {name}" for name in names]
        pages[f"reference/python/{place}"] = "\n\n".join([f"# {title}", *body]) + "\n"
    pages["reference/python/index.md"] = "\n\n".join(index) + "\n"
    return pages


def _title(module: str) -> str:
    for prefix, title in TITLES.items():
        if module == prefix or module.startswith(prefix + "."):
            return title
    return FIRST


def _imported() -> Iterator[tuple[str, str]]:
    """What the pages' programs import from modules of Treadle, as module and name."""
    for page in DOCS.rglob("*.md"):
        for block in BLOCK.findall(page.read_text("utf8")):
            for module, several, few in IMPORT.findall(block):
                for name in re.findall(r"(\w+)(?: as \w+)?", several or few):
                    yield module, name
