from treadle.stores.full_text import closed, matches


def test_terms_are_quoted_and_joined_strictly_then_loosely():
    assert matches("What is max_chars OR x-y?") == [
        '"max_chars" AND "x-y"',
        '"max_chars" OR "x" OR "y"',
        '"max_chars"* OR "x"* OR "y"*',
    ]
    assert matches("to be or not")[0] == '"not"'
    assert matches("who is")[0] == '"who" AND "is"'


def test_a_run_without_spaces_is_also_asked_for_in_pairs():
    assert [closed(part) for part in matches("猫の名前")] == [
        '"猫の名前"',
        '"猫の名前" OR "猫の" OR "の名" OR "名前"',
        '"猫の名前"* OR "猫の"* OR "の名"* OR "名前"*',
    ]
    assert closed(matches("名前")[1]) == '"名前"'
