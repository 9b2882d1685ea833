"""Exact token counts, offline, for models with a known vocabulary: the extra `tokens`.

For others, and without the extra, there is an estimate (model.py), corrected by what providers
count.
"""

import functools
import re
from collections.abc import Callable, Sequence

_O200K = re.compile(r"openai(?:-chat|-responses)?:(chatgpt-4o|gpt-(4o|4\.1|4\.5|[5-9])|o\d)")
"""OpenAI's models with the vocabulary o200k_base. The others aren't sold any more."""

CHARS_PER_TOKEN = 4
"""A guess, for a reply whose tokens nobody has counted."""

Count = Callable[[Sequence[str]], int]


def find_token_counter(model: str) -> Count | None:
    """A function that counts texts as that model does; None if only its provider can."""
    if not _O200K.match(model):
        return None
    return _load_counter()


@functools.cache
def _load_counter() -> Count | None:
    try:
        from toktok import batch_count
    except ImportError:
        return None

    def count(texts: Sequence[str]) -> int:
        return sum(batch_count(list(texts), "o200k_base", threads=1))

    return count
