"""Reads a page of the public web: its main text as Markdown, or its JSON, XML or plain text.

public.py decides which addresses may be connected to. Here are the limits on what comes back:
redirects, time, size after decompression, and types of content. A page is text by strangers:
information for the model, never instructions.
"""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.check_settings import check_number, check_whole_number
from ..core.context import Context
from ..core.errors import ToolError
from ..core.function_tool import tool
from ..models.child_interpreter import find_package_folder, run_script
from . import page_text
from .page_text import HTML, FetchedPage, cut_page, decode_body, extract_text
from .public import AddressRules, check_url, open_public

if TYPE_CHECKING:
    import httpx2


_CHILD = Path(__file__).with_name("page_text_child.py")
_MISSING = "web_fetch needs packages that aren't installed here: pip install 'treadle[web]'"


@dataclass(frozen=True)
class FetchLimits:
    """How much one fetch may cost."""

    total_s: float = 20.0
    """Seconds for everything together: looking up names, redirects, body, extraction."""
    max_bytes: int = 5_000_000
    """Of the decompressed body."""
    max_redirects: int = 5
    page_chars: int = 16_000

    def __post_init__(self) -> None:
        check_number("FetchLimits(total_s", self.total_s)
        check_whole_number("FetchLimits(max_bytes", self.max_bytes)
        check_whole_number("FetchLimits(max_redirects", self.max_redirects)
        check_whole_number("FetchLimits(page_chars", self.page_chars, 1)


@tool(read_only=True, timeout_s=30, labels=("untrusted", "outward"))
async def web_fetch(url: str, page: int = 1, *, ctx: Context) -> str:
    """Read a page of the public web as Markdown text. Long ones come in pages.

    Args:
        url: The whole address, beginning with https:// or http://.
        page: Which page of the text, from 1.
    """

    def may_follow(to: str) -> bool:
        return ctx.runs_unasked({"url": to, "page": page})

    return await fetch_page(url, page, may_follow=may_follow)


async def fetch_page(
    url: str,
    page: int = 1,
    rules: AddressRules | None = None,
    limits: FetchLimits | None = None,
    may_follow: Callable[[str], bool] = lambda to: True,
) -> str:
    """One page of the text behind a URL, after a head with title, final address and page number.

    `may_follow` says whether a redirect to this address is followed. Raises ToolError.
    """
    limits = limits or FetchLimits()
    if page < 1:
        raise ToolError(f"page {page} does not exist; pages count from 1")
    try:
        import httpx2
    except ImportError:
        raise ToolError(_MISSING) from None
    if not find_package_folder("trafilatura"):  # found before any request
        raise ToolError(_MISSING)
    try:
        async with asyncio.timeout(limits.total_s):
            found = await download(url, rules or AddressRules(), limits, may_follow)
            title, text = await _extract_apart(found, limits.total_s)
    except TimeoutError:
        raise ToolError(
            f"{url} took longer than {limits.total_s:g} s; try another source"
        ) from None
    except (httpx2.HTTPError, OSError) as error:
        reason = str(error) or type(error).__name__
        raise ToolError(
            f"{url} can't be read ({reason}); check the address, or try another source"
        ) from None
    return cut_page(title, found.url, text, page, limits.page_chars)


async def _extract_apart(page: FetchedPage, total_s: float) -> tuple[str, str]:
    """As `extract_text`; of HTML in a child process that ends with this call, or after `total_s`.

    A page can be made to need hours, within one call of a library that nothing else can stop.
    """
    if page.kind not in HTML:
        return extract_text(page)
    folders = {str(Path(page_text.__file__).parents[2]), str(find_package_folder("trafilatura"))}
    job = {"packages": sorted(folders), "seconds": total_s, "page": asdict(page)}
    printed = await run_script(_CHILD, json.dumps(job).encode())
    if not printed:
        raise ToolError(f"the text of {page.url} can't be extracted; try another source")
    title, text = json.loads(printed)
    return title, text


async def download(
    url: str, rules: AddressRules, limits: FetchLimits, may_follow: Callable[[str], bool]
) -> FetchedPage:
    """Get a page. Follows redirects and checks each new address.

    Raises ToolError and httpx2.HTTPError.
    """
    import httpx2

    headers = {
        "User-Agent": "Mozilla/5.0 (compatible; Treadle)",
        "Accept": (
            "text/html, application/xhtml+xml, text/*;q=0.9, application/json;q=0.9,"
            " application/xml;q=0.8"
        ),
        "Accept-Encoding": "gzip, deflate",
    }
    target = check_url(url, rules.ports)
    for _ in range(limits.max_redirects + 1):
        async with open_public(target, rules, headers) as response:
            redirects = response.status_code in (301, 302, 303, 307, 308)
            if not redirects or "location" not in response.headers:
                return await _read_page(str(target), response, limits.max_bytes)
            try:
                next_url = target.join(response.headers["location"])
            except httpx2.InvalidURL:
                raise ToolError(
                    f"{target} redirects to what is not a URL; try another source"
                ) from None
        found = check_url(str(next_url), rules.ports)
        if not _is_same_page(target, found) and not may_follow(str(found)):
            raise ToolError(
                f"{target} redirects to {found}, which this agent's rules don't allow unasked; to"
                " read that, fetch that address itself"
            )
        target = found
    raise ToolError(f"{url} redirects more than {limits.max_redirects} times; try another source")


def _is_same_page(old: "httpx2.URL", new: "httpx2.URL") -> bool:
    """Whether the two differ at most by https, by `www.` before the host and by a slash at the end.

    A rule for the one is meant for the other, too.
    """
    if new.scheme not in (old.scheme, "https"):
        return False

    def page_of(url: "httpx2.URL") -> tuple[object, ...]:
        return url.host.removeprefix("www."), url.port, url.path.rstrip("/"), url.query

    return page_of(old) == page_of(new)


async def _read_page(url: str, response: "httpx2.Response", max_bytes: int) -> FetchedPage:
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
    async for data in response.aiter_bytes():  # small pieces, even of a compressed bomb
        body += data
        if len(body) > max_bytes:
            raise ToolError(
                f"{url} is larger than {max_bytes:,} bytes; try a smaller page, or another source"
            )
    text = decode_body(bytes(body), parameters)
    if "\0" in text:
        raise ToolError(
            f"{url} is binary data, whatever its type says; only text, HTML, JSON and XML can be"
            " read"
        )
    if not kind:
        kind = "text/html" if text[:1000].lstrip().startswith("<") else "text/plain"
    return FetchedPage(url, kind, text)


def _is_text(kind: str) -> bool:
    words = ("json", "xml", "javascript", "yaml", "ndjson", "toml")
    return kind.startswith("text/") or re.split(r"[/+]", kind)[-1].removeprefix("x-") in words
