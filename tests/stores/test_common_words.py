import pytest

from treadle.stores.common_words import ENGLISH, find_common_words
from treadle.stores.full_text import weigh_words


def test_content_words_of_english_are_not_common():
    assert not {"shed", "computer", "work", "room", "name"} & ENGLISH
    assert all(word.isalpha() and word.islower() for word in ENGLISH)


@pytest.mark.parametrize(
    ("query", "common"),
    [
        ("What is Ann's dog called?", {"what", "is"}),
        ("Wie heißt der Hund von Ann?", {"wie", "der", "von"}),
        ("Quel est le chien ?", {"quel", "est", "le"}),
        ("red door", set()),  # one word that is common in Dutch makes no Dutch
        ("didn't Max's car die?", {"did"}),
    ],
)
def test_the_words_that_are_common_in_the_query_s_language_weigh_less(query, common):
    weights = weigh_words(query)
    assert {word for word, weight in weights.items() if weight < 1} == common
    assert not {"s", "t", "n't"} & weights.keys()


def test_in_a_query_of_common_words_alone_all_weigh_the_same():
    assert weigh_words("Who is she?") == {"who": 1.0, "is": 1.0, "she": 1.0}
    assert set(weigh_words("Who is she?", alone=False).values()) == {0.25}


def test_no_words_are_english():
    assert find_common_words([]) is ENGLISH
