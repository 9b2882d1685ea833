"""Searches the web with the engine that is set up, else with a library that needs no key.

| environment variable | engine |
|---|---|
| `TAVILY_API_KEY` | Tavily |
| `BRAVE_API_KEY` | Brave Search |
| `SERPAPI_API_KEY` | Google's results through SerpApi |
| `SEARXNG_URL` | a SearXNG server, with its JSON format enabled |
| none of these | `ddgs`, which asks public search pages and is sometimes refused |

An engine is a function; `search_tool(engine)` makes a tool of another one. Keys are sent only in
headers; but SerpApi takes its key only in the address. No error and no line of the HTTP library's
log repeats a key, even if a server sends it back.
"""

import asyncio
import contextlib
import html
import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import ToolError, ToolRetry
from ..core.function_tool import make_tool
from ..core.redact import spellings
from ..core.tool import Tool
from ..models.known_secrets import redact_known, remember_secrets


@dataclass(frozen=True)
class Hit:
    """One result, as the engine sent it; untrusted."""

    title: str
    url: str
    snippet: str


Engine = Callable[[str, int], Awaitable[list[Hit]]]
"""From a query and a number of results to hits, best first. Raises ToolError for the model."""


@dataclass(frozen=True, eq=False)
class _Key:
    """An engine's key, which nothing shows for as long as the engine lives."""

    text: str = field(repr=False)

    def secrets(self) -> frozenset[str]:
        return spellings([self.text])


