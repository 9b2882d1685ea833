"""Finds links of built pages that lead nowhere, and whatever a page would load from elsewhere."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {"img", "script", "iframe", "source", "video", "audio"}


class _Page(HTMLParser):
    """The anchors of a page, its links, and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        place = given.get("href") or given.get("src")
        if not place:
            return
        if tag in LOADS or (tag == "link" and given.get("rel") == "stylesheet"):
            self.loads.add(place)
        self.links.add(place)


def find_faults(html: Path) -> list[str]:
    """Each as `page: link`, for all pages under a folder; links to other hosts aren't followed."""
    pages: dict[Path, _Page] = {}
    for path in sorted(html.rglob("*.html")):
        pages[path.resolve()] = page = _Page()
        page.feed(path.read_text("utf8"))
    faults = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links are those of a page at the root of a server
            continue
        where = path.relative_to(html.resolve())
        faults += [f"{where}: {link} is loaded" for link in page.loads if urlsplit(link).netloc]
        faults += [f"{where}: {link}" for link in page.links if not _leads(path, link, pages)]
    return faults


def _leads(path: Path, link: str, pages: dict[Path, _Page]) -> bool:
    """Whether the link leads to a file that is there, and to an anchor that it has."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = path
    if parts.path:
        target = (path.parent / unquote(parts.path)).resolve()
    if target.is_dir():
        target = target / "index.html"
    if not parts.fragment or target not in pages or target.name == "404.html":
        return target.exists()
    return unquote(parts.fragment) in pages[target].anchors
