"""The site: its list of pages is complete, and its check of links finds what leads nowhere.

It is built, and all of its links are checked, by `.ci/run`.
"""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SETTINGS = (DOCS / "site" / "zensical.toml").read_text("utf8")

_SPEC = importlib.util.spec_from_file_location("check_links", DOCS / "site" / "check_links.py")
assert _SPEC
assert _SPEC.loader
check_links = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(check_links)


def test_every_page_is_in_the_list_of_pages():
    listed = set(re.findall(r'"([\w/-]+\.md)"', SETTINGS))
    folders = set(re.findall(r'"([\w/-]+)/\*"', SETTINGS))
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    pages = {page for page in pages if page.rpartition("/")[0] not in folders}
    pages = {page.replace("README.md", "index.md") for page in pages}
    others = {
        "index.md",
        "architecture.md",
        "security.md",
        "reliability.md",
        "contributing.md",
        "changelog.md",
    }
    assert listed == pages | others


def test_what_leads_nowhere_is_found_and_what_is_loaded_from_elsewhere(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="b.html#there">1</a><a href="b.html#gone">2</a>'
        '<a href="c.html">3</a><a href="#top">4</a><a href="https://example.com/">5</a>'
        '<img src="https://example.com/lamp.png"><link rel="stylesheet" href="//example.com/s.css">'
    )
    (tmp_path / "b.html").write_text('<a name="there"></a><a href="a.html">back</a>')
    assert sorted(check_links.find_faults(tmp_path)) == [
        "a.html: //example.com/s.css is loaded",
        "a.html: b.html#gone",
        "a.html: c.html",
        "a.html: https://example.com/lamp.png is loaded",
    ]
