"""Goes on with what was made of a prompt's messages before, instead of making it again. Pure.

From one request of a thread to the next, messages are only added, as a rule. So what is made of
them one after the other is kept beside the first of them, and goes with it.
"""

from collections.abc import Callable, Hashable, Sequence
from operator import is_
from typing import TypeVar

T = TypeVar("T")
M = TypeVar("M")


def go_on(key: Hashable, fold: Callable[[T, Sequence[M]], T], begin: T, messages: Sequence[M]) -> T:
    """`fold(begin, messages)`, made of the last result for this key and of the messages since.

    `fold` must change nothing that it is given, and give the same whether it gets the messages at
    once or in parts. The key names it and all else that it goes by. Messages that aren't the very
    same as before, or are fewer, are folded from the beginning.
    """
    if not messages:
        return fold(begin, messages)
    kept: dict[Hashable, tuple[Sequence[M], T]] = vars(messages[0]).setdefault("_folded", {})
    before, made = kept.get(key, ((), begin))
    count = len(before)
    if count > len(messages) or not all(map(is_, before, messages)):
        count, made = 0, begin
    if count < len(messages):
        made = fold(made, messages[count:])
        kept[key] = (messages, made)
    return made
