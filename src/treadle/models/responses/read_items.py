"""Turns the items of a response into the ordered blocks of a reply. Pure.

Each block keeps the rest of its item as `opaque`, so that it can go back as it came.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...core.errors import ModelRejected
from ...core.events import Block, Call, ProviderCall, Source, Text, Thinking
from ...core.values import text_of
from ..call_arguments import arguments_text, legal_name, refuse_more_calls
from ..cited import MAX_SOURCES, find_cited
from ..nesting import check_depth
from .item_drafts import kind_of
from .item_types import (
    BETWEEN_MESSAGES,
    NEEDS_CLIENT,
    THINKS,
    find_summary,
    is_provider_call,
)
from .provider_calls import read_provider_call

_Item = dict[str, Any]
_CALL_FIELDS = ("call_id", "name", "arguments")


@dataclass
class Blocks:
    """What the items of a response say."""

    blocks: list[Block] = field(default_factory=list)
    refusal: str = ""
    calls: int = 0

    @property
    def is_picture(self) -> bool:
        """Whether all that they say is a picture."""
        is_drawn = any(
            isinstance(block, ProviderCall) and bool(block.opaque.get("result"))
            for block in self.blocks
            if block.opaque.get("type") == "image_generation_call"
        )
        return is_drawn and not (self.calls or self.refusal or text_of(tuple(self.blocks)))


def read_items(items: Iterable[_Item]) -> Blocks:
    """The blocks, in the order of the items. Raises a ModelError for what can't be answered."""
    made = Blocks()
    for item in items:
        kind = kind_of(item)
        check_depth(item)
        if kind == "message":
            _add_message(made, item)
        elif kind == "function_call":
            made.blocks.append(_read_call(item))
            made.calls += 1
            refuse_more_calls(made.calls)
        elif kind in THINKS:
            made.blocks.append(Thinking(find_summary(item), item))
        elif kind in NEEDS_CLIENT:
            raise ModelRejected(
                f"the model asks for {kind}, which Treadle doesn't do; leave {NEEDS_CLIENT[kind]}"
                " out of the request's tools"
            )
        elif is_provider_call(item):
            made.blocks.append(read_provider_call(item))
    return made


def message_texts(item: _Item) -> list[str]:
    """The texts that a message says, without refusals."""
    return [part["text"] for part in _parts(item) if _says(part)]


def _parts(item: _Item) -> list[_Item]:
    content = item.get("content")
    if isinstance(content, str):  # as in requests
        return [{"type": "output_text", "text": content}]
    if not isinstance(content, list):
        return []
    return [part for part in content if isinstance(part, dict)]


def _says(part: _Item) -> bool:
    return part.get("type") != "refusal" and isinstance(part.get("text"), str)


def _add_message(made: Blocks, item: _Item) -> None:
    head = {key: value for key, value in item.items() if key not in ("content", "role")}
    begins = any(isinstance(block, Text) for block in made.blocks)
    for part in _parts(item):
        refusal = part.get("refusal")
        if isinstance(refusal, str):
            made.refusal += refusal
        if not _says(part) or not part["text"]:
            continue
        own = {key: value for key, value in part.items() if key not in ("text", "type")}
        own = {key: value for key, value in own.items() if value not in (None, [])}
        opaque = head
        if own:
            opaque = head | {"part": own}
        text = part["text"]
        if begins:
            text = BETWEEN_MESSAGES + text
        begins = False
        _add_sources(made.blocks, part.get("annotations"))
        made.blocks.append(Text(text, opaque if isinstance(item.get("id"), str) else {}))


def _add_sources(blocks: list[Block], annotations: Any) -> None:
    """Give the pages that a text cites their titles, in the searches that found them.

    A page that no search lists belongs to the last one.
    """
    cited = dict(find_cited(annotations))
    if not cited:
        return
    searches = [
        (index, block)
        for index, block in enumerate(blocks)
        if isinstance(block, ProviderCall) and block.name.startswith("web_search")
    ]
    for index, search in reversed(searches):
        own = [source.url for source in search.sources if source.url in cited]
        blocks[index] = _with_sources(search, {url: cited.pop(url) for url in dict.fromkeys(own)})
    if cited and searches:
        index = searches[-1][0]
        last = blocks[index]
        assert isinstance(last, ProviderCall)
        blocks[index] = _with_sources(last, cited)


def _with_sources(call: ProviderCall, cited: dict[str, str]) -> ProviderCall:
    titles = {source.url: source.title for source in call.sources}
    for url, title in cited.items():
        titles[url] = titles.get(url) or title
    sources = [Source(url, title) for url, title in titles.items()]
    return msgspec.structs.replace(call, sources=tuple(sources[:MAX_SOURCES]))


def _read_call(item: _Item) -> Call:
    call_id, name, arguments = (item.get(key) for key in _CALL_FIELDS)
    own = {key: value for key, value in item.items() if key not in _CALL_FIELDS}
    known_id = call_id if isinstance(call_id, str) else ""
    return Call(known_id, legal_name(name), arguments_text(arguments), own)
