import pytest

from treadle.core.errors import ToolError
from treadle.tools.ask import ask_user


def test_there_is_no_function_behind_it_and_no_time_limit():
    assert ask_user.function is None
    assert ask_user.timeout_s is None


def test_one_question_is_passed_on():
    assert ask_user.arguments_of('{"question": "Tea or coffee?"}') == {"question": "Tea or coffee?"}


@pytest.mark.parametrize(
    "text", ["", "{}", '{"question": " "}', '{"question": 1}', '{"question": "a", "b": 1}', "[1]"]
)
def test_anything_else_is_told_to_the_model(text):
    with pytest.raises(ToolError, match="send one"):
        ask_user.arguments_of(text)
