from treadle.stores.words import matches


def test_terms_are_quoted_and_joined_strictly_then_loosely():
    assert matches("What is max_chars OR x-y?") == [
        '"max_chars" AND "x-y"',
        '"max_chars" OR "x" OR "y"',
        '"max_chars"* OR "x"* OR "y"*',
    ]
    assert matches("to be or not")[0] == '"not"'
    assert matches("who is")[0] == '"who" AND "is"'
