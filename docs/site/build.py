"""Builds the documentation as static pages, and checks every link: `python docs/site/build.py`.

Needs the dependency group `docs`. The pages are the repository's own Markdown; three things are
made for the site: the reference from the docstrings, a page for each file of the repository that a
page links to, and drawings of the diagrams. What comes out, build/site/html, needs no server and
loads nothing from anywhere else. Exits with 1 where a link leads nowhere.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mmdr
from check_links import find_faults
from reference import reference_pages

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
PAGES = SITE / "pages"
HTML = SITE / "html"
HERE = Path(__file__).parent

RENAMED = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "SECURITY.md": "security.md",
    "RELIABILITY.md": "reliability.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "docs/tutorial/README.md": "tutorial/index.md",
}
"""Pages that have another place on the site; the rest of docs/ keeps its own."""

FENCE = re.compile(r"^(```+).*?^\1$", re.S | re.M)
LINK = re.compile(r'(\]\(|(?:src|href)=")(?!\w+:|#)([^)"#\s]+)((?:#[^)"]*)?[)"])')
DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```$", re.S | re.M)
NOT_FOUND_BY_SEARCH = "---\nsearch:\n  exclude: true\n---\n\n"
WIDE_FROM = 800
"""Diagrams of more pixels than this scroll sideways instead of being made small."""


class Stage:
    """The pages of the site as Markdown, and those files of the repository that they link to."""

    def __init__(self) -> None:
        docs = [path for path in (ROOT / "docs").rglob("*.md") if HERE not in path.parents]
        self.places = {path: str(path.relative_to(ROOT / "docs")) for path in docs}
        self.places |= {ROOT / path: place for path, place in RENAMED.items()}
        self.waiting = list(self.places)
        self.lost: list[str] = []

    def write(self) -> None:
        """Write every page; then every file that pages link to, and what those link to."""
        while self.waiting:
            path = self.waiting.pop()
            write(self.places[path], self.text_of(path))

    def text_of(self, path: Path) -> str:
        """The Markdown of a page, of a folder, or of a file that is shown as it stands."""
        place = self.places[path]
        if path.is_dir():
            return self.folder(path)
        if path.suffix != ".md":
            return code(path)
        text = path.read_text("utf8")
        prose = FENCE.split(text)[::2]
        blocks = [found[0] for found in FENCE.finditer(text)]
        drawn = [draw(block, place, number) for number, block in enumerate(blocks)]
        told = [LINK.sub(lambda found: self.led(path, found), part) for part in prose]
        return "".join(part for pair in zip(told, [*drawn, ""], strict=True) for part in pair)

    def led(self, page: Path, found: re.Match[str]) -> str:
        """The link of a page, as it must stand on the site."""
        target = (page.parent / found[2]).resolve()
        if not target.exists():
            self.lost.append(f"{page.relative_to(ROOT)}: {found[2]}")
            return found[0]
        return f"{found[1]}{self.way(page, target)}{found[3]}"

    def way(self, page: Path, target: Path) -> str:
        """From a page to a file of the repository, relative; the file gets a place on the site."""
        folder = os.path.dirname(self.places[page])
        if target.suffix in (".svg", ".png"):
            (PAGES / "pictures").mkdir(parents=True, exist_ok=True)
            shutil.copy(target, PAGES / "pictures")
            return os.path.relpath(f"pictures/{target.name}", folder)
        if target not in self.places:
            inner = "/index.md" if target.is_dir() else ".md"
            self.places[target] = f"code/{target.relative_to(ROOT)}{inner}"
            self.waiting.append(target)
        return os.path.relpath(self.places[target], folder)

    def folder(self, path: Path) -> str:
        """The files of a folder, each with the first sentence of what it says of itself."""
        lines = []
        for file in sorted(path.iterdir()):
            if file.suffix in (".py", ".md", ".yaml") and file.name != "__init__.py":
                lines.append(f"- [{file.name}]({self.way(path, file)}): {summary(file)}")
        return f"{NOT_FOUND_BY_SEARCH}# {path.relative_to(ROOT)}\n\n" + "\n".join(lines) + "\n"


def write(place: str, text: str) -> None:
    """Write a page of the site; its folders are made."""
    path = PAGES / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf8")


def code(path: Path) -> str:
    """A page that shows a file."""
    language = {".py": "python", ".yaml": "yaml"}.get(path.suffix, "text")
    shown = f"````{language} linenums='1'\n{path.read_text('utf8')}````\n"
    return f"{NOT_FOUND_BY_SEARCH}# {path.relative_to(ROOT)}\n\n{shown}"


def summary(path: Path) -> str:
    """The first line of a module's docstring; "" for any other file."""
    if path.suffix != ".py":
        return ""
    return (ast.get_docstring(ast.parse(path.read_text("utf8"))) or "").partition("\n")[0]


