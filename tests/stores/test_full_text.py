from treadle.stores.full_text import build_queries, remove_spacing


def test_terms_are_quoted_and_joined_strictly_then_loosely():
    assert build_queries("What is max_chars OR x-y?") == [
        '"max_chars" AND "x-y"',
        '"max_chars" OR "x" OR "y"',
        '"max_chars"* OR "x"* OR "y"*',
    ]
    assert build_queries("to be or not")[0] == '"to" AND "be" AND "or" AND "not"'
    assert build_queries("who is")[0] == '"who" AND "is"'


def test_a_run_without_spaces_is_also_asked_for_in_pairs():
    assert [remove_spacing(part) for part in build_queries("猫の名前")] == [
        '"猫の名前"',
        '"猫の名前" OR "猫の" OR "の名" OR "名前"',
        '"猫の名前"* OR "猫の"* OR "の名"* OR "名前"*',
    ]
    assert remove_spacing(build_queries("名前")[1]) == '"名前"'
