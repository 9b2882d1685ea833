"""Reading a page of the public web: its main text as Markdown, or its JSON, XML or plain text, some pages at a time.

What may be dialled is public.py's to say; here are the limits on what comes back: redirects, time, size after
decompression, and kinds of content. A page is text of strangers: information for the model, never instructions.
"""

import asyncio
import codecs
import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import ToolError
from ..core.tool import tool
from ..models.child_interpreter import find_package_folder, run_script
from . import page_text
from .page_text import HTML, Page, extract_text
from .public import AddressRules, check_url, open_public

if TYPE_CHECKING:
    import httpx2


_MISSING = "web_fetch needs packages that aren't installed here: pip install 'treadle[web]'"


@dataclass(frozen=True)
class Bounds:
    """How much one fetch may cost."""

    total_s: float = 20.0
    """Everything together: names, redirects, body, extraction."""
    max_bytes: int = 5_000_000
    """Of the body, decompressed."""
    max_redirects: int = 5
    page_chars: int = 16_000


@tool(read_only=True, timeout_s=30)
async def web_fetch(url: str, page: int = 1) -> str:
    """Read a page of the public web as Markdown text. Long ones come in pages.

    Args:
        url: The whole address, beginning with https:// or http://.
        page: Which page of the text, from 1.
    """
    return await fetch_page(url, page)


async def fetch_page(
    url: str, page: int = 1, way: AddressRules | None = None, bounds: Bounds | None = None
) -> str:
    """One page of the text behind a URL, headed by title, final address and page number. Raises ToolError."""
    bounds = bounds or Bounds()
    if page < 1:
        raise ToolError(f"page {page} does not exist; pages count from 1")
    try:
        import httpx2
    except ImportError:
        raise ToolError(_MISSING) from None
    if not find_package_folder("trafilatura"):  # told before the network is used
        raise ToolError(_MISSING)
    try:
        async with asyncio.timeout(bounds.total_s):
            found = await download(url, way or AddressRules(), bounds)
            title, text = await read_apart(found, bounds.total_s)
    except TimeoutError:
        raise ToolError(
            f"{url} took longer than {bounds.total_s:g} s; try another source"
        ) from None
    except (httpx2.HTTPError, OSError) as error:
        reason = str(error) or type(error).__name__
        raise ToolError(
            f"{url} can't be read ({reason}); check the address, or try another source"
        ) from None
    return cut_page(title, found.url, text, page, bounds.page_chars)


async def read_apart(page: Page, total_s: float) -> tuple[str, str]:
    """As `extract_text`, of HTML in a child process that ends with this call, or after `total_s`.

    A page can be made to need hours, within one call of a library that nothing else can stop.
    """
    if page.kind not in HTML:
        return extract_text(page)
    packages = str(find_package_folder("trafilatura"))
    job = {"packages": packages, "seconds": total_s, "page": asdict(page)}
    answer = await run_script(Path(page_text.__file__), json.dumps(job).encode())
    if not answer:
        raise ToolError(f"the text of {page.url} can't be extracted; try another source")
    title, text = json.loads(answer)
    return title, text


async def download(url: str, way: AddressRules, bounds: Bounds) -> Page:
    """Follow redirects, each hop checked anew, and read the body. Raises ToolError and httpx2.HTTPError."""
    import httpx2

    headers = {
        "User-Agent": "Mozilla/5.0 (compatible; Treadle)",
        "Accept": "text/html, application/xhtml+xml, text/*;q=0.9, application/json;q=0.9, application/xml;q=0.8",
        "Accept-Encoding": "gzip, deflate",
    }
    target = check_url(url, way.ports)
    for _ in range(bounds.max_redirects + 1):
        async with open_public(target, way, headers) as response:
            if (
                response.status_code not in (301, 302, 303, 307, 308)
                or "location" not in response.headers
            ):
                return await _page(str(target), response, bounds.max_bytes)
            try:
                onward = target.join(response.headers["location"])
            except httpx2.InvalidURL:
                raise ToolError(
                    f"{target} redirects to what is not a URL; try another source"
                ) from None
        target = check_url(str(onward), way.ports)
    raise ToolError(f"{url} redirects more than {bounds.max_redirects} times; try another source")


