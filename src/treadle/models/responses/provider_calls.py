"""Reads what tools of the provider did: its web search, file search, code and others. Pure.

The log has what was asked, what came of it and where that was found; the whole item is kept beside.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ...core.events import ProviderCall, Source

MAX_TEXT = 20_000
"""The most characters of a result that are shown; the item has the rest."""
_ASIDE = ("id", "type", "status", "created_by", "call_id", "error", "output", "result")
"""Fields of an unknown item that aren't what was asked."""

_Item = dict[str, Any]


def read_provider_call(item: _Item) -> ProviderCall:
    """The item as a call that the provider ran."""
    match item["type"]:
        case "web_search_call":
            return _read_web_search(item)
        case "file_search_call":
            return _read_file_search(item)
        case "code_interpreter_call":
            return _read_code(item)
        case "image_generation_call":
            return _read_picture(item)
        case "mcp_call":
            name = f"{_text(item.get('server_label'))}.{_text(item.get('name'))}"
            result = _text(item.get("output")) or _error_text(item)
            return ProviderCall(name, _text(item.get("arguments")), result[:MAX_TEXT], (), item)
    asked = {key: value for key, value in item.items() if key not in _ASIDE and value is not None}
    result = _text(item.get("output") or item.get("result")) or _error_text(item)
    name = item["type"].removesuffix("_call")[:128]
    return ProviderCall(name, _json(asked), result[:MAX_TEXT], (), item)


def count_provider_calls(items: Iterable[_Item], tool_usage: Any) -> dict[str, int]:
    """How often each of the provider's tools ran: as it says, else as its items show."""
    counts: Counter[str] = Counter()
    for item in items:
        kind = item.get("type")
        if kind in ("file_search_call", "code_interpreter_call", "mcp_call"):
            counts[kind.removesuffix("_call")] += 1
        elif kind == "web_search_call" and _is_search(item):
            counts["web_search"] += 1
    searches = tool_usage.get("web_search") if isinstance(tool_usage, dict) else None
    if isinstance(searches, dict) and isinstance(searches.get("num_requests"), int):
        counts["web_search"] = searches["num_requests"]
    return dict(counts)


def _is_search(item: _Item) -> bool:
    """Whether it is a search, which costs, and no page that was opened."""
    action = item.get("action")
    return not isinstance(action, dict) or action.get("type") in (None, "search")


def _read_web_search(item: _Item) -> ProviderCall:
    action = item.get("action")
    action = action if isinstance(action, dict) else {}
    asked = {key: value for key, value in action.items() if key != "sources" and value is not None}
    found = [each for each in _dicts(action.get("sources")) if isinstance(each.get("url"), str)]
    sources = [Source(each["url"], _text(each.get("title"))) for each in found]
    return ProviderCall("web_search", _json(asked), _failure(item), tuple(sources), item)


def _read_file_search(item: _Item) -> ProviderCall:
    results = _dicts(item.get("results"))
    texts = [f"{_text(each.get('filename'))}: {_text(each.get('text'))}" for each in results]
    sources = [
        Source(each["file_id"], _text(each.get("filename")))
        for each in results
        if isinstance(each.get("file_id"), str)
    ]
    asked = _json({"queries": item.get("queries")})
    result = "\n".join(texts)[:MAX_TEXT] or _failure(item)
    return ProviderCall("file_search", asked, result, tuple(sources), item)


def _read_code(item: _Item) -> ProviderCall:
    texts = []
    for output in _dicts(item.get("outputs")):
        picture = output.get("url")
        texts.append(f"[picture: {_text(picture)}]" if picture else _text(output.get("logs")))
    result = "\n".join(texts)[:MAX_TEXT] or _failure(item)
    return ProviderCall("code_interpreter", _json({"code": item.get("code")}), result, (), item)


def _read_picture(item: _Item) -> ProviderCall:
    asked = {"prompt": item.get("revised_prompt"), "size": item.get("size")}
    data = _text(item.get("result"))
    result = f"[a picture, {len(data)} characters of base64]" if data else _failure(item)
    return ProviderCall("image_generation", _json(asked), result, (), item)


def _failure(item: _Item) -> str:
    """What to say of a call that gave nothing: its error or status, unless that is fine."""
    status = item.get("status")
    return _error_text(item) or ("" if status in (None, "completed") else _text(status))


def _error_text(item: _Item) -> str:
    error = item.get("error")
    if isinstance(error, dict):
        error = error.get("message") or error
    return f"error: {_text(error)}" if error else ""


def _dicts(value: Any) -> list[_Item]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else _json(value)


def _json(value: Mapping[str, Any] | Any) -> str:
    return msgspec.json.encode(value).decode()
