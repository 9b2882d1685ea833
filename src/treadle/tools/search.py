"""Searching the web: by the engine whose key or address is set, else by a metasearch library that needs no key.

| set in the environment | engine |
|---|---|
| `TAVILY_API_KEY` | Tavily |
| `BRAVE_API_KEY` | Brave Search |
| `SEARXNG_URL` | a SearXNG server, with its JSON format switched on |
| none of these | `ddgs`, which asks public search pages; expect it to be refused now and then |

An engine is a function; `search_tool(engine)` makes the tool of one's own. Keys go into headers and nowhere else.
"""

import asyncio
import html
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import ToolError, ToolRetry
from ..core.tool import Tool, make_tool


@dataclass(frozen=True)
class Hit:
    """One result, as the engine has it; none of it is to be trusted."""

    title: str
    url: str
    snippet: str


Engine = Callable[[str, int], Awaitable[list[Hit]]]
"""Query and number of results to hits, best first. Raises ToolError in words for the model."""

TOTAL_S = 10.0
CONNECT_S = 3.0
MAX_BYTES = 2_000_000
MAX_RESULTS = 20
_INSTEAD = "answer from what you know and say that you couldn't check, or use search_docs"


def choose_engine(environ: Mapping[str, str]) -> Engine:
    """The first engine of the table above that is set up."""
    if key := environ.get("TAVILY_API_KEY"):
        return tavily(key)
    if key := environ.get("BRAVE_API_KEY"):
        return brave(key)
    if url := environ.get("SEARXNG_URL"):
        return searxng(url)
    return keyless()


def search_tool(engine: Engine | None = None) -> Tool:
    """The web_search tool. Without an engine, the environment is asked at each call."""

    async def web_search(query: str, max_results: int = 5) -> str:
        """Search the web. Gives titles, addresses and short extracts; read a page with web_fetch.

        Args:
            query: A few words, as for a search engine.
            max_results: How many results, at most 20.
        """
        if not query.strip():
            raise ToolError("the query is empty; give a few words to search for")
        count = min(max(max_results, 1), MAX_RESULTS)
        return format_hits(
            query, (await (engine or choose_engine(os.environ))(query.strip(), count))[:count]
        )

    return make_tool(web_search, read_only=True, timeout_s=15, retries=1)


def format_hits(query: str, hits: list[Hit]) -> str:
    """Hits as numbered text for a model. Pure."""
    if not hits:
        return f"No results for {query!r}; try fewer or other words."
    return "\n".join(
        f"{number}. {_line(hit.title, 200) or '(no title)'}\n   {_line(hit.url, 500)}\n   {_line(hit.snippet, 600)}"
        for number, hit in enumerate(hits, 1)
    )


def tavily(key: str, base_url: str = "https://api.tavily.com") -> Engine:
    """https://docs.tavily.com/api-reference/endpoint/search"""

    async def search(query: str, count: int) -> list[Hit]:
        body = {"query": query, "max_results": count}
        headers = {"Authorization": f"Bearer {key}"}
        found = await _ask(
            "Tavily", "POST", f"{base_url}/search", {"json": body, "headers": headers}
        )
        return _hits("Tavily", found.get("results"), "content")

    return search


def brave(key: str, base_url: str = "https://api.search.brave.com") -> Engine:
    """https://api-dashboard.search.brave.com/app/documentation/web-search/get-started"""

    async def search(query: str, count: int) -> list[Hit]:
        settings = {
            "params": {"q": query, "count": count, "text_decorations": "false"},
            "headers": {"X-Subscription-Token": key},
        }
        found = await _ask("Brave Search", "GET", f"{base_url}/res/v1/web/search", settings)
        web = found.get("web") or {"results": []}  # left out where nothing was found
        return _hits(
            "Brave Search", web.get("results") if isinstance(web, dict) else None, "description"
        )

    return search


def searxng(url: str) -> Engine:
    """https://docs.searxng.org/dev/search_api.html"""

    async def search(query: str, count: int) -> list[Hit]:
        settings = {"params": {"q": query, "format": "json"}}
        found = await _ask("SearXNG", "GET", f"{url.rstrip('/')}/search", settings)
        return _hits("SearXNG", found.get("results"), "content")[:count]

    return search


def keyless() -> Engine:
    """Public search pages through `ddgs`, of the extra `web`."""

    async def search(query: str, count: int) -> list[Hit]:
        try:
            import ddgs
            from ddgs.exceptions import DDGSException, RatelimitException
        except ImportError:
            raise ToolError(
                "web search needs a package that isn't installed here: pip install 'treadle[web]', or set"
                f" TAVILY_API_KEY, BRAVE_API_KEY or SEARXNG_URL; until then, {_INSTEAD}"
            ) from None
        try:
            async with asyncio.timeout(
                TOTAL_S
            ):  # its own limit is for each engine, one after the other
                found = await asyncio.to_thread(
                    lambda: ddgs.DDGS(timeout=5).text(query, max_results=count)
                )
        except TimeoutError:
            raise _unreachable(f"no answer in {TOTAL_S:g} s") from None
        except RatelimitException:
            raise ToolRetry(
                f"the search engines ask for a pause; {_INSTEAD}", retry_after_s=2
            ) from None
        except DDGSException as error:
            if str(error) == "No results found.":
                return []
            raise _unreachable(_line(str(error), 160)) from None
        return [
            Hit(str(h.get("title", "")), str(h.get("href", "")), str(h.get("body", "")))
            for h in found
        ]

    return search


async def _ask(name: str, method: str, url: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The JSON object that a search service answers. Raises ToolError; ToolRetry for what may pass."""
    try:
        import httpx2
    except ImportError:
        needed = "web search needs a package that isn't installed here: pip install 'treadle[web]'"
        raise ToolError(f"{needed}; until then, {_INSTEAD}") from None
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
        # Others may quote a header, and with it the key.
        reason = isinstance(error, httpx2.ConnectError) and str(error)
        raise _unreachable(f"{name}: {reason or type(error).__name__}") from None
    status = response.status_code
    if status in (401, 403):
        hint = (
            "its settings don't allow format=json"
            if name == "SearXNG"
            else "the key is not accepted"
        )
        raise ToolError(f"web search by {name} is refused with {status}: {hint}; {_INSTEAD}")
    if status == 429 or status >= 500:
        raise ToolRetry(
            f"web search by {name} failed with {status}; try once more later, or {_INSTEAD}"
        )
    try:
        found = json.loads(body) if status == 200 else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ToolError(f"web search by {name} gave no usable answer (status {status}); {_INSTEAD}")
    return found


def _hits(name: str, results: Any, snippet: str) -> list[Hit]:
    if not isinstance(results, list):
        raise ToolError(f"web search by {name} gave an answer without results; {_INSTEAD}")
    return [
        Hit(str(item.get("title") or ""), str(item["url"]), str(item.get(snippet) or ""))
        for item in results
        if isinstance(item, dict) and item.get("url")
    ]


def _unreachable(reason: str) -> ToolError:
    return ToolError(f"web search can't be reached from here ({reason}); {_INSTEAD}")


def _line(text: str, most: int) -> str:
    """On one line, without HTML's escapes, cut at `most` characters."""
    flat = " ".join(html.unescape(text[: 4 * most]).split())
    return flat if len(flat) <= most else flat[: most - 1].rstrip() + "…"


web_search = search_tool()
