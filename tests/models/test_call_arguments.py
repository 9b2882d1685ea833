import pytest

from treadle.models.call_arguments import join_arguments


@pytest.mark.parametrize(
    ("pieces", "joined"),
    [
        ([], ""),
        (["{", '"a"', ":1}"], '{"a":1}'),
        (['{"a":1}', '{"a":1}'], '{"a":1}'),
        (['{"a"', ":1}", '{"a":1}', '{"a":1}'], '{"a":1}'),
        (["{}", '{"a"', ":1}"], '{"a":1}'),
        (["{}", "{}"], "{}"),
        (["{", '{"a"', '{"a":1}'], '{"a":1}'),
        # what may mean something else stays as it came
        (['{"a": ', "{}"], '{"a": {}'),
        (['{"a":1}', '{"a":2}'], '{"a":1}{"a":2}'),
        (['{"a":1}', "]"], '{"a":1}]'),
        (["rm", "rm -f"], "rmrm -f"),
        (["[" * 100_000], "[" * 100_000),
    ],
)
def test_what_a_server_repeats_counts_once(pieces, joined):
    assert join_arguments(pieces) == joined
