"""Exact counts of tokens, offline, for models whose vocabulary is known: the extra `tokens`.

For all others, and without the extra, there is the estimate (model.py), corrected by what providers count.
"""

import functools
import re
from collections.abc import Callable, Sequence

_O200K = re.compile(r"openai:(chatgpt-4o|gpt-(4o|4\.1|4\.5|[5-9])|o\d)")
"""OpenAI's models with the vocabulary o200k_base; the others are older than all that is sold now."""

Count = Callable[[Sequence[str]], int]


def find_token_counter(model: str) -> Count | None:
    """What counts the tokens of texts as the model of this name does; None where only its provider knows."""
    return _counter() if _O200K.match(model) else None


@functools.cache
def _counter() -> Count | None:
    try:
        from toktok import batch_count
    except ImportError:
        return None

    def count(texts: Sequence[str]) -> int:
        return sum(batch_count(list(texts), "o200k_base", threads=1))

    return count
