"""The words that say little about what a text is about, in many languages.

The lists are those of the library stop-words, except for English: its English list has 1,333 words,
and "shed" and "computer" are among them.
"""

import functools
from collections.abc import Iterable

ENGLISH = frozenset(
    """
a about above after again against all also am an and any are as at be because been before being
below between both but by can cannot could did do does doing down during each ever
every few for from further get gets got had has have having he her here hers herself him himself
his how i if in into is it its itself just let like may me might more most must my myself no nor
not now of off often on once only or other our ours ourselves out over own please rather same
shall she should show so some such tell than that the their theirs them themselves then there
these they this those through to too under until up us very was we were what when where whether
which while who whom whose why will with would yes yet you your yours yourself
""".split()  # noqa: SIM905
)

MIN_COMMON = 2


def find_common_words(words: Iterable[str]) -> frozenset[str]:
    """The common words of the language of these words, which are in lower case.

    That is the language that most of them are common in, if it is at least two of them; else
    English. One isn't enough: "door" is common in Dutch.
    """
    given = list(words)

    def count(common: frozenset[str]) -> int:
        return sum(word in common for word in given)

    best = max(_load_lists(), key=count)
    return best if count(best) >= MIN_COMMON else ENGLISH


@functools.cache
def _load_lists() -> list[frozenset[str]]:
    import stop_words

    others = [name for name in stop_words.AVAILABLE_LANGUAGES if name != "english"]
    found = [frozenset(stop_words.get_stop_words(name)) for name in others]
    return [ENGLISH, *found]
