from hypothesis import given
from hypothesis import strategies as st

from treadle.notes.ranking import by_idf, reciprocal_rank_fusion

RANKINGS = st.dictionaries(
    st.sampled_from("abc"), st.lists(st.integers(0, 9).map(str), unique=True), max_size=3
)


def order(**rankings: str) -> str:
    return "".join(ranked.id for ranked in reciprocal_rank_fusion(rankings))


def test_what_both_rank_high_comes_first():
    assert order(words="xyz", meaning="zxw") == "xzyw"
    assert reciprocal_rank_fusion({"words": ["x"], "meaning": ["y", "x"]})[0].ranks == {
        "words": 1,
        "meaning": 2,
    }


def test_one_ranking_alone_stays_as_it_is():
    assert order(words="cab") == "cab"
    assert order(words="cab", meaning="") == "cab"


@given(RANKINGS)
def test_every_id_is_there_once_with_its_ranks(rankings):
    ranked = reciprocal_rank_fusion(rankings)
    assert sorted(each.id for each in ranked) == sorted(
        {each for ids in rankings.values() for each in ids}
    )
    for each in ranked:
        assert each.ranks == {
            name: ids.index(each.id) + 1 for name, ids in rankings.items() if each.id in ids
        }
    scores = [each.score for each in ranked]
    assert scores == sorted(scores, reverse=True)


@given(RANKINGS)
def test_who_is_nowhere_worse_and_somewhere_better_comes_before(rankings):
    ranked = reciprocal_rank_fusion(rankings)
    place = {each.id: index for index, each in enumerate(ranked)}
    worst = 1000
    for one in ranked:
        for other in ranked:
            pairs = [
                (one.ranks.get(name, worst), other.ranks.get(name, worst)) for name in rankings
            ]
            if all(a <= b for a, b in pairs) and any(a < b for a, b in pairs):
                assert place[one.id] < place[other.id]


@given(RANKINGS)
def test_the_names_of_the_rankings_do_not_matter(rankings):
    renamed = reciprocal_rank_fusion({f"other {name}": ids for name, ids in rankings.items()})
    assert [each.id for each in renamed] == [each.id for each in reciprocal_rank_fusion(rankings)]


def test_what_shares_only_common_words_tells_nothing():
    everywhere = [f"n{number}" for number in range(40)]
    assert by_idf({"user": everywhere, "vegan": ["n7"]}, 50) == ["n7"]
    assert by_idf({"user": everywhere, "kangaroo": []}, 50) == []
    assert by_idf({"vegan": ["n7"], "berlin": ["n7", "n8"]}, 50) == ["n7", "n8"]
    assert by_idf({}, 50) == []