TOTAL_S = 10.0
CONNECT_S = 3.0
MAX_BYTES = 2_000_000
MAX_RESULTS = 20
_NOT_INSTALLED = "web search needs a package that isn't installed here: pip install 'treadle[web]'"
_LOGGERS = (
    "httpx2",
    *(f"httpcore2.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
)
_INSTEAD = "answer from what you know and say that you couldn't check, or use search_docs"


def choose_engine(environ: Mapping[str, str]) -> Engine:
    """The first engine of the table above whose variable is set."""
    if key := environ.get("TAVILY_API_KEY"):
        return tavily(key)
    if key := environ.get("BRAVE_API_KEY"):
        return brave(key)
    if key := environ.get("SERPAPI_API_KEY"):
        return serpapi(key)
    if url := environ.get("SEARXNG_URL"):
        return searxng(url)
    return keyless()


def search_tool(engine: Engine | None = None) -> Tool:
    """The web_search tool. Without an engine, the environment is read at each call."""

    async def web_search(query: str, max_results: int = 5) -> str:
        """Search the web. Gives titles, addresses and short extracts; read a page with web_fetch.

        Args:
            query: A few words, as for a search engine.
            max_results: How many results, at most 20.
        """
        if not query.strip():
            raise ToolError("the query is empty; give a few words to search for")
        count = min(max(max_results, 1), MAX_RESULTS)
        search = engine or choose_engine(os.environ)
        hits = await search(query.strip(), count)
        return format_hits(query, hits[:count])

    labels = ("untrusted", "outward")
    return make_tool(web_search, read_only=True, timeout_s=15, retries=1, labels=labels)


def format_hits(query: str, hits: list[Hit]) -> str:
    """The hits as numbered text for a model. Pure."""
    if not hits:
        return f"No results for {query!r}; try fewer or other words."
    lines = []
    for number, hit in enumerate(hits, 1):
        lines.append(f"{number}. {_one_line(hit.title, 200) or '(no title)'}")
        lines.append(f"   {_one_line(hit.url, 500)}")
        lines.append(f"   {_one_line(hit.snippet, 600)}")
    return "\n".join(lines)


def tavily(key: str, base_url: str = "https://api.tavily.com") -> Engine:
    """https://docs.tavily.com/api-reference/endpoint/search"""
    kept = _keep(key)

    async def search(query: str, count: int) -> list[Hit]:
        body = {"query": query, "max_results": count}
        headers = {"Authorization": f"Bearer {kept.text}"}
        settings = {"json": body, "headers": headers}
        found = await _ask("Tavily", "POST", f"{base_url}/search", settings)
        return _read_hits("Tavily", found.get("results"), "content")

    return search


def brave(key: str, base_url: str = "https://api.search.brave.com") -> Engine:
    """https://api-dashboard.search.brave.com/app/documentation/web-search/get-started"""
    kept = _keep(key)

    async def search(query: str, count: int) -> list[Hit]:
        settings = {
            "params": {"q": query, "count": count, "text_decorations": "false"},
            "headers": {"X-Subscription-Token": kept.text},
        }
        found = await _ask("Brave Search", "GET", f"{base_url}/res/v1/web/search", settings)
        web = found.get("web") or {"results": []}  # missing if nothing was found
        results = None
        if isinstance(web, dict):
            results = web.get("results")
        return _read_hits("Brave Search", results, "description")

    return search


def serpapi(key: str, base_url: str = "https://serpapi.com") -> Engine:
    """https://serpapi.com/search-api"""
    kept = _keep(key)

    async def search(query: str, count: int) -> list[Hit]:
        params = {"engine": "google", "q": query, "num": count, "output": "json"}
        params["api_key"] = kept.text
        found = await _ask("SerpApi", "GET", f"{base_url}/search", {"params": params})
        results = found.get("organic_results")
        about = found.get("search_metadata")
        if results is None and isinstance(about, dict) and about.get("status") == "Success":
            return []  # Google found nothing; then there is an "error" that says so
        return _read_hits("SerpApi", results, "snippet", url="link")[:count]

    return search


def _keep(key: str) -> _Key:
    kept = _Key(key)
    remember_secrets(kept)
    return kept


def searxng(url: str) -> Engine:
    """https://docs.searxng.org/dev/search_api.html"""

    async def search(query: str, count: int) -> list[Hit]:
        settings = {"params": {"q": query, "format": "json"}}
        found = await _ask("SearXNG", "GET", f"{url.rstrip('/')}/search", settings)
        return _read_hits("SearXNG", found.get("results"), "content")[:count]

    return search


def keyless() -> Engine:
    """Public search pages through the package `ddgs`, from the extra `web`."""

    async def search(query: str, count: int) -> list[Hit]:
        try:
            import ddgs
            from ddgs.exceptions import DDGSException, RatelimitException
        except ImportError:
            raise ToolError(
                f"{_NOT_INSTALLED}, or set TAVILY_API_KEY, BRAVE_API_KEY, SERPAPI_API_KEY or"
                f" SEARXNG_URL; until then, {_INSTEAD}"
            ) from None
        try:
            # Its own time limit is for each engine, and it asks them one after the other.
            async with asyncio.timeout(TOTAL_S):
                search_text = ddgs.DDGS(timeout=5).text
                found = await asyncio.to_thread(search_text, query, max_results=count)
        except TimeoutError:
            raise _unreachable(f"no answer in {TOTAL_S:g} s") from None
        except RatelimitException:
            raise ToolRetry(
                f"the search engines ask for a pause; {_INSTEAD}", retry_after_s=2
            ) from None
        except DDGSException as error:
            if str(error) == "No results found.":
                return []
            raise _unreachable(_one_line(str(error), 160)) from None
        hits = []
        for each in found:
            title, url, snippet = (str(each.get(key, "")) for key in ("title", "href", "body"))
            hits.append(Hit(title, url, snippet))
        return hits

    return search


async def _ask(name: str, method: str, url: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The JSON object that a search service sends.

    Raises ToolError, or ToolRetry if another attempt may succeed.
    """
    try:
        import httpx2
    except ImportError:
        raise ToolError(f"{_NOT_INSTALLED}; until then, {_INSTEAD}") from None
    for logger in _LOGGERS:  # they log the address of every request, and all headers of replies
        logging.getLogger(logger).addFilter(_hide_keys)
    timeout = httpx2.Timeout(TOTAL_S, connect=CONNECT_S)
    body = bytearray()
    try:
        async with (
            asyncio.timeout(TOTAL_S),
            httpx2.AsyncClient(timeout=timeout) as client,
            client.stream(method, url, **settings) as response,
        ):
            async for data in response.aiter_bytes():
                body += data
                if len(body) > MAX_BYTES:
                    raise ToolError(
                        f"web search by {name} gave more than {MAX_BYTES:,} bytes; {_INSTEAD}"
                    )
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
        reason = type(error).__name__
        if isinstance(error, httpx2.ConnectError) and str(error):
            reason = str(error)  # other errors may quote a header, and so the key
        raise _unreachable(f"{name}: {reason}") from None
    return _read_object(name, response.status_code, bytes(body))


def _hide_keys(record: logging.LogRecord) -> bool:
    """Redacts a line of the HTTP library's log."""
    record.msg, record.args = redact_known(record.getMessage()), ()
    return True


def _read_object(name: str, status: int, body: bytes) -> dict[str, Any]:
    if status in (401, 403):
        hint = "the key is not accepted"
        if name == "SearXNG":
            hint = "its settings don't allow format=json"
        raise ToolError(f"web search by {name} is refused with {status}: {hint}; {_INSTEAD}")
    if status == 429 or status >= 500:
        raise ToolRetry(
            f"web search by {name} failed with {status}; try once more later, or {_INSTEAD}"
        )
    found = None
    if status == 200:
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(body)
    if not isinstance(found, dict):
        raise ToolError(f"web search by {name} gave no usable answer (status {status}); {_INSTEAD}")
    return found


def _read_hits(name: str, results: Any, snippet: str, url: str = "url") -> list[Hit]:
    if not isinstance(results, list):
        raise ToolError(f"web search by {name} gave an answer without results; {_INSTEAD}")
    hits = []
    for item in results:
        if isinstance(item, dict) and item.get(url):
            title = str(item.get("title") or "")
            hits.append(Hit(title, str(item[url]), str(item.get(snippet) or "")))
    return hits


def _unreachable(reason: str) -> ToolError:
    return ToolError(f"web search can't be reached from here ({reason}); {_INSTEAD}")


def _one_line(text: str, most: int) -> str:
    """The text on one line, without HTML escapes, cut after `most` characters."""
    line = " ".join(html.unescape(text[: 4 * most]).split())
    if len(line) <= most:
        return line
    return line[: most - 1].rstrip() + "…"


web_search = search_tool()
