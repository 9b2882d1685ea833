"""What tools of the provider found, as replies cite it. Pure.

Sources: `annotations` of messages (OpenAI, OpenRouter), `citations` and `search_results` of chunks
(Perplexity, xAI), and the counts of runs; read in November 2026.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..core.events import ProviderCall, Source, Usage

MAX_SOURCES = 256
_SEARCH = "web_search"


def find_cited(*lists: Any) -> Iterator[tuple[str, str]]:
    """The addresses in these lists, with their titles; "" where one has none."""
    for items in lists:
        for item in items if isinstance(items, list) else ():
            cited = item.get("url_citation", item) if isinstance(item, dict) else {"url": item}
            if isinstance(cited, dict) and isinstance(cited.get("url"), str) and cited["url"]:
                title = cited.get("title")
                yield cited["url"], title if isinstance(title, str) else ""


def make_provider_calls(cited: Mapping[str, str], usage: Usage | None) -> list[ProviderCall]:
    """The tools that the provider ran, by its count, or since a reply cites what they found."""
    sources = tuple(Source(url, title) for url, title in cited.items())[:MAX_SOURCES]
    names = dict.fromkeys(usage.provider_calls if usage else ())
    if sources:
        names |= {_SEARCH: None}
    return [
        ProviderCall(name, sources=sources if name == _SEARCH else ()) for name in sorted(names)
    ]
