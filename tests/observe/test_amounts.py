import pytest

from treadle.observe.amounts import format_seconds


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "-"),
        (0.0, "0 s"),
        (0.000_000_02, "0.00002 ms"),
        (0.000_149, "0.15 ms"),
        (0.001_49, "1.5 ms"),
        (0.009_96, "10 ms"),
        (0.149, "149 ms"),
        (0.999_6, "1.0 s"),
        (1.49, "1.5 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599.6, "1 h 0 min"),
        (12_000, "3 h 20 min"),
    ],
)
def test_times_have_the_unit_that_people_read(seconds, said):
    assert format_seconds(seconds) == said
