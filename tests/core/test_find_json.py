import time

import pytest

from treadle.core.find_json import find_json


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("I think <think>{}</think> so: [1]", "[1]"),
        ("<think>a</think><thought>{}</thought>[1]<think>[2]", None),
        ("<thought>{}</think></thought>[1]", "[1]"),
        ("Here:\n```json\n  [1, 2]\t\n\n  ```\nor [3]", "[1, 2]"),
        ("```\n[1]```", "[1]"),
        ("no value at all", "no value at all"),
    ],
)
def test_the_one_value_is_found_between_thoughts_words_and_fences(answer, found):
    if found is None:
        with pytest.raises(ValueError, match="2 JSON values"):
            find_json(answer)
    else:
        assert find_json(answer) == found


@pytest.mark.parametrize("begin", ["x", "```json\n{", '{"a":"'])
@pytest.mark.parametrize("unit", ["<think>", "</think>", " ", "\t", "\n", "```\n", "{", "[1,"])
def test_what_a_model_repeats_without_end_takes_linear_time(begin, unit):
    started = time.process_time()
    find_json(begin + unit * (100_000 // len(unit)))
    assert time.process_time() - started < 4  # quadratic would be minutes
