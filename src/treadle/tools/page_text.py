"""The text of a page: of HTML the main part, as Markdown. Pure; imports nothing of Treadle.

As a script it is the child process that web_fetch reads pages in: it takes its job as JSON from
standard input and prints title and text as JSON. It ends by itself when its time is up, so also
where its parent was killed.
"""

import html
import json
import math
import re
import signal
import sys
from dataclasses import dataclass

HTML = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True)
class Page:
    """What a server sent, decoded."""

    url: str
    """After redirects."""
    kind: str
    """The media type, in lower case; "text/html" or "text/plain" by its looks where the server named none."""
    text: str


def extract_text(page: Page) -> tuple[str, str]:
    """Title ("" if none) and text; of HTML the main part, as Markdown with links and tables. Uses CPU; pure."""
    if page.kind not in HTML:
        return "", page.text.strip()
    import trafilatura

    found = re.search(r"<title[^<>]*>([^<]*)", page.text[:100_000], re.IGNORECASE)
    title = " ".join(html.unescape(found[1]).split()) if found else ""
    plain = strip_tags(page.text)
    lines = [" ".join(line.split()) for line in plain.splitlines()]
    plain = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    tags = page.text.count("<")
    if tags > 30_000 or len(page.text) > 2_000_000:  # seconds of CPU
        return title, plain
    main = trafilatura.extract(
        page.text,
        url=page.url,
        output_format="markdown",
        include_links=True,
        include_tables=True,
        include_comments=False,
        fast=tags
        > 2_000,  # else a second opinion, whose time grows with the square of the paragraphs
    )
    # It looks for an article. On pages of another kind it may keep a caption and drop the rest.
    if not main or (len(main) < 200 and len(plain) > 5 * len(main)):
        return title, plain
    return title, main.strip()


def strip_tags(source: str) -> str:
    """HTML without tags, comments, scripts and styles; headings marked as in Markdown; line numbers stay.

    In linear time, whatever the input. Pure.
    """
    out: list[str] = []
    hidden = ""
    for part in re.split(r"(<!--|-->|</?[a-zA-Z!][^<>]*>)", source):
        tag = re.match(r"<(/?[a-z]+[1-6]?|!--)", part.lower()) if part.startswith("<") else None
        name = tag[1] if tag else ""
        if hidden:
            hidden = "" if name == hidden or part == hidden else hidden
            out.append("\n" * part.count("\n"))
        elif name in ("script", "style", "template"):
            hidden = f"/{name}"
        elif name == "!--":
            hidden = "-->"
        elif re.fullmatch(r"h[1-6]", name):
            out.append("#" * int(name[1]) + " ")
        elif name:
            inline = name.lstrip("/") in (
                "a",
                "b",
                "i",
                "em",
                "strong",
                "span",
                "code",
                "small",
                "sub",
                "sup",
            )
            out.append("\n" * part.count("\n") or ("" if inline else " "))
        elif not part.startswith("<!") and part != "-->":
            out.append(html.unescape(part))
    return "".join(out)


def _work() -> None:
    job = json.loads(sys.stdin.buffer.read())
    if hasattr(signal, "alarm"):  # not on Windows
        signal.alarm(math.ceil(job["seconds"]) + 1)  # its default action ends the process
    sys.path.append(job["packages"])  # last, so that it hides no other package
    found = extract_text(Page(**job["page"]))
    sys.stdout.buffer.write(json.dumps(found).encode())


if __name__ == "__main__":
    _work()
