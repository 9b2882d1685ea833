"""Turns the bytes of a page into text: its encoding, its main part as Markdown, its pages. Pure."""

import codecs
import contextlib
import html
import math
import re
from dataclasses import dataclass

from ..core.errors import ToolError

HTML = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True)
class FetchedPage:
    """A decoded response."""

    url: str
    """The address after redirects."""
    kind: str
    """The media type in lower case, or a guess if the server sent none."""
    text: str


_ENCODING = re.compile(
    r"(utf-8|utf-16|utf-32|ascii|iso8859|cp|koi8|mac|gb|big5|shift_jis|euc_|iso2022).*"
)
"""Python's names of character encodings, without slow or unsafe ones such as idna and punycode."""


_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_body(body: bytes, parameters: str) -> str:
    """The text of a body. Bytes that can't be decoded are replaced.

    The encoding is told by the byte order mark, the header's `parameters`, or the page itself; else
    it is UTF-8 or, if that fails, Windows' Latin.
    """
    for mark, name in _MARKS:
        if body.startswith(mark):
            return body.decode(name, "replace")
    named = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", parameters)
    if not named and body.lstrip().startswith(b"<"):
        # The page's own words. They can be read as ASCII, so the page isn't in UTF-16 or UTF-32.
        named = re.search(
            r"(?:charset|encoding)\s*=\s*[\"']?((?!utf-?(?:16|32))[\w.:-]+)",
            body[:2048].decode("ascii", "replace").lower(),
        )
    name = "utf-8"
    if named:
        with contextlib.suppress(LookupError):
            name = codecs.lookup(named[1]).name
    if name in ("iso8859-1", "ascii"):
        name = "cp1252"  # the HTML standard's meaning of these names
    if _ENCODING.fullmatch(name):
        try:
            return body.decode(name)
        except UnicodeError:
            if named:
                return body.decode(name, "replace")
    return body.decode("cp1252", "replace")


def extract_text(page: FetchedPage) -> tuple[str, str]:
    """A page's title, or "", and its text; of HTML the main part, as Markdown with links, tables.

    Pure, but a page can be made to take hours of CPU: web_fetch does it in a child process.
    """
    if page.kind not in HTML:
        return "", page.text.strip()
    import trafilatura

    title = ""
    if found := re.search(r"<title[^<>]*>([^<]*)", page.text[:100_000], re.IGNORECASE):
        title = " ".join(html.unescape(found[1]).split())
    lines = [" ".join(line.split()) for line in strip_tags(page.text).splitlines()]
    plain = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    tags = page.text.count("<")
    if tags > 30_000 or len(page.text) > 2_000_000:  # would take seconds of CPU
        return title, plain
    main = trafilatura.extract(
        page.text,
        url=page.url,
        output_format="markdown",
        include_links=True,
        include_tables=True,
        include_comments=False,
        # Otherwise it also tries a second method, in time quadratic to the number of paragraphs.
        fast=tags > 2_000,
    )
    # It looks for an article. Of other pages it may keep a caption and drop the rest.
    if not main or (len(main) < 200 and len(plain) > 5 * len(main)):
        return title, plain
    return title, main.strip()


_INLINE_TAGS = frozenset(("a", "b", "i", "em", "strong", "span", "code", "small", "sub", "sup"))


def _tag_name(part: str) -> str:
    """The name of a tag, as "p" or "/p"; "!--" for the start of a comment; "" for text."""
    if not part.startswith("<"):
        return ""
    tag = re.match(r"<(/?[a-z]+[1-6]?|!--)", part.lower())
    return tag[1] if tag else ""


def strip_tags(source: str) -> str:
    """HTML without tags, comments, scripts and styles, with headings marked as in Markdown.

    Line numbers stay the same. Takes linear time for any input. Pure.
    """
    out: list[str] = []
    hidden = ""
    for part in re.split(r"(<!--|-->|</?[a-zA-Z!][^<>]*>)", source):
        name = _tag_name(part)
        newlines = "\n" * part.count("\n")
        if hidden:
            if hidden in (name, part):
                hidden = ""
            out.append(newlines)
        elif name in ("script", "style", "template"):
            hidden = f"/{name}"
        elif name == "!--":
            hidden = "-->"
        elif re.fullmatch(r"h[1-6]", name):
            out.append("#" * int(name[1]) + " ")
        elif name.lstrip("/") in _INLINE_TAGS:
            out.append(newlines)
        elif name:
            out.append(newlines or " ")
        elif not part.startswith("<!") and part != "-->":
            out.append(html.unescape(part))
    return "".join(out)


def cut_page(title: str, url: str, text: str, page: int, size: int) -> str:
    """One page of a text, with its head. Raises ToolError if there is no such page.

    Pages end with a paragraph, a line or a word, if one ends in the page's last fifth.
    """
    starts = [0]
    while starts[-1] + size < len(text):
        low = starts[-1] + math.ceil(size * 0.8)
        high = starts[-1] + size
        start = high
        for separator in ("\n\n", "\n", " "):
            cut = text.rfind(separator, low, high)
            if cut >= 0:
                start = cut + 1
                break
        starts.append(start)
    if page > len(starts):
        raise ToolError(f"{url} has {len(starts)} pages; there is no page {page}")
    head = "\n".join(part for part in (title[:300], url) if part)
    if len(starts) > 1:
        more = ""
        if page < len(starts):
            more = f"; for more, call web_fetch with page={page + 1}"
        head += f"\n(page {page} of {len(starts)}{more})"
    ends = [*starts[1:], len(text)]
    piece = text[starts[page - 1] : ends[page - 1]].strip()
    return f"{head}\n\n{piece or '(the page has no text)'}"