def draw(block: str, place: str, number: int) -> str:
    """A block of a page; a Mermaid diagram becomes two pictures, for light and for dark pages."""
    diagram = DIAGRAM.fullmatch(block)
    if not diagram:
        return block
    folder = os.path.dirname(place)
    shown = []
    for scheme, theme in (("light", "default"), ("dark", "dark")):
        svg = mmdr.render(f"---\nconfig:\n  theme: {theme}\n---\n{diagram[1]}").svg()
        width = round(float(re.search(r"max-width:([\d.]+)px", svg)[1]))
        name = f"pictures/{place.removesuffix('.md').replace('/', '-')}-{number}-{scheme}.svg"
        write(name, svg.replace('width="100%"', f'width="{width}"', 1))
        wide = " .wide" if width > WIDE_FROM else ""
        source = f"{os.path.relpath(name, folder)}#only-{scheme}"
        shown.append(f"![A diagram; the table below says the same.]({source}){{ .diagram{wide} }}")
    return "\n".join(shown)


def decisions_index() -> str:
    """The list of decisions, by their numbers."""
    lines = []
    for path in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")):
        title = path.read_text("utf8").partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}]({path.name})")
    about = "Why things are as they are: what was wrong, what was tried, what was chosen."
    return f"# Decisions\n\n{about}\n\n" + "\n".join(lines) + "\n"


def settings() -> str:
    """zensical.toml, whose list of pages has the pages of a folder in the place of `FOLDER/*`."""
    return re.sub(
        r'"([\w/]+)/\*"',
        lambda found: ", ".join(f'"{place}"' for place in pages_in(found[1])),
        (HERE / "zensical.toml").read_text("utf8"),
    )


def pages_in(folder: str) -> list[str]:
    """The staged pages of a folder, its index first."""
    names = sorted(path.name for path in (PAGES / folder).glob("*.md"))
    return [f"{folder}/{name}" for name in sorted(names, key=lambda name: name != "index.md")]


def stage() -> list[str]:
    """Write everything that Zensical reads; gives the links that lead nowhere."""
    shutil.rmtree(SITE, ignore_errors=True)
    PAGES.mkdir(parents=True)
    shutil.copytree(HERE / "assets", PAGES / "assets")
    pages = Stage()
    pages.write()
    write("decisions/index.md", decisions_index())
    for place, text in reference_pages().items():
        write(place, text)
    (SITE / "zensical.toml").write_text(settings(), "utf8")
    return pages.lost


def main() -> int:
    """Build and check; the exit code."""
    lost = stage()
    tool = [sys.executable, "-m", "zensical", "build", "--strict"]
    plain = os.environ | {"NO_COLOR": "1"}
    built = subprocess.run(tool, cwd=SITE, env=plain, check=False)
    faults = [*lost, *find_faults(HTML)]
    for fault in faults:
        print(f"leads nowhere: {fault}", file=sys.stderr)
    print(f"{sum(1 for _ in HTML.rglob('*.html'))} pages in {HTML.relative_to(ROOT)}")
    return int(bool(faults) or built.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