async def _page(url: str, response: "httpx2.Response", max_bytes: int) -> Page:
    if response.status_code != 200:
        raise ToolError(
            f"the server answered {response.status_code} {response.reason_phrase} for {url};"
            " check the address, or try another source"
        )
    kind, _, parameters = response.headers.get("content-type", "").lower().partition(";")
    kind = kind.strip()
    if kind and not _is_text(kind):
        raise ToolError(f"{url} is of type {kind}; only text, HTML, JSON and XML can be read")
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise ToolError(
            f"{url} is compressed as {coding[:40]!r}, which can't be read; try another source"
        )
    body = bytearray()
    async for data in response.aiter_bytes():  # in bounded pieces, also out of a compressed bomb
        body += data
        if len(body) > max_bytes:
            raise ToolError(
                f"{url} is larger than {max_bytes:,} bytes; try a smaller page, or another source"
            )
    text = decode_body(bytes(body), parameters)
    if "\0" in text:
        raise ToolError(
            f"{url} is binary data, whatever its type says; only text, HTML, JSON and XML can be read"
        )
    looks = "text/html" if text[:1000].lstrip().startswith("<") else "text/plain"
    return Page(url, kind or looks, text)


def _is_text(kind: str) -> bool:
    words = ("json", "xml", "javascript", "yaml", "ndjson", "toml")
    return kind.startswith("text/") or re.split(r"[/+]", kind)[-1].removeprefix("x-") in words


_ENCODING = re.compile(
    r"(utf-8|utf-16|utf-32|ascii|iso8859|cp|koi8|mac|gb|big5|shift_jis|euc_|iso2022).*"
)
"""Python's names of real character encodings: it also knows idna, punycode and others that are slow or do more."""


def decode_body(body: bytes, parameters: str) -> str:
    """The text of a body, by its byte order mark, the header's charset, the page's own, UTF-8, or Windows' Latin.

    Never raises: what can't be decoded is replaced.
    """
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if body.startswith(mark):
            return body.decode(name, "replace")
    own = body[:2048].decode("ascii", "replace").lower() if body.lstrip().startswith(b"<") else ""
    named = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", parameters) or re.search(
        r"(?:charset|encoding)\s*=\s*[\"']?((?!utf-?(?:16|32))[\w.:-]+)",
        own,  # legible as ASCII, so never these
    )
    try:
        name = codecs.lookup(named[1]).name if named else "utf-8"
    except LookupError:
        name = "utf-8"
    if name in ("iso8859-1", "ascii"):
        name = "cp1252"  # what such pages mean, by the HTML standard
    if _ENCODING.fullmatch(name):
        try:
            return body.decode(name)
        except UnicodeError:
            if named:
                return body.decode(name, "replace")
    return body.decode("cp1252", "replace")


def cut_page(title: str, url: str, text: str, page: int, size: int) -> str:
    """One page, cut at the end of a paragraph or line where there is one in its last fifth. Raises ToolError."""
    starts = [0]
    while starts[-1] + size < len(text):
        low, high = starts[-1] + math.ceil(size * 0.8), starts[-1] + size
        cuts = (
            text.rfind("\n\n", low, high),
            text.rfind("\n", low, high),
            text.rfind(" ", low, high),
        )
        starts.append(next((cut + 1 for cut in cuts if cut >= 0), high))
    if page > len(starts):
        raise ToolError(f"{url} has {len(starts)} pages; there is no page {page}")
    head = "\n".join(part for part in (title[:300], url) if part)
    if len(starts) > 1:
        more = f"; for more, call web_fetch with page={page + 1}" if page < len(starts) else ""
        head += f"\n(page {page} of {len(starts)}{more})"
    end = starts[page] if page < len(starts) else len(text)
    return f"{head}\n\n{text[starts[page - 1] : end].strip() or '(the page has no text)'}"
